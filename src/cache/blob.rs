//! Bytes beside entries, as they are: an entry names them, and only the entry can be invalidated.

use std::time::Duration;

use bytes::Bytes;

use super::format::Entry;
use super::{Cache, Codec};
use crate::command::keys::{ExpireIf, KeyCommands};
use crate::command::strings::{SetOptions, StringCommands};
use crate::{Key, Result};

impl Cache {
    /// Whether nothing may leave this process that is not sealed.
    fn seals(&self) -> bool {
        #[cfg(feature = "encryption")]
        return self.options().format.sealing.is_some();
        #[cfg(not(feature = "encryption"))]
        false
    }

    /// The bytes that are stored here. One GET.
    pub(crate) async fn blob(&self, key: &Key) -> Result<Option<Bytes>> {
        let Some(stored) = self.client.get::<Bytes>(key).await? else {
            return Ok(None);
        };
        if self.seals() {
            return self.unpacked(key, stored).await.map(|entry| Some(entry.payload));
        }
        self.shared.counters.bytes_read(stored.len(), stored.len());
        Ok(Some(stored))
    }

    /// Stores bytes for so long. One SET.
    pub(crate) async fn put_blob(&self, key: &Key, bytes: &Bytes, ttl: Duration) -> Result<()> {
        let sealed = match self.seals() {
            true => Some(self.packed(key, &Entry::plain(Codec::Raw, bytes.clone())).await?),
            false => None,
        };
        if sealed.is_none() {
            self.shared.counters.bytes_written(bytes.len(), bytes.len());
        }
        let stored = sealed.as_ref().unwrap_or(bytes);
        let millis = ttl.as_millis().clamp(1, u128::from(u32::MAX) << 6) as u64;
        self.client.set_with(key, stored, SetOptions::new().px(millis)).await?;
        Ok(())
    }

    /// Keeps bytes for so long; false if they are gone. One PEXPIRE.
    pub(crate) async fn keep_blob(&self, key: &Key, ttl: Duration) -> Result<bool> {
        let millis = i64::try_from(ttl.as_millis()).unwrap_or(i64::MAX);
        self.client.pexpire(key, millis, ExpireIf::Always).await
    }

    /// Forgets an entry in this process's memory, where a newer one stands in Redis.
    pub(crate) fn forget_in_memory(&self, key: &Key) {
        if let Some(l1) = &self.shared.l1 {
            l1.remove(key.as_str());
        }
    }
}
