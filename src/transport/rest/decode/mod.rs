//! Decodes HTTP answers: RESP2, JSON with or without base64, errors with any status, and answers that are not replies.

mod json;

use std::time::Duration;

use serde::de::DeserializeSeed;

pub(super) use json::Strings;
use json::{Body, BodySeed, Envelope, EnvelopeSeed, Json, ValueBudget};

use super::HttpResponse;
use super::http_client::is_success;
use super::limits::Limits;
use super::resp2::{self, Malformed};
use crate::transport::Results;
use crate::{Error, ErrorKind, Result, Value};

/// Why an answer that was to be in base64 cannot be read.
pub(super) const IGNORES_BASE64: &str = "a string is not base64: the server does not know Upstash-Encoding. Use Encoding::Auto, or Encoding::Plain";

pub(super) struct Decoder<'a> {
    strings: Strings,
    token: &'a str,
    limits: Limits,
}

impl<'a> Decoder<'a> {
    pub(super) fn new(strings: Strings, token: &'a str, limits: Limits) -> Self {
        Self { strings, token, limits }
    }

    fn budget(&self) -> ValueBudget {
        ValueBudget::new(self.limits.values)
    }

    fn json<'b>(&self, budget: &'b ValueBudget) -> Json<'b> {
        Json { strings: self.strings, depth: self.limits.depth, budget }
    }

    fn too_much(&self, response: &HttpResponse) -> Error {
        let Limits { values, depth } = self.limits;
        let message = format!(
            "the answer has more than {values} values, or arrays nested deeper than {depth}: ask for less at a time, or \
             raise RestOptions::max_values or max_depth"
        );
        protocol(message, response)
    }

    /// The answer to one command.
    pub(super) fn single(&self, response: &HttpResponse) -> Result<Value> {
        let envelope = if resp2::is_resp2(&response.body) {
            let reply = resp2::one(&response.body, self.limits);
            Envelope::from(reply.map_err(|malformed| self.not_resp2(malformed, response))?)
        } else {
            let budget = self.budget();
            self.parse(response, &budget, EnvelopeSeed(self.json(&budget)))?
        };
        self.open(envelope, response)
    }

    /// The answer to a pipeline of `count` commands.
    pub(super) fn batch(&self, response: &HttpResponse, count: usize) -> Result<Results> {
        if resp2::is_resp2(&response.body) {
            if !is_success(response.status) {
                let one = resp2::one(&response.body, self.limits).ok();
                let error = one.and_then(Result::err);
                return Err(error.map_or_else(
                    || self.failure(response),
                    |error| self.classify(error, response),
                ));
            }
            return resp2::many(&response.body, count, self.limits)
                .map_err(|malformed| self.not_resp2(malformed, response));
        }
        let budget = self.budget();
        match self.parse(response, &budget, BodySeed(self.json(&budget)))? {
            Body::One(envelope) => match self.open(envelope, response) {
                Err(error) => Err(error),
                Ok(_) => Err(protocol("the answer to a batch is not an array", response)),
            },
            Body::Many(_) if !is_success(response.status) => Err(self.failure(response)),
            Body::Many(envelopes) if envelopes.len() == count => Ok(envelopes
                .into_iter()
                .map(|envelope| envelope.into_result().unwrap_or_else(|| Err(empty(response))))
                .collect()),
            Body::Many(envelopes) => Err(protocol(
                format!("{count} commands were sent, {} replies came back", envelopes.len()),
                response,
            )),
        }
    }

    /// The answer to a transaction of `count` commands. A single error means that none of them ran.
    pub(super) fn transaction(&self, response: &HttpResponse, count: usize) -> Result<Results> {
        self.batch(response, count).map_err(|error| match error.kind() {
            ErrorKind::Server => error.into_discarded(),
            _ => error,
        })
    }

    fn parse<'b, T>(
        &self,
        response: &'b HttpResponse,
        budget: &ValueBudget,
        seed: impl DeserializeSeed<'b, Value = T> + Copy,
    ) -> Result<T> {
        let read = || {
            let mut json = serde_json::Deserializer::from_slice(&response.body);
            seed.deserialize(&mut json).and_then(|parsed| json.end().map(|()| parsed))
        };
        let mut parsed = read();
        if budget.numbers_as_text.get() {
            budget.values.set(self.limits.values);
            parsed = read();
        }
        parsed.map_err(|error| {
            if !is_success(response.status) {
                self.failure(response)
            } else if budget.exceeded.get() {
                self.too_much(response)
            } else if budget.not_base64.get() {
                protocol(IGNORES_BASE64, response)
            } else if error.is_eof() && !response.body.is_empty() {
                broken_off(response)
            } else {
                // The message of serde_json may quote a value, so only the position is reported.
                self.no_reply(&format!("column {}", error.column()), response)
            }
        })
    }

    fn not_resp2(&self, malformed: Malformed, response: &HttpResponse) -> Error {
        match malformed {
            _ if !is_success(response.status) => self.failure(response),
            Malformed::Incomplete => broken_off(response),
            Malformed::TooMuch => self.too_much(response),
            Malformed::At(at) => self.no_reply(&format!("byte {at}"), response),
        }
    }

    /// The error for an answer with a success status that is not a reply. An answer that begins like a reply may contain a
    /// value, so it is not shown.
    fn no_reply(&self, place: &str, response: &HttpResponse) -> Error {
        let body = &response.body;
        let message = format!("the answer is not a reply ({place} of {} bytes)", body.len());
        let error = match body.trim_ascii_start().first() {
            Some(b'{' | b'[' | b'"' | b'+' | b'-' | b':' | b'$' | b'*') => {
                Error::new(ErrorKind::Protocol, message)
            }
            _ => Error::quoting(ErrorKind::Protocol, message + ": ", &self.snippet(body)),
        };
        error.with_status(response.status)
    }

    /// The result of an envelope. An error field counts with any status, a result only with a success status.
    fn open(&self, envelope: Envelope, response: &HttpResponse) -> Result<Value> {
        match envelope.into_result() {
            Some(Err(error)) => Err(self.classify(error, response)),
            Some(Ok(value)) if is_success(response.status) => Ok(value),
            None if is_success(response.status) => Err(empty(response)),
            Some(Ok(_)) | None => Err(self.failure(response)),
        }
    }

    /// A Redis error with the kind that the HTTP status implies.
    fn classify(&self, error: Error, response: &HttpResponse) -> Error {
        let error = match response.status {
            401 | 403 if error.kind() != ErrorKind::Unauthorized => {
                let code = error.code().map(ToOwned::to_owned);
                error.into_kind(ErrorKind::Unauthorized).with_code(code.as_deref())
            }
            // Some servers give every error of a command this status. Its code shows that it is one.
            500 if error.code().is_some() => error,
            500 => match inner_code(error.message()).map(ToOwned::to_owned) {
                Some(code) => error.with_code(Some(&code)),
                None => error.into_kind(ErrorKind::Http),
            },
            429 => error.into_kind(ErrorKind::Throttled),
            // The error of a failing server is not reliable about the command.
            501.. => error.into_kind(ErrorKind::Http),
            _ => error,
        };
        error.with_status(response.status).with_retry_after(retry_after(response))
    }

    /// The error for an answer with an error status and without a Redis error.
    fn failure(&self, response: &HttpResponse) -> Error {
        let status = response.status;
        let snippet = self.snippet(&response.body);
        let (kind, message) = match status {
            401 | 403 => {
                (ErrorKind::Unauthorized, format!("the server refused the token (HTTP {status}): "))
            }
            429 => (ErrorKind::Throttled, "too many requests (HTTP 429): ".to_owned()),
            _ => (
                ErrorKind::Http,
                format!("HTTP {status}, and no reply in it; is this the URL of a REST server? "),
            ),
        };
        Error::quoting(kind, message, &snippet)
            .with_status(status)
            .with_retry_after(retry_after(response))
    }

    /// The beginning of a body that is not a reply. Control characters and the token are removed.
    fn snippet(&self, body: &[u8]) -> String {
        const LONGEST: usize = 80;
        // The token is removed before the text is cut, so that no part of it is left at the end.
        let head = &body[..body.len().min(LONGEST * 4 + self.token.len())];
        let text = String::from_utf8_lossy(head).replace(self.token, "[redacted]");
        let clean: Vec<&str> = text.split_whitespace().collect();
        let mut clean: String = clean.join(" ").chars().filter(|c| !c.is_control()).collect();
        if let Some((at, _)) = clean.char_indices().nth(LONGEST) {
            clean.truncate(at);
            clean.push('…');
        }
        format!("{clean:?}")
    }
}

/// The code of an error of Redis that some servers put behind words of their own and a colon.
fn inner_code(text: &str) -> Option<&str> {
    let codes = text.split(": ").skip(1).filter_map(|part| part.split(' ').next());
    codes
        .into_iter()
        .find(|word| word.len() >= 3 && word.bytes().all(|byte| byte.is_ascii_uppercase()))
}

/// Whether JSON holds a string, other than `OK`, that is part of a result. Only such a string reads differently in base64.
pub(super) fn has_text(body: &[u8]) -> bool {
    let mut at = 0;
    let mut is_error = false;
    while let Some(start) =
        body[at..].iter().position(|byte| *byte == b'"').map(|found| at + found + 1)
    {
        let mut end = start;
        while end < body.len() && body[end] != b'"' {
            end += if body[end] == b'\\' { 2 } else { 1 };
        }
        let end = end.min(body.len());
        let text = &body[start..end];
        at = (end + 1).min(body.len());
        let is_name = body[at..].trim_ascii_start().first() == Some(&b':');
        if is_name {
            is_error = text == b"error";
        } else if !is_error && !matches!(text, b"" | b"OK") {
            return true;
        }
    }
    false
}

fn protocol(message: impl Into<std::borrow::Cow<'static, str>>, response: &HttpResponse) -> Error {
    Error::new(ErrorKind::Protocol, message).with_status(response.status)
}

fn broken_off(response: &HttpResponse) -> Error {
    Error::new(ErrorKind::Disconnected, "the answer ended in the middle")
        .with_status(response.status)
}

fn empty(response: &HttpResponse) -> Error {
    protocol("the answer contains neither a result nor an error", response)
}

/// `Retry-After` in seconds. The other form, a date, is ignored, because no server of this API sends it.
pub(crate) fn retry_after(response: &HttpResponse) -> Option<Duration> {
    let seconds = response.header("retry-after")?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn response(status: u16, body: &str) -> HttpResponse {
        HttpResponse::new(
            status,
            |name| (name == "retry-after").then(|| "7".to_owned()),
            Bytes::copy_from_slice(body.as_bytes()),
        )
    }

    fn single(strings: Strings, status: u16, body: &str) -> Result<Value> {
        Decoder::new(strings, "s3cret-token", Limits::default()).single(&response(status, body))
    }

    fn error(status: u16, body: &str) -> Error {
        single(Strings::Base64, status, body).expect_err("it is an error")
    }

    #[test]
    fn ok_is_not_base64_at_any_depth() -> Result<()> {
        let value = single(Strings::Base64, 200, r#"{"result":["OK",["OK","T0s=",null,7]]}"#)?;
        let inner = Value::Array(vec![Value::OK, Value::bulk("OK"), Value::Nil, Value::Integer(7)]);
        assert_eq!(value, Value::Array(vec![Value::OK, inner]));
        Ok(())
    }

    #[test]
    fn base64_needs_no_padding() -> Result<()> {
        let value = single(Strings::Base64, 200, r#"{"result":["YQ","YQ==","YWI"]}"#)?;
        let items = ["a", "a", "ab"].map(Value::bulk);
        assert_eq!(value, Value::Array(items.into()));
        Ok(())
    }

    #[test]
    fn a_large_integer_may_be_a_string_that_is_not_encoded() -> Result<()> {
        let large =
            ["-9007199254740993", "9007199254740993", "9223372036854775804", "9223372036854775807"];
        for digits in large {
            let value = single(Strings::Base64, 200, &format!(r#"{{"result":"{digits}"}}"#))?;
            assert_eq!(value, Value::bulk(digits.to_owned()));
        }
        Ok(())
    }

    #[test]
    fn an_error_of_base64_says_what_to_do() {
        let error = error(200, r#"{"result":"not base64!"}"#);
        assert!(error.message().contains("Encoding::Auto"), "{error}");
    }

    #[test]
    fn only_text_reads_differently_in_base64() {
        for (body, expected) in [
            (r#"{"result":"OK"}"#, false),
            (r#"{"result":""}"#, false),
            (r#"{"result":[1,null]}"#, false),
            (r#"{"error":"ERR no"}"#, false),
            (r#"[{"result":"OK"},{"error" : "ERR a \"b\" c"}]"#, false),
            (r#"[{"error":"ERR no"},{"result":"abcd"}]"#, true),
            (r#"{"result":["OK",["abcd"]]}"#, true),
            (r#"{"result":"a"#, true),
            (r#"{"result":"a\"#, true),
            ("", false),
            ("\"", false),
        ] {
            assert_eq!(has_text(body.as_bytes()), expected, "{body}");
        }
    }

    #[test]
    fn a_refusal_keeps_its_code() {
        let error = error(403, r#"{"error":"NOPERM no permissions"}"#);
        assert_eq!((error.kind(), error.code()), (ErrorKind::Unauthorized, Some("NOPERM")));
    }

    #[test]
    fn integers_are_exact() -> Result<()> {
        let value = single(
            Strings::Plain,
            200,
            r#"{"result":[9007199254740993,-9223372036854775808,18446744073709551615,"12345678901234567890"]}"#,
        )?;
        let numbers = <(i64, i64, u64, u64) as crate::FromValue>::from_value(value)?;
        assert_eq!(
            numbers,
            (9_007_199_254_740_993, i64::MIN, u64::MAX, 12_345_678_901_234_567_890)
        );
        Ok(())
    }

    #[test]
    fn a_number_beyond_an_integer_keeps_the_digits_that_the_server_sent() -> Result<()> {
        for strings in [Strings::Plain, Strings::Base64] {
            for digits in [
                "18446744073709551616",
                "-9223372036854775809",
                "123456789012345678901234567890",
                "0.10",
                "1.5e3",
            ] {
                let nested = format!(r#"{{"id":0.5,"result":[1,[{digits},null],{digits}]}}"#);
                let value = single(strings, 200, &nested)?;
                let text = || Value::bulk(digits.to_owned());
                let inner = Value::Array(vec![text(), Value::Nil]);
                assert_eq!(value, Value::Array(vec![Value::Integer(1), inner, text()]), "{digits}");
                let decoder = Decoder::new(strings, "token", Limits::default());
                let body = format!(r#"[{{"result":{digits}}},{{"error":"ERR no"}}]"#);
                let results = decoder.batch(&response(200, &body), 2)?;
                assert_eq!(results[0].clone()?, text());
                assert!(results[1].is_err());
            }
        }
        assert_eq!(single(Strings::Plain, 200, r#"{"result":-0}"#)?, Value::Integer(0));
        // The second reading of an answer reports errors as the first one does.
        for (body, kind) in [
            (r#"{"result":[0.5,"not base64!"]}"#, ErrorKind::Protocol),
            (r#"{"result":[0.5"#, ErrorKind::Disconnected),
            (r#"{"result":[0.5,]}"#, ErrorKind::Protocol),
            (r#"{"result":1e999}"#, ErrorKind::Protocol),
        ] {
            assert_eq!(error(200, body).kind(), kind, "{body}");
        }
        let decoder = Decoder::new(Strings::Plain, "token", Limits { values: 4, depth: 2 });
        for (body, fits) in [
            (r#"{"result":[0.5,[1]]}"#, true),
            (r#"{"result":[0.5,[[1]]]}"#, false),
            (r#"{"result":[0.5,1,2,3]}"#, false),
        ] {
            let result = decoder.single(&response(200, body));
            let message = result.map_or_else(|error| error.message().to_owned(), |_| String::new());
            assert_eq!(message.is_empty(), fits, "{body}: {message}");
            assert!(fits || message.contains("max_values"), "{message}");
        }
        Ok(())
    }

    #[test]
    fn an_error_counts_at_every_status() {
        for (status, kind) in [
            (200, ErrorKind::Server),
            (400, ErrorKind::Server),
            (401, ErrorKind::Unauthorized),
            (429, ErrorKind::Throttled),
            (500, ErrorKind::Server),
            (502, ErrorKind::Http),
        ] {
            let error = error(status, r#"{"error":"ERR no"}"#);
            assert_eq!((error.kind(), error.status()), (kind, Some(status)));
            assert_eq!(error.message(), "ERR no");
        }
        assert_eq!(error(200, r#"{"result":1,"error":"ERR no"}"#).kind(), ErrorKind::Server);
        let twice = r#"{"error":"ERR no","error":null,"result":1}"#;
        assert_eq!(error(200, twice).kind(), ErrorKind::Server);
        assert_eq!(error(400, r#"{"error":"WRONGPASS bad"}"#).kind(), ErrorKind::Unauthorized);
    }

    #[test]
    fn an_answer_that_is_not_json_gives_its_status_and_beginning() {
        let page = "<html>\n  <title>502 Bad\0 Gateway</title> s3cret-token </html>";
        let error = error(502, page);
        assert_eq!((error.kind(), error.status()), (ErrorKind::Http, Some(502)));
        assert_eq!(error.retry_after(), Some(Duration::from_secs(7)));
        let text = format!("{error} {error:?}");
        assert!(text.contains("502 Bad Gateway") && text.contains("[redacted]"), "{text}");
        assert!(!text.contains("s3cret"), "{text}");
    }

    #[test]
    fn a_token_at_the_edge_of_the_snippet_is_cut_out_whole() {
        for padding in 0..200 {
            let text = error(502, &format!("{}s3cret-token", "x".repeat(padding))).to_string();
            assert!(!text.contains("s3c"), "{padding}: {text}");
        }
    }

    #[test]
    fn broken_answers_have_different_kinds() {
        assert_eq!(error(200, r#"{"result":"YWJ"#).kind(), ErrorKind::Disconnected);
        assert_eq!(error(200, "").kind(), ErrorKind::Protocol);
        assert_eq!(error(200, "{}").kind(), ErrorKind::Protocol);
        assert_eq!(error(200, r#"{"result":"not base64!"}"#).kind(), ErrorKind::Protocol);
        assert_eq!(error(200, r#"{"result":1} trailing"#).kind(), ErrorKind::Protocol);
        assert_eq!(error(404, "{}").kind(), ErrorKind::Http);
        assert_eq!(error(500, r#"{"result":1}"#).kind(), ErrorKind::Http);
    }

    #[test]
    fn a_batch_keeps_errors_in_their_place() -> Result<()> {
        let decoder = Decoder::new(Strings::Base64, "token", Limits::default());
        let body = r#"[{"result":"OK"},{"error":"ERR no"},{"result":null}]"#;
        let results = decoder.batch(&response(200, body), 3)?;
        assert_eq!(results[0].clone()?, Value::OK);
        assert!(results[1].is_err() && results[2].clone()?.is_nil());
        let short = decoder.batch(&response(200, body), 4);
        assert_eq!(short.err().map(|error| error.kind()), Some(ErrorKind::Protocol));
        let discarded = decoder.transaction(&response(400, r#"{"error":"ERR syntax"}"#), 3);
        assert_eq!(discarded.err().map(|error| error.kind()), Some(ErrorKind::Discarded));
        Ok(())
    }

    #[test]
    fn resp2_is_known_by_its_first_byte() -> Result<()> {
        assert_eq!(single(Strings::Base64, 200, "$3\r\nabc\r\n")?, Value::bulk("abc"));
        let wrong_type = error(400, "-WRONGTYPE no\r\n");
        assert_eq!((wrong_type.code(), wrong_type.status()), (Some("WRONGTYPE"), Some(400)));
        assert_eq!(error(401, "-WRONGPASS no\r\n").kind(), ErrorKind::Unauthorized);
        assert_eq!(error(200, "$5\r\nab").kind(), ErrorKind::Disconnected);
        assert_eq!(error(502, "$5\r\nab").kind(), ErrorKind::Http);
        let decoder = Decoder::new(Strings::Base64, "token", Limits::default());
        let refused = decoder.batch(&response(400, "-NOPERM no\r\n"), 2);
        assert_eq!(refused.err().and_then(|error| error.status()), Some(400));
        Ok(())
    }

    #[test]
    fn values_and_depth_are_counted() {
        let limits = Limits { values: 3, depth: 2 };
        let decoder = Decoder::new(Strings::Plain, "token", limits);
        let kind =
            |body: &str| decoder.single(&response(200, body)).err().map(|error| error.kind());
        let too_much = Some(ErrorKind::Protocol);
        for (body, expected) in [
            (r#"{"result":[1,2]}"#, None),
            (r#"{"result":[1,2,3]}"#, too_much),
            (r#"{"result":{"a":1}}"#, None),
            (r#"{"result":{"a":1,"b":2}}"#, too_much),
            (r#"{"result":[[1]]}"#, None),
            (r#"{"result":[[[]]]}"#, too_much),
            ("*2\r\n:1\r\n:1\r\n", None),
            ("*3\r\n:1\r\n:1\r\n:1\r\n", too_much),
            ("*1\r\n*1\r\n*0\r\n", too_much),
        ] {
            assert_eq!(kind(body), expected, "{body}");
        }
        let batch = decoder.batch(&response(200, "[{},{},{},{}]"), 4).err();
        assert!(batch.is_some_and(|error| error.message().contains("max_values")));
    }

    #[test]
    fn nesting_without_end_is_an_error() {
        let body = format!(r#"{{"result":{}1{}}}"#, "[".repeat(10_000), "]".repeat(10_000));
        assert_eq!(error(200, &body).kind(), ErrorKind::Protocol);
    }
}
