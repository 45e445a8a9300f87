//! One load of a key at a time in this process: whoever asks meanwhile gets its value.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use crate::{Key, Result};

/// The loads that are under way.
#[derive(Debug, Default)]
pub(super) struct Flights(Mutex<HashMap<String, Open>>);

/// A load that others may still join, and how many have.
#[derive(Debug, Default)]
struct Open {
    flight: Arc<Flight>,
    seats: usize,
}

/// A load, and those who wait for it.
#[derive(Debug, Default)]
pub(super) struct Flight {
    /// Counts joins and beginnings of loads.
    clock: AtomicU64,
    /// Held by who loads. Whoever gets it next finds what was loaded, or loads.
    pub(super) landed: Arc<async_lock::Mutex<Option<Landed>>>,
}

/// Held by who loads.
pub(super) type Turn = async_lock::MutexGuardArc<Option<Landed>>;

/// What a load came to.
#[derive(Debug, Clone)]
pub(super) struct Landed {
    /// The stored form of the value.
    pub(super) result: Result<Bytes>,
    /// When the load began.
    began: u64,
    /// When it was about to be stored, or read where another process had stored it: nobody had invalidated the entry up to
    /// that moment.
    stored: Option<u64>,
}

impl Landed {
    pub(super) fn new(result: Result<Bytes>, began: u64, stored: Option<u64>) -> Self {
        Self { result, began, stored }
    }
}

/// A place among those who want one key.
#[derive(Debug)]
pub(crate) struct Seat<'a> {
    flights: &'a Flights,
    key: &'a Key,
    pub(super) flight: Arc<Flight>,
    joined: u64,
}

impl Flights {
    pub(super) fn join<'a>(&'a self, key: &'a Key) -> Seat<'a> {
        let mut flights = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let open = match flights.get_mut(key.as_str()) {
            Some(open) => open,
            None => flights.entry(key.as_str().to_owned()).or_default(),
        };
        open.seats += 1;
        let flight = Arc::clone(&open.flight);
        drop(flights);
        let joined = flight.clock.fetch_add(1, Ordering::SeqCst);
        Seat { flights: self, key, flight, joined }
    }

    /// Whoever comes from now on does not get what is being loaded now.
    pub(super) fn part(&self, key: &Key) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(key.as_str());
    }

    /// Whoever comes from now on gets nothing of what is being loaded now.
    pub(super) fn part_all(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

impl Seat<'_> {
    /// A moment, after all those who have a seat by now have taken it.
    pub(super) fn tick(&self) -> u64 {
        self.flight.clock.fetch_add(1, Ordering::SeqCst)
    }

    /// Whether what was loaded is new enough for this seat: no write that returned before it was taken may be missed.
    pub(super) fn accepts(&self, landed: &Landed) -> bool {
        let confirmed = landed.stored.is_some_and(|stored| stored > self.joined);
        confirmed || landed.result.is_err() || landed.began > self.joined
    }

    /// The load is over: those who come from now on begin anew.
    pub(super) fn land(&self) {
        let mut flights = self.flights.0.lock().unwrap_or_else(PoisonError::into_inner);
        if flights.get(self.key.as_str()).is_some_and(|now| Arc::ptr_eq(&now.flight, &self.flight))
        {
            flights.remove(self.key.as_str());
        }
    }
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        let mut flights = self.flights.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(open) = flights.get_mut(self.key.as_str())
            && Arc::ptr_eq(&open.flight, &self.flight)
        {
            open.seats -= 1;
            if open.seats == 0 {
                flights.remove(self.key.as_str());
            }
        }
    }
}
