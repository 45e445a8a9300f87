/// How rows are sorted by a column.
///
/// ```
/// use edgecask::supabase::Order;
///
/// let order = Order::descending().nulls_last();
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Order {
    ascending: bool,
    nulls_first: Option<bool>,
}

impl Order {
    /// The least first. NULL comes last.
    pub fn ascending() -> Self {
        Self { ascending: true, nulls_first: None }
    }

    /// The greatest first. NULL comes first.
    pub fn descending() -> Self {
        Self { ascending: false, nulls_first: None }
    }

    /// NULL comes first.
    #[must_use]
    pub fn nulls_first(mut self) -> Self {
        self.nulls_first = Some(true);
        self
    }

    /// NULL comes last.
    #[must_use]
    pub fn nulls_last(mut self) -> Self {
        self.nulls_first = Some(false);
        self
    }

    pub(super) fn written(self) -> String {
        let direction = if self.ascending { "asc" } else { "desc" };
        let nulls = match self.nulls_first {
            None => "",
            Some(true) => ".nullsfirst",
            Some(false) => ".nullslast",
        };
        [direction, nulls].concat()
    }
}
