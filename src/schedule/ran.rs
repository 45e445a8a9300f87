//! The slots that one call has run.

use std::sync::Arc;
use std::time::SystemTime;

use crate::{BoxError, Error, Result};

/// A slot that [`Scheduler::run_due`](super::Scheduler::run_due) or [`Scheduler::trigger`](super::Scheduler::trigger) has run.
#[derive(Debug)]
#[non_exhaustive]
pub struct Ran {
    /// The name of the schedule.
    pub schedule: Arc<str>,
    /// The time that the slot was for.
    pub planned: SystemTime,
    /// The result of the handler.
    pub result: Result<(), BoxError>,
}

/// Redis failed for some schedules, before or after some of their slots were run. `?` turns its first error into an [`Error`] of the crate.
///
/// ```
/// use edgecask::Client;
/// use edgecask::schedule::{DueError, Schedule, Scheduler};
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
/// # runtime.block_on(async {
/// let scheduler = Scheduler::builder(Client::memory())
///     .schedule(Schedule::every("cleanup", std::time::Duration::from_secs(300))?, |_| async { Ok(()) })
///     .build()?;
/// let ran = match scheduler.run_due().await {
///     Ok(ran) => ran,
///     Err(DueError { ran, failed, .. }) => {
///         for (schedule, error) in failed {
///             eprintln!("{schedule}: {error}");
///         }
///         ran
///     }
/// };
/// assert!(ran.is_empty(), "the first look begins the schedule");
/// # Ok::<(), edgecask::Error>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, thiserror::Error)]
#[error("schedules that could not be asked for: {}", failed.len())]
#[non_exhaustive]
pub struct DueError {
    /// The slots that were run nevertheless, of these schedules and of others.
    pub ran: Vec<Ran>,
    /// The schedules, at least one, and the error of Redis that each met.
    pub failed: Vec<(Arc<str>, Error)>,
}

impl From<DueError> for Error {
    fn from(error: DueError) -> Self {
        let what = error.to_string();
        let mut failed = error.failed.into_iter();
        failed
            .next()
            .map_or_else(|| Self::new(crate::ErrorKind::Protocol, what), |(_, first)| first)
    }
}
