//! What has to be invalidated in Redis, within bounds.

use std::collections::{BTreeMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::mem;
use std::sync::Arc;

use super::lease::lease_key;
use crate::command::keys::Cursor;
use crate::platform::Instant;
use crate::{Key, Keyspace, Pattern};

/// Something that Redis does not know to be out of date.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Invalidation {
    Keys(Vec<Key>),
    Tags(Vec<String>),
    Matching(Pattern),
}

/// How many keys are kept, and how many tags.
const MOST: usize = 10_000;
/// How many bytes they may come to, each.
const MOST_BYTES: usize = 1 << 20;
const MOST_PATTERNS: usize = 100;
/// How many hashes are kept of further keys and of their leases, 16 bytes each.
const MOST_HASHES: usize = 1_000_000;

/// Keys and their leases' keys, each by a hash of 128 bits. A walk through all keys of the database finds them again; that
/// two of those keys have the same hash is too improbable to matter.
#[derive(Debug, Clone, Default)]
pub(super) struct Hashes {
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

    pub(super) fn contains(&self, key: &[u8]) -> bool {
        self.known.contains(&self.hash(key))
    }
}

/// What has to be invalidated, each by when it was last missed.
#[derive(Default)]
pub(super) struct Pending {
    clock: u64,
    keys: BTreeMap<Key, u64>,
    key_bytes: usize,
    /// Keys beyond those. A walk takes them with it; what is missed meanwhile waits here for the next one.
    more: Hashes,
    tags: BTreeMap<String, u64>,
    tag_bytes: usize,
    patterns: BTreeMap<Pattern, u64>,
    /// The walk that is under way.
    walk: Option<Walk>,
    /// Somebody is trying in the background, and will be heard of before this moment.
    pub(super) retrying: Option<Instant>,
}

/// Two walks through all keys of the database: the first one deletes leases, the second one entries.
#[derive(Clone)]
pub(super) struct Walk {
    id: u64,
    pub(super) among: Among,
    pub(super) leases: bool,
    pub(super) cursor: Cursor,
}

/// What a walk deletes.
#[derive(Clone)]
pub(super) enum Among {
    Pattern(Pattern, u64),
    Hashes(Arc<Hashes>),
}

impl Walk {
    fn new(id: u64, among: Among) -> Self {
        Self { id, among, leases: true, cursor: Cursor::default() }
    }

    /// Whether both walks are over when this is where the present one goes on.
    pub(super) fn ends_at(&self, next: &Cursor) -> bool {
        next.is_done() && !self.leases
    }

    fn is_at(&self, other: &Self) -> bool {
        (self.id, self.leases, &self.cursor) == (other.id, other.leases, &other.cursor)
    }

    fn hashes(&self) -> usize {
        match &self.among {
            Among::Pattern(..) => 0,
            Among::Hashes(hashes) => hashes.known.len(),
        }
    }
}

/// A part of what has to be invalidated: as much as goes in one step.
pub(super) enum Part {
    Keys(Vec<(Key, u64)>),
    Tags(Vec<(String, u64)>),
    /// A page of a walk.
    Page(Walk),
}

impl Pending {
    /// How many things are owed; each hash is half a key.
    pub(super) fn len(&self) -> usize {
        self.keys.len() + self.tags.len() + self.patterns.len() + self.hashes().div_ceil(2)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn is_walking(&self) -> bool {
        self.walk.is_some()
    }

    fn hashes(&self) -> usize {
        self.more.known.len() + self.walk.as_ref().map_or(0, Walk::hashes)
    }

    /// Adds what was missed; tells whether there is room for it. Keys of this keyspace always have some: when there are
    /// too many of them, its pattern stands for all.
    pub(super) fn add(&mut self, invalidation: Invalidation, keyspace: Option<&Keyspace>) -> bool {
        self.clock += 1;
        let now = self.clock;
        match invalidation {
            Invalidation::Keys(keys) => self.add_keys(keys, now, keyspace),
            Invalidation::Tags(tags) => self.add_tags(tags, now),
            Invalidation::Matching(pattern) => {
                let fits =
                    self.patterns.len() < MOST_PATTERNS || self.patterns.contains_key(&pattern);
                if fits {
                    self.patterns.insert(pattern, now);
                }
                fits
            }
        }
    }

    fn add_keys(&mut self, keys: Vec<Key>, now: u64, keyspace: Option<&Keyspace>) -> bool {
        let bytes: usize = keys.iter().map(|key| key.as_str().len()).sum();
        let fits = self.keys.len() + keys.len() <= MOST && self.key_bytes + bytes <= MOST_BYTES;
        if fits {
            for key in keys {
                let length = key.as_str().len();
                if self.keys.insert(key, now).is_none() {
                    self.key_bytes += length;
                }
            }
            return true;
        }
        if self.hashes() + 2 * keys.len() > MOST_HASHES {
            let of_it = |keyspace: &&Keyspace| keys.iter().all(|key| keyspace.holds(key));
            let pattern = keyspace.filter(of_it).map(Keyspace::pattern);
            // One pattern beyond the others has room.
            return pattern.map(|pattern| self.patterns.insert(pattern, now)).is_some();
        }
        for key in keys {
            self.more.insert(key.as_str());
            self.more.insert(&lease_key(&key));
        }
        true
    }

    fn add_tags(&mut self, tags: Vec<String>, now: u64) -> bool {
        let bytes: usize = tags.iter().map(String::len).sum();
        if self.tags.len() + tags.len() > MOST || self.tag_bytes + bytes > MOST_BYTES {
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

    pub(super) fn moment(&self) -> u64 {
        self.clock
    }

    /// These keys were written since this moment.
    pub(super) fn superseded(&mut self, keys: &[Key], moment: u64) {
        for key in keys {
            if self.keys.get(key).is_some_and(|missed| *missed <= moment) {
                self.keys.remove(key);
                self.key_bytes -= key.as_str().len();
            }
        }
    }

    /// A part of it, of so many keys or tags at the most.
    pub(super) fn part(&mut self, most: usize) -> Option<Part> {
        if !self.keys.is_empty() {
            let keys = self.keys.iter().take(most);
            return Some(Part::Keys(keys.map(|(key, missed)| (key.clone(), *missed)).collect()));
        }
        if !self.tags.is_empty() {
            let tags = self.tags.iter().take(most);
            return Some(Part::Tags(tags.map(|(tag, missed)| (tag.clone(), *missed)).collect()));
        }
        if self.walk.is_none() {
            self.walk = self.next_walk();
        }
        self.walk.clone().map(Part::Page)
    }

    fn next_walk(&mut self) -> Option<Walk> {
        let among = match self.patterns.first_key_value() {
            Some((pattern, missed)) => Among::Pattern(pattern.clone(), *missed),
            None if self.more.known.is_empty() => return None,
            None => Among::Hashes(Arc::new(mem::take(&mut self.more))),
        };
        self.clock += 1;
        Some(Walk::new(self.clock, among))
    }

    /// A part has been carried out; `next`: where its walk goes on. What was missed again since stays.
    pub(super) fn settle(&mut self, part: Part, next: Cursor) {
        match part {
            Part::Keys(keys) => {
                for (key, missed) in keys {
                    if self.keys.get(&key) == Some(&missed) {
                        self.keys.remove(&key);
                        self.key_bytes -= key.as_str().len();
                    }
                }
            }
            Part::Tags(tags) => {
                for (tag, missed) in tags {
                    if self.tags.get(&tag) == Some(&missed) {
                        self.tags.remove(&tag);
                        self.tag_bytes -= tag.len();
                    }
                }
            }
            Part::Page(before) => self.walked(&before, next),
        }
    }

    fn walked(&mut self, before: &Walk, next: Cursor) {
        // Somebody else may have gone on with it, or begun it again.
        let Some(walk) = self.walk.as_mut().filter(|walk| walk.is_at(before)) else {
            return;
        };
        if !walk.ends_at(&next) {
            walk.leases = walk.leases && !next.is_done();
            walk.cursor = next;
            return;
        }
        if let Among::Pattern(pattern, missed) = &walk.among
            && self.patterns.get(pattern) == Some(missed)
        {
            self.patterns.remove(pattern);
        }
        self.walk = None;
    }

    /// Begins the walk that is under way again: a cursor means nothing to a server that has been started anew.
    pub(super) fn begin_again(&mut self) {
        if let Some(walk) = &mut self.walk {
            (walk.leases, walk.cursor) = (true, Cursor::default());
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

    /// Carries out a part in a database of three pages.
    fn carry_out(pending: &mut Pending, part: Part) {
        let next = match &part {
            Part::Page(walk) => page((walk.cursor.to_string().parse::<u8>().unwrap() + 1) % 3),
            _ => Cursor::default(),
        };
        pending.settle(part, next);
    }

    fn page(number: u8) -> Cursor {
        let page = Value::Array(vec![Value::bulk(number.to_string()), Value::Array(Vec::new())]);
        Page::<Vec<String>>::from_value(page).unwrap().cursor
    }

    fn many_tags() -> Invalidation {
        Invalidation::Tags((0..=MOST).map(|number| number.to_string()).collect())
    }

    #[test]
    fn nothing_is_dropped_and_everything_is_bounded() {
        let mut pending = Pending::default();
        for start in (0..100_000).step_by(100) {
            assert!(pending.add(keys(start..start + 100), None));
        }
        assert_eq!((pending.len(), pending.keys.len()), (100_000, MOST));
        while let Some(part) = pending.part(500) {
            if let Part::Page(Walk { among: Among::Hashes(more), .. }) = &part {
                assert!(more.contains(b"k99999") && more.contains(b"edgecask:lease:{k99999}"));
                assert!(!more.contains(b"k0") && !more.contains(b"other"));
            }
            carry_out(&mut pending, part);
        }
        assert!(pending.is_empty());
        assert_eq!((pending.key_bytes, pending.tag_bytes), (0, 0));

        assert!(!pending.add(keys(0..MOST_HASHES), None), "there is no room, and that is told");
        assert!(!pending.add(many_tags(), None));
        for number in 0..=MOST_PATTERNS {
            let pattern = Pattern::verbatim(format!("{number}*")).unwrap();
            let fits = pending.add(Invalidation::Matching(pattern), None);
            assert_eq!(fits, number < MOST_PATTERNS);
        }
    }

    #[test]
    fn only_keys_of_the_keyspace_are_replaced_by_its_pattern() {
        let space = Keyspace::literal("k");
        let of_it = |range: std::ops::Range<usize>| {
            let key = |number: usize| space.key(number).unwrap();
            Invalidation::Keys(range.map(key).collect())
        };
        let mut pending = Pending::default();
        assert!(pending.add(Invalidation::Tags(vec!["of another".to_owned()]), Some(&space)));
        assert!(!pending.add(many_tags(), Some(&space)), "tags reach beyond the keyspace");
        assert!(!pending.add(keys(0..MOST_HASHES), Some(&space)), "so do these keys");
        assert_eq!((pending.len(), pending.tags.len()), (1, 1));
        assert!(pending.add(of_it(0..MOST_HASHES), Some(&space)));
        assert_eq!((pending.len(), pending.tags.len()), (2, 1));
        assert!(pending.patterns.contains_key(&space.pattern()));
        // What fits is kept by its own name.
        assert!(pending.add(keys(0..MOST + 1), Some(&space)));
        assert_eq!(pending.len(), 2 + MOST + 1);
    }

    #[test]
    fn what_is_missed_again_stays() {
        let mut pending = Pending::default();
        pending.add(keys(0..2), None);
        let part = pending.part(10).unwrap();
        pending.add(keys(0..1), None);
        carry_out(&mut pending, part);
        assert_eq!(pending.len(), 1);
    }

    #[test]
    fn a_walk_goes_on_where_it_was_and_takes_nothing_with_it_that_came_later() {
        let mut pending = Pending::default();
        let among = |part: &Option<Part>, key: &[u8]| match part {
            Some(Part::Page(Walk { among: Among::Hashes(hashes), .. })) => hashes.contains(key),
            _ => false,
        };
        pending.add(keys(0..MOST + 1), None);
        let (first, twice) = (pending.part(1), pending.part(1));
        assert!(among(&first, b"k0"));
        pending.add(keys(MOST + 1..2 * MOST + 2), None);
        carry_out(&mut pending, first.unwrap());
        let second = pending.part(1);
        carry_out(&mut pending, second.unwrap());
        // A page that somebody else has looked at as well does not set the walk back.
        carry_out(&mut pending, twice.unwrap());
        assert!(matches!(&pending.walk, Some(walk) if walk.leases && walk.cursor == page(2)));
        pending.begin_again();
        for step in 0..6 {
            let part = pending.part(1);
            assert!(among(&part, b"k0") && !among(&part, b"k10001"), "step {step}");
            carry_out(&mut pending, part.unwrap());
        }
        assert_eq!(pending.len(), MOST + 1);
        assert!(among(&pending.part(1), b"k10001"));
    }

    #[test]
    fn a_pattern_that_is_missed_during_its_walk_is_walked_again() {
        let pattern = || Invalidation::Matching(Pattern::verbatim("k*").unwrap());
        let mut pending = Pending::default();
        pending.add(pattern(), None);
        for walks in [2, 1] {
            for _ in 0..6 {
                assert_eq!(pending.len(), 1);
                let part = pending.part(1).unwrap();
                if walks == 2 {
                    pending.add(pattern(), None);
                }
                carry_out(&mut pending, part);
            }
        }
        assert!(pending.is_empty() && pending.part(1).is_none());
    }
}
