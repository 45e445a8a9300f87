//! A front before a REST server, which answers as servers of others do.

use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// How the front differs from the API's documentation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deviation {
    /// Replies are plain JSON whatever the request asks for.
    EncodingsIgnored,
    /// `Upstash-Response-Format` is ignored, and `Upstash-Encoding` is known.
    ResponseFormatIgnored,
    /// `Upstash-Response-Format` is refused with 406 and a text.
    ResponseFormatNotAcceptable,
    /// `Upstash-Response-Format` is refused with 400 and a text.
    ResponseFormatRefusedAsText,
    /// `Upstash-Response-Format` is refused with 200 and an `error`.
    ResponseFormatRefusedAsSuccess,
    /// A pipeline in RESP2 is answered as one array.
    PipelineAsArray,
    /// A script with the flag `allow-key-locking` does not compile.
    KeyLockingRefused,
    /// Errors of commands come with the status 500 and words before them.
    CommandErrorsAsServerErrors,
    /// `NOPERM …` comes with the status 403.
    NoPermissionAsForbidden,
    /// A POST without a `Content-Length` is refused with 411.
    LengthRequired,
    /// A request without a `User-Agent` is refused with 403 and a page.
    UserAgentRequired,
    /// `Content-Type: application/json` is refused with 415 where the body is not JSON.
    ContentTypeChecked,
    /// The API is below `/gateway`, and a single command is posted to `/gateway` without a slash at the end.
    BasePathWithoutSlash,
    /// Base64 has no padding.
    Base64Unpadded,
    /// Answers begin with a byte order mark.
    ByteOrderMark,
    /// Integers beyond 2^53 come as strings that are not encoded.
    LargeIntegersAsStrings,
    /// There is no path form and there are no subscriptions: 404.
    JsonOnly,
    /// There are no transactions: 404.
    NoTransactions,
    /// A subscription is refused with 200 and an `error`.
    SubscriptionRefusedAsSuccess,
    /// The lines of events end with one line feed, without an empty line.
    EventsEndInOneLineFeed,
    /// A subscription is not confirmed by an event.
    NoConfirmation,
    /// The names of channels in paths are taken as they are, without decoding.
    PathsNotDecoded,
}

use Deviation::*;

/// The running front.
#[derive(Debug)]
pub struct Deviant {
    url: String,
    front: Arc<Front>,
    task: JoinHandle<()>,
}

#[derive(Debug)]
struct Front {
    upstream: String,
    deviations: Vec<Deviation>,
    http: reqwest::Client,
    /// The path and the asked-for format of each request.
    seen: Mutex<Vec<(String, bool)>>,
}

impl Deviant {
    /// A front before the server at this URL.
    ///
    /// # Panics
    /// If this host has no free port.
    pub async fn start(upstream: impl Into<String>, deviations: &[Deviation]) -> Self {
        let front = Arc::new(Front {
            upstream: upstream.into(),
            deviations: deviations.to_vec(),
            http: reqwest::Client::new(),
            seen: Mutex::default(),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let base = if front.does(BasePathWithoutSlash) { "/gateway" } else { "" };
        let router = Router::new().fallback(answer).with_state(Arc::clone(&front));
        let task = tokio::spawn(async move {
            // It serves until it is aborted.
            let _ = axum::serve(listener, router).await;
        });
        Self { url: format!("http://{address}{base}"), front, task }
    }

    /// The URL for a client.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// How many requests came.
    pub fn requests(&self) -> usize {
        self.front.seen.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// How many requests asked for RESP2.
    pub fn asked_for_resp2(&self) -> usize {
        let seen = self.front.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.iter().filter(|(_, resp2)| *resp2).count()
    }
}

impl Drop for Deviant {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Front {
    fn does(&self, deviation: Deviation) -> bool {
        self.deviations.contains(&deviation)
    }

    /// The refusal of a request before it is carried out.
    fn refuse(&self, request: &Request, path: &str) -> Option<Response> {
        let headers = request.headers();
        let is_json = matches!(path, "/" | "/pipeline" | "/multi-exec");
        let is_subscription = ["/subscribe/", "/psubscribe/"].iter().any(|at| path.starts_with(at));
        if self.does(LengthRequired)
            && request.method() == Method::POST
            && !headers.contains_key(header::CONTENT_LENGTH)
        {
            return Some(text(411, "a length is required"));
        }
        let is_named = headers.get(header::USER_AGENT).is_some_and(|name| !name.is_empty());
        if self.does(UserAgentRequired) && !is_named {
            return Some(text(403, "<html>bots are not allowed</html>"));
        }
        let says_json =
            headers.get(header::CONTENT_TYPE).is_some_and(|it| it == "application/json");
        if self.does(ContentTypeChecked) && says_json != is_json {
            return Some(text(415, "the body is of another type"));
        }
        let is_unknown =
            self.does(JsonOnly) && !is_json || self.does(NoTransactions) && path == "/multi-exec";
        if is_unknown {
            return Some(text(404, "404 Not Found"));
        }
        if self.does(SubscriptionRefusedAsSuccess) && is_subscription {
            return Some(json(200, r#"{"error":"ERR subscriptions are turned off here"}"#));
        }
        if !headers.contains_key("upstash-response-format") {
            return None;
        }
        if self.does(ResponseFormatNotAcceptable) {
            Some(text(406, "only json is acceptable"))
        } else if self.does(ResponseFormatRefusedAsText) {
            Some(text(400, "unknown response format"))
        } else if self.does(ResponseFormatRefusedAsSuccess) {
            Some(json(200, r#"{"error":"ERR unknown response format"}"#))
        } else {
            None
        }
    }

    /// The body of a request as the server below is to see it.
    fn rewritten(&self, path: &str, body: Bytes) -> Bytes {
        const REFUSAL: &str = "return redis.error_reply(\"ERR Error compiling script (new function): user_script:1: \
                               unexpected symbol near '#'\")";
        let Ok(mut commands) = serde_json::from_slice::<Value>(&body) else { return body };
        if !self.does(KeyLockingRefused) {
            return body;
        }
        let refuse = |command: &mut Value| {
            let is_flagged = command[1].as_str().is_some_and(|source| source.starts_with("#!lua"));
            if is_flagged && command[0].as_str().is_some_and(|name| name.starts_with("EVAL")) {
                *command = serde_json::json!(["EVAL", REFUSAL, "0"]);
            }
        };
        match &mut commands {
            command if path == "/" => refuse(command),
            Value::Array(commands) => commands.iter_mut().for_each(refuse),
            _ => {}
        }
        commands.to_string().into()
    }

    /// The body and the status of an answer as the client is to see them.
    fn deviate(
        &self,
        status: u16,
        body: Bytes,
        pipeline: Option<usize>,
        base64: bool,
    ) -> (u16, Vec<u8>) {
        let mut status = status;
        let mut body = body.to_vec();
        if body.first().is_none_or(|first| !b"{[".contains(first)) {
            if let Some(count) = pipeline.filter(|_| self.does(PipelineAsArray) && status == 200) {
                body.splice(0..0, format!("*{count}\r\n").into_bytes());
            }
            return (status, body);
        }
        if let Ok(mut answer) = serde_json::from_slice::<Value>(&body) {
            if let Some(error) = answer["error"].as_str().map(ToOwned::to_owned) {
                if self.does(CommandErrorsAsServerErrors) && status == 400 {
                    answer["error"] = format!("Failed to execute Redis command: {error}").into();
                    status = 500;
                }
                if self.does(NoPermissionAsForbidden) && error.starts_with("NOPERM") {
                    status = 403;
                }
            }
            self.change(&mut answer, base64);
            body = answer.to_string().into_bytes();
        }
        if self.does(ByteOrderMark) {
            body.splice(0..0, *b"\xef\xbb\xbf");
        }
        (status, body)
    }

    fn change(&self, value: &mut Value, base64: bool) {
        /// The first integer after which an `f64` has gaps.
        const EXACT: u64 = 1 << 53;
        match value {
            Value::Array(items) => items.iter_mut().for_each(|item| self.change(item, base64)),
            Value::Object(fields) => {
                let results = fields.iter_mut().filter(|(name, _)| *name != "error");
                results.for_each(|(_, value)| self.change(value, base64));
            }
            Value::String(text) if base64 && self.does(Base64Unpadded) => {
                *text = text.trim_end_matches('=').to_owned();
            }
            Value::Number(number) if self.does(LargeIntegersAsStrings) => {
                let size = number.as_i64().map_or(u64::MAX, i64::unsigned_abs);
                if size > EXACT {
                    *value = number.to_string().into();
                }
            }
            _ => {}
        }
    }

    /// A piece of a stream of events as the client is to see it.
    fn events(&self, piece: &[u8]) -> Vec<u8> {
        let text = String::from_utf8_lossy(piece);
        let mut events: Vec<&str> = text.split_inclusive("\n\n").collect();
        if self.does(NoConfirmation) {
            let is_confirmation = |event: &&str| {
                event.starts_with("data: subscribe,") || event.starts_with("data: psubscribe,")
            };
            events.retain(|event| !is_confirmation(event));
        }
        let all = events.concat();
        if self.does(EventsEndInOneLineFeed) { all.replace("\n\n", "\n") } else { all }.into_bytes()
    }
}

async fn answer(State(front): State<Arc<Front>>, request: Request) -> Response {
    let path = request.uri().path().to_owned();
    let query = request.uri().query().map(|query| format!("?{query}")).unwrap_or_default();
    let resp2 = request.headers().contains_key("upstash-response-format");
    front.seen.lock().unwrap_or_else(PoisonError::into_inner).push((path.clone(), resp2));
    let path = match (front.does(BasePathWithoutSlash), path.strip_prefix("/gateway")) {
        (false, _) => path,
        (true, Some("")) => "/".to_owned(),
        (true, Some(below)) if below != "/" => below.to_owned(),
        (true, _) => return text(404, "404 Not Found"),
    };
    if let Some(refusal) = front.refuse(&request, &path) {
        return refusal;
    }
    let (head, body) = request.into_parts();
    let Ok(body) = to_bytes(body, usize::MAX).await else {
        return text(400, "the body is incomplete");
    };
    let pipeline = (path == "/pipeline")
        .then(|| serde_json::from_slice::<Vec<Value>>(&body).map_or(0, |all| all.len()));
    let is_stream =
        ["/subscribe/", "/psubscribe/", "/monitor"].iter().any(|at| path.starts_with(at));
    let base64 = head.headers.contains_key("upstash-encoding");
    let below = if is_stream && front.does(PathsNotDecoded) {
        path.replace('%', "%25")
    } else {
        path.clone()
    };
    let mut call = front.http.request(head.method, format!("{}{below}{query}", front.upstream));
    for (name, value) in &head.headers {
        let is_dropped = match name.as_str() {
            "host" | "content-length" => true,
            "upstash-encoding" => front.does(EncodingsIgnored),
            "upstash-response-format" => {
                front.does(EncodingsIgnored) || front.does(ResponseFormatIgnored)
            }
            _ => false,
        };
        if !is_dropped {
            call = call.header(name, value);
        }
    }
    let sent = call.body(front.rewritten(&path, body)).send().await;
    let Ok(mut answer) = sent else { return text(502, "the server below is away") };
    let status = answer.status();
    let mut headers = std::mem::take(answer.headers_mut());
    headers.remove(header::CONTENT_LENGTH);
    headers.remove(header::TRANSFER_ENCODING);
    let body = if is_stream && status == StatusCode::OK {
        Body::from_stream(stream::try_unfold(answer, move |mut answer| {
            let front = Arc::clone(&front);
            async move {
                let piece = answer.chunk().await?;
                Ok::<_, reqwest::Error>(piece.map(|piece| (front.events(&piece), answer)))
            }
        }))
    } else {
        let Ok(whole) = answer.bytes().await else { return text(502, "the answer is incomplete") };
        let (status, body) = front.deviate(
            status.as_u16(),
            whole,
            pipeline,
            base64 && !front.does(EncodingsIgnored),
        );
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = StatusCode::from_u16(status).expect("a status");
        *response.headers_mut() = headers;
        return response;
    };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

fn text(status: u16, body: &'static str) -> Response {
    (StatusCode::from_u16(status).expect("a status"), body).into_response()
}

fn json(status: u16, body: &'static str) -> Response {
    let status = StatusCode::from_u16(status).expect("a status");
    (status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}
