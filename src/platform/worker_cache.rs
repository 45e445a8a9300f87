//! The Cache API of a Worker.

use std::time::Duration;

use bytes::Bytes;
use js_sys::{Reflect, Uint8Array};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{Cache, Headers, Response, ResponseInit};

use super::{BoxFuture, send};
use crate::{Error, ErrorKind, Result};

/// Whether there is a `caches.default`.
///
/// # Errors
/// [`ErrorKind::Config`] outside of a Worker.
pub fn check() -> Result<()> {
    cache().map(|_| ())
}

/// The bytes stored under this key.
///
/// # Errors
/// [`ErrorKind::Store`] if the platform does not answer.
pub fn get(key: &str) -> BoxFuture<'_, Result<Option<Bytes>>> {
    send(|| async move {
        let found = JsFuture::from(cache()?.match_with_str(&url(key))).await.map_err(failed)?;
        let Ok(response) = found.dyn_into::<Response>() else {
            return Ok(None);
        };
        let body = response.array_buffer().map_err(failed)?;
        let body = JsFuture::from(body).await.map_err(failed)?;
        Ok(Some(Uint8Array::new(&body).to_vec().into()))
    })
}

/// Stores bytes for this many whole seconds. With less than a second it stores nothing.
///
/// # Errors
/// As for [`get`].
pub fn put(key: &str, stored: Bytes, ttl: Duration) -> BoxFuture<'_, Result<()>> {
    send(|| async move {
        let seconds = ttl.as_secs();
        if seconds == 0 {
            return Ok(());
        }
        let headers = Headers::new().map_err(failed)?;
        headers.set("cache-control", &format!("max-age={seconds}")).map_err(failed)?;
        let init = ResponseInit::new();
        init.set_headers(&headers);
        let body = Uint8Array::from(&stored[..]);
        let response = Response::new_with_opt_js_u8_array_and_init(Some(&body), &init);
        let put = cache()?.put_with_str(&url(key), &response.map_err(failed)?);
        JsFuture::from(put).await.map_err(failed).map(|_| ())
    })
}

/// Deletes this key.
///
/// # Errors
/// As for [`get`].
pub fn delete(key: &str) -> BoxFuture<'_, Result<()>> {
    send(|| async move {
        let deleted = cache()?.delete_with_str(&url(key));
        JsFuture::from(deleted).await.map_err(failed).map(|_| ())
    })
}

fn cache() -> Result<Cache> {
    let caches = Reflect::get(&js_sys::global(), &"caches".into());
    let cache = caches.and_then(|caches| Reflect::get(&caches, &"default".into()));
    cache.ok().filter(|cache| cache.is_object()).map(JsCast::unchecked_into).ok_or_else(|| {
        Error::new(ErrorKind::Config, "there is no caches.default: this is not a Cloudflare Worker")
    })
}

/// A URL that cannot be requested over the network.
fn url(key: &str) -> String {
    format!("https://edgecask.invalid/{}", utf8_percent_encode(key, NON_ALPHANUMERIC))
}

fn failed(error: JsValue) -> Error {
    let text = error.dyn_ref::<js_sys::Error>().map(|error| String::from(error.message()));
    let text = text.unwrap_or_else(|| "unknown error".to_owned());
    Error::new(ErrorKind::Store, format!("the Worker's cache failed: {text}"))
}
