//! Keys that are evicted, a Redis that comes back empty, and 100 000 tasks that become due at once.

use edgecask::Script;
use edgecask::prelude::*;
use edgecask::queue::{Addition, DeadReason, QueueError, Task, TaskStatus};
use edgecask_tests::{Place, RedisServer};

use super::{LONG, end_leases, index, make_due, payloads, queue, task};

#[tokio::test]
async fn a_lost_index_is_built_again_by_the_next_pulls() {
    for place in Place::all().await {
        for name in ["ready", "delayed", "active", "dead", "grouped"] {
            let (client, queue) = (place.client(), queue(place.client()));
            client.flushall().await.unwrap();
            let tasks: Vec<Task<u32>> = (0..300)
                .map(|number| match number % 4 {
                    0 => task(number).delay(LONG),
                    1 => task(number).group("g"),
                    _ => task(number).priority(200),
                })
                .collect();
            queue.enqueue_all(&tasks).await.unwrap();
            let held = queue.pull(50).await.unwrap();
            for delivery in &held[..20] {
                delivery.reject("no").await.unwrap();
            }
            let before = queue.stats().await.unwrap();
            client.del([index(name)]).await.unwrap();
            // Each pull leases one more task, which is then released.
            for _ in 0..20 {
                for delivery in queue.pull(1).await.unwrap() {
                    delivery.release().await.unwrap();
                }
            }
            assert_eq!(queue.stats().await.unwrap(), before, "{}: {name}", place.name);
            held[20].ack().await.unwrap();
            let fields: Vec<String> = client.hkeys(index("").trim_end_matches(':')).await.unwrap();
            assert!(!fields.iter().any(|field| field == "#repair"), "{}: {name}", place.name);
        }
    }
}

#[tokio::test]
async fn a_holder_keeps_its_task_though_the_lease_was_evicted() {
    for place in Place::all().await {
        let (client, queue) = (place.client(), queue(place.client()));
        queue.enqueue(&task(1)).await.unwrap();
        let holder = queue.pull(1).await.unwrap().remove(0);
        client.del([index("active")]).await.unwrap();
        holder.extend().await.unwrap();
        assert_eq!(queue.stats().await.unwrap().active, 1, "{}", place.name);
        client.del([index("active")]).await.unwrap();
        // If it has no holder any more, it is delivered again after a lease.
        assert!(queue.pull(1).await.unwrap().is_empty());
        end_leases(&client).await;
        assert_eq!(queue.pull(1).await.unwrap()[0].abandoned(), 1, "{}", place.name);
    }
}

#[tokio::test]
async fn lost_payloads_are_dead_letters_and_lost_tasks_leave_no_keys() {
    for place in Place::all().await {
        let (client, queue) = (place.client(), queue(place.client()));
        queue.enqueue_all(&[task(1), task(2)]).await.unwrap();
        let holder = queue.pull(1).await.unwrap().remove(0);
        client.del([index("payloads")]).await.unwrap();
        holder.ack().await.unwrap();
        assert!(queue.pull(9).await.unwrap().is_empty());
        let letter = queue.dead_letters(9).await.unwrap().remove(0);
        assert_eq!((letter.reason, letter.payload), (DeadReason::PayloadLost, None));
        // The tasks themselves are evicted: what is left of them goes with the next task.
        queue.enqueue_all(&[task(3), task(4).delay(LONG)]).await.unwrap();
        client.del([index("").trim_end_matches(':')]).await.unwrap();
        assert!(queue.pull(9).await.unwrap().is_empty(), "{}", place.name);
        assert_eq!(queue.status("t3").await.unwrap(), TaskStatus::Unknown);
        queue.enqueue(&task(5)).await.unwrap();
        let stats = queue.stats().await.unwrap();
        assert_eq!((stats.ready, stats.delayed, stats.dead), (1, 0, 0), "{}", place.name);
        assert_eq!(payloads(&queue.pull(9).await.unwrap()), [5], "{}", place.name);
    }
}

#[tokio::test]
async fn a_redis_that_comes_back_empty_refuses_holders_and_works_on() {
    for place in Place::all().await {
        let (client, queue) = (place.client(), queue(place.client()));
        queue.enqueue(&task(1)).await.unwrap();
        let holder = queue.pull(1).await.unwrap().remove(0);
        client.flushall().await.unwrap();
        client.script_flush().await.unwrap();
        assert!(matches!(holder.ack().await, Err(QueueError::Lost { .. })), "{}", place.name);
        assert!(queue.pull(1).await.unwrap().is_empty());
        assert_eq!(queue.enqueue(&task(1)).await.unwrap().how, Addition::New);
        assert_eq!(payloads(&queue.pull(1).await.unwrap()), [1], "{}", place.name);
        assert!(matches!(holder.ack().await, Err(QueueError::Lost { .. })), "{}", place.name);
    }
}

#[tokio::test]
async fn a_hundred_thousand_due_tasks_come_in_steps() {
    const TASKS: u64 = 100_000;
    let place = Place::redis("Redis", RedisServer::start());
    let (client, queue) = (place.client(), queue(place.client()));
    // One as the queue stores it, and as many more.
    queue.enqueue(&task(0).delay(LONG)).await.unwrap();
    let copy = "local record = redis.call('HGET', KEYS[1], 't0') \
        for number = 1, ARGV[1] - 1 do \
          redis.call('HSET', KEYS[1], 't' .. number, record) \
          redis.call('HSET', KEYS[2], 't' .. number, number) \
          redis.call('ZADD', KEYS[3], 5, 't' .. number) \
        end \
        redis.call('HSET', KEYS[1], '#tasks', ARGV[1]) \
        return ARGV[1]";
    let tasks = index("").trim_end_matches(':').to_owned();
    let keys = [tasks, index("payloads"), index("delayed")];
    let made: u64 = client.run_script(&Script::new(copy), keys, [TASKS]).await.unwrap();
    assert_eq!(made, TASKS);
    make_due(&client, "delayed").await;
    let mut pulls = 0;
    while queue.stats().await.unwrap().delayed > 0 {
        assert_eq!(queue.pull(1).await.unwrap().len(), 1);
        pulls += 1;
    }
    assert_eq!(pulls, TASKS.div_ceil(256));
    let stats = queue.stats().await.unwrap();
    assert_eq!((stats.ready, stats.active), (TASKS - pulls, pulls));
}
