//! The scripts of queues, and their native implementations for an engine without Lua.
//!
//! Each takes eight keys first: the tasks, their payloads, the indexes of those that are ready, delayed, active, dead, and waiting for their
//! group, and the finished ones; and five arguments first: the concurrency of a group, how many dead letters are kept, the channel that
//! wakes workers, for how many milliseconds the end of a task is remembered, and of how many tasks.

mod enqueue;
mod manage;
mod moves;
mod native;
mod pull;
mod record;
mod settle;

pub(super) use record::{Record, State};

use crate::command::{Script, script};

/// All scripts of queues.
pub(crate) fn all() -> [&'static Script; 6] {
    [&ENQUEUE, &PULL, &SETTLE, &EXTEND, &END_PULL, &MANAGE]
}

script! {
    /// Adds tasks, all or none. The same call may be sent any number of times: a task is known by its id.
    ///
    /// `KEYS`: a key for each task with a time to live of its deduplication key. `ARGV`: the most tasks; then for each task its id, payload,
    /// `+` and its delay or `@` and its time in milliseconds, priority, attempts, poison cap, time to live, group and parent (`-`, or `=`
    /// and the name), and the time to live of its deduplication key or 0.
    ///
    /// Returns `full` and how many tasks there are; `taken` and the id of a child that another task has; or `ok`, the clock, and for each task `new`, `known` or `duplicate` and the id of the
    /// task that there is.
    pub(crate) static ENQUEUE: Script = {
        file: "queue.lua" "enqueue.lua",
        keys: ..,
        args: ..,
        flags: [key_locking],
        native: enqueue::run,
    };

    /// Leases tasks. The same call may be sent any number of times: the tasks of a pull are known by its token.
    ///
    /// `KEYS`: the tasks of this pull. `ARGV`: its token, the most tasks, the lease in milliseconds, `first` or `again`, the microseconds
    /// between two tasks and those of the period of the rate limit or 0, the most bytes; `list`, `set` or `none`, and the attempts, the
    /// poison cap, the time to live and the most bytes of what other programs have added there. `KEYS` has this list or sorted set, too.
    ///
    /// Returns the clock, in how many milliseconds more may be there or -1, 1 if the list is empty, and for each task its id, number of the delivery, failures,
    /// abandoned deliveries, attempts, poison cap, group and payload.
    pub(crate) static PULL: Script = {
        file: "queue.lua" "pull.lua",
        keys: ..,
        args: ..,
        flags: [key_locking],
        native: pull::run,
    };

    /// Settles deliveries. The same call may be sent any number of times, with the same effect as once.
    ///
    /// `KEYS`: a key for each delivery with a result. `ARGV`: for each delivery `ack`, `nack`, `reject` or `release`, id, number, token,
    /// delay in milliseconds, error, time to live of the result or 0, result.
    ///
    /// Returns for each `done`, the state of the task, or `lost` if the caller does not hold it.
    pub(crate) static SETTLE: Script = {
        file: "queue.lua" "settle.lua",
        keys: ..,
        args: ..,
        flags: [key_locking],
        native: settle::settle,
    };

    /// Renews leases. `KEYS`: a key for each delivery with progress. `ARGV`: the lease in milliseconds; then for each delivery id, number,
    /// token, time to live of the progress or 0, progress. Returns for each 1 if the caller holds it.
    pub(crate) static EXTEND: Script = {
        file: "queue.lua" "extend.lua",
        keys: ..,
        args: ..,
        flags: [key_locking],
        native: settle::extend,
    };

    /// Ends a pull, whether its request has arrived or not: its tasks are released, and their deliveries do not count as abandoned. `KEYS`:
    /// the tasks of the pull. `ARGV`: its token. Returns how many tasks were released.
    pub(crate) static END_PULL: Script = {
        file: "queue.lua" "end_pull.lua",
        keys: ..,
        args: ..,
        flags: [key_locking],
        native: settle::end_pull,
    };

    /// Changes a queue for an operator. The same call may be sent any number of times: it is known by its name for the next fifteen calls.
    /// `ARGV`: the name; `requeue` or `remove` and ids; `limit`, a group and its concurrency or nothing; `pause`; `resume`. Returns how many changed.
    pub(crate) static MANAGE: Script = {
        file: "queue.lua" "manage.lua",
        keys: ..,
        args: ..,
        flags: [key_locking],
        native: manage::run,
    };
}
