//! Which headers of a response are stored, and in what form (RFC 9111, 3.1 and 3.2)?

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, header};

use super::fields;

/// Headers that are not stored: those of the connection (RFC 9110, 7.6.1; RFC 9111, 3.1), those that this cache sets, and
/// cookies.
const NOT_STORED: [&str; 14] = [
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authentication-info",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "age",
    "content-length",
    "set-cookie",
    "set-cookie2",
];

/// The headers of a response that are stored (RFC 9111, 3.1). A response without `Date` gets one (RFC 9110, 6.6.1).
pub(super) fn storable(headers: &HeaderMap, now: u64) -> HeaderMap {
    let mut stored = headers.clone();
    for line in headers.get_all(header::CONNECTION) {
        for name in fields::text(line).split(',') {
            if let Ok(name) = name.trim().parse::<HeaderName>() {
                stored.remove(name);
            }
        }
    }
    for name in NOT_STORED {
        stored.remove(name);
    }
    if !stored.contains_key(header::DATE)
        && let Some(date) = fields::imf_date(now / 1000)
    {
        stored.insert(header::DATE, date);
    }
    stored
}

/// The headers of a stored response after a 304 (RFC 9111, 3.2): the lines of the 304 replace the stored lines of the same
/// name, except for the fields that describe the stored body.
pub(super) fn updated(stored: &HeaderMap, update: &HeaderMap, now: u64) -> HeaderMap {
    let mut headers = stored.clone();
    let mut update = storable(update, now);
    for name in [header::CONTENT_ENCODING, header::CONTENT_TYPE, header::CONTENT_RANGE] {
        update.remove(name);
    }
    for name in update.keys() {
        headers.remove(name);
        for value in update.get_all(name) {
            headers.append(name.clone(), value.clone());
        }
    }
    headers
}

/// The stored form: a line for each header. A byte of a value is the character with that number.
pub(super) fn to_text(headers: &HeaderMap) -> String {
    let mut text = String::new();
    for (name, value) in headers {
        text.push_str(name.as_str());
        text.push_str(": ");
        text.extend(value.as_bytes().iter().map(|byte| char::from(*byte)));
        text.push('\n');
    }
    text
}

/// The headers of the stored form.
pub(super) fn from_text(text: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in text.lines() {
        let Some((name, value)) = line.split_once(": ") else { continue };
        let value: Option<Vec<u8>> =
            value.chars().map(|byte| u8::try_from(u32::from(byte)).ok()).collect();
        if let (Ok(name), Some(value)) = (name.parse::<HeaderName>(), value)
            && let Ok(value) = HeaderValue::from_maybe_shared(Bytes::from(value))
        {
            headers.append(name, value);
        }
    }
    headers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_read_as_they_were_written() {
        let mut headers = HeaderMap::new();
        headers.append("link", HeaderValue::from_static("</a>"));
        headers.append("link", HeaderValue::from_static("</b>"));
        headers.append("x-empty", HeaderValue::from_static(""));
        headers.append("x-latin", HeaderValue::from_bytes(b"caf\xe9\t\"\x85").unwrap());
        assert_eq!(from_text(&to_text(&headers)), headers);
    }
}
