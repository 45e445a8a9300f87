//! The field `Cache-Status` (RFC 9211): how the cache handled a request.

use std::fmt;
use std::io::Write;

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use smallvec::SmallVec;

const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");

/// Why a request is forwarded (RFC 9211, 2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ForwardReason {
    Bypass,
    Method,
    UriMiss,
    VaryMiss,
    Miss,
    Request,
    Stale,
}

impl ForwardReason {
    fn as_str(self) -> &'static str {
        match self {
            Self::Bypass => "bypass",
            Self::Method => "method",
            Self::UriMiss => "uri-miss",
            Self::VaryMiss => "vary-miss",
            Self::Miss => "miss",
            Self::Request => "request",
            Self::Stale => "stale",
        }
    }
}

/// This cache's member of the field, with its parameters (RFC 9211, 2).
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct CacheStatus {
    hit: bool,
    forward: Option<ForwardReason>,
    forward_status: Option<StatusCode>,
    /// In seconds. Below zero for a stale response.
    ttl: Option<i64>,
    stored: bool,
    detail: Option<&'static str>,
}

impl CacheStatus {
    /// A stored response answers, whose freshness lifetime has this many milliseconds left.
    pub(super) fn hit(time_left: i64, detail: Option<&'static str>) -> Self {
        Self { hit: true, ttl: Some(time_left.div_euclid(1000)), detail, ..Self::default() }
    }

    /// The service answers.
    pub(super) fn forwarded(reason: ForwardReason) -> Self {
        Self { forward: Some(reason), ..Self::default() }
    }

    /// The cache itself answers.
    pub(super) fn generated(detail: &'static str) -> Self {
        Self::default().detail(detail)
    }

    /// The status of the service's response, where the client gets another one.
    pub(super) fn forward_status(mut self, status: Option<StatusCode>) -> Self {
        self.forward_status = status;
        self
    }

    /// Whether the response is stored.
    pub(super) fn stored(mut self, stored: bool) -> Self {
        self.stored = stored;
        self
    }

    pub(super) fn detail(mut self, detail: &'static str) -> Self {
        self.detail = Some(detail);
        self
    }

    /// The member, in one allocation.
    fn value(self) -> Option<HeaderValue> {
        let mut text = SmallVec::<[u8; 96]>::new();
        write!(text, "{self}").ok()?;
        HeaderValue::from_bytes(&text).ok()
    }

    /// Adds the member behind those of the caches before this one.
    pub(super) fn append_to(self, headers: &mut HeaderMap) {
        if let Some(value) = self.value() {
            headers.append(CACHE_STATUS, value);
        }
    }

    /// Replaces the field.
    pub(super) fn replace_in(self, headers: &mut HeaderMap) {
        if let Some(value) = self.value() {
            headers.insert(CACHE_STATUS, value);
        }
    }
}

impl fmt::Display for CacheStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("edgecask")?;
        if self.hit {
            f.write_str("; hit")?;
        }
        if let Some(reason) = self.forward {
            write!(f, "; fwd={}", reason.as_str())?;
        }
        if let Some(status) = self.forward_status {
            write!(f, "; fwd-status={}", status.as_u16())?;
        }
        if let Some(ttl) = self.ttl {
            write!(f, "; ttl={ttl}")?;
        }
        if self.stored {
            f.write_str("; stored")?;
        }
        if let Some(detail) = self.detail {
            write!(f, "; detail={detail}")?;
        }
        Ok(())
    }
}
