use super::resource::Resource;

/// An acquisition, or the end of one, that is under way. If it is dropped before the answer is known, the acquisition is ended in the
/// background: its request may have been carried out.
pub(super) struct Attempt<'a> {
    resource: &'a Resource,
    pub(super) token: Option<String>,
}

impl<'a> Attempt<'a> {
    pub(super) fn of(resource: &'a Resource, token: String) -> Self {
        Self { resource, token: Some(token) }
    }

    pub(super) fn token(&self) -> &str {
        self.token.as_deref().unwrap_or_default()
    }

    /// Marks the attempt as over: the server holds nothing for it.
    pub(super) fn finish(&mut self) {
        self.token = None;
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        if let Some(token) = self.token.take() {
            self.resource.end_in_background(token);
        }
    }
}
