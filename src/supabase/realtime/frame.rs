//! The frames of Supabase Realtime: version 1, JSON objects; version 2, JSON arrays, and broadcasts in binary.

use bytes::Bytes;
use serde_json::{Value as Json, json};

use super::options::Version;
use crate::{Error, ErrorKind, Result};

/// The kind of a binary frame with a broadcast of a client.
const BROADCAST_PUSH: u8 = 3;
/// The kind of a binary frame with a broadcast of the server.
const BROADCAST: u8 = 4;

/// A frame of either version.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Frame {
    pub(super) join_reference: Option<String>,
    pub(super) reference: Option<String>,
    pub(super) topic: String,
    pub(super) event: String,
    pub(super) payload: Json,
}

/// An encoded frame: the content of a WebSocket message.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Wire {
    Text(String),
    Binary(Vec<u8>),
}

impl Frame {
    /// A broadcast with the user's event and its payload.
    pub(super) fn broadcast(topic: &str, event: &str, payload: Json) -> Self {
        let payload = json!({"type": "broadcast", "event": event, "payload": payload});
        Self { topic: topic.to_owned(), event: "broadcast".to_owned(), payload, ..Self::default() }
    }

    /// The event and the payload, if this is a broadcast.
    pub(super) fn as_broadcast(&self) -> Option<(&str, &Json)> {
        let is_one = self.event == "broadcast";
        is_one
            .then(|| Some((self.payload.get("event")?.as_str()?, self.payload.get("payload")?)))?
    }

    /// # Errors
    /// [`ErrorKind::InvalidInput`] if a field is longer than 255 bytes in version 2.
    pub(super) fn encode(&self, version: Version) -> Result<Wire> {
        let Self { join_reference, reference, topic, event, payload } = self;
        Ok(match version {
            Version::One => Wire::Text(
                json!({
                    "topic": topic, "event": event, "payload": payload, "ref": reference,
                    "join_ref": join_reference,
                })
                .to_string(),
            ),
            Version::Two => match self.as_broadcast() {
                Some((event, payload)) => Wire::Binary(self.push(event, payload)?),
                None => {
                    let frame = json!([join_reference, reference, topic, event, payload]);
                    Wire::Text(frame.to_string())
                }
            },
        })
    }

    /// A binary frame of the kind [`BROADCAST_PUSH`].
    fn push(&self, event: &str, payload: &Json) -> Result<Vec<u8>> {
        const JSON: u8 = 1;
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        let fields = [
            text(&self.join_reference),
            text(&self.reference),
            self.topic.clone(),
            event.to_owned(),
        ];
        let mut bytes = vec![BROADCAST_PUSH];
        for field in &fields {
            let length = u8::try_from(field.len()).map_err(|_| {
                let why = "a topic or an event of Supabase Realtime has 255 bytes at most";
                Error::new(ErrorKind::InvalidInput, why)
            })?;
            bytes.push(length);
        }
        // No metadata.
        bytes.extend([0, JSON]);
        fields.iter().for_each(|field| bytes.extend(field.as_bytes()));
        bytes.extend(payload.to_string().as_bytes());
        Ok(bytes)
    }

    /// Decodes a frame of text, of either version.
    ///
    /// # Errors
    /// [`ErrorKind::Protocol`].
    pub(super) fn of_text(text: &str) -> Result<Self> {
        match serde_json::from_str(text) {
            Ok(Json::Array(parts)) => {
                let parts: [Json; 5] = parts.try_into().map_err(|_| broken())?;
                let [join_reference, reference, topic, event, payload] = parts;
                let [join_reference, reference] = [join_reference, reference].map(text_of);
                let (topic, event) = (text_of(topic), text_of(event));
                let (Some(topic), Some(event)) = (topic, event) else { return Err(broken()) };
                Ok(Self { join_reference, reference, topic, event, payload })
            }
            Ok(Json::Object(mut fields)) => {
                let mut take = |name: &str| fields.remove(name).unwrap_or_default();
                let (join_reference, reference) = (text_of(take("join_ref")), text_of(take("ref")));
                let (topic, event) = (text_of(take("topic")), text_of(take("event")));
                let (Some(topic), Some(event)) = (topic, event) else { return Err(broken()) };
                Ok(Self { join_reference, reference, topic, event, payload: take("payload") })
            }
            _ => Err(broken()),
        }
    }

    /// Decodes a frame of bytes; `None` for a frame without an event of this library.
    ///
    /// # Errors
    /// [`ErrorKind::Protocol`].
    pub(super) fn of_bytes(bytes: &Bytes) -> Result<Option<Self>> {
        let (kind, rest) = bytes.split_first().ok_or_else(broken)?;
        // The number of lengths before the length of the metadata and the encoding.
        let fields = match *kind {
            BROADCAST => 2,
            BROADCAST_PUSH => 4,
            _ => return Ok(None),
        };
        let (lengths, rest) = rest.split_at_checked(fields + 2).ok_or_else(broken)?;
        let mut rest = rest;
        let mut next = |length: u8| -> Result<String> {
            let (field, left) = rest.split_at_checked(length.into()).ok_or_else(broken)?;
            rest = left;
            String::from_utf8(field.to_vec()).map_err(|_| broken())
        };
        let mut texts =
            lengths[..=fields].iter().map(|length| next(*length)).collect::<Result<Vec<_>>>()?;
        let payload = match lengths[fields + 1] {
            1 => serde_json::from_slice(rest).map_err(|_| broken())?,
            // Binary payloads come from other programs.
            _ => return Ok(None),
        };
        texts.pop();
        let (event, topic) = (texts.pop(), texts.pop());
        let (Some(event), Some(topic)) = (event, topic) else { return Err(broken()) };
        let mut frame = Self::broadcast(&topic, &event, payload);
        frame.reference = texts.pop().filter(|text| !text.is_empty());
        frame.join_reference = texts.pop().filter(|text| !text.is_empty());
        Ok(Some(frame))
    }
}

fn text_of(value: Json) -> Option<String> {
    match value {
        Json::String(text) => Some(text),
        _ => None,
    }
}

fn broken() -> Error {
    Error::new(ErrorKind::Protocol, "this is not a frame of Supabase Realtime")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn join() -> Frame {
        Frame {
            join_reference: Some("1".to_owned()),
            reference: Some("2".to_owned()),
            topic: "realtime:a".to_owned(),
            event: "phx_join".to_owned(),
            payload: json!({"config": {}}),
        }
    }

    #[test]
    fn frames_of_both_versions_come_back_as_they_went() -> Result<()> {
        for version in [Version::One, Version::Two] {
            let Wire::Text(text) = join().encode(version)? else { return Err(broken()) };
            assert_eq!(Frame::of_text(&text)?, join());
        }
        let text = join().encode(Version::Two)?;
        assert_eq!(
            text,
            Wire::Text(r#"["1","2","realtime:a","phx_join",{"config":{}}]"#.to_owned())
        );
        Ok(())
    }

    #[test]
    fn broadcasts_are_binary_in_version_two() -> Result<()> {
        let mut frame = Frame::broadcast("realtime:é", "e", json!({"a": 1}));
        frame.reference = Some("7".to_owned());
        let Wire::Binary(bytes) = frame.encode(Version::Two)? else { return Err(broken()) };
        assert_eq!(bytes, b"\x03\x00\x01\x0b\x01\x00\x017realtime:\xc3\xa9e{\"a\":1}");
        assert_eq!(Frame::of_bytes(&bytes.into())?, Some(frame));
        // The server's, with metadata.
        let bytes = Bytes::from_static(b"\x04\x0a\x01\x02\x01realtime:ae{}[1]");
        let frame = Frame::of_bytes(&bytes)?;
        let broadcast = frame.as_ref().and_then(Frame::as_broadcast);
        assert_eq!(broadcast, Some(("e", &json!([1]))));
        let long = Frame::broadcast(&"x".repeat(256), "e", Json::Null);
        assert!(long.encode(Version::Two).is_err() && long.encode(Version::One).is_ok());
        Ok(())
    }

    #[test]
    fn what_is_no_frame_is_an_error_and_no_panic() -> Result<()> {
        for text in ["", "[]", "{}", "1", "[1,2,3,4,5]", r#"{"topic":"a"}"#, r#"["1","2","a","b"]"#]
        {
            assert!(Frame::of_text(text).is_err(), "{text}");
        }
        let whole = b"\x03\x00\x01\x0a\x01\x00\x017realtime:ae{}";
        for end in 0..whole.len() - 2 {
            assert!(Frame::of_bytes(&Bytes::from_static(&whole[..end])).is_err(), "{end}");
        }
        for bytes in [&b"\x00"[..], b"\x09abc", b"\x04\x01\x01\x00\x00aeraw"] {
            assert_eq!(Frame::of_bytes(&Bytes::from_static(bytes))?, None);
        }
        assert!(Frame::of_bytes(&Bytes::from_static(b"\x04\x01\x01\x00\x01ae\xff")).is_err());
        Ok(())
    }
}
