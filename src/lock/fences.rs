//! The fencing tokens that this process has seen.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, PoisonError};

use crate::Key;

/// The most locks whose highest tokens are remembered, in 16 bytes each.
const MOST: usize = 4096;

/// Tokens from here on, the microseconds of the year 2112, were not made from a clock. They do not become the floor: one lock
/// whose counter was overwritten would take the tokens of all others.
const NO_CLOCK: u64 = 1 << 52;

/// The highest fencing token of each lock, so that a counter that was lost is noticed and does not go back.
#[derive(Default)]
pub(super) struct Fences {
    hasher: RandomState,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    /// By the hash of the lock's key. Two keys with one hash would have higher tokens than they need.
    highest: HashMap<u64, u64>,
    /// The highest token of the locks that were dropped from the map.
    floor: u64,
}

/// The tokens of a lock that this process knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Known {
    /// The highest one of this lock; 0 if none is remembered.
    pub(super) highest: u64,
    /// The next one exceeds this too.
    pub(super) floor: u64,
}

impl Fences {
    pub(super) fn of(&self, lock: &Key) -> Known {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let highest = seen.highest.get(&self.hash(lock)).copied().unwrap_or_default();
        Known { highest, floor: seen.floor }
    }

    pub(super) fn saw(&self, lock: &Key, fence: u64) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let hash = self.hash(lock);
        if seen.highest.len() >= MOST && !seen.highest.contains_key(&hash) {
            seen.drop_the_lower_half();
        }
        let highest = seen.highest.entry(hash).or_default();
        *highest = fence.max(*highest);
    }

    fn hash(&self, lock: &Key) -> u64 {
        self.hasher.hash_one(lock.as_str())
    }
}

impl Seen {
    fn drop_the_lower_half(&mut self) {
        let mut fences: Vec<u64> = self.highest.values().copied().collect();
        let (_, &mut median, _) = fences.select_nth_unstable(MOST / 2);
        self.highest.retain(|_, fence| *fence > median);
        self.floor = self.floor.max(median.min(NO_CLOCK));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: u64) -> Key {
        Key::verbatim(format!("lock:{number}")).unwrap()
    }

    #[test]
    fn each_lock_has_its_own_highest_token() {
        let fences = Fences::default();
        fences.saw(&key(1), 7);
        fences.saw(&key(1), 5);
        assert_eq!(fences.of(&key(1)), Known { highest: 7, floor: 0 });
        assert_eq!(fences.of(&key(2)), Known { highest: 0, floor: 0 });
    }

    #[test]
    fn what_is_forgotten_becomes_the_floor() {
        let (fences, locks) = (Fences::default(), 5 * MOST as u64);
        // No clock made this one.
        fences.saw(&key(0), u64::MAX);
        for number in 1..locks {
            fences.saw(&key(number), 1000 + number);
        }
        for number in 1..locks {
            let Known { highest, floor } = fences.of(&key(number));
            assert!(highest == 1000 + number || floor >= 1000 + number, "{number}");
        }
        assert!(fences.of(&key(1)).floor < 1000 + locks);
        assert!(fences.seen.lock().unwrap().highest.len() <= MOST);
    }

    #[test]
    fn tokens_that_no_clock_made_do_not_become_the_floor() {
        let fences = Fences::default();
        for number in 0..=MOST as u64 {
            fences.saw(&key(number), u64::MAX - number);
        }
        assert_eq!(fences.of(&key(1)).floor, NO_CLOCK);
    }
}
