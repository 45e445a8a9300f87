//! How long a miss waits for the value that another process is loading, and how often it looks.

use std::time::Duration;

use crate::platform;

const FIRST: Duration = Duration::from_millis(60);
const LONGEST: Duration = Duration::from_secs(1);
const GROWTH: u32 = 3;

/// A wait for the value that another process is loading. The pauses grow, so that waiting costs few requests. They end when
/// the lease does.
pub(super) struct LeaseWait {
    pause: Duration,
    /// After this time the caller takes the lease over. `None`: it waits until the lease is free.
    lease_wait: Option<Duration>,
    /// After this time the caller gives up.
    limit: Option<Duration>,
}

/// What is to be done next.
pub(super) enum Next {
    Look,
    /// The cache's limit for waiting has passed: the caller takes the lease over.
    TakeOver,
    /// The caller's own limit has passed.
    GiveUp(Duration),
}

impl LeaseWait {
    pub(super) fn new(lease_wait: Option<Duration>, limit: Option<Duration>) -> Self {
        Self { pause: FIRST, lease_wait, limit }
    }

    /// Whether the cache does not wait at all.
    pub(super) fn is_none(&self) -> bool {
        self.lease_wait.is_some_and(|wait| wait.is_zero())
    }

    /// Waits for the next look. `waited` is how long the caller has waited so far; `left` is how long the lease still lasts.
    pub(super) async fn next(&mut self, waited: Duration, left: Option<Duration>) -> Next {
        if let Some(limit) = self.limit.filter(|limit| waited >= *limit) {
            return Next::GiveUp(limit);
        }
        if self.lease_wait.is_some_and(|wait| waited >= wait) {
            return Next::TakeOver;
        }
        let most = self.limit.into_iter().chain(self.lease_wait).min();
        let most = most.map_or(Duration::MAX, |most| most - waited);
        let jitter = 0.75 + platform::random_fraction() / 2.0;
        // All waiters see the same end of the lease. Jitter keeps them from asking at the same moment.
        let end = left.map_or(most, |left| left + FIRST.mul_f64(platform::random_fraction()));
        platform::sleep(self.pause.mul_f64(jitter).min(most).min(end)).await;
        self.pause = (self.pause * GROWTH).min(LONGEST);
        Next::Look
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many looks a wait takes, and how it ends. A lease never has more than 5 seconds left.
    async fn wait(lease_wait: Option<Duration>, limit: Option<Duration>) -> (Vec<Duration>, Next) {
        let start = tokio::time::Instant::now();
        let (mut waiting, mut looks) = (LeaseWait::new(lease_wait, limit), Vec::new());
        loop {
            match waiting.next(start.elapsed(), Some(Duration::from_secs(5))).await {
                Next::Look if looks.len() < 1000 => looks.push(start.elapsed()),
                next => return (looks, next),
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_holder_is_waited_for_until_the_callers_limit() {
        let (looks, end) = wait(None, Some(Duration::from_secs(30))).await;
        assert!(matches!(end, Next::GiveUp(_)));
        assert!(looks[1] >= Duration::from_millis(175), "{looks:?}");
        // From the fourth one on, one a second.
        assert!((25..=43).contains(&looks.len()), "{}", looks.len());
        let (looks, end) = wait(None, None).await;
        assert!(matches!(end, Next::Look) && looks.len() == 1000, "{} looks", looks.len());
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_that_was_set_ends_with_a_load() {
        let half_a_second = Duration::from_millis(500);
        let (looks, end) = wait(Some(half_a_second), Some(Duration::from_secs(30))).await;
        assert!(matches!(end, Next::TakeOver));
        assert!(
            looks.iter().all(|look| *look <= half_a_second + Duration::from_millis(2)),
            "{looks:?}"
        );
        assert!(LeaseWait::new(Some(Duration::ZERO), None).is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_look_follows_the_end_of_the_lease() {
        let start = tokio::time::Instant::now();
        let mut waiting = LeaseWait::new(None, None);
        for _ in 0..4 {
            waiting.next(start.elapsed(), None).await;
        }
        let before = start.elapsed();
        waiting.next(before, Some(Duration::from_millis(100))).await;
        let waited = start.elapsed() - before;
        let range = Duration::from_millis(100)..=Duration::from_millis(162);
        assert!(range.contains(&waited), "{waited:?}");
    }
}
