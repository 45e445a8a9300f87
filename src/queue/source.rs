//! Lists and sorted sets that other programs write.

use crate::Key;

/// A list or sorted set to which other programs add tasks, as plain JSON; see [`Queue::over`](super::Queue::over).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Source {
    /// A list: others add tasks by LPUSH, and may take some by RPOP.
    List(Key),
    /// A sorted set: others add tasks by ZADD, with the Unix time in seconds at which they are due as the score.
    SortedSet(Key),
}

impl Source {
    /// Its key.
    pub fn key(&self) -> &Key {
        match self {
            Self::List(key) | Self::SortedSet(key) => key,
        }
    }
}
