//! How many bytes a key takes, estimated as Redis's MEMORY USAGE does: the size of a few elements stands for all.

use bytes::Bytes;

use super::data::Data;
use super::stream::{Fields, StreamId};

/// What a hash table, an index or a tree keeps for each element beside its bytes.
const OVERHEAD: usize = 32;

fn text(bytes: &Bytes) -> usize {
    size_of::<Bytes>() + bytes.len()
}

fn fields(fields: &Fields) -> usize {
    fields.iter().map(|(field, value)| text(field) + text(value)).sum()
}

/// The size of all elements, of which the first few are measured.
fn elements(count: usize, samples: usize, sizes: impl Iterator<Item = usize>) -> usize {
    let measured = count.min(samples);
    let sum: usize = sizes.take(measured).map(|size| size + OVERHEAD).sum();
    match measured {
        0 => 0,
        _ => ((sum as u128 * count as u128) / measured as u128) as usize,
    }
}

/// The bytes of a key and its value. As many elements as `samples` are measured.
pub(super) fn of(key: &[u8], data: &Data, samples: usize) -> usize {
    // The key is in the table of keys and in the order of SCAN, which share its bytes.
    let base = size_of::<Data>() + OVERHEAD + 2 * (size_of::<Bytes>() + OVERHEAD) + key.len();
    let value = match data {
        Data::String(value) => value.len(),
        Data::List(list) => {
            let sizes = list.range(0..list.len().min(samples)).map(text);
            elements(list.len(), samples, sizes)
        }
        Data::Hash(hash) => {
            let sizes = hash.iter().map(|(field, value)| text(field) + text(value));
            elements(hash.len(), samples, sizes)
        }
        Data::Set(set) => elements(set.len(), samples, set.iter().map(text)),
        Data::SortedSet(set) => {
            // A member is in the table of scores and in the order of scores.
            let sizes = set.iter().map(|(member, _)| text(member) + size_of::<(Bytes, f64)>());
            elements(set.len(), samples, sizes)
        }
        Data::Stream(stream) => {
            let all = stream.range(StreamId::MIN..=StreamId::MAX);
            elements(stream.len(), samples, all.map(|(_, entry)| fields(entry)))
        }
        #[cfg(feature = "json")]
        Data::Json(document) => document.bytes(),
    };
    base + value
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
            let size = engine.keyspace.entry(b"k").map(|entry| of(b"k", &entry.data, 5));
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
}
