//! Rate limits of HTTP requests: response headers, problem details, a tower layer, and a guard for Workers.
//!
//! ```
//! use edgecask::Client;
//! use edgecask::limit::{Policy, RateLimiter, http::{HttpLimit, LimitOptions}};
//! use std::net::SocketAddr;
//! use std::time::Duration;
//!
//! let limiter = RateLimiter::builder(Client::memory())
//!     .policy(Policy::gcra(100, Duration::from_secs(60)).named("burst"))
//!     .build()?;
//! // The layers before have set these: the user whose API key was checked, and the address of the connection.
//! #[derive(Clone)]
//! struct User(u64);
//! let options = LimitOptions::new(|request| {
//!     let user = request.extensions.get::<User>().map(|user| format!("user:{}", user.0));
//!     user.or_else(|| Some(format!("address:{}", request.extensions.get::<SocketAddr>()?.ip())))
//! });
//! let layer = HttpLimit::new(limiter, options);
//! // axum::Router::new().route("/", get(page)).layer(layer)
//! # Ok::<(), edgecask::Error>(())
//! ```
//!
//! A refused request gets the status 429, or 403 if it is on the deny list, or 503 if the server gave no decision; with
//! `Retry-After` and a body of problem details (RFC 9457).

mod body;
mod guard;
mod headers;
mod layer;
mod problem;

pub use self::body::HttpLimitBody;
pub use self::guard::{Admitted, Guard, Guarded};
pub use self::headers::{Draft, insert_headers};
pub use self::layer::{HttpLimit, HttpLimitService, LimitOptions};
pub use self::problem::problem;
