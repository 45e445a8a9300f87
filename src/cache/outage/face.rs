use crate::cache::{Cache, Tier};

impl Cache {
    /// What happens when Redis is away.
    pub fn tier(&self) -> Tier {
        self.core.outage.tier()
    }

    /// How many invalidations are still owed to Redis: keys, tags and patterns. While it is not 0, this cache trusts
    /// nothing that Redis holds, but other processes may serve it.
    ///
    /// At the end of a request, [`Cache::catch_up`] tries once more.
    pub fn owed(&self) -> u64 {
        self.core.backlog.len()
    }

    /// Carries out what is [owed](Cache::owed) to Redis; gives whether nothing is left. It costs nothing if nothing is owed;
    /// else one round trip, or more if it succeeds: one for each 500 keys or tags, and for patterns and more than 10 000 keys
    /// those of [`Cache::delete_matching`]. In a Worker it makes 20 at the most, and the next request goes on.
    ///
    /// A read that has to ask Redis and a write that succeeded make the first four of those round trips on their own, and
    /// leave the others to the background. What is set after an outage stays, and so does what is stored by a
    /// [`StoreGuard`](crate::cache::StoreGuard) that was taken after it, unless a pattern is owed that matches its key, or more
    /// than 10 000 keys are and its key is among them: then it may be deleted once.
    pub async fn catch_up(&self) -> bool {
        self.core.backlog.drain_all().await
    }
}
