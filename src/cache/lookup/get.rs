use std::sync::Arc;

use serde::de::DeserializeOwned;

use super::Lookup;
use crate::cache::Cache;
use crate::cache::invalidate::Versions;
use crate::cache::load::{Cached, LoadOptions};
use crate::{Key, Result};

impl Cache {
    /// The value of a key, or `None` if it is not cached or not fresh. One GET, or nothing if the first tier has it. A
    /// value with tags costs one more MGET.
    ///
    /// # Errors
    /// [`ErrorKind::Codec`](crate::ErrorKind::Codec) if the stored value is not a `T`; the client's in the tier
    /// [`Tier::Critical`](crate::cache::Tier::Critical). In the other tiers the result is `None` while Redis is away.
    pub async fn get<T: DeserializeOwned>(&self, key: &Key) -> Result<Option<T>> {
        if let Some(value) = self.core.reader.get_from_l1(key) {
            return Ok(Some(value));
        }
        // The rare path is boxed, so that hits have a small future.
        let keys = std::slice::from_ref(key);
        let far = self.core.reader.get_many(keys, &self.scope.background);
        Ok(Box::pin(far).await?.pop().flatten())
    }

    /// The values of many keys, in the order of the keys. One MGET for those that the first tier does not have, and one
    /// more if there are tags.
    ///
    /// # Errors
    /// As for [`Cache::get`].
    pub async fn get_many<T: DeserializeOwned>(&self, keys: &[Key]) -> Result<Vec<Option<T>>> {
        let reader = &self.core.reader;
        let mut values: Vec<Option<T>> = keys.iter().map(|key| reader.get_from_l1(key)).collect();
        let far: Vec<usize> = (0..keys.len()).filter(|at| values[*at].is_none()).collect();
        if far.is_empty() {
            return Ok(values);
        }
        let asked: Vec<Key> = far.iter().map(|at| keys[*at].clone()).collect();
        let found = reader.get_many(&asked, &self.scope.background).await?;
        for (at, found) in far.into_iter().zip(found) {
            values[at] = found;
        }
        Ok(values)
    }

    /// As [`Cache::get`], for a value that is read often. A [first tier](crate::cache::L1Options) holds the decoded value
    /// beside its bytes, so that a hit decodes nothing. The first hit that asks for this type decodes the value.
    ///
    /// ```
    /// use edgecask::{Client, Keyspace, cache::{Cache, CacheOptions, L1Options, Ttl}};
    /// use std::sync::Arc;
    ///
    /// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    /// # runtime.block_on(async {
    /// let cache = Cache::with_options(Client::memory(), CacheOptions::new().l1(L1Options::new()));
    /// let key = Keyspace::new(["app", "flags"])?.key(["web"])?;
    /// let load = || async { Ok::<_, std::io::Error>(vec!["dark-mode".to_owned()]) };
    /// let flags = cache.get_or_load_shared(&key, Ttl::seconds(60), load).await?;
    /// let first: Arc<Vec<String>> = cache.get_shared(&key).await?.unwrap();
    /// let second = cache.get_shared(&key).await?.unwrap();
    /// assert!(first == flags && Arc::ptr_eq(&first, &second));
    /// # Ok::<(), edgecask::Error>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As for [`Cache::get`].
    pub async fn get_shared<T: Cached + 'static>(&self, key: &Key) -> Result<Option<Arc<T>>> {
        if let Some(value) = self.core.reader.get_shared_from_l1(key) {
            return Ok(Some(value));
        }
        let keys = std::slice::from_ref(key);
        let far = self.core.reader.get_many(keys, &self.scope.background);
        Ok(Box::pin(far).await?.pop().flatten().map(Arc::new))
    }

    /// The value of a key in the first tier, decoded once for all callers. It is not counted: [`Cache::count_near`].
    #[cfg(feature = "http-cache")]
    pub(crate) fn peek_near<T: Cached + 'static>(&self, key: &Key) -> Option<Arc<T>> {
        self.core.l1.as_ref()?.get_shared(key)
    }

    /// Counts a hit of the first tier.
    #[cfg(feature = "http-cache")]
    pub(crate) fn count_near(&self) {
        self.core.counters.l1_hit();
    }

    /// Looks a key up in the first tier and then in Redis; counts the read.
    pub(crate) async fn find<T: DeserializeOwned>(
        &self,
        key: &Key,
        options: &LoadOptions,
    ) -> Result<(Lookup<T>, Versions)> {
        let (keys, background) = (std::slice::from_ref(key), &self.scope.background);
        Ok(first(self.core.reader.find_many(keys, options, background).await?))
    }

    /// As [`Cache::find`], without the first tier.
    pub(crate) async fn lookup<T: DeserializeOwned>(
        &self,
        key: &Key,
        options: &LoadOptions,
    ) -> Result<(Lookup<T>, Versions)> {
        let (keys, background) = (std::slice::from_ref(key), &self.scope.background);
        Ok(first(self.core.reader.lookup_many(keys, options, background).await?))
    }

    /// As [`Cache::lookup`], for a load whose read was counted already.
    pub(crate) async fn lookup_uncounted<T: DeserializeOwned>(
        &self,
        key: &Key,
        options: &LoadOptions,
    ) -> Result<Lookup<T>> {
        let (keys, background) = (std::slice::from_ref(key), &self.scope.background);
        Ok(first(self.core.reader.lookup_uncounted(keys, options, background).await?).0)
    }
}

fn first<T>((mut found, versions): (Vec<Lookup<T>>, Versions)) -> (Lookup<T>, Versions) {
    (found.pop().unwrap_or(Lookup::Missing), versions)
}
