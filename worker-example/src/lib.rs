//! A Cloudflare Worker that serves LLM policies through Edgecask.
//!
//! | route | what it does |
//! |---|---|
//! | `GET /policies/{tenant}` | reads a policy: from the cache, or from the backing store |
//! | `PUT /policies/{tenant}` | writes one to the backing store, then invalidates |
//! | `DELETE /policies/{tenant}` | deletes one, then invalidates |
//! | `GET /reports/{name}` | makes a report, or answers from the HTTP cache |
//! | `POST /reports/{name}` | says that it has changed, which invalidates it |
//! | `GET /events/{tenant}` | the events of a tenant, as server-sent events |
//! | `POST /events/{tenant}` | publishes the JSON of its body as an event |
//! | `GET /health` | whether the cache answers |
//! | `GET /stats` | what the cache has done in this isolate |
//!
//! The variables are those of [`edgecask::config`], as `[vars]` or secrets of the Worker.
#![cfg(target_arch = "wasm32")]

#[cfg(feature = "behaviour")]
mod behaviour;
mod events;
mod policies;
mod reports;

use edgecask::platform::log::{Level, to_console};
use edgecask::store::LlmPolicyStore;
use edgecask::{Error, ErrorKind, Result};
use serde_json::json;
use worker::{Context, Env, Method, Request, Response, event};

/// What goes wrong where no request can tell, such as a cache that is away, is written to the Worker's log.
#[event(start)]
fn start() {
    to_console(Level::WARN);
}

/// The Worker's entry.
#[event(fetch)]
async fn fetch(mut request: Request, env: Env, context: Context) -> worker::Result<Response> {
    if request.path().starts_with("/reports/") {
        match reports::answer(&request, &env, context).await {
            Ok(response) => return Ok(response),
            Err(error) => return Answer::error(&error).into_response(),
        }
    }
    if let (Method::Get, Some(tenant)) = (request.method(), request.path().strip_prefix("/events/"))
    {
        let answer = async { events::stream(&request, &env, &policies::tenant_id(tenant)?).await };
        match answer.await {
            Ok(response) => return Ok(response),
            Err(error) => return Answer::error(&error).into_response(),
        }
    }
    let answer = match route(&mut request, &env).await {
        Ok(answer) => answer,
        Err(error) => Answer::error(&error),
    };
    answer.into_response()
}

/// A status and a JSON body.
struct Answer {
    status: u16,
    body: Option<serde_json::Value>,
}

impl Answer {
    fn into_response(self) -> worker::Result<Response> {
        let response = match &self.body {
            Some(body) => Response::from_json(body)?,
            None => Response::empty()?,
        };
        Ok(response.with_status(self.status))
    }

    fn json(body: impl Into<serde_json::Value>) -> Self {
        Self { status: 200, body: Some(body.into()) }
    }

    fn empty(status: u16) -> Self {
        Self { status, body: None }
    }

    fn not_found(what: &str) -> Self {
        Self { status: 404, body: Some(json!({"error": format!("there is no such {what}")})) }
    }

    /// The messages of Edgecask hold no secrets and no values, so a client may see them; those of a backing store or a loader
    /// are its own.
    fn error(error: &Error) -> Self {
        let message = match error.kind() {
            ErrorKind::Store => "the backing store failed".to_owned(),
            _ => error.to_string(),
        };
        let status = match error.kind() {
            ErrorKind::InvalidInput => 400,
            ErrorKind::Config => 500,
            _ => 502,
        };
        Self { status, body: Some(json!({"error": message})) }
    }
}

async fn route(request: &mut Request, env: &Env) -> Result<Answer> {
    let path = request.path();
    let segments: Vec<&str> = path.trim_matches('/').split('/').collect();
    match (request.method(), &segments[..]) {
        (method, ["policies", tenant]) => {
            let tenant = policies::tenant_id(tenant)?;
            policy(method, request, policies::store(env)?, tenant).await
        }
        (Method::Post, ["events", tenant]) => {
            let body = request.bytes().await.map_err(|_| {
                Error::new(ErrorKind::InvalidInput, "the request has no readable body")
            })?;
            events::publish(env, &policies::tenant_id(tenant)?, &body).await?;
            Ok(Answer::empty(204))
        }
        (Method::Get, ["health"]) => {
            let health = policies::store(env)?.health().await;
            let mut answer = to_json(&health)?;
            answer.status = if health.healthy { 200 } else { 503 };
            Ok(answer)
        }
        (Method::Get, ["stats"]) => to_json(&policies::store(env)?.stats()),
        #[cfg(feature = "behaviour")]
        (Method::Post, ["behaviour", transport, number]) => {
            behaviour::run(transport, number, env).await
        }
        #[cfg(feature = "behaviour")]
        (Method::Post, ["documents", transport, number]) => {
            behaviour::document(transport, number, env).await
        }
        _ => Ok(Answer::not_found("page")),
    }
}

async fn policy(
    method: Method,
    request: &mut Request,
    policies: &LlmPolicyStore,
    tenant: String,
) -> Result<Answer> {
    match method {
        Method::Get => match policies.get(&tenant).await? {
            Some(policy) => to_json(&policy),
            None => Ok(Answer::not_found("policy")),
        },
        Method::Put => {
            let body = request.bytes().await.map_err(|_| {
                Error::new(ErrorKind::InvalidInput, "the request has no readable body")
            })?;
            policies.set(&policies::parse(&body, tenant)?).await?;
            Ok(Answer::empty(204))
        }
        Method::Delete => Ok(match policies.delete(&tenant).await? {
            true => Answer::empty(204),
            false => Answer::not_found("policy"),
        }),
        _ => Ok(Answer::empty(405)),
    }
}

fn to_json(value: &impl serde::Serialize) -> Result<Answer> {
    serde_json::to_value(value)
        .map(Answer::json)
        .map_err(|_| Error::new(ErrorKind::Codec, "the answer has no JSON form"))
}
