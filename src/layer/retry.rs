use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use super::Layer;
use crate::command::{Command, Resend};
use crate::platform::{self, BoxFuture, Instant, boxed};
use crate::transport::{Capabilities, Messages, Results, Subscription, Transport};
use crate::{Error, ErrorKind, Outcome, Result, Value};

/// Sends again what failed, where that is safe.
///
/// | what happened | what is sent again |
/// |---|---|
/// | no connection was made | anything |
/// | the server asked for fewer requests (429) | anything, after its `Retry-After` |
/// | the answer was lost: timeout, broken connection, an error page in place of a reply | commands that may be sent twice |
/// | anything else | nothing |
///
/// Whether a command may be sent twice is known of each command and its arguments ([`Command::resend`]); a batch may if all
/// of its commands may, and none touches a key that another writes ([`Resend::of`]). Otherwise the error's outcome is
/// [`Outcome::Unknown`], and nothing is sent again.
///
/// A pipeline that a transport sends in parts, such as a long batch of [`AutoPipeline`](super::AutoPipeline) over REST, goes
/// on where it stopped: the parts behind one that was lost are sent then. A pipeline that
/// [`Client::send_pipeline`](crate::Client::send_pipeline) itself splits does not: each part is a call of its own here,
/// and the caller sends what is marked [`Outcome::NotSent`].
///
/// Waits grow exponentially with full jitter, so that many clients do not come back at the same moment. A budget
/// shared by all calls of the client keeps retries from multiplying the load on a server that is in trouble.
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

    /// How often a command is sent at the most; 1 sends nothing again.
    #[must_use]
    pub fn attempts(mut self, attempts: u32) -> Self {
        self.attempts = attempts.max(1);
        self
    }

    /// The most that the first wait takes; each further one may take twice as long.
    #[must_use]
    pub fn base(mut self, base: Duration) -> Self {
        self.base = base;
        self
    }

    /// The most that any wait takes. A server that asks for a longer one is not asked again.
    #[must_use]
    pub fn longest(mut self, longest: Duration) -> Self {
        self.longest = longest;
        self
    }

    /// What may be sent again after its answer was lost. With [`Resend::ReplyMayDiffer`] a DEL that is sent twice may
    /// answer 0 though it deleted; with [`Resend::Unsafe`] an INCR may count twice.
    #[must_use]
    pub fn resend(mut self, most: Resend) -> Self {
        self.resend = most;
        self
    }

    /// How long to wait before sending again after this failure of attempt number `attempt`; `None` gives up.
    fn wait(&self, error: &Error, resend: Resend, attempt: u32, random: f64) -> Option<Duration> {
        const THROTTLED_BASE: Duration = Duration::from_secs(1);
        let throttled = error.kind() == ErrorKind::Throttled;
        let safe = match error.outcome() {
            // What was lost before it was this command's turn, in a batch that went in parts, was not sent either.
            Outcome::NotSent => error.kind() == ErrorKind::Connect || throttled || error.is_loss(),
            Outcome::Refused => throttled,
            Outcome::Unknown => error.is_loss() && resend <= self.resend,
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

impl Default for Retry {
    fn default() -> Self {
        Self::new()
    }
}

impl Layer for Retry {
    fn wrap(self, inner: Arc<dyn Transport>) -> Arc<dyn Transport> {
        Arc::new(WithRetry { policy: self, budget: Budget::default(), inner })
    }
}

/// What retries may cost: each takes from it, each success gives a little back. When it is empty, failures are final.
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
        // A full budget, the common case, is only read.
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

#[derive(Debug)]
struct WithRetry {
    policy: Retry,
    budget: Budget,
    inner: Arc<dyn Transport>,
}

impl WithRetry {
    fn repeated<'a, T: 'a>(
        &'a self,
        commands: &'a [Command],
        call: impl Fn() -> BoxFuture<'a, Result<T>> + Send + 'a,
    ) -> BoxFuture<'a, Result<T>> {
        boxed(|| async move {
            let (mut attempt, start) = (1, Instant::now());
            loop {
                let error = match call().await {
                    Ok(reply) => {
                        self.budget.succeeded();
                        return Ok(reply);
                    }
                    Err(error) => error,
                };
                let resend = Resend::of(commands);
                let wait = self.policy.wait(&error, resend, attempt, platform::random_fraction());
                match wait.filter(|_| self.budget.take(&error)) {
                    Some(wait) => {
                        tracing::debug!(%error, attempt, ?wait, "sending again");
                        platform::sleep(wait).await;
                    }
                    None => return Err(counted(error, attempt, start)),
                }
                attempt += 1;
            }
        })
    }
}

/// The error with the number of attempts, if there were several.
fn counted(error: Error, attempts: u32, start: Instant) -> Error {
    if attempts > 1 { error.with_attempts(attempts, start.elapsed()) } else { error }
}

/// Whether a command was certainly not carried out and may be sent when its turn comes.
fn is_unsent(item: &Result<Value>) -> bool {
    item.as_ref().is_err_and(|error| {
        let throttled = error.kind() == ErrorKind::Throttled;
        error.outcome() == Outcome::NotSent || throttled && error.outcome() == Outcome::Refused
    })
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
            // Where a batch went in parts and one was lost, those after it were not sent: their turn is now.
            let mut attempt = 1;
            loop {
                let unsent = results.iter().rev().take_while(|item| is_unsent(item)).count();
                let at = results.len().min(commands.len()).saturating_sub(unsent);
                let Some(Err(error)) = results.get(at) else { return Ok(results) };
                let random = platform::random_fraction();
                let wait = self.policy.wait(error, Resend::Unsafe, attempt, random);
                let Some(wait) = wait.filter(|_| self.budget.take(error)) else {
                    return Ok(results);
                };
                platform::sleep(wait).await;
                let again = self.inner.pipeline(&commands[at..]).await;
                results.truncate(at);
                match again {
                    Ok(more) => results.extend(more),
                    Err(error) => {
                        let error = counted(error, attempt + 1, start);
                        results.extend(commands[at..].iter().map(|_| Err(error.clone())));
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
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait(error: &Error, resend: Resend) -> Option<Duration> {
        Retry::new().wait(error, resend, 1, 1.0)
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
        assert!(careless.wait(&error(ErrorKind::Timeout), Resend::Unsafe, 1, 1.0).is_some());
    }

    #[test]
    fn waits_grow_to_a_limit_and_obey_the_server() {
        let lost = Error::new(ErrorKind::Disconnected, "");
        let policy = Retry::new().attempts(100);
        let millis = |attempt, random| {
            policy.wait(&lost, Resend::Safe, attempt, random).map(|wait| wait.as_millis())
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
