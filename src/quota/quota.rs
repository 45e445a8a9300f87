//! A quota: what may be used, and what is.

use std::fmt;
use std::time::Duration;

use super::scripts::{RENEW, SETTLE, TAKE};
use super::{QuotaError, Reservation};
use crate::client::Client;
use crate::command::Script;
use crate::layer::WithoutFallback;
use crate::platform::{self, Background, BoxFuture, Instant, MaybeSend, MaybeSync};
use crate::{Error, ErrorKind, FromValue, Key, Outcome, Result};

/// The largest limit and the largest amount: above it, the numbers of Lua are not exact.
const MOST: u64 = (1 << 53) - 1;

/// For how long the end of a call is remembered, so that one that arrives late changes nothing.
const MEMORY: Duration = Duration::from_secs(60);

/// How many reservations a quota has at most.
const MOST_RESERVATIONS: u64 = 1000;

/// How many ends are remembered at most.
const MOST_ENDS: u64 = 10_000;

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
/// // An answer of the model takes 4000 tokens at most. Nobody knows yet how many it takes.
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
    client: Client,
    background: Background,
    key: Key,
    reservations: String,
    limit: u64,
    lease: Duration,
    period: Option<Duration>,
    from: From,
}

/// From when the period of a counter runs.
#[derive(Debug, Clone, Copy)]
enum From {
    First,
    Last,
}

/// What is used of a quota, and what is reserved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Usage {
    /// What was counted.
    pub used: u64,
    /// What reservations hold.
    pub reserved: u64,
    /// What fits in all.
    pub limit: u64,
    /// In what time the counter begins again; `None` if it does not.
    pub resets_in: Option<Duration>,
}

impl Usage {
    /// What can be taken or reserved now.
    pub fn available(&self) -> u64 {
        self.limit.saturating_sub(self.used).saturating_sub(self.reserved)
    }
}

impl Quota {
    /// A quota of so much, under this key. Without a [period](Self::period), its counter never begins again.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] if the limit is above 2⁵³ − 1.
    pub fn new(client: Client, key: Key, limit: u64) -> Result<Self> {
        if limit > MOST {
            return Err(too_large("the limit of a quota"));
        }
        Ok(Self {
            client: client.layer(WithoutFallback),
            background: Background::default(),
            reservations: key.companion("edgecask:reserved"),
            key,
            limit,
            lease: Duration::from_secs(60),
            period: None,
            from: From::First,
        })
    }

    /// The counter begins again so long after its first count.
    #[must_use]
    pub fn period(self, period: Duration) -> Self {
        Self { period: Some(period), from: From::First, ..self }
    }

    /// The counter begins again when nothing has been counted for so long.
    #[must_use]
    pub fn idle_period(self, period: Duration) -> Self {
        Self { period: Some(period), from: From::Last, ..self }
    }

    /// A reservation returns by itself after so long, unless it is [renewed](Reservation::renew). 60 seconds by default.
    #[must_use]
    pub fn lease(self, lease: Duration) -> Self {
        Self { lease, ..self }
    }

    /// Reservations that are dropped are released by this hook: in a Worker, the request's `wait_until`. Without it, such a
    /// release ends with the request, and the reservation returns by itself.
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
        Self { background: Background::hook(hook), ..self }
    }

    /// The key of the counter.
    pub fn key(&self) -> &Key {
        &self.key
    }

    /// Counts an amount if it fits. One command.
    ///
    /// # Errors
    /// [`QuotaError::Exceeded`], after which nothing is counted; [`QuotaError::Redis`].
    pub async fn take(&self, amount: u64) -> Result<Usage, QuotaError> {
        self.ask("take", signed(amount)?, &id()?).await
    }

    /// Counts an amount that was used already, also above the limit. One command.
    ///
    /// # Errors
    /// [`QuotaError::Redis`]; [`QuotaError::Exceeded`] above 2⁵³ − 1.
    pub async fn add(&self, amount: u64) -> Result<Usage, QuotaError> {
        self.ask("add", signed(amount)?, &id()?).await
    }

    /// Takes back an amount that was counted. The counter does not go below zero. If the counter has begun again since, the amount is
    /// taken from the new count. One command.
    ///
    /// # Errors
    /// [`QuotaError::Redis`].
    pub async fn give_back(&self, amount: u64) -> Result<Usage, QuotaError> {
        self.ask("add", -signed(amount)?, &id()?).await
    }

    /// Holds an amount, if it fits, until the reservation is committed, released or dropped, or its lease ends. One command.
    ///
    /// # Errors
    /// [`QuotaError::Exceeded`] and [`QuotaError::TooManyReservations`], after which nothing is held; [`QuotaError::Redis`], after
    /// which the amount is released in the background if it may be held.
    pub async fn reserve(&self, amount: u64) -> Result<Reservation, QuotaError> {
        let (asked, id) = (signed(amount)?, id()?);
        // Whoever drops this future does not hold the amount.
        let mut reservation = Reservation::new(self.clone(), id, amount);
        let reserved = self.ask("reserve", asked, reservation.id()).await;
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

    /// What is used and reserved. One command.
    ///
    /// # Errors
    /// [`QuotaError::Redis`].
    pub async fn usage(&self) -> Result<Usage, QuotaError> {
        self.ask("look", 0, "").await
    }

    async fn ask(&self, mode: &str, amount: i64, id: &str) -> Result<Usage, QuotaError> {
        let (period, from) = self.lifetime();
        let numbers = [
            millis(self.lease),
            millis(MEMORY),
            MOST_RESERVATIONS.to_string(),
            MOST_ENDS.to_string(),
        ];
        let [lease, memory, most, ends] = numbers.each_ref().map(String::as_str);
        let (amount_text, limit) = (amount.to_string(), self.limit.to_string());
        let args = [mode, &amount_text, &limit, &period, from, id, lease, memory, most, ends];
        let reply: (String, u64, u64, i64) =
            self.run(&TAKE, &[self.key.as_str(), &self.reservations], &args).await?;
        let (what, used, reserved, left) = reply;
        let resets_in = u64::try_from(left).ok().map(Duration::from_millis);
        let usage = Usage { used, reserved, limit: self.limit, resets_in };
        match what.as_str() {
            "taken" => Ok(usage),
            "exceeded" => {
                let (key, amount) = (self.key.clone(), amount.unsigned_abs());
                Err(QuotaError::Exceeded { key, amount, usage })
            }
            "full" => Err(QuotaError::TooManyReservations { key: self.key.clone() }),
            "forgotten" => Err(forgotten())?,
            "ended" => {
                let error = Error::new(ErrorKind::Conflict, "the call has ended before");
                Err(error.with_outcome(Outcome::Refused))?
            }
            _ => Err(Error::new(
                ErrorKind::Protocol,
                "the script of a quota gave an unknown answer",
            ))?,
        }
    }

    /// Ends a reservation, and counts what was used of it.
    pub(super) async fn settle(&self, id: &str, reserved: u64, used: u64) -> Result<bool> {
        let (period, from) = self.lifetime();
        let (reserved, used) = (reserved.to_string(), used.min(MOST).to_string());
        let (memory, ends) = (millis(MEMORY), MOST_ENDS.to_string());
        let args = [id, &reserved, &used, &period, from, &memory, &ends];
        match self.run(&SETTLE, &[self.key.as_str(), &self.reservations], &args).await? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(forgotten()),
        }
    }

    pub(super) async fn renew(&self, id: &str, reserved: u64) -> Result<bool> {
        let args = [id, &reserved.to_string(), &millis(self.lease)];
        match self.client.run_script(&RENEW, [&self.reservations], args).await {
            Err(error) if error.outcome() == Outcome::Unknown => {
                let again = self.client.run_script(&RENEW, [&self.reservations], args).await;
                again.map_err(still_unknown)
            }
            reply => reply,
        }
    }

    pub(super) fn settle_in_background(&self, id: String, reserved: u64, used: u64) {
        let quota = self.clone();
        self.background.spawn(platform::send(|| async move {
            match quota.settle(&id, reserved, used).await {
                Err(error) if used > 0 => {
                    tracing::warn!(key = %quota.key, %error, used, "what was used of a reservation may not be counted");
                }
                Err(error) => {
                    tracing::debug!(key = %quota.key, %error, "a reservation was not released, it returns by itself");
                }
                Ok(_) => {}
            }
        }));
    }

    /// Runs a script, whose last argument is how long ago it was sent first. If its answer is lost, it is sent once more.
    async fn run<R: FromValue>(&self, script: &Script, keys: &[&str], args: &[&str]) -> Result<R> {
        let start = Instant::now();
        let run = async |ago: &str| {
            let args = args.iter().copied().chain([ago]);
            self.client.run_script(script, keys, args).await
        };
        match run("0").await {
            Err(error) if error.outcome() == Outcome::Unknown => {
                // The clocks of both sides may differ in how they round.
                let ago = millis(start.elapsed() + Duration::from_millis(10));
                run(&ago).await.map_err(still_unknown)
            }
            reply => reply,
        }
    }

    /// Two arguments of the scripts.
    fn lifetime(&self) -> (String, &'static str) {
        let period = self.period.map_or("0".to_owned(), millis);
        let from = match self.from {
            From::First => "first",
            From::Last => "last",
        };
        (period, from)
    }
}

impl fmt::Debug for Quota {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Quota")
            .field("key", &self.key.as_str())
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}

/// Whatever kept the second request from the server, the first one may have been carried out.
fn still_unknown(error: Error) -> Error {
    error.with_outcome(Outcome::Unknown)
}

/// So many calls came in between that the server does not know any more whether the first request was carried out.
fn forgotten() -> Error {
    let why = "the answer was lost, and the server does not know any more whether the call counted";
    Error::new(ErrorKind::Disconnected, why).with_outcome(Outcome::Unknown)
}

fn id() -> Result<String> {
    Ok(format!("{:032x}", u128::from_le_bytes(platform::random()?)))
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

fn millis(time: Duration) -> String {
    time.as_millis().clamp(1, u128::from(u64::MAX >> 16)).to_string()
}
