//! The cache directives of a message (RFC 9111, 5.2).

use http::{HeaderMap, header};

use super::fields::{delta_seconds, members, text, unquoted};

/// The directives in all lines of `Cache-Control`, or of a targeted field (RFC 9213). Names have no case.
#[derive(Debug, Default, Clone)]
pub(super) struct Directives(Vec<(String, Option<String>)>);

impl Directives {
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

    /// Whether the directive is there without a value.
    pub(super) fn has_bare(&self, name: &str) -> bool {
        self.all(name).any(|value| value.is_none())
    }

    /// The smallest value of a directive. A value that is not a number counts as 0: the response is stale then (RFC 9111,
    /// 4.2.1).
    pub(super) fn seconds(&self, name: &str) -> Option<u64> {
        self.all(name).map(|value| delta_seconds(value.unwrap_or_default()).unwrap_or(0)).min()
    }
}

/// The cache directives of a request (RFC 9111, 5.2.1 and 5.4).
#[derive(Debug, Default)]
pub(super) struct RequestDirectives {
    /// `no-cache` or `max-age=0`: a stored response has to be validated.
    pub(super) validation: bool,
    pub(super) no_store: bool,
    pub(super) only_if_cached: bool,
    /// In seconds, as the following.
    pub(super) max_age: Option<u64>,
    pub(super) min_fresh: Option<u64>,
    pub(super) max_stale: Option<u64>,
    pub(super) stale_if_error: Option<u64>,
}

impl RequestDirectives {
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let control = Directives::of(headers, header::CACHE_CONTROL);
        if control.is_empty() {
            // Pragma counts where there is no Cache-Control (RFC 9111, 5.4).
            let validation = headers.contains_key(header::PRAGMA)
                && Directives::of(headers, header::PRAGMA).has("no-cache");
            return Self { validation, ..Self::default() };
        }
        let max_age = control.seconds("max-age");
        let max_stale = match control.has_bare("max-stale") {
            true => Some(u64::MAX),
            false => control.seconds("max-stale"),
        };
        Self {
            validation: control.has("no-cache") || max_age == Some(0),
            no_store: control.has("no-store"),
            only_if_cached: control.has("only-if-cached"),
            max_age,
            min_fresh: control.seconds("min-fresh"),
            max_stale,
            stale_if_error: control.seconds("stale-if-error"),
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn directives_are_read_as_they_are_meant() {
        let control = |value| {
            let headers =
                HeaderMap::from_iter([(header::CACHE_CONTROL, HeaderValue::from_static(value))]);
            Directives::of(&headers, header::CACHE_CONTROL)
        };
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
            "a quote without an end hides no directive"
        );
        assert!(control(",, no-store ,").has("no-store"));
        assert!(!control("not-no-store, no-store-at-all").has("no-store"));
        let hidden = HeaderValue::from_bytes(b"ext=\xff, no-store").unwrap();
        let hidden = HeaderMap::from_iter([(header::CACHE_CONTROL, hidden)]);
        assert!(Directives::of(&hidden, "cache-control").has("no-store"));
    }
}
