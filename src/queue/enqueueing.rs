//! Adds tasks and their children to a queue.

use std::collections::HashSet;

use bytes::Bytes;
use serde::Serialize;

use super::delivery::encoded;
use super::options::millis;
use super::state::{Added, Answer, unexpected};
use super::task::{Task, checked, checked_unique};
use super::{Queue, QueueError};
use crate::{Error, ErrorKind, Result};

/// The most tasks of one call.
const MOST: usize = 1000;
/// The most levels of children.
const DEEPEST: usize = 16;

/// The result of an enqueue for one task.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Enqueued {
    /// The id of the task in the queue; for a [duplicate](Addition::Duplicate), that of the other task.
    pub id: String,
    /// Whether the task was added.
    pub how: Addition,
}

/// Whether a task was added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Addition {
    /// It was added.
    New,
    /// The queue has a task with the same id, or remembers its end: the same enqueue has arrived before.
    Known,
    /// Another task with the same [deduplication key](Task::unique) was added before. A child whose parent was not added is not added
    /// either.
    Duplicate,
}

impl<T> Queue<T> {
    /// Adds a task. One command, and a second one if the answer is lost. After an error whose outcome is unknown, the same task may be
    /// enqueued again: this has no second effect while the queue has the task or [remembers](super::QueueOptions::remember) its end.
    ///
    /// # Errors
    /// [`QueueError::Full`], [`QueueError::TooLarge`], [`ErrorKind::InvalidInput`] if a name of the task is not valid, and an error of Redis.
    pub async fn enqueue(&self, task: &Task<T>) -> Result<Enqueued, QueueError>
    where
        T: Serialize,
    {
        let added = self.enqueue_all(std::slice::from_ref(task)).await?;
        Ok(added.into_iter().next().ok_or_else(unexpected)?)
    }

    /// Adds up to 1000 tasks, their children included, all or none. One command, and a second one if the answer is lost. Returns one result
    /// for each task of `tasks`, and none for the children.
    ///
    /// # Errors
    /// As for [`enqueue`](Self::enqueue).
    pub async fn enqueue_all(&self, tasks: &[Task<T>]) -> Result<Vec<Enqueued>, QueueError>
    where
        T: Serialize,
    {
        if tasks.is_empty() {
            return Ok(Vec::new());
        }
        let (mut flat, mut own) = (Vec::new(), HashSet::new());
        for task in tasks {
            own.insert(flat.len());
            self.flatten(task, None, 0, &mut flat)?;
        }
        if flat.len() > MOST {
            let why =
                format!("one call adds up to {MOST} tasks with their children, not {}", flat.len());
            return Err(Error::new(ErrorKind::InvalidInput, why).into());
        }
        let answers = self.state.enqueue(flat).await?.into_iter().enumerate();
        answers.filter(|(at, _)| own.contains(at)).map(|(_, answer)| enqueued(answer)).collect()
    }

    fn flatten(
        &self,
        task: &Task<T>,
        parent: Option<&str>,
        depth: usize,
        flat: &mut Vec<Added>,
    ) -> Result<(), QueueError>
    where
        T: Serialize,
    {
        let options = &self.state.options;
        let no_id = "there is no source of randomness here: give the task an id";
        let id = task.id.as_deref().ok_or_else(|| Error::new(ErrorKind::Unsupported, no_id))?;
        let id = checked("the id of a task", id)?;
        let group = task.group.as_deref().map(|group| checked("the name of a group", group));
        let payload = encoded(&task.payload)?;
        let (bytes, limit) = (payload.len(), options.max_payload_bytes);
        if bytes > limit {
            return Err(QueueError::TooLarge { queue: self.name().to_owned(), bytes, limit });
        }
        let name = |name: Option<&str>| name.map_or("-".to_owned(), |name| format!("={name}"));
        let ttl = task.ttl.unwrap_or(options.ttl).map_or(0, millis);
        if depth > DEEPEST {
            let why = format!("tasks and their children are up to {DEEPEST} levels deep");
            return Err(Error::new(ErrorKind::InvalidInput, why).into());
        }
        let once = match &task.unique {
            Some(_) if parent.is_some() => {
                let why = "a child has no deduplication key: its parent would not wait for the other task";
                return Err(Error::new(ErrorKind::InvalidInput, why).into());
            }
            Some((key, _)) => Some(self.state.keys.of("once", checked_unique(key)?)),
            None => None,
        };
        let once_ttl = task.unique.as_ref().map_or(0, |(_, ttl)| millis(*ttl));
        let text = |text: String| Bytes::from(text);
        let args = [
            text(id.to_owned()),
            payload,
            text(task.when.to_arg()),
            text(task.priority.to_string()),
            text(task.attempts.unwrap_or(options.attempts).to_string()),
            text(task.poison_cap.unwrap_or(options.poison_cap).to_string()),
            text(ttl.to_string()),
            text(name(group.transpose()?)),
            text(name(parent)),
            text(once_ttl.to_string()),
        ];
        flat.push(Added { args, once });
        task.children.iter().try_for_each(|child| self.flatten(child, Some(id), depth + 1, flat))
    }
}

fn enqueued(answer: Answer) -> Result<Enqueued, QueueError> {
    let how = match answer.kind.as_str() {
        "new" => Addition::New,
        "known" => Addition::Known,
        "duplicate" => Addition::Duplicate,
        _ => return Err(unexpected().into()),
    };
    Ok(Enqueued { id: answer.id, how })
}
