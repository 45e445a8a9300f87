//! Starts the slots of schedules.

use std::fmt;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures_util::FutureExt;
use futures_util::future::{Either, join_all, poll_immediate, select};
use futures_util::stream::{FuturesUnordered, StreamExt};

use super::declaration::{Schedule, to_millis, to_time};
use super::job::{BUSY, Handler, Job, Step};
use super::ran::{DueError, Ran};
use super::record::Record;
use super::run::Run;
use super::state::State;
use crate::client::Client;
use crate::platform::{self, BoxFuture, Local, MaybeSend, MaybeSync};
use crate::{BoxError, Error, ErrorKind, Result};

/// The longest pause after an error of Redis.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// A process sleeps no longer than this at once. Then it asks for the server's clock again.
const LONGEST_SLEEP: Duration = Duration::from_secs(3600);

/// Starts the slots of schedules: each slot in one process of all that have the same schedules. Clones share what they know.
///
/// ```
/// use std::time::Duration;
///
/// use edgecask::Client;
/// use edgecask::schedule::{Schedule, Scheduler};
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
/// # runtime.block_on(async {
/// let scheduler = Scheduler::builder(Client::memory())
///     .schedule(Schedule::every("tick", Duration::from_secs(1))?, |run| async move {
///         println!("{:?}", run.planned());
///         Ok(())
///     })
///     .build()?;
/// let three_seconds = tokio::time::sleep(Duration::from_secs(3));
/// # let three_seconds = std::future::ready(());
/// scheduler.run_until(three_seconds).await;
/// # Ok::<(), edgecask::Error>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Scheduler {
    jobs: Arc<[Job]>,
}

/// Makes a [`Scheduler`].
pub struct SchedulerBuilder {
    client: Client,
    jobs: Vec<(Schedule, Handler)>,
}

impl SchedulerBuilder {
    /// Adds a schedule and its handler. A handler that returns an error or panics is logged as a warning, and recorded.
    #[must_use]
    pub fn schedule<F>(
        mut self,
        schedule: Schedule,
        handler: impl Fn(Run) -> F + MaybeSend + MaybeSync + 'static,
    ) -> Self
    where
        F: Future<Output = Result<(), BoxError>> + MaybeSend + 'static,
    {
        let handler = move |run: Run| -> BoxFuture<'static, _> {
            let work = handler(run);
            platform::send(|| work)
        };
        self.jobs.push((schedule, Local::new(Arc::new(handler))));
        self
    }

    /// The scheduler. No command is sent.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] if two schedules have one name, or a name is too long for a key.
    pub fn build(self) -> Result<Scheduler> {
        let mut jobs: Vec<Job> = Vec::with_capacity(self.jobs.len());
        for (schedule, handler) in self.jobs {
            if jobs.iter().any(|job| job.schedule.name == schedule.name) {
                let why = format!("two schedules are named {}", schedule.name.escape_debug());
                return Err(Error::new(ErrorKind::InvalidInput, why));
            }
            let state = State::new(&self.client, &schedule)?;
            jobs.push(Job::new(schedule, state, handler)?);
        }
        Ok(Scheduler { jobs: jobs.into() })
    }
}

impl Scheduler {
    /// Begins a scheduler over this client.
    pub fn builder(client: Client) -> SchedulerBuilder {
        SchedulerBuilder { client, jobs: Vec::new() }
    }

    /// Starts slots when they are due, for as long as the future is polled, or until no schedule has a further slot. If Redis is
    /// away, it tries again after pauses of 1 to 30 seconds. Dropping the future drops the runs where they stand; their slots are
    /// recorded as abandoned when their leases have ended. All runs of a scheduler share the task that polls the future: a handler
    /// that blocks it keeps the others from renewing their leases.
    ///
    /// **Cost.** One command for each schedule at first. For each slot, one command of every process, and one more of the process
    /// that runs it; and one for each third of the lease while it runs. Between slots, one for each schedule and hour.
    pub async fn run(&self) {
        self.run_until(std::future::pending()).await;
    }

    /// As [`run`](Self::run), until `stop` is ready. Then no further slot is started, and it waits for the runs that are under
    /// way.
    pub async fn run_until(&self, stop: impl Future<Output = ()> + MaybeSend) {
        let stop = platform::send(|| stop).shared();
        join_all(self.jobs.iter().map(|job| keep(job, stop.clone()))).await;
    }

    /// Runs every slot that is due now and that no other process has started, and returns when all have ended. It is for
    /// programs that something else calls from time to time: a Worker's cron trigger, a serverless function.
    ///
    /// **Cost.** One command for each schedule. For each slot that is due one more, and one for the end of its run.
    ///
    /// # Errors
    /// [`DueError`] if Redis failed for a schedule. It has the slots of this and of other schedules that were run.
    pub async fn run_due(&self) -> Result<Vec<Ran>, DueError> {
        let all = join_all(self.jobs.iter().map(|job| async move {
            let mut ran = Vec::new();
            let error = run_due(job, &mut ran).await.err();
            (ran, error.map(|error| (Arc::clone(&job.schedule.name), error)))
        }));
        let (mut ran, mut failed) = (Vec::new(), Vec::new());
        for (of_job, error) in all.await {
            ran.extend(of_job);
            failed.extend(error);
        }
        if failed.is_empty() { Ok(ran) } else { Err(DueError { ran, failed }) }
    }

    /// Runs the slot of a trigger from outside, unless it was started before: `None` if this slot or a later one was. The
    /// trigger's own time identifies the slot, such as `scheduledTime` of a Worker's cron event; a trigger that fires twice runs
    /// once. If the slot is up to a minute early by the server's clock, the call waits for it.
    ///
    /// The first trigger that a Redis sees is not run, but [begins](super::Reason::Begun) the schedule, unless
    /// [`Schedule::since`] says otherwise.
    ///
    /// **Cost.** Two commands, and one for the end of the run.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] if there is no such schedule, it has slots of its own, or the slot is more than a minute early;
    /// and an error of Redis.
    pub async fn trigger(&self, name: &str, planned: SystemTime) -> Result<Option<Ran>> {
        let job = self.job(name)?;
        if !job.is_triggered() {
            let why =
                "this schedule has slots of its own: only Schedule::triggered takes a trigger";
            return Err(Error::new(ErrorKind::InvalidInput, why));
        }
        Ok(match job.claim_triggered(to_millis(planned)?).await? {
            Some(started) => Some(finished(job, started).await),
            None => None,
        })
    }

    /// The newest records of a schedule, the newest first: slots that were not started, and runs that did not end well. Redis
    /// keeps the last 1000. One command.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] if there is no such schedule, and an error of Redis.
    pub async fn records(&self, name: &str, count: usize) -> Result<Vec<Record>> {
        self.job(name)?.state.records(count).await
    }

    /// Deletes what Redis and this scheduler know of a schedule, its records too. A run that is under way is lost. The schedule
    /// begins again as if Redis had not seen it: with [`Schedule::since`] its slots start again, those excepted that another
    /// process remembers. One command.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] if there is no such schedule, and an error of Redis.
    pub async fn forget(&self, name: &str) -> Result<()> {
        self.job(name)?.forget().await
    }

    fn job(&self, name: &str) -> Result<&Job> {
        self.jobs.iter().find(|job| &*job.schedule.name == name).ok_or_else(|| Job::unknown(name))
    }
}

impl fmt::Debug for Scheduler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.jobs.iter().map(|job| &job.schedule.name);
        f.debug_list().entries(names).finish()
    }
}

impl fmt::Debug for SchedulerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.jobs.iter().map(|(schedule, _)| &schedule.name);
        f.debug_list().entries(names).finish()
    }
}

/// Runs what is due of one schedule.
async fn run_due(job: &Job, ran: &mut Vec<Ran>) -> Result<()> {
    // Slots that become due while runs go on are left to the next call.
    let now = job.refresh().await?;
    while let Step::Start(started) = job.step_until(now).await? {
        ran.push(finished(job, started).await);
    }
    Ok(())
}

async fn finished(job: &Job, started: super::job::Started) -> Ran {
    let (schedule, planned) = (Arc::clone(&job.schedule.name), to_time(started.slot()));
    Ran { schedule, planned, result: job.execute(started).await }
}

/// Starts the slots of one schedule until there is no further one, or until `stop`.
async fn keep(job: &Job, stop: impl Future<Output = ()> + Clone) {
    let mut runs = FuturesUnordered::new();
    let mut stopped = pin!(stop);
    let mut pause = Duration::from_secs(1);
    loop {
        if poll_immediate(stopped.as_mut()).await.is_some() {
            break;
        }
        let (step, stops) = {
            let step = pin!(platform::beside(job.step(), &mut runs));
            match select(stopped.as_mut(), step).await {
                // A claim may be under way: its slot would be lost.
                Either::Left((_, step)) => (step.await, true),
                Either::Right((step, _)) => (step, false),
            }
        };
        if stops {
            if let Ok(Step::Start(started)) = step {
                runs.push(job.execute(started));
            }
            break;
        }
        let wait = match step {
            Ok(Step::Start(started)) => {
                // The outcome is recorded and logged.
                runs.push(job.execute(started));
                continue;
            }
            Ok(Step::Over) => break,
            Ok(Step::Busy) => {
                // The run of the earlier slot may be one of this process.
                let earlier = async {
                    if runs.next().await.is_none() {
                        std::future::pending::<()>().await;
                    }
                };
                let earlier = pin!(earlier);
                let wait = select(earlier, platform::sleep(BUSY));
                match select(stopped.as_mut(), wait).await {
                    Either::Left(_) => break,
                    Either::Right(_) => continue,
                }
            }
            Ok(Step::Wait(time)) => {
                pause = Duration::from_secs(1);
                time.min(LONGEST_SLEEP)
            }
            Err(error) => {
                let name = &*job.schedule.name;
                tracing::warn!(schedule = name, %error, "the slots of a schedule cannot be started");
                let wait = error.retry_after().unwrap_or_default().clamp(pause, LONGEST_PAUSE);
                pause = (pause * 2).min(LONGEST_PAUSE);
                wait
            }
        };
        let sleep = pin!(platform::beside(platform::sleep(wait), &mut runs));
        if let Either::Left(_) = select(stopped.as_mut(), sleep).await {
            break;
        }
    }
    while runs.next().await.is_some() {}
}
