//! Conditions on rows: on single columns, and groups of conditions.

use std::fmt::{self, Display};
use std::ops::Not;

use super::names::{column, invalid, no_nul, quoted};
use crate::Result;

/// A condition on rows. The methods of [`Query`](super::Query) add most of them. Make a filter here for
/// [`Query::or`](super::Query::or), or where a condition is built apart from its query.
///
/// A column is a name, `relation.name` for a column of an embedded relation, or a path into JSON such as `data->>city`.
/// Names and values are escaped: nothing in them becomes another condition. `Debug` shows no values.
///
/// ```
/// use edgecask::supabase::Filter;
///
/// // Adults of two cities, and everybody whose name is not known.
/// let adults = Filter::all([
///     Filter::gte("age", 18),
///     Filter::within("data->>city", ["Paris, Texas", "Rome"]),
/// ]);
/// let filter = Filter::any([adults, Filter::is("name", edgecask::supabase::Is::Null)]);
/// assert_eq!(!!filter.clone(), filter);
/// ```
#[derive(Clone, PartialEq)]
pub struct Filter {
    negated: bool,
    condition: Condition,
}

#[derive(Clone, PartialEq)]
enum Condition {
    Column { column: String, operator: Operator, operand: Operand },
    All(Vec<Filter>),
    Any(Vec<Filter>),
}

#[derive(Clone, PartialEq)]
enum Operator {
    Known(&'static str),
    Search { operator: &'static str, config: Option<String> },
}

#[derive(Clone, PartialEq)]
enum Operand {
    Text(String),
    Word(&'static str),
    List(Vec<String>),
    Collection(Collection),
}

/// What [`Filter::is`] compares with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Is {
    /// NULL.
    Null,
    /// TRUE.
    True,
    /// FALSE.
    False,
    /// UNKNOWN: a boolean that is NULL.
    Unknown,
}

impl From<bool> for Is {
    fn from(is: bool) -> Self {
        if is { Self::True } else { Self::False }
    }
}

/// An array, a JSON document or a range, for [`Filter::contains`] and its like. Arrays and vectors become an array, a
/// [`serde_json::Value`] a document. `Debug` shows no values.
///
/// ```
/// use edgecask::supabase::{Collection, Filter};
///
/// Filter::contains("tags", ["a, b", "c"]);
/// Filter::contains("data", serde_json::json!({ "plan": "pro" }));
/// Filter::overlaps("during", Collection::range("[2026-01-01,2026-02-01)"));
/// ```
#[derive(Clone, PartialEq)]
pub struct Collection(Kind);

#[derive(Clone, PartialEq)]
enum Kind {
    Array(Vec<String>),
    Json(serde_json::Value),
    Range(String),
}

impl Collection {
    /// An array of these values.
    pub fn array(values: impl IntoIterator<Item = impl Display>) -> Self {
        Self(Kind::Array(values.into_iter().map(|value| value.to_string()).collect()))
    }

    /// A range as PostgreSQL writes it: `[1,5)`.
    pub fn range(range: impl Into<String>) -> Self {
        Self(Kind::Range(range.into()))
    }
}

impl<T: Display, const N: usize> From<[T; N]> for Collection {
    fn from(values: [T; N]) -> Self {
        Self::array(values)
    }
}

impl<T: Display> From<Vec<T>> for Collection {
    fn from(values: Vec<T>) -> Self {
        Self::array(values)
    }
}

impl<T: Display> From<&[T]> for Collection {
    fn from(values: &[T]) -> Self {
        Self::array(values)
    }
}

impl From<serde_json::Value> for Collection {
    fn from(document: serde_json::Value) -> Self {
        Self(Kind::Json(document))
    }
}

/// How [`TextSearch`] reads its words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum SearchKind {
    /// The syntax of `to_tsquery`.
    #[default]
    Query,
    /// Plain words, all of which must be there: `plainto_tsquery`.
    Plain,
    /// Words that must stand in this order: `phraseto_tsquery`.
    Phrase,
    /// The syntax of search engines: `websearch_to_tsquery`.
    Websearch,
}

/// A full-text search, for [`Filter::text_search`].
///
/// ```
/// use edgecask::supabase::{Filter, SearchKind, TextSearch};
///
/// let words = TextSearch::new("fat or cat").kind(SearchKind::Websearch).config("english");
/// let filter = Filter::text_search("body", words);
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct TextSearch {
    words: String,
    kind: SearchKind,
    config: Option<String>,
}

impl TextSearch {
    /// A search in the syntax of `to_tsquery`, in the configuration that the database has as its default.
    pub fn new(words: impl Into<String>) -> Self {
        Self { words: words.into(), kind: SearchKind::default(), config: None }
    }

    /// How the words are read.
    #[must_use]
    pub fn kind(mut self, kind: SearchKind) -> Self {
        self.kind = kind;
        self
    }

    /// The text search configuration of PostgreSQL, such as `english`: letters, digits and `_`.
    #[must_use]
    pub fn config(mut self, config: impl Into<String>) -> Self {
        self.config = Some(config.into());
        self
    }
}

impl From<&str> for TextSearch {
    fn from(words: &str) -> Self {
        Self::new(words)
    }
}

impl Filter {
    fn column(column: impl Into<String>, operator: &'static str, operand: Operand) -> Self {
        let operator = Operator::Known(operator);
        Self {
            negated: false,
            condition: Condition::Column { column: column.into(), operator, operand },
        }
    }

    fn text(column: impl Into<String>, operator: &'static str, value: impl Display) -> Self {
        Self::column(column, operator, Operand::Text(value.to_string()))
    }

    /// The column equals a value. NULL equals nothing; see [`Filter::is`].
    pub fn eq(column: impl Into<String>, value: impl Display) -> Self {
        Self::text(column, "eq", value)
    }

    /// The column differs from a value, and is not NULL.
    pub fn neq(column: impl Into<String>, value: impl Display) -> Self {
        Self::text(column, "neq", value)
    }

    /// The column is greater than a value.
    pub fn gt(column: impl Into<String>, value: impl Display) -> Self {
        Self::text(column, "gt", value)
    }

    /// The column is greater than a value, or equals it.
    pub fn gte(column: impl Into<String>, value: impl Display) -> Self {
        Self::text(column, "gte", value)
    }

    /// The column is less than a value.
    pub fn lt(column: impl Into<String>, value: impl Display) -> Self {
        Self::text(column, "lt", value)
    }

    /// The column is less than a value, or equals it.
    pub fn lte(column: impl Into<String>, value: impl Display) -> Self {
        Self::text(column, "lte", value)
    }

    /// The column matches a pattern of LIKE. PostgREST reads `*` in it as `%`.
    pub fn like(column: impl Into<String>, pattern: impl Display) -> Self {
        Self::text(column, "like", pattern)
    }

    /// As [`Filter::like`], without regard to case.
    pub fn ilike(column: impl Into<String>, pattern: impl Display) -> Self {
        Self::text(column, "ilike", pattern)
    }

    /// The column matches every one of these patterns of LIKE.
    pub fn like_all_of(
        column: impl Into<String>,
        patterns: impl IntoIterator<Item = impl Display>,
    ) -> Self {
        Self::patterns(column, "like(all)", patterns)
    }

    /// The column matches at least one of these patterns of LIKE.
    pub fn like_any_of(
        column: impl Into<String>,
        patterns: impl IntoIterator<Item = impl Display>,
    ) -> Self {
        Self::patterns(column, "like(any)", patterns)
    }

    /// As [`Filter::like_all_of`], without regard to case.
    pub fn ilike_all_of(
        column: impl Into<String>,
        patterns: impl IntoIterator<Item = impl Display>,
    ) -> Self {
        Self::patterns(column, "ilike(all)", patterns)
    }

    /// As [`Filter::like_any_of`], without regard to case.
    pub fn ilike_any_of(
        column: impl Into<String>,
        patterns: impl IntoIterator<Item = impl Display>,
    ) -> Self {
        Self::patterns(column, "ilike(any)", patterns)
    }

    fn patterns(
        column: impl Into<String>,
        operator: &'static str,
        patterns: impl IntoIterator<Item = impl Display>,
    ) -> Self {
        Self::column(column, operator, Operand::Collection(Collection::array(patterns)))
    }

    /// The column matches a POSIX regular expression (`~`).
    pub fn regex_match(column: impl Into<String>, pattern: impl Display) -> Self {
        Self::text(column, "match", pattern)
    }

    /// As [`Filter::regex_match`], without regard to case (`~*`).
    pub fn regex_imatch(column: impl Into<String>, pattern: impl Display) -> Self {
        Self::text(column, "imatch", pattern)
    }

    /// The column differs from a value, or is NULL (`IS DISTINCT FROM`).
    pub fn is_distinct(column: impl Into<String>, value: impl Display) -> Self {
        Self::text(column, "isdistinct", value)
    }

    /// The column is NULL, TRUE, FALSE or UNKNOWN.
    pub fn is(column: impl Into<String>, what: impl Into<Is>) -> Self {
        let word = match what.into() {
            Is::Null => "null",
            Is::True => "true",
            Is::False => "false",
            Is::Unknown => "unknown",
        };
        Self::column(column, "is", Operand::Word(word))
    }

    /// The column equals one of these values (`IN`). Without values, no row matches. A repeated value is sent once.
    pub fn within(
        column: impl Into<String>,
        values: impl IntoIterator<Item = impl Display>,
    ) -> Self {
        let mut seen = std::collections::HashSet::new();
        let values = values.into_iter().map(|value| value.to_string());
        let values = values.filter(|value| seen.insert(value.clone())).collect();
        Self::column(column, "in", Operand::List(values))
    }

    /// The column contains every element of this collection (`@>`).
    pub fn contains(column: impl Into<String>, what: impl Into<Collection>) -> Self {
        Self::column(column, "cs", Operand::Collection(what.into()))
    }

    /// This collection contains every element of the column (`<@`).
    pub fn contained_by(column: impl Into<String>, what: impl Into<Collection>) -> Self {
        Self::column(column, "cd", Operand::Collection(what.into()))
    }

    /// The column and this collection have an element in common (`&&`).
    pub fn overlaps(column: impl Into<String>, what: impl Into<Collection>) -> Self {
        Self::column(column, "ov", Operand::Collection(what.into()))
    }

    /// The column, a range, begins after the end of this one (`>>`). A range is written as in [`Collection::range`].
    pub fn range_gt(column: impl Into<String>, range: impl Into<String>) -> Self {
        Self::range(column, "sr", range)
    }

    /// The column, a range, does not begin before this one (`&>`).
    pub fn range_gte(column: impl Into<String>, range: impl Into<String>) -> Self {
        Self::range(column, "nxl", range)
    }

    /// The column, a range, ends before the beginning of this one (`<<`).
    pub fn range_lt(column: impl Into<String>, range: impl Into<String>) -> Self {
        Self::range(column, "sl", range)
    }

    /// The column, a range, does not end after this one (`&<`).
    pub fn range_lte(column: impl Into<String>, range: impl Into<String>) -> Self {
        Self::range(column, "nxr", range)
    }

    /// The column and this range are adjacent: nothing is between them, and they have nothing in common (`-|-`).
    pub fn range_adjacent(column: impl Into<String>, range: impl Into<String>) -> Self {
        Self::range(column, "adj", range)
    }

    fn range(column: impl Into<String>, operator: &'static str, range: impl Into<String>) -> Self {
        Self::column(column, operator, Operand::Collection(Collection::range(range)))
    }

    /// The column, a text or a `tsvector`, matches a full-text search (`@@`).
    pub fn text_search(column: impl Into<String>, search: impl Into<TextSearch>) -> Self {
        let TextSearch { words, kind, config } = search.into();
        let operator = match kind {
            SearchKind::Query => "fts",
            SearchKind::Plain => "plfts",
            SearchKind::Phrase => "phfts",
            SearchKind::Websearch => "wfts",
        };
        let operator = Operator::Search { operator, config };
        let operand = Operand::Text(words);
        Self {
            negated: false,
            condition: Condition::Column { column: column.into(), operator, operand },
        }
    }

    /// Every one of these holds (`AND`).
    pub fn all(filters: impl IntoIterator<Item = Self>) -> Self {
        Self { negated: false, condition: Condition::All(filters.into_iter().collect()) }
    }

    /// At least one of these holds (`OR`).
    pub fn any(filters: impl IntoIterator<Item = Self>) -> Self {
        Self { negated: false, condition: Condition::Any(filters.into_iter().collect()) }
    }

    /// The key and the value of a parameter.
    pub(super) fn parameter(&self) -> Result<(String, String)> {
        let not = if self.negated { "not." } else { "" };
        match &self.condition {
            Condition::Column { column: name, operator, operand } => {
                let value = format!("{not}{}.{}", operator.written()?, operand.alone()?);
                Ok((column(name)?, value))
            }
            Condition::All(filters) => Ok((format!("{not}and"), group(filters)?)),
            Condition::Any(filters) => Ok((format!("{not}or"), group(filters)?)),
        }
    }

    /// The condition as an element of a group.
    fn element(&self) -> Result<String> {
        let not = if self.negated { "not." } else { "" };
        match &self.condition {
            Condition::Column { column: name, operator, operand } => {
                let (name, operator) = (column(name)?, operator.written()?);
                Ok(format!("{name}.{not}{operator}.{}", operand.in_group()?))
            }
            Condition::All(filters) => Ok(format!("{not}and{}", group(filters)?)),
            Condition::Any(filters) => Ok(format!("{not}or{}", group(filters)?)),
        }
    }

    /// Calls a function for every value that the caller gave.
    pub(super) fn each_value(&self, each: &mut dyn FnMut(&str)) {
        match &self.condition {
            Condition::Column { operand, .. } => match operand {
                Operand::Text(value) => each(value),
                Operand::Word(_) => {}
                Operand::List(values) | Operand::Collection(Collection(Kind::Array(values))) => {
                    values.iter().for_each(|value| each(value));
                }
                Operand::Collection(Collection(Kind::Range(range))) => each(range),
                Operand::Collection(Collection(Kind::Json(document))) => each_leaf(document, each),
            },
            Condition::All(filters) | Condition::Any(filters) => {
                filters.iter().for_each(|filter| filter.each_value(each));
            }
        }
    }
}

/// Calls a function for every text and number in a document.
pub(super) fn each_leaf(document: &serde_json::Value, each: &mut dyn FnMut(&str)) {
    match document {
        serde_json::Value::String(text) => each(text),
        serde_json::Value::Number(number) => each(&number.to_string()),
        serde_json::Value::Array(items) => items.iter().for_each(|item| each_leaf(item, each)),
        serde_json::Value::Object(fields) => {
            fields.values().for_each(|field| each_leaf(field, each));
        }
        serde_json::Value::Null | serde_json::Value::Bool(_) => {}
    }
}

impl Not for Filter {
    type Output = Self;

    fn not(mut self) -> Self {
        self.negated = !self.negated;
        self
    }
}

impl fmt::Debug for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let not = if self.negated { "not " } else { "" };
        match &self.condition {
            Condition::Column { column, operator, .. } => {
                let (Operator::Known(operator) | Operator::Search { operator, .. }) = operator;
                write!(f, "{not}{column} {operator} …")
            }
            Condition::All(filters) => f.debug_tuple(&format!("{not}all")).field(filters).finish(),
            Condition::Any(filters) => f.debug_tuple(&format!("{not}any")).field(filters).finish(),
        }
    }
}

impl fmt::Debug for Collection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Collection").finish_non_exhaustive()
    }
}

impl fmt::Debug for TextSearch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TextSearch")
            .field("kind", &self.kind)
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

impl Operator {
    fn written(&self) -> Result<String> {
        match self {
            Self::Known(operator) | Self::Search { operator, config: None } => {
                Ok((*operator).to_owned())
            }
            Self::Search { operator, config: Some(config) } => {
                let is_name = |c: char| c.is_alphanumeric() || c == '_';
                if config.is_empty() || !config.chars().all(is_name) {
                    return Err(invalid(
                        "the configuration of a text search is a name of letters, digits and _",
                    ));
                }
                Ok(format!("{operator}({config})"))
            }
        }
    }
}

impl Operand {
    /// The operand as the whole value of a parameter, where only lists and arrays need quotes.
    fn alone(&self) -> Result<String> {
        match self {
            Self::Text(text) => {
                no_nul(text)?;
                Ok(text.clone())
            }
            Self::Word(word) => Ok((*word).to_owned()),
            Self::List(values) => list(values),
            Self::Collection(collection) => collection.literal(),
        }
    }

    /// The operand as a part of a group, in which commas and parentheses separate conditions.
    fn in_group(&self) -> Result<String> {
        match self {
            Self::Word(word) => Ok((*word).to_owned()),
            Self::List(values) => list(values),
            Self::Text(_) | Self::Collection(_) => {
                let text = self.alone()?;
                let is_reserved = |c: char| matches!(c, ',' | '(' | ')' | '"' | '\\' | '{' | '}');
                Ok(if needs_quotes(&text, is_reserved) { quoted(&text) } else { text })
            }
        }
    }
}

impl Collection {
    fn literal(&self) -> Result<String> {
        let text = match &self.0 {
            Kind::Array(values) => array(values.iter().map(String::as_str)),
            Kind::Json(document) => document.to_string(),
            Kind::Range(range) => range.clone(),
        };
        no_nul(&text)?;
        Ok(text)
    }
}

fn group(filters: &[Filter]) -> Result<String> {
    if filters.is_empty() {
        return Err(invalid("a group of conditions is empty"));
    }
    let elements = filters.iter().map(Filter::element).collect::<Result<Vec<_>>>()?;
    Ok(format!("({})", elements.join(",")))
}

/// `(a,"b,c")`, the operand of `in`.
fn list(values: &[String]) -> Result<String> {
    let is_reserved = |c: char| matches!(c, ',' | '(' | ')' | '"' | '\\');
    let value = |value: &String| {
        no_nul(value)?;
        Ok(if needs_quotes(value, is_reserved) { quoted(value) } else { value.clone() })
    };
    let values = values.iter().map(value).collect::<Result<Vec<_>>>()?;
    Ok(format!("({})", values.join(",")))
}

/// `{a,"b,c"}`, an array as PostgreSQL writes it.
pub(super) fn array<'a>(values: impl Iterator<Item = &'a str>) -> String {
    let is_reserved = |c: char| matches!(c, ',' | '{' | '}' | '"' | '\\');
    let value = |value: &str| {
        // Without quotes, this word means NULL.
        let is_null = value.eq_ignore_ascii_case("null");
        if is_null || needs_quotes(value, is_reserved) { quoted(value) } else { value.to_owned() }
    };
    format!("{{{}}}", values.map(value).collect::<Vec<_>>().join(","))
}

/// White space at the ends of a value is lost without quotes, and so is an empty value.
fn needs_quotes(value: &str, is_reserved: impl Fn(char) -> bool) -> bool {
    value.is_empty()
        || value.starts_with(char::is_whitespace)
        || value.ends_with(char::is_whitespace)
        || value.contains(is_reserved)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(filter: &Filter) -> String {
        match filter.parameter() {
            Ok((key, value)) => format!("{key}={value}"),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn values_are_escaped_where_they_stand_beside_others() {
        let hostile = r#"a,"b\),c.eq.1"#;
        for (filter, expected) in [
            (Filter::eq("a", hostile), r#"a=eq.a,"b\),c.eq.1"#),
            (!Filter::eq("a", 1), "a=not.eq.1"),
            (Filter::within("a", ["x", "y z", "x"]), "a=in.(x,y z)"),
            (Filter::within("a", [hostile, "", " x"]), r#"a=in.("a,\"b\\),c.eq.1",""," x")"#),
            (Filter::within("a", [0_u8; 0]), "a=in.()"),
            (Filter::contains("a", [1, 2]), "a=cs.{1,2}"),
            (Filter::contains("a", ["NULL", "}", "b"]), r#"a=cs.{"NULL","}",b}"#),
            (Filter::contains("a", serde_json::json!({"k": "v"})), r#"a=cs.{"k":"v"}"#),
            (Filter::overlaps("a", Collection::range("[1,2)")), "a=ov.[1,2)"),
            (Filter::is("a", Is::Null), "a=is.null"),
            (Filter::is_distinct("a", "x"), "a=isdistinct.x"),
            (Filter::like_any_of("a", ["%,x", r"a\_b"]), r#"a=like(any).{"%,x","a\\_b"}"#),
            (!Filter::ilike_all_of("a", ["x"]), "a=not.ilike(all).{x}"),
            (Filter::regex_imatch("a", "^(x|y)"), "a=imatch.^(x|y)"),
            (Filter::range_lt("a", "[1,2)"), "a=sl.[1,2)"),
            (Filter::any([Filter::range_gte("a", "[1,2)")]), r#"or=(a.nxl."[1,2)")"#),
            (Filter::text_search("a", "x & y"), "a=fts.x & y"),
            (
                Filter::text_search(
                    "a",
                    TextSearch::new("x").kind(SearchKind::Phrase).config("en"),
                ),
                "a=phfts(en).x",
            ),
        ] {
            assert_eq!(written(&filter), expected);
        }
        let bad = Filter::text_search("a", TextSearch::new("x").config("en).b"));
        assert!(bad.parameter().is_err());
        assert!(Filter::eq("a", "\0").parameter().is_err());
    }

    #[test]
    fn a_group_holds_only_what_it_was_given() {
        let group = Filter::any([
            Filter::eq("a", "x),or=(b"),
            !Filter::within("b", ["1", "2,3"]),
            Filter::contains("c", ["p,q", "r"]),
            !Filter::all([Filter::is("d", true), Filter::gt("e", "2026-01-01T00:00:00.5Z")]),
            Filter::eq("f", ""),
        ]);
        assert_eq!(
            written(&group),
            r#"or=(a.eq."x),or=(b",b.not.in.(1,"2,3"),c.cs."{\"p,q\",r}",not.and(d.is.true,e.gt.2026-01-01T00:00:00.5Z),f.eq."")"#
        );
        assert_eq!(written(&!Filter::any([Filter::eq("a", 1)])), "not.or=(a.eq.1)");
        assert!(Filter::any([]).parameter().is_err());
    }

    #[test]
    fn debug_output_has_no_values() {
        let filter = Filter::all([Filter::eq("name", "secret"), !Filter::within("id", ["secret"])]);
        let shown = format!("{filter:?}");
        assert!(shown.contains("name eq") && !shown.contains("secret"), "{shown}");
    }
}
