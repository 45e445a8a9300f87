//! The settings of a limiter.

use std::sync::Arc;
use std::time::Duration;

use super::ask::Remote;
use super::block_list::BlockList;
use super::cached::CachedCounts;
use super::clock::{Clock, Time};
use super::core::{Core, reserved_for};
use super::failure::{OnFailure, stand_in};
use super::limiter::RateLimiter;
use super::policy::{Algorithm, Policy, Subject, is_name};
use crate::platform::{Background, BoxFuture, MaybeSend, MaybeSync};
use crate::{Client, Error, ErrorKind, Result};

/// The prefix of `@upstash/ratelimit`.
const PREFIX: &str = "@upstash/ratelimit";

/// The prefixes of policies that `@upstash/ratelimit` does not have. Algorithms do not share keys.
const GCRA_PREFIX: &str = "edgecask:gcra";
const CONCURRENCY_PREFIX: &str = "edgecask:concurrency";

/// The longest that a reply is remembered: 366 days.
const LONGEST_MEMORY: Duration = Duration::from_secs(366 * 86_400);

/// The prefix of calendar policies.
const CALENDAR_PREFIX: &str = "rate_limit";

/// The most policies of a limiter.
const MOST_POLICIES: usize = 16;

/// Builds a [`RateLimiter`].
///
/// | setting | default |
/// |---|---|
/// | [`policy`](Self::policy) | none; at least one is needed |
/// | [`prefix`](Self::prefix) | `@upstash/ratelimit`; `rate_limit` for calendar policies, `edgecask:gcra`, `edgecask:concurrency` |
/// | [`clock`](Self::clock) | the server's |
/// | [`on_failure`](Self::on_failure) | [`OnFailure::Allow`] |
/// | [`timeout`](Self::timeout) | 1 s |
/// | [`block_list`](Self::block_list) | 10,000 keys |
/// | [`deny_list`](Self::deny_list), [`dynamic_limit`](Self::dynamic_limit), [`hash_tags`](Self::hash_tags) | off |
/// | [`exactly_once`](Self::exactly_once) | off |
/// | [`remember_for`](Self::remember_for) | 60 s |
/// | [`local_keys`](Self::local_keys) | 100,000 |
#[derive(Debug, Clone)]
#[must_use]
pub struct RateLimiterBuilder {
    client: Client,
    policies: Vec<Policy>,
    prefix: Option<String>,
    clock: Clock,
    on_failure: OnFailure,
    timeout: Duration,
    blocks: usize,
    deny_list: bool,
    dynamic_limit: bool,
    hash_tags: bool,
    exactly_once: bool,
    remember_for: Duration,
    local_keys: usize,
    background: Background,
}

impl RateLimiter {
    /// Builds a limiter that counts through this client. Without a Redis, `Client::memory` counts in this process.
    pub fn builder(client: Client) -> RateLimiterBuilder {
        RateLimiterBuilder {
            client,
            policies: Vec::new(),
            prefix: None,
            clock: Clock::server(),
            on_failure: OnFailure::default(),
            timeout: Duration::from_secs(1),
            blocks: 10_000,
            deny_list: false,
            dynamic_limit: false,
            hash_tags: false,
            exactly_once: false,
            remember_for: Duration::from_secs(60),
            local_keys: 100_000,
            background: Background::default(),
        }
    }
}

impl RateLimiterBuilder {
    /// Adds a policy. A call is admitted if all have room for it, and counts in all or in none; it is one round trip, however
    /// many there are. At most 16. Policies whose keys could meet need prefixes of their own.
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policies.push(policy);
        self
    }

    /// The prefix of keys of policies without a [prefix of their own](Policy::prefix), of the deny list and of the dynamic limit.
    /// Give each limiter and each algorithm a prefix of its own: two that share one use the same keys, and a key of one
    /// is an error for the other.
    pub fn prefix(mut self, prefix: &str) -> Self {
        self.prefix = Some(prefix.to_owned());
        self
    }

    /// The clock by which calls are counted.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// How a call is decided when the server gives no decision.
    pub fn on_failure(mut self, on_failure: OnFailure) -> Self {
        self.on_failure = on_failure;
        self
    }

    /// How long a decision may take. Then [`on_failure`](Self::on_failure) decides, as for an error. A call that timed out may
    /// have been counted.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// How many keys without room this process remembers, to refuse their calls without a round trip; 0 for none. A limit that
    /// is raised, or a call that is given back, by another process is noticed only when the remembered time is over.
    pub fn block_list(mut self, keys: usize) -> Self {
        self.blocks = keys;
        self
    }

    /// Refuses the identifiers and values that are in the set `{prefix}:denyList:all`, which `@upstash/ratelimit` also reads. It
    /// is looked up in the same round trip. Change it by [`RateLimiter::deny`] and [`RateLimiter::undeny`].
    pub fn deny_list(mut self, yes: bool) -> Self {
        self.deny_list = yes;
        self
    }

    /// Reads the limit of policies from `{prefix}:dynamic:global`, as `dynamicLimits` of `@upstash/ratelimit` does, in the same
    /// round trip. Set it by [`RateLimiter::set_limit`].
    pub fn dynamic_limit(mut self, yes: bool) -> Self {
        self.dynamic_limit = yes;
        self
    }

    /// Writes `{identifier}` into keys in the place of `identifier`, so that all keys of an identifier are in one slot of a cluster.
    /// The keys are then not those of `@upstash/ratelimit`. Limits of all identifiers together are in other slots, and need a
    /// limiter of their own.
    pub fn hash_tags(mut self, yes: bool) -> Self {
        self.hash_tags = yes;
        self
    }

    /// Gives each request an [identity](super::Request::id), so that a [`Retry`](crate::layer::Retry) layer may send it again
    /// when an answer was lost, and it counts once. Each call then also writes a small key, which lives as long as
    /// [`remember_for`](Self::remember_for) says.
    pub fn exactly_once(mut self, yes: bool) -> Self {
        self.exactly_once = yes;
        self
    }

    /// How long the admission of a request with an identity is remembered, from 1 ms to 366 days.
    pub fn remember_for(mut self, duration: Duration) -> Self {
        self.remember_for = duration;
        self
    }

    /// How many keys each limiter of [`OnFailure::Local`] and a cached fixed window remember.
    pub fn local_keys(mut self, keys: usize) -> Self {
        self.local_keys = keys;
        self
    }

    /// Runs work in the background by this function: additions of a cached fixed window, and releases of dropped permits. In a
    /// Worker, hand the work to the request's `wait_until`, because it ends with the request otherwise.
    pub fn wait_until(
        mut self,
        hook: impl Fn(BoxFuture<'static, ()>) + MaybeSend + MaybeSync + 'static,
    ) -> Self {
        self.background = Background::hook(hook);
        self
    }

    /// The limiter. Nothing is sent yet.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] if there is no policy, a policy's numbers or names are wrong, or settings exclude each other. The
    /// message says which.
    pub fn build(self) -> Result<RateLimiter> {
        let wrong = |text: String| Err(Error::new(ErrorKind::Config, text));
        if self.policies.is_empty() || self.policies.len() > MOST_POLICIES {
            return wrong(format!("a rate limiter has 1 to {MOST_POLICIES} policies"));
        }
        self.policies.iter().try_for_each(Policy::check)?;
        let prefix = self.prefix.as_deref();
        if prefix.is_some_and(|prefix| !is_name(prefix)) {
            return wrong("the prefix of a rate limiter has 1 to 256 bytes".to_owned());
        }
        let prefix_of = |policy: &Policy| {
            let default = match policy.algorithm {
                Algorithm::Calendar(_) => CALENDAR_PREFIX,
                Algorithm::Gcra { .. } => GCRA_PREFIX,
                Algorithm::Lease { .. } => CONCURRENCY_PREFIX,
                _ => PREFIX,
            };
            policy.prefix.as_deref().or(prefix).unwrap_or(default).to_owned()
        };
        let prefixes: Vec<String> = self.policies.iter().map(prefix_of).collect();
        let all: Vec<(&Policy, &str)> =
            self.policies.iter().zip(prefixes.iter().map(String::as_str)).collect();
        for (place, &(policy, prefix)) in all.iter().enumerate() {
            for &(other, of_other) in &all[..place] {
                if policy.name == other.name {
                    return wrong(format!("two policies are named {:?}", &*policy.name));
                }
                if prefix == of_other && keys_meet(policy, other) {
                    return wrong(format!(
                        "the policies {:?} and {:?} need prefixes of their own, or would share keys",
                        &*other.name, &*policy.name
                    ));
                }
            }
        }
        let cached =
            |policy: &Policy| matches!(policy.algorithm, Algorithm::Fixed { cached: true, .. });
        let has_cached = self.policies.iter().any(cached);
        if has_cached && self.policies.len() > 1 {
            return wrong("a cached fixed window is the only policy of its limiter".to_owned());
        }
        if self.remember_for < Duration::from_millis(1) || self.remember_for > LONGEST_MEMORY {
            return wrong("a rate limiter remembers replies for 1 ms to 366 days".to_owned());
        }
        let lease = |policy: &Policy| matches!(policy.algorithm, Algorithm::Lease { .. });
        if self.clock.is_process() && self.policies.iter().any(lease) {
            return wrong("concurrency is limited by the server's clock".to_owned());
        }
        let plain = !(self.dynamic_limit || self.deny_list || self.exactly_once);
        if has_cached && !(plain && self.policies.iter().all(|policy| !policy.shadow)) {
            return wrong(
                "a cached fixed window has no deny list, dynamic limit, identities or shadow mode"
                    .to_owned(),
            );
        }
        if self.hash_tags && (self.deny_list || self.dynamic_limit) {
            return wrong("with hash tags there is no deny list and no dynamic limit".to_owned());
        }
        let stand_ins = self.policies.iter().map(|policy| match self.on_failure {
            OnFailure::Local { instances } => stand_in(policy, instances, self.local_keys),
            _ => Ok(None),
        });
        let stand_ins = stand_ins.collect::<Result<Vec<_>>>()?;
        let reserved =
            all.iter().map(|(policy, prefix)| reserved_for(policy, prefix, &all)).collect();
        let deny_list = format!("{}:denyList:all", prefix.unwrap_or(PREFIX));
        Ok(RateLimiter(Arc::new(Core {
            remote: Arc::new(Remote {
                client: self.client,
                time: Time::new(self.clock),
                remember_for: self.remember_for,
                timeout: self.timeout,
                deny_list: self.deny_list.then_some(deny_list),
                dynamic_limit: self.dynamic_limit,
            }),
            reserved,
            prefixes,
            stand_ins,
            tagged: self.hash_tags,
            exactly_once: self.exactly_once,
            on_failure: self.on_failure,
            blocks: (self.blocks > 0).then(|| BlockList::new(self.blocks)),
            cached: has_cached.then(|| CachedCounts::new(self.local_keys)),
            counters: Arc::default(),
            warnings: Default::default(),
            background: self.background,
            policies: self.policies,
        })))
    }
}

/// Whether two policies with the same prefix could have the same key.
fn keys_meet(one: &Policy, other: &Policy) -> bool {
    let kind = |subject: &Subject| match subject {
        Subject::Identifier => (0, None),
        Subject::Shared(name) => (1, Some(name.clone())),
        Subject::Part(name) => (2, Some(name.clone())),
    };
    match (one.algorithm, other.algorithm) {
        (Algorithm::Calendar(unit), Algorithm::Calendar(of_other)) => {
            unit == of_other && kind(&one.subject) == kind(&other.subject)
        }
        // The digits of the calendar are behind a word.
        (Algorithm::Calendar(_), _) | (_, Algorithm::Calendar(_)) => {
            !(one.algorithm.has_windows() && other.algorithm.has_windows())
        }
        _ => true,
    }
}
