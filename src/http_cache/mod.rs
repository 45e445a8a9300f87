//! HTTP responses in the cache (RFC 9111): a tower layer for axum and any other tower service, on servers and in Workers.
//!
//! ```
//! use edgecask::{Client, Keyspace, cache::Cache, http_cache::{HttpCache, HttpCacheOptions}};
//! use std::time::Duration;
//!
//! // Responses without cache directives are fresh for five minutes. A signed-in user has copies of their own.
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
//! | What is stored? | what RFC 9111 allows a shared cache to store, or a private one for a [user](HttpCacheOptions::user)'s copies; never a response with `Set-Cookie`, a partial one, a stream of events, or one that could not be reused |
//! | Where? | under `{keyspace}:{user}:{host}:{path and query}` an index of the responses that differ by `Vary`, as JSON; below it each body as it is, under a hash of its content. Without a user, `{user}` is `-` |
//! | `Vary`? | up to eight responses of a URL; all lines of a header count, and only a hash of its value is stored |
//! | `ETag`? | a response without one gets one, unless its body is streamed; conditional and range requests are answered |
//! | A write? | anything but GET, HEAD, OPTIONS, TRACE and QUERY that succeeds invalidates its own URL for all users, what its `Location` and `Content-Location` name on the same host, and what the [options](HttpCacheOptions::invalidate_tags) say |
//! | A client's `Cache-Control`? | honoured: `max-age`, `min-fresh`, `max-stale`, `no-cache`, `no-store`, `only-if-cached`, `stale-if-error` |
//! | Many at once? | one request for a URL, or for one of its variants, goes to the service, and the others [wait](HttpCacheOptions::collapse_wait) for what it stores, in other processes too; no request waits for a response that cannot answer it ([hit-for-miss](HttpCacheOptions::hit_for_miss)) |
//! | A large or slow body? | is streamed to the client, and stored at its end; one that breaks off is not stored |
//! | A CDN in front? | gets [headers](Cdn) with a time and tags of its own, and is told to [purge](crate::cache::CacheOptions::purge) what a write invalidates |
//! | What does it cost? | a hit one round trip, or none where the cache has a [first tier](crate::cache::L1Options) that holds the index; one GET for a body that is neither in this process's [memory](HttpCacheOptions::memory) nor in the [store at the edge](crate::cache::EdgeStore); a stored response four more: a lease, the body, the index, and a check of its tags; three more where the URL has variants, to change the index that they share |
//! | How does one see it? | `Age`, and `Cache-Status` (RFC 9211) |
//! | Redis is away? | the cache's [tier](crate::cache::Tier) decides; in [`Tier::Critical`](crate::cache::Tier::Critical) too the application answers, and errors are logged |
//!
//! # Unkeyed headers
//!
//! A response is stored for everybody who asks for the same URL and has the same values of the headers that its `Vary`
//! names. If the application answers by another header and does not say so, a client can have its own answer stored for
//! others: the cache is poisoned. So:
//!
//! - Name in `Vary` what an answer depends on, or in [`vary_on`](HttpCacheOptions::vary_on) what it depends on without
//!   saying so. Usual ones are `X-Forwarded-Host`, `X-Forwarded-Proto`, `X-Original-URL`, `X-Rewrite-URL` and
//!   `Accept-Language`.
//! - Requests that ask for more than their URL bypass the cache: those with a body, with `X-HTTP-Method-Override` and its
//!   like, with two `Host` lines or a `Host` that is not the target's authority, with `Upgrade`, `If-Match` or
//!   `If-Unmodified-Since`.
//! - A response to a request with `Authorization` is stored only if it says `public`, `s-maxage` or `must-revalidate`. A
//!   `Cookie` does not keep a response from being stored that says how long it is fresh: say `private`, or `Vary: Cookie`.
//!
//! # Rules of its own
//!
//! The rules of RFC 9111 are written here, each beside the section that it follows, and not taken from the crate
//! `http-cache-semantics`: that compares the names of directives by case, takes the first line of a header for all of
//! them, replaces repeated headers when it merges a 304, has no clock for `Date`, and stores its policy beside each body.
//! A wrapper would have to undo each of these before and after every call. Where the RFC leaves a choice:
//!
//! - `stale-while-revalidate` and `stale-if-error` in a response outweigh what its `s-maxage` implies (RFC 9111, 5.2.2.10);
//!   the defaults of the options and a client's `max-stale` do not.
//! - A heuristic (RFC 9111, 4.2.2) is a tenth of the time since `Last-Modified`, and a day at the most.
//! - `no-cache` and `private` with names of fields count as without them.
//! - A conditional request for a response that is not stored is forwarded, and the service's answer is the client's. One
//!   exception: an entity tag that the cache made is not known to the service, so the cache compares it.
//! - The whole response answers a request for several ranges.

mod body;
mod cache_key;
mod cache_status;
mod cdn;
mod collapse;
mod conditions;
mod core;
mod directives;
mod fetch;
mod fields;
mod freshness;
mod index;
mod layer;
mod lookup;
mod memory;
mod options;
mod origin_request;
mod ranges;
mod request;
mod respond;
mod revalidate;
mod single_flight;
mod storability;
mod store;
mod store_right;
mod stored_headers;
mod validation;

pub use body::HttpCacheBody;
pub use cdn::Cdn;
pub use layer::{HttpCache, HttpCacheService};
pub use options::HttpCacheOptions;
