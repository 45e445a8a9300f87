//! The user of a request.

/// The user who sends a request: `request.data(Viewer::user("42"))`.
///
/// A field that is [private](crate::Rule::private) is cached for each user separately, and not at all without a user.
///
/// ```
/// use edgecask_graphql::Viewer;
///
/// let request = async_graphql::Request::new("{ me { name } }")
///     .data(Viewer::user("42").within("acme"));
/// # drop(request);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Viewer {
    user: Option<String>,
    partition: Option<String>,
}

impl Viewer {
    /// A user, by an identifier that never changes its owner: not a name that another person may get later. An empty identifier
    /// is no user.
    pub fn user(id: impl Into<String>) -> Self {
        Self { user: Some(id.into()).filter(|id| !id.is_empty()), partition: None }
    }

    /// A request without a known user.
    pub fn anonymous() -> Self {
        Self::default()
    }

    /// Shares cached values only with requests of the same partition, public values too: a tenant, a language, a role, or
    /// several of them in one text.
    #[must_use]
    pub fn within(mut self, partition: impl Into<String>) -> Self {
        self.partition = Some(partition.into());
        self
    }

    pub(crate) fn id(&self) -> Option<&str> {
        self.user.as_deref()
    }

    /// The parts of a key that keep viewers' values apart. `None` for a private value without a user.
    pub(crate) fn scope(&self, is_private: bool) -> Option<Vec<String>> {
        let partition = self.partition.as_ref().map(|partition| format!("within={partition}"));
        let scope = match is_private {
            true => format!("user={}", self.id()?),
            false => "public".to_owned(),
        };
        Some(partition.into_iter().chain([scope]).collect())
    }
}
