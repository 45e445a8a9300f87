//! What to do with slots that no process started in time.

use std::time::Duration;

use super::timing::{Due, LISTED, Timing};

/// What to do with slots that no process started in time, because none ran or Redis was away. Each slot that is not started
/// is recorded with its reason; see [`Scheduler::records`](super::Scheduler::records).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Missed {
    /// Starts the latest one, however late it is, and records the earlier ones. The default.
    #[default]
    RunOnce,
    /// Starts the latest one if it is not later than `grace`, and records all others.
    Skip {
        /// How late a slot may be started, by the server's clock when a process claims it.
        grace: Duration,
    },
    /// Starts the latest `most` ones one after the other, the oldest first, each when the one before has ended unless
    /// they may [overlap](super::Schedule::overlap). Records the earlier ones.
    CatchUp {
        /// How many are started at most, up to 1000.
        most: usize,
    },
}

/// Slots that are not started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Gap {
    pub(super) from: u64,
    pub(super) to: u64,
    /// `None`: too many to be counted.
    pub(super) count: Option<u64>,
}

/// What to do now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Plan {
    /// No slot is due. The next one, if there is one.
    Wait(Option<u64>),
    /// Claim this slot, and record those before it as missed. The claim decides whether it is too late.
    Decide { slot: u64, missed: Option<Gap> },
}

impl Missed {
    pub(super) fn plan(self, timing: &Timing, last: u64, now: u64) -> Plan {
        let Some(due) = timing.due(last, now) else { return Plan::Wait(timing.next_after(now)) };
        let listed = due.latest.len();
        let at = match self {
            Self::RunOnce | Self::Skip { .. } => listed - 1,
            Self::CatchUp { most } => listed - most.clamp(1, LISTED).min(listed),
        };
        Plan::Decide { slot: due.latest[at], missed: gap(&due, at) }
    }
}

/// The slots before one of the listed ones.
fn gap(due: &Due, at: usize) -> Option<Gap> {
    if due.first == due.latest[at] {
        return None;
    }
    let later = (due.latest.len() - at) as u64;
    let count = due.count.map(|count| count - later);
    // Where slots are not counted, the one before the first listed slot is not known: the gap ends right before it.
    let to = if at > 0 { due.latest[at - 1] } else { due.latest[0] - 1 };
    Some(Gap { from: due.first, to, count })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTES: Timing = Timing::Every(60_000);

    fn decide(slot: u64, missed: Option<(u64, u64, u64)>) -> Plan {
        let missed = missed.map(|(from, to, count)| Gap { from, to, count: Some(count) });
        Plan::Decide { slot, missed }
    }

    #[test]
    fn a_slot_in_time_is_started_by_every_policy() {
        let grace = Duration::from_secs(1);
        for policy in [Missed::RunOnce, Missed::Skip { grace }, Missed::CatchUp { most: 3 }] {
            assert_eq!(policy.plan(&MINUTES, 60_000, 119_999), Plan::Wait(Some(120_000)));
            assert_eq!(policy.plan(&MINUTES, 60_000, 120_001), decide(120_000, None));
        }
        assert_eq!(Missed::RunOnce.plan(&Timing::Once(5), 6, 9), Plan::Wait(None));
    }

    #[test]
    fn missed_slots_are_decided_by_the_policy() {
        let plan = |policy: Missed| policy.plan(&MINUTES, 60_000, 305_000);
        assert_eq!(plan(Missed::RunOnce), decide(300_000, Some((120_000, 240_000, 3))));
        let skip = plan(Missed::Skip { grace: Duration::from_secs(4) });
        assert_eq!(skip, decide(300_000, Some((120_000, 240_000, 3))));
        let catch_up = |most| plan(Missed::CatchUp { most });
        assert_eq!(catch_up(9), decide(120_000, None));
        assert_eq!(catch_up(2), decide(240_000, Some((120_000, 180_000, 2))));
        assert_eq!(catch_up(0), decide(300_000, Some((120_000, 240_000, 3))));
    }

    #[test]
    fn a_gap_longer_than_the_list_is_counted() {
        let plan = Missed::CatchUp { most: usize::MAX }.plan(&Timing::Every(1), 0, 5000);
        assert_eq!(plan, decide(4001, Some((1, 4000, 4000))));
    }
}
