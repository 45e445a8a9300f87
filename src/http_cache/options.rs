use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderName;
use http::request::Parts;

use super::cdn::Cdn;
use crate::platform::{Local, MaybeSend, MaybeSync, unix_millis};
use crate::{Keyspace, Pattern};

/// A question to a request.
trait Ask<T>: Fn(&Parts) -> T + MaybeSend + MaybeSync {}
impl<T, F: Fn(&Parts) -> T + MaybeSend + MaybeSync> Ask<T> for F {}

type Question<T> = Option<Local<Arc<dyn Ask<T>>>>;

/// A clock.
trait Tell: Fn() -> Duration + MaybeSend + MaybeSync {}
impl<F: Fn() -> Duration + MaybeSend + MaybeSync> Tell for F {}

/// What is cached of HTTP, and for whom.
///
/// | setting | default |
/// |---|---|
/// | [`ttl`](Self::ttl) | none: only what says how long |
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
    clock: Option<Local<Arc<dyn Tell>>>,
    user: Question<Option<String>>,
    tags: Question<Vec<String>>,
    invalidate_tags: Question<Vec<String>>,
    invalidate_matching: Question<Vec<Pattern>>,
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

    /// How long a response is fresh that has neither `Cache-Control` nor `Expires`; it gets a `Cache-Control` that says
    /// so. A response to a request with a cookie does not, unless it is a [user](Self::user)'s own; neither does a stream
    /// of events (`text/event-stream`).
    #[must_use]
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = Some(ttl);
        self
    }

    /// For how long a stale response is served while the service is asked in the background, if the response does not say
    /// it itself (RFC 5861).
    #[must_use]
    pub fn stale_while_revalidate(mut self, window: Duration) -> Self {
        self.stale_while_revalidate = window;
        self
    }

    /// For how long a stale response is served when the service fails or answers 500, 502, 503 or 504, if the response does
    /// not say it itself (RFC 5861).
    #[must_use]
    pub fn stale_if_error(mut self, window: Duration) -> Self {
        self.stale_if_error = window;
        self
    }

    /// How many bytes a body may have to be stored. A body is sent to the client while it comes; what is to be stored of it
    /// is held once until its end.
    #[must_use]
    pub fn max_body(mut self, bytes: usize) -> Self {
        self.max_body = bytes;
        self
    }

    /// How many bytes of bodies and heads this process holds, so that a hit asks Redis only whether they still count. They
    /// are named by their content, so that nothing in here can be out of date. Zero holds nothing.
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

    /// How long this process remembers that a URL's response cannot answer other requests, so that nobody waits for it.
    #[must_use]
    pub fn hit_for_miss(mut self, time: Duration) -> Self {
        self.hit_for_miss = time;
        self
    }

    /// Request headers that the service answers by without saying so in `Vary`, such as `X-Forwarded-Host`: requests that
    /// differ in them have copies of their own. See [unkeyed headers](super#unkeyed-headers).
    #[must_use]
    pub fn vary_on(mut self, names: impl IntoIterator<Item = HeaderName>) -> Self {
        self.vary_on.extend(names);
        self
    }

    /// Response headers that address this cache alone, such as `CDN-Cache-Control` (RFC 9213), in the order of their
    /// importance. The first one that a response has counts in the place of `Cache-Control` and `Expires`. They are passed
    /// on to the client.
    #[must_use]
    pub fn targeted(mut self, names: impl IntoIterator<Item = HeaderName>) -> Self {
        self.targeted.extend(names);
        self
    }

    /// Tells a CDN in front of the application how long it may keep what this cache stores, and by which tags to purge it.
    #[must_use]
    pub fn cdn(mut self, cdn: Cdn) -> Self {
        self.cdn = Some(cdn);
        self
    }

    /// The clock by which ages are counted: the time since the Unix epoch. For tests that simulate time; by default it is
    /// the system's. Redis keeps entries by its own.
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

    /// Who asks. A user's responses are theirs alone, and may be `private` ones or answers to their `Authorization`; those for
    /// nobody are for all who are nobody.
    #[must_use]
    pub fn user(
        mut self,
        of: impl Fn(&Parts) -> Option<String> + MaybeSend + MaybeSync + 'static,
    ) -> Self {
        self.user = Some(Local::new(Arc::new(of)));
        self
    }

    /// The tags of a request's response; see [`Cache::invalidate_tags`](crate::cache::Cache::invalidate_tags).
    #[must_use]
    pub fn tags(
        mut self,
        of: impl Fn(&Parts) -> Vec<String> + MaybeSend + MaybeSync + 'static,
    ) -> Self {
        self.tags = Some(Local::new(Arc::new(of)));
        self
    }

    /// The tags that a write invalidates when it has succeeded.
    #[must_use]
    pub fn invalidate_tags(
        mut self,
        of: impl Fn(&Parts) -> Vec<String> + MaybeSend + MaybeSync + 'static,
    ) -> Self {
        self.invalidate_tags = Some(Local::new(Arc::new(of)));
        self
    }

    /// The patterns of keys that a write deletes when it has succeeded; see
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

    pub(super) fn tags_written_by(&self, request: &Parts) -> Vec<String> {
        self.invalidate_tags.as_ref().map(|of| of(request)).unwrap_or_default()
    }

    pub(super) fn patterns_written_by(&self, request: &Parts) -> Vec<Pattern> {
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
