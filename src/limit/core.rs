//! The state that all clones of a limiter share.

use std::sync::Arc;
use std::time::Duration;

use smallvec::SmallVec;

use super::ask::{Asking, Op, Plan, Remote};
use super::block_list::{BlockList, Blocked};
use super::cached::CachedCounts;
use super::decision::{Decision, Failure, PolicyState, Reason};
use super::failure::{OnFailure, StandIn, Warnings, failure_of, is_outage};
use super::keys::Keys;
use super::policy::{Algorithm, Policy, Subject};
use super::request::Request;
use super::stats::Counters;
use crate::platform::{self, Background};
use crate::{Error, ErrorKind, Result};

/// How long a value of the deny list is remembered in memory, as in `@upstash/ratelimit`.
const DENIED_FOR: Duration = Duration::from_secs(60);

/// How soon a refused call may be tried again when the server gave no decision.
const AGAIN: Duration = Duration::from_millis(100);

#[derive(Debug)]
pub(super) struct Core {
    pub(super) remote: Arc<Remote>,
    pub(super) policies: Vec<Policy>,
    /// The prefix of each policy.
    pub(super) prefixes: Vec<String>,
    /// Subjects that no identifier may have, for each policy.
    pub(super) reserved: Vec<Vec<String>>,
    /// The limiters that replace the policies, if [`OnFailure::Local`] is chosen.
    pub(super) stand_ins: Vec<Option<StandIn>>,
    pub(super) tagged: bool,
    pub(super) exactly_once: bool,
    pub(super) on_failure: OnFailure,
    pub(super) blocks: Option<BlockList>,
    pub(super) cached: Option<CachedCounts>,
    pub(super) counters: Arc<Counters>,
    pub(super) warnings: Warnings,
    pub(super) background: Background,
}

impl Core {
    /// The policies that concern a request, with their keys.
    pub(super) fn plan(&self, request: &Request<'_>) -> Result<Plan<'_>> {
        request.check()?;
        let mut plan = Plan::new();
        for ((policy, prefix), reserved) in
            self.policies.iter().zip(&self.prefixes).zip(&self.reserved)
        {
            if let Some(keys) = Keys::of(policy, prefix, self.tagged, request, reserved)? {
                plan.push((policy, prefix, keys));
            }
        }
        Ok(plan)
    }

    /// The decision about a call, which takes this lease if a policy limits concurrency.
    pub(super) async fn decide(
        &self,
        request: &Request<'_>,
        lease: Option<&str>,
    ) -> Result<Decision> {
        let plan = self.plan(request)?;
        let leases =
            |(policy, ..): &(&Policy, _, _)| matches!(policy.algorithm, Algorithm::Lease { .. });
        if lease.is_none() && plan.iter().any(leases) {
            return Err(Error::new(
                ErrorKind::InvalidInput,
                "a limiter of concurrency is asked with `acquire`, which returns a permit",
            ));
        }
        let decision = match self.decided_in_memory(request, &plan) {
            Some(decision) => decision,
            None => self.decided_by_server(request, &plan, lease.unwrap_or_default()).await?,
        };
        self.counters.count(&decision);
        Ok(decision)
    }

    fn decided_in_memory(&self, request: &Request<'_>, plan: &Plan<'_>) -> Option<Decision> {
        // A request with an identity may have been admitted before, which the server knows.
        let asks = request.cost > 0 && request.id.is_none();
        let blocks = self.blocks.as_ref().filter(|_| asks)?;
        let now = self.remote.time.now();
        if self.remote.deny_list.is_some() {
            let listed = |value: &&str| blocks.blocked_for(Blocked::Denied(value), now).is_some();
            if let Some(value) = request.denied_by().find(listed) {
                let mut decision = Decision::new(false, Reason::DenyList, now);
                decision.denied = Some(value.to_owned());
                return Some(decision);
            }
        }
        let enforced = plan.iter().filter(|(policy, ..)| !policy.shadow);
        let blocked = |(policy, _, keys): &(&Policy, &str, Keys)| {
            let (left, limit) = blocks.blocked_for(self.blocked(policy, keys), now)?;
            Some((policy.name.clone(), limit, left, policy.window()))
        };
        let (name, limit, left, window) =
            enforced.filter_map(blocked).max_by_key(|blocked| blocked.2)?;
        let mut decision = Decision::new(false, Reason::Blocked, now);
        decision.states.push(PolicyState {
            name,
            has_room: false,
            shadow: false,
            limit,
            remaining: 0,
            reset_after: left,
            retry_after: Some(left),
            window,
        });
        Some(decision)
    }

    async fn decided_by_server(
        &self,
        request: &Request<'_>,
        plan: &Plan<'_>,
        lease: &str,
    ) -> Result<Decision> {
        if plan.is_empty() && self.remote.deny_list.is_none() {
            return Ok(Decision::new(true, Reason::Allowed, self.remote.time.now()));
        }
        if let Some(cached) = &self.cached
            && let Some((decision, unsent)) = cached.decide(&self.remote.time, request, plan)
        {
            if let Some(unsent) = unsent {
                let work = unsent.send(Arc::clone(&self.remote), Arc::clone(&self.counters));
                self.background.spawn(platform::send(|| work));
            }
            return Ok(decision);
        }
        let made;
        let id = match request.id {
            None if self.exactly_once => {
                made = platform::random_id()?;
                Some(&*made)
            }
            id => id,
        };
        let asking = Asking { op: Op::Take, request, lease, id, at: None };
        let error = match self.remote.ask_in_time(asking, plan).await {
            Ok(decision) => {
                self.remember(request, plan, &decision);
                return Ok(decision);
            }
            Err(error) if !is_outage(&error) => return Err(error),
            Err(error) => error,
        };
        let decision = self.degraded(request, plan, failure_of(&error));
        self.warnings.failed(&error, decision.allowed);
        Ok(decision)
    }

    /// Remembers which keys have no room, and the server's counts.
    fn remember(&self, request: &Request<'_>, plan: &Plan<'_>, decision: &Decision) {
        if let Some(cached) = &self.cached {
            let lost = cached.learn(plan, decision);
            if lost > 0 {
                self.counters.lost(lost);
            }
        }
        let Some(blocks) = &self.blocks else { return };
        if let Some(value) = &decision.denied {
            blocks.block(Blocked::Denied(value), decision.now, DENIED_FOR, 0);
        }
        // A key that has no room for a costly call may have room for another.
        if request.cost != 1 {
            return;
        }
        for ((policy, _, keys), state) in plan.iter().zip(&decision.states) {
            let lease = matches!(policy.algorithm, Algorithm::Lease { .. });
            if let Some(wait) = state.retry_after
                && !(state.has_room || policy.shadow || lease)
            {
                blocks.block(self.blocked(policy, keys), decision.now, wait, state.limit);
            }
        }
    }

    /// The decision that is made without the server.
    fn degraded(&self, request: &Request<'_>, plan: &Plan<'_>, failure: Failure) -> Decision {
        let reason = Reason::Degraded(failure);
        let mut decision = Decision::new(true, reason, self.remote.time.now());
        match self.on_failure {
            OnFailure::Allow => {}
            OnFailure::Deny => decision.allowed = false,
            OnFailure::Local { .. } => {
                let stand_ins = plan.iter().filter_map(|(policy, _, keys)| {
                    let stand_in = self.stand_ins.get(self.place(policy))?.as_ref()?;
                    Some((*policy, stand_in, keys.base(), stand_in.look(keys.base(), request.cost)))
                });
                let mut looked: SmallVec<[_; 2]> = stand_ins.collect();
                decision.allowed =
                    looked.iter().all(|(policy, .., room)| room.is_ok() || policy.shadow);
                // A refused call counts in none of them.
                if decision.allowed {
                    for (policy, stand_in, key, room) in &mut looked {
                        if room.is_ok() {
                            *room = stand_in.check_n(key, request.cost);
                        }
                        decision.allowed &= room.is_ok() || policy.shadow;
                    }
                    // Another thread has taken the room of one since.
                    if !decision.allowed {
                        for (_, stand_in, key, room) in &looked {
                            if room.is_ok() {
                                stand_in.give_back(key, request.cost);
                            }
                        }
                    }
                }
                for (policy, stand_in, key, checked) in looked {
                    let retry_after = checked.err().unwrap_or(Some(Duration::ZERO));
                    decision.states.push(PolicyState {
                        name: policy.name.clone(),
                        has_room: checked.is_ok(),
                        shadow: policy.shadow,
                        limit: policy.limit,
                        remaining: stand_in.remaining(key),
                        reset_after: retry_after.unwrap_or_default(),
                        retry_after,
                        window: policy.window(),
                    });
                }
            }
        }
        decision
    }

    /// How long a caller waits before it asks again; `None` if that does not help.
    pub(super) fn pause(&self, decision: &Decision) -> Option<Duration> {
        /// A lease may return at any time.
        const LEASE: Duration = Duration::from_millis(250);
        let wait = decision.retry_after()?;
        let lease =
            self.policies.iter().any(|policy| matches!(policy.algorithm, Algorithm::Lease { .. }));
        let wait = match decision.reason {
            Reason::Degraded(_) => wait.max(AGAIN),
            _ if lease => wait.clamp(Duration::from_millis(1), LEASE),
            _ => wait.max(Duration::from_millis(1)),
        };
        // Callers that wait for the same window must not all ask at its first moment.
        let jitter = wait.mul_f64(0.1).min(Duration::from_millis(50));
        Some(wait + jitter.mul_f64(platform::random_fraction()))
    }

    /// Forgets that these policies had no room.
    pub(super) fn unblock(&self, plan: &Plan<'_>) {
        if let Some(blocks) = &self.blocks {
            for (policy, _, keys) in plan {
                blocks.unblock(self.blocked(policy, keys));
            }
        }
    }

    /// The place of a policy of this limiter.
    fn place(&self, policy: &Policy) -> usize {
        let place = self.policies.iter().position(|other| std::ptr::eq(other, policy));
        place.unwrap_or(usize::MAX)
    }

    fn blocked<'a>(&self, policy: &Policy, keys: &'a Keys) -> Blocked<'a> {
        Blocked::Policy(self.place(policy), keys.base())
    }
}

/// The subjects that identifiers of a policy may not have, so that no identifier reaches a count of all callers.
pub(super) fn reserved_for(policy: &Policy, prefix: &str, all: &[(&Policy, &str)]) -> Vec<String> {
    let shared = all.iter().filter(|(_, other)| *other == prefix);
    let names = shared.filter_map(|(policy, _)| match &policy.subject {
        Subject::Shared(name) => Some(name.clone()),
        _ => None,
    });
    let mut names: Vec<String> = names.collect();
    if matches!(policy.algorithm, Algorithm::Calendar(_)) {
        names.push("global".to_owned());
    }
    names
}
