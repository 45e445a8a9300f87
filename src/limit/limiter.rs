//! The limiter.

use std::sync::Arc;
use std::time::Duration;

use super::ask::{Asking, Op, dynamic_key};
use super::block_list::Blocked;
use super::core::Core;
use super::decision::Decision;
use super::permit::{Permit, acquire};
use super::policy::{Algorithm, LARGEST_LIMIT, Policy, Subject};
use super::request::Request;
use super::stats::LimitStats;
use crate::command::keys::KeyCommands;
use crate::command::sets::SetCommands;
use crate::command::strings::StringCommands;
use crate::platform::{self, Instant};
use crate::{Error, ErrorKind, Result};

/// Limits how often, or how many at once, callers may do something. Clones share everything.
///
/// ```
/// use edgecask::Client;
/// use edgecask::limit::{Policy, RateLimiter};
/// use std::time::Duration;
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
/// # runtime.block_on(async {
/// let limiter = RateLimiter::builder(Client::memory())
///     .policy(Policy::sliding_window(2, Duration::from_secs(10)))
///     .build()?;
/// assert!(limiter.limit("user:1").await?.is_allowed());
/// assert!(limiter.limit("user:1").await?.is_allowed());
/// let refused = limiter.limit("user:1").await?;
/// assert!(!refused.is_allowed());
/// assert_eq!((refused.limit(), refused.remaining()), (2, 0));
/// assert!(refused.retry_after() > Some(Duration::ZERO));
/// # Ok::<(), edgecask::Error>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct RateLimiter(pub(super) Arc<Core>);

impl RateLimiter {
    /// Counts a call, if all policies have room for it. A refused call counts nowhere. One EVALSHA; nothing is sent if this
    /// process remembers that a policy has no room. One round trip more where a window ended on the way.
    ///
    /// While the server gives no decision, [`OnFailure`](super::OnFailure) decides. If an answer was lost, the call may have
    /// been counted, and it is not sent again unless [its identity](super::RateLimiterBuilder::exactly_once) makes that safe.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] if the request is not within its bounds, its identifier has the name of a
    /// [shared](Policy::shared) count, or a policy limits concurrency. [`ErrorKind::Unsupported`] if the engine cannot run the
    /// script. [`ErrorKind::Server`] if a key is not this policy's, for example because another algorithm has its prefix.
    pub async fn limit<'a>(&self, request: impl Into<Request<'a>>) -> Result<Decision> {
        let request = request.into();
        self.0.decide(&request, None).await
    }

    /// As [`limit`](Self::limit), for a call of this cost.
    ///
    /// # Errors
    /// As for [`limit`](Self::limit).
    pub async fn limit_by(&self, identifier: &str, cost: u64) -> Result<Decision> {
        self.limit(Request::new(identifier).cost(cost)).await
    }

    /// Waits until a call has room, at most `longest`, and counts it. It asks again when the decision says that there will be
    /// room, after a short random time, so that waiting callers do not all ask at once. If that would be too late, the
    /// refusal is returned at once.
    ///
    /// ```
    /// use edgecask::Client;
    /// use edgecask::limit::{Policy, RateLimiter};
    /// use std::time::Duration;
    ///
    /// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    /// # runtime.block_on(async {
    /// let limiter = RateLimiter::builder(Client::memory())
    ///     .policy(Policy::gcra(100, Duration::from_secs(1)).burst(1))
    ///     .build()?;
    /// for _ in 0..3 {
    ///     assert!(limiter.wait_until_ready("job", Duration::from_secs(5)).await?.is_allowed());
    /// }
    /// # Ok::<(), edgecask::Error>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As for [`limit`](Self::limit).
    pub async fn wait_until_ready<'a>(
        &self,
        request: impl Into<Request<'a>>,
        longest: Duration,
    ) -> Result<Decision> {
        let request = request.into();
        let start = Instant::now();
        loop {
            let decision = self.0.decide(&request, None).await?;
            if decision.is_allowed() {
                return Ok(decision);
            }
            let left = longest.saturating_sub(start.elapsed());
            match self.0.pause(&decision) {
                Some(pause) if pause <= left => platform::sleep(pause).await,
                _ => return Ok(decision),
            }
        }
    }

    /// Takes a lease of each [concurrency](Policy::concurrency) policy, and counts the call in the others. Returns a permit,
    /// which holds the lease until it is dropped, or the decision that refused it. One EVALSHA, and when the permit is dropped one
    /// ZREM for each lease, in one round trip. A request that is sent twice takes one lease. It has no [identity](Request::id): each permit has leases of its own.
    ///
    /// ```
    /// use edgecask::Client;
    /// use edgecask::limit::{Policy, RateLimiter};
    /// use std::time::Duration;
    ///
    /// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    /// # runtime.block_on(async {
    /// let limiter = RateLimiter::builder(Client::memory())
    ///     .policy(Policy::concurrency(1, Duration::from_secs(30)))
    ///     .build()?;
    /// let permit = limiter.acquire("report").await?.expect("nobody else has one");
    /// assert!(limiter.acquire("report").await?.is_err());
    /// permit.release().await?;
    /// assert!(limiter.acquire("report").await?.is_ok());
    /// # Ok::<(), edgecask::Error>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As for [`limit`](Self::limit), and [`ErrorKind::InvalidInput`] if the request has an identity.
    pub async fn acquire<'a>(
        &self,
        request: impl Into<Request<'a>>,
    ) -> Result<std::result::Result<Permit, Decision>> {
        acquire(&self.0, &request.into()).await
    }

    /// As [`acquire`](Self::acquire), and waits for a lease at most `longest`. A lease may return at any time, so it asks at least
    /// four times a second.
    ///
    /// # Errors
    /// As for [`acquire`](Self::acquire).
    pub async fn acquire_within<'a>(
        &self,
        request: impl Into<Request<'a>>,
        longest: Duration,
    ) -> Result<std::result::Result<Permit, Decision>> {
        let request = request.into();
        let start = Instant::now();
        loop {
            let decision = match acquire(&self.0, &request).await? {
                Err(decision) => decision,
                permit => return Ok(permit),
            };
            let left = longest.saturating_sub(start.elapsed());
            match self.0.pause(&decision) {
                Some(pause) if pause <= left => platform::sleep(pause).await,
                _ => return Ok(Err(decision)),
            }
        }
    }

    /// The decision that a call of this request would get. It counts nothing, and does not read the deny list. One EVALSHA.
    ///
    /// # Errors
    /// As for [`limit`](Self::limit), and those of the client.
    pub async fn remaining<'a>(&self, request: impl Into<Request<'a>>) -> Result<Decision> {
        self.change(Op::Peek, &request.into()).await
    }

    /// Gives back what a call cost, for example because it failed, or as a reward. No caller gets more than the whole limit by it.
    /// Leases do not change. Returns the state after it. One EVALSHA. If the answer is lost, it may have been given back.
    ///
    /// # Errors
    /// As for [`limit`](Self::limit), and those of the client.
    #[doc(alias = "reward")]
    pub async fn refund<'a>(&self, request: impl Into<Request<'a>>) -> Result<Decision> {
        let request = request.into();
        let decision = self.change(Op::Refund, &request).await?;
        self.0.unblock(&self.0.plan(&request)?);
        Ok(decision)
    }

    /// Counts a request's cost whether there is room or not, as a penalty. A token bucket and a GCRA may go into debt by it. Leases do
    /// not change. Returns the state after it. One EVALSHA. If the answer is lost, it may have been counted.
    ///
    /// # Errors
    /// As for [`limit`](Self::limit), and those of the client.
    pub async fn penalize<'a>(&self, request: impl Into<Request<'a>>) -> Result<Decision> {
        self.change(Op::Add, &request.into()).await
    }

    async fn change(&self, op: Op, request: &Request<'_>) -> Result<Decision> {
        let core = &self.0;
        let plan = core.plan(request)?;
        let cached = core.cached.as_ref().filter(|_| op != Op::Peek);
        if let Some(cached) = cached
            && let Some(changed) =
                cached.change(op, request, &plan, &core.remote, &core.counters).await
        {
            return changed;
        }
        let asking = Asking { op, request, lease: "", id: None, at: None };
        let decision = core.remote.ask(asking, &plan).await?;
        if let Some(cached) = cached {
            core.counters.lost(cached.learn(&plan, &decision));
        }
        Ok(decision)
    }

    /// Forgets the calls of a request's identifier and parts: their counts in this window and in those beside it, buckets and
    /// leases. Counts of all callers together stay. One UNLINK; before the first one of windows also an EVALSHA, which asks for
    /// the server's time.
    ///
    /// # Errors
    /// As for [`limit`](Self::limit), and those of the client.
    pub async fn reset<'a>(&self, request: impl Into<Request<'a>>) -> Result<()> {
        let request = request.into();
        let mut plan = self.0.plan(&request)?;
        plan.retain(|(policy, ..)| !matches!(policy.subject, Subject::Shared(_)));
        if plan.iter().any(|(policy, ..)| policy.algorithm.has_windows()) {
            self.0.remote.learn_time().await?;
        }
        let mut keys = Vec::new();
        for (policy, _, of) in &plan {
            let window = self.0.remote.time.now() / 1000 / policy.algorithm.window();
            // The server may be in the window before or after.
            let beside = if policy.algorithm.has_windows() { 2 } else { 0 };
            for window in window.saturating_sub(beside)..=window + u64::from(beside > 0) {
                keys.push(of.key(policy.algorithm, window));
            }
        }
        let unlink = self.0.remote.client.unlink(&keys);
        match (&self.0.cached, &plan[..]) {
            (_, []) => {}
            (Some(cached), [(.., of)]) => cached.reset(of.base(), &self.0.remote, unlink).await?,
            _ => unlink.await.map(drop)?,
        }
        self.0.unblock(&plan);
        Ok(())
    }

    /// Sets the limit that all clients with [`dynamic_limit`](super::RateLimiterBuilder::dynamic_limit) use instead of their own,
    /// or with `None` lets them use their own again; those of `@upstash/ratelimit` too. One SET or DEL for each prefix.
    /// 0 closes it. The burst of a [`Policy::gcra`] follows, unless it was [set](Policy::burst).
    ///
    /// # Errors
    /// [`ErrorKind::Config`] if the limiter has no dynamic limit, [`ErrorKind::InvalidInput`] if the limit is above a billion,
    /// and the errors of the client.
    pub async fn set_limit(&self, limit: Option<u64>) -> Result<()> {
        let core = &self.0;
        if !core.remote.dynamic_limit {
            return Err(Error::new(ErrorKind::Config, "this rate limiter has no dynamic limit"));
        }
        if limit.is_some_and(|limit| limit > LARGEST_LIMIT) {
            return Err(Error::new(ErrorKind::InvalidInput, "a limit is at most a billion"));
        }
        let mut prefixes: Vec<&String> = core.prefixes.iter().collect();
        prefixes.sort_unstable();
        prefixes.dedup();
        for prefix in prefixes {
            let key = dynamic_key(prefix);
            match limit {
                Some(limit) => core.remote.client.set(&key, limit).await?,
                None => core.remote.client.del([&key]).await.map(drop)?,
            }
        }
        if let Some(blocks) = &core.blocks {
            blocks.clear();
        }
        Ok(())
    }

    /// Puts values on the deny list: identifiers, addresses, whatever requests [name](Request::also_denied). One SADD.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] if the limiter has no deny list, and the errors of the client.
    pub async fn deny(&self, values: impl IntoIterator<Item = &str>) -> Result<()> {
        let values: Vec<&str> = values.into_iter().collect();
        let list = self.list()?;
        self.0.remote.client.sadd(list, &values).await.map(drop)
    }

    /// Takes values off the deny list. Other processes refuse them for up to a minute more. One SREM.
    ///
    /// # Errors
    /// As for [`deny`](Self::deny).
    pub async fn undeny(&self, values: impl IntoIterator<Item = &str>) -> Result<()> {
        let values: Vec<&str> = values.into_iter().collect();
        let list = self.list()?;
        self.0.remote.client.srem(list, &values).await?;
        if let Some(blocks) = &self.0.blocks {
            values.iter().for_each(|value| blocks.unblock(Blocked::Denied(value)));
        }
        Ok(())
    }

    fn list(&self) -> Result<&str> {
        let list = self.0.remote.deny_list.as_deref();
        list.ok_or_else(|| Error::new(ErrorKind::Config, "this rate limiter has no deny list"))
    }

    /// The counts of its decisions since it was built.
    pub fn stats(&self) -> LimitStats {
        self.0.counters.snapshot()
    }

    /// Its policies.
    pub fn policies(&self) -> &[Policy] {
        &self.0.policies
    }

    /// Whether it limits concurrency, so that it needs [`acquire`](Self::acquire) and not [`limit`](Self::limit).
    pub fn has_permits(&self) -> bool {
        self.0.policies.iter().any(|policy| matches!(policy.algorithm, Algorithm::Lease { .. }))
    }
}
