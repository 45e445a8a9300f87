use serde::Serialize;

/// What a `set` came to.
///
/// ```
/// use edgecask::{Client, Keyspace, cache::{Cache, Ttl}};
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
/// # runtime.block_on(async {
/// let cache = Cache::new(Client::memory());
/// let stored = cache.set(&Keyspace::new(["app"])?.key(["k"])?, "v", Ttl::seconds(60)).await?;
/// if stored.is_owed() {
///     println!("other processes may serve the old value until Redis is back");
/// }
/// assert_eq!((stored.count(), stored.refused()), (1, 0));
/// # Ok::<(), edgecask::Error>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Stored {
    pub(super) count: u64,
    pub(super) refused: u64,
    owed: bool,
}

impl Stored {
    pub(super) fn owed() -> Self {
        Self { owed: true, ..Self::default() }
    }

    /// How many values were stored.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// How many were not, because somebody invalidated or wrote the entry after this write began. Theirs is the newer one.
    pub fn refused(&self) -> u64 {
        self.refused
    }

    /// Whether Redis was away. Nothing was stored, and what Redis holds under the keys is deleted once it is back:
    /// [`Cache::owed`](crate::cache::Cache::owed) gives how much is left. This cache serves none of it until then; other
    /// processes may.
    pub fn is_owed(&self) -> bool {
        self.owed
    }
}
