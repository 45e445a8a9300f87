//! Whether a command may be sent a second time when the first answer was lost: by its row, its arguments, and its
//! neighbours in a batch.
//!
//! A test runs every command of the table once and twice on a real server, and compares the results with these rules. In
//! doubt the answer is no.

use std::collections::HashMap;

use super::keys::Role;
use super::options::{COPY_OPTIONS, REST};
use super::row::{Access, KeyPositions, Reach, Resend, Rule};
use crate::command::Command;

/// Whether a command may be sent again, and whether it changes anything.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Reads,
    Writes(Resend),
}

const SAFE: Verdict = Verdict::Writes(Resend::Safe);
const IDEMPOTENT: Verdict = Verdict::Writes(Resend::Idempotent);
const UNSAFE: Verdict = Verdict::Writes(Resend::Unsafe);

impl Verdict {
    fn resend(self) -> Resend {
        match self {
            Self::Reads => Resend::Safe,
            Self::Writes(resend) => resend,
        }
    }
}

impl Resend {
    /// Whether commands that went as one batch may be sent again, all of them.
    ///
    /// Commands that are safe alone are not always safe together: in `GET k` and `SET k new`, the second run of GET returns
    /// `new`. So a batch is safe if it only reads, or if each command is safe and no command touches a key that another one
    /// writes. For a command with [`Command::with_resend`], the statement of its caller counts, and it is not compared with
    /// the others. Costs no round trip.
    ///
    /// ```
    /// use edgecask::command::{Resend, cmd};
    ///
    /// let range = || cmd("LRANGE").arg("q").arg(0).arg(1);
    /// let set = |key| cmd("SET").arg(key).arg("v");
    /// assert_eq!(Resend::of(&[range(), set("k")]), Resend::Safe);
    /// assert_eq!(Resend::of(&[range(), set("q")]), Resend::Unsafe);
    /// ```
    pub fn of(commands: &[Command]) -> Self {
        let worst = commands.iter().map(Command::resend).max().unwrap_or(Self::Safe);
        if worst == Self::Unsafe || commands.len() < 2 {
            return worst;
        }
        let verdicts =
            || commands.iter().enumerate().filter(|(_, command)| command.stated.is_none());
        if verdicts().all(|(_, command)| command.verdict() == Verdict::Reads) {
            return worst;
        }
        let (mut touched, mut written) = (HashMap::new(), Vec::new());
        for (number, command) in verdicts() {
            let info = command.info();
            let changes = command.verdict() != Verdict::Reads;
            let mut patterns = false;
            let known = command.each_key(|at, role| {
                let Some(key) = command.get(at) else { return };
                patterns |= role == Role::Pattern;
                let by = touched.entry(key).or_insert(Some(number));
                if *by != Some(number) {
                    *by = None;
                }
                // PFCOUNT reads, and stores the count in the value.
                if changes && (role == Role::Write || info.access == Access::Read) {
                    written.push(key);
                }
            });
            let unnamed = info.keys == KeyPositions::Nowhere
                && (changes || info.access != Access::Control && info.reach != Reach::NoKeys)
                || info.reach == Reach::Code;
            if unnamed || patterns || !known {
                return Self::Unsafe;
            }
        }
        // A key that several commands touch has no single owner.
        let shared = written.iter().any(|key| touched.get(key) == Some(&None));
        if shared { Self::Unsafe } else { worst }
    }
}

impl Command {
    /// Whether this very command, with its arguments, may be sent again after a lost answer. For several together, ask
    /// [`Resend::of`].
    ///
    /// ```
    /// use edgecask::command::{Command, Resend};
    ///
    /// assert_eq!(Command::new("SET").arg("k").arg("v").resend(), Resend::Safe);
    /// assert_eq!(Command::new("SET").arg("k").arg("v").arg("NX").resend(), Resend::Unsafe);
    /// ```
    pub fn resend(&self) -> Resend {
        self.stated.unwrap_or_else(|| self.verdict().resend())
    }

    fn verdict(&self) -> Verdict {
        match self.info().rule {
            Rule::Reads => Verdict::Reads,
            Rule::Safe => SAFE,
            Rule::Idempotent => IDEMPOTENT,
            Rule::Unsafe => UNSAFE,
            Rule::BitField => self.bitfield(),
            Rule::Copy => self.by_options(2, COPY_OPTIONS, IDEMPOTENT, |word, _, verdict| {
                if word == "REPLACE" {
                    *verdict = SAFE;
                }
            }),
            // A time in the past deletes the key, and a short time may be over before the second run. A condition may be
            // met only once.
            Rule::Expire => {
                let millis = self.name().trim_start_matches('H').starts_with('P');
                let plain = match self.word(2) {
                    Some("FIELDS") => self.fields_end(3, 1) == Some(self.args().len()),
                    _ => self.args().len() == 2,
                };
                if plain && self.is_long(1, millis) { SAFE } else { IDEMPOTENT }
            }
            Rule::GetEx => self.getex(),
            Rule::HSetEx => self.hsetex(),
            Rule::LRem if self.integer(1) == Some(0) => IDEMPOTENT,
            Rule::LRem => UNSAFE,
            // A second run cuts nothing more only if both indexes count from an end that is kept.
            Rule::LTrim => match (self.integer(1), self.integer(2)) {
                (Some(0), Some(0..)) | (Some(..=0), Some(-1)) => SAFE,
                _ => UNSAFE,
            },
            Rule::Restore => {
                let options = &[("REPLACE", 0), ("IDLETIME", 1), ("FREQ", 1)];
                self.by_options(3, options, UNSAFE, |word, _, verdict| {
                    if word == "REPLACE" {
                        *verdict = SAFE;
                    }
                })
            }
            // The condition may be met only the first time, and GET returns the value from before.
            Rule::Set => {
                let options = &[("EX", 1), ("PX", 1), ("EXAT", 1), ("PXAT", 1), ("KEEPTTL", 0)];
                self.by_options(2, options, SAFE, |_, _, _| {})
            }
            Rule::Stores => self.stores(),
            Rule::XTrim => self.xtrim(),
            Rule::ZAdd => self.zadd(),
            Rule::JsonSet if self.args().len() == 3 && self.is_plain_path(1) => SAFE,
            Rule::JsonPath
                if self.args().len() == 3 && self.is_plain_path(1) && !self.holds_null(2) =>
            {
                SAFE
            }
            Rule::JsonMSet => self.json_mset(),
            Rule::JsonClear if self.args().len() < 2 || self.is_plain_path(1) => IDEMPOTENT,
            Rule::JsonDel if self.args().len() < 2 || self.is_path_of_names(1) => IDEMPOTENT,
            Rule::JsonSet | Rule::JsonPath | Rule::JsonClear | Rule::JsonDel => UNSAFE,
        }
    }

    /// The verdict by the options: `start`, unless `says` changes it at one of them. Unknown options make it unsafe.
    fn by_options(
        &self,
        from: usize,
        known: &[(&'static str, usize)],
        start: Verdict,
        says: impl Fn(&'static str, usize, &mut Verdict),
    ) -> Verdict {
        let mut verdict = start;
        let known = self.options(from, known, |word, at| says(word, at, &mut verdict));
        if known { verdict } else { UNSAFE }
    }

    fn integer(&self, at: usize) -> Option<i64> {
        std::str::from_utf8(self.get(at)?).ok()?.parse().ok()
    }

    /// The argument in upper case, if it is one of these words.
    fn word(&self, at: usize) -> Option<&'static str> {
        let arg = self.get(at)?;
        ["FIELDS", "INCR", "NX", "XX", "GT", "LT", "CH"]
            .into_iter()
            .find(|word| arg.eq_ignore_ascii_case(word.as_bytes()))
    }

    fn bitfield(&self) -> Verdict {
        let operations = &[("GET", 2), ("SET", 3), ("INCRBY", 3), ("OVERFLOW", 1)];
        self.by_options(1, operations, Verdict::Reads, |word, _, verdict| match word {
            "SET" if *verdict != UNSAFE => *verdict = IDEMPOTENT,
            "INCRBY" => *verdict = UNSAFE,
            _ => {}
        })
    }

    /// GETEX and HGETEX: after a Unix time in the past, or a short time to live, the second run finds nothing.
    fn getex(&self) -> Verdict {
        let options =
            &[("EX", 1), ("PX", 1), ("EXAT", 1), ("PXAT", 1), ("PERSIST", 0), ("FIELDS", REST)];
        self.by_options(1, options, Verdict::Reads, |word, at, verdict| match word {
            "EXAT" | "PXAT" => *verdict = UNSAFE,
            // Options may also follow the fields.
            "FIELDS" if self.fields_end(at, 1) != Some(self.args().len()) => *verdict = UNSAFE,
            "EX" | "PX" if !self.is_long(at, word == "PX") => *verdict = IDEMPOTENT,
            "EX" | "PX" | "PERSIST" if *verdict == Verdict::Reads => *verdict = SAFE,
            _ => {}
        })
    }

    fn hsetex(&self) -> Verdict {
        let options =
            &[("EX", 1), ("PX", 1), ("EXAT", 1), ("PXAT", 1), ("KEEPTTL", 0), ("FIELDS", REST)];
        self.by_options(1, options, SAFE, |word, at, verdict| match word {
            "EXAT" | "PXAT" => *verdict = IDEMPOTENT,
            "FIELDS" if self.fields_end(at, 2) != Some(self.args().len()) => *verdict = UNSAFE,
            _ => {}
        })
    }

    /// The position after the fields whose count is at `count_at`, with `step` arguments for each field.
    fn fields_end(&self, count_at: usize, step: usize) -> Option<usize> {
        let fields = usize::try_from(self.integer(count_at)?).ok()?;
        fields.checked_mul(step)?.checked_add(count_at + 1)
    }

    /// Whether a time to live outlasts every wait before a second run.
    fn is_long(&self, at: usize, millis: bool) -> bool {
        const LONG: i64 = 60;
        self.integer(at).is_some_and(|time| time >= if millis { LONG * 1000 } else { LONG })
    }

    /// With `~` or LIMIT a run trims only a part of the entries, and the next run trims more.
    fn xtrim(&self) -> Verdict {
        let partly = |arg: &[u8]| arg == b"~" || arg.eq_ignore_ascii_case(b"LIMIT");
        if self.args().skip(1).any(partly) { UNSAFE } else { IDEMPOTENT }
    }

    fn stores(&self) -> Verdict {
        let (mut read, mut written, mut patterns) = (Vec::new(), Vec::new(), false);
        let known = self.each_key(|at, role| match role {
            Role::Read => read.push(self.get(at)),
            Role::Write => written.push(self.get(at)),
            Role::Pattern => patterns = true,
        });
        match written.is_empty() {
            _ if !known => UNSAFE,
            true => Verdict::Reads,
            false if patterns || written.iter().any(|key| read.contains(key)) => UNSAFE,
            false => SAFE,
        }
    }

    fn zadd(&self) -> Verdict {
        let mut options = (1..self.args().len()).map_while(|at| self.word(at));
        if options.any(|word| word == "INCR") { UNSAFE } else { IDEMPOTENT }
    }

    /// It sets one value after the other. If a key occurs twice, the result may depend on the order.
    fn json_mset(&self) -> Verdict {
        let keys = || self.args().step_by(3);
        let distinct =
            keys().enumerate().all(|(at, key)| keys().take(at).all(|other| other != key));
        let plain = (1..self.args().len()).step_by(3).all(|at| self.is_plain_path(at));
        if distinct && plain { SAFE } else { UNSAFE }
    }

    /// Whether a JSON path names one place, whatever the document holds: no wildcard, filter, slice or descent.
    fn is_plain_path(&self, at: usize) -> bool {
        self.get(at).is_some_and(|path| {
            let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"$._-[]\"'".contains(byte);
            path.iter().all(plain) && !path.windows(2).any(|pair| pair == b"..")
        })
    }

    /// Whether a JSON path names one place by names alone: after a deletion, the next element has an index.
    fn is_path_of_names(&self, at: usize) -> bool {
        self.is_plain_path(at)
            && self.get(at).is_some_and(|path| {
                !path.contains(&b'[')
                    && !path.split(|byte| *byte == b'.').any(|name| {
                        name.first().is_some_and(|byte| byte.is_ascii_digit() || *byte == b'-')
                    })
            })
    }

    /// A `null` in a merge deletes what is there, and is stored where nothing is.
    fn holds_null(&self, at: usize) -> bool {
        self.get(at).is_some_and(|json| json.windows(4).any(|word| word == b"null"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_change_what_may_be_sent_again() {
        let resend = |line: &str| {
            let mut words = line.split(' ');
            let command = Command::new(words.next().unwrap_or_default().to_owned());
            words.fold(command, |command, word| command.arg(word)).resend()
        };
        assert_eq!(resend("SET k nx"), Resend::Safe);
        assert_eq!(resend("SET k v EX 5 GET"), Resend::Unsafe);
        assert_eq!(resend("ZADD z INCR 1 m"), Resend::Unsafe);
        assert_eq!(resend("script load x"), Resend::Safe);
        assert_eq!(resend("NEWCOMMAND k"), Resend::Unsafe);
        assert_eq!(resend("DEL k"), Resend::Idempotent);
        let (safe, differs, unsafe_) = (Resend::Safe, Resend::Idempotent, Resend::Unsafe);
        for (line, expected) in [
            ("LTRIM q 2 -1", unsafe_),
            ("LTRIM q 0 -2", unsafe_),
            ("LTRIM q 0 9", safe),
            ("LTRIM q -9 -1", safe),
            ("ZUNIONSTORE t 2 t d", unsafe_),
            ("ZUNIONSTORE t 2 s d WEIGHTS 2 2", safe),
            ("BITOP NOT k k", unsafe_),
            ("BITOP XOR k k o", unsafe_),
            ("BITOP XOR d k o", safe),
            ("ZRANGESTORE a a 1 2", unsafe_),
            ("SDIFFSTORE b a b", unsafe_),
            ("ZDIFFSTORE a 1 a", unsafe_),
            ("EXPIRE k 100", safe),
            ("EXPIRE k 100 NX", differs),
            ("EXPIRE k -1", differs),
            ("HEXPIRE k 100 FIELDS 1 f", safe),
            ("HEXPIRE k 100 NX FIELDS 1 f", differs),
            ("HSETEX k FNX FIELDS 1 f v", unsafe_),
            ("HSETEX k EX 5 FIELDS 1 FNX v", safe),
            ("HSETEX k FIELDS 1 f v FNX", unsafe_),
            ("HGETEX k EXAT 1 FIELDS 1 f", unsafe_),
            ("HGETEX k EX 100 FIELDS 1 f", safe),
            ("GETEX k PERSIST", safe),
            ("JSON.SET k $ 1", safe),
            ("JSON.SET k $ 1 NX", unsafe_),
            ("JSON.SET k $..a 1", unsafe_),
            ("JSON.DEL k $.a[0]", unsafe_),
            ("JSON.DEL k $.a", differs),
            ("JSON.MERGE k $ null", unsafe_),
            ("ZADD z 1 INCR", differs),
            ("ZADD z NX INCR 1 m", unsafe_),
            ("LREM l 0 a", differs),
            ("LREM l 1 a", unsafe_),
            ("BITFIELD k GET u8 0", safe),
            ("BITFIELD k SET u8 0 1", differs),
            ("BITFIELD k SET u8 INCRBY 1", differs),
            ("BITFIELD k SET u8 0 1 INCRBY u8 0 1", unsafe_),
            ("SORT l", safe),
            ("SORT l STORE d", safe),
            ("SORT l STORE l", unsafe_),
            ("SORT l BY w_* STORE d", unsafe_),
            ("GEORADIUS l 0 0 1 m STORE d STORE l", unsafe_),
            ("RESTORE k 0 x", unsafe_),
            ("RESTORE k 0 x REPLACE", safe),
            ("COPY a b", differs),
            ("COPY a b REPLACE", safe),
            ("EXPIRE k 59", differs),
            ("PEXPIRE k 59999", differs),
            ("PEXPIRE k 60000", safe),
            ("HPEXPIRE k 100 FIELDS 1 f", differs),
            ("HEXPIRE k 100 FIELDS 1 f NX", differs),
            ("GETEX k EX 60", safe),
            ("GETEX k EX 1", differs),
            ("GETEX k PX 100", differs),
            ("HGETEX h FIELDS 1 f", safe),
            ("HGETEX h FIELDS 1 f PERSIST", unsafe_),
            ("HGETEX h FIELDS 1 f EX 10", unsafe_),
            ("XTRIM s MAXLEN 10", differs),
            ("XTRIM s MAXLEN ~ 10", unsafe_),
            ("XTRIM s MAXLEN ~ 0 LIMIT 100", unsafe_),
            ("ZUNIONSTORE d +1 s", unsafe_),
            ("ZUNIONSTORE d 3 s", unsafe_),
        ] {
            assert_eq!(resend(line), expected, "{line}");
        }
    }

    #[test]
    fn a_batch_is_safe_if_nothing_touches_what_another_writes() {
        let of = |lines: &[&str]| {
            let command = |line: &&str| {
                let mut words = line.split(' ').map(str::to_owned);
                Command::new(words.next().unwrap_or_default()).args_from(words)
            };
            Resend::of(&lines.iter().map(command).collect::<Vec<_>>())
        };
        let (safe, differs, unsafe_) = (Resend::Safe, Resend::Idempotent, Resend::Unsafe);
        for (lines, expected) in [
            (&["GET k", "GET k", "LRANGE k 0 1"][..], safe),
            (&["SET a 1", "SET b 1", "GET c", "PING"], safe),
            (&["SET a 1", "DEL b"], differs),
            (&["GET k", "SET k new"], unsafe_),
            (&["SET k new", "GET k"], unsafe_),
            (&["SET k a", "SET k b"], unsafe_),
            (&["COPY cur prev REPLACE", "SET cur new"], unsafe_),
            (&["LRANGE q 0 1", "LTRIM q 2 -1"], unsafe_),
            (&["LRANGE q 0 1", "LTRIM q 0 1"], unsafe_),
            (&["MSET a 1 a 2", "GET b"], safe),
            (&["KEYS *", "SET a 1"], unsafe_),
            (&["SORT l BY w_*", "SET w_1 2"], unsafe_),
            (&["SORT l", "SET w_1 2"], safe),
            (&["EVAL_RO x 1 a", "SET b 1"], unsafe_),
            (&["CONFIG SET a 1", "CONFIG GET a"], unsafe_),
            (&["FLUSHALL", "SET a 1"], unsafe_),
            (&["INCR a", "GET b"], unsafe_),
        ] {
            assert_eq!(of(lines), expected, "{lines:?}");
        }
        let incr = Command::new("INCR").arg("k").with_resend(safe);
        let get = |key| Command::new("GET").arg(key);
        assert_eq!(Resend::of(&[incr.clone(), get("k")]), safe, "its caller answers for it");
        let late = Command::new("SET").arg("k").arg("v").with_resend(unsafe_);
        assert_eq!(Resend::of(&[late, get("a")]), unsafe_);
    }

    #[test]
    fn a_caller_may_state_what_may_be_sent_again() {
        let harmless = Command::new("INCR").arg("k").with_resend(Resend::Safe);
        assert_eq!(harmless.resend(), Resend::Safe);
        let late = Command::new("SET").arg("k").arg("v").with_resend(Resend::Unsafe);
        assert_eq!(late.clone().arg("GET").resend(), Resend::Unsafe);
        assert_eq!(late, Command::new("SET").arg("k").arg("v"), "it is no part of the command");
    }
}
