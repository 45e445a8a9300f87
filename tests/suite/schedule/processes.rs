//! Ten processes that keep the same schedules, whose clocks are wrong by 30 seconds, and which are killed or stand still in the
//! middle of a run: no slot starts twice or before its time, and each that did not start has a record. Redis loses its scripts
//! meanwhile.
//!
//! A history runs by default; `EDGECASK_TEST_CASES=100` runs so many, `EDGECASK_TEST_SEED=7` begins with that one.

use std::collections::BTreeSet;
use std::process::Stdio;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use edgecask::prelude::*;
use edgecask::schedule::{Missed, Reason, Run, Schedule, Scheduler};
use edgecask::{BoxError, Client};
use edgecask_tests::{Dice, RedisServer, number, seeds, until};
use tokio::sync::oneshot;

use super::{ago, decided, slots};
use crate::seeded::{again, finished, signal, wrong_clocks};

const NAME: &str = "schedule::processes::no_slot_starts_twice_whoever_dies_or_stands_still";
const SEED: &str = "EDGECASK_TEST_HISTORY";
const REDIS: &str = "EDGECASK_TEST_REDIS";
const PROCESSES: usize = 10;
const LEASE: Duration = Duration::from_millis(300);
/// How many slots were missed before the processes began.
const MISSED: u64 = 700;

/// One whose slots become due while the processes run, and one whose slots are started after each other.
fn schedules() -> [Schedule; 2] {
    let tick = Schedule::every("tick", Duration::from_secs(1)).unwrap();
    let missed = Schedule::every("missed", Duration::from_secs(60)).unwrap();
    // All processes claim a tick at the same time, and no run keeps them from it.
    let tick = tick.overlap(true);
    [tick, missed.missed(Missed::CatchUp { most: 1000 })].map(|schedule| schedule.lease(LEASE))
}

fn log_of(schedule: &str) -> String {
    format!("started:{schedule}")
}

/// Logs each start: the slot, the server's clock, and the process.
fn scheduler(client: &Client, dice: &Dice, longest: u64) -> Scheduler {
    let handler = |client: Client, dice: Dice| {
        move |run: Run| {
            let (client, pause) = (client.clone(), Duration::from_millis(dice.roll(longest)));
            async move {
                let now = client.time().await?.as_millis();
                let line = format!("{} {now} {}", run.fence(), std::process::id());
                client.rpush(log_of(run.schedule()), [line]).await?;
                tokio::time::sleep(pause).await;
                Ok::<(), BoxError>(())
            }
        }
    };
    let builder =
        schedules().into_iter().fold(Scheduler::builder(client.clone()), |builder, of| {
            builder.schedule(of, handler(client.clone(), dice.clone()))
        });
    builder.build().unwrap()
}

/// Keeps the schedules until the history ends.
async fn process(dice: &Dice, client: &Client) {
    let (stop, stopped) = oneshot::channel::<()>();
    let end = async {
        until(async || {
            tokio::time::sleep(Duration::from_millis(20)).await;
            client.exists(["end"]).await.unwrap() == 1
        })
        .await;
        drop(stop);
    };
    let stopped = async { stopped.await.unwrap_or_default() };
    let scheduler = scheduler(client, dice, 40);
    futures_util::join!(scheduler.run_until(stopped), end);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_slot_starts_twice_whoever_dies_or_stands_still() {
    if let Some(seed) = number(SEED) {
        let client = Client::tcp(&std::env::var(REDIS).unwrap()).unwrap();
        return process(&Dice::new(seed ^ (u64::from(std::process::id()) << 32)), &client).await;
    }
    for seed in seeds(1) {
        history(seed).await;
    }
}

async fn history(seed: u64) {
    let (dice, redis, clocks) = (Dice::new(seed), RedisServer::start(), wrong_clocks());
    let (direct, url) = (redis.client(), redis.url());
    let begins = [("tick", ago(1)), ("missed", ago(60 * MISSED))];
    for (name, begin) in begins {
        decided(&direct, name, begin).await;
    }
    let start = |at: usize| {
        let variables = [(SEED, seed.to_string()), (REDIS, url.clone())];
        let mut process = again(NAME, &variables);
        process.envs(clocks[at % clocks.len()].1.variables()).stdout(Stdio::piped());
        process.spawn().unwrap()
    };
    let mut processes: Vec<_> = (0..PROCESSES).map(start).collect();
    let more = async |name: &str, count: u64| {
        let at: u64 = direct.llen(log_of(name)).await.unwrap();
        until(async || direct.llen(log_of(name)).await.unwrap() >= at + count).await;
    };
    more("missed", 3).await;
    for round in 0..4 {
        // The process that runs the slots that were missed, or another one.
        let last: Vec<String> = direct.lrange(log_of("missed"), -1, -1).await.unwrap();
        let last = last[0].rsplit(' ').next().and_then(|pid| pid.parse().ok());
        let runs = processes.iter().position(|process| process.id() == last);
        let at = runs.unwrap_or_else(|| dice.roll(PROCESSES as u64) as usize);
        if (round + dice.roll(2)) % 2 == 0 {
            processes[at].start_kill().unwrap();
            processes[at].wait().await.unwrap();
            more("missed", 2).await;
            processes[at] = start(at);
        } else {
            signal(&processes[at], "-STOP");
            more("missed", 2).await;
            signal(&processes[at], "-CONT");
        }
        direct.script_flush().await.unwrap();
        more("missed", 2 + dice.roll(8)).await;
    }
    more("tick", 2).await;
    direct.set("end", 1).await.unwrap();
    for process in processes {
        finished(process).await;
    }
    // What is left is started, and the leases of those who died end.
    let last = scheduler(&direct, &dice, 1);
    until(async || {
        last.run_due().await.unwrap();
        let mut fields = Vec::new();
        for (name, _) in begins {
            let of: Vec<String> = direct.hkeys(format!("edgecask:schedule:{name}")).await.unwrap();
            fields.extend(of);
        }
        fields.iter().all(|field| !field.starts_with("run:"))
    })
    .await;
    for (schedule, (name, begin)) in schedules().iter().zip(begins) {
        let failure = format!("EDGECASK_TEST_SEED={seed}, {name}");
        let log: Vec<String> = direct.lrange(log_of(name), 0, -1).await.unwrap();
        let mut started = BTreeSet::new();
        for line in &log {
            let mut numbers = line.split(' ').map(|number| number.parse::<u64>().unwrap());
            let (slot, now) = (numbers.next().unwrap(), numbers.next().unwrap());
            assert!(now >= slot, "{failure}: {line} started before its time");
            let slot = UNIX_EPOCH + Duration::from_millis(slot);
            assert!(started.insert(slot), "{failure}: {line} started twice");
        }
        let last_slot: u64 =
            direct.hget(format!("edgecask:schedule:{name}"), "last").await.unwrap().unwrap();
        let last_slot = UNIX_EPOCH + Duration::from_millis(last_slot);
        let records = last.records(name, 1000).await.unwrap();
        let is_recorded = |slot: SystemTime| {
            let of = |record: &&edgecask::schedule::Record| record.reason != Reason::Begun;
            records.iter().filter(of).any(|record| record.from <= slot && slot <= record.to)
        };
        let all = slots(schedule, begin, last_slot);
        let missing: Vec<_> =
            all.iter().filter(|slot| !started.contains(slot) && !is_recorded(**slot)).collect();
        assert!(missing.is_empty(), "{failure}: neither started nor recorded: {missing:?}");
        let abandoned = records.iter().filter(|record| record.reason == Reason::Abandoned).count();
        eprintln!("{failure}: {} started, {abandoned} abandoned", started.len());
    }
}
