//! Reads entries: from the store at the edge, then from Redis, and checks their tags.

use std::sync::Arc;

use bytes::Bytes;
use serde::de::DeserializeOwned;

use super::Lookup;
use super::freshness::classify;
use crate::cache::entry::{Entry, Packer, View, tag_keys};
use crate::cache::invalidate::{TagVersions, Versions};
use crate::cache::load::LoadOptions;
use crate::cache::observe::Counters;
use crate::cache::outage::{Backlog, Operation, Outage};
use crate::cache::tiers::{Edge, Epoch, Fetched, L1, ReadStart};
use crate::client::Client;
use crate::command::strings::StringCommands;
use crate::platform::{Background, Instant, MaybeSend, MaybeSync, unix_millis};
use crate::{Key, Result};

/// Entries that were read: `Err` if the entry cannot be decoded, `None` if it is absent or its tags were invalidated.
pub(super) type Entries = Vec<Result<Option<Entry>>>;

/// Reads entries from this process's memory, the edge and Redis, and fills the nearer tiers.
#[derive(Clone)]
pub(crate) struct Reader {
    pub(crate) client: Client,
    pub(crate) packer: Packer,
    pub(crate) outage: Arc<Outage>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) tags: TagVersions,
    pub(crate) backlog: Arc<Backlog>,
    pub(crate) l1: Option<Arc<L1>>,
    pub(crate) edge: Option<Arc<Edge>>,
}

impl Reader {
    /// Looks up many keys in this process's memory, and then in Redis in one round trip; counts the reads.
    pub(crate) async fn find_many<T: DeserializeOwned>(
        &self,
        keys: &[Key],
        options: &LoadOptions,
        background: &Background,
    ) -> Result<(Vec<Lookup<T>>, Versions)> {
        if options.is_refresh() {
            return Ok((keys.iter().map(|_| Lookup::Missing).collect(), Versions::new()));
        }
        let Some(l1) = &self.l1 else {
            return self.lookup_many(keys, options, background).await;
        };
        let mut found = Vec::with_capacity(keys.len());
        let mut far = Vec::new();
        for key in keys {
            let near = match l1.get(key) {
                Some(entry) => self.classify(key, entry.view(), options)?,
                None => Lookup::Missing,
            };
            if matches!(near, Lookup::Missing) {
                far.push(key.clone());
            } else {
                self.counters.l1_hit();
            }
            found.push(near);
        }
        if far.is_empty() {
            return Ok((found, Versions::new()));
        }
        let (read, versions) = self.lookup_many(&far, options, background).await?;
        let places = found.iter_mut().filter(|found| matches!(found, Lookup::Missing));
        places.zip(read).for_each(|(place, read)| *place = read);
        Ok((found, versions))
    }

    /// Looks up many keys in Redis in one round trip; counts the reads.
    pub(crate) async fn lookup_many<T: DeserializeOwned>(
        &self,
        keys: &[Key],
        options: &LoadOptions,
        background: &Background,
    ) -> Result<(Vec<Lookup<T>>, Versions)> {
        let (found, versions) = self.lookup_uncounted(keys, options, background).await?;
        self.count(found.iter().filter(|found| found.is_found()).count(), keys.len());
        Ok((found, versions))
    }

    /// As [`Reader::lookup_many`], for a load whose reads were counted already.
    pub(crate) async fn lookup_uncounted<T: DeserializeOwned>(
        &self,
        keys: &[Key],
        options: &LoadOptions,
        background: &Background,
    ) -> Result<(Vec<Lookup<T>>, Versions)> {
        let tags = self.tags.tags_of(&options.entry);
        let Some((entries, versions)) = self.read_degrading(keys, &tags, background).await? else {
            let none = keys.iter().map(|_| Lookup::Unavailable).collect();
            return Ok((none, Versions::new()));
        };
        let classified = entries.into_iter().zip(keys).map(|(entry, key)| {
            // An entry that cannot be decoded counts as missing, and the next load overwrites it.
            Ok(match self.outage.degrade_codec(entry)?.flatten() {
                Some(entry) => self.classify(key, entry.view(), options)?,
                None => Lookup::Missing,
            })
        });
        Ok((classified.collect::<Result<_>>()?, versions))
    }

    /// The fresh values of many keys, read from Redis; counts the reads.
    pub(super) async fn get_many<T: DeserializeOwned>(
        &self,
        keys: &[Key],
        background: &Background,
    ) -> Result<Vec<Option<T>>> {
        let Some((entries, _)) = self.read_degrading(keys, &[], background).await? else {
            self.count(0, keys.len());
            return Ok(keys.iter().map(|_| None).collect());
        };
        let now = unix_millis();
        let mut values = Vec::with_capacity(keys.len());
        for (key, entry) in keys.iter().zip(entries) {
            let value = entry.and_then(|entry| {
                let fresh = entry.filter(|entry| entry.view().stale_for(now).is_none());
                fresh.map(|entry| entry.view().decode(key)).transpose()
            });
            values.push(value.inspect_err(|_| self.counters.failed())?);
        }
        self.count(values.iter().filter(|value| value.is_some()).count(), keys.len());
        Ok(values)
    }

    /// The value of a key in this process's memory; counts it as a hit. An entry of another type is ignored.
    pub(super) fn get_from_l1<T: DeserializeOwned>(&self, key: &Key) -> Option<T> {
        let value = self.l1.as_ref()?.get(key)?.view().decode(key).ok()?;
        self.counters.l1_hit();
        Some(value)
    }

    /// As [`Reader::get_from_l1`], decoded once for all callers that ask for this type.
    pub(crate) fn get_shared_from_l1<T>(&self, key: &Key) -> Option<Arc<T>>
    where
        T: DeserializeOwned + MaybeSend + MaybeSync + 'static,
    {
        let value = self.l1.as_ref()?.get_shared(key)?;
        self.counters.l1_hit();
        Some(value)
    }

    fn classify<T: DeserializeOwned>(
        &self,
        key: &Key,
        entry: View<'_>,
        options: &LoadOptions,
    ) -> Result<Lookup<T>> {
        classify(key, entry, options, &self.outage, &self.counters)
    }

    fn count(&self, hits: usize, reads: usize) {
        self.counters.read(hits, reads - hits);
    }

    /// Reads entries. `None` if Redis is away, or the backlog cannot be drained, and the tier tolerates that.
    async fn read_degrading(
        &self,
        keys: &[Key],
        tags: &[String],
        background: &Background,
    ) -> Result<Option<(Entries, Versions)>> {
        if !self.backlog.drain(background).await {
            return Ok(None);
        }
        let read = match &self.edge {
            Some(edge) => Box::pin(self.read_at_edge(edge, keys, tags, background)).await,
            None => self.read(keys, tags, background).await,
        };
        self.outage.degrade(Operation::Read, read)
    }

    /// Reads entries from Redis, and checks their tags. The versions of `tags` are read in the same round trip; other tags
    /// of the entries cost one more.
    async fn read(
        &self,
        keys: &[Key],
        tags: &[String],
        background: &Background,
    ) -> Result<(Entries, Versions)> {
        let epochs: Vec<Epoch> = self
            .edge
            .as_ref()
            .map_or_else(Vec::new, |edge| keys.iter().map(|key| edge.epoch(key)).collect());
        let starts = self.read_starts(keys);
        let known: Vec<String> = match (self.tags.generation(), tags) {
            (Some(tag), []) => vec![tag.clone()],
            (_, tags) => tags.to_vec(),
        };
        let began = Instant::now();
        let read = match known.is_empty() {
            true => self.stored(keys).await.map(|stored| (stored, Versions::new())),
            false => self.stored_and_versions(keys, known).await,
        };
        let (stored, mut versions) = self.outage.record(Operation::Read, read)?;
        self.counters.read_took(began.elapsed());
        let mut entries = Entries::with_capacity(stored.len());
        for (key, stored) in keys.iter().zip(&stored) {
            entries.push(match stored {
                Some(stored) => self.packer.unpack(key, stored.clone()).await.map(Some),
                None => Ok(None),
            });
        }
        let found = entries.iter().filter_map(|entry| entry.as_ref().ok()?.as_ref());
        let tags: Vec<&String> = found.flat_map(|entry| entry.tags.keys()).collect();
        self.tags.add_missing(tags, &mut versions).await?;
        for entry in entries.iter_mut().flatten() {
            entry.take_if(|entry| !self.tags.are_current(entry, &versions));
        }
        if let Some(l1) = &self.l1 {
            for ((key, entry), start) in keys.iter().zip(&entries).zip(starts) {
                match entry {
                    Ok(Some(entry)) => l1.put(key, entry, start, None),
                    // The entry was invalidated or has expired: its copy must not outlive it.
                    Ok(None) => l1.drop_copy(key),
                    Err(_) => {}
                }
            }
        }
        if let Some(edge) = &self.edge {
            let found = keys.iter().zip(stored).zip(&entries).zip(epochs);
            let fetched = found.filter_map(|(((key, stored), entry), epoch)| {
                let entry = entry.as_ref().ok()?.as_ref()?;
                Some(Fetched::new(key, stored?, epoch, began, entry))
            });
            edge.put_many(fetched.collect(), background);
        }
        Ok((entries, versions))
    }

    /// As [`Reader::read`], through the store at the edge. Redis is asked only for entries that the edge does not hold, and
    /// for the versions of tags.
    async fn read_at_edge(
        &self,
        edge: &Edge,
        keys: &[Key],
        tags: &[String],
        background: &Background,
    ) -> Result<(Entries, Versions)> {
        let starts = self.read_starts(keys);
        let held = self.fresh_at_edge(edge, keys).await;
        let mut entries: Entries = keys.iter().map(|_| Ok(None)).collect();
        let mut versions = Versions::new();
        let far: Vec<usize> = (0..keys.len()).filter(|at| held[*at].is_none()).collect();
        self.read_into(&mut entries, &mut versions, keys, &far, tags, background).await?;

        let tags = held.iter().flatten().flat_map(|entry| entry.tags.keys());
        let tags: Vec<&String> = tags.chain(self.tags.generation()).collect();
        self.tags.add_missing(tags, &mut versions).await?;
        let mut outdated = Vec::new();
        for (at, entry) in held.into_iter().enumerate() {
            match entry {
                Some(entry) if self.tags.are_current(&entry, &versions) => {
                    if let (Some(l1), Some(start)) = (&self.l1, starts.get(at)) {
                        l1.put(&keys[at], &entry, *start, None);
                    }
                    self.counters.edge_hit();
                    entries[at] = Ok(Some(entry));
                }
                Some(_) => outdated.push(at),
                None => {}
            }
        }
        self.read_into(&mut entries, &mut versions, keys, &outdated, &[], background).await?;
        Ok((entries, versions))
    }

    /// Reads the keys at these places from Redis.
    async fn read_into(
        &self,
        entries: &mut Entries,
        versions: &mut Versions,
        keys: &[Key],
        places: &[usize],
        tags: &[String],
        background: &Background,
    ) -> Result<()> {
        if places.is_empty() {
            return Ok(());
        }
        let keys: Vec<Key> = places.iter().map(|at| keys[*at].clone()).collect();
        let (read, read_versions) = self.read(&keys, tags, background).await?;
        for (at, entry) in places.iter().zip(read) {
            entries[*at] = entry;
        }
        versions.extend(read_versions);
        Ok(())
    }

    /// The fresh entries that the edge holds. An entry that cannot be decoded is read from Redis instead.
    async fn fresh_at_edge(&self, edge: &Edge, keys: &[Key]) -> Vec<Option<Entry>> {
        let mut entries = Vec::with_capacity(keys.len());
        for (key, held) in keys.iter().zip(edge.get_many(keys).await) {
            let entry = match held {
                Some(held) => self.packer.format().unpack(key, held).await.ok(),
                None => None,
            };
            entries.push(entry.filter(|entry| entry.view().stale_for(unix_millis()).is_none()));
        }
        entries
    }

    /// When the reads of these keys began, for the first tier. Empty without a first tier.
    fn read_starts(&self, keys: &[Key]) -> Vec<ReadStart> {
        let l1 = self.l1.as_ref();
        l1.map_or_else(Vec::new, |l1| keys.iter().map(|key| l1.read_start(key)).collect())
    }

    async fn stored(&self, keys: &[Key]) -> Result<Vec<Option<Bytes>>> {
        match keys {
            [key] => Ok(vec![self.client.get(key).await?]),
            keys => self.client.mget(keys).await,
        }
    }

    async fn stored_and_versions(
        &self,
        keys: &[Key],
        tags: Vec<String>,
    ) -> Result<(Vec<Option<Bytes>>, Versions)> {
        let pipeline = self.client.pipeline();
        let stored = pipeline.mget(keys);
        let versions = pipeline.mget::<String>(tag_keys(&tags)?);
        let mut replies = pipeline.exec().await?;
        let stored = replies.take(stored)?;
        Ok((stored, tags.into_iter().zip(replies.take(versions)?).collect()))
    }
}
