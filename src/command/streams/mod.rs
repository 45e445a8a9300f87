//! Streams: logs of entries, read alone or by groups of consumers.

mod options;
mod replies;

use std::time::Duration;

pub use options::{DeletePolicy, Trim, XAddOptions, XClaimOptions, XReadOptions};
pub use replies::{AutoClaimed, Deleted, Entry, Pending, PendingSummary, Read, StreamInfo};
use replies::{auto_claimed, present, read};

use super::{Command, Execute, ToArg, time};
use crate::FromValue;

/// The commands on streams. Each is one command and one round trip.
///
/// ```no_run
/// use edgecask::{command::streams::XReadOptions, prelude::*};
///
/// # async fn jobs(client: Client) -> edgecask::Result<()> {
/// client.xgroup_create("jobs", "workers", "$", true).await?;
/// client.xadd("jobs", [("task", "resize"), ("image", "cat.png")]).await?;
///
/// let options = XReadOptions::new().count(10);
/// let read = client.xreadgroup::<String>("workers", "worker-1", &options, [("jobs", ">")]).await?;
/// for (stream, entries) in read {
///     for entry in entries {
///         println!("{:?}", entry.get("task"));
///         client.xack(&stream, "workers", [entry.id]).await?;
///     }
/// }
/// # Ok(())
/// # }
/// ```
pub trait StreamCommands: Execute {
    /// Acknowledges entries, and returns how many were pending. [Redis XACK](https://redis.io/docs/latest/commands/xack/).
    #[doc(alias = "XACK")]
    fn xack(
        &self,
        key: impl ToArg,
        group: impl ToArg,
        ids: impl IntoIterator<Item = impl ToArg>,
    ) -> Self::Reply<u64> {
        self.execute(Command::new("XACK").arg(key).arg(group).args_from(ids))
    }

    /// Acknowledges entries and deletes them by the policy. [Redis XACKDEL](https://redis.io/docs/latest/commands/xackdel/)
    /// (8.2).
    #[doc(alias = "XACKDEL")]
    fn xackdel(
        &self,
        key: impl ToArg,
        group: impl ToArg,
        policy: DeletePolicy,
        ids: impl IntoIterator<Item = impl ToArg>,
    ) -> Self::Reply<Vec<Deleted>> {
        let command = Command::new("XACKDEL").arg(key).arg(group).arg(policy.word());
        self.execute(command.arg("IDS").counted(ids))
    }

    /// Adds an entry, and returns its id. [Redis XADD](https://redis.io/docs/latest/commands/xadd/).
    #[doc(alias = "XADD")]
    fn xadd(
        &self,
        key: impl ToArg,
        fields: impl IntoIterator<Item = (impl ToArg, impl ToArg)>,
    ) -> Self::Reply<String> {
        self.execute(Command::new("XADD").arg(key).arg("*").pairs_from(fields))
    }

    /// Adds an entry by the options; `None` if the stream is absent and must not be created. [Redis
    /// XADD](https://redis.io/docs/latest/commands/xadd/).
    #[doc(alias = "XADD")]
    fn xadd_with(
        &self,
        key: impl ToArg,
        options: &XAddOptions,
        fields: impl IntoIterator<Item = (impl ToArg, impl ToArg)>,
    ) -> Self::Reply<Option<String>> {
        self.execute(options.append(Command::new("XADD").arg(key)).pairs_from(fields))
    }

    /// Takes over entries that have been pending for `min_idle` or longer, from an id on. The time is rounded up to
    /// milliseconds.
    /// [Redis XAUTOCLAIM](https://redis.io/docs/latest/commands/xautoclaim/).
    #[doc(alias = "XAUTOCLAIM")]
    fn xautoclaim<V: FromValue>(
        &self,
        key: impl ToArg,
        group: impl ToArg,
        consumer: impl ToArg,
        min_idle: Duration,
        start: impl ToArg,
        count: Option<u64>,
    ) -> Self::Reply<AutoClaimed<Entry<V>>> {
        let command = Command::new("XAUTOCLAIM").arg(key).arg(group).arg(consumer);
        let command = command.arg(time::millis(min_idle)).arg(start).option("COUNT", count);
        self.execute_with(command, |value| auto_claimed(value, present))
    }

    /// As [`StreamCommands::xautoclaim`], but returns only ids, and does not count a delivery. [Redis XAUTOCLAIM](https://redis.io/docs/latest/commands/xautoclaim/) with `JUSTID`.
    #[doc(alias = "XAUTOCLAIM")]
    fn xautoclaim_justid(
        &self,
        key: impl ToArg,
        group: impl ToArg,
        consumer: impl ToArg,
        min_idle: Duration,
        start: impl ToArg,
        count: Option<u64>,
    ) -> Self::Reply<AutoClaimed<String>> {
        let command = Command::new("XAUTOCLAIM").arg(key).arg(group).arg(consumer);
        let command =
            command.arg(time::millis(min_idle)).arg(start).option("COUNT", count).arg("JUSTID");
        self.execute_with(command, |value| auto_claimed(value, Vec::from_value))
    }

    /// Takes over those of these entries that have been pending for `min_idle` or longer. The time is rounded up to
    /// milliseconds. [Redis XCLAIM](https://redis.io/docs/latest/commands/xclaim/).
    #[doc(alias = "XCLAIM")]
    fn xclaim<V: FromValue>(
        &self,
        key: impl ToArg,
        group: impl ToArg,
        consumer: impl ToArg,
        min_idle: Duration,
        ids: impl IntoIterator<Item = impl ToArg>,
        options: XClaimOptions,
    ) -> Self::Reply<Vec<Entry<V>>> {
        let command = Command::new("XCLAIM").arg(key).arg(group).arg(consumer);
        let command = command.arg(time::millis(min_idle));
        self.execute_with(options.append(command.args_from(ids)), present)
    }

    /// As [`StreamCommands::xclaim`], but returns only ids, and does not count a delivery. [Redis XCLAIM](https://redis.io/docs/latest/commands/xclaim/) with `JUSTID`.
    #[doc(alias = "XCLAIM")]
    fn xclaim_justid(
        &self,
        key: impl ToArg,
        group: impl ToArg,
        consumer: impl ToArg,
        min_idle: Duration,
        ids: impl IntoIterator<Item = impl ToArg>,
        options: XClaimOptions,
    ) -> Self::Reply<Vec<String>> {
        let command = Command::new("XCLAIM").arg(key).arg(group).arg(consumer);
        let command = command.arg(time::millis(min_idle));
        self.execute(options.append(command.args_from(ids)).arg("JUSTID"))
    }

    /// Deletes entries, and returns how many were there. [Redis XDEL](https://redis.io/docs/latest/commands/xdel/).
    #[doc(alias = "XDEL")]
    fn xdel(&self, key: impl ToArg, ids: impl IntoIterator<Item = impl ToArg>) -> Self::Reply<u64> {
        self.execute(Command::new("XDEL").arg(key).args_from(ids))
    }

    /// Deletes entries by the policy. [Redis XDELEX](https://redis.io/docs/latest/commands/xdelex/) (8.2).
    #[doc(alias = "XDELEX")]
    fn xdelex(
        &self,
        key: impl ToArg,
        policy: DeletePolicy,
        ids: impl IntoIterator<Item = impl ToArg>,
    ) -> Self::Reply<Vec<Deleted>> {
        let command = Command::new("XDELEX").arg(key).arg(policy.word()).arg("IDS");
        self.execute(command.counted(ids))
    }

    /// Creates a group that begins after an id (`$`: the last one); with `mkstream` also the stream. [Redis XGROUP
    /// CREATE](https://redis.io/docs/latest/commands/xgroup-create/).
    #[doc(alias = "XGROUP CREATE")]
    fn xgroup_create(
        &self,
        key: impl ToArg,
        group: impl ToArg,
        id: impl ToArg,
        mkstream: bool,
    ) -> Self::Reply<()> {
        let command = Command::new("XGROUP").arg("CREATE").arg(key).arg(group).arg(id);
        self.execute(command.arg_if(mkstream, "MKSTREAM"))
    }

    /// Creates a consumer; returns whether it is new. [Redis XGROUP
    /// CREATECONSUMER](https://redis.io/docs/latest/commands/xgroup-createconsumer/).
    #[doc(alias = "XGROUP CREATECONSUMER")]
    fn xgroup_createconsumer(
        &self,
        key: impl ToArg,
        group: impl ToArg,
        consumer: impl ToArg,
    ) -> Self::Reply<bool> {
        self.execute(Command::new("XGROUP").arg("CREATECONSUMER").arg(key).arg(group).arg(consumer))
    }

    /// Deletes a consumer, and returns how many entries it had pending. [Redis XGROUP DELCONSUMER](https://redis.io/docs/latest/commands/xgroup-delconsumer/).
    #[doc(alias = "XGROUP DELCONSUMER")]
    fn xgroup_delconsumer(
        &self,
        key: impl ToArg,
        group: impl ToArg,
        consumer: impl ToArg,
    ) -> Self::Reply<u64> {
        self.execute(Command::new("XGROUP").arg("DELCONSUMER").arg(key).arg(group).arg(consumer))
    }

    /// Deletes a group; returns whether it existed. [Redis XGROUP
    /// DESTROY](https://redis.io/docs/latest/commands/xgroup-destroy/).
    #[doc(alias = "XGROUP DESTROY")]
    fn xgroup_destroy(&self, key: impl ToArg, group: impl ToArg) -> Self::Reply<bool> {
        self.execute(Command::new("XGROUP").arg("DESTROY").arg(key).arg(group))
    }

    /// Sets the id after which a group continues. [Redis XGROUP
    /// SETID](https://redis.io/docs/latest/commands/xgroup-setid/).
    #[doc(alias = "XGROUP SETID")]
    fn xgroup_setid(&self, key: impl ToArg, group: impl ToArg, id: impl ToArg) -> Self::Reply<()> {
        self.execute(Command::new("XGROUP").arg("SETID").arg(key).arg(group).arg(id))
    }

    /// The consumers of a group. [Redis XINFO CONSUMERS](https://redis.io/docs/latest/commands/xinfo-consumers/).
    #[doc(alias = "XINFO CONSUMERS")]
    fn xinfo_consumers(&self, key: impl ToArg, group: impl ToArg) -> Self::Reply<Vec<StreamInfo>> {
        self.execute(Command::new("XINFO").arg("CONSUMERS").arg(key).arg(group))
    }

    /// The groups of a stream. [Redis XINFO GROUPS](https://redis.io/docs/latest/commands/xinfo-groups/).
    #[doc(alias = "XINFO GROUPS")]
    fn xinfo_groups(&self, key: impl ToArg) -> Self::Reply<Vec<StreamInfo>> {
        self.execute(Command::new("XINFO").arg("GROUPS").arg(key))
    }

    /// A stream's length, last id and so on. [Redis XINFO STREAM](https://redis.io/docs/latest/commands/xinfo-stream/).
    #[doc(alias = "XINFO STREAM")]
    fn xinfo_stream(&self, key: impl ToArg) -> Self::Reply<StreamInfo> {
        self.execute(Command::new("XINFO").arg("STREAM").arg(key))
    }

    /// The number of entries. [Redis XLEN](https://redis.io/docs/latest/commands/xlen/).
    #[doc(alias = "XLEN")]
    fn xlen(&self, key: impl ToArg) -> Self::Reply<u64> {
        self.execute(Command::new("XLEN").arg(key))
    }

    /// A summary of the pending entries of a group. [Redis XPENDING](https://redis.io/docs/latest/commands/xpending/).
    #[doc(alias = "XPENDING")]
    fn xpending(&self, key: impl ToArg, group: impl ToArg) -> Self::Reply<PendingSummary> {
        self.execute(Command::new("XPENDING").arg(key).arg(group))
    }

    /// The pending entries of a group, or of one of its consumers, from one id to another (`-` and `+`: all). [Redis
    /// XPENDING](https://redis.io/docs/latest/commands/xpending/).
    #[doc(alias = "XPENDING")]
    fn xpending_range(
        &self,
        key: impl ToArg,
        group: impl ToArg,
        start: impl ToArg,
        end: impl ToArg,
        count: u64,
        consumer: Option<&str>,
    ) -> Self::Reply<Vec<Pending>> {
        let command = Command::new("XPENDING").arg(key).arg(group).arg(start).arg(end).arg(count);
        self.execute(consumer.into_iter().fold(command, Command::arg))
    }

    /// The entries from one id to another (`-` and `+`: all), at most `count`. [Redis
    /// XRANGE](https://redis.io/docs/latest/commands/xrange/).
    #[doc(alias = "XRANGE")]
    fn xrange<V: FromValue>(
        &self,
        key: impl ToArg,
        start: impl ToArg,
        end: impl ToArg,
        count: Option<u64>,
    ) -> Self::Reply<Vec<Entry<V>>> {
        let command = Command::new("XRANGE").arg(key).arg(start).arg(end);
        self.execute(command.option("COUNT", count))
    }

    /// The entries after these ids, by stream. Streams without new entries are left out. [Redis
    /// XREAD](https://redis.io/docs/latest/commands/xread/).
    #[doc(alias = "XREAD")]
    fn xread<V: FromValue>(
        &self,
        options: &XReadOptions,
        streams: impl IntoIterator<Item = (impl ToArg, impl ToArg)>,
    ) -> Self::Reply<Read<V>> {
        self.execute_with(options.append(Command::new("XREAD"), streams), read)
    }

    /// The entries for a consumer of a group (`>`: those that were not delivered yet). [Redis
    /// XREADGROUP](https://redis.io/docs/latest/commands/xreadgroup/).
    #[doc(alias = "XREADGROUP")]
    fn xreadgroup<V: FromValue>(
        &self,
        group: impl ToArg,
        consumer: impl ToArg,
        options: &XReadOptions,
        streams: impl IntoIterator<Item = (impl ToArg, impl ToArg)>,
    ) -> Self::Reply<Read<V>> {
        let command = Command::new("XREADGROUP").arg("GROUP").arg(group).arg(consumer);
        self.execute_with(options.append(command, streams), read)
    }

    /// The entries from one id down to another (`+` and `-`: all), at most `count`. [Redis
    /// XREVRANGE](https://redis.io/docs/latest/commands/xrevrange/).
    #[doc(alias = "XREVRANGE")]
    fn xrevrange<V: FromValue>(
        &self,
        key: impl ToArg,
        end: impl ToArg,
        start: impl ToArg,
        count: Option<u64>,
    ) -> Self::Reply<Vec<Entry<V>>> {
        let command = Command::new("XREVRANGE").arg(key).arg(end).arg(start);
        self.execute(command.option("COUNT", count))
    }

    /// Drops old entries, and returns how many. [Redis XTRIM](https://redis.io/docs/latest/commands/xtrim/).
    #[doc(alias = "XTRIM")]
    fn xtrim(&self, key: impl ToArg, trim: &Trim) -> Self::Reply<u64> {
        self.execute(trim.append(Command::new("XTRIM").arg(key)))
    }
}

impl<E: Execute + ?Sized> StreamCommands for E {}
