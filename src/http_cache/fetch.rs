//! Asks the service, and makes the client's response of its answer.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode, header};
use http_body::Body;
use tower_service::Service;

use super::HttpCacheBody;
use super::body::Probed;
use super::conditions::is_conditional;
use super::exchange::{Exchange, in_trouble};
use super::origin_request::{OriginRequest, copy_of, release};
use super::respond::{own, pass, with_headers};
use super::rules::{ForwardReason, RequestDirectives, Timing};
use super::store::Storing;
use super::stored::Variant;
use crate::platform::MaybeSend;

impl Exchange {
    /// Sends the request to the service, and makes the client's response of the service's.
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
            let stored = origin.stored.as_ref();
            let conditional =
                stored.and_then(|stored| self.conditional(&origin.client.headers, stored));
            let by_us = conditional.is_some();
            let mut head = copy_of(&origin.client);
            if let Some(headers) = conditional {
                head.headers = headers;
            }
            let asked_at = self.options.now();
            let request = Request::from_parts(head, body.take().unwrap_or_default());
            let asking = service.call(request);
            let asked = match &origin.guard {
                Some(guard) => guard.while_held(asking).await,
                None => asking.await,
            };
            let timing = Timing { asked: asked_at, came: self.options.now() };
            let response = match asked {
                Ok(response) if !in_trouble(response.status()) => response,
                failed => {
                    let status = failed.as_ref().ok().map(|response| response.status().as_u16());
                    let status = status.map(|status| format!("; fwd-status={status}"));
                    if let Some(mut answer) = self.stale(&origin, "stale-if-error").await {
                        self.remember_uncacheable(&origin, timing.came, true);
                        release(origin.guard.take()).await;
                        let how = origin.how(&status.unwrap_or_default());
                        if let Ok(how) =
                            format!("edgecask; {how}; detail=stale-if-error").try_into()
                        {
                            answer.headers_mut().insert("cache-status", how);
                        }
                        return Ok(answer);
                    }
                    match failed {
                        Ok(response) => response,
                        Err(error) => {
                            self.remember_uncacheable(&origin, timing.came, true);
                            release(origin.guard.take()).await;
                            return Err(error);
                        }
                    }
                }
            };
            if response.status() != StatusCode::NOT_MODIFIED {
                return Ok(self.receive(response, origin, timing, may_store).await);
            }
            if by_us && let Some(stored) = origin.stored.take() {
                match self.freshen(&mut origin, &stored, response, timing).await {
                    Some(answer) => return Ok(answer),
                    // The 304 is about another response than the one that is stored, or its body is gone.
                    None => origin.found.index.remove(&stored),
                }
                origin.why = ForwardReason::Miss;
            } else {
                if is_conditional(&origin.client.headers) {
                    release(origin.guard.take()).await;
                    let (head, body) = response.into_parts();
                    let how = origin.how("; fwd-status=304");
                    return Ok(pass(head, HttpCacheBody::of(body), &how));
                }
                if spare.is_none() {
                    tracing::warn!("the service answers 304 to a request without a condition");
                    release(origin.guard.take()).await;
                    return Ok(own(StatusCode::BAD_GATEWAY, &origin.how("; fwd-status=304")));
                }
            }
            // Asked again, once, as the client asked.
            let Some(again) = spare.take() else {
                return Ok(own(StatusCode::BAD_GATEWAY, &origin.how("; fwd-status=304")));
            };
            service = again;
            poll_fn(|context| service.poll_ready(context)).await?;
        }
    }

    /// The client's response after a 304 to the cache's own condition (RFC 9111, 4.3.4). `None`: the 304 is about another
    /// response, or the body is gone.
    pub(super) async fn freshen<ResBody: Body<Data = Bytes>>(
        &self,
        origin: &mut OriginRequest,
        stored: &Variant,
        response: Response<ResBody>,
        timing: Timing,
    ) -> Option<Response<HttpCacheBody<ResBody>>> {
        let (update, _) = response.into_parts();
        let headers = self.freshened(stored, &update)?;
        let mut whole = with_headers(stored.status(), headers);
        // How old it is now, the 304 says.
        if let Some(age) = update.headers.get(header::AGE) {
            whole.headers.insert(header::AGE, age.clone());
        }
        let rules = self.rules(&origin.client, &origin.place, &mut whole, timing);
        whole.headers.remove(header::AGE);
        let rules_now = rules.unwrap_or(stored.rules);
        let variant = Variant::named(
            stored.status(),
            &whole.headers,
            stored.body.clone(),
            stored.length,
            rules_now,
            &origin.client.headers,
        );
        let mut head = with_headers(whole.status, whole.headers);
        // A cookie is for who asked, and not for those whom the entry answers.
        for cookie in update.headers.get_all(header::SET_COOKIE) {
            head.headers.append(header::SET_COOKIE, cookie.clone());
        }
        let how = origin.how("; fwd-status=304");
        let answer = self.respond(head, &variant, &origin.place, &origin.client, how, None).await?;
        let found = origin.found.clone();
        match (rules, origin.guard.take()) {
            (Some(rules), Some(guard)) => {
                if rules.is_fresh(timing.came) {
                    self.single_flight.set_cacheable(&origin.call);
                } else {
                    self.remember_uncacheable(origin, timing.came, false);
                }
                self.store(&origin.place, found.index, variant, None, guard).await;
            }
            (None, guard) => self.forget(found, stored, guard).await,
            (Some(_), None) => {}
        }
        Some(answer)
    }

    /// Stores what the service gave, if it may be stored, and makes the client's response of it.
    pub(super) async fn receive<ResBody>(
        &self,
        response: Response<ResBody>,
        mut origin: OriginRequest,
        timing: Timing,
        may_store: bool,
    ) -> Response<HttpCacheBody<ResBody>>
    where
        ResBody: Body<Data = Bytes>,
    {
        let (mut head, body) = response.into_parts();
        let rules = match may_store || origin.client.method == Method::HEAD {
            true => self.rules(&origin.client, &origin.place, &mut head, timing),
            false => None,
        };
        let length = head.headers.get(header::CONTENT_LENGTH);
        let length = length.and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
        let fits = length.is_none_or(|length| length <= self.options.max_body);
        let rules = rules.filter(|_| fits && may_store);
        if origin.client.method == Method::HEAD {
            self.compare(&mut origin, &head.headers, head.status).await;
            release(origin.guard.take()).await;
            return pass(head, HttpCacheBody::of(body), &origin.how(""));
        }
        let Some(rules) = rules else {
            if may_store {
                self.remember_uncacheable(&origin, timing.came, in_trouble(head.status));
            }
            match (origin.stored.take(), origin.guard.take()) {
                // What was stored is not the response any more.
                (Some(stored), guard @ Some(_)) => {
                    let found = origin.found.clone();
                    self.forget(found, &stored, guard).await;
                }
                (_, guard) => release(guard).await,
            }
            return pass(head, HttpCacheBody::of(body), &origin.how(""));
        };
        match rules.is_fresh(timing.came)
            || rules.helps_on_error(&RequestDirectives::default(), timing.came)
        {
            true => self.single_flight.set_cacheable(&origin.call),
            // Everybody has to ask anyway.
            false => self.remember_uncacheable(&origin, timing.came, false),
        }
        let how = match origin.guard.is_some() {
            true => origin.how("; stored"),
            false => origin.how(""),
        };
        let storing = Storing {
            exchange: self.clone(),
            place: Arc::clone(&origin.place),
            found: origin.found.clone(),
            status: head.status,
            headers: head.headers.clone(),
            request: origin.client.headers.clone(),
            rules,
            guard: origin.guard.take(),
            call_guard: origin.call_guard.take(),
        };
        match HttpCacheBody::probe(body, self.options.max_body, length) {
            Probed::Whole(bytes) => {
                let (variant, _) = storing.finish(bytes.clone()).await;
                let place = &origin.place;
                let answer = self.respond(head, &variant, place, &origin.client, how, Some(bytes));
                // With its body at hand, nothing is missing.
                answer.await.unwrap_or_else(|| own(StatusCode::BAD_GATEWAY, "detail=no-body"))
            }
            Probed::Coming(coming) => {
                self.for_cdn(&mut head.headers, &origin.place, &rules);
                pass(head, coming.storing(storing.on_end()), &how)
            }
            Probed::Unfit(body) => {
                self.remember_uncacheable(&origin, timing.came, false);
                drop(storing);
                pass(head, body, &origin.how(""))
            }
        }
    }

    /// Forgets a stored response that a HEAD shows to be another one by now (RFC 9111, 4.3.5).
    pub(super) async fn compare(
        &self,
        origin: &mut OriginRequest,
        now: &HeaderMap,
        status: StatusCode,
    ) {
        let Some(stored) = origin.stored.take().filter(|_| status == StatusCode::OK) else {
            return;
        };
        let known = stored.headers(&self.memory);
        let differs = |name: header::HeaderName| {
            now.get(&name).is_some_and(|new| known.get(&name).is_none_or(|old| old != new))
        };
        let length =
            now.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
        if differs(header::ETAG)
            || differs(header::LAST_MODIFIED)
            || length.is_some_and(|length: u64| length != stored.length)
        {
            let found = origin.found.clone();
            let guard = origin.guard.take();
            self.forget(found, &stored, guard).await;
        }
    }

    /// Lets no other request wait for this response for a while (hit-for-miss): for a second at most if the service failed.
    pub(super) fn remember_uncacheable(&self, origin: &OriginRequest, now: u64, failed: bool) {
        const SHORTLY: Duration = Duration::from_secs(1);
        let time = self.options.hit_for_miss;
        self.single_flight.set_uncacheable(
            &origin.call,
            now,
            if failed { time.min(SHORTLY) } else { time },
        );
    }
}
