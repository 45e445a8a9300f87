use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::request::Parts;

use crate::platform::{Local, MaybeSend, MaybeSync};
use crate::{Keyspace, Pattern};

/// A question to a request.
trait Ask<T>: Fn(&Parts) -> T + MaybeSend + MaybeSync {}
impl<T, F: Fn(&Parts) -> T + MaybeSend + MaybeSync> Ask<T> for F {}

type Question<T> = Option<Local<Arc<dyn Ask<T>>>>;

/// What is cached of HTTP, and for whom.
///
/// | setting | default |
/// |---|---|
/// | [`ttl`](Self::ttl) | none: only what says how long |
/// | [`stale_while_revalidate`](Self::stale_while_revalidate), [`stale_if_error`](Self::stale_if_error) | what the response says |
/// | [`max_body`](Self::max_body) | 1 MB |
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
            user: None,
            tags: None,
            invalidate_tags: None,
            invalidate_matching: None,
        }
    }

    /// How long a response is fresh that has neither `Cache-Control` nor `Expires`; it gets a `Cache-Control` that says
    /// so. A response to a request with a cookie does not, unless it is a [user](Self::user)'s own.
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

    /// How many bytes a body may have to be stored.
    #[must_use]
    pub fn max_body(mut self, bytes: usize) -> Self {
        self.max_body = bytes;
        self
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
            .finish_non_exhaustive()
    }
}
