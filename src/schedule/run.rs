//! One run of a slot, as its handler sees it.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_lock::OnceCell;

use super::declaration::to_time;

/// One run of a slot, which no other process has.
///
/// ```
/// use std::time::Duration;
///
/// use edgecask::Client;
/// use edgecask::schedule::{Schedule, Scheduler};
///
/// # fn main() -> edgecask::Result<()> {
/// let scheduler = Scheduler::builder(Client::memory())
///     .schedule(Schedule::every("report", Duration::from_secs(3600))?, |run| async move {
///         // A store that refuses a smaller number than its last one is safe from a run that was given up.
///         println!("{} for {:?}, number {}", run.schedule(), run.planned(), run.fence());
///         Ok(())
///     })
///     .build()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Run {
    pub(super) schedule: Arc<str>,
    pub(super) slot: u64,
    pub(super) late: Duration,
    pub(super) lost: Arc<OnceCell<()>>,
}

impl Run {
    /// The name of the schedule.
    pub fn schedule(&self) -> &str {
        &self.schedule
    }

    /// The time that the slot is for, whenever it is started.
    pub fn planned(&self) -> SystemTime {
        to_time(self.slot)
    }

    /// The slot's number and fencing token: its planned time in milliseconds since the Unix epoch. A later slot of the schedule
    /// has a larger one, also after Redis has lost its data.
    pub fn fence(&self) -> u64 {
        self.slot
    }

    /// How long after its planned time it was started, by the server's clock.
    pub fn late(&self) -> Duration {
        self.late
    }

    /// Whether this process knows that it could not renew the lease in time. The slot is recorded as
    /// [`Reason::Abandoned`](super::Reason::Abandoned) then, and a later slot may be under way elsewhere.
    pub fn is_lost(&self) -> bool {
        self.lost.is_initialized()
    }

    /// Waits until [`is_lost`](Self::is_lost) is `true`.
    pub fn lost(&self) -> impl Future<Output = ()> + Send + use<> {
        let lost = Arc::clone(&self.lost);
        async move { *lost.wait().await }
    }
}

impl fmt::Debug for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Run")
            .field("schedule", &self.schedule)
            .field("slot", &self.slot)
            .field("late", &self.late)
            .field("is_lost", &self.is_lost())
            .finish()
    }
}
