//! Cloudflare Workers.

/// Whether this program runs in a Cloudflare Worker.
#[cfg(target_arch = "wasm32")]
pub(super) fn is_here() -> bool {
    use std::sync::OnceLock;

    static IS_HERE: OnceLock<bool> = OnceLock::new();
    *IS_HERE.get_or_init(|| {
        let get = |object: &wasm_bindgen::JsValue, name: &str| {
            js_sys::Reflect::get(object, &name.into()).unwrap_or_default()
        };
        let navigator = get(&js_sys::global(), "navigator");
        get(&navigator, "userAgent").as_string().as_deref() == Some("Cloudflare-Workers")
    })
}

/// For `?` in a handler that returns a `worker::Result`. The text is that of the error, which holds no secret.
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
