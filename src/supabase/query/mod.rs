//! The builder of a request.

mod arguments;
mod columns;
mod conditions;
mod count;
mod order;
mod paging;
mod part;
mod upsert;

use std::fmt;

use bytes::Bytes;
use http::Method;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use serde::de::DeserializeOwned;

use self::arguments::{argument_name, argument_value};
use self::columns::Columns;
use self::part::Part;
use super::connection::{Prepared, Session};
use super::filter::{Filter, each_leaf};
use super::names::{columns, invalid, no_nul, quoted, relation, segment};
use super::response::{NOT_ONE_ROW, Page, count, decoded, successful, text};
use crate::transport::rest::HttpResponse;
use crate::{Error, ErrorKind, Outcome, Result};

pub use self::count::Count;
pub use self::order::Order;
pub use self::upsert::Upsert;

/// A request to a table or a function. Nothing is sent before one of its final methods is awaited: [`rows`](Self::rows),
/// [`page`](Self::page), [`single`](Self::single), [`maybe_single`](Self::maybe_single), [`json`](Self::json),
/// [`csv`](Self::csv), [`geojson`](Self::geojson), [`execute`](Self::execute) or [`head`](Self::head). Each sends one request.
/// A row has to meet all conditions.
///
/// What PostgREST would read as its own syntax is escaped in values and names. Errors name the method and the table, but
/// no value, key or token. `Debug` shows none of these either.
#[must_use = "nothing is sent before one of its last methods is awaited"]
pub struct Query {
    session: Session,
    method: Method,
    target: Target,
    select: Option<String>,
    /// The columns of the rows that are written.
    columns: Option<String>,
    upsert: Option<Upsert>,
    arguments: Vec<(String, Argument)>,
    filters: Vec<Filter>,
    /// Groups of conditions on embedded tables.
    embedded: Vec<(String, Filter)>,
    parts: Vec<Part>,
    count: Option<Count>,
    missing_default: bool,
    strip_nulls: bool,
    max_affected: Option<u64>,
    is_idempotent: bool,
    body: Result<Bytes>,
}

#[derive(Debug)]
enum Target {
    Table(String),
    Function(String),
}

/// An argument of a function that stands in the URL.
type Argument = serde_json::Value;

/// The form of the answer that a request asks for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Rows,
    OneRow,
    Csv,
    GeoJson,
    /// The server's default.
    Answer,
}

/// Characters that need no escaping in a URL; reqwest and `fetch` do not change them.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~')
    .remove(b'*')
    .remove(b',')
    .remove(b':')
    .remove(b'(')
    .remove(b')');

impl Query {
    fn new(session: &Session, method: Method, target: Target) -> Self {
        Self {
            session: session.clone(),
            method,
            target,
            select: None,
            columns: None,
            upsert: None,
            arguments: Vec::new(),
            filters: Vec::new(),
            embedded: Vec::new(),
            parts: Vec::new(),
            count: None,
            missing_default: false,
            strip_nulls: false,
            max_affected: None,
            is_idempotent: false,
            body: Ok(Bytes::new()),
        }
    }

    pub(super) fn table(session: &Session, method: Method, table: &str) -> Self {
        Self::new(session, method, Target::Table(table.to_owned()))
    }

    pub(super) fn function(session: &Session, method: Method, function: &str) -> Self {
        Self::new(session, method, Target::Function(function.to_owned()))
    }

    pub(super) fn body(mut self, body: &(impl Serialize + ?Sized)) -> Self {
        self.body = serde_json::to_vec(body).map(Bytes::from).map_err(|_| {
            // The error's own text may quote a value.
            let error = Error::new(ErrorKind::Codec, "the body cannot be encoded as JSON");
            error.with_outcome(Outcome::NotSent)
        });
        self
    }

    /// Names the columns of rows in an array, so that a column that some of them lack counts as NULL or as its default.
    pub(super) fn columns_of_body(mut self) -> Self {
        if let Ok(body) = &self.body
            && let Ok(Columns(names)) = serde_json::from_slice(body)
            && !names.is_empty()
        {
            let names: Vec<_> = names.iter().map(|name| quoted(name)).collect();
            self.columns = Some(names.join(","));
        }
        self
    }

    pub(super) fn upsert(mut self, upsert: Upsert) -> Self {
        self.upsert = Some(upsert);
        self
    }

    /// The arguments of a function, as a document.
    pub(super) fn body_of_arguments(self, arguments: &(impl Serialize + ?Sized)) -> Self {
        let mut query = self.body(arguments);
        if query.body.as_ref().is_ok_and(|body| body == "null") {
            query.body = Ok(Bytes::from_static(b"{}"));
        }
        query
    }

    pub(super) fn arguments(mut self, arguments: &(impl Serialize + ?Sized)) -> Self {
        match serde_json::to_value(arguments) {
            Ok(serde_json::Value::Object(fields)) => self.arguments = fields.into_iter().collect(),
            Ok(serde_json::Value::Null) => {}
            _ => self.body = Err(invalid("the arguments of a function are a map or a struct")),
        }
        self
    }

    /// Which columns to return, in PostgREST's syntax: `"id, name, author(name)"`. White space outside of double quotes is
    /// removed. A write returns nothing without it. Write it in the program, do not take it from users: it may name any
    /// column and relation, but cannot become another parameter.
    pub fn select(mut self, columns: &str) -> Self {
        let mut is_quoted = false;
        let cleaned = columns.chars().filter(|c| {
            is_quoted ^= *c == '"';
            is_quoted || !c.is_whitespace()
        });
        self.select = Some(cleaned.collect());
        self
    }

    /// Counts the rows that the conditions match, or that are written.
    pub fn count(mut self, how: Count) -> Self {
        self.count = Some(how);
        self
    }

    /// Fills columns that a written row does not name with their defaults, not with NULL.
    pub fn missing_default(mut self) -> Self {
        self.missing_default = true;
        self
    }

    /// Leaves NULL out: a column that is NULL is not in its row. Where a row is decoded into a struct, such a field needs
    /// `#[serde(default)]`, unless it is an `Option`.
    pub fn strip_nulls(mut self) -> Self {
        self.strip_nulls = true;
        self
    }

    /// Undoes an update or a delete that would change more than this number of rows, and fails with
    /// [`ErrorKind::Server`] and the code `PGRST124`. It needs PostgREST 13.
    pub fn max_affected(mut self, rows: u64) -> Self {
        self.max_affected = Some(rows);
        self
    }

    /// The schema of this request.
    pub fn schema(mut self, schema: impl Into<String>) -> Self {
        self.session = self.session.with_schema(schema.into());
        self
    }

    /// Makes this request as a user; see [`Supabase::with_access_token`](super::Supabase::with_access_token).
    pub fn access_token(mut self, token: impl Into<String>) -> Self {
        self.session = self.session.with_access_token(token.into());
        self
    }

    /// Says that this write may be sent again after its answer was lost.
    ///
    /// Without that, only requests that read (GET and HEAD) are, and writes that certainly were not carried out: no
    /// connection was made, the server asked for fewer requests, or PostgREST had no connection to its database. No
    /// write is safe by itself. An upsert that merges gives the same row when it is sent twice, but the second may arrive
    /// after another client's write, and undo it; triggers run twice.
    pub fn idempotent(mut self) -> Self {
        self.is_idempotent = true;
        self
    }

    /// The rows. A write returns those that it wrote.
    ///
    /// # Errors
    /// Those of [the module](super#errors).
    pub async fn rows<T: DeserializeOwned + Send>(self) -> Result<Vec<T>> {
        self.send(Wanted::Rows, |response| decoded(&response)).await
    }

    /// The rows, and how many there are in all; see [`Query::count`].
    ///
    /// # Errors
    /// Those of [the module](super#errors).
    pub async fn page<T: DeserializeOwned + Send>(self) -> Result<Page<T>> {
        self.send(Wanted::Rows, |response| {
            Ok(Page { rows: decoded(&response)?, count: count(&response) })
        })
        .await
    }

    /// The only row. A write that would not change exactly one row is undone.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] if there is none, [`ErrorKind::Type`] if there are several, and those of
    /// [the module](super#errors).
    pub async fn single<T: DeserializeOwned + Send>(self) -> Result<T> {
        self.send(Wanted::OneRow, |response| decoded(&response)).await
    }

    /// The only row, or `None`. The server sends all rows that match, so use a condition that few rows meet.
    ///
    /// # Errors
    /// [`ErrorKind::Type`] if there are several, and those of [the module](super#errors).
    pub async fn maybe_single<T: DeserializeOwned + Send>(self) -> Result<Option<T>> {
        self.send(Wanted::Rows, |response| {
            let mut rows: Vec<T> = decoded(&response)?;
            if rows.len() > 1 {
                let message = format!("one row was asked for, and there are {}", rows.len());
                let error = Error::new(ErrorKind::Type, message);
                return Err(error.with_code(Some(NOT_ONE_ROW)));
            }
            Ok(rows.pop())
        })
        .await
    }

    /// The result of a function, of any shape.
    ///
    /// # Errors
    /// Those of [the module](super#errors).
    pub async fn json<T: DeserializeOwned + Send>(self) -> Result<T> {
        self.send(Wanted::Answer, |response| decoded(&response)).await
    }

    /// The rows as CSV, with the names of the columns in the first line. A write returns those that it wrote.
    ///
    /// ```no_run
    /// # async fn run(supabase: edgecask::supabase::Supabase) -> edgecask::Result<()> {
    /// let table: String = supabase.from("cities").select("id, name").csv().await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] with [`strip_nulls`](Self::strip_nulls), [`ErrorKind::Protocol`] if the answer is not
    /// UTF-8, and those of [the module](super#errors).
    pub async fn csv(self) -> Result<String> {
        if self.strip_nulls {
            return Err(
                self.named(invalid("rows of CSV have every column: NULL cannot be left out"))
            );
        }
        self.send(Wanted::Csv, text).await
    }

    /// The rows as a `FeatureCollection` of GeoJSON. It needs PostGIS in the database, and a column with a geometry.
    ///
    /// # Errors
    /// Those of [the module](super#errors).
    pub async fn geojson<T: DeserializeOwned + Send>(self) -> Result<T> {
        self.send(Wanted::GeoJson, |response| decoded(&response)).await
    }

    /// Carries the request out; returns the number of rows, if [`Query::count`] asks for it.
    ///
    /// # Errors
    /// Those of [the module](super#errors).
    pub async fn execute(self) -> Result<Option<u64>> {
        self.send(Wanted::Answer, |response| Ok(count(&response))).await
    }

    /// The number of rows without the rows, by a HEAD; see [`Query::count`].
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] if the request writes, and those of [the module](super#errors).
    pub async fn head(mut self) -> Result<Option<u64>> {
        if self.method != Method::GET {
            return Err(self.named(invalid("only a request that reads can be a HEAD")));
        }
        self.method = Method::HEAD;
        self.execute().await
    }

    async fn send<T: Send>(
        self,
        wanted: Wanted,
        read: impl Fn(HttpResponse) -> Result<T> + Send + Sync,
    ) -> Result<T> {
        let connection = &self.session.connection;
        let result = match self.prepared(wanted) {
            Ok(request) => {
                let read = |response| read(successful(response)?);
                connection.send(request, self.target_name(), read).await
            }
            Err(error) => Err(error),
        };
        result.map_err(|error| self.named(self.redacted(error)))
    }

    fn target_name(&self) -> &str {
        let (Target::Table(name) | Target::Function(name)) = &self.target;
        name
    }

    fn named(&self, error: Error) -> Error {
        error.with_command(|| format!("{} {}", self.method, self.target_name()))
    }

    /// An error without the values of this request, the key and the token.
    fn redacted(&self, error: Error) -> Error {
        let mut values = Vec::new();
        let mut each = |value: &str| values.push(value.to_owned());
        let embedded = self.embedded.iter().map(|(_, filter)| filter);
        self.filters.iter().chain(embedded).for_each(|filter| filter.each_value(&mut each));
        self.arguments.iter().for_each(|(_, argument)| each_leaf(argument, &mut each));
        if let Ok(body) = &self.body
            && let Ok(document) = serde_json::from_slice(body)
        {
            each_leaf(&document, &mut each);
        }
        let error = error.redacted(values.iter().map(String::as_bytes));
        self.session.connection.without_secrets(error, self.session.token.as_deref())
    }

    fn prepared(&self, wanted: Wanted) -> Result<Prepared> {
        let reads = self.method == Method::GET || self.method == Method::HEAD;
        let is_table = matches!(self.target, Target::Table(_));
        // A write returns its rows only if it is told to.
        let select = match &self.select {
            None if wanted != Wanted::Answer && !reads && is_table => Some("*"),
            select => select.as_deref(),
        };
        let mut headers = self.session.connection.identity(self.session.token.as_deref())?;
        if let Some(accept) = wanted.accept(self.strip_nulls) {
            headers.push(("accept", accept.to_owned()));
        }
        if let Some(schema) = &self.session.schema {
            let is_header = schema.bytes().all(|byte| (b' '..=b'~').contains(&byte));
            if schema.trim().is_empty() || !is_header {
                return Err(invalid("the schema is empty, or cannot be the value of a header"));
            }
            let name = if reads { "accept-profile" } else { "content-profile" };
            headers.push((name, schema.to_string()));
        }
        if !reads {
            headers.push(("content-type", "application/json".to_owned()));
        }
        let prefer = self.preferences(!reads && select.is_some());
        if !prefer.is_empty() {
            headers.push(("prefer", prefer));
        }
        Ok(Prepared {
            method: self.method.clone(),
            path: self.path(&self.parameters(select)?)?,
            headers,
            body: self.body.clone()?,
            may_be_repeated: reads || self.is_idempotent,
        })
    }

    fn preferences(&self, returns_rows: bool) -> String {
        let resolution = self.upsert.as_ref().map(|upsert| match upsert.ignore_duplicates {
            true => "resolution=ignore-duplicates".to_owned(),
            false => "resolution=merge-duplicates".to_owned(),
        });
        let count = self.count.map(|count| format!("count={}", count.as_str()));
        let missing = self.missing_default.then(|| "missing=default".to_owned());
        let rows = returns_rows.then(|| "return=representation".to_owned());
        // Without `handling=strict`, a server that does not know `max-affected` ignores it.
        let most = self.max_affected.map(|most| format!("handling=strict, max-affected={most}"));
        let all = [resolution, count, missing, rows, most];
        all.into_iter().flatten().collect::<Vec<_>>().join(", ")
    }

    fn parameters(&self, select: Option<&str>) -> Result<Vec<(String, String)>> {
        let mut all = Vec::new();
        let mut push = |key: &str, value: String| all.push((key.to_owned(), value));
        for (name, argument) in &self.arguments {
            push(argument_name(name)?, argument_value(argument)?);
        }
        let conflict = self.upsert.as_ref().and_then(|upsert| upsert.on_conflict.as_ref());
        if let Some(names) = conflict {
            push("on_conflict", columns(names.iter().map(String::as_str))?);
        }
        if let Some(columns) = &self.columns {
            push("columns", columns.clone());
        }
        if let Some(select) = select {
            no_nul(select)?;
            push("select", select.to_owned());
        }
        for filter in &self.filters {
            let (key, value) = filter.parameter()?;
            push(&key, value);
        }
        for (table, filter) in &self.embedded {
            let (key, value) = filter.parameter()?;
            push(&format!("{}.{key}", relation(table)?), value);
        }
        for part in &self.parts {
            part.parameters(&mut |key, value| push(&key, value))?;
        }
        Ok(all)
    }

    fn path(&self, parameters: &[(String, String)]) -> Result<String> {
        let encode = |text| utf8_percent_encode(text, PLAIN);
        let mut path = match &self.target {
            Target::Table(table) => format!("/{}", encode(segment(table)?)),
            Target::Function(function) => format!("/rpc/{}", encode(segment(function)?)),
        };
        for (at, (key, value)) in parameters.iter().enumerate() {
            let mark = if at == 0 { '?' } else { '&' };
            path.push_str(&format!("{mark}{}={}", encode(key), encode(value)));
        }
        Ok(path)
    }
}

impl Wanted {
    /// The header `accept`; `None` for the server's default.
    fn accept(self, strips_nulls: bool) -> Option<&'static str> {
        match (self, strips_nulls) {
            (Self::OneRow, false) => Some("application/vnd.pgrst.object+json"),
            (Self::OneRow, true) => Some("application/vnd.pgrst.object+json;nulls=stripped"),
            (Self::Rows | Self::Answer, true) => {
                Some("application/vnd.pgrst.array+json;nulls=stripped")
            }
            (Self::Csv, _) => Some("text/csv"),
            (Self::GeoJson, _) => Some("application/geo+json"),
            (Self::Rows | Self::Answer, false) => None,
        }
    }
}

impl fmt::Debug for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Query")
            .field("method", &self.method)
            .field("target", &self.target)
            .field("filters", &self.filters)
            .finish_non_exhaustive()
    }
}
