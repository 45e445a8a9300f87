use std::time::Duration;

use crate::Result;
use crate::cache::entry::{EntryOptions, Ttl};

/// The default. A load that takes longer is given up.
const HARD_TIMEOUT: Duration = Duration::from_secs(30);

/// How a value is loaded through the cache. A [`Duration`], a [`Ttl`] or [`EntryOptions`] is enough where the defaults fit.
///
/// | setting | default |
/// |---|---|
/// | [`negative_ttl`](Self::negative_ttl) | that of other values |
/// | [`soft_timeout`](Self::soft_timeout) | none |
/// | [`hard_timeout`](Self::hard_timeout) | 30 s |
/// | [`early_refresh`](Self::early_refresh) | off |
/// | [`refresh`](Self::refresh), [`bypass`](Self::bypass) | no |
///
/// ```
/// use edgecask::cache::{EntryOptions, LoadOptions, Ttl};
/// use std::time::Duration;
///
/// let entry = EntryOptions::new(Ttl::seconds(300)).stale_if_error(Duration::from_secs(3600));
/// let options = LoadOptions::new(entry)
///     .negative_ttl(Ttl::seconds(10))
///     .soft_timeout(Duration::from_millis(200))
///     .hard_timeout(Duration::from_secs(5));
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct LoadOptions {
    pub(crate) entry: EntryOptions,
    /// `Some(None)`: not stored.
    pub(crate) negative_ttl: Option<Option<Ttl>>,
    pub(crate) soft_timeout: Option<Duration>,
    pub(crate) hard_timeout: Option<Duration>,
    pub(crate) early_refresh: Option<f64>,
    pub(crate) mode: Mode,
}

/// Whether a load reads and writes the cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Cached,
    Refresh,
    Bypass,
}

impl LoadOptions {
    /// The defaults, for values that are stored with these options.
    pub fn new(entry: impl Into<EntryOptions>) -> Self {
        Self {
            entry: entry.into(),
            negative_ttl: None,
            soft_timeout: None,
            hard_timeout: Some(HARD_TIMEOUT),
            early_refresh: None,
            mode: Mode::Cached,
        }
    }

    /// The time to live of an `Option::None` that the loader returned: how long it is cached that there is no value.
    /// `None`: it is not cached. Default: the time to live of other values.
    #[must_use]
    pub fn negative_ttl(mut self, ttl: impl Into<Option<Ttl>>) -> Self {
        self.negative_ttl = Some(ttl.into());
        self
    }

    /// After how long a load continues in the background, if there is a stale value to serve. Only
    /// [`get_or_revalidate`](crate::cache::Cache::get_or_revalidate) can load in the background.
    #[must_use]
    pub fn soft_timeout(mut self, limit: Duration) -> Self {
        self.soft_timeout = Some(limit);
        self
    }

    /// After how long a load is given up, by dropping its future. Then a stale value is served, or the call fails with
    /// [`ErrorKind::Timeout`](crate::ErrorKind::Timeout). Waiting for another caller's load has the same limit, counted
    /// separately. `None`: never. Default: 30 seconds.
    #[must_use]
    pub fn hard_timeout(mut self, limit: impl Into<Option<Duration>>) -> Self {
        self.hard_timeout = limit.into();
        self
    }

    /// Lets a single reader reload a value shortly before it expires. The nearer that is, and the longer the load took, the
    /// more likely a read does so (XFetch, Vattani and others, VLDB 2015). `beta` is usually 1; a larger one reloads
    /// earlier.
    #[must_use]
    pub fn early_refresh(mut self, beta: f64) -> Self {
        self.early_refresh = Some(beta);
        self
    }

    /// Checks that the negative time to live is not zero.
    pub(super) fn check(&self) -> Result<()> {
        if let Some(Some(ttl)) = self.negative_ttl {
            ttl.millis()?;
        }
        Ok(())
    }

    /// Whether the load does not read the cache.
    pub(crate) fn is_refresh(&self) -> bool {
        self.mode == Mode::Refresh
    }

    /// Does not read the cache: the value is always loaded, and stored.
    #[must_use]
    pub fn refresh(mut self) -> Self {
        self.mode = Mode::Refresh;
        self
    }

    /// Neither reads nor writes the cache.
    #[must_use]
    pub fn bypass(mut self) -> Self {
        self.mode = Mode::Bypass;
        self
    }
}

impl<T: Into<EntryOptions>> From<T> for LoadOptions {
    fn from(entry: T) -> Self {
        Self::new(entry)
    }
}
