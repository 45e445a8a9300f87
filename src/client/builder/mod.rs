//! Builds a client from a URL, with its layers in the right order.

mod open;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::handle::Client;
use crate::Result;
use crate::layer::{
    AutoPipeline, CircuitBreaker, Deadline, Fallback, KeyPrefix, Layer, Observe, RequestBudget,
    Retry,
};
use crate::transport::{Backend, Transport};

/// Builds a [`Client`] from a URL or a transport. The layers have a fixed order, independent of the order of the calls.
///
/// ```
/// use edgecask::{Client, layer::{CircuitBreaker, Retry}};
/// use std::time::Duration;
///
/// let client = Client::builder()
///     .url("memory:")
///     .retry(Retry::new())
///     .circuit_breaker(CircuitBreaker::new())
///     .deadline(Duration::from_secs(30))
///     .key_prefix("staging:")
///     .build()?;
/// # Ok::<(), edgecask::Error>(())
/// ```
///
/// # The order
///
/// A command passes the layers from the top of this table to the bottom. Its reply passes them in reverse.
///
/// | slot | default | why there |
/// |---|---|---|
/// | [`layer`](Self::layer) | none | your own layer sees each call as it was made |
/// | [`observe`](Self::observe) | none | counts each call once, with its retries |
/// | [`key_prefix`](Self::key_prefix) | none | all layers below see the keys that are sent |
/// | [`total_deadline`](Self::total_deadline) | none | limits the call with its retries and waits |
/// | [`fallback`](Self::fallback) | none | takes over after the last attempt |
/// | [`retry`](Self::retry) | none | sends single commands again, not the batches that they shared |
/// | [`auto_pipeline`](Self::auto_pipeline) | none | a batch is one round trip for all layers below |
/// | [`circuit_breaker`](Self::circuit_breaker) | none | sees each attempt and its timeout |
/// | [`deadline`](Self::deadline) | 5 s; none for the embedded engine | limits each attempt |
/// | [`request_budget`](Self::request_budget) | none | counts the requests that are sent |
/// | [`transport_layer`](Self::transport_layer) | none | your own layer sees each round trip |
///
/// `Debug` shows neither the URL nor the token.
#[must_use = "a builder makes nothing until it is built"]
#[derive(Default)]
pub struct ClientBuilder {
    url: Option<String>,
    token: Option<String>,
    allow_http: bool,
    transport: Option<Arc<dyn Transport>>,
    transport_layers: Vec<OwnLayer>,
    request_budget: Option<RequestBudget>,
    /// `None` if it was not set.
    deadline: Option<Option<Duration>>,
    circuit_breaker: Option<CircuitBreaker>,
    auto_pipeline: Option<AutoPipeline>,
    retry: Option<Retry>,
    fallback: Option<Fallback>,
    total_deadline: Option<Duration>,
    key_prefix: Option<KeyPrefix>,
    observe: Option<Observe>,
    layers: Vec<OwnLayer>,
}

/// A layer of the user's own, not yet applied.
type OwnLayer = Box<dyn FnOnce(Arc<dyn Transport>) -> Arc<dyn Transport> + Send>;

fn own(layer: impl Layer + Send + 'static) -> OwnLayer {
    Box::new(|inner| layer.wrap(inner))
}

impl ClientBuilder {
    /// The server's URL; see [`Client::open`] for its forms.
    pub fn url(mut self, url: impl Into<String>) -> Self {
        self.url = Some(url.into());
        self
    }

    /// The token of a REST URL, or the password of a `redis://` URL, where the URL does not hold it.
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.token = Some(token.into());
        self
    }

    /// Allows `http://` URLs of other hosts, over which the token is sent unencrypted. Default: `false`.
    pub fn allow_http(mut self, allow: bool) -> Self {
        self.allow_http = allow;
        self
    }

    /// A transport instead of a URL: one with further settings, or a transport of your own.
    ///
    /// ```
    /// use edgecask::{Client, transport::memory::MemoryTransport};
    ///
    /// let client = Client::builder().transport(MemoryTransport::new()).build()?;
    /// # Ok::<(), edgecask::Error>(())
    /// ```
    pub fn transport(mut self, transport: impl Transport) -> Self {
        self.transport = Some(Arc::new(transport));
        self
    }

    /// How long each round trip may take, or `None` for no limit. Default: 5 seconds, and no limit for the embedded
    /// engine. A command that waits for data, such as BLPOP, may take longer by the time that it may wait.
    pub fn deadline(mut self, limit: impl Into<Option<Duration>>) -> Self {
        self.deadline = Some(limit.into());
        self
    }

    /// How long a whole call may take, with its retries and the waits between them. Default: no limit other than the deadlines
    /// of the attempts.
    pub fn total_deadline(mut self, limit: impl Into<Option<Duration>>) -> Self {
        self.total_deadline = limit.into();
        self
    }

    /// Sends failed commands again, where that is safe.
    pub fn retry(mut self, retry: Retry) -> Self {
        self.retry = Some(retry);
        self
    }

    /// Sends nothing to a server that does not answer.
    pub fn circuit_breaker(mut self, breaker: CircuitBreaker) -> Self {
        self.circuit_breaker = Some(breaker);
        self
    }

    /// Sends concurrent commands in one round trip.
    pub fn auto_pipeline(mut self, settings: AutoPipeline) -> Self {
        self.auto_pipeline = Some(settings);
        self
    }

    /// Uses another transport while this one is unavailable.
    pub fn fallback(mut self, fallback: Fallback) -> Self {
        self.fallback = Some(fallback);
        self
    }

    /// Adds this prefix to every key; see [`KeyPrefix`].
    pub fn key_prefix(mut self, prefix: impl Into<Bytes>) -> Self {
        self.key_prefix = Some(KeyPrefix::new(prefix));
        self
    }

    /// Stays within a Worker's limits on subrequests and connections.
    pub fn request_budget(mut self, budget: RequestBudget) -> Self {
        self.request_budget = Some(budget);
        self
    }

    /// Reports calls to `tracing`, and to a function.
    pub fn observe(mut self, observe: Observe) -> Self {
        self.observe = Some(observe);
        self
    }

    /// Adds your own layer around all others. The one that is added last sees a command first.
    pub fn layer(mut self, layer: impl Layer + Send + 'static) -> Self {
        self.layers.push(own(layer));
        self
    }

    /// Adds your own layer next to the transport, where it sees each round trip. The one that is added last sees a command
    /// first.
    pub fn transport_layer(mut self, layer: impl Layer + Send + 'static) -> Self {
        self.transport_layers.push(own(layer));
        self
    }

    /// Builds the client. No connection is made before the first command.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) if there is neither a URL nor a transport, or both; if the URL cannot be used; if its token is
    /// missing or given twice; or if this build lacks the feature that it needs. The message says what to do.
    pub fn build(self) -> Result<Client> {
        let transport = match (self.transport, self.url, self.token) {
            (Some(transport), None, None) => transport,
            (None, Some(url), token) => open::transport(url.trim(), token, self.allow_http)?,
            (Some(_), None, Some(_)) => {
                return open::wrong(
                    "a token is given together with a transport: give it to the transport",
                );
            }
            (Some(_), Some(_), _) => {
                return open::wrong("both a URL and a transport are given: remove one of them");
            }
            (None, None, _) => return open::wrong("there is no URL: call url(…), or transport(…)"),
        };
        let default = match transport.capabilities().backend {
            Backend::InMemory => None,
            Backend::Redis => Some(Deadline::default()),
        };
        let deadline = match self.deadline {
            None => default,
            Some(limit) => limit.map(Deadline::new),
        };
        let transport = wrap_own(transport, self.transport_layers);
        let transport = wrap(transport, self.request_budget);
        let transport = wrap(transport, deadline);
        let transport = wrap(transport, self.circuit_breaker);
        let transport = wrap(transport, self.auto_pipeline);
        let transport = wrap(transport, self.retry);
        let transport = wrap(transport, self.fallback);
        let transport = wrap(transport, self.total_deadline.map(Deadline::new));
        let transport = wrap(transport, self.key_prefix);
        let transport = wrap(transport, self.observe);
        let transport = wrap_own(transport, self.layers);
        Ok(Client::over(transport))
    }
}

impl fmt::Debug for ClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientBuilder")
            .field("transport", &self.transport)
            .field("request_budget", &self.request_budget)
            .field("deadline", &self.deadline)
            .field("circuit_breaker", &self.circuit_breaker)
            .field("auto_pipeline", &self.auto_pipeline)
            .field("retry", &self.retry)
            .field("fallback", &self.fallback)
            .field("total_deadline", &self.total_deadline)
            .field("key_prefix", &self.key_prefix)
            .field("observe", &self.observe)
            .finish_non_exhaustive()
    }
}

impl Client {
    /// A client for this URL, with the default [`Deadline`] for a remote server.
    ///
    /// | URL | reaches | feature |
    /// |---|---|---|
    /// | `https://:token@host` | the REST API | `rest` |
    /// | `redis://[user[:password]@]host[:port][/database]` | a Redis by TCP | `tcp`, on native targets |
    /// | `rediss://…` | the same over TLS | `tcp`, on native targets |
    /// | `memory:` | a new, empty embedded engine | `memory` |
    ///
    /// In a REST URL, the characters of a token other than letters and digits are written in percent encoding, as in every URL.
    /// A separate token ([`ClientBuilder::token`]) is not encoded. `http://` is accepted for this host only, unless
    /// [`ClientBuilder::allow_http`] is set.
    ///
    /// ```
    /// use edgecask::{Client, prelude::*};
    ///
    /// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    /// # runtime.block_on(async {
    /// let client = Client::open("memory:")?;
    /// client.set("greeting", "hello").await?;
    /// # #[cfg(feature = "reqwest")] {
    /// let rest = Client::open("https://:token@example.upstash.io")?;
    /// let same = Client::builder().url("https://example.upstash.io").token("token").build()?;
    /// # }
    /// # Ok::<(), edgecask::Error>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As for [`ClientBuilder::build`].
    pub fn open(url: &str) -> Result<Self> {
        Self::builder().url(url).build()
    }

    /// A builder of a client, for settings that a URL does not have.
    pub fn builder() -> ClientBuilder {
        ClientBuilder::default()
    }
}

fn wrap(inner: Arc<dyn Transport>, layer: Option<impl Layer>) -> Arc<dyn Transport> {
    match layer {
        Some(layer) => layer.wrap(inner),
        None => inner,
    }
}

fn wrap_own(inner: Arc<dyn Transport>, layers: Vec<OwnLayer>) -> Arc<dyn Transport> {
    layers.into_iter().fold(inner, |inner, wrap| wrap(inner))
}

#[cfg(all(test, feature = "memory", feature = "reqwest"))]
mod tests {
    use super::*;
    use crate::{Error, ErrorKind};

    fn error_of(builder: ClientBuilder) -> String {
        let shown = format!("{builder:?}");
        assert!(!shown.contains("s3cret"), "{shown}");
        match builder.build() {
            Ok(client) => format!("{client:?}"),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Config);
                format!("{error} {error:?}")
            }
        }
    }

    #[test]
    fn an_error_of_building_says_what_to_do() {
        let url = |url: &str| Client::builder().url(url);
        let cases = [
            (Client::builder(), "call url(…), or transport(…)"),
            (url("memory:").transport(engine()), "remove one of them"),
            (Client::builder().transport(engine()).token("s3cret"), "give it to the transport"),
            (url("https://h"), "call token(…), or write https://:token@host"),
            (url("https://s3cret@h"), "follow a colon"),
            (url("https://:s3cret@h").token("s3cret"), "remove one of them"),
            (url("https://:s3cret%ff@h"), "not UTF-8"),
            (url("https://h?token=s3cret").token("s3cret"), "contains a query"),
            (url("http://:s3cret@h"), "use https://"),
            (url("https://:s3cret@good\\@evil"), "backslashes"),
            (url("memory:s3cret"), "memory: without anything behind it"),
            (url("memory:").token("s3cret"), "takes no token"),
            (url("ftp://:s3cret@h"), "https://, redis://, rediss:// or memory:"),
            (url(""), "https://, redis://, rediss:// or memory:"),
            #[cfg(not(feature = "tcp"))]
            (url("redis://:s3cret@h"), "turn on the feature tcp"),
            #[cfg(feature = "tcp")]
            (url("redis://:s3cret@h").token("s3cret"), "remove one of them"),
            #[cfg(feature = "tcp")]
            (url("redis://:s3cret@h:port"), "redis://[user[:password]@]host"),
        ];
        for (builder, expected) in cases {
            let error = error_of(builder);
            assert!(error.contains(expected) && !error.contains("s3cret"), "{error}");
        }
    }

    #[test]
    fn a_builder_and_its_client_show_no_secret() {
        let url = |url: &str| Client::builder().url(url);
        let builders = [
            url("memory:"),
            url("MEMORY://"),
            url(" https://:s3cret%3A@h/path "),
            url("HTTPS://default:s3cret@h"),
            url("https://h").token("s3cret"),
            url("http://:s3cret@127.0.0.1:1"),
            url("http://h").token("s3cret").allow_http(true),
            #[cfg(feature = "tcp")]
            url("rediss://:s3cret@h:1/0"),
            #[cfg(feature = "tcp")]
            url("redis://h").token("s3cret"),
        ];
        for builder in builders {
            let shown = error_of(builder);
            assert!(shown.starts_with("Client") && !shown.contains("s3cret"), "{shown}");
        }
    }

    fn engine() -> crate::transport::memory::MemoryTransport {
        crate::transport::memory::MemoryTransport::new()
    }

    /// A layer that shows its name.
    #[derive(Debug, Clone, Copy)]
    struct Own(&'static str);

    impl Layer for Own {
        fn wrap(self, inner: Arc<dyn Transport>) -> Arc<dyn Transport> {
            // A key prefix is the one layer whose settings are any text.
            KeyPrefix::new(self.0).wrap(inner)
        }
    }

    #[test]
    fn layers_stack_in_one_order_however_they_are_named() -> Result<()> {
        let slots: [fn(ClientBuilder) -> ClientBuilder; 11] = [
            |builder| builder.layer(Own("outermost")),
            |builder| builder.observe(Observe::new()),
            |builder| builder.key_prefix("staging"),
            |builder| builder.total_deadline(Duration::from_secs(77)),
            |builder| builder.fallback(Fallback::to(engine())),
            |builder| builder.retry(Retry::new()),
            |builder| builder.auto_pipeline(AutoPipeline::new()),
            |builder| builder.circuit_breaker(CircuitBreaker::new()),
            |builder| builder.deadline(Duration::from_secs(11)),
            |builder| builder.request_budget(RequestBudget::new()),
            |builder| builder.transport_layer(Own("innermost")),
        ];
        let mut seen = None;
        for first in 0..slots.len() {
            for backwards in [false, true] {
                let mut order: Vec<_> = (0..slots.len()).collect();
                order.rotate_left(first);
                if backwards {
                    order.reverse();
                }
                let builder = Client::builder().transport(engine());
                let builder = order.into_iter().fold(builder, |builder, at| slots[at](builder));
                let stack = names(&format!("{:?}", builder.build()?));
                assert_eq!(seen.get_or_insert_with(|| stack.clone()), &stack);
            }
        }
        let stack = seen.unwrap_or_default();
        assert_eq!(stack, STACK);
        Ok(())
    }

    /// The name of each layer in the output of `Debug`, from the outermost to the innermost.
    const STACK: [&str; 12] = [
        "outermost",
        "WithObserver",
        "staging",
        "77s",
        "WithFallback",
        "WithRetry",
        "WithAutoPipeline",
        "WithBreaker",
        "11s",
        "WithBudget",
        "innermost",
        "MemoryTransport",
    ];

    /// The names that occur, in the order of their occurrence.
    fn names(shown: &str) -> Vec<&'static str> {
        let found = STACK.into_iter().filter_map(|name| Some((shown.find(name)?, name)));
        let mut found: Vec<_> = found.collect();
        found.sort_unstable();
        found.into_iter().map(|(_, name)| name).collect()
    }

    #[test]
    fn a_remote_client_has_a_deadline_that_can_be_removed() -> Result<()> {
        let shown = |builder: ClientBuilder| Ok::<_, Error>(format!("{:?}", builder.build()?));
        let remote = || Client::builder().url("https://:t@h");
        assert!(shown(remote())?.contains("limit: 5s"));
        assert!(shown(remote().deadline(Duration::from_secs(30)))?.contains("limit: 30s"));
        assert!(!shown(remote().deadline(None))?.contains("limit"));
        assert!(!shown(Client::builder().url("memory:"))?.contains("limit"));
        Ok(())
    }
}
