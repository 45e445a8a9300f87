//! Callers that wait for data, in the order in which they came.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use bytes::Bytes;
use futures_channel::oneshot;

use crate::command::Command;
use crate::{Result, Value};

/// A caller whose command found nothing.
struct Waiting {
    command: Command,
    keys: Vec<Bytes>,
    reply: oneshot::Sender<Result<Value>>,
}

/// All callers that wait.
#[derive(Default)]
pub(super) struct Blocked {
    next: u64,
    waiting: BTreeMap<u64, Waiting>,
    by_key: HashMap<Bytes, BTreeSet<u64>>,
}

impl Blocked {
    /// Adds a caller to the end of the queues of its keys. Returns its number, and the receiver of its reply.
    pub(super) fn add(
        &mut self,
        command: Command,
        keys: Vec<Bytes>,
        watched: &mut HashSet<Bytes>,
    ) -> (u64, oneshot::Receiver<Result<Value>>) {
        let (reply, receiver) = oneshot::channel();
        let number = self.next;
        self.next += 1;
        for key in &keys {
            watched.insert(key.clone());
            self.by_key.entry(key.clone()).or_default().insert(number);
        }
        self.waiting.insert(number, Waiting { command, keys, reply });
        (number, receiver)
    }

    /// Removes a caller from its queues.
    pub(super) fn remove(&mut self, number: u64, watched: &mut HashSet<Bytes>) {
        self.take(number, watched);
    }

    fn take(&mut self, number: u64, watched: &mut HashSet<Bytes>) -> Option<Waiting> {
        let waiting = self.waiting.remove(&number)?;
        for key in &waiting.keys {
            let line = self.by_key.get_mut(key);
            if line.is_some_and(|line| line.remove(&number) && line.is_empty()) {
                self.by_key.remove(key);
                watched.remove(key);
            }
        }
        Some(waiting)
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// The callers that wait for a key, the first one first.
    pub(super) fn line(&self, key: &[u8]) -> Vec<u64> {
        self.by_key.get(key).map(|line| line.iter().copied().collect()).unwrap_or_default()
    }

    /// The command of a caller, if the caller still waits for its reply.
    pub(super) fn command(&self, number: u64) -> Option<&Command> {
        let waiting = self.waiting.get(&number)?;
        (!waiting.reply.is_canceled()).then_some(&waiting.command)
    }

    /// Gives a caller its reply.
    pub(super) fn answer(
        &mut self,
        number: u64,
        reply: Result<Value>,
        watched: &mut HashSet<Bytes>,
    ) {
        if let Some(waiting) = self.take(number, watched) {
            // The caller may have gone.
            let _ = waiting.reply.send(reply);
        }
    }
}
