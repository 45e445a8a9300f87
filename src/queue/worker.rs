//! A worker: a loop that pulls tasks and calls a handler.

use std::fmt;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{Either, poll_immediate, select};
use futures_util::stream::FuturesUnordered;
use serde::de::DeserializeOwned;

use super::handle::{Deliveries, MOST_PULLED, Queue};
use super::running::{Running, ended};
use super::wake::WakeUps;
use super::{Delivery, Holding};
use crate::platform::{self, BoxFuture, Instant, Local, MaybeSend, MaybeSync};
use crate::{BoxError, Error, Result};

/// The first pause of a worker that polls, or whose pulls fail.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest pause of a worker that polls: about two commands a minute.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// How long a stop waits for the answer to a pull.
const STOPPING: Duration = Duration::from_secs(5);

#[cfg(not(target_arch = "wasm32"))]
type Work<T> = dyn Fn(T, Holding) -> BoxFuture<'static, Result<(), BoxError>> + Send + Sync;
#[cfg(target_arch = "wasm32")]
type Work<T> = dyn Fn(T, Holding) -> BoxFuture<'static, Result<(), BoxError>>;

/// Works on the tasks of a queue: pulls them, calls a handler for each, renews their leases meanwhile, and acknowledges those whose
/// handler succeeds.
///
/// A task whose handler returns an error or panics has failed; see [`QueueOptions::attempts`](super::QueueOptions::attempts). An error of
/// type [`Fatal`](super::Fatal) makes it a dead letter at once. If a task is lost, the future of its handler is dropped.
///
/// ```
/// use edgecask::Client;
/// use edgecask::queue::{Queue, Task, Worker};
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
/// # runtime.block_on(async {
/// let queue: Queue<u32> = Queue::new(Client::memory(), "squares")?;
/// queue.enqueue(&Task::new(7).id("seven")).await?;
/// let worker = Worker::new(queue.clone(), |number, task| async move {
///     task.set_result(&(number * number))?;
///     Ok(())
/// });
/// // worker.run_until(shutdown).await on a long-running host; where something else calls from time to time:
/// worker.run_due(100).await?;
/// assert_eq!(queue.result::<u32>("seven").await?, Some(49));
/// # Ok::<(), edgecask::Error>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Worker<T> {
    queue: Queue<T>,
    work: Local<Arc<Work<T>>>,
    concurrency: usize,
    grace: Option<Duration>,
    wake_up: bool,
}

/// The number of tasks that [`Worker::run_due`] has worked on, by their ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Worked {
    /// Tasks whose handlers succeeded.
    pub done: u64,
    /// Tasks whose handlers failed, and that are delivered again.
    pub retried: u64,
    /// Tasks that became dead letters.
    pub dead: u64,
    /// Tasks that were lost to another worker, or could not be settled. They are delivered again, unless another worker has settled them.
    pub lost: u64,
}

impl<T: DeserializeOwned + MaybeSend + 'static> Worker<T> {
    /// A worker with this handler, for one task at a time.
    pub fn new<F>(
        queue: Queue<T>,
        handler: impl Fn(T, Holding) -> F + MaybeSend + MaybeSync + 'static,
    ) -> Self
    where
        F: Future<Output = Result<(), BoxError>> + MaybeSend + 'static,
    {
        let work = move |payload: T, task: Holding| -> BoxFuture<'static, _> {
            let work = handler(payload, task);
            platform::send(|| work)
        };
        let work = Local::new(Arc::new(work) as Arc<Work<T>>);
        Self { queue, work, concurrency: 1, grace: None, wake_up: true }
    }

    /// How many tasks it works on at the same time, from 1 to 256. Default 1. All handlers run in the async task that polls the worker. A
    /// handler that blocks stops the renewal of all leases.
    #[must_use]
    pub fn concurrency(self, tasks: usize) -> Self {
        Self { concurrency: tasks.clamp(1, MOST_PULLED), ..self }
    }

    /// How long handlers may go on after a stop. After that they are dropped, and their tasks are released. Default: until they end.
    #[must_use]
    pub fn grace(self, grace: Duration) -> Self {
        Self { grace: Some(grace), ..self }
    }

    /// Whether the worker subscribes to the queue's channel where the transport supports it. Default `true`. Without a subscription, the
    /// worker polls.
    #[must_use]
    pub fn wake_up(self, wake_up: bool) -> Self {
        Self { wake_up, ..self }
    }

    /// Works for as long as the future is polled. Dropping it drops the handlers. Their tasks are released in the background, or when their
    /// leases end.
    ///
    /// **Cost.** One command for each pull, of up to [`concurrency`](Self::concurrency) tasks; at most one for the end of each task; one for each
    /// third of the lease for all that are active. A worker without tasks pulls when it is woken, when something becomes due, and every 30
    /// seconds. Where the transport has no subscriptions, it polls after pauses that grow from 1 to 30 seconds.
    pub async fn run(&self) {
        self.run_until(std::future::pending()).await;
    }

    /// As [`run`](Self::run), until `stop` is ready. After that it pulls no more tasks, and returns when the handlers have ended or the
    /// [grace](Self::grace) is over.
    pub async fn run_until(&self, stop: impl Future<Output = ()> + MaybeSend) {
        let stop = platform::send(|| stop).shared();
        let running = Running::new(&self.queue.state);
        let wake_ups = WakeUps::default();
        let listen = pin!(async {
            match self.wake_up {
                true => wake_ups.listen(&self.queue.state).await,
                false => std::future::pending().await,
            }
        });
        let renewals = pin!(running.keep_leases());
        let background = select(listen, renewals);
        let work = pin!(self.serve(&running, &wake_ups, stop));
        select(work, background).await;
    }

    /// Pulls and works until `stop`.
    async fn serve(
        &self,
        running: &Running,
        wake_ups: &WakeUps,
        stop: impl Future<Output = ()> + Clone,
    ) {
        let mut jobs = FuturesUnordered::new();
        let mut stopped = pin!(stop);
        let (mut pause, mut alarm) = (FIRST_PAUSE, platform::sleep(Duration::ZERO));
        let (mut more, mut failing) = (true, false);
        loop {
            if poll_immediate(stopped.as_mut()).await.is_some() {
                break;
            }
            let before = jobs.len();
            let free = self.concurrency - before;
            if free > 0 && more {
                let sent = Instant::now();
                let (pulled, stops) = {
                    let pull = pin!(platform::beside(self.queue.pull_with_hints(free), &mut jobs));
                    match select(stopped.as_mut(), pull).await {
                        // The pull may have leased tasks.
                        Either::Left((_, pull)) => {
                            (platform::timeout(STOPPING, platform::send(|| pull)).await, true)
                        }
                        Either::Right((pulled, _)) => (Some(pulled), false),
                    }
                };
                let pulled = match pulled {
                    Some(pulled) if !stops => pulled,
                    Some(Ok(pulled)) => {
                        let tasks = pulled.deliveries.into_iter().map(|task| task.into_parts().1);
                        running.release(tasks.collect()).await;
                        break;
                    }
                    _ => break,
                };
                let wait = match pulled {
                    Ok(Deliveries { deliveries, next, is_empty }) => {
                        let count = deliveries.len();
                        pause = if count > 0 || failing { FIRST_PAUSE } else { pause };
                        failing = false;
                        // The end of a task may have made others ready.
                        let ended = jobs.len() < before && !wake_ups.is_subscribed();
                        more = count == free || next == Some(Duration::ZERO) || ended;
                        for delivery in deliveries {
                            jobs.push(self.job(running, delivery, sent));
                        }
                        if is_empty && !more {
                            wake_ups.source_empty.notify();
                        }
                        // Other programs do not publish when they add to a source.
                        if wake_ups.is_subscribed() && self.queue.state.source.is_none() {
                            pause = LONGEST_PAUSE;
                        }
                        let regular = longer(&mut pause);
                        next.map_or(regular, |next| next.min(regular))
                    }
                    Err(error) => {
                        if !failing {
                            pause = FIRST_PAUSE;
                        }
                        (more, failing) = (false, true);
                        let name = self.queue.name();
                        tracing::warn!(queue = name, %error, "the tasks of a queue cannot be pulled");
                        let least = longer(&mut pause);
                        error.retry_after().unwrap_or_default().clamp(least, LONGEST_PAUSE * 2)
                    }
                };
                alarm = platform::sleep(wait);
                continue;
            }
            let event = pin!(async {
                let clock = async {
                    match free > 0 {
                        true => alarm.as_mut().await,
                        // All places are taken: only the end of a task matters.
                        false => std::future::pending().await,
                    }
                };
                let (one, clock, notified) = (ended(&mut jobs), clock, wake_ups.ready.notified());
                match select(pin!(one), select(pin!(clock), pin!(notified))).await {
                    // Its end may have made others ready.
                    Either::Left(_) => !wake_ups.is_subscribed(),
                    Either::Right(_) => true,
                }
            });
            match select(stopped.as_mut(), event).await {
                Either::Left(_) => break,
                Either::Right((look, _)) => more |= look,
            }
        }
        let rest = async { while ended_one(&mut jobs).await {} };
        match self.grace {
            None => rest.await,
            Some(grace) => {
                let (rest, clock) = (pin!(rest), platform::sleep(grace));
                select(rest, clock).await;
            }
        }
        drop(jobs);
        running.release_all().await;
    }

    /// Works on the tasks that are ready, at most `most`, and returns when all have ended. It is made for a process that is called from time
    /// to time, such as by the cron trigger of a Worker. It also takes tasks that become ready meanwhile.
    ///
    /// **Cost.** One command for each pull, of up to [`concurrency`](Self::concurrency) tasks, at most one for the end of each task, and one
    /// for each third of the lease. A call with nothing to do is one command.
    ///
    /// # Errors
    /// An error of Redis in a pull. Tasks that were pulled before have ended.
    pub async fn run_due(&self, most: usize) -> Result<Worked> {
        let running = Running::new(&self.queue.state);
        let renewals = pin!(running.keep_leases());
        let work = pin!(async {
            let (mut worked, mut left) = (Worked::default(), most);
            while left > 0 {
                let sent = Instant::now();
                let Deliveries { deliveries, next, .. } =
                    self.queue.pull_with_hints(left.min(self.concurrency)).await?;
                let count = deliveries.len();
                left -= count;
                let jobs =
                    deliveries.into_iter().map(|delivery| self.job(&running, delivery, sent));
                for end in futures_util::future::join_all(jobs).await {
                    worked.add(end);
                }
                if count == 0 && next != Some(Duration::ZERO) {
                    break;
                }
            }
            Ok::<Worked, Error>(worked)
        });
        match select(work, renewals).await {
            Either::Left((worked, _)) => worked,
            Either::Right((never, _)) => match never {},
        }
    }

    fn job(
        &self,
        running: &Running,
        delivery: Delivery<T>,
        sent: Instant,
    ) -> impl Future<Output = super::running::End> {
        let (payload, task) = delivery.into_parts();
        // Registered at once, so that the lease is renewed before the job is polled first.
        let place = running.place(&task, sent);
        let work = self.work.clone();
        async move { place.work(move |task| work(payload, task)).await }
    }
}

impl Worked {
    fn add(&mut self, end: super::running::End) {
        use super::running::End;
        match end {
            End::Done => self.done += 1,
            End::Retry => self.retried += 1,
            End::Dead => self.dead += 1,
            End::Lost => self.lost += 1,
        }
    }
}

/// The next pause. The pause after it is longer.
fn longer(pause: &mut Duration) -> Duration {
    let now = *pause;
    *pause = (now * 2).min(LONGEST_PAUSE);
    // Workers that start together do not poll together.
    now + now.mul_f64(0.2 * platform::random_fraction())
}

async fn ended_one<F: Future>(jobs: &mut FuturesUnordered<F>) -> bool {
    use futures_util::StreamExt;
    jobs.next().await.is_some()
}

impl<T> fmt::Debug for Worker<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker")
            .field("queue", &self.queue)
            .field("concurrency", &self.concurrency)
            .finish()
    }
}
