//! The steps of a walk over all keys.

use std::ops::Bound;

use super::Keyspace;
use super::walk::Step;
use crate::transport::memory::rdb::file::put_record;

impl Keyspace {
    /// Begins a walk, and ends one that was not finished.
    pub(in crate::transport::memory) fn begin_walk(&mut self) {
        self.walk = Some(Box::default());
    }

    pub(in crate::transport::memory) fn end_walk(&mut self) {
        self.walk = None;
    }

    /// Writes records of about this many keys, and stops when this many bytes were written.
    pub(in crate::transport::memory) fn step(
        &mut self,
        out: &mut Vec<u8>,
        mut keys: usize,
        bytes: usize,
    ) -> Step {
        let Some(walk) = &mut self.walk else { return Step::Cut };
        out.append(&mut walk.kept);
        if walk.is_cut {
            self.walk = None;
            return Step::Cut;
        }
        let from = walk.at.take().map_or(Bound::Unbounded, Bound::Excluded);
        for position in self.order.range((from, Bound::Unbounded)) {
            let key = &position.1;
            if !walk.changed.remove(key)
                && let Some(entry) = self.entries.get(key)
                && entry.expires_at.is_none_or(|at| at > self.now)
            {
                put_record(out, key, &entry.data, entry.expires_at);
            }
            keys = keys.saturating_sub(1);
            if keys == 0 || out.len() >= bytes {
                walk.at = Some(position.clone());
                return Step::More;
            }
        }
        self.walk = None;
        Step::Done
    }

    /// Records that a key is about to change.
    pub(super) fn keep(&mut self, key: &[u8]) {
        if let Some(walk) = &mut self.walk {
            let now = self.now;
            let entry = self.entries.get(key);
            // One that has expired is not written.
            walk.keep(key, entry.filter(|entry| entry.expires_at.is_none_or(|at| at > now)));
        }
    }

    /// Records that all keys are about to be deleted.
    pub(super) fn cut_walk(&mut self) {
        if let Some(walk) = &mut self.walk {
            walk.is_cut = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use bytes::Bytes;

    use super::*;
    use crate::command::Command;
    use crate::transport::memory::rdb::{dump, file};
    use crate::transport::memory::{commands, engine::Engine};

    /// Keys with their values and lifetimes.
    type Contents = BTreeMap<Bytes, (Vec<u8>, Option<u64>)>;

    fn contents(keyspace: &Keyspace) -> Contents {
        let of = |entry: &super::super::Entry| (dump(&entry.data), entry.expires_at);
        keyspace.keys().map(|(key, entry)| (key.clone(), of(entry))).collect()
    }

    fn read(mut records: Vec<u8>) -> Contents {
        file::put_end(&mut records);
        let (mut found, length) = (Contents::new(), records.len() as u64);
        let read = file::load(&mut &records[..], length, |key, data, expires_at| {
            let old = found.insert(key, (dump(&data), expires_at));
            assert!(old.is_none(), "a key is there twice");
        });
        assert!(read.is_ok_and(|functions| functions.is_empty()));
        found
    }

    /// One of the commands that change something, at random.
    fn change(random: &mut fastrand::Rng) -> Command {
        const FORMS: [&str; 14] = [
            "SET k v",
            "SET k v PXAT t",
            "APPEND k v",
            "DEL k",
            "RPUSH l v v",
            "LPOP l",
            "HSET h v v",
            "HDEL h v",
            "HPEXPIREAT h t FIELDS 1 v",
            "ZADD z 1 v",
            "RENAME k k",
            "COPY l l REPLACE",
            "PEXPIREAT k t",
            "XADD x * v v",
        ];
        let form = FORMS[random.usize(..FORMS.len())];
        let words = form.split(' ').map(|word| match word {
            "k" | "l" | "h" | "z" | "x" => format!("{word}{}", random.u8(..40)),
            "v" => random.u8(..20).to_string(),
            "t" => random.u16(900..1100).to_string(),
            fixed => fixed.to_owned(),
        });
        let mut words: Vec<_> = words.collect();
        let name = words.remove(0);
        Command::new(name).args_from(words)
    }

    #[test]
    fn a_walk_finds_everything_as_it_was_when_it_began() {
        for seed in 0..300 {
            let mut random = fastrand::Rng::with_seed(seed);
            let mut engine = Engine::new(commands::find);
            let mut now = 900;
            for _ in 0..random.usize(..300) {
                let _ = engine.run(&change(&mut random), now);
            }
            let mut expected = contents(&engine.keyspace);
            let mut records = Vec::new();
            engine.keyspace.begin_walk();
            let mut is_cut = false;
            let step = loop {
                for _ in 0..random.usize(..5) {
                    // Some expire meanwhile.
                    now += random.u64(..4);
                    let _ = engine.run(&change(&mut random), now);
                }
                if random.u8(..200) == 0 {
                    engine.keyspace.clear();
                    is_cut = true;
                }
                let step = engine.keyspace.step(&mut records, 1 + random.usize(..10), 400);
                if step != Step::More {
                    break step;
                }
            };
            assert!(engine.keyspace.walk.is_none(), "seed {seed}");
            assert_eq!(step == Step::Cut, is_cut, "seed {seed}");
            if is_cut {
                continue;
            }
            let mut found = read(records);
            // Of what has expired since then, nothing or all is written.
            let stays =
                |_: &Bytes, (_, at): &mut (Vec<u8>, Option<u64>)| at.is_none_or(|at| at > now);
            expected.retain(stays);
            found.retain(stays);
            assert!(found == expected, "seed {seed}: {} keys of {}", found.len(), expected.len());
        }
    }
}
