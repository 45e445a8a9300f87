//! Requests that arrive late or twice, remembered ends that are too old, and settlements that contradict each other.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use edgecask::prelude::*;
use edgecask::queue::{Addition, Queue, QueueError, Source, TaskStatus, Worker};
use edgecask::{Client, ErrorKind, Key, Result};
use edgecask_tests::{Place, Sent, Tapped, until};

use super::{LONG, end_leases, index, options, payloads, queue, task};

fn is_lost(result: Result<(), QueueError>) -> bool {
    matches!(result, Err(QueueError::Lost { .. }))
}

fn tasks_key() -> String {
    index("").trim_end_matches(':').to_owned()
}

/// In each state of the first delivery and of the record of the pull.
#[tokio::test]
async fn a_late_pull_takes_another_task_of_a_list_under_another_id() {
    for place in Place::all().await {
        let (client, sent) = (place.client(), Sent::default());
        let list = || Source::List(Key::verbatim("q").unwrap());
        let direct: Queue<u32> = Queue::over(client.clone(), list(), options()).unwrap();
        let queue =
            Queue::over(client.clone().layer(Tapped(sent.clone())), list(), options()).unwrap();
        // Loads the script into the server.
        assert!(direct.pull(1).await.unwrap().is_empty());
        client.lpush("q", [1, 2]).await.unwrap();
        let one: Vec<edgecask::queue::Delivery<u32>> = queue.pull(1).await.unwrap();
        let pull = sent.pop().unwrap();
        let markers: Vec<String> = client.keys(format!("{}*", index("pull:"))).await.unwrap();
        assert_eq!(client.del(markers).await.unwrap(), 1);
        client.send(&pull).await.unwrap();
        one[0].ack().await.unwrap();
        end_leases(&client).await;
        let two = direct.pull(9).await.unwrap();
        assert_eq!(payloads(&two), [2], "{}", place.name);
        two[0].ack().await.unwrap();
        assert_eq!(direct.stats().await.unwrap(), Default::default());
        let count: Option<u64> = client.hget(tasks_key(), "#tasks").await.unwrap();
        assert_eq!(count, Some(0), "{}", place.name);
    }
}

#[tokio::test]
async fn an_end_is_remembered_for_its_time_and_not_longer() {
    for place in Place::all().await {
        let (client, queue) = (place.client(), queue(place.client()));
        queue.enqueue(&task(1)).await.unwrap();
        queue.pull(1).await.unwrap()[0].ack().await.unwrap();
        let ended = client.zscore(index("done"), "t1").await.unwrap().unwrap();
        let earlier = (ended - 601_000.0 * 1024.0).to_string();
        client.execute::<i64>(cmd("ZADD").arg(index("done")).arg(earlier).arg("t1")).await.unwrap();
        assert_eq!(queue.status("t1").await.unwrap(), TaskStatus::Unknown, "{}", place.name);
        assert_eq!(queue.enqueue(&task(1)).await.unwrap().how, Addition::New, "{}", place.name);
    }
}

#[tokio::test]
async fn a_task_is_settled_in_one_way() {
    for place in Place::all().await {
        let queue = queue(place.client());
        queue.enqueue_all(&[task(1), task(2), task(3)]).await.unwrap();
        let held = queue.pull(3).await.unwrap();
        held[0].nack_after(LONG, "no").await.unwrap();
        held[1].reject("no").await.unwrap();
        held[2].release().await.unwrap();
        held[2].release().await.unwrap();
        for delivery in &held {
            assert!(is_lost(delivery.ack().await), "{}: {delivery:?}", place.name);
        }
        assert!(is_lost(held[0].reject("no").await));
        assert!(is_lost(held[0].release().await), "{}", place.name);
    }
}

#[tokio::test]
async fn a_former_holder_is_refused_after_the_task_was_added_again_and_done() {
    for place in Place::all().await {
        let (client, queue) = (place.client(), queue(place.client()));
        queue.enqueue(&task(1)).await.unwrap();
        let former = queue.pull(1).await.unwrap().remove(0);
        client.flushall().await.unwrap();
        // Each try has another token, of which 10 bits tell it from the former one.
        let refused = async || {
            queue.enqueue(&task(1)).await.unwrap();
            queue.pull(1).await.unwrap()[0].ack().await.unwrap();
            let refused = is_lost(former.ack().await);
            client.del([index("done")]).await.unwrap();
            refused
        };
        let (one, two) = (refused().await, refused().await);
        assert!(one || two, "{}", place.name);
    }
}

#[tokio::test]
async fn a_parent_does_not_wait_for_a_child_that_was_removed() {
    for place in Place::all().await {
        let queue = queue(place.client());
        queue.enqueue(&task(1).child(task(2))).await.unwrap();
        queue.pull(1).await.unwrap()[0].reject("no").await.unwrap();
        assert_eq!(queue.remove(["t2"]).await.unwrap(), 1);
        assert_eq!(queue.requeue(["t1"]).await.unwrap(), 1);
        assert_eq!(payloads(&queue.pull(9).await.unwrap()), [1], "{}", place.name);
        let unique = task(3).child(task(4).unique("key", LONG));
        let error = edgecask::Error::from(queue.enqueue(&unique).await.unwrap_err());
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        let deep = (5..30).fold(task(4), |child, number| task(number).child(child));
        assert!(queue.enqueue(&deep).await.is_err());
    }
}

#[tokio::test]
async fn a_source_of_another_type_changes_nothing() {
    for place in Place::all().await {
        let client = place.client();
        let list = Source::List(Key::verbatim("q").unwrap());
        let queue: Queue<u32> = Queue::over(client.clone(), list, options()).unwrap();
        queue.enqueue(&task(1)).await.unwrap();
        client.set("q", "text").await.unwrap();
        assert!(queue.pull(1).await.is_err(), "{}", place.name);
        assert_eq!(queue.status("t1").await.unwrap(), TaskStatus::Ready, "{}", place.name);
    }
}

#[tokio::test]
async fn a_retry_after_the_time_to_live_is_delivered() {
    for place in Place::all().await {
        let (client, queue) = (place.client(), queue(place.client()));
        queue.enqueue(&task(1).ttl(Duration::from_secs(3600))).await.unwrap();
        queue.pull(1).await.unwrap()[0].nack_after(LONG, "later").await.unwrap();
        let record: String = client.hget(tasks_key(), "t1").await.unwrap().unwrap();
        let words: Vec<u64> =
            [7, 10].map(|at| record.split(' ').nth(at).unwrap().parse().unwrap()).into();
        assert_eq!(words[0], words[1] + 3_600_000, "{}: it expires after it is due", place.name);
    }
}

#[tokio::test]
async fn a_group_goes_on_after_its_index_was_evicted_and_its_task_is_done() {
    for place in Place::all().await {
        let (client, queue) = (place.client(), queue(place.client()));
        let tasks = [1, 2, 3].map(|number| task(number).group("g"));
        queue.enqueue_all(&tasks).await.unwrap();
        let one = queue.pull(9).await.unwrap();
        client.del([index("grouped")]).await.unwrap();
        one[0].ack().await.unwrap();
        let mut seen = Vec::new();
        for _ in 0..4 {
            for delivery in queue.pull(9).await.unwrap() {
                seen.push(*delivery.payload());
                delivery.ack().await.unwrap();
            }
        }
        seen.sort_unstable();
        assert_eq!(seen, [2, 3], "{}", place.name);
    }
}

/// An evicted index is built again by one call, whatever the number of tasks.
#[tokio::test]
async fn run_due_goes_on_until_an_evicted_index_is_complete() {
    for place in Place::all().await {
        let (client, queue) = (place.client(), queue(place.client()));
        let tasks: Vec<_> = (0..999).map(|number| task(number).delay(LONG)).collect();
        queue.enqueue_all(&tasks).await.unwrap();
        queue.enqueue_all(&[task(9999)]).await.unwrap();
        client.del([index("delayed"), index("ready")]).await.unwrap();
        let worker = Worker::new(queue.clone(), |_, _| async { Ok(()) });
        assert_eq!(worker.run_due(10).await.unwrap().done, 1, "{}", place.name);
        assert_eq!(queue.stats().await.unwrap().delayed, 999, "{}", place.name);
    }
}

#[tokio::test]
async fn a_handler_may_settle_its_task_and_go_on() {
    for place in Place::all().await {
        let options = options().lease(Duration::from_millis(1500));
        let queue: Queue<u32> = Queue::with_options(place.client(), "q", options).unwrap();
        queue.enqueue_all(&[task(1), task(2)]).await.unwrap();
        let ended = Arc::new(Mutex::new(0));
        let ends = Arc::clone(&ended);
        let worker = Worker::new(queue.clone(), move |number, task| {
            let ends = Arc::clone(&ends);
            async move {
                match number {
                    1 => task.ack().await?,
                    _ => drop(task.nack_after(LONG, "later").await?),
                }
                // Longer than the worker waits before it renews the lease.
                tokio::time::sleep(Duration::from_millis(600)).await;
                *ends.lock().unwrap() += 1;
                Ok(())
            }
        });
        let worked = worker.concurrency(2).run_due(2).await.unwrap();
        assert_eq!((worked.done, worked.retried, worked.lost), (1, 1, 0), "{}", place.name);
        assert_eq!(*ended.lock().unwrap(), 2);
    }
}

#[tokio::test]
async fn a_full_redis_lets_holders_keep_and_end_their_tasks() {
    let redis = edgecask_tests::RedisServer::start();
    let (client, queue) = (redis.client(), queue(redis.client()));
    queue.enqueue_all(&[task(1), task(2), task(3)]).await.unwrap();
    let held = queue.pull(1).await.unwrap().remove(0);
    client.execute::<()>(cmd("CONFIG").args_from(["SET", "maxmemory", "1"])).await.unwrap();
    assert!(queue.enqueue(&task(4)).await.is_err());
    held.extend().await.unwrap();
    held.ack().await.unwrap();
    client.del([index("ready")]).await.unwrap();
    until(async || {
        for delivery in queue.pull(9).await.unwrap() {
            delivery.ack().await.unwrap();
        }
        queue.stats().await.unwrap() == Default::default()
            && queue.status("t3").await.unwrap() == TaskStatus::Done
    })
    .await;
    // A queue that is new takes nothing.
    let new: Queue<u32> = Queue::with_options(client, "new", options()).unwrap();
    assert!(new.enqueue(&task(1)).await.is_err());
}

#[tokio::test]
async fn an_earlier_rate_does_not_stop_a_queue() {
    for place in Place::all().await {
        let (client, options) = (place.client(), options().rate(1, Duration::from_millis(1)));
        let queue: Queue<u32> = Queue::with_options(client.clone(), "q", options).unwrap();
        queue.enqueue(&task(1)).await.unwrap();
        // As if the server's clock had been years ahead.
        client.hset(tasks_key(), [("#rate", "4000000000000000")]).await.unwrap();
        until(async || !queue.pull(1).await.unwrap().is_empty()).await;
    }
}

/// Deliveries of one queue are not those of another.
#[tokio::test]
async fn a_delivery_of_another_queue_is_refused() {
    let client = Client::memory();
    let (queue, other) = (queue(client.clone()), Queue::<u32>::new(client, "other").unwrap());
    other.enqueue(&task(1)).await.unwrap();
    let held = other.pull(1).await.unwrap();
    assert!(queue.ack_all(held.iter().map(|held| &**held)).await.is_err());
    assert!(!held[0].is_lost());
    held[0].ack().await.unwrap();
}
