//! Cached answers to "does this user's credential hold?".

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use super::Extra;
use crate::cache::{Cache, CacheOptions, CacheStats, Health, Lookup, Tier, Ttl};
use crate::client::Client;
use crate::platform::{self, BoxFuture, Local, MaybeSend, MaybeSync, unix_millis};
use crate::{BoxError, Error, ErrorKind, Key, Keyspace, Result};

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
trait DynAuthBackend: MaybeSend + MaybeSync {
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
        platform::send(async move {
            AuthBackend::validate(self, user, credential).await.map_err(Error::store)
        })
    }

    fn revoke<'a>(&'a self, user: &'a str) -> BoxFuture<'a, Result<()>> {
        platform::send(async move { AuthBackend::revoke(self, user).await.map_err(Error::store) })
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

/// What an [`AuthValidationCache`] is made of.
///
/// | setting | default |
/// |---|---|
/// | [`backing`](Self::backing) | an empty [`MemoryAuthBackend`] |
/// | [`client`](Self::client) | none: nothing is cached |
/// | [`ttl`](Self::ttl) | 300 s, for positive and negative answers |
/// | [`tier`](Self::tier) | [`Tier::Important`] |
pub struct AuthValidationConfig {
    secret: [u8; 32],
    backing: Option<Local<Arc<dyn DynAuthBackend>>>,
    client: Option<Client>,
    ttl: Ttl,
    tier: Tier,
}

impl AuthValidationConfig {
    /// A config whose credentials are hashed with this secret, which is of any length. Hosts that share a cache share
    /// the secret; whoever does not know it can learn nothing of a credential from the cache.
    pub fn new(secret: impl AsRef<[u8]>) -> Self {
        Self {
            secret: blake3::derive_key("edgecask auth validation v1", secret.as_ref()),
            backing: None,
            client: None,
            ttl: Ttl::seconds(300),
            tier: Tier::default(),
        }
    }

    /// Where credentials are checked.
    #[must_use]
    pub fn backing(mut self, backend: impl AuthBackend) -> Self {
        self.backing = Some(Local::new(Arc::new(backend)));
        self
    }

    /// The Redis that caches the answers.
    #[must_use]
    pub fn client(mut self, client: Client) -> Self {
        self.client = Some(client);
        self
    }

    /// How long an answer is cached.
    #[must_use]
    pub fn ttl(mut self, ttl: impl Into<Ttl>) -> Self {
        self.ttl = ttl.into();
        self
    }

    /// What happens when the cache is away while a credential is checked.
    #[must_use]
    pub fn tier(mut self, tier: Tier) -> Self {
        self.tier = tier;
        self
    }
}

impl fmt::Debug for AuthValidationConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthValidationConfig")
            .field("ttl", &self.ttl)
            .field("tier", &self.tier)
            .finish_non_exhaustive()
    }
}

/// How many credentials of one user have their answers cached at a time.
const ANSWERS_PER_USER: usize = 8;

/// What is cached under a user's key.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answers {
    user_id: String,
    results: Vec<Answer>,
}

/// The answer to one credential.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    /// The keyed hash of the credential, in hexadecimal.
    credential_hash: String,
    /// Unix time in milliseconds after which the answer does not count. 0: it always does.
    expires_at: u64,
    #[serde(flatten)]
    validation: Validation,
}

impl Answers {
    fn find(&self, hash: &blake3::Hash, now: u64) -> Option<&Validation> {
        let answer = self.results.iter().find(|answer| {
            // Comparing hashes takes the same time whatever they hold.
            blake3::Hash::from_hex(&answer.credential_hash).is_ok_and(|cached| cached == *hash)
        })?;
        answer.counts(now).then_some(&answer.validation)
    }

    /// Adds an answer, and drops what does not count any more. Negative answers make room first, so that wrong
    /// credentials cannot push out the right one.
    fn add(&mut self, new: Answer, now: u64) {
        self.results
            .retain(|answer| answer.counts(now) && answer.credential_hash != new.credential_hash);
        self.results.push(new);
        while self.results.len() > ANSWERS_PER_USER {
            let oldest_negative = self.results.iter().position(|answer| !answer.validation.valid);
            self.results.remove(oldest_negative.unwrap_or(0));
        }
    }
}

impl Answer {
    fn counts(&self, now: u64) -> bool {
        self.expires_at == 0 || now < self.expires_at
    }
}

/// A cache of answers to credential checks, under `copilot:auth:validation:{userId}`.
///
/// - Positive and negative answers are cached, each for exactly the credential that was checked. Credentials are in
///   the cache as keyed hashes only.
/// - [`AuthValidationCache::revoke`] takes effect at once: it deletes every answer of the user, and a check that was
///   under way cannot put an old answer back.
/// - When the cache is away, checks go to the backing store alone.
#[derive(Clone)]
pub struct AuthValidationCache {
    secret: [u8; 32],
    backing: Local<Arc<dyn DynAuthBackend>>,
    cache: Option<Cache>,
    keyspace: Keyspace,
    ttl: Ttl,
}

impl AuthValidationCache {
    /// Whether this credential is the user's. One GET if the answer is cached.
    ///
    /// # Errors
    /// The backing store's; the cache's in the tier [`Tier::Critical`];
    /// [`ErrorKind::InvalidInput`] if the user id is empty or too long.
    pub async fn validate(&self, user_id: &str, credential: &str) -> Result<Validation> {
        let key = self.key(user_id)?;
        let check = self.backing.validate(user_id, credential);
        let Some(cache) = &self.cache else {
            return check.await;
        };
        let hash = self.hash(user_id, credential);
        let mut answers = match cache.lookup::<Answers>(&key).await? {
            Lookup::Unavailable => return cache.load_without_cache(check).await,
            Lookup::Missing => Answers::default(),
            Lookup::Found(answers) => answers,
        };
        if let Some(validation) = answers.find(&hash, unix_millis()) {
            return Ok(validation.clone());
        }
        let ttl_millis = self.ttl.millis()?;
        let load = async {
            let validation = check.await?;
            let now = unix_millis();
            let expires_at = if ttl_millis == 0 { 0 } else { now.saturating_add(ttl_millis) };
            let credential_hash = hash.to_hex().to_string();
            answers.user_id = user_id.to_owned();
            answers
                .add(Answer { credential_hash, expires_at, validation: validation.clone() }, now);
            Ok(answers)
        };
        let answers = cache.fill(&key, |_| Some(self.ttl), load).await?;
        answers
            .find(&hash, 0)
            .cloned()
            .ok_or_else(|| Error::new(ErrorKind::Store, "the answer of the backing store was lost"))
    }

    /// Revokes a user's credentials in the backing store, then deletes every cached answer. When this returned, no
    /// check that starts later is answered from before.
    ///
    /// # Errors
    /// The backing store's. In every [`Tier`], the cache's: then old answers may be served for the rest of their time
    /// to live, so call it again.
    pub async fn revoke(&self, user_id: &str) -> Result<()> {
        let key = self.key(user_id)?;
        let revoked = self.backing.revoke(user_id).await;
        // Also after an error: nobody knows whether the revocation took place.
        if let Some(cache) = &self.cache {
            cache.delete(&key).await?;
        }
        revoked
    }

    /// The key that a user's answers are cached under.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] if the user id is empty or too long.
    pub fn key(&self, user_id: &str) -> Result<Key> {
        self.keyspace.key([user_id])
    }

    fn hash(&self, user_id: &str, credential: &str) -> blake3::Hash {
        let mut hasher = blake3::Hasher::new_keyed(&self.secret);
        hasher.update(&(user_id.len() as u64).to_le_bytes());
        hasher.update(user_id.as_bytes());
        hasher.update(credential.as_bytes());
        hasher.finalize()
    }

    /// Whether the cache answers. It does not fail: an error is what it reports.
    pub async fn health(&self) -> Health {
        match &self.cache {
            Some(cache) => cache.health().await,
            None => Health::without_cache(),
        }
    }

    /// What the cache has done. All zero if there is none.
    pub fn stats(&self) -> CacheStats {
        self.cache.as_ref().map(Cache::stats).unwrap_or_default()
    }
}

impl fmt::Debug for AuthValidationCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthValidationCache")
            .field("keyspace", &self.keyspace)
            .field("cache", &self.cache)
            .field("ttl", &self.ttl)
            .finish_non_exhaustive()
    }
}

/// Makes the cache of credential checks from what the config names.
///
/// ```
/// use edgecask::Client;
/// use edgecask::store::{
///     AuthValidationConfig, MemoryAuthBackend, Validation, create_auth_validation_cache,
/// };
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
/// # runtime.block_on(async {
/// let users = MemoryAuthBackend::new();
/// users.insert("ada", "correct horse", Validation::valid().attribute("tenantId", "acme"));
/// let config = AuthValidationConfig::new("a secret of this deployment")
///     .backing(users)
///     .client(Client::memory());
/// let auth = create_auth_validation_cache(config)?;
///
/// assert!(auth.validate("ada", "correct horse").await?.valid);
/// assert!(!auth.validate("ada", "wrong").await?.valid);
/// auth.revoke("ada").await?;
/// assert!(!auth.validate("ada", "correct horse").await?.valid);
/// # Ok::<(), edgecask::Error>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`ErrorKind::InvalidInput`] if the time to live is zero.
pub fn create_auth_validation_cache(config: AuthValidationConfig) -> Result<AuthValidationCache> {
    config.ttl.millis()?;
    let options = CacheOptions::new().tier(config.tier);
    Ok(AuthValidationCache {
        secret: config.secret,
        backing: config.backing.unwrap_or_else(|| Local::new(Arc::new(MemoryAuthBackend::new()))),
        cache: config.client.map(|client| Cache::with_options(client, options)),
        keyspace: Keyspace::new(["copilot", "auth", "validation"])?,
        ttl: config.ttl,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(name: &str, valid: bool, expires_at: u64) -> Answer {
        Answer {
            credential_hash: blake3::hash(name.as_bytes()).to_hex().to_string(),
            expires_at,
            validation: if valid { Validation::valid() } else { Validation::invalid() },
        }
    }

    #[test]
    fn wrong_credentials_do_not_push_out_the_right_one() {
        let mut answers = Answers::default();
        answers.add(answer("right", true, 1000), 0);
        for guess in 0..100 {
            answers.add(answer(&guess.to_string(), false, 1000), 0);
        }
        assert_eq!(answers.results.len(), ANSWERS_PER_USER);
        assert_eq!(answers.find(&blake3::hash(b"right"), 0), Some(&Validation::valid()));
        assert_eq!(answers.find(&blake3::hash(b"99"), 0), Some(&Validation::invalid()));
    }

    #[test]
    fn an_answer_does_not_outlive_its_own_time() {
        let mut answers = Answers::default();
        answers.add(answer("right", true, 1000), 0);
        answers.add(answer("wrong", false, 1900), 900);
        assert!(answers.find(&blake3::hash(b"right"), 999).is_some());
        assert!(answers.find(&blake3::hash(b"right"), 1000).is_none());
    }
}
