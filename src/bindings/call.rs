use std::future::Future;
use std::time::Duration;

use futures_util::stream::{AbortHandle, Abortable};
use wasm_bindgen::prelude::*;
use web_sys::AbortSignal;

use super::convert;
use crate::{Error, Result, platform};

/// A call within the limits of its `CallOptions`. When the signal aborts, the call is dropped, and with it its request;
/// the promise is rejected with the signal's reason, as fetch does.
pub(super) async fn limited<T>(
    options: &JsValue,
    call: impl Future<Output = Result<T>> + Send,
) -> Result<T, JsValue> {
    let message = "timeoutMs is a whole number above 0";
    let limit = convert::positive(options, "timeoutMs", message).map_err(convert::error)?;
    let call = async {
        let Some(limit) = limit.map(Duration::from_millis) else { return call.await };
        platform::timeout(limit, call).await.unwrap_or_else(|| Err(Error::timed_out(limit)))
    };
    match signal_of(options)? {
        None => call.await.map_err(convert::error),
        Some(signal) => match unless_aborted(&signal, call).await? {
            Some(result) => result.map_err(convert::error),
            None => Err(signal.reason()),
        },
    }
}

/// Something that goes on until its signal aborts, which is no error.
#[cfg(feature = "js-cache")]
pub(super) async fn until_aborted(
    options: &JsValue,
    work: impl Future<Output = Result<()>>,
) -> Result<(), JsValue> {
    match signal_of(options)? {
        None => work.await.map_err(convert::error),
        Some(signal) => {
            let ended = unless_aborted(&signal, work).await?;
            ended.unwrap_or(Ok(())).map_err(convert::error)
        }
    }
}

fn signal_of(options: &JsValue) -> Result<Option<AbortSignal>, JsValue> {
    let signal = convert::option(options, "signal").map(JsValue::dyn_into).transpose();
    signal.map_err(|_| convert::error(convert::invalid("signal is an AbortSignal")))
}

/// What a future gives; `None` if the signal aborts before.
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
