//! The transport that a URL names.

use std::sync::Arc;

use crate::transport::Transport;
use crate::{Error, ErrorKind, Result};

pub(super) fn wrong<T>(message: &'static str) -> Result<T> {
    Err(Error::new(ErrorKind::Config, message))
}

/// The transport of a URL. No message repeats the URL, because it may contain the token.
pub(super) fn transport(
    url: &str,
    token: Option<String>,
    allow_http: bool,
) -> Result<Arc<dyn Transport>> {
    let Some((scheme, rest)) = url.split_once(':') else {
        return wrong("the URL does not begin with https://, redis://, rediss:// or memory:");
    };
    match scheme.to_ascii_lowercase().as_str() {
        "https" | "http" => rest_transport(url, token, allow_http),
        "redis" | "rediss" => tcp_transport(url, token),
        "memory" if !rest.trim_matches('/').is_empty() => {
            wrong("the embedded engine has no address: write memory: without anything behind it")
        }
        "memory" if token.is_some() => {
            wrong("the embedded engine takes no token: remove the token")
        }
        "memory" => memory_transport(),
        _ => wrong("the URL does not begin with https://, redis://, rediss:// or memory:"),
    }
}

/// Splits a URL into the URL without credentials, and the user name and password, which are still percent-encoded.
#[cfg(any(feature = "rest", all(feature = "tcp", not(target_arch = "wasm32"))))]
fn without_credentials(url: &str) -> (String, Option<(&str, &str)>) {
    let Some((scheme, rest)) = url.split_once("://") else { return (url.to_owned(), None) };
    // A URL parser reads `\` as `/`, so the host ends there.
    let end = rest.find(['/', '\\', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    match authority.rsplit_once('@') {
        None => (url.to_owned(), None),
        Some((credentials, host)) => {
            let credentials = credentials.split_once(':').unwrap_or((credentials, ""));
            (format!("{scheme}://{host}{path}"), Some(credentials))
        }
    }
}

#[cfg(feature = "rest")]
fn rest_transport(
    url: &str,
    token: Option<String>,
    allow_http: bool,
) -> Result<Arc<dyn Transport>> {
    use crate::transport::rest::{RestOptions, RestTransport};
    let (base, credentials) = without_credentials(url);
    let token = match (credentials, token) {
        (None, Some(token)) => token,
        (Some(_), Some(_)) => {
            return wrong("the URL contains a token, and another one is given: remove one of them");
        }
        (None, None) => {
            return wrong("the REST URL has no token: call token(…), or write https://:token@host");
        }
        (Some((_, token)), None) if !token.is_empty() => {
            match percent_encoding::percent_decode_str(token).decode_utf8() {
                Ok(token) => token.into_owned(),
                Err(_) => return wrong("the token in the URL is not UTF-8 in percent encoding"),
            }
        }
        (Some(_), None) => {
            return wrong("the token in the URL has to follow a colon: https://:token@host");
        }
    };
    let options = RestOptions::new(base, token).allow_http(allow_http);
    Ok(Arc::new(RestTransport::new(options)?))
}

#[cfg(not(feature = "rest"))]
fn rest_transport(_: &str, _: Option<String>, _: bool) -> Result<Arc<dyn Transport>> {
    wrong("the URL is one of the REST API, and this build lacks the feature rest: turn it on")
}

#[cfg(all(feature = "tcp", not(target_arch = "wasm32")))]
fn tcp_transport(url: &str, token: Option<String>) -> Result<Arc<dyn Transport>> {
    use crate::transport::tcp::{TcpOptions, TcpTransport};
    let mut options = TcpOptions::new(url);
    if let Some(password) = token {
        if without_credentials(url).1.is_some_and(|(_, password)| !password.is_empty()) {
            return wrong("the URL contains a password, and a token is given: remove one of them");
        }
        options = options.password(password);
    }
    Ok(Arc::new(TcpTransport::new(options)?))
}

#[cfg(not(all(feature = "tcp", not(target_arch = "wasm32"))))]
fn tcp_transport(_: &str, _: Option<String>) -> Result<Arc<dyn Transport>> {
    wrong(
        "the URL is a redis:// URL, and this build does not speak TCP: turn on the feature tcp on a native target, or \
         give the https:// URL of a REST API",
    )
}

#[cfg(feature = "memory")]
fn memory_transport() -> Result<Arc<dyn Transport>> {
    Ok(Arc::new(crate::transport::memory::MemoryTransport::new()))
}

#[cfg(not(feature = "memory"))]
fn memory_transport() -> Result<Arc<dyn Transport>> {
    wrong("the URL is memory:, and this build lacks the feature memory: turn it on")
}
