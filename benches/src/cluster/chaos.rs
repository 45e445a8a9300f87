//! What each client says and does while nodes are killed, hang, are replaced, and slots move. Every client has a cluster of
//! its own, to which the same things happen under the same load.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;
use edgecask_tests::{Dice, ReplicatedCluster};

use super::peer::{Kind, LIMIT, Peer};
use super::table;

/// The tasks of each kind of load.
const TASKS: usize = 17;
/// When a client that does not work counts as lost.
const NEVER: Duration = Duration::from_secs(15);
/// How long the load goes on between two events.
const BETWEEN: Duration = Duration::from_millis(500);
/// What counts as lost by Redis itself: acknowledged so shortly before a primary was killed.
const LAG: Duration = Duration::from_millis(200);

#[derive(Debug, Clone, Copy)]
enum Event {
    Move,
    Close,
    Promote,
    Kill,
    Hang,
}

const EVENTS: [(Event, &str); 5] = [
    (Event::Move, "a quarter of a primary's slots moved"),
    (Event::Close, "all connections were closed by the nodes"),
    (Event::Promote, "a replica took over on purpose"),
    (Event::Kill, "a primary was killed"),
    (Event::Hang, "a primary hung"),
];

/// A list, and the numbers in it that were acknowledged, with their times.
type Appended = (String, Vec<(u64, Instant)>);

/// What a client did.
#[derive(Default)]
struct Seen {
    done: AtomicU64,
    failed: AtomicU64,
    late: AtomicU64,
    disordered: AtomicU64,
    lost: AtomicU64,
    twice: AtomicU64,
    skipped: AtomicU64,
}

struct World {
    peer: Peer,
    seen: Seen,
    end: AtomicBool,
    /// When Redis may have lost what it acknowledged.
    lossy: std::sync::Mutex<Vec<(Instant, Instant)>>,
}

impl World {
    fn goes_on(&self) -> bool {
        !self.end.load(Ordering::SeqCst)
    }

    fn is_lossy(&self, at: Instant) -> bool {
        let lossy = self.lossy.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        lossy.iter().any(|&(from, to)| (from..to).contains(&at))
    }

    fn lossy(&self, from: Instant, to: Instant) {
        let mut lossy = self.lossy.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        lossy.push((from, to));
    }

    /// Gives every client the same limit, and counts what came of the call.
    async fn call<T>(&self, call: impl Future<Output = Result<T>>) -> Option<T> {
        let start = Instant::now();
        let result = tokio::time::timeout(LIMIT, call).await;
        if start.elapsed() > LIMIT + Duration::from_millis(500) {
            self.seen.late.fetch_add(1, Ordering::SeqCst);
        }
        let done = result.ok().and_then(Result::ok);
        let counter = if done.is_some() { &self.seen.done } else { &self.seen.failed };
        counter.fetch_add(1, Ordering::SeqCst);
        done
    }

    async fn count(self: Arc<Self>, task: usize) {
        while self.goes_on() {
            for at in 0..20 {
                self.call(self.peer.incr(&format!("count:{task}:{at}"))).await;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// Appends numbers to lists, and gives what was acknowledged.
    async fn append(self: Arc<Self>, task: usize) -> Vec<Appended> {
        let keys: Vec<String> = (0..8).map(|at| format!("list:{task}:{at}")).collect();
        let mut sure: Vec<Vec<(u64, Instant)>> = vec![Vec::new(); keys.len()];
        let mut number = 0;
        while self.goes_on() {
            let batch: Vec<(String, u64)> =
                (0..40).map(|at| (keys[at % 8].clone(), number + at as u64)).collect();
            number += 40;
            if let Some(done) = self.call(self.peer.append(&batch)).await {
                for (at, (_, number)) in batch.iter().enumerate().filter(|(at, _)| done[*at]) {
                    sure[at % 8].push((*number, Instant::now()));
                }
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        keys.into_iter().zip(sure).collect()
    }

    /// Compares a list with what was told of it.
    fn compare(&self, got: &[u64], sure: &[(u64, Instant)]) {
        let there: BTreeSet<u64> = got.iter().copied().collect();
        let known: BTreeSet<u64> = sure.iter().map(|(number, _)| *number).collect();
        let ordered: Vec<u64> = got.iter().copied().filter(|at| known.contains(at)).collect();
        self.seen.disordered.fetch_add(u64::from(!ordered.is_sorted()), Ordering::SeqCst);
        self.seen.twice.fetch_add((got.len() - there.len()) as u64, Ordering::SeqCst);
        let lost = |(number, at): &&(u64, Instant)| !there.contains(number) && !self.is_lossy(*at);
        self.seen.lost.fetch_add(sure.iter().filter(lost).count() as u64, Ordering::SeqCst);
    }

    async fn write_many(self: Arc<Self>, task: usize) {
        let keys: Vec<String> = (0..20).map(|at| format!("many:{task}:{at}")).collect();
        for number in 1_u64.. {
            if !self.goes_on() {
                return;
            }
            let start = Instant::now();
            let set = self.call(self.peer.mset(&keys, &number.to_string())).await;
            let got = self.call(self.peer.mget(&keys)).await;
            if let (Some(()), Some(got)) = (set, got)
                && !self.is_lossy(start)
            {
                let value = number.to_string();
                let missing = got.iter().filter(|got| got.as_deref() != Some(value.as_bytes()));
                self.seen.skipped.fetch_add(missing.count() as u64, Ordering::SeqCst);
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// How long it takes until a key of each slot range works; `None` if it never does.
    async fn recovery(&self) -> Option<Duration> {
        let start = Instant::now();
        let mut left: Vec<String> = (0..100).map(|at| format!("recovered:{at}")).collect();
        while start.elapsed() < NEVER {
            let tries = left.iter().map(|key| tokio::time::timeout(LIMIT, self.peer.incr(key)));
            let tried = futures_util::future::join_all(tries).await;
            let mut done = tried.into_iter().map(|tried| matches!(tried, Ok(Ok(_))));
            left.retain(|_| !done.next().unwrap_or(false));
            if left.is_empty() {
                return Some(start.elapsed());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        None
    }
}

async fn happen(cluster: &mut ReplicatedCluster, world: &World, dice: &Dice, event: Event) {
    let shards = cluster.shards().await;
    let guarded: Vec<usize> =
        shards.iter().filter(|(_, replicas)| !replicas.is_empty()).map(|(at, _)| *at).collect();
    let pick = guarded[dice.roll(guarded.len() as u64) as usize];
    let other = *shards.keys().find(|&&at| at != pick).unwrap_or(&pick);
    let now = Instant::now();
    match event {
        Event::Move => {
            let slots = cluster.slots_of(pick).await;
            cluster.move_slots(&slots[..slots.len() / 4], pick, other).await;
        }
        Event::Close => cluster.tell_all(&["CLIENT", "KILL", "TYPE", "normal"]).await,
        Event::Promote => cluster.promote(shards[&pick][0]).await,
        Event::Kill => {
            world.lossy(now - LAG, now + LAG);
            cluster.kill(pick);
            cluster.failed_over(pick).await;
        }
        Event::Hang => {
            world.lossy(now - LAG, now + LAG);
            cluster.pause(pick);
            cluster.failed_over(pick).await;
        }
    }
    cluster.healthy().await;
}

/// What there is to say of one client, a cell for each row.
async fn history(kind: Kind, seed: u64) -> Result<Vec<(String, String)>> {
    let dice = Dice::new(seed);
    let mut cluster = ReplicatedCluster::start().await;
    let ports: Vec<u16> = cluster.nodes().iter().map(|node| node.port()).collect();
    let peer = Peer::connect(kind, &ports).await?;
    let world = Arc::new(World {
        peer,
        seen: Seen::default(),
        end: AtomicBool::new(false),
        lossy: std::sync::Mutex::default(),
    });
    let (mut tasks, mut appending) = (Vec::new(), Vec::new());
    for task in 0..TASKS {
        tasks.push(tokio::spawn(Arc::clone(&world).count(task)));
        appending.push(tokio::spawn(Arc::clone(&world).append(task)));
        tasks.push(tokio::spawn(Arc::clone(&world).write_many(task)));
    }
    let mut cells = Vec::new();
    for (event, name) in EVENTS {
        tokio::time::sleep(BETWEEN).await;
        happen(&mut cluster, &world, &dice, event).await;
        let recovered = world.recovery().await;
        let cell = recovered.map_or_else(
            || format!("not in {} s", NEVER.as_secs()),
            |time| format!("{:.2} s", time.as_secs_f64()),
        );
        cells.push((name.to_owned(), cell));
    }
    tokio::time::sleep(BETWEEN).await;
    world.end.store(true, Ordering::SeqCst);
    for task in tasks {
        task.await?;
    }
    for task in appending {
        for (key, sure) in task.await? {
            // Not by the client, which may not work any more.
            let node = &cluster.nodes()[cluster.owner(&key).await];
            let got = node.ask::<Vec<u64>>(&["LRANGE", &key, "0", "-1"]).await;
            world.compare(&got.map_err(anyhow::Error::msg)?, &sure);
        }
    }
    let Seen { done, failed, late, disordered, lost, twice, skipped } = &world.seen;
    for (name, counter) in [
        ("calls that were done", done),
        ("calls that failed or had no answer in 2 s", failed),
        ("calls beyond 2.5 s", late),
        ("lists out of order, of 136", disordered),
        ("acknowledged writes lost, which Redis had", lost),
        ("writes carried out twice", twice),
        ("keys that an MSET left out and answered OK", skipped),
    ] {
        cells.push((name.to_owned(), counter.load(Ordering::SeqCst).to_string()));
    }
    Ok(cells)
}

pub(super) async fn measure(seed: u64) -> Result<String> {
    let mut rows: Vec<(String, Vec<String>)> = Vec::new();
    for kind in Kind::ALL {
        for (at, (name, cell)) in history(kind, seed).await?.into_iter().enumerate() {
            if rows.len() <= at {
                rows.push((name, Vec::new()));
            }
            rows[at].1.push(cell);
        }
    }
    let (recovery, counts) = rows.split_at(EVENTS.len());
    Ok(format!(
        "How long until all slots work again, from the moment at which the cluster itself is healthy, under {} tasks \
         (seed {seed}):\n\n{}\nWhat the tasks saw, with a time limit of 2 s for each call:\n\n{}",
        3 * TASKS,
        table("after", recovery),
        table("what", counts)
    ))
}
