//! Revalidates in the background a response that is served stale (RFC 5861, 3).

use std::future::poll_fn;
use std::sync::Arc;

use bytes::Bytes;
use http::request::Parts;
use http::{Method, Request, Response, header};
use http_body::Body;
use http_body_util::BodyExt;
use tower_service::Service;

use super::HttpCacheBody;
use super::cache_key::CacheKey;
use super::cache_status::ForwardReason;
use super::core::Core;
use super::directives::RequestDirectives;
use super::lookup::Tiers;
use super::origin_request::{OriginRequest, is_origin_failure};
use crate::cache::IfHeld;
use crate::platform::{self, MaybeSend};

impl Core {
    /// Revalidates the selected response, unless another request does so already.
    pub(super) async fn revalidate<S, ReqBody, ResBody>(
        self,
        mut service: S,
        mut request: Parts,
        cache_key: Arc<CacheKey>,
        call_key: String,
    ) where
        S: Service<Request<ReqBody>, Response = Response<ResBody>> + Clone + MaybeSend + 'static,
        S::Future: MaybeSend,
        S::Error: MaybeSend,
        ReqBody: Default + MaybeSend + 'static,
        ResBody: Body<Data = Bytes> + MaybeSend + 'static,
        ResBody::Error: MaybeSend,
    {
        let call_guard = match platform::shares_futures() {
            true => match self.single_flight.try_join(&call_key) {
                None => return,
                call_guard => call_guard,
            },
            false => None,
        };
        // Another request may have revalidated it since the lookup.
        let lookup = self.look_up(&cache_key, Tiers::Shared).await;
        let selected = lookup.index.select(&request.headers).cloned().map(Box::new);
        let now = self.options.now();
        if selected.as_ref().is_some_and(|selected| selected.freshness.is_fresh(now)) {
            return;
        }
        let guard = self.begin_store(&cache_key, &lookup, &request.headers, IfHeld::Leave).await;
        let Some(guard) = guard else { return };
        if guard.is_late() {
            // Another process has stored a response since the lookup. The next stale response is revalidated again.
            return guard.release().await;
        }
        // The request is for the complete response, without the range and the conditions of the client.
        request.method = Method::GET;
        for name in
            [header::RANGE, header::IF_RANGE, header::IF_NONE_MATCH, header::IF_MODIFIED_SINCE]
        {
            request.headers.remove(name);
        }
        let origin = OriginRequest {
            cache_key,
            request,
            directives: RequestDirectives::default(),
            lookup,
            selected,
            outdated: None,
            reason: ForwardReason::Stale,
            guard: Some(guard),
            call_guard,
            call_key,
        };
        let result = match poll_fn(|context| service.poll_ready(context)).await {
            Ok(()) => self.clone().fetch(service, origin, ReqBody::default(), true).await,
            Err(error) => Err(error),
        };
        match result {
            Ok(response) => {
                if is_origin_failure(response.status()) {
                    tracing::warn!("a stale response cannot be revalidated: the service fails");
                }
                drain(response.into_body(), self.options.max_body).await;
            }
            Err(_) => tracing::warn!("a stale response cannot be revalidated: the service fails"),
        }
    }
}

/// Reads a body to its end: the response is stored then.
async fn drain<B: Body<Data = Bytes>>(body: HttpCacheBody<B>, limit: usize) {
    let (mut body, mut read) = (body, 0);
    while let Some(Ok(frame)) = body.frame().await {
        read += frame.data_ref().map_or(0, Bytes::len);
        if read > limit {
            return;
        }
    }
}
