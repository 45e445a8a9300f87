//! What is known of each command: whether it reads or writes, may be sent again, blocks, and where its keys stand.

use std::time::Duration;

use super::Command;
use super::table::TABLE;

/// What a command does to the keyspace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Access {
    /// Only reads keys: a read-only token or a replica will do.
    Read,
    /// May change keys. Commands that are not in the table count as writes.
    Write,
    /// Touches no keys.
    Control,
}

/// Whether a command may be sent a second time when the first answer was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Resend {
    /// Yes: the same state and the same reply.
    Safe,
    /// The same state, but the reply may differ: a second DEL answers 0.
    ReplyMayDiffer,
    /// No: a second INCR counts twice. Commands that are not in the table belong here.
    Unsafe,
}

/// Where a command's keys stand among its arguments; argument 1 is the first after the name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum KeyPositions {
    /// It has none.
    Nowhere,
    /// First, last (negative: counted from the end) and step, as `COMMAND INFO` gives them.
    At(usize, isize, usize),
    /// A count at this position, then as many keys.
    Counted(usize),
    /// A destination, then a count, then as many keys.
    Stored,
    /// The first half of what follows the word `STREAMS`.
    Streams,
    /// The first argument, and the one that follows the word `STORE` or `STOREDIST`.
    WithStore,
}

/// One row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct CommandInfo {
    /// The name in capitals; a subcommand that differs from its container has a row of its own (`SCRIPT LOAD`).
    pub name: &'static str,
    /// Whether it reads or writes.
    pub access: Access,
    /// Whether it may be sent again, by its name alone; [`Command::resend`] also looks at the arguments.
    pub resend: Resend,
    /// Where its keys stand.
    pub keys: KeyPositions,
    /// Whether it waits for data. REST does not serve such commands.
    pub blocking: bool,
}

impl CommandInfo {
    const UNKNOWN: Self = Self {
        name: "",
        access: Access::Write,
        resend: Resend::Unsafe,
        keys: KeyPositions::Nowhere,
        blocking: false,
    };

    /// Every known command, sorted by name.
    pub fn all() -> &'static [Self] {
        TABLE
    }

    fn find(name: &str) -> Option<&'static Self> {
        TABLE.binary_search_by(|row| row.name.cmp(name)).ok().map(|at| &TABLE[at])
    }
}

impl Command {
    /// What is known of this command. Unknown commands count as unsafe writes without keys.
    ///
    /// ```
    /// use edgecask::command::{Access, Command, Resend};
    ///
    /// let get = Command::new("get").arg("k");
    /// assert_eq!((get.info().access, get.info().resend), (Access::Read, Resend::Safe));
    /// assert_eq!(Command::new("INCR").arg("k").info().resend, Resend::Unsafe);
    /// ```
    pub fn info(&self) -> &'static CommandInfo {
        let row = CommandInfo::find(self.name());
        if !matches!(self.name(), "SCRIPT" | "FUNCTION" | "CONFIG" | "ACL" | "MEMORY") {
            return row.unwrap_or(&CommandInfo::UNKNOWN);
        }
        self.args()
            .next()
            .and_then(|sub| std::str::from_utf8(sub).ok())
            .and_then(|sub| {
                CommandInfo::find(&format!("{} {}", self.name(), sub.to_ascii_uppercase()))
            })
            .or(row)
            .unwrap_or(&CommandInfo::UNKNOWN)
    }

    /// Whether this very command, with its arguments, may be sent again after a lost answer.
    ///
    /// ```
    /// use edgecask::command::{Command, Resend};
    ///
    /// assert_eq!(Command::new("SET").arg("k").arg("v").resend(), Resend::Safe);
    /// assert_eq!(Command::new("SET").arg("k").arg("v").arg("NX").resend(), Resend::Unsafe);
    /// ```
    pub fn resend(&self) -> Resend {
        if let Some(stated) = self.stated {
            return stated;
        }
        let has_word = |from: usize, words: &[&str]| {
            self.args()
                .skip(from)
                .any(|arg| words.iter().any(|word| arg.eq_ignore_ascii_case(word.as_bytes())))
        };
        match self.name() {
            // The condition may be met the first time only, and GET answers with what was there before.
            "SET" if has_word(2, &["NX", "XX", "GET", "IFEQ", "IFNE", "IFDEQ", "IFDNE"]) => {
                Resend::Unsafe
            }
            "ZADD" if has_word(1, &["INCR"]) => Resend::Unsafe,
            "COPY" if has_word(2, &["REPLACE"]) => Resend::Safe,
            "XREADGROUP" => Resend::Unsafe,
            _ => self.info().resend,
        }
    }

    /// Whether the command waits for data: a blocking command, or XREAD and XREADGROUP with `BLOCK`.
    pub fn is_blocking(&self) -> bool {
        // Each command is asked this; most are told apart by their first letter.
        if !self.name().starts_with(['B', 'X']) {
            return false;
        }
        self.info().blocking
            || (matches!(self.name(), "XREAD" | "XREADGROUP")
                && self
                    .args()
                    .take_while(|arg| !arg.eq_ignore_ascii_case(b"STREAMS"))
                    .any(|arg| arg.eq_ignore_ascii_case(b"BLOCK")))
    }

    /// How long a command that waits for data may wait, as its arguments say; [`Duration::MAX`] if for ever.
    pub fn blocks_for(&self) -> Option<Duration> {
        if !self.is_blocking() {
            return None;
        }
        let text = |at: usize| std::str::from_utf8(self.get(at)?).ok();
        let last = self.args().len().checked_sub(1);
        let seconds: Option<f64> = match self.name() {
            "XREAD" | "XREADGROUP" => {
                let at = self.args().position(|arg| arg.eq_ignore_ascii_case(b"BLOCK"));
                at.and_then(|at| Some(text(at + 1)?.parse::<f64>().ok()? / 1000.0))
            }
            "BLMPOP" | "BZMPOP" => text(0).and_then(|text| text.parse().ok()),
            _ => last.and_then(text).and_then(|text| text.parse().ok()),
        };
        // What cannot be read is refused by the server at once.
        let seconds = seconds.filter(|seconds| *seconds > 0.0).unwrap_or(f64::INFINITY);
        Some(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX))
    }

    /// The positions of the keys among [`Command::args`], counted from 0.
    pub fn key_positions(&self) -> Vec<usize> {
        let count = self.args().len();
        // A count from outside may be any number; there are no more keys than arguments.
        let number = |at: usize| -> usize {
            self.get(at)
                .and_then(|arg| std::str::from_utf8(arg).ok()?.parse().ok())
                .map_or(0, |number: usize| number.min(count))
        };
        let word = |words: &[&str]| {
            self.args()
                .position(|arg| words.iter().any(|word| arg.eq_ignore_ascii_case(word.as_bytes())))
        };
        let positions: Vec<usize> = match self.info().keys {
            KeyPositions::Nowhere => Vec::new(),
            KeyPositions::At(first, last, step) => {
                let last = if last < 0 {
                    (count + 1).saturating_sub(last.unsigned_abs())
                } else {
                    last.unsigned_abs()
                };
                (first - 1..last).step_by(step).collect()
            }
            KeyPositions::Counted(at) => (at..at + number(at - 1)).collect(),
            KeyPositions::Stored => std::iter::once(0).chain(2..2 + number(1)).collect(),
            KeyPositions::Streams => match word(&["STREAMS"]) {
                Some(at) => (at + 1..at + 1 + (count - at - 1) / 2).collect(),
                None => Vec::new(),
            },
            KeyPositions::WithStore => {
                let stored = word(&["STORE", "STOREDIST"]).map(|at| at + 1);
                std::iter::once(0).chain(stored).collect()
            }
        };
        positions.into_iter().filter(|at| *at < count).collect()
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
    fn the_table_is_sorted() {
        assert!(TABLE.windows(2).all(|pair| pair[0].name < pair[1].name));
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
        assert_eq!(keys("PING"), Vec::<String>::new());
        assert_eq!(keys("GET"), Vec::<String>::new());
    }

    #[test]
    fn blocking_commands_begin_with_two_letters() {
        assert!(TABLE.iter().filter(|row| row.blocking).all(|row| row.name.starts_with('B')));
    }

    #[test]
    fn waiting_times_are_read_from_the_arguments() {
        let blocks_for = |line: &str| {
            let mut words = line.split(' ').map(str::to_owned);
            Command::new(words.next().unwrap_or_default()).args_from(words).blocks_for()
        };
        let seconds = |seconds| Some(Duration::from_secs_f64(seconds));
        assert_eq!(blocks_for("BLPOP a b 1.5"), seconds(1.5));
        assert_eq!(blocks_for("BLPOP a 0"), Some(Duration::MAX));
        assert_eq!(blocks_for("BZMPOP 2 1 a MIN"), seconds(2.0));
        assert_eq!(blocks_for("XREAD COUNT 1 BLOCK 250 STREAMS s $"), seconds(0.25));
        assert_eq!(blocks_for("XREAD STREAMS s $"), None);
        assert_eq!(blocks_for("LPOP a"), None);
    }

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
        assert_eq!(resend("DEL k"), Resend::ReplyMayDiffer);
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
