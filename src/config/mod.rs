//! Configuration from variables: of the process environment, or of a Worker's bindings.
//!
//! | variable | meaning |
//! |---|---|
//! | `REDIS_URL` | `redis://` for TCP, `rediss://` for TCP with TLS, `https://` for the Upstash REST API |
//! | `REDIS_PASSWORD` | the password, or the REST token |
//! | `CACHE_PROVIDER` | `redis` or `upstash`, if the URL must be of that kind; `memory` for the embedded engine |
//! | `REDIS_CONNECT_TIMEOUT` | how long connecting by TCP may take, in milliseconds; 2000 |
//! | `REDIS_MIN_IDLE` | how many of them are kept ready from the first such command on; 0 |
//! | `REDIS_POOL_SIZE` | the most TCP connections for commands that wait, such as BLPOP; 32. All other commands share one connection |
//! | `UPSTASH_REDIS_REST_URL`, `UPSTASH_REDIS_REST_TOKEN` | the same as Upstash's own SDK names them |
//! | `KV_REST_API_URL`, `KV_REST_API_TOKEN` | the same as Vercel names them |
//! | `REDIS_ALLOW_HTTP` | `true` allows an unencrypted `http://` REST URL of another host, as in a compose network; `false` |
//! | `CACHE_TTL_{NAME}_SECONDS` | a time to live of a component: [`Ttl::from_variables`](crate::cache::Ttl::from_variables) |
//! | `RATE_LIMIT_PROVIDER`, `EVENT_HUB_PROVIDER` | override `CACHE_PROVIDER` for those components: [`Config::for_component`], [`event_hub()`] |
//!
//! `REDIS_URL` takes precedence. `UPSTASH_REDIS_REST_URL` and `KV_REST_API_URL` may both be set only if they are equal. If
//! no URL is set, the embedded engine is used. An empty variable counts as not set. It is an error if the embedded engine
//! would be used because of an empty variable, unless `CACHE_PROVIDER` is `memory`. A URL, password or token in quotation
//! marks is an error, and so is a variable that is not UTF-8.

mod event_hub;
mod variables;

use std::cell::RefCell;
use std::ffi::OsString;
use std::fmt;
use std::time::Duration;

pub use event_hub::event_hub;
pub use variables::Provider;
use variables::{Backend, Variables, wrong};

use crate::Result;
use crate::client::{Client, ClientBuilder};
use crate::layer::CircuitBreaker;

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
    /// `None`: the default of the transport.
    connect_timeout: Option<Duration>,
    /// As for `connect_timeout`.
    pool_size: Option<usize>,
    /// As for `connect_timeout`.
    min_idle: Option<usize>,
    allow_http: bool,
}

impl Config {
    /// The configuration that the process environment gives.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config), which says what variable to set.
    pub fn from_env() -> Result<Self> {
        Self::from_os(|name| std::env::var_os(name))
    }

    /// A variable that cannot be read must not count as not set: the application would silently run on the embedded engine,
    /// or with a default.
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
    /// [`ErrorKind::Config`](crate::ErrorKind::Config), which says what variable to set.
    #[cfg(feature = "worker")]
    pub fn from_worker(env: &worker::Env) -> Result<Self> {
        // A secret is a string binding like any other variable.
        Self::from_variables(|name| Some(env.var(name).ok()?.to_string()))
    }

    /// The configuration that these variables give, wherever they come from.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config), which says what variable to set.
    pub fn from_variables(lookup: impl Fn(&str) -> Option<String>) -> Result<Self> {
        Self::for_component("CACHE", lookup)
    }

    /// As [`Config::from_variables`], for a component with a provider of its own: `{component}_PROVIDER` overrides
    /// `CACHE_PROVIDER`. A rate limit is `RATE_LIMIT`, an event hub is `EVENT_HUB`.
    ///
    /// ```
    /// use edgecask::config::{Config, Provider};
    ///
    /// let variables = |name: &str| match name {
    ///     "REDIS_URL" => Some("redis://localhost".to_owned()),
    ///     "RATE_LIMIT_PROVIDER" => Some("memory".to_owned()),
    ///     _ => None,
    /// };
    /// assert_eq!(Config::from_variables(variables)?.provider(), Provider::Redis);
    /// assert_eq!(Config::for_component("RATE_LIMIT", variables)?.provider(), Provider::Memory);
    /// # Ok::<(), edgecask::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config), which says what variable to set.
    pub fn for_component(component: &str, lookup: impl Fn(&str) -> Option<String>) -> Result<Self> {
        let variables = Variables { lookup, provider: format!("{component}_PROVIDER") };
        let connections = |name| {
            let number = variables.number(name, "connections");
            number.map(|number| number.map(|number| usize::try_from(number).unwrap_or(usize::MAX)))
        };
        Ok(Self {
            backend: variables.backend()?,
            connect_timeout: variables
                .number("REDIS_CONNECT_TIMEOUT", "milliseconds")?
                .map(Duration::from_millis),
            pool_size: connections("REDIS_POOL_SIZE")?,
            min_idle: connections("REDIS_MIN_IDLE")?,
            allow_http: variables.flag("REDIS_ALLOW_HTTP")?,
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

    /// A client of that provider. A remote provider has the default [`Deadline`](crate::layer::Deadline) and
    /// [`CircuitBreaker`], so that a server that hangs delays only a few calls. Nothing is sent yet.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) if the URL cannot be used, or this build does not have the provider's feature.
    pub fn client(&self) -> Result<Client> {
        let remote = match &self.backend {
            Backend::Upstash { url, token } => {
                Client::builder().url(url).token(token).allow_http(self.allow_http)
            }
            Backend::Redis { url, password } => tcp_builder(
                url,
                password.as_deref(),
                self.connect_timeout,
                self.pool_size,
                self.min_idle,
            )?,
            Backend::Memory => return memory_client(),
        };
        remote.circuit_breaker(CircuitBreaker::default()).build()
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config").field("provider", &self.provider()).finish_non_exhaustive()
    }
}

#[cfg(all(feature = "tcp", not(target_arch = "wasm32")))]
fn tcp_builder(
    url: &str,
    password: Option<&str>,
    connect_timeout: Option<Duration>,
    pool_size: Option<usize>,
    min_idle: Option<usize>,
) -> Result<ClientBuilder> {
    use crate::transport::tcp::{TcpOptions, TcpTransport};
    let mut options = TcpOptions::new(url).min_idle(min_idle.unwrap_or_default());
    if let Some(limit) = connect_timeout {
        options = options.connect_timeout(limit);
    }
    if let Some(most) = pool_size {
        options = options.waiting_connections(most);
    }
    if let Some(password) = password {
        options = options.password(password);
    }
    Ok(Client::builder().transport(TcpTransport::new(options)?))
}

#[cfg(not(all(feature = "tcp", not(target_arch = "wasm32"))))]
fn tcp_builder(
    _: &str,
    _: Option<&str>,
    _: Option<Duration>,
    _: Option<usize>,
    _: Option<usize>,
) -> Result<ClientBuilder> {
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
    fn the_url_that_is_set_counts() {
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
        let blank = ("REDIS_URL", " ");
        assert_eq!(provider(&[blank, ("CACHE_PROVIDER", "memory")]), Ok(Provider::Memory));
        assert_eq!(provider(&[&[blank][..], &rest].concat()), Ok(Provider::Upstash));
        let same = [("KV_REST_API_URL", "https://u/"), ("KV_REST_API_TOKEN", "t")];
        assert_eq!(provider(&[&rest[..], &same].concat()), Ok(Provider::Upstash));
        assert_eq!(provider(&[("REDIS_URL", "REDIS://h")]), Ok(Provider::Redis));
        assert_eq!(
            provider(&[("REDIS_URL", "HTTPS://h"), ("REDIS_PASSWORD", "t")]),
            Ok(Provider::Upstash)
        );
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
            (&[("REDIS_URL", " ")], "REDIS_URL is set to nothing"),
            (&[("KV_REST_API_URL", "")], "KV_REST_API_URL is set to nothing"),
            (&[redis, ("REDIS_PASSWORD", "\"p\"")], "REDIS_PASSWORD is in quotation marks"),
            (&[("REDIS_URL", "'redis://h'")], "REDIS_URL is in quotation marks"),
            (
                &[("UPSTASH_REDIS_REST_URL", "https://u"), ("KV_REST_API_URL", "https://v")],
                "UPSTASH_REDIS_REST_URL and KV_REST_API_URL are set to different URLs",
            ),
            (&[("REDIS_CONNECT_TIMEOUT", "-1")], "REDIS_CONNECT_TIMEOUT must be"),
            (&[("REDIS_ALLOW_HTTP", "yes")], "REDIS_ALLOW_HTTP must be true or false"),
            (
                &[("REDIS_POOL_SIZE", "ten")],
                "REDIS_POOL_SIZE must be a whole number of connections",
            ),
            (&[("REDIS_MIN_IDLE", "-1")], "REDIS_MIN_IDLE must be a whole number of connections"),
        ] {
            let error = config(variables).err().unwrap_or_default();
            assert!(error.contains(to_set), "{variables:?}: {error}");
        }
    }

    #[test]
    fn a_plain_url_of_another_host_needs_a_variable() {
        let client = |allow: &'static str| {
            let variables = [
                ("REDIS_URL", "http://redis-http:80"),
                ("REDIS_PASSWORD", "t"),
                ("REDIS_ALLOW_HTTP", allow),
            ];
            let client = config(&variables)
                .and_then(|config| config.client().map(|_| ()).map_err(|error| error.to_string()));
            client.err().unwrap_or_default()
        };
        for refused in ["", "false", "0"] {
            assert!(client(refused).contains("REDIS_ALLOW_HTTP"), "{refused:?}");
        }
        for allowed in ["true", "1", "TRUE"] {
            assert_eq!(client(allowed), "");
        }
    }

    #[test]
    fn a_component_may_have_a_provider_of_its_own() {
        let provider = |component, own: &'static str| {
            let config = Config::for_component(component, |name| match name {
                "REDIS_URL" => Some("redis://h".to_owned()),
                "CACHE_PROVIDER" => Some("redis".to_owned()),
                "EVENT_HUB_PROVIDER" | "RATE_LIMIT_PROVIDER" => Some(own.to_owned()),
                _ => None,
            });
            config.map(|config| config.provider()).map_err(|error| error.to_string())
        };
        for component in ["EVENT_HUB", "RATE_LIMIT"] {
            assert_eq!(provider(component, "redis"), Ok(Provider::Redis));
            assert_eq!(provider(component, "memory"), Ok(Provider::Memory));
            let error = provider(component, "upstash").err().unwrap_or_default();
            assert!(error.contains(&format!("{component}_PROVIDER is upstash, but")), "{error}");
        }
        assert_eq!(provider("CACHE", "memory"), Ok(Provider::Redis));
    }

    #[test]
    fn nothing_shows_a_secret() -> Result<(), String> {
        let config = config(&[("REDIS_URL", "https://h"), ("REDIS_PASSWORD", "s3cret")])?;
        let client = config.client().map_err(|error| error.to_string())?;
        assert!(!format!("{config:?} {client:?}").contains("s3cret"));
        Ok(())
    }

    #[cfg(unix)]
    #[test]
    fn a_variable_that_is_not_utf8_is_an_error() {
        use std::os::unix::ffi::OsStringExt as _;
        for name in
            ["REDIS_URL", "CACHE_PROVIDER", "UPSTASH_REDIS_REST_TOKEN", "REDIS_CONNECT_TIMEOUT"]
        {
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
