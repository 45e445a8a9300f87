use crate::cache::{Cache, Tier};

impl Cache {
    /// How the cache behaves when Redis is away.
    pub fn tier(&self) -> Tier {
        self.core.outage.tier()
    }

    /// How many invalidations are still owed to Redis: keys, tags and patterns that were invalidated while it was away.
    /// While it is not 0, this cache serves nothing from Redis, but other processes may.
    ///
    /// Call [`Cache::catch_up`] at the end of a request to try once more.
    pub fn owed(&self) -> u64 {
        self.core.backlog.len()
    }

    /// Carries out the invalidations that are [owed](Cache::owed) to Redis; returns whether nothing is left. It costs
    /// nothing if nothing is owed. Otherwise it costs one round trip, and more if that succeeds: one for each 500 keys or
    /// tags; patterns, and keys beyond 10 000, cost those of [`Cache::delete_matching`]. In a Worker it makes at most 20
    /// round trips, and the next request continues.
    ///
    /// A read that has to ask Redis, and a write that succeeded, make the first four of these round trips themselves, and
    /// leave the rest to the background. A value that is set after an outage stays, and so does one that is stored by a
    /// [`StoreGuard`](crate::cache::StoreGuard) that was taken after it. There are two exceptions, in which the value may
    /// be deleted once: a pattern is owed that matches its key, or its key is among more than 10 000 that are owed.
    pub async fn catch_up(&self) -> bool {
        self.core.backlog.drain_all().await
    }
}
