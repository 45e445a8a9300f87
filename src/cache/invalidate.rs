//! Deleting what matches a pattern, a batch at a time, and everything.

use bytes::Bytes;

use super::pending::{Hashes, Invalidation};
use super::{Cache, Invalidated, lease, tags};
use crate::command::keys::{Cursor, KeyCommands, ScanOptions};
use crate::command::pubsub::PubSubCommands;
use crate::platform::MaybeSend;
use crate::{Error, ErrorKind, Pattern, Result};

/// How many keys a step looks at, and at most unlinks: enough to make few round trips, too few to hold up a server.
const BATCH: u64 = 500;

/// How far [`Cache::delete_matching_with`] has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Progress {
    /// How many steps of the two walks through the keys were made.
    pub steps: u64,
    /// How many entries and leases were deleted.
    pub deleted: u64,
}

impl Cache {
    /// Deletes every entry that matches a pattern, and keeps loads that are under way from putting it back; tells how
    /// many were there.
    ///
    /// It walks through all keys of the database twice by SCAN, 500 at a time, and unlinks what it finds: the cost
    /// grows with the database, not with the matches. It never uses KEYS. Tags cost one command instead:
    /// [`Cache::invalidate_tags`].
    ///
    /// ```
    /// use edgecask::{Client, Keyspace, cache::{Cache, Ttl}};
    ///
    /// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    /// # runtime.block_on(async {
    /// let cache = Cache::new(Client::memory());
    /// let conversations = Keyspace::new(["user-conversations", "123"])?;
    /// cache.set(&conversations.key(["a"])?, &1, Ttl::seconds(60)).await?;
    /// assert_eq!(cache.delete_matching(&conversations.pattern()).await?.count(), 1);
    /// # Ok::<(), edgecask::Error>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// The client's in the tier [`Tier::Critical`](super::Tier::Critical); what was deleted before stays deleted. In the
    /// others, what could not be deleted is once Redis is back.
    pub async fn delete_matching(&self, pattern: &Pattern) -> Result<Invalidated> {
        self.delete_matching_with(pattern, |_| {}).await
    }

    /// As [`Cache::delete_matching`]; `progress` is told after each step.
    ///
    /// # Errors
    /// As for [`Cache::delete_matching`].
    pub async fn delete_matching_with(
        &self,
        pattern: &Pattern,
        mut progress: impl FnMut(Progress) + MaybeSend,
    ) -> Result<Invalidated> {
        self.forget_all_near();
        let count = async {
            let count = self.unlink_all_matching(pattern, &mut progress).await?;
            if let Some((channel, message)) = self.announcement_of_all() {
                self.client.publish(channel, message).await?;
            }
            Ok(count)
        };
        let count = count.await;
        // Again, for what was read meanwhile.
        self.forget_all_near();
        let count = self.invalidated(count, || Invalidation::Matching(pattern.clone()))?;
        self.shared.counters.deleted(count.unwrap_or(0));
        if count.is_some() {
            self.caught_up().await;
        }
        Ok(Invalidated::of(count))
    }

    /// Invalidates every entry of this cache: by its [generation](super::CacheOptions::generation), one command; else by
    /// deleting what is in its [keyspace](super::CacheOptions::keyspace), as [`Cache::delete_matching`] does.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] if the cache has neither; else as for [`Cache::delete_matching`].
    pub async fn clear(&self) -> Result<Invalidated> {
        self.forget_all_near();
        let cleared = self.clear_all().await;
        self.forget_all_near();
        let cleared = self.invalidated(cleared, || Invalidation::All)?;
        if cleared.is_some() {
            self.caught_up().await;
        }
        Ok(Invalidated::of(cleared.map(|()| 0)))
    }

    pub(super) async fn clear_all(&self) -> Result<()> {
        let options = self.options();
        if let Some(tag) = &options.generation {
            let names = std::slice::from_ref(tag);
            return self.renew_tags(names, tags::keys_of(names)?).await;
        }
        let Some(keyspace) = &options.keyspace else {
            return Err(Error::new(
                ErrorKind::Config,
                "nobody knows what is in this cache: set CacheOptions::generation or CacheOptions::keyspace",
            ));
        };
        let count = self.unlink_all_matching(&keyspace.pattern(), &mut |_| {}).await?;
        self.shared.counters.deleted(count);
        if let Some((channel, message)) = self.announcement_of_all() {
            self.client.publish(channel, message).await?;
        }
        Ok(())
    }

    /// The first tier cannot be searched by pattern.
    fn forget_all_near(&self) {
        self.flights.part_all();
        if let Some(l1) = &self.shared.l1 {
            l1.clear();
        }
    }

    /// Deletes the leases of what matches, and then what matches.
    pub(super) async fn unlink_all_matching(
        &self,
        pattern: &Pattern,
        progress: &mut (impl FnMut(Progress) + MaybeSend),
    ) -> Result<u64> {
        let mut so_far = Progress::default();
        let leases = pattern.companions(lease::ROLE);
        self.unlink_matching(&leases, |_| true, &mut so_far, progress).await?;
        self.unlink_matching(pattern, |_| true, &mut so_far, progress).await
    }

    /// Deletes the leases and then the entries of which only the hashes are known: two walks through all keys.
    pub(super) async fn unlink_hashed(&self, hashes: &Hashes) -> Result<()> {
        let (every, mut so_far) = (Pattern::verbatim("*")?, Progress::default());
        let leases = every.companions(lease::ROLE);
        for pattern in [leases, every] {
            let among = |key: &[u8]| hashes.contains(key);
            self.unlink_matching(&pattern, among, &mut so_far, &mut |_| {}).await?;
        }
        Ok(())
    }

    async fn unlink_matching(
        &self,
        pattern: &Pattern,
        among: impl Fn(&[u8]) -> bool + MaybeSend,
        so_far: &mut Progress,
        progress: &mut (impl FnMut(Progress) + MaybeSend),
    ) -> Result<u64> {
        let options = ScanOptions::new().pattern(pattern.as_str()).count(BATCH);
        let (mut cursor, mut count) = (Cursor::default(), 0);
        loop {
            let mut page = self.client.scan::<Bytes>(&cursor, &options).await?;
            page.items.retain(|key| among(key));
            for keys in page.items.chunks(BATCH as usize) {
                count += self.client.unlink(keys).await?;
                let names: Vec<_> = keys.iter().map(|key| String::from_utf8_lossy(key)).collect();
                self.forget_at_edge(&names).await;
            }
            so_far.steps += 1;
            so_far.deleted += page.items.len() as u64;
            progress(*so_far);
            cursor = page.cursor;
            if cursor.is_done() {
                return Ok(count);
            }
        }
    }
}
