use super::Invalidated;
use crate::cache::Cache;
use crate::cache::outage::{Invalidation, Operation};
use crate::{Key, Result};

impl Cache {
    /// Deletes an entry, and keeps loads that are under way from putting it back; tells how many there were: 1 or 0. Two
    /// UNLINKs in one round trip, and a PUBLISH where there is a bus.
    ///
    /// # Errors
    /// The client's in the tier [`Tier::Critical`](crate::cache::Tier::Critical). In the others, what could not be deleted is
    /// [owed](Invalidated::is_owed): it is deleted once Redis is back, and this cache does not serve it until then. Only when
    /// some hundred thousand keys are owed does the call fail, and keep nothing.
    pub async fn delete(&self, key: &Key) -> Result<Invalidated> {
        self.delete_many(std::slice::from_ref(key)).await
    }

    /// Deletes entries; gives how many there were. Two UNLINKs in one round trip, and a PUBLISH where there is a bus.
    ///
    /// # Errors
    /// As for [`Cache::delete`].
    pub async fn delete_many(&self, keys: &[Key]) -> Result<Invalidated> {
        if keys.is_empty() {
            return Ok(Invalidated::default());
        }
        self.forget(keys);
        let deleted = self.core.invalidator.delete(keys).await;
        // Again, for what was read meanwhile.
        self.forget(keys);
        self.finish_invalidation(deleted, || Invalidation::Keys(keys.to_vec())).await
    }

    /// Deletes an entry. A failure is the caller's to know in every tier; this cache does not serve the entry until it is
    /// deleted.
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

    /// Forgets in this process what is about to change, or has changed.
    pub(in crate::cache) fn forget(&self, keys: &[Key]) {
        keys.iter().for_each(|key| self.scope.single_flight.forget(key));
        self.core.invalidator.forget(keys);
    }

    /// Counts what was deleted, or keeps what could not be until Redis is back.
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
