use super::Invalidated;
use crate::cache::Cache;
use crate::cache::outage::{Invalidation, Operation};
use crate::{Key, Result};

impl Cache {
    /// Deletes an entry, so that loads that are under way cannot store an older value; returns how many entries were
    /// deleted, 1 or 0. Two UNLINKs in one round trip, and a PUBLISH where there is a bus.
    ///
    /// # Errors
    /// The client's in the tier [`Tier::Critical`](crate::cache::Tier::Critical). In the others, a deletion that failed is
    /// [owed](Invalidated::is_owed): it is repeated once Redis is back, and this cache does not serve the entry until then.
    /// The call fails, and records nothing, only if some hundred thousand keys are owed already.
    pub async fn delete(&self, key: &Key) -> Result<Invalidated> {
        self.delete_many(std::slice::from_ref(key)).await
    }

    /// Deletes entries; returns how many were deleted. Two UNLINKs in one round trip, and a PUBLISH where there is a bus.
    ///
    /// # Errors
    /// As for [`Cache::delete`].
    pub async fn delete_many(&self, keys: &[Key]) -> Result<Invalidated> {
        if keys.is_empty() {
            return Ok(Invalidated::default());
        }
        self.forget(keys);
        let deleted = self.core.invalidator.delete(keys).await;
        // Again, because a read may have stored an older value in between.
        self.forget(keys);
        self.finish_invalidation(deleted, || Invalidation::Keys(keys.to_vec())).await
    }

    /// Deletes an entry. A failure is an error in every tier. This cache does not serve the entry until it is deleted.
    pub(crate) async fn delete_or_fail(&self, key: &Key) -> Result<()> {
        let keys = std::slice::from_ref(key);
        self.forget(keys);
        let deleted = self.core.invalidator.delete(keys).await;
        self.forget(keys);
        match self.core.outage.record(Operation::Write, deleted) {
            Ok(count) => self.core.counters.deleted(count),
            Err(error) => {
                let owed = Invalidation::Keys(keys.to_vec());
                self.core.backlog.defer(owed, &self.scope.background);
                return Err(error);
            }
        }
        Ok(())
    }

    /// Drops this process's copies of entries that change.
    pub(in crate::cache) fn forget(&self, keys: &[Key]) {
        keys.iter().for_each(|key| self.scope.single_flight.forget(key));
        self.core.invalidator.forget(keys);
    }

    /// Counts a deletion, or defers it until Redis is back.
    pub(super) async fn finish_invalidation(
        &self,
        deleted: Result<u64>,
        deferred: impl FnOnce() -> Invalidation,
    ) -> Result<Invalidated> {
        let backlog = &self.core.backlog;
        let deleted = backlog.record_or_defer(deleted, deferred, &self.scope.background)?;
        self.core.counters.deleted(deleted.unwrap_or(0));
        if deleted.is_some() {
            backlog.drain(&self.scope.background).await;
        }
        Ok(Invalidated::new(deleted))
    }
}
