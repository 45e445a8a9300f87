//! The task that sends the calls of a connection and hands out the replies.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use super::health::Health;
use super::queue::{Call, Caller, Queue};
use crate::transport::tcp::link::{Link, unreadable};
use crate::transport::tcp::resp::{Reply, Unreadable};
use crate::transport::tcp::socket;
use crate::{Error, ErrorKind, Outcome, Result, Value};

/// The memory for bytes to send that is kept.
const KEPT: usize = 1 << 20;

pub(super) struct Driver {
    link: Link,
    queue: Arc<Queue>,
    health: Arc<Health>,
    /// The bytes of the calls that were taken, and how many of them were written.
    bytes: Vec<u8>,
    at: usize,
    needs_flush: bool,
    /// How many bytes were written before these.
    written_before: u64,
    /// The calls whose replies are due, each with the position of its first byte among all that is written.
    sent: VecDeque<(u64, Caller)>,
    due: u64,
}

impl Driver {
    pub(super) fn new(link: Link, queue: Arc<Queue>, health: Arc<Health>) -> Self {
        Self {
            link,
            queue,
            health,
            bytes: Vec::new(),
            at: 0,
            needs_flush: false,
            written_before: 0,
            sent: VecDeque::new(),
            due: 0,
        }
    }

    /// Runs until the connection is lost. All calls fail then.
    pub(super) async fn run(mut self) {
        let ended = match self.read() {
            Ok(()) => std::future::poll_fn(|context| self.poll(context)).await,
            Err(error) => error,
        };
        self.fail(&ended);
    }

    fn written(&self) -> u64 {
        self.written_before + self.at as u64
    }

    /// Why the connection was lost.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Error> {
        self.queue.register(context.waker());
        loop {
            // A server that closes a connection may have said why, so what it said is read first.
            let broken = match self.poll_write(context) {
                Poll::Ready(Err(error)) => {
                    // TLS may have sent some of the bytes before it failed.
                    self.at = self.bytes.len();
                    Some(error)
                }
                Poll::Ready(Ok(())) | Poll::Pending => None,
            };
            match (self.poll_read(context), broken) {
                (Poll::Ready(Ok(())), _) => {}
                (Poll::Ready(Err(error)), _) => return Poll::Ready(error),
                (Poll::Pending, Some(error)) => return Poll::Ready(socket::lost(error)),
                (Poll::Pending, None) => return Poll::Pending,
            }
        }
    }

    /// Writes all that waits.
    fn poll_write(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            if self.at == self.bytes.len() {
                self.take();
                if self.bytes.is_empty() {
                    break;
                }
            }
            let written = ready!(self.link.poll_write(context, &self.bytes[self.at..]))?;
            self.at += written;
            self.needs_flush = true;
        }
        if self.needs_flush {
            ready!(self.link.poll_flush(context))?;
            self.needs_flush = false;
        }
        Poll::Ready(Ok(()))
    }

    /// Takes the next calls, after all bytes of the last ones were written.
    fn take(&mut self) {
        self.written_before += self.bytes.len() as u64;
        self.at = 0;
        self.bytes.clear();
        if self.bytes.capacity() > KEPT {
            self.bytes = Vec::new();
        }
        let (sent, due, before) = (&mut self.sent, &mut self.due, self.written_before);
        self.queue.take(&mut self.bytes, |Call { at, caller }| {
            *due += caller.due() as u64;
            sent.push_back((before + at as u64, caller));
        });
        self.health.set_due(self.due);
    }

    /// Receives what has come, and reads it.
    fn poll_read(&mut self, context: &mut Context<'_>) -> Poll<Result<()>> {
        if ready!(self.link.poll_receive(context)).map_err(socket::lost)? == 0 {
            return Poll::Ready(Err(socket::lost(io::ErrorKind::UnexpectedEof.into())));
        }
        Poll::Ready(self.read())
    }

    /// Reads what was received.
    fn read(&mut self) -> Result<()> {
        let due = self.due;
        while let Some(reply) = self.link.received().map_err(unreadable)? {
            // No caller asked for pushes, so they are dropped.
            if !reply.is_push() {
                self.answer(reply)?;
            }
        }
        if self.due < due {
            self.health.set_due(self.due);
            self.health.replied();
        } else if self.health.is_unwanted() {
            let message = "a reply went on after all callers had given up";
            return Err(Error::new(ErrorKind::Disconnected, message));
        }
        Ok(())
    }

    /// Hands a reply to the call that it belongs to.
    fn answer(&mut self, reply: Reply) -> Result<()> {
        let written = self.written();
        let surplus = || Err(unreadable(Unreadable::TooMany));
        let Some((first, caller)) = self.sent.front_mut() else { return surplus() };
        if *first >= written {
            return surplus();
        }
        self.due -= 1;
        if let Caller::Many { left, replies, nonce, sender } = caller {
            *left -= 1;
            match nonce.as_deref().filter(|_| *left == 0) {
                Some(nonce) if !verifies(&reply, nonce) => return surplus(),
                Some(_) => {}
                // The replies of a call that was given up are dropped.
                None if sender.is_closed() => *replies = Vec::new(),
                None => replies.push(reply),
            }
            if *left == 0
                && let Some((_, Caller::Many { replies, sender, .. })) = self.sent.pop_front()
            {
                let _ = sender.send(Ok(replies));
            }
        } else if let Some((_, Caller::One(sender))) = self.sent.pop_front() {
            // A caller that is gone needs no reply.
            let _ = sender.send(Ok(reply));
        }
        Ok(())
    }

    /// Fails all calls. Those of which no byte was written were not sent.
    fn fail(&mut self, error: &Error) {
        let written = self.written();
        for (first, caller) in self.sent.drain(..) {
            let outcome = if first < written { Outcome::Unknown } else { Outcome::NotSent };
            caller.fail(error.clone().with_outcome(outcome));
        }
        self.queue.close(error);
    }
}

/// Whether this is the reply to a PING with this nonce. A server may also refuse the PING, because of the user's permissions
/// or its own state; that says nothing about the other replies.
fn verifies(reply: &Reply, nonce: &str) -> bool {
    match reply {
        Reply::Value(Value::Bulk(bytes)) => bytes == nonce.as_bytes(),
        Reply::Error(error) => {
            matches!(error.code(), Some("BUSY" | "LOADING" | "MASTERDOWN" | "MISCONF" | "NOPERM"))
        }
        _ => false,
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.fail(&Error::new(ErrorKind::Disconnected, "the connection to Redis was closed"));
    }
}
