//! Single flight: one request for a response at a time in this process. The other requests wait until the response is
//! stored.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_lock::MutexGuardArc;

use crate::platform;

/// The calls under way, and the calls that no request waits for.
#[derive(Default)]
pub(super) struct SingleFlight {
    calls: Mutex<HashMap<String, Arc<Call>>>,
    /// Calls whose responses answer no other request (hit-for-miss), and until when that is assumed, in Unix milliseconds.
    hit_for_miss: Mutex<HashMap<String, u64>>,
    /// How many calls have ended.
    ended: AtomicU64,
    /// The time until which the cache is assumed to refuse stores, in Unix milliseconds.
    refuses_until: AtomicU64,
}

/// A request under way, for which the others of its key wait.
#[derive(Default)]
struct Call {
    lock: Arc<async_lock::Mutex<()>>,
    /// How many requests of this key have ended.
    ended: AtomicU64,
}

/// One of the requests of a call. The last one removes the call.
struct Waiter {
    group: Arc<SingleFlight>,
    call: Arc<Call>,
    key: String,
}

/// The right to send the call's request. The waiters continue when it is dropped.
pub(super) struct CallGuard {
    waiter: Waiter,
    lock: Option<MutexGuardArc<()>>,
}

/// The result of joining a call.
pub(super) enum Joined {
    /// The caller sends the request.
    Leader(CallGuard),
    /// The call has ended: its response may be stored.
    Ended,
    TimedOut,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl SingleFlight {
    /// How many calls have ended. If two readings are equal, no call has ended between them.
    pub(super) fn ended(&self) -> u64 {
        self.ended.load(Ordering::SeqCst)
    }

    fn waiter(self: &Arc<Self>, key: &str) -> Waiter {
        let call = Arc::clone(locked(&self.calls).entry(key.to_owned()).or_default());
        Waiter { group: Arc::clone(self), call, key: key.to_owned() }
    }

    /// The right to send the request, unless a call is under way.
    pub(super) fn try_join(self: &Arc<Self>, key: &str) -> Option<CallGuard> {
        let waiter = self.waiter(key);
        let lock = waiter.call.lock.try_lock_arc()?;
        Some(CallGuard { waiter, lock: Some(lock) })
    }

    /// Waits for the call under way, if there is one. A waiter looks the URL up when the call has ended. It joins again if
    /// nothing was stored, such as after a client went away.
    pub(super) async fn join(self: &Arc<Self>, key: &str, limit: Duration) -> Joined {
        let waiter = self.waiter(key);
        let before = waiter.call.ended.load(Ordering::SeqCst);
        let lock = match waiter.call.lock.try_lock_arc() {
            Some(lock) => lock,
            None => match platform::timeout(limit, waiter.call.lock.lock_arc()).await {
                Some(lock) => lock,
                None => return Joined::TimedOut,
            },
        };
        if waiter.call.ended.load(Ordering::SeqCst) != before {
            return Joined::Ended;
        }
        Joined::Leader(CallGuard { waiter, lock: Some(lock) })
    }

    /// Keeps requests from waiting for this call for a while.
    pub(super) fn set_hit_for_miss(&self, key: &str, now: u64, time: Duration) {
        const MANY: usize = 8192;
        let mut hit_for_miss = locked(&self.hit_for_miss);
        if hit_for_miss.len() >= MANY {
            hit_for_miss.retain(|_, until| *until > now);
        }
        if hit_for_miss.len() >= MANY {
            hit_for_miss.clear();
        }
        hit_for_miss.insert(key.to_owned(), now.saturating_add(time.as_millis() as u64));
    }

    pub(super) fn is_hit_for_miss(&self, key: &str, now: u64) -> bool {
        locked(&self.hit_for_miss).get(key).is_some_and(|until| *until > now)
    }

    pub(super) fn clear_hit_for_miss(&self, key: &str) {
        locked(&self.hit_for_miss).remove(key);
    }

    /// Whether the cache refuses stores: then it is useless to wait for another process to store a response.
    pub(super) fn refuses_stores(&self, now: u64) -> bool {
        self.refuses_until.load(Ordering::SeqCst) > now
    }

    pub(super) fn set_refusing_stores(&self, now: u64) {
        const FOR: u64 = 10_000;
        self.refuses_until.store(now + FOR, Ordering::SeqCst);
    }
}

impl Drop for CallGuard {
    fn drop(&mut self) {
        self.waiter.call.ended.fetch_add(1, Ordering::SeqCst);
        self.waiter.group.ended.fetch_add(1, Ordering::SeqCst);
        self.lock = None;
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        let mut calls = locked(&self.group.calls);
        // One reference is the map's and one is this waiter's, so no other waiter is left.
        if Arc::strong_count(&self.call) <= 2 {
            calls.remove(&self.key);
        }
    }
}
