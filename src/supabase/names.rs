//! Names of tables, functions and columns, escaped so that PostgREST reads each as one name.

use crate::{Error, ErrorKind, Result};

/// Words that PostgREST takes for a parameter of its own if they are the last part of a key.
const RESERVED: [&str; 9] =
    ["and", "columns", "limit", "not", "offset", "on_conflict", "or", "order", "select"];

/// Text in double quotes, with `"` and `\` escaped.
pub(super) fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        if matches!(c, '"' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out.push('"');
    out
}

/// A column as the key of a parameter or a part of a value: a name, `relation.name`, or a path into JSON behind `->` and
/// `->>`. A part that PostgREST would not read as one name is put in double quotes, and so is a name that is a parameter of
/// PostgREST's.
///
/// # Errors
/// [`ErrorKind::InvalidInput`] if a part is empty or holds a NUL.
pub(super) fn column(column: &str) -> Result<String> {
    let (path, json) = match column.find("->") {
        Some(at) => column.split_at(at),
        None => (column, ""),
    };
    let mut out = String::with_capacity(column.len());
    let mut parts = path.split('.').peekable();
    while let Some(part) = parts.next() {
        let is_last = parts.peek().is_none();
        let is_reserved = is_last && json.is_empty() && RESERVED.contains(&part);
        push(&mut out, part, is_reserved)?;
        if !is_last {
            out.push('.');
        }
    }
    let mut rest = json;
    while let Some(tail) = rest.strip_prefix("->") {
        let (arrow, tail) = match tail.strip_prefix('>') {
            Some(tail) => ("->>", tail),
            None => ("->", tail),
        };
        let end = tail.find("->").unwrap_or(tail.len());
        let (part, after) = tail.split_at(end);
        out.push_str(arrow);
        let digits = part.strip_prefix('-').unwrap_or(part);
        if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) {
            out.push_str(part);
        } else {
            push(&mut out, part, false)?;
        }
        rest = after;
    }
    Ok(out)
}

/// An embedded table as the first part of a key: its name or alias, or `outer.inner`.
pub(super) fn relation(path: &str) -> Result<String> {
    let mut out = String::with_capacity(path.len());
    for part in path.split('.') {
        if !out.is_empty() {
            out.push('.');
        }
        push(&mut out, part, false)?;
    }
    Ok(out)
}

fn push(out: &mut String, part: &str, is_reserved: bool) -> Result<()> {
    if part.is_empty() {
        return Err(invalid("a part of a column's name is empty"));
    }
    no_nul(part)?;
    let is_plain = part.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '$');
    if is_plain && !is_reserved {
        out.push_str(part);
    } else {
        out.push_str(&quoted(part));
    }
    Ok(())
}

/// Names in a list, such as those of `on_conflict`.
pub(super) fn columns<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<String> {
    let mut out = String::new();
    for name in names {
        if !out.is_empty() {
            out.push(',');
        }
        push(&mut out, name, false)?;
    }
    Ok(out)
}

/// The name of a table, a view or a function, which becomes a segment of the URL's path.
///
/// # Errors
/// [`ErrorKind::InvalidInput`] if URL parsers or proxies would resolve it to another path.
pub(super) fn segment(name: &str) -> Result<&str> {
    let is_odd = |c: char| c.is_control() || c == '/' || c == '\\';
    if name.is_empty() || name == "." || name == ".." || name.contains(is_odd) {
        return Err(invalid(
            "the name of a table or function is empty, is made of dots, or holds a slash or a control character",
        ));
    }
    Ok(name)
}

/// PostgreSQL has no text with a NUL.
pub(super) fn no_nul(text: &str) -> Result<()> {
    if text.contains('\0') {
        return Err(invalid("a name or a value holds a NUL, which PostgreSQL cannot store"));
    }
    Ok(())
}

pub(super) fn invalid(why: &'static str) -> Error {
    Error::new(ErrorKind::InvalidInput, why)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_stays_one_name() -> Result<()> {
        for (given, expected) in [
            ("tenant_id", "tenant_id"),
            ("größe$1", "größe$1"),
            ("author.name", "author.name"),
            ("data->a->>b", "data->a->>b"),
            ("data->0->>-1", "data->0->>-1"),
            ("data->>some-key", r#"data->>"some-key""#),
            ("data->>a.b", r#"data->>"a.b""#),
            ("a,b", r#""a,b""#),
            ("a b", r#""a b""#),
            (r#"a"\"#, r#""a\"\\""#),
            ("a=eq.1&b", r#""a=eq"."1&b""#),
            ("select", r#""select""#),
            ("author.or", r#"author."or""#),
            ("not.or", r#"not."or""#),
            ("order->>a", "order->>a"),
        ] {
            assert_eq!(column(given)?, expected, "{given}");
        }
        for bad in ["", "a.", ".a", "a->", "->a", "a->>", "a\0"] {
            assert!(column(bad).is_err(), "{bad}");
        }
        assert_eq!(columns(["a", "b c", "limit"])?, r#"a,"b c",limit"#);
        Ok(())
    }

    #[test]
    fn a_table_cannot_lead_to_another_path() {
        for bad in ["", ".", "..", "a/b", "a\\b", "../auth/v1", "a\n"] {
            assert!(segment(bad).is_err(), "{bad}");
        }
        for good in ["t", "a.b", "t?select=x", "%2e%2e", "…"] {
            assert!(segment(good).is_ok(), "{good}");
        }
    }
}
