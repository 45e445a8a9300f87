//! A client of PostgREST, the REST API of Supabase's databases.
//!
//! It works wherever the REST transport of Redis does, over the same [`HttpClient`](crate::transport::rest::HttpClient) and
//! the same [layers](crate::transport::rest::HttpLayer): reqwest on native targets, `fetch` in a Worker, or one of your own
//! that has [`HttpClient::send`](crate::transport::rest::HttpClient::send). [`SupabaseStore`] keeps the records of a
//! [store](crate::store) in a table, and [`TenantStore`] keeps tenants apart in front of a cache.
//!
//! ```no_run
//! use edgecask::supabase::{Count, Filter, Order, Supabase, Upsert};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Serialize, Deserialize)]
//! struct City {
//!     id: u32,
//!     name: String,
//! }
//!
//! # async fn run() -> edgecask::Result<()> {
//! let supabase = Supabase::new("https://example.supabase.co", "publishable-key")?;
//! // The database's policies decide what the user may read and write.
//! let mine = supabase.with_access_token("the user's JWT");
//!
//! let cities: Vec<City> = mine
//!     .from("cities")
//!     .select("id, name")
//!     .gte("population", 100_000)
//!     .or([Filter::eq("country", "Italy"), Filter::within("name", ["Paris, Texas", "Rome"])])
//!     .order("name", Order::ascending())
//!     .limit(10)
//!     .rows()
//!     .await?;
//!
//! let rome = City { id: 1, name: "Roma".to_owned() };
//! mine.from("cities").upsert(&rome, Upsert::new().on_conflict(["id"])).execute().await?;
//! let all = mine.from("cities").select("*").count(Count::Exact).head().await?;
//! # Ok(())
//! # }
//! ```
//!
//! # Escaping
//! Values are escaped: in lists, arrays and groups they are quoted, with `"` and `\` escaped. So is a column's
//! name that PostgREST would not read as one name, or would take for a parameter of its own. The name of a table or a
//! function is one segment of the URL's path. `@supabase/postgrest-js` leaves most of that to its caller.
//!
//! # Errors
//! | kind | when |
//! |---|---|
//! | [`InvalidInput`](crate::ErrorKind::InvalidInput) | a name, a value or a token that cannot be sent; no request was |
//! | [`Unauthorized`](crate::ErrorKind::Unauthorized) | the key or the token was refused, or a policy refuses the write (`42501`) |
//! | [`Throttled`](crate::ErrorKind::Throttled) | HTTP status 429 |
//! | [`NotFound`](crate::ErrorKind::NotFound), [`Type`](crate::ErrorKind::Type) | one row was asked for, and there is none, or there are several; the answer is of another type |
//! | [`Connect`](crate::ErrorKind::Connect) | no connection to the server, or none from it to its database; nothing was done |
//! | [`Conflict`](crate::ErrorKind::Conflict) | transactions in each other's way (`40001`, `40P01`): try again |
//! | [`Timeout`](crate::ErrorKind::Timeout) | no answer in time, or a statement that ran for too long (`57014`), which was undone |
//! | [`Server`](crate::ErrorKind::Server) | any other error of PostgREST or PostgreSQL |
//! | [`Http`](crate::ErrorKind::Http), [`Protocol`](crate::ErrorKind::Protocol), [`Disconnected`](crate::ErrorKind::Disconnected) | an answer that is not PostgREST's, is too long, or ended early |
//!
//! [`Error::code`](crate::Error::code) is PostgREST's code or PostgreSQL's SQLSTATE, such as `23505` for a row that is there
//! already. The message is the server's, with its hint. The values of the request are taken out of it; the server's
//! details, which hold values of rows, are not in it.

mod connection;
mod filter;
mod names;
mod options;
mod query;
#[cfg(feature = "realtime")]
pub mod realtime;
mod response;
mod store;
mod table;
mod tenant;

use std::fmt;
use std::sync::Arc;

use http::Method;
use serde::Serialize;

use self::connection::{Connection, Session};
pub use self::filter::{Collection, Filter, Is, SearchKind, TextSearch};
pub use self::options::SupabaseOptions;
pub use self::query::{Count, Order, Query, Upsert};
pub use self::response::Page;
pub use self::store::SupabaseStore;
pub use self::table::Table;
pub use self::tenant::TenantStore;
use crate::Result;
use crate::transport::rest::HttpLayer;

/// A client of one database. Clones share its settings and connections; it holds no I/O object in a Worker, so that requests
/// may share it.
#[derive(Clone)]
pub struct Supabase(Session);

impl Supabase {
    /// A client of the project with this URL. The key goes with every request, as `apikey` and as the bearer token. With a
    /// publishable (anon) key the database's policies decide; a secret (service role) key bypasses them. Nothing is sent yet.
    ///
    /// ```
    /// let supabase = edgecask::supabase::Supabase::new("https://example.supabase.co", "key")?;
    /// assert!(!format!("{supabase:?}").contains("\"key\""));
    /// # Ok::<(), edgecask::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) if the URL is not an `https://` one (or `http://` on this host), the key
    /// is empty or cannot be in a header, or there is no HTTP client.
    pub fn new(url: impl Into<String>, key: impl Into<String>) -> Result<Self> {
        Self::with_options(SupabaseOptions::new(url, key))
    }

    /// A client with these settings.
    ///
    /// # Errors
    /// As for [`Supabase::new`].
    pub fn with_options(mut options: SupabaseOptions) -> Result<Self> {
        let schema = options.schema.take().map(Arc::from);
        Ok(Self(Session { connection: Connection::new(options)?, token: None, schema }))
    }

    /// The same client in the name of a user: the bearer token is the user's JWT. If the token is empty or cannot be the value of
    /// a header, every request fails with [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput), and none is sent with the
    /// rights of the key.
    #[must_use]
    pub fn with_access_token(&self, token: impl Into<String>) -> Self {
        Self(self.0.with_access_token(token.into()))
    }

    /// The same client for another schema, which the server has to expose.
    #[must_use]
    pub fn schema(&self, schema: impl Into<String>) -> Self {
        Self(self.0.with_schema(schema.into()))
    }

    /// The same client with a layer around its HTTP client, such as the
    /// [budget](crate::layer::RequestBudget) of one request that a Worker handles.
    #[must_use]
    pub fn http_layer(&self, layer: impl HttpLayer) -> Self {
        let connection = self.0.connection.http_layer(&layer);
        Self(Session { connection, ..self.0.clone() })
    }

    /// A table or a view.
    pub fn from(&self, table: impl Into<String>) -> Table {
        Table::new(&self.0, table.into())
    }

    /// Calls a function by a POST. The arguments are a map or a struct; `&()` stands for none.
    ///
    /// ```no_run
    /// # async fn run(supabase: edgecask::supabase::Supabase) -> edgecask::Result<()> {
    /// let sum: i64 = supabase.rpc("add", &serde_json::json!({ "a": 1, "b": 2 })).json().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn rpc(&self, function: &str, arguments: &(impl Serialize + ?Sized)) -> Query {
        Query::function(&self.0, Method::POST, function).body_of_arguments(arguments)
    }

    /// Calls a function that only reads by a GET, which may be sent again. The arguments stand in the URL.
    pub fn rpc_get(&self, function: &str, arguments: &(impl Serialize + ?Sized)) -> Query {
        Query::function(&self.0, Method::GET, function).arguments(arguments)
    }
}

impl fmt::Debug for Supabase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Supabase")
            .field("endpoint", &self.0.connection)
            .field("schema", &self.0.schema)
            .field("as_user", &self.0.token.is_some())
            .finish_non_exhaustive()
    }
}
