//! The scripts of events, and their native implementations for an engine without Lua.

mod presence;
mod publish;
mod read;
mod server;

use crate::command::{Script, script};

/// All scripts of events.
pub(crate) fn all() -> [&'static Script; 3] {
    [&PUBLISH, &READ, &PRESENCE]
}

script! {
    /// Adds an event to the history and publishes it, or only publishes it. The same call may be sent any number of times: for
    /// as long as the id is remembered, a repeat has no effect.
    ///
    /// KEYS: the history, which is the channel too; the position of the last event; the record of this event's id.
    /// ARGV: the event as a JSON object without its first brace; how many events the history keeps, or 0 for an event that it does
    /// not keep; the times to live of the history, of the position and of the id in milliseconds; the last position that the caller
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
    /// or nothing and 0; the id of that event; the most events, 0 for none, a negative number for that many without their contents; the
    /// time to live in milliseconds of the position of a history without events, 0 to begin none; three random digits.
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

    /// Changes or lists the members that are present, by the server's clock. A member is present for as long as one of its guards is. A
    /// member without a heartbeat in time has left: each call removes up to 64 of them. Each change is published as `joined` or `left`, a
    /// space and the member.
    ///
    /// KEYS: the members by the millisecond until which they are present, which is the channel too; a hash with the guards of each
    /// member, a token and a millisecond each; the record that this guard has left. ARGV: `beat`, `leave` or `list`; the member;
    /// the milliseconds for which it is present; the most members; the token of the guard, or `-` for a caller without one.
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
