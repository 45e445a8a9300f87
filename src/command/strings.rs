//! Strings: values of bytes, counters, and their lifetimes.

use std::time::Duration;

use super::{Command, Execute, ToArg, applied, time};
use crate::FromValue;

/// The expiry that SET, HSETEX, GETEX or HGETEX sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Expiry {
    /// After this time: `EX` for whole seconds, `PX` for any other, which is rounded up to milliseconds. Redis refuses zero.
    Ex(Duration),
    /// At this Unix time in seconds (`EXAT`).
    ExAt(u64),
    /// At this Unix time in milliseconds (`PXAT`).
    PxAt(u64),
}

impl Expiry {
    pub(super) fn append(self, command: Command) -> Command {
        match self {
            Self::Ex(after) => {
                let (option, number) = time::in_exact_unit(after, "EX", "PX");
                command.arg(option).arg(number)
            }
            Self::ExAt(seconds) => command.arg("EXAT").arg(seconds),
            Self::PxAt(millis) => command.arg("PXAT").arg(millis),
        }
    }
}

/// The options of SET. By default the value never expires and any old value is overwritten.
///
/// ```
/// use edgecask::command::strings::SetOptions;
/// use std::time::Duration;
///
/// let once_for_a_minute = SetOptions::new().nx().ex(Duration::from_secs(60));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SetOptions {
    expiry: Option<Expiry>,
    keep_ttl: bool,
    condition: Option<Condition>,
}

/// The condition on the stored value for SET or DELEX.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ValueIs {
    /// It equals this (`IFEQ`).
    Equal(Vec<u8>),
    /// It differs from this, or is absent (`IFNE`).
    NotEqual(Vec<u8>),
    /// Its DIGEST equals this (`IFDEQ`).
    DigestEqual(String),
    /// Its DIGEST differs from this, or it is absent (`IFDNE`).
    DigestNotEqual(String),
}

impl ValueIs {
    fn append(&self, command: Command) -> Command {
        match self {
            Self::Equal(value) => command.arg("IFEQ").arg(value),
            Self::NotEqual(value) => command.arg("IFNE").arg(value),
            Self::DigestEqual(digest) => command.arg("IFDEQ").arg(digest),
            Self::DigestNotEqual(digest) => command.arg("IFDNE").arg(digest),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Condition {
    Absent,
    Present,
    Value(ValueIs),
}

impl SetOptions {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// The value expires after this time, see [`Expiry::Ex`].
    #[doc(alias = "px")]
    #[must_use]
    pub fn ex(self, after: Duration) -> Self {
        self.expiry(Expiry::Ex(after))
    }

    /// Sets the expiry, and overrides any expiry that was set before.
    #[must_use]
    pub fn expiry(mut self, expiry: Expiry) -> Self {
        self.expiry = Some(expiry);
        self.keep_ttl = false;
        self
    }

    /// Keeps the time to live of the old value (`KEEPTTL`), and overrides any expiry that was set before.
    #[must_use]
    pub fn keep_ttl(mut self) -> Self {
        self.expiry = None;
        self.keep_ttl = true;
        self
    }

    /// Sets only if the key is absent.
    #[must_use]
    pub fn nx(mut self) -> Self {
        self.condition = Some(Condition::Absent);
        self
    }

    /// Sets only if the key exists.
    #[must_use]
    pub fn xx(mut self) -> Self {
        self.condition = Some(Condition::Present);
        self
    }

    /// Sets only if the stored value meets this condition (Redis 8.4, Upstash, the embedded engine).
    #[must_use]
    pub fn if_value(mut self, is: ValueIs) -> Self {
        self.condition = Some(Condition::Value(is));
        self
    }

    fn append(self, mut command: Command) -> Command {
        if let Some(expiry) = self.expiry {
            command = expiry.append(command);
        }
        command = command.arg_if(self.keep_ttl, "KEEPTTL");
        match self.condition {
            Some(Condition::Absent) => command.arg("NX"),
            Some(Condition::Present) => command.arg("XX"),
            Some(Condition::Value(is)) => is.append(command),
            None => command,
        }
    }
}

/// How GETEX changes the time to live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum GetEx {
    /// Sets it.
    Expire(Expiry),
    /// Removes it.
    Persist,
}

impl GetEx {
    pub(super) fn append(self, command: Command) -> Command {
        match self {
            Self::Expire(expiry) => expiry.append(command),
            Self::Persist => command.arg("PERSIST"),
        }
    }
}

/// The commands on strings. Each is one command and one round trip.
///
/// ```
/// use edgecask::{command::strings::SetOptions, prelude::*};
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
/// # runtime.block_on(async {
/// let client = Client::memory();
/// client.set("greeting", "hello").await?;
/// let greeting: Option<String> = client.get("greeting").await?;
/// assert_eq!(greeting.as_deref(), Some("hello"));
/// assert!(!client.set_with("greeting", "hi", SetOptions::new().nx()).await?);
/// assert_eq!(client.incr("visits").await?, 1);
/// # Ok::<(), edgecask::Error>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait StringCommands: Execute {
    /// Appends to a value, and returns its new length in bytes. [Redis APPEND](https://redis.io/docs/latest/commands/append/).
    #[doc(alias = "APPEND")]
    fn append(&self, key: impl ToArg, value: impl ToArg) -> Self::Reply<u64> {
        self.execute(Command::new("APPEND").arg(key).arg(value))
    }

    /// Subtracts 1 from a counter. [Redis DECR](https://redis.io/docs/latest/commands/decr/).
    #[doc(alias = "DECR")]
    fn decr(&self, key: impl ToArg) -> Self::Reply<i64> {
        self.execute(Command::new("DECR").arg(key))
    }

    /// Subtracts `by` from a counter. [Redis DECRBY](https://redis.io/docs/latest/commands/decrby/).
    #[doc(alias = "DECRBY")]
    fn decrby(&self, key: impl ToArg, by: i64) -> Self::Reply<i64> {
        self.execute(Command::new("DECRBY").arg(key).arg(by))
    }

    /// Deletes a key if its value meets the condition; returns whether it did. [Redis
    /// DELEX](https://redis.io/docs/latest/commands/delex/) (8.4), Upstash.
    #[doc(alias = "DELEX")]
    fn delex(&self, key: impl ToArg, is: &ValueIs) -> Self::Reply<bool> {
        self.execute(is.append(Command::new("DELEX").arg(key)))
    }

    /// The XXH3 hash of a value in hexadecimal, for [`ValueIs::DigestEqual`]. [Redis DIGEST](https://redis.io/docs/latest/commands/digest/) (8.4), Upstash.
    #[doc(alias = "DIGEST")]
    fn digest(&self, key: impl ToArg) -> Self::Reply<Option<String>> {
        self.execute(Command::new("DIGEST").arg(key))
    }

    /// The value of a key, or `None` if it is absent. [Redis GET](https://redis.io/docs/latest/commands/get/).
    ///
    /// Where absence is an error, append [`required`](crate::client::Call::required):
    /// `client.get::<String>(key).required().await?` is a `String`, and an absent key is an error of kind
    /// [`NotFound`](crate::ErrorKind::NotFound).
    #[doc(alias = "GET")]
    fn get<R: FromValue>(&self, key: impl ToArg) -> Self::Reply<Option<R>> {
        self.execute(Command::new("GET").arg(key))
    }

    /// Returns a value, and deletes the key. [Redis GETDEL](https://redis.io/docs/latest/commands/getdel/).
    #[doc(alias = "GETDEL")]
    fn getdel<R: FromValue>(&self, key: impl ToArg) -> Self::Reply<Option<R>> {
        self.execute(Command::new("GETDEL").arg(key))
    }

    /// Returns the value of a key, and changes its time to live. [Redis
    /// GETEX](https://redis.io/docs/latest/commands/getex/).
    #[doc(alias = "GETEX")]
    fn getex<R: FromValue>(&self, key: impl ToArg, change: GetEx) -> Self::Reply<Option<R>> {
        self.execute(change.append(Command::new("GETEX").arg(key)))
    }

    /// The bytes from `start` to `end`, both included; negative positions count from the end. [Redis GETRANGE](https://redis.io/docs/latest/commands/getrange/).
    #[doc(alias = "GETRANGE")]
    fn getrange<R: FromValue>(&self, key: impl ToArg, start: i64, end: i64) -> Self::Reply<R> {
        self.execute(Command::new("GETRANGE").arg(key).arg(start).arg(end))
    }

    /// Sets a value, and returns the old one. [Redis GETSET](https://redis.io/docs/latest/commands/getset/);
    /// [`StringCommands::set_get`] can do more.
    #[doc(alias = "GETSET")]
    fn getset<R: FromValue>(&self, key: impl ToArg, value: impl ToArg) -> Self::Reply<Option<R>> {
        self.execute(Command::new("GETSET").arg(key).arg(value))
    }

    /// Adds 1 to a counter. [Redis INCR](https://redis.io/docs/latest/commands/incr/).
    #[doc(alias = "INCR")]
    fn incr(&self, key: impl ToArg) -> Self::Reply<i64> {
        self.execute(Command::new("INCR").arg(key))
    }

    /// Adds `by` to a counter. [Redis INCRBY](https://redis.io/docs/latest/commands/incrby/).
    #[doc(alias = "INCRBY")]
    fn incrby(&self, key: impl ToArg, by: i64) -> Self::Reply<i64> {
        self.execute(Command::new("INCRBY").arg(key).arg(by))
    }

    /// Adds `by` to a number. [Redis INCRBYFLOAT](https://redis.io/docs/latest/commands/incrbyfloat/).
    #[doc(alias = "INCRBYFLOAT")]
    fn incrbyfloat(&self, key: impl ToArg, by: f64) -> Self::Reply<f64> {
        self.execute(Command::new("INCRBYFLOAT").arg(key).arg(by))
    }

    /// The longest common subsequence of two values. [Redis LCS](https://redis.io/docs/latest/commands/lcs/).
    #[doc(alias = "LCS")]
    fn lcs<R: FromValue>(&self, one: impl ToArg, other: impl ToArg) -> Self::Reply<R> {
        self.execute(Command::new("LCS").arg(one).arg(other))
    }

    /// The values of many keys in one round trip, in the keys' order. [Redis MGET](https://redis.io/docs/latest/commands/mget/).
    #[doc(alias = "MGET")]
    fn mget<R: FromValue>(
        &self,
        keys: impl IntoIterator<Item = impl ToArg>,
    ) -> Self::Reply<Vec<Option<R>>> {
        self.execute(Command::new("MGET").args_from(keys))
    }

    /// Sets many keys at once, without expiry. [Redis MSET](https://redis.io/docs/latest/commands/mset/).
    #[doc(alias = "MSET")]
    fn mset(&self, pairs: impl IntoIterator<Item = (impl ToArg, impl ToArg)>) -> Self::Reply<()> {
        self.execute(Command::new("MSET").pairs_from(pairs))
    }

    /// Sets many keys if none of them exists; returns whether it did. [Redis
    /// MSETNX](https://redis.io/docs/latest/commands/msetnx/).
    #[doc(alias = "MSETNX")]
    fn msetnx(
        &self,
        pairs: impl IntoIterator<Item = (impl ToArg, impl ToArg)>,
    ) -> Self::Reply<bool> {
        self.execute(Command::new("MSETNX").pairs_from(pairs))
    }

    /// Sets a value without expiry, and replaces any old one. [Redis SET](https://redis.io/docs/latest/commands/set/).
    #[doc(alias = "SET")]
    fn set(&self, key: impl ToArg, value: impl ToArg) -> Self::Reply<()> {
        self.execute(Command::new("SET").arg(key).arg(value))
    }

    /// Sets a value by the options; `false` if their condition was not met. [Redis
    /// SET](https://redis.io/docs/latest/commands/set/).
    #[doc(alias = "SET")]
    fn set_with(
        &self,
        key: impl ToArg,
        value: impl ToArg,
        options: SetOptions,
    ) -> Self::Reply<bool> {
        self.execute_with(options.append(Command::new("SET").arg(key).arg(value)), applied)
    }

    /// Sets a value by the options, and returns the old one. [Redis SET](https://redis.io/docs/latest/commands/set/) with
    /// `GET`.
    #[doc(alias = "SET")]
    fn set_get<R: FromValue>(
        &self,
        key: impl ToArg,
        value: impl ToArg,
        options: SetOptions,
    ) -> Self::Reply<Option<R>> {
        self.execute(options.append(Command::new("SET").arg(key).arg(value)).arg("GET"))
    }

    /// Sets a value that expires after this time. Redis refuses zero.
    ///
    /// [Redis SETEX](https://redis.io/docs/latest/commands/setex/) for whole seconds,
    /// [Redis PSETEX](https://redis.io/docs/latest/commands/psetex/) for any other time, which is rounded up to
    /// milliseconds.
    #[doc(alias = "SETEX")]
    #[doc(alias = "PSETEX")]
    fn setex(&self, key: impl ToArg, after: Duration, value: impl ToArg) -> Self::Reply<()> {
        let (name, number) = time::in_exact_unit(after, "SETEX", "PSETEX");
        self.execute(Command::new(name).arg(key).arg(number).arg(value))
    }

    /// Sets a value if the key is absent; returns whether it did. [Redis SETNX](https://redis.io/docs/latest/commands/setnx/).
    #[doc(alias = "SETNX")]
    fn setnx(&self, key: impl ToArg, value: impl ToArg) -> Self::Reply<bool> {
        self.execute(Command::new("SETNX").arg(key).arg(value))
    }

    /// Overwrites bytes from `offset` on, and returns the new length. [Redis SETRANGE](https://redis.io/docs/latest/commands/setrange/).
    #[doc(alias = "SETRANGE")]
    fn setrange(&self, key: impl ToArg, offset: u64, value: impl ToArg) -> Self::Reply<u64> {
        self.execute(Command::new("SETRANGE").arg(key).arg(offset).arg(value))
    }

    /// The length of a value in bytes, 0 if it is absent. [Redis STRLEN](https://redis.io/docs/latest/commands/strlen/).
    #[doc(alias = "STRLEN")]
    fn strlen(&self, key: impl ToArg) -> Self::Reply<u64> {
        self.execute(Command::new("STRLEN").arg(key))
    }
}

impl<E: Execute + ?Sized> StringCommands for E {}
