//! Configuration from variables: the process environment, or a Worker's bindings.
//!
//! | variable | meaning |
//! |---|---|
//! | `REDIS_URL` | `redis://` for TCP, `rediss://` for TCP with TLS, `https://` for the Upstash REST API |
//! | `REDIS_PASSWORD` | the password, or the REST token |
//! | `CACHE_PROVIDER` | `redis` or `upstash`, instead of what the URL says; `memory` for the embedded engine |
//! | `REDIS_CONNECT_TIMEOUT` | how long connecting by TCP may take, in milliseconds; 5000 |
//! | `UPSTASH_REDIS_REST_URL`, `UPSTASH_REDIS_REST_TOKEN` | the same as Upstash's own SDK names them |
//! | `KV_REST_API_URL`, `KV_REST_API_TOKEN` | the same as Vercel names them |
//! | `CACHE_TTL_AUTH_SECONDS`, `CACHE_TTL_POLICY_SECONDS`, `CACHE_TTL_CONFIG_SECONDS` | how long the three components cache; 300 |
//!
//! The first of `REDIS_URL`, `UPSTASH_REDIS_REST_URL` and `KV_REST_API_URL` that is set counts. If none is, the embedded
//! engine is used. A variable that is set to nothing counts as not set; one that is not UTF-8 is an error.

use std::cell::RefCell;
use std::ffi::OsString;
use std::fmt;
use std::time::Duration;

use crate::cache::Ttl;
use crate::client::Client;
use crate::layer::CircuitBreaker;
use crate::{Error, ErrorKind, Result};

/// Where commands go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Provider {
    /// The Upstash REST API.
    Upstash,
    /// A Redis by TCP.
    Redis,
    /// The embedded engine.
    Memory,
}

/// A checked configuration. `Debug` does not show the URL or the password.
///
/// ```
/// use edgecask::config::{Config, Provider};
///
/// let config = Config::from_variables(|name| match name {
///     "REDIS_URL" => Some("https://example.upstash.io".to_owned()),
///     "REDIS_PASSWORD" => Some("token".to_owned()),
///     _ => None,
/// })?;
/// assert_eq!(config.provider(), Provider::Upstash);
///
/// // With nothing set, there is the embedded engine.
/// assert_eq!(Config::from_variables(|_| None)?.provider(), Provider::Memory);
/// # Ok::<(), edgecask::Error>(())
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub struct Config {
    backend: Backend,
    connect_timeout: Duration,
    auth_ttl: Ttl,
    policy_ttl: Ttl,
    config_ttl: Ttl,
}

#[derive(Clone)]
enum Backend {
    Upstash { url: String, token: String },
    Redis { url: String, password: Option<String> },
    Memory,
}

impl Config {
    /// The configuration that the process environment gives.
    ///
    /// # Errors
    /// [`ErrorKind::Config`], which says what variable to set.
    pub fn from_env() -> Result<Self> {
        Self::from_os(|name| std::env::var_os(name))
    }

    /// A variable that is set and cannot be read must not count as not set: the application would run on the embedded
    /// engine, or with a default.
    fn from_os(lookup: impl Fn(&str) -> Option<OsString>) -> Result<Self> {
        let unreadable = RefCell::new(None);
        let config = Self::from_variables(|name| match lookup(name)?.into_string() {
            Ok(value) => Some(value),
            Err(_) => {
                unreadable.borrow_mut().get_or_insert_with(|| name.to_owned());
                None
            }
        });
        match unreadable.into_inner() {
            Some(name) => wrong(format!("{name} is not UTF-8: set it to text")),
            None => config,
        }
    }

    /// The configuration that a Worker's variables and secrets give.
    ///
    /// # Errors
    /// [`ErrorKind::Config`], which says what variable to set.
    #[cfg(feature = "worker")]
    pub fn from_worker(env: &worker::Env) -> Result<Self> {
        // A secret is a string binding like any other variable.
        Self::from_variables(|name| Some(env.var(name).ok()?.to_string()))
    }

    /// The configuration that these variables give, wherever they come from.
    ///
    /// # Errors
    /// [`ErrorKind::Config`], which says what variable to set.
    pub fn from_variables(lookup: impl Fn(&str) -> Option<String>) -> Result<Self> {
        let variables = Variables(lookup);
        Ok(Self {
            backend: variables.backend()?,
            connect_timeout: Duration::from_millis(
                variables.number("REDIS_CONNECT_TIMEOUT", "milliseconds")?.unwrap_or(5000),
            ),
            auth_ttl: variables.ttl("AUTH")?,
            policy_ttl: variables.ttl("POLICY")?,
            config_ttl: variables.ttl("CONFIG")?,
        })
    }

    /// Where commands go.
    pub fn provider(&self) -> Provider {
        match self.backend {
            Backend::Upstash { .. } => Provider::Upstash,
            Backend::Redis { .. } => Provider::Redis,
            Backend::Memory => Provider::Memory,
        }
    }

    /// A client of that provider. Around what is remote stand the default [`Deadline`](crate::layer::Deadline) and
    /// [`CircuitBreaker`], so that a cache which hangs costs a few calls their time, and not every call. Nothing is sent yet.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] if the URL cannot be used, or this build does not have the provider's feature.
    pub fn client(&self) -> Result<Client> {
        let remote = match &self.backend {
            Backend::Upstash { url, token } => rest_client(url, token)?,
            Backend::Redis { url, password } => {
                tcp_client(url, password.as_deref(), self.connect_timeout)?
            }
            Backend::Memory => return memory_client(),
        };
        Ok(remote.layer(CircuitBreaker::default()))
    }

    /// How long answers to credential checks are cached (`CACHE_TTL_AUTH_SECONDS`).
    pub fn auth_ttl(&self) -> Ttl {
        self.auth_ttl
    }

    /// How long LLM policies are cached (`CACHE_TTL_POLICY_SECONDS`).
    pub fn policy_ttl(&self) -> Ttl {
        self.policy_ttl
    }

    /// How long conversation settings are cached (`CACHE_TTL_CONFIG_SECONDS`).
    pub fn config_ttl(&self) -> Ttl {
        self.config_ttl
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("provider", &self.provider())
            .field("auth_ttl", &self.auth_ttl)
            .field("policy_ttl", &self.policy_ttl)
            .field("config_ttl", &self.config_ttl)
            .finish_non_exhaustive()
    }
}

fn wrong<T>(message: impl Into<std::borrow::Cow<'static, str>>) -> Result<T> {
    Err(Error::new(ErrorKind::Config, message))
}

/// The names that others gave to a REST URL and its token.
const REST_VARIABLES: [(&str, &str); 2] = [
    ("UPSTASH_REDIS_REST_URL", "UPSTASH_REDIS_REST_TOKEN"),
    ("KV_REST_API_URL", "KV_REST_API_TOKEN"),
];

struct Variables<F>(F);

impl<F: Fn(&str) -> Option<String>> Variables<F> {
    fn get(&self, name: &str) -> Option<String> {
        let value = (self.0)(name)?;
        let value = value.trim();
        (!value.is_empty()).then(|| value.to_owned())
    }

    fn number(&self, name: &'static str, unit: &str) -> Result<Option<u64>> {
        let Some(text) = self.get(name) else {
            return Ok(None);
        };
        match text.parse() {
            Ok(number) if number > 0 => Ok(Some(number)),
            _ => wrong(format!("{name} must be a whole number of {unit} above 0")),
        }
    }

    fn ttl(&self, name: &str) -> Result<Ttl> {
        Ttl::from_variables(name, Ttl::seconds(300), |name| self.get(name))
    }

    fn backend(&self) -> Result<Backend> {
        let provider = self.get("CACHE_PROVIDER").map(|name| name.to_ascii_lowercase());
        let provider = match provider.as_deref() {
            None => None,
            Some("redis") => Some(Provider::Redis),
            Some("upstash") => Some(Provider::Upstash),
            Some("memory") => return Ok(Backend::Memory),
            Some(_) => return wrong("CACHE_PROVIDER must be redis, upstash or memory"),
        };
        if let Some(url) = self.get("REDIS_URL") {
            return self.shared_variables(url, provider);
        }
        for (url_name, token_name) in REST_VARIABLES {
            let (url, token) = match (self.get(url_name), self.get(token_name)) {
                (Some(url), Some(token)) => (url, token),
                (None, None) => continue,
                (Some(_), None) => {
                    return wrong(format!(
                        "{url_name} is set, {token_name} is not: set it to the REST token"
                    ));
                }
                (None, Some(_)) => {
                    return wrong(format!(
                        "{token_name} is set, {url_name} is not: set it to the REST URL"
                    ));
                }
            };
            if provider == Some(Provider::Redis) {
                return wrong(format!(
                    "CACHE_PROVIDER is redis, but only {url_name} is set: set REDIS_URL to a redis:// URL, or \
                     CACHE_PROVIDER to upstash"
                ));
            }
            if is_redis_url(&url) {
                return wrong(format!(
                    "{url_name} holds a redis:// URL: set it to the https:// one, or set REDIS_URL instead"
                ));
            }
            return Ok(Backend::Upstash { url, token });
        }
        match provider {
            Some(Provider::Redis) => {
                wrong("CACHE_PROVIDER is redis: set REDIS_URL to a redis:// URL")
            }
            Some(Provider::Upstash) => wrong(
                "CACHE_PROVIDER is upstash: set REDIS_URL to the REST URL and REDIS_PASSWORD to the token, or \
                 UPSTASH_REDIS_REST_URL and UPSTASH_REDIS_REST_TOKEN",
            ),
            _ if self.get("REDIS_PASSWORD").is_some() => {
                wrong("REDIS_PASSWORD is set, REDIS_URL is not: set it to the server's URL")
            }
            _ => Ok(Backend::Memory),
        }
    }

    /// `REDIS_URL` and `REDIS_PASSWORD`, which serve both providers.
    fn shared_variables(&self, url: String, provider: Option<Provider>) -> Result<Backend> {
        let password = self.get("REDIS_PASSWORD");
        let is_rest = url.starts_with("https://") || url.starts_with("http://");
        if !is_rest && !is_redis_url(&url) {
            return wrong("REDIS_URL must begin with redis://, rediss:// or https://");
        }
        match (provider, is_rest) {
            (Some(Provider::Upstash), false) => wrong(
                "CACHE_PROVIDER is upstash, but REDIS_URL is a redis:// URL: set REDIS_URL to the https:// URL, or \
                 CACHE_PROVIDER to redis",
            ),
            (Some(Provider::Redis), true) => wrong(
                "CACHE_PROVIDER is redis, but REDIS_URL is an https:// URL: set REDIS_URL to a redis:// URL, or \
                 CACHE_PROVIDER to upstash",
            ),
            (_, true) => match password {
                Some(token) => Ok(Backend::Upstash { url, token }),
                None => wrong("REDIS_URL is a REST URL: set REDIS_PASSWORD to the REST token"),
            },
            (_, false) => {
                if password.is_some() && holds_password(&url) {
                    return wrong(
                        "REDIS_URL holds a password, and REDIS_PASSWORD is set too: take one of them away",
                    );
                }
                Ok(Backend::Redis { url, password })
            }
        }
    }
}

fn is_redis_url(url: &str) -> bool {
    url.starts_with("redis://") || url.starts_with("rediss://")
}

/// Whether a URL has a password before its host.
fn holds_password(url: &str) -> bool {
    let authority = url.split_once("://").map_or("", |(_, rest)| rest);
    let authority = authority.split(['/', '?']).next().unwrap_or("");
    authority.rsplit_once('@').is_some_and(|(user, _)| user.contains(':'))
}

#[cfg(feature = "rest")]
fn rest_client(url: &str, token: &str) -> Result<Client> {
    Client::rest(url, token)
}

#[cfg(not(feature = "rest"))]
fn rest_client(_url: &str, _token: &str) -> Result<Client> {
    wrong("the URL is one of the REST API, and this build is without the feature rest: turn it on")
}

#[cfg(all(feature = "tcp", not(target_arch = "wasm32")))]
fn tcp_client(url: &str, password: Option<&str>, connect_timeout: Duration) -> Result<Client> {
    use crate::layer::Deadline;
    use crate::transport::tcp::{TcpOptions, TcpTransport};
    let mut options = TcpOptions::new(url).connect_timeout(connect_timeout);
    if let Some(password) = password {
        options = options.password(password);
    }
    Ok(Client::new(TcpTransport::new(options)?).layer(Deadline::default()))
}

#[cfg(not(all(feature = "tcp", not(target_arch = "wasm32"))))]
fn tcp_client(_url: &str, _password: Option<&str>, _connect_timeout: Duration) -> Result<Client> {
    wrong(
        "REDIS_URL is a redis:// URL, and this build does not speak TCP: set REDIS_URL to an https:// URL, or turn on the \
         feature tcp on a native target",
    )
}

#[cfg(feature = "memory")]
fn memory_client() -> Result<Client> {
    Ok(Client::memory())
}

#[cfg(not(feature = "memory"))]
fn memory_client() -> Result<Client> {
    wrong(
        "no server is configured: set REDIS_URL and REDIS_PASSWORD, or UPSTASH_REDIS_REST_URL and UPSTASH_REDIS_REST_TOKEN; \
         or turn on the feature memory",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(variables: &[(&str, &str)]) -> Result<Config, String> {
        Config::from_variables(|name| {
            variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        })
        .map_err(|error| error.to_string())
    }

    fn provider(variables: &[(&str, &str)]) -> Result<Provider, String> {
        config(variables).map(|config| config.provider())
    }

    #[test]
    fn the_first_url_that_is_set_counts() {
        let rest = [("UPSTASH_REDIS_REST_URL", "https://u"), ("UPSTASH_REDIS_REST_TOKEN", "t")];
        let vercel = [("KV_REST_API_URL", "https://v"), ("KV_REST_API_TOKEN", "t")];
        assert_eq!(provider(&[]), Ok(Provider::Memory));
        assert_eq!(provider(&rest), Ok(Provider::Upstash));
        assert_eq!(provider(&vercel), Ok(Provider::Upstash));
        let all = [&[("REDIS_URL", "redis://h")][..], &rest, &vercel].concat();
        assert_eq!(provider(&all), Ok(Provider::Redis));
        assert_eq!(
            provider(&[("REDIS_URL", "https://h"), ("REDIS_PASSWORD", "t")]),
            Ok(Provider::Upstash)
        );
        assert_eq!(
            provider(&[("REDIS_URL", "redis://h"), ("CACHE_PROVIDER", "memory")]),
            Ok(Provider::Memory)
        );
        assert_eq!(provider(&[("REDIS_URL", " "), ("CACHE_PROVIDER", "")]), Ok(Provider::Memory));
    }

    #[test]
    fn every_wrong_combination_names_a_variable_to_set() {
        let https = ("REDIS_URL", "https://h");
        let redis = ("REDIS_URL", "redis://h");
        for (variables, to_set) in [
            (&[https][..], "set REDIS_PASSWORD"),
            (
                &[https, ("REDIS_PASSWORD", "t"), ("CACHE_PROVIDER", "redis")],
                "set REDIS_URL to a redis://",
            ),
            (&[redis, ("CACHE_PROVIDER", "upstash")], "set REDIS_URL to the https://"),
            (&[redis, ("CACHE_PROVIDER", "memcached")], "CACHE_PROVIDER must be"),
            (&[("REDIS_URL", "localhost:6379")], "REDIS_URL must begin with"),
            (&[("REDIS_URL", "redis://u:p@h"), ("REDIS_PASSWORD", "p")], "REDIS_PASSWORD"),
            (&[("REDIS_PASSWORD", "p")], "REDIS_URL is not: set it"),
            (&[("CACHE_PROVIDER", "redis")], "set REDIS_URL"),
            (&[("CACHE_PROVIDER", "upstash")], "set REDIS_URL"),
            (&[("UPSTASH_REDIS_REST_URL", "https://u")], "UPSTASH_REDIS_REST_TOKEN is not: set it"),
            (&[("UPSTASH_REDIS_REST_TOKEN", "t")], "UPSTASH_REDIS_REST_URL is not: set it"),
            (&[("KV_REST_API_URL", "https://u")], "KV_REST_API_TOKEN is not: set it"),
            (&[("CACHE_TTL_AUTH_SECONDS", "5m")], "CACHE_TTL_AUTH_SECONDS must be"),
            (&[("CACHE_TTL_POLICY_SECONDS", "0")], "CACHE_TTL_POLICY_SECONDS must be"),
            (&[("REDIS_CONNECT_TIMEOUT", "-1")], "REDIS_CONNECT_TIMEOUT must be"),
        ] {
            let error = config(variables).err().unwrap_or_default();
            assert!(error.contains(to_set), "{variables:?}: {error}");
        }
    }

    #[test]
    fn nothing_shows_a_secret() -> Result<(), String> {
        let config = config(&[("REDIS_URL", "https://h"), ("REDIS_PASSWORD", "s3cret")])?;
        let client = config.client().map_err(|error| error.to_string())?;
        assert!(!format!("{config:?} {client:?}").contains("s3cret"));
        Ok(())
    }

    #[test]
    fn a_password_is_seen_only_where_it_stands() {
        assert!(holds_password("redis://u:p@h:1/0"));
        assert!(holds_password("redis://:p@h"));
        assert!(!holds_password("redis://h:6379/0"));
        assert!(!holds_password("redis://user@h:6379"));
    }

    #[cfg(unix)]
    #[test]
    fn a_variable_that_is_not_utf8_is_an_error() {
        use std::os::unix::ffi::OsStringExt as _;
        for name in [
            "REDIS_URL",
            "CACHE_PROVIDER",
            "UPSTASH_REDIS_REST_TOKEN",
            "REDIS_CONNECT_TIMEOUT",
            "CACHE_TTL_AUTH_SECONDS",
        ] {
            let lookup =
                |asked: &str| (asked == name).then(|| OsString::from_vec(vec![b'x', 0xff]));
            let error = Config::from_os(lookup).map(|config| config.provider());
            let error = error.map_err(|error| error.to_string());
            assert_eq!(
                error,
                Err(format!("bad configuration: {name} is not UTF-8: set it to text"))
            );
        }
    }
}
