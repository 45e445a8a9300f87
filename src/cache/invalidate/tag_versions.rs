//! The versions of tags. One script for each tag invalidates any number of entries.
//!
//! The key `edgecask:tag:{tag}` holds the tag's version. An entry holds the versions that its tags had before it was
//! loaded, and is valid as long as they are the current ones. Invalidating a tag gives it a new version. The server makes
//! it from its clock and a random number, so no version is ever used twice: neither by a command that arrives late or
//! twice, nor after Redis has evicted the key or let it expire. Losing a version is therefore safe.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::cache::entry::{Entry, EntryOptions, Ttl, tag_key, tag_keys};
use crate::cache::invalidate::scripts::TAG_VERSION;
use crate::cache::outage::{Operation, Outage};
use crate::cache::token::random_text;
use crate::client::{Client, ScriptBatch, ScriptReplies};
use crate::command::Command;
use crate::command::strings::StringCommands;
use crate::{Key, Result};

/// How long a version is kept, unless an entry needs it for longer.
const KEPT: Duration = Duration::from_secs(30 * 24 * 3600);

/// The argument that makes a version persistent.
const PERSIST: &str = "persist";

/// Entries that Redis keeps for longer extend the time to live of their tags' versions.
const LONG: Duration = Duration::from_secs(24 * 3600);

/// The versions of tags; `None` for a tag that has none.
pub(crate) type Versions = BTreeMap<String, Option<String>>;

fn queue_version(batch: &mut ScriptBatch, key: &Key, how: &str, stay: &str) -> Result<usize> {
    let (random, kept) = (random_text()?, KEPT.as_secs().to_string());
    Ok(batch.script(&TAG_VERSION, [key], [&random, &kept, how, stay]))
}

/// The versions that an entry will hold. Some are known; the others are queued in a batch.
pub(crate) struct EntryVersions {
    known: BTreeMap<String, String>,
    queued: Vec<(String, usize)>,
}

impl EntryVersions {
    pub(crate) fn resolve(self, replies: &mut ScriptReplies) -> Result<BTreeMap<String, String>> {
        let mut held = self.known;
        for (tag, place) in self.queued {
            let version = replies.take(place)?;
            // The version that was known before is the older one, and the load may have begun in between: the older one
            // counts.
            held.entry(tag).or_insert(version);
        }
        Ok(held)
    }
}

/// Reads, renews and compares the versions of tags.
#[derive(Debug, Clone)]
pub(crate) struct TagVersions {
    client: Client,
    outage: Arc<Outage>,
    /// The tag of all entries of the cache. Its version is persistent, because all entries become invalid when it is lost.
    generation: Option<String>,
}

impl TagVersions {
    pub(crate) fn new(client: Client, outage: Arc<Outage>, generation: Option<String>) -> Self {
        Self { client, outage, generation }
    }

    /// The tag of all entries of the cache.
    pub(crate) fn generation(&self) -> Option<&String> {
        self.generation.as_ref()
    }

    fn is_generation(&self, tag: &str) -> bool {
        self.generation.as_deref() == Some(tag)
    }

    /// All tags of an entry: its own and the cache's generation.
    pub(crate) fn tags_of(&self, options: &EntryOptions) -> Vec<String> {
        let mut tags = options.tags.clone();
        tags.extend(self.generation.clone());
        tags.sort_unstable();
        tags.dedup();
        tags
    }

    /// Queues new versions of tags; returns the places of the replies.
    pub(super) fn queue_renew(
        &self,
        batch: &mut ScriptBatch,
        tags: &[String],
    ) -> Result<Vec<usize>> {
        let queue = |(tag, key): (&String, Key)| {
            let stay = if self.is_generation(tag) { PERSIST } else { "0" };
            queue_version(batch, &key, "renew", stay)
        };
        tags.iter().zip(tag_keys(tags)?).map(queue).collect()
    }

    /// The current versions of tags. One MGET.
    pub(crate) async fn current(&self, tags: &[String]) -> Result<Versions> {
        if tags.is_empty() {
            return Ok(Versions::new());
        }
        let versions: Vec<Option<String>> = self.client.mget(tag_keys(tags)?).await?;
        Ok(tags.iter().cloned().zip(versions).collect())
    }

    /// Adds the current versions of the tags that are not in `versions` yet. One MGET, or nothing if all are.
    pub(crate) async fn add_missing(
        &self,
        tags: impl IntoIterator<Item = &String>,
        versions: &mut Versions,
    ) -> Result<()> {
        let unknown = tags.into_iter().filter(|tag| !versions.contains_key(*tag)).cloned();
        let mut unknown: Vec<String> = unknown.collect();
        if unknown.is_empty() {
            return Ok(());
        }
        unknown.sort_unstable();
        unknown.dedup();
        let read = self.current(&unknown).await;
        versions.extend(self.outage.record(Operation::Read, read)?);
        Ok(())
    }

    /// Queues what gives the versions for an entry that Redis keeps for `kept`. Known versions cost nothing. The others cost
    /// a script each.
    pub(crate) fn queue_versions_for(
        &self,
        batch: &mut ScriptBatch,
        tags: &[String],
        known: &Versions,
        kept: Ttl,
    ) -> Result<EntryVersions> {
        let version = |tag: &String| Some((tag.clone(), known.get(tag)?.as_ref()?.clone()));
        let mut hold =
            EntryVersions { known: tags.iter().filter_map(version).collect(), queued: Vec::new() };
        let stay = match kept.duration() {
            None => PERSIST.to_owned(),
            Some(kept) if kept > LONG => {
                kept.max(KEPT).as_secs().min(i64::MAX as u64 / 2000).to_string()
            }
            Some(_) => "0".to_owned(),
        };
        for tag in tags {
            if stay != "0" || !hold.known.contains_key(tag) {
                let stay = if self.is_generation(tag) { PERSIST } else { &stay };
                let place = queue_version(batch, &tag_key(tag)?, "hold", stay)?;
                hold.queued.push((tag.clone(), place));
            }
        }
        Ok(hold)
    }

    /// Whether the versions that an entry holds are the current ones, and the cache's generation is among them.
    pub(crate) fn are_current(&self, entry: &Entry, versions: &Versions) -> bool {
        let is_of_generation = |tag: &String| entry.tags.contains_key(tag);
        self.generation.as_ref().is_none_or(is_of_generation) && all_current(&entry.tags, versions)
    }

    /// Queues an MGET of the current versions of tags; returns the place of the reply.
    pub(crate) fn queue_current(
        &self,
        batch: &mut ScriptBatch,
        tags: &BTreeMap<String, String>,
    ) -> Result<usize> {
        let names: Vec<String> = tags.keys().cloned().collect();
        Ok(batch.command(Command::new("MGET").args_from(tag_keys(&names)?)))
    }

    /// Whether tags still have these versions, by the reply of [`TagVersions::queue_current`].
    pub(crate) fn are_still_current(
        &self,
        tags: &BTreeMap<String, String>,
        reply: Result<Vec<Option<String>>>,
    ) -> bool {
        let now = self.outage.record(Operation::Read, reply);
        now.is_ok_and(|now| all_current(tags, &tags.keys().cloned().zip(now).collect()))
    }
}

fn all_current(tags: &BTreeMap<String, String>, now: &Versions) -> bool {
    tags.iter().all(|(tag, version)| now.get(tag).is_some_and(|now| now.as_ref() == Some(version)))
}
