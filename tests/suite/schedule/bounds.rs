//! How late a slot may start, how many runs may go on, how long a name may be, and what is told of a part that failed.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use edgecask::platform::BoxFuture;
use edgecask::prelude::*;
use edgecask::schedule::{DueError, Missed, Reason, Schedule, Scheduler};
use edgecask::transport::Results;
use edgecask::{BoxError, Client, Error, ErrorKind, Result};
use edgecask_tests::{Place, Tap, Tapped, Trip, until};
use tokio::sync::{Semaphore, oneshot};

use super::faults::is_claim;
use super::{Starts, ago, decided, every, period, records};

/// Holds claims back until the server's clock has passed this millisecond.
#[derive(Debug)]
struct Held {
    until: u128,
    direct: Client,
}

impl Tap for Held {
    fn carry<'a>(&'a self, trip: Trip<'a>) -> BoxFuture<'a, Result<Results>> {
        Box::pin(async move {
            if trip.commands.iter().any(is_claim) {
                while self.direct.time().await?.as_millis() <= self.until {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            }
            trip.go().await
        })
    }
}

/// A process holds a slot for early enough, and its claim arrives too late.
#[tokio::test]
async fn the_servers_clock_says_whether_a_slot_is_too_late() {
    for place in Place::all().await {
        let (name, direct, period) = (place.name, place.client(), period());
        let schedule = every("job", period);
        let slot = schedule.next_after(ago(period)).unwrap();
        let slot = slot.duration_since(UNIX_EPOCH).unwrap().as_millis();
        let now = direct.time().await.unwrap().as_millis();
        let grace = Duration::from_millis((now - slot + 300) as u64);
        let schedule = schedule.missed(Missed::Skip { grace });
        let until = slot + grace.as_millis();
        // Two slots before were missed besides.
        decided(&direct, "job", ago(3 * period)).await;
        let starts = Starts::default();
        let late = place.client().layer(Tapped(Held { until, direct: direct.clone() }));
        let scheduler = starts.of(late, &schedule);
        assert!(scheduler.run_due().await.unwrap().is_empty(), "{name}");
        assert!(starts.all().is_empty(), "{name}");
        let missed = records(&scheduler, "job", Reason::Missed).await;
        assert_eq!(missed.len(), 1, "{name}: {missed:?}");
        assert_eq!(missed[0].count, Some(3), "{name}");
        assert_eq!(missed[0].to, schedule.next_after(ago(period)).unwrap(), "{name}");
    }
}

#[tokio::test]
async fn the_hundredth_run_that_overlaps_is_the_last() {
    for place in Place::all().await {
        let (name, direct, period) = (place.name, place.client(), period());
        for (missed, waits) in [(Missed::RunOnce, false), (Missed::CatchUp { most: 1 }, true)] {
            direct.flushall().await.unwrap();
            decided(&direct, "job", ago(period)).await;
            let until = direct.time().await.unwrap().as_millis() + 3_600_000;
            let runs = (0..99).map(|run| (format!("run:{run}"), format!("{until} other")));
            direct.hset("edgecask:schedule:job", runs).await.unwrap();
            let starts = Starts::default();
            let schedule = every("job", period).overlap(true).missed(missed);
            let scheduler = starts.of(place.client(), &schedule);
            assert_eq!(scheduler.run_due().await.unwrap().len(), 1, "{name}: the hundredth");
            let one = [("run:100".to_owned(), format!("{until} other"))];
            direct.hset("edgecask:schedule:job", one).await.unwrap();
            decided(&direct, "job", ago(period)).await;
            let other = starts.of(place.client(), &schedule);
            assert!(other.run_due().await.unwrap().is_empty(), "{name}, {missed:?}");
            let recorded = records(&other, "job", Reason::Overlap).await;
            assert_eq!(recorded.len(), usize::from(!waits), "{name}, {missed:?}");
        }
    }
}

/// Slots that are caught up and may overlap are started a hundred at a time, and each is started.
#[tokio::test]
async fn a_long_outage_is_caught_up_a_hundred_runs_at_a_time() {
    let client = Client::memory();
    let schedule = Schedule::every("job", Duration::from_secs(1)).unwrap();
    let schedule = schedule.overlap(true).missed(Missed::CatchUp { most: 130 });
    decided(&client, "job", ago(10_000)).await;
    let (gate, now, most) =
        (Arc::new(Semaphore::new(0)), Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let starts = Starts::default();
    let handler = {
        let (gate, now, most, starts) = (gate.clone(), now.clone(), most.clone(), starts.clone());
        move |run: edgecask::schedule::Run| {
            let (gate, now, most) = (gate.clone(), now.clone(), most.clone());
            starts.note(&run);
            async move {
                most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                gate.acquire().await?.forget();
                now.fetch_sub(1, Ordering::SeqCst);
                Ok::<(), BoxError>(())
            }
        }
    };
    let scheduler = Scheduler::builder(client.clone()).schedule(schedule, handler).build().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let all = async {
        until(async || now.load(Ordering::SeqCst) == 100).await;
        gate.add_permits(10_000);
        until(async || starts.all().len() >= 130).await;
        drop(stop);
    };
    let stopped = async { stopped.await.unwrap_or_default() };
    futures_util::join!(scheduler.run_until(stopped), all);
    assert_eq!(most.load(Ordering::SeqCst), 100);
    let started = starts.all();
    assert!(started.is_sorted_by(|one, next| one < next));
}

#[tokio::test]
async fn what_has_run_is_told_beside_an_error() {
    for place in Place::all().await {
        let (name, direct, period) = (place.name, place.client(), period());
        decided(&direct, "good", ago(period)).await;
        direct.set("edgecask:schedule:bad", "of another type").await.unwrap();
        let mut builder = Scheduler::builder(place.client());
        for job in ["bad", "good"] {
            builder = builder.schedule(every(job, period), |_| async { Ok(()) });
        }
        let DueError { ran, failed, .. } = builder.build().unwrap().run_due().await.unwrap_err();
        assert_eq!((ran.len(), &*ran[0].schedule), (1, "good"), "{name}");
        assert_eq!((failed.len(), &*failed[0].0), (1, "bad"), "{name}");
        assert_eq!(failed[0].1.kind(), ErrorKind::Server, "{name}");
    }
    let away = Client::tcp("redis://127.0.0.1:1").unwrap();
    let error = Starts::default().of(away, &every("job", period())).run_due().await.unwrap_err();
    assert_eq!(Error::from(error).kind(), ErrorKind::Connect);
}

#[test]
fn a_name_is_refused_if_one_of_its_keys_is_too_long() {
    let build = |length: usize| {
        let schedule = Schedule::every("x".repeat(length), Duration::from_secs(1)).unwrap();
        Scheduler::builder(Client::memory()).schedule(schedule, |_| async { Ok(()) }).build()
    };
    // The key of the records is the longest: `edgecask:schedule-records:{edgecask:schedule:…}`.
    let longest = 32 * 1024 - "edgecask:schedule-records:{edgecask:schedule:}".len();
    assert!(build(longest).is_ok());
    assert_eq!(build(longest + 1).unwrap_err().kind(), ErrorKind::InvalidInput);
}
