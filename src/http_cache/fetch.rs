//! Sends the request to the service, and turns the service's response into the client's.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body::Body;
use tower_service::Service;

use super::HttpCacheBody;
use super::body::Probe;
use super::cache_status::ForwardReason;
use super::conditions::{is_conditional, is_not_modified};
use super::core::Core;
use super::directives::RequestDirectives;
use super::freshness::ResponseTimes;
use super::origin_request::{OriginRequest, copy_of, is_origin_failure, release};
use super::respond::{as_not_modified, generated_response, with_cache_status};
use super::store::PendingStore;
use crate::platform::MaybeSend;

impl Core {
    /// Sends the request to the service, and turns the service's response into the client's.
    pub(super) async fn fetch<S, ReqBody, ResBody>(
        self,
        mut service: S,
        mut origin: OriginRequest,
        body: ReqBody,
        may_store: bool,
    ) -> Result<Response<HttpCacheBody<ResBody>>, S::Error>
    where
        S: Service<Request<ReqBody>, Response = Response<ResBody>> + Clone + MaybeSend + 'static,
        S::Future: MaybeSend,
        S::Error: MaybeSend,
        ReqBody: Default + MaybeSend + 'static,
        ResBody: Body<Data = Bytes> + MaybeSend + 'static,
        ResBody::Error: MaybeSend,
    {
        let mut spare = Some(service.clone());
        let mut body = Some(body);
        loop {
            let selected = origin.selected.as_ref();
            let validation = selected
                .and_then(|selected| self.validation_headers(&origin.request.headers, selected));
            let is_validation = validation.is_some();
            let mut head = copy_of(&origin.request);
            if let Some(headers) = validation {
                head.headers = headers;
            }
            let request_time = self.options.now();
            let request = Request::from_parts(head, body.take().unwrap_or_default());
            let call = service.call(request);
            let result = match &origin.guard {
                Some(guard) => guard.while_held(call).await,
                None => call.await,
            };
            let times = ResponseTimes { request: request_time, response: self.options.now() };
            let response = match result {
                Ok(response) if !is_origin_failure(response.status()) => response,
                failed => {
                    let status = failed.as_ref().ok().map(Response::status);
                    if let Some(mut response) = self.stale(&origin, "stale-if-error").await {
                        self.set_hit_for_miss(&origin, times.response, true);
                        release(origin.guard.take()).await;
                        let status = origin.cache_status().forward_status(status);
                        status.detail("stale-if-error").replace_in(response.headers_mut());
                        return Ok(response);
                    }
                    match failed {
                        Ok(response) => response,
                        Err(error) => {
                            self.set_hit_for_miss(&origin, times.response, true);
                            self.store_nothing(&mut origin).await;
                            return Err(error);
                        }
                    }
                }
            };
            if response.status() != StatusCode::NOT_MODIFIED {
                let received = self.receive(response, origin, times, is_validation, may_store);
                return Ok(received.await);
            }
            let status = |origin: &OriginRequest| {
                origin.cache_status().forward_status(Some(StatusCode::NOT_MODIFIED))
            };
            if is_validation && let Some(selected) = origin.selected.take() {
                match self.freshen(&mut origin, &selected, response, times).await {
                    Some(response) => return Ok(response),
                    // The 304 selects another response than the stored one, or the stored body is gone.
                    None => origin.outdated = Some(selected),
                }
                origin.reason = ForwardReason::Miss;
            } else {
                if is_conditional(&origin.request.headers) {
                    // Nothing is stored, so the requests that wait are sent at once.
                    self.set_hit_for_miss(&origin, times.response, true);
                    self.store_nothing(&mut origin).await;
                    let (head, body) = response.into_parts();
                    return Ok(with_cache_status(head, HttpCacheBody::of(body), status(&origin)));
                }
                if spare.is_none() {
                    tracing::warn!("the service answers 304 to a request without a condition");
                    self.store_nothing(&mut origin).await;
                    return Ok(generated_response(StatusCode::BAD_GATEWAY, status(&origin)));
                }
            }
            // The request is sent once more, as it came from the client.
            let Some(again) = spare.take() else {
                return Ok(generated_response(StatusCode::BAD_GATEWAY, status(&origin)));
            };
            service = again;
            poll_fn(|context| service.poll_ready(context)).await?;
        }
    }

    /// Stores the service's response, if it may be stored, and turns it into the client's. `is_validation`: the request went out
    /// with the cache's condition in place of the client's, so the cache judges the client's (RFC 9111, 4.3.2).
    async fn receive<ResBody>(
        &self,
        response: Response<ResBody>,
        mut origin: OriginRequest,
        times: ResponseTimes,
        is_validation: bool,
        may_store: bool,
    ) -> Response<HttpCacheBody<ResBody>>
    where
        ResBody: Body<Data = Bytes>,
    {
        let (mut head, body) = response.into_parts();
        let freshness = match may_store || origin.request.method == Method::HEAD {
            true => {
                let private = origin.cache_key.private;
                self.options.freshness_of(&origin.request, private, &mut head, times)
            }
            false => None,
        };
        let length = head.headers.get(header::CONTENT_LENGTH);
        let length = length.and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
        let exact = body.size_hint().exact().and_then(|exact| usize::try_from(exact).ok());
        let fits = length.max(exact).is_none_or(|length| length <= self.options.max_body);
        let freshness = freshness.filter(|_| fits && may_store);
        let status = origin.cache_status();
        let not_modified = is_validation
            && head.status == StatusCode::OK
            && is_not_modified(&origin.request.headers, &head.headers, times.response);
        // The response without a change, or a 304 if the client has it.
        let pass_on = |mut head, body| {
            if not_modified {
                as_not_modified(&mut head);
                return with_cache_status(head, HttpCacheBody::full(Bytes::new()), status);
            }
            with_cache_status(head, body, status)
        };
        if origin.request.method == Method::HEAD {
            self.compare_with_head(&mut origin, &head, times).await;
            self.store_nothing(&mut origin).await;
            return pass_on(head, HttpCacheBody::of(body));
        }
        let Some(freshness) = freshness else {
            let failed = is_origin_failure(head.status);
            if may_store {
                self.set_hit_for_miss(&origin, times.response, failed);
            }
            // A failure does not tell whether the stored response is the current one.
            if !failed {
                origin.outdated = origin.outdated.or(origin.selected.take());
            }
            self.store_nothing(&mut origin).await;
            return pass_on(head, HttpCacheBody::of(body));
        };
        match freshness.is_fresh(times.response)
            || freshness.allows_stale_if_error(&RequestDirectives::default(), times.response)
        {
            true => self.single_flight.clear_hit_for_miss(&origin.call_key),
            // The stored response answers no request without validation, so it is useless to wait for it.
            false => self.set_hit_for_miss(&origin, times.response, false),
        }
        let stored_status = status.stored(origin.guard.is_some());
        let mut index = origin.lookup.index.clone();
        if let Some(outdated) = &origin.outdated {
            index.remove(outdated);
        }
        let mut pending = PendingStore {
            core: self.clone(),
            cache_key: Arc::clone(&origin.cache_key),
            index,
            status: head.status,
            headers: head.headers.clone(),
            request: origin.request.headers.clone(),
            freshness,
            guard: origin.guard.take(),
            call_guard: origin.call_guard.take(),
        };
        match HttpCacheBody::probe(body, self.options.max_body, length) {
            Probe::Complete(bytes) => {
                let stored = pending.complete(bytes.clone()).await;
                self.respond_anew(head, &stored, &origin, is_validation, stored_status, bytes)
            }
            Probe::Incomplete(body) => {
                self.add_cdn_headers(&mut head.headers, &origin.cache_key, &freshness);
                with_cache_status(head, body.storing(pending.on_complete()), stored_status)
            }
            Probe::NotStorable(body) => {
                self.set_hit_for_miss(&origin, times.response, false);
                origin.guard = pending.guard.take();
                self.store_nothing(&mut origin).await;
                drop(pending);
                with_cache_status(head, body, status)
            }
        }
    }

    /// Keeps other requests from waiting for this response for a while (hit-for-miss): for a second at most if the service failed.
    pub(super) fn set_hit_for_miss(&self, origin: &OriginRequest, now: u64, failed: bool) {
        const SHORT: Duration = Duration::from_secs(1);
        let time = self.options.hit_for_miss;
        let time = if failed { time.min(SHORT) } else { time };
        self.single_flight.set_hit_for_miss(&origin.call_key, now, time);
    }
}
