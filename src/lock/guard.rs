//! A lock that is held.

use std::fmt;
use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use async_lock::OnceCell;
use futures_util::future::{Either, select};

use super::attempt::Attempt;
use super::resource::{Counter, Resource};
use super::{LockError, Loss};
use crate::platform::{self, Instant};

/// A lock, a permit, or one side of a read-write lock that is held.
///
/// It is renewed in the background until it is released or dropped. Dropping it releases it in the background; if that fails,
/// it expires. Prefer [`release`](Self::release), which returns whether the lock was held until then.
///
/// A holder can lose its lock: Redis was away for longer than the time to live, the process stood still, the key was evicted.
/// [`lost`](Self::lost) reports it, [`while_held`](Self::while_held) stops work then. Only the check of the
/// [fencing token](Self::fence) where the work has its effect keeps a former holder from doing harm.
///
/// ```
/// use edgecask::lock::Locks;
/// use edgecask::{Client, Key};
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
/// # runtime.block_on(async {
/// let locks = Locks::new(Client::memory());
/// let guard = locks.lock(Key::verbatim("lock:billing:ada")?).acquire().await?;
/// let total = guard.while_held(async { 40 + 2 }).await?;
/// assert_eq!(total, 42);
/// assert!(guard.release().await?, "it was held until now");
/// # Ok::<(), edgecask::Error>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "dropping it releases the lock"]
pub struct LockGuard {
    held: Arc<HeldLock>,
}

struct HeldLock {
    resource: Resource,
    token: String,
    fence: u64,
    counter: Counter,
    /// When it ends even if it is renewed: the limit of `max_hold`.
    limit: Option<Instant>,
    /// The time until which it is surely held, by this process's own clock: counted from before the last request that succeeded.
    until: Mutex<Instant>,
    lost: OnceCell<Loss>,
    /// Whether the task that renews it runs.
    is_kept: AtomicBool,
}

impl LockGuard {
    pub(super) fn new(
        resource: &Resource,
        token: String,
        fence: u64,
        counter: Counter,
        sent: Instant,
    ) -> Self {
        let held = Arc::new(HeldLock {
            resource: resource.clone(),
            token,
            fence,
            counter,
            limit: resource.options.max_hold.and_then(|limit| sent.checked_add(limit)),
            until: Mutex::new(sent + resource.options.lease()),
            lost: OnceCell::new(),
            is_kept: AtomicBool::new(false),
        });
        let kept = Arc::downgrade(&held);
        platform::spawn(platform::send(|| renew_until_lost(kept)));
        Self { held }
    }

    /// The fencing token: a number that is larger than those of all earlier holders of the same lock. It is the server's clock in
    /// microseconds, or one more than the last token if that is larger. Hand it to each store that the lock protects;
    /// [`FencedStore`](super::FencedStore) and `docs/locks.md` show how a store checks it.
    pub fn fence(&self) -> u64 {
        self.held.fence
    }

    /// Whether this process noticed that the counter of fencing tokens was lost, by FLUSHALL, eviction or a restored backup. The
    /// token of this holder is larger than all that this process has seen nevertheless. It is logged as a warning.
    pub fn counter_was_lost(&self) -> bool {
        self.held.counter == Counter::Lost
    }

    /// Whether there was no counter of fencing tokens before: this is the first holder, or the counter was lost.
    pub fn is_first(&self) -> bool {
        self.held.counter != Counter::WentOn
    }

    /// Whether the lock is held, as far as this process knows: nothing says that it was lost, and its time to live, counted by
    /// this process from before the last renewal, is not over. No command is sent.
    pub fn is_held(&self) -> bool {
        !self.held.lost.is_initialized() && Instant::now() < self.held.until()
    }

    /// How long the lock is surely held without a further renewal. No command is sent.
    pub fn remaining(&self) -> Duration {
        match self.held.lost.is_initialized() {
            true => Duration::ZERO,
            false => self.held.until().saturating_duration_since(Instant::now()),
        }
    }

    /// Waits until the lock is not held any more, and tells why. The future does not hold the lock.
    pub fn lost(&self) -> impl Future<Output = Loss> + Send + use<> {
        let held = Arc::clone(&self.held);
        async move { *held.lost.wait().await }
    }

    /// Runs work as long as the lock is held. If it is lost first, the work is dropped where it stands.
    ///
    /// # Errors
    /// [`LockError::Lost`].
    pub async fn while_held<T>(&self, work: impl Future<Output = T>) -> Result<T, LockError> {
        match select(std::pin::pin!(work), std::pin::pin!(self.held.watch())).await {
            Either::Left((done, _)) => Ok(done),
            Either::Right((why, _)) => Err(self.held.error(why)),
        }
    }

    /// Renews the lock now, by its whole time to live. One command. It is done in the background anyway, unless
    /// [`LockOptions::renew`](super::LockOptions::renew) is off.
    ///
    /// # Errors
    /// [`LockError::Lost`], and [`LockError::Redis`] if Redis did not answer: then the lock stays for its old time to live.
    pub async fn renew(&self) -> Result<(), LockError> {
        self.held.check_not_lost()?;
        if !self.held.renew().await? {
            self.held.lose(Loss::Gone);
        }
        // It may have been lost while Redis answered.
        self.held.check_not_lost()
    }

    /// Releases the lock, and returns whether it was held until now: `false` means that another may have had it in the meantime.
    /// One command; one more if its answer is lost.
    ///
    /// # Errors
    /// [`LockError::Redis`]. Then it is tried once more in the background, and the lock expires otherwise.
    pub async fn release(self) -> Result<bool, LockError> {
        let held = &self.held;
        if held.lost.try_set(Loss::Released).is_err() {
            return Ok(false);
        }
        let mut attempt = Attempt::of(&held.resource, held.token.clone());
        let was_held = held.resource.end_surely(attempt.token()).await?;
        attempt.finish();
        Ok(was_held)
    }

    /// The text that is stored in Redis for this holder.
    pub fn token(&self) -> &str {
        &self.held.token
    }
}

impl Drop for LockGuard {
    fn drop(&mut self) {
        self.held.lose(Loss::Released);
    }
}

impl fmt::Debug for LockGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LockGuard")
            .field("key", &self.held.resource.key.as_str())
            .field("fence", &self.held.fence)
            .field("lost", &self.held.lost.get())
            .finish_non_exhaustive()
    }
}

impl HeldLock {
    fn until(&self) -> Instant {
        *self.until.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn error(&self, why: Loss) -> LockError {
        LockError::Lost { key: self.resource.key.clone(), why }
    }

    /// Fails if the lock was lost.
    fn check_not_lost(&self) -> Result<(), LockError> {
        self.lost.get().map_or(Ok(()), |why| Err(self.error(*why)))
    }

    /// Marks the lock as lost, unless it is, and ends its acquisition in the background.
    fn lose(&self, why: Loss) {
        if self.lost.try_set(why).is_ok() {
            if why != Loss::Released {
                tracing::warn!(key = %self.resource.key, fence = self.fence, %why, "a lock was lost");
            }
            self.resource.end_in_background(self.token.clone());
        }
    }

    /// Renews it up to its limit. One command.
    async fn renew(&self) -> Result<bool, LockError> {
        let (sent, lease) = (Instant::now(), self.resource.options.lease());
        let left = self.limit.map_or(lease, |limit| limit.saturating_duration_since(sent));
        if left.is_zero() {
            self.lose(Loss::Limit);
            return Err(self.error(Loss::Limit));
        }
        let ttl = left.min(lease);
        let held = self.resource.renew(&self.token, ttl).await?;
        if held {
            *self.until.lock().unwrap_or_else(PoisonError::into_inner) = sent + ttl;
        }
        Ok(held)
    }

    /// Waits for the loss. It renews the lock where nothing does so in the background: on WASI without a runtime, and after the
    /// runtime that did has ended.
    async fn watch(&self) -> Loss {
        // The task in the background may not have begun.
        platform::yield_now().await;
        let mut pause = self.first_pause();
        loop {
            if let Some(why) = platform::timeout(pause, self.lost.wait()).await {
                return *why;
            }
            pause = match self.is_kept.load(Ordering::Relaxed) {
                true => {
                    let left = self.until().saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        self.lose(Loss::Expired);
                    }
                    left.min(self.resource.options.lease() / 3)
                }
                false => self.step().await,
            };
        }
    }

    /// How long to wait for the first renewal, or for the end where there is none.
    fn first_pause(&self) -> Duration {
        let left = self.until().saturating_duration_since(Instant::now());
        match self.resource.options.renew {
            true => self.within_limit(left.saturating_sub(self.resource.options.lease() * 2 / 3)),
            false => self.within_limit(left),
        }
    }

    fn within_limit(&self, pause: Duration) -> Duration {
        match self.limit {
            Some(limit) => pause.min(limit.saturating_duration_since(Instant::now())),
            None => pause,
        }
    }

    /// Renews the lock, or notices its loss; returns how long to wait before the next step.
    async fn step(&self) -> Duration {
        let (now, until, ttl) = (Instant::now(), self.until(), self.resource.options.lease());
        if self.lost.is_initialized() {
            return Duration::ZERO;
        }
        if self.limit.is_some_and(|limit| limit <= now) {
            self.lose(Loss::Limit);
            return Duration::ZERO;
        }
        if until <= now {
            self.lose(Loss::Expired);
            return Duration::ZERO;
        }
        if !self.resource.options.renew {
            return self.within_limit(until - now);
        }
        // A request that hangs must not hide the end of the lock.
        match platform::timeout(until - now, platform::send(|| self.renew())).await {
            Some(Ok(true)) => self.within_limit(ttl / 3),
            Some(Ok(false)) => {
                self.lose(Loss::Gone);
                Duration::ZERO
            }
            Some(Err(_)) | None => {
                let left = self.until().saturating_duration_since(Instant::now());
                left.min((ttl / 12).max(Duration::from_millis(20)))
            }
        }
    }
}

/// The task that renews a lock. It may be dropped before its end, with its runtime.
struct RenewalTask(Weak<HeldLock>);

impl Drop for RenewalTask {
    fn drop(&mut self) {
        if let Some(held) = self.0.upgrade() {
            held.is_kept.store(false, Ordering::Relaxed);
        }
    }
}

/// Renews a lock until it is lost or its guard is gone.
async fn renew_until_lost(held: Weak<HeldLock>) {
    let task = RenewalTask(held);
    let mut pause = match task.0.upgrade() {
        Some(held) => {
            held.is_kept.store(true, Ordering::Relaxed);
            held.first_pause()
        }
        None => return,
    };
    loop {
        platform::sleep_idly(pause).await;
        let held = task.0.upgrade().filter(|held| !held.lost.is_initialized());
        let Some(held) = held else { return };
        pause = held.step().await;
    }
}
