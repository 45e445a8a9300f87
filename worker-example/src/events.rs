//! The events of a tenant, as server-sent events. An `EventSource` resumes by itself.

use edgecask::config::Config;
use edgecask::events::sse::SseStream;
use edgecask::events::{Events, Start, Topic};
use edgecask::{Error, ErrorKind, Keyspace, Result};
use futures_util::TryStreamExt;
use serde_json::Value;
use worker::{Env, Request, Response};

/// The topic of a tenant. Each request has its own: a Worker must not wait for what another request receives.
fn topic(env: &Env, tenant: &str) -> Result<Topic<Value>> {
    const EVENTS: Keyspace = Keyspace::literal("example:told");
    Ok(Events::new(Config::from_worker(env)?.client()?).topic(EVENTS.key(tenant)?))
}

/// The stream of a request. A real Worker first checks whether its caller may read of this tenant.
pub(crate) async fn stream(request: &Request, env: &Env, tenant: &str) -> Result<Response> {
    let failed = |_| Error::new(ErrorKind::Http, "the stream cannot be sent");
    let last = request.headers().get("last-event-id").map_err(failed)?;
    let start = Start::last_event_id(last.as_deref(), Start::Now);
    let stream = SseStream::new(topic(env, tenant)?.subscribe(start).await?);
    let (head, body) = stream.into_response().into_parts();
    let body = body.map_err(|error| worker::Error::RustError(error.to_string()));
    let mut response = Response::from_stream(body).map_err(failed)?;
    for (name, value) in &head.headers {
        let value = value.to_str().unwrap_or_default();
        response.headers_mut().set(name.as_str(), value).map_err(failed)?;
    }
    Ok(response)
}

/// Publishes an event to all streams of the tenant.
pub(crate) async fn publish(env: &Env, tenant: &str, body: &[u8]) -> Result<()> {
    let data = serde_json::from_slice(body)
        .map_err(|_| Error::new(ErrorKind::InvalidInput, "the body is no JSON"))?;
    topic(env, tenant)?.publish(&data).await?;
    Ok(())
}
