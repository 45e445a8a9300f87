//! A quota: a counter with a limit.

use std::fmt;
use std::time::Duration;

use super::state::{From, MOST, State};
use super::{QuotaError, Reservation, Usage};
use crate::client::Client;
use crate::layer::WithoutFallback;
use crate::platform::{self, Background, BoxFuture, MaybeSend, MaybeSync};
use crate::{Error, ErrorKind, Key, Outcome, Result};

/// A counter with a limit, part of which can be reserved. The counter's key is a plain integer.
///
/// A [`Fallback`](crate::layer::Fallback) of the client is never used: two servers would hand out the same amount twice.
///
/// ```
/// use std::time::Duration;
///
/// use edgecask::quota::Quota;
/// use edgecask::{Client, Key};
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
/// # runtime.block_on(async {
/// let key = Key::verbatim("resource:usage:llm_tokens")?;
/// let tokens = Quota::new(Client::memory(), key, 10_000)?.period(Duration::from_secs(3600));
/// // An answer of the model takes 4000 tokens at most. How many it takes is known only later.
/// let reservation = tokens.reserve(4000).await?;
/// assert_eq!(tokens.usage().await?.available(), 6000);
/// reservation.commit(450).await?;
/// assert_eq!(tokens.usage().await?.used, 450);
/// # Ok::<(), edgecask::Error>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Quota {
    state: State,
}

impl Quota {
    /// A quota with this limit, under this key. Without a [period](Self::period), its counter is never reset.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] if the limit is above 2⁵³ − 1.
    pub fn new(client: Client, key: Key, limit: u64) -> Result<Self> {
        if limit > MOST {
            return Err(too_large("the limit of a quota"));
        }
        let state = State {
            client: client.layer(WithoutFallback),
            background: Background::default(),
            reservations: key.companion("edgecask:reserved"),
            key,
            limit,
            lease: Duration::from_secs(60),
            period: None,
            from: From::First,
        };
        Ok(Self { state })
    }

    /// Resets the counter when this time has passed since its first count.
    #[must_use]
    pub fn period(self, period: Duration) -> Self {
        Self { state: State { period: Some(period), from: From::First, ..self.state } }
    }

    /// Resets the counter when nothing has been counted for this time.
    #[must_use]
    pub fn idle_period(self, period: Duration) -> Self {
        Self { state: State { period: Some(period), from: From::Last, ..self.state } }
    }

    /// How long a reservation holds its amount unless it is [renewed](Reservation::renew). 60 seconds by default.
    #[must_use]
    pub fn lease(self, lease: Duration) -> Self {
        Self { state: State { lease, ..self.state } }
    }

    /// Runs the releases of dropped reservations by this hook: in a Worker, the request's `wait_until`. Without it, such a
    /// release ends with the request, and the reservation expires.
    ///
    /// ```
    /// use edgecask::quota::Quota;
    /// use edgecask::{Client, Key};
    ///
    /// # fn main() -> edgecask::Result<()> {
    /// let quota = Quota::new(Client::memory(), Key::verbatim("resource:usage:storage_mb")?, 100)?;
    /// let quota = quota.wait_until(|work| drop(tokio::spawn(work)));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn wait_until(
        self,
        hook: impl Fn(BoxFuture<'static, ()>) + MaybeSend + MaybeSync + 'static,
    ) -> Self {
        Self { state: State { background: Background::hook(hook), ..self.state } }
    }

    /// The key of the counter.
    pub fn key(&self) -> &Key {
        &self.state.key
    }

    /// Counts an amount if it fits. One command.
    ///
    /// # Errors
    /// [`QuotaError::Exceeded`], after which nothing is counted; [`QuotaError::Redis`].
    pub async fn take(&self, amount: u64) -> Result<Usage, QuotaError> {
        self.state.ask("take", signed(amount)?, &platform::random_id()?).await
    }

    /// Counts an amount that was used already, also above the limit. One command.
    ///
    /// # Errors
    /// [`QuotaError::Redis`]; [`QuotaError::Exceeded`] above 2⁵³ − 1.
    pub async fn add(&self, amount: u64) -> Result<Usage, QuotaError> {
        self.state.ask("add", signed(amount)?, &platform::random_id()?).await
    }

    /// Subtracts an amount that was counted. The counter does not go below zero. If the counter was reset in the meantime, the amount
    /// is subtracted from the new count. One command.
    ///
    /// # Errors
    /// [`QuotaError::Redis`].
    pub async fn give_back(&self, amount: u64) -> Result<Usage, QuotaError> {
        self.state.ask("add", -signed(amount)?, &platform::random_id()?).await
    }

    /// Holds an amount, if it fits, until the reservation is committed, released or dropped, or its lease ends. One command.
    ///
    /// # Errors
    /// [`QuotaError::Exceeded`] and [`QuotaError::TooManyReservations`], after which nothing is held; [`QuotaError::Redis`], after
    /// which the amount is released in the background if it may be held.
    pub async fn reserve(&self, amount: u64) -> Result<Reservation, QuotaError> {
        let (asked, id) = (signed(amount)?, platform::random_id()?);
        // If this future is dropped, the amount must not stay reserved.
        let mut reservation = Reservation::new(self.state.clone(), id, amount);
        let reserved = self.state.ask("reserve", asked, reservation.id()).await;
        let may_be_held = match &reserved {
            Ok(_) => true,
            Err(QuotaError::Redis(error)) => {
                !matches!(error.outcome(), Outcome::NotSent | Outcome::Refused)
            }
            Err(_) => false,
        };
        if !may_be_held {
            reservation.forget();
        }
        reserved.map(|_| reservation)
    }

    /// The used and the reserved amount. One command.
    ///
    /// # Errors
    /// [`QuotaError::Redis`].
    pub async fn usage(&self) -> Result<Usage, QuotaError> {
        self.state.ask("look", 0, "").await
    }
}

impl fmt::Debug for Quota {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Quota")
            .field("key", &self.state.key.as_str())
            .field("limit", &self.state.limit)
            .finish_non_exhaustive()
    }
}

fn signed(amount: u64) -> Result<i64> {
    match i64::try_from(amount) {
        Ok(signed) if amount <= MOST => Ok(signed),
        _ => Err(too_large("an amount")),
    }
}

fn too_large(what: &str) -> Error {
    Error::new(ErrorKind::InvalidInput, format!("{what} is 2^53 - 1 at most"))
}
