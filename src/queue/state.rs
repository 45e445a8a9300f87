//! A queue on the server: its keys, and the scripts that change it. Payloads are bytes here.

use std::time::Duration;

use bytes::Bytes;

use super::QueueError;
use super::keys::Keys;
use super::options::{QueueOptions, millis};
use super::scripts::{END_PULL, ENQUEUE, EXTEND, MANAGE, PULL, SETTLE};
use super::source::Source;
use crate::client::{Client, ScriptBatch, repeat_if_lost, still_unknown};
use crate::command::Script;
use crate::platform::{self, Background};
use crate::{Error, ErrorKind, FromValue, Outcome, Result, Value};

/// A queue in Redis.
#[derive(Debug)]
pub(super) struct State {
    pub(super) client: Client,
    pub(super) keys: Keys,
    pub(super) source: Option<Source>,
    pub(super) options: QueueOptions,
    pub(super) background: Background,
}

/// A task to add: the ten arguments of the script, and the Redis key of its deduplication key.
pub(super) struct Added {
    pub(super) args: [Bytes; 10],
    pub(super) once: Option<String>,
}

/// The answer to an enqueue for one task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) kind: String,
    pub(super) id: String,
}

/// A leased task.
#[derive(Debug, Clone)]
pub(super) struct Leased {
    pub(super) id: String,
    pub(super) number: u64,
    pub(super) failures: u32,
    pub(super) abandoned: u32,
    pub(super) attempts: u32,
    pub(super) poison_cap: u32,
    pub(super) group: Option<String>,
    pub(super) payload: Bytes,
}

/// The answer to a pull.
#[derive(Debug)]
pub(super) struct Pulled {
    pub(super) leased: Vec<Leased>,
    /// The time after which there may be more tasks.
    pub(super) next: Option<Duration>,
    /// Whether the source is a list and is empty.
    pub(super) is_empty: bool,
}

/// The settlement of a delivery.
#[derive(Debug, Clone)]
pub(super) struct Settled<'a> {
    pub(super) how: How,
    pub(super) id: &'a str,
    pub(super) number: u64,
    pub(super) token: &'a str,
    pub(super) delay: Duration,
    pub(super) error: String,
    pub(super) result: Option<Bytes>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    Ack,
    Nack,
    Reject,
    Release,
}

/// The state of a task after a settlement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Now {
    Done,
    Ready,
    Waits,
    Dead,
    Lost,
    /// It is lost, or was settled by a request whose answer was lost.
    Unsure,
}

/// A delivery whose lease is renewed.
pub(super) struct Held<'a> {
    pub(super) id: &'a str,
    pub(super) number: u64,
    pub(super) token: &'a str,
    pub(super) progress: Option<Bytes>,
}

impl State {
    /// Adds tasks, all or none.
    pub(super) async fn enqueue(&self, tasks: Vec<Added>) -> Result<Vec<Answer>, QueueError> {
        let mut args = self.args();
        args.push(number(self.options.max_tasks));
        let mut once = Vec::new();
        for task in tasks {
            args.extend(task.args);
            once.extend(task.once);
        }
        let reply: Vec<String> = self.ask(&ENQUEUE, &once, &args).await?;
        match reply.as_slice() {
            [what, tasks] if what == "full" => {
                let tasks = tasks.parse().unwrap_or(0);
                Err(QueueError::Full { queue: self.keys.name.clone(), tasks })
            }
            [what, id] if what == "taken" => {
                let why = format!(
                    "the task {id} cannot be a child: it is that of another task, or waits for its own children"
                );
                let error = Error::new(ErrorKind::Conflict, why).with_outcome(Outcome::Refused);
                Err(error.into())
            }
            [what, _, answers @ ..] if what == "ok" => {
                let answer =
                    |[kind, id]: &[String; 2]| Answer { kind: kind.clone(), id: id.clone() };
                Ok(answers.as_chunks().0.iter().map(answer).collect())
            }
            _ => Err(unexpected().into()),
        }
    }

    /// Leases tasks under a token that no other pull has. `again`: the same request was sent before.
    pub(super) async fn pull(&self, token: &str, most: usize, again: bool) -> Result<Pulled> {
        let mut args = self.args();
        let (tasks, period) = self.options.rate.unwrap_or((0, Duration::ZERO));
        let period = period.as_micros().min(1 << 50) as u64;
        let interval = if tasks == 0 { 0 } else { period.div_ceil(u64::from(tasks)) };
        args.extend([
            Bytes::from(token.to_owned()),
            number(most as u64),
            number(millis(self.options.lease)),
            Bytes::from_static(if again { b"again" } else { b"first" }),
            number(interval),
            number(period),
            number(self.options.max_pull_bytes as u64),
            Bytes::from_static(match &self.source {
                Some(Source::List(_)) => b"list",
                Some(Source::SortedSet(_)) => b"set",
                None => b"none",
            }),
            number(self.options.attempts.into()),
            number(self.options.poison_cap.into()),
            number(self.options.ttl.map_or(0, millis)),
            number(self.options.max_payload_bytes as u64),
        ]);
        let mut keys = vec![self.keys.of("pull", token)];
        keys.extend(self.source.as_ref().map(|source| source.key().as_str().to_owned()));
        // One request: the caller repeats it, and sets `again`.
        let reply: Vec<Value> = self.run(&PULL, &keys, &args).await?;
        let mut reply = reply.into_iter();
        let (Some(_), Some(next), Some(is_empty)) = (reply.next(), reply.next(), reply.next())
        else {
            return Err(unexpected());
        };
        let next = u64::try_from(i64::from_value(next)?).ok().map(Duration::from_millis);
        let (leased, is_empty) =
            (reply.map(leased).collect::<Result<_>>()?, i64::from_value(is_empty)?);
        Ok(Pulled { leased, next, is_empty: is_empty == 1 })
    }

    /// Ends a pull whose caller is gone: releases its tasks, also if its request arrives later.
    pub(super) async fn end_pull(&self, token: &str) -> Result<u64> {
        let mut args = self.args();
        args.push(Bytes::from(token.to_owned()));
        self.ask(&END_PULL, &[self.keys.of("pull", token)], &args).await
    }

    /// Settles deliveries.
    pub(super) async fn settle(&self, deliveries: Vec<Settled<'_>>) -> Result<Vec<Now>> {
        if deliveries.is_empty() {
            return Ok(Vec::new());
        }
        let (mut args, mut keys) = (self.args(), Vec::new());
        for settled in deliveries {
            let how = match settled.how {
                How::Ack => "ack",
                How::Nack => "nack",
                How::Reject => "reject",
                How::Release => "release",
            };
            let delay = settled.delay.as_millis().min(1 << 50) as u64;
            args.extend([
                Bytes::from_static(how.as_bytes()),
                Bytes::from(settled.id.to_owned()),
                number(settled.number),
                Bytes::from(settled.token.to_owned()),
                number(delay),
                Bytes::from(settled.error),
            ]);
            if settled.result.is_some() {
                keys.push(self.keys.of("result", settled.id));
            }
            self.value_args(settled.result, &mut args);
        }
        let (answers, repeated): (Vec<String>, bool) = match self.run(&SETTLE, &keys, &args).await {
            Err(error) if error.outcome() == Outcome::Unknown => {
                (self.run(&SETTLE, &keys, &args).await.map_err(still_unknown)?, true)
            }
            answers => (answers?, false),
        };
        let now = |answer: String| match answer.as_str() {
            "done" => Now::Done,
            // The first request may have been carried out, and the task delivered again since.
            "lost" if repeated => Now::Unsure,
            "lost" => Now::Lost,
            "dead" => Now::Dead,
            "ready" => Now::Ready,
            _ => Now::Waits,
        };
        Ok(answers.into_iter().map(now).collect())
    }

    /// Renews leases, and returns for each delivery whether it is held. `at_least`: a lease that lasts longer is not shortened.
    pub(super) async fn extend(
        &self,
        lease: Duration,
        at_least: bool,
        held: Vec<Held<'_>>,
    ) -> Result<Vec<bool>> {
        let (mut args, mut keys) = (self.args(), Vec::new());
        args.push(number(millis(lease)));
        args.push(Bytes::from_static(if at_least { b"at least" } else { b"exactly" }));
        for held in held {
            args.extend([
                Bytes::from(held.id.to_owned()),
                number(held.number),
                Bytes::from(held.token.to_owned()),
            ]);
            if held.progress.is_some() {
                keys.push(self.keys.of("progress", held.id));
            }
            self.value_args(held.progress, &mut args);
        }
        self.ask(&EXTEND, &keys, &args).await
    }

    /// Runs an operation of an operator, and returns the number of changes.
    pub(super) async fn manage(&self, how: &'static str, what: Vec<Bytes>) -> Result<u64> {
        let mut args = self.args();
        args.push(Bytes::from(platform::random_id()?));
        args.push(Bytes::from_static(how.as_bytes()));
        args.extend(what);
        self.ask(&MANAGE, &[], &args).await
    }

    /// Adds the time to live of a result or progress, and its value.
    fn value_args(&self, value: Option<Bytes>, args: &mut Vec<Bytes>) {
        match value {
            Some(value) => args.extend([number(millis(self.options.result_ttl)), value]),
            None => args.extend([Bytes::from_static(b"0"), Bytes::new()]),
        }
    }

    /// The arguments that each script gets first.
    fn args(&self) -> Vec<Bytes> {
        let (time, tasks) = self.options.remember;
        vec![
            number(self.options.group_concurrency.into()),
            number(self.options.dead_letters),
            Bytes::from(self.keys.channel.clone()),
            number(time.as_millis().min(1 << 40) as u64),
            number(tasks),
        ]
    }

    /// Runs a script, and once more if the answer is lost: each is safe to repeat.
    async fn ask<R: FromValue>(
        &self,
        script: &Script,
        keys: &[String],
        args: &[Bytes],
    ) -> Result<R> {
        repeat_if_lost(|| self.run(script, keys, args)).await
    }

    async fn run<R: FromValue>(
        &self,
        script: &Script,
        keys: &[String],
        args: &[Bytes],
    ) -> Result<R> {
        let keys = self.keys.fixed.iter().chain(keys);
        let mut batch = ScriptBatch::new(&self.client);
        let place = batch.script(script, keys, args);
        // A box, so that the type of the awaiting future is short.
        platform::send(|| batch.exec()).await?.take(place)
    }
}

fn leased(value: Value) -> Result<Leased> {
    type Fields = (String, u64, u32, u32, u32, u32, String, Bytes);
    let (id, number, failures, abandoned, attempts, poison_cap, group, payload) =
        Fields::from_value(value)?;
    let group = group.strip_prefix('=').map(str::to_owned);
    Ok(Leased { id, number, failures, abandoned, attempts, poison_cap, group, payload })
}

fn number(number: u64) -> Bytes {
    Bytes::from(number.to_string())
}

pub(super) fn unexpected() -> Error {
    Error::new(ErrorKind::Protocol, "the script of a queue gave an unknown answer")
}
