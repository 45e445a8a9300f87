//! Queues of tasks in Redis: each task is delivered until it is acknowledged.
//!
//! | to | take |
//! |---|---|
//! | hand in a task, now or for later | [`Queue::enqueue`], [`Task`] |
//! | work on tasks in a process that stays | [`Worker::run_until`] |
//! | work on tasks when something calls, such as the cron trigger of a Worker | [`Worker::run_due`], [`Queue::pull`] |
//! | say what became of a task | [`Holding::ack`], [`Holding::nack`], [`Holding::reject`], [`Holding::release`] |
//! | see and repair | [`Queue::stats`], [`Queue::status`], [`Queue::dead_letters`], [`Queue::requeue`] |
//!
//! A delivery is a lease by the server's clock: a worker that dies loses it, and the task is delivered again, by whichever process pulls
//! next. So a task may be worked on twice, and is acknowledged once: the acknowledgement of a former holder is refused. The guide's page on
//! queues says what holds in which failure.
//!
//! | key | type | holds |
//! |---|---|---|
//! | `edgecask:tasks:{name}` | hash | for each task a line: `state number failures abandoned attempts poison-cap ttl expires priority sequence due children token group parent reason error`; beside them `#tasks`, `#seq`, `#epoch`, `#paused`, `#rate`, `#recent` (calls of operators), `#used:…` and `#limit:…` of groups |
//! | `…:payloads` | hash | for each task its payload as JSON |
//! | `…:ready` | sorted set | tasks that a pull gives, by priority and sequence |
//! | `…:delayed` | sorted set | tasks by the millisecond at which they are due; those that wait for children at 2⁵³ − 1 |
//! | `…:active` | sorted set | tasks that are leased, by the millisecond at which the lease ends |
//! | `…:dead` | sorted set | dead letters by the millisecond of their end |
//! | `…:grouped` | sorted set | tasks that wait for their group |
//! | `…:done` | sorted set | tasks whose end is remembered |
//! | `…:pull:…`, `…:once:…`, `…:result:…`, `…:progress:…` | string | the tasks of a pull; the task of a deduplication key; a task's result and progress. Each has a time to live |
//!
//! The first two keys hold the tasks. The indexes (`ready` to `grouped`) can be lost, and are built again by the next pulls. What is lost with
//! each of the others, the guide says. None of the first eight has a time to live.

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
