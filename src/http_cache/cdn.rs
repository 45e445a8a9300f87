//! Headers for a cache in front of this one, such as a CDN.

use std::fmt::Write;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, header};

/// Headers for a CDN in front of the application: how long it may keep a response, and the tags by which it can purge it.
///
/// The tags are those that the response has in this cache: those of the [options](super::HttpCacheOptions::tags), and one for
/// its URL. The cache calls its [`Purge`](crate::cache::Purge) for every invalidation of a tag; [`Cdn::tag`] gives it the form
/// that a tag has in the header. An invalidation by pattern purges nothing.
///
/// The CDN does not know users, and its cache key is the URL. So these responses get `CDN-Cache-Control: no-store`: those of a
/// [user](super::HttpCacheOptions::user), those with a `Vary` on more than `Accept-Encoding`, and all with
/// [`vary_on`](super::HttpCacheOptions::vary_on), and those that carry a client's cookie, which came with a 304. A response that
/// has one of these headers already is not changed. A 416 has none of them, and `Cache-Control: no-store`.
///
/// A response that the CDN fetched before a purge and stores after it is served until its time is over. So keep the time
/// short.
///
/// ```
/// use edgecask::{Keyspace, http_cache::{Cdn, HttpCacheOptions}};
/// use std::time::Duration;
///
/// // cdn-cache-control: max-age=3600
/// // cache-tag: profiles,app:http:example.org:/team
/// let options = HttpCacheOptions::new(Keyspace::new(["app", "http"])?)
///     .tags(|_| vec!["profiles".to_owned()])
///     .cdn(Cdn::cache_tag(Duration::from_secs(3600)));
/// assert_eq!(Cdn::tag("two words"), "two%20words");
/// # Ok::<(), edgecask::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cdn {
    ttl: Duration,
    header: &'static str,
    separator: char,
}

const CONTROL: HeaderName = HeaderName::from_static("cdn-cache-control");

/// The longest tag that CDNs take.
const LONGEST_TAG: usize = 1024;
/// The longest list of tags that they take.
const LONGEST_LIST: usize = 8192;

impl Cdn {
    /// Tags in `Cache-Tag`, separated by commas, as Cloudflare and others read them. The CDN may keep a response for this
    /// long.
    pub fn cache_tag(ttl: Duration) -> Self {
        Self { ttl, header: "cache-tag", separator: ',' }
    }

    /// Tags in `Surrogate-Key`, separated by spaces, as Fastly and Varnish read them. The CDN may keep a response for this
    /// long.
    pub fn surrogate_key(ttl: Duration) -> Self {
        Self { ttl, header: "surrogate-key", separator: ' ' }
    }

    /// The form of a tag in the header. White space, commas, percent signs and non-ASCII bytes are percent-encoded. A tag over
    /// 1 KB becomes its hash.
    pub fn tag(tag: &str) -> String {
        let mut text = String::with_capacity(tag.len());
        for byte in tag.bytes() {
            match byte {
                b',' | b'%' => drop(write!(text, "%{byte:02X}")),
                b'!'..=b'~' => text.push(char::from(byte)),
                other => drop(write!(text, "%{other:02X}")),
            }
        }
        match text.len() <= LONGEST_TAG {
            true => text,
            false => format!("blake3-{}", blake3::hash(tag.as_bytes()).to_hex()),
        }
    }

    /// Adds the headers to a stored response with these tags. `age` is in milliseconds; `None` for a stale one.
    pub(super) fn set(
        &self,
        headers: &mut HeaderMap,
        tags: &[String],
        for_all: bool,
        age: Option<u64>,
    ) {
        let name = HeaderName::from_static(self.header);
        if headers.contains_key(&CONTROL) || headers.contains_key(&name) {
            return;
        }
        let separator = self.separator.to_string();
        let list = tags.iter().map(|tag| Self::tag(tag)).collect::<Vec<_>>();
        let list = list.join(&separator);
        let accept_encoding = |vary: &HeaderValue| {
            vary.as_bytes().trim_ascii().eq_ignore_ascii_case(b"accept-encoding")
        };
        if !for_all
            || headers.contains_key(header::SET_COOKIE)
            || !headers.get_all(header::VARY).iter().all(accept_encoding)
            || list.len() > LONGEST_LIST
        {
            headers.insert(CONTROL, HeaderValue::from_static("no-store"));
            return;
        }
        // A stale response must not become fresh in the CDN.
        let Some(age) = age else { return };
        // The CDN subtracts `Age`.
        let seconds = self.ttl.as_secs().saturating_add(age / 1000);
        let control = HeaderValue::try_from(format!("max-age={seconds}"));
        if let (Ok(control), Ok(list)) = (control, HeaderValue::try_from(list)) {
            headers.insert(CONTROL, control);
            headers.insert(name, list);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_stays_one_tag() {
        assert_eq!(Cdn::tag("user:123"), "user:123");
        assert_eq!(Cdn::tag("a b,c%ä\r\n"), "a%20b%2Cc%25%C3%A4%0D%0A");
        let long = "x".repeat(2000);
        assert!(Cdn::tag(&long).starts_with("blake3-") && Cdn::tag(&long).len() < 100);
        assert_ne!(Cdn::tag("a%20b"), Cdn::tag("a b"));
    }
}
