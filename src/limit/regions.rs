//! One limit in several regions.

use std::sync::Arc;

use futures_util::stream::{FuturesUnordered, StreamExt};

use super::ask::{Asking, Op};
use super::decision::{Decision, Reason};
use super::limiter::RateLimiter;
use super::request::Request;
use crate::command::keys::KeyCommands;
use crate::platform::{self, BoxFuture};
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
/// A call costs one EVALSHA in each region, and takes as long as the slowest one, at most the limiters' time limit. One that is
/// given back costs another in each region that counted it, and with an [identity](Request::id) an UNLINK too.
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
    /// [`ErrorKind::Config`] if there are none, their policies differ, or one limits concurrency or is a cached fixed window.
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
        if first.0.cached.is_some() {
            return wrong("a cached fixed window is counted in one region");
        }
        Ok(Self { regions, agreement: Agreement::default() })
    }

    /// How many regions have to admit a call.
    #[must_use]
    pub fn agreement(mut self, agreement: Agreement) -> Self {
        self.agreement = agreement;
        self
    }

    /// Counts a call in all regions, and admits it if enough of them agree. One EVALSHA in each. To give back a call that is not
    /// admitted costs another one in each region that counted it, and an UNLINK before it if the request has an
    /// [identity](Request::id).
    ///
    /// If a region returns an error, or the caller is cancelled, the call is given back in the background where it was counted.
    ///
    /// # Errors
    /// As for [`RateLimiter::limit`], if one of the regions returns an error.
    pub async fn limit<'a>(&self, request: impl Into<Request<'a>>) -> Result<Decision> {
        let mut call = Call::start(&self.regions, &request.into());
        while let Some((place, answer)) = call.under_way.next().await {
            call.answers[place] = Some(answer);
        }
        let mut answers =
            std::mem::take(&mut call.answers).into_iter().flatten().collect::<Vec<_>>();
        let decisions = answers.iter().flatten();
        let agree = decisions.filter(|decision| decision.is_allowed()).count();
        let needed = match self.agreement {
            Agreement::Majority => self.regions.len() / 2 + 1,
            Agreement::All => self.regions.len(),
        };
        let (allowed, failed) = (agree >= needed, answers.iter().any(Result::is_err));
        if !allowed || failed {
            give_back(&self.regions, &call.request, &answers);
        }
        // An error, or else the nearest region with this decision.
        let told = answers.iter().position(|answer| match answer {
            Ok(decision) => !failed && decision.is_allowed() == allowed,
            Err(_) => true,
        });
        answers.swap_remove(told.unwrap_or_default())
    }
}

/// A call that is sent to all regions. If it is dropped, the regions go on with it in the background, and it is given back
/// where it was counted.
struct Call {
    regions: Vec<RateLimiter>,
    request: Arc<OwnedRequest>,
    under_way: FuturesUnordered<BoxFuture<'static, (usize, Result<Decision>)>>,
    /// The answers that are there.
    answers: Vec<Option<Result<Decision>>>,
}

impl Call {
    fn start(regions: &[RateLimiter], request: &Request<'_>) -> Self {
        let request = Arc::new(OwnedRequest::of(request));
        let asked = regions.iter().enumerate().map(|(place, region)| {
            let (core, request) = (Arc::clone(&region.0), Arc::clone(&request));
            platform::send(|| async move { (place, core.decide(&request.get(), None).await) })
        });
        let under_way = asked.collect();
        let answers = regions.iter().map(|_| None).collect();
        Self { regions: regions.to_vec(), request, under_way, answers }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        let mut answers = std::mem::take(&mut self.answers);
        let regions = std::mem::take(&mut self.regions);
        let Some(nearest) = regions.first().filter(|_| !answers.is_empty()) else { return };
        let (request, background) = (Arc::clone(&self.request), nearest.0.background.clone());
        let mut under_way = std::mem::take(&mut self.under_way);
        background.spawn(platform::send(|| async move {
            while let Some((place, answer)) = under_way.next().await {
                answers[place] = Some(answer);
            }
            let answers: Vec<_> = answers.into_iter().flatten().collect();
            give_back(&regions, &request, &answers);
        }));
    }
}

/// A request that outlives its caller.
struct OwnedRequest {
    identifier: String,
    cost: u64,
    id: Option<String>,
    parts: Vec<(String, String)>,
    values: Vec<String>,
}

impl OwnedRequest {
    fn of(request: &Request<'_>) -> Self {
        let parts = request.parts.iter();
        Self {
            identifier: request.identifier.to_owned(),
            cost: request.cost,
            id: request.id.map(str::to_owned),
            parts: parts.map(|&(name, value)| (name.to_owned(), value.to_owned())).collect(),
            values: request.values.iter().map(|&value| value.to_owned()).collect(),
        }
    }

    fn get(&self) -> Request<'_> {
        let mut request = Request::new(&self.identifier).cost(self.cost);
        request.id = self.id.as_deref();
        request.parts = self.parts.iter().map(|(name, value)| (&**name, &**value)).collect();
        request.values = self.values.iter().map(String::as_str).collect();
        request
    }
}

/// Gives back in the background what these regions counted, in the windows of the time at which they did.
fn give_back(regions: &[RateLimiter], request: &Arc<OwnedRequest>, answers: &[Result<Decision>]) {
    for (region, answer) in regions.iter().zip(answers) {
        let Ok(decision) = answer else { continue };
        // An earlier request with this identity counted it, so this call must not give it back.
        let counted = !(decision.repeated && request.id.is_some());
        if decision.reason() == Reason::Allowed && counted {
            let (core, request, at) = (Arc::clone(&region.0), Arc::clone(request), decision.now);
            let background = core.background.clone();
            background.spawn(platform::send(|| async move {
                let request = request.get();
                let asking =
                    Asking { op: Op::Refund, request: &request, lease: "", id: None, at: Some(at) };
                let Ok(plan) = core.plan(&request) else { return };
                // The admission is not remembered, so that the same request may count later.
                if let (Some(id), Some((.., first))) = (request.id, plan.first()) {
                    let forget = core.remote.client.unlink([first.once(id)]);
                    let _ = platform::timeout(core.remote.timeout, forget).await;
                }
                // If this fails, the region has less room than it could have until its window ends.
                let _ = core.remote.ask_in_time(asking, &plan).await;
            }));
        }
    }
}
