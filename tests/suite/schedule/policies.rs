use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use edgecask::prelude::*;
use edgecask::schedule::{Missed, Reason, Run, Scheduler};
use edgecask::{BoxError, Client};
use edgecask_tests::{Place, until};
use tokio::sync::Semaphore;

use super::{Starts, ago, decided, every, period, records, slots};

/// One outage of ten minutes and a half, and each policy.
#[tokio::test]
async fn missed_slots_are_started_or_recorded_by_the_policy() {
    for place in Place::all().await {
        let period = period();
        for (name, policy, expected) in [
            ("once", Missed::RunOnce, 1),
            ("patient", Missed::Skip { grace: Duration::from_secs(period) }, 1),
            ("strict", Missed::Skip { grace: Duration::ZERO }, 0),
            ("catch-up", Missed::CatchUp { most: 3 }, 3),
        ] {
            let client = place.client();
            let schedule = every(name, period).missed(policy);
            let begin = ago(10 * period);
            decided(&client, name, begin).await;
            let starts = Starts::default();
            let scheduler = starts.of(client, &schedule);
            let ran = scheduler.run_due().await.unwrap();
            let all = slots(&schedule, begin, SystemTime::now());
            let started = starts.all();
            assert_eq!(started.len(), expected, "{} {policy:?}", place.name);
            assert_eq!(ran.iter().map(|ran| ran.planned).collect::<Vec<_>>(), started);
            let missed = records(&scheduler, name, Reason::Missed).await;
            let missed: u64 = missed.iter().map(|record| record.count.unwrap()).sum();
            assert_eq!(missed as usize + started.len(), all.len(), "{} {policy:?}", place.name);
            assert_eq!(started, &all[all.len() - started.len()..]);
            assert!(scheduler.run_due().await.unwrap().is_empty(), "all is decided");
        }
    }
}

#[tokio::test]
async fn a_run_under_way_elsewhere_passes_the_next_slot_over_unless_it_may_overlap() {
    for place in Place::all().await {
        let period = period();
        for overlap in [false, true] {
            let name = format!("overlap-{overlap}");
            let schedule = every(&name, period).overlap(overlap);
            decided(&place.client(), &name, ago(period)).await;
            let (started, mut starts) = tokio::sync::mpsc::unbounded_channel();
            let long = Scheduler::builder(place.client()).schedule(schedule.clone(), move |_| {
                let _ = started.send(());
                std::future::pending::<Result<(), BoxError>>()
            });
            let long = long.build().unwrap();
            let under_way = tokio::spawn(async move { long.run_due().await });
            starts.recv().await.unwrap();
            // As if the next slot were due.
            decided(&place.client(), &name, ago(period)).await;
            let others = Starts::default();
            let other = others.of(place.client(), &schedule);
            other.run_due().await.unwrap();
            assert_eq!(others.all().len(), usize::from(overlap), "{}", place.name);
            let recorded = records(&other, &name, Reason::Overlap).await;
            assert_eq!(recorded.len(), usize::from(!overlap), "{}", place.name);
            under_way.abort();
        }
    }
}

#[tokio::test]
async fn a_run_that_fails_panics_or_is_abandoned_is_recorded() {
    for place in Place::all().await {
        let period = period();
        let lease = Duration::from_millis(200);
        let schedule = every("job", period).lease(lease);
        let client = place.client();
        let scheduler = |how: &'static str| {
            let handler = move |_: Run| async move {
                match how {
                    "fail" => Err("no".into()),
                    "panic" => panic!("a planned panic"),
                    "hang" => std::future::pending().await,
                    _ => Ok::<(), BoxError>(()),
                }
            };
            let builder = Scheduler::builder(place.client());
            builder.schedule(schedule.clone(), handler).build().unwrap()
        };
        for how in ["fail", "panic"] {
            decided(&client, "job", ago(period)).await;
            let ran = scheduler(how).run_due().await.unwrap();
            assert!(ran[0].result.is_err(), "{} {how}", place.name);
        }
        let ok = scheduler("succeed");
        assert_eq!(records(&ok, "job", Reason::Failed).await.len(), 2, "{}", place.name);
        // A process that dies.
        decided(&client, "job", ago(period)).await;
        let hangs = scheduler("hang");
        let task = tokio::spawn(async move { hangs.run_due().await });
        let key = "edgecask:schedule:job";
        until(async || {
            client.hexists(key, "last").await.unwrap() && client.hlen(key).await.unwrap() == 2
        })
        .await;
        task.abort();
        assert!(task.await.unwrap_err().is_cancelled());
        until(async || {
            decided(&client, "job", ago(2 * period)).await;
            ok.run_due().await.unwrap();
            !records(&ok, "job", Reason::Abandoned).await.is_empty()
        })
        .await;
        assert_eq!(records(&ok, "job", Reason::Abandoned).await.len(), 1, "{}", place.name);
        assert_eq!(client.hlen(key).await.unwrap(), 1, "{}: no run is left", place.name);
    }
}

#[tokio::test]
async fn a_run_keeps_its_lease_and_notices_when_it_is_lost() {
    for place in Place::all().await {
        let period = period();
        let lease = Duration::from_millis(300);
        let schedule = every("job", period).lease(lease);
        let client = place.client();
        decided(&client, "job", ago(period)).await;
        let (given, mut runs) = tokio::sync::mpsc::unbounded_channel::<Run>();
        let handler = move |run: Run| {
            let _ = given.send(run.clone());
            async move {
                run.lost().await;
                Ok(())
            }
        };
        let builder = Scheduler::builder(place.client());
        let scheduler = Arc::new(builder.schedule(schedule, handler).build().unwrap());
        let process = Arc::clone(&scheduler);
        let task = tokio::spawn(async move { process.run_due().await.unwrap() });
        let run = runs.recv().await.unwrap();
        let key = "edgecask:schedule:job";
        let field = format!("run:{}", run.fence());
        let first: Option<String> = client.hget(key, &field).await.unwrap();
        until(async || client.hget::<String>(key, &field).await.unwrap() != first).await;
        assert!(!run.is_lost(), "{}", place.name);
        client.flushall().await.unwrap();
        run.lost().await;
        let ran = task.await.unwrap();
        assert!(run.is_lost());
        assert_eq!(ran.len(), 1, "{}", place.name);
    }
}

#[tokio::test]
async fn a_forgotten_schedule_leaves_nothing() {
    let client = Client::memory();
    let period = period();
    // Its last slot starts again whenever the schedule begins.
    let schedule = every("job", period).since(ago(period)).unwrap();
    let starts = Starts::default();
    let scheduler = starts.of(client.clone(), &schedule);
    for times in 1..3 {
        assert_eq!(scheduler.run_due().await.unwrap().len(), 1);
        assert!(scheduler.run_due().await.unwrap().is_empty());
        assert_eq!(starts.all().len(), times);
        assert_eq!(client.dbsize().await.unwrap(), 2);
        let fields: Vec<String> = client.hkeys("edgecask:schedule:job").await.unwrap();
        assert_eq!(fields.len(), 2, "no run is left: {fields:?}");
        scheduler.forget("job").await.unwrap();
        assert_eq!(client.dbsize().await.unwrap(), 0);
    }
    assert!(scheduler.records("other", 1).await.is_err());
}

/// It does not go on under the name of the run that starts the slot again.
#[tokio::test]
async fn a_run_whose_schedule_is_forgotten_is_lost() {
    for place in Place::all().await {
        let period = period();
        let schedule = every("job", period).lease(Duration::from_millis(300));
        let schedule = schedule.since(ago(period)).unwrap();
        let (given, mut runs) = tokio::sync::mpsc::unbounded_channel::<Run>();
        let gate = Arc::new(Semaphore::new(0));
        let goes_on = Arc::clone(&gate);
        let handler = move |run: Run| {
            let (given, gate) = (given.clone(), Arc::clone(&goes_on));
            async move {
                let _ = given.send(run.clone());
                futures_util::future::select(pin!(run.lost()), pin!(gate.acquire())).await;
                Ok(())
            }
        };
        let builder = Scheduler::builder(place.client());
        let scheduler = builder.schedule(schedule, handler).build().unwrap();
        let start = || {
            let scheduler = scheduler.clone();
            tokio::spawn(async move { scheduler.run_due().await.unwrap().len() })
        };
        let first_task = start();
        let first = runs.recv().await.unwrap();
        scheduler.forget("job").await.unwrap();
        let second_task = start();
        let second = runs.recv().await.unwrap();
        assert_eq!(first.planned(), second.planned(), "{}", place.name);
        until(async || first.is_lost()).await;
        assert_eq!(first_task.await.unwrap(), 1);
        assert!(!second.is_lost(), "{}", place.name);
        gate.add_permits(1);
        assert_eq!(second_task.await.unwrap(), 1);
        assert!(!second.is_lost(), "{}", place.name);
    }
}
