//! The engine as what a snapshot is made of.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::engine::Engine;
use super::keyspace::Step;
use super::rdb::file::put_function;
use super::snapshot::Source;

/// What a step writes at most, beside the last value of it. It takes less than a tenth of a millisecond.
const KEYS: usize = 128;
const BYTES: usize = 64 << 10;

/// The engine while nobody else has it, as for SAVE.
impl Source for Engine {
    fn changes(&mut self) -> u64 {
        self.keyspace.changes().wrapping_add(self.libraries.changes())
    }

    fn begin(&mut self, out: &mut Vec<u8>) -> u64 {
        for (_, library) in self.libraries.iter() {
            put_function(out, &library.source);
        }
        self.keyspace.begin_walk();
        self.changes()
    }

    fn step(&mut self, out: &mut Vec<u8>) -> Step {
        self.keyspace.step(out, KEYS, BYTES)
    }

    fn end(&mut self) {
        self.keyspace.end_walk();
    }
}

/// An engine that others use between the steps.
pub(super) struct Shared {
    engine: Arc<Mutex<Engine>>,
    /// How long the last step had the engine.
    took: Duration,
}

impl Shared {
    pub(super) fn new(engine: Arc<Mutex<Engine>>) -> Self {
        Self { engine, took: Duration::ZERO }
    }

    fn lock(&self) -> MutexGuard<'_, Engine> {
        self.engine.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Source for Shared {
    fn changes(&mut self) -> u64 {
        self.lock().changes()
    }

    fn begin(&mut self, out: &mut Vec<u8>) -> u64 {
        self.lock().begin(out)
    }

    fn step(&mut self, out: &mut Vec<u8>) -> Step {
        // Others get the engine for at least as long as this had it, if there are others.
        if Arc::strong_count(&self.engine) > 1 {
            std::thread::sleep(self.took);
        }
        let mut engine = self.lock();
        let begin = Instant::now();
        let step = engine.step(out);
        drop(engine);
        self.took = begin.elapsed();
        step
    }

    fn end(&mut self) {
        self.lock().end();
    }
}
