//! The handle of a queue.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use serde::de::DeserializeOwned;

use super::delivery::Delivery;
use super::keys::Keys;
use super::options::QueueOptions;
use super::pulling::Pull;
use super::state::{How, Settled, State};
use super::{Holding, QueueError, Source};
use crate::client::Client;
use crate::layer::WithoutFallback;
use crate::platform::{Background, BoxFuture, MaybeSend, MaybeSync};
use crate::{Error, ErrorKind, KeyParts, Result};

/// The most deliveries of one pull.
pub(super) const MOST_PULLED: usize = 256;

/// A queue of tasks with payloads of type `T`, stored as JSON. Clones share the state.
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

/// The result of a pull.
pub(super) struct Deliveries<T> {
    pub(super) deliveries: Vec<Delivery<T>>,
    /// The time after which there may be more tasks.
    pub(super) next: Option<Duration>,
    /// Whether the [`Source`] is a list and is empty.
    pub(super) is_empty: bool,
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

    /// A queue over a list or sorted set to which other programs add tasks. A pull removes tasks from there and leases them in one step.
    /// From then on such a task belongs to the queue: it is delivered until it is acknowledged. Other programs may still add elements and
    /// take them. Elements that wait there do not change, and [`QueueOptions::max_tasks`] does not count them.
    ///
    /// [`enqueue`](Self::enqueue) adds to the queue and not to the list. To add a task that other programs may take as well, use
    /// [`lpush`](crate::command::lists::ListCommands::lpush). No command is sent.
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

    /// The same queue with a hook that runs its background work, such as `wait_until` of a Worker's request. The background work is the
    /// release of the tasks of dropped pulls.
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

    /// The name of the queue.
    pub fn name(&self) -> &str {
        &self.state.keys.name
    }

    /// Leases up to `most` tasks, at most 256, for [`QueueOptions::lease`]. It does not wait: it returns an empty list if no task is ready.
    /// Tasks whose leases ended and tasks that have become due count as ready.
    ///
    /// One command, also if there is no task; a second one if the answer is lost. If a payload is not a `T`, one more command makes its task
    /// a dead letter. If the future is dropped, the tasks are released in the background, or when the lease ends.
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
            // The leases end, and the tasks are delivered again.
            tracing::warn!(queue = self.name(), %error, "tasks of another type were not rejected");
        }
        pull.done();
        Ok(Deliveries { deliveries, next: pulled.next, is_empty: pulled.is_empty })
    }

    /// Acknowledges many deliveries. One command for each 256 of them, and a second one if its answer is lost. Returns one result for each
    /// delivery, with the errors of [`Holding::ack`].
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
