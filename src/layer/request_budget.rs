use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_lock::Semaphore;

use super::Layer;
use crate::command::{Command, Script};
use crate::platform::{BoxFuture, boxed};
#[cfg(feature = "rest")]
use crate::transport::rest::{HttpClient, HttpLayer, HttpRequest, HttpResponse, HttpStream};
use crate::transport::{Capabilities, Messages, Results, Subscription, Transport};
use crate::{Error, ErrorKind, Result, Value};

/// Limits the subrequests of one request of a Worker, and how many of them run at a time.
///
/// A Worker on the free plan may make 50 subrequests for each request that it handles (10,000 on the paid plan), and
/// hold 6 connections at a time. A call beyond the first limit fails at once with [`ErrorKind::BudgetSpent`], before the
/// platform makes it fail. A call beyond the second limit waits for its turn.
///
/// Over REST it belongs around the HTTP client
/// ([`RestOptions::http_layer`](crate::transport::rest::RestOptions::http_layer) or
/// [`RestTransport::http_layer`](crate::transport::rest::RestTransport::http_layer)): there every HTTP request counts,
/// including those of retries and of long pipelines, and those that the transport makes for itself. As a
/// [layer](super::Layer) of a client it counts the round trips that this layer sees. Retries count only if it is inside of
/// [`Retry`](super::Retry). The requests that a transport makes for itself, and the parts into which a transport splits a
/// batch, do not count. A subscription counts as one for each channel over HTTP, and as one in all otherwise. It takes no
/// connection of this budget.
///
/// Other code that makes subrequests, such as the Worker's own cache, can share the budget by its [`Subrequests`].
///
/// | setting | default |
/// |---|---|
/// | [`requests`](Self::requests) | 50 |
/// | [`connections`](Self::connections) | 6 |
///
/// ```
/// use edgecask::{Client, ErrorKind, layer::RequestBudget, prelude::*};
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
/// # runtime.block_on(async {
/// // A client for one request. The next request gets a new budget.
/// let client = Client::memory().layer(RequestBudget::new().requests(1));
/// client.ping().await?;
/// assert_eq!(client.ping().await.unwrap_err().kind(), ErrorKind::BudgetSpent);
/// # Ok::<(), edgecask::Error>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct RequestBudget {
    requests: u64,
    connections: usize,
}

impl RequestBudget {
    /// The defaults.
    pub fn new() -> Self {
        Self { requests: 50, connections: 6 }
    }

    /// How many round trips there may be in all.
    #[must_use]
    pub fn requests(mut self, requests: u64) -> Self {
        self.requests = requests;
        self
    }

    /// How many round trips there may be at a time, at least 1.
    #[must_use]
    pub fn connections(mut self, connections: usize) -> Self {
        self.connections = connections.max(1);
        self
    }

    /// Starts to count.
    #[must_use]
    pub fn start(self) -> Subrequests {
        Subrequests(Arc::new(Counted {
            left: AtomicU64::new(self.requests),
            connections: Semaphore::new(self.connections),
        }))
    }
}

impl Default for RequestBudget {
    fn default() -> Self {
        Self::new()
    }
}

/// A [`RequestBudget`] with its count. Clones share the count. It is a layer of clients and of HTTP clients.
///
/// ```
/// use edgecask::{ErrorKind, layer::RequestBudget};
///
/// let subrequests = RequestBudget::new().requests(1).start();
/// subrequests.charge()?; // A subrequest of the application's own.
/// assert_eq!(subrequests.left(), 0);
/// assert_eq!(subrequests.charge().unwrap_err().kind(), ErrorKind::BudgetSpent);
/// # Ok::<(), edgecask::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Subrequests(Arc<Counted>);

#[derive(Debug)]
struct Counted {
    left: AtomicU64,
    connections: Semaphore,
}

impl Subrequests {
    /// How many subrequests are left.
    pub fn left(&self) -> u64 {
        self.0.left.load(Ordering::Relaxed)
    }

    /// Counts a subrequest that is about to be made.
    ///
    /// # Errors
    /// [`ErrorKind::BudgetSpent`] if none is left.
    pub fn charge(&self) -> Result<()> {
        let spend = |left: u64| left.checked_sub(1);
        match self.0.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, spend) {
            Ok(_) => Ok(()),
            Err(_) => Err(Error::new(
                ErrorKind::BudgetSpent,
                "this request has used up its subrequests: put more commands into one pipeline",
            )),
        }
    }

    /// Makes a subrequest when a connection is free.
    ///
    /// # Errors
    /// As for [`Subrequests::charge`], or the subrequest's own.
    pub async fn within<T>(&self, subrequest: impl Future<Output = Result<T>>) -> Result<T> {
        // It is counted first, so that a subrequest that is refused does not wait.
        self.charge()?;
        let refund = Refund(&self.0.left);
        let _connection = self.0.connections.acquire().await;
        std::mem::forget(refund);
        subrequest.await
    }
}

/// Gives a subrequest back to the budget when it is dropped, because it was given up before it was made.
struct Refund<'a>(&'a AtomicU64);

impl Drop for Refund<'_> {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Layer for RequestBudget {
    fn wrap(self, inner: Arc<dyn Transport>) -> Arc<dyn Transport> {
        Layer::wrap(self.start(), inner)
    }
}

impl Layer for Subrequests {
    fn wrap(self, inner: Arc<dyn Transport>) -> Arc<dyn Transport> {
        Arc::new(WithBudget { subrequests: self, inner })
    }
}

/// Each transport with these settings has a budget of its own.
#[cfg(feature = "rest")]
impl HttpLayer for RequestBudget {
    fn wrap(&self, inner: Arc<dyn HttpClient>) -> Arc<dyn HttpClient> {
        HttpLayer::wrap(&self.start(), inner)
    }
}

#[cfg(feature = "rest")]
impl HttpLayer for Subrequests {
    fn wrap(&self, inner: Arc<dyn HttpClient>) -> Arc<dyn HttpClient> {
        Arc::new(WithBudget { subrequests: self.clone(), inner })
    }
}

#[derive(Debug)]
struct WithBudget<T: ?Sized> {
    subrequests: Subrequests,
    inner: Arc<T>,
}

#[cfg(feature = "rest")]
impl HttpClient for WithBudget<dyn HttpClient> {
    fn post(&self, request: HttpRequest) -> BoxFuture<'_, Result<HttpResponse>> {
        boxed(|| self.subrequests.within(async { self.inner.post(request).await }))
    }

    fn send(&self, request: HttpRequest) -> BoxFuture<'_, Result<HttpResponse>> {
        boxed(|| self.subrequests.within(async { self.inner.send(request).await }))
    }

    fn can_stream(&self) -> bool {
        self.inner.can_stream()
    }

    fn open(&self, request: HttpRequest) -> BoxFuture<'_, Result<HttpStream>> {
        boxed(|| async move {
            self.subrequests.charge()?;
            self.inner.open(request).await
        })
    }
}

#[deny(clippy::missing_trait_methods)]
impl Transport for WithBudget<dyn Transport> {
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    fn send<'a>(&'a self, command: &'a Command) -> BoxFuture<'a, Result<Value>> {
        boxed(|| self.subrequests.within(async { self.inner.send(command).await }))
    }

    fn pipeline<'a>(&'a self, commands: &'a [Command]) -> BoxFuture<'a, Result<Results>> {
        boxed(|| self.subrequests.within(async { self.inner.pipeline(commands).await }))
    }

    fn transaction<'a>(&'a self, commands: &'a [Command]) -> BoxFuture<'a, Result<Results>> {
        boxed(|| self.subrequests.within(async { self.inner.transaction(commands).await }))
    }

    fn subscribe<'a>(&'a self, to: &'a Subscription) -> BoxFuture<'a, Result<Messages>> {
        boxed(|| async move {
            self.subrequests.charge()?;
            self.inner.subscribe(to).await
        })
    }

    fn sync_token(&self) -> Option<String> {
        self.inner.sync_token()
    }

    fn set_sync_token(&self, token: &str) {
        self.inner.set_sync_token(token);
    }

    fn register(&self, script: &Script) {
        self.inner.register(script);
    }
}
