/// How rows are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Count {
    /// By counting them, which is slow on large tables.
    Exact,
    /// By the planner's statistics.
    Planned,
    /// Exactly if there are few, else by the planner's statistics.
    Estimated,
}

impl Count {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Planned => "planned",
            Self::Estimated => "estimated",
        }
    }
}
