//! Tags: many entries invalidated by one command each tag, however many they are.
//!
//! Under `edgecask:tag:{tag}` stands the tag's version, a random text. An entry holds the versions that its tags had
//! before it was loaded; it counts as long as they are the same. Invalidating a tag gives it a new version. A version that
//! Redis evicted or let expire is another than every entry's, so forgetting one is safe.

use std::collections::BTreeMap;
use std::time::Duration;

use super::outage::Access;
use super::{Cache, EntryOptions, Ttl};
use crate::command::keys::{ExpireIf, KeyCommands};
use crate::command::strings::{SetOptions, StringCommands};
use crate::{Key, Keyspace, Result, platform};

/// How long a version is kept when nobody needs it for longer.
const KEPT: Duration = Duration::from_secs(30 * 24 * 3600);

/// Entries that are kept for longer keep the versions of their tags.
const LONG: Duration = Duration::from_secs(24 * 3600);

/// The versions of some tags; `None`: there is none.
pub(crate) type Versions = BTreeMap<String, Option<String>>;

fn key_of(tag: &str) -> Result<Key> {
    Keyspace::new(["edgecask", "tag"])?.key([tag])
}

pub(super) fn keys_of<'a>(tags: impl IntoIterator<Item = &'a String>) -> Result<Vec<Key>> {
    tags.into_iter().map(|tag| key_of(tag)).collect()
}

fn new_version() -> Result<String> {
    Ok(format!("{:016x}", u64::from_le_bytes(platform::random()?)))
}

impl Cache {
    /// Invalidates every entry that has one of these tags, whatever their number, and keeps loads that are under way from
    /// being served afterwards. One SET a tag, in one round trip.
    ///
    /// A tag belongs to the whole database: it reaches the entries of every cache that uses its name.
    ///
    /// ```
    /// use edgecask::{Client, Keyspace, cache::{Cache, EntryOptions, Ttl}};
    ///
    /// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    /// # runtime.block_on(async {
    /// let cache = Cache::new(Client::memory());
    /// let key = Keyspace::new(["app", "user"])?.key(["123", "profile"])?;
    /// let options = EntryOptions::new(Ttl::seconds(300)).tags(["user:123", "profiles"]);
    /// cache.set(&key, "Ada", options).await?;
    /// cache.invalidate_tags(["user:123"]).await?;
    /// assert_eq!(cache.get::<String>(&key).await?, None);
    /// # Ok::<(), edgecask::Error>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) if a tag is empty; the client's in the tier
    /// [`Tier::Critical`](super::Tier::Critical). In the others, what could not be invalidated is once Redis is back.
    pub async fn invalidate_tags(
        &self,
        tags: impl IntoIterator<Item = impl Into<String>>,
    ) -> Result<()> {
        let tags: Vec<String> = tags.into_iter().map(Into::into).collect();
        if tags.is_empty() {
            return Ok(());
        }
        let keys = keys_of(&tags)?;
        self.forget_tags_near(&tags);
        let result = self.renew_tags(&tags, keys).await;
        // Again, for what was read meanwhile.
        self.forget_tags_near(&tags);
        self.shared.counters.invalidated_tags(tags.len());
        self.invalidated(result, || super::replay::Invalidation::Tags(tags)).map(|_| ())
    }

    pub(super) async fn renew_tags(&self, tags: &[String], keys: Vec<Key>) -> Result<()> {
        let pipeline = self.client.pipeline();
        let mut slots = Vec::with_capacity(keys.len());
        for key in &keys {
            let options = SetOptions::new().ex(KEPT.as_secs());
            slots.push(pipeline.set_with(key, new_version()?, options));
        }
        let announced = self.announce(&pipeline, self.announcement_of_tags(tags));
        let mut replies = pipeline.exec().await?;
        for slot in slots {
            replies.take(slot)?;
        }
        announced.map_or(Ok(0), |slot| replies.take(slot)).map(|_| ())
    }

    fn forget_tags_near(&self, tags: &[String]) {
        // Which keys of the loads under way have these tags, nobody knows.
        self.flights.part_all();
        if let Some(l1) = &self.shared.l1 {
            l1.forget_tags(tags);
        }
    }

    /// All tags of an entry: its own and the cache's.
    pub(super) fn tags_of(&self, options: &EntryOptions) -> Vec<String> {
        let mut tags = options.tags.clone();
        tags.extend(self.options().generation.clone());
        tags.sort_unstable();
        tags.dedup();
        tags
    }

    /// The versions of tags. One MGET.
    pub(super) async fn versions(&self, tags: &[String]) -> Result<Versions> {
        if tags.is_empty() {
            return Ok(Versions::new());
        }
        let versions: Vec<Option<String>> = self.client.mget(keys_of(tags)?).await?;
        Ok(tags.iter().cloned().zip(versions).collect())
    }

    /// Reads the versions of those tags that are not known yet. One MGET; if all are known, Redis is not asked.
    pub(super) async fn learn_versions(
        &self,
        tags: Vec<&String>,
        versions: &mut Versions,
    ) -> Result<()> {
        let unknown = tags.into_iter().filter(|tag| !versions.contains_key(*tag)).cloned();
        let mut unknown: Vec<String> = unknown.collect();
        if unknown.is_empty() {
            return Ok(());
        }
        unknown.sort_unstable();
        unknown.dedup();
        versions.extend(self.counted(Access::Read, self.versions(&unknown).await)?);
        Ok(())
    }

    /// The versions that an entry is to hold which will be kept for `kept`. What is known already costs nothing; else
    /// one round trip: a SET for each tag that has no version, and an MGET.
    pub(super) async fn versions_to_hold(
        &self,
        tags: &[String],
        known: &Versions,
        kept: Ttl,
    ) -> Result<BTreeMap<String, String>> {
        let version = |versions: &Versions, tag: &String| {
            Some((tag.clone(), versions.get(tag)?.as_ref()?.clone()))
        };
        let held: BTreeMap<_, _> = tags.iter().filter_map(|tag| version(known, tag)).collect();
        let long = kept.duration().is_none_or(|kept| kept > LONG);
        if tags.is_empty() || (held.len() == tags.len() && !long) {
            return Ok(held);
        }
        let pipeline = self.client.pipeline();
        let (keys, mut set, mut longer) = (keys_of(tags)?, Vec::new(), Vec::new());
        for (tag, key) in tags.iter().zip(&keys) {
            if !held.contains_key(tag) {
                let options = SetOptions::new().ex(KEPT.as_secs()).nx();
                set.push(pipeline.set_with(key, new_version()?, options));
            }
            match kept.duration() {
                Some(kept) if long => {
                    let seconds = kept.max(KEPT).as_secs().min(i64::MAX as u64 / 2000) as i64;
                    longer.push(pipeline.expire_if(key, seconds, ExpireIf::Later));
                }
                Some(_) => {}
                None => longer.push(pipeline.persist(key)),
            }
        }
        let read = pipeline.mget::<String>(&keys);
        let mut replies = pipeline.exec().await?;
        set.into_iter().try_for_each(|slot| replies.take(slot).map(|_| ()))?;
        longer.into_iter().try_for_each(|slot| replies.take(slot).map(|_| ()))?;
        let now: Versions = tags.iter().cloned().zip(replies.take(read)?).collect();
        // What was known before is older, and therefore what counts: the load may have begun since.
        Ok(tags
            .iter()
            .filter_map(|tag| version(known, tag).or_else(|| version(&now, tag)))
            .collect())
    }

    /// Whether the tags that an entry holds still have these versions. One MGET.
    pub(super) async fn still_holds(&self, tags: &BTreeMap<String, String>) -> bool {
        let names: Vec<String> = tags.keys().cloned().collect();
        let now = self.counted(Access::Read, self.versions(&names).await);
        now.is_ok_and(|now| holds(tags, &now))
    }
}

/// Whether an entry's tags have the versions that it holds.
pub(super) fn holds(tags: &BTreeMap<String, String>, now: &Versions) -> bool {
    tags.iter().all(|(tag, version)| now.get(tag).is_some_and(|now| now.as_ref() == Some(version)))
}
