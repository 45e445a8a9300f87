//! Single flight: one load of a key at a time in this process. Callers that ask in the meantime share its value.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;

use crate::cache::load::deadline::TimedOut;
use crate::{Key, Result, platform};

/// The open calls, by key.
#[derive(Debug, Default)]
pub(crate) struct SingleFlight(Mutex<HashMap<String, OpenCall>>);

/// A call that callers may still join, and the number of its waiters.
#[derive(Debug, Default)]
struct OpenCall {
    call: Arc<Call>,
    waiters: usize,
}

/// The load of a key, and its waiters.
#[derive(Debug, Default)]
struct Call {
    /// A logical clock, which advances with each join and each load.
    clock: AtomicU64,
    /// Locked by the waiter that loads. The next waiter finds the result, or loads.
    result: Arc<async_lock::Mutex<Option<CallResult>>>,
}

/// The right to load, held by one waiter at a time.
pub(super) type CallGuard = async_lock::MutexGuardArc<Option<CallResult>>;

/// The result of a load.
#[derive(Debug, Clone)]
pub(super) struct CallResult {
    /// The stored form of the value.
    pub(super) value: Result<Bytes>,
    /// When the load began.
    began: u64,
    /// When the value was about to be stored, or was read after another process had stored it. The entry was valid until
    /// then.
    stored: Option<u64>,
}

impl CallResult {
    pub(super) fn new(value: Result<Bytes>, began: u64, stored: Option<u64>) -> Self {
        Self { value, began, stored }
    }
}

/// A caller of a call.
#[derive(Debug)]
pub(crate) struct Waiter<'a> {
    group: &'a SingleFlight,
    key: &'a Key,
    call: Arc<Call>,
    /// When it joined, by the call's clock.
    joined: u64,
}

impl SingleFlight {
    /// Joins the call of a key, or begins one.
    pub(crate) fn join<'a>(&'a self, key: &'a Key) -> Waiter<'a> {
        let mut calls = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let open = match calls.get_mut(key.as_str()) {
            Some(open) => open,
            None => calls.entry(key.as_str().to_owned()).or_default(),
        };
        open.waiters += 1;
        let call = Arc::clone(&open.call);
        drop(calls);
        let joined = call.clock.fetch_add(1, Ordering::SeqCst);
        Waiter { group: self, key, call, joined }
    }

    /// Ends the call of a key for new callers: a caller that joins later does not get the result of the current load.
    pub(crate) fn forget(&self, key: &Key) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(key.as_str());
    }

    /// As [`SingleFlight::forget`], for all keys.
    pub(crate) fn forget_all(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

impl Waiter<'_> {
    /// The right to load, if it is free.
    pub(super) fn try_lock(&self) -> Option<CallGuard> {
        self.call.result.try_lock_arc()
    }

    /// The right to load, once the waiter that loads has ended or was dropped. Gives up after the limit.
    pub(super) async fn lock(&self, limit: Option<Duration>) -> Result<CallGuard, TimedOut> {
        let lock = self.call.result.lock_arc();
        match limit {
            Some(limit) => platform::timeout(limit, lock).await.ok_or(TimedOut(limit)),
            None => Ok(lock.await),
        }
    }

    /// The current time by the call's clock, later than every join so far.
    pub(super) fn now(&self) -> u64 {
        self.call.clock.fetch_add(1, Ordering::SeqCst)
    }

    /// Whether a result is new enough for this waiter: it must reflect every write that returned before the waiter joined.
    pub(super) fn accepts(&self, result: &CallResult) -> bool {
        let confirmed = result.stored.is_some_and(|stored| stored > self.joined);
        confirmed || result.value.is_err() || result.began > self.joined
    }

    /// Ends the call: a caller that joins from now on begins a new one.
    pub(super) fn finish(&self) {
        let mut calls = self.group.0.lock().unwrap_or_else(PoisonError::into_inner);
        if calls.get(self.key.as_str()).is_some_and(|now| Arc::ptr_eq(&now.call, &self.call)) {
            calls.remove(self.key.as_str());
        }
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        let mut calls = self.group.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(open) = calls.get_mut(self.key.as_str())
            && Arc::ptr_eq(&open.call, &self.call)
        {
            open.waiters -= 1;
            if open.waiters == 0 {
                calls.remove(self.key.as_str());
            }
        }
    }
}
