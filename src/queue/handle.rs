//! A queue, as its users see it.

use std::collections::HashSet;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::delivery::{Delivery, encoded};
use super::keys::Keys;
use super::options::{QueueOptions, millis};
use super::pulling::Pull;
use super::state::{Added, Answer, How, Settled, State, unexpected};
use super::task::{LONGEST, Task, checked};
use super::{Holding, QueueError, Source};
use crate::client::Client;
use crate::layer::WithoutFallback;
use crate::platform::{Background, BoxFuture, MaybeSend, MaybeSync};
use crate::{Error, ErrorKind, KeyParts, Result};

/// The most tasks of one call.
const MOST: usize = 1000;
/// The most levels of children.
const DEEPEST: usize = 16;
/// The most deliveries of one pull.
pub(super) const MOST_PULLED: usize = 256;

/// A queue of tasks whose payloads are of type `T`, stored as JSON. Clones share it.
///
/// ```
/// use edgecask::Client;
/// use edgecask::queue::{Queue, Task};
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
/// # runtime.block_on(async {
/// let queue: Queue<String> = Queue::new(Client::memory(), "emails")?;
/// queue.enqueue(&Task::new("ada@example.com".to_owned())).await?;
/// for delivery in queue.pull(10).await? {
///     println!("to {}", delivery.payload());
///     delivery.ack().await?;
/// }
/// # Ok::<(), edgecask::Error>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Queue<T> {
    pub(super) state: Arc<State>,
    payload: PhantomData<fn(T) -> T>,
}

/// What a pull gives.
pub(super) struct Deliveries<T> {
    pub(super) deliveries: Vec<Delivery<T>>,
    /// In what time there may be more.
    pub(super) next: Option<Duration>,
    /// Whether the list that other programs write is empty.
    pub(super) is_empty: bool,
}

/// What became of a task that was handed in.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Enqueued {
    /// The id of the task that the queue has.
    pub id: String,
    /// Whether it was added, or there before.
    pub how: Addition,
}

/// Whether a task was added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Addition {
    /// It was added.
    New,
    /// A task of the same id is there, or was done a short time ago: the same enqueue has arrived before.
    Known,
    /// Another task with the same [deduplication key](Task::unique) was added before. A child whose parent was not added is not added
    /// either.
    Duplicate,
}

impl<T> Queue<T> {
    /// A queue of this name with the default settings. No command is sent.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] if the name is empty or too long for a key.
    pub fn new(client: Client, name: impl KeyParts) -> Result<Self> {
        Self::with_options(client, name, QueueOptions::default())
    }

    /// A queue of this name with these settings. No command is sent.
    ///
    /// # Errors
    /// As for [`Queue::new`].
    pub fn with_options(
        client: Client,
        name: impl KeyParts,
        options: QueueOptions,
    ) -> Result<Self> {
        let state = State {
            client: client.layer(WithoutFallback),
            keys: Keys::new(name)?,
            source: None,
            options,
            background: Background::default(),
        };
        Ok(Self { state: Arc::new(state), payload: PhantomData })
    }

    /// A queue over a list or sorted set to which other programs add tasks: a pull takes from there what it gives, in the same step in
    /// which it leases it. From then on the task is one of a queue: it is delivered until it is acknowledged. Others may go on to add and to
    /// take; what they take is theirs. Nothing changes for what waits there, and the limit of the queue's length does not count it.
    ///
    /// [`enqueue`](Self::enqueue) adds to the queue and not to the list. A task of this process that others may take, too, is added as they
    /// do: by [`lpush`](crate::command::lists::ListCommands::lpush). No command is sent.
    ///
    /// ```
    /// use edgecask::prelude::*;
    /// use edgecask::queue::{Queue, QueueOptions, Source};
    /// use edgecask::{Client, Key};
    ///
    /// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    /// # runtime.block_on(async {
    /// let client = Client::memory();
    /// // As a service in another language does.
    /// client.lpush("publish:facebook", [r#"{"post_id":"post_001"}"#]).await?;
    ///
    /// let list = Source::List(Key::verbatim("publish:facebook")?);
    /// let queue: Queue<serde_json::Value> = Queue::over(client, list, QueueOptions::new())?;
    /// for delivery in queue.pull(10).await? {
    ///     assert_eq!(delivery.payload()["post_id"], "post_001");
    ///     delivery.ack().await?;
    /// }
    /// # Ok::<(), edgecask::Error>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] if the key is too long.
    pub fn over(client: Client, source: Source, options: QueueOptions) -> Result<Self> {
        let state = State {
            client: client.layer(WithoutFallback),
            keys: Keys::over(source.key())?,
            source: Some(source),
            options,
            background: Background::default(),
        };
        Ok(Self { state: Arc::new(state), payload: PhantomData })
    }

    /// The same queue, whose work in the background is handed to this hook, such as `wait_until` of a Worker's request: a pull that is
    /// dropped gives back its tasks.
    #[must_use]
    pub fn wait_until(
        self,
        hook: impl Fn(BoxFuture<'static, ()>) + MaybeSend + MaybeSync + 'static,
    ) -> Self {
        let State { client, keys, source, options, .. } = &*self.state;
        let state = State {
            client: client.clone(),
            keys: keys.clone(),
            source: source.clone(),
            options: options.clone(),
            background: Background::hook(hook),
        };
        Self { state: Arc::new(state), ..self }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.state.keys.name
    }

    /// Adds a task. One command, and a second one if the answer is lost. After an error whose outcome is unknown, the same task may be
    /// handed in again: it has no second effect while the queue has the task or [remembers](QueueOptions::remember) its end.
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

    /// Adds tasks and their children, up to 1000, all or none, in one command. The answers are those of the tasks themselves.
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
            Some((key, _)) if key.is_empty() || key.len() > LONGEST => {
                let why = "a deduplication key has 1 to 200 bytes";
                return Err(Error::new(ErrorKind::InvalidInput, why).into());
            }
            Some((key, _)) => Some(self.state.keys.of("once", key)),
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

    /// Leases up to so many tasks, at most 256, for [`QueueOptions::lease`]. It does not wait: without a task it gives none. Tasks whose
    /// holders are gone, and those that have become due, are among them.
    ///
    /// One command, also if there is no task; a second one if the answer is lost, and one if a payload is not a `T`: such a task is a dead
    /// letter. If the future is dropped, the tasks go back in the background, or when the lease ends.
    ///
    /// # Errors
    /// Those of Redis.
    pub async fn pull(&self, most: usize) -> Result<Vec<Delivery<T>>>
    where
        T: DeserializeOwned,
    {
        Ok(self.pull_with_hints(most).await?.deliveries)
    }

    /// As [`pull`](Self::pull), and when to pull again.
    pub(super) async fn pull_with_hints(&self, most: usize) -> Result<Deliveries<T>>
    where
        T: DeserializeOwned,
    {
        if most == 0 {
            return Ok(Deliveries { deliveries: Vec::new(), next: None, is_empty: false });
        }
        let mut pull = Pull::new(&self.state)?;
        let (pulled, token) = pull.run(most.min(MOST_PULLED)).await?;
        let (mut deliveries, mut wrong) = (Vec::new(), Vec::new());
        for leased in pulled.leased {
            match serde_json::from_slice(&leased.payload) {
                Ok(payload) => {
                    let (state, token) = (Arc::clone(&self.state), Arc::clone(&token));
                    deliveries.push(Delivery::new(state, leased, token, payload));
                }
                Err(error) => wrong.push((leased, error)),
            }
        }
        let wrong = wrong.iter().map(|(leased, error)| {
            // The text of the error may hold a part of the payload.
            let (line, column) = (error.line(), error.column());
            Settled {
                how: How::Reject,
                id: &leased.id,
                number: leased.number,
                token: &token,
                delay: Duration::ZERO,
                error: format!("the payload is of another type (line {line}, column {column})"),
                result: None,
            }
        });
        if let Err(error) = self.state.settle(wrong.collect()).await {
            // The leases end, and the tasks come again.
            tracing::warn!(queue = self.name(), %error, "tasks of another type were not rejected");
        }
        pull.done();
        Ok(Deliveries { deliveries, next: pulled.next, is_empty: pulled.is_empty })
    }

    /// Acknowledges many deliveries, in one command for each 256. The errors are as those of [`Holding::ack`], for each delivery.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] if one is of another queue, and those of Redis.
    pub async fn ack_all<'a>(
        &self,
        deliveries: impl IntoIterator<Item = &'a Holding>,
    ) -> Result<Vec<Result<(), QueueError>>> {
        let held: Vec<&Holding> = deliveries.into_iter().collect();
        if held.iter().any(|held| !held.is_of(&self.state)) {
            let why = "a delivery of another queue cannot be acknowledged by this one";
            return Err(Error::new(ErrorKind::InvalidInput, why));
        }
        let mut results = Vec::with_capacity(held.len());
        for held in held.chunks(MOST_PULLED) {
            let settled =
                held.iter().map(|held| held.settled(How::Ack, Duration::ZERO, String::new()));
            let answers = self.state.settle(settled.collect()).await?;
            let answered = held.iter().zip(answers);
            results.extend(answered.map(|(held, now)| held.answered(How::Ack, now).map(drop)));
        }
        Ok(results)
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

impl<T> Clone for Queue<T> {
    fn clone(&self) -> Self {
        Self { state: Arc::clone(&self.state), payload: PhantomData }
    }
}

impl<T> fmt::Debug for Queue<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Queue").field(&self.state.keys.name).finish()
    }
}
