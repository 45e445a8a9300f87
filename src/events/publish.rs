use std::fmt;
use std::future::IntoFuture;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use super::frame::{encode, published};
use super::item::DEFAULT_NAME;
use super::position::Position;
use super::shared::Shared;
use super::store::Outgoing;
use crate::platform::{self, BoxFuture, boxed};
use crate::{Error, ErrorKind, Outcome, Result};

/// How often an event is sent if its answers are lost.
const ATTEMPTS: u32 = 3;
/// The most bytes of a name or an id.
const MAX_TEXT: usize = 128;

/// An event that is published when this is awaited; from [`Topic::publish`](super::Topic::publish).
#[must_use = "nothing is published until it is awaited"]
pub struct Publish {
    topic: Arc<Shared>,
    name: String,
    id: Option<String>,
    transient: bool,
    /// The payload as JSON.
    data: Result<Box<serde_json::value::RawValue>>,
}

/// The result of publishing an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Published {
    /// Its position in the history; `None` if the history does not keep it.
    pub position: Option<Position>,
    /// Whether an event with this id had been published before, so that this call had no effect. `false` if an answer was lost: in that
    /// case it is not known whether this call or an earlier one published the event.
    pub repeated: bool,
}

impl Publish {
    pub(super) fn new<T: Serialize>(topic: Arc<Shared>, data: &T) -> Self {
        let data = serde_json::value::to_raw_value(data).map_err(|error| {
            Error::new(ErrorKind::InvalidInput, "the event cannot be written as JSON")
                .with_source(error)
        });
        Self { topic, name: DEFAULT_NAME.to_owned(), id: None, transient: false, data }
    }

    /// The name of the kind of event: the `event:` of server-sent events. From 1 to 128 bytes without control characters. Default:
    /// `message`.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// The id of the event, from 1 to 128 bytes without control characters. Publishing the same id again has no effect for as long as it is
    /// [remembered](super::EventsOptions::remember_ids_for), and subscribers drop repeats; so an id must not be used for another event.
    /// Default: a random id.
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// Does not add the event to the history. A subscriber that is not connected, is too slow, or polls misses it without a gap. It is made
    /// for events that are of no use later, such as "ada is typing".
    pub fn transient(mut self) -> Self {
        self.transient = true;
        self
    }

    async fn send(self) -> Result<Published> {
        let Self { topic, name, id, transient, data } = self;
        let id = match id {
            Some(id) => id,
            None => platform::random_id()?,
        };
        checked("name of an event", &name)?;
        checked("id of an event", &id)?;
        let options = &topic.hub.options;
        let event = encode(&id, &name, &data?, options.max_event_bytes)?;
        let outgoing = Outgoing {
            event: &event,
            id: &id,
            kept: if transient { 0 } else { options.kept },
            known: topic.known(),
        };
        if let Some(broadcast) = topic.hub.broadcast() {
            broadcast.publish(topic.store.key.as_str(), &published(&event)).await?;
            return Ok(Published { position: None, repeated: false });
        }
        let mut attempt = 1;
        let (position, repeated) = loop {
            match topic.store.publish(&topic.hub, &outgoing).await {
                Ok(published) => break published,
                // If the first attempt arrived, the id makes this one a repeat.
                Err(error) if error.outcome() == Outcome::Unknown && attempt < ATTEMPTS => {
                    let longest = Duration::from_millis(50) * 2_u32.pow(attempt);
                    platform::sleep(longest.mul_f64(platform::random_fraction())).await;
                    attempt += 1;
                }
                Err(error) if attempt > 1 => return Err(error.with_outcome(Outcome::Unknown)),
                Err(error) => return Err(error),
            }
        };
        if let Some(position) = position {
            topic.note(position);
        }
        // After a lost answer, the repeat may be of this call's own attempt.
        Ok(Published { position, repeated: repeated && attempt == 1 })
    }
}

/// # Errors
/// [`ErrorKind::InvalidInput`] if the text is empty, too long, or has control characters.
pub(super) fn checked(what: &str, text: &str) -> Result<()> {
    if text.is_empty() || text.len() > MAX_TEXT || text.contains(char::is_control) {
        let why = format!("the {what} has from 1 to {MAX_TEXT} bytes, and no control characters");
        return Err(Error::new(ErrorKind::InvalidInput, why));
    }
    Ok(())
}

impl IntoFuture for Publish {
    type Output = Result<Published>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    /// # Errors
    /// [`ErrorKind::InvalidInput`] if the event is too long or has a wrong name or id; [`ErrorKind::Unauthorized`] with
    /// [`Outcome::Completed`] if Redis kept the event but refused its message; those of the client. If the outcome is
    /// unknown, publish it again with the same id.
    fn into_future(self) -> Self::IntoFuture {
        boxed(|| self.send())
    }
}

impl fmt::Debug for Publish {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (key, name, id) = (self.topic.store.key.as_str(), &self.name, &self.id);
        f.debug_struct("Publish")
            .field("topic", &key)
            .field("name", name)
            .field("id", id)
            .finish_non_exhaustive()
    }
}
