//! The right to store what is loaded: a lease of the entry, and the versions of its tags from before the load.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
#[cfg(feature = "http-cache")]
use serde::Serialize;
use serde::de::DeserializeOwned;

#[cfg(feature = "http-cache")]
use super::EntryOptions;
use super::format::Entry;
use super::lease::{Lease, Look};
use super::load_options::Mode;
use super::outage::Access;
use super::tags::Versions;
use super::waiting::{Next, Waiting};
use super::{Cache, LoadOptions};
use crate::platform::{Instant, unix_millis};
use crate::{Key, Result};

/// The right to store what is loaded, and what to store it with.
pub(crate) struct Permit {
    pub(super) lease: Lease,
    pub(super) tags: BTreeMap<String, String>,
}

/// What to do about somebody else who is loading the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Others {
    WaitForThem,
    LeaveItToThem,
}

/// Notes the moment: what is read or stored from now on has seen every invalidation up to it.
pub(super) type Tick<'a> = &'a mut (dyn FnMut() + Send);

/// What asking for the right to store came to.
pub(super) enum Permitted<T> {
    /// `None`: what is loaded cannot be stored.
    Load(Option<Permit>),
    Value(T, Option<Bytes>),
    LeaveIt,
    /// Somebody else is loading for longer than the caller waits.
    TooLong(Duration),
}

enum LeaseOr<T> {
    Lease(Lease),
    /// Somebody else's load has stored a value.
    Value(T, Option<Bytes>),
    LeaveIt,
    /// Somebody else is loading for longer than the caller waits.
    TooLong(Duration),
}

impl Cache {
    /// The lease of an entry and the versions of its tags, or what somebody else has stored meanwhile.
    pub(super) async fn permit<T: DeserializeOwned>(
        &self,
        key: &Key,
        versions: Versions,
        options: &LoadOptions,
        others: Others,
        tick: Tick<'_>,
    ) -> Result<Permitted<T>> {
        let lease = self.lease_or_value(key, options, others, tick).await;
        let lease = match self.forgive(Access::Write, self.counted(Access::Write, lease))? {
            None => return Ok(Permitted::Load(None)),
            Some(LeaseOr::Lease(lease)) => lease,
            Some(LeaseOr::TooLong(limit)) => return Ok(Permitted::TooLong(limit)),
            Some(LeaseOr::LeaveIt) => return Ok(Permitted::LeaveIt),
            Some(LeaseOr::Value(value, payload)) => return Ok(Permitted::Value(value, payload)),
        };
        let tags = self.tags_of(&options.entry);
        let tags = async {
            let kept = options.entry.lifetime()?.kept;
            self.versions_to_hold(&tags, &versions, kept).await
        };
        let tags = self.counted(Access::Write, tags.await);
        let tags = self.forgive(Access::Write, tags)?;
        Ok(Permitted::Load(tags.map(|tags| Permit { lease, tags })))
    }

    /// The lease of an entry, unless there is a fresh value by now. If somebody else has the lease, waits for their value,
    /// until the lease is free or the caller's limit passes. One script for each look; `tick` is called before it.
    async fn lease_or_value<T: DeserializeOwned>(
        &self,
        key: &Key,
        options: &LoadOptions,
        others: Others,
        tick: Tick<'_>,
    ) -> Result<LeaseOr<T>> {
        if options.mode == Mode::Refresh {
            return self.take_lease(key).await.map(LeaseOr::Lease);
        }
        if others == Others::LeaveItToThem {
            return Ok(self.try_lease(key).await?.map_or(LeaseOr::LeaveIt, LeaseOr::Lease));
        }
        let mut waiting = Waiting::new(self.options(), options.hard_timeout);
        if waiting.is_none() {
            return self.take_lease(key).await.map(LeaseOr::Lease);
        }
        let start = Instant::now();
        loop {
            tick();
            let Look { lease, stored, left } = self.try_lease_and_look(key).await?;
            let fresh = match stored {
                Some(stored) => self.fresh(key, stored).await?,
                None => None,
            };
            if let Some(entry) = fresh
                && let Some(value) = self.forgive_codec(entry.codec.decode(key, &entry.payload))?
            {
                if let Some(lease) = lease {
                    self.release(lease).await;
                }
                let own = entry.codec == self.options().format.codec;
                return Ok(LeaseOr::Value(value, own.then_some(entry.payload)));
            }
            if let Some(lease) = lease {
                return Ok(LeaseOr::Lease(lease));
            }
            match waiting.next(start.elapsed(), left).await {
                Next::Look => {}
                Next::GiveUp(limit) => return Ok(LeaseOr::TooLong(limit)),
                // The load that begins last may store.
                Next::TakeOver => return self.take_lease(key).await.map(LeaseOr::Lease),
            }
        }
    }

    /// The entry that is stored so, if it is fresh and none of its tags was invalidated.
    async fn fresh(&self, key: &Key, stored: Bytes) -> Result<Option<Entry>> {
        let Ok(entry) = self.unpacked(key, stored).await else {
            return Ok(None);
        };
        if entry.view().stale_for(unix_millis()).is_some() {
            return Ok(None);
        }
        let tags: Vec<String> = entry.tags.keys().cloned().collect();
        let versions = self.versions(&tags).await?;
        Ok(self.counts(&entry, &versions).then_some(entry))
    }

    /// Stores what was loaded, if its lease still holds; tells whether it did, and nobody had invalidated it.
    pub(super) async fn store_loaded(
        &self,
        key: &Key,
        lease: Lease,
        entry: &Entry,
        ttl_millis: u64,
    ) -> Result<bool> {
        let packed = match self.packed(key, entry).await {
            Ok(packed) => packed,
            Err(error) => {
                self.release(lease).await;
                return self.forgive_codec(Err(error)).map(|none: Option<()>| none.is_some());
            }
        };
        let began = Instant::now();
        let stored = self.store_leased(key, lease, &packed, ttl_millis).await;
        self.shared.counters.write_took(began.elapsed());
        self.forget_at_edge(std::slice::from_ref(key)).await;
        let stored = self.forgive(Access::Write, self.counted(Access::Write, stored))?;
        match stored {
            // What holds an old version is as good as not there.
            Some(true) if entry.tags.is_empty() || self.still_holds(&entry.tags).await => {
                self.shared.counters.stored(1);
                Ok(true)
            }
            Some(_) => {
                self.shared.counters.refused();
                Ok(false)
            }
            None => Ok(false),
        }
    }

    /// The right to store what is made of a request that begins now, also in the place of somebody else who has it. `None`:
    /// Redis is away, and the tier forgives that.
    #[cfg(feature = "http-cache")]
    pub(crate) async fn permit_to_store(
        &self,
        key: &Key,
        entry: &EntryOptions,
        versions: Versions,
    ) -> Result<Option<Permit>> {
        let options = LoadOptions::new(entry.clone()).refresh();
        match self.permit::<()>(key, versions, &options, Others::WaitForThem, &mut || {}).await? {
            Permitted::Load(permit) => Ok(permit),
            Permitted::Value(..) | Permitted::LeaveIt | Permitted::TooLong(_) => Ok(None),
        }
    }

    /// As [`Cache::permit_to_store`], for one at a time.
    #[cfg(feature = "http-cache")]
    pub(crate) async fn permit_to_refresh(
        &self,
        key: &Key,
        entry: &EntryOptions,
        versions: Versions,
    ) -> Result<Option<Permit>> {
        let options = LoadOptions::new(entry.clone());
        match self.permit::<()>(key, versions, &options, Others::LeaveItToThem, &mut || {}).await? {
            Permitted::Load(permit) => Ok(permit),
            Permitted::Value(..) | Permitted::LeaveIt | Permitted::TooLong(_) => Ok(None),
        }
    }

    /// Stores a value, if nothing has invalidated it since the permit was given; tells whether it did.
    #[cfg(feature = "http-cache")]
    pub(crate) async fn store_permitted<T: Serialize>(
        &self,
        key: &Key,
        permit: Permit,
        value: &T,
        ttl: super::Ttl,
    ) -> Result<bool> {
        let codec = self.options().format.codec;
        let stored = codec.encode(key, value).and_then(|payload| Ok((payload, ttl.millis()?)));
        let (payload, millis) = match stored {
            Ok(stored) => stored,
            Err(error) => {
                self.give_back(permit).await;
                return Err(error);
            }
        };
        let entry = Entry { tags: permit.tags, ..Entry::plain(codec, payload) };
        self.store_loaded(key, permit.lease, &entry, millis).await
    }

    /// Gives a permit back that nothing will be stored with.
    pub(crate) async fn give_back(&self, permit: Permit) {
        self.release(permit.lease).await;
    }
}
