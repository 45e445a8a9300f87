//! Tasks added by callers at the same time, added in bulk, and processed by one worker.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use anyhow::{Result, ensure};
use apalis_core::backend::TaskSink;
use apalis_core::worker::builder::WorkerBuilder;
use apalis_core::worker::ext::parallelize::ParallelizeExt;
use apalis_redis::{Config, RedisStorage};
use bullmq::options::{QueueOptions, RedisConnectionOptions, WorkerOptions};
use bullmq::types::RemoveOnFinish;
use bullmq::worker::CancellationToken;
use bullmq::{BulkJob, Job};
use edgecask::queue::{Queue, Task, Worker};
use futures_util::future::try_join_all;
use tokio::sync::Notify;

use super::super::peer::{self, Kind};
use super::super::rounds::Done;
use super::{CONCURRENCY, Payload, QUEUE};

// As in benches/js/coordination.mjs.
const CALLERS: usize = 64;
/// How many tasks are added one by one, and again in bulk.
/// As in benches/js/coordination.mjs. The script of apalis-redis fails with 8000 waiting tasks.
const TASKS: usize = 3200;
const BULK: usize = 800;

pub(in super::super) async fn run(kind: Kind, url: &str) -> Result<Done> {
    let figures = match kind {
        Kind::Edgecask => edgecask(url).await?,
        Kind::Bullmq => bullmq(url).await?,
        Kind::Apalis => apalis(url).await?,
        _ => return peer::unknown(kind),
    };
    Ok(Done { figures, operations: (2 * TASKS) as f64 })
}

/// Counts the tasks that a worker is given.
#[derive(Default)]
struct Seen {
    count: AtomicUsize,
    all: Notify,
}

impl Seen {
    fn one(&self) {
        if self.count.fetch_add(1, Ordering::Relaxed) + 1 == 2 * TASKS {
            self.all.notify_one();
        }
    }
}

/// The tasks in a second that are added one by one, by callers at the same time.
async fn one_by_one(add: impl AsyncFn(usize) -> Result<()>) -> Result<f64> {
    let start = Instant::now();
    let caller = async |caller: usize| {
        for number in 0..TASKS / CALLERS {
            add(caller * CALLERS + number).await?;
        }
        anyhow::Ok(())
    };
    try_join_all((0..CALLERS).map(caller)).await?;
    Ok(peer::per_second(TASKS, start))
}

/// The tasks in a second that one caller adds in bulk.
async fn in_bulk(mut add: impl AsyncFnMut(std::ops::Range<usize>) -> Result<()>) -> Result<f64> {
    let start = Instant::now();
    for first in (0..TASKS).step_by(BULK) {
        add(first..first + BULK).await?;
    }
    Ok(peer::per_second(TASKS, start))
}

async fn edgecask(url: &str) -> Result<Vec<f64>> {
    let queue: Queue<Payload> = Queue::new(peer::client(url, "")?, QUEUE)?;
    let task = |number| Task::new(Payload::new(number));
    let added = one_by_one(async |number| {
        queue.enqueue(&task(number)).await?;
        Ok(())
    });
    let added = added.await?;
    let bulk = in_bulk(async |numbers| {
        queue.enqueue_all(&numbers.map(task).collect::<Vec<_>>()).await?;
        Ok(())
    });
    let bulk = bulk.await?;
    let seen = Arc::new(Seen::default());
    let counted = Arc::clone(&seen);
    let worker = Worker::new(queue.clone(), move |payload: Payload, _| {
        let counted = Arc::clone(&counted);
        async move {
            std::hint::black_box(payload);
            counted.one();
            Ok(())
        }
    });
    let start = Instant::now();
    worker.concurrency(CONCURRENCY).run_until(async move { seen.all.notified().await }).await;
    let processed = peer::per_second(2 * TASKS, start);
    let left = queue.stats().await?;
    ensure!(left.ready + left.active == 0, "{left:?}");
    Ok(vec![added, bulk, processed])
}

async fn bullmq(url: &str) -> Result<Vec<f64>> {
    let connection = RedisConnectionOptions::new().url(url);
    let options = QueueOptions { connection: connection.clone(), ..QueueOptions::default() };
    let queue = bullmq::Queue::with_options(QUEUE, options).await?;
    let added = one_by_one(async |number| {
        queue.add("email", Payload::new(number)).await?;
        Ok(())
    });
    let added = added.await?;
    let bulk = in_bulk(async |numbers| {
        let jobs = numbers.map(|number| BulkJob::new("email", Payload::new(number)));
        queue.add_bulk(jobs.collect()).await?;
        Ok(())
    });
    let bulk = bulk.await?;
    let seen = Arc::new(Seen::default());
    let counted = Arc::clone(&seen);
    let options = WorkerOptions {
        connection,
        concurrency: CONCURRENCY,
        remove_on_complete: Some(RemoveOnFinish::Bool(true)),
        ..WorkerOptions::default()
    };
    let start = Instant::now();
    let work = move |job: Job, _: CancellationToken| {
        let counted = Arc::clone(&counted);
        async move {
            std::hint::black_box(job.data());
            counted.one();
            Ok(serde_json::Value::Null)
        }
    };
    let worker = bullmq::Worker::with_options(QUEUE, work, options).await?;
    seen.all.notified().await;
    let processed = peer::per_second(2 * TASKS, start);
    worker.close(1000).await?;
    Ok(vec![added, bulk, processed])
}

async fn apalis(url: &str) -> Result<Vec<f64>> {
    let config = Config::default().queue(QUEUE).batch_size(CONCURRENCY);
    let connection = apalis_redis::connect(url).await?;
    let storage = RedisStorage::<Payload>::new(connection).with_config(config);
    let added = one_by_one(async |number| {
        storage.clone().push(Payload::new(number)).await?;
        Ok(())
    });
    let added = added.await?;
    let mut bulk = storage.clone();
    let bulk = in_bulk(async |numbers| {
        bulk.push_bulk(numbers.map(Payload::new).collect()).await?;
        Ok(())
    });
    let bulk = bulk.await?;
    let seen = Arc::new(Seen::default());
    let counted = Arc::clone(&seen);
    let start = Instant::now();
    let worker = WorkerBuilder::new("worker").backend(storage).parallelize(tokio::spawn).build(
        move |payload: Payload| {
            let counted = Arc::clone(&counted);
            async move {
                std::hint::black_box(payload);
                counted.one();
            }
        },
    );
    tokio::select! {
        ended = worker.run() => ended?,
        () = seen.all.notified() => {}
    }
    Ok(vec![added, bulk, peer::per_second(2 * TASKS, start)])
}
