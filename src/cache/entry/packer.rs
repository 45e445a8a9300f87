use std::sync::Arc;

use bytes::Bytes;

use super::{Entry, Format};
use crate::cache::observe::Counters;
use crate::{Key, Result};

/// Converts entries to their stored form and back, and counts the bytes.
#[derive(Debug, Clone)]
pub(crate) struct Packer {
    format: Format,
    counters: Arc<Counters>,
}

impl Packer {
    pub(crate) fn new(format: Format, counters: Arc<Counters>) -> Self {
        Self { format, counters }
    }

    pub(crate) fn format(&self) -> &Format {
        &self.format
    }

    /// The stored form of an entry.
    pub(crate) async fn pack(&self, key: &Key, entry: &Entry) -> Result<Bytes> {
        let stored = self.format.pack(key, entry).await?;
        self.counters.bytes_written(stored.len(), entry.payload.len());
        Ok(stored)
    }

    /// Reads a stored entry.
    pub(crate) async fn unpack(&self, key: &Key, stored: Bytes) -> Result<Entry> {
        let length = stored.len();
        let entry = self.format.unpack(key, stored).await?;
        self.counters.bytes_read(length, entry.payload.len());
        Ok(entry)
    }

    /// Counts bytes that were read without an entry.
    #[cfg(feature = "http-cache")]
    pub(crate) fn count_read(&self, length: usize, opened: usize) {
        self.counters.bytes_read(length, opened);
    }

    /// Counts bytes that are stored as they are.
    #[cfg(feature = "http-cache")]
    pub(crate) fn count_written(&self, length: usize) {
        self.counters.bytes_written(length, length);
    }
}
