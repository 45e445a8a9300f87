//! Stores values under their leases.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use super::Stored;
use crate::cache::entry::{Entry, EntryOptions, Packer};
use crate::cache::invalidate::{Bus, Invalidator, TagVersions};
use crate::cache::load::{Leases, StoredBy};
use crate::cache::observe::Counters;
use crate::client::{Client, ScriptBatch};
use crate::platform::{Background, Instant};
use crate::{Key, Result, Value};

/// Stores values in two round trips: the first takes their leases, the second stores.
#[derive(Clone)]
pub(crate) struct Writer {
    pub(crate) client: Client,
    pub(crate) leases: Leases,
    pub(crate) tags: TagVersions,
    pub(crate) packer: Packer,
    pub(crate) invalidator: Invalidator,
    pub(crate) bus: Option<Bus>,
    pub(crate) counters: Arc<Counters>,
}

impl Writer {
    pub(super) async fn store(
        &self,
        keys: &[Key],
        payloads: Vec<Bytes>,
        options: &EntryOptions,
        background: &Background,
    ) -> Result<Stored> {
        let began = Instant::now();
        let format = self.packer.format();
        // Values are compressed before the leases are taken, because compression takes time.
        let mut compressed = Vec::with_capacity(payloads.len());
        for payload in &payloads {
            compressed.push(format.compress(payload).await?);
        }
        // From here on, loads and writes that began before are refused.
        let (tags, kept) = (self.tags.tags_of(options), options.lifetime()?.kept);
        let hold =
            |batch: &mut _| self.tags.queue_versions_for(batch, &tags, &BTreeMap::new(), kept);
        let (leases, mut replies, hold) = self.leases.take_each(keys, background, hold).await?;
        let tags = hold.resolve(&mut replies)?;

        let mut batch = ScriptBatch::new(&self.client);
        let mut places = Vec::with_capacity(keys.len());
        let mut first_error = Ok(());
        let contents = payloads.into_iter().zip(compressed);
        for ((key, (payload, compressed)), lease) in keys.iter().zip(contents).zip(leases) {
            let lease = match lease {
                Ok(lease) => lease,
                Err(error) => {
                    first_error = first_error.and(Err(error));
                    continue;
                }
            };
            let lifetime = options.lifetime()?;
            let entry = Entry {
                fresh_until: lifetime.fresh_until().filter(|_| !options.stale_for().is_zero()),
                tags: tags.clone(),
                ..Entry::plain(format.codec, payload)
            };
            let packed = format.pack_compressed(key, &entry, compressed);
            let packed = packed.and_then(|packed| Ok((packed, lifetime.kept.millis()?)));
            let (packed, millis) = match packed {
                Ok(packed) => packed,
                Err(error) => {
                    // The lease is released in the background.
                    first_error = first_error.and(Err(error));
                    continue;
                }
            };
            self.counters.bytes_written(packed.len(), entry.payload.len());
            let stored_by = StoredBy::Write;
            let place =
                self.leases.queue_store(&mut batch, key, &lease, &packed, millis, stored_by);
            places.push((place, lease));
        }
        let announcement = self.bus.as_ref().and_then(|bus| bus.keys(keys));
        let announced = announcement.map(|announcement| announcement.queue(&mut batch));
        let replies = batch.exec().await;
        self.invalidator.forget_at_edge(keys).await;
        let mut replies = replies?;
        self.counters.write_took(began.elapsed());
        let mut result = Stored::default();
        for (place, lease) in places {
            match replies.take(place) {
                Ok(stored) => {
                    lease.end();
                    match stored {
                        true => result.count += 1,
                        // A later write or invalidation wins.
                        false => result.refused += 1,
                    }
                }
                Err(error) => first_error = first_error.and(Err(error)),
            }
        }
        self.counters.stored(result.count as usize);
        (0..result.refused).for_each(|_| self.counters.refused());
        first_error?;
        announced.map_or(Ok(Value::Nil), |place| replies.take(place))?;
        Ok(result)
    }
}
