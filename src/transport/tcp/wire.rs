//! The stream under a connection: it bounds what is received, and knows when replies stay away.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use futures_util::task::AtomicWaker;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::framing::{Framing, Unreadable};
use crate::platform;

pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// What is known of a connection's health, by its stream and by its callers.
#[derive(Debug)]
pub(super) struct Health {
    made: Instant,
    hung_after: Duration,
    verify_after: Duration,
    /// Makes the nonces of this connection different from all others.
    random: u64,
    nonces: AtomicU64,
    /// When it was last known that replies and commands are in step, in microseconds since the connection was made.
    verified: AtomicU64,
    /// Why what was received could not be followed any further.
    unreadable: OnceLock<Unreadable>,
    /// Replies that are due: commands that were written, less replies that came.
    due: AtomicU64,
    /// When the last reply came, in microseconds since the connection was made.
    last_reply: AtomicU64,
    /// Since when no reply came, though a caller has given up waiting; [`ANSWERED`] if there is no such caller.
    silent_since: AtomicU64,
    waiting: AtomicUsize,
}

const ANSWERED: u64 = u64::MAX;

/// A surplus reply comes close behind the reply that it follows. Where nothing came for so long and nothing was due, there
/// is none on its way.
const QUIET: Duration = Duration::from_millis(100);

impl Health {
    pub(super) fn new(hung_after: Duration, verify_after: Duration) -> Self {
        Self {
            made: Instant::now(),
            hung_after,
            verify_after,
            random: platform::random().map(u64::from_le_bytes).unwrap_or_default(),
            nonces: AtomicU64::new(0),
            verified: AtomicU64::new(0),
            unreadable: OnceLock::new(),
            due: AtomicU64::new(0),
            last_reply: AtomicU64::new(0),
            silent_since: AtomicU64::new(ANSWERED),
            waiting: AtomicUsize::new(0),
        }
    }

    fn now(&self) -> u64 {
        self.made.elapsed().as_micros() as u64
    }

    /// A nonce for the next call, if its replies have to be verified: there was no quiet moment for some time.
    pub(super) fn verification(&self) -> Option<String> {
        let micros = |duration: Duration| duration.as_micros() as u64;
        if !self.verify_after.is_zero() {
            let (now, verified) = (self.now(), self.verified.load(Relaxed));
            let since = |then: u64| now.saturating_sub(then);
            let is_quiet = self.due.load(Relaxed) == 0
                && since(self.last_reply.load(Relaxed)) >= micros(QUIET);
            if is_quiet {
                self.verified.fetch_max(now, Relaxed);
                return None;
            }
            if since(verified) < micros(self.verify_after) {
                return None;
            }
            // One call of many does it.
            self.verified.compare_exchange(verified, now, Relaxed, Relaxed).ok()?;
        }
        let number = self.nonces.fetch_add(1, Relaxed);
        Some(format!("edgecask:{:016x}:{number}", self.random))
    }

    /// Nothing that is received from now on is to be used. The first reason stays.
    pub(super) fn set_unreadable(&self, reason: Unreadable) -> io::Error {
        let reason = *self.unreadable.get_or_init(|| reason);
        io::Error::new(io::ErrorKind::InvalidData, reason)
    }

    pub(super) fn unreadable(&self) -> Option<Unreadable> {
        self.unreadable.get().copied()
    }

    /// A call begins; its end needs to know when.
    pub(super) fn begin(&self) -> u64 {
        self.waiting.fetch_add(1, Relaxed);
        self.now()
    }

    /// The call has its reply, or an error.
    pub(super) fn end(&self) {
        self.waiting.fetch_sub(1, Relaxed);
    }

    /// The call's future was dropped before its reply came.
    pub(super) fn abandon(&self, began: u64) {
        let since = began.max(self.last_reply.load(Relaxed));
        self.silent_since.fetch_min(since, Relaxed);
        self.end();
    }

    /// Whether replies have stayed away for so long that the connection is of no use: it may be cut somewhere without a
    /// word, or the server is busy with something that nobody waits for any more.
    pub(super) fn is_hung(&self) -> bool {
        let since = self.silent_since.load(Relaxed);
        since != ANSWERED
            && self.due.load(Relaxed) > 0
            && self.now().saturating_sub(since) >= self.hung_after.as_micros() as u64
    }

    fn replied(&self) {
        self.last_reply.store(self.now(), Relaxed);
        self.silent_since.store(ANSWERED, Relaxed);
    }
}

/// What was received of a subscription and not taken by its reader. Beyond a limit nothing is read, so that the server
/// notices a reader that is too slow.
#[derive(Debug)]
pub(super) struct Backlog {
    limit: usize,
    bytes: AtomicUsize,
    messages: AtomicUsize,
    taken: AtomicWaker,
}

impl Backlog {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            limit,
            bytes: AtomicUsize::new(0),
            messages: AtomicUsize::new(0),
            taken: AtomicWaker::new(),
        }
    }

    /// So many messages were not for the reader.
    pub(super) fn skip(&self, messages: usize) {
        for _ in 0..messages {
            self.take(0);
        }
    }

    /// The reader takes a message of so many bytes.
    pub(super) fn take(&self, bytes: usize) {
        let less = |by: usize| move |now: usize| Some(now.saturating_sub(by));
        let bytes = if self.messages.fetch_update(Relaxed, Relaxed, less(1)) == Ok(1) {
            // Bytes around messages are not counted one by one.
            usize::MAX
        } else {
            bytes
        };
        // The closures always give a number.
        let _ = self.bytes.fetch_update(Relaxed, Relaxed, less(bytes));
        self.taken.wake();
    }

    fn receive(&self, bytes: usize, messages: usize) {
        self.bytes.fetch_add(bytes, Relaxed);
        self.messages.fetch_add(messages, Relaxed);
    }

    fn is_full(&self) -> bool {
        self.messages.load(Relaxed) > 0 && self.bytes.load(Relaxed) >= self.limit
    }

    fn poll_room(&self, context: &Context<'_>) -> Poll<()> {
        if self.is_full() {
            self.taken.register(context.waker());
            if self.is_full() {
                return Poll::Pending;
            }
        }
        Poll::Ready(())
    }
}

/// A stream of commands and replies. It is read no further when a reply grows beyond the limit, when one comes that no
/// command asked for, or when one goes on after everybody has given up.
pub(super) struct Wire {
    stream: Box<dyn Stream>,
    commands: Framing,
    replies: Framing,
    health: Arc<Health>,
    backlog: Option<Arc<Backlog>>,
    /// After MONITOR, lines come that no command asked for.
    monitors: bool,
}

impl Wire {
    pub(super) fn new(
        stream: Box<dyn Stream>,
        max_reply_bytes: usize,
        health: Arc<Health>,
    ) -> Self {
        Self {
            stream,
            commands: Framing::new(usize::MAX),
            replies: Framing::new(max_reply_bytes),
            health,
            backlog: None,
            monitors: false,
        }
    }

    /// From here on, what is received is for a reader that may be slow.
    pub(super) fn with_backlog(mut self, backlog: Arc<Backlog>) -> Self {
        self.backlog = Some(backlog);
        self
    }

    /// Takes what comes from now on for lines of MONITOR.
    pub(super) fn monitor(&mut self) {
        self.monitors = true;
    }

    pub(super) fn health(&self) -> &Arc<Health> {
        &self.health
    }

    fn count_due(&self) {
        let due = self.commands.begun().saturating_sub(self.replies.answers());
        self.health.due.store(due, Relaxed);
    }

    fn received(&mut self, bytes: &[u8]) -> io::Result<()> {
        let before = self.replies.ended();
        let taken = self.replies.take(bytes);
        taken.map_err(|reason| self.health.set_unreadable(reason))?;
        if let Some(backlog) = &self.backlog {
            backlog.receive(bytes.len(), (self.replies.ended() - before) as usize);
        } else if !self.monitors && self.replies.answers() > self.commands.begun() {
            return Err(self.health.set_unreadable(Unreadable::TooMany));
        }
        if self.replies.ended() > before {
            self.count_due();
            self.health.replied();
        } else if self.health.waiting.load(Relaxed) == 0 && self.health.is_hung() {
            let unwanted = "a reply went on after everybody had given up";
            return Err(io::Error::new(io::ErrorKind::ConnectionAborted, unwanted));
        }
        Ok(())
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Some(backlog) = &self.backlog {
            ready!(backlog.poll_room(context));
        }
        let filled = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        Poll::Ready(self.received(&buffer.filled()[filled..]))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write(context, bytes))?;
        // What this crate writes is RESP.
        let _ = self.commands.take(&bytes[..written]);
        self.count_due();
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn health(hung_after: Duration) -> Health {
        let health = Health::new(hung_after, Duration::from_secs(1));
        health.due.store(1, Relaxed);
        health
    }

    #[test]
    fn only_a_call_that_was_given_up_makes_silence_suspect() {
        let health = health(Duration::ZERO);
        let began = health.begin();
        assert!(!health.is_hung(), "it is still waited for");
        health.abandon(began);
        assert!(health.is_hung());
        health.replied();
        assert!(!health.is_hung(), "a reply shows that it lives");
        health.abandon(health.begin());
        health.due.store(0, Relaxed);
        assert!(!health.is_hung(), "nothing is due");
    }

    #[test]
    fn replies_are_verified_where_nothing_is_ever_quiet() {
        let always = Health::new(Duration::ZERO, Duration::ZERO);
        assert_ne!(always.verification(), None);
        assert_ne!(always.verification(), always.verification());

        let hour = Duration::from_secs(3600);
        let busy = Health { verify_after: hour, ..health(hour) };
        assert_eq!(busy.verification(), None, "not yet");
        let long_ago = Instant::now().checked_sub(hour * 2);
        let busy = Health { made: long_ago.unwrap_or_else(Instant::now), ..busy };
        busy.replied();
        assert!(busy.verification().is_some());
        assert_eq!(busy.verification(), None, "one call of many");

        let quiet = Health { made: long_ago.unwrap_or_else(Instant::now), ..health(hour) };
        quiet.due.store(0, Relaxed);
        assert_eq!(quiet.verification(), None, "nothing is due, and nothing came");
    }

    #[test]
    fn a_call_that_was_given_up_early_is_no_sign_yet() {
        let health = health(Duration::from_secs(3600));
        health.abandon(health.begin());
        assert!(!health.is_hung());
    }
}
