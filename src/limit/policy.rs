//! The policies of a limiter: an algorithm, its numbers, and the calls that it counts.

use std::sync::Arc;
use std::time::Duration;

use super::calendar::Calendar;
use crate::{Error, ErrorKind, Result};

/// The most milliseconds of a window: 366 days.
const LONGEST_WINDOW: u64 = 366 * 86_400_000;

/// The largest limit that can be set, a billion.
pub(super) const LARGEST_LIMIT: u64 = 1_000_000_000;

/// How calls are counted. All windows are in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Algorithm {
    Fixed {
        window: u64,
        cached: bool,
    },
    Calendar(Calendar),
    Sliding {
        window: u64,
    },
    Bucket {
        interval: u64,
        refill: u64,
    },
    /// The default burst is the limit.
    Gcra {
        period: u64,
        burst: Option<u64>,
    },
    Lease {
        ttl: u64,
    },
}

impl Algorithm {
    /// The milliseconds of a window, an interval, a period or a lease.
    pub(super) fn window(self) -> u64 {
        match self {
            Self::Fixed { window, .. } | Self::Sliding { window } => window,
            Self::Calendar(unit) => unit.millis(),
            Self::Bucket { interval, .. } => interval,
            Self::Gcra { period, .. } => period,
            Self::Lease { ttl } => ttl,
        }
    }

    /// Whether its keys have the number of a window.
    pub(super) fn has_windows(self) -> bool {
        matches!(self, Self::Fixed { .. } | Self::Calendar(_) | Self::Sliding { .. })
    }

    fn name(self) -> &'static str {
        match self {
            Self::Fixed { cached: false, .. } => "fixed-window",
            Self::Fixed { cached: true, .. } => "cached-fixed-window",
            Self::Calendar(unit) => unit.name(),
            Self::Sliding { .. } => "sliding-window",
            Self::Bucket { .. } => "token-bucket",
            Self::Gcra { .. } => "gcra",
            Self::Lease { .. } => "concurrency",
        }
    }
}

/// The calls that a policy counts together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Subject {
    /// The calls of a request's identifier.
    Identifier,
    /// All calls.
    Shared(String),
    /// The calls with the same part of the request.
    Part(String),
}

/// The hash that has a policy's limits.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct HashLimits {
    pub(super) prefix: String,
    pub(super) limit: String,
    pub(super) burst: String,
}

/// A limit of a [`RateLimiter`](super::RateLimiter): an algorithm with its numbers, and whose calls it counts.
///
/// ```
/// use edgecask::limit::{Calendar, Policy};
/// use std::time::Duration;
///
/// // At most 10 calls in each 10 seconds, of each identifier.
/// let sliding = Policy::sliding_window(10, Duration::from_secs(10));
/// // 100 calls a minute on average, and at most 20 at once.
/// let gcra = Policy::gcra(100, Duration::from_secs(60)).burst(20).prefix("api");
/// // 5000 calls a minute of all identifiers together.
/// let all = Policy::calendar(Calendar::Minute, 5000).shared("global");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    pub(super) name: Arc<str>,
    pub(super) algorithm: Algorithm,
    pub(super) limit: u64,
    pub(super) prefix: Option<String>,
    pub(super) subject: Subject,
    pub(super) limits: Option<HashLimits>,
    pub(super) shadow: bool,
}

impl Policy {
    fn new(algorithm: Algorithm, limit: u64) -> Self {
        Self {
            name: algorithm.name().into(),
            algorithm,
            limit,
            prefix: None,
            subject: Subject::Identifier,
            limits: None,
            shadow: false,
        }
    }

    /// At most `limit` calls in each window. Windows begin at multiples of their length since the Unix epoch, so up to twice
    /// the limit may pass around the end of one. The key is `{prefix}:{identifier}:{number of the window}`, a count, as
    /// `Ratelimit.fixedWindow` of `@upstash/ratelimit` has it.
    pub fn fixed_window(limit: u64, window: Duration) -> Self {
        Self::new(Algorithm::Fixed { window: millis(window), cached: false }, limit)
    }

    /// As [`Policy::fixed_window`] on the same keys, but after the first call of an identifier in a window this process
    /// decides from memory, and counts in Redis in the background. Calls of other processes are seen late: each process may
    /// admit as many calls as the limit leaves when it last heard of Redis. Refunds and penalties wait for additions that are
    /// under way, and then count here at once. A limiter with this policy has no other, and does not look at the
    /// [identity](super::Request::id) of a request.
    pub fn cached_fixed_window(limit: u64, window: Duration) -> Self {
        Self::new(Algorithm::Fixed { window: millis(window), cached: true }, limit)
    }

    /// At most `limit` calls in this window and the weighted part of the one before. It assumes that the calls of the window
    /// before were spread evenly. The keys and the arithmetic are those of `Ratelimit.slidingWindow`.
    pub fn sliding_window(limit: u64, window: Duration) -> Self {
        Self::new(Algorithm::Sliding { window: millis(window) }, limit)
    }

    /// A bucket of `capacity` tokens, to which `refill` tokens are added after each `interval`. A call takes as many as it
    /// costs. The key is `{prefix}:{identifier}`, a hash of `refilledAt` and `tokens`, as `Ratelimit.tokenBucket` has it.
    pub fn token_bucket(refill: u64, interval: Duration, capacity: u64) -> Self {
        Self::new(Algorithm::Bucket { interval: millis(interval), refill }, capacity)
    }

    /// `limit` calls in each `period`, evenly: the generic cell rate algorithm, exact to the microsecond. After a pause, as
    /// many as [`burst`](Self::burst) pass at once; by default as many as the limit. The key is `{prefix}:{identifier}`, a
    /// string; the default prefix is `edgecask:gcra`.
    pub fn gcra(limit: u64, period: Duration) -> Self {
        Self::new(Algorithm::Gcra { period: millis(period), burst: None }, limit)
    }

    /// How many calls of a [`Policy::gcra`] pass at once after a pause. Other algorithms have no burst, and a limiter with such a
    /// policy is not built.
    #[must_use]
    pub fn burst(mut self, burst: u64) -> Self {
        match &mut self.algorithm {
            Algorithm::Gcra { burst: calls, .. } => *calls = Some(burst),
            // `check` reports it.
            _ => self.limits.get_or_insert_default().burst = "burst".to_owned(),
        }
        self
    }

    /// At most `limit` calls at the same time. Each holds a lease until its [`Permit`](super::Permit) is dropped; the lease of
    /// a process that died returns by itself after `ttl`. The key is `{prefix}:{identifier}`, a sorted set; the default prefix
    /// is `edgecask:concurrency`. Ask with
    /// [`RateLimiter::acquire`](super::RateLimiter::acquire).
    pub fn concurrency(limit: u64, ttl: Duration) -> Self {
        Self::new(Algorithm::Lease { ttl: millis(ttl) }, limit)
    }

    /// At most `limit` calls in each minute, hour or day of UTC. The keys have the calendar's digits, and the default prefix
    /// is `rate_limit`: `rate_limit:{identifier}:minute:202401151422`, a count with a time to live of 60 seconds from the last
    /// call.
    pub fn calendar(unit: Calendar, limit: u64) -> Self {
        Self::new(Algorithm::Calendar(unit), limit)
    }

    /// The name in decisions, logs and headers. The default is that of the algorithm, such as `sliding-window`, or of the
    /// calendar's unit, such as `minute`.
    #[must_use]
    pub fn named(mut self, name: &str) -> Self {
        self.name = name.into();
        self
    }

    /// The prefix of its keys, instead of the limiter's.
    #[must_use]
    pub fn prefix(mut self, prefix: &str) -> Self {
        self.prefix = Some(prefix.to_owned());
        self
    }

    /// Counts the calls of all identifiers together, under this name in the identifier's place. No identifier with this name
    /// reaches the count.
    #[must_use]
    pub fn shared(mut self, name: &str) -> Self {
        self.subject = Subject::Shared(name.to_owned());
        self
    }

    /// Counts by another part of the request, such as a provider: `{prefix}:provider:openai:…`. A request without this part
    /// ([`Request::part`](super::Request::part)) is not counted by the policy.
    #[must_use]
    pub fn per(mut self, part: &str) -> Self {
        self.subject = Subject::Part(part.to_owned());
        self
    }

    /// Reads the limit from the field of a hash, `{prefix}:{identifier}`, in the same round trip. The policy's own limit
    /// applies where there is no such field, or no whole number of at most 15 digits in it.
    ///
    /// ```
    /// use edgecask::limit::{Calendar, Policy};
    ///
    /// // HSET rate_limits:user_789 per_minute 60
    /// let minute = Policy::calendar(Calendar::Minute, 100).limit_from("rate_limits", "per_minute");
    /// ```
    #[must_use]
    pub fn limit_from(mut self, prefix: &str, field: &str) -> Self {
        let limits = self.limits.get_or_insert_default();
        (limits.prefix, limits.limit) = (prefix.to_owned(), field.to_owned());
        self
    }

    /// Reads the [burst](Self::burst) from the field of the same hash.
    #[must_use]
    pub fn burst_from(mut self, prefix: &str, field: &str) -> Self {
        let limits = self.limits.get_or_insert_default();
        (limits.prefix, limits.burst) = (prefix.to_owned(), field.to_owned());
        self
    }

    /// Shadow mode: the policy counts, and the decision says what it would have refused
    /// ([`Decision::shadow_refused`](super::Decision::shadow_refused)), but it refuses nothing.
    #[must_use]
    pub fn shadow(mut self, yes: bool) -> Self {
        self.shadow = yes;
        self
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The time in which its whole limit becomes available again, which is the window in headers. For a token bucket, the time
    /// from empty to full.
    pub fn window(&self) -> Duration {
        let window = self.algorithm.window();
        let times = |count: u64, of: u64| window.saturating_mul(count).div_ceil(of.max(1));
        Duration::from_millis(match self.algorithm {
            Algorithm::Bucket { refill, .. } => times(self.limit, refill),
            Algorithm::Gcra { burst, .. } => times(burst.unwrap_or(self.limit), self.limit),
            _ => window,
        })
    }

    /// # Errors
    /// What is wrong with its numbers or names.
    pub(super) fn check(&self) -> Result<()> {
        let name = &self.name;
        let wrong = |what: &str| {
            Err(Error::new(ErrorKind::Config, format!("the rate limit {name:?} {what}")))
        };
        let window = self.algorithm.window();
        if name.is_empty()
            || name.len() > 64
            || !name.bytes().all(|byte| matches!(byte, b' '..=b'~'))
        {
            return wrong("must have a name of 1 to 64 printable ASCII characters");
        }
        if window == 0 || window > LONGEST_WINDOW {
            return wrong("must have a window of 1 ms to 366 days");
        }
        if self.limit > LARGEST_LIMIT {
            return wrong("must have a limit of at most a billion");
        }
        let is_gcra = match self.algorithm {
            Algorithm::Bucket { refill, .. } if refill == 0 || refill > LARGEST_LIMIT => {
                return wrong("must refill 1 to a billion tokens");
            }
            Algorithm::Gcra { burst, period } => {
                let burst = burst.unwrap_or(self.limit);
                if burst == 0 || self.limit == 0 || burst > (1 << 53) / (period * 1000) {
                    return wrong(
                        "must have a limit and a burst above 0, and burst × period of at most 9e15 microseconds",
                    );
                }
                true
            }
            _ => false,
        };
        if self.limits.as_ref().is_some_and(|limits| !limits.burst.is_empty() && !is_gcra) {
            return wrong("must be a GCRA to have a burst");
        }
        let prefix = self.limits.as_ref().map(|limits| limits.prefix.as_str());
        let texts = [self.prefix.as_deref(), prefix];
        let subject = match &self.subject {
            Subject::Identifier => None,
            Subject::Shared(name) | Subject::Part(name) => Some(name.as_str()),
        };
        if texts.into_iter().chain([subject]).flatten().any(|text| !is_name(text)) {
            return wrong("must have prefixes and names of 1 to 256 bytes");
        }
        Ok(())
    }
}

/// Whether a text may be a prefix.
pub(super) fn is_name(text: &str) -> bool {
    (1..=256).contains(&text.len())
}

/// Whole milliseconds, rounded up.
fn millis(duration: Duration) -> u64 {
    duration.as_nanos().div_ceil(1_000_000).try_into().unwrap_or(u64::MAX)
}
