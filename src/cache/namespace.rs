use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::sync::Arc;

use super::{Cache, Cached, Invalidated, LoadOptions, Stored};
use crate::key::TextParts;
use crate::platform::{BoxFuture, MaybeSend};
use crate::{BoxError, Key, Keyspace, Result};

/// The values of one type under one keyspace, with common options. Clones share the cache.
///
/// ```
/// use edgecask::{Client, Keyspace, cache::{Cache, Namespace, Ttl}};
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
/// # runtime.block_on(async {
/// // One keyspace for each tenant and environment, so that one cannot read or clear another's entries.
/// let tenant = Keyspace::new(["prod", "acme"])?;
/// let cache = Cache::new(Client::memory());
/// let names: Namespace<String> = cache.namespace(tenant.join(["user", "name"])?, Ttl::seconds(300));
///
/// names.set(["42"], &"Ada".to_owned()).await?;
/// assert_eq!(names.get(["42"]).await?.as_deref(), Some("Ada"));
/// assert_eq!(names.key(["42"])?.as_str(), "prod:acme:user:name:42");
/// names.clear().await?;
/// assert_eq!(names.get(["42"]).await?, None);
/// # Ok::<(), edgecask::Error>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Namespace<T> {
    cache: Cache,
    keyspace: Keyspace,
    options: LoadOptions,
    value: PhantomData<fn() -> T>,
}

impl Cache {
    /// The values of one type under one keyspace, stored with these options.
    pub fn namespace<T: Cached>(
        &self,
        keyspace: Keyspace,
        options: impl Into<LoadOptions>,
    ) -> Namespace<T> {
        let options = options.into();
        Namespace { cache: self.clone(), keyspace, options, value: PhantomData }
    }
}

impl<T: Cached> Namespace<T> {
    /// The key of an identifier, which has one or more parts.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) if a part is empty or the key is too long. The other
    /// methods return this error too.
    pub fn key<P: AsRef<str>>(&self, id: impl IntoIterator<Item = P>) -> Result<Key> {
        self.keyspace.key(TextParts(id))
    }

    /// The options that values are stored with.
    pub fn options(&self) -> &LoadOptions {
        &self.options
    }

    /// As [`Cache::get`].
    ///
    /// # Errors
    /// As for [`Cache::get`].
    pub async fn get<P: AsRef<str>>(&self, id: impl IntoIterator<Item = P>) -> Result<Option<T>> {
        self.cache.get(&self.key(id)?).await
    }

    /// As [`Cache::get_shared`].
    ///
    /// # Errors
    /// As for [`Cache::get`].
    pub async fn get_shared<P: AsRef<str>>(
        &self,
        id: impl IntoIterator<Item = P>,
    ) -> Result<Option<Arc<T>>>
    where
        T: 'static,
    {
        self.cache.get_shared(&self.key(id)?).await
    }

    /// As [`Cache::get_or_load_shared`].
    ///
    /// # Errors
    /// As for [`Cache::get_or_load`].
    pub async fn get_or_load_shared<P: AsRef<str>, E: Into<BoxError>, F>(
        &self,
        id: impl IntoIterator<Item = P>,
        load: impl FnOnce() -> F + MaybeSend,
    ) -> Result<Arc<T>>
    where
        T: 'static,
        F: Future<Output = Result<T, E>> + MaybeSend,
    {
        self.cache.get_or_load_shared(&self.key(id)?, self.options.clone(), load).await
    }

    /// As [`Cache::get_many`], for identifiers of one part.
    ///
    /// # Errors
    /// As for [`Cache::get_many`].
    pub async fn get_many<P: AsRef<str>>(
        &self,
        ids: impl IntoIterator<Item = P>,
    ) -> Result<Vec<Option<T>>> {
        let keys = ids.into_iter().map(|id| self.key([id])).collect::<Result<Vec<_>>>()?;
        self.cache.get_many(&keys).await
    }

    /// As [`Cache::set`].
    ///
    /// # Errors
    /// As for [`Cache::set`].
    pub async fn set<P: AsRef<str>>(
        &self,
        id: impl IntoIterator<Item = P>,
        value: &T,
    ) -> Result<Stored> {
        self.cache.set(&self.key(id)?, value, self.options.entry.clone()).await
    }

    /// As [`Cache::get_or_load`].
    ///
    /// # Errors
    /// As for [`Cache::get_or_load`].
    pub async fn get_or_load<P: AsRef<str>, E: Into<BoxError>, F>(
        &self,
        id: impl IntoIterator<Item = P>,
        load: impl FnOnce() -> F + MaybeSend,
    ) -> Result<T>
    where
        F: Future<Output = Result<T, E>> + MaybeSend,
    {
        let key = self.key(id)?;
        let loading: BoxFuture<'_, Result<T>> =
            self.cache.get_or_load(&key, self.options.clone(), load);
        loading.await
    }

    /// As [`Cache::get_or_revalidate`].
    ///
    /// # Errors
    /// As for [`Cache::get_or_revalidate`].
    pub async fn get_or_revalidate<P: AsRef<str>, E: Into<BoxError>, F>(
        &self,
        id: impl IntoIterator<Item = P>,
        load: impl FnOnce() -> F + MaybeSend + 'static,
    ) -> Result<T>
    where
        T: 'static,
        F: Future<Output = Result<T, E>> + MaybeSend + 'static,
    {
        self.cache.get_or_revalidate(&self.key(id)?, self.options.clone(), load).await
    }

    /// As [`Cache::delete`].
    ///
    /// # Errors
    /// As for [`Cache::delete`].
    pub async fn delete<P: AsRef<str>>(
        &self,
        id: impl IntoIterator<Item = P>,
    ) -> Result<Invalidated> {
        self.cache.delete(&self.key(id)?).await
    }

    /// Deletes every entry of the keyspace, as [`Cache::delete_matching`]; returns how many there were.
    ///
    /// # Errors
    /// As for [`Cache::delete_matching`].
    pub async fn clear(&self) -> Result<Invalidated> {
        self.cache.delete_matching(&self.keyspace.pattern()).await
    }
}

impl<T> Clone for Namespace<T> {
    fn clone(&self) -> Self {
        Self {
            cache: self.cache.clone(),
            keyspace: self.keyspace.clone(),
            options: self.options.clone(),
            value: PhantomData,
        }
    }
}

impl<T> fmt::Debug for Namespace<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Namespace")
            .field("keyspace", &self.keyspace)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}
