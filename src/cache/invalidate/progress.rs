/// The progress of [`Cache::delete_matching_with`](crate::cache::Cache::delete_matching_with).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Progress {
    /// How many steps of the two scans of the database were made.
    pub steps: u64,
    /// How many entries and leases were deleted.
    pub deleted: u64,
}
