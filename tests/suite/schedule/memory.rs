//! A Redis that evicts the state of a schedule alone, and one that is full.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use edgecask::prelude::*;
use edgecask::schedule::{Reason, Run, Scheduler};
use edgecask_tests::{Place, RedisServer, Tapped, until};
use tokio::sync::{Semaphore, mpsc};

use super::faults::Answers;
use super::{Starts, ago, decided, every, period, records};

const STATE: &str = "edgecask:schedule:job";
const LEASE: Duration = Duration::from_millis(300);

#[tokio::test]
async fn a_state_that_is_evicted_beside_its_records_starts_nothing_again() {
    for place in Place::all().await {
        for knows_first in [true, false] {
            let (name, client, period) = (place.name, place.client(), period());
            client.flushall().await.unwrap();
            let (schedule, starts) = (every("job", period), Starts::default());
            let [knows, new] = [0, 1].map(|_| starts.of(place.client(), &schedule));
            decided(&client, "job", ago(3 * period)).await;
            assert_eq!(knows.run_due().await.unwrap().len(), 1, "{name}");
            client.del([STATE]).await.unwrap();
            for process in if knows_first { [&knows, &new, &knows] } else { [&new, &knows, &new] } {
                assert!(process.run_due().await.unwrap().is_empty(), "{name}");
            }
            // The record of before is there yet, beside that of the loss.
            let missed = records(&new, "job", Reason::Missed).await;
            assert_eq!(missed.len(), 1, "{name}");
            assert_eq!(missed[0].count, Some(2), "{name}");
            let lost = records(&new, "job", Reason::StateLost).await;
            assert_eq!(lost.len(), 1, "{name}: {lost:?}");
            assert!(lost[0].from > starts.all()[0] && lost[0].to <= SystemTime::now(), "{name}");
            assert_eq!(starts.all().len(), 1, "{name}");
        }
    }
}

/// A scheduler whose runs go on until the gate opens or they are lost.
fn lasting(place: &Place, period: u64, gate: &Arc<Semaphore>) -> (Scheduler, Runs) {
    let (given, runs) = mpsc::unbounded_channel();
    let gate = Arc::clone(gate);
    let handler = move |run: Run| {
        let (given, gate) = (given.clone(), Arc::clone(&gate));
        async move {
            let _ = given.send(run.clone());
            tokio::select! {
                () = run.lost() => Err("it was lost".into()),
                _ = gate.acquire() => Ok(()),
            }
        }
    };
    let builder = Scheduler::builder(place.client());
    (builder.schedule(every("job", period).lease(LEASE), handler).build().unwrap(), runs)
}

type Runs = mpsc::UnboundedReceiver<Run>;

#[tokio::test]
async fn a_run_whose_state_is_evicted_is_lost_and_starts_nowhere_else() {
    for place in Place::all().await {
        let (name, client, period) = (place.name, place.client(), period());
        decided(&client, "job", ago(period)).await;
        let (scheduler, mut runs) = lasting(&place, period, &Arc::new(Semaphore::new(0)));
        let process = scheduler.clone();
        let task = tokio::spawn(async move { process.run_due().await.unwrap() });
        let run = runs.recv().await.unwrap();
        client.del([STATE]).await.unwrap();
        let others = Starts::default();
        let other = others.of(place.client(), &every("job", period));
        assert!(other.run_due().await.unwrap().is_empty(), "{name}");
        run.lost().await;
        let ran = task.await.unwrap();
        assert!(ran.len() == 1 && ran[0].result.is_err(), "{name}: {ran:?}");
        for process in [&scheduler, &other] {
            assert!(process.run_due().await.unwrap().is_empty(), "{name}");
        }
        assert!(runs.try_recv().is_err() && others.all().is_empty(), "{name}");
        assert_eq!(records(&other, "job", Reason::StateLost).await.len(), 1, "{name}");
        let fields: Vec<String> = client.hkeys(STATE).await.unwrap();
        assert!(fields.iter().all(|field| !field.starts_with("run:")), "{name}: {fields:?}");
    }
}

#[tokio::test]
async fn on_a_full_redis_a_run_keeps_its_lease_and_ends() {
    let place = Place::redis("Redis", RedisServer::start());
    let (client, period) = (place.client(), period());
    decided(&client, "job", ago(period)).await;
    let gate = Arc::new(Semaphore::new(0));
    let (scheduler, mut runs) = lasting(&place, period, &gate);
    let task = tokio::spawn(async move { scheduler.run_due().await.unwrap() });
    let run = runs.recv().await.unwrap();
    client.config_set("maxmemory", "1").await.unwrap();
    assert!(is_full(&client).await);
    let field = format!("run:{}", run.fence());
    let first: Option<String> = client.hget(STATE, &field).await.unwrap();
    until(async || {
        assert!(!run.is_lost());
        client.hget::<String>(STATE, &field).await.unwrap() != first
    })
    .await;
    assert!(!run.is_lost());
    gate.add_permits(1);
    let ran = task.await.unwrap();
    assert!(ran[0].result.is_ok(), "{ran:?}");
    assert_eq!(client.hlen(STATE).await.unwrap(), 1, "no run is left");
}

async fn is_full(client: &edgecask::Client) -> bool {
    client.hset(STATE, [("last", 1)]).await.is_err()
}

/// The claim was carried out before.
#[tokio::test]
async fn on_a_full_redis_a_claim_whose_answers_were_lost_is_asked_for_again() {
    let place = Place::redis("Redis", RedisServer::start());
    let (client, period) = (place.client(), period());
    decided(&client, "job", ago(period)).await;
    let (starts, lossy) = (Starts::default(), Arc::new(AtomicBool::new(true)));
    let tapped = place.client().layer(Tapped(Answers(Arc::clone(&lossy))));
    let scheduler = starts.of(tapped, &every("job", period));
    assert!(scheduler.run_due().await.is_err());
    client.config_set("maxmemory", "1").await.unwrap();
    assert!(is_full(&client).await);
    lossy.store(false, Ordering::SeqCst);
    assert_eq!(scheduler.run_due().await.unwrap().len(), 1);
    assert_eq!(starts.all().len(), 1);
}
