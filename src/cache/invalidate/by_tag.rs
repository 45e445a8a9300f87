use std::time::Duration;

use super::Invalidated;
use crate::Result;
use crate::cache::Cache;
use crate::cache::entry::tag_keys;
use crate::cache::outage::Invalidation;
use crate::platform;

/// A purge that takes longer is given up.
const LIMIT: Duration = Duration::from_secs(10);

impl Cache {
    /// Invalidates every entry that has one of these tags, however many there are. Values that are being loaded are not
    /// served afterwards. One script a tag, and a PUBLISH where there is a bus, in one round trip; then the
    /// [purge](crate::cache::CacheOptions::purge) of a cache in front, if there is one.
    ///
    /// Tags are shared by the whole database: a tag invalidates the entries of every cache that uses its name.
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
    /// [`Tier::Critical`](crate::cache::Tier::Critical). In the others, an invalidation that failed is
    /// [owed](Invalidated::is_owed). The call fails only if more than 10 000 tags would be owed.
    pub async fn invalidate_tags(
        &self,
        tags: impl IntoIterator<Item = impl Into<String>>,
    ) -> Result<Invalidated> {
        let tags: Vec<String> = tags.into_iter().map(Into::into).collect();
        if tags.is_empty() {
            return Ok(Invalidated::default());
        }
        // An invalid tag is an error, whether Redis answers or not.
        tag_keys(&tags)?;
        self.forget_tags(&tags);
        let renewed = self.core.invalidator.renew_tags(&tags).await;
        // Again, because a read may have stored an older value in between.
        self.forget_tags(&tags);
        self.core.counters.invalidated_tags(tags.len());
        let deferred = || Invalidation::Tags(tags.clone());
        let finished = self.finish_invalidation(renewed.map(|()| 0), deferred).await;
        // The cache in front reads through this one, so it is purged last. It is purged after an error too.
        self.purge(&tags).await;
        finished
    }

    /// Purges the cache in front, if there is one. A failure is logged, and the caller gets no error.
    async fn purge(&self, tags: &[String]) {
        let Some(purge) = &self.options().purge else { return };
        match platform::timeout(LIMIT, purge.purge(tags)).await {
            Some(Ok(())) => {}
            Some(Err(error)) => {
                self.core.counters.failed();
                tracing::error!(%error, "tags could not be purged from the cache in front");
            }
            None => {
                self.core.counters.failed();
                tracing::error!("a purge of the cache in front took too long");
            }
        }
    }

    fn forget_tags(&self, tags: &[String]) {
        // The tags of loads that are under way are not known, so all of them are ended.
        self.scope.single_flight.forget_all();
        self.core.invalidator.forget_tags(tags);
    }
}
