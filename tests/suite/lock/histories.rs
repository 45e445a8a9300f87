//! Random histories of three processes, against a model: locks, semaphores and read-write locks, whose keys are evicted, expired
//! and taken by others, in a Redis that comes back empty; requests that arrive again, late. Every transport does as the model
//! says. A failure is made as short as possible.
//!
//! A few histories run on each transport by default; `EDGECASK_TEST_CASES=1000` runs so many, `EDGECASK_TEST_SEED=7` those of
//! that seed.

use edgecask::lock::{FencedStore, Lock, LockError, LockGuard, Loss, ReadWriteLock, Semaphore};
use edgecask::prelude::*;
use edgecask::{Client, Command, Result};
use edgecask_tests::{Place, Sent, Tapped, cases, runner, seed, until};
use proptest::prelude::*;
use proptest::test_runner::Config;

use super::{key, lasting};

const PROCESSES: usize = 3;
/// How many permits the semaphore has.
const PERMITS: usize = 2;

#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Lock,
    Semaphore,
    ReadWrite,
}

/// What a process or an accident does.
#[derive(Debug, Clone, Copy)]
enum Step {
    /// Tries to take the lock; of a read-write lock, the side of writers if the flag is set.
    Try(usize, bool),
    Renew(usize),
    Release(usize),
    /// Goes away without a word.
    Drop(usize),
    /// Writes to the checking store.
    Write(usize),
    /// A request that was sent arrives once more.
    Late(prop::sample::Index),
    /// The lock expires or is evicted.
    Evict,
    /// One permit of several expires.
    Expire(usize),
    LoseCounter,
    LoseScripts,
    /// Redis comes back empty.
    LoseAll,
    /// Another program takes the lock by `SET … NX`, and gives it back.
    Theirs,
    TheirsGone,
}

fn step() -> impl Strategy<Value = Step> {
    let process = || 0..PROCESSES;
    prop_oneof![
        8 => (process(), any::<bool>()).prop_map(|(at, writes)| Step::Try(at, writes)),
        2 => process().prop_map(Step::Renew),
        4 => process().prop_map(Step::Release),
        1 => process().prop_map(Step::Drop),
        3 => process().prop_map(Step::Write),
        4 => any::<prop::sample::Index>().prop_map(Step::Late),
        1 => Just(Step::Evict),
        1 => process().prop_map(Step::Expire),
        1 => Just(Step::LoseCounter),
        1 => Just(Step::LoseScripts),
        1 => Just(Step::LoseAll),
        1 => Just(Step::Theirs),
        1 => Just(Step::TheirsGone),
    ]
}

enum AnyLock {
    Lock(Lock),
    Semaphore(Semaphore),
    ReadWrite(ReadWriteLock),
}

impl AnyLock {
    async fn try_acquire(&self, writes: bool) -> Result<LockGuard, LockError> {
        match self {
            Self::Lock(lock) => lock.try_acquire().await,
            Self::Semaphore(semaphore) => semaphore.try_acquire().await,
            Self::ReadWrite(lock) if writes => lock.try_write().await,
            Self::ReadWrite(lock) => lock.try_read().await,
        }
    }
}

/// Who holds the lock, as it should be.
#[derive(Debug, Default)]
struct Model {
    /// Processes, and whether each holds it alone.
    holders: Vec<(usize, bool)>,
    theirs: bool,
    /// The largest token that was given.
    highest: u64,
    /// That of the last write that was taken.
    written: u64,
}

impl Model {
    fn may_take(&self, kind: Kind, alone: bool) -> bool {
        let shared = !self.theirs && self.holders.iter().all(|(_, alone)| !alone);
        match (alone, kind) {
            (true, _) => self.holders.is_empty() && !self.theirs,
            (false, Kind::Semaphore) => shared && self.holders.len() < PERMITS,
            (false, _) => shared,
        }
    }

    fn holds(&self, process: usize) -> bool {
        self.holders.iter().any(|(holder, _)| *holder == process)
    }

    fn leave(&mut self, process: usize) -> bool {
        let held = self.holds(process);
        self.holders.retain(|(holder, _)| *holder != process);
        held
    }
}

/// A process: its lock, what it sent, and what it holds as far as it knows.
struct Process {
    lock: AnyLock,
    sent: Sent,
    guard: Option<(LockGuard, bool)>,
}

/// A request that took a lock: the process and the token, and whether the lock is taken alone.
struct Taken {
    command: Command,
    process: usize,
    token: String,
    alone: bool,
}

async fn has_ended(direct: &Client, token: &str) -> bool {
    direct.zscore("edgecask:ended:{k}", token).await.unwrap().is_some()
}

/// Carries a history out, and says where it differs from the model.
async fn run(place: &Place, kind: Kind, steps: &[Step]) -> Result<(), String> {
    let direct = place.client();
    direct.flushall().await.unwrap();
    let (store, value) = (FencedStore::new(place.client()), key("value"));
    let mut processes: Vec<Process> = (0..PROCESSES)
        .map(|_| {
            let sent = Sent::default();
            let locks = lasting(place.client().layer(Tapped(sent.clone())));
            let lock = match kind {
                Kind::Lock => AnyLock::Lock(locks.lock(key("k"))),
                Kind::Semaphore => AnyLock::Semaphore(locks.semaphore(key("k"), PERMITS as u32)),
                Kind::ReadWrite => AnyLock::ReadWrite(locks.read_write(key("k"))),
            };
            Process { lock, sent, guard: None }
        })
        .collect();
    let (mut model, mut taken) = (Model::default(), Vec::<Taken>::new());
    for (number, step) in steps.iter().enumerate() {
        let wrong = |what: String| Err(format!("{}, {number}: {step:?}: {what}", place.name));
        match *step {
            Step::Try(at, writes) => {
                let alone = kind == Kind::Lock || kind == Kind::ReadWrite && writes;
                let process = &mut processes[at];
                if process.guard.is_some() {
                    continue;
                }
                process.sent.clear();
                let (result, may) =
                    (process.lock.try_acquire(writes).await, model.may_take(kind, alone));
                match result {
                    Ok(guard) if may => {
                        if guard.fence() <= model.highest {
                            return wrong(format!("{} after {}", guard.fence(), model.highest));
                        }
                        model.highest = guard.fence();
                        model.holders.push((at, alone));
                        let command = process.sent.pop().unwrap();
                        let token = guard.token().to_owned();
                        taken.push(Taken { command, process: at, token, alone });
                        process.guard = Some((guard, alone));
                    }
                    Err(LockError::Held { .. }) if !may => {}
                    result => return wrong(format!("{result:?}, {model:?}")),
                }
            }
            Step::Renew(at) => {
                let Some((guard, _)) = &processes[at].guard else { continue };
                match guard.renew().await {
                    Ok(()) if model.holds(at) => {}
                    Err(LockError::Lost { why: Loss::Gone, .. }) if !model.holds(at) => {
                        // It is ended in the background.
                        until(async || has_ended(&direct, guard.token()).await).await;
                        processes[at].guard = None;
                    }
                    result => return wrong(format!("{result:?}, {model:?}")),
                }
            }
            Step::Release(at) => {
                let Some((guard, _)) = processes[at].guard.take() else { continue };
                let (held, expected) = (guard.release().await, model.leave(at));
                if held.as_ref().ok() != Some(&expected) {
                    return wrong(format!("{held:?}, and {expected} is expected"));
                }
            }
            Step::Drop(at) => {
                let Some((guard, _)) = processes[at].guard.take() else { continue };
                let token = guard.token().to_owned();
                drop(guard);
                until(async || has_ended(&direct, &token).await).await;
                model.leave(at);
            }
            Step::Write(at) => {
                let Some((guard, _)) = &processes[at].guard else { continue };
                match store.set(&value, guard.fence(), at).await {
                    Ok(()) if guard.fence() >= model.written => model.written = guard.fence(),
                    Err(LockError::Stale { newest, .. })
                        if newest == model.written && newest > guard.fence() => {}
                    result => return wrong(format!("{result:?}, {model:?}")),
                }
            }
            Step::Late(_) if taken.is_empty() => {}
            Step::Late(index) => {
                let late = index.get(&taken);
                // A script that the server has forgotten does nothing.
                let script = late.command.get(0).unwrap();
                let known = late.command.name() == "EVAL"
                    || direct.script_exists([script]).await.unwrap() == [true];
                let _ = direct.send(&late.command).await;
                let guard = processes[late.process].guard.as_ref();
                let lives = guard.is_some_and(|(guard, _)| guard.token() == late.token);
                if lives && known && !model.holds(late.process) && model.may_take(kind, late.alone)
                {
                    model.holders.push((late.process, late.alone));
                }
            }
            Step::Evict => {
                direct.del(["k"]).await.unwrap();
                (model.holders, model.theirs) = (Vec::new(), false);
            }
            Step::Expire(at) => {
                let Some((guard, false)) = &processes[at].guard else { continue };
                if model.leave(at) {
                    let expire = cmd("ZADD").args_from(["k", "XX", "5", guard.token()]);
                    direct.execute::<i64>(expire).await.unwrap();
                }
            }
            Step::LoseCounter => drop(direct.del(["edgecask:fence:{k}"]).await.unwrap()),
            Step::LoseScripts => direct.script_flush().await.unwrap(),
            Step::LoseAll => {
                direct.flushall().await.unwrap();
                model = Model { highest: model.highest, ..Model::default() };
                // What had ended is forgotten with all else.
                taken.clear();
            }
            Step::Theirs => {
                let set = cmd("SET").args_from(["k", "theirs", "NX"]);
                // The members of a shared lock that have expired are still there.
                if direct.execute::<Option<String>>(set).await.unwrap().is_some() {
                    if !model.holders.is_empty() || model.theirs {
                        return wrong(format!("another program took it, {model:?}"));
                    }
                    model.theirs = true;
                }
            }
            Step::TheirsGone if model.theirs => {
                direct.del(["k"]).await.unwrap();
                model.theirs = false;
            }
            Step::TheirsGone => {}
        }
    }
    Ok(())
}

#[test]
fn every_transport_does_as_the_model_says() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (places, seed) = (runtime.block_on(Place::all()), seed());
    for place in &places {
        for kind in [Kind::Lock, Kind::Semaphore, Kind::ReadWrite] {
            let config = Config {
                cases: cases(3) as u32,
                failure_persistence: None,
                max_shrink_iters: 5000,
                ..Config::default()
            };
            let steps = prop::collection::vec(step(), 1..60);
            let result = runner(config, seed).run(&steps, |steps| {
                let run = runtime.block_on(run(place, kind, &steps));
                run.map_err(TestCaseError::fail)
            });
            if let Err(error) = result {
                panic!("EDGECASK_TEST_SEED={seed}: {}, {kind:?}: {error}", place.name);
            }
        }
    }
}
