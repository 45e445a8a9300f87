//! A server's address, and how a connection to it is set up.

use std::fmt;
#[cfg(unix)]
use std::path::PathBuf;

use percent_encoding::percent_decode_str;
use secrecy::SecretString;
use url::{Host, Url};

/// A server, and the user, database and protocol of its connections.
#[derive(Clone)]
pub(super) struct Endpoint {
    pub(super) address: Address,
    pub(super) username: Option<String>,
    pub(super) password: Option<SecretString>,
    pub(super) database: u32,
    pub(super) resp3: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Address {
    Tcp {
        host: String,
        port: u16,
        tls: bool,
    },
    #[cfg(unix)]
    Unix(PathBuf),
}

/// Why a URL cannot be used.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum BadUrl {
    Malformed,
    /// It asks for TLS without a check of the certificate.
    Insecure,
}

const DEFAULT_PORT: u16 = 6379;

impl Endpoint {
    /// A server as its URL names it: `redis://` or `rediss://`, or `valkey://` or `valkeys://`, with
    /// `[user[:password]@]host[:port][/database]`, or `db` in the query; or `redis+unix://` or `unix://` and a path, with `db`, `user` and `pass` in
    /// the query. `protocol=resp3` in the query is for all.
    pub(super) fn parse(url: &str) -> Result<Self, BadUrl> {
        let url = Url::parse(url).map_err(|_| BadUrl::Malformed)?;
        let query = |name: &str| {
            url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
        };
        let resp3 = match query("protocol").as_deref() {
            None | Some("2" | "resp2") => false,
            Some("3" | "resp3") => true,
            Some(_) => return Err(BadUrl::Malformed),
        };
        let tls = match url.scheme() {
            "redis" | "valkey" => false,
            "rediss" | "valkeys" => true,
            #[cfg(unix)]
            "unix" | "redis+unix" | "valkey+unix" => {
                let path = decoded(url.path())?;
                let is_local =
                    url.host_str().is_none_or(|host| host.is_empty() || host == "localhost");
                let has_login = !url.username().is_empty() || url.password().is_some();
                if path.trim_matches('/').is_empty() || !is_local || has_login {
                    return Err(BadUrl::Malformed);
                }
                return Ok(Self {
                    address: Address::Unix(path.into()),
                    username: query("user"),
                    password: query("pass").map(SecretString::from),
                    database: database(&query("db").unwrap_or_default())?,
                    resp3,
                });
            }
            _ => return Err(BadUrl::Malformed),
        };
        if tls && url.fragment() == Some("insecure") {
            return Err(BadUrl::Insecure);
        }
        let host = match url.host() {
            Some(Host::Domain(name)) => decoded(name)?,
            Some(Host::Ipv4(address)) => address.to_string(),
            Some(Host::Ipv6(address)) => address.to_string(),
            None => return Err(BadUrl::Malformed),
        };
        if host.is_empty() {
            return Err(BadUrl::Malformed);
        }
        let username = decoded(url.username())?;
        Ok(Self {
            address: Address::Tcp { host, port: url.port().unwrap_or(DEFAULT_PORT), tls },
            username: (!username.is_empty()).then_some(username),
            password: url.password().map(decoded).transpose()?.map(SecretString::from),
            database: match url.path().trim_matches('/') {
                "" => database(&query("db").unwrap_or_default())?,
                path => database(path)?,
            },
            resp3,
        })
    }

    /// Another server, with the same settings.
    pub(super) fn at(&self, address: Address) -> Self {
        Self { address, ..self.clone() }
    }

    /// The same server, and a connection that selects no database.
    pub(super) fn without_database(&self) -> Self {
        Self { database: 0, ..self.clone() }
    }
}

/// The settings are left out: they hold secrets.
impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.address.fmt(f)
    }
}

impl Address {
    pub(super) fn is_tls(&self) -> bool {
        matches!(self, Self::Tcp { tls: true, .. })
    }

    /// Another server that is reached in the same way.
    pub(super) fn beside(&self, host: String, port: u16) -> Self {
        Self::Tcp { host, port, tls: self.is_tls() }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port, .. } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp { host, port, .. } => write!(f, "{host}:{port}"),
            #[cfg(unix)]
            Self::Unix(path) => path.display().fmt(f),
        }
    }
}

fn decoded(text: &str) -> Result<String, BadUrl> {
    let text = percent_decode_str(text).decode_utf8().map_err(|_| BadUrl::Malformed)?;
    Ok(text.into_owned())
}

fn database(text: &str) -> Result<u32, BadUrl> {
    if text.is_empty() { Ok(0) } else { text.parse().map_err(|_| BadUrl::Malformed) }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    /// The address, the user, the password, the database, and whether it speaks RESP3.
    type Parts = (String, Option<String>, Option<String>, u32, bool);

    fn parts(url: &str) -> Option<Parts> {
        let endpoint = Endpoint::parse(url).ok()?;
        let password = endpoint.password.map(|password| password.expose_secret().to_owned());
        let (address, username) = (endpoint.address.to_string(), endpoint.username);
        Some((address, username, password, endpoint.database, endpoint.resp3))
    }

    #[test]
    fn a_url_names_a_server_and_how_to_log_in() {
        let some = |text: &str| Some(text.to_owned());
        for (url, expected) in [
            ("redis://h", ("h:6379", None, None, 0, false)),
            ("rediss://h:1/", ("h:1", None, None, 0, false)),
            ("redis://127.0.0.1:7000/3", ("127.0.0.1:7000", None, None, 3, false)),
            ("redis://[::1]:7000", ("[::1]:7000", None, None, 0, false)),
            ("redis://:p%40ss@h", ("h:6379", None, some("p@ss"), 0, false)),
            ("redis://ada:a%3Ab@h:1/2", ("h:1", some("ada"), some("a:b"), 2, false)),
            ("valkey://ada@h?protocol=resp3", ("h:6379", some("ada"), None, 0, true)),
            #[cfg(unix)]
            (
                "unix:///run/a%20b.sock?db=2&user=ada&pass=x",
                ("/run/a b.sock", some("ada"), some("x"), 2, false),
            ),
        ] {
            let (address, username, password, database, resp3) = expected;
            let expected = (address.to_owned(), username, password, database, resp3);
            assert_eq!(parts(url), Some(expected), "{url}");
        }
        assert!(Endpoint::parse("rediss://h").unwrap().address.is_tls());
        assert!(!Endpoint::parse("redis://h").unwrap().address.is_tls());
    }

    #[test]
    fn a_malformed_url_is_refused() {
        for url in [
            "",
            "h",
            "h:6379",
            "http://h",
            "redis:",
            "redis://",
            "redis://h/x",
            "redis://h/-1",
            "redis://h:99999",
            "redis://h?protocol=4",
            "redis://%ff@h",
            "redis:///0",
            "unix://",
            "unix://run/redis.sock",
            "redis+unix://ada:x@localhost/run/redis.sock",
        ] {
            assert_eq!(parts(url), None, "{url}");
        }
        assert_eq!(Endpoint::parse("rediss://h/#insecure").err(), Some(BadUrl::Insecure));
    }
}
