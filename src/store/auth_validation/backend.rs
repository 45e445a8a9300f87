//! Where credentials are checked.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use crate::platform::{self, BoxFuture, MaybeSend, MaybeSync};
use crate::store::Extra;
use crate::{BoxError, Error, Result};

/// What the backing store says of a credential.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Validation {
    /// Whether the credential is the user's, and the user may come in.
    pub valid: bool,
    /// What else is known of the user: tenant, roles, … It is cached as it is, so it must hold no secret.
    #[serde(default, skip_serializing_if = "Extra::is_empty")]
    pub attributes: Extra,
}

impl Validation {
    /// It holds.
    pub fn valid() -> Self {
        Self { valid: true, attributes: Extra::new() }
    }

    /// It does not hold.
    pub fn invalid() -> Self {
        Self { valid: false, attributes: Extra::new() }
    }

    /// Adds something that is known of the user.
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

/// Where credentials are checked: a database, an identity provider.
pub trait AuthBackend: MaybeSend + MaybeSync + 'static {
    /// Checks a user's credential.
    ///
    /// # Errors
    /// If it could not be checked. That a credential does not hold is not an error.
    fn validate(
        &self,
        user_id: &str,
        credential: &str,
    ) -> impl Future<Output = Result<Validation, BoxError>> + MaybeSend;

    /// Makes all of a user's credentials invalid.
    ///
    /// # Errors
    /// If it could not be done.
    fn revoke(&self, user_id: &str) -> impl Future<Output = Result<(), BoxError>> + MaybeSend;
}

/// The form of [`AuthBackend`] that can be held behind a pointer.
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
    /// A backend that knows nobody.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets a user's one credential, and what a check of it answers.
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
