//! Rate limits, locks, queues and events beside their peers.
//!
//! Each peer is a process of its own on one core, a real `redis-server` on the other, and their rounds take turns.

mod events;
mod limit;
mod lock;
pub(crate) mod peer;
mod queue;
mod report;
mod rounds;

use std::path::Path;

use anyhow::Result;
use clap::{Args, ValueEnum};

pub(crate) use self::report::write;
use self::rounds::Row;

/// A part of the measurement.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Room {
    Limit,
    Lock,
    Queue,
    Events,
}

/// What is measured.
#[derive(Args)]
pub(crate) struct Options {
    /// One part alone
    only: Option<Room>,
    /// How often all take their turn
    #[arg(long, default_value_t = Options::default().rounds)]
    rounds: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { only: None, rounds: 5 }
    }
}

/// What was measured, of each part that was asked for.
#[derive(Default)]
pub(crate) struct Measured {
    rounds: usize,
    limit: Option<limit::Measured>,
    lock: Vec<Row>,
    queue: Option<queue::Measured>,
    events: Vec<Row>,
}

/// Measures one part, or all of them.
pub(crate) fn measure(root: &Path, &Options { only, rounds }: &Options) -> Result<Measured> {
    let mut measured = Measured { rounds, ..Measured::default() };
    let asked = |room| only.is_none_or(|only| only == room);
    if asked(Room::Limit) {
        measured.limit = Some(limit::measure(root, rounds)?);
    }
    if asked(Room::Lock) {
        measured.lock = lock::measure(root, rounds)?;
    }
    if asked(Room::Queue) {
        measured.queue = Some(queue::measure(root, rounds)?);
    }
    if asked(Room::Events) {
        measured.events = events::measure(root, rounds)?;
    }
    Ok(measured)
}
