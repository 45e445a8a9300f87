//! Pipelines and transactions: queues of typed commands whose replies are typed one by one.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use super::handle::Client;
use crate::command::{Command, Execute};
use crate::transport::Results;
use crate::{Error, ErrorKind, Result, Value};

/// The place of an `R` among the replies of a [`Pipeline`] or [`Transaction`]. [`Replies::take`] returns the reply.
#[must_use = "the slot is what finds this command's reply"]
pub struct Slot<R> {
    queue: u64,
    at: usize,
    convert: fn(Value) -> Result<R>,
}

impl<R> fmt::Debug for Slot<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slot").field("at", &self.at).finish_non_exhaustive()
    }
}

/// The commands that wait to be sent. Typed commands take `&self`, so the list has a lock, which is held briefly.
struct Queue {
    id: u64,
    client: Client,
    commands: Mutex<Vec<Command>>,
}

impl Queue {
    fn new(client: Client) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self { id: NEXT.fetch_add(1, Ordering::Relaxed), client, commands: Mutex::new(Vec::new()) }
    }

    fn push<R>(&self, command: Command, convert: fn(Value) -> Result<R>) -> Slot<R> {
        let mut commands = self.commands.lock().unwrap_or_else(PoisonError::into_inner);
        commands.push(command);
        Slot { queue: self.id, at: commands.len() - 1, convert }
    }

    fn len(&self) -> usize {
        self.commands.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    fn close(self) -> (u64, Client, Vec<Command>) {
        (self.id, self.client, self.commands.into_inner().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Client {
    /// A queue of commands that are sent in one round trip, in order but not as a unit.
    pub fn pipeline(&self) -> Pipeline {
        Pipeline::new(self.clone())
    }

    /// A queue of commands that run as a unit (MULTI/EXEC) in one round trip.
    pub fn transaction(&self) -> Transaction {
        Transaction::new(self.clone())
    }
}

macro_rules! queue {
    ($(#[$doc:meta])* $name:ident, $send:ident) => {
        $(#[$doc])*
        pub struct $name(Queue);

        impl $name {
            fn new(client: Client) -> Self {
                Self(Queue::new(client))
            }

            /// How many commands are queued.
            pub fn len(&self) -> usize {
                self.0.len()
            }

            /// Whether nothing is queued.
            pub fn is_empty(&self) -> bool {
                self.len() == 0
            }

            /// Sends everything in one round trip. An empty queue is not sent and has no replies.
            ///
            /// # Errors
            /// The error of the batch as a whole. The error of a single command is in its place among the replies.
            pub async fn exec(self) -> Result<Replies> {
                let (queue, client, commands) = self.0.close();
                let results = client.$send(&commands).await?;
                Ok(Replies {
                    queue,
                    commands,
                    results: results.into_iter().map(Some).collect(),
                })
            }
        }

        impl Execute for $name {
            type Reply<R> = Slot<R>;

            fn execute_with<R>(
                &self,
                command: Command,
                convert: fn(Value) -> Result<R>,
            ) -> Slot<R> {
                self.0.push(command, convert)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name)).field("len", &self.len()).finish_non_exhaustive()
            }
        }
    };
}

queue! {
    /// Commands that are sent in one round trip, in order but not as a unit. A command that fails does not stop the others.
    ///
    /// ```
    /// use edgecask::prelude::*;
    ///
    /// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    /// # runtime.block_on(async {
    /// let client = Client::memory();
    /// client.set("text", "abc").await?;
    ///
    /// let pipeline = client.pipeline();
    /// let visits = pipeline.incr("visits");
    /// let wrong = pipeline.incr("text");
    /// let text = pipeline.get::<String>("text");
    /// let mut replies = pipeline.exec().await?;
    ///
    /// assert_eq!(replies.take(visits)?, 1);
    /// assert!(replies.take(wrong).is_err(), "one error does not touch the others");
    /// assert_eq!(replies.take(text)?.as_deref(), Some("abc"));
    /// # Ok::<(), edgecask::Error>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    Pipeline, send_pipeline
}

queue! {
    /// Commands that run as a unit: no command of another client runs in between. Redis MULTI and EXEC. A command that fails
    /// does not undo or stop the others. If Redis refuses the transaction as a whole, none of the commands runs, and the error
    /// is of kind [`ErrorKind::Discarded`].
    ///
    /// ```
    /// use edgecask::prelude::*;
    ///
    /// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    /// # runtime.block_on(async {
    /// let client = Client::memory();
    /// let transaction = client.transaction();
    /// let from = transaction.decrby("account:1", 10);
    /// let to = transaction.incrby("account:2", 10);
    /// let mut replies = transaction.exec().await?;
    /// assert_eq!((replies.take(from)?, replies.take(to)?), (-10, 10));
    /// # Ok::<(), edgecask::Error>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    Transaction, send_transaction
}

/// The replies of a [`Pipeline`] or [`Transaction`], which are taken one by one.
#[derive(Debug)]
pub struct Replies {
    queue: u64,
    commands: Vec<Command>,
    results: Vec<Option<Result<Value>>>,
}

impl Replies {
    /// The reply to the command of this slot.
    ///
    /// # Errors
    /// The command's own error, [`ErrorKind::Type`] if the reply is of another type, or [`ErrorKind::InvalidInput`] if
    /// the slot is of another queue. The first two name the command.
    pub fn take<R>(&mut self, slot: Slot<R>) -> Result<R> {
        let own = slot.queue == self.queue;
        let result = self.results.get_mut(slot.at).filter(|_| own).and_then(Option::take);
        let missing = || Error::new(ErrorKind::InvalidInput, "this slot is of another pipeline");
        let reply = result.ok_or_else(missing)?.and_then(slot.convert);
        reply.map_err(|error| error.with_command(|| self.commands[slot.at].label()))
    }

    /// The error of the first command that failed.
    pub(super) fn first_error(&mut self) -> Option<Error> {
        let failed = self.results.iter_mut().find(|result| matches!(result, Some(Err(_))))?;
        failed.take()?.err()
    }

    /// How many replies there are, taken ones included.
    pub fn len(&self) -> usize {
        self.results.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.results.is_empty()
    }

    /// All replies without conversion. Replies that were taken before are [`Value::Nil`].
    pub fn into_results(self) -> Results {
        self.results.into_iter().map(|result| result.unwrap_or(Ok(Value::Nil))).collect()
    }
}
