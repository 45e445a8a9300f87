//! The counts of a cached fixed window, in memory.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use quick_cache::sync::Cache;

use super::ask::{Asking, Op, Plan, Remote};
use super::clock::Time;
use super::decision::{Decision, Reason};
use super::fingerprint::Fingerprints;
use super::keys::Keys;
use super::policy::Policy;
use super::request::Request;
use super::stats::Counters;

/// The windows of a cached fixed window that this process knows, in bounded number.
pub(super) struct CachedCounts {
    counts: Cache<u128, Arc<Mutex<Count>>>,
    fingerprints: Fingerprints,
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
        let count = self.counts.get(&self.fingerprints.of(keys.base()))?;
        let now = time.now();
        let (mut known, mut send) = (lock(&count), false);
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
            count,
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
        let key = self.fingerprints.of(keys.base());
        let used = state.limit.saturating_sub(state.remaining);
        let count = match self.counts.get(&key) {
            Some(count) => count,
            None => {
                let count = Arc::default();
                self.counts.insert(key, Arc::clone(&count));
                count
            }
        };
        let (mut known, mut lost) = (lock(&count), 0);
        if known.window == window {
            known.used = known.used.max(used + known.unsent);
        } else if known.window < window {
            lost = std::mem::take(&mut known.unsent);
            (known.window, known.used) = (window, used);
        }
        known.limit = state.limit;
        lost
    }

    pub(super) fn forget(&self, key: &str) {
        self.counts.remove(&self.fingerprints.of(key));
    }
}

/// The right to send the additions of a window, one command at a time. It ends when the work ends or is dropped, as a
/// Worker drops it at the end of a request.
pub(super) struct Unsent {
    count: Arc<Mutex<Count>>,
    policy: Policy,
    prefix: String,
    keys: Keys,
    /// Whether nothing was left, so that another task may have this right already.
    ended: bool,
}

impl Unsent {
    /// Sends until nothing is left.
    pub(super) async fn send(mut self, remote: Arc<Remote>, counters: Arc<Counters>) {
        let length = self.policy.algorithm.window();
        while let Some((window, unsent)) = self.next() {
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
            let mut known = lock(&self.count);
            if known.window == window {
                let used = state.limit.saturating_sub(state.remaining);
                known.used = known.used.max(used + known.unsent);
            }
        }
    }

    /// The addition to send next, and its window; `None` if nothing is left.
    fn next(&mut self) -> Option<(u64, u64)> {
        let mut known = lock(&self.count);
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
            lock(&self.count).sending = false;
        }
    }
}

fn lock(count: &Mutex<Count>) -> MutexGuard<'_, Count> {
    count.lock().unwrap_or_else(PoisonError::into_inner)
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
