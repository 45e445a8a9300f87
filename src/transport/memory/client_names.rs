//! The names of the engine's only client.

/// What CLIENT SETNAME and CLIENT SETINFO have set.
#[derive(Clone, Default)]
pub(super) struct ClientNames {
    pub(super) name: String,
    pub(super) library: String,
    pub(super) library_version: String,
}
