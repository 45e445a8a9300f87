//! The state of a schedule in Redis: which slot was decided last, and which runs are under way.

use std::time::Duration;

use bytes::Bytes;

use super::Schedule;
use super::declaration::{RUNS, millis};
use super::missed::{Gap, Missed, Plan};
use super::record::Record;
use super::scripts::{CLAIM, FINISH, RENEW};
use super::timing::Timing;
use crate::client::{Client, ScriptBatch, repeat_if_lost};
use crate::command::Script;
use crate::command::keys::KeyCommands;
use crate::command::streams::{Entry, StreamCommands};
use crate::layer::WithoutFallback;
use crate::{Error, ErrorKind, FromValue, Key, Keyspace, Result};

const SPACE: Keyspace = Keyspace::literal("edgecask:schedule");

/// How many records of a schedule are kept.
const RECORDS: usize = 1000;

/// The keys of a schedule.
#[derive(Debug, Clone)]
pub(super) struct State {
    client: Client,
    key: Key,
    records: Key,
    lease: Duration,
    /// What happens to a slot while as many runs as are allowed are under way.
    busy: &'static str,
    most_runs: u32,
    /// How many milliseconds late a slot may be started.
    grace: Option<u64>,
    since: Option<u64>,
}

/// What happened to a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// There was no state.
    Begun,
    /// Another slot was decided last.
    Moved,
    /// The slot is not due yet, by the server's clock.
    Early,
    /// An earlier slot's run is waited for.
    Busy,
    /// The slot was skipped, because it is too late or too many runs are under way.
    Skipped,
    /// The slot is the caller's.
    Started,
}

/// The answer to a claim.
#[derive(Debug, Clone, Copy)]
pub(super) struct Claimed {
    pub(super) what: Answer,
    /// The slot that was decided last.
    pub(super) last: u64,
    /// The server's clock.
    pub(super) now: u64,
}

impl State {
    pub(super) fn new(client: &Client, schedule: &Schedule) -> Result<Self> {
        let key = SPACE.key(&*schedule.name)?;
        let records = Key::verbatim(key.companion("edgecask:schedule-records"))?;
        let is_triggered = matches!(schedule.timing, Timing::Triggered);
        let (busy, grace) = match schedule.missed {
            // Slots that are caught up wait for each other.
            Missed::CatchUp { .. } if !is_triggered => ("wait", None),
            Missed::Skip { grace } if !is_triggered => ("pass", Some(millis(grace))),
            _ => ("pass", None),
        };
        let Schedule { lease, since, overlap, .. } = *schedule;
        let most_runs = if overlap { RUNS } else { 1 };
        Ok(Self {
            client: client.clone().layer(WithoutFallback),
            key,
            records,
            lease,
            busy,
            most_runs,
            grace,
            since,
        })
    }

    /// Asks which slot was decided last, and begins the state if there is none. `floor`: the last one that the caller knows.
    pub(super) async fn look(&self, floor: Option<u64>) -> Result<Claimed> {
        // No state has an empty text for its last slot, so that nothing is claimed.
        self.ask(["", "", "0"].map(str::to_owned), floor, None).await
    }

    /// Decides on a slot, if `known` is the one that was decided last. `floor`: as for [`look`](Self::look). If the answer is
    /// lost, it asks once more.
    pub(super) async fn claim(
        &self,
        token: &str,
        known: u64,
        floor: Option<u64>,
        plan: &Plan,
    ) -> Result<Option<Claimed>> {
        let Plan::Decide { slot, missed } = plan else { return Ok(None) };
        let args = [token.to_owned(), known.to_string(), slot.to_string()];
        let ask = || self.ask(args.clone(), floor, missed.as_ref());
        repeat_if_lost(ask).await.map(Some)
    }

    async fn ask(
        &self,
        first: [String; 3],
        floor: Option<u64>,
        missed: Option<&Gap>,
    ) -> Result<Claimed> {
        let floor = floor.unwrap_or_default().to_string();
        let begin = self.since.map_or("now".to_owned(), |since| since.to_string());
        let mut args = Vec::from(first);
        args.extend([self.busy.to_owned(), self.most_runs.to_string()]);
        args.push(millis(self.lease).to_string());
        args.extend([floor, begin, RECORDS.to_string()]);
        args.push(self.grace.map(|grace| grace.to_string()).unwrap_or_default());
        if let Some(Gap { from, to, count }) = missed {
            let count = count.map(|count| count.to_string()).unwrap_or_default();
            args.extend([from.to_string(), to.to_string(), count]);
        }
        let keys = [self.key.as_str(), self.records.as_str()];
        let (what, last, now) = self.run::<(String, u64, u64)>(&CLAIM, &keys, &args).await?;
        let what = match what.as_str() {
            "begun" => Answer::Begun,
            "moved" => Answer::Moved,
            "early" => Answer::Early,
            "busy" => Answer::Busy,
            "skipped" => Answer::Skipped,
            "started" => Answer::Started,
            _ => {
                return Err(Error::new(
                    ErrorKind::Protocol,
                    "the script of a schedule gave an unknown answer",
                ));
            }
        };
        Ok(Claimed { what, last, now })
    }

    /// Renews the lease of a run, and returns whether it was under way.
    pub(super) async fn renew(&self, token: &str, slot: u64) -> Result<bool> {
        let args = [token.to_owned(), slot.to_string(), millis(self.lease).to_string()];
        self.run(&RENEW, &[self.key.as_str()], &args).await
    }

    /// Ends a run, and returns whether it was under way until now.
    pub(super) async fn finish(&self, token: &str, slot: u64, failed: bool) -> Result<bool> {
        let how = if failed { "failed" } else { "done" };
        let args = [token, &slot.to_string(), how, &RECORDS.to_string()].map(str::to_owned);
        self.run(&FINISH, &[self.key.as_str(), self.records.as_str()], &args).await
    }

    /// The newest records, the newest first.
    pub(super) async fn records(&self, count: usize) -> Result<Vec<Record>> {
        let count = Some(count.min(RECORDS) as u64);
        let entries: Vec<Entry<Bytes>> =
            self.client.xrevrange(&self.records, "+", "-", count).await?;
        Ok(entries.iter().filter_map(Record::parse).collect())
    }

    /// Deletes the state and the records.
    pub(super) async fn forget(&self) -> Result<()> {
        self.client.del([&self.key, &self.records]).await.map(drop)
    }

    /// Each script is safe to repeat.
    async fn run<R: FromValue>(
        &self,
        script: &Script,
        keys: &[&str],
        args: &[String],
    ) -> Result<R> {
        let mut batch = ScriptBatch::new(&self.client);
        let place = batch.script(script, keys, args);
        batch.exec().await?.take(place)
    }
}
