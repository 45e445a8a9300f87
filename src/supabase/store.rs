use std::collections::HashMap;
use std::fmt;
use std::marker::PhantomData;

use serde::de::IgnoredAny;
use serde::ser::{Serialize, SerializeMap, Serializer};

use super::Supabase;
use super::names::{columns, invalid};
use super::query::{Query, Upsert};
use super::table::Table;
use crate::store::{Record, RecordId, Store};
use crate::{BoxError, Error, ErrorKind, Outcome, Result};

/// A [store](crate::store) in a table of Supabase: a column for each part of a record's id, and one, of the type `jsonb`, for the
/// record, with all fields as they are in Redis. A table of that shape keeps fields that this program does not know.
///
/// The columns of the id need a unique constraint together. A part that an id does not have, such as the user of a tenant's
/// default, is stored as an empty text. `supabase/migrations/` has the tables of the records in this crate:
///
/// | record | table | columns of the id |
/// |---|---|---|
/// | [`LlmPolicy`](crate::store::LlmPolicy) | `tenant_llm_policies` | `tenant_id` |
/// | [`ConversationConfig`](crate::store::ConversationConfig) | `conversation_configs` | `tenant_id`, `user_id` |
///
/// Each call is one request. Writes are not sent again after a lost answer, since a late one could undo a newer one. A
/// row whose record has another id than its columns is an error.
///
/// ```no_run
/// use edgecask::Client;
/// use edgecask::store::{LlmPolicy, StoreConfig, create_llm_policy_store};
/// use edgecask::supabase::{Supabase, SupabaseStore};
///
/// # fn run() -> edgecask::Result<()> {
/// let supabase = Supabase::new("https://example.supabase.co", "secret-key")?;
/// let backing = SupabaseStore::new(&supabase, "tenant_llm_policies", ["tenant_id"]);
/// let client = Client::rest("https://example.upstash.io", "token")?;
/// let policies = create_llm_policy_store(StoreConfig::new().backing(backing).client(client))?;
/// # Ok(())
/// # }
/// ```
///
/// With a user's [access token](Supabase::with_access_token), the database's policies decide what this store reads and
/// writes, but they do not guard what a cache in front of it holds already: put a [`TenantStore`](super::TenantStore) in
/// front of both.
pub struct SupabaseStore<R> {
    table: Table,
    id_columns: Vec<String>,
    document: String,
    records: PhantomData<fn() -> R>,
}

impl<R: Record> SupabaseStore<R> {
    /// Records in this table. The columns are those of the parts of an id, in their order.
    pub fn new(
        supabase: &Supabase,
        table: impl Into<String>,
        id_columns: impl IntoIterator<Item = impl Into<String>>,
    ) -> Self {
        Self {
            table: supabase.from(table),
            id_columns: id_columns.into_iter().map(Into::into).collect(),
            document: "record".to_owned(),
            records: PhantomData,
        }
    }

    /// The column of the record. Default: `record`.
    #[must_use]
    pub fn document(mut self, column: impl Into<String>) -> Self {
        self.document = column.into();
        self
    }

    /// The columns of an id with their values.
    fn id<'a>(&'a self, id: &'a R::Id) -> Result<Vec<(&'a str, &'a str)>> {
        let parts = id.parts();
        let is_short = parts.is_empty() || parts.len() > self.id_columns.len();
        if is_short || parts.iter().any(|part| part.is_empty()) {
            return Err(invalid("the id has an empty part, no part, or more parts than the table"));
        }
        let parts = parts.into_iter().chain(std::iter::repeat(""));
        Ok(self.id_columns.iter().map(String::as_str).zip(parts).collect())
    }

    fn of(&self, query: Query, id: &R::Id) -> Result<Query> {
        Ok(query.matching(self.id(id)?))
    }
}

impl<R: Record> Store<R> for SupabaseStore<R> {
    async fn get(&self, id: &R::Id) -> Result<Option<R>, BoxError> {
        let select = columns([&*self.document])?;
        let query = self.of(self.table.select(&select), id)?;
        let row: Option<HashMap<String, R>> = query.maybe_single().await?;
        let Some(record) = row.and_then(|row| row.into_values().next()) else { return Ok(None) };
        if record.id() != *id {
            let error = Error::new(
                ErrorKind::Protocol,
                "the row holds a record of another id than its columns say",
            );
            return Err(error.with_outcome(Outcome::Completed).into());
        }
        Ok(Some(record))
    }

    async fn set(&self, record: &R) -> Result<(), BoxError> {
        let id = record.id();
        let row = Row { id: self.id(&id)?, document: (&self.document, record) };
        let upsert = Upsert::new().on_conflict(&self.id_columns);
        self.table.upsert(&row, upsert).execute().await?;
        Ok(())
    }

    async fn delete(&self, id: &R::Id) -> Result<bool, BoxError> {
        let select = columns(self.id_columns.first().map(String::as_str))?;
        let query = self.of(self.table.delete().select(&select), id)?;
        let deleted: Vec<IgnoredAny> = query.rows().await?;
        Ok(!deleted.is_empty())
    }
}

/// A row of the table.
struct Row<'a, R> {
    id: Vec<(&'a str, &'a str)>,
    document: (&'a str, &'a R),
}

impl<R: Serialize> Serialize for Row<'_, R> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut row = serializer.serialize_map(Some(self.id.len() + 1))?;
        for (column, part) in &self.id {
            row.serialize_entry(column, part)?;
        }
        row.serialize_entry(self.document.0, self.document.1)?;
        row.end()
    }
}

impl<R> fmt::Debug for SupabaseStore<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SupabaseStore")
            .field("table", &self.table)
            .field("id_columns", &self.id_columns)
            .finish_non_exhaustive()
    }
}
