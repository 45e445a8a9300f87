//! Writes: a `set` stores under a lease, so that no older value can overwrite it.

mod stored;
mod writer;

use bytes::Bytes;
use serde::Serialize;

pub use stored::Stored;
pub(super) use writer::Writer;

use super::Cache;
use super::entry::{EntryOptions, Form};
use super::outage::Invalidation;
use crate::{Error, ErrorKind, Key, Result};

impl Cache {
    /// Stores a value, so that loads and writes that began before cannot overwrite it. Two round trips: the first has a
    /// script that takes the entry's lease, and one for each tag; the second has a script that stores the value, and a
    /// PUBLISH where there is a bus.
    ///
    /// If the entry is invalidated or written by another caller in between, the value is not stored, and counts as
    /// [`refused`](crate::cache::CacheStats::refused). The same is true of a request that arrives late, after its caller
    /// gave up.
    ///
    /// # Errors
    /// [`ErrorKind::Codec`] if the codec cannot encode the value; [`ErrorKind::InvalidInput`] if the time to live is zero,
    /// or the cache is [`Form::Plain`] and the options ask for more; the client's in the tier
    /// [`Tier::Critical`](crate::cache::Tier::Critical).
    pub async fn set<T: Serialize + ?Sized>(
        &self,
        key: &Key,
        value: &T,
        options: impl Into<EntryOptions>,
    ) -> Result<Stored> {
        self.set_many([(key, value)], options).await
    }

    /// Stores many values in the two round trips of [`Cache::set`], two scripts each, not as a unit.
    ///
    /// # Errors
    /// As for [`Cache::set`]: the error of the first value that failed. The other values are stored.
    pub async fn set_many<'a, T: Serialize + ?Sized + 'a>(
        &self,
        entries: impl IntoIterator<Item = (&'a Key, &'a T)>,
        options: impl Into<EntryOptions>,
    ) -> Result<Stored> {
        let options = options.into();
        self.check(&options)?;
        let codec = self.core.packer.format().codec;
        let (mut keys, mut payloads) = (Vec::new(), Vec::new());
        for (key, value) in entries {
            payloads.push(Bytes::from(codec.encode(key, value)?));
            keys.push(key.clone());
        }
        if keys.is_empty() {
            return Ok(Stored::default());
        }
        self.forget(&keys);
        let (backlog, background) = (&self.core.backlog, &self.scope.background);
        let began = backlog.now();
        let stored = self.core.writer.store(&keys, payloads, &options, background).await;
        // Also after an error, because some values may have been stored. And again, because a read may have stored an older
        // value in between.
        self.forget(&keys);
        // Redis may hold an older value than the one that could not be stored.
        let deferred = || Invalidation::Keys(keys.clone());
        let stored = backlog.record_or_defer(stored, deferred, background)?;
        if stored.is_some() {
            backlog.supersede(&keys, began);
            backlog.drain(background).await;
        }
        Ok(stored.unwrap_or_else(Stored::owed))
    }

    /// Checks that entries can be stored with these options.
    pub(super) fn check(&self, options: &EntryOptions) -> Result<()> {
        options.lifetime()?;
        let says_more =
            !options.stale_for().is_zero() || !self.core.tags.tags_of(options).is_empty();
        if self.core.packer.format().form == Form::Plain && says_more {
            return Err(Error::new(
                ErrorKind::InvalidInput,
                "Form::Plain can store neither tags nor entries that may be served stale: use Form::Envelope",
            ));
        }
        match options.tags.iter().any(String::is_empty) {
            true => Err(Error::new(ErrorKind::InvalidInput, "a tag is empty")),
            false => Ok(()),
        }
    }
}
