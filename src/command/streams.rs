//! Streams: logs of entries, read alone or by groups of consumers.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Arguments, Command, Execute, ToArg, time};
use crate::{Error, ErrorKind, FromValue, Pairs, Result, Value};

/// An entry: its id, and its fields in order.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Entry<V> {
    /// Such as `1526919030474-55`.
    pub id: String,
    /// Empty for an entry that was deleted while it was pending.
    pub fields: Vec<(String, V)>,
}

impl<V> Entry<V> {
    /// The value of a field; of the first one, if several have this name.
    pub fn get(&self, field: &str) -> Option<&V> {
        self.fields.iter().find(|(name, _)| name == field).map(|(_, value)| value)
    }
}

impl<V: FromValue> FromValue for Entry<V> {
    fn from_value(value: Value) -> Result<Self> {
        let (id, fields) = <(String, Option<Pairs<String, V>>)>::from_value(value)?;
        Ok(Self { id, fields: fields.map(|pairs| pairs.0).unwrap_or_default() })
    }
}

/// What a stream was read of, by its key.
pub type Read<V> = Vec<(String, Vec<Entry<V>>)>;

fn read<V: FromValue>(value: Value) -> Result<Read<V>> {
    Ok(Option::<Pairs<String, Vec<Entry<V>>>>::from_value(value)?.map_or(Vec::new(), |read| read.0))
}

/// Entries that may have been deleted since they were delivered: those come as nil.
fn present<V: FromValue>(value: Value) -> Result<Vec<Entry<V>>> {
    Ok(Vec::<Option<Entry<V>>>::from_value(value)?.into_iter().flatten().collect())
}

/// Which old entries XADD and XTRIM drop.
///
/// ```
/// use edgecask::command::streams::Trim;
///
/// let about_a_thousand = Trim::max_len(1000).approximately();
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Trim {
    strategy: &'static str,
    threshold: String,
    approximately: bool,
    limit: Option<u64>,
    policy: Option<DeletePolicy>,
}

impl Trim {
    fn new(strategy: &'static str, threshold: String) -> Self {
        Self { strategy, threshold, approximately: false, limit: None, policy: None }
    }

    /// All but the newest so many.
    pub fn max_len(length: u64) -> Self {
        Self::new("MAXLEN", length.to_string())
    }

    /// Those with a smaller id.
    pub fn min_id(id: impl Into<String>) -> Self {
        Self::new("MINID", id.into())
    }

    /// May leave a few more, which is faster (`~`).
    #[must_use]
    pub fn approximately(mut self) -> Self {
        self.approximately = true;
        self
    }

    /// Drops so many at a time at the most; only together with [`approximately`](Self::approximately).
    #[must_use]
    pub fn limit(mut self, entries: u64) -> Self {
        self.limit = Some(entries);
        self
    }

    /// What becomes of the groups' references to dropped entries (Redis 8.2).
    #[must_use]
    pub fn policy(mut self, policy: DeletePolicy) -> Self {
        self.policy = Some(policy);
        self
    }

    fn append(&self, command: Command) -> Command {
        let command = command.arg(self.strategy).arg_if(self.approximately, "~");
        let command = command.arg(&self.threshold).option("LIMIT", self.limit);
        self.policy.map(DeletePolicy::word).into_iter().fold(command, Command::arg)
    }
}

/// What becomes of the groups' references to an entry that is deleted (Redis 8.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DeletePolicy {
    /// They stay.
    KeepRef,
    /// They are deleted too.
    DelRef,
    /// Only entries that every group has acknowledged are deleted.
    Acked,
}

impl DeletePolicy {
    fn word(self) -> &'static str {
        match self {
            Self::KeepRef => "KEEPREF",
            Self::DelRef => "DELREF",
            Self::Acked => "ACKED",
        }
    }
}

/// What XDELEX and XACKDEL did to an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Deleted {
    /// There is no such entry.
    Missing,
    /// It was deleted.
    Deleted,
    /// It is still referred to, and stays.
    Kept,
}

impl FromValue for Deleted {
    fn from_value(value: Value) -> Result<Self> {
        match i64::from_value(value)? {
            -1 => Ok(Self::Missing),
            1 => Ok(Self::Deleted),
            2 => Ok(Self::Kept),
            _ => Err(Error::new(ErrorKind::Type, "asked what became of an entry")),
        }
    }
}

/// The options of XADD. By default the server makes the id, the stream is made if it is absent, and nothing is trimmed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct XAddOptions {
    id: Option<String>,
    no_mkstream: bool,
    trim: Option<Trim>,
}

impl XAddOptions {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// This id; it must be greater than all others.
    #[must_use]
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// Adds nothing if the stream is absent.
    #[must_use]
    pub fn no_mkstream(mut self) -> Self {
        self.no_mkstream = true;
        self
    }

    /// Trims the stream as well.
    #[must_use]
    pub fn trim(mut self, trim: Trim) -> Self {
        self.trim = Some(trim);
        self
    }
}

/// The options of XREAD and XREADGROUP. By default everything is given that is there, and nothing is waited for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct XReadOptions {
    count: Option<u64>,
    block: Option<u64>,
    no_ack: bool,
}

impl XReadOptions {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// So many entries of each stream at the most.
    #[must_use]
    pub fn count(mut self, count: u64) -> Self {
        self.count = Some(count);
        self
    }

    /// Waits for entries until the timeout is over. `None` waits for ever; a shorter time than 1 ms, and zero, counts as
    /// 1 ms. Not over REST.
    #[must_use]
    pub fn block(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.block = Some(time::millis_or_zero(timeout.into()));
        self
    }

    /// Entries need no XACK. XREADGROUP alone takes it.
    #[must_use]
    pub fn no_ack(mut self) -> Self {
        self.no_ack = true;
        self
    }

    fn append<'a>(
        self,
        command: Command,
        streams: impl IntoIterator<Item = (impl ToArg + 'a, impl ToArg + 'a)>,
    ) -> Command {
        let (mut keys, mut ids) = (Arguments::default(), Arguments::default());
        for (key, id) in streams {
            keys.extend([key]);
            ids.extend([id]);
        }
        let command = command.option("COUNT", self.count).option("BLOCK", self.block);
        let command = command.arg_if(self.no_ack, "NOACK").arg("STREAMS");
        command.args_from(keys.iter()).args_from(ids.iter())
    }
}

/// The options of XCLAIM. By default the idle time is reset and the delivery counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct XClaimOptions {
    idle: Option<u64>,
    retry_count: Option<u64>,
    force: bool,
}

impl XClaimOptions {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the idle time, rounded up to milliseconds.
    #[must_use]
    pub fn idle(mut self, idle: Duration) -> Self {
        self.idle = Some(time::millis(idle));
        self
    }

    /// Sets the number of deliveries.
    #[must_use]
    pub fn retry_count(mut self, count: u64) -> Self {
        self.retry_count = Some(count);
        self
    }

    /// Claims entries that are not pending, too.
    #[must_use]
    pub fn force(mut self) -> Self {
        self.force = true;
        self
    }

    fn append(self, command: Command) -> Command {
        let command = command.option("IDLE", self.idle).option("RETRYCOUNT", self.retry_count);
        command.arg_if(self.force, "FORCE")
    }
}

/// A step of XAUTOCLAIM.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct AutoClaimed<T> {
    /// Where to go on; `0-0` when all were looked at.
    pub cursor: String,
    /// What was claimed.
    pub claimed: Vec<T>,
    /// Entries that were pending and are deleted; they are pending no more (Redis 7).
    pub deleted: Vec<String>,
}

fn auto_claimed<T>(value: Value, claimed: fn(Value) -> Result<Vec<T>>) -> Result<AutoClaimed<T>> {
    let mut parts = Vec::<Value>::from_value(value)?.into_iter();
    Ok(AutoClaimed {
        cursor: String::from_value(parts.next().unwrap_or_default())?,
        claimed: claimed(parts.next().unwrap_or_default())?,
        deleted: parts.next().map_or(Ok(Vec::new()), Vec::from_value)?,
    })
}

/// What is pending in a group, in sum.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PendingSummary {
    /// How many entries.
    pub count: u64,
    /// The smallest id.
    pub first: Option<String>,
    /// The greatest id.
    pub last: Option<String>,
    /// How many each consumer has.
    pub consumers: Vec<(String, u64)>,
}

impl FromValue for PendingSummary {
    fn from_value(value: Value) -> Result<Self> {
        type Parts = (u64, Option<String>, Option<String>, Option<Vec<(String, u64)>>);
        let (count, first, last, consumers) = Parts::from_value(value)?;
        Ok(Self { count, first, last, consumers: consumers.unwrap_or_default() })
    }
}

/// An entry that was delivered and not acknowledged.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Pending {
    /// Its id.
    pub id: String,
    /// Who has it.
    pub consumer: String,
    /// For how long it has been pending since its last delivery, in milliseconds.
    pub idle: Duration,
    /// How often it was delivered.
    pub deliveries: u64,
}

impl FromValue for Pending {
    fn from_value(value: Value) -> Result<Self> {
        let (id, consumer, idle, deliveries) = FromValue::from_value(value)?;
        Ok(Self { id, consumer, idle: Duration::from_millis(idle), deliveries })
    }
}

/// What XINFO says, by name.
pub type StreamInfo = BTreeMap<String, Value>;

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
    /// Acknowledges entries, and tells how many were pending. [Redis XACK](https://redis.io/docs/latest/commands/xack/).
    #[doc(alias = "XACK")]
    fn xack(
        &self,
        key: impl ToArg,
        group: impl ToArg,
        ids: impl IntoIterator<Item = impl ToArg>,
    ) -> Self::Reply<u64> {
        self.execute(Command::new("XACK").arg(key).arg(group).args_from(ids))
    }

    /// Acknowledges entries and deletes them, as the policy says. [Redis XACKDEL](https://redis.io/docs/latest/commands/xackdel/) (8.2).
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

    /// Adds an entry, and gives its id. [Redis XADD](https://redis.io/docs/latest/commands/xadd/).
    #[doc(alias = "XADD")]
    fn xadd(
        &self,
        key: impl ToArg,
        fields: impl IntoIterator<Item = (impl ToArg, impl ToArg)>,
    ) -> Self::Reply<String> {
        self.execute(Command::new("XADD").arg(key).arg("*").pairs_from(fields))
    }

    /// Adds an entry as the options say; `None` if the stream is absent and must not be made. [Redis XADD](https://redis.io/docs/latest/commands/xadd/).
    #[doc(alias = "XADD")]
    fn xadd_with(
        &self,
        key: impl ToArg,
        options: &XAddOptions,
        fields: impl IntoIterator<Item = (impl ToArg, impl ToArg)>,
    ) -> Self::Reply<Option<String>> {
        let mut command = Command::new("XADD").arg(key).arg_if(options.no_mkstream, "NOMKSTREAM");
        if let Some(trim) = &options.trim {
            command = trim.append(command);
        }
        self.execute(command.arg(options.id.as_deref().unwrap_or("*")).pairs_from(fields))
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

    /// The same, giving ids only, and without counting a delivery. [Redis XAUTOCLAIM](https://redis.io/docs/latest/commands/xautoclaim/) with `JUSTID`.
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

    /// The same, giving ids only, and without counting a delivery. [Redis XCLAIM](https://redis.io/docs/latest/commands/xclaim/) with `JUSTID`.
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

    /// Deletes entries, and tells how many were there. [Redis XDEL](https://redis.io/docs/latest/commands/xdel/).
    #[doc(alias = "XDEL")]
    fn xdel(&self, key: impl ToArg, ids: impl IntoIterator<Item = impl ToArg>) -> Self::Reply<u64> {
        self.execute(Command::new("XDEL").arg(key).args_from(ids))
    }

    /// Deletes entries as the policy says. [Redis XDELEX](https://redis.io/docs/latest/commands/xdelex/) (8.2).
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

    /// Makes a group that begins after an id (`$`: the last one); with `mkstream`, the stream too.
    /// [Redis XGROUP CREATE](https://redis.io/docs/latest/commands/xgroup-create/).
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

    /// Makes a consumer; tells whether it is new. [Redis XGROUP CREATECONSUMER](https://redis.io/docs/latest/commands/xgroup-createconsumer/).
    #[doc(alias = "XGROUP CREATECONSUMER")]
    fn xgroup_createconsumer(
        &self,
        key: impl ToArg,
        group: impl ToArg,
        consumer: impl ToArg,
    ) -> Self::Reply<bool> {
        self.execute(Command::new("XGROUP").arg("CREATECONSUMER").arg(key).arg(group).arg(consumer))
    }

    /// Deletes a consumer, and tells how many entries it had pending. [Redis XGROUP DELCONSUMER](https://redis.io/docs/latest/commands/xgroup-delconsumer/).
    #[doc(alias = "XGROUP DELCONSUMER")]
    fn xgroup_delconsumer(
        &self,
        key: impl ToArg,
        group: impl ToArg,
        consumer: impl ToArg,
    ) -> Self::Reply<u64> {
        self.execute(Command::new("XGROUP").arg("DELCONSUMER").arg(key).arg(group).arg(consumer))
    }

    /// Deletes a group; tells whether it was there. [Redis XGROUP DESTROY](https://redis.io/docs/latest/commands/xgroup-destroy/).
    #[doc(alias = "XGROUP DESTROY")]
    fn xgroup_destroy(&self, key: impl ToArg, group: impl ToArg) -> Self::Reply<bool> {
        self.execute(Command::new("XGROUP").arg("DESTROY").arg(key).arg(group))
    }

    /// Lets a group go on after this id. [Redis XGROUP SETID](https://redis.io/docs/latest/commands/xgroup-setid/).
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

    /// What is pending in a group, in sum. [Redis XPENDING](https://redis.io/docs/latest/commands/xpending/).
    #[doc(alias = "XPENDING")]
    fn xpending(&self, key: impl ToArg, group: impl ToArg) -> Self::Reply<PendingSummary> {
        self.execute(Command::new("XPENDING").arg(key).arg(group))
    }

    /// What is pending in a group from one id to another (`-` and `+`: all), perhaps of one consumer. [Redis XPENDING](https://redis.io/docs/latest/commands/xpending/).
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

    /// The entries from one id to another (`-` and `+`: all), so many at the most. [Redis XRANGE](https://redis.io/docs/latest/commands/xrange/).
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

    /// What came after these ids, by stream; streams without news are left out. [Redis XREAD](https://redis.io/docs/latest/commands/xread/).
    #[doc(alias = "XREAD")]
    fn xread<V: FromValue>(
        &self,
        options: &XReadOptions,
        streams: impl IntoIterator<Item = (impl ToArg, impl ToArg)>,
    ) -> Self::Reply<Read<V>> {
        self.execute_with(options.append(Command::new("XREAD"), streams), read)
    }

    /// What a consumer of a group gets (`>`: what nobody got yet). [Redis XREADGROUP](https://redis.io/docs/latest/commands/xreadgroup/).
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

    /// The entries from one id down to another (`+` and `-`: all), so many at the most. [Redis XREVRANGE](https://redis.io/docs/latest/commands/xrevrange/).
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

    /// Drops old entries, and tells how many. [Redis XTRIM](https://redis.io/docs/latest/commands/xtrim/).
    #[doc(alias = "XTRIM")]
    fn xtrim(&self, key: impl ToArg, trim: &Trim) -> Self::Reply<u64> {
        self.execute(trim.append(Command::new("XTRIM").arg(key)))
    }
}

impl<E: Execute + ?Sized> StreamCommands for E {}
