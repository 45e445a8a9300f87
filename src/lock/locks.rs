use std::fmt;
use std::sync::Arc;

use super::resource::{Holders, Resource, Shared};
use super::wake::Wake;
use super::{Election, Latch, Lock, LockOptions, ReadWriteLock, Semaphore};
use crate::client::Client;
use crate::layer::WithoutFallback;
use crate::platform::{self, Background, BoxFuture, MaybeSend, MaybeSync};
use crate::{Key, Result};

/// Makes locks. It holds a client, options, the subscription by which the waiters of this process are woken, and the highest
/// fencing tokens that it has seen. Clones share them. An application needs one.
///
/// A [`Fallback`](crate::layer::Fallback) of the client is never used: two servers would give the same lock to two holders.
///
/// ```
/// use std::time::Duration;
///
/// use edgecask::lock::{LockOptions, Locks};
/// use edgecask::{Client, Keyspace};
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
/// # runtime.block_on(async {
/// let options = LockOptions::new().ttl(Duration::from_secs(10)).owner("worker_node_2");
/// let locks = Locks::with_options(Client::memory(), options);
/// let guard = locks.lock(Keyspace::literal("lock:billing").key("user_789")?).acquire().await?;
/// println!("fencing token {}", guard.fence());
/// guard.release().await?;
/// # Ok::<(), edgecask::Error>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Locks {
    shared: Arc<Shared>,
    options: Arc<LockOptions>,
}

impl Locks {
    /// Locks with the default options.
    pub fn new(client: Client) -> Self {
        Self::with_options(client, LockOptions::new())
    }

    /// Locks with these options.
    pub fn with_options(client: Client, options: LockOptions) -> Self {
        let client = client.layer(WithoutFallback);
        // Without randomness no token can be made, and every acquisition fails with that error.
        let random = u64::from_le_bytes(platform::random().unwrap_or_default());
        let instance = format!("{random:016x}");
        let wake = Wake::new(client.clone(), &instance);
        let background = Background::default();
        let fences = Arc::default();
        let shared = Arc::new(Shared { client, background, wake, instance, fences });
        Self { shared, options: Arc::new(options) }
    }

    /// The same locks with other options. The subscription is shared.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use edgecask::Client;
    /// use edgecask::lock::Locks;
    ///
    /// let locks = Locks::new(Client::memory());
    /// let short = locks.configured(|options| options.ttl(Duration::from_secs(2)));
    /// ```
    #[must_use]
    pub fn configured(&self, change: impl FnOnce(LockOptions) -> LockOptions) -> Self {
        let options = Arc::new(change((*self.options).clone()));
        Self { shared: Arc::clone(&self.shared), options }
    }

    /// The same locks, whose releases in the background go to `hook`: in a Worker, the request's `wait_until`. Without it, a
    /// release in the background ends with the request, and the lock expires.
    ///
    /// ```
    /// use edgecask::Client;
    /// use edgecask::lock::Locks;
    ///
    /// let locks = Locks::new(Client::memory());
    /// // In a Worker: `let locks = locks.wait_until(move |work| context.wait_until(work));`
    /// let locks = locks.wait_until(edgecask::platform::spawn);
    /// ```
    #[must_use]
    pub fn wait_until(
        &self,
        hook: impl Fn(BoxFuture<'static, ()>) + MaybeSend + MaybeSync + 'static,
    ) -> Self {
        let Shared { client, wake, instance, fences, .. } = &*self.shared;
        let shared = Arc::new(Shared {
            client: client.clone(),
            background: Background::hook(hook),
            wake: Arc::clone(wake),
            instance: instance.clone(),
            fences: Arc::clone(fences),
        });
        Self { shared, options: Arc::clone(&self.options) }
    }

    /// A lock that one holder at a time has. The key is a string with the holder's token, as `SET key token NX PX` stores it. Programs
    /// in other languages that store their locks in this way exclude this one, and are excluded by it.
    pub fn lock(&self, key: Key) -> Lock {
        Lock::new(self.resource(key, Holders::One))
    }

    /// A lock that one writer or any number of readers have. While a writer has it, the key is that of [`Locks::lock`]; while readers
    /// have it, the key is a sorted set, which excludes `SET … NX` of other programs too.
    pub fn read_write(&self, key: Key) -> ReadWriteLock {
        ReadWriteLock::new(&self.resource(key, Holders::One))
    }

    /// A semaphore with this number of permits, at least one. All users of the key must give the same number. The key is a sorted set
    /// of tokens by the millisecond at which each permit expires.
    pub fn semaphore(&self, key: Key, permits: u32) -> Semaphore {
        Semaphore::new(self.resource(key, Holders::AtMost(permits)))
    }

    /// A latch that opens after a number of count-downs.
    pub fn latch(&self, key: Key) -> Latch {
        Latch::new(Arc::clone(&self.shared), key)
    }

    /// The election of a leader. The key is that of a [lock](Self::lock), with the name of the leader in its value.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported) if there is no source of randomness.
    pub fn election(&self, key: Key, name: impl Into<String>) -> Result<Election> {
        Election::new(&self.resource(key, Holders::One), name.into())
    }

    fn resource(&self, key: Key, holders: Holders) -> Resource {
        Resource::new(Arc::clone(&self.shared), Arc::clone(&self.options), key, holders)
    }
}

impl fmt::Debug for Locks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Locks")
            .field("client", &self.shared.client)
            .field("options", &self.options)
            .finish()
    }
}
