use std::time::Duration;

use super::Ttl;
use crate::{Result, platform};

/// How one entry is stored. A [`Duration`] or a [`Ttl`] is enough where the defaults fit.
///
/// | setting | default |
/// |---|---|
/// | [`jitter`](Self::jitter) | 0 |
/// | [`tags`](Self::tags) | none |
/// | [`stale_while_revalidate`](Self::stale_while_revalidate) | 0 |
/// | [`stale_if_error`](Self::stale_if_error) | 0 |
///
/// An entry is fresh for its time to live. Redis keeps it for as long as it may be served stale, and then deletes it.
///
/// ```
/// use edgecask::cache::EntryOptions;
/// use std::time::Duration;
///
/// let options = EntryOptions::new(Duration::from_secs(300))
///     .jitter(0.1)
///     .tags(["user:123", "profiles"])
///     .stale_if_error(Duration::from_secs(3600));
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct EntryOptions {
    pub(crate) ttl: Ttl,
    pub(crate) jitter: f64,
    pub(crate) tags: Vec<String>,
    pub(crate) stale_while_revalidate: Duration,
    pub(crate) stale_if_error: Duration,
}

impl EntryOptions {
    /// An entry that is fresh for this long.
    pub fn new(ttl: impl Into<Ttl>) -> Self {
        Self {
            ttl: ttl.into(),
            jitter: 0.0,
            tags: Vec::new(),
            stale_while_revalidate: Duration::ZERO,
            stale_if_error: Duration::ZERO,
        }
    }

    /// Shortens the time to live by a random amount, up to this part of it (0 to 1), so that entries that were stored
    /// together do not expire together.
    #[must_use]
    pub fn jitter(mut self, part: f64) -> Self {
        self.jitter = if part.is_finite() { part.clamp(0.0, 1.0) } else { 0.0 };
        self
    }

    /// Tags by which the entry can be invalidated together with others. They are added to tags that were set before.
    #[must_use]
    pub fn tags(mut self, tags: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.tags.extend(tags.into_iter().map(Into::into));
        self
    }

    /// For how long after its time to live the entry may be served at once, while it is reloaded in the background
    /// (HTTP's `stale-while-revalidate`, RFC 5861). Only
    /// [`get_or_revalidate`](crate::cache::Cache::get_or_revalidate) has a background.
    #[must_use]
    pub fn stale_while_revalidate(mut self, window: Duration) -> Self {
        self.stale_while_revalidate = window;
        self
    }

    /// For how long after its time to live the entry may be served if reloading it fails or takes too long (HTTP's
    /// `stale-if-error`, RFC 5861).
    #[must_use]
    pub fn stale_if_error(mut self, window: Duration) -> Self {
        self.stale_if_error = window;
        self
    }

    /// The same options with another time to live.
    pub(crate) fn with_ttl(mut self, ttl: Ttl) -> Self {
        self.ttl = ttl;
        self
    }

    /// How long after its time to live the entry may still be served.
    pub(crate) fn stale_for(&self) -> Duration {
        self.stale_while_revalidate.max(self.stale_if_error)
    }

    /// The time to live with its jitter, and how long Redis keeps the entry.
    pub(crate) fn lifetime(&self) -> Result<Lifetime> {
        let ttl = match self.ttl.millis()? {
            0 => return Ok(Lifetime { fresh: None, kept: Ttl::FOREVER }),
            ttl => ttl,
        };
        let off = ttl as f64 * self.jitter * platform::random_fraction();
        let fresh = Duration::from_millis((ttl - off as u64).max(1));
        Ok(Lifetime { fresh: Some(fresh), kept: fresh.saturating_add(self.stale_for()).into() })
    }
}

/// How long an entry is fresh, and how long Redis keeps it.
pub(crate) struct Lifetime {
    pub(crate) fresh: Option<Duration>,
    pub(crate) kept: Ttl,
}

impl Lifetime {
    /// The end of the time for which it is fresh, from now, in Unix milliseconds.
    pub(crate) fn fresh_until(&self) -> Option<u64> {
        Some(platform::unix_millis().saturating_add(self.fresh?.as_millis() as u64))
    }
}

impl<T: Into<Ttl>> From<T> for EntryOptions {
    fn from(ttl: T) -> Self {
        Self::new(ttl)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jitter_takes_off_no_more_than_its_part() -> Result<()> {
        let hour = Duration::from_secs(3600);
        let options = EntryOptions::new(hour).jitter(0.25).stale_if_error(hour);
        for _ in 0..1000 {
            let lifetime = options.lifetime()?;
            let fresh = lifetime.fresh.unwrap_or_default();
            assert!(fresh <= hour && fresh >= hour.mul_f64(0.749), "{fresh:?}");
            assert_eq!(lifetime.kept.duration(), Some(fresh + hour));
        }
        assert_eq!(EntryOptions::new(hour).jitter(f64::NAN).lifetime()?.fresh, Some(hour));
        assert!(EntryOptions::new(Duration::ZERO).lifetime().is_err());
        assert_eq!(EntryOptions::new(Ttl::FOREVER).jitter(0.5).lifetime()?.kept, Ttl::FOREVER);
        Ok(())
    }
}
