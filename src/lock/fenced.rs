use crate::client::Client;
use crate::command::hashes::HashCommands;
use crate::command::{Arguments, ToArg};
use crate::layer::WithoutFallback;
use crate::{FromValue, Key};

use super::LockError;
use super::scripts::FENCED_WRITE;

/// Values in Redis that only the latest holder of a lock changes: each write carries the holder's
/// [fencing token](super::LockGuard::fence), and one with a smaller token than an earlier write is refused.
///
/// The key is a hash with the fields `fence` and `value`. The two are written together, so no eviction parts them. If the whole
/// key is lost, the next write is taken whatever its token is: keep such values in a Redis that evicts nothing.
///
/// It orders holders, not the writes of one holder. After an error whose outcome is unknown, the request may still arrive, and
/// undo what the same holder writes next. A holder that writes more than once takes the lock anew after such an error: the new
/// fencing token refuses the late request.
///
/// ```
/// use edgecask::lock::{FencedStore, LockError, Locks};
/// use edgecask::{Client, Key};
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
/// # runtime.block_on(async {
/// let client = Client::memory();
/// let lock = Locks::new(client.clone()).lock(Key::verbatim("lock:billing:ada")?);
/// let (store, total) = (FencedStore::new(client), Key::verbatim("billing:ada:total")?);
///
/// let paused = lock.acquire().await?;
/// let old = paused.fence();
/// drop(paused); // As if it had stood still for longer than its time to live.
/// let guard = lock.acquire().await?;
/// store.set(&total, guard.fence(), 42).await?;
/// assert!(matches!(store.set(&total, old, 41).await, Err(LockError::Stale { .. })));
/// assert_eq!(store.get::<i64>(&total).await?, Some(42));
/// # Ok::<(), edgecask::Error>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct FencedStore {
    client: Client,
}

impl FencedStore {
    /// Values in this client's Redis. Its [`Fallback`](crate::layer::Fallback) is not used.
    pub fn new(client: Client) -> Self {
        Self { client: client.layer(WithoutFallback) }
    }

    /// Stores a value for the holder with this fencing token. One script.
    ///
    /// # Errors
    /// [`LockError::Stale`] if a later holder has written. [`LockError::Redis`]; if its outcome is unknown, the value may be
    /// stored, now or later.
    pub async fn set(&self, key: &Key, fence: u64, value: impl ToArg) -> Result<(), LockError> {
        let mut args = Arguments::new([fence]);
        args.extend(["set"]);
        args.extend([value]);
        self.write(key, args).await
    }

    /// Removes the value for the holder with this fencing token. The token stays, and earlier holders are refused as after any
    /// write. One script.
    ///
    /// # Errors
    /// As for [`FencedStore::set`].
    pub async fn remove(&self, key: &Key, fence: u64) -> Result<(), LockError> {
        self.leave(key, fence, "remove").await
    }

    /// Refuses earlier holders from now on, and does not change the value. A holder that reads a value and writes a new one from it
    /// claims the key before it reads: otherwise an earlier holder may write in between. One script.
    ///
    /// # Errors
    /// As for [`FencedStore::set`].
    pub async fn claim(&self, key: &Key, fence: u64) -> Result<(), LockError> {
        self.leave(key, fence, "claim").await
    }

    async fn leave(&self, key: &Key, fence: u64, what: &str) -> Result<(), LockError> {
        let mut args = Arguments::new([fence]);
        args.extend([what, ""]);
        self.write(key, args).await
    }

    async fn write(&self, key: &Key, args: Arguments) -> Result<(), LockError> {
        // Not sent twice: a write that arrives late must not undo a later one of the same holder.
        let newest: u64 = self.client.run_script(&FENCED_WRITE, [key], args.iter()).await?;
        match newest {
            0 => Ok(()),
            newest => Err(LockError::Stale { key: key.clone(), newest }),
        }
    }

    /// The value, whichever holder wrote it. One HGET.
    ///
    /// # Errors
    /// [`LockError::Redis`].
    pub async fn get<T: FromValue>(&self, key: &Key) -> Result<Option<T>, LockError> {
        Ok(self.client.hget(key, "value").await?)
    }

    /// The fencing token of the last write. One HGET.
    ///
    /// # Errors
    /// [`LockError::Redis`].
    pub async fn fence(&self, key: &Key) -> Result<Option<u64>, LockError> {
        Ok(self.client.hget(key, "fence").await?)
    }
}
