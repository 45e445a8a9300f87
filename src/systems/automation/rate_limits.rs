use super::calendar::{Day, Hour, Minute};
use super::keys::{requests_in_hour, requests_in_minute, requests_on_day};
use super::records::RateLimits;
use crate::limit::{Calendar, Policy, RateLimiter, RateLimiterBuilder};
use crate::{Client, Result};

/// A limiter of requests by user or API key, on the platform's keys. It limits the requests of each subject in a minute, an hour and
/// a day, by the hash `rate_limits:{user}`, or by `defaults` where the hash has no limit; all requests together to `all` in a
/// minute; and requests to the [part](crate::limit::Request::part) `provider` to `of_provider` in a minute. One EVALSHA a request.
/// A request counts in all of these or in none, so do not call [`count_request`] besides.
///
/// ```
/// use edgecask::Client;
/// use edgecask::limit::Request;
/// use edgecask::systems::automation::{RateLimits, rate_limiter};
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
/// # runtime.block_on(async {
/// let defaults = RateLimits { per_minute: 60, per_hour: 1000, per_day: 10_000, burst_limit: 100 };
/// let limiter = rate_limiter(Client::memory(), &defaults, 5000, 500).build()?;
/// let decision = limiter.limit(Request::new("user_789").part("provider", "openai")).await?;
/// assert!(decision.is_allowed());
/// # Ok::<(), edgecask::Error>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// `burst_limit` is not used, because the platform has no key for it. Add a [`Policy::gcra`] with a prefix of its own.
pub fn rate_limiter(
    client: Client,
    defaults: &RateLimits,
    all: u64,
    of_provider: u64,
) -> RateLimiterBuilder {
    const LIMITS: &str = "rate_limits";
    let of = |unit, limit, field| Policy::calendar(unit, limit).limit_from(LIMITS, field);
    RateLimiter::builder(client)
        .policy(of(Calendar::Minute, defaults.per_minute, "per_minute"))
        .policy(of(Calendar::Hour, defaults.per_hour, "per_hour"))
        .policy(of(Calendar::Day, defaults.per_day, "per_day"))
        .policy(Policy::calendar(Calendar::Minute, all).shared("global").named("all"))
        .policy(Policy::calendar(Calendar::Minute, of_provider).per("provider").named("provider"))
}

/// The numbers of requests, including the one that was just counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Requests {
    /// In this minute.
    pub in_minute: i64,
    /// In this hour.
    pub in_hour: i64,
    /// On this day.
    pub on_day: i64,
}

/// Counts a request of a user or an API key in the minute, the hour and the day that contain this second since the Unix
/// epoch. One transaction of three INCRBY and three EXPIRE.
///
/// # Errors
/// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) if the subject is empty or `global`; those of the client.
pub async fn count_request(client: &Client, subject: &str, unix_seconds: u64) -> Result<Requests> {
    let minute = requests_in_minute(subject, Minute::of(unix_seconds))?;
    let hour = requests_in_hour(subject, Hour::of(unix_seconds))?;
    let day = requests_on_day(subject, Day::of(unix_seconds))?;
    let transaction = client.transaction();
    let [minute, hour, day] =
        [minute, hour, day].map(|counter| counter.increment_in(&transaction, 1));
    let mut replies = transaction.exec().await?;
    Ok(Requests {
        in_minute: replies.take(minute)?,
        in_hour: replies.take(hour)?,
        on_day: replies.take(day)?,
    })
}
