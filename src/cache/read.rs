//! Looking up: the first tier, then Redis, and what is to be thought of an entry that is found.

use std::time::Duration;

use bytes::Bytes;
use serde::de::DeserializeOwned;

use super::edge::Read;
use super::format::{Entry, View};
use super::l1::Moment;
use super::outage::Access;
use super::stripes::Seen;
use super::tags::{self, Versions};
use super::{Cache, LoadOptions};
use crate::command::strings::StringCommands;
use crate::platform::{self, Instant, unix_millis};
use crate::{Key, Result};

/// What looking up an entry came to.
pub(crate) enum Lookup<T> {
    Found(T),
    /// There is a value that should be loaded anew: it has been stale for so long, or not at all if it is about to be.
    Stale(T, Duration),
    Missing,
    /// The cache did not answer, and the tier forgives that.
    Unavailable,
}

impl<T> Lookup<T> {
    pub(crate) fn found(self) -> Option<T> {
        match self {
            Self::Found(value) => Some(value),
            Self::Stale(..) | Self::Missing | Self::Unavailable => None,
        }
    }

    fn is_found(&self) -> bool {
        matches!(self, Self::Found(_))
    }
}

/// Entries as they were read: `Err` for one that cannot be understood, `None` for one that is not there or whose tags were
/// invalidated.
pub(super) type Entries = Vec<Result<Option<Entry>>>;

impl Cache {
    /// The value of a key, or `None` if it is not cached or not fresh. One GET, none if the first tier has it; one MGET
    /// more for a value that has tags.
    ///
    /// # Errors
    /// [`ErrorKind::Codec`](crate::ErrorKind::Codec) if what is stored is no `T`; the client's in the tier
    /// [`Tier::Critical`](super::Tier::Critical), in the others `None` is given while Redis is away.
    pub async fn get<T: DeserializeOwned>(&self, key: &Key) -> Result<Option<T>> {
        if let Some(value) = self.near(key) {
            return Ok(Some(value));
        }
        // In a box, what is seldom needed does not weigh on every hit.
        let mut found = Box::pin(self.get_far(std::slice::from_ref(key))).await?;
        Ok(found.pop().flatten())
    }

    /// The values of many keys in their order. One MGET of those that the first tier does not have; one more if there are
    /// tags.
    ///
    /// # Errors
    /// As for [`Cache::get`].
    pub async fn get_many<T: DeserializeOwned>(&self, keys: &[Key]) -> Result<Vec<Option<T>>> {
        let mut values: Vec<Option<T>> = keys.iter().map(|key| self.near(key)).collect();
        let far: Vec<usize> = (0..keys.len()).filter(|at| values[*at].is_none()).collect();
        if far.is_empty() {
            return Ok(values);
        }
        let asked: Vec<Key> = far.iter().map(|at| keys[*at].clone()).collect();
        for (at, found) in far.into_iter().zip(self.get_far(&asked).await?) {
            values[at] = found;
        }
        Ok(values)
    }

    /// What Redis has.
    async fn get_far<T: DeserializeOwned>(&self, keys: &[Key]) -> Result<Vec<Option<T>>> {
        let Some((entries, _)) = self.read_forgiving(keys, &[]).await? else {
            self.count_reads(0, keys.len());
            return Ok(keys.iter().map(|_| None).collect());
        };
        let now = unix_millis();
        let mut values = Vec::with_capacity(keys.len());
        for (key, entry) in keys.iter().zip(entries) {
            let value = entry.and_then(|entry| {
                let fresh = entry.filter(|entry| entry.view().stale_for(now).is_none());
                fresh.map(|entry| entry.view().decode(key)).transpose()
            });
            values.push(value.inspect_err(|_| self.shared.counters.failed())?);
        }
        self.count_reads(values.iter().filter(|value| value.is_some()).count(), keys.len());
        Ok(values)
    }

    /// Looks a value up in Redis, and counts that.
    pub(crate) async fn lookup<T: DeserializeOwned>(
        &self,
        key: &Key,
        options: &LoadOptions,
    ) -> Result<(Lookup<T>, Versions)> {
        let (mut found, versions) = self.lookup_many(std::slice::from_ref(key), options).await?;
        Ok((found.pop().unwrap_or(Lookup::Missing), versions))
    }

    /// Looks a value up for a load that is under way, whose read has been counted.
    pub(crate) async fn peek<T: DeserializeOwned>(
        &self,
        key: &Key,
        options: &LoadOptions,
    ) -> Result<Lookup<T>> {
        let (mut found, _) = self.look(std::slice::from_ref(key), options).await?;
        Ok(found.pop().unwrap_or(Lookup::Missing))
    }

    /// Looks many values up in Redis in one round trip, and counts that.
    pub(super) async fn lookup_many<T: DeserializeOwned>(
        &self,
        keys: &[Key],
        options: &LoadOptions,
    ) -> Result<(Vec<Lookup<T>>, Versions)> {
        let found = self.look(keys, options).await?;
        self.count_reads(found.0.iter().filter(|found| found.is_found()).count(), keys.len());
        Ok(found)
    }

    async fn look<T: DeserializeOwned>(
        &self,
        keys: &[Key],
        options: &LoadOptions,
    ) -> Result<(Vec<Lookup<T>>, Versions)> {
        let tags = self.tags_of(&options.entry);
        let Some((entries, versions)) = self.read_forgiving(keys, &tags).await? else {
            let none = keys.iter().map(|_| Lookup::Unavailable).collect();
            return Ok((none, Versions::new()));
        };
        let judged = entries.into_iter().zip(keys).map(|(entry, key)| {
            // What cannot be understood counts as missing, and is overwritten by the next load.
            Ok(match self.forgive_codec(entry)?.flatten() {
                Some(entry) => self.judge(key, entry.view(), options)?,
                None => Lookup::Missing,
            })
        });
        Ok((judged.collect::<Result<_>>()?, versions))
    }

    /// What is to be done with an entry.
    pub(super) fn judge<T: DeserializeOwned>(
        &self,
        key: &Key,
        entry: View<'_>,
        options: &LoadOptions,
    ) -> Result<Lookup<T>> {
        let now = unix_millis();
        let stale_for = entry.stale_for(now);
        if stale_for.is_some_and(|age| age > options.entry.stale_for()) {
            return Ok(Lookup::Missing);
        }
        let Some(value) = self.forgive_codec(entry.decode(key))? else {
            return Ok(Lookup::Missing);
        };
        Ok(match stale_for {
            Some(age) => Lookup::Stale(value, age),
            None if entry.is_due(now, options.early_refresh) => {
                self.shared.counters.early();
                Lookup::Stale(value, Duration::ZERO)
            }
            None => Lookup::Found(value),
        })
    }

    /// Reads entries; `None` if Redis is away and the tier forgives that.
    async fn read_forgiving(
        &self,
        keys: &[Key],
        tags: &[String],
    ) -> Result<Option<(Entries, Versions)>> {
        if !self.caught_up().await {
            return Ok(None);
        }
        let read = self.read(keys, tags).await;
        self.forgive(Access::Read, read)
    }

    /// Reads entries, and checks their tags. The versions of `tags` are read in the same round trip; what an entry holds
    /// beyond them costs one more.
    pub(super) async fn read(&self, keys: &[Key], tags: &[String]) -> Result<(Entries, Versions)> {
        match &self.shared.edge {
            Some(edge) => Box::pin(self.read_at_edge(edge, keys, tags)).await,
            None => self.read_far(keys, tags).await,
        }
    }

    pub(super) async fn read_far(
        &self,
        keys: &[Key],
        tags: &[String],
    ) -> Result<(Entries, Versions)> {
        let edge = self.shared.edge.as_ref();
        let seen: Vec<Seen> =
            edge.map_or_else(Vec::new, |edge| keys.iter().map(|key| edge.seen(key)).collect());
        let moments = self.moments(keys);
        let known: Vec<String> = match (&self.options().generation, tags) {
            (Some(tag), []) => vec![tag.clone()],
            (_, tags) => tags.to_vec(),
        };
        let began = Instant::now();
        let read = match known.is_empty() {
            true => self.stored(keys).await.map(|stored| (stored, Versions::new())),
            false => self.stored_and_versions(keys, known).await,
        };
        let (stored, mut versions) = self.counted(Access::Read, read)?;
        self.shared.counters.read_took(began.elapsed());
        let mut entries = Entries::with_capacity(stored.len());
        for (key, stored) in keys.iter().zip(&stored) {
            entries.push(match stored {
                Some(stored) => self.unpacked(key, stored.clone()).await.map(Some),
                None => Ok(None),
            });
        }
        let found = entries.iter().filter_map(|entry| entry.as_ref().ok()?.as_ref());
        let tags = found.flat_map(|entry| entry.tags.keys()).collect();
        self.learn_versions(tags, &mut versions).await?;
        for entry in entries.iter_mut().flatten() {
            entry.take_if(|entry| !self.counts(entry, &versions));
        }
        if let Some(l1) = &self.shared.l1 {
            for ((key, entry), moment) in keys.iter().zip(&entries).zip(moments) {
                match entry {
                    Ok(Some(entry)) => l1.put(key, entry, moment, None),
                    // It was invalidated, here or elsewhere, or has expired: the copy must not outlive it.
                    Ok(None) => l1.drop_copy(key),
                    Err(_) => {}
                }
            }
        }
        if let Some(edge) = &self.shared.edge {
            let found = keys.iter().zip(stored).zip(&entries).zip(seen);
            let read = found.filter_map(|(((key, stored), entry), seen)| {
                let entry = entry.as_ref().ok()?.as_ref()?;
                Some(Read::new(key, stored?, seen, began, entry))
            });
            self.hold_at_edge(edge, read.collect());
        }
        Ok((entries, versions))
    }

    /// The moment before these keys are read, for the first tier; nothing where there is none.
    pub(super) fn moments(&self, keys: &[Key]) -> Vec<Moment> {
        let l1 = self.shared.l1.as_ref();
        l1.map_or_else(Vec::new, |l1| keys.iter().map(|key| l1.moment(key)).collect())
    }

    /// Whether an entry's tags have not been invalidated.
    pub(super) fn counts(&self, entry: &Entry, versions: &Versions) -> bool {
        let of_this_generation =
            self.options().generation.as_ref().is_none_or(|tag| entry.tags.contains_key(tag));
        of_this_generation && tags::holds(&entry.tags, versions)
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
        let versions = pipeline.mget::<String>(tags::keys_of(&tags)?);
        let mut replies = pipeline.exec().await?;
        let stored = replies.take(stored)?;
        Ok((stored, tags.into_iter().zip(replies.take(versions)?).collect()))
    }

    pub(super) async fn unpacked(&self, key: &Key, stored: Bytes) -> Result<Entry> {
        let length = stored.len();
        let entry = self.options().format.unpack(key, stored).await?;
        self.shared.counters.bytes_read(length, entry.payload.len());
        Ok(entry)
    }

    /// What the first tier has. A value of another form counts as nothing.
    pub(super) fn near<T: DeserializeOwned>(&self, key: &Key) -> Option<T> {
        let value = self.shared.l1.as_ref()?.get(key)?.view().decode(key).ok()?;
        self.count_reads(1, 1);
        self.shared.counters.l1_hit(1);
        Some(value)
    }

    pub(super) fn count_reads(&self, hits: usize, reads: usize) {
        self.shared.counters.read(hits, reads - hits);
    }

    /// Counts an error, and notes whether Redis does what is asked.
    pub(super) fn counted<T>(&self, access: Access, result: Result<T>) -> Result<T> {
        match &result {
            Ok(_) => self.shared.outage.over(access),
            Err(_) => self.shared.counters.failed(),
        }
        result
    }
}

impl View<'_> {
    /// For how long it has been stale; `None` if it is fresh.
    pub(super) fn stale_for(&self, now: u64) -> Option<Duration> {
        let fresh_until = self.fresh_until.filter(|until| *until <= now)?;
        // Never zero: that stands for a value that is about to be stale.
        Some(Duration::from_millis(now - fresh_until + 1))
    }

    /// Whether this reader is the one to load a fresh entry anew (XFetch): the random number is exponential.
    fn is_due(&self, now: u64, beta: Option<f64>) -> bool {
        let (Some(beta), Some(fresh_until), Some(load_ms)) = (beta, self.fresh_until, self.load_ms)
        else {
            return false;
        };
        let ahead =
            load_ms as f64 * beta * -platform::random_fraction().max(f64::MIN_POSITIVE).ln();
        now as f64 + ahead >= fresh_until as f64
    }

    pub(super) fn decode<T: DeserializeOwned>(&self, key: &Key) -> Result<T> {
        self.codec.decode(key, self.payload)
    }
}
