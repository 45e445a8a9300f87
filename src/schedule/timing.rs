//! The planned times of a schedule, in milliseconds since the Unix epoch.

use std::collections::VecDeque;

#[cfg(feature = "cron")]
use super::cron::CronTimes;

/// How many slots of an outage are listed one by one: the most that are caught up.
pub(super) const LISTED: usize = 1000;

/// How many slots of an outage are counted one by one.
#[cfg(feature = "cron")]
const COUNTED: u64 = 5000;

/// How the planned times of a schedule are determined.
#[derive(Debug, Clone)]
pub(super) enum Timing {
    /// At each multiple of this number of milliseconds since the epoch.
    Every(u64),
    Once(u64),
    #[cfg(feature = "cron")]
    Cron(CronTimes),
    /// By triggers from outside.
    Triggered,
}

/// The slots that have become due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Due {
    pub(super) first: u64,
    /// The latest of them in order, at least one. One more than [`LISTED`], so that the last slot before those is known.
    pub(super) latest: VecDeque<u64>,
    /// How many they are, unless they are too many to be counted.
    pub(super) count: Option<u64>,
}

impl Timing {
    /// The first slot after a time.
    pub(super) fn next_after(&self, after: u64) -> Option<u64> {
        match self {
            Self::Every(millis) => (after / millis).checked_add(1)?.checked_mul(*millis),
            Self::Once(at) => Some(*at).filter(|at| *at > after),
            #[cfg(feature = "cron")]
            Self::Cron(times) => times.next_after(after),
            Self::Triggered => None,
        }
    }

    /// The slots after a time, up to another one and with it.
    pub(super) fn due(&self, after: u64, until: u64) -> Option<Due> {
        let first = self.next_after(after).filter(|slot| *slot <= until)?;
        match self {
            Self::Every(millis) => {
                let last = until / millis * millis;
                let count = (last - first) / millis + 1;
                let listed = count.min(LISTED as u64 + 1);
                let latest = (0..listed).rev().map(|back| last - back * millis).collect();
                Some(Due { first, latest, count: Some(count) })
            }
            #[cfg(feature = "cron")]
            Self::Cron(times) => Some(counted(times, first, until)),
            Self::Once(_) | Self::Triggered => {
                Some(Due { first, latest: VecDeque::from([first]), count: Some(1) })
            }
        }
    }
}

/// Counts the slots of an expression. After too many, only those of the last hour are listed, and none is counted.
#[cfg(feature = "cron")]
fn counted(times: &CronTimes, first: u64, until: u64) -> Due {
    const HOUR: u64 = 3_600_000;
    let next = |slot: &u64| times.next_after(*slot).filter(|slot| *slot <= until);
    let list = |first: Option<u64>| {
        let (mut latest, mut count) = (VecDeque::new(), 0);
        for slot in std::iter::successors(first, next).take(COUNTED as usize + 1) {
            latest.push_back(slot);
            count += 1;
            if latest.len() > LISTED + 1 {
                latest.pop_front();
            }
        }
        (latest, count)
    };
    let (latest, count) = list(Some(first));
    if count <= COUNTED {
        return Due { first, latest, count: Some(count) };
    }
    let (mut recent, _) = list(next(&until.saturating_sub(HOUR).max(first)));
    if recent.is_empty() {
        recent.extend(times.latest_until(until).filter(|slot| *slot > first));
    }
    Due { first, latest: if recent.is_empty() { latest } else { recent }, count: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_has_its_slots_at_multiples() {
        let every = Timing::Every(60_000);
        assert_eq!(every.next_after(0), Some(60_000));
        assert_eq!(every.next_after(59_999), Some(60_000));
        assert_eq!(every.next_after(60_000), Some(120_000));
        assert_eq!(every.next_after(u64::MAX), None);
        assert_eq!(every.due(60_000, 119_999), None);
        let due = every.due(60_000, 240_001).unwrap();
        assert_eq!((due.first, due.count), (120_000, Some(3)));
        assert_eq!(due.latest, [120_000, 180_000, 240_000]);
        let long = Timing::Every(1).due(0, u64::MAX).unwrap();
        assert_eq!((long.latest.len(), long.count), (LISTED + 1, Some(u64::MAX)));
    }

    #[test]
    fn a_single_slot_is_due_once() {
        let once = Timing::Once(5);
        assert_eq!((once.next_after(4), once.next_after(5)), (Some(5), None));
        assert_eq!(once.due(0, 4), None);
        assert_eq!(once.due(0, 9).unwrap().latest, [5]);
        assert_eq!(Timing::Triggered.due(0, u64::MAX), None);
    }
}
