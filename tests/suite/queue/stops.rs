//! A worker in a process of its own that stands still for longer than its lease, or is killed with SIGKILL.

use std::process::Stdio;
use std::time::Duration;

use edgecask::Client;
use edgecask::prelude::*;
use edgecask::queue::{Queue, QueueOptions, TaskStatus, Worker};
use edgecask_tests::{RedisServer, until};
use tokio::process::Child;
use tokio::sync::oneshot;

use super::{index, task};
use crate::seeded::{again, signal};

const REDIS: &str = "EDGECASK_TEST_QUEUE_STOPS";
const LEASE: Duration = Duration::from_millis(500);

fn queue(client: Client) -> Queue<u32> {
    let options = QueueOptions::new().lease(LEASE).poison_cap(1000);
    Queue::with_options(client, "q", options).unwrap()
}

/// Works on tasks, and holds each until the test lets it end.
#[tokio::test]
async fn a_process() {
    let Ok(url) = std::env::var(REDIS) else {
        return;
    };
    let client = Client::tcp(&url).unwrap();
    let log = client.clone();
    let worker = Worker::new(queue(client), move |number: u32, task| {
        let log = log.clone();
        async move {
            log.rpush("begun", [number]).await?;
            while log.exists(["go"]).await? == 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            if task.ack().await.is_ok() {
                log.rpush("ended", [number]).await?;
            }
            Ok(())
        }
    });
    worker.run().await;
}

fn start(redis: &RedisServer) -> Child {
    let mut process = again("queue::stops::a_process", &[(REDIS, redis.url())]);
    process.stdout(Stdio::null()).spawn().unwrap()
}

async fn list(client: &Client, name: &str) -> Vec<u32> {
    client.lrange(name, 0, -1).await.unwrap()
}

#[tokio::test]
async fn a_worker_that_stands_still_loses_its_task_and_goes_on() {
    let redis = RedisServer::start();
    let (client, queue) = (redis.client(), queue(redis.client()));
    let mut process = start(&redis);
    queue.enqueue(&task(1)).await.unwrap();
    until(async || list(&client, "begun").await == [1]).await;
    signal(&process, "-STOP");
    let mut taken = Vec::new();
    until(async || {
        taken = queue.pull(1).await.unwrap();
        !taken.is_empty()
    })
    .await;
    assert_eq!((taken[0].number(), taken[0].abandoned(), taken[0].failures()), (2, 1, 0));
    taken[0].extend_by(super::LONG).await.unwrap();
    client.set("go", 1).await.unwrap();
    signal(&process, "-CONT");
    queue.enqueue(&task(2)).await.unwrap();
    // It has found out that the first one is lost.
    until(async || list(&client, "ended").await == [2]).await;
    taken[0].ack().await.unwrap();
    assert_eq!(queue.status("t1").await.unwrap(), TaskStatus::Done);
    process.kill().await.unwrap();
}

/// By the server's clock, from the end of the lease to the next delivery.
#[tokio::test]
async fn a_task_of_a_killed_worker_is_delivered_within_a_second_after_its_lease() {
    const MOST: f64 = 1000.0;
    let redis = RedisServer::start();
    let client = redis.client();
    let (begun, mut begins) = tokio::sync::mpsc::unbounded_channel();
    let clock = client.clone();
    let mut late = Vec::new();
    // A machine that is busy may be late a few times.
    for number in 1..=5 {
        let mut victim = start(&redis);
        queue(client.clone()).enqueue(&task(number)).await.unwrap();
        until(async || list(&client, "begun").await.len() == number as usize).await;
        // Another one waits meanwhile.
        let (clock, begun) = (clock.clone(), begun.clone());
        let worker = Worker::new(queue(redis.client()), move |_, task| {
            let (clock, begun) = (clock.clone(), begun.clone());
            async move {
                let now: Duration = clock.time().await?;
                begun.send((task.number(), now.as_secs_f64() * 1000.0))?;
                Ok(())
            }
        });
        let (stop, stopped) = oneshot::channel::<()>();
        let working = tokio::spawn(async move {
            worker.run_until(async { drop(stopped.await) }).await;
        });
        victim.kill().await.unwrap();
        let lease = client.zscore(index("active"), format!("t{number}")).await.unwrap();
        let (delivery, now) = begins.recv().await.unwrap();
        assert_eq!(delivery, 2);
        stop.send(()).unwrap();
        working.await.unwrap();
        late.push(now - lease.unwrap_or(now));
        if late.iter().any(|late| *late <= MOST) {
            break;
        }
    }
    eprintln!("milliseconds after the lease: {late:?}");
    assert!(late.iter().any(|late| *late <= MOST), "{late:?}");
}
