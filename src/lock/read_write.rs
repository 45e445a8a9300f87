use std::fmt;
use std::time::Duration;

use super::resource::{Holders, Resource};
use super::{LockError, LockGuard};

/// A lock that one writer or any number of readers have, from [`Locks::read_write`](super::Locks::read_write).
///
/// The queue is one for both: a reader that comes after a waiting writer waits behind it, so neither side starves. Costs and
/// errors are those of [`Lock`](super::Lock). Readers too have a fencing token of their own.
///
/// ```
/// use edgecask::lock::Locks;
/// use edgecask::{Client, Key};
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
/// # runtime.block_on(async {
/// let lock = Locks::new(Client::memory()).read_write(Key::verbatim("lock:campaign:c-1")?);
/// let readers = (lock.read().await?, lock.read().await?);
/// assert!(lock.try_write().await.is_err());
/// drop(readers);
/// let writer = lock.write().await?;
/// assert!(lock.try_read().await.is_err());
/// # Ok::<(), edgecask::Error>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct ReadWriteLock {
    readers: Resource,
    writer: Resource,
}

impl ReadWriteLock {
    pub(super) fn new(resource: &Resource) -> Self {
        Self {
            readers: resource.for_holders(Holders::Any),
            writer: resource.for_holders(Holders::One),
        }
    }

    /// Takes the lock as a reader, together with other readers.
    ///
    /// # Errors
    /// As for [`Lock::acquire`](super::Lock::acquire).
    pub async fn read(&self) -> Result<LockGuard, LockError> {
        self.read_within(self.readers.options.wait).await
    }

    /// As [`ReadWriteLock::read`], but waits at most `longest`.
    ///
    /// # Errors
    /// As for [`Lock::acquire`](super::Lock::acquire).
    pub async fn read_within(&self, longest: Duration) -> Result<LockGuard, LockError> {
        self.readers.acquire_within(longest).await
    }

    /// Takes the lock as a reader if no writer has it or waits for it.
    ///
    /// # Errors
    /// As for [`Lock::try_acquire`](super::Lock::try_acquire).
    pub async fn try_read(&self) -> Result<LockGuard, LockError> {
        self.readers.try_acquire().await
    }

    /// Takes the lock alone.
    ///
    /// # Errors
    /// As for [`Lock::acquire`](super::Lock::acquire).
    pub async fn write(&self) -> Result<LockGuard, LockError> {
        self.write_within(self.writer.options.wait).await
    }

    /// As [`ReadWriteLock::write`], but waits at most `longest`.
    ///
    /// # Errors
    /// As for [`Lock::acquire`](super::Lock::acquire).
    pub async fn write_within(&self, longest: Duration) -> Result<LockGuard, LockError> {
        self.writer.acquire_within(longest).await
    }

    /// Takes the lock alone if it is free and no caller waits for it.
    ///
    /// # Errors
    /// As for [`Lock::try_acquire`](super::Lock::try_acquire).
    pub async fn try_write(&self) -> Result<LockGuard, LockError> {
        self.writer.try_acquire().await
    }
}

impl fmt::Debug for ReadWriteLock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ReadWriteLock").field(&self.writer.key.as_str()).finish()
    }
}
