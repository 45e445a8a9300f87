//! Commands of each operation, and of a worker without tasks.

use std::sync::Arc;
use std::time::Duration;

use edgecask::queue::{Fatal, Queue, Source, Worker};
use edgecask::transport::memory::MemoryTransport;
use edgecask::{Client, Key, prelude::*};
use edgecask_tests::{Count, Place};

use super::{options, queue, task};

#[tokio::test]
async fn each_operation_costs_one_command() {
    for place in Place::all().await {
        let count = Count::default();
        // Loads the scripts into the server.
        let warm: Queue<u32> = Queue::with_options(place.client(), "warm", options()).unwrap();
        warm.enqueue(&task(1)).await.unwrap();
        let delivery = warm.pull(1).await.unwrap().remove(0);
        delivery.extend().await.unwrap();
        delivery.ack().await.unwrap();
        warm.requeue(["t1"]).await.unwrap();

        let queue = queue(count.of(place.client()));
        let cost = |what: &str, commands: usize| {
            assert_eq!(count.taken(), commands, "{}: {what}", place.name);
        };
        queue.enqueue_all(&(0..100).map(task).collect::<Vec<_>>()).await.unwrap();
        cost("enqueue_all", 1);
        let deliveries = queue.pull(60).await.unwrap();
        cost("pull", 1);
        deliveries[0].extend().await.unwrap();
        cost("extend", 1);
        deliveries[0].progress(&1).await.unwrap();
        cost("progress", 1);
        deliveries[0].ack().await.unwrap();
        cost("ack", 1);
        deliveries[1].nack("no").await.unwrap();
        cost("nack", 1);
        queue.ack_all(deliveries[2..].iter().map(|delivery| &**delivery)).await.unwrap();
        cost("ack_all", 1);
        queue.stats().await.unwrap();
        cost("stats", 5);
        queue.status("t1").await.unwrap();
        cost("status", 3);
        queue.result::<u32>("t1").await.unwrap();
        cost("result", 1);
        queue.pause().await.unwrap();
        cost("pause", 1);
        let worker = Worker::new(queue.clone(), |_, _| async { Ok(()) });
        worker.run_due(9).await.unwrap();
        cost("run_due without tasks", 1);
        queue.resume().await.unwrap();
        count.taken();
        worker.run_due(10).await.unwrap();
        cost("run_due of ten, one at a time", 20);
    }
}

#[tokio::test]
async fn ends_that_come_during_a_request_share_the_next_one() {
    for place in Place::all().await {
        let count = Count::default();
        let queue = queue(count.of(place.client()));
        queue.enqueue_all(&(0..100).map(task).collect::<Vec<_>>()).await.unwrap();
        // All handlers work at the same time, and end at the same time.
        let barrier = Arc::new(tokio::sync::Barrier::new(50));
        let worker = Worker::new(queue.clone(), move |number: u32, _| {
            let barrier = Arc::clone(&barrier);
            async move {
                barrier.wait().await;
                if number.is_multiple_of(10) { Err(Fatal::new("no").into()) } else { Ok(()) }
            }
        });
        count.taken();
        let worked = worker.concurrency(50).run_due(100).await.unwrap();
        let taken = count.taken();
        assert_eq!((worked.done, worked.dead), (90, 10), "{}: {worked:?}", place.name);
        let is_engine = place.name.starts_with("the engine");
        assert!(is_engine || taken <= 10, "{}: {taken} commands", place.name);
        let left = queue.stats().await.unwrap();
        assert_eq!((left.ready, left.active, left.dead), (0, 0, 10), "{}", place.name);
    }
}

#[tokio::test]
async fn operations_of_operators_cost_what_the_page_says() {
    for place in Place::all().await {
        let count = Count::default();
        let queue = queue(count.of(place.client()));
        let cost = |what: &str, commands: usize| {
            assert_eq!(count.taken(), commands, "{}: {what}", place.name);
        };
        // Loads the script into the server.
        queue.pause().await.unwrap();
        queue.resume().await.unwrap();
        queue.enqueue_all(&(0..250).map(task).collect::<Vec<_>>()).await.unwrap();
        for delivery in queue.pull(250).await.unwrap() {
            delivery.reject("no").await.unwrap();
        }
        count.taken();

        assert_eq!(queue.dead_letters(100).await.unwrap().len(), 100);
        cost("dead_letters", 103);
        assert_eq!(queue.dead_letters(1000).await.unwrap().len(), 100);
        cost("dead_letters, at most 100", 103);
        let ids = (0..150).map(|number| format!("t{number}"));
        assert_eq!(queue.requeue(ids).await.unwrap(), 150);
        cost("requeue of 150", 2);
        assert_eq!(queue.requeue_dead(50).await.unwrap(), 50);
        cost("requeue_dead of 50", 3);
        assert_eq!(queue.purge_dead(1000).await.unwrap(), 50);
        cost("purge_dead of 50", 3);
        assert!(queue.dead_letters(100).await.unwrap().is_empty());
        cost("dead_letters of none", 1);
        assert_eq!(queue.remove(["t1", "t2"]).await.unwrap(), 2);
        cost("remove", 1);
        queue.limit_group("acme", 3).await.unwrap();
        cost("limit_group", 1);
        assert!(!queue.forget_unique("never used").await.unwrap());
        cost("forget_unique", 1);
    }
}

/// The clock is virtual: it advances while all tasks wait.
#[tokio::test]
async fn a_worker_without_tasks_costs_two_commands_a_minute() {
    tokio::time::pause();
    for wake_up in [true, false] {
        let count = Count::default();
        let client = count.of(Client::new(MemoryTransport::new()));
        client.ping().await.unwrap();
        let queue: Queue<u32> = queue(client);
        let worker = Worker::new(queue.clone(), |_, _| async { Ok(()) }).wake_up(wake_up);
        // Its pauses grow to the longest one.
        worker.run_until(tokio::time::sleep(Duration::from_secs(120))).await;
        let first = count.taken();
        assert!(first <= 12, "{first} in the first two minutes");
        let ten = async {
            tokio::time::sleep(Duration::from_secs(120)).await;
            let _ = count.taken();
            tokio::time::sleep(Duration::from_secs(600)).await;
        };
        worker.run_until(ten).await;
        let taken = count.taken();
        assert!((10..=20).contains(&taken), "{taken} in ten minutes, wake_up {wake_up}");
    }
}

#[tokio::test]
async fn a_worker_over_an_empty_list_costs_three_commands_a_minute() {
    tokio::time::pause();
    let count = Count::default();
    let client = count.of(Client::new(MemoryTransport::new()));
    let list = Source::List(Key::verbatim("tasks").unwrap());
    let queue: Queue<u32> = Queue::over(client, list, options()).unwrap();
    let worker = Worker::new(queue, |_, _| async { Ok(()) });
    let minutes = async {
        tokio::time::sleep(Duration::from_secs(120)).await;
        let _ = count.taken();
        tokio::time::sleep(Duration::from_secs(600)).await;
    };
    worker.run_until(minutes).await;
    let taken = count.taken();
    assert!((15..=30).contains(&taken), "{taken} in ten minutes");
}
