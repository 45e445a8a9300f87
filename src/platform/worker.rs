//! Cloudflare Workers.

#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
use std::sync::atomic::{AtomicU8, Ordering};

#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
const UNKNOWN: u8 = 2;

/// Whether it is one; [`UNKNOWN`] before the first check.
#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
static IS_HERE: AtomicU8 = AtomicU8::new(UNKNOWN);

/// Whether this program runs in a Cloudflare Worker. It checks the user agent, which an old compatibility date or another
/// library's `navigator` may hide, and a class that only Workers have.
#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
pub(super) fn is_here() -> bool {
    let known = IS_HERE.load(Ordering::Relaxed);
    if known != UNKNOWN {
        return known == 1;
    }
    let get = |object: &wasm_bindgen::JsValue, name: &str| {
        js_sys::Reflect::get(object, &name.into()).unwrap_or_default()
    };
    let navigator = get(&js_sys::global(), "navigator");
    let is_here = get(&navigator, "userAgent").as_string().as_deref() == Some("Cloudflare-Workers")
        || get(&js_sys::global(), "WebSocketPair").is_function();
    say(is_here);
    is_here
}

/// Overrides the detection.
#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
pub(super) fn say(is_here: bool) {
    IS_HERE.store(u8::from(is_here), Ordering::Relaxed);
}

/// For `?` in a handler that returns a `worker::Result`. The text is that of the error, which contains no secret.
#[cfg(feature = "worker")]
impl From<crate::Error> for worker::Error {
    fn from(error: crate::Error) -> Self {
        Self::RustError(error.to_string())
    }
}

#[cfg(all(test, feature = "worker"))]
mod tests {
    use crate::{Error, ErrorKind};

    #[test]
    fn an_error_keeps_its_text_in_a_worker() {
        let error = Error::new(ErrorKind::Config, "set REDIS_URL");
        let text = error.to_string();
        // What a Worker's handler writes: a host has no `Env`.
        let handler = || -> worker::Result<()> { Err(error)? };
        assert_eq!(handler().map_err(|error| error.to_string()), Err(text));
    }
}
