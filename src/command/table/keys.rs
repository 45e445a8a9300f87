//! The positions of a command's keys among its arguments, and what the command does with each key.

use super::options::{COPY_OPTIONS, REST};
use super::row::{Access, KeyPositions, Reach, WrittenKeys};
use crate::command::Command;

/// What a command does with a key that its arguments name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Read,
    Write,
    /// It reads the keys that this pattern forms with each element.
    Pattern,
}

const SORT_OPTIONS: &[(&str, usize)] =
    &[("BY", 1), ("LIMIT", 2), ("GET", 1), ("ASC", 0), ("DESC", 0), ("ALPHA", 0), ("STORE", 1)];
const RADIUS_OPTIONS: &[(&str, usize)] = &[
    ("WITHCOORD", 0),
    ("WITHDIST", 0),
    ("WITHHASH", 0),
    ("COUNT", 1),
    ("ANY", 0),
    ("ASC", 0),
    ("DESC", 0),
    ("STORE", 1),
    ("STOREDIST", 1),
];
const MIGRATE_OPTIONS: &[(&str, usize)] =
    &[("COPY", 0), ("REPLACE", 0), ("AUTH", 1), ("AUTH2", 2), ("KEYS", REST)];

impl Command {
    /// The positions of the keys among [`Command::args`], counted from 0. Patterns, such as SORT's `BY`, are not keys.
    pub fn key_positions(&self) -> Vec<usize> {
        let mut positions = Vec::new();
        self.each_key(|at, role| {
            if role != Role::Pattern {
                positions.push(at);
            }
        });
        positions
    }

    pub(in crate::command) fn first_key(&self) -> Option<&[u8]> {
        let mut first = None;
        self.each_key(|at, _| first = first.or(self.get(at)));
        first
    }

    /// Calls `found` for each key and its position. `false` if an option is not known or a count cannot be read, so that
    /// there may be more.
    pub(crate) fn each_key(&self, mut found: impl FnMut(usize, Role)) -> bool {
        self.walk_keys(&mut found)
    }

    /// Not generic, so that it is compiled only once: this keeps wasm small.
    fn walk_keys(&self, found: &mut dyn FnMut(usize, Role)) -> bool {
        let info = self.info();
        let count = self.args().len();
        let mut nth = 0;
        let mut named = |at: usize| {
            let writes = info.access == Access::Write
                && match info.written {
                    WrittenKeys::All => true,
                    WrittenKeys::First => nth == 0,
                    WrittenKeys::Second => nth == 1,
                    WrittenKeys::Stored => false,
                };
            nth += 1;
            if at < count {
                found(at, if writes { Role::Write } else { Role::Read });
            }
        };
        // A count may be any text. Servers may read a count that is not plain digits differently.
        let number = |at: usize| -> Option<usize> {
            let digits = std::str::from_utf8(self.get(at)?).ok()?;
            let plain = digits.bytes().all(|digit| digit.is_ascii_digit())
                && (digits == "0" || !digits.starts_with('0'));
            digits.parse().ok().filter(|_| plain)
        };
        // The keys after a count, at most as many as there are arguments.
        let counted = |at: usize, step: usize| {
            let keys = number(at).and_then(|keys| keys.checked_mul(step));
            let complete = keys.is_some_and(|keys| keys < count.saturating_sub(at));
            (at + 1..count.min(at.saturating_add(1 + keys.unwrap_or(0).min(count))), complete)
        };
        match info.keys {
            KeyPositions::Nowhere => {}
            KeyPositions::At(first, last, step) => {
                let distance = usize::from(last.unsigned_abs());
                let last = if last < 0 { (count + 1).saturating_sub(distance) } else { distance };
                (usize::from(first) - 1..last.min(count)).step_by(step.into()).for_each(named);
                return info.reach != Reach::Db || self.options(2, COPY_OPTIONS, |_, _| {});
            }
            KeyPositions::Counted(at) => {
                let (keys, complete) = counted(usize::from(at) - 1, 1);
                keys.for_each(named);
                return complete;
            }
            KeyPositions::CountedPairs(at) => {
                let (keys, complete) = counted(usize::from(at) - 1, 2);
                keys.step_by(2).for_each(named);
                return complete;
            }
            KeyPositions::Stored => {
                let (keys, complete) = counted(1, 1);
                std::iter::once(0).chain(keys).for_each(named);
                return complete;
            }
            KeyPositions::Streams => {
                let (_, streams) = self.streams();
                let Some(at) = streams else { return false };
                (at..at + (count - at) / 2).for_each(named);
            }
            KeyPositions::Sort => {
                named(0);
                return self.options(1, SORT_OPTIONS, |word, at| match word {
                    "STORE" if at < count => found(at, Role::Write),
                    "BY" | "GET" if at < count => found(at, Role::Pattern),
                    _ => {}
                });
            }
            KeyPositions::Radius(from) => {
                named(0);
                return self.options(usize::from(from) - 1, RADIUS_OPTIONS, |word, at| {
                    if word.starts_with("STORE") && at < count {
                        found(at, Role::Write);
                    }
                });
            }
            KeyPositions::Migrate => {
                let mut several = None;
                let known = self.options(5, MIGRATE_OPTIONS, |word, at| {
                    if word == "KEYS" {
                        several = Some(at);
                    }
                });
                match several {
                    Some(at) => (at..count).for_each(named),
                    None => named(2),
                }
                return known;
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(line: &str) -> Vec<String> {
        let mut words = line.split(' ');
        let mut command = Command::new(words.next().unwrap_or_default().to_owned());
        for word in words {
            command = command.arg(word);
        }
        let args: Vec<_> =
            command.args().map(|a| String::from_utf8_lossy(a).into_owned()).collect();
        command.key_positions().into_iter().map(|at| args[at].clone()).collect()
    }

    #[test]
    fn keys_are_found_wherever_they_stand() {
        assert_eq!(keys("get a"), ["a"]);
        assert_eq!(keys("MSET a 1 b 2"), ["a", "b"]);
        assert_eq!(keys("DEL a b c"), ["a", "b", "c"]);
        assert_eq!(keys("BLPOP a b 0"), ["a", "b"]);
        assert_eq!(keys("EVAL script 2 a b c"), ["a", "b"]);
        assert_eq!(keys("EVAL script 9999999999999 a"), ["a"]);
        assert_eq!(keys("ZUNIONSTORE d 2 a b WEIGHTS 1 2"), ["d", "a", "b"]);
        assert_eq!(keys("XREAD COUNT 1 STREAMS a b 0 0"), ["a", "b"]);
        assert_eq!(keys("SORT a BY w STORE d"), ["a", "d"]);
        assert_eq!(keys("SORT store STORE d STORE e"), ["store", "d", "e"]);
        assert_eq!(keys("GEORADIUS store 0 0 1 m STORE a STORE b"), ["store", "a", "b"]);
        assert_eq!(keys("GEORADIUSBYMEMBER store store 1 m"), ["store"]);
        assert_eq!(keys("XREADGROUP GROUP STREAMS c STREAMS s >"), ["s"]);
        assert_eq!(keys("MIGRATE h 1 a 0 1 COPY"), ["a"]);
        assert_eq!(keys("MIGRATE h 1 KEYS 0 1 AUTH KEYS"), ["KEYS"]);
        assert_eq!(keys("MIGRATE h 1  0 1 REPLACE KEYS a b"), ["a", "b"]);
        assert_eq!(keys("MSETEX 2 a 1 b 2 EX 5"), ["a", "b"]);
        assert_eq!(keys("PING"), Vec::<String>::new());
        assert_eq!(keys("GET"), Vec::<String>::new());
    }
}
