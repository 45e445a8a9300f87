//! Workers in processes of their own that are killed with SIGKILL while they work. Each task is done, and acknowledged once.
//!
//! A history runs by default; `EDGECASK_TEST_CASES=100` runs 100, `EDGECASK_TEST_SEED=7` begins with that one.

use std::time::{Duration, Instant};

use edgecask::Client;
use edgecask::prelude::*;
use edgecask::queue::{Queue, QueueOptions, Task, TaskStatus, Worker};
use edgecask_tests::{Dice, RedisServer, number, seeds, until};

use crate::seeded::again;

const NAME: &str = "queue::processes::no_task_is_lost_when_workers_are_killed";
const SEED: &str = "EDGECASK_TEST_HISTORY";
const REDIS: &str = "EDGECASK_TEST_QUEUE";
const PROCESSES: usize = 3;
const LEASE: Duration = Duration::from_millis(500);

fn queue(client: Client) -> Queue<u32> {
    let options = QueueOptions::new().lease(LEASE).poison_cap(1000);
    Queue::with_options(client, "q", options).unwrap()
}

/// Works until it is killed.
async fn process(dice: Dice, url: &str) {
    let client = Client::tcp(url).unwrap();
    let log = client.clone();
    let worker = Worker::new(queue(client), move |number: u32, task| {
        let (log, pause) = (log.clone(), Duration::from_millis(dice.roll(30)));
        async move {
            log.rpush("begun", [format!("{number} {}", task.number())]).await?;
            tokio::time::sleep(pause).await;
            Ok(())
        }
    });
    worker.concurrency(4).run().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_task_is_lost_when_workers_are_killed() {
    if let Some(seed) = number(SEED) {
        let dice = Dice::new(seed ^ (u64::from(std::process::id()) << 32));
        return process(dice, &std::env::var(REDIS).unwrap()).await;
    }
    for seed in seeds(1) {
        let (dice, redis) = (Dice::new(seed), RedisServer::start());
        let start = || {
            let variables = [(SEED, seed.to_string()), (REDIS, redis.url())];
            again(NAME, &variables).stdout(std::process::Stdio::null()).spawn().unwrap()
        };
        let mut processes: Vec<_> = (0..PROCESSES).map(|_| start()).collect();
        let (client, queue) = (redis.client(), queue(redis.client()));
        let mut tasks = 0;
        for _ in 0..6 {
            let more: Vec<Task<u32>> = (tasks..tasks + 20).map(super::task).collect();
            queue.enqueue_all(&more).await.unwrap();
            tasks += 20;
            let begun = async || client.llen("begun").await.unwrap();
            let at = begun().await;
            until(async || begun().await > at + dice.roll(10)).await;
            let victim = dice.roll(PROCESSES as u64) as usize;
            processes[victim].start_kill().unwrap();
            processes[victim].wait().await.unwrap();
            processes[victim] = start();
        }
        let killed = Instant::now();
        until(async || queue.stats().await.unwrap() == Default::default()).await;
        eprintln!("all done {:?} after the last SIGKILL", killed.elapsed());
        for number in 0..tasks {
            let status = queue.status(&format!("t{number}")).await.unwrap();
            assert_eq!(status, TaskStatus::Done, "EDGECASK_TEST_SEED={seed}: {number}");
        }
        // Killed workers had begun some tasks that others have begun again.
        let begun: Vec<String> = client.lrange("begun", 0, -1).await.unwrap();
        let mut deliveries: Vec<&String> = begun.iter().collect();
        deliveries.sort();
        deliveries.dedup();
        assert_eq!(
            deliveries.len(),
            begun.len(),
            "EDGECASK_TEST_SEED={seed}: a delivery has two holders"
        );
        for mut process in processes {
            process.kill().await.unwrap();
        }
    }
}
