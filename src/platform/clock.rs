//! A clock for expiry checks, which is fast enough for every cache hit.

use std::time::Duration;

#[cfg(not(any(target_os = "linux", target_os = "android")))]
use self::exact as host;
#[cfg(any(target_os = "linux", target_os = "android"))]
use self::linux as host;

/// A point in time at which something expires, by the monotonic clock.
///
/// It is exact on every host. On Linux a check costs a fifth of [`Instant::now`](super::Instant::now): it reads the
/// kernel's coarse clock, unless the expiry is closer than that clock may lag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Expiry(host::Moment);

impl Expiry {
    /// Expires after this duration. `None` if that is beyond the range of the clock.
    pub(crate) fn after(duration: Duration) -> Option<Self> {
        host::later(host::now(), duration).map(Self)
    }

    /// Whether it has expired.
    #[inline]
    pub(crate) fn has_passed(self) -> bool {
        !host::is_far(self.0) && self.0 <= host::now()
    }

    /// How long ago it expired.
    pub(crate) fn passed_for(self) -> Duration {
        host::between(self.0, host::now())
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
mod linux {
    use std::time::Duration;

    use rustix::time::{ClockId, clock_gettime};

    /// Nanoseconds.
    pub(super) type Moment = u64;

    /// How far the coarse clock may lag. It is as old as the kernel's last tick; there are at least 100 ticks a second, and
    /// a busy host of virtual machines may delay them.
    const BEHIND: Moment = 100_000_000;

    #[inline]
    fn read(clock: ClockId) -> Moment {
        let time = clock_gettime(clock);
        (time.tv_sec as Moment).wrapping_mul(1_000_000_000).wrapping_add(time.tv_nsec as Moment)
    }

    pub(super) fn now() -> Moment {
        read(ClockId::Monotonic)
    }

    #[inline]
    pub(super) fn is_far(moment: Moment) -> bool {
        moment > read(ClockId::MonotonicCoarse).saturating_add(BEHIND)
    }

    pub(super) fn later(moment: Moment, duration: Duration) -> Option<Moment> {
        moment.checked_add(duration.as_nanos().try_into().ok()?)
    }

    pub(super) fn between(earlier: Moment, later: Moment) -> Duration {
        Duration::from_nanos(later.saturating_sub(earlier))
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
mod exact {
    use std::time::Duration;

    pub(super) type Moment = web_time::Instant;

    pub(super) fn now() -> Moment {
        Moment::now()
    }

    pub(super) fn is_far(_: Moment) -> bool {
        false
    }

    pub(super) fn later(moment: Moment, duration: Duration) -> Option<Moment> {
        moment.checked_add(duration)
    }

    pub(super) fn between(earlier: Moment, later: Moment) -> Duration {
        later.saturating_duration_since(earlier)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn a_time_is_over_when_it_is_over() {
        for millis in [0, 1, 99, 101, 150] {
            let time = Duration::from_millis(millis);
            let before = Instant::now();
            let expiry = Expiry::after(time).unwrap();
            let after = Instant::now();
            while after.elapsed() < time {
                // Read before the clock that it is compared with.
                let passed = expiry.has_passed();
                assert!(!passed || before.elapsed() >= time, "{millis} ms");
            }
            assert!(expiry.has_passed(), "{millis} ms");
        }
        assert!(!Expiry::after(Duration::from_secs(3600)).unwrap().has_passed());
        assert_eq!(Expiry::after(Duration::MAX), None);
    }
}
