use std::fmt;

use http::Method;
use serde::Serialize;

use super::connection::Session;
use super::query::{Query, Upsert};

/// A table or a view. Its methods begin a request.
#[derive(Clone)]
pub struct Table {
    session: Session,
    name: String,
}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Table").field(&self.name).finish()
    }
}

impl Table {
    pub(super) fn new(session: &Session, name: String) -> Self {
        Self { session: session.clone(), name }
    }

    fn query(&self, method: Method) -> Query {
        Query::table(&self.session, method, &self.name)
    }

    /// Reads rows; see [`Query::select`]. `"*"` stands for all columns.
    pub fn select(&self, columns: &str) -> Query {
        self.query(Method::GET).select(columns)
    }

    /// Inserts a row, or each row of an array.
    pub fn insert(&self, rows: &(impl Serialize + ?Sized)) -> Query {
        self.query(Method::POST).body(rows).columns_of_body()
    }

    /// Inserts a row, or each row of an array, and merges those that are there already; see [`Upsert`].
    pub fn upsert(&self, rows: &(impl Serialize + ?Sized), upsert: Upsert) -> Query {
        self.insert(rows).upsert(upsert)
    }

    /// Changes columns of the rows that meet the conditions of the query. Without conditions, it changes every row.
    pub fn update(&self, columns: &(impl Serialize + ?Sized)) -> Query {
        self.query(Method::PATCH).body(columns)
    }

    /// Deletes the rows that meet the conditions of the query. Without conditions, it deletes every row.
    pub fn delete(&self) -> Query {
        self.query(Method::DELETE)
    }
}
