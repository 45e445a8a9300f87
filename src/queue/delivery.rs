//! A task in the hands of a worker.

use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use async_lock::OnceCell;
use bytes::Bytes;
use futures_util::FutureExt;
use serde::Serialize;

use super::QueueError;
use super::options::millis;
use super::state::{Held, How, Leased, Now, Settled, State, unexpected};
use crate::platform::Instant;
use crate::{Error, ErrorKind, Outcome, Result};

/// The longest text of an error that a task keeps, in bytes.
const LONGEST_ERROR: usize = 500;

/// A task that was delivered, with its payload. It belongs to its holder until the lease ends, and is delivered again if it is not
/// settled by then.
///
/// Each method is one command, and a second one if the answer is lost. Dropping a delivery settles nothing.
pub struct Delivery<T> {
    held: Holding,
    payload: T,
}

/// A delivery without its payload: what the handler of a [`Worker`](super::Worker) may do with it beside its work.
#[derive(Clone)]
pub struct Holding(Arc<Inner>);

struct Inner {
    state: Arc<State>,
    leased: Leased,
    token: Arc<str>,
    result: Mutex<Option<Bytes>>,
    /// Until when the lease lasts, as far as this process knows.
    leased_until: Mutex<Option<Instant>>,
    settled: OnceLock<Now>,
    lost: OnceCell<()>,
}

/// What became of a task that was not acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Fate {
    /// It is delivered again.
    Retry,
    /// It is a dead letter.
    Dead,
}

impl<T> Delivery<T> {
    pub(super) fn new(state: Arc<State>, leased: Leased, token: Arc<str>, payload: T) -> Self {
        let (result, leased_until, settled, lost) = Default::default();
        let inner = Inner { state, leased, token, result, leased_until, settled, lost };
        Self { held: Holding(Arc::new(inner)), payload }
    }

    /// The payload.
    pub fn payload(&self) -> &T {
        &self.payload
    }

    /// The payload and the rest apart.
    pub fn into_parts(self) -> (T, Holding) {
        (self.payload, self.held)
    }
}

impl<T> Deref for Delivery<T> {
    type Target = Holding;

    fn deref(&self) -> &Holding {
        &self.held
    }
}

impl Holding {
    /// The id of the task.
    pub fn id(&self) -> &str {
        &self.0.leased.id
    }

    /// The group of the task.
    pub fn group(&self) -> Option<&str> {
        self.0.leased.group.as_deref()
    }

    /// How often the task was delivered, this delivery included. A store that refuses a smaller number for the same task than its last
    /// one is safe from a former holder. The count begins anew if Redis loses the task, or if a task of the same id is added after its end.
    pub fn number(&self) -> u64 {
        self.0.leased.number
    }

    /// How often the task has failed before.
    pub fn failures(&self) -> u32 {
        self.0.leased.failures
    }

    /// How many of its deliveries were abandoned before: their leases ended.
    pub fn abandoned(&self) -> u32 {
        self.0.leased.abandoned
    }

    /// Whether the task is a dead letter if it fails now.
    pub fn is_last_attempt(&self) -> bool {
        self.0.leased.failures + 1 >= self.0.leased.attempts
    }

    /// Whether the task is a dead letter if this delivery is abandoned.
    pub fn is_last_delivery(&self) -> bool {
        self.0.leased.abandoned + 1 >= self.0.leased.poison_cap
    }

    /// Sets the result that [`ack`](Self::ack) stores; [`Queue::result`](super::Queue::result) reads it. No command.
    ///
    /// # Errors
    /// [`ErrorKind::Codec`] if it has no form in JSON, and [`ErrorKind::InvalidInput`] if it is longer than a payload may be.
    pub fn set_result(&self, result: &impl Serialize) -> Result<()> {
        let result = self.encode("a result", result)?;
        *self.0.result.lock().unwrap_or_else(PoisonError::into_inner) = Some(result);
        Ok(())
    }

    /// The task is done: the queue forgets it. The same call may be repeated.
    ///
    /// # Errors
    /// [`QueueError::Lost`] if the caller does not hold the task any more; it is delivered to another, or was settled by another. And
    /// an error of Redis: then the task is done or will be delivered again.
    pub async fn ack(&self) -> Result<(), QueueError> {
        self.settle(How::Ack, Duration::ZERO, String::new()).await.map(drop)
    }

    /// The task has failed. It is delivered again after the queue's [backoff](super::QueueOptions::backoff), or is a dead letter if it has
    /// failed too often. The first 500 bytes of the error's text are kept.
    ///
    /// # Errors
    /// As for [`ack`](Self::ack).
    pub async fn nack(&self, error: impl fmt::Display) -> Result<Fate, QueueError> {
        let pause = self.0.state.options.backoff.after(self.failures().saturating_add(1));
        self.nack_after(pause, error).await
    }

    /// As [`nack`](Self::nack), with a pause of the caller's own, such as one that another service has asked for.
    ///
    /// # Errors
    /// As for [`ack`](Self::ack).
    pub async fn nack_after(
        &self,
        pause: Duration,
        error: impl fmt::Display,
    ) -> Result<Fate, QueueError> {
        self.settle(How::Nack, pause, cut(error.to_string())).await.map(fate)
    }

    /// The task can never succeed: it is a dead letter at once.
    ///
    /// # Errors
    /// As for [`ack`](Self::ack).
    pub async fn reject(&self, error: impl fmt::Display) -> Result<(), QueueError> {
        self.settle(How::Reject, Duration::ZERO, cut(error.to_string())).await.map(drop)
    }

    /// The task goes back to its place, as if it had not been delivered: neither failed nor abandoned.
    ///
    /// # Errors
    /// As for [`ack`](Self::ack).
    pub async fn release(&self) -> Result<(), QueueError> {
        self.settle(How::Release, Duration::ZERO, String::new()).await.map(drop)
    }

    /// A heartbeat: the lease begins anew. A [`Worker`](super::Worker) sends it by itself.
    ///
    /// # Errors
    /// As for [`ack`](Self::ack).
    pub async fn extend(&self) -> Result<(), QueueError> {
        self.extend_by(self.0.state.options.lease).await
    }

    /// The lease begins anew, and lasts so long.
    ///
    /// # Errors
    /// As for [`ack`](Self::ack).
    pub async fn extend_by(&self, lease: Duration) -> Result<(), QueueError> {
        self.heartbeat(lease, None).await
    }

    /// Stores how far the work is, for [`Queue::progress`](super::Queue::progress), and renews the lease.
    ///
    /// # Errors
    /// As for [`ack`](Self::ack) and [`set_result`](Self::set_result).
    pub async fn progress(&self, progress: &impl Serialize) -> Result<(), QueueError> {
        let progress = self.encode("a progress", progress)?;
        self.heartbeat(self.0.state.options.lease, Some(progress)).await
    }

    /// Whether this process knows that the task is not its own any more.
    pub fn is_lost(&self) -> bool {
        self.0.lost.is_initialized()
    }

    /// Waits until [`is_lost`](Self::is_lost) is `true`.
    pub fn lost(&self) -> impl Future<Output = ()> + Send + use<> {
        let inner = Arc::clone(&self.0);
        async move { *inner.lost.wait().await }
    }

    pub(super) fn set_lost(&self) {
        // Nobody else initialises it, so it does not wait.
        let _ = self.0.lost.set(()).now_or_never();
    }

    /// As an argument of a heartbeat for many.
    pub(super) fn held(&self) -> Held<'_> {
        Held { id: self.id(), number: self.number(), token: &self.0.token, progress: None }
    }

    /// As an argument of a settlement of many.
    pub(super) fn settled(&self, how: How, delay: Duration, error: String) -> Settled<'_> {
        let result = match how {
            How::Ack => self.0.result.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            _ => None,
        };
        let (id, number, token) = (self.id(), self.number(), &*self.0.token);
        Settled { how, id, number, token, delay, error, result }
    }

    /// What an answer to a settlement means.
    pub(super) fn answered(&self, how: How, now: Now) -> Result<Now, QueueError> {
        match (how, now) {
            (How::Ack, Now::Done)
            | (How::Nack, Now::Ready | Now::Waits | Now::Dead)
            | (How::Reject, Now::Dead)
            | (How::Release, Now::Ready) => {
                let _ = self.0.settled.set(now);
                Ok(now)
            }
            (_, Now::Unsure) => {
                self.set_lost();
                let why =
                    "the answer to the end of a task was lost, and the task is not held any more";
                let error = Error::new(ErrorKind::Conflict, why).with_outcome(Outcome::Unknown);
                Err(error.into())
            }
            // Also if it was settled before in another way.
            _ => {
                self.set_lost();
                Err(self.lost_error())
            }
        }
    }

    /// What became of the task, if its holder has settled it.
    pub(super) fn outcome(&self) -> Option<Now> {
        self.0.settled.get().copied()
    }

    pub(super) fn is_of(&self, state: &State) -> bool {
        self.0.state.keys.tasks() == state.keys.tasks()
    }

    /// What tells it from all other deliveries.
    pub(super) fn name(&self) -> (String, Arc<str>) {
        (self.id().to_owned(), Arc::clone(&self.0.token))
    }

    /// The lease lasts so long, from a moment before it was asked for.
    pub(super) fn leased(&self, sent: Instant, lease: Duration) {
        let lease = lease.min(Duration::from_millis(millis(lease)));
        let mut until = self.0.leased_until.lock().unwrap_or_else(PoisonError::into_inner);
        *until = sent.checked_add(lease).max(*until);
    }

    /// Whether the lease is over by the clock of this process.
    pub(super) fn is_over(&self) -> bool {
        let until = self.0.leased_until.lock().unwrap_or_else(PoisonError::into_inner);
        until.is_some_and(|until| until <= Instant::now())
    }

    async fn settle(&self, how: How, delay: Duration, error: String) -> Result<Now, QueueError> {
        let answers = self.0.state.settle(vec![self.settled(how, delay, error)]).await?;
        let now = answers.first().copied().ok_or_else(unexpected)?;
        self.answered(how, now)
    }

    async fn heartbeat(&self, lease: Duration, progress: Option<Bytes>) -> Result<(), QueueError> {
        let (held, sent) = (Held { progress, ..self.held() }, Instant::now());
        match self.0.state.extend(lease, false, vec![held]).await?.first() {
            Some(true) => {
                self.leased(sent, lease);
                Ok(())
            }
            _ => {
                self.set_lost();
                Err(self.lost_error())
            }
        }
    }

    fn lost_error(&self) -> QueueError {
        QueueError::Lost { queue: self.0.state.keys.name.clone(), id: self.id().to_owned() }
    }

    fn encode(&self, what: &str, value: &impl Serialize) -> Result<Bytes> {
        let bytes = encoded(value)?;
        let limit = self.0.state.options.max_payload_bytes;
        match bytes.len() <= limit {
            true => Ok(bytes),
            false => {
                let why = format!("{what} has {} bytes, the limit is {limit}", bytes.len());
                Err(Error::new(ErrorKind::InvalidInput, why))
            }
        }
    }
}

impl<T> fmt::Debug for Delivery<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.held.fmt(f)
    }
}

impl fmt::Debug for Holding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delivery")
            .field("queue", &self.0.state.keys.name)
            .field("id", &self.id())
            .field("number", &self.number())
            .field("failures", &self.failures())
            .field("abandoned", &self.abandoned())
            .field("is_lost", &self.is_lost())
            .finish()
    }
}

fn fate(now: Now) -> Fate {
    match now {
        Now::Dead => Fate::Dead,
        _ => Fate::Retry,
    }
}

/// A value as JSON.
pub(super) fn encoded(value: &impl Serialize) -> Result<Bytes> {
    let bytes = serde_json::to_vec(value).map_err(|error| {
        Error::new(ErrorKind::Codec, "this value has no form in JSON").with_source(error)
    })?;
    Ok(bytes.into())
}

/// The beginning of a text, without line breaks.
pub(super) fn cut(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(LONGEST_ERROR));
    text.replace(|character: char| character.is_control(), " ")
}
