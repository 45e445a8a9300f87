//! The effect of each operation, in every place.

use std::time::{Duration, SystemTime};

use edgecask::ErrorKind;
use edgecask::prelude::*;
use edgecask::queue::{
    Addition, DeadReason, Fate, Queue, QueueError, QueueOptions, Task, TaskStatus,
};
use edgecask_tests::Place;

use super::{LONG, end_leases, index, make_due, options, payloads, queue, task};

#[tokio::test]
async fn a_task_is_delivered_and_acknowledged_once() {
    for place in Place::all().await {
        let queue = queue(place.client());
        let added = queue.enqueue(&task(1)).await.unwrap();
        assert_eq!((added.id.as_str(), added.how), ("t1", Addition::New), "{}", place.name);
        assert_eq!(queue.enqueue(&task(1)).await.unwrap().how, Addition::Known);
        assert_eq!(queue.status("t1").await.unwrap(), TaskStatus::Ready);
        let deliveries = queue.pull(10).await.unwrap();
        assert_eq!(payloads(&deliveries), [1], "{}", place.name);
        assert_eq!(queue.status("t1").await.unwrap(), TaskStatus::Active);
        assert!(queue.pull(10).await.unwrap().is_empty(), "it is leased");
        deliveries[0].extend().await.unwrap();
        deliveries[0].ack().await.unwrap();
        deliveries[0].ack().await.unwrap();
        assert_eq!(queue.status("t1").await.unwrap(), TaskStatus::Done);
        assert_eq!(
            queue.enqueue(&task(1)).await.unwrap().how,
            Addition::Known,
            "its end is remembered"
        );
        assert!(queue.pull(10).await.unwrap().is_empty(), "{}", place.name);
        assert_eq!(queue.status("t2").await.unwrap(), TaskStatus::Unknown);
        let keys: Vec<String> = place.client().keys("*").await.unwrap();
        assert!(keys.iter().all(|key| key.starts_with("edgecask:tasks:{q}")), "{keys:?}");
    }
}

#[tokio::test]
async fn higher_priorities_go_first_and_equals_in_their_order() {
    for place in Place::all().await {
        let queue = queue(place.client());
        let tasks: Vec<Task<u32>> = [(1, 100), (2, 0), (3, 255), (4, 100), (5, 255)]
            .into_iter()
            .map(|(number, priority)| task(number).priority(priority))
            .collect();
        queue.enqueue_all(&tasks).await.unwrap();
        assert_eq!(payloads(&queue.pull(9).await.unwrap()), [3, 5, 1, 4, 2], "{}", place.name);
    }
}

#[tokio::test]
async fn a_former_holder_is_refused() {
    for place in Place::all().await {
        let (client, queue) = (place.client(), queue(place.client()));
        queue.enqueue(&task(1)).await.unwrap();
        let former = queue.pull(1).await.unwrap().remove(0);
        end_leases(&client).await;
        let holder = queue.pull(1).await.unwrap().remove(0);
        assert_eq!((holder.number(), holder.abandoned(), holder.failures()), (2, 1, 0));
        let is_lost =
            |result: Result<(), QueueError>| matches!(result, Err(QueueError::Lost { .. }));
        assert!(!former.is_lost());
        assert!(is_lost(former.extend().await), "{}", place.name);
        assert!(former.is_lost());
        for _ in 0..2 {
            assert!(is_lost(former.ack().await), "{}", place.name);
            assert!(is_lost(former.nack("late").await.map(drop)));
            assert!(is_lost(former.reject("late").await));
            assert!(is_lost(former.release().await));
            // Then after the task is done.
            holder.ack().await.unwrap();
        }
        assert_eq!(queue.stats().await.unwrap().dead, 0);
    }
}

#[tokio::test]
async fn a_failure_is_tried_again_until_the_last_attempt() {
    for place in Place::all().await {
        let (client, queue) = (place.client(), queue(place.client()));
        queue.enqueue(&task(1).attempts(3)).await.unwrap();
        for failures in 0..3 {
            let delivery = queue.pull(1).await.unwrap().remove(0);
            assert_eq!((delivery.failures(), delivery.abandoned()), (failures, failures));
            assert_eq!(delivery.is_last_attempt(), failures == 2);
            // A crash in between does not use up an attempt.
            if failures < 2 {
                end_leases(&client).await;
                let delivery = queue.pull(1).await.unwrap().remove(0);
                assert_eq!(delivery.failures(), failures);
                assert_eq!(delivery.nack("a\nb").await.unwrap(), Fate::Retry, "{}", place.name);
                continue;
            }
            assert_eq!(delivery.nack("for good").await.unwrap(), Fate::Dead, "{}", place.name);
            // The answer may have been lost.
            assert_eq!(delivery.nack("for good").await.unwrap(), Fate::Dead, "{}", place.name);
        }
        assert!(queue.pull(1).await.unwrap().is_empty());
        let letter = queue.dead_letters(9).await.unwrap().remove(0);
        assert_eq!((letter.reason, letter.error.as_str()), (DeadReason::Failed, "for good"));
        assert_eq!((letter.failures, letter.abandoned, letter.deliveries), (3, 2, 5));
        assert_eq!(letter.payload.as_deref(), Some(&b"1"[..]));
        assert!(letter.since.elapsed().is_ok_and(|age| age < Duration::from_secs(60)));
        assert_eq!(queue.requeue(["t1", "t2"]).await.unwrap(), 1, "{}", place.name);
        let delivery = queue.pull(1).await.unwrap().remove(0);
        assert_eq!((delivery.failures(), delivery.abandoned(), delivery.number()), (0, 0, 6));
        delivery.reject("no").await.unwrap();
        assert_eq!(queue.dead_letters(9).await.unwrap()[0].reason, DeadReason::Rejected);
        assert_eq!(queue.purge_dead(9).await.unwrap(), 1);
        assert_eq!(queue.stats().await.unwrap(), Default::default(), "{}", place.name);
        assert_eq!(queue.enqueue(&task(1)).await.unwrap().how, Addition::New, "it was removed");
    }
}

#[tokio::test]
async fn a_task_that_kills_its_workers_is_a_dead_letter() {
    for place in Place::all().await {
        let (client, queue) = (place.client(), queue(place.client()));
        queue.enqueue(&task(1).poison_cap(2)).await.unwrap();
        assert!(!queue.pull(1).await.unwrap()[0].is_last_delivery());
        end_leases(&client).await;
        let last = queue.pull(1).await.unwrap().remove(0);
        assert!(last.is_last_delivery());
        // What is released does not count.
        last.release().await.unwrap();
        assert_eq!(queue.pull(1).await.unwrap()[0].abandoned(), 1);
        end_leases(&client).await;
        assert!(queue.pull(1).await.unwrap().is_empty(), "{}", place.name);
        let letter = queue.dead_letters(9).await.unwrap().remove(0);
        assert_eq!((letter.reason, letter.abandoned), (DeadReason::Abandoned, 2));
        assert_eq!(queue.requeue_dead(9).await.unwrap(), 1);
        assert_eq!(payloads(&queue.pull(1).await.unwrap()), [1], "{}", place.name);
    }
}

#[tokio::test]
async fn a_task_waits_until_it_is_due_and_expires_after_its_ttl() {
    for place in Place::all().await {
        let (client, queue) = (place.client(), queue(place.client()));
        let hour = Duration::from_secs(3600);
        let tasks = [
            task(1).delay(hour),
            task(2).at(SystemTime::now() + hour),
            task(3).at(SystemTime::UNIX_EPOCH),
            task(4).ttl(Duration::from_millis(1)),
            task(5).ttl(None),
        ];
        queue.enqueue_all(&tasks).await.unwrap();
        // The server's clock advances by more than a millisecond.
        let before: Duration = client.time().await.unwrap();
        edgecask_tests::until(async || {
            client.time().await.unwrap() > before + Duration::from_millis(2)
        })
        .await;
        assert_eq!(payloads(&queue.pull(9).await.unwrap()), [3, 5], "{}", place.name);
        let letter = queue.dead_letters(9).await.unwrap().remove(0);
        assert_eq!((letter.id.as_str(), letter.reason), ("t4", DeadReason::Expired));
        assert_eq!(queue.status("t1").await.unwrap(), TaskStatus::Delayed);
        make_due(&client, "delayed").await;
        assert_eq!(payloads(&queue.pull(9).await.unwrap()), [1, 2], "{}", place.name);
    }
}

#[tokio::test]
async fn an_enqueue_beyond_a_limit_is_refused_as_a_whole() {
    for place in Place::all().await {
        let options = options().max_tasks(3).max_payload_bytes(4);
        let queue: Queue<u32> = Queue::with_options(place.client(), "q", options).unwrap();
        queue.enqueue_all(&[task(1), task(2)]).await.unwrap();
        let full = queue.enqueue_all(&[task(3), task(4)]).await.unwrap_err();
        assert!(matches!(full, QueueError::Full { tasks: 2, .. }), "{}: {full}", place.name);
        queue.enqueue_all(&[task(2), task(3)]).await.unwrap();
        // A repeated enqueue of tasks that the queue has is not refused.
        let known = queue.enqueue(&task(3)).await.unwrap();
        assert_eq!(known.how, Addition::Known, "{}", place.name);
        assert!(matches!(queue.enqueue(&task(5)).await, Err(QueueError::Full { tasks: 3, .. })));
        // Dead letters do not count.
        queue.pull(1).await.unwrap()[0].reject("no").await.unwrap();
        queue.enqueue(&task(6)).await.unwrap();
        let large = queue.enqueue(&task(10_000)).await.unwrap_err();
        assert!(matches!(large, QueueError::TooLarge { bytes: 5, limit: 4, .. }), "{large}");
        for id in ["", "a b", "#tasks", "-"] {
            let error =
                edgecask::Error::from(queue.enqueue(&Task::new(1).id(id)).await.unwrap_err());
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{id}");
        }
        let many: Vec<Task<u32>> = (0..1001).map(task).collect();
        assert!(queue.enqueue_all(&many).await.is_err());
    }
}

#[tokio::test]
async fn a_deduplication_key_admits_one_task_for_its_time() {
    for place in Place::all().await {
        let (client, queue) = (place.client(), queue(place.client()));
        let unique = |number| task(number).unique("report: *", LONG);
        let tasks = [unique(1), unique(2), unique(1)];
        let added = queue.enqueue_all(&tasks).await.unwrap();
        let seen: Vec<(&str, Addition)> =
            added.iter().map(|added| (added.id.as_str(), added.how)).collect();
        let expected =
            [("t1", Addition::New), ("t1", Addition::Duplicate), ("t1", Addition::Known)];
        assert_eq!(seen, expected, "{}", place.name);
        queue.pull(1).await.unwrap()[0].ack().await.unwrap();
        assert_eq!(queue.enqueue(&unique(3)).await.unwrap().how, Addition::Duplicate);
        client.del([index("once:report%3A %2A")]).await.unwrap();
        assert_eq!(queue.enqueue(&unique(3)).await.unwrap().how, Addition::New, "{}", place.name);
    }
}

#[tokio::test]
async fn a_group_has_a_limited_number_of_tasks_at_once() {
    for place in Place::all().await {
        let queue = queue(place.client());
        let tasks: Vec<Task<u32>> =
            (0..9).map(|number| task(number).group(["x", "y", "z"][number as usize % 3])).collect();
        queue.limit_group("y", 2).await.unwrap();
        queue.enqueue_all(&tasks).await.unwrap();
        let first = queue.pull(9).await.unwrap();
        assert_eq!(payloads(&first), [0, 1, 2, 4], "{}: one of x and z, two of y", place.name);
        assert_eq!(first[0].group(), Some("x"));
        assert_eq!(queue.stats().await.unwrap().grouped, 5);
        assert!(queue.pull(9).await.unwrap().is_empty());
        first[0].ack().await.unwrap();
        first[1].reject("no").await.unwrap();
        first[2].nack_after(LONG, "later").await.unwrap();
        assert_eq!(payloads(&queue.pull(9).await.unwrap()), [3, 5, 7], "{}", place.name);
        queue.limit_group("x", 9).await.unwrap();
        assert_eq!(payloads(&queue.pull(9).await.unwrap()), [6], "{}", place.name);
    }
}

#[tokio::test]
async fn a_parent_is_ready_when_its_children_are_done() {
    for place in Place::all().await {
        let queue = queue(place.client());
        let flow = || task(1).child(task(2)).child(task(3).child(task(4)));
        assert_eq!(queue.enqueue(&flow()).await.unwrap().how, Addition::New);
        assert_eq!(queue.enqueue(&flow()).await.unwrap().how, Addition::Known);
        let leaves = queue.pull(9).await.unwrap();
        assert_eq!(payloads(&leaves), [2, 4], "{}", place.name);
        assert_eq!(queue.status("t1").await.unwrap(), TaskStatus::WaitsForChildren);
        leaves[1].set_result(&"four").unwrap();
        for result in queue.ack_all(leaves.iter().map(|leaf| &**leaf)).await.unwrap() {
            result.unwrap();
        }
        assert_eq!(queue.result::<String>("t4").await.unwrap().as_deref(), Some("four"));
        let three = queue.pull(9).await.unwrap();
        assert_eq!(payloads(&three), [3], "{}", place.name);
        // A dead child makes its parent a dead letter; both can be requeued, in any order.
        three[0].reject("no").await.unwrap();
        assert_eq!(queue.status("t1").await.unwrap(), TaskStatus::Dead, "{}", place.name);
        assert_eq!(queue.requeue(["t1", "t3"]).await.unwrap(), 2);
        let three = queue.pull(9).await.unwrap();
        assert_eq!(payloads(&three), [3], "{}", place.name);
        three[0].ack().await.unwrap();
        assert_eq!(payloads(&queue.pull(9).await.unwrap()), [1], "{}", place.name);
        // A removed child, too.
        queue.enqueue(&task(5).child(task(6))).await.unwrap();
        assert_eq!(queue.remove(["t6"]).await.unwrap(), 1);
        let letter = queue.dead_letters(1).await.unwrap().remove(0);
        assert_eq!((letter.id.as_str(), letter.reason), ("t5", DeadReason::Child));
    }
}

#[tokio::test]
async fn progress_and_results_have_a_time_to_live() {
    for place in Place::all().await {
        let client = place.client();
        let options = options().result_ttl(Duration::from_secs(500));
        let queue: Queue<u32> = Queue::with_options(client.clone(), "q", options).unwrap();
        queue.enqueue(&task(1)).await.unwrap();
        assert_eq!(queue.progress::<u32>("t1").await.unwrap(), None);
        let delivery = queue.pull(1).await.unwrap().remove(0);
        delivery.progress(&50).await.unwrap();
        assert_eq!(queue.progress::<u32>("t1").await.unwrap(), Some(50), "{}", place.name);
        delivery.set_result(&[1, 2]).unwrap();
        delivery.ack().await.unwrap();
        assert_eq!(queue.result::<Vec<u32>>("t1").await.unwrap(), Some(vec![1, 2]));
        assert_eq!(queue.result::<u32>("t1").await.unwrap_err().kind(), ErrorKind::Codec);
        for name in ["result:t1", "progress:t1"] {
            let left: i64 = client.execute(cmd("TTL").arg(index(name))).await.unwrap();
            assert!((400..=500).contains(&left), "{}: {name} {left}", place.name);
        }
    }
}

#[tokio::test]
async fn a_rate_is_not_exceeded() {
    for place in Place::all().await {
        let options = options().rate(2, Duration::from_secs(7200));
        let queue: Queue<u32> = Queue::with_options(place.client(), "q", options).unwrap();
        queue.enqueue_all(&[task(1), task(2), task(3)]).await.unwrap();
        assert_eq!(payloads(&queue.pull(9).await.unwrap()), [1, 2], "{}", place.name);
        assert!(queue.pull(9).await.unwrap().is_empty(), "{}", place.name);
        queue.pause().await.unwrap();
        let unlimited: Queue<u32> =
            Queue::with_options(place.client(), "q", QueueOptions::new()).unwrap();
        assert!(unlimited.pull(9).await.unwrap().is_empty(), "{}: paused", place.name);
        queue.resume().await.unwrap();
        assert_eq!(payloads(&unlimited.pull(9).await.unwrap()), [3], "{}", place.name);
    }
}

#[tokio::test]
async fn a_payload_of_another_type_is_a_dead_letter_and_does_not_block_others() {
    for place in Place::all().await {
        let texts: Queue<String> = Queue::with_options(place.client(), "q", options()).unwrap();
        texts.enqueue(&Task::new("secret".to_owned()).id("text")).await.unwrap();
        let queue = queue(place.client());
        queue.enqueue(&task(1)).await.unwrap();
        assert_eq!(payloads(&queue.pull(9).await.unwrap()), [1], "{}", place.name);
        let letter = queue.dead_letters(9).await.unwrap().remove(0);
        assert_eq!((letter.id.as_str(), letter.reason), ("text", DeadReason::Rejected));
        assert!(!letter.error.contains("secret"), "{}", letter.error);
    }
}

#[tokio::test]
async fn a_pull_has_a_limit_of_bytes() {
    for place in Place::all().await {
        let options = options().max_pull_bytes(100);
        let queue: Queue<String> = Queue::with_options(place.client(), "q", options).unwrap();
        let tasks: Vec<Task<String>> =
            [500, 40, 40, 40].map(|length| Task::new("x".repeat(length))).into();
        queue.enqueue_all(&tasks).await.unwrap();
        for expected in [1, 2, 1] {
            assert_eq!(queue.pull(9).await.unwrap().len(), expected, "{}", place.name);
        }
    }
}
