//! Whether replies come, and whether they belong to their commands.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use crate::platform;

/// The health of a connection, as its driver and its callers report it.
#[derive(Debug)]
pub(in crate::transport::tcp) struct Health {
    made: Instant,
    hung_after: Duration,
    verify_after: Duration,
    /// Makes the nonces of this connection different from all others.
    random: u64,
    nonces: AtomicU64,
    /// When it was last known that replies and commands are in step, in microseconds since the connection was made.
    verified: AtomicU64,
    /// The number of replies that are due.
    due: AtomicU64,
    /// When the last reply came, in microseconds since the connection was made.
    last_reply: AtomicU64,
    /// The time since which no reply has come while a caller gave up; [`ANSWERED`] if no caller gave up since the last reply.
    silent_since: AtomicU64,
    waiting: AtomicUsize,
}

const ANSWERED: u64 = u64::MAX;

/// A surplus reply follows another reply closely. If nothing came for this long and nothing was due, none is on its way.
const QUIET: Duration = Duration::from_millis(100);

impl Health {
    pub(in crate::transport::tcp) fn new(hung_after: Duration, verify_after: Duration) -> Self {
        Self {
            made: Instant::now(),
            hung_after,
            verify_after,
            random: platform::random().map(u64::from_le_bytes).unwrap_or_default(),
            nonces: AtomicU64::new(0),
            verified: AtomicU64::new(0),
            due: AtomicU64::new(0),
            last_reply: AtomicU64::new(0),
            silent_since: AtomicU64::new(ANSWERED),
            waiting: AtomicUsize::new(0),
        }
    }

    fn now(&self) -> u64 {
        self.made.elapsed().as_micros() as u64
    }

    /// A nonce for the next call, if its replies have to be verified because the connection was busy without a break.
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
            // Of several calls at the same time, one is verified.
            self.verified.compare_exchange(verified, now, Relaxed, Relaxed).ok()?;
        }
        let number = self.nonces.fetch_add(1, Relaxed);
        Some(format!("edgecask:{:016x}:{number}", self.random))
    }

    /// Reports that a call begins. The time is for [`Health::abandon`].
    pub(in crate::transport::tcp) fn begin(&self) -> u64 {
        self.waiting.fetch_add(1, Relaxed);
        self.now()
    }

    /// Reports that a call has its reply or an error.
    pub(in crate::transport::tcp) fn end(&self) {
        self.waiting.fetch_sub(1, Relaxed);
    }

    /// Reports that a call was dropped before its reply came.
    pub(in crate::transport::tcp) fn abandon(&self, began: u64) {
        let since = began.max(self.last_reply.load(Relaxed));
        self.silent_since.fetch_min(since, Relaxed);
        self.end();
    }

    /// Whether no reply has come for so long that the connection is to be replaced. It may be cut without notice, or the
    /// server may be busy with a command whose caller has given up.
    pub(in crate::transport::tcp) fn is_hung(&self) -> bool {
        let since = self.silent_since.load(Relaxed);
        since != ANSWERED
            && self.due.load(Relaxed) > 0
            && self.now().saturating_sub(since) >= self.hung_after.as_micros() as u64
    }

    /// Reports that replies came.
    pub(super) fn replied(&self) {
        self.last_reply.store(self.now(), Relaxed);
        self.silent_since.store(ANSWERED, Relaxed);
    }

    /// Reports how many replies are due.
    pub(super) fn set_due(&self, due: u64) {
        self.due.store(due, Relaxed);
    }

    /// Whether replies go on although all callers have given up long ago.
    pub(super) fn is_unwanted(&self) -> bool {
        self.waiting.load(Relaxed) == 0 && self.is_hung()
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
