use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_lock::Semaphore;

use super::Layer;
use crate::command::Command;
use crate::platform::{BoxFuture, boxed};
use crate::transport::{Capabilities, Messages, Results, Subscription, Transport};
use crate::{Error, ErrorKind, Result, Value};

/// Keeps what one request of a Worker may do: so many subrequests, so many connections at a time.
///
/// A Worker on the free plan may make 50 subrequests for each request that it handles (10,000 on the paid plan), and
/// hold 6 connections at a time. A call beyond the first limit fails at once with [`ErrorKind::BudgetSpent`], instead
/// of with the platform's own error in the midst of something; a call beyond the second waits for its turn.
///
/// Each round trip counts, each retry too, if this layer is inside of [`Retry`](super::Retry). A subscription counts as
/// one, and holds no connection of this budget.
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
/// // A client of one request: the budget begins anew with the next.
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
}

impl Default for RequestBudget {
    fn default() -> Self {
        Self::new()
    }
}

impl Layer for RequestBudget {
    fn wrap(self, inner: Arc<dyn Transport>) -> Arc<dyn Transport> {
        Arc::new(WithBudget {
            left: AtomicU64::new(self.requests),
            connections: Semaphore::new(self.connections),
            inner,
        })
    }
}

#[derive(Debug)]
struct WithBudget {
    left: AtomicU64,
    connections: Semaphore,
    inner: Arc<dyn Transport>,
}

impl WithBudget {
    fn spend(&self) -> Result<()> {
        let spend = |left: u64| left.checked_sub(1);
        match self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, spend) {
            Ok(_) => Ok(()),
            Err(_) => Err(Error::new(
                ErrorKind::BudgetSpent,
                "this request has made as many subrequests as it may: put more commands into one pipeline",
            )),
        }
    }

    async fn within<'a, T>(&'a self, call: BoxFuture<'a, Result<T>>) -> Result<T> {
        let _connection = self.connections.acquire().await;
        self.spend()?;
        call.await
    }
}

#[deny(clippy::missing_trait_methods)]
impl Transport for WithBudget {
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    fn send<'a>(&'a self, command: &'a Command) -> BoxFuture<'a, Result<Value>> {
        boxed(|| self.within(self.inner.send(command)))
    }

    fn pipeline<'a>(&'a self, commands: &'a [Command]) -> BoxFuture<'a, Result<Results>> {
        boxed(|| self.within(self.inner.pipeline(commands)))
    }

    fn transaction<'a>(&'a self, commands: &'a [Command]) -> BoxFuture<'a, Result<Results>> {
        boxed(|| self.within(self.inner.transaction(commands)))
    }

    fn subscribe<'a>(&'a self, to: &'a Subscription) -> BoxFuture<'a, Result<Messages>> {
        boxed(|| async move {
            self.spend()?;
            self.inner.subscribe(to).await
        })
    }

    fn sync_token(&self) -> Option<String> {
        self.inner.sync_token()
    }

    fn set_sync_token(&self, token: &str) {
        self.inner.set_sync_token(token);
    }
}
