//! The application of a history: its responses differ by tenant, by who is signed in, and by version.

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, Request, Response};
use futures_util::stream;

use super::{FRESH, STALE};
use crate::http_cache::origin::response;

/// How the next responses are.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Mood {
    /// They break off with an error.
    pub(super) broken: bool,
    /// They end before the length that they state.
    pub(super) short: bool,
    /// They have an entity tag, and are validated by it.
    pub(super) tagged: bool,
    /// They come in parts, and state no length.
    pub(super) in_parts: bool,
    /// A 304 has no header that it need not have.
    pub(super) bare_304: bool,
}

#[derive(Default)]
pub(super) struct App {
    pub(super) version: u64,
    pub(super) mood: Mood,
}

/// The body of a version, for a tenant and who is signed in there, or `-`. Its length says whether it is whole.
pub(super) fn body_of(tenant: &str, who: &str, version: u64) -> String {
    format!("{tenant} {who} {version} {}.", "x".repeat(version as usize % 7 * 100))
}

/// All lines of a header, joined.
fn joined(headers: &HeaderMap, name: &str) -> String {
    let lines = headers.get_all(name).iter().map(|line| line.to_str().unwrap());
    lines.collect::<Vec<_>>().join(", ")
}

impl App {
    pub(super) fn answer(&self, request: &Request<Body>) -> Response<Body> {
        if request.method() == "POST" {
            return response(204, &[], "");
        }
        let (headers, mood) = (request.headers(), self.mood);
        let tenant = joined(headers, "x-tenant");
        // A user of the cache's options and a session are told by `private`; `Authorization` speaks for itself.
        let logins = ["x-user", "cookie", "authorization"].map(|name| joined(headers, name));
        let who = logins.iter().find(|login| !login.is_empty()).map_or("-", String::as_str);
        let private = if logins[0].is_empty() && logins[1].is_empty() { "" } else { "private, " };
        let control = format!("{private}max-age={FRESH}, stale-while-revalidate={STALE}");
        let tag = format!("\"{tenant}-{who}-{}\"", self.version);
        let common =
            [("cache-control", control.as_str()), ("vary", "Accept"), ("vary", "X-Tenant")];
        let tagged = [&common[..], &[("etag", &*tag)]].concat();
        if mood.tagged && headers.get("if-none-match").is_some_and(|asked| *asked == *tag) {
            return response(304, if mood.bare_304 { &common[..1] } else { &tagged }, "");
        }
        let body = body_of(&tenant, who, self.version);
        let length = body.len().to_string();
        let mut headers = if mood.tagged { tagged } else { common.to_vec() };
        if !mood.in_parts || mood.short {
            headers.push(("content-length", &length));
        }
        match request.method() == "HEAD" {
            true => response(200, &headers, ""),
            false => response(200, &headers, self.stream(&body)),
        }
    }

    fn stream(&self, body: &str) -> Body {
        let mut frames: Vec<std::io::Result<Bytes>> =
            body.as_bytes().chunks(150).map(|part| Ok(Bytes::copy_from_slice(part))).collect();
        if self.mood.broken {
            *frames.last_mut().unwrap() = Err(std::io::Error::other("gone"));
        }
        if self.mood.short {
            let last = frames.pop().unwrap().unwrap();
            frames.push(Ok(last.slice(..last.len() - 1)));
        }
        let in_parts = self.mood.in_parts;
        let frames = stream::unfold(frames.into_iter(), move |mut frames| async move {
            if in_parts {
                tokio::task::yield_now().await;
            }
            frames.next().map(|frame| (frame, frames))
        });
        Body::from_stream(frames)
    }
}
