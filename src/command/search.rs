//! Upstash's search indexes: full-text and structured queries over hashes, strings, JSON documents and streams.
//!
//! Filters and aggregations are JSON documents in Upstash's own language, and are passed as JSON:
//! `serde_json::json!({"name": "ada"})`.

use super::{Arguments, Command, Execute, ToArg};
use crate::{FromValue, Pairs, Result, Value};

/// The type of an indexed field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FieldType {
    /// Words, which are matched by their stems.
    Text,
    /// Unsigned integers.
    U64,
    /// Signed integers.
    I64,
    /// Numbers.
    F64,
    /// `true` and `false`.
    Bool,
    /// Points in time.
    Date,
    /// Text that is matched as a whole.
    Keyword,
    /// Paths in a hierarchy.
    Facet,
}

impl FieldType {
    fn word(self) -> &'static str {
        match self {
            Self::Text => "TEXT",
            Self::U64 => "U64",
            Self::I64 => "I64",
            Self::F64 => "F64",
            Self::Bool => "BOOL",
            Self::Date => "DATE",
            Self::Keyword => "KEYWORD",
            Self::Facet => "FACET",
        }
    }
}

/// A field of an index.
///
/// ```
/// use edgecask::command::search::{Field, FieldType};
///
/// let title = Field::new("title", FieldType::Text).no_stem();
/// let price = Field::new("price", FieldType::F64).fast();
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Field {
    path: String,
    kind: FieldType,
    words: Vec<&'static str>,
    from: Option<String>,
}

impl Field {
    /// The field at this path, whose parts are joined by dots.
    pub fn new(path: impl Into<String>, kind: FieldType) -> Self {
        Self { path: path.into(), kind, words: Vec::new(), from: None }
    }

    /// Allows sorting and aggregation by this field.
    #[must_use]
    pub fn fast(mut self) -> Self {
        self.words.push("FAST");
        self
    }

    /// Treats the text as one word.
    #[must_use]
    pub fn no_tokenize(mut self) -> Self {
        self.words.push("NOTOKENIZE");
        self
    }

    /// Matches words exactly, without stemming.
    #[must_use]
    pub fn no_stem(mut self) -> Self {
        self.words.push("NOSTEM");
        self
    }

    /// Reads the value from another field of the document.
    #[must_use]
    pub fn from(mut self, field: impl Into<String>) -> Self {
        self.from = Some(field.into());
        self
    }
}

/// The source of an index.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Source {
    /// Hashes whose keys begin with one of these.
    Hash(Vec<String>),
    /// JSON documents whose keys begin with one of these.
    Json(Vec<String>),
    /// Strings that hold JSON, whose keys begin with one of these.
    String(Vec<String>),
    /// The entries of a stream.
    Stream(String),
}

/// The definition of an index.
///
/// ```
/// use edgecask::command::search::{Field, FieldType, Index, Source};
///
/// let books = Index::new("books", Source::Json(vec!["book:".into()]))
///     .field(Field::new("title", FieldType::Text))
///     .field(Field::new("year", FieldType::U64).fast())
///     .exists_ok();
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Index {
    name: String,
    source: Source,
    fields: Vec<Field>,
    language: Option<String>,
    skip_initial_scan: bool,
    exists_ok: bool,
}

impl Index {
    /// An index without fields yet.
    pub fn new(name: impl Into<String>, source: Source) -> Self {
        Self {
            name: name.into(),
            source,
            fields: Vec::new(),
            language: None,
            skip_initial_scan: false,
            exists_ok: false,
        }
    }

    /// Indexes this field, too.
    #[must_use]
    pub fn field(mut self, field: Field) -> Self {
        self.fields.push(field);
        self
    }

    /// The language of the stemmer. Default: English.
    #[must_use]
    pub fn language(mut self, language: impl Into<String>) -> Self {
        self.language = Some(language.into());
        self
    }

    /// Does not index existing documents.
    #[must_use]
    pub fn skip_initial_scan(mut self) -> Self {
        self.skip_initial_scan = true;
        self
    }

    /// An existing index with this name is not an error.
    #[must_use]
    pub fn exists_ok(mut self) -> Self {
        self.exists_ok = true;
        self
    }

    fn command(&self) -> Command {
        let command = Command::new("SEARCH.CREATE").arg(&self.name);
        let command = command.arg_if(self.skip_initial_scan, "SKIPINITIALSCAN");
        let command = command.arg_if(self.exists_ok, "EXISTSOK").arg("ON");
        let command = match &self.source {
            Source::Hash(prefixes) => command.arg("HASH").arg("PREFIX").counted(prefixes),
            Source::Json(prefixes) => command.arg("JSON").arg("PREFIX").counted(prefixes),
            Source::String(prefixes) => command.arg("STRING").arg("PREFIX").counted(prefixes),
            Source::Stream(key) => command.arg("STREAM").arg(key),
        };
        let command = command.option("LANGUAGE", self.language.as_ref()).arg("SCHEMA");
        self.fields.iter().fold(command, |command, field| {
            let command = command.arg(&field.path).arg(field.kind.word());
            command.args_from(&field.words).option("FROM", field.from.as_ref())
        })
    }
}

#[derive(Debug, Clone, PartialEq)]
struct Highlight {
    fields: Vec<String>,
    tags: Option<(String, String)>,
}

/// A query: a filter, and options for its hits.
///
/// ```
/// use edgecask::command::search::Query;
/// use serde_json::json;
///
/// let recent = Query::new(json!({"title": "rust"})).order_by("year", true).limit(10).select(["title"]);
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Query {
    filter: serde_json::Value,
    limit: Option<u64>,
    offset: Option<u64>,
    order: Vec<(String, bool)>,
    select: Option<Vec<String>>,
    highlight: Option<Highlight>,
    score: Option<Arguments>,
}

impl Query {
    /// A query for all documents that match this filter; `{}` matches all.
    pub fn new(filter: serde_json::Value) -> Self {
        Self {
            filter,
            limit: None,
            offset: None,
            order: Vec::new(),
            select: None,
            highlight: None,
            score: None,
        }
    }

    /// At most this many hits.
    #[must_use]
    pub fn limit(mut self, limit: u64) -> Self {
        self.limit = Some(limit);
        self
    }

    /// Skips this many hits.
    #[must_use]
    pub fn offset(mut self, offset: u64) -> Self {
        self.offset = Some(offset);
        self
    }

    /// Sorts by a fast field instead of by score. Each further call adds a field that breaks ties.
    #[must_use]
    pub fn order_by(mut self, field: impl Into<String>, descending: bool) -> Self {
        self.order.push((field.into(), descending));
        self
    }

    /// Returns these fields only; with none at all, keys and scores.
    #[must_use]
    pub fn select(mut self, fields: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.select = Some(fields.into_iter().map(Into::into).collect());
        self
    }

    /// Highlights matches in these fields with a tag before and after them (by default `<em>` and `</em>`).
    #[must_use]
    pub fn highlight(
        mut self,
        fields: impl IntoIterator<Item = impl Into<String>>,
        tags: Option<(String, String)>,
    ) -> Self {
        let fields = fields.into_iter().map(Into::into).collect();
        self.highlight = Some(Highlight { fields, tags });
        self
    }

    /// Words after `SCOREFUNC`, such as `["FIELDVALUE", "popularity"]`.
    #[must_use]
    pub fn score_func(mut self, words: impl IntoIterator<Item = impl ToArg>) -> Self {
        self.score = Some(Arguments::new(words));
        self
    }

    fn append(&self, command: Command) -> Command {
        let mut command = command.arg(&self.filter);
        command = command.option("LIMIT", self.limit).option("OFFSET", self.offset);
        command = command.arg_if(self.select.as_ref().is_some_and(Vec::is_empty), "NOCONTENT");
        if !self.order.is_empty() {
            let direction = |descending: &bool| if *descending { "DESC" } else { "ASC" };
            let order = self.order.iter().map(|(field, down)| (field, direction(down)));
            command = command.arg("ORDERBY").pairs_from(order);
        } else if let Some(words) = &self.score {
            command = command.arg("SCOREFUNC").args_from(words.iter());
        }
        if let Some(Highlight { fields, tags }) = &self.highlight {
            command = command.arg("HIGHLIGHT").arg("FIELDS").counted(fields);
            if let Some((before, after)) = tags {
                command = command.arg("TAGS").arg(before).arg(after);
            }
        }
        match self.select.as_ref().filter(|fields| !fields.is_empty()) {
            Some(fields) => command.arg("SELECT").counted(fields),
            None => command,
        }
    }
}

/// A hit of a query.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Hit {
    /// The key of the document.
    pub key: String,
    /// Its score.
    pub score: f64,
    /// Its fields by their paths. A whole JSON document is under `$`.
    pub fields: Vec<(String, Value)>,
}

impl FromValue for Hit {
    fn from_value(value: Value) -> Result<Self> {
        let mut parts = Vec::<Value>::from_value(value)?.into_iter();
        Ok(Self {
            key: String::from_value(parts.next().unwrap_or_default())?,
            score: f64::from_value(parts.next().unwrap_or_default())?,
            fields: parts.next().map_or(Ok(Pairs::default()), Pairs::from_value)?.0,
        })
    }
}

/// The commands on search indexes, which only Upstash has. Each is one command and one round trip.
///
/// ```no_run
/// use edgecask::command::search::{Field, FieldType, Index, Query, Source};
/// use edgecask::prelude::*;
/// use serde_json::json;
///
/// # async fn books(client: Client) -> edgecask::Result<()> {
/// let index = Index::new("books", Source::Hash(vec!["book:".into()]))
///     .field(Field::new("title", FieldType::Text));
/// client.search_create(&index).await?;
/// client.hset("book:1", [("title", "The Rust Programming Language")]).await?;
/// client.search_waitindexing("books").await?;
/// for hit in client.search_query("books", &Query::new(json!({"title": "rust"}))).await? {
///     println!("{} ({})", hit.key, hit.score);
/// }
/// # Ok(())
/// # }
/// ```
pub trait SearchCommands: Execute {
    /// The results of aggregations over the documents that match a filter: names and values in turn, nested. Upstash
    /// SEARCH.AGGREGATE.
    #[doc(alias = "SEARCH.AGGREGATE")]
    fn search_aggregate(
        &self,
        index: impl ToArg,
        filter: &serde_json::Value,
        aggregations: &serde_json::Value,
    ) -> Self::Reply<Value> {
        self.execute(Command::new("SEARCH.AGGREGATE").arg(index).arg(filter).arg(aggregations))
    }

    /// Adds an alias of an index. Upstash SEARCH.ALIASADD.
    #[doc(alias = "SEARCH.ALIASADD")]
    fn search_aliasadd(&self, alias: impl ToArg, index: impl ToArg) -> Self::Reply<Value> {
        self.execute(Command::new("SEARCH.ALIASADD").arg(alias).arg(index))
    }

    /// Deletes an alias. Upstash SEARCH.ALIASDEL.
    #[doc(alias = "SEARCH.ALIASDEL")]
    fn search_aliasdel(&self, alias: impl ToArg) -> Self::Reply<Value> {
        self.execute(Command::new("SEARCH.ALIASDEL").arg(alias))
    }

    /// How many documents a filter matches. Upstash SEARCH.COUNT.
    #[doc(alias = "SEARCH.COUNT")]
    fn search_count(&self, index: impl ToArg, filter: &serde_json::Value) -> Self::Reply<u64> {
        self.execute(Command::new("SEARCH.COUNT").arg(index).arg(filter))
    }

    /// Creates an index. Upstash SEARCH.CREATE.
    #[doc(alias = "SEARCH.CREATE")]
    fn search_create(&self, index: &Index) -> Self::Reply<Value> {
        self.execute(index.command())
    }

    /// The definition of an index, by name; `None` if there is no such index. Upstash SEARCH.DESCRIBE.
    #[doc(alias = "SEARCH.DESCRIBE")]
    fn search_describe(&self, index: impl ToArg) -> Self::Reply<Option<Pairs<String, Value>>> {
        self.execute(Command::new("SEARCH.DESCRIBE").arg(index))
    }

    /// Deletes an index, not its documents. Upstash SEARCH.DROP.
    #[doc(alias = "SEARCH.DROP")]
    fn search_drop(&self, index: impl ToArg) -> Self::Reply<Value> {
        self.execute(Command::new("SEARCH.DROP").arg(index))
    }

    /// All aliases with their indexes. Upstash SEARCH.LISTALIASES.
    #[doc(alias = "SEARCH.LISTALIASES")]
    fn search_listaliases(&self) -> Self::Reply<Value> {
        self.execute(Command::new("SEARCH.LISTALIASES"))
    }

    /// The names of all indexes. Upstash SEARCH.LISTINDEXES.
    #[doc(alias = "SEARCH.LISTINDEXES")]
    fn search_listindexes(&self) -> Self::Reply<Value> {
        self.execute(Command::new("SEARCH.LISTINDEXES"))
    }

    /// Runs a query, and returns the hits. Upstash SEARCH.QUERY.
    #[doc(alias = "SEARCH.QUERY")]
    fn search_query(&self, index: impl ToArg, query: &Query) -> Self::Reply<Vec<Hit>> {
        self.execute(query.append(Command::new("SEARCH.QUERY").arg(index)))
    }

    /// Rebuilds the index. Upstash SEARCH.REINDEX.
    #[doc(alias = "SEARCH.REINDEX")]
    fn search_reindex(&self, index: impl ToArg) -> Self::Reply<Value> {
        self.execute(Command::new("SEARCH.REINDEX").arg(index))
    }

    /// Waits until all writes so far are indexed. Upstash SEARCH.WAITINDEXING.
    #[doc(alias = "SEARCH.WAITINDEXING")]
    fn search_waitindexing(&self, index: impl ToArg) -> Self::Reply<Value> {
        self.execute(Command::new("SEARCH.WAITINDEXING").arg(index))
    }
}

impl<E: Execute + ?Sized> SearchCommands for E {}
