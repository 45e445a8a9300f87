//! The bus: a Pub/Sub channel that tells the first tiers of other processes about invalidations.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::{Key, platform};

/// A message on the bus, as JSON: `{"v":1,"from":"…","keys":["…"]}`, `"tags":["…"]` or `"all":true`
/// beside keys or in their place.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Message<'a> {
    v: u32,
    /// The cache that sent it. It has removed its own copies already.
    from: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) keys: Vec<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) tags: Vec<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    all: bool,
}

const VERSION: u32 = 1;

/// The channel of the bus, and this cache's name on it.
#[derive(Debug, Clone)]
pub(crate) struct Bus {
    channel: String,
    sender: String,
}

/// A message and the channel that it goes to.
pub(crate) struct Announcement<'a> {
    pub(crate) channel: &'a str,
    pub(crate) message: String,
}

impl Bus {
    pub(crate) fn new(channel: String) -> Self {
        // If two caches have no name, they only drop more than necessary.
        let sender = platform::random().map(|bytes| format!("{:016x}", u64::from_le_bytes(bytes)));
        Self { channel, sender: sender.unwrap_or_default() }
    }

    pub(super) fn channel(&self) -> &str {
        &self.channel
    }

    /// Tells the others that these keys have changed.
    pub(crate) fn keys(&self, keys: &[Key]) -> Option<Announcement<'_>> {
        let keys = keys.iter().map(|key| key.as_str().into()).collect();
        self.announcement(&Message { keys, ..self.message() })
    }

    /// Tells the others that these tags have changed.
    pub(super) fn tags(&self, tags: &[String]) -> Option<Announcement<'_>> {
        let tags = tags.iter().map(|tag| tag.as_str().into()).collect();
        self.announcement(&Message { tags, ..self.message() })
    }

    /// Tells the others that everything may have changed.
    pub(super) fn all(&self) -> Option<Announcement<'_>> {
        self.announcement(&Message { all: true, ..self.message() })
    }

    fn message(&self) -> Message<'_> {
        let from = self.sender.as_str().into();
        Message { v: VERSION, from, keys: Vec::new(), tags: Vec::new(), all: false }
    }

    fn announcement(&self, message: &Message<'_>) -> Option<Announcement<'_>> {
        let message = serde_json::to_string(message).ok()?;
        Some(Announcement { channel: &self.channel, message })
    }

    /// Reads a message. `None` if this cache sent it. `Err` if everything may have changed: the message says so, has a
    /// newer version, or cannot be read. Dropping too much is safe.
    pub(super) fn read<'a>(&self, payload: &'a [u8]) -> Option<Result<Message<'a>, Everything>> {
        match serde_json::from_slice::<Message<'_>>(payload) {
            Ok(message) if message.from == self.sender.as_str() => None,
            Ok(message) if message.v == VERSION && !message.all => Some(Ok(message)),
            _ => Some(Err(Everything)),
        }
    }
}

/// Everything may have changed.
pub(super) struct Everything;
