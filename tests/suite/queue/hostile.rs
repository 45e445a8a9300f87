//! Names, payloads, settings and times at their bounds and beyond.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use edgecask::prelude::*;
use edgecask::queue::{
    Addition, Backoff, DeadReason, Queue, QueueOptions, Source, Task, TaskStatus, Worker,
};
use edgecask::{ErrorKind, Key};
use edgecask_tests::{Dice, Place, seeds};

use super::{LONG, options, task};

const NAMES: [&str; 12] =
    ["{", "}", "{}", "a{b}c", "a}b{", "é*?[]", "a:b", "%7B", "=", "a#-\\", "\u{10ffff}", "t\"'"];

#[tokio::test]
async fn every_name_is_a_queue_a_task_a_group_and_a_key_of_its_own() {
    for place in Place::all().await {
        let client = place.client();
        for name in NAMES {
            let queue: Queue<String> =
                Queue::with_options(client.clone(), name, options()).unwrap();
            let one = Task::new(String::new()).id(name).group(name).unique(name, LONG);
            let added = queue.enqueue(&one).await.unwrap();
            assert_eq!((added.id.as_str(), added.how), (name, Addition::New), "{}", place.name);
            let two = Task::new(name.to_owned()).unique(name, LONG);
            assert_eq!(queue.enqueue(&two).await.unwrap().how, Addition::Duplicate, "{name}");
            assert!(queue.forget_unique(name).await.unwrap(), "{}: {name}", place.name);
            assert_eq!(queue.enqueue(&two.group(name)).await.unwrap().how, Addition::New);
            let held = queue.pull(9).await.unwrap();
            assert_eq!(held.len(), 1, "{}: {name}: of the group", place.name);
            held[0].progress(&name).await.unwrap();
            held[0].set_result(&name).unwrap();
            held[0].ack().await.unwrap();
            assert_eq!(queue.status(name).await.unwrap(), TaskStatus::Done, "{name}");
            assert_eq!(queue.result::<String>(name).await.unwrap().as_deref(), Some(name));
            let held = queue.pull(9).await.unwrap();
            assert_eq!(held[0].payload(), name, "{}", place.name);
            held[0].reject(format!("{name}\n\0\r{}", "é".repeat(999))).await.unwrap();
            let letter = queue.dead_letters(9).await.unwrap().remove(0);
            assert!(letter.error.starts_with(&format!("{name}   é")), "{}", letter.error);
            assert!(letter.error.len() <= 500);
            assert_eq!(queue.purge_dead(9).await.unwrap(), 1);
            assert_eq!(queue.stats().await.unwrap(), Default::default(), "{}", place.name);
            // The same key as that of a list.
            let list = Source::List(Key::verbatim(name).unwrap());
            let over: Queue<u32> = Queue::over(client.clone(), list, options()).unwrap();
            client.lpush(name, ["", "7", "nan", "\0\u{fffd}"]).await.unwrap();
            let held = over.pull(9).await.unwrap();
            assert_eq!(super::payloads(&held), [7], "{}: {name}", place.name);
            held[0].ack().await.unwrap();
            assert_eq!(over.purge_dead(9).await.unwrap(), 3, "{}: {name}", place.name);
        }
    }
}

/// The settings at their bounds: each task is done, or a dead letter.
#[tokio::test]
async fn no_setting_loses_or_holds_a_task() {
    let places = Place::all().await;
    for seed in seeds(5) {
        let dice = Dice::new(seed);
        let time = || {
            [Duration::ZERO, Duration::from_nanos(1), Duration::from_secs(5), Duration::MAX]
                [dice.roll(4) as usize]
        };
        let count = || [0, 1, 2, u64::MAX][dice.roll(4) as usize];
        let small = || count() as u32;
        let jitter = [0.0, -1.0, 1e-300, f64::NAN, f64::INFINITY][dice.roll(5) as usize];
        let options = QueueOptions::new()
            .attempts(small().min(3))
            .poison_cap(small())
            .backoff(Backoff::exponential(Duration::ZERO, time()).jitter(jitter))
            .ttl(Some(LONG))
            .max_payload_bytes([2, usize::MAX][dice.roll(2) as usize])
            .max_pull_bytes(count() as usize)
            .dead_letters(count())
            .group_concurrency(small())
            .rate(u32::MAX, time().min(Duration::from_micros(1)))
            .remember(time(), count())
            .result_ttl(time());
        for place in &places {
            let client = place.client();
            client.flushall().await.unwrap();
            let queue: Queue<u32> =
                Queue::with_options(client, "q", options.clone().lease(LONG)).unwrap();
            let tasks = [
                task(1).priority(0).group("g"),
                task(2).priority(255).group("g").at(SystemTime::UNIX_EPOCH),
                task(3).attempts(1).ttl(None).unique("k", time()),
                task(4).child(task(5).at(UNIX_EPOCH - Duration::from_secs(1))),
            ];
            let context = || format!("{}, EDGECASK_TEST_SEED={seed}: {options:?}", place.name);
            queue
                .enqueue_all(&tasks)
                .await
                .unwrap_or_else(|error| panic!("{error}: {}", context()));
            // Never due, and no overflow.
            queue.enqueue(&task(6).delay(Duration::MAX).ttl(Duration::MAX)).await.unwrap();
            let failing = std::sync::atomic::AtomicU32::new(0);
            let worker = Worker::new(queue.clone(), move |number, held| {
                let first = failing.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == 0;
                async move {
                    held.extend_by(Duration::MAX).await?;
                    held.progress(&number).await?;
                    held.set_result(&number)?;
                    match first {
                        true => Err("the first one fails".into()),
                        false => Ok(()),
                    }
                }
            });
            let mut ended = 0;
            for _ in 0..20 {
                let worked = worker.run_due(9).await.unwrap();
                ended += worked.done + worked.dead;
                assert_eq!(worked.lost, 0, "{}", context());
            }
            assert_eq!(ended, 5, "{}", context());
            let stats = queue.stats().await.unwrap();
            assert_eq!((stats.ready, stats.active, stats.grouped), (0, 0, 0), "{}", context());
            assert_eq!(stats.delayed, 1, "{}", context());
        }
    }
}

/// Also by an engine without Lua, whose stack is that of the caller.
#[tokio::test]
async fn a_long_chain_of_parents_ends_with_its_first_child() {
    const LENGTH: u32 = 499;
    for place in Place::all().await {
        let queue = super::queue(place.client());
        let chain: Vec<Task<u32>> =
            (0..LENGTH).rev().map(|number| task(number + 1).child(task(number))).collect();
        queue.enqueue_all(&chain).await.unwrap();
        let first = queue.pull(9).await.unwrap();
        assert_eq!(super::payloads(&first), [0], "{}", place.name);
        first[0].reject("no").await.unwrap();
        assert_eq!(queue.stats().await.unwrap().dead, u64::from(LENGTH) + 1, "{}", place.name);
        assert_eq!(queue.requeue_dead(u64::MAX).await.unwrap(), u64::from(LENGTH) + 1);
        queue.pull(9).await.unwrap()[0].ack().await.unwrap();
        assert_eq!(super::payloads(&queue.pull(9).await.unwrap()), [1], "{}", place.name);
    }
}

/// Elements of other programs may have any size.
#[tokio::test]
async fn a_foreign_task_that_is_too_large_is_a_dead_letter() {
    for place in Place::all().await {
        let client = place.client();
        let list = Source::List(Key::verbatim("l").unwrap());
        let options = options().max_payload_bytes(10);
        let queue: Queue<u64> = Queue::over(client.clone(), list, options).unwrap();
        let large = || "1".repeat(3000);
        client.lpush("l", [large(), "2".to_owned(), large(), "3".to_owned()]).await.unwrap();
        let held = queue.pull(9).await.unwrap();
        let seen: Vec<u64> = held.iter().map(|held| *held.payload()).collect();
        assert_eq!(seen, [2, 3], "{}", place.name);
        for letter in queue.dead_letters(9).await.unwrap() {
            assert_eq!((letter.reason, letter.payload), (DeadReason::TooLarge, None));
        }
        // Many of them do not block the others.
        client.lpush("l", (0..40).map(|_| large())).await.unwrap();
        client.lpush("l", [4]).await.unwrap();
        let worker = Worker::new(queue.clone(), |_, _| async { Ok(()) });
        assert_eq!(worker.run_due(9).await.unwrap().done, 1, "{}", place.name);
        assert_eq!(queue.stats().await.unwrap().dead, 42, "{}", place.name);
    }
}

#[tokio::test]
async fn an_invalid_name_is_refused_before_it_is_sent() {
    let client = edgecask::Client::memory();
    let queue: Queue<u32> = Queue::with_options(client, "q", options()).unwrap();
    for bad in ["", "a b", "\n", "#tasks", "-", "a\u{85}", "a\u{1}", &"x".repeat(201)] {
        let kind = |error: edgecask::Error| {
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{bad:?}");
        };
        kind(queue.status(bad).await.unwrap_err());
        kind(queue.requeue([bad]).await.unwrap_err());
        kind(queue.remove([bad]).await.unwrap_err());
        kind(queue.result::<u32>(bad).await.unwrap_err());
        kind(queue.limit_group(bad, 1).await.unwrap_err());
        kind(queue.enqueue(&task(1).id(bad)).await.unwrap_err().into());
        kind(queue.enqueue(&task(1).group(bad)).await.unwrap_err().into());
    }
    for bad in ["", &"x".repeat(201)] {
        assert!(queue.enqueue(&task(1).unique(bad, LONG)).await.is_err());
        assert!(queue.forget_unique(bad).await.is_err(), "{bad:?}");
    }
    assert!(Queue::<u32>::new(edgecask::Client::memory(), "").is_err());
}
