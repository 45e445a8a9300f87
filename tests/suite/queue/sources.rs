//! Queues over the plain lists and sorted sets of other programs.

use edgecask::prelude::*;
use edgecask::queue::{DeadReason, Queue, Source, TaskStatus, Worker};
use edgecask::{Client, Key};
use edgecask_tests::{Place, RedisServer, until};
use tokio::sync::oneshot;

use super::{options, payloads};

fn over(client: Client, source: Source) -> Queue<u32> {
    Queue::over(client, source, options()).unwrap()
}

fn list() -> Source {
    Source::List(Key::verbatim("publish:facebook").unwrap())
}

#[tokio::test]
async fn other_programs_may_add_and_take_beside_a_queue() {
    for place in Place::all().await {
        let (client, queue) = (place.client(), over(place.client(), list()));
        client.lpush("publish:facebook", ["1", "2", "no number", "3", "4"]).await.unwrap();
        assert_eq!(
            client.rpop::<u32>("publish:facebook").await.unwrap(),
            Some(1),
            "{}",
            place.name
        );
        let two = queue.pull(1).await.unwrap();
        assert_eq!(payloads(&two), [2]);
        assert_eq!(client.llen("publish:facebook").await.unwrap(), 3, "the rest waits in the list");
        assert_eq!(payloads(&queue.pull(2).await.unwrap()), [3], "{}", place.name);
        let letter = queue.dead_letters(9).await.unwrap().remove(0);
        assert_eq!(letter.reason, DeadReason::Rejected);
        assert_eq!(letter.payload.as_deref(), Some(&b"no number"[..]));
        // What was taken is a task as any other, and goes before the list.
        two[0].nack("no").await.unwrap();
        let again = queue.pull(9).await.unwrap();
        assert_eq!(payloads(&again), [2, 4], "{}", place.name);
        assert_eq!((again[0].number(), again[0].failures()), (2, 1));
        for delivery in &again {
            delivery.ack().await.unwrap();
            assert_eq!(queue.status(delivery.id()).await.unwrap(), TaskStatus::Done);
        }
        assert!(queue.pull(9).await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn a_sorted_set_gives_what_is_due() {
    for place in Place::all().await {
        let client = place.client();
        let queue =
            over(client.clone(), Source::SortedSet(Key::verbatim("scheduled:posts").unwrap()));
        for (score, member) in [("1705329600", "1"), ("99999999999", "2"), ("1705329600.5", "3")] {
            let add = cmd("ZADD").arg("scheduled:posts").arg(score).arg(member);
            client.execute::<i64>(add).await.unwrap();
        }
        assert_eq!(payloads(&queue.pull(9).await.unwrap()), [1, 3], "{}", place.name);
        assert_eq!(client.zcard("scheduled:posts").await.unwrap(), 1);
    }
}

/// The plain lists and sorted sets of the systems, as their other programs write and read them.
#[tokio::test]
async fn each_list_and_sorted_set_of_the_systems_is_a_source() {
    use edgecask::systems::{automation, phoenix};
    for place in Place::all().await {
        let client = place.client();
        let lists: [(Source, &str); 6] = [
            ((&phoenix::tasks().unwrap()).into(), "phoenix:tasks:queue"),
            ((&automation::publish_queue("facebook").unwrap()).into(), "publish:facebook"),
            ((&automation::publish_queue("instagram").unwrap()).into(), "publish:instagram"),
            ((&automation::approval_queue().unwrap()).into(), "approval:queue"),
            ((&automation::workflow_steps("w1").unwrap()).into(), "workflow:steps:w1"),
            ((&automation::client_requests("c1").unwrap()).into(), "client:requests:c1"),
        ];
        for (list, key) in lists {
            let queue = over(client.clone(), list);
            client.lpush(key, [1, 2, 3]).await.unwrap();
            let held = queue.pull(1).await.unwrap();
            assert_eq!(client.rpop::<u32>(key).await.unwrap(), Some(2), "{}: {key}", place.name);
            held[0].nack("no").await.unwrap();
            let again = queue.pull(9).await.unwrap();
            assert_eq!(payloads(&again), [1, 3], "{}: {key}", place.name);
            queue.ack_all(again.iter().map(|held| &**held)).await.unwrap();
            assert_eq!(client.exists([key]).await.unwrap(), 0, "{}: {key}", place.name);
        }
        let sets: [(Source, &str); 2] = [
            ((&automation::scheduled_posts().unwrap()).into(), "scheduled:posts"),
            ((&automation::publish_retries().unwrap()).into(), "publish:retry"),
        ];
        for (set, key) in sets {
            let queue = over(client.clone(), set);
            for (score, member) in [("-inf", "1"), ("1705329900", "2"), ("inf", "3")] {
                let add = cmd("ZADD").arg(key).arg(score).arg(member);
                client.execute::<i64>(add).await.unwrap();
            }
            assert_eq!(payloads(&queue.pull(9).await.unwrap()), [1, 2], "{}: {key}", place.name);
            assert_eq!(client.zcard(key).await.unwrap(), 1, "{}: {key}", place.name);
        }
    }
}

#[tokio::test]
async fn a_worker_is_woken_by_a_push_of_another_program() {
    let place = Place::redis("Redis", RedisServer::start());
    let (client, queue) = (place.client(), over(place.client(), list()));
    let (stop, stopped) = oneshot::channel::<()>();
    let done = std::sync::Arc::new(std::sync::atomic::AtomicU32::new(0));
    let sum = std::sync::Arc::clone(&done);
    let worker = Worker::new(queue, move |number, _| {
        sum.fetch_add(number, std::sync::atomic::Ordering::SeqCst);
        async { Ok(()) }
    });
    let worker = tokio::spawn(async move { worker.run_until(async { drop(stopped.await) }).await });
    for number in 1..=3 {
        // It waits by a command that blocks.
        until(async || {
            let clients: String = client.execute(cmd("CLIENT").arg("LIST")).await.unwrap();
            clients.contains("cmd=blmove")
        })
        .await;
        client.lpush("publish:facebook", [number]).await.unwrap();
        let so_far = (1..=number).sum::<u32>();
        until(async || done.load(std::sync::atomic::Ordering::SeqCst) == so_far).await;
    }
    stop.send(()).unwrap();
    worker.await.unwrap();
    assert_eq!(client.llen("publish:facebook").await.unwrap(), 0);
}
