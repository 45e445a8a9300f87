use std::sync::Arc;
use std::time::Duration;

use tracing::Instrument;

use super::Layer;
use crate::command::{Command, Script};
use crate::platform::{BoxFuture, Instant, boxed};
use crate::transport::{Capabilities, Messages, Results, Subscription, Transport};
use crate::{Error, Result, Value};

/// Reports every round trip to `tracing`, and every command to a function.
///
/// Each round trip is a span named `redis` at level `DEBUG`, with the fields that OpenTelemetry has for databases:
/// `db.system.name`, `db.operation.name` (the command, or `PIPELINE` or `MULTI`), `db.operation.batch.size`, and
/// `error.type` after a failure. Keys and values are not shown.
///
/// With the feature `metrics`, [`Observe::metrics`] counts commands with the `metrics` crate. [`Observe::each`] is for
/// everything else:
///
/// ```
/// use edgecask::{layer::Observe, prelude::*};
/// use std::sync::{Arc, atomic::{AtomicU64, Ordering}};
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
/// # runtime.block_on(async {
/// let failures = Arc::new(AtomicU64::new(0));
/// let counter = failures.clone();
/// let client = Client::memory().layer(Observe::new().each(move |observed| {
///     counter.fetch_add(u64::from(observed.error.is_some()), Ordering::Relaxed);
/// }));
/// client.set("k", "text").await?;
/// assert!(client.incr("k").await.is_err());
/// assert_eq!(failures.load(Ordering::Relaxed), 1);
/// # Ok::<(), edgecask::Error>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Default)]
pub struct Observe {
    each: Option<Arc<Observer>>,
}

type Observer = dyn Fn(&Observed<'_>) + Send + Sync;

/// A command that was answered, or failed.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Observed<'a> {
    /// Its name.
    pub name: &'a str,
    /// How long its round trip took.
    pub took: Duration,
    /// How many commands shared the round trip.
    pub batch: usize,
    /// Its error, if it failed.
    pub error: Option<&'a Error>,
}

impl Observe {
    /// Makes spans only.
    pub fn new() -> Self {
        Self::default()
    }

    /// Calls this function for every command, after its reply.
    #[must_use]
    pub fn each(mut self, observer: impl Fn(&Observed<'_>) + Send + Sync + 'static) -> Self {
        self.each = Some(Arc::new(observer));
        self
    }

    /// Counts with the `metrics` crate, in the recorder that the application installed: the counter
    /// `edgecask_commands_total` with the labels `command` and `outcome` (`ok`, or
    /// [`ErrorKind::as_str`](crate::ErrorKind::as_str)), and the histogram `edgecask_command_duration_seconds` with the label
    /// `command`.
    #[cfg(feature = "metrics")]
    #[must_use]
    pub fn metrics(self) -> Self {
        self.each(|observed| {
            let command = observed.name.to_owned();
            let outcome = observed.error.map_or("ok", |error| error.kind().as_str());
            metrics::counter!("edgecask_commands_total", "command" => command.clone(), "outcome" => outcome)
                .increment(1);
            metrics::histogram!("edgecask_command_duration_seconds", "command" => command)
                .record(observed.took.as_secs_f64());
        })
    }
}

impl std::fmt::Debug for Observe {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Observe").field("each", &self.each.is_some()).finish()
    }
}

impl Layer for Observe {
    fn wrap(self, inner: Arc<dyn Transport>) -> Arc<dyn Transport> {
        Arc::new(WithObserver { settings: self, inner })
    }
}

#[derive(Debug)]
struct WithObserver {
    settings: Observe,
    inner: Arc<dyn Transport>,
}

impl WithObserver {
    async fn spanned<T>(
        &self,
        operation: &str,
        commands: &[Command],
        call: BoxFuture<'_, Result<T>>,
        error_of: impl Fn(&Result<T>, usize) -> Option<&Error>,
    ) -> Result<T> {
        let span = tracing::debug_span!(
            "redis",
            db.system.name = "redis",
            db.operation.name = operation,
            db.operation.batch.size = commands.len(),
            error.r#type = tracing::field::Empty,
        );
        let start = Instant::now();
        let result = call.instrument(span.clone()).await;
        if let Err(error) = &result {
            span.record("error.type", error.kind().as_str());
        }
        if let Some(each) = &self.settings.each {
            let took = start.elapsed();
            for (at, command) in commands.iter().enumerate() {
                let error = error_of(&result, at);
                each(&Observed { name: command.name(), took, batch: commands.len(), error });
            }
        }
        result
    }
}

fn item_error(results: &Result<Results>, at: usize) -> Option<&Error> {
    match results {
        Ok(items) => items.get(at).and_then(|item| item.as_ref().err()),
        Err(error) => Some(error),
    }
}

#[deny(clippy::missing_trait_methods)]
impl Transport for WithObserver {
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    fn send<'a>(&'a self, command: &'a Command) -> BoxFuture<'a, Result<Value>> {
        let commands = std::slice::from_ref(command);
        let call = self.inner.send(command);
        boxed(|| self.spanned(command.name(), commands, call, |result, _| result.as_ref().err()))
    }

    fn pipeline<'a>(&'a self, commands: &'a [Command]) -> BoxFuture<'a, Result<Results>> {
        boxed(|| self.spanned("PIPELINE", commands, self.inner.pipeline(commands), item_error))
    }

    fn transaction<'a>(&'a self, commands: &'a [Command]) -> BoxFuture<'a, Result<Results>> {
        boxed(|| self.spanned("MULTI", commands, self.inner.transaction(commands), item_error))
    }

    fn subscribe<'a>(&'a self, to: &'a Subscription) -> BoxFuture<'a, Result<Messages>> {
        boxed(|| self.spanned("SUBSCRIBE", &[], self.inner.subscribe(to), |_, _| None))
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
