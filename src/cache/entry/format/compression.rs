use serde::{Deserialize, Serialize};

#[cfg(feature = "gzip")]
use crate::platform;
use crate::{Error, ErrorKind, Result};

/// How large values are compressed. A value that does not get smaller is stored uncompressed.
///
/// | setting | default |
/// |---|---|
/// | [`threshold`](Self::threshold) | 1 KB |
/// | [`level`](Self::level) | 6 |
///
/// ```
/// use edgecask::cache::{CacheOptions, Compression};
///
/// let options = CacheOptions::new().compression(Compression::gzip().threshold(4096).level(1));
/// let never = CacheOptions::new().compression(None);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Compression {
    algorithm: Algorithm,
    threshold: usize,
    level: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Algorithm {
    Gzip,
    Lz4,
}

impl Compression {
    /// Gzip (RFC 1952). Needs the feature `gzip`, which is on by default.
    #[cfg(feature = "gzip")]
    pub fn gzip() -> Self {
        Self { algorithm: Algorithm::Gzip, threshold: 1024, level: 6 }
    }

    /// LZ4's block format, after the uncompressed size in 32 bits, little-endian. Faster than gzip, and larger. Needs the
    /// feature `lz4`.
    #[cfg(feature = "lz4")]
    pub fn lz4() -> Self {
        Self { algorithm: Algorithm::Lz4, threshold: 1024, level: 1 }
    }

    /// Values of fewer bytes are not compressed.
    #[must_use]
    pub fn threshold(mut self, bytes: usize) -> Self {
        self.threshold = bytes;
        self
    }

    /// Gzip's level, from 1 (fast) to 9 (small). On wasm32 the platform chooses it.
    #[must_use]
    pub fn level(mut self, level: u32) -> Self {
        self.level = level;
        self
    }

    /// The default: gzip, if this build has it.
    pub(crate) fn built_in() -> Option<Self> {
        #[cfg(feature = "gzip")]
        return Some(Self::gzip());
        #[cfg(not(feature = "gzip"))]
        return None;
    }

    /// The compressed form, if it is smaller even with its field in the envelope.
    pub(super) async fn pack(&self, bytes: &[u8]) -> Result<Option<(Algorithm, Vec<u8>)>> {
        if bytes.len() < self.threshold {
            return Ok(None);
        }
        let packed = self.algorithm.pack(bytes, self.level).await?;
        // A compressed value is stored in base64.
        let stored = packed.len().div_ceil(3).saturating_mul(4);
        Ok((stored < bytes.len()).then_some((self.algorithm, packed)))
    }
}

impl Algorithm {
    async fn pack(self, bytes: &[u8], level: u32) -> Result<Vec<u8>> {
        match self {
            #[cfg(feature = "gzip")]
            Self::Gzip => platform::gzip(bytes, level).await,
            #[cfg(feature = "lz4")]
            Self::Lz4 => {
                // Only gzip has levels.
                let _ = level;
                Ok(lz4_flex::block::compress_prepend_size(bytes))
            }
            #[cfg(not(all(feature = "gzip", feature = "lz4")))]
            _ => {
                let _ = (bytes, level);
                Err(self.not_built_in())
            }
        }
    }

    /// Decompresses at most `limit` bytes; more is an error.
    pub(super) async fn unpack(self, packed: &[u8], limit: usize) -> Result<Vec<u8>> {
        match self {
            #[cfg(feature = "gzip")]
            Self::Gzip => platform::gunzip(packed, limit).await,
            #[cfg(feature = "lz4")]
            Self::Lz4 => {
                let broken = || Error::new(ErrorKind::Codec, "the LZ4 data is broken");
                let (size, _) = lz4_flex::block::uncompressed_size(packed).map_err(|_| broken())?;
                if size > limit {
                    let text = format!("decompressed, it is over the limit of {limit} bytes");
                    return Err(Error::new(ErrorKind::Codec, text));
                }
                lz4_flex::block::decompress_size_prepended(packed).map_err(|_| broken())
            }
            #[cfg(not(all(feature = "gzip", feature = "lz4")))]
            _ => {
                let _ = (packed, limit);
                Err(self.not_built_in())
            }
        }
    }

    #[cfg(not(all(feature = "gzip", feature = "lz4")))]
    fn not_built_in(self) -> Error {
        Error::new(
            ErrorKind::Unsupported,
            format!("it is compressed with {self:?}: build edgecask with the feature of that name"),
        )
    }
}
