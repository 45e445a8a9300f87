//! Lets one of many concurrent requests go to the service, and the others wait for its response (RFC 9111, 4).

use std::time::Duration;

use bytes::Bytes;
use http::Response;
use http_body::Body;

use super::HttpCacheBody;
use super::exchange::{Decision, Exchange, Tiers};
use super::origin_request::OriginRequest;
use super::single_flight::Joined;
use crate::platform::{self, Instant};

impl Exchange {
    /// Waits for the same request under way in this process or another one, and gives the response that it stored.
    /// `None`: the caller sends its request, because it holds the call or has waited too long.
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
            if wait.is_zero() || self.single_flight.is_uncacheable(&origin.call, self.options.now())
            {
                return None;
            }
            let left = wait.saturating_sub(began.elapsed());
            if platform::shares_futures() && origin.call_guard.is_none() {
                match self.single_flight.join(&origin.call, left).await {
                    Joined::First(guard) => {
                        origin.call_guard = Some(guard);
                        // Another call may have stored it since the lookup.
                        if self.single_flight.ended() != ended {
                            ended = self.single_flight.ended();
                            if let Some(answer) = self.look_again(origin).await {
                                return Some(answer);
                            }
                        }
                    }
                    Joined::Ended => {
                        ended = self.single_flight.ended();
                        match self.look_again(origin).await {
                            Some(answer) => return Some(answer),
                            None => {
                                origin.set_call();
                                continue;
                            }
                        }
                    }
                    Joined::TimedOut => return self.stale(origin, "collapsed").await,
                }
            }
            origin.guard = self.try_guard(&origin.place, &origin.found).await;
            if origin.guard.is_some() || self.single_flight.refuses_stores(self.options.now()) {
                return None;
            }
            if began.elapsed() >= wait {
                return self.stale(origin, "collapsed").await;
            }
            // Another process holds the right to store: its request is under way.
            platform::sleep(pause(began.elapsed()).min(wait)).await;
            if let Some(answer) = self.look_again(origin).await {
                return Some(answer);
            }
        }
    }

    /// Looks the URL up again: another request may have stored it.
    pub(super) async fn look_again<ResBody: Body<Data = Bytes>>(
        &self,
        origin: &mut OriginRequest,
    ) -> Option<Response<HttpCacheBody<ResBody>>> {
        let found = self.find(&origin.place, Tiers::Shared).await;
        match self.judge(found, &origin.place, &origin.client, &origin.directives).await {
            Decision::Serve(answer) | Decision::ServeAndRefresh(answer, _) => Some(answer),
            Decision::Forward { found, stored, why } => {
                origin.found = *found;
                origin.stored = stored;
                origin.why = why;
                None
            }
        }
    }

    /// The stored response, where a stale one may help.
    pub(super) async fn stale<ResBody: Body<Data = Bytes>>(
        &self,
        origin: &OriginRequest,
        detail: &str,
    ) -> Option<Response<HttpCacheBody<ResBody>>> {
        let stored = origin.stored.as_ref()?;
        let now = self.options.now();
        if !stored.rules.helps_on_error(&origin.directives, now) {
            return None;
        }
        let ttl = stored.rules.time_left(now).div_euclid(1000);
        let how = format!("hit; ttl={ttl}; detail={detail}");
        self.serve(stored, &origin.place, &origin.client, how).await
    }
}

/// How long to wait before looking again for what another process asks for.
fn pause(waited: Duration) -> Duration {
    const SHORTEST: Duration = Duration::from_millis(20);
    const LONGEST: Duration = Duration::from_millis(500);
    let pause = waited.clamp(SHORTEST, LONGEST);
    pause.mul_f64(0.5 + platform::random_fraction() / 2.0)
}
