//! The order in which SCAN visits the keys, and keys at random places of it.

use std::hash::{DefaultHasher, Hasher};
use std::ops::Bound;

use bytes::Bytes;

use super::Keyspace;
use crate::transport::memory::steps;

/// Cursors are below 2^48, so that clients that read them as floats read them exactly.
const MAX_PLACE: u64 = (1 << 48) - 1;

/// The position of a key, which does not change while other keys are added or removed.
pub(super) fn place(key: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(key);
    // 0 is the cursor of the beginning and of the end.
    (hasher.finish() & MAX_PLACE).max(1)
}

impl Keyspace {
    /// The keys of about `count` positions from `cursor` on, and the next cursor (0 at the end). Keys of the same position are
    /// returned together, so that none is missed between two steps.
    pub(in crate::transport::memory) fn scan(
        &self,
        cursor: u64,
        count: usize,
    ) -> (u64, Vec<&Bytes>) {
        let (mut keys, mut visited) = (Vec::new(), 0);
        let mut last = None;
        let from = Bound::Included((cursor, Bytes::new()));
        for (place, key) in self.order.range((from, Bound::Unbounded)) {
            if visited >= count && last != Some(*place) {
                return (*place, keys);
            }
            steps::count(1);
            visited += 1;
            if self.contains(key) {
                keys.push(key);
            }
            last = Some(*place);
        }
        (0, keys)
    }

    pub(in crate::transport::memory) fn next_to_expire(&self) -> Option<Bytes> {
        self.expiries.first().map(|(_, key)| key.clone())
    }

    /// A key with a time to live: one that is near to a random position in SCAN's order, or else the next one to expire.
    pub(in crate::transport::memory) fn random_volatile_key(&mut self) -> Option<Bytes> {
        const NEAR: usize = 64;
        let from = Bound::Included((self.random.u64(..=MAX_PLACE), Bytes::new()));
        let mut near = self.order.range((from, Bound::Unbounded)).take(NEAR).map(|(_, key)| key);
        let is_volatile =
            |key: &&Bytes| self.entry(key).is_some_and(|entry| entry.expires_at.is_some());
        near.find(is_volatile).cloned().or_else(|| self.next_to_expire())
    }

    pub(in crate::transport::memory) fn random_key(&mut self) -> Option<Bytes> {
        let from = Bound::Included((self.random.u64(..=MAX_PLACE), Bytes::new()));
        let all = self.order.range((from, Bound::Unbounded)).chain(&self.order);
        all.map(|(_, key)| key).find(|key| self.contains(key)).cloned()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::transport::memory::data::Data;

    #[test]
    fn a_scan_finds_every_key_that_stays() {
        let mut keyspace = Keyspace::new();
        let put = |keyspace: &mut Keyspace, name: String| {
            keyspace.put(name.into(), Data::String(Bytes::new()), None);
        };
        for number in 0..500 {
            put(&mut keyspace, format!("stays:{number}"));
        }
        let (mut cursor, mut found, mut step) = (0, BTreeSet::new(), 0);
        loop {
            let (next, keys) = keyspace.scan(cursor, 10);
            found.extend(keys.into_iter().filter(|key| key.starts_with(b"stays")).cloned());
            put(&mut keyspace, format!("comes:{step}"));
            keyspace.remove(format!("comes:{}", step / 2).as_bytes());
            (cursor, step) = (next, step + 1);
            if cursor == 0 {
                break;
            }
        }
        assert_eq!(found.len(), 500);
    }
}
