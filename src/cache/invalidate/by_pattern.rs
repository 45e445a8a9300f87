use super::{Invalidated, Progress};
use crate::cache::Cache;
use crate::cache::outage::Invalidation;
use crate::platform::MaybeSend;
use crate::{Error, ErrorKind, Pattern, Result};

impl Cache {
    /// Deletes every entry that matches a pattern, so that loads that are under way cannot store older values; returns how
    /// many entries were deleted.
    ///
    /// It scans all keys of the database twice by SCAN, 500 at a time, and unlinks those that match. The cost grows with
    /// the size of the database, not with the number of matches. It never uses KEYS. Tags cost one command instead:
    /// [`Cache::invalidate_tags`].
    ///
    /// A [store at the edge](crate::cache::CacheOptions::edge) cannot be searched. The entries that were found in Redis are
    /// deleted there, with one call for each. Entries that Redis no longer holds may be served from there until they
    /// expire, and so may all entries in other data centers.
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
    /// The client's in the tier [`Tier::Critical`](crate::cache::Tier::Critical). Entries that were deleted before stay
    /// deleted. In the other tiers, the rest is deleted once Redis is back.
    pub async fn delete_matching(&self, pattern: &Pattern) -> Result<Invalidated> {
        self.delete_matching_with(pattern, |_| {}).await
    }

    /// As [`Cache::delete_matching`]; `progress` is called after each step.
    ///
    /// # Errors
    /// As for [`Cache::delete_matching`].
    pub async fn delete_matching_with(
        &self,
        pattern: &Pattern,
        mut progress: impl FnMut(Progress) + MaybeSend,
    ) -> Result<Invalidated> {
        self.forget_all();
        let count = self.core.invalidator.delete_matching(pattern, &mut progress).await;
        // Again, because a read may have stored an older value in between.
        self.forget_all();
        self.finish_invalidation(count, || Invalidation::Matching(pattern.clone())).await
    }

    /// Invalidates every entry of this cache. If it has a [generation](crate::cache::CacheOptions::generation), this is one
    /// command. Otherwise it deletes its [keyspace](crate::cache::CacheOptions::keyspace), as [`Cache::delete_matching`]
    /// does.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] if the cache has neither; else as for [`Cache::invalidate_tags`] or
    /// [`Cache::delete_matching`].
    pub async fn clear(&self) -> Result<Invalidated> {
        let options = self.options();
        match (&options.generation, &options.keyspace) {
            (Some(tag), _) => {
                self.forget_all();
                let cleared = self.invalidate_tags([tag]).await;
                self.forget_all();
                cleared
            }
            (None, Some(keyspace)) => self.delete_matching(&keyspace.pattern()).await,
            (None, None) => Err(Error::new(
                ErrorKind::Config,
                "a cache is cleared by its generation or its keyspace: set CacheOptions::generation or CacheOptions::keyspace",
            )),
        }
    }

    /// Drops all copies in this process, because its memory cannot be searched by pattern.
    fn forget_all(&self) {
        self.scope.single_flight.forget_all();
        self.core.invalidator.forget_all();
    }
}
