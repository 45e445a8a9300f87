//! How long, and how often, a miss looks for what somebody else is loading.

use std::time::Duration;

use super::CacheOptions;
use crate::platform::{self, Instant};

const FIRST: Duration = Duration::from_millis(60);
const LONGEST: Duration = Duration::from_secs(1);
const GROWTH: u32 = 3;
/// A lease ends this long after its time at the latest, as those see it who wait.
const LATE: Duration = Duration::from_secs(1);

/// A wait for the value that another process is loading: ever longer pauses, so that many who wait cost few requests, and
/// none beyond the end of the lease.
pub(super) struct Waiting {
    start: Instant,
    pause: Duration,
    patience: Duration,
    /// After how long the caller gives up.
    limit: Option<Duration>,
}

/// What is to be done next.
pub(super) enum Next {
    Look,
    /// Who holds the lease takes longer than this cache waits.
    TakeOver,
    /// The caller's own limit has passed.
    GiveUp(Duration),
}

impl Waiting {
    pub(super) fn new(options: &CacheOptions, limit: Option<Duration>) -> Self {
        let lease = options.lease.saturating_add(LATE);
        let patience = options.lease_wait.unwrap_or(lease);
        Self { start: Instant::now(), pause: FIRST, patience, limit }
    }

    /// Whether there is nothing to wait for.
    pub(super) fn is_none(&self) -> bool {
        self.patience.is_zero()
    }

    /// Waits for the next look; `left`: the lease ends then.
    pub(super) async fn next(&mut self, left: Option<Duration>) -> Next {
        let waited = self.start.elapsed();
        if let Some(limit) = self.limit.filter(|limit| waited >= *limit) {
            return Next::GiveUp(limit);
        }
        if waited >= self.patience {
            return Next::TakeOver;
        }
        let most = self.limit.map_or(self.patience, |limit| limit.min(self.patience)) - waited;
        let jitter = 0.75 + platform::random_fraction() / 2.0;
        // All who wait see the lease end at the same moment: they do not all ask at the same one.
        let end = left.map_or(most, |left| left + FIRST.mul_f64(platform::random_fraction()));
        platform::sleep(self.pause.mul_f64(jitter).min(most).min(end)).await;
        self.pause = (self.pause * GROWTH).min(LONGEST);
        Next::Look
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn half_a_second_costs_two_looks_and_a_lease_is_waited_for() {
        let options = CacheOptions::new();
        let start = tokio::time::Instant::now();
        let (mut waiting, mut looks) = (Waiting::new(&options, None), 0);
        while let Next::Look = waiting.next(None).await {
            looks += 1;
            if looks == 2 {
                assert!(start.elapsed() >= Duration::from_millis(175), "{:?}", start.elapsed());
            }
            // The wall clock of a wait stands still in this test.
            if looks == 20 {
                break;
            }
        }
        assert!(start.elapsed() > options.lease, "{:?}", start.elapsed());
    }
}
