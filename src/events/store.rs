//! The keys of a topic, and the scripts on them.

use std::time::Duration;

use bytes::Bytes;

use super::cursor::Page;
use super::frame::Frame;
use super::hub::Hub;
use super::pages::PageRequest;
use super::position::Position;
use super::scripts::{PUBLISH, READ};
use crate::command::streams::Entry;
use crate::key::escape_part;
use crate::{Error, ErrorKind, Key, Outcome, Result, platform};

/// How long a topic without events keeps the history that a subscriber began, counted from the last read. It is short, because the
/// names of topics may come from outside.
const UNUSED_KEPT_FOR: Duration = Duration::from_secs(86_400);

/// The keys of a topic.
pub(super) struct Store {
    pub(super) key: Key,
    head: String,
}

/// The answer to a read of the history.
pub(super) struct HistoryRead {
    /// The name of the channel: the key as the server has it, with the prefix of a layer.
    pub(super) channel: String,
    /// `None` if there is no history.
    pub(super) page: Option<Page>,
}

/// An event to publish.
pub(super) struct Outgoing<'a> {
    pub(super) event: &'a str,
    pub(super) id: &'a str,
    pub(super) kept: u64,
    pub(super) known: Option<Position>,
}

impl Store {
    pub(super) fn new(key: Key) -> Self {
        let head = key.companion("edgecask:events");
        Self { key, head }
    }

    /// Publishes. One script. Returns the position, if the event is kept, and whether the id was published before.
    pub(super) async fn publish(
        &self,
        hub: &Hub,
        outgoing: &Outgoing<'_>,
    ) -> Result<(Option<Position>, bool)> {
        let options = &hub.options;
        let mut role = "edgecask:published:".to_owned();
        escape_part(outgoing.id, &mut role);
        let seen = self.key.companion(&role);
        let kept_for = options.kept_for;
        let args = [
            outgoing.event,
            &outgoing.kept.to_string(),
            &millis(kept_for),
            &millis(options.position_kept_for.max(kept_for)),
            &millis(options.repeats_known_for),
            &outgoing.known.map(|known| known.to_string()).unwrap_or_default(),
            &digits()?,
            outgoing.id,
        ];
        let keys = [self.key.as_str(), &self.head, &seen];
        let client = hub.client()?;
        // A box, so that the type of the awaiting future is short.
        let (position, repeated): (String, i64) =
            platform::send(|| client.run_script(&PUBLISH, keys, args)).await?;
        if repeated == 2 {
            let kept = if position.is_empty() { "" } else { "the event is in the history, but " };
            let why = format!(
                "{kept}Redis refused the message: the user needs the permission for the channel, `&pattern` in its ACL"
            );
            let error = Error::new(ErrorKind::Unauthorized, why);
            return Err(error.with_outcome(match position.is_empty() {
                true => Outcome::Refused,
                false => Outcome::Completed,
            }));
        }
        let position = (!position.is_empty()).then(|| position.parse()).transpose()?;
        Ok((position, repeated == 1))
    }

    /// The position of the last event, if there is a history. One script.
    pub(super) async fn head(&self, hub: &Hub) -> Result<Option<Position>> {
        let read = self.read(hub, None, "", 0, "0").await?;
        Ok(position_of(&read.1).map(|(position, _)| position))
    }

    /// The name of the channel, and the position of the last event; begins a history if there is none. One script.
    pub(super) async fn begin(&self, hub: &Hub) -> Result<HistoryRead> {
        self.read_after(hub, None, "", PageRequest::Nothing).await
    }

    /// Reads the history after a position, whose event has this id, and begins a history if there is none. One script.
    pub(super) async fn read_after(
        &self,
        hub: &Hub,
        after: Option<Position>,
        id: &str,
        ask: PageRequest,
    ) -> Result<HistoryRead> {
        let options = &hub.options;
        // Without a history, only the name of the channel is of interest.
        let ttl = match options.has_history() {
            true => millis(options.kept_for.max(UNUSED_KEPT_FOR)),
            false => "0".to_owned(),
        };
        // A single event is the next one, not the one at the position.
        let (after, id) = match ask {
            PageRequest::Events(2..) | PageRequest::Nothing => (after, id),
            PageRequest::Events(_) | PageRequest::Position => {
                let next = |at: Position| Position { offset: at.offset.saturating_add(1), ..at };
                (after.map(next), "")
            }
        };
        let (channel, head, entries) = self.read(hub, after, id, ask.most(), &ttl).await?;
        let is_full = ask.most() != 0 && entries.len() as u64 >= ask.most().unsigned_abs();
        let frame = |entry: Entry<Bytes>| {
            let event = entry.get("event").cloned().unwrap_or_default();
            let after = entry.get("after").and_then(|id| String::from_utf8(id.to_vec()).ok());
            let mut frame = Frame::kept(entry.id.parse().ok()?, &event);
            frame.after = after.filter(|id| !id.is_empty());
            Some(frame)
        };
        let events = entries.into_iter().filter_map(frame).collect();
        let page = position_of(&head).map(|head| Page { head, events, is_full });
        Ok(HistoryRead { channel, page })
    }

    /// The channel, the position of the last event with its id, and events.
    async fn read(
        &self,
        hub: &Hub,
        after: Option<Position>,
        id: &str,
        most: i64,
        ttl: &str,
    ) -> Result<(String, String, Vec<Entry<Bytes>>)> {
        let epoch = after.map(|after| after.epoch.to_string()).unwrap_or_default();
        let offset = after.map_or(0, |after| after.offset).to_string();
        let args = [&epoch, &offset, id, &most.to_string(), ttl, &digits()?];
        let keys = [self.key.as_str(), &self.head];
        let client = hub.client()?;
        platform::send(|| client.run_script(&READ, keys, args)).await
    }
}

/// Three random digits for an epoch.
fn digits() -> Result<String> {
    Ok(format!("{:03}", u16::from_le_bytes(crate::platform::random()?) % 1000))
}

/// A position and the id behind it.
fn position_of(head: &str) -> Option<(Position, String)> {
    let (at, id) = head.split_once(' ').unwrap_or((head, ""));
    Some((at.parse().ok()?, id.to_owned()))
}

fn millis(time: Duration) -> String {
    time.as_millis().clamp(1, u128::from(u64::MAX >> 16)).to_string()
}
