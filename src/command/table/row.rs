//! The fields of a row of the table: whether the command reads or writes, where its keys stand, whether it may be sent
//! again, how it waits, which tokens may send it.

use std::fmt;

/// What a command does to the keyspace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Access {
    /// Only reads keys: a replica will do. For tokens, see [`CommandInfo::read_only_token`].
    Read,
    /// May change keys. Commands that are not in the table count as writes.
    Write,
    /// Touches no keys.
    Control,
}

/// The positions of a command's keys among its arguments; argument 1 is the first after the name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum KeyPositions {
    /// It has none.
    Nowhere,
    /// First, last (negative: counted from the end) and step, as `COMMAND INFO` gives them.
    At(u8, i8, u8),
    /// A count at this position, then as many keys.
    Counted(u8),
    /// A count at this position, then as many pairs of a key and a value.
    CountedPairs(u8),
    /// A destination, then a count, then as many keys.
    Stored,
    /// The first half of what follows the option `STREAMS`.
    Streams,
    /// The first argument, the options `STORE`, and the patterns of the options `BY` and `GET`.
    Sort,
    /// The first argument, and the options `STORE` and `STOREDIST`; options begin at this position.
    Radius(u8),
    /// What follows the option `KEYS`, or else the third argument.
    Migrate,
}

/// Which of its keys a command writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum WrittenKeys {
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

/// Why a command is not sent on a shared connection.
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
    pub fn advice(self) -> &'static str {
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
    Idempotent,
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
    /// No keys: it names none and reaches none.
    NoKeys,
    /// Another database or server.
    Elsewhere,
    /// Another database, with the option DB.
    Db,
    /// Whatever the script or function that it runs reads.
    Code,
}

/// Whether a command may be sent a second time when the first answer was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Resend {
    /// Yes: the same state and the same reply.
    Safe,
    /// The same state, but the reply may differ: a second DEL answers 0, a second XGROUP CREATE is an error.
    Idempotent,
    /// No: a second INCR counts twice. Commands that are not in the table belong here.
    Unsafe,
}

/// One row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct CommandInfo {
    /// The name in capitals; each subcommand has a row of its own (`SCRIPT LOAD`).
    pub name: &'static str,
    /// Whether it reads or writes.
    pub access: Access,
    /// The positions of its keys.
    pub keys: KeyPositions,
    /// Where its reply names keys.
    pub reply_keys: ReplyKeys,
    /// Why it is not sent on a shared connection, if it is refused.
    pub refused: Option<Refusal>,
    /// Whether it has subcommands, each with a row of its own.
    pub is_container: bool,
    /// Whether a read-only token of Upstash suffices. It does for commands that read keys, and for PING, ECHO, TIME and
    /// INFO. It does not for commands that iterate over all keys or run code, and for SORT_RO.
    pub read_only_token: bool,
    pub(super) serves_when_busy: bool,
    pub(super) written: WrittenKeys,
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
        read_only_token: matches!(access, Access::Read),
        serves_when_busy: false,
        written: WrittenKeys::All,
        wait: Wait::Never,
        rule,
        reach: Reach::Keys,
    }
}

impl CommandInfo {
    pub(super) const UNKNOWN: Self = row("", Access::Write, KeyPositions::Nowhere, Rule::Unsafe);

    pub(super) const fn container(mut self) -> Self {
        self.is_container = true;
        self
    }

    pub(super) const fn writes(mut self, written: WrittenKeys) -> Self {
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

    /// It runs a script or a function, which may read keys that it does not name.
    pub(super) const fn runs_code(mut self) -> Self {
        self.reach = Reach::Code;
        self.full_token()
    }

    /// A read-only token does not suffice, although the command only reads.
    pub(super) const fn full_token(mut self) -> Self {
        self.read_only_token = false;
        self
    }

    /// A read-only token suffices.
    pub(super) const fn any_token(mut self) -> Self {
        self.read_only_token = true;
        self
    }

    /// It is for a server that is busy with a script.
    pub(super) const fn when_busy(mut self) -> Self {
        self.serves_when_busy = true;
        self
    }

    pub(super) const fn no_keys(mut self) -> Self {
        self.reach = Reach::NoKeys;
        self
    }

    pub(super) const fn elsewhere(mut self) -> Self {
        self.reach = Reach::Elsewhere;
        self
    }

    pub(super) const fn elsewhere_with_db(mut self) -> Self {
        self.reach = Reach::Db;
        self
    }

    /// Whether the command waits, always or with an option.
    pub fn may_wait(&self) -> bool {
        self.wait != Wait::Never
    }

    /// Whether the command may be sent again, by its name alone; `None` if that depends on its arguments. See
    /// [`Command::resend`](crate::command::Command::resend).
    pub fn resend(&self) -> Option<Resend> {
        match self.rule {
            Rule::Reads | Rule::Safe => Some(Resend::Safe),
            Rule::Idempotent => Some(Resend::Idempotent),
            Rule::Unsafe => Some(Resend::Unsafe),
            _ => None,
        }
    }

    /// Whether it names no keys and reaches none.
    pub(crate) fn reaches_no_keys(&self) -> bool {
        self.reach == Reach::NoKeys
    }
}

/// The documentation of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct CommandDocs {
    /// The family that it belongs to.
    pub group: Group,
    /// The version of Redis that introduced it (`6.2.0`), or of a module (`JSON 2.6.0`), or `Upstash` for a command that
    /// only Upstash has.
    pub since: &'static str,
    /// A summary in one sentence.
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
