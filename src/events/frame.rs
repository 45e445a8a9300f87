//! The wire format of an event: a JSON object. In the history, its first brace and its position are left out.

use std::borrow::Cow;
use std::hash::{DefaultHasher, Hash, Hasher};

use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::item::{DEFAULT_NAME, Event, Item, Unreadable};
use super::position::Position;
use crate::{Error, ErrorKind, Result};

/// The beginning of all frames of this library. Other messages come from other programs.
const MARK: &[u8] = b"{\"edgecask\":1,";

#[derive(Serialize)]
struct Content<'a, T> {
    id: &'a str,
    name: &'a str,
    data: &'a T,
}

/// An event without its first brace.
///
/// # Errors
/// [`ErrorKind::InvalidInput`] if the payload is no JSON or is too long.
pub(super) fn encode<T: Serialize>(id: &str, name: &str, data: &T, most: usize) -> Result<String> {
    let mut text = serde_json::to_string(&Content { id, name, data }).map_err(|error| {
        Error::new(ErrorKind::InvalidInput, "the event cannot be written as JSON")
            .with_source(error)
    })?;
    if text.len() > most {
        let why = format!("the event has {} bytes as JSON, the limit is {most}", text.len());
        return Err(Error::new(ErrorKind::InvalidInput, why));
    }
    // JSON has line breaks only between tokens, as in raw JSON of the caller. Over REST a message is one line.
    if text.contains(['\n', '\r']) {
        text = text.replace(['\n', '\r'], " ");
    }
    text.remove(0);
    Ok(text)
}

/// The message of an event that has no position.
pub(super) fn published(event: &str) -> String {
    [&String::from_utf8_lossy(MARK), event].concat()
}

/// A frame, with the fields that a subscription needs before it reads the payload.
#[derive(Debug, Clone)]
pub(super) struct Frame {
    pub(super) position: Option<Position>,
    pub(super) id: Id,
    /// The id of the event before it, if it is known.
    pub(super) after: Option<String>,
    text: Bytes,
}

/// The id of an event, and its hash.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Id {
    pub(super) text: String,
    pub(super) hash: u64,
}

impl Id {
    fn new(text: String) -> Self {
        let mut hasher = DefaultHasher::new();
        text.hash(&mut hasher);
        Self { text, hash: hasher.finish() }
    }
}

#[derive(Deserialize)]
struct Head<'a> {
    #[serde(borrow, default)]
    epoch: Option<Cow<'a, str>>,
    #[serde(default)]
    offset: Option<u64>,
    #[serde(borrow, default)]
    id: Cow<'a, str>,
    #[serde(borrow, default)]
    after: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct Body<T> {
    name: String,
    data: T,
}

impl Frame {
    /// A message of the channel.
    pub(super) fn published(text: Bytes) -> Self {
        let head = text.starts_with(MARK).then(|| serde_json::from_slice::<Head>(&text).ok());
        let Some(Some(head)) = head else {
            return Self { position: None, id: Id::default(), after: None, text };
        };
        let epoch = head.epoch.and_then(|epoch| epoch.parse().ok());
        let position = epoch.zip(head.offset).map(|(epoch, offset)| Position { epoch, offset });
        let after = head.after.map(Cow::into_owned);
        Self { position, id: Id::new(head.id.into_owned()), after, text }
    }

    /// An entry of the history.
    pub(super) fn kept(position: Position, event: &[u8]) -> Self {
        let text = Bytes::from([MARK, event].concat());
        let head = serde_json::from_slice::<Head>(&text).ok();
        let id = head.map(|head| Id::new(head.id.into_owned())).unwrap_or_default();
        Self { position: Some(position), id, after: None, text }
    }

    /// The message as it was received.
    pub(super) fn text(&self) -> &[u8] {
        &self.text
    }

    pub(super) fn read<T: DeserializeOwned>(self) -> Item<T> {
        let Self { position, id, text, .. } = self;
        let body = match text.starts_with(MARK) {
            true => serde_json::from_slice(&text),
            false => serde_json::from_slice(&text)
                .map(|data| Body { name: DEFAULT_NAME.to_owned(), data }),
        };
        match body {
            Ok(Body { name, data }) => Item::Event(Event { position, id: id.text, name, data }),
            Err(error) => {
                // The text of the error may quote the payload.
                let why = format!("the event is not of this type: {:?} error", error.classify());
                let error = Error::new(ErrorKind::Codec, why);
                Item::Unreadable(Unreadable { position, error })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event<T: DeserializeOwned>(frame: Frame) -> Option<Event<T>> {
        frame.read().event()
    }

    #[test]
    fn a_frame_is_one_line_of_json_that_gives_the_event_back() -> Result<()> {
        let raw: Box<serde_json::value::RawValue> =
            serde_json::from_str("{\"a\":\r\n [1,\"x\\ny\"]}").map_err(Error::store)?;
        let text = encode("i\"1", "new", &raw, 100)?;
        assert!(!text.contains(['\n', '\r', '{']) || !text.starts_with('{'));
        let position = Position { epoch: 5, offset: 7 };
        let kept = event::<serde_json::Value>(Frame::kept(position, text.as_bytes()));
        let published = format!("{{\"edgecask\":1,\"epoch\":\"5\",\"offset\":7,{text}");
        assert!(!published.contains('\n'));
        let published = event::<serde_json::Value>(Frame::published(published.into()));
        assert_eq!(kept, published);
        let event = kept.map(|event| (event.id, event.data["a"][1].clone()));
        assert_eq!(event, Some(("i\"1".to_owned(), "x\ny".into())));
        assert!(encode("i", "n", &"x".repeat(100), 100).is_err());
        Ok(())
    }

    #[test]
    fn what_others_publish_is_an_event_without_a_position_or_unreadable() {
        let foreign =
            Frame::published(Bytes::from_static(b"{\"id\":\"a\",\"epoch\":\"1\",\"offset\":2}"));
        assert_eq!((foreign.position, &*foreign.id.text), (None, ""));
        let foreign = event::<serde_json::Value>(foreign);
        assert_eq!(foreign.map(|event| event.data["offset"].clone()), Some(2.into()));
        for wrong in [
            "",
            "{",
            "{\"edgecask\":1,",
            "{\"edgecask\":1,}",
            "{\"edgecask\":1,\"epoch\":1}",
            "\u{0}",
        ] {
            let frame = Frame::published(Bytes::from(wrong));
            assert!(matches!(frame.read::<String>(), Item::Unreadable(_)), "{wrong:?}");
        }
    }
}
