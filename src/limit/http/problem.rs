//! Problem details of refused requests (RFC 9457).

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use serde_json::json;

use super::super::decision::{Decision, Reason};
use super::headers::{Draft, insert_headers};

const QUOTA: &str = "https://iana.org/assignments/http-problem-types#quota-exceeded";
const CAPACITY: &str = "https://iana.org/assignments/http-problem-types#temporary-reduced-capacity";
const ABUSE: &str = "https://iana.org/assignments/http-problem-types#abnormal-usage-detected";

/// The response to a refused request: `application/problem+json`, with the fields of [`insert_headers`].
///
/// | reason | status | type |
/// |---|---|---|
/// | a policy has no room | 429 | `quota-exceeded`, with `violated-policies` |
/// | the deny list | 403 | `abnormal-usage-detected` |
/// | the server gave no decision | 503 | `temporary-reduced-capacity` |
///
/// It names the policies, and neither the identifier nor the value on the deny list.
///
/// ```
/// use edgecask::Client;
/// use edgecask::limit::{Policy, RateLimiter, http::{Draft, problem}};
/// use std::time::Duration;
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
/// # runtime.block_on(async {
/// let policy = Policy::fixed_window(0, Duration::from_secs(60)).named("closed");
/// let limiter = RateLimiter::builder(Client::memory()).policy(policy).build()?;
/// let response = problem(&limiter.limit("user:1").await?, Draft::Ten);
/// assert_eq!(response.status(), 429);
/// let body: serde_json::Value = serde_json::from_slice(response.body()).unwrap();
/// assert_eq!(body["violated-policies"], serde_json::json!(["closed"]));
/// # Ok::<(), edgecask::Error>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn problem(decision: &Decision, draft: Draft) -> Response<Bytes> {
    let (status, kind, title) = match decision.reason() {
        Reason::DenyList => (StatusCode::FORBIDDEN, ABUSE, "Abnormal usage was detected"),
        Reason::Degraded(_) if decision.policies().is_empty() => {
            (StatusCode::SERVICE_UNAVAILABLE, CAPACITY, "The capacity is reduced for now")
        }
        _ => (StatusCode::TOO_MANY_REQUESTS, QUOTA, "The quota is exceeded"),
    };
    let mut body = json!({ "type": kind, "title": title, "status": status.as_u16() });
    if kind == QUOTA {
        let violated = decision.policies().iter().filter(|state| !state.has_room && !state.shadow);
        body["violated-policies"] = violated.map(|state| &*state.name).collect();
    }
    let mut response = Response::new(Bytes::from(body.to_string()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    let json = HeaderValue::from_static("application/problem+json");
    headers.insert(header::CONTENT_TYPE, json);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    insert_headers(headers, decision, draft);
    response
}
