//! One request at a time for a URL in this process: whoever asks meanwhile waits for its response to be stored.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_lock::MutexGuardArc;

use crate::platform;

/// The requests that are under way, and the URLs for which nobody waits.
#[derive(Default)]
pub(super) struct Flights {
    flights: Mutex<HashMap<String, Arc<Flight>>>,
    /// URLs whose responses answer nobody else, and until when that is believed, in Unix milliseconds.
    misses: Mutex<HashMap<String, u64>>,
    /// How many requests have ended.
    ended: AtomicU64,
    /// Until when the cache is known not to take what is to be stored.
    deaf_until: AtomicU64,
}

#[derive(Default)]
struct Flight {
    lock: Arc<async_lock::Mutex<()>>,
    /// How many requests have ended, of those that others wait for.
    ended: AtomicU64,
}

/// A place among those who want a URL.
struct Seat {
    flights: Arc<Flights>,
    flight: Arc<Flight>,
    key: String,
}

/// The request that the others wait for; they go on when this is dropped.
pub(super) struct Lead {
    seat: Seat,
    guard: Option<MutexGuardArc<()>>,
}

/// What waiting came to.
pub(super) enum Turn {
    Lead(Lead),
    /// A request that others waited for has ended.
    Look,
    TooLong,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Flights {
    /// Counts the requests that have ended: whoever sees the same number twice has missed none.
    pub(super) fn ended(&self) -> u64 {
        self.ended.load(Ordering::SeqCst)
    }

    fn join(self: &Arc<Self>, key: &str) -> Seat {
        let flight = Arc::clone(locked(&self.flights).entry(key.to_owned()).or_default());
        Seat { flights: Arc::clone(self), flight, key: key.to_owned() }
    }

    /// Leads if nobody does.
    pub(super) fn try_lead(self: &Arc<Self>, key: &str) -> Option<Lead> {
        let seat = self.join(key);
        let guard = seat.flight.lock.try_lock_arc()?;
        Some(Lead { seat, guard: Some(guard) })
    }

    /// Waits until nobody leads. One of those who wait is the next to lead, unless another has led meanwhile.
    pub(super) async fn turn(self: &Arc<Self>, key: &str, limit: Duration) -> Turn {
        let seat = self.join(key);
        let before = seat.flight.ended.load(Ordering::SeqCst);
        let guard = match seat.flight.lock.try_lock_arc() {
            Some(guard) => guard,
            None => match platform::timeout(limit, seat.flight.lock.lock_arc()).await {
                Some(guard) => guard,
                None => return Turn::TooLong,
            },
        };
        if seat.flight.ended.load(Ordering::SeqCst) != before {
            return Turn::Look;
        }
        Turn::Lead(Lead { seat, guard: Some(guard) })
    }

    /// Nobody is to wait for this URL for a while.
    pub(super) fn miss(&self, key: &str, now: u64, time: Duration) {
        const MANY: usize = 8192;
        let mut misses = locked(&self.misses);
        if misses.len() >= MANY {
            misses.retain(|_, until| *until > now);
        }
        if misses.len() >= MANY {
            misses.clear();
        }
        misses.insert(key.to_owned(), now.saturating_add(time.as_millis() as u64));
    }

    pub(super) fn is_missed(&self, key: &str, now: u64) -> bool {
        locked(&self.misses).get(key).is_some_and(|until| *until > now)
    }

    pub(super) fn is_hit(&self, key: &str) {
        locked(&self.misses).remove(key);
    }

    /// The cache takes nothing: nobody is to wait for what another process stores.
    pub(super) fn is_deaf(&self, now: u64) -> bool {
        self.deaf_until.load(Ordering::SeqCst) > now
    }

    pub(super) fn deaf(&self, now: u64) {
        const FOR: u64 = 10_000;
        self.deaf_until.store(now + FOR, Ordering::SeqCst);
    }
}

impl Drop for Lead {
    fn drop(&mut self) {
        self.seat.flight.ended.fetch_add(1, Ordering::SeqCst);
        self.seat.flights.ended.fetch_add(1, Ordering::SeqCst);
        self.guard = None;
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut flights = locked(&self.flights.flights);
        // The map's and this one: nobody else is left.
        if Arc::strong_count(&self.flight) <= 2 {
            flights.remove(&self.key);
        }
    }
}
