//! Inspection of a queue and its tasks, and the changes of an operator.

use std::collections::HashMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use serde::de::DeserializeOwned;

use super::handle::Queue;
use super::keys::{ACTIVE, DEAD, DELAYED, DONE, GROUPED, READY};
use super::scripts::{Record, State};
use super::task::{checked, checked_unique};
use crate::command::hashes::HashCommands;
use crate::command::keys::KeyCommands;
use crate::command::server::ServerCommands;
use crate::command::sorted_sets::SortedSetCommands;
use crate::command::strings::StringCommands;
use crate::{Error, ErrorKind, Result};

/// The number of tasks in each state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct QueueStats {
    /// Tasks that the next pull may lease.
    pub ready: u64,
    /// Tasks that are not due yet, wait after a failure, or wait for their children.
    pub delayed: u64,
    /// Tasks that wait for their group.
    pub grouped: u64,
    /// Tasks that are leased, or whose lease ended since the last pull.
    pub active: u64,
    /// The dead letters.
    pub dead: u64,
}

/// The state of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TaskStatus {
    /// The next pull may lease it.
    Ready,
    /// It is not due yet, or waits after a failure.
    Delayed,
    /// It waits for its group.
    Grouped,
    /// It waits for its children.
    WaitsForChildren,
    /// It is leased, or its lease ended since the last pull.
    Active,
    /// It is a dead letter.
    Dead,
    /// It is done, and its end is remembered.
    Done,
    /// The queue has no such task, and remembers none.
    Unknown,
}

/// Why a task is a dead letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DeadReason {
    /// It has failed in its last [attempt](super::QueueOptions::attempts).
    Failed,
    /// Its handler rejected it, or its payload was of another type.
    Rejected,
    /// The number of its abandoned deliveries has reached its [poison cap](super::QueueOptions::poison_cap).
    Abandoned,
    /// It waited for longer than its time to live.
    Expired,
    /// A child of it is a dead letter or was removed.
    Child,
    /// Redis has lost its payload.
    PayloadLost,
    /// Another program added it, and its payload is longer than
    /// [`QueueOptions::max_payload_bytes`](super::QueueOptions::max_payload_bytes).
    TooLarge,
    /// A reason of a newer version.
    Other,
}

/// A task that is not delivered any more.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeadLetter {
    /// The id of the task.
    pub id: String,
    /// The reason.
    pub reason: DeadReason,
    /// The text of the last failure, at most 500 bytes.
    pub error: String,
    /// The number of its failures.
    pub failures: u64,
    /// The number of its abandoned deliveries.
    pub abandoned: u64,
    /// The number of its deliveries.
    pub deliveries: u64,
    /// The time at which it became a dead letter, by the server's clock.
    pub since: SystemTime,
    /// The payload as JSON; `None` if Redis has lost it, or it is [too large](DeadReason::TooLarge).
    pub payload: Option<Bytes>,
}

impl<T> Queue<T> {
    /// The number of tasks in each state. Five commands in one round trip.
    ///
    /// # Errors
    /// Those of Redis.
    pub async fn stats(&self) -> Result<QueueStats> {
        let pipeline = self.state.client.pipeline();
        let indexes = [READY, DELAYED, GROUPED, ACTIVE, DEAD];
        let slots = indexes.map(|index| pipeline.zcard(self.state.keys.index(index)));
        let mut replies = pipeline.exec().await?;
        let [ready, delayed, grouped, active, dead] = slots.map(|slot| replies.take(slot));
        let (ready, delayed, grouped) = (ready?, delayed?, grouped?);
        Ok(QueueStats { ready, delayed, grouped, active: active?, dead: dead? })
    }

    /// The state of a task. Three commands in one round trip.
    ///
    /// # Errors
    /// Those of Redis.
    pub async fn status(&self, id: &str) -> Result<TaskStatus> {
        let id = checked("the id of a task", id)?;
        let pipeline = self.state.client.pipeline();
        let record = pipeline.hget::<Bytes>(self.state.keys.tasks(), id);
        let done = pipeline.zscore(self.state.keys.index(DONE), id);
        let clock = pipeline.time();
        let mut replies = pipeline.exec().await?;
        let (record, done) = (replies.take(record)?, replies.take(done)?);
        let oldest = replies.take(clock)?.saturating_sub(self.state.options.remember.0).as_millis();
        // `remember` in `queue.lua` defines the score: milliseconds, times 1024, and a part of the token.
        let done = done.filter(|ended| *ended as u128 / 1024 >= oldest);
        Ok(match record.as_ref().and_then(Record::parse) {
            Some(record) => match record.state {
                State::Ready => TaskStatus::Ready,
                State::Delayed => TaskStatus::Delayed,
                State::Grouped => TaskStatus::Grouped,
                State::Parent => TaskStatus::WaitsForChildren,
                State::Active => TaskStatus::Active,
                State::Dead => TaskStatus::Dead,
            },
            None if done.is_some() => TaskStatus::Done,
            None => TaskStatus::Unknown,
        })
    }

    /// The result of a task that is done, for as long as [`QueueOptions::result_ttl`](super::QueueOptions::result_ttl). One command.
    ///
    /// # Errors
    /// [`ErrorKind::Codec`] if it is not an `R`, and those of Redis.
    pub async fn result<R: DeserializeOwned>(&self, id: &str) -> Result<Option<R>> {
        self.value("result", id).await
    }

    /// The last progress of a task, for as long as [`QueueOptions::result_ttl`](super::QueueOptions::result_ttl). One command.
    ///
    /// # Errors
    /// As for [`result`](Self::result).
    pub async fn progress<P: DeserializeOwned>(&self, id: &str) -> Result<Option<P>> {
        self.value("progress", id).await
    }

    async fn value<R: DeserializeOwned>(&self, what: &str, id: &str) -> Result<Option<R>> {
        let key = self.state.keys.of(what, checked("the id of a task", id)?);
        let value: Option<Bytes> = self.state.client.get(key).await?;
        let decoded = value.map(|value| serde_json::from_slice(&value)).transpose();
        decoded.map_err(|error| {
            let (line, column) = (error.line(), error.column());
            let why =
                format!("the {what} of a task is of another type (line {line}, column {column})");
            Error::new(ErrorKind::Codec, why)
        })
    }

    /// The newest dead letters, the newest first, at most 100. Up to three round trips.
    ///
    /// # Errors
    /// Those of Redis.
    pub async fn dead_letters(&self, most: usize) -> Result<Vec<DeadLetter>> {
        let dead = self.dead_ids(most, true).await?;
        if dead.is_empty() {
            return Ok(Vec::new());
        }
        let ids = || dead.iter().map(|(id, _)| id);
        let pipeline = self.state.client.pipeline();
        let records = pipeline.hmget::<Bytes>(self.state.keys.tasks(), ids());
        let lengths: Vec<_> =
            ids().map(|id| pipeline.hstrlen(self.state.keys.payloads(), id)).collect();
        let mut replies = pipeline.exec().await?;
        let records = replies.take(records)?;
        // Payloads that other programs have added have any size.
        let longest = self.state.options.max_payload_bytes as u64;
        let mut short = Vec::new();
        for ((id, _), length) in dead.iter().zip(lengths) {
            if replies.take(length)? <= longest {
                short.push(id.as_str());
            }
        }
        let payloads = match short.is_empty() {
            true => Vec::new(),
            false => self.state.client.hmget(self.state.keys.payloads(), &short).await?,
        };
        let mut payloads: HashMap<&str, Option<Bytes>> = short.into_iter().zip(payloads).collect();
        let letters = dead.iter().zip(records).filter_map(|(dead, record)| {
            let payload = payloads.remove(dead.0.as_str()).flatten();
            letter(dead, &Record::parse(&record?)?, payload)
        });
        Ok(letters.collect())
    }

    /// The ids of dead letters and the milliseconds at which they became dead letters, at most 100.
    async fn dead_ids(&self, most: usize, newest: bool) -> Result<Vec<(String, f64)>> {
        let most = most.min(100) as i64;
        if most == 0 {
            return Ok(Vec::new());
        }
        let command = crate::Command::new("ZRANGE").arg(self.state.keys.index(DEAD));
        let command = command.arg(0).arg(most - 1);
        let command = if newest { command.arg("REV") } else { command };
        use crate::command::Execute;
        self.state.client.execute(command.arg("WITHSCORES")).await
    }

    /// Delivers dead letters again, with all their attempts; returns how many of these tasks were dead letters. One command for each 100.
    ///
    /// # Errors
    /// Those of Redis.
    pub async fn requeue(&self, ids: impl IntoIterator<Item = impl AsRef<str>>) -> Result<u64> {
        self.manage_each("requeue", ids).await
    }

    /// Delivers the oldest dead letters again, at most `most`; returns how many. Two commands for each 100, and one.
    ///
    /// # Errors
    /// Those of Redis.
    pub async fn requeue_dead(&self, most: u64) -> Result<u64> {
        self.manage_dead("requeue", most).await
    }

    /// Removes tasks that are not active, dead letters included; returns how many. A task that waits for one of them as its child becomes a
    /// dead letter. One command for each 100.
    ///
    /// # Errors
    /// Those of Redis.
    pub async fn remove(&self, ids: impl IntoIterator<Item = impl AsRef<str>>) -> Result<u64> {
        self.manage_each("remove", ids).await
    }

    /// Removes the oldest dead letters, at most `most`; returns how many. Two commands for each 100, and one.
    ///
    /// # Errors
    /// Those of Redis.
    pub async fn purge_dead(&self, most: u64) -> Result<u64> {
        self.manage_dead("remove", most).await
    }

    async fn manage_each(
        &self,
        how: &'static str,
        ids: impl IntoIterator<Item = impl AsRef<str>>,
    ) -> Result<u64> {
        let ids = ids.into_iter().map(|id| {
            checked("the id of a task", id.as_ref()).map(|id| Bytes::from(id.to_owned()))
        });
        let ids: Vec<Bytes> = ids.collect::<Result<_>>()?;
        let mut changed = 0;
        for ids in ids.chunks(100) {
            changed += self.state.manage(how, ids.to_vec()).await?;
        }
        Ok(changed)
    }

    async fn manage_dead(&self, how: &'static str, most: u64) -> Result<u64> {
        // Tasks that become dead letters meanwhile are not changed.
        let dead = self.state.client.zcard(self.state.keys.index(DEAD)).await?;
        let (mut changed, mut left) = (0, most.min(dead));
        while left > 0 {
            let page = usize::try_from(left).unwrap_or(usize::MAX);
            let dead = self.dead_ids(page, false).await?;
            if dead.is_empty() {
                break;
            }
            left = left.saturating_sub(dead.len() as u64);
            let ids = dead.into_iter().map(|(id, _)| Bytes::from(id)).collect();
            changed += self.state.manage(how, ids).await?;
        }
        Ok(changed)
    }

    /// Sets the number of tasks of this group that may be ready or active at the same time, in place of
    /// [`QueueOptions::group_concurrency`](super::QueueOptions::group_concurrency). With 0, all tasks of the group wait. `None` removes the
    /// limit of this group. Tasks that are ready or active already stay so. One command.
    ///
    /// # Errors
    /// Those of Redis.
    pub async fn limit_group(&self, group: &str, tasks: impl Into<Option<u32>>) -> Result<()> {
        let group = checked("the name of a group", group)?.to_owned();
        let limit = tasks.into().map_or_else(String::new, |tasks| tasks.to_string());
        let args = vec![Bytes::from(group), Bytes::from(limit)];
        self.state.manage("limit", args).await.map(drop)
    }

    /// Deletes a [deduplication key](super::Task::unique), so that another task with it can be added at once, such as after the task that
    /// had it was [removed](Self::remove). Returns whether the key existed. One command.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] if the key is empty or longer than 200 bytes, and those of Redis.
    pub async fn forget_unique(&self, key: &str) -> Result<bool> {
        let key = self.state.keys.of("once", checked_unique(key)?);
        Ok(self.state.client.del([key]).await? == 1)
    }

    /// Stops all deliveries until [`resume`](Self::resume). Active tasks may still be settled, and tasks may be added. One command.
    ///
    /// # Errors
    /// Those of Redis.
    pub async fn pause(&self) -> Result<()> {
        self.state.manage("pause", Vec::new()).await.map(drop)
    }

    /// Ends a pause. One command.
    ///
    /// # Errors
    /// Those of Redis.
    pub async fn resume(&self) -> Result<()> {
        self.state.manage("resume", Vec::new()).await.map(drop)
    }
}

fn letter(
    (id, since): &(String, f64),
    record: &Record,
    payload: Option<Bytes>,
) -> Option<DeadLetter> {
    let reason = match &*record.reason {
        b"failed" => DeadReason::Failed,
        b"rejected" => DeadReason::Rejected,
        b"abandoned" => DeadReason::Abandoned,
        b"expired" => DeadReason::Expired,
        b"child" => DeadReason::Child,
        b"payload-lost" => DeadReason::PayloadLost,
        b"too-large" => DeadReason::TooLarge,
        _ => DeadReason::Other,
    };
    Some(DeadLetter {
        id: id.clone(),
        reason,
        error: String::from_utf8_lossy(&record.error).into_owned(),
        failures: record.failures,
        abandoned: record.abandoned,
        deliveries: record.number,
        since: UNIX_EPOCH.checked_add(Duration::from_millis(*since as u64))?,
        payload,
    })
}
