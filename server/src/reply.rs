//! Replies in the format that the client asked for. This file writes JSON, with strings plain or in base64; `resp2` writes
//! RESP2.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use edgecask::transport::Results;
use edgecask::{Error, Value};

use crate::error_text::error_text;
use crate::resp2;

/// The format of replies that the client asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// JSON. Bytes that are not UTF-8 are lost.
    Json,
    /// JSON with strings in base64.
    Base64,
    Resp2,
}

impl Format {
    pub(crate) fn content_type(self) -> &'static str {
        match self {
            Self::Json | Self::Base64 => "application/json",
            Self::Resp2 => "application/octet-stream",
        }
    }
}

/// The reply to one command.
pub(crate) fn write_result(result: &Result<Value, Error>, format: Format, out: &mut Vec<u8>) {
    match format {
        Format::Resp2 => resp2::write_result(result, out),
        Format::Json | Format::Base64 => envelope(result, format, out),
    }
}

/// The replies to a batch.
pub(crate) fn write_results(results: &Results, format: Format, out: &mut Vec<u8>) {
    if format == Format::Resp2 {
        return resp2::write_results(results, out);
    }
    out.push(b'[');
    for (number, result) in results.iter().enumerate() {
        if number > 0 {
            out.push(b',');
        }
        envelope(result, format, out);
    }
    out.push(b']');
}

/// `{"result":…}` or `{"error":"…"}`.
fn envelope(result: &Result<Value, Error>, format: Format, out: &mut Vec<u8>) {
    match result {
        Ok(value) => {
            out.extend_from_slice(b"{\"result\":");
            write(value, format, out);
            out.push(b'}');
        }
        Err(error) => error_envelope(&error_text(error), out),
    }
}

pub(crate) fn error_envelope(text: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"error\":");
    write_text(text, out);
    out.push(b'}');
}

fn write(value: &Value, format: Format, out: &mut Vec<u8>) {
    match value {
        Value::Integer(number) => out.extend_from_slice(number.to_string().as_bytes()),
        // The status OK is never encoded in base64; a stored string "OK" is.
        Value::Simple(status) if &status[..] == b"OK" => out.extend_from_slice(b"\"OK\""),
        // JSON has no errors inside of arrays.
        Value::Simple(bytes) | Value::Bulk(bytes) | Value::Error(bytes) => match format {
            Format::Json | Format::Resp2 => write_text(&String::from_utf8_lossy(bytes), out),
            Format::Base64 => {
                out.push(b'"');
                out.extend_from_slice(BASE64.encode(bytes).as_bytes());
                out.push(b'"');
            }
        },
        Value::Array(items) => write_list(items.iter(), format, out),
        // RESP2 has no maps: they are flat arrays.
        Value::Map(pairs) => {
            write_list(pairs.iter().flat_map(|(key, value)| [key, value]), format, out);
        }
        Value::Nil => out.extend_from_slice(b"null"),
        other => write(&other.clone().into_resp2(), format, out),
    }
}

fn write_list<'a>(items: impl Iterator<Item = &'a Value>, format: Format, out: &mut Vec<u8>) {
    out.push(b'[');
    for (number, item) in items.enumerate() {
        if number > 0 {
            out.push(b',');
        }
        write(item, format, out);
    }
    out.push(b']');
}

fn write_text(text: &str, out: &mut Vec<u8>) {
    // Writing a string to a Vec cannot fail.
    let _ = serde_json::to_writer(out, text);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(value: Value, format: Format) -> String {
        let mut out = Vec::new();
        write(&value, format, &mut out);
        String::from_utf8_lossy(&out).into_owned()
    }

    #[test]
    fn only_the_status_ok_is_not_encoded() {
        let value =
            || Value::Array(vec![Value::OK, Value::bulk("OK"), Value::Integer(1), Value::Nil]);
        assert_eq!(shown(value(), Format::Base64), r#"["OK","T0s=",1,null]"#);
        assert_eq!(shown(value(), Format::Json), r#"["OK","OK",1,null]"#);
    }

    #[test]
    fn types_of_resp3_are_sent_as_in_resp2() {
        let value = Value::Set(vec![Value::Double(0.5), Value::Boolean(true), Value::Nil]);
        assert_eq!(shown(value, Format::Json), r#"["0.5",1,null]"#);
    }

    #[test]
    fn bytes_that_are_not_utf8_are_replaced_in_plain_json() {
        assert_eq!(shown(Value::bulk(&b"a\xff\""[..]), Format::Json), "\"a\u{fffd}\\\"\"");
    }
}
