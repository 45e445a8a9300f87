//! Deleting what matches a pattern, a batch at a time, and everything.

use bytes::Bytes;

use super::pending::{Among, Invalidation, Walk};
use super::{Cache, Invalidated, lease};
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
    /// A [store at the edge](super::CacheOptions::edge) cannot be searched: it forgets what was found in Redis, one call for
    /// each. What Redis does not hold any more may be served from there until its time is over, as in other data centers.
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
    /// [`ErrorKind::Config`] if the cache has neither; else as for [`Cache::invalidate_tags`] or
    /// [`Cache::delete_matching`].
    pub async fn clear(&self) -> Result<Invalidated> {
        let options = self.options();
        match (&options.generation, &options.keyspace) {
            (Some(tag), _) => {
                self.forget_all_near();
                let cleared = self.invalidate_tags([tag]).await;
                self.forget_all_near();
                cleared
            }
            (None, Some(keyspace)) => self.delete_matching(&keyspace.pattern()).await,
            (None, None) => Err(Error::new(
                ErrorKind::Config,
                "nobody knows what is in this cache: set CacheOptions::generation or CacheOptions::keyspace",
            )),
        }
    }

    /// The first tier cannot be searched by pattern.
    fn forget_all_near(&self) {
        self.flights.part_all();
        if let Some(l1) = &self.shared.l1 {
            l1.clear();
        }
    }

    /// Deletes the leases of what matches, and then what matches.
    async fn unlink_all_matching(
        &self,
        pattern: &Pattern,
        progress: &mut (impl FnMut(Progress) + MaybeSend),
    ) -> Result<u64> {
        let (mut so_far, mut entries) = (Progress::default(), 0);
        for leases in [true, false] {
            let mut cursor = Cursor::default();
            loop {
                let page = self.unlink_page(pattern, leases, |_| true, &cursor).await?;
                so_far.steps += 1;
                so_far.deleted += page.found;
                entries += if leases { 0 } else { page.deleted };
                progress(so_far);
                cursor = page.next;
                if cursor.is_done() {
                    break;
                }
            }
        }
        Ok(entries)
    }

    /// Makes one step of a walk that was missed; gives where it goes on.
    pub(super) async fn walk_on(&self, walk: &Walk) -> Result<Cursor> {
        let (leases, cursor) = (walk.leases, &walk.cursor);
        let page = match &walk.among {
            Among::Pattern(pattern, _) => self.unlink_page(pattern, leases, |_| true, cursor).await,
            Among::Hashes(hashes) => {
                let every = Pattern::verbatim("*")?;
                let among = |key: &[u8]| hashes.contains(key);
                self.unlink_page(&every, leases, among, cursor).await
            }
        };
        let next = page?.next;
        if walk.ends_at(&next)
            && let Some((channel, message)) = self.announcement_of_all()
        {
            self.client.publish(channel, message).await?;
        }
        Ok(next)
    }

    /// Looks at a page of the keys that match, or of their leases, and deletes those that are among what is meant.
    async fn unlink_page(
        &self,
        pattern: &Pattern,
        leases: bool,
        among: impl Fn(&[u8]) -> bool + MaybeSend,
        cursor: &Cursor,
    ) -> Result<Page> {
        let companions = leases.then(|| pattern.companions(lease::ROLE));
        let pattern = companions.as_ref().unwrap_or(pattern);
        let options = ScanOptions::new().pattern(pattern.as_str()).count(BATCH);
        let mut page = self.client.scan::<Bytes>(cursor, &options).await?;
        page.items.retain(|key| among(key));
        let mut deleted = 0;
        for keys in page.items.chunks(BATCH as usize) {
            deleted += self.client.unlink(keys).await?;
            // No lease is held there.
            if !leases {
                let names: Vec<_> = keys.iter().map(|key| String::from_utf8_lossy(key)).collect();
                self.forget_at_edge(&names).await;
            }
        }
        Ok(Page { next: page.cursor, found: page.items.len() as u64, deleted })
    }
}

/// What a step of a walk came to.
struct Page {
    next: Cursor,
    found: u64,
    deleted: u64,
}
