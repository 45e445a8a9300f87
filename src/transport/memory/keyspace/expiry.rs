//! The end of keys and fields of hashes whose time has come.
//!
//! Commands do not find a key from the millisecond on at which it expires. Its memory is freed then or soon after: each command
//! removes a bounded number of those that have expired, so that none waits for a million of them.

use bytes::Bytes;

use super::{Entry, Keyspace};
use crate::transport::memory::collections::Hash;
use crate::transport::memory::steps;

/// How many keys and fields a command removes for each millisecond since the last command.
const PER_MILLI: u64 = 32;
/// For how many milliseconds at most: an engine that was idle for long takes no longer for its next command than this allows.
const MOST_MILLIS: u64 = 16;

impl Keyspace {
    /// Sets the clock and removes some of what has expired. The clock never goes back, so that no expired key returns.
    pub(in crate::transport::memory) fn advance_to(&mut self, now: u64) {
        let passed = now.saturating_sub(self.now).clamp(1, MOST_MILLIS);
        self.now = self.now.max(now);
        let mut most = (passed * PER_MILLI) as usize;
        while most > 0 && self.remove_overdue() {
            most -= 1;
        }
        while most > 0
            && let Some(key) = self.overdue_hash()
        {
            most -= self.remove_fields(&key, most).min(most);
        }
    }

    /// Removes a key that has expired, if there is one.
    pub(in crate::transport::memory) fn remove_overdue(&mut self) -> bool {
        let Some((_, key)) = self.expiries.first().filter(|(at, _)| *at <= self.now) else {
            return false;
        };
        steps::count(1);
        let key = key.clone();
        self.take(&key);
        true
    }

    /// Removes a key if it has expired.
    pub(super) fn remove_if_overdue(&mut self, key: &[u8]) {
        if self.entries.get(key).is_some_and(|entry| self.is_overdue(entry)) {
            self.take(key);
        }
    }

    pub(super) fn is_overdue(&self, entry: &Entry) -> bool {
        entry.expires_at.is_some_and(|at| at <= self.now)
    }

    /// How many keys have expired, and are not removed yet.
    pub(super) fn overdue(&self) -> usize {
        // Most often it is none.
        match self.expiries.first() {
            Some((at, _)) if *at <= self.now => {
                self.expiries.range(..(self.now.saturating_add(1), Bytes::new())).count()
            }
            _ => 0,
        }
    }

    /// A hash with a field that has expired.
    fn overdue_hash(&self) -> Option<Bytes> {
        let (at, key) = self.field_expiries.first()?;
        (*at <= self.now).then(|| key.clone())
    }

    /// Whether a hash has a field that has expired. Then [`Keyspace::settle`] is called before a command looks at a hash.
    pub(in crate::transport::memory) fn has_overdue_fields(&self) -> bool {
        self.field_expiries.first().is_some_and(|(at, _)| *at <= self.now)
    }

    /// Removes all fields of a hash that have expired.
    pub(in crate::transport::memory) fn settle(&mut self, key: &[u8]) {
        let expires_at = self.entries.get(key).and_then(|entry| entry.field_expires_at);
        if expires_at.is_some_and(|at| at <= self.now) {
            self.remove_fields(key, usize::MAX);
        }
    }

    /// Removes some fields of a hash that have expired, and returns how many.
    fn remove_fields(&mut self, key: &[u8], most: usize) -> usize {
        let now = self.now;
        let removed = self.change::<Hash, _>(key, |hash| Ok(hash.remove_expired(now, most)));
        // A key that has itself expired is gone by now.
        removed.ok().flatten().unwrap_or(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Value;
    use crate::command::Command;
    use crate::transport::memory::data::Data;
    use crate::transport::memory::{commands, engine::Engine};

    #[test]
    fn what_has_expired_is_gone_from_every_index() {
        let mut keyspace = Keyspace::new();
        keyspace.advance_to(100);
        keyspace.put("a".into(), Data::String(Bytes::new()), Some(200));
        keyspace.put("a".into(), Data::String(Bytes::new()), Some(300));
        keyspace.advance_to(200);
        assert_eq!(keyspace.len(), 1);
        keyspace.advance_to(300);
        assert_eq!((keyspace.len(), keyspace.order.len(), keyspace.expiries.len()), (0, 0, 0));
    }

    fn run(engine: &mut Engine, line: &str, now: u64) -> Value {
        let mut words = line.split(' ').map(str::to_owned);
        let command = Command::new(words.next().unwrap_or_default()).args_from(words);
        engine.run(&command, now).unwrap_or_else(|error| panic!("{line}: {error}"))
    }

    /// An engine with many keys that expire at 1000, and one that stays.
    fn crowded() -> Engine {
        let mut engine = Engine::new(commands::find);
        for number in 0..10_000 {
            run(&mut engine, &format!("SET k:{number} v PXAT 1000"), 1);
        }
        run(&mut engine, "SET stays v", 1);
        engine
    }

    #[test]
    fn a_command_removes_a_bounded_number_of_keys() {
        let mut engine = crowded();
        let mut last = engine.keyspace.entries.len();
        let mut commands = 0;
        while last > 1 {
            let before = steps::so_far();
            run(&mut engine, "PING", 1000 + commands / 100);
            let removed = last - engine.keyspace.entries.len();
            assert!((1..=512).contains(&removed), "{removed}");
            assert!(steps::so_far() - before < 2000, "{}", steps::so_far() - before);
            last -= removed;
            commands += 1;
        }
        assert_eq!(run(&mut engine, "GET stays", 2000), Value::bulk("v"));
        assert_eq!(engine.keyspace.expiries.len(), 0);
    }

    #[test]
    fn no_command_finds_a_key_that_has_expired_and_is_still_there() {
        let commands = [
            ("DBSIZE", Value::Integer(1)),
            ("GET k:9999", Value::Nil),
            ("EXISTS k:9999", Value::Integer(0)),
            ("TTL k:9999", Value::Integer(-2)),
            ("TYPE k:9999", Value::Simple("none".into())),
            ("DEL k:9999", Value::Integer(0)),
            ("RENAMENX stays k:9999", Value::Integer(1)),
            ("PERSIST k:9999", Value::Integer(0)),
            ("EXPIRE k:9999 100", Value::Integer(0)),
            ("SETNX k:9999 w", Value::Integer(1)),
            ("APPEND k:9999 w", Value::Integer(1)),
            ("RPUSH k:9999 w", Value::Integer(1)),
            ("SET k:9999 w KEEPTTL", Value::Simple("OK".into())),
            ("RANDOMKEY", Value::bulk("stays")),
            ("KEYS *", Value::Array(vec![Value::bulk("stays")])),
            ("MGET k:9998 k:9999", Value::Array(vec![Value::Nil, Value::Nil])),
        ];
        for (line, reply) in commands {
            let mut engine = crowded();
            assert_eq!(run(&mut engine, line, 1000), reply, "{line}");
            assert!(engine.keyspace.overdue() > 5_000, "{line}");
            if reply != Value::Integer(0) && line.contains("k:9999 w") {
                assert_eq!(run(&mut engine, "TTL k:9999", 1000), Value::Integer(-1), "{line}");
            }
        }
        let (mut engine, mut cursor, mut found) = (crowded(), "0".to_owned(), Vec::new());
        loop {
            let Value::Array(page) = run(&mut engine, &format!("SCAN {cursor}"), 1000) else {
                panic!("a page")
            };
            let [next, Value::Array(keys)] = &page[..] else { panic!("a page") };
            found.extend(keys.clone());
            cursor = String::from_utf8_lossy(next.as_bytes().unwrap_or_default()).into_owned();
            if cursor == "0" {
                break;
            }
        }
        assert_eq!(found, [Value::bulk("stays")]);
    }

    #[test]
    fn no_command_finds_a_field_that_has_expired_and_is_still_there() {
        let crowded = || {
            let mut engine = Engine::new(commands::find);
            for number in 0..2000 {
                run(&mut engine, &format!("HSET h:{number} a 1 b 2"), 1);
                run(&mut engine, &format!("HPEXPIREAT h:{number} 1000 FIELDS 1 a"), 1);
            }
            run(&mut engine, "HPEXPIREAT h:1999 1000 FIELDS 1 b", 1);
            engine
        };
        let mut engine = crowded();
        run(&mut engine, "RPUSH l 1998", 1);
        let sorted = run(&mut engine, "SORT l BY nosort GET h:*->a GET h:*->b", 1000);
        assert_eq!(sorted, Value::Array(vec![Value::Nil, Value::bulk("2")]));
        for (line, reply) in [
            ("HLEN h:1998", Value::Integer(1)),
            ("HGET h:1998 a", Value::Nil),
            ("HVALS h:1998", Value::Array(vec![Value::bulk("2")])),
            ("EXISTS h:1999", Value::Integer(0)),
            ("TYPE h:1999", Value::Simple("none".into())),
            ("SET h:1999 v NX", Value::Simple("OK".into())),
        ] {
            let mut engine = crowded();
            assert_eq!(run(&mut engine, line, 1000), reply, "{line}");
            assert!(engine.keyspace.field_expiries.len() > 1000, "{line}");
            for step in 0..2000 {
                run(&mut engine, "PING", 1000 + step);
            }
            assert!(engine.keyspace.field_expiries.is_empty(), "{line}");
        }
    }

    #[test]
    fn the_fields_of_a_large_hash_expire_in_steps() {
        let mut engine = Engine::new(commands::find);
        for number in 0..5000 {
            run(&mut engine, &format!("HSET h f:{number} v"), 1);
            run(&mut engine, &format!("HPEXPIREAT h 1000 FIELDS 1 f:{number}"), 1);
        }
        run(&mut engine, "PING", 1000);
        let left = engine.keyspace.entry(b"h").and_then(|entry| match &entry.data {
            Data::Hash(hash) => Some(hash.len()),
            _ => None,
        });
        assert!(left.is_some_and(|left| (4000..5000).contains(&left)), "{left:?}");
        assert_eq!(run(&mut engine, "HLEN h", 1000), Value::Integer(0));
        assert_eq!(run(&mut engine, "EXISTS h", 1000), Value::Integer(0));
    }
}
