/// How much an answer may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Limits {
    /// Values in all.
    pub(super) values: usize,
    /// Arrays inside of each other.
    pub(super) depth: usize,
}

impl Limits {
    /// What is read by recursion must not exhaust the stack; `serde_json` allows 128 levels, the envelope's included.
    pub(super) const DEEPEST: usize = 120;
}

impl Default for Limits {
    fn default() -> Self {
        Self { values: 500_000, depth: Self::DEEPEST }
    }
}
