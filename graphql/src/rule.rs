//! How a field, or a type, is cached.

use std::time::Duration;

use edgecask::cache::{EntryOptions, LoadOptions};

/// How a field is cached, or all fields that return a type. The terms are those of Apollo's `@cacheControl`.
///
/// | setting | default |
/// |---|---|
/// | [`max_age`](Self::max_age) | none: a field of the root, or one that returns objects, is not cached, and no value that contains it is |
/// | [`inherit_max_age`](Self::inherit_max_age) | only for fields that return scalars and enums |
/// | [`private`](Self::private) | public |
/// | [`tags`](Self::tags) | none |
/// | [`jitter`](Self::jitter), [`stale_if_error`](Self::stale_if_error), [`early_refresh`](Self::early_refresh), [`hard_timeout`](Self::hard_timeout) | those of [`EntryOptions`] and [`LoadOptions`] |
///
/// ```
/// use edgecask_graphql::Rule;
/// use std::time::Duration;
///
/// let user = Rule::new().max_age(Duration::from_secs(300)).tags(["user:{args.id}"]);
/// let email = Rule::new().private();
/// ```
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Rule {
    pub(crate) max_age: Option<Duration>,
    pub(crate) inherit: bool,
    pub(crate) private: bool,
    pub(crate) tags: Vec<String>,
    jitter: f64,
    stale_if_error: Duration,
    early_refresh: Option<f64>,
    hard_timeout: Option<Option<Duration>>,
}

impl Rule {
    /// A rule without settings.
    pub fn new() -> Self {
        Self::default()
    }

    /// How long a value may be served. A value that contains the field is cached no longer. Zero: not at all.
    #[must_use]
    pub fn max_age(mut self, age: Duration) -> Self {
        self.max_age = Some(age);
        self
    }

    /// The field does not limit how long a value that contains it is cached.
    #[must_use]
    pub fn inherit_max_age(mut self) -> Self {
        self.inherit = true;
        self
    }

    /// The value belongs to one user, and so does every value that contains it: it is never shared, and not cached if the request
    /// has no [`Viewer`](crate::Viewer) with a user. No other rule makes it public again.
    #[must_use]
    pub fn private(mut self) -> Self {
        self.private = true;
        self
    }

    /// Tags that invalidate the value and every value that contains it. `{args.id}` is an argument, also of an input object
    /// (`{args.input.id}`); `{result.id}` is a field of the result, in a list of each item; `{parent}` is the key of a
    /// [`Keyed`](crate::Keyed) object; `{viewer}` is the user.
    ///
    /// If a tag cannot be written, the value is not cached: an argument or a field is null, or not in the query.
    #[must_use]
    pub fn tags(mut self, tags: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.tags.extend(tags.into_iter().map(Into::into));
        self
    }

    /// As [`EntryOptions::jitter`].
    #[must_use]
    pub fn jitter(mut self, part: f64) -> Self {
        self.jitter = part;
        self
    }

    /// As [`EntryOptions::stale_if_error`]: if the field fails, its last value is served. This is so even if a guard
    /// refuses it.
    #[must_use]
    pub fn stale_if_error(mut self, window: Duration) -> Self {
        self.stale_if_error = window;
        self
    }

    /// As [`LoadOptions::early_refresh`].
    #[must_use]
    pub fn early_refresh(mut self, beta: f64) -> Self {
        self.early_refresh = Some(beta);
        self
    }

    /// As [`LoadOptions::hard_timeout`], for the resolver and all that it selects. Default: 30 seconds.
    #[must_use]
    pub fn hard_timeout(mut self, limit: impl Into<Option<Duration>>) -> Self {
        self.hard_timeout = Some(limit.into());
        self
    }

    pub(crate) fn load_options(
        &self,
        ttl: Duration,
        tags: impl IntoIterator<Item = String>,
    ) -> LoadOptions {
        let entry = EntryOptions::new(ttl)
            .jitter(self.jitter)
            .stale_if_error(self.stale_if_error)
            .tags(tags);
        let mut options = LoadOptions::new(entry);
        if let Some(beta) = self.early_refresh {
            options = options.early_refresh(beta);
        }
        match self.hard_timeout {
            Some(limit) => options.hard_timeout(limit),
            None => options,
        }
    }
}
