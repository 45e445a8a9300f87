//! Refreshes in the background what is served stale (RFC 5861, 3).

use std::future::poll_fn;
use std::sync::Arc;

use bytes::Bytes;
use http::request::Parts;
use http::{Method, Request, Response, header};
use http_body::Body;
use http_body_util::BodyExt;
use tower_service::Service;

use super::HttpCacheBody;
use super::exchange::{Exchange, Tiers, in_trouble};
use super::origin_request::OriginRequest;
use super::request::Place;
use super::rules::{ForwardReason, RequestDirectives};
use crate::platform::{self, MaybeSend};

impl Exchange {
    /// Asks the service again for what is served stale, unless somebody does so already.
    pub(super) async fn refresh<S, ReqBody, ResBody>(
        self,
        mut service: S,
        mut client: Parts,
        place: Arc<Place>,
        call: String,
    ) where
        S: Service<Request<ReqBody>, Response = Response<ResBody>> + Clone + MaybeSend + 'static,
        S::Future: MaybeSend,
        S::Error: MaybeSend,
        ReqBody: Default + MaybeSend + 'static,
        ResBody: Body<Data = Bytes> + MaybeSend + 'static,
        ResBody::Error: MaybeSend,
    {
        let call_guard = match platform::shares_futures() {
            true => match self.single_flight.try_join(&call) {
                None => return,
                call_guard => call_guard,
            },
            false => None,
        };
        // Somebody may have refreshed it since it was looked up.
        let found = self.find(&place, Tiers::Shared).await;
        let stored = found.index.select(&client.headers).cloned().map(Box::new);
        if stored.as_ref().is_some_and(|stored| stored.rules.is_fresh(self.options.now())) {
            return;
        }
        let Some(guard) = self.try_guard(&place, &found).await else {
            return;
        };
        // The whole response, whatever part of it or condition the client asked for.
        client.method = Method::GET;
        for name in
            [header::RANGE, header::IF_RANGE, header::IF_NONE_MATCH, header::IF_MODIFIED_SINCE]
        {
            client.headers.remove(name);
        }
        let (why, directives) = (ForwardReason::Stale, RequestDirectives::default());
        let guard = Some(guard);
        let origin = OriginRequest {
            place,
            client,
            directives,
            found,
            stored,
            why,
            guard,
            call_guard,
            call,
        };
        let asked = match poll_fn(|context| service.poll_ready(context)).await {
            Ok(()) => self.clone().fetch(service, origin, ReqBody::default(), true).await,
            Err(error) => Err(error),
        };
        match asked {
            Ok(response) => {
                if in_trouble(response.status()) {
                    tracing::warn!("a response cannot be refreshed: the service fails");
                }
                drain(response.into_body(), self.options.max_body).await;
            }
            Err(_) => tracing::warn!("a response cannot be refreshed: the service fails"),
        }
    }
}

/// Reads a body to its end, so that it is stored.
async fn drain<B: Body<Data = Bytes>>(body: HttpCacheBody<B>, limit: usize) {
    let (mut body, mut read) = (body, 0);
    while let Some(Ok(frame)) = body.frame().await {
        read += frame.data_ref().map_or(0, Bytes::len);
        if read > limit {
            return;
        }
    }
}
