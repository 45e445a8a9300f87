use std::future::Future;
use std::time::Duration;

use futures_util::stream::{AbortHandle, Abortable};
use js_sys::Promise;
use tracing::Dispatch;
use tracing::instrument::WithSubscriber;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::future_to_promise;
use web_sys::AbortSignal;

use super::convert;
use edgecask::platform::LocalFuture;
use edgecask::{Error, ErrorKind, Result, platform};

/// A call as a promise, whose log lines go to this subscriber. It holds all that it needs, so that the object which it is
/// called on may be freed meanwhile.
pub(super) fn promise<T: Into<JsValue>>(
    log: Dispatch,
    call: impl Future<Output = Result<T, JsValue>> + 'static,
) -> Promise {
    // In a box, so that the code of promises is compiled once.
    let call: LocalFuture<Result<JsValue, JsValue>> =
        Box::pin(async move { call.await.map(Into::into) });
    future_to_promise(call.with_subscriber(log))
}

/// A call within the limits of its `CallOptions`. When the signal aborts, the call is dropped, and with it its request;
/// the promise is rejected with the signal's reason, as fetch does.
pub(super) async fn limited<T>(
    options: &JsValue,
    call: impl Future<Output = Result<T>> + Send,
) -> Result<T, JsValue> {
    let limit = convert::whole(options, "timeoutMs").map(Duration::from_millis);
    let call = async {
        let Some(limit) = limit else { return call.await };
        platform::timeout(limit, call).await.unwrap_or_else(|| Err(timed_out(limit)))
    };
    match signal_of(options) {
        None => call.await.map_err(convert::error),
        Some(signal) => match unless_aborted(&signal, call).await? {
            Some(result) => result.map_err(convert::error),
            None => Err(signal.reason()),
        },
    }
}

fn timed_out(limit: Duration) -> Error {
    Error::new(ErrorKind::Timeout, format!("no answer within {limit:?}"))
}

/// Runs a future until its signal aborts, which is not an error.
#[cfg(feature = "cache")]
pub(super) async fn until_aborted(
    options: &JsValue,
    work: impl Future<Output = Result<()>>,
) -> Result<(), JsValue> {
    match signal_of(options) {
        None => work.await.map_err(convert::error),
        Some(signal) => {
            let ended = unless_aborted(&signal, work).await?;
            ended.unwrap_or(Ok(())).map_err(convert::error)
        }
    }
}

/// The face has checked it. It may be a signal of another realm, which is not an instance of this realm's class.
fn signal_of(options: &JsValue) -> Option<AbortSignal> {
    convert::option(options, "signal").map(JsCast::unchecked_into)
}

/// The output of a future; `None` if the signal aborts before.
async fn unless_aborted<T>(
    signal: &AbortSignal,
    future: impl Future<Output = T>,
) -> Result<Option<T>, JsValue> {
    if signal.aborted() {
        return Ok(None);
    }
    let (abort, registration) = AbortHandle::new_pair();
    let _listening = Listener::new(signal, abort)?;
    Ok(Abortable::new(future, registration).await.ok())
}

/// Aborts a call when its signal does; it stops listening when it is dropped.
struct Listener<'a> {
    signal: &'a AbortSignal,
    on_abort: Closure<dyn FnMut()>,
}

impl<'a> Listener<'a> {
    fn new(signal: &'a AbortSignal, abort: AbortHandle) -> Result<Self, JsValue> {
        let on_abort = Closure::new(move || abort.abort());
        let function = on_abort.as_ref().unchecked_ref();
        signal.add_event_listener_with_callback("abort", function)?;
        Ok(Self { signal, on_abort })
    }
}

impl Drop for Listener<'_> {
    fn drop(&mut self) {
        let function = self.on_abort.as_ref().unchecked_ref();
        // It was added.
        let _ = self.signal.remove_event_listener_with_callback("abort", function);
    }
}
