use serde::Serialize;

/// The result of a `set`.
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

    /// How many values were not stored, because the entry was invalidated or written after this write began.
    pub fn refused(&self) -> u64 {
        self.refused
    }

    /// Whether Redis was away. Nothing was stored, and the old entries are deleted once Redis is back.
    /// [`Cache::owed`](crate::cache::Cache::owed) returns how many are left. This cache does not serve them until then;
    /// other processes may.
    pub fn is_owed(&self) -> bool {
        self.owed
    }
}
