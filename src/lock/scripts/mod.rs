//! The scripts of the locks, and their native implementations for an engine without Lua.

mod acquire;
mod count_down;
mod fenced_write;
mod release;
mod renew;
mod server;
mod set_latch;

use crate::command::{Script, script};

/// All of them.
pub(crate) fn all() -> [&'static Script; 6] {
    [&ACQUIRE, &RELEASE, &RENEW, &SET_LATCH, &COUNT_DOWN, &FENCED_WRITE]
}

script! {
    /// Takes a lock or a place among its holders, or waits for it. The same call may be sent any number of times.
    ///
    /// KEYS: the lock, its fencing counter, the queue of waiters, until when each waiter counts as alive, ended acquisitions.
    /// ARGV: the token; the time to live in milliseconds; `x` for an exclusive lock, or the most holders of a shared one, 0 for
    /// any number; how long the caller counts as a waiter in milliseconds, 0 if it does not wait, at most 60 000; the most
    /// waiters; the highest fencing token of this lock that the caller knows; a number that the token exceeds in any case; the time
    /// to live of the counter in milliseconds, 0 for none.
    ///
    /// Returns what happened (1 taken, 0 not free, -1 the acquisition has ended, -2 too many waiters), the fencing token, in how
    /// many milliseconds the lock may be free (-1 if that is not known), and the counter's state (0 it went on, 1 there was none,
    /// 2 it was lost).
    pub(crate) static ACQUIRE: Script = {
        file: "acquire.lua",
        keys: 5,
        args: 8,
        flags: [key_locking],
        native: acquire::run,
    };

    /// Ends an acquisition, whether it holds the lock, waits for it, or has not arrived yet, and wakes the waiters that may go on.
    /// The same call may be sent any number of times, and always gives the answer of the first one.
    ///
    /// KEYS: the lock, the queue of waiters, until when each waiter counts as alive, ended acquisitions.
    /// ARGV: the token; the most holders of a shared lock, 0 for any number, or `x`; for how many milliseconds the end is
    /// remembered.
    ///
    /// Returns 1 if the acquisition held the lock until now.
    pub(crate) static RELEASE: Script = {
        file: "release.lua",
        keys: 4,
        args: 3,
        flags: [key_locking],
        native: release::run,
    };

    /// Renews the time to live of a lock that is held.
    ///
    /// KEYS: the lock. ARGV: the token, the new time to live in milliseconds. Returns 1 if the lock was held.
    pub(crate) static RENEW: Script = {
        file: "renew.lua",
        keys: 1,
        args: 2,
        flags: [key_locking],
        native: renew::run,
    };

    /// Sets a latch if it is not set.
    ///
    /// KEYS: the latch. ARGV: how many count-downs open it, its time to live in milliseconds. Returns 1 if it was not set.
    pub(crate) static SET_LATCH: Script = {
        file: "set_latch.lua",
        keys: 1,
        args: 2,
        flags: [key_locking],
        native: set_latch::run,
    };

    /// Counts a latch down, once for each part of the work.
    ///
    /// KEYS: the latch. ARGV: the part, the channel of the waiters. Returns how many are left, or -1 if there is no such latch.
    pub(crate) static COUNT_DOWN: Script = {
        file: "count_down.lua",
        keys: 1,
        args: 2,
        flags: [key_locking],
        native: count_down::run,
    };

    /// Writes a value unless a later holder has written one.
    ///
    /// KEYS: a hash with the fields `fence` and `value`. ARGV: the fencing token; `set`, `remove` or `claim`; the value. `claim`
    /// leaves the value alone. Returns 0 if it was written, or the later token.
    pub(crate) static FENCED_WRITE: Script = {
        file: "fenced_write.lua",
        keys: 1,
        args: 3,
        flags: [key_locking],
        native: fenced_write::run,
    };
}
