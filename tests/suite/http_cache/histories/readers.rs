//! The readers of a history: what they ask, and when they go away.

use axum::body::{Body, Bytes, to_bytes};
use axum::http::{Request, response};
use futures_util::FutureExt;
use futures_util::future::{Either, select};
use http_body_util::BodyExt;
use tower::ServiceExt;

use super::Service;

/// By what a reader is signed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Login {
    /// A user of the cache's options.
    User,
    Cookie,
    Authorization,
}

/// When a reader goes away.
#[derive(Debug, Clone, Copy)]
pub(super) enum Departure {
    AtTheEnd,
    /// After so many turns.
    BeforeTheResponse(usize),
    /// After so many frames.
    InTheBody(usize),
}

#[derive(Debug, Clone)]
pub(super) struct Reader {
    /// Of the tenant, and of who is signed in.
    pub(super) number: u8,
    pub(super) login: Option<Login>,
    pub(super) process: usize,
    /// The header that names the tenant has two lines.
    pub(super) two_lines: bool,
    pub(super) control: Option<&'static str>,
    /// With the entity tag that this reader saw last.
    pub(super) conditional: bool,
    /// For the first bytes alone.
    pub(super) range: bool,
    pub(super) head: bool,
    pub(super) departure: Departure,
}

/// Who asks: a tenant, and a login.
pub(super) type Identity = (u8, Option<Login>);

/// The bytes that a range request asks for: enough to tell what they are of.
pub(super) const PART: usize = 20;

pub(super) struct Answer {
    pub(super) head: response::Parts,
    /// `None`: it breaks off.
    pub(super) body: Option<Bytes>,
}

impl Reader {
    pub(super) fn identity(&self) -> Identity {
        (self.number, self.login)
    }

    pub(super) fn tenant(&self) -> String {
        format!("t, {}", self.number)
    }

    /// The name of who is signed in.
    pub(super) fn who(&self) -> String {
        self.login.map_or("-".to_owned(), |login| format!("{login:?}{}", self.number))
    }

    fn request(&self, seen: Option<&(String, String)>) -> Request<Body> {
        let method = if self.head { "HEAD" } else { "GET" };
        let mut request = Request::builder().method(method).uri("/").header("host", "example.org");
        request = match self.two_lines {
            true => request.header("x-tenant", "t").header("x-tenant", self.number.to_string()),
            false => request.header("x-tenant", self.tenant()),
        };
        request = match self.login {
            None => request,
            Some(Login::User) => request.header("x-user", self.who()),
            Some(Login::Cookie) => request.header("cookie", self.who()),
            Some(Login::Authorization) => request.header("authorization", self.who()),
        };
        if let Some(control) = self.control {
            request = request.header("cache-control", control);
        }
        if self.range {
            request = request.header("range", format!("bytes=0-{}", PART - 1));
        }
        if let Some((tag, _)) = seen.filter(|_| self.conditional) {
            request = request.header("if-none-match", tag);
        }
        request.body(Body::empty()).unwrap()
    }

    /// Asks. `None`: the reader has gone away. `seen` is the entity tag and the body that this reader saw last.
    pub(super) async fn read(
        &self,
        service: Service,
        seen: Option<&(String, String)>,
    ) -> Option<Answer> {
        let asking = service.oneshot(self.request(seen)).boxed();
        let answer = match self.departure {
            Departure::BeforeTheResponse(turns) => {
                let leaving = async move {
                    for _ in 0..turns {
                        tokio::task::yield_now().await;
                    }
                }
                .boxed();
                match select(asking, leaving).await {
                    Either::Left((answer, _)) => answer.unwrap(),
                    Either::Right(_) => return None,
                }
            }
            _ => asking.await.unwrap(),
        };
        let (head, mut body) = answer.into_parts();
        if let Departure::InTheBody(frames) = self.departure {
            for _ in 0..frames {
                if body.frame().await.is_none() {
                    break;
                }
            }
            return None;
        }
        Some(Answer { head, body: to_bytes(body, usize::MAX).await.ok() })
    }
}
