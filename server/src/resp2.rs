//! Replies as RESP2, for `Upstash-Response-Format: resp2`.

use edgecask::transport::Results;
use edgecask::{Error, Value};

use crate::error_text::error_text;

pub(crate) fn write_result(result: &Result<Value, Error>, out: &mut Vec<u8>) {
    match result {
        Ok(value) => write(value, out),
        Err(error) => write_error(&error_text(error), out),
    }
}

/// One reply after the other.
pub(crate) fn write_results(results: &Results, out: &mut Vec<u8>) {
    results.iter().for_each(|result| write_result(result, out));
}

pub(crate) fn write_error(text: &str, out: &mut Vec<u8>) {
    // A line cannot hold a line break.
    line(b'-', text.replace(['\r', '\n'], " ").as_bytes(), out);
}

fn write(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Integer(number) => line(b':', number.to_string().as_bytes(), out),
        Value::Simple(status) => line(b'+', status, out),
        Value::Error(text) => write_error(&String::from_utf8_lossy(text), out),
        Value::Bulk(bytes) => {
            line(b'$', bytes.len().to_string().as_bytes(), out);
            out.extend_from_slice(bytes);
            out.extend_from_slice(b"\r\n");
        }
        Value::Array(items) => {
            line(b'*', items.len().to_string().as_bytes(), out);
            items.iter().for_each(|item| write(item, out));
        }
        // RESP2 has no maps: they are flat arrays.
        Value::Map(pairs) => {
            line(b'*', (pairs.len() * 2).to_string().as_bytes(), out);
            for (key, value) in pairs {
                write(key, out);
                write(value, out);
            }
        }
        Value::Nil => line(b'$', b"-1", out),
        other => write(&other.clone().into_resp2(), out),
    }
}

fn line(kind: u8, content: &[u8], out: &mut Vec<u8>) {
    out.push(kind);
    out.extend_from_slice(content);
    out.extend_from_slice(b"\r\n");
}
