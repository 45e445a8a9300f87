//! What happens while Redis is away: reads and writes degrade as the [tier](crate::cache::Tier) says, and invalidations are
//! kept until Redis is back.

mod backlog;
mod catch_up;
mod degrade;
mod drain_lock;
mod owed;

pub(super) use backlog::Backlog;
pub(super) use degrade::{Operation, Outage};
pub(super) use owed::Invalidation;
