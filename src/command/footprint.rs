use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};

use super::{Access, Command, KeyPositions, Role};

/// The keys that commands touch, as hashes. Two keys with one hash only cause a wait.
#[derive(Default)]
pub(crate) struct Footprint {
    reads: HashSet<u64>,
    writes: HashSet<u64>,
    /// Whether keys are read that are not known from the command.
    reads_any: bool,
    writes_any: bool,
}

impl Footprint {
    pub(crate) fn of<'a>(
        commands: impl Iterator<Item = &'a Command>,
        hasher: &RandomState,
    ) -> Self {
        let mut touches = Self::default();
        commands.for_each(|command| touches.add(command, hasher));
        touches
    }

    pub(crate) fn add(&mut self, command: &Command, hasher: &RandomState) {
        let info = command.info();
        if info.keys == KeyPositions::Nowhere && info.access != Access::Control {
            self.reads_any = true;
            self.writes_any |= info.access == Access::Write;
            return;
        }
        let mut named = false;
        let known = command.each_key(|at, role| {
            let Some(key) = command.get(at) else { return };
            named = true;
            match role {
                Role::Read => self.reads.insert(hasher.hash_one(key)),
                Role::Write => self.writes.insert(hasher.hash_one(key)),
                Role::Pattern => {
                    self.reads_any = true;
                    true
                }
            };
        });
        // The command is a script without keys, or has an option that is not known.
        if !known || !named && info.access != Access::Control {
            self.reads_any = true;
            self.writes_any |= info.access == Access::Write;
        }
    }

    fn touches_anything(&self) -> bool {
        self.reads_any || !self.reads.is_empty() || self.writes_anything()
    }

    fn writes_anything(&self) -> bool {
        self.writes_any || !self.writes.is_empty()
    }

    /// Whether the order of the two matters. It takes as long as this one has keys.
    pub(crate) fn conflicts(&self, other: &Self) -> bool {
        let any = |a: &Self, b: &Self| {
            a.writes_any && b.touches_anything() || b.reads_any && a.writes_anything()
        };
        any(self, other)
            || any(other, self)
            || self.writes.iter().any(|key| other.reads.contains(key) || other.writes.contains(key))
            || self.reads.iter().any(|key| other.writes.contains(key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_write_to_the_same_key_conflicts() {
        let hasher = RandomState::new();
        let touches = |line: &str| {
            let mut words = line.split(' ').map(str::to_owned);
            let command = Command::new(words.next().unwrap_or_default()).args_from(words);
            Footprint::of([&command].into_iter(), &hasher)
        };
        for (one, other, conflicts) in [
            ("GET a", "GET a", false),
            ("SET a 1", "GET a", true),
            ("SET a 1", "SET a 2", true),
            ("SET a 1", "GET b", false),
            ("MGET a b", "DEL b", true),
            ("FLUSHALL", "GET a", true),
            ("SCAN 0", "SET a 1", true),
            ("SCAN 0", "GET a", false),
            ("EVAL x 0", "GET a", true),
            ("NOSUCHCOMMAND a", "GET b", true),
            ("PING", "SET a 1", false),
            ("COPY a b", "GET a", false),
            ("COPY a b", "GET b", true),
            ("ZUNIONSTORE d 1 a", "ZSCORE a m", false),
            ("ZUNIONSTORE d 1 a", "ZSCORE d m", true),
            ("GEORADIUS store 0 0 1 m STORE d", "GET d", true),
            ("GEORADIUS store 0 0 1 m COUNT 1 STORE c STORE d", "GET c", true),
            ("GEORADIUS a 0 0 1 m NEW STORE d", "GET b", true),
            ("SORT a", "GET b", false),
            ("SORT a BY w_*", "SET w_1 2", true),
            ("SORT get STORE get", "GET get", true),
            ("OBJECT ENCODING a", "SET a 1", true),
            ("OBJECT NEW a", "SET b 1", true),
            ("XREADGROUP GROUP STREAMS c STREAMS s >", "XADD s * f v", true),
            ("SPUBLISH a m", "SET a 1", false),
        ] {
            assert_eq!(touches(one).conflicts(&touches(other)), conflicts, "{one}, {other}");
            assert_eq!(touches(other).conflicts(&touches(one)), conflicts, "{other}, {one}");
        }
    }
}
