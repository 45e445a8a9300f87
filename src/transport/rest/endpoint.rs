use std::fmt;
use std::net::IpAddr;

use crate::{Error, ErrorKind, Result};

/// The base URL of a REST server, checked once.
#[derive(Clone)]
pub(crate) struct Endpoint {
    base: String,
}

impl Endpoint {
    pub(crate) fn parse(url: &str, allow_http: bool) -> Result<Self> {
        let bad = |why: &'static str| Error::new(ErrorKind::Config, why);
        let base = url.trim().trim_end_matches('/');
        // A URL parser drops a fragment, resolves dots and turns `\` into `/`, so the requests would go to another path.
        if base.contains('#') {
            return Err(bad("the REST URL contains a fragment (#): remove it"));
        }
        if base.contains('\\') || base.split('/').any(is_dots) {
            return Err(bad(
                "the path of the REST URL contains dot segments or backslashes: write the resolved path",
            ));
        }
        let uri: http::Uri = base
            .parse()
            .map_err(|_| bad("the REST URL is not a URL; it looks like https://example.com"))?;
        let host = uri
            .host()
            .filter(|host| !host.is_empty())
            .ok_or_else(|| bad("the REST URL has no host; it looks like https://example.com"))?;
        let authority = uri.authority().map_or("", |authority| authority.as_str());
        let port = authority.rsplit('@').next().and_then(|place| place.strip_prefix(host));
        if port.is_some_and(|port| !port.is_empty()) && uri.port_u16().is_none() {
            return Err(bad("the port of the REST URL is not a number from 0 to 65535"));
        }
        match uri.scheme_str() {
            Some("https") => {}
            Some("http") if allow_http || is_loopback(host) => {}
            Some("http") => {
                return Err(bad(
                    "the REST URL would send the token unencrypted: use https://, or set allow_http (REDIS_ALLOW_HTTP=true in the configuration) if that is intended",
                ));
            }
            _ => return Err(bad("the REST URL must begin with https://")),
        }
        if authority.contains('@') {
            return Err(bad(
                "the REST URL contains a user name or password: give the token separately",
            ));
        }
        if uri.query().is_some() {
            return Err(bad("the REST URL contains a query: give the token separately"));
        }
        Ok(Self { base: base.to_owned() })
    }

    /// Refuses a port to which `fetch` never connects.
    #[cfg(any(test, all(target_arch = "wasm32", target_os = "unknown")))]
    pub(super) fn check_for_fetch(&self) -> Result<()> {
        let uri = self.base.parse::<http::Uri>().ok();
        match uri.and_then(|uri| uri.port_u16()).filter(|port| FORBIDDEN.contains(port)) {
            Some(port) => Err(Error::new(
                ErrorKind::Config,
                format!("fetch never connects to port {port}: serve the REST URL on another port"),
            )),
            None => Ok(()),
        }
    }

    /// The URL of a path below this one. The base itself gets no slash if it has a path, as with Upstash's own SDK.
    pub(crate) fn join(&self, path: &str) -> String {
        let has_path = self.base.split("://").last().is_some_and(|rest| rest.contains('/'));
        [self.base.as_str(), if has_path && path == "/" { "" } else { path }].concat()
    }
}

/// The ports that the Fetch standard forbids (<https://fetch.spec.whatwg.org/#port-blocking>), in ascending order. Browsers,
/// Node and Deno keep to it; Workers do not.
#[cfg(any(test, all(target_arch = "wasm32", target_os = "unknown")))]
#[rustfmt::skip]
const FORBIDDEN: [u16; 82] = [
    1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95, 101, 102, 103, 104, 109, 110, 111, 113,
    115, 117, 119, 123, 135, 137, 139, 143, 161, 179, 389, 427, 465, 512, 513, 514, 515, 526, 530, 531, 532, 540, 548, 554, 556,
    563, 587, 601, 636, 989, 990, 993, 995, 1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061, 6000, 6566, 6665, 6666, 6667,
    6668, 6669, 6679, 6697, 10080,
];

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.base)
    }
}

/// Whether a segment of a path is one that URL parsers resolve.
fn is_dots(segment: &str) -> bool {
    let plain = segment.to_ascii_lowercase().replace("%2e", ".");
    plain == "." || plain == ".."
}

/// Whether a host, as it is in a URL, is this one.
pub(super) fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str) -> Result<Endpoint, String> {
        Endpoint::parse(url, false).map_err(|error| error.to_string())
    }

    #[test]
    fn slashes_at_the_end_do_not_matter() -> Result<(), String> {
        assert_eq!(
            parse(" https://a.upstash.io// ")?.join("/pipeline"),
            "https://a.upstash.io/pipeline"
        );
        assert_eq!(parse("https://a.io:8080")?.join("/"), "https://a.io:8080/");
        assert_eq!(parse("https://[::1]:1/..a/b.")?.join("/"), "https://[::1]:1/..a/b.");
        assert_eq!(parse("https://a.io/prefix/")?.join("/"), "https://a.io/prefix");
        Ok(())
    }

    #[test]
    fn the_token_is_not_sent_in_the_clear() {
        for url in ["http://localhost:8079", "http://127.0.0.1", "http://[::1]:80"] {
            assert!(parse(url).is_ok(), "{url}");
        }
        assert!(parse("http://10.0.0.1").is_err());
        assert!(parse("http://127.0.0.1.evil.example").is_err());
        assert!(Endpoint::parse("http://redis-http:80", true).is_ok());
    }

    #[test]
    fn a_port_that_fetch_refuses_is_named() {
        let check = |url: &str| Endpoint::parse(url, true).unwrap().check_for_fetch();
        for port in FORBIDDEN {
            let error = check(&format!("http://[::1]:{port}/prefix")).unwrap_err().to_string();
            assert!(error.contains(&format!("port {port}:")), "{error}");
        }
        // The default ports, and those around the forbidden ones.
        for url in ["https://h", "http://h", "http://h:80", "https://h:443", "http://h:6001"] {
            assert!(check(url).is_ok(), "{url}");
        }
        assert!(FORBIDDEN.is_sorted());
    }

    #[test]
    fn a_malformed_base_url_is_refused_without_repeating_it() {
        for url in [
            "",
            "example",
            "redis://h:1",
            "https://",
            "https://u:secret@h",
            "https://h?_token=secret",
            "https://h:secret",
            "https://h:",
            "https://h:70000",
            "https://[::1]:secret",
            "https://h/#secret",
            "https://h#secret",
            "https://h/secret/..",
            "https://h/./secret",
            "https://h/%2E./secret",
            "https://h/a\\secret",
        ] {
            let error = parse(url).err().unwrap_or_default();
            assert!(
                error.starts_with("bad configuration") && !error.contains("secret"),
                "{url}: {error}"
            );
        }
    }
}
