//! The script that all policies share.

mod take;

use self::take::take;
use crate::command::script;

script! {
    /// `take.lua` says what it takes and returns.
    pub(super) static TAKE: Script = {
        file: "take.lua",
        keys: ..,
        args: ..,
        flags: [key_locking],
        native: take,
    };
}

/// The Lua scripts of rate limits.
pub(crate) fn scripts() -> [&'static crate::command::Script; 1] {
    [&TAKE]
}
