//! Hashes: fields and values under one key.

use std::collections::HashMap;

use super::keys::{Cursor, Page, ScanOptions};
use super::{Command, Execute, ToArg};
use crate::{FromValue, Pairs};

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
    /// Deletes fields, and tells how many were there. Redis HDEL.
    fn hdel(
        &self,
        key: impl ToArg,
        fields: impl IntoIterator<Item = impl ToArg>,
    ) -> Self::Reply<u64> {
        self.execute(Command::new("HDEL").arg(key).args_from(fields))
    }

    /// Whether a field is there. Redis HEXISTS.
    fn hexists(&self, key: impl ToArg, field: impl ToArg) -> Self::Reply<bool> {
        self.execute(Command::new("HEXISTS").arg(key).arg(field))
    }

    /// The value of a field. Redis HGET.
    fn hget<R: FromValue>(&self, key: impl ToArg, field: impl ToArg) -> Self::Reply<Option<R>> {
        self.execute(Command::new("HGET").arg(key).arg(field))
    }

    /// All fields and values; empty if the key is absent. Redis HGETALL.
    fn hgetall<V: FromValue>(&self, key: impl ToArg) -> Self::Reply<HashMap<String, V>> {
        self.execute(Command::new("HGETALL").arg(key))
    }

    /// Adds to a field's counter. Redis HINCRBY.
    fn hincrby(&self, key: impl ToArg, field: impl ToArg, by: i64) -> Self::Reply<i64> {
        self.execute(Command::new("HINCRBY").arg(key).arg(field).arg(by))
    }

    /// Adds to a field's number. Redis HINCRBYFLOAT.
    fn hincrbyfloat(&self, key: impl ToArg, field: impl ToArg, by: f64) -> Self::Reply<f64> {
        self.execute(Command::new("HINCRBYFLOAT").arg(key).arg(field).arg(by))
    }

    /// The names of all fields. Redis HKEYS.
    fn hkeys<R: FromValue>(&self, key: impl ToArg) -> Self::Reply<Vec<R>> {
        self.execute(Command::new("HKEYS").arg(key))
    }

    /// The number of fields. Redis HLEN.
    fn hlen(&self, key: impl ToArg) -> Self::Reply<u64> {
        self.execute(Command::new("HLEN").arg(key))
    }

    /// The values of some fields, in their order. Redis HMGET.
    fn hmget<R: FromValue>(
        &self,
        key: impl ToArg,
        fields: impl IntoIterator<Item = impl ToArg>,
    ) -> Self::Reply<Vec<Option<R>>> {
        self.execute(Command::new("HMGET").arg(key).args_from(fields))
    }

    /// Sets fields and answers `OK`. Redis HMSET, which [`HashCommands::hset`] has replaced.
    fn hmset(
        &self,
        key: impl ToArg,
        pairs: impl IntoIterator<Item = (impl ToArg, impl ToArg)>,
    ) -> Self::Reply<()> {
        self.execute(Command::new("HMSET").arg(key).pairs_from(pairs))
    }

    /// Any field, or `None` if the key is absent. Redis HRANDFIELD.
    fn hrandfield<R: FromValue>(&self, key: impl ToArg) -> Self::Reply<Option<R>> {
        self.execute(Command::new("HRANDFIELD").arg(key))
    }

    /// Some fields: up to `count` different ones, or with a negative count exactly so many, perhaps repeated.
    /// Redis HRANDFIELD.
    fn hrandfields<R: FromValue>(&self, key: impl ToArg, count: i64) -> Self::Reply<Vec<R>> {
        self.execute(Command::new("HRANDFIELD").arg(key).arg(count))
    }

    /// One step through the fields and values. Redis HSCAN.
    fn hscan<K: FromValue, V: FromValue>(
        &self,
        key: impl ToArg,
        cursor: &Cursor,
        options: &ScanOptions,
    ) -> Self::Reply<Page<Pairs<K, V>>> {
        self.execute(options.append(Command::new("HSCAN").arg(key).arg(cursor)))
    }

    /// Sets fields, and tells how many are new. Redis HSET.
    fn hset(
        &self,
        key: impl ToArg,
        pairs: impl IntoIterator<Item = (impl ToArg, impl ToArg)>,
    ) -> Self::Reply<u64> {
        self.execute(Command::new("HSET").arg(key).pairs_from(pairs))
    }

    /// Sets a field if it is absent; tells whether it did. Redis HSETNX.
    fn hsetnx(&self, key: impl ToArg, field: impl ToArg, value: impl ToArg) -> Self::Reply<bool> {
        self.execute(Command::new("HSETNX").arg(key).arg(field).arg(value))
    }

    /// The length of a field's value in bytes. Redis HSTRLEN.
    fn hstrlen(&self, key: impl ToArg, field: impl ToArg) -> Self::Reply<u64> {
        self.execute(Command::new("HSTRLEN").arg(key).arg(field))
    }

    /// All values. Redis HVALS.
    fn hvals<R: FromValue>(&self, key: impl ToArg) -> Self::Reply<Vec<R>> {
        self.execute(Command::new("HVALS").arg(key))
    }
}

impl<E: Execute + ?Sized> HashCommands for E {}
