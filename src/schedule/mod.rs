//! Schedules: jobs at planned times, each started by one process of many.
//!
//! A slot is one planned time of a schedule. It is started by one process at most, and once, by the server's clock: the clocks of
//! the processes do not matter. A slot that no process started, or whose run did not end, has a [record](Record) with the
//! reason. The guide's page on schedules says what holds in which failure.
//!
//! ```
//! use std::time::Duration;
//!
//! use edgecask::Client;
//! use edgecask::schedule::{Missed, Schedule, Scheduler};
//!
//! # fn main() -> edgecask::Result<()> {
//! let scheduler = Scheduler::builder(Client::memory())
//!     .schedule(Schedule::every("cleanup", Duration::from_secs(300))?, |_| async { Ok(()) })
//!     .build()?;
//! // scheduler.run().await on a long-running host, scheduler.run_due().await in a cron trigger.
//! # Ok(())
//! # }
//! ```
//!
//! | key | type | holds |
//! |---|---|---|
//! | `edgecask:schedule:{name}` | hash | `last`, the planned time of the slot that was decided last, in milliseconds since the epoch; `begun`, since when slots count; `run:{slot}` for each run under way, until when its lease lasts and its token |
//! | `edgecask:schedule-records:…` | stream | the last 1000 records: `reason`, `from`, `to`, `count` |
//!
//! Neither has a time to live.

#[cfg(feature = "cron")]
mod cron;
mod declaration;
mod job;
mod missed;
mod ran;
mod record;
mod run;
mod scheduler;
mod scripts;
mod state;
mod timing;

pub use declaration::Schedule;
pub use missed::Missed;
pub use ran::{DueError, Ran};
pub use record::{Reason, Record};
pub use run::Run;
pub use scheduler::{Scheduler, SchedulerBuilder};
pub(crate) use scripts::all as scripts;
