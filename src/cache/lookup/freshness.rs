//! Whether an entry that was found may be served.

use std::time::Duration;

use serde::de::DeserializeOwned;

use crate::cache::LoadOptions;
use crate::cache::entry::View;
use crate::cache::observe::Counters;
use crate::cache::outage::Outage;
use crate::platform::{self, unix_millis};
use crate::{Key, Result};

/// The result of a lookup.
pub(crate) enum Lookup<T> {
    Found(T),
    /// A value that should be reloaded. It has been stale for this long; zero means that it is still fresh and its early
    /// refresh is due.
    Stale(T, Duration),
    Missing,
    /// Redis did not answer, and the tier tolerates that.
    Unavailable,
}

impl<T> Lookup<T> {
    pub(crate) fn found(self) -> Option<T> {
        match self {
            Self::Found(value) => Some(value),
            Self::Stale(..) | Self::Missing | Self::Unavailable => None,
        }
    }

    /// The value, if it is fresh and due for an early refresh.
    pub(crate) fn still_fresh(self) -> Option<T> {
        match self {
            Self::Stale(value, age) if age.is_zero() => Some(value),
            _ => None,
        }
    }

    /// Whether the value is fresh and due for an early refresh.
    pub(crate) fn is_still_fresh(&self) -> bool {
        matches!(self, Self::Stale(_, age) if age.is_zero())
    }

    pub(super) fn is_found(&self) -> bool {
        matches!(self, Self::Found(_))
    }
}

/// Decides by the options whether an entry is served, served stale, or counts as missing.
pub(super) fn classify<T: DeserializeOwned>(
    key: &Key,
    entry: View<'_>,
    options: &LoadOptions,
    outage: &Outage,
    counters: &Counters,
) -> Result<Lookup<T>> {
    let now = unix_millis();
    let stale_for = entry.stale_for(now);
    if stale_for.is_some_and(|age| age > options.entry.stale_for()) {
        return Ok(Lookup::Missing);
    }
    let Some(value) = outage.degrade_codec(entry.decode(key))? else {
        return Ok(Lookup::Missing);
    };
    Ok(match stale_for {
        Some(age) => Lookup::Stale(value, age),
        None if is_due(entry, now, options.early_refresh) => {
            counters.early();
            Lookup::Stale(value, Duration::ZERO)
        }
        None => Lookup::Found(value),
    })
}

/// Whether this read reloads a fresh entry early (XFetch). The random number has an exponential distribution.
fn is_due(entry: View<'_>, now: u64, beta: Option<f64>) -> bool {
    let (Some(beta), Some(fresh_until), Some(load_ms)) = (beta, entry.fresh_until, entry.load_ms)
    else {
        return false;
    };
    let ahead = load_ms as f64 * beta * -platform::random_fraction().max(f64::MIN_POSITIVE).ln();
    now as f64 + ahead >= fresh_until as f64
}
