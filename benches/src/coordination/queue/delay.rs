//! How late an idle worker starts tasks that become due.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Result;
use apalis_core::backend::TaskSink;
use apalis_core::task::builder::TaskBuilder;
use apalis_core::worker::builder::WorkerBuilder;
use apalis_core::worker::ext::parallelize::ParallelizeExt;
use apalis_redis::{Config, RedisStorage};
use bullmq::options::{QueueOptions, RedisConnectionOptions, WorkerOptions};
use bullmq::worker::CancellationToken;
use bullmq::{Job, Worker as BullWorker};
use edgecask::queue::{Queue, Task, Worker};
use tokio::sync::Notify;

use super::super::peer::{self, Kind};
use super::super::rounds::Done;
use super::{CONCURRENCY, Payload, QUEUE};

// As in benches/js/coordination.mjs.
const TASKS: usize = 200;
/// The worker is idle before the first task is due.
const FIRST: Duration = Duration::from_millis(1500);
const SPACING: Duration = Duration::from_micros(10_700);

/// The due times of the tasks, and their lateness.
#[derive(Default)]
struct Clock {
    due: Mutex<Vec<Instant>>,
    late: Mutex<Vec<Duration>>,
    all: Notify,
}

impl Clock {
    /// How long from now until the next task is due.
    fn next(&self) -> Duration {
        let mut due = self.due.lock().unwrap_or_else(PoisonError::into_inner);
        let delay = FIRST + SPACING * due.len() as u32;
        due.push(Instant::now() + delay);
        delay
    }

    fn began(&self, number: usize) {
        let now = Instant::now();
        let due = self.due.lock().unwrap_or_else(PoisonError::into_inner)[number];
        let mut late = self.late.lock().unwrap_or_else(PoisonError::into_inner);
        // Early is on time: some have clocks of whole seconds.
        late.push(now.saturating_duration_since(due));
        if late.len() == TASKS {
            self.all.notify_one();
        }
    }

    fn done(&self) -> Done {
        let late = self.late.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Done { figures: peer::spread(late), operations: TASKS as f64 }
    }
}

pub(in super::super) async fn run(kind: Kind, url: &str) -> Result<Done> {
    match kind {
        Kind::Edgecask => edgecask(url).await,
        Kind::Bullmq => bullmq(url).await,
        Kind::Apalis => apalis(url).await,
        _ => peer::unknown(kind),
    }
}

async fn edgecask(url: &str) -> Result<Done> {
    let queue: Queue<Payload> = Queue::new(peer::client(url, "")?, QUEUE)?;
    let clock = Arc::new(Clock::default());
    let (began, ended) = (Arc::clone(&clock), Arc::clone(&clock));
    let worker = Worker::new(queue.clone(), move |payload: Payload, _| {
        began.began(payload.number);
        std::future::ready(Ok(()))
    })
    .concurrency(CONCURRENCY);
    let work = worker.run_until(async move { ended.all.notified().await });
    let add = async {
        for number in 0..TASKS {
            queue.enqueue(&Task::new(Payload::new(number)).delay(clock.next())).await?;
        }
        anyhow::Ok(())
    };
    let ((), added) = futures_util::future::join(work, add).await;
    added?;
    Ok(clock.done())
}

async fn bullmq(url: &str) -> Result<Done> {
    let connection = RedisConnectionOptions::new().url(url);
    let options = QueueOptions { connection: connection.clone(), ..QueueOptions::default() };
    let queue = bullmq::Queue::with_options(QUEUE, options).await?;
    let clock = Arc::new(Clock::default());
    let began = Arc::clone(&clock);
    let options =
        WorkerOptions { connection, concurrency: CONCURRENCY, ..WorkerOptions::default() };
    let work = move |job: Job, _: CancellationToken| {
        let number = job.data()["number"].as_u64().unwrap_or_default();
        began.began(number as usize);
        std::future::ready(Ok(serde_json::Value::Null))
    };
    let worker = BullWorker::with_options(QUEUE, work, options).await?;
    for number in 0..TASKS {
        queue.add("email", Payload::new(number)).delay(clock.next()).await?;
    }
    clock.all.notified().await;
    worker.close(1000).await?;
    Ok(clock.done())
}

async fn apalis(url: &str) -> Result<Done> {
    let config = Config::default().queue(QUEUE).batch_size(CONCURRENCY);
    let connection = apalis_redis::connect(url).await?;
    let storage = RedisStorage::<Payload>::new(connection).with_config(config);
    let clock = Arc::new(Clock::default());
    let began = Arc::clone(&clock);
    let mut adding = storage.clone();
    let worker = WorkerBuilder::new("worker").backend(storage).parallelize(tokio::spawn).build(
        move |payload: Payload| {
            began.began(payload.number);
            std::future::ready(())
        },
    );
    let add = async {
        for number in 0..TASKS {
            let task = TaskBuilder::new(Payload::new(number)).run_after(clock.next()).build();
            adding.push_task(task).await?;
        }
        clock.all.notified().await;
        anyhow::Ok(())
    };
    tokio::select! {
        ended = worker.run() => ended?,
        added = add => added?,
    }
    Ok(clock.done())
}
