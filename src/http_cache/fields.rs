//! The syntax of HTTP fields (RFC 9110, 5.6 and 8.8.3; RFC 9111, 1.2).

use std::borrow::Cow;
use std::time::{Duration, SystemTime};

use http::{HeaderMap, HeaderName, HeaderValue};

/// The largest number of seconds; a larger one counts as this (RFC 9111, 1.2.2).
const MAX_DELTA_SECONDS: u64 = 1 << 31;

/// A field's value as text. A byte that is not UTF-8 becomes a replacement character; the rest stays readable.
pub(super) fn text(value: &HeaderValue) -> Cow<'_, str> {
    String::from_utf8_lossy(value.as_bytes())
}

/// The members of a list. A comma inside a quoted string does not separate members. A quote without an end does not begin
/// a quoted string.
pub(super) fn members(line: &str) -> Vec<&str> {
    let (mut members, mut start) = (Vec::new(), 0);
    let bytes = line.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'"' => at = end_of_quoted(bytes, at).unwrap_or(at),
            b',' => {
                members.push(&line[start..at]);
                start = at + 1;
            }
            _ => {}
        }
        at += 1;
    }
    members.push(&line[start..]);
    members.retain_mut(|member| {
        *member = member.trim();
        !member.is_empty()
    });
    members
}

/// The position of the quote that ends the quoted string beginning at `start`.
fn end_of_quoted(bytes: &[u8], start: usize) -> Option<usize> {
    let mut at = start + 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 1,
            b'"' => return Some(at),
            _ => {}
        }
        at += 1;
    }
    None
}

pub(super) fn unquoted(value: &str) -> String {
    let inner = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
    inner.unwrap_or(value).to_owned()
}

/// A number of seconds, `delta-seconds` (RFC 9111, 1.2.2).
pub(super) fn delta_seconds(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(MAX_DELTA_SECONDS).min(MAX_DELTA_SECONDS))
}

/// A date in any of the three forms (RFC 9110, 5.6.7), as seconds since the Unix epoch. `None` for a field with two lines.
pub(super) fn date(headers: &HeaderMap, name: HeaderName) -> Option<u64> {
    let mut lines = headers.get_all(name).iter();
    let date = date_of(lines.next()?)?;
    lines.next().is_none().then_some(date)
}

fn date_of(value: &HeaderValue) -> Option<u64> {
    let text = value.to_str().ok()?.trim();
    let date = httpdate::parse_http_date(text)
        // RFC 9111, 4.2: a cache reads dates without regard to case.
        .or_else(|_| httpdate::parse_http_date(&in_usual_case(text)))
        .ok()?;
    date.duration_since(SystemTime::UNIX_EPOCH).ok().map(|since| since.as_secs())
}

/// A date with capitals where HTTP has them: at the beginning of each word, and in `GMT`.
fn in_usual_case(date: &str) -> String {
    let mut in_word = false;
    let letters = date.chars().map(|letter| {
        let begins = !in_word;
        in_word = letter.is_ascii_alphabetic();
        if begins { letter.to_ascii_uppercase() } else { letter.to_ascii_lowercase() }
    });
    let text: String = letters.collect();
    match text.strip_suffix(" Gmt") {
        Some(date) => format!("{date} GMT"),
        None => text,
    }
}

/// A date in the form for sending: IMF-fixdate.
pub(super) fn imf_date(unix_seconds: u64) -> Option<HeaderValue> {
    // The form has four digits for the year.
    const LAST: u64 = 253_402_300_799;
    let date = SystemTime::UNIX_EPOCH + Duration::from_secs(unix_seconds.min(LAST));
    HeaderValue::try_from(httpdate::fmt_http_date(date)).ok()
}

/// The entity tags of all lines of a field. Of a line with a syntax error, the tags before the error count. `*` is given as
/// it is. A comma inside a tag does not separate tags, and a backslash does not escape.
pub(super) fn entity_tags(headers: &HeaderMap, name: HeaderName) -> Vec<String> {
    let mut tags = Vec::new();
    for line in headers.get_all(name) {
        let line = text(line);
        let mut rest = line.trim();
        while !rest.is_empty() {
            let Some(length) = entity_tag(rest) else { break };
            tags.push(rest[..length].to_owned());
            rest = rest[length..].trim_start();
            match rest.strip_prefix(',') {
                Some(more) => rest = more.trim_start_matches([' ', '\t', ',']),
                // Text directly behind a tag makes the tag invalid.
                None if !rest.is_empty() => {
                    tags.pop();
                    break;
                }
                None => {}
            }
        }
    }
    tags
}

/// The length of the entity tag at the beginning of this text.
fn entity_tag(text: &str) -> Option<usize> {
    if text.starts_with('*') {
        return Some(1);
    }
    let weak = if text.starts_with("W/") { 2 } else { 0 };
    let inner = text[weak..].strip_prefix('"')?;
    Some(weak + 1 + inner.find('"')? + 1)
}

/// The weak comparison (RFC 9110, 8.8.3.2).
pub(super) fn weakly_equal(one: &str, other: &str) -> bool {
    one.trim_start_matches("W/") == other.trim_start_matches("W/")
}

/// The strong comparison (RFC 9110, 8.8.3.2).
pub(super) fn strongly_equal(one: &str, other: &str) -> bool {
    !one.starts_with("W/") && one == other
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn entity_tags_are_found() {
        let tags = |value| entity_tags(&headers(&[("etag", value)]), http::header::ETAG);
        assert_eq!(tags("\"a,b\" , W/\"c\\\",*"), ["\"a,b\"", "W/\"c\\\"", "*"]);
        assert_eq!(tags("\"a\"b, \"c\""), [""; 0]);
        assert_eq!(tags("a, \"b\""), [""; 0]);
    }
}
