//! One request: its permission, its commands, and the answer with its status.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use edgecask::{Command, Error, ErrorKind};
use futures_util::stream::{self, StreamExt};
use http_body_util::{BodyExt, LengthLimitError, Limited, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use tokio::sync::watch;

use crate::access::{Permission, Tokens, no_permission};
use crate::backend::{Backend, Freshness};
use crate::body::{Body, full};
use crate::error_text::error_text;
use crate::faults::{Fault, FaultPlan};
use crate::limits::Meter;
use crate::reply::{self, Format};
use crate::{events, request};

const SYNC_TOKEN: &str = "upstash-sync-token";

/// Closes the connection without an answer.
#[derive(Debug, thiserror::Error)]
#[error("the connection is dropped on purpose")]
pub(crate) struct Dropped;

pub(crate) struct Service {
    pub(crate) backend: Backend,
    pub(crate) tokens: Tokens,
    pub(crate) meter: Meter,
    pub(crate) faults: FaultPlan,
    /// Becomes `true` when streams of events have to end.
    pub(crate) closing: watch::Receiver<bool>,
}

impl std::fmt::Debug for Service {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Service").field("faults", &self.faults).finish_non_exhaustive()
    }
}

/// An answer that is not a stream.
struct Answer {
    status: StatusCode,
    format: Format,
    body: Vec<u8>,
    /// For the sync token: the offset that the answer shows, if a command was carried out.
    offset: Option<u64>,
}

/// A refused request: the status and an error text in the form of Redis.
struct Refusal(StatusCode, String);

pub(crate) async fn handle(
    service: Arc<Service>,
    request: Request<Incoming>,
) -> Result<Response<Body>, Dropped> {
    let fault = service.faults.draw();
    match fault {
        Some(Fault::DropBefore) => return Err(Dropped),
        Some(Fault::Delay(time)) => tokio::time::sleep(time).await,
        Some(Fault::Throttle(wait)) => return Ok(throttled(wait.as_secs())),
        Some(Fault::BadGateway) => return Ok(bad_gateway()),
        _ => {}
    }
    if request.uri().path().starts_with("/subscribe/")
        || request.uri().path().starts_with("/psubscribe/")
        || request.uri().path() == "/monitor"
    {
        return Ok(listen(&service, &request, fault).await.unwrap_or_else(refused));
    }
    let answer = answer(&service, request, fault).await;
    match fault {
        Some(Fault::DropAfter) => return Err(Dropped),
        Some(Fault::DelayReply(time)) => tokio::time::sleep(time).await,
        _ => {}
    }
    Ok(match answer {
        Ok(answer) => answered(answer, fault),
        Err(refusal) => refused(refusal),
    })
}

fn answered(answer: Answer, fault: Option<Fault>) -> Response<Body> {
    let length = answer.body.len();
    let (body, rest) = match fault {
        Some(Fault::Truncate | Fault::SlowBody(_)) => answer.body.split_at(length / 2),
        _ => (&answer.body[..], &[][..]),
    };
    let (body, rest) = (Bytes::copy_from_slice(body), Bytes::copy_from_slice(rest));
    let body = match fault {
        Some(Fault::Truncate) => {
            let broken = Err(io::Error::other("the answer is truncated on purpose"));
            StreamBody::new(stream::iter([Ok(Frame::data(body)), broken])).boxed_unsync()
        }
        Some(Fault::SlowBody(time)) => {
            let late = stream::once(async move {
                tokio::time::sleep(time).await;
                Ok(Frame::data(rest))
            });
            let first = stream::once(async { Ok(Frame::data(body)) });
            StreamBody::new(first.chain(late)).boxed_unsync()
        }
        _ => full(body),
    };
    let mut response = Response::new(body);
    *response.status_mut() = answer.status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(answer.format.content_type()));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    let token = answer.offset.map(|offset| HeaderValue::from_str(&format!("edgecask-{offset}")));
    if let Some(Ok(token)) = token {
        headers.insert(SYNC_TOKEN, token);
    }
    response
}

fn refused(Refusal(status, text): Refusal) -> Response<Body> {
    let mut body = Vec::new();
    reply::error_envelope(&text, &mut body);
    plain(status, "application/json", body)
}

fn throttled(seconds: u64) -> Response<Body> {
    let mut response =
        refused(Refusal(StatusCode::TOO_MANY_REQUESTS, "ERR too many requests".to_owned()));
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    response
}

fn bad_gateway() -> Response<Body> {
    let page = "<!doctype html><html><head><title>502 Bad Gateway</title></head></html>";
    plain(StatusCode::BAD_GATEWAY, "text/html", page.into())
}

fn plain(status: StatusCode, content_type: &'static str, body: Vec<u8>) -> Response<Body> {
    let mut response = Response::new(full(body.into()));
    *response.status_mut() = status;
    let content_type = HeaderValue::from_static(content_type);
    response.headers_mut().insert(header::CONTENT_TYPE, content_type);
    response
}

/// The permission of the request's token.
fn admit<T>(service: &Service, request: &Request<T>) -> Result<Permission, Refusal> {
    if ![Method::GET, Method::HEAD, Method::POST, Method::PUT].contains(request.method()) {
        return Err(Refusal(StatusCode::METHOD_NOT_ALLOWED, "ERR method not allowed".to_owned()));
    }
    let query = request.uri().query().unwrap_or("");
    let unknown =
        || Refusal(StatusCode::UNAUTHORIZED, "WRONGPASS invalid or missing auth token".to_owned());
    let permission = |token: &str| service.tokens.permission(token).ok_or_else(unknown);
    let mut bearers = request.headers().get_all(header::AUTHORIZATION).iter();
    match (bearers.next(), bearers.next()) {
        (None, _) => permission(&request::token_in(query).map_err(bad)?.ok_or_else(unknown)?),
        (Some(only), None) => {
            let permission = permission(bearer(only).ok_or_else(unknown)?)?;
            // `_token` would be dropped as a second token, although it may be an argument.
            if request::has_token(query) {
                return Err(bad(request::ambiguous_token()));
            }
            Ok(permission)
        }
        (Some(_), Some(_)) => Err(bad("ERR more than one Authorization header".to_owned())),
    }
}

async fn listen(
    service: &Service,
    request: &Request<Incoming>,
    fault: Option<Fault>,
) -> Result<Response<Body>, Refusal> {
    let permission = admit(service, request)?;
    request::no_arguments_in(request.uri().query().unwrap_or("")).map_err(bad)?;
    let (word, to) = request::subscription(request.uri().path()).map_err(bad)?;
    if let Some(refusal) = permission.refuse_to_listen(word) {
        return Err(bad(refusal));
    }
    if word == "MONITOR" {
        let monitor = Command::new("MONITOR");
        service.backend.allows(&permission, &monitor).await.map_err(|error| refusal_of(&error))?;
    }
    let client = service.backend.listener(&permission);
    let closing = service.closing.clone();
    let body = events::stream(&client, to, closing, fault == Some(Fault::CloseStream))
        .await
        .map_err(|error| refusal_of(&error))?;
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    Ok(response)
}

async fn answer(
    service: &Service,
    request: Request<Incoming>,
    fault: Option<Fault>,
) -> Result<Answer, Refusal> {
    let permission = admit(service, &request)?;
    let (head, body) = request.into_parts();
    let format = format(&head.headers)?;
    let want = Freshness {
        offset: head.headers.get(SYNC_TOKEN).and_then(offset_in).unwrap_or(0),
        stale: fault == Some(Fault::StaleReplica),
    };
    let limits = service.meter.limits;
    let body = Limited::new(body, limits.request_bytes).collect();
    let body = match tokio::time::timeout(limits.body_time, body).await {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            return Err(bad("ERR max request size exceeded".to_owned()));
        }
        Ok(Err(_)) => return Err(bad("ERR the request ended in the middle".to_owned())),
        Err(_) => {
            let late = "ERR the request's body did not arrive in time".to_owned();
            return Err(Refusal(StatusCode::REQUEST_TIMEOUT, late));
        }
    };
    let call = Call { service, permission, format, want };
    let query = head.uri.query().unwrap_or("");
    match head.uri.path() {
        "/" => {
            request::no_arguments_in(query).map_err(bad)?;
            call.one(&request::from_json(&body).map_err(bad)?).await
        }
        path @ ("/pipeline" | "/multi-exec") => {
            let atomic = path == "/multi-exec";
            if atomic && format == Format::Resp2 {
                return Err(bad("ERR transactions are answered in JSON only".to_owned()));
            }
            request::no_arguments_in(query).map_err(bad)?;
            let commands = request::batch_from_json(&body, limits.batch_commands).map_err(bad)?;
            // The commands take as much memory again.
            drop(body);
            call.all(commands, atomic).await
        }
        path => call.one(&request::from_path(path, query, &body).map_err(bad)?).await,
    }
}

/// The settings that all commands of a request share.
struct Call<'a> {
    service: &'a Service,
    permission: Permission,
    format: Format,
    want: Freshness,
}

impl Call<'_> {
    /// The error text if a command is refused before it is sent.
    fn refuse(&self, command: &Command) -> Option<String> {
        let refused = self.permission.refuse(command);
        let refused = refused.or_else(|| events::refuse_to_publish(command));
        let refused = refused.or_else(|| {
            let checked = self.service.backend.check(command);
            checked.err().map(|error| error_text(&error))
        });
        refused.or_else(|| self.service.meter.admit(command).err())
    }

    async fn one(&self, command: &Command) -> Result<Answer, Refusal> {
        let (result, offset) = match self.refuse(command) {
            Some(refusal) => (Err(Error::server(&refusal)), None),
            None if is_rest_token(command) => (self.rest_token(command).await, None),
            None => {
                let backend = &self.service.backend;
                let (result, offset) = backend.send(&self.permission, command, self.want).await;
                (result, Some(offset))
            }
        };
        let result = self.service.meter.budget().charge(result);
        let status = result.as_ref().map_or_else(status_of, |_| StatusCode::OK);
        let mut body = Vec::new();
        reply::write_result(&result, self.format, &mut body);
        Ok(Answer { status, format: self.format, body, offset })
    }

    async fn all(&self, commands: Vec<Command>, atomic: bool) -> Result<Answer, Refusal> {
        let mut refusals: Vec<Option<String>> =
            commands.iter().map(|command| self.refuse(command)).collect();
        // A transaction is refused as a whole.
        if atomic && let Some(refusal) = refusals.iter_mut().find_map(Option::take) {
            return Err(bad(refusal));
        }
        let mut refused = refusals.iter().map(Option::is_some);
        let admitted: Vec<Command> =
            commands.into_iter().filter(|_| refused.next() == Some(false)).collect();
        let (results, offset) = if admitted.is_empty() {
            (Ok(Vec::new()), None)
        } else {
            let (backend, budget) = (&self.service.backend, self.service.meter.budget());
            let (results, offset) =
                backend.send_all(&self.permission, &admitted, atomic, self.want, budget).await;
            (results, Some(offset))
        };
        let mut results = results.map_err(|error| refusal_of(&error))?.into_iter();
        let results = refusals.into_iter().filter_map(|refusal| match refusal {
            Some(refusal) => Some(Err(Error::server(&refusal))),
            None => results.next(),
        });
        let results = results.collect();
        let mut body = Vec::new();
        reply::write_results(&results, self.format, &mut body);
        Ok(Answer { status: StatusCode::OK, format: self.format, body, offset })
    }

    /// ACL RESTTOKEN, which the REST server carries out itself.
    async fn rest_token(&self, command: &Command) -> Result<edgecask::Value, Error> {
        let text = |at| command.get(at).map(String::from_utf8_lossy);
        let (Some(user), Some(password), None) = (text(1), text(2), text(3)) else {
            return Err(Error::server("ERR wrong number of arguments for 'acl|resttoken' command"));
        };
        // A token that may not list users may not test their passwords either.
        let administers = Command::new("ACL").arg("USERS");
        if self.service.backend.allows(&self.permission, &administers).await.is_err() {
            return Err(Error::server(&no_permission("acl|resttoken")));
        }
        let Some(client) = self.service.backend.user(&user, &password).await else {
            return Err(Error::server(&format!(
                "ERR Wrong password or user \"{}\" does not exist",
                user.escape_default()
            )));
        };
        let token = self.service.tokens.add_user(&user, &password, client)?;
        Ok(edgecask::Value::bulk(token))
    }
}

fn is_rest_token(command: &Command) -> bool {
    command.name() == "ACL"
        && command.get(0).is_some_and(|word| word.eq_ignore_ascii_case(b"RESTTOKEN"))
}

fn bad(text: String) -> Refusal {
    Refusal(StatusCode::BAD_REQUEST, text)
}

fn refusal_of(error: &Error) -> Refusal {
    Refusal(status_of(error), error_text(error))
}

/// The status for an error: 400 for the error of a command, and a gateway error if Redis cannot be reached.
fn status_of(error: &Error) -> StatusCode {
    match error.kind() {
        ErrorKind::Connect | ErrorKind::Disconnected | ErrorKind::Protocol => {
            StatusCode::BAD_GATEWAY
        }
        ErrorKind::Timeout => StatusCode::GATEWAY_TIMEOUT,
        _ => StatusCode::BAD_REQUEST,
    }
}

fn bearer(authorization: &HeaderValue) -> Option<&str> {
    let (scheme, token) = authorization.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn offset_in(token: &HeaderValue) -> Option<u64> {
    token.to_str().ok()?.strip_prefix("edgecask-")?.parse().ok()
}

fn format(headers: &HeaderMap) -> Result<Format, Refusal> {
    let header = |name| {
        let mut values = headers.get_all(name).iter().map(|value| value.to_str().unwrap_or("?"));
        // Two different values are refused like an unknown one.
        let first = values.next()?;
        Some(if values.all(|value| value == first) { first } else { "?" })
    };
    let lower = |name| header(name).map(str::to_ascii_lowercase);
    let (format, encoding) = (lower("upstash-response-format"), lower("upstash-encoding"));
    match (format.as_deref(), encoding.as_deref()) {
        (None | Some("json"), None | Some("")) => Ok(Format::Json),
        (None | Some("json"), Some("base64")) => Ok(Format::Base64),
        (Some("resp2"), None | Some("")) => Ok(Format::Resp2),
        (Some("resp2"), Some(_)) => {
            Err(bad("ERR the format resp2 and an encoding do not go together".to_owned()))
        }
        (Some("json") | None, Some(_)) => {
            Err(bad("ERR unknown encoding: only base64 is supported".to_owned()))
        }
        (Some(_), _) => Err(bad("ERR the response format must be json or resp2".to_owned())),
    }
}
