//! OBJECT. Compared with Redis 8.
//!
//! The engine keeps every type in one form. ENCODING names the one that Redis, with its default limits, chooses for such a
//! value when it is written at once.

use bytes::Bytes;

use super::replies::{help, unknown_subcommand};
use crate::transport::memory::args::{Args, wrong_arity};
use crate::transport::memory::collections::{Hash, List, Set};
use crate::transport::memory::engine::{Engine, Handler};
use crate::transport::memory::keyspace::Data;
use crate::transport::memory::number;
use crate::transport::memory::sorted_set::SortedSet;
use crate::{Error, Result, Value};

pub(super) const HANDLERS: &[Handler] = &[Handler::new("OBJECT", -2, object)];

/// The longest element of a collection that is kept as one string.
const MAX_PACKED_VALUE: usize = 64;
const MAX_PACKED_FIELDS: usize = 512;
const MAX_PACKED_MEMBERS: usize = 128;
const MAX_INTEGERS: usize = 512;
const MAX_PACKED_LIST_BYTES: usize = 8192;
/// The longest string that Redis keeps together with its header.
const MAX_EMBEDDED: usize = 44;
/// Redis shares the integers below this one.
const SHARED_INTEGERS: i64 = 10_000;

const HELP: &str = "OBJECT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:
ENCODING <key>
    Return the kind of internal representation used in order to store the value
    associated with a <key>.
FREQ <key>
    Return the access frequency index of the <key>. The returned integer is
    proportional to the logarithm of the recent access frequency of the key.
IDLETIME <key>
    Return the idle time of the <key>, that is the approximated number of
    seconds elapsed since the last access to the key.
REFCOUNT <key>
    Return the number of references of the value associated with the specified
    <key>.
HELP
    Print this help.";

fn object(engine: &mut Engine, args: Args<'_>) -> Result<Value> {
    let (db, word) = (&engine.keyspace, args.word(0));
    let counts_uses = engine.limits().eviction.counts_uses();
    match (word.as_str(), args.len()) {
        ("HELP", 1) => Ok(help(HELP)),
        ("ENCODING" | "FREQ" | "IDLETIME" | "REFCOUNT", 2) => {
            let Some(entry) = db.entry(args.at(1)?) else { return Ok(Value::Nil) };
            match word.as_str() {
                "ENCODING" => Ok(Value::bulk(encoding(&entry.data))),
                "IDLETIME" if !counts_uses => {
                    Ok(Value::Integer(entry.usage.idle_seconds(db.now()) as i64))
                }
                "IDLETIME" => Err(Error::server(
                    "ERR An LFU maxmemory policy is selected, idle time not tracked. Please note that when switching between \
                     policies at runtime LRU and LFU data will take some time to adjust.",
                )),
                "FREQ" if counts_uses => Ok(Value::Integer(entry.usage.frequency(db.now()).into())),
                "REFCOUNT" => Ok(Value::Integer(references(&entry.data))),
                _ => Err(Error::server(
                    "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when switching \
                     between policies at runtime LRU and LFU data will take some time to adjust.",
                )),
            }
        }
        ("HELP" | "ENCODING" | "FREQ" | "IDLETIME" | "REFCOUNT", _) => {
            Err(wrong_arity(&format!("object|{word}")))
        }
        _ => Err(unknown_subcommand("OBJECT", args)),
    }
}

fn encoding(data: &Data) -> &'static str {
    match data {
        Data::String(text) if number::int(text).is_some() => "int",
        Data::String(text) if text.len() <= MAX_EMBEDDED => "embstr",
        Data::String(_) => "raw",
        Data::List(list) if is_packed_list(list) => "listpack",
        Data::List(_) => "quicklist",
        Data::Hash(hash) if !is_packed_hash(hash) => "hashtable",
        Data::Hash(hash) if hash.next_expiry().is_some() => "listpackex",
        Data::Hash(_) => "listpack",
        Data::Set(set) if is_intset(set) => "intset",
        Data::Set(set) if set.len() <= MAX_PACKED_MEMBERS && set.iter().all(fits) => "listpack",
        Data::Set(_) => "hashtable",
        Data::SortedSet(set) if is_packed_sorted_set(set) => "listpack",
        Data::SortedSet(_) => "skiplist",
        Data::Stream(_) => "stream",
        #[cfg(feature = "json")]
        Data::Json(_) => "raw",
    }
}

fn references(data: &Data) -> i64 {
    let integer = match data {
        Data::String(text) => number::int(text),
        _ => None,
    };
    // What is shared has the greatest count of all.
    integer.filter(|number| (0..SHARED_INTEGERS).contains(number)).map_or(1, |_| i32::MAX.into())
}

fn fits(element: &Bytes) -> bool {
    element.len() <= MAX_PACKED_VALUE
}

fn is_packed_list(list: &List) -> bool {
    let mut left = MAX_PACKED_LIST_BYTES;
    list.range(0..list.len()).all(|element| {
        // Each has a header of two bytes or more.
        let rest = left.checked_sub(element.len() + 2);
        left = rest.unwrap_or(0);
        rest.is_some()
    })
}

fn is_packed_hash(hash: &Hash) -> bool {
    hash.len() <= MAX_PACKED_FIELDS && hash.iter().all(|(field, value)| fits(field) && fits(value))
}

fn is_intset(set: &Set) -> bool {
    set.len() <= MAX_INTEGERS && set.iter().all(|member| number::int(member).is_some())
}

fn is_packed_sorted_set(set: &SortedSet) -> bool {
    set.len() <= MAX_PACKED_MEMBERS && set.iter().all(|(member, _)| fits(member))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::Command;
    use crate::transport::memory::{commands, engine::Engine};

    #[test]
    fn a_value_that_commands_use_is_not_idle() {
        let mut engine = Engine::new(commands::find);
        let mut run = |line: &str, seconds: u64| {
            let mut words = line.split(' ').map(str::to_owned);
            let command = Command::new(words.next().unwrap_or_default()).args_from(words);
            engine.run(&command, seconds * 1000).unwrap_or_else(|error| panic!("{line}: {error}"))
        };
        let idle = |seconds| Value::Integer(seconds);
        run("SET k v", 100);
        assert_eq!(run("OBJECT IDLETIME k", 130), idle(30));
        run("GET k", 140);
        assert_eq!(run("OBJECT IDLETIME k", 150), idle(10));
        // These look at the key and not at the value.
        for line in ["EXISTS k", "TYPE k", "TTL k", "OBJECT ENCODING k"] {
            run(line, 160);
        }
        assert_eq!(run("OBJECT IDLETIME k", 170), idle(30));
        run("TOUCH k", 170);
        assert_eq!(run("OBJECT IDLETIME k", 170), idle(0));
    }
}
