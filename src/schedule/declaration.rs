//! The declaration of a schedule.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::missed::Missed;
use super::timing::Timing;
use crate::{Error, ErrorKind, Result};

/// The default of [`Schedule::lease`].
const LEASE: Duration = Duration::from_secs(30);

/// How many runs of a schedule that overlap may be under way.
pub(super) const RUNS: u32 = 100;

/// A job with planned times, each of which one process starts. Every process of a fleet declares the same schedules.
///
/// ```
/// use std::time::Duration;
///
/// use edgecask::schedule::{Missed, Schedule};
///
/// let cleanup = Schedule::every("cleanup", Duration::from_secs(300))?
///     .missed(Missed::Skip { grace: Duration::from_secs(60) });
/// # #[cfg(feature = "cron")]
/// let report = Schedule::cron("report", "0 3 * * MON-FRI")?.time_zone("Europe/Berlin")?;
/// # Ok::<(), edgecask::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Schedule {
    pub(super) name: Arc<str>,
    pub(super) timing: Timing,
    pub(super) missed: Missed,
    pub(super) overlap: bool,
    pub(super) lease: Duration,
    /// Milliseconds since the epoch.
    pub(super) since: Option<u64>,
}

impl Schedule {
    /// A slot at each multiple of `interval` since the Unix epoch, in UTC: one of 15 minutes has slots at :00, :15, :30 and :45.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] if the name is empty or the interval is under a second.
    pub fn every(name: impl Into<Arc<str>>, interval: Duration) -> Result<Self> {
        if interval < Duration::from_secs(1) {
            return Err(Error::new(ErrorKind::InvalidInput, "an interval is one second at least"));
        }
        Self::new(name.into(), Timing::Every(millis(interval)))
    }

    /// A slot at each time of a cron expression of five fields, six with seconds in front, or seven with a year at the end. `@daily`
    /// and its like, `L`, `W` and `#` are understood; see the crate [croner](https://docs.rs/croner). The time zone is UTC unless
    /// [`time_zone`](Self::time_zone) says otherwise.
    ///
    /// An expression with one hour and one minute has a slot on each of its days, also where a change of the clock leaves the time
    /// out (then at the first moment after the change) or repeats it (then at the first of the two). Lists, ranges and steps follow
    /// the local clock: a time that is left out has no slot, and one that is repeated has two.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] if the name is empty, the expression cannot be read, or no time fits it.
    #[cfg(feature = "cron")]
    pub fn cron(name: impl Into<Arc<str>>, expression: &str) -> Result<Self> {
        Self::new(name.into(), Timing::Cron(super::cron::CronTimes::parse(expression)?))
    }

    /// One slot. If its time has passed when Redis first sees the schedule, nothing happens.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] if the name is empty, or the time is before 1970.
    pub fn once(name: impl Into<Arc<str>>, at: SystemTime) -> Result<Self> {
        Self::new(name.into(), Timing::Once(to_millis(at)?))
    }

    /// A schedule without planned times: [`Scheduler::trigger`](super::Scheduler::trigger) names each slot, as in a Worker's cron trigger.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] if the name is empty.
    pub fn triggered(name: impl Into<Arc<str>>) -> Result<Self> {
        Self::new(name.into(), Timing::Triggered)
    }

    fn new(name: Arc<str>, timing: Timing) -> Result<Self> {
        if name.is_empty() {
            return Err(Error::new(ErrorKind::InvalidInput, "a schedule needs a name"));
        }
        let missed = Missed::default();
        Ok(Self { name, timing, missed, overlap: false, lease: LEASE, since: None })
    }

    /// The time zone of a cron expression, by its name in the IANA database. The database is part of the program.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] if there is no such time zone, or the schedule has no cron expression.
    #[cfg(feature = "cron")]
    pub fn time_zone(mut self, name: &str) -> Result<Self> {
        self.timing = match self.timing {
            Timing::Cron(times) => Timing::Cron(times.in_zone(name)?),
            _ => {
                return Err(Error::new(
                    ErrorKind::InvalidInput,
                    "only a schedule with a cron expression has a time zone",
                ));
            }
        };
        Ok(self)
    }

    /// What to do with slots that no process started in time. Default: [`Missed::RunOnce`].
    #[must_use]
    pub fn missed(mut self, missed: Missed) -> Self {
        self.missed = missed;
        self
    }

    /// Whether a slot is started while the run of an earlier one goes on, up to 100 runs in all processes. Default: `false`. A slot
    /// that is not started for this reason is recorded as [`Reason::Overlap`](super::Reason::Overlap); with
    /// [`Missed::CatchUp`] it waits.
    #[must_use]
    pub fn overlap(mut self, may: bool) -> Self {
        self.overlap = may;
        self
    }

    /// How long a run counts as under way after the last renewal by its process. It is renewed after each third of this time. Default:
    /// 30 seconds; at least 100 milliseconds, and it should be ten times as long as a round trip to Redis.
    #[must_use]
    pub fn lease(mut self, lease: Duration) -> Self {
        self.lease = lease.max(Duration::from_millis(100));
        self
    }

    /// The time from which slots count if Redis knows nothing of the schedule. Default: the moment when Redis first sees it, so that
    /// nothing is started twice even if Redis loses its data. With a time in the past, slots since then count as missed in that case,
    /// and may be started a second time: choose it where a slot that is started twice is better than none, as for a Worker that is
    /// first called when its slot is due.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] if the time is before 1970.
    pub fn since(mut self, time: SystemTime) -> Result<Self> {
        self.since = Some(to_millis(time)?);
        Ok(self)
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The first slot after a time, if there is one. No command is sent.
    ///
    /// ```
    /// use std::time::{Duration, UNIX_EPOCH};
    ///
    /// use edgecask::schedule::Schedule;
    ///
    /// let minutes = Schedule::every("minutes", Duration::from_secs(60))?;
    /// let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
    /// assert_eq!(minutes.next_after(at(90)), Some(at(120)));
    /// # Ok::<(), edgecask::Error>(())
    /// ```
    pub fn next_after(&self, time: SystemTime) -> Option<SystemTime> {
        let after = to_millis(time).ok()?;
        self.timing.next_after(after).map(to_time)
    }
}

pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Milliseconds since the epoch.
pub(super) fn to_millis(time: SystemTime) -> Result<u64> {
    let since = time
        .duration_since(UNIX_EPOCH)
        .map_err(|_| Error::new(ErrorKind::InvalidInput, "the time is before 1970"))?;
    Ok(millis(since))
}

pub(super) fn to_time(millis: u64) -> SystemTime {
    UNIX_EPOCH.checked_add(Duration::from_millis(millis)).unwrap_or(UNIX_EPOCH)
}
