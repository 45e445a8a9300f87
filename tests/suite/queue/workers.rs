//! The worker: the results of its handlers, its leases, and its stop.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use edgecask::queue::{Backoff, Fatal, Queue, QueueOptions, TaskStatus, Worker};
use edgecask::{BoxError, Client};
use edgecask_tests::{Place, until};
use tokio::sync::{Notify, oneshot};

use super::{end_leases, queue, task};

#[tokio::test]
async fn the_result_of_a_handler_settles_its_task() {
    for place in Place::all().await {
        let queue = queue(place.client());
        let tasks = [1, 2, 3, 4].map(|number| task(number).attempts(2));
        queue.enqueue_all(&tasks).await.unwrap();
        let worker = Worker::new(queue.clone(), |number, task| async move {
            match number {
                1 => Ok(task.set_result(&number)?),
                2 => Err(Fatal::new("never").into()),
                3 => panic!("a panic of the test"),
                _ if task.is_last_attempt() => Ok(()),
                _ => Err(BoxError::from("not yet")),
            }
        })
        .concurrency(3);
        let worked = worker.run_due(100).await.unwrap();
        // 3 and 4 are tried twice.
        let all = (worked.done, worked.retried, worked.dead, worked.lost);
        assert_eq!(all, (2, 2, 2, 0), "{}", place.name);
        assert_eq!(queue.result::<u32>("t1").await.unwrap(), Some(1));
        let mut dead = queue.dead_letters(9).await.unwrap();
        dead.sort_by(|one, other| one.id.cmp(&other.id));
        let errors: Vec<&str> = dead.iter().map(|letter| letter.error.as_str()).collect();
        assert_eq!(errors, ["never", "the handler panicked"], "{}", place.name);
        assert_eq!(worker.run_due(100).await.unwrap().done, 0);
    }
}

#[tokio::test]
async fn a_worker_renews_its_leases_and_detects_a_lost_one() {
    for place in Place::all().await {
        let options = QueueOptions::new().lease(Duration::from_millis(300));
        let queue: Queue<u32> = Queue::with_options(place.client(), "q", options).unwrap();
        queue.enqueue(&task(1)).await.unwrap();
        let (begun, lost) = (Arc::new(Notify::new()), Arc::new(AtomicUsize::new(0)));
        let (begins, losses) = (Arc::clone(&begun), Arc::clone(&lost));
        let worker = Worker::new(queue.clone(), move |_, task| {
            begins.notify_one();
            let losses = Arc::clone(&losses);
            // Its worker drops the handler.
            let dropped = OnDrop(losses);
            async move {
                let _dropped = dropped;
                task.lost().await;
                std::future::pending().await
            }
        });
        let (stop, stopped) = oneshot::channel::<()>();
        let working = tokio::spawn(async move {
            worker.run_until(async { drop(stopped.await) }).await;
        });
        begun.notified().await;
        // Longer than the lease.
        tokio::time::sleep(Duration::from_millis(700)).await;
        assert!(queue.pull(1).await.unwrap().is_empty(), "{}: it is renewed", place.name);
        assert_eq!(lost.load(Ordering::SeqCst), 0);
        stop.send(()).unwrap();
        end_leases(&place.client()).await;
        until(async || {
            let thief = queue.pull(1).await.unwrap();
            end_leases(&place.client()).await;
            !thief.is_empty()
        })
        .await;
        until(async || lost.load(Ordering::SeqCst) == 1).await;
        working.await.unwrap();
    }
}

struct OnDrop(Arc<AtomicUsize>);

impl Drop for OnDrop {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[tokio::test]
async fn a_stop_waits_for_handlers_and_then_releases_their_tasks() {
    for place in Place::all().await {
        let queue = queue(place.client());
        queue.enqueue_all(&[task(1), task(2), task(3)]).await.unwrap();
        let begun = Arc::new(AtomicUsize::new(0));
        let begins = Arc::clone(&begun);
        let worker = Worker::new(queue.clone(), move |number, _| {
            begins.fetch_add(1, Ordering::SeqCst);
            async move {
                if number == 2 {
                    std::future::pending::<()>().await;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
                Ok(())
            }
        })
        .concurrency(2)
        .grace(Duration::from_millis(400));
        let (stop, stopped) = oneshot::channel::<()>();
        let begun_two = async {
            until(async || begun.load(Ordering::SeqCst) >= 2).await;
            stop.send(()).unwrap();
        };
        let stopped = async { drop(stopped.await) };
        tokio::join!(worker.run_until(stopped), begun_two);
        assert_eq!(queue.status("t1").await.unwrap(), TaskStatus::Done, "{}", place.name);
        assert_eq!(queue.status("t2").await.unwrap(), TaskStatus::Ready, "{}", place.name);
        let mut left = queue.pull(9).await.unwrap();
        let two = left.remove(0);
        assert_eq!((*two.payload(), two.abandoned(), two.failures()), (2, 0, 0));
    }
}

/// Each task that is added while a worker waits is worked on as soon as it is due.
#[tokio::test]
async fn a_worker_that_waits_is_woken() {
    for place in Place::all().await {
        let queue = queue(place.client());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&seen);
        let worker = Worker::new(queue.clone(), move |number, _| {
            log.lock().unwrap().push(number);
            async { Ok(()) }
        });
        let (stop, stopped) = oneshot::channel::<()>();
        let working = tokio::spawn(async move {
            worker.run_until(async { drop(stopped.await) }).await;
        });
        let len = || seen.lock().unwrap().len();
        for number in 0..5 {
            let delay = Duration::from_millis(if number % 2 == 0 { 0 } else { 20 });
            queue.enqueue(&task(number).delay(delay)).await.unwrap();
            until(async || len() == number as usize + 1).await;
        }
        queue.pause().await.unwrap();
        queue.enqueue(&task(9)).await.unwrap();
        queue.resume().await.unwrap();
        until(async || len() == 6).await;
        stop.send(()).unwrap();
        working.await.unwrap();
        assert_eq!(*seen.lock().unwrap(), [0, 1, 2, 3, 4, 9], "{}", place.name);
    }
}

/// A worker whose Redis is unreachable for a while continues afterwards.
#[tokio::test]
async fn an_error_of_redis_does_not_end_a_worker() {
    let port = edgecask_tests::free_port();
    let client = Client::tcp(&format!("redis://127.0.0.1:{port}")).unwrap();
    let options = QueueOptions::new().backoff(Backoff::fixed(Duration::ZERO));
    let queue: Queue<u32> = Queue::with_options(client, "q", options).unwrap();
    let done = Arc::new(Notify::new());
    let ends = Arc::clone(&done);
    let worker = Worker::new(queue.clone(), move |_, _| {
        ends.notify_one();
        async { Ok(()) }
    });
    let working = tokio::spawn(async move { worker.run().await });
    assert!(queue.pull(1).await.is_err());
    let _redis = edgecask_tests::RedisServer::on_port(port);
    queue.enqueue(&task(1)).await.unwrap();
    done.notified().await;
    until(async || queue.status("t1").await.unwrap() == TaskStatus::Done).await;
    working.abort();
}
