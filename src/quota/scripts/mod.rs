//! The scripts of quotas, and their native implementations for an engine without Lua.

mod renew;
mod server;
mod settle;
mod take;

use crate::command::{Script, script};

/// All of them.
pub(crate) fn all() -> [&'static Script; 3] {
    [&TAKE, &SETTLE, &RENEW]
}

script! {
    /// Counts or reserves an amount, if it fits. The same call may be sent any number of times.
    ///
    /// KEYS: the counter, the reservations. ARGV: `take` to count the amount if it fits, `add` to count it in any case, `reserve`
    /// to hold it for a time, or `look` to change nothing; the amount; the most that fits; after how many milliseconds the
    /// counter expires, 0 for never; `first` if they run from the first count, `last` if from the last one; the call's own id;
    /// for how many milliseconds a reservation holds; for how many the end of a call is remembered; the most reservations; the
    /// most ends that are remembered; how many milliseconds ago the same call was sent first, 0 if it was not.
    ///
    /// Returns what happened (`taken`, `exceeded`, `full`, `ended` if the call had ended
    /// before, `forgotten` if that is not known any more), what is used, what is
    /// reserved, and in how many milliseconds the counter expires.
    pub(crate) static TAKE: Script = {
        file: "quota.lua" "take.lua",
        keys: 2,
        args: 11,
        flags: [key_locking],
        native: take::run,
    };

    /// Ends a reservation and counts what was used of it. The same call may be sent any number of times, and always gives the
    /// answer of the first one.
    ///
    /// KEYS: the counter, the reservations. ARGV: the id; the amount reserved; the amount used; as for [`TAKE`] the counter's
    /// time to live and from when it runs; for how many milliseconds the end is remembered.
    ///
    /// Returns 1 if the reservation was held until then, 0 if not, -1 if that is not known any more.
    pub(crate) static SETTLE: Script = {
        file: "quota.lua" "settle.lua",
        keys: 2,
        args: 8,
        flags: [key_locking],
        native: settle::run,
    };

    /// Holds a reservation for a time from now on. KEYS: the reservations. ARGV: the id, the amount reserved, the time in
    /// milliseconds. Returns 1 if it was held.
    pub(crate) static RENEW: Script = {
        file: "renew.lua",
        keys: 1,
        args: 3,
        flags: [key_locking],
        native: renew::run,
    };
}
