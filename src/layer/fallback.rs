use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::Layer;
use crate::command::{Command, Resend, Script};
use crate::platform::{BoxFuture, boxed};
use crate::transport::{Capabilities, Messages, Results, Subscription, Transport, sending};
use crate::{Error, ErrorKind, Outcome, Result, Value};

/// Sends commands to another transport while the first one is unavailable: for example to an embedded engine during an outage
/// of Redis.
///
/// The other transport takes over if the command was not sent: no connection could be made, the circuit is open, or a
/// deadline passed before there was a connection. After a lost answer or a timeout, it takes over only for commands that may
/// be sent twice ([`Command::resend`]). It never takes over after an answer. Data that was written to the other transport
/// stays there, so a fallback suits limits that may start afresh, and not data that has to last. A warning is logged when the
/// fallback begins and a line when it ends, and nothing for the calls between.
///
/// A [`Cache`](crate::cache::Cache) never uses a fallback, because the other transport does not see what other processes
/// invalidate. A cache has its own handling of outages, and a first tier.
///
/// ```
/// use edgecask::{layer::{CircuitBreaker, Fallback}, prelude::*, transport::memory::MemoryTransport};
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
/// # runtime.block_on(async {
/// # #[cfg(feature = "reqwest")] {
/// // Nobody listens there.
/// let client = Client::rest("http://127.0.0.1:9", "token")?
///     .layer(CircuitBreaker::default())
///     .layer(Fallback::to(MemoryTransport::new()));
/// client.set("k", "v").await?;
/// assert_eq!(client.get::<String>("k").await?.as_deref(), Some("v"));
/// # }
/// # Ok::<(), edgecask::Error>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Fallback {
    other: Arc<dyn Transport>,
}

impl Fallback {
    /// Falls back to this transport.
    pub fn to(other: impl Transport) -> Self {
        Self { other: Arc::new(other) }
    }
}

impl Layer for Fallback {
    fn wrap(self, inner: Arc<dyn Transport>) -> Arc<dyn Transport> {
        Arc::new(WithFallback { inner, other: self.other, away: AtomicBool::new(false) })
    }
}

#[derive(Debug)]
struct WithFallback {
    inner: Arc<dyn Transport>,
    other: Arc<dyn Transport>,
    away: AtomicBool,
}

impl WithFallback {
    /// The first transport's result if it is final, or the error after which the other transport takes over.
    fn final_or_unavailable<T>(
        &self,
        commands: &[Command],
        first: Result<T>,
    ) -> Result<Result<T>, Error> {
        sending::note(&first);
        let error = match first {
            Err(error) if is_unavailable(&error, commands) => error,
            result => {
                if self.away.load(Ordering::Relaxed) && self.away.swap(false, Ordering::Relaxed) {
                    tracing::info!("the server is available again: the fallback has ended");
                }
                return Ok(result);
            }
        };
        self.log_fallback(&error);
        Err(error)
    }

    /// These results, with those of the other transport in the places where the first one was unavailable.
    async fn filled(&self, commands: &[Command], mut results: Results) -> Result<Results> {
        let away = |(command, result): (&Command, &Result<Value>)| match result {
            Err(error) if !command.is_without_fallback() => {
                is_unavailable(error, std::slice::from_ref(command)).then(|| error.clone())
            }
            _ => None,
        };
        let errors: Vec<Option<Error>> = commands.iter().zip(&results).map(away).collect();
        let Some(error) = errors.iter().flatten().next().cloned() else {
            return self.final_or_unavailable(commands, Ok(results)).unwrap_or_else(Err);
        };
        sending::note(&Ok(()));
        self.log_fallback(&error);
        let places = || errors.iter().enumerate().filter(|(_, error)| error.is_some());
        let missing: Vec<Command> = places().map(|(at, _)| commands[at].clone()).collect();
        // If the other transport fails too, the results stay as they are.
        if let Ok(others) = self.other.pipeline(&missing).await {
            for ((at, _), other) in places().zip(others) {
                results[at] = other;
            }
        }
        Ok(results)
    }

    fn log_fallback(&self, error: &Error) {
        if !self.away.swap(true, Ordering::Relaxed) {
            tracing::warn!(%error, "the server is unavailable: falling back");
        }
    }
}

/// Whether the other transport may take over.
fn is_unavailable(error: &Error, commands: &[Command]) -> bool {
    match error.outcome() {
        Outcome::NotSent => {
            matches!(error.kind(), ErrorKind::Connect | ErrorKind::CircuitOpen) || error.is_loss()
        }
        Outcome::Unknown => error.is_loss() && Resend::of(commands) == Resend::Safe,
        Outcome::Refused | Outcome::Completed => false,
    }
}

#[deny(clippy::missing_trait_methods)]
impl Transport for WithFallback {
    /// What both transports can do.
    fn capabilities(&self) -> Capabilities {
        let (one, other) = (self.inner.capabilities(), self.other.capabilities());
        Capabilities::new(one.backend)
            .binary_batches(one.binary_batches && other.binary_batches)
            .blocking(one.blocking && other.blocking)
            .subscriptions(one.subscriptions)
            .lua(one.lua && other.lua)
            .key_locking(one.key_locking && other.key_locking)
            .pipeline_limits(
                one.pipeline_commands.min(other.pipeline_commands),
                one.pipeline_bytes.min(other.pipeline_bytes),
            )
            .falls_back(true)
    }

    fn send<'a>(&'a self, command: &'a Command) -> BoxFuture<'a, Result<Value>> {
        if command.is_without_fallback() {
            return self.inner.send(command);
        }
        boxed(|| async move {
            match self
                .final_or_unavailable(std::slice::from_ref(command), self.inner.send(command).await)
            {
                Ok(result) => result,
                Err(_) => self.other.send(command).await,
            }
        })
    }

    /// A batch may contain commands without fallback beside others. The other transport gets the others only.
    fn pipeline<'a>(&'a self, commands: &'a [Command]) -> BoxFuture<'a, Result<Results>> {
        boxed(|| async move {
            let first = self.inner.pipeline(commands).await;
            if commands.iter().all(Command::is_without_fallback) {
                return first;
            }
            let error = match first {
                // If a batch is sent in parts, some parts may have been answered.
                Ok(results) => return self.filled(commands, results).await,
                Err(error) => error,
            };
            if !commands.iter().any(Command::is_without_fallback) {
                return match self.final_or_unavailable(commands, Err(error)) {
                    Ok(result) => result,
                    Err(_) => self.other.pipeline(commands).await,
                };
            }
            let may: Vec<Command> =
                commands.iter().filter(|command| !command.is_without_fallback()).cloned().collect();
            let error = match self.final_or_unavailable(&may, Err(error)) {
                Ok(result) => return result,
                Err(error) => error,
            };
            let mut others = self.other.pipeline(&may).await?.into_iter();
            let results = commands.iter().map(|command| match command.is_without_fallback() {
                true => Err(error.clone()),
                false => others.next().unwrap_or_else(|| Err(error.clone())),
            });
            Ok(results.collect())
        })
    }

    fn transaction<'a>(&'a self, commands: &'a [Command]) -> BoxFuture<'a, Result<Results>> {
        if commands.iter().any(Command::is_without_fallback) {
            return self.inner.transaction(commands);
        }
        boxed(|| async move {
            match self.final_or_unavailable(commands, self.inner.transaction(commands).await) {
                Ok(result) => result,
                Err(_) => self.other.transaction(commands).await,
            }
        })
    }

    /// Subscriptions use the first transport only. They reconnect by themselves.
    fn subscribe<'a>(&'a self, to: &'a Subscription) -> BoxFuture<'a, Result<Messages>> {
        self.inner.subscribe(to)
    }

    fn sync_token(&self) -> Option<String> {
        self.inner.sync_token()
    }

    fn set_sync_token(&self, token: &str) {
        self.inner.set_sync_token(token);
    }

    fn register(&self, script: &Script) {
        self.inner.register(script);
        self.other.register(script);
    }
}

/// Excludes all commands from a [`Fallback`].
pub(crate) struct WithoutFallback;

impl Layer for WithoutFallback {
    fn wrap(self, inner: Arc<dyn Transport>) -> Arc<dyn Transport> {
        Arc::new(WithExclusion(inner))
    }
}

#[derive(Debug)]
struct WithExclusion(Arc<dyn Transport>);

fn marked(commands: &[Command]) -> Vec<Command> {
    commands.iter().map(|command| command.clone().without_fallback()).collect()
}

#[deny(clippy::missing_trait_methods)]
impl Transport for WithExclusion {
    fn capabilities(&self) -> Capabilities {
        self.0.capabilities().falls_back(false)
    }

    fn send<'a>(&'a self, command: &'a Command) -> BoxFuture<'a, Result<Value>> {
        boxed(|| async move { self.0.send(&command.clone().without_fallback()).await })
    }

    fn pipeline<'a>(&'a self, commands: &'a [Command]) -> BoxFuture<'a, Result<Results>> {
        boxed(|| async move { self.0.pipeline(&marked(commands)).await })
    }

    fn transaction<'a>(&'a self, commands: &'a [Command]) -> BoxFuture<'a, Result<Results>> {
        boxed(|| async move { self.0.transaction(&marked(commands)).await })
    }

    fn subscribe<'a>(&'a self, to: &'a Subscription) -> BoxFuture<'a, Result<Messages>> {
        self.0.subscribe(to)
    }

    fn sync_token(&self) -> Option<String> {
        self.0.sync_token()
    }

    fn set_sync_token(&self, token: &str) {
        self.0.set_sync_token(token);
    }

    fn register(&self, script: &Script) {
        self.0.register(script);
    }
}
