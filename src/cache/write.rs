//! Storing and deleting by key.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::Serialize;

use super::entry_options::Lifetime;
use super::format::Entry;
use super::outage::Access;
use super::replay::Invalidation;
use super::{Cache, EntryOptions, Form, lease};
use crate::client::{Pipeline, Slot};
use crate::command::keys::KeyCommands;
use crate::command::pubsub::PubSubCommands;
use crate::command::strings::StringCommands;
use crate::platform::{Instant, unix_millis};
use crate::{Error, ErrorKind, Key, Result};

impl Cache {
    /// Stores a value, and keeps loads that are under way from overwriting it. One round trip: an UNLINK, a SET, and a
    /// PUBLISH where there is a bus; for an entry with tags, one more round trip before, with an MGET and a SET for each
    /// tag.
    ///
    /// # Errors
    /// [`ErrorKind::Codec`] if the value has no form in the codec; [`ErrorKind::InvalidInput`] if the time to live is
    /// zero, or the cache is [`Form::Plain`] and the options ask for more; the client's in the tier
    /// [`Tier::Critical`](super::Tier::Critical).
    pub async fn set<T: Serialize + ?Sized>(
        &self,
        key: &Key,
        value: &T,
        options: impl Into<EntryOptions>,
    ) -> Result<()> {
        self.set_many([(key, value)], options).await
    }

    /// Stores many values in one round trip: a SET each, not as a unit.
    ///
    /// # Errors
    /// As for [`Cache::set`]; the first that failed. The others are stored.
    pub async fn set_many<'a, T: Serialize + ?Sized + 'a>(
        &self,
        entries: impl IntoIterator<Item = (&'a Key, &'a T)>,
        options: impl Into<EntryOptions>,
    ) -> Result<()> {
        let options = options.into();
        self.check(&options)?;
        let (mut keys, mut payloads) = (Vec::new(), Vec::new());
        for (key, value) in entries {
            payloads.push(Bytes::from(self.options().format.codec.encode(key, value)?));
            keys.push(key.clone());
        }
        if keys.is_empty() {
            return Ok(());
        }
        self.forget_near(&keys);
        let stored = self.set_payloads(&keys, payloads, &options).await;
        // Also after an error: nobody knows what was stored. And again, for what was read meanwhile.
        self.forget_near(&keys);
        // What could not be stored is older than what should be there.
        self.invalidated(stored, || Invalidation::Keys(keys)).map(|_| ())
    }

    async fn set_payloads(
        &self,
        keys: &[Key],
        payloads: Vec<Bytes>,
        options: &EntryOptions,
    ) -> Result<()> {
        let tags = self.tags_of(options);
        let known = match tags.is_empty() {
            true => BTreeMap::new(),
            false => {
                let kept = options.lifetime()?.kept;
                self.versions_to_hold(&tags, &BTreeMap::new(), kept).await?
            }
        };
        let pipeline = self.client.pipeline();
        // A load that began before this finds its lease gone.
        let leases = pipeline.unlink(keys.iter().map(lease::lease_key));
        let mut slots = Vec::with_capacity(keys.len());
        for (key, payload) in keys.iter().zip(payloads) {
            let Lifetime { fresh, kept } = options.lifetime()?;
            let fresh_until = fresh
                .filter(|_| !options.stale_for().is_zero())
                .map(|fresh| unix_millis().saturating_add(fresh.as_millis() as u64));
            let entry = Entry {
                fresh_until,
                tags: known.clone(),
                ..Entry::plain(self.options().format.codec, payload)
            };
            let stored = self.packed(key, &entry).await?;
            slots.push(pipeline.set_with(key, stored, kept.set_options()?));
        }
        let announced = self.announce(&pipeline, self.announcement(keys));
        let began = Instant::now();
        let replies = pipeline.exec().await;
        self.forget_at_edge(keys).await;
        let mut replies = replies?;
        self.shared.counters.write_took(began.elapsed());
        replies.take(leases)?;
        announced.map_or(Ok(0), |slot| replies.take(slot))?;
        let results: Vec<Result<bool>> = slots.into_iter().map(|slot| replies.take(slot)).collect();
        self.shared.counters.stored(results.iter().filter(|result| result.is_ok()).count());
        results.into_iter().try_for_each(|result| result.map(|_| ()))
    }

    /// Deletes an entry, and keeps loads that are under way from putting it back; tells whether it was there. Two
    /// UNLINKs in one round trip, and a PUBLISH where there is a bus.
    ///
    /// # Errors
    /// The client's in the tier [`Tier::Critical`](super::Tier::Critical). In the others, what could not be deleted is once
    /// Redis is back, and this cache does not serve it until then.
    pub async fn delete(&self, key: &Key) -> Result<bool> {
        self.delete_many(std::slice::from_ref(key)).await.map(|count| count > 0)
    }

    /// Deletes entries; tells how many were there. Two UNLINKs in one round trip, and a PUBLISH where there is a bus.
    ///
    /// # Errors
    /// As for [`Cache::delete`].
    pub async fn delete_many(&self, keys: &[Key]) -> Result<u64> {
        if keys.is_empty() {
            return Ok(0);
        }
        self.forget_near(keys);
        let deleted = self.unlink(keys).await;
        self.forget_near(keys);
        let deleted = self.invalidated(deleted, || Invalidation::Keys(keys.to_vec()))?;
        self.shared.counters.deleted(deleted.unwrap_or(0));
        Ok(deleted.unwrap_or(0))
    }

    /// Deletes an entry. A failure is the caller's to know in every tier; this cache does not serve the entry until it is
    /// deleted.
    pub(crate) async fn delete_or_fail(&self, key: &Key) -> Result<()> {
        let keys = std::slice::from_ref(key);
        self.forget_near(keys);
        let deleted = self.counted(Access::Write, self.unlink(keys).await);
        self.forget_near(keys);
        match deleted {
            Ok(count) => self.shared.counters.deleted(count),
            Err(error) => {
                self.miss(Invalidation::Keys(keys.to_vec()));
                return Err(error);
            }
        }
        Ok(())
    }

    pub(super) async fn unlink(&self, keys: &[Key]) -> Result<u64> {
        let pipeline = self.client.pipeline();
        // The leases go first: a load that finds its lease afterwards began after this.
        let leases = pipeline.unlink(keys.iter().map(lease::lease_key));
        let entries = pipeline.unlink(keys);
        let announced = self.announce(&pipeline, self.announcement(keys));
        let replies = pipeline.exec().await;
        self.forget_at_edge(keys).await;
        let mut replies = replies?;
        replies.take(leases)?;
        let count = replies.take(entries)?;
        announced.map_or(Ok(0), |slot| replies.take(slot))?;
        Ok(count)
    }

    /// Whether entries can be stored like this.
    pub(super) fn check(&self, options: &EntryOptions) -> Result<()> {
        options.lifetime()?;
        let says_more = !options.stale_for().is_zero() || !self.tags_of(options).is_empty();
        if self.options().format.form == Form::Plain && says_more {
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

    /// What is stored of an entry; counted.
    pub(super) async fn packed(&self, key: &Key, entry: &Entry) -> Result<Bytes> {
        let stored = self.options().format.pack(key, entry).await?;
        self.shared.counters.bytes_written(stored.len(), entry.payload.len());
        Ok(stored)
    }

    /// Forgets in this process what is about to change, or has changed.
    pub(super) fn forget_near(&self, keys: &[Key]) {
        for key in keys {
            self.flights.part(key);
            if let Some(l1) = &self.shared.l1 {
                l1.remove(key.as_str());
            }
        }
    }

    pub(super) fn announce(
        &self,
        pipeline: &Pipeline,
        message: Option<(&str, String)>,
    ) -> Option<Slot<u64>> {
        message.map(|(channel, message)| pipeline.publish(channel, message))
    }

    /// Counts the result of a write; where the tier forgives a failure, keeps what has to be invalidated once Redis is
    /// back.
    pub(super) fn invalidated<T>(
        &self,
        result: Result<T>,
        missed: impl FnOnce() -> Invalidation,
    ) -> Result<Option<T>> {
        let result = self.counted(Access::Write, result);
        if let Err(error) = &result
            && self.forgives(error)
        {
            self.miss(missed());
        }
        self.forgive(Access::Write, result)
    }
}
