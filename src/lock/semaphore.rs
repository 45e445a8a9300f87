use std::fmt;
use std::time::Duration;

use super::resource::Resource;
use super::{LockError, LockGuard};

/// A number of permits, each of which one holder has, from [`Locks::semaphore`](super::Locks::semaphore).
///
/// A permit is held as a lock is: renewed, lost and released by itself, with a fencing token of its own. The permit of a holder
/// that died is free after its time to live. Costs and errors are those of [`Lock`](super::Lock).
///
/// ```
/// use edgecask::lock::Locks;
/// use edgecask::{Client, Key};
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
/// # runtime.block_on(async {
/// let semaphore = Locks::new(Client::memory()).semaphore(Key::verbatim("permits:provider:openai")?, 2);
/// let (first, second) = (semaphore.acquire().await?, semaphore.acquire().await?);
/// assert!(semaphore.try_acquire().await.is_err());
/// first.release().await?;
/// let third = semaphore.try_acquire().await?;
/// assert!(third.fence() > second.fence());
/// # Ok::<(), edgecask::Error>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Semaphore {
    resource: Resource,
}

impl Semaphore {
    pub(super) fn new(resource: Resource) -> Self {
        Self { resource }
    }

    /// Takes a permit if one is free and no caller waits for it.
    ///
    /// # Errors
    /// As for [`Lock::try_acquire`](super::Lock::try_acquire).
    pub async fn try_acquire(&self) -> Result<LockGuard, LockError> {
        self.resource.try_acquire().await
    }

    /// Takes a permit as soon as one is free and all earlier waiters have had one.
    ///
    /// # Errors
    /// As for [`Lock::acquire`](super::Lock::acquire).
    pub async fn acquire(&self) -> Result<LockGuard, LockError> {
        self.resource.acquire_within(self.resource.options.wait).await
    }

    /// As [`Semaphore::acquire`], but waits at most `longest`.
    ///
    /// # Errors
    /// As for [`Lock::acquire`](super::Lock::acquire).
    pub async fn acquire_within(&self, longest: Duration) -> Result<LockGuard, LockError> {
        self.resource.acquire_within(longest).await
    }
}

impl fmt::Debug for Semaphore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Semaphore").field(&self.resource.key.as_str()).finish()
    }
}
