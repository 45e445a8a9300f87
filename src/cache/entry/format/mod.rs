//! The stored form of a value: plain, or in an [envelope].

mod codec;
mod compression;
pub(crate) mod envelope;
mod raw;
#[cfg(feature = "encryption")]
mod seal;

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use serde::de::DeserializeOwned;

pub use codec::Codec;
pub use compression::Compression;
#[cfg(feature = "encryption")]
pub use seal::SealingKeys;

use self::compression::Algorithm;
use self::envelope::{Encoding, Header};
use crate::{Error, ErrorKind, Key, Result};

/// Whether values are stored as they are. Every cache reads both forms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Form {
    /// Plain if the value alone is enough, as for a short JSON value. In an envelope if the entry is compressed or sealed,
    /// has tags, or may be served stale.
    #[default]
    Envelope,
    /// Always the codec's bytes and nothing else, for keys that other programs read. Such an entry cannot be compressed,
    /// sealed, tagged or served stale. Options that ask for tags or staleness are an error.
    Plain,
}

/// How a cache stores its values.
#[derive(Debug, Clone)]
pub(crate) struct Format {
    pub(crate) form: Form,
    pub(crate) codec: Codec,
    pub(crate) compression: Option<Compression>,
    #[cfg(feature = "encryption")]
    pub(crate) sealing: Option<SealingKeys>,
    pub(crate) max_unpacked: usize,
}

/// A value in its codec's form, with its metadata.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) codec: Codec,
    pub(crate) payload: Bytes,
    /// Unix time in milliseconds; `None`: for as long as Redis keeps it.
    pub(crate) fresh_until: Option<u64>,
    pub(crate) load_ms: Option<u64>,
    /// Each tag's version when the value was loaded.
    pub(crate) tags: BTreeMap<String, String>,
}

/// The fields of an entry that a reader needs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct View<'a> {
    pub(crate) codec: Codec,
    pub(crate) payload: &'a [u8],
    pub(crate) fresh_until: Option<u64>,
    pub(crate) load_ms: Option<u64>,
}

impl Entry {
    pub(crate) fn view(&self) -> View<'_> {
        let Self { codec, payload, fresh_until, load_ms, tags: _ } = self;
        View { codec: *codec, payload, fresh_until: *fresh_until, load_ms: *load_ms }
    }

    pub(crate) fn plain(codec: Codec, payload: impl Into<Bytes>) -> Self {
        let tags = BTreeMap::new();
        Self { codec, payload: payload.into(), fresh_until: None, load_ms: None, tags }
    }

    fn says_more(&self) -> bool {
        self.fresh_until.is_some() || !self.tags.is_empty()
    }
}

impl View<'_> {
    /// For how long it has been stale; `None` if it is fresh. Never zero.
    pub(crate) fn stale_for(&self, now: u64) -> Option<Duration> {
        let fresh_until = self.fresh_until.filter(|until| *until <= now)?;
        Some(Duration::from_millis(now - fresh_until + 1))
    }

    pub(crate) fn decode<T: DeserializeOwned>(&self, key: &Key) -> Result<T> {
        self.codec.decode(key, self.payload)
    }
}

/// A compressed payload.
pub(crate) struct Compressed(Algorithm, Bytes);

impl Format {
    pub(crate) fn new() -> Self {
        Self {
            form: Form::default(),
            codec: Codec::default(),
            compression: Compression::built_in(),
            #[cfg(feature = "encryption")]
            sealing: None,
            max_unpacked: 64 << 20,
        }
    }

    /// Whether nothing may be stored that is not sealed.
    #[cfg(feature = "http-cache")]
    pub(crate) fn seals(&self) -> bool {
        self.sealing_key().is_some()
    }

    /// What is stored of an entry.
    pub(crate) async fn pack(&self, key: &Key, entry: &Entry) -> Result<Bytes> {
        let compressed = self.compress(&entry.payload).await?;
        self.pack_compressed(key, entry, compressed)
    }

    /// The slow part of packing: compresses the payload, if it is to be compressed.
    pub(crate) async fn compress(&self, payload: &Bytes) -> Result<Option<Compressed>> {
        let compressed = match &self.compression {
            Some(compression) if self.form != Form::Plain => compression.pack(payload).await?,
            _ => None,
        };
        Ok(compressed.map(|(algorithm, packed)| Compressed(algorithm, packed.into())))
    }

    /// As [`Format::pack`], with the result of [`Format::compress`].
    pub(crate) fn pack_compressed(
        &self,
        key: &Key,
        entry: &Entry,
        compressed: Option<Compressed>,
    ) -> Result<Bytes> {
        if self.form == Form::Plain {
            return self.plain(key, entry);
        }
        let mut encoding = Vec::new();
        let packed = compressed.map(|Compressed(algorithm, packed)| {
            encoding.push(match algorithm {
                Algorithm::Gzip => Encoding::Gzip,
                Algorithm::Lz4 => Encoding::Lz4,
            });
            packed
        });
        let payload = packed.unwrap_or_else(|| entry.payload.clone());
        let sealing = self.sealing_key();
        if sealing.is_some() {
            encoding.push(Encoding::Sealed);
        }
        let text = sealing.is_none() && std::str::from_utf8(&payload).is_ok();
        if !text {
            encoding.push(Encoding::Base64);
        }
        let plain = encoding.is_empty() && !entry.says_more() && entry.codec == self.codec;
        if plain && !envelope::is_envelope(&payload) {
            return Ok(payload);
        }
        let mut stored = envelope::line_of(&Header {
            codec: entry.codec,
            encoding,
            key: sealing,
            fresh_until: entry.fresh_until,
            load_ms: entry.load_ms,
            tags: entry.tags.clone(),
        })?;
        let payload = self.seal(key, &stored, payload)?;
        if text {
            stored.extend_from_slice(&payload);
        } else {
            stored.extend_from_slice(BASE64.encode(&payload).as_bytes());
        }
        Ok(stored.into())
    }

    fn plain(&self, key: &Key, entry: &Entry) -> Result<Bytes> {
        let unfit = |what: &str| {
            let text =
                format!("'{key}' {what}, which Form::Plain cannot store: take Form::Envelope");
            Err(Error::new(ErrorKind::InvalidInput, text))
        };
        if entry.says_more() {
            unfit("has tags or may be served stale")
        } else if self.sealing_key().is_some() {
            unfit("is to be sealed")
        } else if envelope::is_envelope(&entry.payload) {
            unfit("begins like an envelope")
        } else {
            Ok(entry.payload.clone())
        }
    }

    /// Reads a stored entry.
    pub(crate) async fn unpack(&self, key: &Key, stored: Bytes) -> Result<Entry> {
        let read = self.unpack_unnamed(key, stored).await;
        read.map_err(|error| {
            let text =
                format!("the entry cached under '{key}' cannot be read: {}", error.message());
            Error::new(error.kind(), text)
        })
    }

    async fn unpack_unnamed(&self, key: &Key, stored: Bytes) -> Result<Entry> {
        let Some((header, start)) = envelope::parse(&stored)? else {
            return match self.sealing_key() {
                Some(_) => Err(unsealed()),
                None => Ok(Entry::plain(self.codec, stored)),
            };
        };
        if self.sealing_key().is_some() && !header.encoding.contains(&Encoding::Sealed) {
            return Err(unsealed());
        }
        let line = stored.slice(..start);
        let mut payload = stored.slice(start..);
        for step in header.encoding.iter().rev() {
            payload = match step {
                Encoding::Base64 => BASE64
                    .decode(&payload)
                    .map_err(|_| Error::new(ErrorKind::Codec, "its base64 is broken"))?
                    .into(),
                Encoding::Sealed => self.open(key, &line, header.key.as_deref(), payload)?,
                Encoding::Gzip => Algorithm::Gzip.unpack(&payload, self.max_unpacked).await?.into(),
                Encoding::Lz4 => Algorithm::Lz4.unpack(&payload, self.max_unpacked).await?.into(),
            };
        }
        Ok(Entry {
            codec: header.codec,
            payload,
            fresh_until: header.fresh_until,
            load_ms: header.load_ms,
            tags: header.tags,
        })
    }
}

fn unsealed() -> Error {
    Error::new(ErrorKind::Codec, "it is not sealed, and this cache reads sealed entries only")
}

#[cfg(feature = "encryption")]
impl Format {
    fn sealing_key(&self) -> Option<String> {
        self.sealing.as_ref().map(|keys| keys.id().to_owned())
    }

    fn seal(&self, key: &Key, line: &[u8], payload: Bytes) -> Result<Bytes> {
        match &self.sealing {
            Some(keys) => Ok(keys.seal(&payload, &bound_to(key, line))?.into()),
            None => Ok(payload),
        }
    }

    fn open(&self, key: &Key, line: &[u8], id: Option<&str>, payload: Bytes) -> Result<Bytes> {
        let keys = self.sealing.as_ref().ok_or_else(|| {
            Error::new(ErrorKind::Codec, "it is sealed: give this cache its SealingKeys")
        })?;
        Ok(keys.open(id.unwrap_or_default(), &payload, &bound_to(key, line))?.into())
    }
}

/// The associated data of the seal: the value cannot be moved to another key or header.
#[cfg(feature = "encryption")]
fn bound_to(key: &Key, line: &[u8]) -> Vec<u8> {
    [line, key.as_str().as_bytes()].concat()
}

#[cfg(not(feature = "encryption"))]
impl Format {
    fn sealing_key(&self) -> Option<String> {
        None
    }

    fn seal(&self, _: &Key, _: &[u8], payload: Bytes) -> Result<Bytes> {
        Ok(payload)
    }

    fn open(&self, _: &Key, _: &[u8], _: Option<&str>, _: Bytes) -> Result<Bytes> {
        Err(Error::new(
            ErrorKind::Unsupported,
            "it is sealed: build edgecask with the feature 'encryption'",
        ))
    }
}
