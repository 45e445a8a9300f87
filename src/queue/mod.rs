//! Queues of tasks in Redis: each task is delivered until it is acknowledged.
//!
//! | to | take |
//! |---|---|
//! | add a task that is due now or later | [`Queue::enqueue`], [`Task`] |
//! | work on tasks in a long-running process | [`Worker::run_until`] |
//! | work on tasks from a scheduled call, such as the cron trigger of a Worker | [`Worker::run_due`], [`Queue::pull`] |
//! | settle a task | [`Holding::ack`], [`Holding::nack`], [`Holding::reject`], [`Holding::release`] |
//! | inspect and repair a queue | [`Queue::stats`], [`Queue::status`], [`Queue::dead_letters`], [`Queue::requeue`] |
//!
//! A delivery is a lease by the server's clock. If a worker dies, its lease ends, and the next pull of any process delivers the task again.
//! So a task may be worked on twice, but it is acknowledged once: the acknowledgement of a former holder is refused. The guide's page on
//! queues lists the guarantees in each failure.
//!
//! | key | type | holds |
//! |---|---|---|
//! | `edgecask:tasks:{name}` | hash | one line for each task: `state number failures abandoned attempts poison-cap ttl expires priority sequence due children token group parent reason error`; beside them `#tasks`, `#seq`, `#epoch`, `#paused`, `#rate`, `#recent` (calls of operators), `#used:…` and `#limit:…` of groups |
//! | `…:payloads` | hash | the payload of each task as JSON |
//! | `…:ready` | sorted set | tasks that the next pull may lease, by priority and sequence |
//! | `…:delayed` | sorted set | tasks by the millisecond at which they are due; those that wait for children at 2⁵³ − 1 |
//! | `…:active` | sorted set | tasks that are leased, by the millisecond at which the lease ends |
//! | `…:dead` | sorted set | dead letters by the millisecond of their end |
//! | `…:grouped` | sorted set | tasks that wait for their group |
//! | `…:done` | sorted set | tasks whose end is remembered |
//! | `…:pull:…`, `…:once:…`, `…:result:…`, `…:progress:…` | string | the tasks of a pull; the task of a deduplication key; a task's result and progress. Each has a time to live |
//!
//! The first two keys hold the tasks. The next pulls rebuild the indexes (`ready` to `grouped`) if Redis loses them. The guide lists the
//! consequences of the loss of each other key. None of the first eight keys has a time to live.

mod backoff;
mod delivery;
mod enqueueing;
mod error;
mod handle;
mod inspect;
mod keys;
mod options;
mod pulling;
mod running;
mod scripts;
mod settling;
mod source;
mod state;
mod task;
mod wake;
mod worker;

pub use backoff::Backoff;
pub use delivery::{Delivery, Fate, Holding};
pub use enqueueing::{Addition, Enqueued};
pub use error::{Fatal, QueueError};
pub use handle::Queue;
pub use inspect::{DeadLetter, DeadReason, QueueStats, TaskStatus};
pub use options::QueueOptions;
pub(crate) use scripts::all as scripts;
pub use source::Source;
pub use task::Task;
pub use worker::{Worked, Worker};
