//! Tags: many entries invalidated by one script each tag, however many they are.
//!
//! Under `edgecask:tag:{tag}` stands the tag's version. An entry holds the versions that its tags had before it was loaded;
//! it counts as long as they are the same. Invalidating a tag gives it a new version. The server makes it, of its clock
//! and a random number, so no version ever comes back: neither by a command that arrives late or twice, nor after Redis
//! evicted the key or let it expire. Forgetting a version is therefore safe.

use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::time::Duration;

use bytes::Bytes;

use super::lease::{random_part, unique};
use super::outage::Access;
use super::pending::Invalidation;
use super::write::announced;
use super::{Cache, EntryOptions, Invalidated, Ttl};
use crate::client::{ScriptBatch, ScriptReplies};
use crate::command::strings::StringCommands;
use crate::command::{Command, Script};
use crate::{Error, Key, Keyspace, Result, Value};

/// How long a version is kept when nobody needs it for longer.
const KEPT: Duration = Duration::from_secs(30 * 24 * 3600);

/// Makes a version stay for ever.
const PERSIST: &str = "persist";

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

/// `KEYS`: a tag. `ARGV`: a random text; for how many seconds a new version is kept; `renew`, or `hold` to take the version
/// that there is; for how many seconds from now the version has to stay, `persist` for ever, or 0. Gives the version.
pub(crate) static TAG_VERSION: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "local version = redis.call('GET', KEYS[1])\n\
         if not version or ARGV[3] == 'renew' then\n\
         local now = redis.call('TIME')\n\
         version = now[1] .. '.' .. now[2] .. '-' .. ARGV[1]\n\
         redis.call('SET', KEYS[1], version, 'EX', ARGV[2])\n\
         end\n\
         if ARGV[4] == 'persist' then\n\
         redis.call('PERSIST', KEYS[1])\n\
         elseif ARGV[4] ~= '0' then\n\
         local left = redis.call('TTL', KEYS[1])\n\
         if left >= 0 and left < tonumber(ARGV[4]) then redis.call('EXPIRE', KEYS[1], ARGV[4]) end\n\
         end\n\
         return version",
    )
    .key_locking()
    .with_twin(|redis, keys, args| {
        let ([tag], [random, kept, how, stay]) = (keys, args) else {
            return Err(Error::server("ERR this script takes 1 key and 4 arguments"));
        };
        let mut version = redis.call(Command::new("GET").arg(tag))?;
        if version.is_nil() || how == "renew" {
            version = Value::bulk(unique(redis, random)?);
            let new = version.as_bytes().unwrap_or_default();
            redis.call(Command::new("SET").arg(tag).arg(new).arg("EX").arg(kept))?;
        }
        let number = |bytes: &Bytes| std::str::from_utf8(bytes).ok()?.parse::<i64>().ok();
        match number(stay) {
            None => drop(redis.call(Command::new("PERSIST").arg(tag))?),
            Some(0) => {}
            Some(stay) => {
                let left = redis.call(Command::new("TTL").arg(tag))?;
                if matches!(left, Value::Integer(left) if (0..stay).contains(&left)) {
                    redis.call(Command::new("EXPIRE").arg(tag).arg(stay))?;
                }
            }
        }
        Ok(version)
    })
});

fn queue_version(batch: &mut ScriptBatch, key: &Key, how: &str, stay: &str) -> Result<usize> {
    let (random, kept) = (random_part()?, KEPT.as_secs().to_string());
    Ok(batch.script(&TAG_VERSION, [key], [&random, &kept, how, stay]))
}

/// The versions that were asked for, to be held by an entry.
pub(super) struct Held {
    known: BTreeMap<String, String>,
    asked: Vec<(String, usize)>,
}

impl Held {
    pub(super) fn is_known(&self) -> bool {
        self.asked.is_empty()
    }

    pub(super) fn redeem(self, replies: &mut ScriptReplies) -> Result<BTreeMap<String, String>> {
        let mut held = self.known;
        for (tag, place) in self.asked {
            let version = replies.take(place)?;
            // What was known before is older, and therefore what counts: the load may have begun since.
            held.entry(tag).or_insert(version);
        }
        Ok(held)
    }
}

impl Cache {
    /// Invalidates every entry that has one of these tags, whatever their number, and keeps loads that are under way from
    /// being served afterwards. One script a tag, and a PUBLISH where there is a bus, in one round trip.
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
    /// [`Tier::Critical`](super::Tier::Critical). In the others, what could not be invalidated is
    /// [owed](Invalidated::is_owed); it fails only when more than 10 000 tags would be owed.
    pub async fn invalidate_tags(
        &self,
        tags: impl IntoIterator<Item = impl Into<String>>,
    ) -> Result<Invalidated> {
        let tags: Vec<String> = tags.into_iter().map(Into::into).collect();
        if tags.is_empty() {
            return Ok(Invalidated::default());
        }
        let keys = keys_of(&tags)?;
        self.forget_tags_near(&tags);
        let result = self.renew_tags(&tags, keys).await;
        // Again, for what was read meanwhile.
        self.forget_tags_near(&tags);
        self.shared.counters.invalidated_tags(tags.len());
        let renewed = self.invalidated(result, || Invalidation::Tags(tags))?;
        if renewed.is_some() {
            self.caught_up().await;
        }
        Ok(Invalidated::of(renewed.map(|()| 0)))
    }

    pub(super) async fn renew_tags(&self, tags: &[String], keys: Vec<Key>) -> Result<()> {
        let mut batch = ScriptBatch::new(&self.client);
        let mut places = Vec::with_capacity(keys.len() + 1);
        for (tag, key) in tags.iter().zip(&keys) {
            let stay = if self.is_generation(tag) { PERSIST } else { "0" };
            places.push(queue_version(&mut batch, key, "renew", stay)?);
        }
        places.extend(announced(&mut batch, self.announcement_of_tags(tags)));
        let mut replies = batch.exec().await?;
        places.into_iter().try_for_each(|place| replies.take::<Value>(place).map(|_| ()))
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
    /// a script for each tag, in one round trip.
    pub(super) async fn versions_to_hold(
        &self,
        tags: &[String],
        known: &Versions,
        kept: Ttl,
    ) -> Result<BTreeMap<String, String>> {
        let mut batch = ScriptBatch::new(&self.client);
        let held = self.queue_versions_to_hold(&mut batch, tags, known, kept)?;
        match held.is_known() {
            true => Ok(held.known),
            false => held.redeem(&mut batch.exec().await?),
        }
    }

    /// Queues [`Cache::versions_to_hold`].
    pub(super) fn queue_versions_to_hold(
        &self,
        batch: &mut ScriptBatch,
        tags: &[String],
        known: &Versions,
        kept: Ttl,
    ) -> Result<Held> {
        let version = |tag: &String| Some((tag.clone(), known.get(tag)?.as_ref()?.clone()));
        let mut held = Held { known: tags.iter().filter_map(version).collect(), asked: Vec::new() };
        let stay = match kept.duration() {
            None => PERSIST.to_owned(),
            Some(kept) if kept > LONG => {
                kept.max(KEPT).as_secs().min(i64::MAX as u64 / 2000).to_string()
            }
            Some(_) => "0".to_owned(),
        };
        for tag in tags {
            if stay != "0" || !held.known.contains_key(tag) {
                let stay = if self.is_generation(tag) { PERSIST } else { &stay };
                let place = queue_version(batch, &key_of(tag)?, "hold", stay)?;
                held.asked.push((tag.clone(), place));
            }
        }
        Ok(held)
    }

    /// Whether this is the tag of all entries of this cache. Its version does not expire, or all entries would be forgotten
    /// with it at the same moment.
    fn is_generation(&self, tag: &str) -> bool {
        self.options().generation.as_deref() == Some(tag)
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
