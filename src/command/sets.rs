//! Sets: distinct members, without an order.

use super::keys::{Cursor, Page, ScanOptions};
use super::{Command, Execute, ToArg};
use crate::FromValue;

/// The commands on sets. Each is one command and one round trip.
///
/// ```
/// use edgecask::prelude::*;
/// use std::collections::BTreeSet;
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
/// # runtime.block_on(async {
/// let client = Client::memory();
/// client.sadd("a", ["x", "y"]).await?;
/// client.sadd("b", ["y", "z"]).await?;
/// let both: Vec<String> = client.sinter(["a", "b"]).await?;
/// assert_eq!(both, ["y"]);
/// assert!(client.sismember("a", "x").await?);
/// # Ok::<(), edgecask::Error>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait SetCommands: Execute {
    /// Adds members, and returns how many are new. [Redis SADD](https://redis.io/docs/latest/commands/sadd/).
    #[doc(alias = "SADD")]
    fn sadd(
        &self,
        key: impl ToArg,
        members: impl IntoIterator<Item = impl ToArg>,
    ) -> Self::Reply<u64> {
        self.execute(Command::new("SADD").arg(key).args_from(members))
    }

    /// The number of members. [Redis SCARD](https://redis.io/docs/latest/commands/scard/).
    #[doc(alias = "SCARD")]
    fn scard(&self, key: impl ToArg) -> Self::Reply<u64> {
        self.execute(Command::new("SCARD").arg(key))
    }

    /// The members of the first set that are in none of the others. [Redis SDIFF](https://redis.io/docs/latest/commands/sdiff/).
    #[doc(alias = "SDIFF")]
    fn sdiff<R: FromValue>(
        &self,
        keys: impl IntoIterator<Item = impl ToArg>,
    ) -> Self::Reply<Vec<R>> {
        self.execute(Command::new("SDIFF").args_from(keys))
    }

    /// Stores the members of the first set that are in none of the others under `to`, and returns their number. [Redis SDIFFSTORE](https://redis.io/docs/latest/commands/sdiffstore/).
    #[doc(alias = "SDIFFSTORE")]
    fn sdiffstore(
        &self,
        to: impl ToArg,
        keys: impl IntoIterator<Item = impl ToArg>,
    ) -> Self::Reply<u64> {
        self.execute(Command::new("SDIFFSTORE").arg(to).args_from(keys))
    }

    /// The members that are in all sets. [Redis SINTER](https://redis.io/docs/latest/commands/sinter/).
    #[doc(alias = "SINTER")]
    fn sinter<R: FromValue>(
        &self,
        keys: impl IntoIterator<Item = impl ToArg>,
    ) -> Self::Reply<Vec<R>> {
        self.execute(Command::new("SINTER").args_from(keys))
    }

    /// How many members are in all sets, counted up to `limit` (0: no limit). [Redis SINTERCARD](https://redis.io/docs/latest/commands/sintercard/).
    #[doc(alias = "SINTERCARD")]
    fn sintercard(
        &self,
        keys: impl IntoIterator<Item = impl ToArg, IntoIter: ExactSizeIterator>,
        limit: u64,
    ) -> Self::Reply<u64> {
        let keys = keys.into_iter();
        let command = Command::new("SINTERCARD").arg(keys.len()).args_from(keys);
        self.execute(command.arg("LIMIT").arg(limit))
    }

    /// Stores the members that are in all sets under `to`, and returns their number. [Redis
    /// SINTERSTORE](https://redis.io/docs/latest/commands/sinterstore/).
    #[doc(alias = "SINTERSTORE")]
    fn sinterstore(
        &self,
        to: impl ToArg,
        keys: impl IntoIterator<Item = impl ToArg>,
    ) -> Self::Reply<u64> {
        self.execute(Command::new("SINTERSTORE").arg(to).args_from(keys))
    }

    /// Whether a member is in the set. [Redis SISMEMBER](https://redis.io/docs/latest/commands/sismember/).
    #[doc(alias = "SISMEMBER")]
    fn sismember(&self, key: impl ToArg, member: impl ToArg) -> Self::Reply<bool> {
        self.execute(Command::new("SISMEMBER").arg(key).arg(member))
    }

    /// All members. [Redis SMEMBERS](https://redis.io/docs/latest/commands/smembers/).
    #[doc(alias = "SMEMBERS")]
    fn smembers<R: FromValue>(&self, key: impl ToArg) -> Self::Reply<Vec<R>> {
        self.execute(Command::new("SMEMBERS").arg(key))
    }

    /// Whether each of these members is in the set. [Redis SMISMEMBER](https://redis.io/docs/latest/commands/smismember/).
    #[doc(alias = "SMISMEMBER")]
    fn smismember(
        &self,
        key: impl ToArg,
        members: impl IntoIterator<Item = impl ToArg>,
    ) -> Self::Reply<Vec<bool>> {
        self.execute(Command::new("SMISMEMBER").arg(key).args_from(members))
    }

    /// Moves a member to another set; `false` if it is absent. [Redis SMOVE](https://redis.io/docs/latest/commands/smove/).
    #[doc(alias = "SMOVE")]
    fn smove(&self, from: impl ToArg, to: impl ToArg, member: impl ToArg) -> Self::Reply<bool> {
        self.execute(Command::new("SMOVE").arg(from).arg(to).arg(member))
    }

    /// Removes and returns a random member. [Redis SPOP](https://redis.io/docs/latest/commands/spop/).
    #[doc(alias = "SPOP")]
    fn spop<R: FromValue>(&self, key: impl ToArg) -> Self::Reply<Option<R>> {
        self.execute(Command::new("SPOP").arg(key))
    }

    /// Removes and returns up to `count` random members. [Redis SPOP](https://redis.io/docs/latest/commands/spop/).
    #[doc(alias = "SPOP")]
    fn spop_count<R: FromValue>(&self, key: impl ToArg, count: u64) -> Self::Reply<Vec<R>> {
        self.execute(Command::new("SPOP").arg(key).arg(count))
    }

    /// A random member. [Redis SRANDMEMBER](https://redis.io/docs/latest/commands/srandmember/).
    #[doc(alias = "SRANDMEMBER")]
    fn srandmember<R: FromValue>(&self, key: impl ToArg) -> Self::Reply<Option<R>> {
        self.execute(Command::new("SRANDMEMBER").arg(key))
    }

    /// Random members: up to `count` different ones. With a negative count exactly that many, which may repeat. [Redis
    /// SRANDMEMBER](https://redis.io/docs/latest/commands/srandmember/).
    #[doc(alias = "SRANDMEMBER")]
    fn srandmembers<R: FromValue>(&self, key: impl ToArg, count: i64) -> Self::Reply<Vec<R>> {
        self.execute(Command::new("SRANDMEMBER").arg(key).arg(count))
    }

    /// Removes members, and returns how many were there. [Redis SREM](https://redis.io/docs/latest/commands/srem/).
    #[doc(alias = "SREM")]
    fn srem(
        &self,
        key: impl ToArg,
        members: impl IntoIterator<Item = impl ToArg>,
    ) -> Self::Reply<u64> {
        self.execute(Command::new("SREM").arg(key).args_from(members))
    }

    /// One step through the members. [Redis SSCAN](https://redis.io/docs/latest/commands/sscan/).
    #[doc(alias = "SSCAN")]
    fn sscan<R: FromValue>(
        &self,
        key: impl ToArg,
        cursor: &Cursor,
        options: &ScanOptions,
    ) -> Self::Reply<Page<Vec<R>>> {
        self.execute(options.append(Command::new("SSCAN").arg(key).arg(cursor)))
    }

    /// The members that are in any of the sets. [Redis SUNION](https://redis.io/docs/latest/commands/sunion/).
    #[doc(alias = "SUNION")]
    fn sunion<R: FromValue>(
        &self,
        keys: impl IntoIterator<Item = impl ToArg>,
    ) -> Self::Reply<Vec<R>> {
        self.execute(Command::new("SUNION").args_from(keys))
    }

    /// Stores the members that are in any of the sets under `to`, and returns their number. [Redis SUNIONSTORE](https://redis.io/docs/latest/commands/sunionstore/).
    #[doc(alias = "SUNIONSTORE")]
    fn sunionstore(
        &self,
        to: impl ToArg,
        keys: impl IntoIterator<Item = impl ToArg>,
    ) -> Self::Reply<u64> {
        self.execute(Command::new("SUNIONSTORE").arg(to).args_from(keys))
    }
}

impl<E: Execute + ?Sized> SetCommands for E {}
