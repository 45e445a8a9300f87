//! Counts of decisions.

use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;

use super::decision::{Decision, Reason};

/// The counts of a limiter's decisions. They name no identifier.
///
/// With the feature `metrics`, they also go to the `metrics` crate as they happen, as `edgecask_limit_{name}_total`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct LimitStats {
    /// Calls that all policies had room for.
    pub allowed: u64,
    /// Calls that a policy had no room for.
    pub exceeded: u64,
    /// Calls that were refused from memory.
    pub blocked: u64,
    /// Calls that the deny list refused.
    pub denied: u64,
    /// Calls that were allowed because the server gave no decision.
    pub degraded_allowed: u64,
    /// Calls that were refused because the server gave no decision.
    pub degraded_refused: u64,
    /// Calls that a policy in shadow mode would have refused.
    pub shadow_refused: u64,
    /// Additions in the background that failed, of a cached fixed window.
    pub lost_additions: u64,
}

macro_rules! counters {
    ($($name:ident),+) => {
        #[derive(Debug, Default)]
        pub(super) struct Counters {
            $($name: AtomicU64),+
        }

        impl Counters {
            pub(super) fn snapshot(&self) -> LimitStats {
                LimitStats { $($name: self.$name.load(Ordering::Relaxed)),+ }
            }
        }
    };
}
counters!(
    allowed,
    exceeded,
    blocked,
    denied,
    degraded_allowed,
    degraded_refused,
    shadow_refused,
    lost_additions
);

macro_rules! add {
    ($counters:ident.$name:ident, $count:expr) => {{
        $counters.$name.fetch_add($count, Ordering::Relaxed);
        #[cfg(feature = "metrics")]
        metrics::counter!(concat!("edgecask_limit_", stringify!($name), "_total"))
            .increment($count);
    }};
}

impl Counters {
    pub(super) fn count(&self, decision: &Decision) {
        match (decision.reason, decision.allowed) {
            (Reason::Allowed, _) => add!(self.allowed, 1),
            (Reason::Exceeded, _) => add!(self.exceeded, 1),
            (Reason::Blocked, _) => add!(self.blocked, 1),
            (Reason::DenyList, _) => add!(self.denied, 1),
            (Reason::Degraded(_), true) => add!(self.degraded_allowed, 1),
            (Reason::Degraded(_), false) => add!(self.degraded_refused, 1),
        }
        if decision.shadow_refused().next().is_some() {
            add!(self.shadow_refused, 1);
        }
    }

    pub(super) fn lost(&self, count: u64) {
        add!(self.lost_additions, count);
    }
}
