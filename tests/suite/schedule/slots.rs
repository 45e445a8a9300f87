use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use edgecask::schedule::{Missed, Reason, Schedule, Scheduler};
use edgecask::{Client, ErrorKind};
use edgecask_tests::{Place, cases, until};
use futures_util::future::join_all;

use super::{Starts, ago, decided, records, slots};

const YEAR: u64 = 366 * 24 * 3600;

/// A slot a day of the last 360 days, so with both changes of the clocks in Europe, by ten processes at once.
/// `EDGECASK_TEST_CASES` says how many such years there are.
#[tokio::test]
async fn each_slot_starts_once_in_ten_processes_through_changes_of_the_clock() {
    for place in Place::all().await {
        for case in 0..cases(1) {
            let schedule = Schedule::cron(format!("report-{case}"), "30 2 * * *").unwrap();
            let schedule = schedule.time_zone("Europe/Berlin").unwrap();
            let schedule = schedule.missed(Missed::CatchUp { most: 360 });
            let begin = ago(YEAR);
            decided(&place.client(), schedule.name(), begin).await;
            let starts = Starts::default();
            let processes: Vec<Scheduler> =
                (0..10).map(|_| starts.of(place.client(), &schedule)).collect();
            let now = SystemTime::now();
            // Who finds the run of another one under way returns, so all come until nothing is left.
            until(async || {
                let ran = join_all(processes.iter().map(Scheduler::run_due)).await;
                ran.into_iter().all(|ran| ran.unwrap().is_empty())
            })
            .await;
            let started = starts.all();
            let expected = slots(&schedule, begin, now);
            let skipped = expected.len() - 360;
            assert!(started.is_sorted(), "{}", place.name);
            assert_eq!(started.len(), 360, "{}", place.name);
            assert_eq!(started, &expected[skipped..], "{}", place.name);
            let missed = records(&processes[0], schedule.name(), Reason::Missed).await;
            let missed: Vec<_> =
                missed.iter().map(|record| (record.from, record.to, record.count)).collect();
            let gap = (expected[0], expected[skipped - 1], Some(skipped as u64));
            assert_eq!(missed, [gap], "{}", place.name);
        }
    }
}

#[tokio::test]
async fn slots_start_when_they_are_due_and_not_before() {
    for place in Place::all().await {
        let schedule = Schedule::every("tick", Duration::from_secs(1)).unwrap();
        let starts = Starts::default();
        let processes: Vec<Scheduler> =
            (0..3).map(|_| starts.of(place.client(), &schedule)).collect();
        let seen = starts.clone();
        let three = until(async move || seen.all().len() >= 3);
        let three = futures_util::FutureExt::shared(three);
        let began = SystemTime::now();
        join_all(processes.iter().map(|process| process.run_until(three.clone()))).await;
        let started = starts.all();
        let expected = slots(&schedule, began, SystemTime::now());
        assert_eq!(started, &expected[..started.len()], "{}", place.name);
    }
}

#[tokio::test]
async fn one_slot_starts_once_and_the_scheduler_ends() {
    let client = Client::memory();
    let at = SystemTime::now() + Duration::from_millis(50);
    let schedule = Schedule::once("launch", at).unwrap();
    let starts = Starts::default();
    let processes = [0, 1].map(|_| starts.of(client.clone(), &schedule));
    join_all(processes.iter().map(Scheduler::run)).await;
    assert_eq!(starts.all().len(), 1);
    // Nothing is left, and a slot of the past does not begin.
    let late = Schedule::once("late", ago(60)).unwrap();
    starts.of(client, &late).run().await;
    assert_eq!(starts.all().len(), 1);
}

#[tokio::test]
async fn a_trigger_that_fires_twice_runs_once() {
    for place in Place::all().await {
        let schedule = Schedule::triggered("cron").unwrap();
        let starts = Starts::default();
        // Redis sees the schedule for the first time.
        let first = starts.of(place.client(), &schedule);
        assert!(first.trigger("cron", ago(600)).await.unwrap().is_none(), "{}", place.name);
        assert_eq!(records(&first, "cron", Reason::Begun).await.len(), 1);
        decided(&place.client(), "cron", ago(600)).await;
        let processes = [0, 1].map(|_| starts.of(place.client(), &schedule));
        let trigger = async |planned| {
            // In each process twice at the same time.
            let all = processes.iter().chain(&processes);
            let all = join_all(all.map(|process| process.trigger("cron", planned))).await;
            all.into_iter().filter_map(Result::unwrap).count()
        };
        for planned in [ago(540), ago(480)] {
            assert_eq!(trigger(planned).await, 1, "{}", place.name);
            assert_eq!(trigger(planned).await, 0, "{}", place.name);
        }
        // An earlier one comes too late.
        assert_eq!(trigger(ago(520)).await, 0, "{}", place.name);
        assert_eq!(starts.all().len(), 2);
        let soon = SystemTime::now() + Duration::from_millis(30);
        assert_eq!(trigger(soon).await, 1, "{}", place.name);
        let error = processes[0].trigger("cron", SystemTime::now() + Duration::from_secs(90)).await;
        assert_eq!(error.unwrap_err().kind(), ErrorKind::InvalidInput);
    }
}

#[tokio::test]
async fn since_lets_the_first_call_run_what_is_due() {
    let client = Client::memory();
    let schedule = Schedule::triggered("cron").unwrap().since(ago(3600)).unwrap();
    let starts = Starts::default();
    let scheduler = starts.of(client.clone(), &schedule);
    let planned = ago(60);
    assert!(scheduler.trigger("cron", planned).await.unwrap().is_some());
    assert!(scheduler.trigger("cron", planned).await.unwrap().is_none());
    let hourly = Schedule::every("hourly", Duration::from_secs(3600)).unwrap();
    let hourly = hourly.since(ago(3 * 3600)).unwrap();
    let ran = starts.of(client, &hourly).run_due().await.unwrap();
    assert_eq!(ran.len(), 1);
}

#[tokio::test]
async fn stopping_waits_for_runs() {
    let ended = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&ended);
    let (started, mut starts) = tokio::sync::mpsc::unbounded_channel();
    let tick = Schedule::every("tick", Duration::from_secs(1)).unwrap();
    let scheduler = Scheduler::builder(Client::memory()).schedule(tick, move |_| {
        let (count, started) = (Arc::clone(&count), started.clone());
        async move {
            let _ = started.send(());
            // Long enough that the scheduler would have returned.
            tokio::time::sleep(Duration::from_millis(50)).await;
            count.fetch_add(1, Ordering::SeqCst);
            Ok(())
        }
    });
    let scheduler = scheduler.build().unwrap();
    scheduler
        .run_until(async {
            starts.recv().await;
        })
        .await;
    assert_eq!(ended.load(Ordering::SeqCst), 1);
}

#[test]
fn declarations_that_cannot_be_say_why() {
    let refused = |result: edgecask::Result<Schedule>| result.unwrap_err().kind();
    let second = Duration::from_secs(1);
    for result in [
        Schedule::every("", second),
        Schedule::every("x", Duration::from_millis(999)),
        Schedule::cron("x", "nonsense"),
        Schedule::every("x", second).and_then(|every| every.time_zone("Europe/Berlin")),
        Schedule::cron("x", "* * * * *").and_then(|cron| cron.time_zone("Nowhere")),
        Schedule::once("x", SystemTime::UNIX_EPOCH - second),
    ] {
        assert_eq!(refused(result), ErrorKind::InvalidInput);
    }
    let twice = Schedule::every("x", second).unwrap();
    let builder = Scheduler::builder(Client::memory());
    let builder = builder.schedule(twice.clone(), |_| async { Ok(()) });
    let error = builder.schedule(twice, |_| async { Ok(()) }).build().unwrap_err();
    assert!(error.to_string().contains("two schedules are named x"));
}
