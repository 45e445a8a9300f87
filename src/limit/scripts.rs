//! The script that all policies share.

use std::sync::LazyLock;

use super::take::take;
use crate::command::Script;

/// `scripts/take.lua` says what it takes and returns.
pub(super) static TAKE: LazyLock<Script> =
    LazyLock::new(|| Script::new(include_str!("scripts/take.lua")).key_locking().with_native(take));

/// The Lua scripts of rate limits.
pub(crate) fn scripts() -> [&'static Script; 1] {
    [&TAKE]
}
