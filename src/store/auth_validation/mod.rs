//! Cached answers to checks of users' credentials.

mod answers;
mod backend;
mod fallback;

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use self::answers::{Answer, Answers};
use self::backend::DynAuthBackend;
pub use self::backend::{AuthBackend, MemoryAuthBackend, Validation};
use self::fallback::{Fallback, LONGEST};
use crate::cache::{Cache, CacheOptions, CacheStats, Form, Health, LoadOptions, Lookup, Tier, Ttl};
use crate::client::Client;
use crate::platform::{Local, unix_millis};
use crate::{Error, ErrorKind, Key, Keyspace, Result};

/// The settings of an [`AuthValidationCache`].
///
/// | setting | default |
/// |---|---|
/// | [`backing`](Self::backing) | an empty [`MemoryAuthBackend`] |
/// | [`client`](Self::client) | none: nothing is cached |
/// | [`ttl`](Self::ttl) | 300 s, for positive and negative answers |
/// | [`tier`](Self::tier) | [`Tier::Important`] |
/// | [`fallback`](Self::fallback) | none |
pub struct AuthValidationConfig {
    secret: [u8; 32],
    backing: Option<Local<Arc<dyn DynAuthBackend>>>,
    client: Option<Client>,
    ttl: Ttl,
    tier: Tier,
    fallback: usize,
}

impl AuthValidationConfig {
    /// A config that hashes credentials with this secret, which may have any length. Hosts that share a cache must share
    /// the secret. Without the secret, nothing about a credential can be learned from the cache.
    pub fn new(secret: impl AsRef<[u8]>) -> Self {
        Self {
            secret: blake3::derive_key("edgecask auth validation v1", secret.as_ref()),
            backing: None,
            client: None,
            ttl: Ttl::seconds(300),
            tier: Tier::default(),
            fallback: 0,
        }
    }

    /// Where credentials are checked.
    #[must_use]
    pub fn backing(mut self, backend: impl AuthBackend) -> Self {
        self.backing = Some(Local::new(Arc::new(backend)));
        self
    }

    /// The client of the Redis that caches the answers.
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

    /// How a check behaves when the cache is away.
    #[must_use]
    pub fn tier(mut self, tier: Tier) -> Self {
        self.tier = tier;
        self
    }

    /// For how many users this process keeps answers in memory while the cache is away, so that an outage of Redis does not
    /// overload the backing store. An answer is valid for its time to live, but at most 5 minutes. The least recently used
    /// are evicted first. A revocation by another process takes effect only when the answer expires. Default: 0, none.
    #[must_use]
    pub fn fallback(mut self, users: usize) -> Self {
        self.fallback = users;
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

/// A cache of answers to credential checks, under `copilot:auth:validation:{userId}`.
///
/// - Positive and negative answers are cached, each for exactly the credential that was checked. The cache holds
///   credentials as keyed hashes only.
/// - [`AuthValidationCache::revoke`] takes effect at once: it deletes every answer of the user, and a check that is under
///   way cannot store an old answer.
/// - When the cache is away, checks go to the backing store, or to a [fallback](AuthValidationConfig::fallback) first.
#[derive(Clone)]
pub struct AuthValidationCache {
    secret: [u8; 32],
    backing: Local<Arc<dyn DynAuthBackend>>,
    cache: Option<Cache>,
    keyspace: Keyspace,
    ttl: Ttl,
    options: LoadOptions,
    fallback: Option<Arc<Fallback>>,
}

impl AuthValidationCache {
    /// Checks whether this credential belongs to the user. One GET if the answer is cached.
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
        let has_answers = match cache.lookup::<Answers>(&key, &self.options).await?.0 {
            Lookup::Unavailable => {
                let check = cache.load_uncached(check);
                return self.check_without_cache(user_id, &hash, check).await;
            }
            Lookup::Missing | Lookup::Stale(..) => false,
            Lookup::Found(answers) => match answers.find(&hash, unix_millis()) {
                Some(validation) => return Ok(validation.clone()),
                None => true,
            },
        };
        let ttl_millis = self.ttl.millis()?;
        let load = async {
            // The answers to other credentials are read again under the lease and kept: those that were read before may
            // have been revoked since.
            let mut answers = match has_answers {
                true => cache
                    .lookup_uncounted::<Answers>(&key, &self.options)
                    .await?
                    .found()
                    .unwrap_or_default(),
                false => Answers::default(),
            };
            let validation = check.await?;
            let now = unix_millis();
            let expires_at = if ttl_millis == 0 { 0 } else { now.saturating_add(ttl_millis) };
            let credential_hash = hash.to_hex().to_string();
            answers.user_id = user_id.to_owned();
            answers.add(Answer { credential_hash, expires_at, validation }, now);
            Ok(answers)
        };
        let answers = cache.replace(&key, &self.options, load).await?;
        answers
            .find(&hash, 0)
            .cloned()
            .ok_or_else(|| Error::new(ErrorKind::Store, "the answer of the backing store was lost"))
    }

    /// Checks while the cache is away: by the fallback, or else by the backing store.
    async fn check_without_cache(
        &self,
        user_id: &str,
        hash: &blake3::Hash,
        check: impl Future<Output = Result<Validation>>,
    ) -> Result<Validation> {
        let Some(fallback) = &self.fallback else {
            return check.await;
        };
        let began = match fallback.find(user_id, hash, unix_millis()) {
            Ok(validation) => return Ok(validation),
            Err(began) => began,
        };
        let validation = check.await?;
        let now = unix_millis();
        let ttl = match self.ttl.millis()? {
            0 => LONGEST,
            ttl => ttl.min(LONGEST),
        };
        let answer = Answer {
            credential_hash: hash.to_hex().to_string(),
            expires_at: now.saturating_add(ttl),
            validation: validation.clone(),
        };
        fallback.add(user_id, answer, began, now);
        Ok(validation)
    }

    /// Revokes a user's credentials in the backing store, then deletes every cached answer. After it has returned, no check
    /// that starts later gets an older answer.
    ///
    /// # Errors
    /// The backing store's. In every [`Tier`] also the cache's: then old answers may be served until they expire, so call
    /// it again.
    pub async fn revoke(&self, user_id: &str) -> Result<()> {
        let key = self.key(user_id)?;
        let revoked = self.backing.revoke(user_id).await;
        // Also after an error, because the revocation may have taken place.
        if let Some(fallback) = &self.fallback {
            fallback.revoke(user_id);
        }
        if let Some(cache) = &self.cache {
            cache.delete_or_fail(&key).await?;
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

    /// Checks whether the cache answers. It does not fail: it reports errors.
    pub async fn health(&self) -> Health {
        match &self.cache {
            Some(cache) => cache.health().await,
            None => Health::without_cache(),
        }
    }

    /// The statistics of the cache. All zero if there is none.
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

/// Creates the cache of credential checks from its config.
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
    let keyspace = Keyspace::new(["copilot", "auth", "validation"])?;
    let options =
        CacheOptions::new().tier(config.tier).form(Form::Plain).keyspace(keyspace.clone());
    Ok(AuthValidationCache {
        secret: config.secret,
        backing: config.backing.unwrap_or_else(|| Local::new(Arc::new(MemoryAuthBackend::new()))),
        cache: config.client.map(|client| Cache::with_options(client, options)),
        keyspace,
        ttl: config.ttl,
        options: config.ttl.into(),
        fallback: (config.fallback > 0).then(|| Arc::new(Fallback::new(config.fallback))),
    })
}
