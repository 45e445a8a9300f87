//! What each algorithm has to decide, written a second time: plain counts in maps, and whole numbers.

use std::collections::HashMap;
use std::time::Duration;

use edgecask::limit::Policy;

/// An algorithm and its numbers; windows in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rule {
    Fixed { limit: u64, window: u64 },
    Sliding { limit: u64, window: u64 },
    Bucket { capacity: u64, interval: u64, refill: u64 },
    Gcra { limit: u64, period: u64, burst: u64 },
}

impl Rule {
    pub(super) fn policy(self) -> Policy {
        let millis = Duration::from_millis;
        match self {
            Self::Fixed { limit, window } => Policy::fixed_window(limit, millis(window)),
            Self::Sliding { limit, window } => Policy::sliding_window(limit, millis(window)),
            Self::Bucket { capacity, interval, refill } => {
                Policy::token_bucket(refill, millis(interval), capacity)
            }
            Self::Gcra { limit, period, burst } => Policy::gcra(limit, millis(period)).burst(burst),
        }
    }
}

/// What was counted for one identifier.
#[derive(Debug, Clone, Default)]
struct Counted {
    windows: HashMap<u64, i128>,
    /// The millisecond of the last refill, and the tokens.
    bucket: Option<(u64, i128)>,
    /// The millisecond at which the debt was this, in parts of a call: a call has as many as the period has milliseconds.
    debt: (u64, i128),
}

#[derive(Debug)]
pub(super) struct Model {
    rule: Rule,
    counted: HashMap<String, Counted>,
}

impl Model {
    pub(super) fn new(rule: Rule) -> Self {
        Self { rule, counted: HashMap::new() }
    }

    /// Whether a call of this cost has room at this millisecond, and how much room there is.
    pub(super) fn room(&mut self, id: &str, now: u64, cost: u64) -> (bool, u64) {
        let left = self.left(id, now).max(0);
        (i128::from(cost) <= left, left as u64)
    }

    fn left(&mut self, id: &str, now: u64) -> i128 {
        let counted = self.counted.entry(id.to_owned()).or_default();
        match self.rule {
            Rule::Fixed { limit, window } => {
                i128::from(limit) - counted.windows.get(&(now / window)).unwrap_or(&0)
            }
            Rule::Sliding { limit, window } => {
                let of = |number: u64| *counted.windows.get(&number).unwrap_or(&0);
                // As `@upstash/ratelimit` weighs it, in doubles.
                let passed = (now % window) as f64 / window as f64;
                let before = ((1.0 - passed) * of(now / window - 1) as f64).floor();
                i128::from(limit) - of(now / window) - before as i128
            }
            Rule::Bucket { capacity, interval, refill } => {
                let (at, tokens) = counted.bucket.unwrap_or((now, capacity.into()));
                let refills = (now - at) / interval;
                if refills == 0 {
                    return tokens;
                }
                (tokens + i128::from(refills * refill)).min(capacity.into())
            }
            Rule::Gcra { limit, period, burst } => {
                let (at, debt) = counted.debt;
                let debt = (debt - i128::from(now - at) * i128::from(limit)).max(0);
                (i128::from(burst * period) - debt).div_euclid(period.into())
            }
        }
    }

    /// Counts a cost, or gives it back if it is negative.
    pub(super) fn add(&mut self, id: &str, now: u64, cost: i128) {
        let left = self.left(id, now);
        let counted = self.counted.entry(id.to_owned()).or_default();
        match self.rule {
            Rule::Fixed { window, .. } | Rule::Sliding { window, .. } => {
                let count = counted.windows.entry(now / window).or_default();
                *count = (*count + cost).max(0);
            }
            Rule::Bucket { capacity, interval, .. } => {
                let (at, _) = counted.bucket.unwrap_or((now, 0));
                let at = at + (now - at) / interval * interval;
                counted.bucket = Some((at, (left - cost).min(capacity.into())));
            }
            Rule::Gcra { limit, period, .. } => {
                let (at, debt) = counted.debt;
                let debt = (debt - i128::from(now - at) * i128::from(limit)).max(0);
                counted.debt = (now, (debt + cost * i128::from(period)).max(0));
            }
        }
    }
}
