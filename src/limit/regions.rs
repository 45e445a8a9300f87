//! One limit in several regions.

use futures_util::future::join_all;

use super::ask::{Asking, Op};
use super::decision::{Decision, Reason};
use super::limiter::RateLimiter;
use super::request::Request;
use crate::command::keys::KeyCommands;
use crate::platform;
use crate::{Error, ErrorKind, Result};

/// How many regions have to admit a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Agreement {
    /// More than half. Of `n` regions with the limit `L`, less than `2 L` calls of a window are admitted in all, whichever
    /// regions are away or cut off from each other.
    #[default]
    Majority,
    /// All. At most `L` calls of a window are admitted in all. A region that is away decides by its
    /// [`OnFailure`](super::OnFailure).
    All,
}

/// A limit that several servers count, each in a region of its own: for a service that has to go on when one of them is away.
///
/// Every call is sent to all regions at once, and counts in those that have room. It is admitted if as many regions agree as
/// [`Agreement`] says; otherwise it is given back where it was counted, in the background. While all regions answer, all have
/// the same counts, and decide alike up to calls that are under way. A region that does not answer in time decides by its
/// limiter's [`OnFailure`](super::OnFailure): with [`OnFailure::Deny`](super::OnFailure::Deny) only regions that answer admit.
/// The calls that it missed are not sent to it later.
///
/// A call costs one EVALSHA in each region, and takes as long as the slowest one, at most the limiters' time limit.
///
/// ```
/// use edgecask::Client;
/// use edgecask::limit::{Policy, RateLimiter, RegionalLimiter};
/// use std::time::Duration;
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
/// # runtime.block_on(async {
/// let region = |client| {
///     RateLimiter::builder(client).policy(Policy::fixed_window(1, Duration::from_secs(3600))).build()
/// };
/// let limiter = RegionalLimiter::new([region(Client::memory())?, region(Client::memory())?])?;
/// assert!(limiter.limit("user:1").await?.is_allowed());
/// assert!(!limiter.limit("user:1").await?.is_allowed());
/// # Ok::<(), edgecask::Error>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct RegionalLimiter {
    regions: Vec<RateLimiter>,
    agreement: Agreement,
}

impl RegionalLimiter {
    /// A limit of these regions' limiters, which have the same policies. The first is the nearest: its numbers are in decisions.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] if there are none, their policies differ, or one limits concurrency.
    pub fn new(regions: impl IntoIterator<Item = RateLimiter>) -> Result<Self> {
        let regions: Vec<RateLimiter> = regions.into_iter().collect();
        let wrong = |text| Err(Error::new(ErrorKind::Config, text));
        let Some(first) = regions.first() else {
            return wrong("a regional limiter has at least one region");
        };
        if regions.iter().any(|region| region.policies() != first.policies()) {
            return wrong("all regions of a limiter have the same policies");
        }
        if first.has_permits() {
            return wrong("concurrency is limited in one region");
        }
        Ok(Self { regions, agreement: Agreement::default() })
    }

    /// How many regions have to admit a call.
    #[must_use]
    pub fn agreement(mut self, agreement: Agreement) -> Self {
        self.agreement = agreement;
        self
    }

    /// Counts a call in all regions, and admits it if enough of them agree. One EVALSHA in each.
    ///
    /// # Errors
    /// As for [`RateLimiter::limit`].
    pub async fn limit<'a>(&self, request: impl Into<Request<'a>>) -> Result<Decision> {
        let request = request.into();
        let asked = self.regions.iter().map(|region| region.0.decide(&request, None));
        let mut decisions = Vec::with_capacity(self.regions.len());
        for decision in join_all(asked).await {
            decisions.push(decision?);
        }
        let agree = decisions.iter().filter(|decision| decision.is_allowed()).count();
        let needed = match self.agreement {
            Agreement::Majority => self.regions.len() / 2 + 1,
            Agreement::All => self.regions.len(),
        };
        let allowed = agree >= needed;
        if !allowed {
            for (region, decision) in self.regions.iter().zip(&decisions) {
                // An earlier request with this identity counted it, so this call must not give it back.
                let counted = !(decision.repeated && request.id.is_some());
                if decision.reason() == Reason::Allowed && counted {
                    give_back(region, &request, decision.now);
                }
            }
        }
        // The nearest region with this decision.
        let told = decisions.iter().position(|decision| decision.is_allowed() == allowed);
        Ok(decisions.swap_remove(told.unwrap_or_default()))
    }
}

/// Gives back in the background what a region counted at this microsecond, in the windows of that time.
fn give_back(region: &RateLimiter, request: &Request<'_>, at: u64) {
    let core = std::sync::Arc::clone(&region.0);
    let identifier = request.identifier.to_owned();
    let parts = request.parts.iter();
    let parts: Vec<(String, String)> =
        parts.map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
    let (cost, id) = (request.cost, request.id.map(str::to_owned));
    let background = core.background.clone();
    background.spawn(platform::send(|| async move {
        let mut request = Request::new(&identifier).cost(cost);
        request.parts = parts.iter().map(|(name, value)| (&**name, &**value)).collect();
        let asking =
            Asking { op: Op::Refund, request: &request, lease: "", id: None, at: Some(at) };
        if let Ok(plan) = core.plan(&request) {
            // The admission is not remembered, so that the same request may count later.
            if let (Some(id), Some((.., first))) = (id, plan.first()) {
                let forget = core.remote.client.unlink([first.once(&id)]);
                let _ = platform::timeout(core.remote.timeout, forget).await;
            }
            // If this fails, the region has less room than it could have until its window ends.
            let _ = core.remote.ask_in_time(asking, &plan).await;
        }
    }));
}
