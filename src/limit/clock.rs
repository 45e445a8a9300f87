//! Which clock decides, and in which window the server is.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use crate::platform::{self, Instant};

type Now = Arc<dyn Fn() -> u64 + Send + Sync>;

/// The clock by which calls are counted.
#[derive(Clone, Default)]
pub struct Clock(Source);

#[derive(Clone, Default)]
enum Source {
    #[default]
    Server,
    Process,
    Custom(Now),
}

impl Clock {
    /// The server's clock, which is read inside the script (TIME). All clients decide alike, however wrong their own clocks
    /// are. This is the default.
    pub fn server() -> Self {
        Self(Source::Server)
    }

    /// The wall clock of this process, by which `@upstash/ratelimit` counts. A limiter of concurrency does not take it: a
    /// process whose clock is ahead would end the leases of others.
    pub fn process() -> Self {
        Self(Source::Process)
    }

    pub(super) fn is_process(&self) -> bool {
        matches!(self.0, Source::Process)
    }

    /// A clock of the caller's, in milliseconds since the Unix epoch. For tests, and for hosts with a clock of their own.
    /// Where it limits concurrency, all callers need the same time: one that is ahead ends the leases of others.
    pub fn custom(now: impl Fn() -> u64 + Send + Sync + 'static) -> Self {
        Self(Source::Custom(Arc::new(now)))
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Source::Server => "Server",
            Source::Process => "Process",
            Source::Custom(_) => "Custom",
        })
    }
}

/// A [`Clock`], and what is known of the server's.
///
/// A key has the number of its window, and a script must be told its keys, so a client has to know the server's window before
/// it asks. Each reply tells the server's time. Until the first one, it is taken for this process's.
#[derive(Debug)]
pub(super) struct Time {
    clock: Clock,
    /// The server's time in microseconds when it ran a script, and when that script was sent.
    learned: Mutex<Option<(u64, Instant)>>,
}

impl Time {
    pub(super) fn new(clock: Clock) -> Self {
        Self { clock, learned: Mutex::default() }
    }

    pub(super) fn is_server(&self) -> bool {
        matches!(self.clock.0, Source::Server)
    }

    /// The time in microseconds at which a script that is sent now will run.
    pub(super) fn now(&self) -> u64 {
        match &self.clock.0 {
            Source::Server => match *self.learned() {
                Some((then, sent)) => then.saturating_add(sent.elapsed().as_micros() as u64),
                None => platform::unix_micros(),
            },
            Source::Process => platform::unix_micros(),
            Source::Custom(now) => now().saturating_mul(1000),
        }
    }

    /// Whether the server's time is needed and no reply has told it yet.
    pub(super) fn is_unknown(&self) -> bool {
        self.is_server() && self.learned().is_none()
    }

    pub(super) fn learn(&self, server: u64, sent: Instant) {
        *self.learned() = Some((server, sent));
    }

    fn learned(&self) -> std::sync::MutexGuard<'_, Option<(u64, Instant)>> {
        self.learned.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
