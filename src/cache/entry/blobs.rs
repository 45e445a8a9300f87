use std::time::Duration;

use bytes::Bytes;

use super::{Codec, Entry, Packer};
use crate::client::Client;
use crate::command::keys::KeyCommands;
use crate::command::strings::{SetOptions, StringCommands};
use crate::{Key, Result};

/// Redis refuses a time to live that overflows its clock.
const LONGEST: Duration = Duration::from_millis((u32::MAX as u64) << 6);

/// Bytes that an entry refers to, stored in keys of their own. They have no envelope and no tags: only the entry can be
/// invalidated. They are sealed if the cache seals its entries.
#[derive(Debug, Clone)]
pub(crate) struct Blobs {
    client: Client,
    packer: Packer,
}

impl Blobs {
    pub(crate) fn new(client: Client, packer: Packer) -> Self {
        Self { client, packer }
    }

    /// The bytes under a key. One GET.
    pub(crate) async fn get(&self, key: &Key) -> Result<Option<Bytes>> {
        let Some(stored) = self.client.get::<Bytes>(key).await? else {
            return Ok(None);
        };
        if self.packer.format().seals() {
            return self.packer.unpack(key, stored).await.map(|entry| Some(entry.payload));
        }
        self.packer.count_read(stored.len());
        Ok(Some(stored))
    }

    /// Stores bytes for this long. One SET.
    pub(crate) async fn put(&self, key: &Key, bytes: &Bytes, ttl: Duration) -> Result<()> {
        let sealed = match self.packer.format().seals() {
            true => Some(self.packer.pack(key, &Entry::plain(Codec::Raw, bytes.clone())).await?),
            false => None,
        };
        if sealed.is_none() {
            self.packer.count_written(bytes.len());
        }
        let stored = sealed.as_ref().unwrap_or(bytes);
        let ttl = ttl.clamp(Duration::from_millis(1), LONGEST);
        self.client.set_with(key, stored, SetOptions::new().ex(ttl)).await?;
        Ok(())
    }

    /// Sets the time to live of the bytes to this, from now; returns `false` if they are gone. One PEXPIRE.
    pub(crate) async fn keep(&self, key: &Key, ttl: Duration) -> Result<bool> {
        self.client.expire(key, ttl.min(LONGEST)).await
    }
}
