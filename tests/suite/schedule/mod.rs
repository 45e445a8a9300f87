//! Schedules: each slot is started once at most, and leaves a record if it is not, on every transport and through every fault.

mod bounds;
mod costs;
mod faults;
mod memory;
mod policies;
mod processes;
mod scripts;
mod slots;

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use edgecask::prelude::*;
use edgecask::schedule::{Reason, Record, Run, Schedule, Scheduler};
use edgecask::{BoxError, Client};

/// What was started, in order.
#[derive(Debug, Clone, Default)]
pub(super) struct Starts(Arc<Mutex<Vec<SystemTime>>>);

impl Starts {
    pub(super) fn note(&self, run: &Run) {
        self.0.lock().unwrap().push(run.planned());
    }

    pub(super) fn all(&self) -> Vec<SystemTime> {
        self.0.lock().unwrap().clone()
    }

    /// A scheduler whose runs are noted and end at once.
    pub(super) fn of(&self, client: Client, schedule: &Schedule) -> Scheduler {
        let starts = self.clone();
        let handler = move |run: Run| {
            starts.note(&run);
            async { Ok::<(), BoxError>(()) }
        };
        Scheduler::builder(client).schedule(schedule.clone(), handler).build().unwrap()
    }
}

/// As if this slot had been decided last.
pub(super) async fn decided(client: &Client, name: &str, last: SystemTime) {
    let millis = last.duration_since(UNIX_EPOCH).unwrap().as_millis() as u64;
    let _: u64 =
        client.hset(format!("edgecask:schedule:{name}"), [("last", millis)]).await.unwrap();
}

pub(super) fn ago(seconds: u64) -> SystemTime {
    SystemTime::now() - Duration::from_secs(seconds)
}

/// A period in seconds whose last slot was due at least 20 seconds ago, and whose next slot is at least a minute away: no
/// slot becomes due while a test runs.
pub(super) fn period() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    (120..).find(|period| (20..period - 60).contains(&(now % period))).unwrap()
}

/// A schedule of this period.
pub(super) fn every(name: &str, period: u64) -> Schedule {
    Schedule::every(name, Duration::from_secs(period)).unwrap()
}

/// The slots of a schedule between two times, without the first time and with the second one.
pub(super) fn slots(schedule: &Schedule, from: SystemTime, to: SystemTime) -> Vec<SystemTime> {
    std::iter::successors(schedule.next_after(from), |slot| schedule.next_after(*slot))
        .take_while(|slot| *slot <= to)
        .collect()
}

/// The records of one reason, the oldest first.
pub(super) async fn records(scheduler: &Scheduler, name: &str, reason: Reason) -> Vec<Record> {
    let mut records = scheduler.records(name, 1000).await.unwrap();
    records.retain(|record| record.reason == reason);
    records.reverse();
    records
}
