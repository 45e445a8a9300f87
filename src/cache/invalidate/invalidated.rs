use serde::Serialize;

/// The result of an invalidation.
///
/// ```
/// use edgecask::{Client, Keyspace, cache::Cache};
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
/// # runtime.block_on(async {
/// let cache = Cache::new(Client::memory());
/// let deleted = cache.delete(&Keyspace::new(["app"])?.key(["k"])?).await?;
/// if deleted.is_owed() {
///     println!("other processes may serve the old value until Redis is back");
/// }
/// assert_eq!(deleted.count(), 0);
/// # Ok::<(), edgecask::Error>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Invalidated {
    count: u64,
    owed: bool,
}

impl Invalidated {
    pub(super) fn new(count: Option<u64>) -> Self {
        Self { count: count.unwrap_or(0), owed: count.is_none() }
    }

    /// How many entries were deleted. It is 0 for tags, which invalidate entries without deleting them.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Whether Redis was away, so that the invalidation is still to be carried out there. This cache serves nothing from
    /// Redis until then, and retries in the background. Other processes may serve the old value.
    /// [`Cache::owed`](crate::cache::Cache::owed) returns how much is left.
    pub fn is_owed(&self) -> bool {
        self.owed
    }
}
