//! The invalidations that are owed to Redis, in bounded memory.

use std::collections::{BTreeMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::mem;
use std::sync::Arc;

use crate::cache::entry::lease_key;
use crate::command::keys::Cursor;
use crate::platform::Instant;
use crate::{Key, Keyspace, Pattern};

/// An invalidation that is owed to Redis.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Invalidation {
    Keys(Vec<Key>),
    Tags(Vec<String>),
    Matching(Pattern),
}

/// The most keys, and the most tags.
const MAX_ITEMS: usize = 10_000;
/// The most bytes of all keys, and of all tags.
const MAX_BYTES: usize = 1 << 20;
const MAX_PATTERNS: usize = 100;
/// The most hashes of further keys and of their leases, 16 bytes each.
const MAX_HASHES: usize = 1_000_000;

/// Keys and their leases' keys, each as a hash of 128 bits. A scan of the database finds the keys by their hashes. A
/// collision is too improbable to matter.
#[derive(Debug, Clone, Default)]
pub(crate) struct Hashes {
    first: RandomState,
    second: RandomState,
    known: HashSet<u128>,
}

impl Hashes {
    fn hash(&self, key: &[u8]) -> u128 {
        u128::from(self.first.hash_one(key)) << 64 | u128::from(self.second.hash_one(key))
    }

    fn insert(&mut self, key: &str) {
        let hash = self.hash(key.as_bytes());
        self.known.insert(hash);
    }

    pub(crate) fn contains(&self, key: &[u8]) -> bool {
        self.known.contains(&self.hash(key))
    }
}

/// The invalidations that are owed to Redis. The number of each is the time by `clock` at which it was last deferred.
#[derive(Default)]
pub(super) struct Owed {
    clock: u64,
    keys: BTreeMap<Key, u64>,
    key_bytes: usize,
    /// Further keys. A scan takes these hashes and deletes the keys. Keys that are deferred during a scan wait here for the
    /// next one.
    hashed: Hashes,
    tags: BTreeMap<String, u64>,
    tag_bytes: usize,
    patterns: BTreeMap<Pattern, u64>,
    /// The scan that is under way.
    scan: Option<Scan>,
    /// Set while a retry runs in the background, which will renew it before this time.
    pub(super) retrying: Option<Instant>,
}

/// Two passes through all keys of the database by SCAN: the first one deletes leases, the second one entries.
#[derive(Clone)]
pub(crate) struct Scan {
    id: u64,
    pub(crate) what: Selection,
    pub(crate) leases: bool,
    pub(crate) cursor: Cursor,
}

/// What a scan deletes.
#[derive(Clone)]
pub(crate) enum Selection {
    Pattern(Pattern, u64),
    Hashes(Arc<Hashes>),
}

impl Scan {
    fn new(id: u64, what: Selection) -> Self {
        Self { id, what, leases: true, cursor: Cursor::default() }
    }

    /// Whether both passes are complete if the current one continues at this cursor.
    pub(crate) fn ends_at(&self, next: &Cursor) -> bool {
        next.is_done() && !self.leases
    }

    fn is_at(&self, other: &Self) -> bool {
        (self.id, self.leases, &self.cursor) == (other.id, other.leases, &other.cursor)
    }

    fn hashes(&self) -> usize {
        match &self.what {
            Selection::Pattern(..) => 0,
            Selection::Hashes(hashes) => hashes.known.len(),
        }
    }
}

/// The owed invalidations of one step.
pub(super) enum Step {
    Keys(Vec<(Key, u64)>),
    Tags(Vec<(String, u64)>),
    /// A page of a scan.
    Page(Scan),
}

impl Owed {
    /// How many invalidations are owed. Each key has two hashes: its own and its lease's.
    pub(super) fn len(&self) -> usize {
        self.keys.len() + self.tags.len() + self.patterns.len() + self.hashes().div_ceil(2)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn is_scanning(&self) -> bool {
        self.scan.is_some()
    }

    fn hashes(&self) -> usize {
        self.hashed.known.len() + self.scan.as_ref().map_or(0, Scan::hashes)
    }

    /// Adds an invalidation; returns whether there is room for it. There is always room for keys of this keyspace: if there
    /// are too many, its pattern replaces them.
    pub(super) fn add(&mut self, invalidation: Invalidation, keyspace: Option<&Keyspace>) -> bool {
        self.clock += 1;
        let now = self.clock;
        match invalidation {
            Invalidation::Keys(keys) => self.add_keys(keys, now, keyspace),
            Invalidation::Tags(tags) => self.add_tags(tags, now),
            Invalidation::Matching(pattern) => {
                let fits =
                    self.patterns.len() < MAX_PATTERNS || self.patterns.contains_key(&pattern);
                if fits {
                    self.patterns.insert(pattern, now);
                }
                fits
            }
        }
    }

    fn add_keys(&mut self, keys: Vec<Key>, now: u64, keyspace: Option<&Keyspace>) -> bool {
        let bytes: usize = keys.iter().map(|key| key.as_str().len()).sum();
        let fits = self.keys.len() + keys.len() <= MAX_ITEMS && self.key_bytes + bytes <= MAX_BYTES;
        if fits {
            for key in keys {
                let length = key.as_str().len();
                if self.keys.insert(key, now).is_none() {
                    self.key_bytes += length;
                }
            }
            return true;
        }
        if self.hashes() + 2 * keys.len() > MAX_HASHES {
            let of_it = |keyspace: &&Keyspace| keys.iter().all(|key| keyspace.holds(key));
            let pattern = keyspace.filter(of_it).map(Keyspace::pattern);
            // This one pattern may exceed the limit.
            return pattern.map(|pattern| self.patterns.insert(pattern, now)).is_some();
        }
        for key in keys {
            self.hashed.insert(key.as_str());
            self.hashed.insert(&lease_key(&key));
        }
        true
    }

    fn add_tags(&mut self, tags: Vec<String>, now: u64) -> bool {
        let bytes: usize = tags.iter().map(String::len).sum();
        if self.tags.len() + tags.len() > MAX_ITEMS || self.tag_bytes + bytes > MAX_BYTES {
            return false;
        }
        for tag in tags {
            let length = tag.len();
            if self.tags.insert(tag, now).is_none() {
                self.tag_bytes += length;
            }
        }
        true
    }

    /// The current time by the clock.
    pub(super) fn now(&self) -> u64 {
        self.clock
    }

    /// Removes keys that were written after this time.
    pub(super) fn supersede(&mut self, keys: &[Key], since: u64) {
        for key in keys {
            if self.keys.get(key).is_some_and(|deferred| *deferred <= since) {
                self.keys.remove(key);
                self.key_bytes -= key.as_str().len();
            }
        }
    }

    /// The next step, of at most this many keys or tags.
    pub(super) fn next_step(&mut self, most: usize) -> Option<Step> {
        if !self.keys.is_empty() {
            let keys = self.keys.iter().take(most);
            return Some(Step::Keys(
                keys.map(|(key, deferred)| (key.clone(), *deferred)).collect(),
            ));
        }
        if !self.tags.is_empty() {
            let tags = self.tags.iter().take(most);
            return Some(Step::Tags(
                tags.map(|(tag, deferred)| (tag.clone(), *deferred)).collect(),
            ));
        }
        if self.scan.is_none() {
            self.scan = self.next_scan();
        }
        self.scan.clone().map(Step::Page)
    }

    fn next_scan(&mut self) -> Option<Scan> {
        let what = match self.patterns.first_key_value() {
            Some((pattern, deferred)) => Selection::Pattern(pattern.clone(), *deferred),
            None if self.hashed.known.is_empty() => return None,
            None => Selection::Hashes(Arc::new(mem::take(&mut self.hashed))),
        };
        self.clock += 1;
        Some(Scan::new(self.clock, what))
    }

    /// Removes what a step has carried out, unless it was deferred again since. `next` is where the scan continues.
    pub(super) fn complete(&mut self, step: Step, next: Cursor) {
        match step {
            Step::Keys(keys) => {
                for (key, deferred) in keys {
                    if self.keys.get(&key) == Some(&deferred) {
                        self.keys.remove(&key);
                        self.key_bytes -= key.as_str().len();
                    }
                }
            }
            Step::Tags(tags) => {
                for (tag, deferred) in tags {
                    if self.tags.get(&tag) == Some(&deferred) {
                        self.tags.remove(&tag);
                        self.tag_bytes -= tag.len();
                    }
                }
            }
            Step::Page(before) => self.scanned(&before, next),
        }
    }

    fn scanned(&mut self, before: &Scan, next: Cursor) {
        // Another drain may have continued or restarted the scan.
        let Some(scan) = self.scan.as_mut().filter(|scan| scan.is_at(before)) else {
            return;
        };
        if !scan.ends_at(&next) {
            scan.leases = scan.leases && !next.is_done();
            scan.cursor = next;
            return;
        }
        if let Selection::Pattern(pattern, deferred) = &scan.what
            && self.patterns.get(pattern) == Some(deferred)
        {
            self.patterns.remove(pattern);
        }
        self.scan = None;
    }

    /// Restarts the scan, because a server that was restarted does not know the cursor.
    pub(super) fn restart_scan(&mut self) {
        if let Some(scan) = &mut self.scan {
            (scan.leases, scan.cursor) = (true, Cursor::default());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::keys::Page;
    use crate::{FromValue, Value};

    fn keys(range: std::ops::Range<usize>) -> Invalidation {
        let key = |number| Key::verbatim(format!("k{number}")).unwrap();
        Invalidation::Keys(range.map(key).collect())
    }

    /// Carries out a step in a database of three pages.
    fn carry_out(owed: &mut Owed, step: Step) {
        let next = match &step {
            Step::Page(scan) => page((scan.cursor.to_string().parse::<u8>().unwrap() + 1) % 3),
            _ => Cursor::default(),
        };
        owed.complete(step, next);
    }

    fn page(number: u8) -> Cursor {
        let page = Value::Array(vec![Value::bulk(number.to_string()), Value::Array(Vec::new())]);
        Page::<Vec<String>>::from_value(page).unwrap().cursor
    }

    fn many_tags() -> Invalidation {
        Invalidation::Tags((0..=MAX_ITEMS).map(|number| number.to_string()).collect())
    }

    #[test]
    fn nothing_is_dropped_and_everything_is_bounded() {
        let mut owed = Owed::default();
        for start in (0..100_000).step_by(100) {
            assert!(owed.add(keys(start..start + 100), None));
        }
        assert_eq!((owed.len(), owed.keys.len()), (100_000, MAX_ITEMS));
        while let Some(step) = owed.next_step(500) {
            if let Step::Page(Scan { what: Selection::Hashes(hashes), .. }) = &step {
                assert!(hashes.contains(b"k99999") && hashes.contains(b"edgecask:lease:{k99999}"));
                assert!(!hashes.contains(b"k0") && !hashes.contains(b"other"));
            }
            carry_out(&mut owed, step);
        }
        assert!(owed.is_empty());
        assert_eq!((owed.key_bytes, owed.tag_bytes), (0, 0));

        assert!(!owed.add(keys(0..MAX_HASHES), None), "there is no room, and that is told");
        assert!(!owed.add(many_tags(), None));
        for number in 0..=MAX_PATTERNS {
            let pattern = Pattern::verbatim(format!("{number}*")).unwrap();
            let fits = owed.add(Invalidation::Matching(pattern), None);
            assert_eq!(fits, number < MAX_PATTERNS);
        }
    }

    #[test]
    fn only_keys_of_the_keyspace_are_replaced_by_its_pattern() {
        let space = Keyspace::literal("k");
        let of_it = |range: std::ops::Range<usize>| {
            let key = |number: usize| space.key(number).unwrap();
            Invalidation::Keys(range.map(key).collect())
        };
        let mut owed = Owed::default();
        assert!(owed.add(Invalidation::Tags(vec!["of another".to_owned()]), Some(&space)));
        assert!(!owed.add(many_tags(), Some(&space)), "tags reach beyond the keyspace");
        assert!(!owed.add(keys(0..MAX_HASHES), Some(&space)), "so do these keys");
        assert_eq!((owed.len(), owed.tags.len()), (1, 1));
        assert!(owed.add(of_it(0..MAX_HASHES), Some(&space)));
        assert_eq!((owed.len(), owed.tags.len()), (2, 1));
        assert!(owed.patterns.contains_key(&space.pattern()));
        // What fits is kept by its own name.
        assert!(owed.add(keys(0..MAX_ITEMS + 1), Some(&space)));
        assert_eq!(owed.len(), 2 + MAX_ITEMS + 1);
    }

    #[test]
    fn what_is_deferred_again_stays() {
        let mut owed = Owed::default();
        owed.add(keys(0..2), None);
        let step = owed.next_step(10).unwrap();
        owed.add(keys(0..1), None);
        carry_out(&mut owed, step);
        assert_eq!(owed.len(), 1);
    }

    #[test]
    fn a_scan_goes_on_where_it_was_and_takes_nothing_along_that_came_later() {
        let mut owed = Owed::default();
        let among = |step: &Option<Step>, key: &[u8]| match step {
            Some(Step::Page(Scan { what: Selection::Hashes(hashes), .. })) => hashes.contains(key),
            _ => false,
        };
        owed.add(keys(0..MAX_ITEMS + 1), None);
        let (first, twice) = (owed.next_step(1), owed.next_step(1));
        assert!(among(&first, b"k0"));
        owed.add(keys(MAX_ITEMS + 1..2 * MAX_ITEMS + 2), None);
        carry_out(&mut owed, first.unwrap());
        let second = owed.next_step(1);
        carry_out(&mut owed, second.unwrap());
        // A page that another drain has scanned too does not set the scan back.
        carry_out(&mut owed, twice.unwrap());
        assert!(matches!(&owed.scan, Some(scan) if scan.leases && scan.cursor == page(2)));
        owed.restart_scan();
        for number in 0..6 {
            let step = owed.next_step(1);
            assert!(among(&step, b"k0") && !among(&step, b"k10001"), "step {number}");
            carry_out(&mut owed, step.unwrap());
        }
        assert_eq!(owed.len(), MAX_ITEMS + 1);
        assert!(among(&owed.next_step(1), b"k10001"));
    }

    #[test]
    fn a_pattern_that_is_deferred_during_its_scan_is_scanned_again() {
        let pattern = || Invalidation::Matching(Pattern::verbatim("k*").unwrap());
        let mut owed = Owed::default();
        owed.add(pattern(), None);
        for scans in [2, 1] {
            for _ in 0..6 {
                assert_eq!(owed.len(), 1);
                let step = owed.next_step(1).unwrap();
                if scans == 2 {
                    owed.add(pattern(), None);
                }
                carry_out(&mut owed, step);
            }
        }
        assert!(owed.is_empty() && owed.next_step(1).is_none());
    }
}
