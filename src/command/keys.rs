//! Keys whatever they hold: existence, lifetime, names, iteration.

use std::fmt;
use std::time::Duration;

use super::{Arguments, Command, Execute, ToArg, time};
use crate::{Error, ErrorKind, FromValue, Result, Value};

/// How long a key or a field lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Lifetime {
    /// There is no such key.
    Missing,
    /// It never expires.
    Persistent,
    /// It expires after this time. TTL and HTTL round it to seconds, PTTL and HPTTL give milliseconds.
    Expires(Duration),
}

impl Lifetime {
    pub(super) fn from_seconds(value: Value) -> Result<Self> {
        Ok(Self::new(ExpireTime::from_value(value)?, Duration::from_secs))
    }

    pub(super) fn from_millis(value: Value) -> Result<Self> {
        Ok(Self::new(ExpireTime::from_value(value)?, Duration::from_millis))
    }

    fn new(reply: ExpireTime, unit: fn(u64) -> Duration) -> Self {
        match reply {
            ExpireTime::Missing => Self::Missing,
            ExpireTime::Persistent => Self::Persistent,
            ExpireTime::At(left) => Self::Expires(unit(left)),
        }
    }
}

/// The Unix time at which a key or a field expires.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ExpireTime {
    /// There is no such key.
    Missing,
    /// It never expires.
    Persistent,
    /// It expires at this time: in seconds from EXPIRETIME and HEXPIRETIME, in milliseconds from PEXPIRETIME and
    /// HPEXPIRETIME.
    At(u64),
}

impl FromValue for ExpireTime {
    fn from_value(value: Value) -> Result<Self> {
        match i64::from_value(value)? {
            -2 => Ok(Self::Missing),
            -1 => Ok(Self::Persistent),
            time => u64::try_from(time).map(Self::At).map_err(|_| {
                Error::new(ErrorKind::Type, "asked for a time of expiry, the reply is negative")
            }),
        }
    }
}

/// When EXPIRE and its kin change a time to live.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum ExpireIf {
    /// Always.
    #[default]
    Always,
    /// Only if the key has none (`NX`).
    Persistent,
    /// Only if the key has one (`XX`).
    Volatile,
    /// Only if the new one is later (`GT`); no expiry counts as latest.
    Later,
    /// Only if the new one is sooner (`LT`).
    Sooner,
}

impl ExpireIf {
    pub(super) fn append(self, command: Command) -> Command {
        match self {
            Self::Always => command,
            Self::Persistent => command.arg("NX"),
            Self::Volatile => command.arg("XX"),
            Self::Later => command.arg("GT"),
            Self::Sooner => command.arg("LT"),
        }
    }
}

/// Where an iteration stands. Opaque: it is kept as the text that the server sent, because cursors exceed what a
/// JavaScript number holds.
///
/// ```
/// use edgecask::command::keys::Cursor;
///
/// assert!(Cursor::default().is_done());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Cursor(String);

impl Cursor {
    /// Whether the iteration is over (and, as the default, where it begins).
    pub fn is_done(&self) -> bool {
        self.0 == "0"
    }
}

impl Default for Cursor {
    fn default() -> Self {
        Self("0".to_owned())
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl ToArg for Cursor {
    fn write_to(&self, args: &mut Arguments) {
        self.0.write_to(args);
    }
}

/// A page of an iteration: where to go on, and the items found.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Page<T> {
    /// Where to go on; done when [`Cursor::is_done`].
    pub cursor: Cursor,
    /// What this step found. It may be empty though the iteration is not over, and an item may come twice.
    pub items: T,
}

impl<T: FromValue> FromValue for Page<T> {
    fn from_value(value: Value) -> Result<Self> {
        let (cursor, items) = <(String, T)>::from_value(value)?;
        Ok(Self { cursor: Cursor(cursor), items })
    }
}

/// The options of SCAN and its kin. By default everything is visited, about ten items a step.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ScanOptions {
    pattern: Option<String>,
    count: Option<u64>,
    kind: Option<&'static str>,
}

impl ScanOptions {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Only items that match this glob.
    #[must_use]
    pub fn pattern(mut self, pattern: impl Into<String>) -> Self {
        self.pattern = Some(pattern.into());
        self
    }

    /// About how many items a step looks at. Default: the server's, 10.
    #[must_use]
    pub fn count(mut self, count: u64) -> Self {
        self.count = Some(count);
        self
    }

    /// Only keys of this type, as TYPE names it. SCAN alone takes it.
    #[must_use]
    pub fn kind(mut self, kind: &'static str) -> Self {
        self.kind = Some(kind);
        self
    }

    pub(crate) fn append(&self, mut command: Command) -> Command {
        if let Some(pattern) = &self.pattern {
            command = command.arg("MATCH").arg(pattern);
        }
        if let Some(count) = self.count {
            command = command.arg("COUNT").arg(count);
        }
        match self.kind {
            Some(kind) => command.arg("TYPE").arg(kind),
            None => command,
        }
    }
}

/// The options of RESTORE. By default the key never expires and must be absent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RestoreOptions {
    ttl: Option<Duration>,
    replace: bool,
}

impl RestoreOptions {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// The key expires after this time, rounded up to milliseconds. Zero counts as 1 ms, because Redis takes 0 for a key
    /// that never expires.
    #[must_use]
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = Some(ttl);
        self
    }

    /// Takes the place of what is there.
    #[must_use]
    pub fn replace(mut self) -> Self {
        self.replace = true;
        self
    }
}

/// The options of SORT. By default elements are sorted as numbers, the least first.
///
/// ```
/// use edgecask::command::keys::SortOptions;
///
/// let names_by_age = SortOptions::new().by("age_*").get("name_*").desc().limit(0, 10);
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SortOptions {
    by: Option<String>,
    limit: Option<(u64, u64)>,
    get: Vec<String>,
    desc: bool,
    alpha: bool,
}

impl SortOptions {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// By the values of these keys, with the element for `*`; without a `*`, not at all.
    #[must_use]
    pub fn by(mut self, pattern: impl Into<String>) -> Self {
        self.by = Some(pattern.into());
        self
    }

    /// Skips `offset` elements and gives at most `count`.
    #[must_use]
    pub fn limit(mut self, offset: u64, count: u64) -> Self {
        self.limit = Some((offset, count));
        self
    }

    /// Gives the values of these keys in place of the elements; `#` is the element itself.
    #[must_use]
    pub fn get(mut self, pattern: impl Into<String>) -> Self {
        self.get.push(pattern.into());
        self
    }

    /// The greatest first.
    #[must_use]
    pub fn desc(mut self) -> Self {
        self.desc = true;
        self
    }

    /// As text.
    #[must_use]
    pub fn alpha(mut self) -> Self {
        self.alpha = true;
        self
    }

    fn append(&self, command: Command) -> Command {
        let mut command = command.option("BY", self.by.as_ref());
        if let Some((offset, count)) = self.limit {
            command = command.arg("LIMIT").arg(offset).arg(count);
        }
        for pattern in &self.get {
            command = command.arg("GET").arg(pattern);
        }
        command.arg_if(self.desc, "DESC").arg_if(self.alpha, "ALPHA")
    }
}

/// The commands on keys of any type. Each is one command and one round trip.
///
/// ```
/// use edgecask::{command::keys::{Cursor, Lifetime, ScanOptions}, prelude::*};
/// use std::time::Duration;
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
/// # runtime.block_on(async {
/// let client = Client::memory();
/// client.set("user:1", "ada").await?;
/// assert_eq!(client.ttl("user:1").await?, Lifetime::Persistent);
/// assert!(client.expire("user:1", Duration::from_secs(60)).await?);
///
/// let first = ScanOptions::new().pattern("user:*");
/// let page = client.scan::<String>(&Cursor::default(), &first).await?;
/// assert_eq!(page.items, ["user:1"]);
/// assert_eq!(client.del(["user:1"]).await?, 1);
/// # Ok::<(), edgecask::Error>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait KeyCommands: Execute {
    /// Copies a value with its time to live; `false` if the source is absent or the target is there and `replace` is
    /// not set. [Redis COPY](https://redis.io/docs/latest/commands/copy/).
    #[doc(alias = "COPY")]
    fn copy(&self, from: impl ToArg, to: impl ToArg, replace: bool) -> Self::Reply<bool> {
        self.execute(Command::new("COPY").arg(from).arg(to).arg_if(replace, "REPLACE"))
    }

    /// Deletes keys, and tells how many were there. [Redis DEL](https://redis.io/docs/latest/commands/del/); [`KeyCommands::unlink`] frees memory later.
    #[doc(alias = "DEL")]
    fn del(&self, keys: impl IntoIterator<Item = impl ToArg>) -> Self::Reply<u64> {
        self.execute(Command::new("DEL").args_from(keys))
    }

    /// A value in a form for [`KeyCommands::restore`], of the same or a newer Redis. [Redis DUMP](https://redis.io/docs/latest/commands/dump/).
    #[doc(alias = "DUMP")]
    fn dump(&self, key: impl ToArg) -> Self::Reply<Option<Vec<u8>>> {
        self.execute(Command::new("DUMP").arg(key))
    }

    /// How many of these keys are there; a key named twice counts twice. [Redis EXISTS](https://redis.io/docs/latest/commands/exists/).
    #[doc(alias = "EXISTS")]
    fn exists(&self, keys: impl IntoIterator<Item = impl ToArg>) -> Self::Reply<u64> {
        self.execute(Command::new("EXISTS").args_from(keys))
    }

    /// Lets a key expire after this time; `false` if it is absent. Zero deletes the key.
    ///
    /// [Redis EXPIRE](https://redis.io/docs/latest/commands/expire/) for whole seconds,
    /// [Redis PEXPIRE](https://redis.io/docs/latest/commands/pexpire/) for any other time, which is rounded up to
    /// milliseconds.
    ///
    /// ```
    /// use edgecask::{command::keys::Lifetime, prelude::*};
    /// use std::time::Duration;
    ///
    /// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    /// # runtime.block_on(async {
    /// let client = Client::memory();
    /// client.set("session:1", "ada").await?;
    /// client.expire("session:1", Duration::from_millis(2500)).await?;
    /// assert!(matches!(client.pttl("session:1").await?, Lifetime::Expires(left) if left.as_secs() == 2));
    /// # Ok::<(), edgecask::Error>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "EXPIRE")]
    #[doc(alias = "PEXPIRE")]
    fn expire(&self, key: impl ToArg, after: Duration) -> Self::Reply<bool> {
        self.expire_if(key, after, ExpireIf::Always)
    }

    /// Lets a key expire after this time if the condition is met. Zero deletes the key.
    ///
    /// [Redis EXPIRE](https://redis.io/docs/latest/commands/expire/) for whole seconds,
    /// [Redis PEXPIRE](https://redis.io/docs/latest/commands/pexpire/) for any other time, which is rounded up to
    /// milliseconds.
    #[doc(alias = "EXPIRE")]
    #[doc(alias = "PEXPIRE")]
    fn expire_if(
        &self,
        key: impl ToArg,
        after: Duration,
        condition: ExpireIf,
    ) -> Self::Reply<bool> {
        let (name, number) = time::in_exact_unit(after, "EXPIRE", "PEXPIRE");
        self.execute(condition.append(Command::new(name).arg(key).arg(number)))
    }

    /// Lets a key expire at a Unix time in seconds. [Redis EXPIREAT](https://redis.io/docs/latest/commands/expireat/).
    #[doc(alias = "EXPIREAT")]
    fn expireat(&self, key: impl ToArg, at: i64, condition: ExpireIf) -> Self::Reply<bool> {
        self.execute(condition.append(Command::new("EXPIREAT").arg(key).arg(at)))
    }

    /// The Unix time in seconds at which a key expires. [Redis EXPIRETIME](https://redis.io/docs/latest/commands/expiretime/).
    #[doc(alias = "EXPIRETIME")]
    fn expiretime(&self, key: impl ToArg) -> Self::Reply<ExpireTime> {
        self.execute(Command::new("EXPIRETIME").arg(key))
    }

    /// Every key that matches a glob. [Redis KEYS](https://redis.io/docs/latest/commands/keys/): it visits all keys of the database in one go and holds up everybody
    /// else; [`KeyCommands::scan`] does not.
    #[doc(alias = "KEYS")]
    fn keys<R: FromValue>(&self, pattern: impl ToArg) -> Self::Reply<Vec<R>> {
        self.execute(Command::new("KEYS").arg(pattern))
    }

    /// How many bytes a key and its value take in memory. [Redis MEMORY USAGE](https://redis.io/docs/latest/commands/memory-usage/).
    #[doc(alias = "MEMORY USAGE")]
    fn memory_usage(&self, key: impl ToArg) -> Self::Reply<Option<u64>> {
        self.execute(Command::new("MEMORY").arg("USAGE").arg(key))
    }

    /// How a value is kept in memory, such as `listpack`. [Redis OBJECT ENCODING](https://redis.io/docs/latest/commands/object-encoding/).
    #[doc(alias = "OBJECT ENCODING")]
    fn object_encoding(&self, key: impl ToArg) -> Self::Reply<Option<String>> {
        self.execute(Command::new("OBJECT").arg("ENCODING").arg(key))
    }

    /// How often a key is used, where the server counts it (an LFU policy). [Redis OBJECT FREQ](https://redis.io/docs/latest/commands/object-freq/).
    #[doc(alias = "OBJECT FREQ")]
    fn object_freq(&self, key: impl ToArg) -> Self::Reply<Option<u64>> {
        self.execute(Command::new("OBJECT").arg("FREQ").arg(key))
    }

    /// For how long a key was not used, in whole seconds. [Redis OBJECT IDLETIME](https://redis.io/docs/latest/commands/object-idletime/).
    #[doc(alias = "OBJECT IDLETIME")]
    fn object_idletime(&self, key: impl ToArg) -> Self::Reply<Option<Duration>> {
        let command = Command::new("OBJECT").arg("IDLETIME").arg(key);
        self.execute_with(command, |value| Ok(Option::from_value(value)?.map(Duration::from_secs)))
    }

    /// How many references a value has. [Redis OBJECT REFCOUNT](https://redis.io/docs/latest/commands/object-refcount/).
    #[doc(alias = "OBJECT REFCOUNT")]
    fn object_refcount(&self, key: impl ToArg) -> Self::Reply<Option<u64>> {
        self.execute(Command::new("OBJECT").arg("REFCOUNT").arg(key))
    }

    /// Takes away a key's expiry; `false` if it has none or is absent. [Redis PERSIST](https://redis.io/docs/latest/commands/persist/).
    #[doc(alias = "PERSIST")]
    fn persist(&self, key: impl ToArg) -> Self::Reply<bool> {
        self.execute(Command::new("PERSIST").arg(key))
    }

    /// Lets a key expire at a Unix time in milliseconds. [Redis PEXPIREAT](https://redis.io/docs/latest/commands/pexpireat/).
    #[doc(alias = "PEXPIREAT")]
    fn pexpireat(&self, key: impl ToArg, at: i64, condition: ExpireIf) -> Self::Reply<bool> {
        self.execute(condition.append(Command::new("PEXPIREAT").arg(key).arg(at)))
    }

    /// The Unix time in milliseconds at which a key expires. [Redis PEXPIRETIME](https://redis.io/docs/latest/commands/pexpiretime/).
    #[doc(alias = "PEXPIRETIME")]
    fn pexpiretime(&self, key: impl ToArg) -> Self::Reply<ExpireTime> {
        self.execute(Command::new("PEXPIRETIME").arg(key))
    }

    /// How long a key has left, in milliseconds. [Redis PTTL](https://redis.io/docs/latest/commands/pttl/).
    #[doc(alias = "PTTL")]
    fn pttl(&self, key: impl ToArg) -> Self::Reply<Lifetime> {
        self.execute_with(Command::new("PTTL").arg(key), Lifetime::from_millis)
    }

    /// Any key, or `None` if the database is empty. [Redis RANDOMKEY](https://redis.io/docs/latest/commands/randomkey/).
    #[doc(alias = "RANDOMKEY")]
    fn randomkey<R: FromValue>(&self) -> Self::Reply<Option<R>> {
        self.execute(Command::new("RANDOMKEY"))
    }

    /// Renames a key, over any other of that name. An error if it is absent. [Redis RENAME](https://redis.io/docs/latest/commands/rename/).
    #[doc(alias = "RENAME")]
    fn rename(&self, from: impl ToArg, to: impl ToArg) -> Self::Reply<()> {
        self.execute(Command::new("RENAME").arg(from).arg(to))
    }

    /// Renames a key if the new name is free; tells whether it did. [Redis RENAMENX](https://redis.io/docs/latest/commands/renamenx/).
    #[doc(alias = "RENAMENX")]
    fn renamenx(&self, from: impl ToArg, to: impl ToArg) -> Self::Reply<bool> {
        self.execute(Command::new("RENAMENX").arg(from).arg(to))
    }

    /// Puts a value back that DUMP gave. [Redis RESTORE](https://redis.io/docs/latest/commands/restore/).
    #[doc(alias = "RESTORE")]
    fn restore(
        &self,
        key: impl ToArg,
        dump: impl ToArg,
        options: RestoreOptions,
    ) -> Self::Reply<()> {
        let ttl = time::millis_or_zero(options.ttl);
        let command = Command::new("RESTORE").arg(key).arg(ttl).arg(dump);
        self.execute(command.arg_if(options.replace, "REPLACE"))
    }

    /// One step through all keys. Begin with `Cursor::default()` and go on until the cursor is done. Keys that are
    /// there from beginning to end are found; one may come twice. [Redis SCAN](https://redis.io/docs/latest/commands/scan/).
    #[doc(alias = "SCAN")]
    fn scan<R: FromValue>(
        &self,
        cursor: &Cursor,
        options: &ScanOptions,
    ) -> Self::Reply<Page<Vec<R>>> {
        self.execute(options.append(Command::new("SCAN").arg(cursor)))
    }

    /// The elements of a list, set or sorted set in order. [Redis SORT](https://redis.io/docs/latest/commands/sort/).
    #[doc(alias = "SORT")]
    fn sort<R: FromValue>(&self, key: impl ToArg, options: &SortOptions) -> Self::Reply<Vec<R>> {
        self.execute(options.append(Command::new("SORT").arg(key)))
    }

    /// The same for replicas and read-only tokens. [Redis SORT_RO](https://redis.io/docs/latest/commands/sort_ro/).
    #[doc(alias = "SORT_RO")]
    fn sort_ro<R: FromValue>(&self, key: impl ToArg, options: &SortOptions) -> Self::Reply<Vec<R>> {
        self.execute(options.append(Command::new("SORT_RO").arg(key)))
    }

    /// Stores the elements in order as a list under `to`, and gives its length. [Redis SORT](https://redis.io/docs/latest/commands/sort/) with `STORE`.
    #[doc(alias = "SORT")]
    fn sort_store(
        &self,
        key: impl ToArg,
        options: &SortOptions,
        to: impl ToArg,
    ) -> Self::Reply<u64> {
        self.execute(options.append(Command::new("SORT").arg(key)).arg("STORE").arg(to))
    }

    /// Marks keys as used, and tells how many are there. [Redis TOUCH](https://redis.io/docs/latest/commands/touch/).
    #[doc(alias = "TOUCH")]
    fn touch(&self, keys: impl IntoIterator<Item = impl ToArg>) -> Self::Reply<u64> {
        self.execute(Command::new("TOUCH").args_from(keys))
    }

    /// How long a key has left, rounded to seconds. [Redis TTL](https://redis.io/docs/latest/commands/ttl/).
    #[doc(alias = "TTL")]
    fn ttl(&self, key: impl ToArg) -> Self::Reply<Lifetime> {
        self.execute_with(Command::new("TTL").arg(key), Lifetime::from_seconds)
    }

    /// The type of a key's value: `string`, `list`, `set`, `zset`, `hash`, `stream`, or `none`. [Redis TYPE](https://redis.io/docs/latest/commands/type/).
    #[doc(alias = "TYPE")]
    fn key_type(&self, key: impl ToArg) -> Self::Reply<String> {
        self.execute(Command::new("TYPE").arg(key))
    }

    /// Deletes keys and frees their memory later; tells how many were there. [Redis UNLINK](https://redis.io/docs/latest/commands/unlink/).
    #[doc(alias = "UNLINK")]
    fn unlink(&self, keys: impl IntoIterator<Item = impl ToArg>) -> Self::Reply<u64> {
        self.execute(Command::new("UNLINK").args_from(keys))
    }
}

impl<E: Execute + ?Sized> KeyCommands for E {}
