//! Bytes that an entry refers to, in keys of their own.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::entry::{Codec, Entry, Packer};
use super::tiers::{Edge, Fetched};
use crate::client::Client;
use crate::command::keys::KeyCommands;
use crate::command::strings::{SetOptions, StringCommands};
use crate::platform::{Background, Instant};
use crate::{Key, Result};

/// Redis refuses a time to live that overflows its clock.
const LONGEST: Duration = Duration::from_millis((u32::MAX as u64) << 6);

/// Bytes that an entry refers to by a hash of them, stored in keys of their own. They have no envelope and no tags: only the
/// entry can be invalidated. They are sealed if the cache seals its entries. The store at the edge holds them too, in the same
/// form.
#[derive(Clone)]
pub(crate) struct Blobs {
    client: Client,
    packer: Packer,
    edge: Option<Arc<Edge>>,
}

impl Blobs {
    pub(crate) fn new(client: Client, packer: Packer, edge: Option<Arc<Edge>>) -> Self {
        Self { client, packer, edge }
    }

    /// The bytes under a key, if they are what `is_intact` expects. A read at the edge if there is one, and one GET unless it
    /// holds them.
    pub(crate) async fn get(
        &self,
        key: &Key,
        is_intact: impl Fn(&[u8]) -> bool,
        background: &Background,
    ) -> Result<Option<Bytes>> {
        if let Some(edge) = &self.edge
            && let Some(held) = edge.get(key).await
            && let Ok(bytes) = self.opened(key, held).await
            && is_intact(&bytes)
        {
            return Ok(Some(bytes));
        }
        let start = self.edge.as_ref().map(|edge| (edge, edge.epoch(key), Instant::now()));
        let Some(stored) = self.client.get::<Bytes>(key).await? else {
            return Ok(None);
        };
        let length = stored.len();
        let bytes = self.opened(key, stored.clone()).await?;
        self.packer.count_read(length, bytes.len());
        if !is_intact(&bytes) {
            tracing::warn!("bytes that a cached entry refers to do not match their hash");
            return Ok(None);
        }
        if let Some((edge, epoch, at)) = start {
            edge.put_many(vec![Fetched::blob(key, stored, epoch, at)], background);
        }
        Ok(Some(bytes))
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

    /// The bytes of their stored form: the same ones unless they are sealed.
    async fn opened(&self, key: &Key, stored: Bytes) -> Result<Bytes> {
        match self.packer.format().seals() {
            true => Ok(self.packer.format().unpack(key, stored).await?.payload),
            false => Ok(stored),
        }
    }
}
