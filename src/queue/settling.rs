//! Settles the tasks of a worker: the ends that come while a request is under way share the next one.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use super::state::{How, Now, State, unexpected};
use super::{Holding, QueueError};
use crate::Result;

/// The most ends of one request.
const MOST: usize = 256;
/// The most bytes of results in one request. A single result may exceed it.
const MOST_BYTES: usize = 1 << 20;

/// The ends of a worker's tasks.
pub(super) struct Settling {
    state: Arc<State>,
    waiting: Mutex<VecDeque<Arc<Ending>>>,
    /// Held during a request.
    turn: async_lock::Mutex<()>,
}

/// The end of a task, and the answer to it.
struct Ending {
    task: Holding,
    how: How,
    delay: Duration,
    error: String,
    answer: OnceLock<Result<Now>>,
}

impl Settling {
    pub(super) fn new(state: Arc<State>) -> Self {
        Self { state, waiting: Mutex::default(), turn: async_lock::Mutex::new(()) }
    }

    /// Settles a task, in one request with those that wait.
    pub(super) async fn settle(
        &self,
        task: &Holding,
        how: How,
        delay: Duration,
        error: String,
    ) -> Result<Now, QueueError> {
        let ending = Ending { task: task.clone(), how, delay, error, answer: OnceLock::new() };
        let ending = Arc::new(ending);
        self.waiting().push_back(Arc::clone(&ending));
        let _turn = self.turn.lock().await;
        loop {
            if let Some(answer) = ending.answer.get() {
                return task.answered(how, answer.clone()?);
            }
            let mut endings = self.take();
            if endings.is_empty() {
                // A caller that was dropped had taken it.
                endings.push(Arc::clone(&ending));
            }
            self.send(&endings).await;
        }
    }

    fn waiting(&self) -> MutexGuard<'_, VecDeque<Arc<Ending>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The ends of the next request.
    fn take(&self) -> Vec<Arc<Ending>> {
        let (mut waiting, mut taken, mut bytes) = (self.waiting(), Vec::new(), 0);
        while let Some(next) = waiting.front() {
            bytes += next.task.result_bytes();
            if taken.len() == MOST || (bytes > MOST_BYTES && !taken.is_empty()) {
                break;
            }
            taken.extend(waiting.pop_front());
        }
        taken
    }

    async fn send(&self, endings: &[Arc<Ending>]) {
        let answers = self.request(endings).await;
        match answers {
            // An end that Redis refuses must not be the end of the others.
            Err(error) if endings.len() > 1 && !error.is_transient() => {
                for ending in endings {
                    let answer = self.request(std::slice::from_ref(ending)).await;
                    let first = |answers: Vec<Now>| answers.first().copied().ok_or_else(unexpected);
                    let _ = ending.answer.set(answer.and_then(first));
                }
            }
            Err(error) => {
                for ending in endings {
                    let _ = ending.answer.set(Err(error.clone()));
                }
            }
            Ok(answers) => {
                let answers = answers.into_iter().map(Ok);
                let missing = std::iter::repeat_with(|| Err(unexpected()));
                for (ending, answer) in endings.iter().zip(answers.chain(missing)) {
                    let _ = ending.answer.set(answer);
                }
            }
        }
    }

    async fn request(&self, endings: &[Arc<Ending>]) -> Result<Vec<Now>> {
        let settled = endings
            .iter()
            .map(|ending| ending.task.settled(ending.how, ending.delay, ending.error.clone()));
        self.state.settle(settled.collect()).await
    }
}
