use std::fmt;
use std::time::Duration;

use super::resource::Resource;
use super::{LockError, LockGuard};
use crate::Key;

/// A lock that one holder at a time has, from [`Locks::lock`](super::Locks::lock). Clones are the same lock.
///
/// It is not reentrant: a holder that acquires it again waits for itself.
///
/// ```
/// use edgecask::lock::{LockError, Locks};
/// use edgecask::{Client, Key};
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
/// # runtime.block_on(async {
/// let lock = Locks::new(Client::memory()).lock(Key::verbatim("workflow:lock:w-1")?);
/// let first = lock.try_acquire().await?;
/// assert!(matches!(lock.try_acquire().await, Err(LockError::Held { .. })));
/// first.release().await?;
/// let second = lock.acquire().await?;
/// # Ok::<(), edgecask::Error>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Lock {
    resource: Resource,
}

impl Lock {
    pub(super) fn new(resource: Resource) -> Self {
        Self { resource }
    }

    /// The lock's key.
    pub fn key(&self) -> &Key {
        &self.resource.key
    }

    /// The same lock with another [time to live](super::LockOptions::ttl).
    #[must_use]
    pub fn ttl(self, ttl: Duration) -> Self {
        Self { resource: self.resource.with_options(|options| options.ttl(ttl)) }
    }

    /// Takes the lock if it is free and no caller waits for it. One command; one more if its answer is lost.
    ///
    /// # Errors
    /// [`LockError::Held`], [`LockError::Redis`]. After an error the lock counts as not held; if the server took it
    /// nevertheless, it is released in the background.
    pub async fn try_acquire(&self) -> Result<LockGuard, LockError> {
        self.resource.try_acquire().await
    }

    /// Takes the lock as soon as it is free and all earlier waiters have had it, within
    /// [`LockOptions::wait`](super::LockOptions::wait).
    ///
    /// One command if it is free. A waiter asks about four times in
    /// [`LockOptions::waiter_ttl`](super::LockOptions::waiter_ttl), at most once a second where it is not woken, and whenever it is
    /// woken. If the call is dropped, it leaves the queue in the background.
    ///
    /// # Errors
    /// [`LockError::TimedOut`], [`LockError::TooManyWaiters`], and [`LockError::Redis`] if Redis is away at the first request, or
    /// still at the end of the wait.
    pub async fn acquire(&self) -> Result<LockGuard, LockError> {
        self.resource.acquire_within(self.resource.options.wait).await
    }

    /// As [`Lock::acquire`], but waits at most `longest`.
    ///
    /// # Errors
    /// As for [`Lock::acquire`].
    pub async fn acquire_within(&self, longest: Duration) -> Result<LockGuard, LockError> {
        self.resource.acquire_within(longest).await
    }

    /// Whether the lock is held at this moment. One command.
    ///
    /// # Errors
    /// [`LockError::Redis`].
    pub async fn is_locked(&self) -> Result<bool, LockError> {
        use crate::command::keys::KeyCommands;
        Ok(self.resource.shared.client.exists([&self.resource.key]).await? > 0)
    }
}

impl fmt::Debug for Lock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Lock").field(&self.resource.key.as_str()).finish()
    }
}
