//! Rate limits: how often, and how many at once, callers may do something.
//!
//! ```
//! use edgecask::Client;
//! use edgecask::limit::{Calendar, Policy, RateLimiter, Request};
//! use std::time::Duration;
//!
//! # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
//! # runtime.block_on(async {
//! // A minute, an hour and a day of each user, all users together, and each provider: one round trip.
//! let limiter = RateLimiter::builder(Client::memory())
//!     .policy(Policy::calendar(Calendar::Minute, 60).limit_from("rate_limits", "per_minute"))
//!     .policy(Policy::calendar(Calendar::Hour, 1000).limit_from("rate_limits", "per_hour"))
//!     .policy(Policy::calendar(Calendar::Day, 10_000).limit_from("rate_limits", "per_day"))
//!     .policy(Policy::calendar(Calendar::Minute, 5000).shared("global").named("all"))
//!     .policy(Policy::calendar(Calendar::Minute, 500).per("provider").named("provider"))
//!     .build()?;
//! let decision = limiter.limit(Request::new("user_789").part("provider", "openai")).await?;
//! assert!(decision.is_allowed());
//! assert_eq!(decision.policies().len(), 5);
//! # Ok::<(), edgecask::Error>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! | question | answer |
//! |---|---|
//! | Which algorithm? | [`Policy`]: fixed and sliding window, token bucket, cached fixed window, GCRA, concurrency, minutes, hours and days of the calendar |
//! | What is shared with `@upstash/ratelimit`? | keys, counts and decisions of its four algorithms, the deny list, the dynamic limit |
//! | Several at once? | a call counts in all policies or in none, in one round trip |
//! | Whose clock? | the server's, or the caller's: [`Clock`] |
//! | Redis is away? | [`OnFailure`]: allow, refuse, or a limiter in this process |
//! | What does it cost? | one EVALSHA a decision; nothing where this process [remembers](RateLimiterBuilder::block_list) a refusal |
//! | Without a Redis? | [`Client::memory`](crate::Client::memory) with the same API; [`LocalLimiter`] where nanoseconds count |
//! | Several regions? | [`RegionalLimiter`] |
//!
//! The guide's page `docs/rate-limits.md` says what is promised and what is not.

mod ask;
mod block_list;
mod builder;
mod cached;
mod calendar;
mod clock;
mod core;
mod decision;
mod failure;
mod fingerprint;
#[cfg(feature = "limit-http")]
pub mod http;
mod keys;
mod limiter;
mod local;
mod permit;
mod policy;
mod regions;
mod request;
mod scripts;
mod stats;

pub use self::builder::RateLimiterBuilder;
pub use self::calendar::Calendar;
pub use self::clock::Clock;
pub use self::decision::{Decision, Failure, PolicyState, Reason};
pub use self::failure::OnFailure;
pub use self::limiter::RateLimiter;
pub use self::local::LocalLimiter;
pub use self::permit::Permit;
pub use self::policy::Policy;
pub use self::regions::{Agreement, RegionalLimiter};
pub use self::request::Request;
pub(crate) use self::scripts::scripts;
pub use self::stats::LimitStats;
