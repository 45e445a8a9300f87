//! Histories of processes that lose round trips, are cancelled in the middle of a run, and whose Redis loses its scripts or all its data.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use edgecask::layer::Fallback;
use edgecask::platform::BoxFuture;
use edgecask::prelude::*;
use edgecask::schedule::{Missed, Reason, Run, Schedule, Scheduler};
use edgecask::transport::Results;
use edgecask::transport::memory::MemoryTransport;
use edgecask::{BoxError, Client, Error, ErrorKind, Outcome, Result};
use edgecask_tests::{Dice, Lossy, Place, Tap, Tapped, Trip, seeds, until};
use futures_util::future::join_all;
use tokio::sync::oneshot;

use super::{Starts, ago, decided, every, period, records, slots};

/// One history: `EDGECASK_TEST_SEED` begins with that seed, `EDGECASK_TEST_CASES` says how many.
async fn history(place: &Place, seed: u64) {
    let dice = Dice::new(seed);
    let name = format!("history-{seed}");
    let direct = place.client();
    let schedule = Schedule::every(name.as_str(), Duration::from_secs(60)).unwrap();
    let schedule = schedule.lease(Duration::from_millis(100)).overlap(dice.roll(2) == 0);
    let policy = [Missed::RunOnce, Missed::CatchUp { most: 40 }, Missed::CatchUp { most: 7 }];
    let schedule = schedule.missed(policy[dice.roll(3) as usize]);
    let begin = ago(60 * (20 + dice.roll(40)));
    decided(&direct, &name, begin).await;
    let starts = Starts::default();
    // The end of a run that is lost several times is asked for again after seconds.
    let percent = dice.roll(8);
    let processes: Vec<Arc<Scheduler>> = (0..4)
        .map(|_| {
            let client = place.client().layer(Tapped(Lossy::new(&dice, percent)));
            let (starts, dice) = (starts.clone(), dice.clone());
            let handler = move |run: Run| {
                starts.note(&run);
                let pause = Duration::from_millis(dice.roll(4));
                let fails = dice.roll(8) == 0;
                async move {
                    tokio::time::sleep(pause).await;
                    if fails { Err(BoxError::from("no")) } else { Ok(()) }
                }
            };
            let builder = Scheduler::builder(client);
            Arc::new(builder.schedule(schedule.clone(), handler).build().unwrap())
        })
        .collect();
    let plain = Starts::default().of(direct.clone(), &schedule);
    let key = format!("edgecask:schedule:{name}");
    let flush_at = dice.roll(120);
    let mut knows_any = false;
    // All slots until then may lack a record.
    let mut recorded_since = begin;
    for step in 0..30 {
        if step == flush_at {
            // A Redis that comes back empty. A process that knows the last slot records those after it; if there is none,
            // nobody knows that there are such.
            let last: u64 = direct.hget(&key, "last").await.unwrap().unwrap();
            let last = UNIX_EPOCH + Duration::from_millis(last);
            direct.flushall().await.unwrap();
            knows_any |= !starts.all().is_empty();
            recorded_since = if knows_any { last } else { SystemTime::now() };
        }
        if dice.roll(6) == 0 {
            direct.script_flush().await.unwrap();
        }
        let process = Arc::clone(&processes[dice.roll(4) as usize]);
        let turn = tokio::spawn(async move { process.run_due().await });
        if dice.roll(5) == 0 {
            // A process that dies.
            tokio::time::sleep(Duration::from_millis(dice.roll(6))).await;
            turn.abort();
        }
        knows_any |= matches!(turn.await, Ok(Ok(_)));
    }
    // Whatever is left becomes decided, each process tells what it knows, and the leases of those who died end.
    let mut told = [false; 4];
    until(async || {
        for (process, told) in processes.iter().zip(&mut told) {
            *told |= process.run_due().await.is_ok();
        }
        let fields: Vec<String> = direct.hkeys(&key).await.unwrap();
        if fields.iter().any(|field| field.starts_with("run:")) {
            // A look finds the runs whose leases have ended.
            let _ = plain.run_due().await;
        }
        let last: Option<u64> = direct.hget(&key, "last").await.unwrap();
        let last = UNIX_EPOCH + Duration::from_millis(last.unwrap_or_default());
        let is_decided = schedule.next_after(last).is_some_and(|next| next > ago(200));
        let ended = fields.iter().all(|field| !field.starts_with("run:"));
        is_decided && ended && told == [true; 4]
    })
    .await;
    let started = starts.all();
    let different: HashSet<SystemTime> = started.iter().copied().collect();
    // The last two minutes were decided more than once, above.
    let recent = ago(200);
    let old =
        |slots: &mut dyn Iterator<Item = SystemTime>| slots.filter(|slot| *slot < recent).count();
    assert_eq!(
        old(&mut started.iter().copied()),
        old(&mut different.iter().copied()),
        "{}, seed {seed}: a slot was started twice",
        place.name
    );
    let records = plain.records(&name, 1000).await.unwrap();
    let is_recorded = |slot: &SystemTime| {
        let covers = |reason| reason != Reason::Failed && reason != Reason::Begun;
        let covers = |record: &edgecask::schedule::Record| {
            covers(record.reason) && record.from <= *slot && *slot <= record.to
        };
        records.iter().any(covers)
    };
    let missing: Vec<SystemTime> = slots(&schedule, recorded_since, recent)
        .into_iter()
        .filter(|slot| !different.contains(slot) && !is_recorded(slot))
        .collect();
    assert_eq!(
        missing,
        Vec::<SystemTime>::new(),
        "{}, seed {seed}: neither started nor recorded",
        place.name
    );
}

#[tokio::test]
async fn no_slot_starts_twice_or_is_missed_without_a_record() {
    let at_once = Place::all().await.into_iter().map(async |place| {
        for seed in seeds(6) {
            history(&place, seed).await;
        }
    });
    join_all(at_once).await;
}

#[tokio::test]
async fn a_redis_that_comes_back_empty_starts_nothing_again() {
    for place in Place::all().await {
        let client: Client = place.client();
        let period = period();
        let schedule = every("job", period);
        let starts = Starts::default();
        let (knows, new) =
            (starts.of(place.client(), &schedule), starts.of(place.client(), &schedule));
        decided(&client, "job", ago(period)).await;
        assert_eq!(knows.run_due().await.unwrap().len(), 1);
        client.flushall().await.unwrap();
        // Who knew the last slot, and who did not: neither starts it again.
        assert!(new.run_due().await.unwrap().is_empty(), "{}", place.name);
        client.flushall().await.unwrap();
        assert!(knows.run_due().await.unwrap().is_empty(), "{}", place.name);
        assert_eq!(starts.all().len(), 1);
        let reasons: Vec<Reason> =
            knows.records("job", 9).await.unwrap().iter().map(|record| record.reason).collect();
        assert_eq!(reasons, [Reason::StateLost, Reason::Begun], "{}", place.name);
        // A process that does not know begins the new state, and the one that knows records the loss, once. The new state
        // begins after the end of the lost one: within the same millisecond nothing is lost.
        let clock = async || client.time().await.unwrap().as_millis();
        let end = clock().await;
        until(async || clock().await > end).await;
        client.flushall().await.unwrap();
        for process in [&new, &knows, &knows] {
            assert!(process.run_due().await.unwrap().is_empty(), "{}", place.name);
        }
        let lost = records(&knows, "job", Reason::StateLost).await;
        assert_eq!(lost.len(), 1, "{}", place.name);
    }
}

#[tokio::test]
async fn a_redis_with_an_old_state_starts_nothing_again() {
    for place in Place::all().await {
        let client: Client = place.client();
        let period = period();
        let schedule = every("job", period);
        let starts = Starts::default();
        let knows = starts.of(place.client(), &schedule);
        decided(&client, "job", ago(period)).await;
        assert_eq!(knows.run_due().await.unwrap().len(), 1);
        // As from a backup.
        decided(&client, "job", ago(period)).await;
        assert!(knows.run_due().await.unwrap().is_empty(), "{}", place.name);
        assert_eq!(records(&knows, "job", Reason::StateLost).await.len(), 1, "{}", place.name);
    }
}

/// A fallback of the client is another Redis, in which every process would start the slot.
#[tokio::test]
async fn no_fallback_starts_a_slot() {
    let period = period();
    let schedule = every("job", period);
    let schedule = schedule.since(ago(5 * period)).unwrap();
    let away = Client::tcp("redis://127.0.0.1:1").unwrap();
    let falls_back = away.layer(Fallback::to(MemoryTransport::new()));
    let starts = Starts::default();
    assert!(starts.of(falls_back, &schedule).run_due().await.is_err());
    assert!(starts.all().is_empty());
}

/// A claim whose answers are lost belongs to this process when Redis answers again.
#[tokio::test]
async fn a_claim_whose_answers_were_lost_is_asked_for_again() {
    for place in Place::all().await {
        let client: Client = place.client();
        let period = period();
        let schedule = every("job", period);
        decided(&client, "job", ago(period)).await;
        let starts = Starts::default();
        let lossy = Arc::new(AtomicBool::new(true));
        let scheduler =
            starts.of(place.client().layer(Tapped(Answers(Arc::clone(&lossy)))), &schedule);
        for _ in 0..3 {
            assert!(scheduler.run_due().await.is_err(), "{}", place.name);
        }
        lossy.store(false, Ordering::SeqCst);
        assert_eq!(scheduler.run_due().await.unwrap().len(), 1, "{}", place.name);
        assert_eq!(starts.all().len(), 1);
    }
}

/// A process that asks for its claim again tells what it knew before.
#[tokio::test]
async fn a_claim_that_is_asked_for_again_records_that_redis_came_back_empty() {
    for place in Place::all().await {
        let (name, client, period) = (place.name, place.client(), period());
        let schedule = every("job", period);
        decided(&client, "job", ago(period)).await;
        let starts = Starts::default();
        let lossy = Arc::new(AtomicBool::new(true));
        let scheduler =
            starts.of(place.client().layer(Tapped(Answers(Arc::clone(&lossy)))), &schedule);
        assert!(scheduler.run_due().await.is_err(), "{name}");
        client.flushall().await.unwrap();
        lossy.store(false, Ordering::SeqCst);
        let (stop, stopped) = oneshot::channel::<()>();
        let begun = async {
            until(async || !records(&scheduler, "job", Reason::Begun).await.is_empty()).await;
            drop(stop);
        };
        let stopped = async { stopped.await.unwrap_or_default() };
        futures_util::join!(scheduler.run_until(stopped), begun);
        assert!(starts.all().is_empty(), "{name}");
        assert_eq!(records(&scheduler, "job", Reason::StateLost).await.len(), 1, "{name}");
    }
}

/// Whether a command is a claim: a look has no token.
pub(super) fn is_claim(command: &Command) -> bool {
    let count = command.args().len();
    let pass = command.args().any(|arg| arg == b"pass" || arg == b"wait");
    count > 4 && pass && command.get(4).is_some_and(|token| !token.is_empty())
}

/// Loses the answers to claims, and not to looks.
#[derive(Debug)]
pub(super) struct Answers(pub(super) Arc<AtomicBool>);

impl Tap for Answers {
    fn carry<'a>(&'a self, trip: Trip<'a>) -> BoxFuture<'a, Result<Results>> {
        Box::pin(async move {
            let is_claim = trip.commands.iter().any(is_claim);
            let answer = trip.go().await;
            if is_claim && answer.is_ok() && self.0.load(Ordering::SeqCst) {
                let lost = Error::new(ErrorKind::Disconnected, "lost by the test");
                return Err(lost.with_outcome(Outcome::Unknown));
            }
            answer
        })
    }
}

/// A duplicate of a claim that arrives late, after the next slot was decided, changes nothing.
#[tokio::test]
async fn a_late_duplicate_of_a_claim_starts_nothing() {
    let place = Place::redis("Redis", edgecask_tests::RedisServer::start());
    let dice = Dice::new(7);
    let period = period();
    let schedule = every("job", period);
    let client = place.client();
    decided(&client, "job", ago(10 * period)).await;
    let schedule = schedule.missed(Missed::CatchUp { most: 9 });
    let starts = Starts::default();
    // One round trip of nine is carried out late.
    let lossy = starts.of(place.client().layer(Tapped(Lossy::new(&dice, 11))), &schedule);
    until(async || {
        let _ = lossy.run_due().await;
        starts.all().len() >= 3
    })
    .await;
    let started = starts.all();
    assert!(started.is_sorted_by(|one, other| one < other), "{started:?}");
}
