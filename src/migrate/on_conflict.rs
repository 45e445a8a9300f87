/// What to do with a key whose new name is taken. Redis does not tell which of the two values is newer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum OnConflict {
    /// Keeps both keys, and counts a conflict. Nothing is lost.
    #[default]
    Leave,
    /// Keeps the value under the new name, and deletes the old key. For when every program already writes the new names, so that
    /// the value there is the newer one.
    KeepTarget,
    /// Replaces the value under the new name by that of the old key. For when programs still write the old names, so that the
    /// value there is the newer one.
    KeepSource,
}
