//! Quotas in Redis: counters with a limit, and reservations that expire.
//!
//! | to | take |
//! |---|---|
//! | count up to a limit | [`Quota::take`] |
//! | count what has been used already | [`Quota::add`] |
//! | hold an amount while some work goes on, and count what it used | [`Quota::reserve`] |
//! | limit the calls in a period | [`RateLimiter`](crate::limit::RateLimiter) |
//!
//! Each call is one atomic script, by the server's clock. What is used and what is reserved together never exceed the limit by a
//! call of [`Quota::take`] or [`Quota::reserve`]. A call whose answer was lost is sent once more, and counts once.
//!
//! | key | type | holds |
//! |---|---|---|
//! | the quota's own | string | what is used, as INCRBY counts it; other programs may count it too |
//! | `edgecask:reserved:{quota}` | sorted set | reservations (amount and id) by the millisecond of their expiry; calls of the last minute, at most 10 000, with scores below zero |
//!
//! | operation | commands |
//! |---|---|
//! | take, add, give back, reserve, renew, commit, release, usage | 1 |
//! | the same, if the answer is lost | 2 |

mod counter;
mod error;
mod reservation;
mod scripts;
mod state;
mod usage;

pub use counter::Quota;
pub use error::QuotaError;
pub use reservation::Reservation;
pub(crate) use scripts::all as scripts;
pub use usage::Usage;
