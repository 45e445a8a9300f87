//! A quota in Redis: its keys, and the scripts that change them.

use std::time::Duration;

use super::scripts::{RENEW, SETTLE, TAKE};
use super::{QuotaError, Usage};
use crate::client::{Client, repeat_if_lost, still_unknown};
use crate::command::{Script, millis_arg};
use crate::platform::{self, Background, Instant};
use crate::{Error, ErrorKind, FromValue, Key, Outcome, Result};

/// The largest limit and the largest amount: above it, the numbers of Lua are not exact.
pub(super) const MOST: u64 = (1 << 53) - 1;

/// For how long the end of a call is remembered, so that one that arrives late changes nothing.
const MEMORY: Duration = Duration::from_secs(60);

/// How many reservations a quota has at most.
const MOST_RESERVATIONS: u64 = 1000;

/// How many ends are remembered at most.
const MOST_ENDS: u64 = 10_000;

/// The keys of a quota, and the settings that its scripts get.
#[derive(Clone)]
pub(super) struct State {
    pub(super) client: Client,
    pub(super) background: Background,
    pub(super) key: Key,
    pub(super) reservations: String,
    pub(super) limit: u64,
    pub(super) lease: Duration,
    pub(super) period: Option<Duration>,
    pub(super) from: From,
}

/// The count from which the period of a counter runs.
#[derive(Debug, Clone, Copy)]
pub(super) enum From {
    First,
    Last,
}

impl State {
    /// Counts or reserves.
    pub(super) async fn ask(&self, mode: &str, amount: i64, id: &str) -> Result<Usage, QuotaError> {
        let (period, from) = self.lifetime();
        let numbers = [
            millis_arg(self.lease),
            millis_arg(MEMORY),
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
        let (memory, ends) = (millis_arg(MEMORY), MOST_ENDS.to_string());
        let args = [id, &reserved, &used, &period, from, &memory, &ends];
        match self.run(&SETTLE, &[self.key.as_str(), &self.reservations], &args).await? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(forgotten()),
        }
    }

    pub(super) async fn renew(&self, id: &str, reserved: u64) -> Result<bool> {
        let args = [id, &reserved.to_string(), &millis_arg(self.lease)];
        repeat_if_lost(|| self.client.run_script(&RENEW, [&self.reservations], args)).await
    }

    pub(super) fn settle_in_background(&self, id: String, reserved: u64, used: u64) {
        let quota = self.clone();
        self.background.spawn(platform::send(|| async move {
            match quota.settle(&id, reserved, used).await {
                Err(error) if used > 0 => {
                    tracing::warn!(key = %quota.key, %error, used, "what was used of a reservation may not be counted");
                }
                Err(error) => {
                    tracing::debug!(key = %quota.key, %error, "a reservation was not released, it expires");
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
                // The clocks of the two sides may round differently.
                let ago = millis_arg(start.elapsed() + Duration::from_millis(10));
                run(&ago).await.map_err(still_unknown)
            }
            reply => reply,
        }
    }

    /// Two arguments of the scripts.
    fn lifetime(&self) -> (String, &'static str) {
        let period = self.period.map_or("0".to_owned(), millis_arg);
        let from = match self.from {
            From::First => "first",
            From::Last => "last",
        };
        (period, from)
    }
}

/// Too many calls came in between, so that the server no longer knows whether the first request was carried out.
fn forgotten() -> Error {
    let why = "the answer was lost, and the server no longer knows whether the call was counted";
    Error::new(ErrorKind::Disconnected, why).with_outcome(Outcome::Unknown)
}
