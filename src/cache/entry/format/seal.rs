use std::fmt;

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};

use crate::{Error, ErrorKind, Result, platform};

const NONCE: usize = 24;

/// Keys that values are sealed with: XChaCha20-Poly1305, a random nonce for each value. The Redis key and the envelope's
/// header are authenticated too, so a value cannot be copied to another key. `Debug` shows names only.
///
/// To change the key, make the new one the first and let the old ones [open](Self::also_opens) what is still stored.
///
/// ```
/// use edgecask::cache::{CacheOptions, SealingKeys};
///
/// # let (new, old) = ([1; 32], [2; 32]);
/// let keys = SealingKeys::new("2026-11", new).also_opens("2026-05", old);
/// let options = CacheOptions::new().seal(keys);
/// ```
#[derive(Clone)]
pub struct SealingKeys {
    /// The first one seals.
    keys: Vec<(String, XChaCha20Poly1305)>,
}

impl SealingKeys {
    /// The key that seals and opens, by the name that is stored with each value.
    pub fn new(id: impl Into<String>, key: [u8; 32]) -> Self {
        Self { keys: vec![(id.into(), XChaCha20Poly1305::new(&key.into()))] }
    }

    /// A key that still opens what was sealed with it, and no longer seals.
    #[must_use]
    pub fn also_opens(mut self, id: impl Into<String>, key: [u8; 32]) -> Self {
        self.keys.push((id.into(), XChaCha20Poly1305::new(&key.into())));
        self
    }

    /// The name of the key that seals.
    pub(super) fn id(&self) -> &str {
        self.keys.first().map_or("", |(id, _)| id)
    }

    pub(super) fn seal(&self, plain: &[u8], bound_to: &[u8]) -> Result<Vec<u8>> {
        let failed = || Error::new(ErrorKind::Codec, "the value cannot be sealed");
        let (_, cipher) = self.keys.first().ok_or_else(failed)?;
        let nonce: [u8; NONCE] = platform::random()?;
        let payload = Payload { msg: plain, aad: bound_to };
        let sealed = cipher.encrypt(&XNonce::from(nonce), payload).map_err(|_| failed())?;
        Ok([&nonce, &sealed[..]].concat())
    }

    pub(super) fn open(&self, id: &str, sealed: &[u8], bound_to: &[u8]) -> Result<Vec<u8>> {
        let error = |text: String| Error::new(ErrorKind::Codec, text);
        let Some((_, cipher)) = self.keys.iter().find(|(own, _)| own == id) else {
            return Err(error(format!(
                "it is sealed with the key '{id}', which this cache does not have"
            )));
        };
        let opened = sealed.split_first_chunk::<NONCE>().and_then(|(nonce, sealed)| {
            let payload = Payload { msg: sealed, aad: bound_to };
            cipher.decrypt(&XNonce::from(*nonce), payload).ok()
        });
        opened.ok_or_else(|| {
            error(format!(
                "it was not sealed for this Redis key with the key '{id}', or was changed since"
            ))
        })
    }
}

impl fmt::Debug for SealingKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.keys.iter().map(|(id, _)| id)).finish()
    }
}
