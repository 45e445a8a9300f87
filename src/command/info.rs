//! What is known of each command: whether it reads or writes, may be sent again, waits, and where its keys stand.

use std::fmt;
use std::time::Duration;

use super::table::{DOCS, TABLE};
use super::{Command, Resend};

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
    /// A count at this position, then as many pairs of a key and a value.
    CountedPairs(usize),
    /// A destination, then a count, then as many keys.
    Stored,
    /// The first half of what follows the option `STREAMS`.
    Streams,
    /// The first argument, the options `STORE`, and the patterns of the options `BY` and `GET`.
    Sort,
    /// The first argument, and the options `STORE` and `STOREDIST`; options begin at this position.
    Radius(usize),
    /// What follows the option `KEYS`, or else the third argument.
    Migrate,
}

/// Which of its keys a command writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Written {
    /// All, if it writes.
    All,
    First,
    Second,
    /// Those of the option STORE.
    Stored,
}

/// Where a command's reply names keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ReplyKeys {
    /// Nowhere.
    Nowhere,
    /// The reply is a key.
    Whole,
    /// Every item is one.
    Every,
    /// The items of the second item are keys.
    Scan,
    /// The first item is one.
    First,
    /// The first item of every item, or every name of a map.
    Streams,
}

/// Where a waiting command says how long it waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Wait {
    Never,
    SecondsFirst,
    SecondsLast,
    MillisLast,
    /// With the option BLOCK alone, in milliseconds.
    Block,
}

/// Why a command is not sent on a connection that others share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Refusal {
    /// It belongs to a transaction that is built over several calls.
    Transaction,
    /// It turns the connection into a stream of messages, or ends that.
    Subscribe,
    /// It changes what later commands of the connection mean.
    Connection,
    /// It makes the server leave out replies, so that later callers would get each other's.
    Replies,
    /// It makes the connection one of a replica.
    Replication,
    /// It stops the server, or disturbs its other clients.
    Server,
}

impl Refusal {
    /// What to do instead, as a sentence.
    pub fn instead(self) -> &'static str {
        match self {
            Self::Transaction => "connections are shared between callers: use transaction()",
            Self::Subscribe => {
                "this command makes the connection a stream of messages, and connections are shared: use subscribe()"
            }
            Self::Connection => {
                "this command changes the state of a connection, and connections are shared: use the connection's \
                 settings, or a client of its own for another database or user"
            }
            Self::Replies => {
                "without replies, other callers of the shared connection would get each other's: ignore the reply instead"
            }
            Self::Replication => {
                "this command belongs to the protocol between servers: connect a replica by its own settings"
            }
            Self::Server => {
                "this command stops the server or disturbs its other clients: send it by redis-cli or the provider's console"
            }
        }
    }
}

/// Whether a command may be sent again, and whether it changes anything: for some it depends on the arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Rule {
    /// It changes nothing.
    Reads,
    Safe,
    ReplyMayDiffer,
    Unsafe,
    BitField,
    Copy,
    Expire,
    GetEx,
    HSetEx,
    JsonClear,
    JsonDel,
    JsonMSet,
    JsonPath,
    JsonSet,
    LRem,
    LTrim,
    Restore,
    Set,
    /// Safe unless the destination is among the sources.
    Stores,
    XTrim,
    ZAdd,
}

/// What a command reaches beyond the keys that it names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Reach {
    /// Nothing if it names keys; anything if it names none.
    Keys,
    /// Nothing, though it names no keys.
    Free,
    /// Another database or server.
    Elsewhere,
}

/// One row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct CommandInfo {
    /// The name in capitals; each subcommand has a row of its own (`SCRIPT LOAD`).
    pub name: &'static str,
    /// Whether it reads or writes.
    pub access: Access,
    /// Where its keys stand.
    pub keys: KeyPositions,
    /// Where its reply names keys.
    pub reply_keys: ReplyKeys,
    /// Why it is not sent on a connection that others share, if so.
    pub refused: Option<Refusal>,
    /// Whether it has subcommands, each with a row of its own.
    pub is_container: bool,
    pub(super) written: Written,
    pub(super) wait: Wait,
    pub(super) rule: Rule,
    pub(super) reach: Reach,
}

pub(super) const fn row(
    name: &'static str,
    access: Access,
    keys: KeyPositions,
    rule: Rule,
) -> CommandInfo {
    CommandInfo {
        name,
        access,
        keys,
        reply_keys: ReplyKeys::Nowhere,
        refused: None,
        is_container: false,
        written: Written::All,
        wait: Wait::Never,
        rule,
        reach: Reach::Keys,
    }
}

impl CommandInfo {
    const UNKNOWN: Self = row("", Access::Write, KeyPositions::Nowhere, Rule::Unsafe);

    pub(super) const fn container(mut self) -> Self {
        self.is_container = true;
        self
    }

    pub(super) const fn writes(mut self, written: Written) -> Self {
        self.written = written;
        self
    }

    pub(super) const fn names(mut self, reply_keys: ReplyKeys) -> Self {
        self.reply_keys = reply_keys;
        self
    }

    pub(super) const fn waits(mut self, wait: Wait) -> Self {
        self.wait = wait;
        self
    }

    pub(super) const fn refused(mut self, why: Refusal) -> Self {
        self.refused = Some(why);
        self
    }

    pub(super) const fn free(mut self) -> Self {
        self.reach = Reach::Free;
        self
    }

    pub(super) const fn elsewhere(mut self) -> Self {
        self.reach = Reach::Elsewhere;
        self
    }

    /// Every known command, sorted by name.
    pub fn all() -> &'static [Self] {
        &TABLE
    }

    /// Whether the command waits, always or with an option.
    pub fn may_wait(&self) -> bool {
        self.wait != Wait::Never
    }

    /// Whether the command may be sent again, by its name alone; `None` if that depends on its arguments. See
    /// [`Command::resend`].
    pub fn resend(&self) -> Option<Resend> {
        match self.rule {
            Rule::Reads | Rule::Safe => Some(Resend::Safe),
            Rule::ReplyMayDiffer => Some(Resend::ReplyMayDiffer),
            Rule::Unsafe => Some(Resend::Unsafe),
            _ => None,
        }
    }

    /// Whether it touches nothing of others', though it names no keys.
    pub(crate) fn is_free(&self) -> bool {
        self.reach == Reach::Free
    }

    pub(crate) fn reaches_elsewhere(&self) -> bool {
        self.reach == Reach::Elsewhere
    }

    /// The command's group, the version that brought it, and a summary. Whoever does not call this does not link them.
    pub fn docs(&self) -> Option<&'static CommandDocs> {
        TABLE.binary_search_by(|row| row.name.cmp(self.name)).ok().map(|at| &DOCS[at])
    }

    fn find(name: &str) -> Option<&'static Self> {
        find(hash_all(HASH_START, name.as_bytes()), |row| row == name)
    }
}

/// What there is to read of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct CommandDocs {
    /// The family that it belongs to.
    pub group: Group,
    /// The version of Redis that brought it (`6.2.0`), a module's (`JSON 2.6.0`), or `Upstash`, which alone has it.
    pub since: &'static str,
    /// What it does, in a sentence.
    pub summary: &'static str,
}

/// A family of commands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
#[allow(missing_docs)]
pub enum Group {
    Array,
    Bitmap,
    Cluster,
    Connection,
    Geo,
    Hash,
    HyperLogLog,
    Json,
    Keys,
    List,
    PubSub,
    Scripting,
    Search,
    Server,
    Set,
    SortedSet,
    Stream,
    String,
    Transaction,
    Vector,
    VectorSet,
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

const HASH_START: u32 = 0x811c_9dc5;
const SLOTS: usize = 1024;

const fn hash(state: u32, byte: u8) -> u32 {
    (state ^ byte as u32).wrapping_mul(0x0100_0193)
}

const fn hash_all(mut state: u32, bytes: &[u8]) -> u32 {
    let mut at = 0;
    while at < bytes.len() {
        state = hash(state, bytes[at]);
        at += 1;
    }
    state
}

const fn slot(hash: u32) -> usize {
    (hash ^ hash >> 15) as usize % SLOTS
}

/// Where the rows stand in the table, by the hash of their names: every command that is sent is looked up.
static INDEX: [u16; SLOTS] = {
    let mut index = [u16::MAX; SLOTS];
    let mut row = 0;
    while row < TABLE.len() {
        let mut at = slot(hash_all(HASH_START, TABLE[row].name.as_bytes()));
        while index[at] != u16::MAX {
            at = (at + 1) % SLOTS;
        }
        index[at] = row as u16;
        row += 1;
    }
    index
};

fn find(hash: u32, is_it: impl Fn(&str) -> bool) -> Option<&'static CommandInfo> {
    let mut at = slot(hash);
    // Less than half of the slots are taken, so that the search ends.
    while let Some(row) = TABLE.get(usize::from(INDEX[at])) {
        if is_it(row.name) {
            return Some(row);
        }
        at = (at + 1) % SLOTS;
    }
    None
}

/// What a command does with a key that its arguments name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Read,
    Write,
    /// It reads all keys that this pattern makes of elements.
    Pattern,
}

impl Command {
    /// What is known of this command. Unknown commands count as unsafe writes without keys; so do unknown subcommands,
    /// which have the row of their container.
    ///
    /// ```
    /// use edgecask::command::{Access, Command};
    ///
    /// assert_eq!(Command::new("get").arg("k").info().access, Access::Read);
    /// assert_eq!(Command::new("SCRIPT").arg("load").arg("return 1").info().name, "SCRIPT LOAD");
    /// ```
    pub fn info(&self) -> &'static CommandInfo {
        let Some(row) = CommandInfo::find(self.name()) else { return &CommandInfo::UNKNOWN };
        if !row.is_container {
            return row;
        }
        let Some(sub) = self.get(0) else { return row };
        let start = hash(hash_all(HASH_START, row.name.as_bytes()), b' ');
        let hash = sub.iter().fold(start, |state, byte| hash(state, byte.to_ascii_uppercase()));
        let is_it = |name: &str| {
            let name = name.as_bytes().split_at_checked(row.name.len() + 1);
            name.is_some_and(|(container, rest)| {
                container.starts_with(row.name.as_bytes()) && rest.eq_ignore_ascii_case(sub)
            })
        };
        find(hash, is_it).unwrap_or(row)
    }

    /// Whether this is a subcommand of a known command, and is not known itself.
    pub(crate) fn is_unknown_subcommand(&self) -> bool {
        let info = self.info();
        // COMMAND alone is a command too.
        info.is_container && (info.reach != Reach::Free || self.args().len() > 0)
    }

    /// Whether the command waits for data or for replicas: a blocking command, WAIT, WAITAOF, or XREAD and XREADGROUP
    /// with `BLOCK`.
    pub fn is_blocking(&self) -> bool {
        // Each command is asked this; most are told apart by their first letter.
        if !self.name().starts_with(['B', 'X', 'W']) {
            return false;
        }
        match self.info().wait {
            Wait::Never => false,
            Wait::Block => self.streams().0.is_some(),
            _ => true,
        }
    }

    /// How long a command that waits may wait, as its arguments say; [`Duration::MAX`] if for ever.
    pub fn blocks_for(&self) -> Option<Duration> {
        if !self.is_blocking() {
            return None;
        }
        let number = |at: usize| std::str::from_utf8(self.get(at)?).ok()?.parse::<f64>().ok();
        let last = || number(self.args().len().checked_sub(1)?);
        let seconds = match self.info().wait {
            Wait::Block => self.streams().0.and_then(number).map(|millis| millis / 1000.0),
            Wait::MillisLast => last().map(|millis| millis / 1000.0),
            Wait::SecondsFirst => number(0),
            Wait::SecondsLast | Wait::Never => last(),
        };
        // What cannot be read is refused by the server at once.
        let seconds = seconds.filter(|seconds| *seconds > 0.0).unwrap_or(f64::INFINITY);
        Some(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX))
    }

    /// The positions of the keys among [`Command::args`], counted from 0. Patterns, as of SORT's `BY`, are none.
    pub fn key_positions(&self) -> Vec<usize> {
        let mut positions = Vec::new();
        self.each_key(|at, role| {
            if role != Role::Pattern {
                positions.push(at);
            }
        });
        positions
    }

    pub(super) fn first_key(&self) -> Option<&[u8]> {
        let mut first = None;
        self.each_key(|at, _| first = first.or(self.get(at)));
        first
    }

    /// Calls `found` for each key and its position. `false` if an option is not known or a count cannot be read, so that
    /// there may be more.
    pub(crate) fn each_key(&self, mut found: impl FnMut(usize, Role)) -> bool {
        let info = self.info();
        let count = self.args().len();
        let mut nth = 0;
        let mut named = |at: usize| {
            let writes = info.access == Access::Write
                && match info.written {
                    Written::All => true,
                    Written::First => nth == 0,
                    Written::Second => nth == 1,
                    Written::Stored => false,
                };
            nth += 1;
            if at < count {
                found(at, if writes { Role::Write } else { Role::Read });
            }
        };
        // A count from outside may be any text. Servers may read one that is not plain digits differently from us.
        let number = |at: usize| -> Option<usize> {
            let digits = std::str::from_utf8(self.get(at)?).ok()?;
            let plain = digits.bytes().all(|digit| digit.is_ascii_digit())
                && (digits == "0" || !digits.starts_with('0'));
            digits.parse().ok().filter(|_| plain)
        };
        // The keys after a count; there are no more than arguments.
        let counted = |at: usize, step: usize| {
            let keys = number(at).and_then(|keys| keys.checked_mul(step));
            let complete = keys.is_some_and(|keys| keys < count.saturating_sub(at));
            (at + 1..count.min(at.saturating_add(1 + keys.unwrap_or(0).min(count))), complete)
        };
        match info.keys {
            KeyPositions::Nowhere => {}
            KeyPositions::At(first, last, step) => {
                let last = if last < 0 {
                    (count + 1).saturating_sub(last.unsigned_abs())
                } else {
                    last.unsigned_abs()
                };
                (first - 1..last.min(count)).step_by(step).for_each(named);
            }
            KeyPositions::Counted(at) => {
                let (keys, complete) = counted(at - 1, 1);
                keys.for_each(named);
                return complete;
            }
            KeyPositions::CountedPairs(at) => {
                let (keys, complete) = counted(at - 1, 2);
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
                return self.options(from - 1, RADIUS_OPTIONS, |word, at| {
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

    /// The position of the time of `BLOCK`, and of the first stream after `STREAMS`.
    fn streams(&self) -> (Option<usize>, Option<usize>) {
        let (mut block, mut streams) = (None, None);
        self.options(0, STREAM_OPTIONS, |word, at| match word {
            "BLOCK" => block = Some(at),
            "STREAMS" => streams = Some(at),
            _ => {}
        });
        (block, streams)
    }

    /// Goes through options from a position on, each with its number of arguments ([`REST`]: all that follow), and calls
    /// `found` with each one's word and the position of its first argument. `false` if there is a word that is none.
    pub(crate) fn options(
        &self,
        from: usize,
        known: &[(&'static str, usize)],
        mut found: impl FnMut(&'static str, usize),
    ) -> bool {
        let mut at = from;
        while let Some(arg) = self.get(at) {
            let is_it = |(word, _): &&(&str, usize)| arg.eq_ignore_ascii_case(word.as_bytes());
            let Some((word, takes)) = known.iter().find(is_it) else { return false };
            found(word, at + 1);
            at = at.saturating_add(1).saturating_add(*takes);
        }
        true
    }
}

/// An option that takes all arguments that follow.
pub(super) const REST: usize = usize::MAX;

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
const STREAM_OPTIONS: &[(&str, usize)] =
    &[("COUNT", 1), ("BLOCK", 1), ("GROUP", 2), ("NOACK", 0), ("CLAIM", 1), ("STREAMS", REST)];

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

    #[test]
    fn waiting_commands_begin_with_three_letters() {
        let waiting = TABLE.iter().filter(|row| row.may_wait());
        assert!(waiting.into_iter().all(|row| row.name.starts_with(['B', 'X', 'W'])));
    }

    #[test]
    fn every_row_is_found_by_its_name() {
        for row in &TABLE {
            let words = row.name.to_ascii_lowercase();
            let mut words = words.split(' ').map(str::to_owned);
            let command = Command::new(words.next().unwrap_or_default()).args_from(words);
            assert_eq!(command.info().name, row.name);
            assert!(row.docs().is_some_and(|docs| docs.summary.ends_with('.')));
        }
        assert_eq!(Command::new("CLIENT").arg("NEW").info().name, "CLIENT");
        assert!(Command::new("CLIENT").arg("NEW").is_unknown_subcommand());
        assert!(Command::new("CLIENT").is_unknown_subcommand());
        assert!(!Command::new("COMMAND").is_unknown_subcommand());
        assert_eq!(Command::new("NEW").info().name, "");
        assert_eq!(Command::new("SCRIPT LOADED").info().name, "");
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
        assert_eq!(blocks_for("XREADGROUP GROUP BLOCK 9 STREAMS s >"), None);
        assert_eq!(blocks_for("XREADGROUP GROUP g c BLOCK 0 STREAMS s >"), Some(Duration::MAX));
        assert_eq!(blocks_for("WAIT 1 250"), seconds(0.25));
        assert_eq!(blocks_for("WAITAOF 1 0 0"), Some(Duration::MAX));
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
        let (safe, differs, unsafe_) = (Resend::Safe, Resend::ReplyMayDiffer, Resend::Unsafe);
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
        let (safe, differs, unsafe_) = (Resend::Safe, Resend::ReplyMayDiffer, Resend::Unsafe);
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
