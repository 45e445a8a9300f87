//! Lists: sequences with two ends.

use std::time::Duration;

use super::time::TimeoutSeconds;
use super::{Arguments, Command, Execute, ToArg};
use crate::FromValue;

/// An end of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum End {
    /// The head.
    Left,
    /// The tail.
    Right,
}

impl ToArg for End {
    fn write_to(&self, args: &mut Arguments) {
        match self {
            Self::Left => "LEFT",
            Self::Right => "RIGHT",
        }
        .write_to(args);
    }
}

/// Where LINSERT puts the new element.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Place {
    /// Before the pivot.
    Before,
    /// After the pivot.
    After,
}

/// The commands on lists. Each is one command and one round trip.
///
/// ```
/// use edgecask::prelude::*;
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
/// # runtime.block_on(async {
/// let client = Client::memory();
/// client.rpush("tasks", ["a", "b", "c"]).await?;
/// let first: Option<String> = client.lpop("tasks").await?;
/// assert_eq!(first.as_deref(), Some("a"));
/// let rest: Vec<String> = client.lrange("tasks", 0, -1).await?;
/// assert_eq!(rest, ["b", "c"]);
/// # Ok::<(), edgecask::Error>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait ListCommands: Execute {
    /// The element at a position; negative ones count from the end. [Redis LINDEX](https://redis.io/docs/latest/commands/lindex/).
    #[doc(alias = "LINDEX")]
    fn lindex<R: FromValue>(&self, key: impl ToArg, index: i64) -> Self::Reply<Option<R>> {
        self.execute(Command::new("LINDEX").arg(key).arg(index))
    }

    /// Inserts an element before or after the first `pivot`, and returns the new length; 0 if the key is absent, -1 if the
    /// pivot is absent. [Redis LINSERT](https://redis.io/docs/latest/commands/linsert/).
    #[doc(alias = "LINSERT")]
    fn linsert(
        &self,
        key: impl ToArg,
        place: Place,
        pivot: impl ToArg,
        element: impl ToArg,
    ) -> Self::Reply<i64> {
        let place = match place {
            Place::Before => "BEFORE",
            Place::After => "AFTER",
        };
        self.execute(Command::new("LINSERT").arg(key).arg(place).arg(pivot).arg(element))
    }

    /// The length, 0 if the key is absent. [Redis LLEN](https://redis.io/docs/latest/commands/llen/).
    #[doc(alias = "LLEN")]
    fn llen(&self, key: impl ToArg) -> Self::Reply<u64> {
        self.execute(Command::new("LLEN").arg(key))
    }

    /// Moves an element from one end of a list to an end of another, or of the same. [Redis LMOVE](https://redis.io/docs/latest/commands/lmove/).
    #[doc(alias = "LMOVE")]
    fn lmove<R: FromValue>(
        &self,
        from: impl ToArg,
        to: impl ToArg,
        from_end: End,
        to_end: End,
    ) -> Self::Reply<Option<R>> {
        self.execute(Command::new("LMOVE").arg(from).arg(to).arg(from_end).arg(to_end))
    }

    /// Removes and returns up to `count` elements of the first list that is not empty, with the key of that list. [Redis
    /// LMPOP](https://redis.io/docs/latest/commands/lmpop/).
    #[doc(alias = "LMPOP")]
    fn lmpop<R: FromValue>(
        &self,
        keys: impl IntoIterator<Item = impl ToArg, IntoIter: ExactSizeIterator>,
        end: End,
        count: u64,
    ) -> Self::Reply<Option<(String, Vec<R>)>> {
        let keys = keys.into_iter();
        let command = Command::new("LMPOP").arg(keys.len()).args_from(keys);
        self.execute(command.arg(end).arg("COUNT").arg(count))
    }

    /// Removes and returns the first element. [Redis LPOP](https://redis.io/docs/latest/commands/lpop/).
    #[doc(alias = "LPOP")]
    fn lpop<R: FromValue>(&self, key: impl ToArg) -> Self::Reply<Option<R>> {
        self.execute(Command::new("LPOP").arg(key))
    }

    /// Removes and returns up to `count` elements at the head; `None` if the key is absent. [Redis
    /// LPOP](https://redis.io/docs/latest/commands/lpop/).
    #[doc(alias = "LPOP")]
    fn lpop_count<R: FromValue>(&self, key: impl ToArg, count: u64) -> Self::Reply<Option<Vec<R>>> {
        self.execute(Command::new("LPOP").arg(key).arg(count))
    }

    /// The position of the first element that equals this. [Redis LPOS](https://redis.io/docs/latest/commands/lpos/).
    #[doc(alias = "LPOS")]
    fn lpos(&self, key: impl ToArg, element: impl ToArg) -> Self::Reply<Option<u64>> {
        self.execute(Command::new("LPOS").arg(key).arg(element))
    }

    /// The positions of elements that equal this: up to `count` of them (0: all), from the `rank`-th match on. A negative
    /// rank searches from the end. [Redis LPOS](https://redis.io/docs/latest/commands/lpos/).
    #[doc(alias = "LPOS")]
    fn lpos_all(
        &self,
        key: impl ToArg,
        element: impl ToArg,
        rank: i64,
        count: u64,
    ) -> Self::Reply<Vec<u64>> {
        let command = Command::new("LPOS").arg(key).arg(element);
        self.execute(command.arg("RANK").arg(rank).arg("COUNT").arg(count))
    }

    /// Adds elements at the head, one after the other, and returns the new length. [Redis
    /// LPUSH](https://redis.io/docs/latest/commands/lpush/).
    #[doc(alias = "LPUSH")]
    fn lpush(
        &self,
        key: impl ToArg,
        elements: impl IntoIterator<Item = impl ToArg>,
    ) -> Self::Reply<u64> {
        self.execute(Command::new("LPUSH").arg(key).args_from(elements))
    }

    /// As [`ListCommands::lpush`], but only if the list exists; returns 0 if it does not. [Redis LPUSHX](https://redis.io/docs/latest/commands/lpushx/).
    #[doc(alias = "LPUSHX")]
    fn lpushx(
        &self,
        key: impl ToArg,
        elements: impl IntoIterator<Item = impl ToArg>,
    ) -> Self::Reply<u64> {
        self.execute(Command::new("LPUSHX").arg(key).args_from(elements))
    }

    /// The elements from `start` to `stop`, both included. [Redis LRANGE](https://redis.io/docs/latest/commands/lrange/).
    #[doc(alias = "LRANGE")]
    fn lrange<R: FromValue>(&self, key: impl ToArg, start: i64, stop: i64) -> Self::Reply<Vec<R>> {
        self.execute(Command::new("LRANGE").arg(key).arg(start).arg(stop))
    }

    /// Removes elements that equal this, and returns how many: `count` of them from the head, from the tail if it is
    /// negative, all if it is 0. [Redis LREM](https://redis.io/docs/latest/commands/lrem/).
    #[doc(alias = "LREM")]
    fn lrem(&self, key: impl ToArg, count: i64, element: impl ToArg) -> Self::Reply<u64> {
        self.execute(Command::new("LREM").arg(key).arg(count).arg(element))
    }

    /// Replaces the element at an existing position. [Redis LSET](https://redis.io/docs/latest/commands/lset/).
    #[doc(alias = "LSET")]
    fn lset(&self, key: impl ToArg, index: i64, element: impl ToArg) -> Self::Reply<()> {
        self.execute(Command::new("LSET").arg(key).arg(index).arg(element))
    }

    /// Keeps the elements from `start` to `stop` and drops the others. [Redis LTRIM](https://redis.io/docs/latest/commands/ltrim/).
    #[doc(alias = "LTRIM")]
    fn ltrim(&self, key: impl ToArg, start: i64, stop: i64) -> Self::Reply<()> {
        self.execute(Command::new("LTRIM").arg(key).arg(start).arg(stop))
    }

    /// Removes and returns the last element. [Redis RPOP](https://redis.io/docs/latest/commands/rpop/).
    #[doc(alias = "RPOP")]
    fn rpop<R: FromValue>(&self, key: impl ToArg) -> Self::Reply<Option<R>> {
        self.execute(Command::new("RPOP").arg(key))
    }

    /// Removes and returns up to `count` elements at the tail; `None` if the key is absent. [Redis
    /// RPOP](https://redis.io/docs/latest/commands/rpop/).
    #[doc(alias = "RPOP")]
    fn rpop_count<R: FromValue>(&self, key: impl ToArg, count: u64) -> Self::Reply<Option<Vec<R>>> {
        self.execute(Command::new("RPOP").arg(key).arg(count))
    }

    /// Moves the last element of a list to the head of another. [Redis RPOPLPUSH](https://redis.io/docs/latest/commands/rpoplpush/).
    #[doc(alias = "RPOPLPUSH")]
    fn rpoplpush<R: FromValue>(&self, from: impl ToArg, to: impl ToArg) -> Self::Reply<Option<R>> {
        self.execute(Command::new("RPOPLPUSH").arg(from).arg(to))
    }

    /// Adds elements at the tail, one after the other, and returns the new length. [Redis
    /// RPUSH](https://redis.io/docs/latest/commands/rpush/).
    #[doc(alias = "RPUSH")]
    fn rpush(
        &self,
        key: impl ToArg,
        elements: impl IntoIterator<Item = impl ToArg>,
    ) -> Self::Reply<u64> {
        self.execute(Command::new("RPUSH").arg(key).args_from(elements))
    }

    /// As [`ListCommands::rpush`], but only if the list exists; returns 0 if it does not. [Redis RPUSHX](https://redis.io/docs/latest/commands/rpushx/).
    #[doc(alias = "RPUSHX")]
    fn rpushx(
        &self,
        key: impl ToArg,
        elements: impl IntoIterator<Item = impl ToArg>,
    ) -> Self::Reply<u64> {
        self.execute(Command::new("RPUSHX").arg(key).args_from(elements))
    }

    /// As [`ListCommands::lmove`], but waits for an element until the timeout is over. `None` waits for ever; a shorter time
    /// than 1 ms, and zero, counts as 1 ms. Not over REST.
    /// [Redis BLMOVE](https://redis.io/docs/latest/commands/blmove/).
    #[doc(alias = "BLMOVE")]
    fn blmove<R: FromValue>(
        &self,
        from: impl ToArg,
        to: impl ToArg,
        from_end: End,
        to_end: End,
        timeout: impl Into<Option<Duration>>,
    ) -> Self::Reply<Option<R>> {
        let command = Command::new("BLMOVE").arg(from).arg(to).arg(from_end).arg(to_end);
        self.execute(command.arg(TimeoutSeconds(timeout.into())))
    }

    /// Removes and returns the first element of the first list that is not empty, with the key of that list. It waits for
    /// an element until the timeout is over. `None` waits for ever; a shorter time than 1 ms, and zero, counts as 1 ms.
    /// Not over REST. [Redis BLPOP](https://redis.io/docs/latest/commands/blpop/).
    ///
    /// ```no_run
    /// use edgecask::prelude::*;
    /// use std::time::Duration;
    ///
    /// # async fn example(client: Client) -> edgecask::Result<()> {
    /// while let Some((queue, job)) =
    ///     client.blpop::<String>(["urgent", "jobs"], Duration::from_secs(5)).await?
    /// {
    ///     println!("{queue}: {job}");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "BLPOP")]
    fn blpop<R: FromValue>(
        &self,
        keys: impl IntoIterator<Item = impl ToArg>,
        timeout: impl Into<Option<Duration>>,
    ) -> Self::Reply<Option<(String, R)>> {
        self.execute(Command::new("BLPOP").args_from(keys).arg(TimeoutSeconds(timeout.into())))
    }

    /// As [`ListCommands::blpop`], with the last element. Not over REST. [Redis
    /// BRPOP](https://redis.io/docs/latest/commands/brpop/).
    #[doc(alias = "BRPOP")]
    fn brpop<R: FromValue>(
        &self,
        keys: impl IntoIterator<Item = impl ToArg>,
        timeout: impl Into<Option<Duration>>,
    ) -> Self::Reply<Option<(String, R)>> {
        self.execute(Command::new("BRPOP").args_from(keys).arg(TimeoutSeconds(timeout.into())))
    }
}

impl<E: Execute + ?Sized> ListCommands for E {}
