/// The limits on an answer's content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Limits {
    /// The number of values, nested ones included.
    pub(super) values: usize,
    /// The depth of nested arrays.
    pub(super) depth: usize,
}

impl Limits {
    /// Answers are read by recursion, which must not exhaust the stack. `serde_json` allows 128 levels, the envelope's included.
    pub(super) const DEEPEST: usize = 120;
}

impl Default for Limits {
    fn default() -> Self {
        Self { values: 500_000, depth: Self::DEEPEST }
    }
}
