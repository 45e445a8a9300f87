use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::keys::{taken_tasks, tasks};
use crate::command::keys::KeyCommands;
use crate::command::lists::{End, ListCommands};
use crate::{Client, Error, ErrorKind, Key, Result};

/// A task for an agent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Task {
    /// The identifier of the task.
    pub task_id: String,
    /// The session that created it.
    pub correlation_id: String,
    /// The agent that carries it out.
    pub agent: String,
    /// Its priority. The queue does not use it.
    pub priority: u8,
    /// When it was created.
    pub created_at: String,
    /// The content of the task, in the application's own form.
    pub payload: Value,
}

/// A task that a worker has taken.
#[derive(Debug, Clone)]
pub struct TakenTask {
    /// The task.
    pub task: Task,
    /// The item in Redis.
    text: Bytes,
    taken: Key,
}

impl TakenTask {
    /// Marks the task as finished; returns whether the worker still had it. One LREM.
    ///
    /// # Errors
    /// Those of the client.
    pub async fn finish(&self, client: &Client) -> Result<bool> {
        Ok(client.lrem(&self.taken, 1, &self.text).await? == 1)
    }
}

/// Adds a task at the end of the queue; returns the queue's length. LPUSH and EXPIRE as one transaction.
///
/// # Errors
/// Those of the client.
pub async fn enqueue_task(client: &Client, task: &Task) -> Result<u64> {
    tasks()?.push_front(client, [task]).await
}

/// Takes the next task, or returns `None` if none waits. The worker has it until it is finished. LMOVE and EXPIRE in one
/// round trip. If the answer is lost, the worker has the task nevertheless: [`return_tasks`] returns it to the queue.
///
/// # Errors
/// [`ErrorKind::InvalidInput`] if the worker's name is empty; [`ErrorKind::Codec`] if the item is not a task; the worker
/// then has it; those of the client.
pub async fn take_task(client: &Client, worker: &str) -> Result<Option<TakenTask>> {
    let (queue, taken) = (tasks()?, taken_tasks(worker)?);
    let pipeline = client.pipeline();
    let text = pipeline.lmove::<Bytes>(queue.key(), taken.key(), End::Right, End::Left);
    if let Some(ttl) = taken.declaration().ttl.after_write() {
        let _ = pipeline.expire(taken.key(), ttl);
    }
    let Some(text) = pipeline.exec().await?.take(text)? else { return Ok(None) };
    let task = serde_json::from_slice(&text).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        let text = format!(
            "the item taken from '{}' is not a task (line {line}, column {column})",
            queue.key()
        );
        Error::new(ErrorKind::Codec, text)
    })?;
    Ok(Some(TakenTask { task, text, taken: taken.key().clone() }))
}

/// Returns the tasks that a worker has taken and not finished to the front of the queue, unchanged; returns how many. It is
/// for a worker that has stopped. One LLEN, then an LMOVE for each in one round trip, 100 at a time.
///
/// # Errors
/// [`ErrorKind::InvalidInput`] if the worker's name is empty; those of the client.
pub async fn return_tasks(client: &Client, worker: &str) -> Result<u64> {
    const MOST: u64 = 100;
    let (queue, taken) = (tasks()?, taken_tasks(worker)?);
    let (mut left, mut returned): (u64, u64) = (client.llen(taken.key()).await?, 0);
    while left > 0 {
        let pipeline = client.pipeline();
        let (head, tail) = (End::Left, End::Right);
        let moves: Vec<_> = (0..left.min(MOST))
            .map(|_| pipeline.lmove::<Bytes>(taken.key(), queue.key(), head, tail))
            .collect();
        let mut replies = pipeline.exec().await?;
        for one in moves {
            // Another process may have returned it.
            if replies.take(one)?.is_none() {
                return Ok(returned);
            }
            returned += 1;
            left -= 1;
        }
    }
    Ok(returned)
}
