//! How many bytes a key takes, estimated from what its collection counts: no element is looked at.

use bytes::Bytes;

use super::data::Data;
use super::stream::{Group, Stream, StreamId};

/// What a hash table, an index or a tree keeps for each element beside its bytes.
const OVERHEAD: usize = 32;

/// What an element that is a text takes beside its bytes.
const TEXT: usize = size_of::<Bytes>() + OVERHEAD;

/// The bytes of a key and its value.
pub(super) fn of(key: &[u8], data: &Data) -> usize {
    // The key is in the table of keys and in the order of SCAN, which share its bytes.
    let base = size_of::<Data>() + OVERHEAD + 2 * TEXT + key.len();
    let value = match data {
        Data::String(value) => value.len(),
        Data::List(list) => list.bytes() + list.len() * TEXT,
        // A lifetime is in a table and in the order of times, which share the bytes of the field.
        Data::Hash(hash) => {
            let fields = hash.len() * (size_of::<Bytes>() + TEXT);
            hash.bytes() + fields + hash.lifetimes() * 2 * (TEXT + size_of::<u64>())
        }
        Data::Set(set) => set.bytes() + set.len() * TEXT,
        // A member is in the table of scores and in the order of scores, which share its bytes.
        Data::SortedSet(set) => set.bytes() + set.len() * (TEXT + size_of::<(Bytes, f64)>()),
        Data::Stream(stream) => stream.bytes() + stream.len() * OVERHEAD + groups(stream),
        #[cfg(feature = "json")]
        Data::Json(document) => document.bytes(),
    };
    base + value
}

/// The groups of a stream. Of very many groups, the first ones stand for all.
fn groups(stream: &Stream) -> usize {
    const MEASURED: usize = 64;
    let groups = stream.groups.iter().take(MEASURED);
    let measured: usize = groups.map(|(name, group)| group_bytes(name, group)).sum();
    measured / stream.groups.len().clamp(1, MEASURED) * stream.groups.len()
}

fn group_bytes(name: &Bytes, group: &Group) -> usize {
    // A pending entry is in the group's table and in its consumer's.
    let pending = 2 * (size_of::<StreamId>() + OVERHEAD) + size_of::<Bytes>();
    let consumers = group.consumers.len() * (2 * TEXT);
    size_of::<Group>() + TEXT + name.len() + consumers + group.pending.len() * pending
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::Command;
    use crate::transport::memory::{commands, engine::Engine};

    #[test]
    fn what_holds_more_is_larger() {
        let mut engine = Engine::new(commands::find);
        let mut size = |add: &str, count: usize, width: usize| {
            let value = "x".repeat(width);
            for number in 0..count {
                let words = add.replace("N", &number.to_string()).replace("V", &value);
                let mut words = words.split(' ').map(str::to_owned);
                let command = Command::new(words.next().unwrap_or_default()).args_from(words);
                assert!(engine.run(&command, 1).is_ok(), "{add}");
            }
            let size = engine.keyspace.entry(b"k").map(|entry| of(b"k", &entry.data));
            engine.keyspace.clear();
            size.unwrap_or(0)
        };
        for add in ["RPUSH k N-V", "HSET k N-V V", "SADD k N-V", "ZADD k 1 N-V", "XADD k * N V"] {
            let (small, long, wide) = (size(add, 10, 10), size(add, 1000, 10), size(add, 10, 1000));
            assert!(small > 10 * 10 && small < 10 * 400, "{add}: {small}");
            assert!(long > 50 * small && long < 150 * small, "{add}: {small}, {long}");
            assert!(wide > 10 * 1000 && wide < 10 * 3000, "{add}: {wide}");
        }
    }

    #[test]
    fn large_elements_count_wherever_they_stand() {
        let large = "x".repeat(100_000);
        for add in ["RPUSH k V", "HSET k V v", "SADD k V", "ZADD k 1 V", "XADD k * f V"] {
            let mut engine = Engine::new(commands::find);
            let mut put = |text: &str| {
                let mut words = add.split(' ').map(|word| if word == "V" { text } else { word });
                let command = Command::new(words.next().unwrap_or_default().to_owned());
                assert!(engine.run(&command.args_from(words), 1).is_ok(), "{add}");
                engine.keyspace.used_bytes()
            };
            for number in 0..10 {
                assert!(put(&number.to_string()) < 10_000, "{add}");
            }
            assert!(put(&large) > 100_000, "{add}");
        }
    }

    #[test]
    fn pending_entries_and_lifetimes_take_memory() {
        let mut engine = Engine::new(commands::find);
        let mut used = |line: &str| {
            let mut words = line.split(' ').map(str::to_owned);
            let command = Command::new(words.next().unwrap_or_default()).args_from(words);
            assert!(engine.run(&command, 1).is_ok(), "{line}");
            engine.keyspace.used_bytes()
        };
        for number in 1..=100 {
            used(&format!("XADD s {number} f v"));
        }
        let before = used("XGROUP CREATE s g 0");
        let pending = used("XREADGROUP GROUP g c STREAMS s >");
        assert!(pending > before + 100 * 50, "{before}, {pending}");
        let before = used("HSET h f v");
        assert!(used("HEXPIRE h 100 FIELDS 1 f") > before + 50);
    }
}
