//! Hashes: fields and values under one key.

use std::collections::HashMap;
use std::time::Duration;

use super::keys::{Cursor, ExpireIf, ExpireTime, Lifetime, Page, ScanOptions};
use super::strings::{Expiry, GetEx};
use super::{Arguments, Command, Execute, ToArg, time};
use crate::{Error, ErrorKind, FromValue, Pairs, Result, Value};

/// The result of HEXPIRE, HPERSIST and similar commands for a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FieldExpiry {
    /// There is no such field, or no such key.
    Missing,
    /// It has no expiry to remove.
    Persistent,
    /// The condition was not met.
    NotChanged,
    /// Its expiry was set or removed.
    Changed,
    /// It was deleted, because the time has passed already.
    Deleted,
}

impl FromValue for FieldExpiry {
    fn from_value(value: Value) -> Result<Self> {
        match i64::from_value(value)? {
            -2 => Ok(Self::Missing),
            -1 => Ok(Self::Persistent),
            0 => Ok(Self::NotChanged),
            1 => Ok(Self::Changed),
            2 => Ok(Self::Deleted),
            _ => Err(Error::new(ErrorKind::Type, "asked for the result of a field's expiry")),
        }
    }
}

/// The options of HSETEX. By default the fields never expire, and are set whether they exist or not.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct HSetExOptions {
    expiry: Option<Expiry>,
    keep_ttl: bool,
    condition: Option<&'static str>,
}

impl HSetExOptions {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the expiry of the fields.
    #[must_use]
    pub fn expiry(mut self, expiry: Expiry) -> Self {
        self.expiry = Some(expiry);
        self
    }

    /// The fields keep their time to live (`KEEPTTL`).
    #[must_use]
    pub fn keep_ttl(mut self) -> Self {
        self.keep_ttl = true;
        self
    }

    /// Sets only if none of the fields exists (`FNX`).
    #[must_use]
    pub fn fnx(mut self) -> Self {
        self.condition = Some("FNX");
        self
    }

    /// Sets only if all of the fields exist (`FXX`).
    #[must_use]
    pub fn fxx(mut self) -> Self {
        self.condition = Some("FXX");
        self
    }

    fn append(self, command: Command) -> Command {
        let command = self.condition.into_iter().fold(command, Command::arg);
        let command = match self.expiry {
            Some(expiry) => expiry.append(command),
            None => command,
        };
        command.arg_if(self.keep_ttl, "KEEPTTL")
    }
}

fn lifetimes(value: Value, one: fn(Value) -> Result<Lifetime>) -> Result<Vec<Lifetime>> {
    Vec::from_value(value)?.into_iter().map(one).collect()
}

fn on_fields(command: Command, fields: impl IntoIterator<Item = impl ToArg>) -> Command {
    command.arg("FIELDS").counted(fields)
}

/// The commands on hashes. Each is one command and one round trip.
///
/// ```
/// use edgecask::prelude::*;
/// use std::collections::HashMap;
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
/// # runtime.block_on(async {
/// let client = Client::memory();
/// client.hset("session:1", [("user", "ada"), ("tier", "pro")]).await?;
/// assert_eq!(client.hincrby("session:1", "visits", 2).await?, 2);
/// let session: HashMap<String, String> = client.hgetall("session:1").await?;
/// assert_eq!(session["tier"], "pro");
/// # Ok::<(), edgecask::Error>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait HashCommands: Execute {
    /// Deletes fields, and returns how many were there. [Redis HDEL](https://redis.io/docs/latest/commands/hdel/).
    #[doc(alias = "HDEL")]
    fn hdel(
        &self,
        key: impl ToArg,
        fields: impl IntoIterator<Item = impl ToArg>,
    ) -> Self::Reply<u64> {
        self.execute(Command::new("HDEL").arg(key).args_from(fields))
    }

    /// Whether a field exists. [Redis HEXISTS](https://redis.io/docs/latest/commands/hexists/).
    #[doc(alias = "HEXISTS")]
    fn hexists(&self, key: impl ToArg, field: impl ToArg) -> Self::Reply<bool> {
        self.execute(Command::new("HEXISTS").arg(key).arg(field))
    }

    /// Sets the time to live of fields if the condition is met. Zero deletes them.
    ///
    /// [Redis HEXPIRE](https://redis.io/docs/latest/commands/hexpire/) for whole seconds,
    /// [Redis HPEXPIRE](https://redis.io/docs/latest/commands/hpexpire/) for any other time, which is rounded up to
    /// milliseconds (7.4).
    #[doc(alias = "HEXPIRE")]
    #[doc(alias = "HPEXPIRE")]
    fn hexpire(
        &self,
        key: impl ToArg,
        after: Duration,
        condition: ExpireIf,
        fields: impl IntoIterator<Item = impl ToArg>,
    ) -> Self::Reply<Vec<FieldExpiry>> {
        let (name, number) = time::in_exact_unit(after, "HEXPIRE", "HPEXPIRE");
        let command = condition.append(Command::new(name).arg(key).arg(number));
        self.execute(on_fields(command, fields))
    }

    /// Sets the expiry of fields to a Unix time in seconds if the condition is met. [Redis
    /// HEXPIREAT](https://redis.io/docs/latest/commands/hexpireat/) (7.4).
    #[doc(alias = "HEXPIREAT")]
    fn hexpireat(
        &self,
        key: impl ToArg,
        at: u64,
        condition: ExpireIf,
        fields: impl IntoIterator<Item = impl ToArg>,
    ) -> Self::Reply<Vec<FieldExpiry>> {
        let command = condition.append(Command::new("HEXPIREAT").arg(key).arg(at));
        self.execute(on_fields(command, fields))
    }

    /// The Unix times in seconds at which fields expire. [Redis HEXPIRETIME](https://redis.io/docs/latest/commands/hexpiretime/) (7.4).
    #[doc(alias = "HEXPIRETIME")]
    fn hexpiretime(
        &self,
        key: impl ToArg,
        fields: impl IntoIterator<Item = impl ToArg>,
    ) -> Self::Reply<Vec<ExpireTime>> {
        self.execute(on_fields(Command::new("HEXPIRETIME").arg(key), fields))
    }

    /// The value of a field. [Redis HGET](https://redis.io/docs/latest/commands/hget/).
    #[doc(alias = "HGET")]
    fn hget<R: FromValue>(&self, key: impl ToArg, field: impl ToArg) -> Self::Reply<Option<R>> {
        self.execute(Command::new("HGET").arg(key).arg(field))
    }

    /// All fields and values; empty if the key is absent. [Redis HGETALL](https://redis.io/docs/latest/commands/hgetall/).
    #[doc(alias = "HGETALL")]
    fn hgetall<V: FromValue>(&self, key: impl ToArg) -> Self::Reply<HashMap<String, V>> {
        self.execute(Command::new("HGETALL").arg(key))
    }

    /// Returns the values of fields, and deletes the fields. [Redis
    /// HGETDEL](https://redis.io/docs/latest/commands/hgetdel/) (8.0).
    #[doc(alias = "HGETDEL")]
    fn hgetdel<R: FromValue>(
        &self,
        key: impl ToArg,
        fields: impl IntoIterator<Item = impl ToArg>,
    ) -> Self::Reply<Vec<Option<R>>> {
        self.execute(on_fields(Command::new("HGETDEL").arg(key), fields))
    }

    /// Returns the values of fields, and changes their times to live. [Redis
    /// HGETEX](https://redis.io/docs/latest/commands/hgetex/) (8.0).
    #[doc(alias = "HGETEX")]
    fn hgetex<R: FromValue>(
        &self,
        key: impl ToArg,
        change: GetEx,
        fields: impl IntoIterator<Item = impl ToArg>,
    ) -> Self::Reply<Vec<Option<R>>> {
        let command = change.append(Command::new("HGETEX").arg(key));
        self.execute(on_fields(command, fields))
    }

    /// Adds to a field's counter. [Redis HINCRBY](https://redis.io/docs/latest/commands/hincrby/).
    #[doc(alias = "HINCRBY")]
    fn hincrby(&self, key: impl ToArg, field: impl ToArg, by: i64) -> Self::Reply<i64> {
        self.execute(Command::new("HINCRBY").arg(key).arg(field).arg(by))
    }

    /// Adds to a field's number. [Redis HINCRBYFLOAT](https://redis.io/docs/latest/commands/hincrbyfloat/).
    #[doc(alias = "HINCRBYFLOAT")]
    fn hincrbyfloat(&self, key: impl ToArg, field: impl ToArg, by: f64) -> Self::Reply<f64> {
        self.execute(Command::new("HINCRBYFLOAT").arg(key).arg(field).arg(by))
    }

    /// The names of all fields. [Redis HKEYS](https://redis.io/docs/latest/commands/hkeys/).
    #[doc(alias = "HKEYS")]
    fn hkeys<R: FromValue>(&self, key: impl ToArg) -> Self::Reply<Vec<R>> {
        self.execute(Command::new("HKEYS").arg(key))
    }

    /// The number of fields. [Redis HLEN](https://redis.io/docs/latest/commands/hlen/).
    #[doc(alias = "HLEN")]
    fn hlen(&self, key: impl ToArg) -> Self::Reply<u64> {
        self.execute(Command::new("HLEN").arg(key))
    }

    /// The values of some fields, in their order. [Redis HMGET](https://redis.io/docs/latest/commands/hmget/).
    #[doc(alias = "HMGET")]
    fn hmget<R: FromValue>(
        &self,
        key: impl ToArg,
        fields: impl IntoIterator<Item = impl ToArg>,
    ) -> Self::Reply<Vec<Option<R>>> {
        self.execute(Command::new("HMGET").arg(key).args_from(fields))
    }

    /// Sets fields and answers `OK`. [Redis HMSET](https://redis.io/docs/latest/commands/hmset/), which [`HashCommands::hset`] has replaced.
    #[doc(alias = "HMSET")]
    fn hmset(
        &self,
        key: impl ToArg,
        pairs: impl IntoIterator<Item = (impl ToArg, impl ToArg)>,
    ) -> Self::Reply<()> {
        self.execute(Command::new("HMSET").arg(key).pairs_from(pairs))
    }

    /// Removes the expiry of fields. [Redis HPERSIST](https://redis.io/docs/latest/commands/hpersist/) (7.4).
    #[doc(alias = "HPERSIST")]
    fn hpersist(
        &self,
        key: impl ToArg,
        fields: impl IntoIterator<Item = impl ToArg>,
    ) -> Self::Reply<Vec<FieldExpiry>> {
        self.execute(on_fields(Command::new("HPERSIST").arg(key), fields))
    }

    /// Sets the expiry of fields to a Unix time in milliseconds if the condition is met. [Redis
    /// HPEXPIREAT](https://redis.io/docs/latest/commands/hpexpireat/) (7.4).
    #[doc(alias = "HPEXPIREAT")]
    fn hpexpireat(
        &self,
        key: impl ToArg,
        at: u64,
        condition: ExpireIf,
        fields: impl IntoIterator<Item = impl ToArg>,
    ) -> Self::Reply<Vec<FieldExpiry>> {
        let command = condition.append(Command::new("HPEXPIREAT").arg(key).arg(at));
        self.execute(on_fields(command, fields))
    }

    /// The Unix times in milliseconds at which fields expire. [Redis HPEXPIRETIME](https://redis.io/docs/latest/commands/hpexpiretime/) (7.4).
    #[doc(alias = "HPEXPIRETIME")]
    fn hpexpiretime(
        &self,
        key: impl ToArg,
        fields: impl IntoIterator<Item = impl ToArg>,
    ) -> Self::Reply<Vec<ExpireTime>> {
        self.execute(on_fields(Command::new("HPEXPIRETIME").arg(key), fields))
    }

    /// How long fields have left, in milliseconds. [Redis HPTTL](https://redis.io/docs/latest/commands/hpttl/) (7.4).
    #[doc(alias = "HPTTL")]
    fn hpttl(
        &self,
        key: impl ToArg,
        fields: impl IntoIterator<Item = impl ToArg>,
    ) -> Self::Reply<Vec<Lifetime>> {
        let command = on_fields(Command::new("HPTTL").arg(key), fields);
        self.execute_with(command, |value| lifetimes(value, Lifetime::from_millis))
    }

    /// A random field, or `None` if the key is absent. [Redis
    /// HRANDFIELD](https://redis.io/docs/latest/commands/hrandfield/).
    #[doc(alias = "HRANDFIELD")]
    fn hrandfield<R: FromValue>(&self, key: impl ToArg) -> Self::Reply<Option<R>> {
        self.execute(Command::new("HRANDFIELD").arg(key))
    }

    /// Random fields: up to `count` different ones. With a negative count exactly that many, which may repeat. [Redis
    /// HRANDFIELD](https://redis.io/docs/latest/commands/hrandfield/).
    #[doc(alias = "HRANDFIELD")]
    fn hrandfields<R: FromValue>(&self, key: impl ToArg, count: i64) -> Self::Reply<Vec<R>> {
        self.execute(Command::new("HRANDFIELD").arg(key).arg(count))
    }

    /// As [`HashCommands::hrandfields`], with the values. [Redis
    /// HRANDFIELD](https://redis.io/docs/latest/commands/hrandfield/) `WITHVALUES`.
    #[doc(alias = "HRANDFIELD")]
    fn hrandfields_withvalues<V: FromValue>(
        &self,
        key: impl ToArg,
        count: i64,
    ) -> Self::Reply<Pairs<String, V>> {
        self.execute(Command::new("HRANDFIELD").arg(key).arg(count).arg("WITHVALUES"))
    }

    /// One step through the fields and values. [Redis HSCAN](https://redis.io/docs/latest/commands/hscan/).
    #[doc(alias = "HSCAN")]
    fn hscan<K: FromValue, V: FromValue>(
        &self,
        key: impl ToArg,
        cursor: &Cursor,
        options: &ScanOptions,
    ) -> Self::Reply<Page<Pairs<K, V>>> {
        self.execute(options.append(Command::new("HSCAN").arg(key).arg(cursor)))
    }

    /// Sets fields, and returns how many are new. [Redis HSET](https://redis.io/docs/latest/commands/hset/).
    #[doc(alias = "HSET")]
    fn hset(
        &self,
        key: impl ToArg,
        pairs: impl IntoIterator<Item = (impl ToArg, impl ToArg)>,
    ) -> Self::Reply<u64> {
        self.execute(Command::new("HSET").arg(key).pairs_from(pairs))
    }

    /// Sets fields with a time to live by the options; `false` if their condition was not met. [Redis
    /// HSETEX](https://redis.io/docs/latest/commands/hsetex/) (8.0).
    #[doc(alias = "HSETEX")]
    fn hsetex(
        &self,
        key: impl ToArg,
        options: HSetExOptions,
        pairs: impl IntoIterator<Item = (impl ToArg, impl ToArg)>,
    ) -> Self::Reply<bool> {
        let mut args = Arguments::default();
        for (field, value) in pairs {
            args.extend([field]);
            args.extend([value]);
        }
        let command = options.append(Command::new("HSETEX").arg(key)).arg("FIELDS");
        self.execute(command.arg(args.len() / 2).args_from(args.iter()))
    }

    /// Sets a field if it is absent; returns whether it did. [Redis HSETNX](https://redis.io/docs/latest/commands/hsetnx/).
    #[doc(alias = "HSETNX")]
    fn hsetnx(&self, key: impl ToArg, field: impl ToArg, value: impl ToArg) -> Self::Reply<bool> {
        self.execute(Command::new("HSETNX").arg(key).arg(field).arg(value))
    }

    /// The length of a field's value in bytes. [Redis HSTRLEN](https://redis.io/docs/latest/commands/hstrlen/).
    #[doc(alias = "HSTRLEN")]
    fn hstrlen(&self, key: impl ToArg, field: impl ToArg) -> Self::Reply<u64> {
        self.execute(Command::new("HSTRLEN").arg(key).arg(field))
    }

    /// How long fields have left, rounded to seconds. [Redis HTTL](https://redis.io/docs/latest/commands/httl/) (7.4).
    #[doc(alias = "HTTL")]
    fn httl(
        &self,
        key: impl ToArg,
        fields: impl IntoIterator<Item = impl ToArg>,
    ) -> Self::Reply<Vec<Lifetime>> {
        let command = on_fields(Command::new("HTTL").arg(key), fields);
        self.execute_with(command, |value| lifetimes(value, Lifetime::from_seconds))
    }

    /// All values. [Redis HVALS](https://redis.io/docs/latest/commands/hvals/).
    #[doc(alias = "HVALS")]
    fn hvals<R: FromValue>(&self, key: impl ToArg) -> Self::Reply<Vec<R>> {
        self.execute(Command::new("HVALS").arg(key))
    }
}

impl<E: Execute + ?Sized> HashCommands for E {}
