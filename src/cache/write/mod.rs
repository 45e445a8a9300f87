//! What a `set` does: it stores under a lease, so that nothing older comes after it.

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
    /// Stores a value, and keeps loads and writes that began before from overwriting it. Two round trips: a script that
    /// takes the entry's lease and one for each tag; then a script that stores, and a PUBLISH where there is a bus.
    ///
    /// If somebody else invalidates or writes the entry in between, they win: the value is not stored, and counts as
    /// [`refused`](crate::cache::CacheStats::refused). So does a request that arrives late, after its caller gave up.
    ///
    /// # Errors
    /// [`ErrorKind::Codec`] if the value has no form in the codec; [`ErrorKind::InvalidInput`] if the time to live is
    /// zero, or the cache is [`Form::Plain`] and the options ask for more; the client's in the tier
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
    /// As for [`Cache::set`]; the first that failed. The others are stored.
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
        // Also after an error: nobody knows what was stored. And again, for what was read meanwhile.
        self.forget(&keys);
        // What could not be stored is older than what should be there.
        let deferred = || Invalidation::Keys(keys.clone());
        let stored = backlog.record_or_defer(stored, deferred, background)?;
        if stored.is_some() {
            backlog.supersede(&keys, began);
            backlog.drain(background).await;
        }
        Ok(stored.unwrap_or_else(Stored::owed))
    }

    /// Whether entries can be stored like this.
    pub(super) fn check(&self, options: &EntryOptions) -> Result<()> {
        options.lifetime()?;
        let says_more =
            !options.stale_for().is_zero() || !self.core.tags.tags_of(options).is_empty();
        if self.core.packer.format().form == Form::Plain && says_more {
            return Err(Error::new(
                ErrorKind::InvalidInput,
                "Form::Plain has no place for tags, and no entry of it can be served stale: take Form::Envelope",
            ));
        }
        match options.tags.iter().any(String::is_empty) {
            true => Err(Error::new(ErrorKind::InvalidInput, "a tag is empty")),
            false => Ok(()),
        }
    }
}
