//! The fields `RateLimit`, `RateLimit-Policy` and `Retry-After`.

use std::fmt::Write;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, header};

use super::super::decision::{Decision, PolicyState, Reason};

const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// The names of parameters in the `RateLimit` field. The drafts of
/// [draft-ietf-httpapi-ratelimit-headers](https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/) differ in them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Draft {
    /// Drafts 8 to 10: `"default";r=50;t=30`.
    #[default]
    Ten,
    /// Later drafts: `"default";a=50;w=30`.
    Later,
}

impl Draft {
    fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Ten => ("r", "t"),
            Self::Later => ("a", "w"),
        }
    }
}

/// Sets the fields of a decision: `RateLimit-Policy` and `RateLimit` with an item for each policy that is not in shadow mode,
/// and `Retry-After` if the call was refused. All times are in whole seconds, rounded up. A decision of the deny list or of a
/// failure has no state of policies, and sets `Retry-After` at most.
///
/// ```
/// use edgecask::Client;
/// use edgecask::limit::{Policy, RateLimiter, http::{Draft, insert_headers}};
/// use std::time::Duration;
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
/// # runtime.block_on(async {
/// let policy = Policy::gcra(100, Duration::from_secs(60)).named("burst");
/// let limiter = RateLimiter::builder(Client::memory()).policy(policy).build()?;
/// let decision = limiter.limit("user:1").await?;
/// let mut headers = http::HeaderMap::new();
/// insert_headers(&mut headers, &decision, Draft::Ten);
/// assert_eq!(headers["ratelimit-policy"], r#""burst";q=100;w=60"#);
/// assert_eq!(headers["ratelimit"], r#""burst";r=99;t=1"#);
/// # Ok::<(), edgecask::Error>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn insert_headers(headers: &mut HeaderMap, decision: &Decision, draft: Draft) {
    let (mut policies, mut states) = (String::new(), String::new());
    let (remaining, reset) = draft.names();
    for state in decision.policies().iter().filter(|state| !state.shadow) {
        for list in [&mut policies, &mut states] {
            list.push_str(if list.is_empty() { "" } else { ", " });
            write_string(&state.name, list);
        }
        let _ = write!(policies, ";q={};w={}", state.limit, seconds(state.window).max(1));
        let until = seconds(until_reset(state));
        let _ = write!(states, ";{remaining}={};{reset}={until}", state.remaining);
    }
    for (name, list) in [(RATE_LIMIT_POLICY, policies), (RATE_LIMIT, states)] {
        // Names of policies are printable ASCII.
        if let Ok(value) = HeaderValue::try_from(list)
            && !value.is_empty()
        {
            headers.insert(name, value);
        }
    }
    if let Some(wait) = retry_after(decision) {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(wait));
    }
}

/// The time until a policy has more: not before there is room for the call that it refused.
fn until_reset(state: &PolicyState) -> Duration {
    match state.retry_after {
        Some(wait) if !state.has_room => wait,
        _ => state.reset_after,
    }
}

/// The seconds after which a refused call may come again, at least 1; `None` if that does not help.
pub(super) fn retry_after(decision: &Decision) -> Option<u64> {
    let refused = !decision.is_allowed() && decision.reason() != Reason::DenyList;
    refused.then(|| decision.retry_after().map(|wait| seconds(wait).max(1)))?
}

fn seconds(duration: Duration) -> u64 {
    duration.as_micros().div_ceil(1_000_000).try_into().unwrap_or(u64::MAX)
}

/// Writes a string of structured fields (RFC 9651, 3.3.3).
fn write_string(text: &str, out: &mut String) {
    out.push('"');
    for character in text.chars() {
        if matches!(character, '"' | '\\') {
            out.push('\\');
        }
        out.push(character);
    }
    out.push('"');
}
