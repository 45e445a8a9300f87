use std::future::Future;

use super::ttls::CacheTtls;
use crate::cache::{Cache, Cached, Invalidated, Stored};
use crate::platform::MaybeSend;
use crate::{BoxError, Key, Keyspace, Result};

/// The hash that identifies a recording: BLAKE3 of its bytes, 64 hexadecimal digits.
pub fn audio_hash(audio: &[u8]) -> String {
    blake3::hash(audio).to_hex().to_string()
}

/// Results of language models: transcriptions under `openai:transcription:{audioHash}`, analyses under
/// `openai:analysis:{name}`. The same input has the same result, so they need no invalidation.
#[derive(Debug, Clone)]
pub struct AiCache {
    cache: Cache,
    ttls: CacheTtls,
}

impl AiCache {
    pub(super) fn new(cache: Cache, ttls: CacheTtls) -> Self {
        Self { cache, ttls }
    }

    /// The key of a transcription.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) if the hash is empty or too long. The other methods
    /// return this error too.
    pub fn transcription_key(&self, audio_hash: &str) -> Result<Key> {
        const TRANSCRIPTIONS: Keyspace = Keyspace::literal("openai:transcription");
        TRANSCRIPTIONS.key(audio_hash)
    }

    /// The key of an analysis.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) if the name is empty or too long. The other methods
    /// return this error too.
    pub fn analysis_key(&self, name: &str) -> Result<Key> {
        const ANALYSES: Keyspace = Keyspace::literal("openai:analysis");
        ANALYSES.key(name)
    }

    /// A cached transcription. One GET.
    ///
    /// # Errors
    /// As for [`Cache::get`].
    pub async fn transcription<T: Cached>(&self, audio_hash: &str) -> Result<Option<T>> {
        self.cache.get(&self.transcription_key(audio_hash)?).await
    }

    /// Stores a transcription for [`CacheTtls::transcription`]. Two round trips.
    ///
    /// # Errors
    /// As for [`Cache::set`].
    pub async fn set_transcription<T: Cached>(
        &self,
        audio_hash: &str,
        transcription: &T,
    ) -> Result<Stored> {
        let key = self.transcription_key(audio_hash)?;
        self.cache.set(&key, transcription, self.ttls.transcription).await
    }

    /// A transcription, loaded if it is not cached. Concurrent callers share one load. One GET for a hit.
    ///
    /// # Errors
    /// As for [`Cache::get_or_load`].
    pub async fn transcription_or_load<T: Cached, E: Into<BoxError>, F>(
        &self,
        audio_hash: &str,
        load: impl FnOnce() -> F + MaybeSend,
    ) -> Result<T>
    where
        F: Future<Output = Result<T, E>> + MaybeSend,
    {
        let key = self.transcription_key(audio_hash)?;
        self.cache.get_or_load(&key, self.ttls.transcription, load).await
    }

    /// A cached analysis. One GET.
    ///
    /// # Errors
    /// As for [`Cache::get`].
    pub async fn analysis<T: Cached>(&self, name: &str) -> Result<Option<T>> {
        self.cache.get(&self.analysis_key(name)?).await
    }

    /// Stores an analysis for [`CacheTtls::analysis`]. Two round trips.
    ///
    /// # Errors
    /// As for [`Cache::set`].
    pub async fn set_analysis<T: Cached>(&self, name: &str, analysis: &T) -> Result<Stored> {
        self.cache.set(&self.analysis_key(name)?, analysis, self.ttls.analysis).await
    }

    /// Deletes an analysis, which never expires by itself. Two UNLINKs in one round trip.
    ///
    /// # Errors
    /// As for [`Cache::delete`].
    pub async fn delete_analysis(&self, name: &str) -> Result<Invalidated> {
        self.cache.delete(&self.analysis_key(name)?).await
    }
}
