//! The syntax of HTTP fields (RFC 9110, 5.6 and 8.8.3; RFC 9111, 1.2 and 5.2).

use std::borrow::Cow;
use std::time::{Duration, SystemTime};

use http::{HeaderMap, HeaderName, HeaderValue};

/// What a number of seconds counts as that is larger (RFC 9111, 1.2.2).
const MOST_SECONDS: u64 = 1 << 31;

/// The directives of `Cache-Control`, or of a field like it, in all of its lines. Names are compared without case.
#[derive(Debug, Default, Clone)]
pub(super) struct Control(Vec<(String, Option<String>)>);

impl Control {
    pub(super) fn of(headers: &HeaderMap, name: impl http::header::AsHeaderName) -> Self {
        let mut directives = Vec::new();
        for line in headers.get_all(name) {
            for member in members(&text(line)) {
                let (name, value) = match member.split_once('=') {
                    Some((name, value)) => (name, Some(unquoted(value))),
                    None => (member, None),
                };
                directives.push((name.trim().to_ascii_lowercase(), value));
            }
        }
        Self(directives)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = Option<&'a str>> {
        self.0.iter().filter(move |(own, _)| own == name).map(|(_, value)| value.as_deref())
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.all(name).next().is_some()
    }

    /// The directive is there, and has no value.
    pub(super) fn has_bare(&self, name: &str) -> bool {
        self.all(name).any(|value| value.is_none())
    }

    /// The least of a directive's values; one that is no number counts as 0, so that the response is stale (RFC 9111,
    /// 4.2.1).
    pub(super) fn seconds(&self, name: &str) -> Option<u64> {
        self.all(name).map(|value| seconds(value.unwrap_or_default()).unwrap_or(0)).min()
    }
}

/// A field's value as text. A byte that is no ASCII hides nothing of the rest.
pub(super) fn text(value: &HeaderValue) -> Cow<'_, str> {
    String::from_utf8_lossy(value.as_bytes())
}

/// The members of a list. A comma inside of a quoted string separates nothing; a quote that never ends is no quote.
fn members(line: &str) -> Vec<&str> {
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

/// Where the quoted string ends that begins here.
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

fn unquoted(value: &str) -> String {
    let inner = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
    inner.unwrap_or(value).to_owned()
}

/// A number of seconds (RFC 9111, 1.2.2).
pub(super) fn seconds(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(MOST_SECONDS).min(MOST_SECONDS))
}

/// A date, as seconds since the Unix epoch (RFC 9110, 5.6.7): any of its three forms.
pub(super) fn date(headers: &HeaderMap, name: HeaderName) -> Option<u64> {
    let mut lines = headers.get_all(name).iter();
    let date = date_of(lines.next()?)?;
    lines.next().is_none().then_some(date)
}

fn date_of(value: &HeaderValue) -> Option<u64> {
    let date = httpdate::parse_http_date(value.to_str().ok()?.trim()).ok()?;
    date.duration_since(SystemTime::UNIX_EPOCH).ok().map(|since| since.as_secs())
}

/// A date in the form that is to be sent: IMF-fixdate.
pub(super) fn imf_date(unix_seconds: u64) -> Option<HeaderValue> {
    // Years with more than four digits have no form.
    const LAST: u64 = 253_402_300_799;
    let date = SystemTime::UNIX_EPOCH + Duration::from_secs(unix_seconds.min(LAST));
    HeaderValue::try_from(httpdate::fmt_http_date(date)).ok()
}

/// The entity tags of all lines of a field, up to what is none. `*` is given as it is. A comma inside of a tag separates
/// nothing, and a backslash escapes nothing.
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
                // What follows a tag immediately makes it none.
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

/// The length of the entity tag that this text begins with.
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

/// The strong comparison.
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
    fn directives_are_read_as_they_are_meant() {
        let control = |value| Control::of(&headers(&[("cache-control", value)]), "cache-control");
        assert_eq!(control("max-age=60").seconds("max-age"), Some(60));
        assert_eq!(control("MAX-AGE=\"60\"").seconds("max-age"), Some(60));
        assert_eq!(control("max-age=60, max-age=5").seconds("max-age"), Some(5));
        for none in ["max-age", "max-age=", "max-age=-1", "max-age=1.5", "max-age=x", "max-age= 60"]
        {
            assert_eq!(control(none).seconds("max-age"), Some(0), "{none}");
        }
        assert_eq!(control("max-age=99999999999999999999").seconds("max-age"), Some(1 << 31));
        assert!(!control("ext=\"no-store, private\"").has("no-store"));
        assert!(
            control("ext=\"open, no-store").has("no-store"),
            "what is not closed hides nothing"
        );
        assert!(control(",, no-store ,").has("no-store"));
        assert!(!control("not-no-store, no-store-at-all").has("no-store"));
        let hidden = HeaderValue::from_bytes(b"ext=\xff, no-store").unwrap();
        let hidden = HeaderMap::from_iter([(http::header::CACHE_CONTROL, hidden)]);
        assert!(Control::of(&hidden, "cache-control").has("no-store"));
    }

    #[test]
    fn entity_tags_are_found() {
        let tags = |value| entity_tags(&headers(&[("etag", value)]), http::header::ETAG);
        assert_eq!(tags("\"a,b\" , W/\"c\\\",*"), ["\"a,b\"", "W/\"c\\\"", "*"]);
        assert_eq!(tags("\"a\"b, \"c\""), [""; 0]);
        assert_eq!(tags("a, \"b\""), [""; 0]);
    }
}
