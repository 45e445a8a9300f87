//! HTTP responses in the cache (RFC 9111): a tower layer for axum and any other tower service, on servers and in Workers.
//!
//! ```
//! use edgecask::{Client, Keyspace, cache::Cache, http_cache::{HttpCache, HttpCacheOptions}};
//! use std::time::Duration;
//!
//! // Responses that say nothing of caching live for five minutes; a signed-in user has copies of their own.
//! let options = HttpCacheOptions::new(Keyspace::new(["app", "http"])?)
//!     .ttl(Duration::from_secs(300))
//!     .user(|request| Some(request.headers.get("x-user-id")?.to_str().ok()?.to_owned()));
//! let layer = HttpCache::new(Cache::new(Client::memory()), options);
//! // axum::Router::new().route("/me", get(current_user)).layer(layer)
//! # Ok::<(), edgecask::Error>(())
//! ```
//!
//! | question | answer |
//! |---|---|
//! | What is stored? | what [`http-cache-semantics`](https://docs.rs/http-cache-semantics) allows a shared cache to store, or a private one for a [user](HttpCacheOptions::user)'s copies; never a response with `Set-Cookie`, a part of one, or one without any freshness |
//! | Where? | under `{keyspace}:{user}:{host}:{path and query}`; a user who is nobody is `-` |
//! | `Vary`? | up to eight variants of a URL in its entry |
//! | `ETag`? | a response without one gets one; `If-None-Match` is answered by 304 |
//! | A write? | anything but GET, HEAD, OPTIONS and TRACE that succeeds invalidates its own URL for all users, and what the [options](HttpCacheOptions::invalidate_tags) say |
//! | A client's `Cache-Control`? | honoured |
//! | Many at once? | what is stale is refreshed by one request at a time; what is not stored is asked of the service by each |
//! | How does one see it? | `Age`, and `Cache-Status` (RFC 9211) |
//! | Redis is away? | the cache's [tier](crate::cache::Tier) decides; in [`Tier::Critical`](crate::cache::Tier::Critical) too the application answers, and errors are logged |

mod body;
mod exchange;
mod layer;
mod options;
mod request;
mod response;

pub use body::HttpCacheBody;
pub use layer::{HttpCache, HttpCacheService};
pub use options::HttpCacheOptions;
