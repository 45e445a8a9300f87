use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::{Either, select};

use super::LockError;
use super::resource::Shared;
use super::scripts::{COUNT_DOWN, SET_LATCH};
use crate::client::{Subscriber, repeat_if_lost};
use crate::command::hashes::HashCommands;
use crate::command::millis_arg;
use crate::platform;
use crate::{Key, Result};

/// The pause between two looks of a waiter.
const POLL: Duration = Duration::from_secs(1);

/// A latch that opens after a number of count-downs, from [`Locks::latch`](super::Locks::latch). It does not close again before it
/// expires. The key is a hash with the number of count-downs that are `left`, and a field for each part that was counted: all of
/// it is lost together, and then no waiter goes on.
///
/// ```
/// use std::time::Duration;
///
/// use edgecask::lock::Locks;
/// use edgecask::{Client, Key};
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
/// # runtime.block_on(async {
/// let latch = Locks::new(Client::memory()).latch(Key::verbatim("latch:import:7")?);
/// latch.set(2, Duration::from_secs(600)).await?;
/// assert_eq!(latch.count_down("part 1").await?, 1);
/// assert_eq!(latch.count_down("part 1").await?, 1, "it counts a part once");
/// assert_eq!(latch.count_down("part 2").await?, 0);
/// latch.wait(Duration::from_secs(30)).await?;
/// # Ok::<(), edgecask::Error>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Latch {
    shared: Arc<Shared>,
    key: Key,
}

impl Latch {
    pub(super) fn new(shared: Arc<Shared>, key: Key) -> Self {
        Self { shared, key }
    }

    /// Sets the latch for `count` count-downs, if it is not set yet; returns whether this call set it. It expires after `ttl`, open or not.
    /// One script.
    ///
    /// # Errors
    /// [`LockError::Redis`].
    pub async fn set(&self, count: u32, ttl: Duration) -> Result<bool, LockError> {
        let args = [count.to_string(), millis_arg(ttl)];
        Ok(self.shared.client.run_script(&SET_LATCH, [&self.key], args).await?)
    }

    /// Counts down by one for this part of the work, and returns how many count-downs are left. The same part counts once, so
    /// the call may be repeated. One command; one more if its answer is lost.
    ///
    /// # Errors
    /// [`LockError::NotSet`], [`LockError::Redis`].
    pub async fn count_down(&self, part: &str) -> Result<u64, LockError> {
        let left = repeat_if_lost(|| self.count(part)).await?;
        u64::try_from(left).map_err(|_| self.not_set())
    }

    async fn count(&self, part: &str) -> Result<i64> {
        self.shared.client.run_script(&COUNT_DOWN, [&self.key], [part, &self.channel()]).await
    }

    /// How many count-downs are left; `None` if the latch is not set. One command.
    ///
    /// # Errors
    /// [`LockError::Redis`].
    pub async fn left(&self) -> Result<Option<u64>, LockError> {
        Ok(self.shared.client.hget(&self.key, "left").await?)
    }

    /// Waits until the latch is open. One command, and one a second while it waits; where the transport has subscriptions, one
    /// subscription wakes it besides.
    ///
    /// # Errors
    /// [`LockError::TimedOut`]. [`LockError::NotSet`] if there is no such latch, or not any more: it fails closed. [`LockError::Redis`].
    pub async fn wait(&self, longest: Duration) -> Result<(), LockError> {
        let timed_out = || LockError::TimedOut { key: self.key.clone(), within: longest };
        platform::timeout(longest, self.opened()).await.unwrap_or_else(|| Err(timed_out()))
    }

    async fn opened(&self) -> Result<(), LockError> {
        if self.is_open().await? {
            return Ok(());
        }
        let client = &self.shared.client;
        let mut messages = match client.capabilities().subscriptions {
            true => client.subscribe([self.channel()]).await.ok(),
            false => None,
        };
        loop {
            match self.is_open().await {
                Ok(true) => return Ok(()),
                Ok(false) => {}
                // Redis may be back in time.
                Err(LockError::Redis(error)) if error.is_transient() => {}
                Err(error) => return Err(error),
            }
            let pause = POLL.mul_f64(1.0 + 0.3 * platform::random_fraction());
            told_or(&mut messages, pause).await;
        }
    }

    async fn is_open(&self) -> Result<bool, LockError> {
        Ok(self.left().await?.ok_or_else(|| self.not_set())? == 0)
    }

    /// A [`KeyPrefix`](crate::layer::KeyPrefix) does not change channels. Where two tenants have latches of one name, each is woken
    /// by both, and looks at its own key.
    fn channel(&self) -> String {
        format!("edgecask:latch:{}", self.key)
    }

    fn not_set(&self) -> LockError {
        LockError::NotSet { key: self.key.clone() }
    }
}

/// Waits for a message, or for this time.
async fn told_or(messages: &mut Option<Subscriber>, pause: Duration) {
    let Some(events) = messages else { return platform::sleep(pause).await };
    let over = match select(events.next(), platform::sleep(pause)).await {
        Either::Left((event, _)) => !matches!(event, Some(Ok(_))),
        Either::Right(_) => false,
    };
    if over {
        *messages = None;
    }
}

impl fmt::Debug for Latch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Latch").field(&self.key.as_str()).finish()
    }
}
