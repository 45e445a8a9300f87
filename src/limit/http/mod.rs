//! Rate limits of HTTP requests: response headers, problem details, a tower layer, and a guard for Workers.
//!
//! ```
//! use edgecask::Client;
//! use edgecask::limit::{Policy, RateLimiter, http::{HttpLimit, LimitOptions}};
//! use std::time::Duration;
//!
//! let limiter = RateLimiter::builder(Client::memory())
//!     .policy(Policy::gcra(100, Duration::from_secs(60)).named("burst"))
//!     .build()?;
//! let options = LimitOptions::new(|request| {
//!     Some(request.headers.get("x-api-key")?.to_str().ok()?.to_owned())
//! });
//! let layer = HttpLimit::new(limiter, options);
//! // axum::Router::new().route("/", get(page)).layer(layer)
//! # Ok::<(), edgecask::Error>(())
//! ```
//!
//! A refused request gets the status 429, or 403 if it is on the deny list, or 503 if the server gave no decision; with
//! `Retry-After` and a body of problem details (RFC 9457).

mod guard;
mod headers;
mod layer;
mod problem;

pub use self::guard::{Admitted, Guard, Guarded};
pub use self::headers::{Draft, insert_headers};
pub use self::layer::{HttpLimit, HttpLimitService, LimitOptions};
pub use self::problem::problem;
