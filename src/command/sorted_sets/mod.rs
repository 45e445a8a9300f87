//! Sorted sets: members in the order of their scores.

mod options;
mod range;

use std::ops::RangeBounds;
use std::time::Duration;

pub use options::{Aggregate, Extreme, ZAddOptions, ZSources};
pub use range::ZRange;
use range::{lex_bounds, score_bounds};

use super::keys::{Cursor, Page, ScanOptions};
use super::time::TimeoutSeconds;
use super::{Command, Execute, ToArg};
use crate::{FromValue, Pairs, Result, Value};

/// A member and its score.
pub type Scored<M> = (M, f64);

/// The key of a sorted set, and the members that were removed from it.
pub type Popped<M> = (String, Vec<Scored<M>>);

fn scored<M: FromValue>(value: Value) -> Result<Vec<Scored<M>>> {
    Pairs::from_value(value).map(|pairs| pairs.0)
}

/// The commands on sorted sets. Each is one command and one round trip. Ranges of scores and members are Rust ranges.
///
/// ```
/// use edgecask::{command::sorted_sets::ZRange, prelude::*};
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
/// # runtime.block_on(async {
/// let client = Client::memory();
/// client.zadd("board", [(120.0, "ada"), (95.5, "bob"), (60.0, "eve")]).await?;
/// let best: Vec<(String, f64)> =
///     client.zrange_withscores("board", &ZRange::score(90.0..).rev()).await?;
/// assert_eq!(best, [("ada".to_owned(), 120.0), ("bob".to_owned(), 95.5)]);
/// assert_eq!(client.zrank("board", "bob").await?, Some(1));
/// # Ok::<(), edgecask::Error>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait SortedSetCommands: Execute {
    /// Adds members or changes their scores, and returns how many are new. [Redis ZADD](https://redis.io/docs/latest/commands/zadd/).
    #[doc(alias = "ZADD")]
    fn zadd(
        &self,
        key: impl ToArg,
        members: impl IntoIterator<Item = (f64, impl ToArg)>,
    ) -> Self::Reply<u64> {
        self.zadd_with(key, members, ZAddOptions::new())
    }

    /// Adds members or changes their scores as the options say. [Redis ZADD](https://redis.io/docs/latest/commands/zadd/).
    #[doc(alias = "ZADD")]
    fn zadd_with(
        &self,
        key: impl ToArg,
        members: impl IntoIterator<Item = (f64, impl ToArg)>,
        options: ZAddOptions,
    ) -> Self::Reply<u64> {
        self.execute(options.append(Command::new("ZADD").arg(key)).pairs_from(members))
    }

    /// The number of members. [Redis ZCARD](https://redis.io/docs/latest/commands/zcard/).
    #[doc(alias = "ZCARD")]
    fn zcard(&self, key: impl ToArg) -> Self::Reply<u64> {
        self.execute(Command::new("ZCARD").arg(key))
    }

    /// The number of members with scores in this range. [Redis ZCOUNT](https://redis.io/docs/latest/commands/zcount/).
    #[doc(alias = "ZCOUNT")]
    fn zcount(&self, key: impl ToArg, scores: impl RangeBounds<f64>) -> Self::Reply<u64> {
        let (min, max) = score_bounds(&scores);
        self.execute(Command::new("ZCOUNT").arg(key).arg(min).arg(max))
    }

    /// The members of the first set that are in none of the others. [Redis ZDIFF](https://redis.io/docs/latest/commands/zdiff/).
    #[doc(alias = "ZDIFF")]
    fn zdiff<M: FromValue>(&self, sources: &ZSources) -> Self::Reply<Vec<M>> {
        self.execute(sources.append(Command::new("ZDIFF")))
    }

    /// As [`SortedSetCommands::zdiff`], with the scores. [Redis ZDIFF](https://redis.io/docs/latest/commands/zdiff/).
    #[doc(alias = "ZDIFF")]
    fn zdiff_withscores<M: FromValue>(&self, sources: &ZSources) -> Self::Reply<Vec<Scored<M>>> {
        self.execute_with(sources.append(Command::new("ZDIFF")).arg("WITHSCORES"), scored)
    }

    /// Stores the members of the first set that are in none of the others under `to`, and returns their number. [Redis ZDIFFSTORE](https://redis.io/docs/latest/commands/zdiffstore/).
    #[doc(alias = "ZDIFFSTORE")]
    fn zdiffstore(&self, to: impl ToArg, sources: &ZSources) -> Self::Reply<u64> {
        self.execute(sources.append(Command::new("ZDIFFSTORE").arg(to)))
    }

    /// Adds to a member's score, and returns the new one. [Redis ZINCRBY](https://redis.io/docs/latest/commands/zincrby/).
    #[doc(alias = "ZINCRBY")]
    fn zincrby(&self, key: impl ToArg, by: f64, member: impl ToArg) -> Self::Reply<f64> {
        self.execute(Command::new("ZINCRBY").arg(key).arg(by).arg(member))
    }

    /// The members that are in all sets. [Redis ZINTER](https://redis.io/docs/latest/commands/zinter/).
    #[doc(alias = "ZINTER")]
    fn zinter<M: FromValue>(&self, sources: &ZSources) -> Self::Reply<Vec<M>> {
        self.execute(sources.append(Command::new("ZINTER")))
    }

    /// As [`SortedSetCommands::zinter`], with the scores. [Redis ZINTER](https://redis.io/docs/latest/commands/zinter/).
    #[doc(alias = "ZINTER")]
    fn zinter_withscores<M: FromValue>(&self, sources: &ZSources) -> Self::Reply<Vec<Scored<M>>> {
        self.execute_with(sources.append(Command::new("ZINTER")).arg("WITHSCORES"), scored)
    }

    /// How many members are in all sets, counted up to `limit` (0: no limit). [Redis ZINTERCARD](https://redis.io/docs/latest/commands/zintercard/).
    #[doc(alias = "ZINTERCARD")]
    fn zintercard(
        &self,
        keys: impl IntoIterator<Item = impl ToArg, IntoIter: ExactSizeIterator>,
        limit: u64,
    ) -> Self::Reply<u64> {
        let keys = keys.into_iter();
        let command = Command::new("ZINTERCARD").arg(keys.len()).args_from(keys);
        self.execute(command.arg("LIMIT").arg(limit))
    }

    /// Stores the members that are in all sets under `to`, and returns their number. [Redis
    /// ZINTERSTORE](https://redis.io/docs/latest/commands/zinterstore/).
    #[doc(alias = "ZINTERSTORE")]
    fn zinterstore(&self, to: impl ToArg, sources: &ZSources) -> Self::Reply<u64> {
        self.execute(sources.append(Command::new("ZINTERSTORE").arg(to)))
    }

    /// The number of members in this range of bytes, if all scores are equal. [Redis
    /// ZLEXCOUNT](https://redis.io/docs/latest/commands/zlexcount/).
    #[doc(alias = "ZLEXCOUNT")]
    fn zlexcount<T: AsRef<[u8]>>(
        &self,
        key: impl ToArg,
        members: impl RangeBounds<T>,
    ) -> Self::Reply<u64> {
        let (min, max) = lex_bounds(&members);
        self.execute(Command::new("ZLEXCOUNT").arg(key).arg(min).arg(max))
    }

    /// Removes and returns up to `count` members of the first set that is not empty, with the key of that set. [Redis
    /// ZMPOP](https://redis.io/docs/latest/commands/zmpop/).
    #[doc(alias = "ZMPOP")]
    fn zmpop<M: FromValue>(
        &self,
        keys: impl IntoIterator<Item = impl ToArg, IntoIter: ExactSizeIterator>,
        extreme: Extreme,
        count: u64,
    ) -> Self::Reply<Option<Popped<M>>> {
        let keys = keys.into_iter();
        let command = Command::new("ZMPOP").arg(keys.len()).args_from(keys);
        let extreme = match extreme {
            Extreme::Min => "MIN",
            Extreme::Max => "MAX",
        };
        self.execute_with(command.arg(extreme).arg("COUNT").arg(count), |value| {
            let popped = Option::<(String, Pairs<M, f64>)>::from_value(value)?;
            Ok(popped.map(|(key, Pairs(members))| (key, members)))
        })
    }

    /// The scores of some members, in their order. [Redis ZMSCORE](https://redis.io/docs/latest/commands/zmscore/).
    #[doc(alias = "ZMSCORE")]
    fn zmscore(
        &self,
        key: impl ToArg,
        members: impl IntoIterator<Item = impl ToArg>,
    ) -> Self::Reply<Vec<Option<f64>>> {
        self.execute(Command::new("ZMSCORE").arg(key).args_from(members))
    }

    /// Removes and returns up to `count` members with the highest scores. [Redis
    /// ZPOPMAX](https://redis.io/docs/latest/commands/zpopmax/).
    #[doc(alias = "ZPOPMAX")]
    fn zpopmax<M: FromValue>(&self, key: impl ToArg, count: u64) -> Self::Reply<Vec<Scored<M>>> {
        self.execute_with(Command::new("ZPOPMAX").arg(key).arg(count), scored)
    }

    /// Removes and returns up to `count` members with the lowest scores. [Redis
    /// ZPOPMIN](https://redis.io/docs/latest/commands/zpopmin/).
    #[doc(alias = "ZPOPMIN")]
    fn zpopmin<M: FromValue>(&self, key: impl ToArg, count: u64) -> Self::Reply<Vec<Scored<M>>> {
        self.execute_with(Command::new("ZPOPMIN").arg(key).arg(count), scored)
    }

    /// A random member. [Redis ZRANDMEMBER](https://redis.io/docs/latest/commands/zrandmember/).
    #[doc(alias = "ZRANDMEMBER")]
    fn zrandmember<M: FromValue>(&self, key: impl ToArg) -> Self::Reply<Option<M>> {
        self.execute(Command::new("ZRANDMEMBER").arg(key))
    }

    /// Random members: up to `count` different ones. With a negative count exactly that many, which may repeat. [Redis
    /// ZRANDMEMBER](https://redis.io/docs/latest/commands/zrandmember/).
    #[doc(alias = "ZRANDMEMBER")]
    fn zrandmembers<M: FromValue>(&self, key: impl ToArg, count: i64) -> Self::Reply<Vec<M>> {
        self.execute(Command::new("ZRANDMEMBER").arg(key).arg(count))
    }

    /// The members of a range. [Redis ZRANGE](https://redis.io/docs/latest/commands/zrange/).
    #[doc(alias = "ZRANGE")]
    fn zrange<M: FromValue>(&self, key: impl ToArg, range: &ZRange) -> Self::Reply<Vec<M>> {
        self.execute(range.append(Command::new("ZRANGE").arg(key)))
    }

    /// The members of a range with their scores. [Redis ZRANGE](https://redis.io/docs/latest/commands/zrange/) with `WITHSCORES`.
    #[doc(alias = "ZRANGE")]
    fn zrange_withscores<M: FromValue>(
        &self,
        key: impl ToArg,
        range: &ZRange,
    ) -> Self::Reply<Vec<Scored<M>>> {
        self.execute_with(range.append(Command::new("ZRANGE").arg(key)).arg("WITHSCORES"), scored)
    }

    /// Stores the members of a range under `to`, and returns their number. [Redis ZRANGESTORE](https://redis.io/docs/latest/commands/zrangestore/).
    #[doc(alias = "ZRANGESTORE")]
    fn zrangestore(&self, to: impl ToArg, from: impl ToArg, range: &ZRange) -> Self::Reply<u64> {
        self.execute(range.append(Command::new("ZRANGESTORE").arg(to).arg(from)))
    }

    /// A member's rank from the lowest score; the first is 0. [Redis ZRANK](https://redis.io/docs/latest/commands/zrank/).
    #[doc(alias = "ZRANK")]
    fn zrank(&self, key: impl ToArg, member: impl ToArg) -> Self::Reply<Option<u64>> {
        self.execute(Command::new("ZRANK").arg(key).arg(member))
    }

    /// Removes members, and returns how many were there. [Redis ZREM](https://redis.io/docs/latest/commands/zrem/).
    #[doc(alias = "ZREM")]
    fn zrem(
        &self,
        key: impl ToArg,
        members: impl IntoIterator<Item = impl ToArg>,
    ) -> Self::Reply<u64> {
        self.execute(Command::new("ZREM").arg(key).args_from(members))
    }

    /// Removes the members in this range of bytes, if all scores are equal. [Redis
    /// ZREMRANGEBYLEX](https://redis.io/docs/latest/commands/zremrangebylex/).
    #[doc(alias = "ZREMRANGEBYLEX")]
    fn zremrangebylex<T: AsRef<[u8]>>(
        &self,
        key: impl ToArg,
        members: impl RangeBounds<T>,
    ) -> Self::Reply<u64> {
        let (min, max) = lex_bounds(&members);
        self.execute(Command::new("ZREMRANGEBYLEX").arg(key).arg(min).arg(max))
    }

    /// Removes the members of these ranks, both ends included. [Redis ZREMRANGEBYRANK](https://redis.io/docs/latest/commands/zremrangebyrank/).
    #[doc(alias = "ZREMRANGEBYRANK")]
    fn zremrangebyrank(&self, key: impl ToArg, start: i64, stop: i64) -> Self::Reply<u64> {
        self.execute(Command::new("ZREMRANGEBYRANK").arg(key).arg(start).arg(stop))
    }

    /// Removes the members with scores in this range. [Redis
    /// ZREMRANGEBYSCORE](https://redis.io/docs/latest/commands/zremrangebyscore/).
    #[doc(alias = "ZREMRANGEBYSCORE")]
    fn zremrangebyscore(&self, key: impl ToArg, scores: impl RangeBounds<f64>) -> Self::Reply<u64> {
        let (min, max) = score_bounds(&scores);
        self.execute(Command::new("ZREMRANGEBYSCORE").arg(key).arg(min).arg(max))
    }

    /// A member's rank from the highest score; the first is 0. [Redis
    /// ZREVRANK](https://redis.io/docs/latest/commands/zrevrank/).
    #[doc(alias = "ZREVRANK")]
    fn zrevrank(&self, key: impl ToArg, member: impl ToArg) -> Self::Reply<Option<u64>> {
        self.execute(Command::new("ZREVRANK").arg(key).arg(member))
    }

    /// One step through the members and their scores. [Redis ZSCAN](https://redis.io/docs/latest/commands/zscan/).
    #[doc(alias = "ZSCAN")]
    fn zscan<M: FromValue>(
        &self,
        key: impl ToArg,
        cursor: &Cursor,
        options: &ScanOptions,
    ) -> Self::Reply<Page<Pairs<M, f64>>> {
        self.execute(options.append(Command::new("ZSCAN").arg(key).arg(cursor)))
    }

    /// A member's score. [Redis ZSCORE](https://redis.io/docs/latest/commands/zscore/).
    #[doc(alias = "ZSCORE")]
    fn zscore(&self, key: impl ToArg, member: impl ToArg) -> Self::Reply<Option<f64>> {
        self.execute(Command::new("ZSCORE").arg(key).arg(member))
    }

    /// The members that are in any of the sets. [Redis ZUNION](https://redis.io/docs/latest/commands/zunion/).
    #[doc(alias = "ZUNION")]
    fn zunion<M: FromValue>(&self, sources: &ZSources) -> Self::Reply<Vec<M>> {
        self.execute(sources.append(Command::new("ZUNION")))
    }

    /// As [`SortedSetCommands::zunion`], with the scores. [Redis ZUNION](https://redis.io/docs/latest/commands/zunion/).
    #[doc(alias = "ZUNION")]
    fn zunion_withscores<M: FromValue>(&self, sources: &ZSources) -> Self::Reply<Vec<Scored<M>>> {
        self.execute_with(sources.append(Command::new("ZUNION")).arg("WITHSCORES"), scored)
    }

    /// Stores the members that are in any of the sets under `to`, and returns their number. [Redis
    /// ZUNIONSTORE](https://redis.io/docs/latest/commands/zunionstore/).
    #[doc(alias = "ZUNIONSTORE")]
    fn zunionstore(&self, to: impl ToArg, sources: &ZSources) -> Self::Reply<u64> {
        self.execute(sources.append(Command::new("ZUNIONSTORE").arg(to)))
    }

    /// The members of a range by their bytes, where all scores are equal. [Redis ZRANGEBYLEX](https://redis.io/docs/latest/commands/zrangebylex/), which
    /// [`SortedSetCommands::zrange`] has replaced.
    #[doc(alias = "ZRANGEBYLEX")]
    fn zrangebylex<M: FromValue, T: AsRef<[u8]>>(
        &self,
        key: impl ToArg,
        members: impl RangeBounds<T>,
    ) -> Self::Reply<Vec<M>> {
        let (min, max) = lex_bounds(&members);
        self.execute(Command::new("ZRANGEBYLEX").arg(key).arg(min).arg(max))
    }

    /// The members of a range of scores. [Redis ZRANGEBYSCORE](https://redis.io/docs/latest/commands/zrangebyscore/), which [`SortedSetCommands::zrange`] has replaced.
    #[doc(alias = "ZRANGEBYSCORE")]
    fn zrangebyscore<M: FromValue>(
        &self,
        key: impl ToArg,
        scores: impl RangeBounds<f64>,
    ) -> Self::Reply<Vec<M>> {
        let (min, max) = score_bounds(&scores);
        self.execute(Command::new("ZRANGEBYSCORE").arg(key).arg(min).arg(max))
    }

    /// The members of a range of ranks, from the highest score down. [Redis ZREVRANGE](https://redis.io/docs/latest/commands/zrevrange/), which
    /// [`SortedSetCommands::zrange`] has replaced.
    #[doc(alias = "ZREVRANGE")]
    fn zrevrange<M: FromValue>(
        &self,
        key: impl ToArg,
        start: i64,
        stop: i64,
    ) -> Self::Reply<Vec<M>> {
        self.execute(Command::new("ZREVRANGE").arg(key).arg(start).arg(stop))
    }

    /// The members of a range by their bytes, the last first. [Redis ZREVRANGEBYLEX](https://redis.io/docs/latest/commands/zrevrangebylex/), which
    /// [`SortedSetCommands::zrange`] has replaced.
    #[doc(alias = "ZREVRANGEBYLEX")]
    fn zrevrangebylex<M: FromValue, T: AsRef<[u8]>>(
        &self,
        key: impl ToArg,
        members: impl RangeBounds<T>,
    ) -> Self::Reply<Vec<M>> {
        let (min, max) = lex_bounds(&members);
        self.execute(Command::new("ZREVRANGEBYLEX").arg(key).arg(max).arg(min))
    }

    /// The members of a range of scores, the highest first. [Redis ZREVRANGEBYSCORE](https://redis.io/docs/latest/commands/zrevrangebyscore/), which
    /// [`SortedSetCommands::zrange`] has replaced.
    #[doc(alias = "ZREVRANGEBYSCORE")]
    fn zrevrangebyscore<M: FromValue>(
        &self,
        key: impl ToArg,
        scores: impl RangeBounds<f64>,
    ) -> Self::Reply<Vec<M>> {
        let (min, max) = score_bounds(&scores);
        self.execute(Command::new("ZREVRANGEBYSCORE").arg(key).arg(max).arg(min))
    }

    /// As [`SortedSetCommands::zpopmin`], but waits for a member until the timeout is over. `None` waits for ever; a shorter
    /// time than 1 ms, and zero, counts as 1 ms. Not over REST.
    /// [Redis BZPOPMIN](https://redis.io/docs/latest/commands/bzpopmin/).
    #[doc(alias = "BZPOPMIN")]
    fn bzpopmin<M: FromValue>(
        &self,
        keys: impl IntoIterator<Item = impl ToArg>,
        timeout: impl Into<Option<Duration>>,
    ) -> Self::Reply<Option<(String, M, f64)>> {
        self.execute(Command::new("BZPOPMIN").args_from(keys).arg(TimeoutSeconds(timeout.into())))
    }

    /// As [`SortedSetCommands::zpopmax`], but waits for a member until the timeout is over. `None` waits for ever; a shorter
    /// time than 1 ms, and zero, counts as 1 ms. Not over REST.
    /// [Redis BZPOPMAX](https://redis.io/docs/latest/commands/bzpopmax/).
    #[doc(alias = "BZPOPMAX")]
    fn bzpopmax<M: FromValue>(
        &self,
        keys: impl IntoIterator<Item = impl ToArg>,
        timeout: impl Into<Option<Duration>>,
    ) -> Self::Reply<Option<(String, M, f64)>> {
        self.execute(Command::new("BZPOPMAX").args_from(keys).arg(TimeoutSeconds(timeout.into())))
    }
}

impl<E: Execute + ?Sized> SortedSetCommands for E {}
