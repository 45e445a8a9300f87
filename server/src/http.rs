//! One request: who asks, what for, and the answer with its status.

use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Method, Request, Response, StatusCode, header};
use edgecask::{Client, Command, ErrorKind};

use crate::access::{Permission, Tokens};
use crate::reply::{self, Strings};
use crate::request;

/// Upstash's limit on a request, on its smaller plans.
const MAX_REQUEST_BYTES: usize = 10 * 1024 * 1024;

pub(crate) struct Service {
    pub(crate) client: Client,
    pub(crate) tokens: Tokens,
}

/// Why a request is refused: the status and Redis's error text.
struct Refusal(StatusCode, String);

pub(crate) async fn handle(
    State(service): State<Arc<Service>>,
    request: Request<Body>,
) -> Response<Body> {
    let (status, body) = match answer(&service, request).await {
        Ok(answer) => answer,
        Err(Refusal(status, text)) => {
            let mut body = Vec::new();
            reply::error_envelope(&text, &mut body);
            (status, body)
        }
    };
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let json = header::HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}

async fn answer(
    service: &Service,
    request: Request<Body>,
) -> Result<(StatusCode, Vec<u8>), Refusal> {
    let (head, body) = request.into_parts();
    if ![Method::GET, Method::HEAD, Method::POST, Method::PUT].contains(&head.method) {
        return Err(Refusal(StatusCode::METHOD_NOT_ALLOWED, "ERR method not allowed".to_owned()));
    }
    let query = head.uri.query().unwrap_or("");
    let token = bearer(&head.headers).map(str::to_owned).or_else(|| request::token_in(query));
    let permission =
        token.and_then(|token| service.tokens.permission(&token)).ok_or_else(|| {
            Refusal(StatusCode::UNAUTHORIZED, "WRONGPASS invalid or missing auth token".to_owned())
        })?;
    let strings = strings(&head.headers)?;
    let body = to_bytes(body, MAX_REQUEST_BYTES)
        .await
        .map_err(|_| bad("ERR max request size exceeded".to_owned()))?;
    match head.uri.path() {
        "/" => {
            let command = request::from_json(&body).map_err(bad)?;
            one(service, permission, &command, strings).await
        }
        path @ ("/pipeline" | "/multi-exec") => {
            let commands = request::batch_from_json(&body).map_err(bad)?;
            batch(service, permission, &commands, strings, path == "/multi-exec").await
        }
        path => {
            let command = request::from_path(path, query, &body).map_err(bad)?;
            one(service, permission, &command, strings).await
        }
    }
}

async fn one(
    service: &Service,
    permission: Permission,
    command: &Command,
    strings: Strings,
) -> Result<(StatusCode, Vec<u8>), Refusal> {
    if let Some(refusal) = permission.refuse(command) {
        return Err(bad(refusal));
    }
    let result = service.client.send(command).await;
    let status = result.as_ref().map_or_else(status_of, |_| StatusCode::OK);
    let mut out = Vec::new();
    reply::envelope(&result, strings, &mut out);
    Ok((status, out))
}

async fn batch(
    service: &Service,
    permission: Permission,
    commands: &[Command],
    strings: Strings,
    atomic: bool,
) -> Result<(StatusCode, Vec<u8>), Refusal> {
    if let Some(refusal) = commands.iter().find_map(|command| permission.refuse(command)) {
        return Err(bad(refusal));
    }
    let results = if atomic {
        service.client.send_transaction(commands).await
    } else {
        service.client.send_pipeline(commands).await
    };
    let results = results.map_err(|error| Refusal(status_of(&error), reply::error_text(&error)))?;
    let mut out = Vec::new();
    reply::envelopes(&results, strings, &mut out);
    Ok((StatusCode::OK, out))
}

fn bad(text: String) -> Refusal {
    Refusal(StatusCode::BAD_REQUEST, text)
}

/// A command's own failure is the client's business, a Redis that is away is ours.
fn status_of(error: &edgecask::Error) -> StatusCode {
    match error.kind() {
        ErrorKind::Connect | ErrorKind::Disconnected | ErrorKind::Protocol => {
            StatusCode::BAD_GATEWAY
        }
        ErrorKind::Timeout => StatusCode::GATEWAY_TIMEOUT,
        _ => StatusCode::BAD_REQUEST,
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn strings(headers: &HeaderMap) -> Result<Strings, Refusal> {
    let header = |name| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    match header("upstash-response-format") {
        None | Some("json") => {}
        Some(_) => return Err(bad("ERR only the response format json is served here".to_owned())),
    }
    match header("upstash-encoding") {
        Some("base64") => Ok(Strings::Base64),
        None | Some("") => Ok(Strings::Plain),
        Some(_) => Err(bad("ERR unknown encoding: only base64 is supported".to_owned())),
    }
}
