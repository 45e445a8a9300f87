//! Random histories of publishers and subscribers, against a model: lost round trips, futures that are dropped, connections that are
//! lost, histories that are trimmed, expire, are flushed or come back with older data. A subscriber gets each event once, in order,
//! or has a gap in its place; and no gap where nothing is missing. A failure is made as short as possible.
//!
//! A few histories run on each transport by default; `EDGECASK_TEST_CASES=1000` runs so many, `EDGECASK_TEST_SEED=7` those of
//! that seed.

use std::collections::HashSet;
use std::time::Duration;

use edgecask::Client;
use edgecask::command::streams::Entry;
use edgecask::events::{Events, EventsOptions, Item, Start, Subscription, Topic};
use edgecask::prelude::*;
use edgecask_tests::{Deaf, Dice, Lossy, Place, Tapped, cases, runner, seed};
use futures_util::StreamExt;
use futures_util::future::{poll_immediate, select};
use proptest::prelude::*;
use proptest::test_runner::Config;

use super::key;

/// How many events the history keeps.
const KEPT: u64 = 8;
const SUBSCRIBERS: usize = 4;

#[derive(Debug, Clone, Copy)]
enum Step {
    /// So many events, by a publisher that always is the same one, or by a new one.
    Publish(u64, bool),
    /// An event whose round trips may be lost.
    Lossy,
    /// An event whose publisher drops its future after this number of polls.
    Cancelled(u64),
    /// A subscriber takes what is there.
    Take(usize),
    /// The same, and its future is dropped again and again.
    Hasty(usize),
    /// A subscriber goes on after its position with a new subscription.
    Resume(usize),
    /// All connections that listen are cut.
    Cut,
    Trim(u64),
    Expire,
    Flush,
    LoseScripts,
    LosePosition,
    /// Redis comes back as it was when the history had these last.
    Restore,
    /// The next restore comes back to here.
    Save,
}

fn step() -> impl Strategy<Value = Step> {
    let subscriber = || 0..SUBSCRIBERS;
    prop_oneof![
        8 => (1..5_u64, any::<bool>()).prop_map(|(count, new)| Step::Publish(count, new)),
        3 => Just(Step::Lossy),
        2 => (0..6_u64).prop_map(Step::Cancelled),
        5 => subscriber().prop_map(Step::Take),
        2 => subscriber().prop_map(Step::Hasty),
        3 => subscriber().prop_map(Step::Resume),
        2 => Just(Step::Cut),
        1 => (0..5_u64).prop_map(Step::Trim),
        1 => Just(Step::Expire),
        1 => Just(Step::Flush),
        1 => Just(Step::LoseScripts),
        1 => Just(Step::LosePosition),
        1 => Just(Step::Restore),
        1 => Just(Step::Save),
    ]
}

fn options() -> EventsOptions {
    EventsOptions::new()
        .keep(KEPT)
        .buffer(3)
        .poll_every(Duration::from_millis(1), Duration::from_millis(3))
}

/// An item of a subscriber: the number of an event, or a gap.
struct Subscriber {
    topic: Topic<u64>,
    subscription: Subscription<u64>,
    given: Vec<Option<u64>>,
    /// How many events there were when it began.
    from: usize,
    /// Whether a position from outside tells too little: the history came back with older data.
    restored: bool,
}

/// Everything that was published, in order: the numbers of events.
#[derive(Default)]
struct World {
    events: Vec<u64>,
    seen: HashSet<(String, u64)>,
    /// Whether something was taken from the history on purpose.
    harmed: bool,
    next: u64,
}

impl World {
    /// Notes what the history has.
    async fn note(&mut self, direct: &Client) {
        let entries: Vec<Entry<String>> = direct.xrange("t", "-", "+", None).await.unwrap();
        for entry in entries {
            let event = ["{", entry.get("event").unwrap()].concat();
            let event: serde_json::Value = serde_json::from_str(&event).unwrap();
            let number = event["data"].as_u64().unwrap();
            if self.seen.insert((entry.id, number)) {
                self.events.push(number);
            }
        }
    }

    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }
}

impl Subscriber {
    async fn take(&mut self) -> Result<(), String> {
        let next = tokio::time::timeout(Duration::from_secs(20), self.subscription.next()).await;
        match next {
            Ok(Some(Ok(item))) => self.give(item),
            other => Err(format!("{other:?} after {:?}", self.given)),
        }
    }

    fn give(&mut self, item: Item<u64>) -> Result<(), String> {
        match item {
            Item::Event(event) => self.given.push(Some(event.data)),
            Item::Gap(_) => self.given.push(None),
            other => return Err(format!("{other:?}")),
        }
        Ok(())
    }

    /// Takes everything up to this event.
    async fn catch_up(&mut self, to: u64) -> Result<(), String> {
        while self.given.last() != Some(&Some(to)) {
            self.take().await?;
        }
        Ok(())
    }

    /// Whether what it was given is what happened.
    fn check(&self, world: &World, is_all: bool) -> Result<(), String> {
        let wrong = |what: &str| {
            Err(format!("{what}: given {:?} of {:?} from {}", self.given, world.events, self.from))
        };
        let (mut next, mut gap, mut known) = (self.from, false, HashSet::new());
        for given in &self.given {
            let Some(number) = given else {
                gap = true;
                continue;
            };
            if !known.insert(number) {
                return wrong("twice");
            }
            let find = |from| world.events.iter().skip(from).position(|other| other == number);
            let (from, skipped) = match find(next) {
                Some(skipped) => (next, skipped),
                // After a gap an older history that came back is given, as far as it is new to the subscriber.
                None if gap && self.restored => match find(0) {
                    Some(place) => (place, 0),
                    None => return wrong("never published"),
                },
                None => return wrong("not in order"),
            };
            let is_lost = |number: &u64| !known.contains(number);
            if !gap && world.events.iter().skip(from).take(skipped).any(is_lost) {
                return wrong("lost without a gap");
            }
            next = from + skipped + 1;
            gap = false;
        }
        if is_all && next != world.events.len() {
            return wrong("the end is missing");
        }
        if !world.harmed && self.given.contains(&None) {
            return wrong("a gap where nothing is missing");
        }
        Ok(())
    }
}

/// The values of both keys.
type Saved = Vec<Option<edgecask::Value>>;
const KEYS: [&str; 2] = ["t", "edgecask:events:{t}"];

async fn save(direct: &Client) -> Saved {
    let mut saved = Vec::new();
    for key in KEYS {
        let dump = direct.send(&cmd("DUMP").arg(key)).await.unwrap();
        saved.push((dump != edgecask::Value::Nil).then_some(dump));
    }
    saved
}

async fn restore(direct: &Client, saved: &Saved) {
    direct.flushall().await.unwrap();
    for (key, value) in KEYS.iter().zip(saved) {
        if let Some(bytes) = value.as_ref().and_then(|value| value.as_bytes()) {
            let restore = cmd("RESTORE").arg(*key).arg(9_000_000).arg(bytes);
            direct.send(&restore).await.unwrap();
        }
    }
}

/// Runs a history, and returns the first difference from the model.
async fn run(place: &Place, seed: u64, steps: &[Step]) -> Result<(), String> {
    let direct = place.client();
    direct.flushall().await.unwrap();
    let dice = Dice::new(seed);
    let new = |client: Client| Events::with_options(client, options()).topic::<u64>(key("t"));
    let publisher = new(place.client());
    let lossy = new(place.client().layer(Tapped(Lossy::new(&dice, 20))));
    let mut world = World::default();
    let mut subscribers = Vec::new();
    for number in 0..SUBSCRIBERS {
        let client = match number % 2 {
            0 => place.client(),
            _ => place.client().layer(Tapped(Deaf)),
        };
        // The second two meet lost round trips.
        let topic = match number / 2 {
            0 => new(client),
            _ => new(client.layer(Tapped(Lossy::new(&dice, 10)))),
        };
        let subscription = loop {
            match topic.subscribe(Start::Now).await {
                Ok(subscription) => break subscription,
                Err(error) if error.is_transient() => {}
                Err(error) => return Err(error.to_string()),
            }
        };
        subscribers.push(Subscriber {
            topic,
            subscription,
            given: Vec::new(),
            from: 0,
            restored: false,
        });
    }
    let mut saved = save(&direct).await;
    // What the subscribers have not taken yet may be trimmed.
    let mut pending = [0; SUBSCRIBERS];
    for (at, step) in steps.iter().enumerate() {
        let context = |error: String| format!("{}, {at}: {step:?}: {error}", place.name);
        let before = world.events.len();
        match *step {
            Step::Publish(count, is_new) => {
                for _ in 0..count {
                    let fresh = new(place.client());
                    let topic = if is_new { &fresh } else { &publisher };
                    let number = world.number();
                    let published = topic.publish(&number).await;
                    published.map_err(|error| context(error.to_string()))?;
                }
            }
            Step::Lossy => {
                drop(lossy.publish(&world.number()).await);
                // What is sent late arrives by then.
                tokio::time::sleep(Duration::from_millis(35)).await;
            }
            Step::Cancelled(polls) => {
                let number = world.number();
                let given_up = async {
                    for _ in 0..polls {
                        tokio::task::yield_now().await;
                    }
                };
                let given_up = std::pin::pin!(given_up);
                drop(select(given_up, publisher.publish(&number).into_future()).await);
                // It has arrived by then, or never will.
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            Step::Take(which) => {
                // What is on its way may come, or not.
                let subscriber = &mut subscribers[which];
                for _ in 0..4 {
                    let next = subscriber.subscription.next();
                    let next = tokio::time::timeout(Duration::from_millis(2), next).await;
                    if let Ok(Some(Ok(item))) = next {
                        subscriber.give(item).map_err(context)?;
                    }
                }
            }
            Step::Hasty(which) => {
                let subscriber = &mut subscribers[which];
                for _ in 0..50 {
                    if let Some(Some(Ok(item))) =
                        poll_immediate(subscriber.subscription.next()).await
                    {
                        subscriber.give(item).map_err(context)?;
                    }
                    tokio::task::yield_now().await;
                }
            }
            Step::Resume(which) => {
                let subscriber = &mut subscribers[which];
                let Some(position) = subscriber.subscription.position() else { continue };
                if subscriber.restored {
                    continue;
                }
                subscriber.subscription = loop {
                    match subscriber.topic.subscribe(Start::After(position)).await {
                        Ok(subscription) => break subscription,
                        Err(error) if error.is_transient() => {}
                        Err(error) => return Err(context(error.to_string())),
                    }
                };
            }
            Step::Cut => place.cut(),
            Step::Trim(kept) => {
                direct.execute::<i64>(cmd("XTRIM").arg("t").arg("MAXLEN").arg(kept)).await.unwrap();
                world.harmed = true;
            }
            Step::Expire => {
                direct.del(["t"]).await.unwrap();
                world.harmed = true;
            }
            Step::Flush => {
                direct.flushall().await.unwrap();
                world.harmed = true;
            }
            Step::LoseScripts => direct.script_flush().await.unwrap(),
            // The history's last entry tells it.
            Step::LosePosition => {
                direct.del(["edgecask:events:{t}"]).await.unwrap();
                world.harmed = true;
            }
            Step::Save => saved = save(&direct).await,
            Step::Restore => {
                // No subscriber can detect an event that was lost before it was read.
                let last = world.number();
                publisher.publish(&last).await.unwrap();
                world.note(&direct).await;
                for subscriber in &mut subscribers {
                    subscriber.catch_up(last).await.map_err(context)?;
                }
                restore(&direct, &saved).await;
                world.harmed = true;
                subscribers.iter_mut().for_each(|subscriber| subscriber.restored = true);
            }
        }
        world.note(&direct).await;
        // If more events than the history keeps come between two reads of a subscriber, some are lost to it.
        for (number, subscriber) in subscribers.iter().enumerate() {
            let new = (world.events.len() - before) as u64;
            pending[number] += new;
            let has_last =
                subscriber.given.last().copied().flatten() == world.events.last().copied();
            if has_last {
                pending[number] = 0;
            }
            world.harmed |= pending[number] > KEPT;
        }
        for subscriber in &subscribers {
            subscriber.check(&world, false).map_err(context)?;
        }
    }
    // What was sent late has arrived after this.
    tokio::time::sleep(Duration::from_millis(40)).await;
    let last = world.number();
    publisher.publish(&last).await.unwrap();
    world.note(&direct).await;
    for (number, subscriber) in subscribers.iter_mut().enumerate() {
        let context = |error: String| format!("{}, the end of {number}: {error}", place.name);
        subscriber.catch_up(last).await.map_err(context)?;
        world.harmed |= pending[number] + 2 > KEPT;
        subscriber.check(&world, true).map_err(context)?;
    }
    Ok(())
}

#[test]
fn subscribers_get_what_happened_or_a_gap() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (places, seed) = (runtime.block_on(Place::all()), seed());
    for place in &places {
        let config = Config {
            cases: cases(2) as u32,
            failure_persistence: None,
            max_shrink_iters: 300,
            ..Config::default()
        };
        let steps = prop::collection::vec(step(), 1..40);
        let result = runner(config, seed).run(&steps, |steps| {
            let run = runtime.block_on(run(place, seed, &steps));
            run.map_err(TestCaseError::fail)
        });
        if let Err(error) = result {
            panic!("EDGECASK_TEST_SEED={seed}: {}: {error}", place.name);
        }
    }
}
