//! Histories of fifty tasks on a cluster to which things happen: nodes are killed, hang, come and go, slots move, replicas
//! take over, scripts block, keys are refused, connections are closed. A model of what each task was told is compared with
//! what the cluster holds: nothing that was acknowledged is lost, but for what Redis itself may lose in a failover; nothing
//! that was refused is there; the order of a key is kept; a walk over all keys is whole or fails; a subscription reports each
//! gap; a call ends by its deadline; and the client works after each of these events.
//!
//! One history runs by default; `EDGECASK_TEST_CASES=100` runs so many, `EDGECASK_TEST_SEED=7` begins with that one.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use edgecask::cache::{Cache, CacheOptions, EntryOptions, Tier};
use edgecask::command::keys::{Cursor, ScanOptions};
use edgecask::layer::AutoPipeline;
use edgecask::prelude::*;
use edgecask::{Error, ErrorKind, Event, Keyspace, Outcome, Result, Script, Subscriber, Value};
use edgecask_tests::{Dice, NODE_TIMEOUT, ReplicatedCluster, seeds};
use futures_util::StreamExt;
use futures_util::future::join_all;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::{LIMIT, RECOVERY, SLACK, client, is_of_change, keys, pairs, within};

/// How many things happen in a history.
const EVENTS: usize = 3;
/// Keys that are there all the time.
const STATIC: usize = 600;
/// How late a replica may be with what its primary acknowledged.
const LAG: Duration = Duration::from_millis(200);

/// What can happen to a cluster.
#[derive(Debug, Clone, Copy)]
enum Happening {
    Kill,
    Restart,
    Hang,
    HangShortly,
    Move,
    ComeAndGo,
    Promote,
    Block,
    Refuse,
    FlushScripts,
    CloseConnections,
}

use Happening::{
    Block, CloseConnections, ComeAndGo, FlushScripts, Hang, HangShortly, Kill, Move, Promote,
    Refuse, Restart,
};

/// In the order of the seeds: each history has the next few of them, and some of them at random.
const HAPPENINGS: [Happening; 11] = [
    Kill,
    Move,
    Refuse,
    ComeAndGo,
    Hang,
    CloseConnections,
    Promote,
    FlushScripts,
    Restart,
    Block,
    HangShortly,
];

/// Times from one moment to another.
#[derive(Debug, Default)]
struct Times(Mutex<Vec<(Instant, Instant)>>);

impl Times {
    fn add(&self, from: Instant, to: Instant) {
        self.0.lock().unwrap().push((from, to));
    }

    fn overlap(&self, call: (Instant, Instant)) -> bool {
        self.0.lock().unwrap().iter().any(|&(from, to)| call.0 <= to && from <= call.1)
    }
}

/// What all tasks of a history share.
#[derive(Debug)]
struct World {
    client: Client,
    dice: Dice,
    end: AtomicBool,
    /// When Redis may lose what it acknowledged.
    lossy: Times,
    /// When the nodes may lose messages on their way to each other.
    deaf: Times,
    violations: Mutex<Vec<String>>,
    /// How many calls succeeded and failed.
    calls: [AtomicU64; 2],
}

impl World {
    fn goes_on(&self) -> bool {
        !self.end.load(Ordering::SeqCst)
    }

    fn violated(&self, what: String) {
        let mut violations = self.violations.lock().unwrap();
        if violations.len() < 20 {
            violations.push(what);
        }
    }

    async fn pause(&self) {
        tokio::time::sleep(Duration::from_micros(self.dice.roll(8000))).await;
    }

    /// Carries out a call, which has to end by its deadline, and to fail only as a cluster that changes may.
    async fn call<T>(
        &self,
        what: &str,
        call: impl IntoFuture<Output = Result<T>>,
    ) -> (Result<T>, (Instant, Instant)) {
        let start = Instant::now();
        let result = call.await;
        let end = Instant::now();
        if end - start > LIMIT + SLACK {
            self.violated(format!("{what} took {:?}", end - start));
        }
        self.calls[usize::from(result.is_err())].fetch_add(1, Ordering::SeqCst);
        if let Err(error) = &result {
            self.judge(what, error);
        }
        (result, (start, end))
    }

    fn judge(&self, what: &str, error: &Error) {
        // The refusal of a key is one of the happenings.
        if !is_of_change(error) && error.code() != Some("NOPERM") {
            self.violated(format!("{what}: {error:?}"));
        }
    }
}

/// What a writer knows of one list, to which it appends numbers.
#[derive(Debug, Default)]
struct Appended {
    key: String,
    next: u64,
    /// The numbers that were acknowledged, and when.
    sure: Vec<(u64, (Instant, Instant))>,
    /// The numbers that may be there.
    unsure: BTreeSet<u64>,
}

impl Appended {
    fn of(key: String) -> Self {
        Self { key, ..Self::default() }
    }

    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    fn told<T>(&mut self, number: u64, result: &Result<T>, time: (Instant, Instant)) {
        match result {
            Ok(_) => self.sure.push((number, time)),
            Err(error) => {
                if matches!(error.outcome(), Outcome::Unknown | Outcome::Completed) {
                    self.unsure.insert(number);
                }
            }
        }
    }

    /// What the cluster holds.
    async fn stored(&self, world: &World) -> Vec<u64> {
        within(RECOVERY, async || world.client.lrange(&self.key, 0, -1).await).await
    }

    /// Compares it with what the cluster holds.
    async fn check(&self, world: &World) {
        let (key, got) = (&self.key, self.stored(world).await);
        let there: BTreeSet<u64> = got.iter().copied().collect();
        if there.len() < got.len() {
            world.violated(format!("{key}: something was appended twice"));
        }
        let sure: BTreeSet<u64> = self.sure.iter().map(|&(number, _)| number).collect();
        let ordered: Vec<u64> =
            got.iter().copied().filter(|number| sure.contains(number)).collect();
        if !ordered.is_sorted() {
            world.violated(format!("{key}: out of order: {got:?}"));
        }
        for &(number, time) in &self.sure {
            if !there.contains(&number) && !world.lossy.overlap(time) {
                world.violated(format!("{key}: {number} was acknowledged and is lost"));
            }
        }
        for number in there {
            if !sure.contains(&number) && !self.unsure.contains(&number) {
                world.violated(format!("{key}: {number} was refused and is there"));
            }
        }
    }
}

/// Appends by single commands, by scripts, or by commands that are sent together by themselves.
async fn append_singly(world: Arc<World>, task: usize) -> Vec<Appended> {
    let script = Script::new("return redis.call('RPUSH', KEYS[1], ARGV[1])");
    let gathered = world.client.clone().layer(AutoPipeline::new());
    let mut lists: Vec<_> = (0..6).map(|at| Appended::of(format!("single:{task}:{at}"))).collect();
    while world.goes_on() {
        if task.is_multiple_of(3) {
            let pushes = lists.iter_mut().map(|list| {
                let (world, gathered) = (&world, &gathered);
                async move {
                    let number = list.number();
                    let call =
                        world.call("RPUSH", async { gathered.rpush(&list.key, [number]).await });
                    let (result, time) = call.await;
                    list.told(number, &result, time);
                }
            });
            join_all(pushes).await;
        } else {
            for list in &mut lists {
                let number = list.number();
                let (result, time) = if task % 3 == 1 {
                    let push = async { world.client.rpush(&list.key, [number]).await };
                    world.call("RPUSH", push).await
                } else {
                    let run = world.client.run_script::<u64>(&script, [&list.key], [number]);
                    world.call("EVALSHA", run).await
                };
                list.told(number, &result, time);
            }
        }
        world.pause().await;
    }
    lists
}

/// Appends by pipelines, several times to each list.
async fn append_by_pipelines(world: Arc<World>, task: usize) -> Vec<Appended> {
    let mut lists: Vec<_> = (0..8).map(|at| Appended::of(format!("piped:{task}:{at}"))).collect();
    while world.goes_on() {
        let numbers: Vec<(usize, u64)> =
            (0..40).map(|at| (at % 8, lists[at % 8].number())).collect();
        let push = |&(at, number): &(usize, u64)| cmd("RPUSH").arg(&lists[at].key).arg(number);
        let commands: Vec<_> = numbers.iter().map(push).collect();
        let (results, time) = world.call("a pipeline", world.client.send_pipeline(&commands)).await;
        for (place, (at, number)) in numbers.into_iter().enumerate() {
            let result = match &results {
                Ok(results) => results[place].as_ref().map_err(Error::clone),
                Err(error) => Err(error.clone()),
            };
            if let Err(error) = &result {
                world.judge("a command of a pipeline", error);
            }
            lists[at].told(number, &result, time);
        }
        world.pause().await;
    }
    lists
}

/// Appends to two lists of one slot by transactions.
async fn append_by_transactions(world: Arc<World>, task: usize) -> Vec<Appended> {
    let list = |at: &str| Appended::of(format!("{{pair:{task}}}:{at}"));
    let (mut one, mut two) = (list("one"), list("two"));
    while world.goes_on() {
        let number = one.number();
        let push = |list: &Appended| cmd("RPUSH").arg(&list.key).arg(number);
        let commands = [push(&one), push(&two)];
        let call = async {
            let results = world.client.send_transaction(&commands).await?;
            results.into_iter().collect::<Result<Vec<Value>>>()
        };
        let (result, time) = world.call("a transaction", call).await;
        one.told(number, &result, time);
        two.told(number, &result, time);
        world.pause().await;
    }
    vec![one, two]
}

/// Writes, reads, counts and deletes keys of all slots by single commands.
async fn write_many(world: Arc<World>, task: usize) -> Vec<Appended> {
    let keys = keys(&format!("many:{task}:"), 20);
    let (mut number, mut unsure) = (0_u64, BTreeSet::new());
    while world.goes_on() {
        number += 1;
        let set = world.client.execute::<()>(pairs(&keys, &number.to_string()));
        let (set, (start, _)) = world.call("MSET", set).await;
        let is_open = |error: &Error| error.outcome() == Outcome::Unknown;
        if set.as_ref().is_err_and(is_open) {
            unsure.insert(number);
        }
        let get = world.client.mget::<u64>(&keys);
        let (got, (_, end)) = world.call("MGET", get).await;
        if let (Ok(got), false) = (&got, world.lossy.overlap((start, end))) {
            for (key, got) in keys.iter().zip(got) {
                let open = got.is_some_and(|got| unsure.contains(&got));
                match &set {
                    Ok(()) if *got != Some(number) && !open => {
                        world.violated(format!(
                            "{key}: MSET {number} is done, and there is {got:?}"
                        ));
                    }
                    Err(error) if !is_open(error) && *got == Some(number) => {
                        world.violated(format!("{key}: {number} is there in spite of {error:?}"));
                    }
                    _ => {}
                }
            }
        }
        if number.is_multiple_of(4) {
            let deleted = world.client.del(&keys);
            let (deleted, (start, _)) = world.call("DEL", deleted).await;
            let left = world.client.exists(&keys);
            let (left, (_, end)) = world.call("EXISTS", left).await;
            if let (Ok(_), Ok(left @ 1..)) = (deleted, left)
                && unsure.is_empty()
                && !world.lossy.overlap((start, end))
            {
                world.violated(format!("many:{task}: DEL is done, and {left} keys are there"));
            }
        }
        world.pause().await;
    }
    Vec::new()
}

/// Walks over all keys.
async fn walk(world: Arc<World>) {
    while world.goes_on() {
        let (mut cursor, mut found) = (Cursor::default(), BTreeSet::new());
        let options = ScanOptions::new().pattern("static:*").count(200);
        let whole = loop {
            let page = world.client.scan::<String>(&cursor, &options);
            let start = Instant::now();
            let page = page.await;
            let took = start.elapsed();
            if took > LIMIT + SLACK {
                world.violated(format!("SCAN took {took:?}"));
            }
            match page {
                Ok(page) => {
                    found.extend(page.items);
                    cursor = page.cursor;
                    if cursor.is_done() {
                        break true;
                    }
                }
                // It has to begin anew.
                Err(error) if error.kind() == ErrorKind::Conflict => break false,
                Err(error) => {
                    world.judge("SCAN", &error);
                    break false;
                }
            }
        };
        if whole && found.len() != STATIC {
            world.violated(format!("a walk ended with {} of {STATIC} keys", found.len()));
        }
        world.pause().await;
    }
}

/// Publishes numbers, and compares them with what a subscription says.
async fn publish(world: Arc<World>, channel: String, mut news: Subscriber) {
    let gaps = Times::default();
    let published: Mutex<Vec<(u64, (Instant, Instant))>> = Mutex::default();
    let missing = |got: &BTreeSet<u64>| -> Vec<u64> {
        let published = published.lock().unwrap();
        let is_missing = |(number, time): &&(u64, (Instant, Instant))| {
            !got.contains(number) && !gaps.overlap(*time) && !world.deaf.overlap(*time)
        };
        published.iter().filter(is_missing).map(|(number, _)| *number).collect()
    };
    let listen = async {
        let (mut got, mut last) = (BTreeSet::new(), Instant::now());
        let (mut lost, mut end) = (None, None);
        loop {
            match news.next().await {
                // What is published at one node may overtake what was published at another.
                Some(Ok(Event::Message(message))) if message.payload == "end" => {
                    let end = end.get_or_insert_with(Instant::now);
                    let missing = missing(&got);
                    if missing.is_empty() {
                        break;
                    }
                    if end.elapsed() > Duration::from_secs(10) {
                        world.violated(format!(
                            "{channel}: no gap is reported, and these are missing: {missing:?}"
                        ));
                        break;
                    }
                }
                Some(Ok(Event::Message(message))) => {
                    last = Instant::now();
                    got.extend(String::from_utf8_lossy(&message.payload).parse::<u64>());
                }
                Some(Ok(Event::Lost(error))) => {
                    world.judge("a subscription", &error);
                    lost = Some(last);
                }
                Some(Ok(_)) => {
                    if let Some(lost) = lost.take() {
                        gaps.add(lost - LAG, Instant::now() + LAG);
                    }
                }
                ended => {
                    world.violated(format!("a subscription ended: {ended:?}"));
                    break;
                }
            }
        }
    };
    let send = async {
        for number in 1_u64.. {
            if !world.goes_on() {
                break;
            }
            let call = world.client.publish(&channel, number);
            let (result, time) = world.call("PUBLISH", call).await;
            if result.is_ok() {
                published.lock().unwrap().push((number, time));
            }
            world.pause().await;
        }
        let calm = Instant::now();
        while calm.elapsed() < Duration::from_secs(30) {
            // It may fail; the next one does not.
            let _ = world.client.publish(&channel, "end").await;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        world.violated(format!("{channel}: nothing that is published arrives any more"));
    };
    tokio::select! {
        () = listen => {}
        () = send => {}
    }
}

/// Changes what a cache holds, in each way, and reads it.
async fn use_cache(world: Arc<World>, task: usize) {
    let space = Keyspace::new(["entries"]).unwrap();
    let entries: Vec<_> =
        (0..10).map(|at| space.key([format!("{task}"), at.to_string()]).unwrap()).collect();
    let options =
        CacheOptions::new().tier(Tier::Critical).keyspace(space).lease(Duration::from_millis(500));
    let cache = Cache::with_options(world.client.clone(), options);
    let tag = format!("tag:{task}");
    let entry = EntryOptions::new(Duration::from_secs(600)).tags([tag.as_str()]);
    let database = AtomicU64::new(0);
    // What was invalidated last: from which version on, and when.
    let mut floor: Option<(u64, (Instant, Instant))> = None;
    while world.goes_on() {
        let version = database.fetch_add(1, Ordering::SeqCst) + 1;
        let start = Instant::now();
        let (way, done) = match world.dice.roll(3) {
            0 => ("deleted", cache.delete_many(&entries).await.map(|done| done.is_owed())),
            1 => ("tagged", cache.invalidate_tags([tag.as_str()]).await.map(|done| done.is_owed())),
            _ => {
                let pairs = entries.iter().map(|key| (key, &version));
                ("set", cache.set_many(pairs, entry.clone()).await.map(|done| done.is_owed()))
            }
        };
        match &done {
            Ok(false) => floor = Some((version, (start, Instant::now()))),
            Ok(true) => {}
            Err(error) => world.judge(way, error),
        }
        for _ in 0..2 {
            let reads = entries.iter().map(|key| {
                let load = || async {
                    tokio::task::yield_now().await;
                    Ok::<_, std::io::Error>(database.load(Ordering::SeqCst))
                };
                cache.get_or_load(key, entry.clone(), load)
            });
            for (key, read) in entries.iter().zip(join_all(reads).await) {
                match (read, floor) {
                    (Ok(read), Some((floor, time))) => {
                        let read: u64 = read;
                        if read < floor && !world.lossy.overlap(time) {
                            world
                                .violated(format!("{key:?}: {way} {done:?}: {read} after {floor}"));
                        }
                    }
                    (Ok(_), None) => {}
                    (Err(error), _) => world.judge("a load", &error),
                }
            }
        }
        world.pause().await;
    }
}

/// Lets something happen, and waits until the cluster itself is healthy again.
async fn happen(cluster: &mut ReplicatedCluster, world: &World, happening: Happening) {
    let dice = &world.dice;
    let pick = |numbers: &[usize]| numbers[dice.roll(numbers.len() as u64) as usize];
    let shards = cluster.shards().await;
    let primaries: Vec<usize> = shards.keys().copied().collect();
    let guarded: Vec<usize> =
        primaries.iter().copied().filter(|primary| !shards[primary].is_empty()).collect();
    let (start, long) = (Instant::now(), Duration::from_secs(100));
    match happening {
        Kill | Restart => {
            let primary = pick(&guarded);
            world.lossy.add(start - LAG, start + LAG);
            world.deaf.add(start - LAG, start + long);
            cluster.kill(primary);
            if matches!(happening, Kill) {
                cluster.failed_over(primary).await;
            }
            cluster.restart(primary);
        }
        Hang => {
            let primary = pick(&guarded);
            world.lossy.add(start - LAG, start + LAG);
            world.deaf.add(start - LAG, start + long);
            cluster.pause(primary);
            cluster.failed_over(primary).await;
            // It carries out what it has received before it learns that it is no primary any more.
            let resumed = Instant::now();
            world.lossy.add(resumed, resumed + Duration::from_secs(2));
            cluster.resume(primary);
        }
        HangShortly => {
            let primary = pick(&primaries);
            world.deaf.add(start - LAG, start + long);
            cluster.pause(primary);
            tokio::time::sleep(Duration::from_millis(300)).await;
            cluster.resume(primary);
        }
        Move => {
            let (from, to) = (pick(&primaries), pick(&primaries));
            let slots = cluster.slots_of(from).await;
            if from != to {
                cluster.move_slots(&slots[..slots.len() / 4], from, to).await;
            }
        }
        ComeAndGo => {
            let added = cluster.add_node().await;
            let from = pick(&primaries);
            let slots = cluster.slots_of(from).await;
            cluster.move_slots(&slots[..slots.len() / 16], from, added).await;
            cluster.healthy().await;
            cluster.remove_node(added).await;
        }
        Promote => {
            let replicas: Vec<usize> = guarded.iter().flat_map(|at| shards[at].clone()).collect();
            cluster.promote(pick(&replicas)).await;
        }
        Block => {
            let script = cluster.block(pick(&primaries), Duration::from_millis(400)).await;
            script.await.unwrap();
        }
        Refuse => {
            let node = &cluster.nodes()[pick(&primaries)];
            let user = ["ACL", "SETUSER", "default"];
            for rules in [&["resetkeys", "~single:*", "~static:*"][..], &["allkeys"]] {
                node.ask::<Value>(&[&user, rules].concat()).await.unwrap();
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        }
        FlushScripts => cluster.tell_all(&["SCRIPT", "FLUSH"]).await,
        CloseConnections => {
            for kind in ["normal", "pubsub"] {
                cluster.tell_all(&["CLIENT", "KILL", "TYPE", kind]).await;
            }
        }
    }
    cluster.healthy().await;
    // The links between the nodes are whole again.
    if let Some(last) =
        world.deaf.0.lock().unwrap().last_mut().filter(|(from, _)| *from >= start - LAG)
    {
        last.1 = Instant::now() + LAG;
    }
    note_links(cluster, world).await;
}

/// Notes when the nodes have made their links to each other anew. A node that gets no processor for a while loses its links,
/// and the messages that were on them, although nothing else happens to it.
async fn note_links(cluster: &ReplicatedCluster, world: &World) {
    let (now, clock) = (Instant::now(), SystemTime::now());
    for made in cluster.links_made().await {
        if let Some(made) = now.checked_sub(clock.duration_since(made).unwrap_or_default()) {
            world.deaf.add(made - NODE_TIMEOUT - LAG, made + LAG);
        }
    }
}

/// Everything that a client does works on all slots.
async fn usable(client: &Client) {
    let everywhere = keys("usable:", 200);
    within(RECOVERY, async || client.execute::<()>(pairs(&everywhere, "x")).await).await;
    let got = within(RECOVERY, async || client.mget::<String>(&everywhere).await).await;
    assert_eq!(got.into_iter().flatten().count(), 200);
    let commands: Vec<_> = everywhere.iter().map(|key| cmd("APPEND").arg(key).arg("y")).collect();
    within(RECOVERY, async || {
        let results = client.send_pipeline(&commands).await?;
        results.into_iter().collect::<Result<Vec<Value>>>()
    })
    .await;
}

async fn history(seed: u64) {
    eprintln!("EDGECASK_TEST_SEED={seed}");
    let dice = Dice::new(seed);
    let mut cluster = ReplicatedCluster::start().await;
    let client = client(&cluster);
    for part in keys("static:", STATIC).chunks(200) {
        client.execute::<()>(pairs(part, "x")).await.unwrap();
    }
    cluster.healthy().await;
    let world = Arc::new(World {
        client,
        dice: dice.clone(),
        end: AtomicBool::new(false),
        lossy: Times::default(),
        deaf: Times::default(),
        violations: Mutex::default(),
        calls: Default::default(),
    });
    let mut writers: Vec<JoinHandle<Vec<Appended>>> = Vec::new();
    let mut others: Vec<JoinHandle<()>> = Vec::new();
    for task in 0..18 {
        writers.push(tokio::spawn(append_singly(Arc::clone(&world), task)));
    }
    for task in 0..8 {
        writers.push(tokio::spawn(append_by_pipelines(Arc::clone(&world), task)));
        writers.push(tokio::spawn(append_by_transactions(Arc::clone(&world), task)));
        writers.push(tokio::spawn(write_many(Arc::clone(&world), task)));
    }
    for task in 0..3 {
        others.push(tokio::spawn(walk(Arc::clone(&world))));
        let channel = format!("channel:{task}");
        let news = world.client.subscribe([channel.clone()]).await.unwrap();
        others.push(tokio::spawn(publish(Arc::clone(&world), channel, news)));
        others.push(tokio::spawn(use_cache(Arc::clone(&world), task)));
    }
    for at in 0..EVENTS {
        let next = (seed as usize - 1) * EVENTS + at;
        let happening = HAPPENINGS[next % HAPPENINGS.len()];
        let start = Instant::now();
        happen(&mut cluster, &world, happening).await;
        let healthy = start.elapsed();
        usable(&world.client).await;
        eprintln!(
            "seed {seed}: {happening:?}: the cluster took {healthy:?}, the client {:?}",
            start.elapsed() - healthy
        );
        tokio::time::sleep(Duration::from_millis(dice.roll(300))).await;
    }
    world.end.store(true, Ordering::SeqCst);
    note_links(&cluster, &world).await;
    for task in others {
        task.await.unwrap();
    }
    for task in writers {
        let lists = task.await.unwrap();
        for list in &lists {
            list.check(&world).await;
        }
        if let [one, two] = lists.as_slice() {
            let (first, second) = (one.stored(&world).await, two.stored(&world).await);
            if first != second {
                world.violated(format!("{}: half of a transaction was carried out", one.key));
            }
        }
    }
    usable(&world.client).await;
    let [done, failed] = [0, 1].map(|at| world.calls[at].load(Ordering::SeqCst));
    eprintln!("seed {seed}: {done} calls were done, {failed} failed");
    assert!(done > 1000, "only {done} calls were done");
    let violations = world.violations.lock().unwrap();
    assert!(violations.is_empty(), "EDGECASK_TEST_SEED={seed}: {violations:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_acknowledged_holds_whatever_happens_to_the_nodes() {
    for seed in seeds(1) {
        history(seed).await;
    }
}
