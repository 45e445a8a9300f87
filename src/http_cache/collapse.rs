//! Collapses concurrent requests: one goes to the service, and the others wait for its response (RFC 9111, 4).

use std::time::Duration;

use bytes::Bytes;
use http::Response;
use http_body::Body;

use super::HttpCacheBody;
use super::cache_status::CacheStatus;
use super::core::Core;
use super::lookup::{Decision, Tiers};
use super::origin_request::{OriginRequest, release};
use super::single_flight::Joined;
use super::store_right::StoreRight;
use crate::cache::IfHeld;
use crate::platform::{self, Instant};

impl Core {
    /// Waits for the same request under way in this process or another one, and returns the response that it stored. `ended` is
    /// the number of ended calls before the lookup. `None`: the caller sends its request, because it leads the call or has
    /// waited too long.
    pub(super) async fn join_call<ResBody>(
        &self,
        origin: &mut OriginRequest,
        mut ended: u64,
    ) -> Option<Response<HttpCacheBody<ResBody>>>
    where
        ResBody: Body<Data = Bytes>,
    {
        let wait = self.options.collapse_wait;
        let began = Instant::now();
        loop {
            let now = self.options.now();
            if wait.is_zero() || self.single_flight.is_hit_for_miss(&origin.call_key, now) {
                return None;
            }
            let left = wait.saturating_sub(began.elapsed());
            if platform::shares_futures() && origin.call_guard.is_none() {
                match self.single_flight.join(&origin.call_key, left).await {
                    Joined::Leader(guard) => {
                        origin.call_guard = Some(guard);
                        // Another call may have stored a response since the lookup.
                        if self.single_flight.ended() != ended {
                            ended = self.single_flight.ended();
                            if let Some(response) = self.look_up_again(origin).await {
                                return Some(response);
                            }
                        }
                    }
                    Joined::Ended => {
                        ended = self.single_flight.ended();
                        match self.look_up_again(origin).await {
                            Some(response) => return Some(response),
                            None => {
                                origin.set_call_key();
                                continue;
                            }
                        }
                    }
                    Joined::TimedOut => return self.stale_after_wait(origin).await,
                }
            }
            origin.guard = self.begin_store_of(origin, IfHeld::Leave).await;
            // Another process may have stored its response, and given its right up, since the last lookup.
            if origin.guard.as_ref().is_some_and(StoreRight::is_late)
                && let Some(response) = self.look_up_again(origin).await
            {
                release(origin.guard.take()).await;
                return Some(response);
            }
            if origin.guard.is_some() || self.single_flight.refuses_stores(self.options.now()) {
                return None;
            }
            if began.elapsed() >= wait {
                return self.stale_after_wait(origin).await;
            }
            // Another process holds the right to store: its request is under way.
            platform::sleep(pause(began.elapsed()).min(wait)).await;
            if let Some(response) = self.look_up_again(origin).await {
                return Some(response);
            }
        }
    }

    /// Takes the right to store the response to a request.
    pub(super) async fn begin_store_of(
        &self,
        origin: &OriginRequest,
        if_held: IfHeld,
    ) -> Option<StoreRight> {
        let (cache_key, headers) = (&origin.cache_key, &origin.request.headers);
        self.begin_store(cache_key, &origin.lookup, headers, if_held).await
    }

    /// Looks the URL up again: another request may have stored a response.
    async fn look_up_again<ResBody: Body<Data = Bytes>>(
        &self,
        origin: &mut OriginRequest,
    ) -> Option<Response<HttpCacheBody<ResBody>>> {
        let lookup = self.look_up(&origin.cache_key, Tiers::Shared).await;
        let (cache_key, request) = (&origin.cache_key, &origin.request);
        match self.decide(lookup, cache_key, request, &origin.directives).await {
            Decision::Serve(response) | Decision::ServeAndRevalidate(response, _) => Some(response),
            Decision::Forward { lookup, selected, reason } => {
                origin.lookup = *lookup;
                origin.selected = selected;
                origin.reason = reason;
                None
            }
        }
    }

    /// The selected response for a client that has waited, if an error would allow it and the client does not ask for a fresher
    /// one. The service has not failed, so the client's limits count.
    async fn stale_after_wait<ResBody: Body<Data = Bytes>>(
        &self,
        origin: &OriginRequest,
    ) -> Option<Response<HttpCacheBody<ResBody>>> {
        let freshness = &origin.selected.as_ref()?.freshness;
        if !freshness.is_fresh_enough(&origin.directives, self.options.now()) {
            return None;
        }
        self.stale(origin, "collapsed").await
    }

    /// The selected response, if it may be served when the service fails.
    pub(super) async fn stale<ResBody: Body<Data = Bytes>>(
        &self,
        origin: &OriginRequest,
        detail: &'static str,
    ) -> Option<Response<HttpCacheBody<ResBody>>> {
        let selected = origin.selected.as_ref()?;
        let now = self.options.now();
        if !selected.freshness.allows_stale_if_error(&origin.directives, now) {
            return None;
        }
        let status = CacheStatus::hit(selected.freshness.time_left(now), Some(detail));
        self.serve(selected, &origin.cache_key, &origin.request, status).await
    }
}

/// The pause before the next lookup, while another process sends the request.
fn pause(waited: Duration) -> Duration {
    const SHORTEST: Duration = Duration::from_millis(20);
    const LONGEST: Duration = Duration::from_millis(500);
    let pause = waited.clamp(SHORTEST, LONGEST);
    pause.mul_f64(0.5 + platform::random_fraction() / 2.0)
}
