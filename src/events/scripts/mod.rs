//! The scripts of events, and their native implementations for an engine without Lua.

mod presence;
mod publish;
mod read;
mod server;

use crate::command::{Script, script};

/// All of them.
pub(crate) fn all() -> [&'static Script; 3] {
    [&PUBLISH, &READ, &PRESENCE]
}

script! {
    /// Adds an event to the history and publishes it, or only publishes it. The same call may be sent any number of times: for
    /// as long as the id is remembered, a repeat has no effect.
    ///
    /// KEYS: the history, which is the channel too; the position of the last event; what remembers the id of this one.
    /// ARGV: the event as a JSON object without its first brace; how many events the history keeps, or 0 if this one is not to be
    /// kept; the times to live of the history, of the position and of the id in milliseconds; the last position that the caller
    /// knows, or nothing; three random digits; the id.
    ///
    /// Returns the event's position, empty without a history, and 1 for a repeat, 2 if the server refused the message alone.
    pub(crate) static PUBLISH: Script = {
        file: "publish.lua",
        keys: 3,
        args: 8,
        flags: [key_locking],
        native: publish::run,
    };

    /// Reads the history after a position, and begins one where there is none, so that a subscriber always has a position. It asks
    /// the primary: a replica that lags would show a history that ends before the caller's position.
    ///
    /// KEYS: the history, the position of the last event. ARGV: the epoch and the offset of the last event that the caller has,
    /// or nothing and 0; the id of that event; the most events, 0 for none, below 0 for so many without their contents; the time to
    /// live in milliseconds of the position of a history without events, 0 if none is to begin; three random digits.
    ///
    /// Returns the name of the channel, the position of the last event with its id, or nothing, and events: from the caller's
    /// position on, with the event there; all of the epoch if the caller's position is of another one.
    pub(crate) static READ: Script = {
        file: "read.lua",
        keys: 2,
        args: 6,
        flags: [key_locking],
        native: read::run,
    };

    /// Changes or lists who is present, by the server's clock. A member is present for as long as one of its guards holds. Whoever did
    /// not beat in time has left: up to 64 of them are removed with each call. Each change is published, `joined` or `left`, a space
    /// and the member.
    ///
    /// KEYS: the members by the millisecond until which they are present, which is the channel too; a hash with the guards of each
    /// member, a token and a millisecond each; what remembers that this guard has left. ARGV: `beat`, `leave` or `list`; the member;
    /// for how many milliseconds it is present; the most members; the token of the guard, or `-` for a caller without one.
    ///
    /// Returns the name of the channel; 1 if the member has joined or left by this, 0 if not, -1 if there are too many; and the
    /// members for `list`.
    pub(crate) static PRESENCE: Script = {
        file: "presence.lua",
        keys: 3,
        args: 5,
        flags: [key_locking],
        native: presence::run,
    };
}
