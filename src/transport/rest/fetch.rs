use bytes::Bytes;
use futures_util::stream;
use http::Method;
use js_sys::Uint8Array;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    AbortController, Headers, ReadableStream, ReadableStreamDefaultReader, RequestInit,
    RequestRedirect, Response,
};

use super::http_client::{Collected, HttpClient, HttpRequest, HttpResponse, HttpStream};
use crate::platform::{self, BoxFuture};
use crate::{Error, ErrorKind, Result};

#[wasm_bindgen]
extern "C" {
    /// The platform's `fetch`. Workers, browsers, Node and Deno have it on the global object.
    #[wasm_bindgen(js_name = fetch, catch)]
    fn global_fetch(url: &str, init: &RequestInit) -> Result<js_sys::Promise, JsValue>;
}

/// HTTP over the platform's `fetch`. It holds nothing, so the requests of a Worker may share it.
#[derive(Debug, Clone, Copy, Default)]
pub struct FetchClient;

impl FetchClient {
    /// A client.
    pub fn new() -> Self {
        Self
    }
}

impl HttpClient for FetchClient {
    fn post(&self, request: HttpRequest) -> BoxFuture<'_, Result<HttpResponse>> {
        self.send(request)
    }

    fn send(&self, request: HttpRequest) -> BoxFuture<'_, Result<HttpResponse>> {
        platform::send(|| async move {
            let abort = AbortOnDrop::new()?;
            let response = fetch(&request, &abort).await?;
            let headers = response.headers();
            let header = |name| headers.get(name).ok().flatten();
            // The length that answers a HEAD is that of the body that a GET would have.
            let length = if request.method == Method::HEAD { None } else { length(&headers) };
            let status = response.status();
            // An unread body occupies one of a Worker's few connections, so it is read to its end or aborted.
            let mut body = Collected::new(status, request.max_response_bytes, length)?;
            if length.is_some_and(|length| length <= body.room() as u64) {
                let whole = JsFuture::from(response.array_buffer().map_err(lost)?).await;
                body.push(Uint8Array::new(&whole.map_err(lost)?).to_vec().into())?;
                abort.disarm();
            } else if let Some(stream) = response.body() {
                let reader = reader(stream)?;
                loop {
                    let Some(piece) = piece(&reader).await? else {
                        abort.disarm();
                        break;
                    };
                    if !body.push(piece)? {
                        break;
                    }
                }
            } else {
                abort.disarm();
            }
            Ok(HttpResponse::new(status, header, body.finish()))
        })
    }

    fn can_stream(&self) -> bool {
        true
    }

    fn open(&self, request: HttpRequest) -> BoxFuture<'_, Result<HttpStream>> {
        platform::send(|| async move {
            let abort = AbortOnDrop::new()?;
            let response = fetch(&request, &abort).await?;
            let reader = reader(response.body().ok_or_else(|| lost(JsValue::UNDEFINED))?)?;
            // The stream owns the abort handle, so the fetch goes on until the stream is dropped.
            let body = stream::try_unfold((reader, abort), |(reader, abort)| async move {
                Ok(piece(&reader).await?.map(|piece| (piece, (reader, abort))))
            });
            Ok(HttpStream::new(response.status(), platform::send_stream(body)))
        })
    }
}

/// The length of a body, if the header has it. For a compressed body the header does not have the real length.
fn length(headers: &Headers) -> Option<u64> {
    let header = |name| headers.get(name).ok().flatten();
    match header("content-encoding") {
        None => header("content-length")?.parse().ok(),
        Some(_) => None,
    }
}

fn reader(body: ReadableStream) -> Result<ReadableStreamDefaultReader> {
    let reader = body.get_reader().dyn_into::<ReadableStreamDefaultReader>();
    reader.map_err(|error| lost(error.into()))
}

/// The next piece of a body; `None` at its end.
async fn piece(reader: &ReadableStreamDefaultReader) -> Result<Option<Bytes>> {
    let piece = JsFuture::from(reader.read()).await.map_err(lost)?;
    let field = |name: &str| js_sys::Reflect::get(&piece, &name.into()).map_err(lost);
    if field("done")?.is_truthy() {
        return Ok(None);
    }
    Ok(Some(Uint8Array::new(&field("value")?).to_vec().into()))
}

async fn fetch(request: &HttpRequest, abort: &AbortOnDrop) -> Result<Response> {
    let headers = Headers::new().map_err(not_sent)?;
    for (name, value) in request.all_headers() {
        headers.set(name, value).map_err(not_sent)?;
    }
    let init = RequestInit::new();
    init.set_method(request.method.as_str());
    // A redirect could send the token to another host.
    init.set_redirect(RequestRedirect::Manual);
    init.set_headers(&headers);
    if request.may_have_body() {
        init.set_body(&Uint8Array::from(&*request.body));
    }
    init.set_signal(Some(&abort.controller.signal()));
    let promise = global_fetch(&request.url, &init).map_err(not_sent)?;
    // fetch does not report whether the request was sent before it failed.
    JsFuture::from(promise).await.map_err(lost)?.dyn_into().map_err(lost)
}

/// Aborts the fetch if its future is dropped early, for example by a deadline or a cancelled request.
struct AbortOnDrop {
    controller: AbortController,
    armed: std::cell::Cell<bool>,
}

impl AbortOnDrop {
    fn new() -> Result<Self> {
        Ok(Self {
            controller: AbortController::new().map_err(not_sent)?,
            armed: std::cell::Cell::new(true),
        })
    }

    fn disarm(&self) {
        self.armed.set(false);
    }
}

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        if self.armed.get() {
            self.controller.abort();
        }
    }
}

fn not_sent(error: JsValue) -> Error {
    Error::new(ErrorKind::InvalidInput, format!("the request cannot be sent: {}", describe(&error)))
}

fn lost(error: JsValue) -> Error {
    let code = cause_code(&error);
    // Node's fetch names the cause. If the connection was refused, the request was not sent.
    let kind = match code.as_deref() {
        Some("ECONNREFUSED" | "ENOTFOUND" | "EAI_AGAIN" | "UND_ERR_CONNECT_TIMEOUT") => {
            ErrorKind::Connect
        }
        _ => ErrorKind::Disconnected,
    };
    Error::new(kind, format!("no answer from the REST server: {}", describe(&error)))
}

fn describe(error: &JsValue) -> String {
    match error.dyn_ref::<js_sys::Error>() {
        Some(error) => String::from(error.message()),
        None => "an unknown error of fetch".to_owned(),
    }
}

fn cause_code(error: &JsValue) -> Option<String> {
    let cause = js_sys::Reflect::get(error, &"cause".into()).ok()?;
    js_sys::Reflect::get(&cause, &"code".into()).ok()?.as_string()
}
