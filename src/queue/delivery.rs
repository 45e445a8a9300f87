//! A delivered task, and its settlement.

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

/// A delivered task and its payload. The caller holds the task until the lease ends. If it has not settled the task by then, the task is
/// delivered again.
///
/// Each method that settles the task or renews its lease sends one command, and a second one if the answer is lost. The others send none.
/// Dropping a delivery does not settle the task.
pub struct Delivery<T> {
    held: Holding,
    payload: T,
}

/// A delivery without its payload, with the methods that settle the task and renew its lease. The handler of a
/// [`Worker`](super::Worker) gets one.
#[derive(Clone)]
pub struct Holding(Arc<Inner>);

struct Inner {
    state: Arc<State>,
    leased: Leased,
    token: Arc<str>,
    result: Mutex<Option<Bytes>>,
    /// The end of the lease by this process's clock; `None` if it does not know it.
    leased_until: Mutex<Option<Instant>>,
    settled: OnceLock<Now>,
    lost: OnceCell<()>,
}

/// The state of a task after a failure.
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

    /// Splits the delivery into its payload and its [`Holding`].
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

    /// The number of deliveries of the task, this one included. It serves as a fencing token: a store that refuses a smaller number than
    /// the last one of the same task is safe from a former holder. The count restarts if Redis loses the task, or if a task with the same
    /// id is added after its end.
    pub fn number(&self) -> u64 {
        self.0.leased.number
    }

    /// The number of earlier failures of the task.
    pub fn failures(&self) -> u32 {
        self.0.leased.failures
    }

    /// The number of earlier deliveries that were abandoned: their leases ended before they were settled.
    pub fn abandoned(&self) -> u32 {
        self.0.leased.abandoned
    }

    /// Whether the task becomes a dead letter if it fails now.
    pub fn is_last_attempt(&self) -> bool {
        self.0.leased.failures + 1 >= self.0.leased.attempts
    }

    /// Whether the task becomes a dead letter if this delivery is abandoned.
    pub fn is_last_delivery(&self) -> bool {
        self.0.leased.abandoned + 1 >= self.0.leased.poison_cap
    }

    /// Sets the result that [`ack`](Self::ack) stores and [`Queue::result`](super::Queue::result) reads. No command.
    ///
    /// # Errors
    /// [`ErrorKind::Codec`] if it cannot be encoded as JSON, and [`ErrorKind::InvalidInput`] if it is longer than
    /// [`QueueOptions::max_payload_bytes`](super::QueueOptions::max_payload_bytes).
    pub fn set_result(&self, result: &impl Serialize) -> Result<()> {
        let result = self.encode("a result", result)?;
        *self.0.result.lock().unwrap_or_else(PoisonError::into_inner) = Some(result);
        Ok(())
    }

    /// Acknowledges the task: it is done, and the queue deletes it. The call may be repeated.
    ///
    /// # Errors
    /// [`QueueError::Lost`] if the caller does not hold the task any more, because the task was delivered to another holder or settled by
    /// one. [`QueueError::Redis`]: the task is done, or will be delivered again.
    pub async fn ack(&self) -> Result<(), QueueError> {
        self.settle(How::Ack, Duration::ZERO, String::new()).await.map(drop)
    }

    /// Reports a failure of the task. It is delivered again after the queue's [backoff](super::QueueOptions::backoff), or becomes a dead
    /// letter after its last attempt. The queue keeps the first 500 bytes of the error's text.
    ///
    /// # Errors
    /// As for [`ack`](Self::ack).
    pub async fn nack(&self, error: impl fmt::Display) -> Result<Fate, QueueError> {
        self.nack_after(self.backoff(), error).await
    }

    /// As [`nack`](Self::nack), with this pause, such as the `Retry-After` of another service.
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

    /// Makes the task a dead letter at once, because it can never succeed.
    ///
    /// # Errors
    /// As for [`ack`](Self::ack).
    pub async fn reject(&self, error: impl fmt::Display) -> Result<(), QueueError> {
        self.settle(How::Reject, Duration::ZERO, cut(error.to_string())).await.map(drop)
    }

    /// Returns the task to its place in the queue. The delivery counts neither as failed nor as abandoned.
    ///
    /// # Errors
    /// As for [`ack`](Self::ack).
    pub async fn release(&self) -> Result<(), QueueError> {
        self.settle(How::Release, Duration::ZERO, String::new()).await.map(drop)
    }

    /// Sends a heartbeat: the lease of [`QueueOptions::lease`](super::QueueOptions::lease) starts anew. A [`Worker`](super::Worker) renews
    /// its leases by itself.
    ///
    /// # Errors
    /// As for [`ack`](Self::ack).
    pub async fn extend(&self) -> Result<(), QueueError> {
        self.extend_by(self.0.state.options.lease).await
    }

    /// As [`extend`](Self::extend), with this duration.
    ///
    /// # Errors
    /// As for [`ack`](Self::ack).
    pub async fn extend_by(&self, lease: Duration) -> Result<(), QueueError> {
        self.heartbeat(lease, None).await
    }

    /// Stores the progress of the work for [`Queue::progress`](super::Queue::progress), and renews the lease.
    ///
    /// # Errors
    /// As for [`ack`](Self::ack) and [`set_result`](Self::set_result).
    pub async fn progress(&self, progress: &impl Serialize) -> Result<(), QueueError> {
        let progress = self.encode("a progress", progress)?;
        self.heartbeat(self.0.state.options.lease, Some(progress)).await
    }

    /// Whether this process knows that it does not hold the task any more. No command.
    pub fn is_lost(&self) -> bool {
        self.0.lost.is_initialized()
    }

    /// Waits until [`is_lost`](Self::is_lost) is `true`.
    pub fn lost(&self) -> impl Future<Output = ()> + Send + use<> {
        let inner = Arc::clone(&self.0);
        async move { *inner.lost.wait().await }
    }

    pub(super) fn set_lost(&self) {
        // Only this function initialises it, so it does not wait.
        let _ = self.0.lost.set(()).now_or_never();
    }

    /// The argument of a heartbeat of many deliveries.
    pub(super) fn held(&self) -> Held<'_> {
        Held { id: self.id(), number: self.number(), token: &self.0.token, progress: None }
    }

    /// The argument of a settlement of many deliveries.
    pub(super) fn settled(&self, how: How, delay: Duration, error: String) -> Settled<'_> {
        let result = match how {
            How::Ack => self.0.result.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            _ => None,
        };
        let (id, number, token) = (self.id(), self.number(), &*self.0.token);
        Settled { how, id, number, token, delay, error, result }
    }

    /// The pause after a failure of this delivery.
    pub(super) fn backoff(&self) -> Duration {
        self.0.state.options.backoff.after(self.failures().saturating_add(1))
    }

    /// The length of the result that [`ack`](Self::ack) would store.
    pub(super) fn result_bytes(&self) -> usize {
        let result = self.0.result.lock().unwrap_or_else(PoisonError::into_inner);
        result.as_ref().map_or(0, Bytes::len)
    }

    /// Interprets the answer to a settlement.
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

    /// The state after the settlement; `None` if the holder has not settled the task.
    pub(super) fn outcome(&self) -> Option<Now> {
        self.0.settled.get().copied()
    }

    pub(super) fn is_of(&self, state: &State) -> bool {
        self.0.state.keys.tasks() == state.keys.tasks()
    }

    /// The task's id and the token of the pull: together they identify a delivery.
    pub(super) fn name(&self) -> (String, Arc<str>) {
        (self.id().to_owned(), Arc::clone(&self.0.token))
    }

    /// Sets the end of the lease, counted from `sent`, a moment before the request.
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
