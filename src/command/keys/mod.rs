//! Commands on keys of any type: existence, expiry, names, iteration.

mod expiry;
mod options;
mod scan;

use std::time::Duration;

pub use expiry::{ExpireIf, ExpireTime, Lifetime};
pub use options::{RestoreOptions, SortOptions};
pub use scan::{Cursor, Page, ScanOptions};

use super::{Command, Execute, ToArg, time};
use crate::FromValue;

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
    /// Copies a value with its time to live; `false` if the source is absent, or the target exists and `replace` is not
    /// set. [Redis COPY](https://redis.io/docs/latest/commands/copy/).
    #[doc(alias = "COPY")]
    fn copy(&self, from: impl ToArg, to: impl ToArg, replace: bool) -> Self::Reply<bool> {
        self.execute(Command::new("COPY").arg(from).arg(to).arg_if(replace, "REPLACE"))
    }

    /// Deletes keys, and returns how many were there. [Redis DEL](https://redis.io/docs/latest/commands/del/); [`KeyCommands::unlink`] frees memory later.
    #[doc(alias = "DEL")]
    fn del(&self, keys: impl IntoIterator<Item = impl ToArg>) -> Self::Reply<u64> {
        self.execute(Command::new("DEL").args_from(keys))
    }

    /// The serialized form of a value, for [`KeyCommands::restore`] on the same or a newer version of Redis. [Redis
    /// DUMP](https://redis.io/docs/latest/commands/dump/).
    #[doc(alias = "DUMP")]
    fn dump(&self, key: impl ToArg) -> Self::Reply<Option<Vec<u8>>> {
        self.execute(Command::new("DUMP").arg(key))
    }

    /// How many of these keys exist. A key that is named twice counts twice. [Redis
    /// EXISTS](https://redis.io/docs/latest/commands/exists/).
    #[doc(alias = "EXISTS")]
    fn exists(&self, keys: impl IntoIterator<Item = impl ToArg>) -> Self::Reply<u64> {
        self.execute(Command::new("EXISTS").args_from(keys))
    }

    /// Sets the time to live of a key; `false` if the key is absent. Zero deletes the key.
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

    /// Sets the time to live of a key if the condition is met. Zero deletes the key.
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

    /// Sets the expiry of a key to a Unix time in seconds. [Redis
    /// EXPIREAT](https://redis.io/docs/latest/commands/expireat/).
    #[doc(alias = "EXPIREAT")]
    fn expireat(&self, key: impl ToArg, at: i64, condition: ExpireIf) -> Self::Reply<bool> {
        self.execute(condition.append(Command::new("EXPIREAT").arg(key).arg(at)))
    }

    /// The Unix time in seconds at which a key expires. [Redis EXPIRETIME](https://redis.io/docs/latest/commands/expiretime/).
    #[doc(alias = "EXPIRETIME")]
    fn expiretime(&self, key: impl ToArg) -> Self::Reply<ExpireTime> {
        self.execute(Command::new("EXPIRETIME").arg(key))
    }

    /// Every key that matches a glob. [Redis KEYS](https://redis.io/docs/latest/commands/keys/): it visits all keys of the
    /// database in one step, and blocks all other clients; [`KeyCommands::scan`] does not.
    #[doc(alias = "KEYS")]
    fn keys<R: FromValue>(&self, pattern: impl ToArg) -> Self::Reply<Vec<R>> {
        self.execute(Command::new("KEYS").arg(pattern))
    }

    /// How many bytes a key and its value take in memory. [Redis MEMORY USAGE](https://redis.io/docs/latest/commands/memory-usage/).
    #[doc(alias = "MEMORY USAGE")]
    fn memory_usage(&self, key: impl ToArg) -> Self::Reply<Option<u64>> {
        self.execute(Command::new("MEMORY").arg("USAGE").arg(key))
    }

    /// The internal encoding of a value, such as `listpack`. [Redis OBJECT
    /// ENCODING](https://redis.io/docs/latest/commands/object-encoding/).
    #[doc(alias = "OBJECT ENCODING")]
    fn object_encoding(&self, key: impl ToArg) -> Self::Reply<Option<String>> {
        self.execute(Command::new("OBJECT").arg("ENCODING").arg(key))
    }

    /// The access frequency of a key, if the server counts it (with an LFU policy). [Redis OBJECT
    /// FREQ](https://redis.io/docs/latest/commands/object-freq/).
    #[doc(alias = "OBJECT FREQ")]
    fn object_freq(&self, key: impl ToArg) -> Self::Reply<Option<u64>> {
        self.execute(Command::new("OBJECT").arg("FREQ").arg(key))
    }

    /// The time since the last access to a key, in whole seconds. [Redis OBJECT
    /// IDLETIME](https://redis.io/docs/latest/commands/object-idletime/).
    #[doc(alias = "OBJECT IDLETIME")]
    fn object_idletime(&self, key: impl ToArg) -> Self::Reply<Option<Duration>> {
        let command = Command::new("OBJECT").arg("IDLETIME").arg(key);
        self.execute_with(command, |value| Ok(Option::from_value(value)?.map(Duration::from_secs)))
    }

    /// The reference count of a value. [Redis OBJECT REFCOUNT](https://redis.io/docs/latest/commands/object-refcount/).
    #[doc(alias = "OBJECT REFCOUNT")]
    fn object_refcount(&self, key: impl ToArg) -> Self::Reply<Option<u64>> {
        self.execute(Command::new("OBJECT").arg("REFCOUNT").arg(key))
    }

    /// Removes a key's expiry; `false` if it has none or is absent. [Redis
    /// PERSIST](https://redis.io/docs/latest/commands/persist/).
    #[doc(alias = "PERSIST")]
    fn persist(&self, key: impl ToArg) -> Self::Reply<bool> {
        self.execute(Command::new("PERSIST").arg(key))
    }

    /// Sets the expiry of a key to a Unix time in milliseconds. [Redis
    /// PEXPIREAT](https://redis.io/docs/latest/commands/pexpireat/).
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

    /// A random key, or `None` if the database is empty. [Redis
    /// RANDOMKEY](https://redis.io/docs/latest/commands/randomkey/).
    #[doc(alias = "RANDOMKEY")]
    fn randomkey<R: FromValue>(&self) -> Self::Reply<Option<R>> {
        self.execute(Command::new("RANDOMKEY"))
    }

    /// Renames a key, and replaces any other with the new name. It is an error if the key is absent. [Redis
    /// RENAME](https://redis.io/docs/latest/commands/rename/).
    #[doc(alias = "RENAME")]
    fn rename(&self, from: impl ToArg, to: impl ToArg) -> Self::Reply<()> {
        self.execute(Command::new("RENAME").arg(from).arg(to))
    }

    /// Renames a key if the new name is free; returns whether it did. [Redis RENAMENX](https://redis.io/docs/latest/commands/renamenx/).
    #[doc(alias = "RENAMENX")]
    fn renamenx(&self, from: impl ToArg, to: impl ToArg) -> Self::Reply<bool> {
        self.execute(Command::new("RENAMENX").arg(from).arg(to))
    }

    /// Creates a key from the reply of DUMP. [Redis RESTORE](https://redis.io/docs/latest/commands/restore/).
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

    /// One step of an iteration over all keys. Begin with `Cursor::default()` and continue until the cursor is done. Keys
    /// that exist during the whole iteration are found; a key may be returned twice. [Redis
    /// SCAN](https://redis.io/docs/latest/commands/scan/).
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

    /// As [`KeyCommands::sort`], for replicas and read-only tokens. [Redis
    /// SORT_RO](https://redis.io/docs/latest/commands/sort_ro/).
    #[doc(alias = "SORT_RO")]
    fn sort_ro<R: FromValue>(&self, key: impl ToArg, options: &SortOptions) -> Self::Reply<Vec<R>> {
        self.execute(options.append(Command::new("SORT_RO").arg(key)))
    }

    /// Stores the elements in order as a list under `to`, and returns its length. [Redis SORT](https://redis.io/docs/latest/commands/sort/) with `STORE`.
    #[doc(alias = "SORT")]
    fn sort_store(
        &self,
        key: impl ToArg,
        options: &SortOptions,
        to: impl ToArg,
    ) -> Self::Reply<u64> {
        self.execute(options.append(Command::new("SORT").arg(key)).arg("STORE").arg(to))
    }

    /// Updates the access time of keys, and returns how many exist. [Redis
    /// TOUCH](https://redis.io/docs/latest/commands/touch/).
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

    /// Deletes keys and frees their memory later; returns how many were there. [Redis UNLINK](https://redis.io/docs/latest/commands/unlink/).
    #[doc(alias = "UNLINK")]
    fn unlink(&self, keys: impl IntoIterator<Item = impl ToArg>) -> Self::Reply<u64> {
        self.execute(Command::new("UNLINK").args_from(keys))
    }
}

impl<E: Execute + ?Sized> KeyCommands for E {}
