use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{Record, Store};
use crate::BoxError;

/// A store in this process's memory. For tests and development, and as the backing store when there is no other.
///
/// ```
/// use edgecask::store::{LlmPolicy, MemoryStore};
///
/// let policies = MemoryStore::from_records([LlmPolicy::new("acme"), LlmPolicy::new("globex")]);
/// assert_eq!(policies.len(), 2);
/// ```
pub struct MemoryStore<R: Record> {
    records: Mutex<HashMap<R::Id, R>>,
}

impl<R: Record> MemoryStore<R> {
    /// An empty store.
    pub fn new() -> Self {
        Self::from_records([])
    }

    /// A store that holds these records. Of two records with the same id, the later one stays.
    pub fn from_records(records: impl IntoIterator<Item = R>) -> Self {
        let records = records.into_iter().map(|record| (record.id(), record)).collect();
        Self { records: Mutex::new(records) }
    }

    /// How many records it holds.
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<R::Id, R>> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<R: Record> Default for MemoryStore<R> {
    fn default() -> Self {
        Self::new()
    }
}

impl<R: Record> fmt::Debug for MemoryStore<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore").field("len", &self.len()).finish()
    }
}

impl<R: Record> Store<R> for MemoryStore<R> {
    async fn get(&self, id: &R::Id) -> Result<Option<R>, BoxError> {
        Ok(self.lock().get(id).cloned())
    }

    async fn set(&self, record: &R) -> Result<(), BoxError> {
        self.lock().insert(record.id(), record.clone());
        Ok(())
    }

    async fn delete(&self, id: &R::Id) -> Result<bool, BoxError> {
        Ok(self.lock().remove(id).is_some())
    }
}
