//! Random histories of producers and workers that lose round trips, are cancelled and die, whose leases end and whose Redis loses its scripts
//! and every key beside the tasks: no task is lost, none is acknowledged twice, none is stuck. A failure is made as short as possible.
//!
//! A few histories run on each transport by default; `EDGECASK_TEST_CASES=500` runs 500, `EDGECASK_TEST_SEED=7` those of that seed.

use std::collections::{HashMap, HashSet};

use edgecask::Outcome;
use edgecask::prelude::*;
use edgecask::queue::{Delivery, Queue, QueueError, Task};
use edgecask_tests::{Dice, Lossy, Place, Tapped, cases, runner, seed};
use futures_util::future::poll_immediate;
use proptest::prelude::*;
use proptest::test_runner::Config;

use super::{LONG, end_leases, index, make_due, queue};

const WORKERS: usize = 3;

/// A step of a process, or a fault.
#[derive(Debug, Clone)]
enum Step {
    Enqueue(Vec<Kind>),
    Pull(usize, usize),
    /// The future is dropped after this number of polls.
    CancelPull(usize, usize),
    Ack(usize, prop::sample::Index),
    AckAll(usize),
    Nack(usize, prop::sample::Index, bool),
    Reject(usize, prop::sample::Index),
    Release(usize, prop::sample::Index),
    Extend(usize, prop::sample::Index),
    /// A worker dies with all that it holds.
    Die(usize),
    EndLeases,
    MakeDue,
    Requeue,
    LoseScripts,
    /// A key is evicted, but not that of the tasks and that of the payloads.
    Evict(usize),
}

#[derive(Debug, Clone)]
struct Kind {
    priority: u8,
    delayed: bool,
    group: Option<u8>,
    /// It is a child of the task before it.
    child: bool,
}

fn kind() -> impl Strategy<Value = Kind> {
    let group = prop_oneof![3 => Just(None), 1 => (0..2_u8).prop_map(Some)];
    (any::<u8>(), prop::bool::weighted(0.2), group, prop::bool::weighted(0.2))
        .prop_map(|(priority, delayed, group, child)| Kind { priority, delayed, group, child })
}

fn step() -> impl Strategy<Value = Step> {
    use prop::sample::Index;
    let who = || 0..WORKERS;
    prop_oneof![
        6 => prop::collection::vec(kind(), 1..5).prop_map(Step::Enqueue),
        8 => (who(), 1..5_usize).prop_map(|(who, most)| Step::Pull(who, most)),
        2 => (who(), 0..4_usize).prop_map(|(who, polls)| Step::CancelPull(who, polls)),
        8 => (who(), any::<Index>()).prop_map(|(who, which)| Step::Ack(who, which)),
        1 => who().prop_map(Step::AckAll),
        3 => (who(), any::<Index>(), any::<bool>()).prop_map(|(who, which, at_once)| Step::Nack(who, which, at_once)),
        1 => (who(), any::<Index>()).prop_map(|(who, which)| Step::Reject(who, which)),
        1 => (who(), any::<Index>()).prop_map(|(who, which)| Step::Release(who, which)),
        2 => (who(), any::<Index>()).prop_map(|(who, which)| Step::Extend(who, which)),
        1 => who().prop_map(Step::Die),
        3 => Just(Step::EndLeases),
        2 => Just(Step::MakeDue),
        1 => Just(Step::Requeue),
        1 => Just(Step::LoseScripts),
        2 => (0..5_usize).prop_map(Step::Evict),
    ]
}

/// The model of the tasks.
#[derive(Debug, Default)]
struct Model {
    /// Those that the queue has taken, as far as the producer knows.
    taken: HashSet<u32>,
    /// Those whose enqueue has an unknown outcome.
    unsure: HashSet<u32>,
    /// Those that were acknowledged, and by which delivery.
    done: HashMap<u32, u64>,
    /// Those whose acknowledgement has an unknown outcome.
    maybe_done: HashSet<u32>,
    /// The last delivery of each.
    last: HashMap<u32, u64>,
}

impl Model {
    fn pulled(&mut self, deliveries: &[Delivery<u32>]) -> Result<(), String> {
        for delivery in deliveries {
            let (task, number) = (*delivery.payload(), delivery.number());
            if self.done.contains_key(&task) {
                return Err(format!("{task} is delivered after it was done"));
            }
            let last = self.last.insert(task, number).unwrap_or(0);
            if number <= last {
                return Err(format!("{task} is delivered as {number} after {last}"));
            }
        }
        Ok(())
    }

    fn acked(
        &mut self,
        delivery: &Delivery<u32>,
        result: Result<(), QueueError>,
    ) -> Result<(), String> {
        let (task, number) = (*delivery.payload(), delivery.number());
        match result {
            Ok(()) if self.last.get(&task) != Some(&number) => {
                Err(format!("the former delivery {number} of {task} is acknowledged"))
            }
            Ok(()) => match self.done.insert(task, number) {
                Some(before) if before != number => {
                    Err(format!("{task} is acknowledged twice, as {before} and {number}"))
                }
                _ => Ok(()),
            },
            Err(QueueError::Redis(error)) if error.outcome() == Outcome::Unknown => {
                self.maybe_done.insert(task);
                Ok(())
            }
            Err(QueueError::Lost { .. }) if self.done.get(&task) == Some(&number) => {
                Err(format!("{task} is done, and its holder is told that it is lost"))
            }
            Err(_) => Ok(()),
        }
    }
}

/// Runs a history, and returns the first violation.
async fn run(place: &Place, seed: u64, steps: &[Step]) -> Result<(), String> {
    let direct = place.client();
    direct.flushall().await.unwrap();
    let dice = Dice::new(seed);
    let lossy = || queue(place.client().layer(Tapped(Lossy::new(&dice, 7))));
    let producer = lossy();
    let workers: Vec<Queue<u32>> = (0..WORKERS).map(|_| lossy()).collect();
    let mut held: Vec<Vec<Delivery<u32>>> = (0..WORKERS).map(|_| Vec::new()).collect();
    let (mut model, mut next) = (Model::default(), 0_u32);
    let operator = queue(direct.clone());
    for (number, step) in steps.iter().enumerate() {
        let wrong = |what: String| format!("{}, {number}: {step:?}: {what}", place.name);
        match step {
            Step::Enqueue(kinds) => {
                let mut tasks: Vec<Task<u32>> = Vec::new();
                let first = next;
                for kind in kinds {
                    let mut task = super::task(next).priority(kind.priority);
                    if kind.delayed {
                        task = task.delay(LONG);
                    }
                    if let Some(group) = kind.group {
                        task = task.group(format!("g{group}"));
                    }
                    match tasks.pop() {
                        Some(parent) if kind.child => tasks.push(parent.child(task)),
                        before => tasks.extend(before.into_iter().chain([task])),
                    }
                    next += 1;
                }
                match producer.enqueue_all(&tasks).await {
                    Ok(_) => model.taken.extend(first..next),
                    Err(QueueError::Redis(error)) if error.outcome() == Outcome::Unknown => {
                        // Half of them ask again later.
                        match dice.roll(2) == 0 && producer.enqueue_all(&tasks).await.is_ok() {
                            true => model.taken.extend(first..next),
                            false => model.unsure.extend(first..next),
                        }
                    }
                    Err(_) => {}
                }
            }
            Step::Pull(who, most) => {
                if let Ok(deliveries) = workers[*who].pull(*most).await {
                    model.pulled(&deliveries).map_err(wrong)?;
                    held[*who].extend(deliveries);
                }
            }
            Step::CancelPull(who, polls) => {
                let mut pull = Box::pin(workers[*who].pull(3));
                for _ in 0..*polls {
                    if poll_immediate(pull.as_mut()).await.is_some() {
                        break;
                    }
                    tokio::task::yield_now().await;
                }
            }
            Step::Ack(who, which) if !held[*who].is_empty() => {
                let at = which.index(held[*who].len());
                let delivery = held[*who].swap_remove(at);
                let result = delivery.ack().await;
                model.acked(&delivery, result).map_err(wrong)?;
                if dice.roll(4) == 0 {
                    let result = delivery.ack().await;
                    model.acked(&delivery, result).map_err(wrong)?;
                }
            }
            Step::AckAll(who) => {
                let all = std::mem::take(&mut held[*who]);
                match workers[*who].ack_all(all.iter().map(|delivery| &**delivery)).await {
                    Ok(results) => {
                        for (delivery, result) in all.iter().zip(results) {
                            model.acked(delivery, result).map_err(wrong)?;
                        }
                    }
                    Err(_) => model.maybe_done.extend(all.iter().map(Delivery::payload)),
                }
            }
            Step::Nack(who, which, at_once) if !held[*who].is_empty() => {
                let at = which.index(held[*who].len());
                let delivery = held[*who].swap_remove(at);
                let pause = if *at_once { std::time::Duration::ZERO } else { LONG };
                let _ = delivery.nack_after(pause, "no").await;
            }
            Step::Reject(who, which) if !held[*who].is_empty() => {
                let at = which.index(held[*who].len());
                let _ = held[*who].swap_remove(at).reject("no").await;
            }
            Step::Release(who, which) if !held[*who].is_empty() => {
                let at = which.index(held[*who].len());
                let _ = held[*who].swap_remove(at).release().await;
            }
            Step::Extend(who, which) if !held[*who].is_empty() => {
                let at = which.index(held[*who].len());
                let delivery = &held[*who][at];
                let is_last = model.last.get(delivery.payload()) == Some(&delivery.number());
                match delivery.extend().await {
                    Ok(()) if !is_last => {
                        return Err(wrong("a former holder has a lease".to_owned()));
                    }
                    Ok(()) if model.done.contains_key(delivery.payload()) => {
                        return Err(wrong("a task that is done has a lease".to_owned()));
                    }
                    _ => {}
                }
            }
            Step::Die(who) => held[*who].clear(),
            Step::EndLeases => end_leases(&direct).await,
            Step::MakeDue => make_due(&direct, "delayed").await,
            Step::Requeue => drop(operator.requeue_dead(100).await.unwrap()),
            Step::LoseScripts => direct.script_flush().await.unwrap(),
            Step::Evict(which) => {
                let name = ["ready", "delayed", "active", "dead", "grouped"][*which];
                direct.del([index(name)]).await.unwrap();
            }
            _ => {}
        }
    }
    // Late requests have arrived by now.
    tokio::time::sleep(std::time::Duration::from_millis(40)).await;
    // All that is left can be worked on.
    for _ in 0..200 {
        let stats = operator.stats().await.unwrap();
        let tasks: Option<u64> =
            direct.hget(index("").trim_end_matches(':'), "#tasks").await.unwrap();
        if stats == Default::default() && tasks.unwrap_or(0) == 0 {
            break;
        }
        operator.requeue_dead(1000).await.unwrap();
        make_due(&direct, "delayed").await;
        end_leases(&direct).await;
        for delivery in operator.pull(100).await.unwrap() {
            let wrong = |what: String| format!("{}, at the end: {what}", place.name);
            model.pulled(std::slice::from_ref(&delivery)).map_err(wrong)?;
            let result = delivery.ack().await;
            if let Err(error) = &result {
                return Err(wrong(error.to_string()));
            }
            model.acked(&delivery, result).map_err(wrong)?;
        }
    }
    let stats = operator.stats().await.unwrap();
    if stats != Default::default() {
        let records = direct.hgetall::<String>(index("").trim_end_matches(':')).await.unwrap();
        return Err(format!("{}: stuck: {stats:?}, {records:?}", place.name));
    }
    let is_done = |task: &u32| model.done.contains_key(task) || model.maybe_done.contains(task);
    let lost: Vec<&u32> = model.taken.iter().filter(|task| !is_done(task)).collect();
    if !lost.is_empty() {
        return Err(format!("{}: lost: {lost:?}", place.name));
    }
    let left: Vec<String> = direct.keys(format!("{}*", index("payloads"))).await.unwrap();
    if !left.is_empty() {
        return Err(format!("{}: payloads are left", place.name));
    }
    Ok(())
}

#[test]
fn no_task_is_lost_none_is_done_twice_and_none_is_stuck() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (places, seed) = (runtime.block_on(Place::all()), seed());
    for place in &places {
        let config = Config {
            cases: cases(4) as u32,
            failure_persistence: None,
            max_shrink_iters: 2000,
            ..Config::default()
        };
        let steps = prop::collection::vec(step(), 80);
        let result = runner(config, seed).run(&steps, |steps| {
            let run = runtime.block_on(run(place, seed, &steps));
            run.map_err(TestCaseError::fail)
        });
        if let Err(error) = result {
            panic!("EDGECASK_TEST_SEED={seed}: {}: {error}", place.name);
        }
    }
}
