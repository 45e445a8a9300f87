//! Storing and deleting by key.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::Serialize;

use super::entry_options::Lifetime;
use super::format::Entry;
use super::lease::{self, By};
use super::outage::Access;
use super::pending::Invalidation;
use super::{Cache, EntryOptions, Form, Invalidated};
use crate::client::{Pipeline, ScriptBatch, Slot};
use crate::command::Command;
use crate::command::keys::KeyCommands;
use crate::command::pubsub::PubSubCommands;
use crate::platform::{Instant, unix_millis};
use crate::{Error, ErrorKind, Key, Result, Value};

impl Cache {
    /// Stores a value, and keeps loads and writes that began before from overwriting it. Two round trips: a script that
    /// takes the entry's lease and one for each tag; then a script that stores, and a PUBLISH where there is a bus.
    ///
    /// If somebody else invalidates or writes the entry in between, they win: the value is not stored, and counts as
    /// [`refused`](super::CacheStats::refused). So does a request that arrives late, after its caller gave up.
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

    /// Stores many values in the two round trips of [`Cache::set`], two scripts each, not as a unit.
    ///
    /// # Errors
    /// As for [`Cache::set`]; the first that failed. The others are stored.
    pub async fn set_many<'a, T: Serialize + ?Sized + 'a>(
        &self,
        entries: impl IntoIterator<Item = (&'a Key, &'a T)>,
        options: impl Into<EntryOptions>,
    ) -> Result<()> {
        self.write_many(entries, options).await.map(|_| ())
    }

    /// As [`Cache::set_many`]; tells whether Redis has missed it and the keys are [owed](Cache::owed).
    ///
    /// # Errors
    /// As for [`Cache::set_many`].
    pub async fn write_many<'a, T: Serialize + ?Sized + 'a>(
        &self,
        entries: impl IntoIterator<Item = (&'a Key, &'a T)>,
        options: impl Into<EntryOptions>,
    ) -> Result<bool> {
        let options = options.into();
        self.check(&options)?;
        let (mut keys, mut payloads) = (Vec::new(), Vec::new());
        for (key, value) in entries {
            payloads.push(Bytes::from(self.options().format.codec.encode(key, value)?));
            keys.push(key.clone());
        }
        if keys.is_empty() {
            return Ok(false);
        }
        self.forget_near(&keys);
        let moment = self.shared.missed.moment();
        let stored = self.set_payloads(&keys, payloads, &options).await;
        // Also after an error: nobody knows what was stored. And again, for what was read meanwhile.
        self.forget_near(&keys);
        // What could not be stored is older than what should be there.
        let stored = self.invalidated(stored, || Invalidation::Keys(keys.clone()))?;
        if stored.is_some() {
            self.shared.missed.superseded(&keys, moment);
            self.caught_up().await;
        }
        Ok(stored.is_none())
    }

    async fn set_payloads(
        &self,
        keys: &[Key],
        payloads: Vec<Bytes>,
        options: &EntryOptions,
    ) -> Result<()> {
        let began = Instant::now();
        // Compression takes time, which is not the leases'.
        let mut compressed = Vec::with_capacity(payloads.len());
        for payload in &payloads {
            compressed.push(self.options().format.compress(payload).await?);
        }
        // From here on a load or a write that began before this is refused.
        let mut batch = ScriptBatch::new(&self.client);
        let mut leases = Vec::with_capacity(keys.len());
        for key in keys {
            leases.push(self.queue_take(&mut batch, key)?);
        }
        let (tags, kept) = (self.tags_of(options), options.lifetime()?.kept);
        let held = self.queue_versions_to_hold(&mut batch, &tags, &BTreeMap::new(), kept)?;
        let mut replies = batch.exec().await?;
        let tags = held.redeem(&mut replies)?;

        let mut batch = ScriptBatch::new(&self.client);
        let mut places = Vec::with_capacity(keys.len());
        let mut first_error = Ok(());
        let contents = payloads.into_iter().zip(compressed);
        for ((key, (payload, compressed)), lease) in keys.iter().zip(contents).zip(leases) {
            let lease = match lease.redeem(self, &mut replies) {
                Ok(lease) => lease,
                Err(error) => {
                    first_error = first_error.and(Err(error));
                    continue;
                }
            };
            let Lifetime { fresh, kept } = options.lifetime()?;
            let fresh_until = fresh
                .filter(|_| !options.stale_for().is_zero())
                .map(|fresh| unix_millis().saturating_add(fresh.as_millis() as u64));
            let entry = Entry {
                fresh_until,
                tags: tags.clone(),
                ..Entry::plain(self.options().format.codec, payload)
            };
            let packed = self.options().format.pack_compressed(key, &entry, compressed);
            let packed = packed.and_then(|packed| Ok((packed, kept.millis()?)));
            let (packed, millis) = match packed {
                Ok(packed) => packed,
                Err(error) => {
                    self.release(lease).await;
                    first_error = first_error.and(Err(error));
                    continue;
                }
            };
            self.shared.counters.bytes_written(packed.len(), entry.payload.len());
            let place = self.queue_store(&mut batch, key, &lease, &packed, millis, By::Write);
            places.push((place, lease));
        }
        let announced = announced(&mut batch, self.announcement(keys));
        let replies = batch.exec().await;
        self.forget_at_edge(keys).await;
        let mut replies = replies?;
        self.shared.counters.write_took(began.elapsed());
        for (place, lease) in places {
            match replies.take(place) {
                Ok(stored) => {
                    lease.end();
                    match stored {
                        true => self.shared.counters.stored(1),
                        // Somebody came later: the value is older than what they say.
                        false => self.shared.counters.refused(),
                    }
                }
                Err(error) => first_error = first_error.and(Err(error)),
            }
        }
        first_error?;
        announced.map_or(Ok(Value::Nil), |place| replies.take(place)).map(|_| ())
    }

    /// Deletes an entry, and keeps loads that are under way from putting it back; tells how many there were: 1 or 0. Two
    /// UNLINKs in one round trip, and a PUBLISH where there is a bus.
    ///
    /// # Errors
    /// The client's in the tier [`Tier::Critical`](super::Tier::Critical). In the others, what could not be deleted is
    /// [owed](Invalidated::is_owed): it is deleted once Redis is back, and this cache does not serve it until then. Only when
    /// some hundred thousand keys are owed does the call fail, and keep nothing.
    pub async fn delete(&self, key: &Key) -> Result<Invalidated> {
        self.delete_many(std::slice::from_ref(key)).await
    }

    /// Deletes entries; tells how many were there. Two UNLINKs in one round trip, and a PUBLISH where there is a bus.
    ///
    /// # Errors
    /// As for [`Cache::delete`].
    pub async fn delete_many(&self, keys: &[Key]) -> Result<Invalidated> {
        if keys.is_empty() {
            return Ok(Invalidated::default());
        }
        self.forget_near(keys);
        let deleted = self.unlink(keys).await;
        self.forget_near(keys);
        let deleted = self.invalidated(deleted, || Invalidation::Keys(keys.to_vec()))?;
        self.shared.counters.deleted(deleted.unwrap_or(0));
        if deleted.is_some() {
            self.caught_up().await;
        }
        Ok(Invalidated::of(deleted))
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
    /// back. What there is no room for fails in every tier: only the caller can repeat it.
    pub(super) fn invalidated<T>(
        &self,
        result: Result<T>,
        missed: impl FnOnce() -> Invalidation,
    ) -> Result<Option<T>> {
        let result = self.counted(Access::Write, result);
        match result {
            Err(error) if self.forgives(&error) && !self.miss(missed()) => {
                tracing::error!("more was invalidated while Redis is away than can be kept");
                Err(error)
            }
            result => self.forgive(Access::Write, result),
        }
    }
}

/// Queues a message to the bus.
pub(super) fn announced(batch: &mut ScriptBatch, message: Option<(&str, String)>) -> Option<usize> {
    message
        .map(|(channel, message)| batch.command(Command::new("PUBLISH").arg(channel).arg(message)))
}
