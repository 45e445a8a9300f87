//! The backend that checks credentials.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use crate::platform::{self, BoxFuture, MaybeSend, MaybeSync};
use crate::store::Extra;
use crate::{BoxError, Error, Result};

/// The answer of the backing store to a credential check.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Validation {
    /// Whether the credential belongs to the user, and the user may sign in.
    pub valid: bool,
    /// Further attributes of the user: tenant, roles, and so on. They are cached as plain text, so they must not contain
    /// secrets.
    #[serde(default, skip_serializing_if = "Extra::is_empty")]
    pub attributes: Extra,
}

impl Validation {
    /// The credential is valid.
    pub fn valid() -> Self {
        Self { valid: true, attributes: Extra::new() }
    }

    /// The credential is not valid.
    pub fn invalid() -> Self {
        Self { valid: false, attributes: Extra::new() }
    }

    /// Adds an attribute of the user.
    #[must_use]
    pub fn attribute(
        mut self,
        name: impl Into<String>,
        value: impl Into<serde_json::Value>,
    ) -> Self {
        self.attributes.insert(name.into(), value.into());
        self
    }
}

/// A backend that checks credentials: a database, or an identity provider.
pub trait AuthBackend: MaybeSend + MaybeSync + 'static {
    /// Checks a user's credential.
    ///
    /// # Errors
    /// If the credential could not be checked. A wrong credential is not an error.
    fn validate(
        &self,
        user_id: &str,
        credential: &str,
    ) -> impl Future<Output = Result<Validation, BoxError>> + MaybeSend;

    /// Makes all of a user's credentials invalid.
    ///
    /// # Errors
    /// If the credentials could not be revoked.
    fn revoke(&self, user_id: &str) -> impl Future<Output = Result<(), BoxError>> + MaybeSend;
}

/// The object-safe form of [`AuthBackend`].
pub(super) trait DynAuthBackend: MaybeSend + MaybeSync {
    fn validate<'a>(
        &'a self,
        user: &'a str,
        credential: &'a str,
    ) -> BoxFuture<'a, Result<Validation>>;
    fn revoke<'a>(&'a self, user: &'a str) -> BoxFuture<'a, Result<()>>;
}

impl<B: AuthBackend> DynAuthBackend for B {
    fn validate<'a>(
        &'a self,
        user: &'a str,
        credential: &'a str,
    ) -> BoxFuture<'a, Result<Validation>> {
        platform::send(|| async move {
            AuthBackend::validate(self, user, credential).await.map_err(Error::store)
        })
    }

    fn revoke<'a>(&'a self, user: &'a str) -> BoxFuture<'a, Result<()>> {
        platform::send(
            || async move { AuthBackend::revoke(self, user).await.map_err(Error::store) },
        )
    }
}

/// An [`AuthBackend`] in this process's memory, for tests and development. It keeps hashes, not credentials.
#[derive(Default)]
pub struct MemoryAuthBackend {
    users: Mutex<HashMap<String, (blake3::Hash, Validation)>>,
}

impl MemoryAuthBackend {
    /// A backend without users.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the only credential of a user, and the answer to a check of it.
    pub fn insert(&self, user_id: impl Into<String>, credential: &str, validation: Validation) {
        let entry = (blake3::hash(credential.as_bytes()), validation);
        self.lock().insert(user_id.into(), entry);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, (blake3::Hash, Validation)>> {
        self.users.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AuthBackend for MemoryAuthBackend {
    async fn validate(&self, user_id: &str, credential: &str) -> Result<Validation, BoxError> {
        Ok(match self.lock().get(user_id) {
            Some((hash, validation)) if *hash == blake3::hash(credential.as_bytes()) => {
                validation.clone()
            }
            _ => Validation::invalid(),
        })
    }

    async fn revoke(&self, user_id: &str) -> Result<(), BoxError> {
        self.lock().remove(user_id);
        Ok(())
    }
}

impl fmt::Debug for MemoryAuthBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryAuthBackend").field("users", &self.lock().len()).finish()
    }
}
