//! Calls of an operator that arrive twice or late, and remembered ends of tasks that are gone.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use edgecask::platform::BoxFuture;
use edgecask::prelude::*;
use edgecask::queue::{Addition, DeadReason, Task, TaskStatus};
use edgecask::transport::Results;
use edgecask::{Error, ErrorKind, Outcome, Result};
use edgecask_tests::{Place, Tap, Tapped, Trip};

use super::{LONG, index, payloads, queue, task};

/// Keeps the requests that were sent, and loses the next answer on demand.
#[derive(Debug, Clone, Default)]
pub(super) struct Line {
    sent: Arc<Mutex<Vec<Command>>>,
    loses: Arc<AtomicBool>,
}

impl Line {
    pub(super) fn last(&self) -> Command {
        self.sent.lock().unwrap().last().unwrap().clone()
    }

    pub(super) fn lose_the_next_answer(&self) {
        self.loses.store(true, Ordering::SeqCst);
    }
}

impl Tap for Line {
    fn carry<'a>(&'a self, trip: Trip<'a>) -> BoxFuture<'a, Result<Results>> {
        self.sent.lock().unwrap().extend(trip.commands.iter().cloned());
        let is_script = trip.commands.iter().any(|command| command.name().starts_with("EVAL"));
        let lost = is_script && self.loses.swap(false, Ordering::SeqCst);
        Box::pin(async move {
            let answer = trip.go().await;
            match lost {
                true => Err(Error::new(ErrorKind::Disconnected, "lost by the test")
                    .with_outcome(Outcome::Unknown)),
                false => answer,
            }
        })
    }
}

/// The first request, whose answer was lost, arrives after the call and the next one have ended.
#[tokio::test]
async fn a_call_of_an_operator_has_its_effect_once() {
    for place in Place::all().await {
        let (client, line) = (place.client(), Line::default());
        let queue = queue(place.client().layer(Tapped(line.clone())));
        queue.enqueue_all(&[task(1), task(2)]).await.unwrap();
        queue.pause().await.unwrap();
        queue.resume().await.unwrap();
        queue.pause().await.unwrap();
        let pause = line.last();
        queue.resume().await.unwrap();
        client.send(&pause).await.unwrap();
        assert_eq!(payloads(&queue.pull(1).await.unwrap()), [1], "{}: paused", place.name);

        assert_eq!(queue.remove(["t2"]).await.unwrap(), 1);
        let remove = line.last();
        assert_eq!(queue.enqueue(&task(2)).await.unwrap().how, Addition::New);
        client.send(&remove).await.unwrap();
        assert_eq!(queue.status("t2").await.unwrap(), TaskStatus::Ready, "{}", place.name);
        // Many calls later, the memory of them is as large as before.
        for _ in 0..40 {
            queue.pause().await.unwrap();
            queue.resume().await.unwrap();
        }
        let tasks = index("").trim_end_matches(':').to_owned();
        let recent: String = client.hget(tasks, "#recent").await.unwrap().unwrap();
        assert!(recent.len() < 700, "{}: {recent}", place.name);
        // A queue that has nothing gets nothing from a call that changes nothing.
        client.flushall().await.unwrap();
        assert_eq!(queue.remove(["t2"]).await.unwrap(), 0);
        assert_eq!(client.keys::<String>("*").await.unwrap().len(), 0, "{}", place.name);
    }
}

#[tokio::test]
async fn a_lost_answer_does_not_change_how_many_were_requeued() {
    for place in Place::all().await {
        let line = Line::default();
        let queue = queue(place.client().layer(Tapped(line.clone())));
        queue.enqueue_all(&(0..120).map(task).collect::<Vec<_>>()).await.unwrap();
        for delivery in queue.pull(120).await.unwrap() {
            delivery.reject("no").await.unwrap();
        }
        line.lose_the_next_answer();
        assert_eq!(queue.requeue_dead(u64::MAX).await.unwrap(), 120, "{}", place.name);
        for delivery in queue.pull(120).await.unwrap() {
            delivery.reject("no").await.unwrap();
        }
        line.lose_the_next_answer();
        assert_eq!(queue.purge_dead(110).await.unwrap(), 110, "{}", place.name);
    }
}

#[tokio::test]
async fn the_limit_of_a_group_may_stop_it_and_may_end() {
    for place in Place::all().await {
        let queue = queue(place.client());
        queue.limit_group("g", 0).await.unwrap();
        let tasks = [1, 2, 3].map(|number| task(number).group("g"));
        queue.enqueue_all(&tasks).await.unwrap();
        assert!(queue.pull(9).await.unwrap().is_empty(), "{}", place.name);
        queue.limit_group("g", None).await.unwrap();
        assert_eq!(payloads(&queue.pull(9).await.unwrap()), [1], "{}", place.name);
        let fields: Vec<String> =
            place.client().hkeys(index("").trim_end_matches(':')).await.unwrap();
        assert!(!fields.iter().any(|field| field.starts_with("#limit")), "{}", place.name);
    }
}

/// The deduplication key of a lost task does not keep another task out.
#[tokio::test]
async fn a_deduplication_key_does_not_outlive_the_queue() {
    for place in Place::all().await {
        let (client, queue) = (place.client(), queue(place.client()));
        let unique = |number| task(number).unique("report", LONG);
        queue.enqueue(&unique(1)).await.unwrap();
        client.del([index("").trim_end_matches(':')]).await.unwrap();
        assert_eq!(queue.enqueue(&unique(2)).await.unwrap().how, Addition::New, "{}", place.name);
        let added = queue.enqueue(&unique(3)).await.unwrap();
        assert_eq!((added.id.as_str(), added.how), ("t2", Addition::Duplicate), "{}", place.name);
    }
}

#[tokio::test]
async fn a_parent_waits_for_a_child_that_the_queue_has_already() {
    for place in Place::all().await {
        let queue = queue(place.client());
        queue.enqueue_all(&[task(1), task(2), task(3)]).await.unwrap();
        let held = queue.pull(3).await.unwrap();
        held[2].reject("no").await.unwrap();
        let parent = || task(9).child(task(1)).child(task(2)).child(task(4));
        for how in [Addition::New, Addition::Known] {
            assert_eq!(queue.enqueue(&parent()).await.unwrap().how, how, "{}", place.name);
        }
        held[0].ack().await.unwrap();
        let four = queue.pull(9).await.unwrap();
        assert_eq!(payloads(&four), [4], "{}", place.name);
        four[0].ack().await.unwrap();
        assert_eq!(queue.status("t9").await.unwrap(), TaskStatus::WaitsForChildren);
        held[1].ack().await.unwrap();
        assert_eq!(payloads(&queue.pull(9).await.unwrap()), [9], "{}", place.name);
        // For one that is done, it does not wait; with a dead letter, it is one.
        queue.enqueue_all(&[task(10).child(task(1)), task(11).child(task(3))]).await.unwrap();
        assert_eq!(payloads(&queue.pull(9).await.unwrap()), [10], "{}", place.name);
        let letter = queue.dead_letters(1).await.unwrap().remove(0);
        assert_eq!((letter.id.as_str(), letter.reason), ("t11", DeadReason::Child));
        assert_eq!(queue.requeue(["t11", "t3"]).await.unwrap(), 2);
        queue.pull(9).await.unwrap()[0].ack().await.unwrap();
        assert_eq!(payloads(&queue.pull(9).await.unwrap()), [11], "{}", place.name);
    }
}

#[tokio::test]
async fn a_child_has_one_parent() {
    for place in Place::all().await {
        let queue = queue(place.client());
        queue.enqueue(&task(1).child(task(2))).await.unwrap();
        let other: Task<u32> = task(3).child(task(4)).child(task(2));
        let error = Error::from(queue.enqueue(&other).await.unwrap_err());
        assert_eq!((error.kind(), error.outcome()), (ErrorKind::Conflict, Outcome::Refused));
        assert!(error.to_string().contains("t2"), "{}: {error}", place.name);
        assert_eq!(queue.status("t4").await.unwrap(), TaskStatus::Unknown, "{}", place.name);
        let twice = [task(5).child(task(6)), task(7).child(task(6))];
        assert!(queue.enqueue_all(&twice).await.is_err(), "{}", place.name);
        for circle in [task(5).child(task(5)), task(5).child(task(6).child(task(5)))] {
            assert!(queue.enqueue(&circle).await.is_err(), "{}", place.name);
        }
        assert_eq!(queue.status("t5").await.unwrap(), TaskStatus::Unknown, "{}", place.name);
        // A task that waits for children itself is no child, so flows that grow do not become deep.
        assert!(queue.enqueue(&task(9).child(task(1))).await.is_err(), "{}", place.name);
        // The same child twice is one.
        queue.enqueue(&task(5).child(task(6)).child(task(6))).await.unwrap();
        for expected in [2, 1, 6, 5] {
            let one = queue.pull(1).await.unwrap();
            assert_eq!(payloads(&one), [expected], "{}", place.name);
            one[0].ack().await.unwrap();
        }
    }
}
