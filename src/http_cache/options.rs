use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderName;
use http::request::Parts;

use super::cdn::Cdn;
use crate::platform::{Local, MaybeSend, MaybeSync, unix_millis};
use crate::{Keyspace, Pattern};

/// A function of a request's head.
trait RequestFn<T>: Fn(&Parts) -> T + MaybeSend + MaybeSync {}
impl<T, F: Fn(&Parts) -> T + MaybeSend + MaybeSync> RequestFn<T> for F {}

type RequestOption<T> = Option<Local<Arc<dyn RequestFn<T>>>>;

/// A clock.
trait ClockFn: Fn() -> Duration + MaybeSend + MaybeSync {}
impl<F: Fn() -> Duration + MaybeSend + MaybeSync> ClockFn for F {}

/// Which responses are cached, for whom and for how long.
///
/// | setting | default |
/// |---|---|
/// | [`ttl`](Self::ttl) | none: only responses that state a freshness lifetime are fresh |
/// | [`stale_while_revalidate`](Self::stale_while_revalidate), [`stale_if_error`](Self::stale_if_error) | what the response says |
/// | [`max_body`](Self::max_body) | 1 MB |
/// | [`memory`](Self::memory) | 16 MB |
/// | [`collapse_wait`](Self::collapse_wait) | 5 s |
/// | [`hit_for_miss`](Self::hit_for_miss) | 10 s |
/// | [`vary_on`](Self::vary_on) | nothing |
/// | [`targeted`](Self::targeted) | none: only `Cache-Control` and `Expires` count |
/// | [`cdn`](Self::cdn) | no headers for one |
/// | [`user`](Self::user) | one copy for all |
/// | [`tags`](Self::tags) | none |
/// | [`invalidate_tags`](Self::invalidate_tags), [`invalidate_matching`](Self::invalidate_matching) | only the written URL |
#[derive(Clone)]
#[non_exhaustive]
pub struct HttpCacheOptions {
    pub(super) keyspace: Keyspace,
    pub(super) ttl: Option<Duration>,
    pub(super) stale_while_revalidate: Duration,
    pub(super) stale_if_error: Duration,
    pub(super) max_body: usize,
    pub(super) memory: u64,
    pub(super) collapse_wait: Duration,
    pub(super) hit_for_miss: Duration,
    pub(super) vary_on: Vec<HeaderName>,
    pub(super) targeted: Vec<HeaderName>,
    pub(super) cdn: Option<Cdn>,
    clock: Option<Local<Arc<dyn ClockFn>>>,
    user: RequestOption<Option<String>>,
    tags: RequestOption<Vec<String>>,
    invalidate_tags: RequestOption<Vec<String>>,
    invalidate_matching: RequestOption<Vec<Pattern>>,
}

impl HttpCacheOptions {
    /// Responses are cached under this keyspace.
    pub fn new(keyspace: Keyspace) -> Self {
        Self {
            keyspace,
            ttl: None,
            stale_while_revalidate: Duration::ZERO,
            stale_if_error: Duration::ZERO,
            max_body: 1 << 20,
            memory: 16 << 20,
            collapse_wait: Duration::from_secs(5),
            hit_for_miss: Duration::from_secs(10),
            vary_on: Vec::new(),
            targeted: Vec::new(),
            cdn: None,
            clock: None,
            user: None,
            tags: None,
            invalidate_tags: None,
            invalidate_matching: None,
        }
    }

    /// How long a response without `Cache-Control` and `Expires` is fresh. It gets a `Cache-Control` with this time. The
    /// response to a request with a cookie gets none, unless the copy is for one [user](Self::user); neither does a stream
    /// of events (`text/event-stream`).
    #[must_use]
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = Some(ttl);
        self
    }

    /// How long a stale response is served while it is revalidated in the background (RFC 5861, 3). A directive in the
    /// response outweighs it.
    #[must_use]
    pub fn stale_while_revalidate(mut self, window: Duration) -> Self {
        self.stale_while_revalidate = window;
        self
    }

    /// How long a stale response is served when the service fails or answers 500, 502, 503 or 504 (RFC 5861, 4). A directive
    /// in the response outweighs it.
    #[must_use]
    pub fn stale_if_error(mut self, window: Duration) -> Self {
        self.stale_if_error = window;
        self
    }

    /// The largest body that is stored, in bytes. A body is sent to the client while it comes; one copy is held in memory
    /// until its end. At most four bodies of more than 64 KiB are written to Redis at the same time, because writing copies
    /// them; in a Worker, where no request waits for another one, all of them are.
    #[must_use]
    pub fn max_body(mut self, bytes: usize) -> Self {
        self.max_body = bytes;
        self
    }

    /// How many bytes of bodies and heads this process holds in memory, so that a hit reads only the index from Redis. They
    /// are found by a hash of their content, so none is ever out of date. Zero holds nothing.
    #[must_use]
    pub fn memory(mut self, bytes: u64) -> Self {
        self.memory = bytes;
        self
    }

    /// How long a request waits for the response to another one for the same URL, in this process or in another one, before
    /// it is sent to the service as well. One that may be served stale on an error (see
    /// [`stale_if_error`](Self::stale_if_error)) is served stale instead. Zero never waits. A Worker's requests wait only
    /// for other isolates, by the cache's lease.
    #[must_use]
    pub fn collapse_wait(mut self, limit: Duration) -> Self {
        self.collapse_wait = limit;
        self
    }

    /// How long this process remembers that a response cannot answer other requests (hit-for-miss). No request waits for such
    /// a response.
    #[must_use]
    pub fn hit_for_miss(mut self, time: Duration) -> Self {
        self.hit_for_miss = time;
        self
    }

    /// Request headers that the response depends on although its `Vary` does not name them, such as `X-Forwarded-Host`. They
    /// become part of the cache key. See [unkeyed headers](super#unkeyed-headers).
    #[must_use]
    pub fn vary_on(mut self, names: impl IntoIterator<Item = HeaderName>) -> Self {
        self.vary_on.extend(names);
        self
    }

    /// Targeted fields of responses that this cache obeys, such as `CDN-Cache-Control` (RFC 9213), the most important first.
    /// The first one in a response replaces `Cache-Control` and `Expires` for this cache. The client gets them too.
    #[must_use]
    pub fn targeted(mut self, names: impl IntoIterator<Item = HeaderName>) -> Self {
        self.targeted.extend(names);
        self
    }

    /// Adds headers that tell a CDN in front of the application how long it may keep a stored response, and by which tags it
    /// can purge it.
    #[must_use]
    pub fn cdn(mut self, cdn: Cdn) -> Self {
        self.cdn = Some(cdn);
        self
    }

    /// The clock for ages, as the time since the Unix epoch. The default is the system's; another is for tests that simulate
    /// time. Redis expires entries by its own clock.
    #[must_use]
    pub fn clock(mut self, now: impl Fn() -> Duration + MaybeSend + MaybeSync + 'static) -> Self {
        self.clock = Some(Local::new(Arc::new(now)));
        self
    }

    /// Now, in Unix milliseconds.
    pub(super) fn now(&self) -> u64 {
        match &self.clock {
            Some(clock) => clock().as_millis() as u64,
            None => unix_millis(),
        }
    }

    /// The user of a request. A user has copies of their own, so `private` responses and responses to `Authorization` are
    /// stored too. Requests for which this gives `None` share one copy.
    #[must_use]
    pub fn user(
        mut self,
        of: impl Fn(&Parts) -> Option<String> + MaybeSend + MaybeSync + 'static,
    ) -> Self {
        self.user = Some(Local::new(Arc::new(of)));
        self
    }

    /// The tags of the response to a request; see [`Cache::invalidate_tags`](crate::cache::Cache::invalidate_tags).
    #[must_use]
    pub fn tags(
        mut self,
        of: impl Fn(&Parts) -> Vec<String> + MaybeSend + MaybeSync + 'static,
    ) -> Self {
        self.tags = Some(Local::new(Arc::new(of)));
        self
    }

    /// The tags that a successful write invalidates.
    #[must_use]
    pub fn invalidate_tags(
        mut self,
        of: impl Fn(&Parts) -> Vec<String> + MaybeSend + MaybeSync + 'static,
    ) -> Self {
        self.invalidate_tags = Some(Local::new(Arc::new(of)));
        self
    }

    /// The patterns of keys that a successful write deletes; see
    /// [`Cache::delete_matching`](crate::cache::Cache::delete_matching) for what that costs.
    #[must_use]
    pub fn invalidate_matching(
        mut self,
        of: impl Fn(&Parts) -> Vec<Pattern> + MaybeSend + MaybeSync + 'static,
    ) -> Self {
        self.invalidate_matching = Some(Local::new(Arc::new(of)));
        self
    }

    pub(super) fn user_of(&self, request: &Parts) -> Option<String> {
        self.user.as_ref().and_then(|of| of(request)).filter(|user| !user.is_empty())
    }

    pub(super) fn tags_of(&self, request: &Parts) -> Vec<String> {
        self.tags.as_ref().map(|of| of(request)).unwrap_or_default()
    }

    pub(super) fn invalidated_tags(&self, request: &Parts) -> Vec<String> {
        self.invalidate_tags.as_ref().map(|of| of(request)).unwrap_or_default()
    }

    pub(super) fn invalidated_patterns(&self, request: &Parts) -> Vec<Pattern> {
        self.invalidate_matching.as_ref().map(|of| of(request)).unwrap_or_default()
    }
}

impl fmt::Debug for HttpCacheOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpCacheOptions")
            .field("keyspace", &self.keyspace)
            .field("ttl", &self.ttl)
            .field("stale_while_revalidate", &self.stale_while_revalidate)
            .field("stale_if_error", &self.stale_if_error)
            .field("max_body", &self.max_body)
            .field("memory", &self.memory)
            .field("collapse_wait", &self.collapse_wait)
            .field("hit_for_miss", &self.hit_for_miss)
            .field("vary_on", &self.vary_on)
            .field("targeted", &self.targeted)
            .field("cdn", &self.cdn)
            .finish_non_exhaustive()
    }
}
