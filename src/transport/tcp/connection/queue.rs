//! The calls that wait to be sent.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use futures_util::task::AtomicWaker;
use tokio::sync::{Notify, oneshot};

use crate::transport::tcp::resp::Reply;
use crate::{Error, ErrorKind, Outcome, Result};

/// How many bytes may wait. A call that finds more waits for its turn, in order, so that a server which does not read costs
/// bounded memory. One batch may have more.
const MOST_BYTES: usize = 1 << 20;

/// The calls of all tasks, for the driver of the connection.
#[derive(Default)]
pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    driver: AtomicWaker,
    /// How many calls wait for their turn.
    crowd: AtomicUsize,
    /// Held by the first of them.
    turn: tokio::sync::Mutex<()>,
    room: Notify,
}

#[derive(Default)]
struct Waiting {
    bytes: Vec<u8>,
    calls: Vec<Call>,
    is_closed: bool,
}

/// The caller that waits for the replies to the commands of a call.
pub(super) struct Call {
    /// Where the commands begin in the bytes.
    pub(super) at: usize,
    pub(super) caller: Caller,
}

pub(super) enum Caller {
    One(oneshot::Sender<Result<Reply>>),
    Many {
        left: usize,
        replies: Vec<Reply>,
        /// The expected last reply, which is not for the caller.
        nonce: Option<String>,
        sender: oneshot::Sender<Result<Vec<Reply>>>,
    },
}

impl Caller {
    /// How many replies are due.
    pub(super) fn due(&self) -> usize {
        match self {
            Self::One(_) => 1,
            Self::Many { left, .. } => *left,
        }
    }

    /// Fails the call. A caller that is gone needs no error.
    pub(super) fn fail(self, error: Error) {
        let _ = match self {
            Self::One(sender) => sender.send(Err(error)).is_ok(),
            Self::Many { sender, .. } => sender.send(Err(error)).is_ok(),
        };
    }
}

impl Queue {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a call, when its turn has come. `write` appends its commands.
    pub(super) async fn push(&self, caller: Caller, write: impl Fn(&mut Vec<u8>)) -> Result<()> {
        let mut caller = Some(caller);
        if self.crowd.load(SeqCst) == 0 && self.try_push(&mut caller, &write)? {
            return Ok(());
        }
        self.crowd.fetch_add(1, SeqCst);
        let _crowded = Crowded(&self.crowd);
        let _turn = self.turn.lock().await;
        while !self.try_push(&mut caller, &write)? {
            self.room.notified().await;
        }
        Ok(())
    }

    /// Adds a call if there is room.
    fn try_push(&self, caller: &mut Option<Caller>, write: &impl Fn(&mut Vec<u8>)) -> Result<bool> {
        let mut waiting = self.waiting();
        if waiting.is_closed {
            let closed = Error::new(ErrorKind::Disconnected, "the connection to Redis was lost");
            return Err(closed.with_outcome(Outcome::NotSent));
        }
        let at = waiting.bytes.len();
        if at > MOST_BYTES {
            return Ok(false);
        }
        if let Some(caller) = caller.take() {
            write(&mut waiting.bytes);
            waiting.calls.push(Call { at, caller });
        }
        drop(waiting);
        // If bytes were there already, the driver was woken for them and has not taken them yet.
        if at == 0 {
            self.driver.wake();
        }
        Ok(true)
    }

    /// Wakes this task when there is a call in an empty queue.
    pub(super) fn register(&self, driver: &Waker) {
        self.driver.register(driver);
    }

    /// Takes all calls. Their bytes take the place of `bytes`, which is empty.
    pub(super) fn take(&self, bytes: &mut Vec<u8>, mut call: impl FnMut(Call)) {
        let mut waiting = self.waiting();
        std::mem::swap(&mut waiting.bytes, bytes);
        waiting.calls.drain(..).for_each(&mut call);
        drop(waiting);
        self.room.notify_one();
    }

    /// Refuses further calls. Those that wait fail, because they were not sent.
    pub(super) fn close(&self, error: &Error) {
        let calls = {
            let mut waiting = self.waiting();
            waiting.is_closed = true;
            std::mem::take(&mut waiting.calls)
        };
        for call in calls {
            call.caller.fail(error.clone().with_outcome(Outcome::NotSent));
        }
        self.room.notify_one();
    }
}

/// A call that waits for its turn.
struct Crowded<'a>(&'a AtomicUsize);

impl Drop for Crowded<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::poll;

    use super::*;

    fn push<'a>(queue: &'a Queue, bytes: &'a [u8]) -> impl Future<Output = Result<()>> + 'a {
        let (sender, _) = oneshot::channel();
        queue.push(Caller::One(sender), move |out| out.extend_from_slice(bytes))
    }

    fn taken(queue: &Queue) -> (Vec<u8>, Vec<usize>) {
        let (mut bytes, mut calls) = (Vec::new(), Vec::new());
        queue.take(&mut bytes, |call| calls.push(call.at));
        (bytes, calls)
    }

    #[tokio::test]
    async fn calls_wait_in_order_while_too_much_waits() {
        let (queue, large) = (Queue::default(), vec![b'a'; MOST_BYTES + 1]);
        push(&queue, &large).await.unwrap();
        let mut waiting: Vec<_> =
            [b"1", b"2", b"3"].map(|bytes| Box::pin(push(&queue, bytes))).into_iter().collect();
        for call in &mut waiting {
            assert!(poll!(call).is_pending());
        }
        // A call that was given up leaves nothing behind.
        drop(waiting.remove(1));
        assert_eq!(taken(&queue).0, large);
        let mut late = Box::pin(push(&queue, b"4"));
        assert!(poll!(&mut late).is_pending(), "others came before");
        for call in waiting {
            call.await.unwrap();
        }
        late.await.unwrap();
        assert_eq!(taken(&queue), (b"134".to_vec(), vec![0, 1, 2]));
        push(&queue, b"5").await.unwrap();
        assert_eq!(taken(&queue), (b"5".to_vec(), vec![0]));
    }

    #[tokio::test]
    async fn a_closed_queue_takes_no_call_and_fails_those_that_wait() {
        let (queue, large) = (Queue::default(), vec![b'a'; MOST_BYTES + 1]);
        let (sender, reply) = oneshot::channel();
        queue.push(Caller::One(sender), |out| out.extend_from_slice(&large)).await.unwrap();
        let mut waiting = Box::pin(push(&queue, b"1"));
        assert!(poll!(&mut waiting).is_pending());
        queue.close(&Error::new(ErrorKind::Disconnected, "gone"));
        for error in [
            reply.await.unwrap().map(drop).unwrap_err(),
            waiting.await.unwrap_err(),
            push(&queue, b"2").await.unwrap_err(),
        ] {
            assert_eq!(
                (error.kind(), error.outcome()),
                (ErrorKind::Disconnected, Outcome::NotSent)
            );
        }
    }
}
