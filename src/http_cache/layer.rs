use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, Method, Request, Response, StatusCode, header};
use http_body::Body;
use http_body_util::BodyExt;
use tower_layer::Layer;
use tower_service::Service;

use super::body::Probed;
use super::conditions::is_conditional;
use super::exchange::{
    Exchange, Found, Look, Storing, Verdict, copy_of, in_trouble, own, pass, with_headers,
};
use super::flight::{Lead, Turn};
use super::request::{Place, writes};
use super::rules::{Timing, Wants, Why};
use super::stored::Variant;
use super::{HttpCacheBody, HttpCacheOptions};
use crate::cache::{Cache, StoreGuard};
use crate::platform::{self, BoxFuture, Instant, MaybeSend};

/// Answers requests from the cache, and stores what the service answers: a [`tower_layer::Layer`].
#[derive(Clone)]
pub struct HttpCache(Exchange);

impl HttpCache {
    /// A layer over this cache. In a Worker, give the cache a request's
    /// [`wait_until`](Cache::wait_until) if responses are to be refreshed in the background.
    ///
    /// Services of one layer share what this process holds in memory, and wait for each other's requests: make one layer,
    /// and clone it.
    pub fn new(cache: Cache, options: HttpCacheOptions) -> Self {
        Self(Exchange::new(cache, options))
    }
}

impl fmt::Debug for HttpCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpCache")
            .field("cache", &self.0.cache)
            .field("options", &self.0.options)
            .finish_non_exhaustive()
    }
}

impl<S> Layer<S> for HttpCache {
    type Service = HttpCacheService<S>;

    fn layer(&self, inner: S) -> HttpCacheService<S> {
        HttpCacheService { layer: self.clone(), inner }
    }
}

/// A service with the cache before it.
#[derive(Debug, Clone)]
pub struct HttpCacheService<S> {
    layer: HttpCache,
    inner: S,
}

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for HttpCacheService<S>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>> + Clone + MaybeSend + 'static,
    S::Future: MaybeSend,
    S::Error: MaybeSend,
    ReqBody: Body + Default + MaybeSend + 'static,
    ResBody: Body<Data = Bytes> + MaybeSend + 'static,
    ResBody::Error: MaybeSend,
{
    type Response = Response<HttpCacheBody<ResBody>>;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<Self::Response, S::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        let spare = self.inner.clone();
        // The one that is ready does the work.
        let ready = std::mem::replace(&mut self.inner, spare);
        let exchange = self.layer.0.clone();
        platform::send(|| exchange.run(ready, request))
    }
}

/// A request that is sent to the service, and what the cache has for it.
struct Question {
    place: Arc<Place>,
    client: Parts,
    wants: Wants,
    found: Found,
    stored: Option<Box<Variant>>,
    why: Why,
    guard: Option<StoreGuard>,
    lead: Option<Lead>,
    /// By which concurrent requests are told apart.
    flight: String,
}

impl Exchange {
    async fn run<S, ReqBody, ResBody>(
        self,
        service: S,
        request: Request<ReqBody>,
    ) -> Result<Response<HttpCacheBody<ResBody>>, S::Error>
    where
        S: Service<Request<ReqBody>, Response = Response<ResBody>> + Clone + MaybeSend + 'static,
        S::Future: MaybeSend,
        S::Error: MaybeSend,
        ReqBody: Body + Default + MaybeSend + 'static,
        ResBody: Body<Data = Bytes> + MaybeSend + 'static,
        ResBody::Error: MaybeSend,
    {
        let (client, body) = request.into_parts();
        let place = match self.options.place(&client, !body.is_end_stream()) {
            Ok(place) => Arc::new(place),
            Err(why) => return self.forward(service, client, body, why).await,
        };
        let wants = Wants::of(&client.headers);
        let ended = self.flights.ended();
        let found = self.find(&place, Look::Near).await;
        let mut verdict = self.judge(found, &place, &client, &wants).await;
        // What a first tier holds may be older than what another process has stored.
        if let Verdict::Ask { found, .. } = &verdict
            && found.is_near()
        {
            let found = self.find(&place, Look::Far).await;
            verdict = self.judge(found, &place, &client, &wants).await;
        }
        let (found, stored, why) = match verdict {
            Verdict::Serve(answer) => return Ok(answer),
            Verdict::ServeAndRefresh(answer, found) => {
                let flight = flight_of(&place, &found, &client);
                let again = self.clone().refresh(service.clone(), client, place, flight);
                self.cache.in_background(platform::send(|| again));
                return Ok(answer);
            }
            Verdict::Ask { found, stored, why } => (*found, stored, why),
        };
        if wants.only_if_cached {
            return Ok(own(StatusCode::GATEWAY_TIMEOUT, "detail=only-if-cached"));
        }
        let (guard, lead, flight) = (None, None, String::new());
        let mut question =
            Question { place, client, wants, found, stored, why, guard, lead, flight };
        question.tell_apart();
        if question.client.method == Method::HEAD && question.stored.is_none() {
            return self.ask(service, question, body, false).await;
        }
        if question.client.headers.contains_key(header::RANGE) {
            question.stored = None;
            return self.ask(service, question, body, false).await;
        }
        if question.wants.no_store {
            return self.ask(service, question, body, false).await;
        }
        // Who insists wants an answer of his own, and what a secret opens is seldom for others.
        let collapses = !question.wants.validation
            && !question.client.headers.contains_key(header::AUTHORIZATION)
            && question.found.reachable;
        if collapses && let Some(answer) = self.take_turn(&mut question, ended).await {
            return Ok(answer);
        }
        if question.guard.is_none() {
            question.guard = self.guard(&question.place, &question.found).await;
            if question.guard.is_none() && question.found.reachable {
                self.flights.deaf(self.options.now());
            }
        }
        self.ask(service, question, body, true).await
    }

    /// Waits for others who ask the same, here and in other processes, and gives what they got. `None`: it is this
    /// request's turn to ask, or it has waited for too long.
    async fn take_turn<ResBody>(
        &self,
        question: &mut Question,
        mut ended: u64,
    ) -> Option<Response<HttpCacheBody<ResBody>>>
    where
        ResBody: Body<Data = Bytes>,
    {
        let wait = self.options.collapse_wait;
        let began = Instant::now();
        loop {
            if wait.is_zero() || self.flights.is_missed(&question.flight, self.options.now()) {
                return None;
            }
            let left = wait.saturating_sub(began.elapsed());
            if platform::shares_futures() && question.lead.is_none() {
                match self.flights.turn(&question.flight, left).await {
                    Turn::Lead(lead) => {
                        question.lead = Some(lead);
                        // Somebody may have stored it since it was looked up.
                        if self.flights.ended() != ended {
                            ended = self.flights.ended();
                            if let Some(answer) = self.look_again(question).await {
                                return Some(answer);
                            }
                        }
                    }
                    Turn::Look => {
                        ended = self.flights.ended();
                        match self.look_again(question).await {
                            Some(answer) => return Some(answer),
                            None => {
                                question.tell_apart();
                                continue;
                            }
                        }
                    }
                    Turn::TooLong => return self.stale(question, "collapsed").await,
                }
            }
            question.guard = self.try_guard(&question.place, &question.found).await;
            if question.guard.is_some() || self.flights.is_deaf(self.options.now()) {
                return None;
            }
            if began.elapsed() >= wait {
                return self.stale(question, "collapsed").await;
            }
            // Another process has the right to store it: it is asking.
            platform::sleep(pause(began.elapsed()).min(wait)).await;
            if let Some(answer) = self.look_again(question).await {
                return Some(answer);
            }
        }
    }

    /// Looks up what others may have stored.
    async fn look_again<ResBody: Body<Data = Bytes>>(
        &self,
        question: &mut Question,
    ) -> Option<Response<HttpCacheBody<ResBody>>> {
        let found = self.find(&question.place, Look::Far).await;
        match self.judge(found, &question.place, &question.client, &question.wants).await {
            Verdict::Serve(answer) | Verdict::ServeAndRefresh(answer, _) => Some(answer),
            Verdict::Ask { found, stored, why } => {
                question.found = *found;
                question.stored = stored;
                question.why = why;
                None
            }
        }
    }

    /// The stored response, where a stale one may help.
    async fn stale<ResBody: Body<Data = Bytes>>(
        &self,
        question: &Question,
        detail: &str,
    ) -> Option<Response<HttpCacheBody<ResBody>>> {
        let stored = question.stored.as_ref()?;
        let now = self.options.now();
        if !stored.rules.helps_on_error(&question.wants, now) {
            return None;
        }
        let ttl = stored.rules.time_left(now).div_euclid(1000);
        let how = format!("hit; ttl={ttl}; detail={detail}");
        self.serve(stored, &question.place, &question.client, how).await
    }

    /// Sends a request on that the cache has nothing to do with.
    async fn forward<S, ReqBody, ResBody>(
        &self,
        mut service: S,
        head: Parts,
        body: ReqBody,
        why: Why,
    ) -> Result<Response<HttpCacheBody<ResBody>>, S::Error>
    where
        S: Service<Request<ReqBody>, Response = Response<ResBody>>,
        ResBody: Body<Data = Bytes>,
    {
        let client = writes(&head).then(|| copy_of(&head));
        let response = service.call(Request::from_parts(head, body)).await?;
        let (head, body) = response.into_parts();
        if let Some(client) = client
            && (head.status.is_success() || head.status.is_redirection())
        {
            self.written(&client, &head.headers).await;
        }
        Ok(pass(head, HttpCacheBody::of(body), &format!("fwd={}", why.name())))
    }

    /// Asks the service, and makes the client's response of what it says.
    async fn ask<S, ReqBody, ResBody>(
        self,
        mut service: S,
        mut question: Question,
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
            let stored = question.stored.as_ref();
            let conditional =
                stored.and_then(|stored| self.conditional(&question.client.headers, stored));
            let by_us = conditional.is_some();
            let mut head = copy_of(&question.client);
            if let Some(headers) = conditional {
                head.headers = headers;
            }
            let asked_at = self.options.now();
            let request = Request::from_parts(head, body.take().unwrap_or_default());
            let asking = service.call(request);
            let asked = match &question.guard {
                Some(guard) => guard.while_held(asking).await,
                None => asking.await,
            };
            let timing = Timing { asked: asked_at, came: self.options.now() };
            let response = match asked {
                Ok(response) if !in_trouble(response.status()) => response,
                failed => {
                    let status = failed.as_ref().ok().map(|response| response.status().as_u16());
                    let status = status.map(|status| format!("; fwd-status={status}"));
                    if let Some(mut answer) = self.stale(&question, "stale-if-error").await {
                        self.miss(&question, timing.came, true);
                        release(question.guard.take()).await;
                        let how = question.how(&status.unwrap_or_default());
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
                            self.miss(&question, timing.came, true);
                            release(question.guard.take()).await;
                            return Err(error);
                        }
                    }
                }
            };
            if response.status() != StatusCode::NOT_MODIFIED {
                return Ok(self.take(response, question, timing, may_store).await);
            }
            if by_us && let Some(stored) = question.stored.take() {
                match self.freshen(&mut question, &stored, response, timing).await {
                    Some(answer) => return Ok(answer),
                    // The 304 is about another response than the one that is stored, or its body is gone.
                    None => question.found.index.remove(&stored),
                }
                question.why = Why::Miss;
            } else {
                if is_conditional(&question.client.headers) {
                    release(question.guard.take()).await;
                    let (head, body) = response.into_parts();
                    let how = question.how("; fwd-status=304");
                    return Ok(pass(head, HttpCacheBody::of(body), &how));
                }
                if spare.is_none() {
                    tracing::warn!("the service answers 304 to a request without a condition");
                    release(question.guard.take()).await;
                    return Ok(own(StatusCode::BAD_GATEWAY, &question.how("; fwd-status=304")));
                }
            }
            // Asked again, once, as the client asked.
            let Some(again) = spare.take() else {
                return Ok(own(StatusCode::BAD_GATEWAY, &question.how("; fwd-status=304")));
            };
            service = again;
            poll_fn(|context| service.poll_ready(context)).await?;
        }
    }

    /// The client's response after a 304 to the cache's own condition (RFC 9111, 4.3.4). `None`: the 304 is about another
    /// response, or the body is gone.
    async fn freshen<ResBody: Body<Data = Bytes>>(
        &self,
        question: &mut Question,
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
        let rules = self.rules(&question.client, &question.place, &mut whole, timing);
        whole.headers.remove(header::AGE);
        let rules_now = rules.unwrap_or(stored.rules);
        let variant = Variant::named(
            stored.status(),
            &whole.headers,
            stored.body.clone(),
            stored.length,
            rules_now,
            &question.client.headers,
        );
        let mut head = with_headers(whole.status, whole.headers);
        // A cookie is for who asked, and not for those whom the entry answers.
        for cookie in update.headers.get_all(header::SET_COOKIE) {
            head.headers.append(header::SET_COOKIE, cookie.clone());
        }
        let how = question.how("; fwd-status=304");
        let answer =
            self.respond(head, &variant, &question.place, &question.client, how, None).await?;
        let found = question.found.clone();
        match (rules, question.guard.take()) {
            (Some(rules), Some(guard)) => {
                if rules.is_fresh(timing.came) {
                    self.flights.is_hit(&question.flight);
                } else {
                    self.miss(question, timing.came, false);
                }
                self.store(&question.place, found, variant, None, guard).await;
            }
            (None, guard) => self.forget(found, stored, guard).await,
            (Some(_), None) => {}
        }
        Some(answer)
    }

    /// Stores what the service gave, if it may be stored, and makes the client's response of it.
    async fn take<ResBody>(
        &self,
        response: Response<ResBody>,
        mut question: Question,
        timing: Timing,
        may_store: bool,
    ) -> Response<HttpCacheBody<ResBody>>
    where
        ResBody: Body<Data = Bytes>,
    {
        let (mut head, body) = response.into_parts();
        let rules = match may_store || question.client.method == Method::HEAD {
            true => self.rules(&question.client, &question.place, &mut head, timing),
            false => None,
        };
        let length = head.headers.get(header::CONTENT_LENGTH);
        let length = length.and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
        let fits = length.is_none_or(|length| length <= self.options.max_body);
        let rules = rules.filter(|_| fits && may_store);
        if question.client.method == Method::HEAD {
            self.compare(&mut question, &head.headers, head.status).await;
            release(question.guard.take()).await;
            return pass(head, HttpCacheBody::of(body), &question.how(""));
        }
        let Some(rules) = rules else {
            if may_store {
                self.miss(&question, timing.came, in_trouble(head.status));
            }
            match (question.stored.take(), question.guard.take()) {
                // What was stored is not the response any more.
                (Some(stored), guard @ Some(_)) => {
                    let found = question.found.clone();
                    self.forget(found, &stored, guard).await;
                }
                (_, guard) => release(guard).await,
            }
            return pass(head, HttpCacheBody::of(body), &question.how(""));
        };
        match rules.is_fresh(timing.came) || rules.helps_on_error(&Wants::default(), timing.came) {
            true => self.flights.is_hit(&question.flight),
            // Everybody has to ask anyway.
            false => self.miss(&question, timing.came, false),
        }
        let how = match question.guard.is_some() {
            true => question.how("; stored"),
            false => question.how(""),
        };
        let storing = Storing {
            exchange: self.clone(),
            place: Arc::clone(&question.place),
            found: question.found.clone(),
            status: head.status,
            headers: head.headers.clone(),
            request: question.client.headers.clone(),
            rules,
            guard: question.guard.take(),
            lead: question.lead.take(),
        };
        match HttpCacheBody::probe(body, self.options.max_body, length) {
            Probed::Whole(bytes) => {
                let (variant, _) = storing.finish(bytes.clone()).await;
                let place = &question.place;
                let answer =
                    self.respond(head, &variant, place, &question.client, how, Some(bytes));
                // With its body at hand, nothing is missing.
                answer.await.unwrap_or_else(|| own(StatusCode::BAD_GATEWAY, "detail=no-body"))
            }
            Probed::Coming(coming) => pass(head, coming.storing(storing), &how),
            Probed::Unfit(body) => {
                self.miss(&question, timing.came, false);
                drop(storing);
                pass(head, body, &question.how(""))
            }
        }
    }

    /// Forgets a stored response that a HEAD shows to be another one by now (RFC 9111, 4.3.5).
    async fn compare(&self, question: &mut Question, now: &HeaderMap, status: StatusCode) {
        let Some(stored) = question.stored.take().filter(|_| status == StatusCode::OK) else {
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
            let found = question.found.clone();
            let guard = question.guard.take();
            self.forget(found, &stored, guard).await;
        }
    }

    /// Nobody is to wait for this for a while: only shortly if it fails.
    fn miss(&self, question: &Question, now: u64, failed: bool) {
        const SHORTLY: Duration = Duration::from_secs(1);
        let time = self.options.hit_for_miss;
        self.flights.miss(&question.flight, now, if failed { time.min(SHORTLY) } else { time });
    }

    /// Asks the service again for what is served stale, unless somebody does so already.
    async fn refresh<S, ReqBody, ResBody>(
        self,
        mut service: S,
        mut client: Parts,
        place: Arc<Place>,
        flight: String,
    ) where
        S: Service<Request<ReqBody>, Response = Response<ResBody>> + Clone + MaybeSend + 'static,
        S::Future: MaybeSend,
        S::Error: MaybeSend,
        ReqBody: Default + MaybeSend + 'static,
        ResBody: Body<Data = Bytes> + MaybeSend + 'static,
        ResBody::Error: MaybeSend,
    {
        let lead = match platform::shares_futures() {
            true => match self.flights.try_lead(&flight) {
                None => return,
                lead => lead,
            },
            false => None,
        };
        // Somebody may have refreshed it since it was looked up.
        let found = self.find(&place, Look::Far).await;
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
        let (why, wants) = (Why::Stale, Wants::default());
        let guard = Some(guard);
        let question = Question { place, client, wants, found, stored, why, guard, lead, flight };
        let asked = match poll_fn(|context| service.poll_ready(context)).await {
            Ok(()) => self.clone().ask(service, question, ReqBody::default(), true).await,
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

impl Question {
    /// What the cache did, in the terms of RFC 9211.
    fn how(&self, more: &str) -> String {
        format!("fwd={}{more}", self.why.name())
    }

    /// Names the requests that this one may wait for.
    fn tell_apart(&mut self) {
        self.flight = flight_of(&self.place, &self.found, &self.client);
    }
}

/// The name of the requests that may wait for each other.
fn flight_of(place: &Place, found: &Found, client: &Parts) -> String {
    format!("{} {}", place.key, found.index.selection(&client.headers))
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

/// How long to wait before looking again for what another process asks for.
fn pause(waited: Duration) -> Duration {
    const SHORTEST: Duration = Duration::from_millis(20);
    const LONGEST: Duration = Duration::from_millis(500);
    let pause = waited.clamp(SHORTEST, LONGEST);
    pause.mul_f64(0.5 + platform::random_fraction() / 2.0)
}

/// Gives the right to store up, where there is one.
async fn release(guard: Option<StoreGuard>) {
    if let Some(guard) = guard {
        guard.release().await;
    }
}
