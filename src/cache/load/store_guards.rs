//! The right to store what is loaded: a lease of the entry, and the versions of its tags from before the load.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde::de::DeserializeOwned;

use super::LoadOptions;
use super::lease_wait::{LeaseWait, Next};
use super::leases::{Lease, Leases, Look, Storer};
use crate::cache::background::Background;
use crate::cache::entry::{Entry, Packer};
use crate::cache::invalidate::{TagVersions, Versions};
use crate::cache::observe::Counters;
use crate::cache::outage::{Operation, Outage};
use crate::cache::tiers::Edge;
use crate::client::ScriptBatch;
use crate::platform::{Instant, unix_millis};
use crate::{Key, Result};

/// The right to store what is loaded, and the versions of tags to store with it.
pub(crate) struct HeldEntry {
    pub(super) lease: Lease,
    pub(super) tags: BTreeMap<String, String>,
}

/// What to do while somebody else is loading the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnContention {
    Wait,
    Leave,
}

/// Notes the time by the caller's clock: what is read or stored from now on has seen every invalidation before it.
pub(super) type Checkpoint<'a> = &'a mut (dyn FnMut() + Send);

/// What asking for the right to store gave.
pub(crate) enum Acquired<G, T> {
    Held(G),
    /// Somebody else's load has stored a value.
    Value(T, Option<Bytes>),
    /// Somebody else is loading, and the value is left to them.
    Busy,
    /// Somebody else is loading for longer than the caller waits.
    TimedOut(Duration),
}

/// Gives out the right to store, and stores with it.
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
    /// The right to store, or what somebody else has stored meanwhile. `Held(None)` if Redis is away and the tier tolerates
    /// that: what is loaded cannot be stored.
    pub(crate) async fn begin<T: DeserializeOwned>(
        &self,
        key: &Key,
        versions: &Versions,
        options: &LoadOptions,
        on_contention: OnContention,
        checkpoint: Checkpoint<'_>,
        background: &Background,
    ) -> Result<Acquired<Option<HeldEntry>, T>> {
        let lease = self.lease(key, options, on_contention, checkpoint, background).await;
        let lease = match self.outage.record_and_degrade(Operation::Write, lease)? {
            None => return Ok(Acquired::Held(None)),
            Some(Acquired::Held(lease)) => lease,
            Some(Acquired::Value(value, payload)) => return Ok(Acquired::Value(value, payload)),
            Some(Acquired::Busy) => return Ok(Acquired::Busy),
            Some(Acquired::TimedOut(limit)) => return Ok(Acquired::TimedOut(limit)),
        };
        let tags = self.tags.tags_of(&options.entry);
        let kept = options.entry.lifetime()?.kept;
        let tags = self.tags.hold(&tags, versions, kept).await;
        let tags = self.outage.record_and_degrade(Operation::Write, tags)?;
        Ok(Acquired::Held(tags.map(|tags| HeldEntry { lease, tags })))
    }

    /// The lease of an entry, unless there is a fresh value by now. If somebody else has the lease, waits for their value,
    /// until the lease is free or the caller's limit passes. One script for each look, after a checkpoint.
    async fn lease<T: DeserializeOwned>(
        &self,
        key: &Key,
        options: &LoadOptions,
        on_contention: OnContention,
        checkpoint: Checkpoint<'_>,
        background: &Background,
    ) -> Result<Acquired<Lease, T>> {
        let mut wait = LeaseWait::new(self.lease_wait, options.hard_timeout);
        if options.is_refresh() || (on_contention == OnContention::Wait && wait.is_none()) {
            return self.leases.take(key, background).await.map(Acquired::Held);
        }
        if on_contention == OnContention::Leave {
            let lease = self.leases.try_take(key, background).await?;
            return Ok(lease.map_or(Acquired::Busy, Acquired::Held));
        }
        let start = Instant::now();
        loop {
            checkpoint();
            let look = self.leases.try_take_and_look(key, background).await?;
            let left = look.left;
            match self.assess(key, look).await? {
                Acquired::Busy => {}
                acquired => return Ok(acquired),
            }
            match wait.next(start.elapsed(), left).await {
                Next::Look => {}
                Next::GiveUp(limit) => return Ok(Acquired::TimedOut(limit)),
                // The load that begins last may store.
                Next::TakeOver => {
                    return self.leases.take(key, background).await.map(Acquired::Held);
                }
            }
        }
    }

    /// The fresh value that a look has found, or else the lease.
    async fn assess<T: DeserializeOwned>(
        &self,
        key: &Key,
        Look { lease, stored, left: _ }: Look,
    ) -> Result<Acquired<Lease, T>> {
        let fresh = match stored {
            Some(stored) => self.fresh(key, stored).await?,
            None => None,
        };
        if let Some(entry) = fresh
            && let Some(value) = self.outage.degrade_codec(entry.view().decode(key))?
        {
            if let Some(lease) = lease {
                self.release_lease(lease).await;
            }
            let is_own = entry.codec == self.packer.format().codec;
            return Ok(Acquired::Value(value, is_own.then_some(entry.payload)));
        }
        Ok(lease.map_or(Acquired::Busy, Acquired::Held))
    }

    /// The entry, if it is fresh and none of its tags was invalidated.
    async fn fresh(&self, key: &Key, stored: Bytes) -> Result<Option<Entry>> {
        let Ok(entry) = self.packer.unpack(key, stored).await else {
            return Ok(None);
        };
        if entry.view().stale_for(unix_millis()).is_some() {
            return Ok(None);
        }
        let tags: Vec<String> = entry.tags.keys().cloned().collect();
        let versions = self.tags.current(&tags).await?;
        Ok(self.tags.are_current(&entry, &versions).then_some(entry))
    }

    /// [`StoreGuards::begin`] for many keys, in one round trip, or two if one of them has been stored with tags meanwhile.
    /// It does not wait for others. `None` if Redis is away and the tier tolerates that.
    pub(super) async fn begin_many<T: DeserializeOwned>(
        &self,
        keys: &[Key],
        versions: &Versions,
        options: &LoadOptions,
        background: &Background,
    ) -> Result<Option<Vec<Acquired<HeldEntry, T>>>> {
        let kept = options.entry.lifetime()?.kept;
        let tags = self.tags.tags_of(&options.entry);
        let wait = LeaseWait::new(self.lease_wait, options.hard_timeout);
        let also_from_others = options.is_refresh() || wait.is_none();
        let acquire = async {
            let hold = |batch: &mut _| self.tags.queue_hold(batch, &tags, versions, kept);
            let (looks, mut replies, hold) =
                self.leases.take_many(keys, also_from_others, background, hold).await?;
            let tags = hold.redeem(&mut replies)?;
            let mut acquired = Vec::with_capacity(keys.len());
            for (key, look) in keys.iter().zip(looks) {
                acquired.push(match self.assess(key, look).await? {
                    Acquired::Held(lease) => {
                        Acquired::Held(HeldEntry { lease, tags: tags.clone() })
                    }
                    Acquired::Value(value, payload) => Acquired::Value(value, payload),
                    Acquired::Busy => Acquired::Busy,
                    Acquired::TimedOut(limit) => Acquired::TimedOut(limit),
                });
            }
            Ok(acquired)
        };
        self.outage.record_and_degrade(Operation::Write, acquire.await)
    }

    /// Stores what was loaded; gives the entry if its lease held, and nobody had invalidated a tag. One script, and one MGET
    /// with tags.
    pub(super) async fn store(
        &self,
        key: &Key,
        lease: Lease,
        entry: Entry,
        ttl_millis: u64,
    ) -> Result<Option<Entry>> {
        let stored = self.store_many(vec![(key, lease, entry, ttl_millis)]).await?;
        Ok(stored.into_iter().find_map(|(entry, is_stored)| is_stored.then_some(entry)))
    }

    /// [`StoreGuards::store`] for many entries with the same tags, in one round trip, or two with tags. Gives each entry, and
    /// whether it was stored.
    pub(super) async fn store_many(
        &self,
        entries: Vec<(&Key, Lease, Entry, u64)>,
    ) -> Result<Vec<(Entry, bool)>> {
        let mut batch = ScriptBatch::new(self.leases.client());
        let (mut keys, mut queued) = (Vec::new(), Vec::new());
        for (key, lease, entry, ttl_millis) in entries {
            let packed = self.outage.degrade_codec(self.packer.pack(key, &entry).await)?;
            let place = packed.map(|packed| {
                let (leases, storer) = (&self.leases, Storer::Load);
                leases.queue_store(&mut batch, key, &lease, &packed, ttl_millis, storer)
            });
            keys.push(key.clone());
            queued.push((entry, place, lease));
        }
        if queued.is_empty() {
            return Ok(Vec::new());
        }
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
        // An entry that holds an old version is not served.
        let tags = queued.first().map(|(entry, ..)| &entry.tags);
        let are_current = match tags.filter(|tags| !tags.is_empty()) {
            Some(tags) => self.tags.still_hold(tags).await,
            None => true,
        };
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
        Ok(stored)
    }

    /// Gives up the right to store. One script.
    pub(crate) async fn release(&self, held: HeldEntry) {
        self.release_lease(held.lease).await;
    }

    /// Gives up the rights to store, in one round trip.
    pub(super) async fn release_many(&self, held: Vec<HeldEntry>) {
        let leases = held.into_iter().map(|held| held.lease).collect();
        let _ = self.outage.record(Operation::Write, self.leases.release(leases).await);
    }

    async fn release_lease(&self, lease: Lease) {
        let released = self.leases.release(vec![lease]).await;
        let _ = self.outage.record(Operation::Write, released);
    }
}
