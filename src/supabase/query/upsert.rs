/// How an [upsert](crate::supabase::Table::upsert) treats a row that exists already.
///
/// ```
/// use edgecask::supabase::Upsert;
///
/// let upsert = Upsert::new().on_conflict(["tenant_id", "user_id"]);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Upsert {
    pub(super) on_conflict: Option<Vec<String>>,
    pub(super) ignore_duplicates: bool,
}

impl Upsert {
    /// Rows with the same primary key are merged.
    pub fn new() -> Self {
        Self::default()
    }

    /// The columns of a unique constraint by which rows count as the same. Default: the primary key.
    #[must_use]
    pub fn on_conflict(mut self, columns: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.on_conflict = Some(columns.into_iter().map(Into::into).collect());
        self
    }

    /// Leaves an existing row unchanged.
    #[must_use]
    pub fn ignore_duplicates(mut self) -> Self {
        self.ignore_duplicates = true;
        self
    }
}
