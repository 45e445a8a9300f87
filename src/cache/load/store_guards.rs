//! The right to store what is loaded: a lease of the entry, and the versions of its tags from before the load.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde::de::DeserializeOwned;

use super::LoadOptions;
use super::lease_wait::{LeaseWait, Next};
use super::leases::{How, Lease, LeaseReply, Leases, StoredBy};
use crate::cache::entry::{Entry, Packer};
use crate::cache::invalidate::{Announcement, TagVersions, Versions};
use crate::cache::observe::Counters;
use crate::cache::outage::{Operation, Outage};
use crate::cache::tiers::Edge;
use crate::client::ScriptBatch;
use crate::platform::{Background, Instant, unix_millis};
use crate::{Key, Result, Value};

/// The right to store what is loaded, and the versions of tags to store with it.
pub(crate) struct HeldLease {
    pub(super) lease: Lease,
    pub(super) tags: BTreeMap<String, String>,
}

/// What to do while another caller or process loads the entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnContention {
    Wait,
    Leave,
}

/// Records the current time by the single-flight call's clock. What is read or stored after it reflects every invalidation
/// before it.
pub(super) type Checkpoint<'a> = &'a mut (dyn FnMut() + Send);

/// The result of asking for the right to store.
pub(crate) enum Acquired<G, T> {
    Held(G),
    /// Another load has stored a value.
    Value(T, Option<Bytes>),
    /// Another load is under way, and the entry is left to it.
    Busy,
    /// Another load takes longer than the caller waits.
    TimedOut(Duration),
}

impl<G, T> Acquired<G, T> {
    fn map<H>(self, held: impl FnOnce(G) -> H) -> Acquired<H, T> {
        match self {
            Self::Held(guard) => Acquired::Held(held(guard)),
            Self::Value(value, payload) => Acquired::Value(value, payload),
            Self::Busy => Acquired::Busy,
            Self::TimedOut(limit) => Acquired::TimedOut(limit),
        }
    }
}

/// Acquires the right to store, and stores with it.
#[derive(Clone)]
pub(crate) struct StoreGuards {
    pub(crate) leases: Leases,
    pub(crate) lease_wait: Option<Duration>,
    pub(crate) tags: TagVersions,
    pub(crate) packer: Packer,
    pub(crate) outage: Arc<Outage>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) edge: Option<Arc<Edge>>,
}

impl StoreGuards {
    /// Acquires the right to store, or the value that another load has stored in the meantime. `Held(None)` if Redis is
    /// away and the tier tolerates that: then the loaded value cannot be stored.
    pub(crate) async fn begin<T: DeserializeOwned>(
        &self,
        key: &Key,
        versions: &Versions,
        options: &LoadOptions,
        on_contention: OnContention,
        checkpoint: Checkpoint<'_>,
        background: &Background,
    ) -> Result<Acquired<Option<HeldLease>, T>> {
        let acquired = self.lease(key, versions, options, on_contention, checkpoint, background);
        Ok(match self.outage.record_and_degrade(Operation::Write, acquired.await)? {
            None => Acquired::Held(None),
            Some(acquired) => acquired.map(Some),
        })
    }

    /// The right to store, if no other caller has it, and what is stored under the key `beside` once it is taken. One script,
    /// a GET, and what the versions of the tags cost, in one round trip. `None` too if Redis is away and the tier tolerates
    /// that.
    #[cfg(feature = "http-cache")]
    pub(super) async fn try_begin_beside(
        &self,
        key: &Key,
        beside: &Key,
        versions: &Versions,
        entry: &crate::cache::entry::EntryOptions,
        background: &Background,
    ) -> Result<Option<(HeldLease, Option<Bytes>)>> {
        let (tags, kept) = (self.tags.tags_of(entry), entry.lifetime()?.kept);
        let acquire = async {
            let add = |batch: &mut ScriptBatch| {
                let hold = self.tags.queue_versions_for(batch, &tags, versions, kept)?;
                Ok((hold, batch.command(crate::Command::new("GET").arg(beside))))
            };
            let (look, mut replies, (hold, place)) =
                self.leases.request_with(key, How::Try, background, add).await?;
            let Some(lease) = look.lease else { return Ok(None) };
            let tags = hold.resolve(&mut replies)?;
            Ok(Some((HeldLease { lease, tags }, replies.take(place)?)))
        };
        let acquired = self.outage.record_and_degrade(Operation::Write, acquire.await)?;
        Ok(acquired.flatten())
    }

    /// Takes the lease of an entry, or returns the fresh value that is there by now. If another load holds the lease, it
    /// waits for that load's value, until the lease is free or the caller's limit passes. One script for each attempt,
    /// after a checkpoint. The first attempt also asks for the versions of the tags, in the same round trip.
    async fn lease<T: DeserializeOwned>(
        &self,
        key: &Key,
        versions: &Versions,
        options: &LoadOptions,
        on_contention: OnContention,
        checkpoint: Checkpoint<'_>,
        background: &Background,
    ) -> Result<Acquired<HeldLease, T>> {
        let mut wait = LeaseWait::new(self.lease_wait, options.hard_timeout);
        let how = match on_contention {
            _ if options.is_refresh() => How::Take,
            OnContention::Leave => How::Try,
            OnContention::Wait if wait.is_none() => How::Take,
            OnContention::Wait => How::Look,
        };
        let tags = self.tags.tags_of(&options.entry);
        let kept = options.entry.lifetime()?.kept;
        let hold = |batch: &mut _| self.tags.queue_versions_for(batch, &tags, versions, kept);
        let start = Instant::now();
        checkpoint();
        let (mut look, mut replies, hold) =
            self.leases.request_with(key, how, background, hold).await?;
        // Versions from before a wait are as good as those of the lookup: an entry with an old one is not served.
        let tags = hold.resolve(&mut replies)?;
        let held = |lease| HeldLease { lease, tags };
        if how != How::Look {
            return Ok(look.lease.map_or(Acquired::Busy, |lease| Acquired::Held(held(lease))));
        }
        loop {
            let left = look.left;
            match self.fresh_or_leases(std::slice::from_ref(key), vec![look]).await?.pop() {
                None | Some(Acquired::Busy) => {}
                Some(acquired) => return Ok(acquired.map(held)),
            }
            match wait.next(start.elapsed(), left).await {
                Next::Look => {}
                Next::GiveUp(limit) => return Ok(Acquired::TimedOut(limit)),
                // The load that begins last may store.
                Next::TakeOver => {
                    return self.leases.take(key, background).await.map(held).map(Acquired::Held);
                }
            }
            checkpoint();
            look = self.leases.request(key, How::Look, background).await?;
        }
    }

    /// The fresh values among these replies, and the leases of the other keys. One MGET if an entry has tags, and one round
    /// trip that releases the leases of the fresh ones.
    async fn fresh_or_leases<T: DeserializeOwned>(
        &self,
        keys: &[Key],
        mut looks: Vec<LeaseReply>,
    ) -> Result<Vec<Acquired<Lease, T>>> {
        let mut entries = Vec::with_capacity(looks.len());
        for (key, look) in keys.iter().zip(&mut looks) {
            entries.push(match look.stored.take() {
                Some(stored) => self.fresh(key, stored).await,
                None => None,
            });
        }
        let tags = entries.iter().flatten().flat_map(|entry| entry.tags.keys().cloned());
        let tags: BTreeSet<String> = tags.collect();
        let versions = self.tags.current(&Vec::from_iter(tags)).await?;
        let (mut acquired, mut unneeded) = (Vec::with_capacity(looks.len()), Vec::new());
        for ((key, entry), look) in keys.iter().zip(entries).zip(looks) {
            if let Some(entry) = entry.filter(|entry| self.tags.are_current(entry, &versions))
                && let Some(value) = self.outage.degrade_codec(entry.view().decode(key))?
            {
                unneeded.extend(look.lease);
                let is_own = entry.codec == self.packer.format().codec;
                acquired.push(Acquired::Value(value, is_own.then_some(entry.payload)));
            } else {
                acquired.push(look.lease.map_or(Acquired::Busy, Acquired::Held));
            }
        }
        self.release_leases(unneeded).await;
        Ok(acquired)
    }

    /// The entry, if it can be read and is fresh.
    async fn fresh(&self, key: &Key, stored: Bytes) -> Option<Entry> {
        let entry = self.packer.unpack(key, stored).await.ok()?;
        entry.view().stale_for(unix_millis()).is_none().then_some(entry)
    }

    /// [`StoreGuards::begin`] for many keys, in one round trip, or two if one of them was stored with tags in the meantime.
    /// A key that is `still_fresh` is reloaded even if Redis holds a fresh value. It does not wait for other loads. `None`
    /// if Redis is away and the tier tolerates that.
    pub(super) async fn begin_many<T: DeserializeOwned>(
        &self,
        keys: &[Key],
        still_fresh: &[bool],
        versions: &Versions,
        options: &LoadOptions,
        background: &Background,
    ) -> Result<Option<Vec<Acquired<HeldLease, T>>>> {
        let kept = options.entry.lifetime()?.kept;
        let tags = self.tags.tags_of(&options.entry);
        let wait = LeaseWait::new(self.lease_wait, options.hard_timeout);
        let preempt = options.is_refresh() || wait.is_none();
        let acquire = async {
            let hold = |batch: &mut _| self.tags.queue_versions_for(batch, &tags, versions, kept);
            let (mut looks, mut replies, hold) =
                self.leases.take_many(keys, preempt, background, hold).await?;
            let tags = hold.resolve(&mut replies)?;
            for (look, still_fresh) in looks.iter_mut().zip(still_fresh) {
                look.stored.take_if(|_| *still_fresh);
            }
            let assessed = self.fresh_or_leases(keys, looks).await?.into_iter();
            let acquired = assessed
                .map(|assessed| assessed.map(|lease| HeldLease { lease, tags: tags.clone() }));
            Ok(acquired.collect())
        };
        self.outage.record_and_degrade(Operation::Write, acquire.await)
    }

    /// Stores a loaded value; returns the entry if the lease was still held and no tag had been invalidated. One script, one
    /// MGET with tags, and an announcement if there is one, in one round trip.
    pub(super) async fn store(
        &self,
        key: &Key,
        lease: Lease,
        entry: Entry,
        ttl_millis: u64,
        announcement: Option<Announcement<'_>>,
    ) -> Result<Option<Entry>> {
        let entries = vec![(key, lease, entry, ttl_millis)];
        let stored = self.store_many(entries, announcement).await?;
        Ok(stored.into_iter().find_map(|(entry, is_stored)| is_stored.then_some(entry)))
    }

    /// [`StoreGuards::store`] for many entries with the same tags, in one round trip. Returns each entry, and whether it was
    /// stored.
    pub(super) async fn store_many(
        &self,
        entries: Vec<(&Key, Lease, Entry, u64)>,
        announcement: Option<Announcement<'_>>,
    ) -> Result<Vec<(Entry, bool)>> {
        let mut batch = ScriptBatch::new(self.leases.client());
        let (mut keys, mut queued) = (Vec::new(), Vec::new());
        for (key, lease, entry, ttl_millis) in entries {
            let packed = self.outage.degrade_codec(self.packer.pack(key, &entry).await)?;
            let place = packed.map(|packed| {
                let (leases, stored_by) = (&self.leases, StoredBy::Load);
                leases.queue_store(&mut batch, key, &lease, &packed, ttl_millis, stored_by)
            });
            keys.push(key.clone());
            queued.push((entry, place, lease));
        }
        if queued.is_empty() {
            return Ok(Vec::new());
        }
        // Readers ignore an entry with an old version.
        let tags = queued.first().map(|(entry, ..)| entry.tags.clone()).unwrap_or_default();
        let current = match tags.is_empty() {
            true => None,
            false => Some(self.tags.queue_current(&mut batch, &tags)?),
        };
        let announced = announcement.map(|announcement| announcement.queue(&mut batch));
        let began = Instant::now();
        let replies = batch.exec().await;
        self.counters.write_took(began.elapsed());
        if let Some(edge) = &self.edge {
            edge.forget_many(&keys).await;
        }
        let replies = self.outage.record_and_degrade(Operation::Write, replies)?;
        let Some(mut replies) = replies else {
            return Ok(queued.into_iter().map(|(entry, ..)| (entry, false)).collect());
        };
        let mut is_current = |place| self.tags.are_still_current(&tags, replies.take(place));
        let are_current = current.is_none_or(&mut is_current);
        let mut stored = Vec::with_capacity(queued.len());
        for (entry, place, lease) in queued {
            let is_stored = match place.map(|place| replies.take::<bool>(place)) {
                Some(reply) => {
                    let reply = self.outage.record_and_degrade(Operation::Write, reply)?;
                    reply.inspect(|_| lease.end())
                }
                None => None,
            };
            match is_stored {
                Some(true) if are_current => self.counters.stored(1),
                Some(_) => self.counters.refused(),
                None => {}
            }
            stored.push((entry, is_stored == Some(true) && are_current));
        }
        if let Some(place) = announced {
            self.outage.record_and_degrade(Operation::Write, replies.take::<Value>(place))?;
        }
        Ok(stored)
    }

    /// Releases the right to store. One script.
    pub(crate) async fn release(&self, held: HeldLease) {
        self.release_many(vec![held]).await;
    }

    /// Releases the rights to store, in one round trip.
    pub(super) async fn release_many(&self, held: Vec<HeldLease>) {
        self.release_leases(held.into_iter().map(|held| held.lease).collect()).await;
    }

    async fn release_leases(&self, leases: Vec<Lease>) {
        if !leases.is_empty() {
            let _ = self.outage.record(Operation::Write, self.leases.release(leases).await);
        }
    }
}
