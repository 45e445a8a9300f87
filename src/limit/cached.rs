//! The counts of a cached fixed window, in memory.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use quick_cache::sync::Cache;

use super::ask::{Asking, Op, Plan, Remote};
use super::clock::Time;
use super::decision::{Decision, PolicyState, Reason};
use super::fingerprint::Fingerprints;
use super::keys::Keys;
use super::policy::Policy;
use super::request::Request;
use super::stats::Counters;
use crate::Result;
use crate::platform::{self, MaybeSend};

/// The windows of a cached fixed window that this process knows, in bounded number.
pub(super) struct CachedCounts {
    counts: Cache<u128, Arc<Window>>,
    fingerprints: Fingerprints,
}

/// A window of a key, and the next one when it ends.
#[derive(Debug, Default)]
struct Window {
    count: Mutex<Count>,
    /// Held while a command that changes the server's count is under way, so that the server gets additions and refunds in
    /// their order: a refund that arrived before what it gives back would be lost.
    turn: async_lock::Mutex<()>,
}

/// The counts of one window.
#[derive(Debug, Default)]
struct Count {
    /// The number of the window.
    window: u64,
    /// The server's count, and the cost of the calls that were admitted here since.
    used: u64,
    limit: u64,
    /// The cost of the calls that were admitted here and not sent yet.
    unsent: u64,
    /// Whether a task is sending them.
    sending: bool,
}

impl CachedCounts {
    pub(super) fn new(keys: usize) -> Self {
        Self { counts: Cache::new(keys), fingerprints: Fingerprints::default() }
    }

    /// The decision, if this window is known, and the addition to send in the background, if there is one.
    pub(super) fn decide(
        &self,
        time: &Time,
        request: &Request<'_>,
        plan: &Plan<'_>,
    ) -> Option<(Decision, Option<Unsent>)> {
        let [(policy, prefix, keys)] = &plan[..] else { return None };
        let window = self.window(keys.base())?;
        let now = time.now();
        let (mut known, mut send) = (window.count(), false);
        if known.window != now / 1000 / policy.algorithm.window() {
            return None;
        }
        let allowed = known.used.saturating_add(request.cost) <= known.limit;
        if allowed {
            known.used += request.cost;
            known.unsent += request.cost;
            send = !std::mem::replace(&mut known.sending, true);
        }
        let decision = decision_of(policy, &known, request.cost, allowed, now);
        drop(known);
        let unsent = send.then(|| Unsent {
            window,
            policy: (*policy).clone(),
            prefix: (*prefix).to_owned(),
            keys: keys.clone(),
            ended: false,
        });
        Some((decision, unsent))
    }

    /// Stores the server's count of a window. Returns the part of the window before it that was never sent.
    pub(super) fn learn(&self, plan: &Plan<'_>, decision: &Decision) -> u64 {
        let ([(policy, _, keys)], [state]) = (&plan[..], &decision.states[..]) else { return 0 };
        let window = decision.now / 1000 / policy.algorithm.window();
        let of_key = match self.window(keys.base()) {
            Some(of_key) => of_key,
            None => {
                let of_key = Arc::default();
                self.counts.insert(self.fingerprints.of(keys.base()), Arc::clone(&of_key));
                of_key
            }
        };
        let (mut known, mut lost) = (of_key.count(), 0);
        if known.window < window {
            lost = std::mem::take(&mut known.unsent);
            (known.window, known.used) = (window, 0);
        }
        if known.window == window {
            known.learn(state);
        }
        lost
    }

    /// Adds a penalty to a window that this process knows, or gives back a refund, in one command with the calls that were not
    /// sent yet. `None` if the window is not known.
    pub(super) async fn change(
        &self,
        op: Op,
        request: &Request<'_>,
        plan: &Plan<'_>,
        remote: &Remote,
        counters: &Counters,
    ) -> Option<Result<Decision>> {
        let [(policy, _, keys)] = &plan[..] else { return None };
        let window = self.window(keys.base())?;
        let _turn = window.turn(remote).await;
        let now = remote.time.now();
        let number = now / 1000 / policy.algorithm.window();
        let sent = window.count().take_unsent_of(number)?;
        let in_flight = InFlight { cost: sent, counters };
        let is_refund = op == Op::Refund;
        // The calls that were not sent yet are older than the change.
        let (op, cost) = match op {
            Op::Refund if request.cost > sent => (Op::Refund, request.cost - sent),
            Op::Refund => (Op::Add, sent - request.cost),
            _ => (Op::Add, sent.saturating_add(request.cost)),
        };
        let changed = Request::new("-").cost(cost);
        let asking = Asking { op, request: &changed, lease: "", id: None, at: Some(now) };
        let mut decision = match remote.ask(asking, plan).await {
            Ok(decision) => decision,
            Err(error) => return Some(Err(error)),
        };
        in_flight.arrived();
        let mut known = window.count();
        if let ([state], true) = (&decision.states[..], known.window == number) {
            let had_room = known.used.saturating_add(request.cost) <= known.limit;
            known.used = match is_refund {
                true => known.used.saturating_sub(request.cost),
                false => known.used.saturating_add(request.cost),
            };
            known.learn(state);
            decision = decision_of(policy, &known, request.cost, is_refund || had_room, now);
            // It is the state after the change, and no refusal.
            (decision.allowed, decision.reason) = (true, Reason::Allowed);
        }
        Some(Ok(decision))
    }

    /// Deletes the server's counts of a key, and forgets the calls that were admitted here before.
    pub(super) async fn reset(
        &self,
        key: &str,
        remote: &Remote,
        delete: impl Future<Output = Result<u64>> + MaybeSend,
    ) -> Result<()> {
        let Some(window) = self.window(key) else { return delete.await.map(drop) };
        let _turn = window.turn(remote).await;
        let (number, unsent) = {
            let known = window.count();
            (known.window, known.unsent)
        };
        delete.await?;
        let mut known = window.count();
        if known.window == number {
            // Calls that were admitted since are in the new count.
            known.unsent = known.unsent.saturating_sub(unsent);
            known.used = known.unsent;
        }
        Ok(())
    }

    fn window(&self, key: &str) -> Option<Arc<Window>> {
        self.counts.get(&self.fingerprints.of(key))
    }
}

impl Window {
    fn count(&self) -> MutexGuard<'_, Count> {
        self.count.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until no other command changes the server's count, at most as long as a decision may take. In a Worker another
    /// request may hold the turn, and is not waited for.
    async fn turn(&self, remote: &Remote) -> Option<async_lock::MutexGuard<'_, ()>> {
        let free = self.turn.try_lock();
        if free.is_some() || !platform::shares_futures() {
            return free;
        }
        platform::timeout(remote.timeout, self.turn.lock()).await
    }
}

impl Count {
    /// What is to be sent to this window; `None` if it is not the one that is known.
    fn take_unsent_of(&mut self, window: u64) -> Option<u64> {
        (self.window == window).then(|| std::mem::take(&mut self.unsent))
    }

    /// Takes the server's count, to which what was not sent yet comes.
    fn learn(&mut self, state: &PolicyState) {
        let used = state.limit.saturating_sub(state.remaining);
        self.used = self.used.max(used + self.unsent);
        self.limit = state.limit;
    }
}

/// Additions that are on their way. They are lost, and counted as that, unless they arrive.
struct InFlight<'a> {
    cost: u64,
    counters: &'a Counters,
}

impl InFlight<'_> {
    fn arrived(mut self) {
        self.cost = 0;
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        if self.cost > 0 {
            self.counters.lost(self.cost);
        }
    }
}

/// The right to send the additions of a window, one command at a time. It ends when the work ends or is dropped, as a
/// Worker drops it at the end of a request.
pub(super) struct Unsent {
    window: Arc<Window>,
    policy: Policy,
    prefix: String,
    keys: Keys,
    /// Whether nothing was left, so that another task may have this right already.
    ended: bool,
}

impl Unsent {
    /// Sends until nothing is left.
    pub(super) async fn send(mut self, remote: Arc<Remote>, counters: Arc<Counters>) {
        let (length, of_key) = (self.policy.algorithm.window(), Arc::clone(&self.window));
        loop {
            let _turn = of_key.turn(&remote).await;
            let Some((window, unsent)) = self.next() else { break };
            if remote.time.now() / 1000 / length != window {
                // No call uses that window any more.
                counters.lost(unsent);
                break;
            }
            let request = Request::new("-").cost(unsent);
            let asking = Asking {
                op: Op::Add,
                request: &request,
                lease: "",
                id: None,
                at: Some(window * length * 1000),
            };
            let plan = Plan::from_iter([(&self.policy, &*self.prefix, self.keys.clone())]);
            let answer = remote.ask_in_time(asking, &plan).await;
            let Ok(Some(state)) = answer.map(|decision| decision.states.into_iter().next()) else {
                counters.lost(unsent);
                break;
            };
            let mut known = of_key.count();
            if known.window == window {
                known.learn(&state);
            }
        }
    }

    /// The addition to send next, and its window; `None` if nothing is left.
    fn next(&mut self) -> Option<(u64, u64)> {
        let mut known = self.window.count();
        let unsent = std::mem::take(&mut known.unsent);
        if unsent == 0 {
            // Under the same lock, so that another task sends the next addition.
            known.sending = false;
            self.ended = true;
        }
        (unsent > 0).then_some((known.window, unsent))
    }
}

impl Drop for Unsent {
    fn drop(&mut self) {
        if !self.ended {
            self.window.count().sending = false;
        }
    }
}

fn decision_of(policy: &Policy, known: &Count, cost: u64, allowed: bool, now: u64) -> Decision {
    let end = (known.window + 1) * policy.algorithm.window() * 1000;
    let reset = end.saturating_sub(now);
    let retry = match allowed {
        true => 0,
        false if cost > known.limit => -1,
        false => reset.cast_signed(),
    };
    let reason = if allowed { Reason::Allowed } else { Reason::Exceeded };
    let mut decision = Decision::new(allowed, reason, now);
    let remaining = known.limit.saturating_sub(known.used);
    let numbers = [u64::from(allowed), known.limit, remaining, reset].map(u64::cast_signed);
    let [room, limit, remaining, reset] = numbers;
    decision.states.push(policy.state([room, limit, remaining, reset, retry]));
    decision
}

impl fmt::Debug for CachedCounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CachedCounts").field("keys", &self.counts.len()).finish_non_exhaustive()
    }
}
