use std::hash::RandomState;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use super::Layer;
use crate::command::{Command, Footprint, Resend, Script};
use crate::platform::{self, BoxFuture, Instant, boxed};
use crate::transport::{Capabilities, Messages, Results, Subscription, Transport};
use crate::{Error, ErrorKind, Outcome, Result, Value};

/// Sends failed commands again, where that is safe.
///
/// | what happened | what is sent again |
/// |---|---|
/// | no connection was made | anything |
/// | the server asked for fewer requests (429) | anything, after its `Retry-After` |
/// | the server refuses commands for a while (BUSY, CLUSTERDOWN, LOADING, MASTERDOWN, TRYAGAIN) | anything, but after BUSY and TRYAGAIN no script that writes, which may have answered so itself |
/// | the answer was lost: timeout, broken connection, an error page in place of a reply | commands that may be sent twice |
/// | anything else | nothing |
///
/// [`Command::resend`] tells of each command and its arguments whether it may be sent twice. A batch may be sent twice if all
/// of its commands may, and none touches a key that another writes ([`Resend::of`]). Otherwise nothing is sent again, and the
/// error's outcome is [`Outcome::Unknown`]. The last error tells the number of attempts and the time of all of them
/// ([`Error::attempts`], [`Error::elapsed`]).
///
/// A transport may send a pipeline in parts: a long batch of [`AutoPipeline`](super::AutoPipeline) over REST, or one batch for
/// each server of a cluster. If some parts did not run, this layer sends their commands again, and the order of each key is
/// kept: a command stays as it is if a later one has run that touches the same keys and that it could change, or if one of the
/// two has no keys. A pipeline that
/// [`Client::send_pipeline`](crate::Client::send_pipeline) splits itself is different: each part is a call of its own here,
/// and the caller has to send the items with [`Outcome::NotSent`] again.
///
/// Waits grow exponentially with full jitter, so that many clients do not retry at the same moment. All calls of a client
/// share a budget for retries, which limits the additional load on a server in trouble.
///
/// | setting | default |
/// |---|---|
/// | [`attempts`](Self::attempts) | 3, the first included |
/// | [`base`](Self::base) | 50 ms; 1 s after a 429 without `Retry-After` |
/// | [`longest`](Self::longest) | 5 s |
/// | [`resend`](Self::resend) | [`Resend::Safe`] |
///
/// A [`Deadline`](super::Deadline) that was added before limits each attempt; one that is added after limits them all:
///
/// ```
/// use edgecask::{Client, layer::{Deadline, Retry}};
/// use std::time::Duration;
///
/// let client = Client::memory()
///     .layer(Deadline::new(Duration::from_secs(1))) // each attempt
///     .layer(Retry::new().attempts(4))
///     .layer(Deadline::new(Duration::from_secs(5))); // the whole call
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Retry {
    attempts: u32,
    base: Duration,
    longest: Duration,
    resend: Resend,
}

impl Retry {
    /// The defaults.
    pub fn new() -> Self {
        Self {
            attempts: 3,
            base: Duration::from_millis(50),
            longest: Duration::from_secs(5),
            resend: Resend::Safe,
        }
    }

    /// How often a command is sent at most. With 1 there are no retries.
    #[must_use]
    pub fn attempts(mut self, attempts: u32) -> Self {
        self.attempts = attempts.max(1);
        self
    }

    /// The longest first wait. Each further wait may be twice as long.
    #[must_use]
    pub fn base(mut self, base: Duration) -> Self {
        self.base = base;
        self
    }

    /// The longest wait. If the server asks for a longer one, the call fails at once.
    #[must_use]
    pub fn longest(mut self, longest: Duration) -> Self {
        self.longest = longest;
        self
    }

    /// Which commands may be sent again after a lost answer. With [`Resend::Idempotent`], a DEL that is sent twice may
    /// answer 0 although it deleted the key. With [`Resend::Unsafe`], an INCR may count twice.
    #[must_use]
    pub fn resend(mut self, most: Resend) -> Self {
        self.resend = most;
        self
    }

    /// How long to wait before the next attempt, after attempt number `attempt` failed with this error; `None` to give up.
    fn wait(&self, error: &Error, sent: Sent, attempt: u32, random: f64) -> Option<Duration> {
        const THROTTLED_BASE: Duration = Duration::from_secs(1);
        let throttled = error.kind() == ErrorKind::Throttled;
        let safe = match error.outcome() {
            // An earlier part of the batch was lost, or a deadline passed before there was a connection: this command was
            // not sent.
            Outcome::NotSent => error.kind() == ErrorKind::Connect || throttled || error.is_loss(),
            Outcome::Refused => throttled || sent.is_refused_for_now(error, self.resend),
            Outcome::Unknown => error.is_loss() && sent.resend <= self.resend,
            Outcome::Completed => false,
        };
        if !safe || attempt >= self.attempts {
            return None;
        }
        if let Some(asked) = error.retry_after() {
            return (asked <= self.longest).then_some(asked);
        }
        let base = if throttled { THROTTLED_BASE.max(self.base) } else { self.base };
        let most = base.saturating_mul(2_u32.saturating_pow(attempt - 1)).min(self.longest);
        Some(most.mul_f64(random))
    }
}

/// What was sent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sent {
    resend: Resend,
    has_script: bool,
}

impl From<Resend> for Sent {
    fn from(resend: Resend) -> Self {
        Self { resend, has_script: false }
    }
}

impl Sent {
    fn of(commands: &[Command]) -> Self {
        let is_script = |command: &Command| {
            matches!(
                command.name(),
                "EVAL" | "EVALSHA" | "EVAL_RO" | "EVALSHA_RO" | "FCALL" | "FCALL_RO"
            )
        };
        Self { resend: Resend::of(commands), has_script: commands.iter().any(is_script) }
    }

    /// Whether the server runs no commands for a while, or none on these keys, and so has run none of these.
    fn is_refused_for_now(self, error: &Error, most: Resend) -> bool {
        match (error.kind(), error.code()) {
            (
                ErrorKind::Server | ErrorKind::Discarded,
                Some("CLUSTERDOWN" | "LOADING" | "MASTERDOWN"),
            )
            | (ErrorKind::Discarded, Some("BUSY" | "TRYAGAIN")) => true,
            // The authors of scripts use such words for errors of their own.
            (ErrorKind::Server, Some("BUSY" | "TRYAGAIN")) => {
                !self.has_script || self.resend <= most
            }
            _ => false,
        }
    }
}

impl Default for Retry {
    fn default() -> Self {
        Self::new()
    }
}

impl Layer for Retry {
    fn wrap(self, inner: Arc<dyn Transport>) -> Arc<dyn Transport> {
        Arc::new(WithRetry { retries: Retries::new(self), inner })
    }
}

/// The budget for retries. Each retry takes from it, and each success gives a little back. When it is empty, nothing is sent
/// again.
#[derive(Debug)]
struct Budget(AtomicI64);

impl Budget {
    const FULL: i64 = 500;
    const RETRY: i64 = 14;
    const THROTTLED_RETRY: i64 = 5;
    const SUCCESS: i64 = 1;

    fn take(&self, error: &Error) -> bool {
        let cost = match error.kind() {
            ErrorKind::Throttled => Self::THROTTLED_RETRY,
            _ => Self::RETRY,
        };
        let left = |left| (left >= cost).then_some(left - cost);
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, left).is_ok()
    }

    fn succeeded(&self) {
        // The budget is usually full, and then it is only read.
        if self.0.load(Ordering::Relaxed) < Self::FULL {
            self.0.fetch_add(Self::SUCCESS, Ordering::Relaxed);
        }
    }
}

impl Default for Budget {
    fn default() -> Self {
        Self(AtomicI64::new(Self::FULL))
    }
}

/// A policy, with the budget that all calls share.
#[derive(Debug)]
pub(crate) struct Retries {
    policy: Retry,
    budget: Budget,
}

impl Retries {
    pub(crate) fn new(policy: Retry) -> Self {
        Self { policy, budget: Budget::default() }
    }

    /// Makes a call again while that is safe. `sent` is asked after a failure only.
    pub(crate) async fn repeated<'a, T>(
        &self,
        sent: impl Fn() -> Sent,
        call: impl Fn() -> BoxFuture<'a, Result<T>>,
    ) -> Result<T> {
        let (mut attempt, start) = (1, Instant::now());
        loop {
            let error = match call().await {
                Ok(reply) => {
                    self.budget.succeeded();
                    return Ok(reply);
                }
                Err(error) => error,
            };
            match self.wait(&error, sent(), attempt) {
                Some(wait) => {
                    tracing::debug!(%error, attempt, ?wait, "sending again");
                    platform::sleep(wait).await;
                }
                None => return Err(counted(error, attempt, start)),
            }
            attempt += 1;
        }
    }

    /// How long to wait before the next attempt; `None` to give up. A wait is taken from the budget.
    fn wait(&self, error: &Error, sent: Sent, attempt: u32) -> Option<Duration> {
        let wait = self.policy.wait(error, sent, attempt, platform::random_fraction());
        wait.filter(|_| self.budget.take(error))
    }

    /// Which commands of a pipeline did not run and may run now, although other commands of it have run.
    fn unrun(&self, commands: &[Command], results: &Results) -> Vec<usize> {
        let is_unrun = |(command, item): (&Command, &Result<Value>)| {
            item.as_ref().is_err_and(|error| {
                let sent = || Sent::of(std::slice::from_ref(command));
                is_unsent(error)
                    || error.outcome() == Outcome::Refused
                        && sent().is_refused_for_now(error, self.policy.resend)
            })
        };
        let items = || commands.iter().zip(results);
        if !items().any(is_unrun) {
            return Vec::new();
        }
        let hasher = RandomState::new();
        let (mut unrun, mut later) = (Vec::new(), Footprint::default());
        let (mut has_later, mut all_have_keys) = (false, true);
        for (at, (command, item)) in items().enumerate().collect::<Vec<_>>().into_iter().rev() {
            let mut has_key = false;
            command.each_key(|_, _| has_key = true);
            if !is_unrun((command, item)) {
                later.add(command, &hasher);
                has_later = true;
                all_have_keys &= has_key;
                continue;
            }
            let touches = || Footprint::of(std::iter::once(command), &hasher);
            if !has_later || has_key && all_have_keys && !touches().conflicts(&later) {
                unrun.push(at);
            }
        }
        unrun.reverse();
        unrun
    }
}

#[derive(Debug)]
struct WithRetry {
    retries: Retries,
    inner: Arc<dyn Transport>,
}

impl WithRetry {
    fn repeated<'a, T: Send + 'a>(
        &'a self,
        commands: &'a [Command],
        call: impl Fn() -> BoxFuture<'a, Result<T>> + Send + Sync + 'a,
    ) -> BoxFuture<'a, Result<T>> {
        boxed(|| self.retries.repeated(|| Sent::of(commands), call))
    }
}

/// The error with the number of attempts, if there were several.
fn counted(error: Error, attempts: u32, start: Instant) -> Error {
    if attempts > 1 { error.with_attempts(attempts, start.elapsed()) } else { error }
}

/// Whether a command did not reach a server that would run it.
fn is_unsent(error: &Error) -> bool {
    let throttled = error.kind() == ErrorKind::Throttled;
    error.outcome() == Outcome::NotSent || throttled && error.outcome() == Outcome::Refused
}

#[deny(clippy::missing_trait_methods)]
impl Transport for WithRetry {
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    fn send<'a>(&'a self, command: &'a Command) -> BoxFuture<'a, Result<Value>> {
        self.repeated(std::slice::from_ref(command), move || self.inner.send(command))
    }

    fn pipeline<'a>(&'a self, commands: &'a [Command]) -> BoxFuture<'a, Result<Results>> {
        boxed(|| async move {
            let start = Instant::now();
            let mut results =
                self.repeated(commands, move || self.inner.pipeline(commands)).await?;
            // If the transport sent the batch in parts, some commands may not have run. They are sent now.
            let mut attempt = 1;
            loop {
                let mut unrun = self.retries.unrun(commands, &results);
                let policy = self.retries.policy;
                let random = platform::random_fraction();
                let mut longest = None;
                unrun.retain(|at| {
                    let Some(Err(error)) = results.get(*at) else { return false };
                    let sent = Sent::of(std::slice::from_ref(&commands[*at]));
                    let wait = policy.wait(error, sent, attempt, random);
                    longest = longest.max(wait);
                    wait.is_some()
                });
                let first = unrun.first().and_then(|at| results[*at].as_ref().err());
                let (Some(first), Some(wait)) = (first, longest) else { return Ok(results) };
                if !self.retries.budget.take(first) {
                    return Ok(results);
                }
                platform::sleep(wait).await;
                let again: Vec<Command> = unrun.iter().map(|at| commands[*at].clone()).collect();
                match self.inner.pipeline(&again).await {
                    Ok(more) => {
                        for (at, result) in unrun.into_iter().zip(more) {
                            results[at] = result;
                        }
                    }
                    Err(error) => {
                        let error = counted(error, attempt + 1, start);
                        for at in unrun {
                            results[at] = Err(error.clone());
                        }
                    }
                }
                attempt += 1;
            }
        })
    }

    fn transaction<'a>(&'a self, commands: &'a [Command]) -> BoxFuture<'a, Result<Results>> {
        self.repeated(commands, move || self.inner.transaction(commands))
    }

    fn subscribe<'a>(&'a self, to: &'a Subscription) -> BoxFuture<'a, Result<Messages>> {
        self.repeated(&[], move || self.inner.subscribe(to))
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

#[cfg(test)]
mod tests {
    use super::*;

    fn wait(error: &Error, resend: Resend) -> Option<Duration> {
        Retry::new().wait(error, resend.into(), 1, 1.0)
    }

    #[test]
    fn only_what_is_safe_is_sent_again() {
        let error = |kind| Error::new(kind, "");
        for (error, safe, not_safe) in [
            (error(ErrorKind::Connect), true, true),
            (error(ErrorKind::Throttled), true, true),
            (error(ErrorKind::Timeout), true, false),
            (error(ErrorKind::Disconnected), true, false),
            (error(ErrorKind::Http).with_status(502), true, false),
            (error(ErrorKind::Http).with_status(404), false, false),
            (error(ErrorKind::Server), false, false),
            (error(ErrorKind::Unauthorized), false, false),
            (error(ErrorKind::Unsupported), false, false),
            (error(ErrorKind::Protocol), false, false),
            (error(ErrorKind::Type), false, false),
        ] {
            assert_eq!(wait(&error, Resend::Safe).is_some(), safe, "{error}");
            assert_eq!(wait(&error, Resend::Unsafe).is_some(), not_safe, "{error}");
        }
        let careless = Retry::new().resend(Resend::Unsafe);
        assert!(careless.wait(&error(ErrorKind::Timeout), Resend::Unsafe.into(), 1, 1.0).is_some());
    }

    #[test]
    fn waits_grow_to_a_limit_and_obey_the_server() {
        let lost = Error::new(ErrorKind::Disconnected, "");
        let policy = Retry::new().attempts(100);
        let millis = |attempt, random| {
            policy.wait(&lost, Resend::Safe.into(), attempt, random).map(|wait| wait.as_millis())
        };
        assert_eq!(
            [millis(1, 1.0), millis(2, 1.0), millis(3, 0.5)],
            [Some(50), Some(100), Some(100)]
        );
        assert_eq!(millis(99, 1.0), Some(5000));
        assert_eq!(millis(100, 1.0), None, "attempts are exact");
        assert_eq!(millis(1, 0.0), Some(0));
        let asked = |seconds| {
            let error = Error::new(ErrorKind::Throttled, "");
            wait(&error.with_retry_after(Some(Duration::from_secs(seconds))), Resend::Unsafe)
        };
        assert_eq!(asked(2), Some(Duration::from_secs(2)));
        assert_eq!(asked(3600), None, "nobody waits for an hour");
    }

    #[test]
    fn an_empty_budget_ends_retries_and_successes_fill_it() {
        let budget = Budget::default();
        let error = Error::new(ErrorKind::Connect, "");
        assert_eq!((0..1000).filter(|_| budget.take(&error)).count(), 35);
        for _ in 0..Budget::RETRY {
            budget.succeeded();
        }
        assert!(budget.take(&error));
    }
}
