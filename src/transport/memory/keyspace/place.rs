//! Where a key is in SCAN's order.

use std::hash::{DefaultHasher, Hasher};

/// Cursors are below 2^48, so that clients that read them as floats read them exactly.
pub(super) const MAX_PLACE: u64 = (1 << 48) - 1;

/// The position of a key, which does not change while other keys are added or removed.
pub(super) fn place(key: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(key);
    // 0 is the cursor of the beginning and of the end.
    (hasher.finish() & MAX_PLACE).max(1)
}
