//! The tier at the edge, between this process's memory and Redis: a nearby store that many processes share.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;

use super::epochs::{Epoch, Epochs};
use crate::cache::entry::Entry;
use crate::platform::{
    self, Background, BoxFuture, Instant, Local, MaybeSend, MaybeSync, unix_millis,
};
use crate::{Key, Result};

/// A nearby store, for [`CacheOptions::edge`](crate::cache::CacheOptions::edge): in a Worker `WorkerCache`, the cache of
/// its data center; elsewhere a store of your own.
///
/// It holds the same bytes as Redis, and may lose them at any time. An error counts as a miss. On wasm32,
/// [`platform::send`] turns the futures of JavaScript into futures that are `Send`.
///
/// ```
/// use std::collections::HashMap;
/// use std::sync::Mutex;
/// use std::time::Duration;
///
/// use bytes::Bytes;
/// use edgecask::cache::{Cache, CacheOptions, EdgeStore};
/// use edgecask::{Client, Result, platform::BoxFuture};
///
/// #[derive(Debug, Default)]
/// struct SharedMap(Mutex<HashMap<String, Bytes>>);
///
/// impl EdgeStore for SharedMap {
///     fn get<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<Bytes>>> {
///         Box::pin(async { Ok(self.0.lock().unwrap().get(key).cloned()) })
///     }
///
///     fn put<'a>(&'a self, key: &'a str, stored: Bytes, ttl: Duration) -> BoxFuture<'a, Result<()>> {
///         let _ = ttl; // a real store deletes the value after this time
///         Box::pin(async { Ok(drop(self.0.lock().unwrap().insert(key.to_owned(), stored))) })
///     }
///
///     fn delete<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<()>> {
///         Box::pin(async { Ok(drop(self.0.lock().unwrap().remove(key))) })
///     }
/// }
///
/// let options = CacheOptions::new().edge(SharedMap::default(), Duration::from_secs(5));
/// let cache = Cache::with_options(Client::memory(), options);
/// ```
pub trait EdgeStore: fmt::Debug + MaybeSend + MaybeSync + 'static {
    /// The bytes held under this key.
    ///
    /// # Errors
    /// Any; it is logged.
    fn get<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<Bytes>>>;

    /// Stores these bytes for at most this long.
    ///
    /// # Errors
    /// Any; it is logged.
    fn put<'a>(&'a self, key: &'a str, stored: Bytes, ttl: Duration) -> BoxFuture<'a, Result<()>>;

    /// Deletes this key.
    ///
    /// # Errors
    /// Any; it is logged.
    fn delete<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<()>>;

    /// The shortest time to live that this store can hold a value for. A cache with a shorter one logs a warning and does
    /// not use the store. Default: zero.
    fn min_ttl(&self) -> Duration {
        Duration::ZERO
    }
}

/// How many deletions run at the same time: a Worker has six connections.
const AT_ONCE: usize = 6;

/// The tier at the edge: the store, and how long it holds a value.
pub(crate) struct Edge {
    store: Local<Arc<dyn EdgeStore>>,
    ttl: Duration,
    epochs: Epochs,
}

/// An entry that was read from Redis, for the store at the edge.
pub(crate) struct Fetched {
    key: Key,
    stored: Bytes,
    epoch: Epoch,
    /// When the read was sent.
    at: Instant,
    fresh_until: Option<u64>,
}

impl Fetched {
    pub(crate) fn new(key: &Key, stored: Bytes, epoch: Epoch, at: Instant, entry: &Entry) -> Self {
        Self { key: key.clone(), stored, epoch, at, fresh_until: entry.fresh_until }
    }
}

#[cfg(feature = "http-cache")]
impl Fetched {
    /// Bytes that an entry refers to.
    pub(crate) fn blob(key: &Key, stored: Bytes, epoch: Epoch, at: Instant) -> Self {
        Self { key: key.clone(), stored, epoch, at, fresh_until: None }
    }
}

impl Edge {
    /// `None` if the store cannot hold a value for so short a time.
    pub(crate) fn new(store: Local<Arc<dyn EdgeStore>>, ttl: Duration) -> Option<Self> {
        let min = store.min_ttl();
        if ttl < min {
            tracing::warn!(
                ?ttl,
                ?min,
                "the store at the edge is not used: its ttl is below the store's minimum"
            );
            return None;
        }
        Some(Self { store, ttl, epochs: Epochs::new() })
    }

    /// The current epoch of a key. Take it before the key is read from Redis.
    pub(crate) fn epoch(&self, key: &Key) -> Epoch {
        self.epochs.of(key.as_str())
    }

    /// The values of these keys, in their order. An error counts as a miss.
    pub(crate) async fn get_many(&self, keys: &[Key]) -> Vec<Option<Bytes>> {
        join_all(keys.iter().map(|key| self.get(key))).await
    }

    /// Stores entries that were read from Redis, in the background.
    pub(crate) fn put_many(self: &Arc<Self>, fetched: Vec<Fetched>, background: &Background) {
        if fetched.is_empty() || self.ttl.is_zero() {
            return;
        }
        let edge = Arc::clone(self);
        background.spawn(platform::send(|| async move {
            join_all(fetched.into_iter().map(|fetched| edge.put(fetched))).await;
        }));
    }

    /// Deletes keys that have changed.
    pub(crate) async fn forget_many(&self, keys: &[impl AsRef<str>]) {
        for keys in keys.chunks(AT_ONCE) {
            join_all(keys.iter().map(|key| self.forget(key.as_ref()))).await;
        }
    }

    /// The value of a key. An error counts as a miss.
    pub(crate) async fn get(&self, key: &Key) -> Option<Bytes> {
        match self.store.get(key.as_str()).await {
            Ok(held) => held,
            Err(error) => {
                tracing::debug!(%error, "reading from the store at the edge failed");
                None
            }
        }
    }

    /// Stores an entry until `ttl` after its read was sent.
    async fn put(&self, read: Fetched) {
        let key = read.key.as_str();
        let mut left = self.ttl.saturating_sub(read.at.elapsed());
        if let Some(until) = read.fresh_until {
            left = left.min(Duration::from_millis(until.saturating_sub(unix_millis())));
        }
        let unchanged = || self.epochs.of(key) == read.epoch;
        if left.is_zero() || !unchanged() {
            return;
        }
        if let Err(error) = self.store.put(key, read.stored, left).await {
            tracing::debug!(%error, "storing a value at the edge failed");
        }
        // The key may have been deleted in between, and this put has brought the old value back.
        if !unchanged() {
            self.forget(key).await;
        }
    }

    async fn forget(&self, key: &str) {
        self.epochs.advance(key);
        if let Err(error) = self.store.delete(key).await {
            tracing::warn!(%error, "the store at the edge may serve an old value until it expires");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::cache::Codec;

    /// Records the ttl of each put.
    #[derive(Debug, Default, Clone)]
    struct Puts(Arc<Mutex<Vec<Duration>>>);

    impl EdgeStore for Puts {
        fn get<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Option<Bytes>>> {
            Box::pin(async { Ok(None) })
        }

        fn put<'a>(&'a self, _: &'a str, _: Bytes, ttl: Duration) -> BoxFuture<'a, Result<()>> {
            self.0.lock().unwrap().push(ttl);
            Box::pin(async { Ok(()) })
        }

        fn delete<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<()>> {
            Box::pin(async { Ok(()) })
        }
    }

    #[tokio::test]
    async fn the_time_of_a_value_begins_when_its_read_is_sent() {
        let (puts, ttl) = (Puts::default(), Duration::from_secs(60));
        let edge = Edge::new(Local::new(Arc::new(puts.clone())), ttl).unwrap();
        let key = Key::verbatim("k").unwrap();
        let entry = Entry::plain(Codec::Raw, "v");
        let at = Instant::now();
        while at.elapsed() < Duration::from_millis(1) {
            std::hint::spin_loop();
        }
        edge.put(Fetched::new(&key, "v".into(), edge.epoch(&key), at, &entry)).await;
        let left = puts.0.lock().unwrap()[0];
        assert!(left <= ttl - Duration::from_millis(1), "{left:?}");
    }
}
