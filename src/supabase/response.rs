//! What PostgREST answers: rows, counts and errors.

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::transport::rest::{HttpResponse, is_success, retry_after};
use crate::{Error, ErrorKind, Outcome, Result};

/// Rows, and how many there are in all if [`Query::count`](super::Query::count) asked for that.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Page<T> {
    /// The rows of this page.
    pub rows: Vec<T>,
    /// How many rows the filters match, those of other pages included.
    pub count: Option<u64>,
}

/// An error of PostgREST. Its `details` hold values of rows, so they are not read.
#[derive(Deserialize)]
struct Refusal {
    #[serde(default)]
    code: Option<String>,
    #[serde(default)]
    message: Option<String>,
    #[serde(default)]
    hint: Option<String>,
}

/// The answer, if it is a success.
pub(super) fn successful(response: HttpResponse) -> Result<HttpResponse> {
    if is_success(response.status) { Ok(response) } else { Err(refused(&response)) }
}

/// The code of PostgREST for an answer that is not exactly one row.
pub(super) const NOT_ONE_ROW: &str = "PGRST116";

fn refused(response: &HttpResponse) -> Error {
    let status = response.status;
    let error = match serde_json::from_slice::<Refusal>(&response.body) {
        Ok(Refusal { code, message: Some(message), hint }) => {
            let code = code.unwrap_or_default();
            let mut said = without_values(&code, &message);
            if let Some(hint) = hint.filter(|hint| !hint.is_empty()) {
                said = format!("{said} (hint: {})", without_values(&code, &hint));
            }
            let (kind, outcome) = kind_and_outcome(&code, response);
            let own = if code.is_empty() { String::new() } else { format!("{code}: ") };
            let error = Error::quoting(kind, own, &said).with_outcome(outcome);
            error.with_code((!code.is_empty()).then_some(&*code))
        }
        // The body may be a proxy's page, which may contain secrets, so it is not quoted.
        _ => match status {
            401 => Error::new(ErrorKind::Unauthorized, "the key or the access token was refused"),
            429 => Error::new(ErrorKind::Throttled, "the server asked for fewer requests"),
            _ => Error::new(
                ErrorKind::Http,
                format!("HTTP status {status}, and no error of PostgREST"),
            ),
        },
    };
    error.with_status(status).with_retry_after(retry_after(response))
}

/// The kind and the outcome of an error by its code: one of PostgREST, or the SQLSTATE of PostgreSQL.
fn kind_and_outcome(code: &str, response: &HttpResponse) -> (ErrorKind, Outcome) {
    use Outcome::{NotSent, Refused, Unknown};
    match (code, response.status) {
        (NOT_ONE_ROW, _) => (not_one_row(response), Refused),
        // PostgREST had no connection to its database, or none was free. Nothing was done.
        ("PGRST000" | "PGRST002" | "PGRST003" | "53300" | "57P03", _) => {
            (ErrorKind::Connect, NotSent)
        }
        ("PGRST001", _) => (ErrorKind::Disconnected, Unknown),
        // The statement ran for too long, and was undone.
        ("57014", _) => (ErrorKind::Timeout, Refused),
        // Transactions were in each other's way, and this one was undone.
        ("40001" | "40P01", _) => (ErrorKind::Conflict, Refused),
        ("42501", _) | (_, 401) => (ErrorKind::Unauthorized, Refused),
        (_, 429) => (ErrorKind::Throttled, Refused),
        (code, _) if code.starts_with("08") || code.starts_with("57P") => {
            (ErrorKind::Disconnected, Unknown)
        }
        ("", 500..) => (ErrorKind::Http, Unknown),
        _ => (ErrorKind::Server, Refused),
    }
}

/// One row was asked for, and there was none, or there were several.
fn not_one_row(response: &HttpResponse) -> ErrorKind {
    #[derive(Deserialize)]
    struct Details {
        #[serde(default)]
        details: Option<String>,
    }
    let details =
        serde_json::from_slice::<Details>(&response.body).ok().and_then(|body| body.details);
    // `The result contains 0 rows`; in older versions `Results contain 0 rows, …`.
    let is_none = details.is_some_and(|details| details.contains(" 0 rows"));
    if is_none { ErrorKind::NotFound } else { ErrorKind::Type }
}

/// A message without the values that PostgreSQL quotes in errors of data (class 22), those of other rows included. In other
/// classes it quotes names.
fn without_values(code: &str, message: &str) -> String {
    if !code.starts_with("22") {
        return message.to_owned();
    }
    // A value may contain quotes itself, so everything from the first to the last quote is removed.
    match (message.find('"'), message.rfind('"')) {
        (Some(first), Some(last)) if last > first => {
            [&message[..first], "\"…\"", &message[last + 1..]].concat()
        }
        (Some(first), _) => [&message[..first], "…"].concat(),
        _ => message.to_owned(),
    }
}

/// The body as text.
pub(super) fn text(response: HttpResponse) -> Result<String> {
    String::from_utf8(response.body.into()).map_err(|_| {
        Error::new(ErrorKind::Protocol, "the answer is not text in UTF-8")
            .with_outcome(Outcome::Unknown)
    })
}

/// The body as a type of the caller's.
///
/// # Errors
/// [`ErrorKind::Protocol`] if it is no JSON, [`ErrorKind::Type`] if it is of another shape.
pub(super) fn decoded<T: DeserializeOwned>(response: &HttpResponse) -> Result<T> {
    serde_json::from_slice(&response.body).map_err(|error| {
        // The error's own text may quote a value.
        let (line, column) = (error.line(), error.column());
        let (kind, what) = match error.classify() {
            serde_json::error::Category::Data => (ErrorKind::Type, "is not of the type asked for"),
            _ => (ErrorKind::Protocol, "is not JSON"),
        };
        let message = format!("the answer {what}, at line {line}, column {column}");
        Error::new(kind, message).with_outcome(Outcome::Completed).with_status(response.status)
    })
}

/// How many rows there are in all, by the header `Content-Range`: `0-9/100`, `*/0`.
pub(super) fn count(response: &HttpResponse) -> Option<u64> {
    response.header("content-range")?.rsplit_once('/')?.1.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(status: u16, body: &str) -> Error {
        let header = |name| (name == "retry-after").then(|| "2".to_owned());
        refused(&HttpResponse::new(status, header, body.to_owned()))
    }

    #[test]
    fn errors_have_a_kind_by_their_code() {
        use ErrorKind::*;
        use Outcome::{NotSent, Refused, Unknown};
        for (status, code, kind, outcome, is_transient) in [
            (409, "23505", Server, Refused, false),
            (404, "PGRST205", Server, Refused, false),
            (401, "PGRST301", Unauthorized, Refused, false),
            (403, "42501", Unauthorized, Refused, false),
            (429, "", Throttled, Refused, true),
            (503, "PGRST002", Connect, NotSent, true),
            (504, "PGRST003", Connect, NotSent, true),
            (500, "57014", Timeout, Refused, true),
            (500, "40001", Conflict, Refused, true),
            (503, "57P01", Disconnected, Unknown, true),
            (500, "", Http, Unknown, true),
            (400, "P0001", Server, Refused, false),
        ] {
            let body =
                format!(r#"{{"code":"{code}","message":"m","details":"secret","hint":null}}"#);
            let error = error(status, &body);
            assert_eq!((error.kind(), error.outcome()), (kind, outcome), "{code}");
            assert_eq!(error.is_transient(), is_transient, "{code}");
            assert_eq!(error.code().unwrap_or_default(), code);
            assert_eq!(
                (error.status(), error.retry_after().map(|wait| wait.as_secs())),
                (Some(status), Some(2))
            );
            assert!(!format!("{error} {error:?}").contains("secret"));
        }
        for (status, kind) in [(401, Unauthorized), (429, Throttled), (502, Http), (302, Http)] {
            assert_eq!(error(status, "<html>secret</html>").kind(), kind);
            assert!(!error(status, "<html>secret</html>").to_string().contains("secret"));
        }
    }

    #[test]
    fn no_row_and_several_rows_are_distinguished() {
        for (details, kind) in [
            ("The result contains 0 rows", ErrorKind::NotFound),
            (
                "Results contain 0 rows, application/vnd.pgrst.object+json requires 1 row",
                ErrorKind::NotFound,
            ),
            ("The result contains 10 rows", ErrorKind::Type),
        ] {
            let body = format!(r#"{{"code":"PGRST116","message":"m","details":"{details}"}}"#);
            assert_eq!(error(406, &body).kind(), kind);
        }
    }

    #[test]
    fn values_in_errors_of_data_are_left_out() {
        for (code, message, expected) in [
            (
                "22P02",
                r#"invalid input syntax for type uuid: "a"b""#,
                r#"22P02: invalid input syntax for type uuid: "…""#,
            ),
            (
                "22003",
                r#"value "99" is out of range for type integer"#,
                r#"22003: value "…" is out of range for type integer"#,
            ),
            (
                "23505",
                r#"duplicate key value violates unique constraint "t_pkey""#,
                r#"23505: duplicate key value violates unique constraint "t_pkey""#,
            ),
        ] {
            let body = serde_json::json!({ "code": code, "message": message, "hint": "" });
            assert_eq!(error(400, &body.to_string()).message(), expected);
        }
        let body = r#"{"code":"PGRST205","message":"no table","hint":"Perhaps you meant the table 'public.t'"}"#;
        assert_eq!(
            error(404, body).message(),
            "PGRST205: no table (hint: Perhaps you meant the table 'public.t')"
        );
    }

    #[test]
    fn the_count_follows_the_slash() {
        let with = |range: &str| {
            let header = |name| (name == "content-range").then(|| range.to_owned());
            count(&HttpResponse::new(206, header, "[]"))
        };
        assert_eq!(
            [with("0-9/100"), with("*/0"), with("0-9/*"), with("")],
            [Some(100), Some(0), None, None]
        );
    }

    #[test]
    fn an_error_of_decoding_has_no_values() {
        let shown = |body: &'static str| {
            let error = decoded::<Vec<u32>>(&HttpResponse::new(200, |_| None, body)).err();
            error.map(|error| (error.kind(), error.to_string().contains("secret")))
        };
        assert_eq!(shown(r#"["secret"]"#), Some((ErrorKind::Type, false)));
        assert_eq!(shown("secret"), Some((ErrorKind::Protocol, false)));
    }
}
