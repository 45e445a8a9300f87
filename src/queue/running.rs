//! The tasks of a worker: it renews their leases, and settles them.

use std::collections::HashMap;
use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::{Either, select};
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};

use super::delivery::cut;
use super::settling::Settling;
use super::state::{Held, How, Now, State};
use super::{Fatal, Holding, QueueError};
use crate::platform::{self, Instant};
use crate::{BoxError, Result};

/// The pauses between attempts to settle a task.
const PAUSES: [Duration; 3] =
    [Duration::from_millis(50), Duration::from_millis(500), Duration::from_secs(2)];
/// The most leases that one command renews.
const MOST: usize = 256;

/// The end of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Done,
    Retry,
    Dead,
    Lost,
}

/// The tasks of one run of a worker.
pub(super) struct Running {
    state: Arc<State>,
    tasks: Arc<Mutex<Tasks>>,
    settling: Arc<Settling>,
}

/// Tasks by their ids and the tokens of their pulls.
type Tasks = HashMap<(String, Arc<str>), Holding>;

fn locked(tasks: &Mutex<Tasks>) -> MutexGuard<'_, Tasks> {
    tasks.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Running {
    pub(super) fn new(state: &Arc<State>) -> Self {
        let settling = Arc::new(Settling::new(Arc::clone(state)));
        Self { state: Arc::clone(state), tasks: Arc::default(), settling }
    }

    /// Registers a task whose lease started at `since`.
    pub(super) fn place(&self, task: &Holding, since: Instant) -> Place {
        task.leased(since, self.state.options.lease);
        locked(&self.tasks).insert(task.name(), task.clone());
        let (tasks, settling) = (Arc::clone(&self.tasks), Arc::clone(&self.settling));
        Place { tasks, task: task.clone(), settling }
    }

    /// Renews the leases of all tasks, once in each third of a lease.
    pub(super) async fn keep_leases(&self) -> Infallible {
        let lease = self.state.options.lease;
        let mut pause = lease / 3;
        loop {
            platform::sleep(pause).await;
            let now = Instant::now();
            let held = self.held();
            pause = lease / 3;
            for held in held.chunks(MOST) {
                let arguments: Vec<Held<'_>> = held.iter().map(Holding::held).collect();
                // A renewal that does not return counts as one that failed.
                let renewal = platform::boxed(|| self.state.extend(lease, true, arguments));
                match platform::timeout(lease / 3, renewal).await {
                    Some(Ok(answers)) => {
                        for (task, is_held) in held.iter().zip(answers) {
                            if is_held {
                                task.leased(now, lease);
                            } else if task.outcome().is_none()
                                && locked(&self.tasks).contains_key(&task.name())
                            {
                                task.set_lost();
                            }
                        }
                    }
                    Some(Err(_)) | None => pause = lease / 10,
                }
            }
            self.held().iter().filter(|task| task.is_over()).for_each(Holding::set_lost);
        }
    }

    /// The tasks that their handlers have not settled.
    fn held(&self) -> Vec<Holding> {
        let tasks = locked(&self.tasks);
        tasks.values().filter(|task| task.outcome().is_none()).cloned().collect()
    }

    fn take_all(&self) -> Vec<Holding> {
        locked(&self.tasks).drain().map(|(_, task)| task).collect()
    }

    /// Releases the tasks that are left.
    pub(super) async fn release_all(&self) {
        self.release(self.take_all()).await;
    }

    /// Releases tasks that no handler has received.
    pub(super) async fn release(&self, tasks: Vec<Holding>) {
        release(&self.state, tasks).await;
    }
}

async fn release(state: &State, tasks: Vec<Holding>) {
    let settled =
        tasks.iter().map(|task| task.settled(How::Release, Duration::ZERO, String::new()));
    if let Err(error) = state.settle(settled.collect()).await {
        tracing::debug!(queue = state.keys.name, %error, "tasks were not released, their leases end");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let left = self.take_all();
        if !left.is_empty() {
            let state = Arc::clone(&self.state);
            let background = state.background.clone();
            background.spawn(platform::send(|| async move { release(&state, left).await }));
        }
    }
}

/// The entry of a task among the tasks of a worker. The task stays there until it has ended.
pub(super) struct Place {
    tasks: Arc<Mutex<Tasks>>,
    task: Holding,
    settling: Arc<Settling>,
}

impl Place {
    /// Calls the handler, and settles the task.
    pub(super) async fn work<F>(self, handler: impl FnOnce(Holding) -> F) -> End
    where
        F: Future<Output = Result<(), BoxError>>,
    {
        let task = &self.task;
        // A handler that panics while it makes its future counts as one that fails, too.
        let work = AssertUnwindSafe(async { handler(task.clone()).await }).catch_unwind();
        let lost = pin!(task.lost());
        let outcome = match select(pin!(work), lost).await {
            Either::Left((Ok(outcome), _)) => outcome,
            Either::Left((Err(_), _)) => Err("the handler panicked".into()),
            Either::Right(_) => {
                tracing::warn!(?task, "a task was lost while it was worked on");
                self.leave();
                return End::Lost;
            }
        };
        if let Err(error) = &outcome {
            tracing::warn!(?task, %error, "a task failed");
        }
        if let Some(now) = task.outcome() {
            // The handler has settled it.
            self.leave();
            return end_of(now);
        }
        let mut end = self.settle(&outcome).await;
        for pause in PAUSES {
            match &end {
                Err(QueueError::Redis(error)) if error.is_transient() => {
                    platform::sleep(pause).await;
                    end = self.settle(&outcome).await;
                }
                _ => break,
            }
        }
        self.leave();
        end.unwrap_or_else(|error| {
            tracing::warn!(?task, %error, "the end of a task was not stored: it is delivered again");
            End::Lost
        })
    }

    async fn settle(&self, outcome: &Result<(), BoxError>) -> Result<End, QueueError> {
        let (how, delay, error) = match outcome {
            Ok(()) => (How::Ack, Duration::ZERO, String::new()),
            Err(error) if error.is::<Fatal>() => {
                (How::Reject, Duration::ZERO, cut(error.to_string()))
            }
            Err(error) => (How::Nack, self.task.backoff(), cut(error.to_string())),
        };
        self.settling.settle(&self.task, how, delay, error).await.map(end_of)
    }

    fn leave(&self) {
        locked(&self.tasks).remove(&self.task.name());
    }
}

fn end_of(now: Now) -> End {
    match now {
        Now::Done => End::Done,
        Now::Dead => End::Dead,
        _ => End::Retry,
    }
}

/// Returns when a job has ended.
pub(super) async fn ended<J: Future>(jobs: &mut FuturesUnordered<J>) {
    if jobs.next().await.is_none() {
        std::future::pending().await
    }
}
