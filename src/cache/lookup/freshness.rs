//! Whether an entry that was found may be served.

use std::time::Duration;

use serde::de::DeserializeOwned;

use crate::cache::LoadOptions;
use crate::cache::entry::View;
use crate::cache::observe::Counters;
use crate::cache::outage::Outage;
use crate::platform::{self, unix_millis};
use crate::{Key, Result};

/// What looking up an entry gave.
pub(crate) enum Lookup<T> {
    Found(T),
    /// There is a value that should be loaded anew: it has been stale for this long, or is still fresh if that is zero.
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

    /// The value that is due to be loaded anew before it is stale.
    pub(crate) fn still_fresh(self) -> Option<T> {
        match self {
            Self::Stale(value, age) if age.is_zero() => Some(value),
            _ => None,
        }
    }

    /// Whether there is a value that is due to be loaded anew before it is stale.
    pub(crate) fn is_still_fresh(&self) -> bool {
        matches!(self, Self::Stale(_, age) if age.is_zero())
    }

    pub(super) fn is_found(&self) -> bool {
        matches!(self, Self::Found(_))
    }
}

/// What these options make of an entry: it is served, served stale, or loaded anew.
pub(super) fn judge<T: DeserializeOwned>(
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

/// Whether this reader is the one to load a fresh entry anew (XFetch): the random number is exponential.
fn is_due(entry: View<'_>, now: u64, beta: Option<f64>) -> bool {
    let (Some(beta), Some(fresh_until), Some(load_ms)) = (beta, entry.fresh_until, entry.load_ms)
    else {
        return false;
    };
    let ahead = load_ms as f64 * beta * -platform::random_fraction().max(f64::MIN_POSITIVE).ln();
    now as f64 + ahead >= fresh_until as f64
}
