//! What has to be invalidated in Redis, within bounds.

use std::collections::{BTreeMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use super::lease::lease_key;
use crate::platform::Instant;
use crate::{Key, Pattern};

/// Something that Redis does not know to be out of date.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Invalidation {
    Keys(Vec<Key>),
    Tags(Vec<String>),
    Matching(Pattern),
    All,
}

/// How many keys are kept, and how many tags.
const MOST: usize = 10_000;
/// How many bytes they may come to, each.
const MOST_BYTES: usize = 1 << 20;
const MOST_PATTERNS: usize = 100;
/// How many hashes are kept of further keys and of their leases, 16 bytes each.
const MOST_HASHES: usize = 1_000_000;

/// The hash of a key or a lease's key, by which it is found again in a walk through all keys. Two keys of a database do
/// not share one.
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
    /// Keys beyond those.
    more: Option<(Arc<Hashes>, u64)>,
    tags: BTreeMap<String, u64>,
    tag_bytes: usize,
    patterns: BTreeMap<Pattern, u64>,
    all: Option<u64>,
    /// Somebody is trying in the background, and will be heard of before this moment.
    pub(super) retrying: Option<Instant>,
    /// A request of a Worker has the turn to make up for it, no longer than until then.
    pub(super) turn_until: Option<Instant>,
}

/// A part of what has to be invalidated: as much as goes in one step.
pub(super) enum Part {
    Keys(Vec<(Key, u64)>),
    Tags(Vec<(String, u64)>),
    Pattern(Pattern, u64),
    More(Arc<Hashes>, u64),
    All(u64),
}

impl Pending {
    /// How many things are owed; each hash is half a key.
    pub(super) fn len(&self) -> usize {
        let more = self.more.as_ref().map_or(0, |(more, _)| more.known.len().div_ceil(2));
        self.keys.len()
            + self.tags.len()
            + self.patterns.len()
            + more
            + usize::from(self.all.is_some())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds what was missed; tells whether there is room for it. `clearable`: everything can be cleared at once, when this
    /// becomes too much.
    pub(super) fn add(&mut self, invalidation: Invalidation, clearable: bool) -> bool {
        self.clock += 1;
        let now = self.clock;
        let fits = match invalidation {
            Invalidation::Keys(keys) => self.add_keys(keys, now, clearable),
            Invalidation::Tags(tags) => self.add_tags(tags, now),
            Invalidation::Matching(pattern) => {
                let fits =
                    self.patterns.len() < MOST_PATTERNS || self.patterns.contains_key(&pattern);
                if fits {
                    self.patterns.insert(pattern, now);
                }
                fits
            }
            Invalidation::All => {
                self.all = Some(now);
                true
            }
        };
        if !fits && clearable {
            *self = Self {
                clock: now,
                retrying: self.retrying,
                turn_until: self.turn_until,
                all: Some(now),
                ..Self::default()
            };
        }
        fits || clearable
    }

    fn add_keys(&mut self, keys: Vec<Key>, now: u64, clearable: bool) -> bool {
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
        let known = self.more.as_ref().map_or(0, |(more, _)| more.known.len());
        if clearable || known + 2 * keys.len() > MOST_HASHES {
            return false;
        }
        let mut more = self.more.take().map(|(more, _)| more).unwrap_or_default();
        let hashes = Arc::make_mut(&mut more);
        for key in keys {
            hashes.insert(key.as_str());
            hashes.insert(&lease_key(&key));
        }
        self.more = Some((more, now));
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
    pub(super) fn part(&self, most: usize) -> Option<Part> {
        if !self.keys.is_empty() {
            let keys = self.keys.iter().take(most);
            return Some(Part::Keys(keys.map(|(key, missed)| (key.clone(), *missed)).collect()));
        }
        if !self.tags.is_empty() {
            let tags = self.tags.iter().take(most);
            return Some(Part::Tags(tags.map(|(tag, missed)| (tag.clone(), *missed)).collect()));
        }
        if let Some((pattern, missed)) = self.patterns.first_key_value() {
            return Some(Part::Pattern(pattern.clone(), *missed));
        }
        if let Some((more, missed)) = &self.more {
            return Some(Part::More(Arc::clone(more), *missed));
        }
        self.all.map(Part::All)
    }

    /// A part has been carried out. What was missed again since stays.
    pub(super) fn settle(&mut self, part: Part) {
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
            Part::Pattern(pattern, missed) => {
                if self.patterns.get(&pattern) == Some(&missed) {
                    self.patterns.remove(&pattern);
                }
            }
            Part::More(_, missed) => drop(self.more.take_if(|(_, last)| *last <= missed)),
            Part::All(missed) => drop(self.all.take_if(|last| *last <= missed)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(range: std::ops::Range<usize>) -> Invalidation {
        let key = |number| Key::verbatim(format!("k{number}")).unwrap();
        Invalidation::Keys(range.map(key).collect())
    }

    #[test]
    fn nothing_is_dropped_and_everything_is_bounded() {
        let mut pending = Pending::default();
        for start in (0..100_000).step_by(100) {
            assert!(pending.add(keys(start..start + 100), false));
        }
        assert_eq!((pending.len(), pending.keys.len()), (100_000, MOST));
        while let Some(part) = pending.part(500) {
            if let Part::More(more, _) = &part {
                assert!(more.contains(b"k99999") && more.contains(b"edgecask:lease:{k99999}"));
                assert!(!more.contains(b"k0") && !more.contains(b"other"));
            }
            pending.settle(part);
        }
        assert!(pending.is_empty());
        assert_eq!((pending.key_bytes, pending.tag_bytes), (0, 0));

        assert!(!pending.add(keys(0..MOST_HASHES), false), "there is no room, and that is told");
        let tags = || Invalidation::Tags((0..=MOST).map(|number| number.to_string()).collect());
        assert!(!pending.add(tags(), false));
        for number in 0..=MOST_PATTERNS {
            let pattern = Pattern::verbatim(format!("{number}*")).unwrap();
            let fits = pending.add(Invalidation::Matching(pattern), false);
            assert_eq!(fits, number < MOST_PATTERNS);
        }
        assert!(pending.add(tags(), true), "everything is cleared in its place");
        assert!(matches!(pending.part(1), Some(Part::All(_))) && pending.len() == 1);
    }

    #[test]
    fn what_is_missed_again_stays() {
        let mut pending = Pending::default();
        pending.add(keys(0..2), false);
        let part = pending.part(10).unwrap();
        pending.add(keys(0..1), false);
        pending.settle(part);
        assert_eq!(pending.len(), 1);
    }
}
