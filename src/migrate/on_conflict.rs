/// What becomes of a key whose new name is taken. Redis does not tell which of the two was written later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum OnConflict {
    /// Both stay, and are counted. Nothing is lost.
    #[default]
    Leave,
    /// The new name's value stays, and the old key is deleted. Right where every program writes the new names already: what
    /// stands there is the later.
    KeepTarget,
    /// The old key takes the place of what has its new name. Right while programs still write the old names: what stands
    /// there is the later.
    KeepSource,
}
