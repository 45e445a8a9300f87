//! An engine that is kept in a file: how it is opened, and how it is written to a snapshot.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::commands::functions::load_all;
use super::engine::Engine;
use super::keyspace::Step;
use super::rdb::file::put_function;
use super::snapshot::{Saver, SnapshotError, Source, Store};
use super::{MemoryTransport, SnapshotOptions};
use crate::platform::unix_millis;

impl MemoryTransport {
    /// An engine whose content is kept in a file: it is loaded now, and written from time to time, when the last handle is
    /// dropped, and by [`save`](Self::save), SAVE and BGSAVE. Not on wasm32.
    ///
    /// The file has the format of Redis's own (RDB). Redis 7.4 and later load it, and a file of Redis 7 or 8 is loaded here, if all
    /// of its keys are in database 0 and none is of a module. It holds all keys with their lifetimes and those of fields, groups
    /// of consumers with what they have not acknowledged, and libraries of functions, but no scripts, as in Redis.
    ///
    /// - **Complete.** A file holds the content of one moment: no command, transaction or script is in it in part. It is written
    ///   beside the old one, brought to the disk and renamed, so that a crash leaves the old or the new one. What was written
    ///   since the last save is lost in a crash.
    /// - **Checked.** A file that is damaged or none of this format is an error, and stays as it is.
    /// - **Alone.** Another process or engine that opens the same file gets an error. The lock is on a file beside it, whose
    ///   name ends with `.lock` and which stays.
    /// - **Short pauses.** A save takes the engine for about a tenth of a millisecond at a time, or for as long as the largest
    ///   value takes to be written. SAVE takes it until the end, as in Redis.
    ///
    /// The time is proportional to the size of the file. Dropping the last handle waits for the last save. An error of that save is
    /// only logged, so call [`save`](Self::save) before.
    ///
    /// # Errors
    /// [`SnapshotError`] tells what is wrong with the file, and what to do.
    ///
    /// ```
    /// use edgecask::{prelude::*, transport::memory::{MemoryOptions, MemoryTransport}};
    ///
    /// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    /// # let folder = std::env::temp_dir().join(format!("edgecask-doc-open-{}", std::process::id()));
    /// # std::fs::create_dir_all(&folder)?;
    /// # runtime.block_on(async {
    /// let options = MemoryOptions::new().snapshot(folder.join("data.rdb"));
    /// let client = Client::new(MemoryTransport::open(&options)?);
    /// client.set("k", "v").await?;
    /// drop(client);
    ///
    /// let client = Client::new(MemoryTransport::open(&options)?);
    /// assert_eq!(client.get::<String>("k").await?.as_deref(), Some("v"));
    /// # Ok::<(), edgecask::Error>(())
    /// # })?;
    /// # std::fs::remove_dir_all(&folder)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn open(options: &SnapshotOptions) -> Result<Self, SnapshotError> {
        let store = Store::lock(options.path())?;
        let mut transport = Self::with_options(options.memory());
        let mut engine = transport.lock();
        engine.look_at_clock(unix_millis());
        let now = engine.keyspace.now();
        let sources = store.load(|key, data, expires_at| {
            if expires_at.is_none_or(|at| at > now) {
                engine.keyspace.put(key, data, expires_at);
            }
        })?;
        load_all(&mut engine, sources).map_err(|error| {
            let what = format!("a library of functions: {}", error.message());
            SnapshotError::Unsupported { path: store.path().to_owned(), what }
        })?;
        drop(engine);
        let source = Shared::new(Arc::clone(&transport.engine));
        let saver = Saver::start(store, options.interval(), source)?;
        transport.lock().snapshots = Some(saver.snapshots().clone());
        transport.saver = Some(Arc::new(saver));
        Ok(transport)
    }

    /// Writes the content as it is now to the snapshot file, and waits for the end. Does nothing if there is none. Other callers
    /// go on meanwhile.
    ///
    /// # Errors
    /// [`SnapshotError::Io`]: the file stays as it was.
    pub async fn save(&self) -> Result<(), SnapshotError> {
        let Some(saver) = &self.saver else { return Ok(()) };
        // The thread that saves lives as long as this handle.
        saver.snapshots().ask().await.unwrap_or(Ok(()))
    }
}

/// What a step writes at most, beside the last value of it. It takes less than a tenth of a millisecond.
const KEYS: usize = 128;
const BYTES: usize = 64 << 10;

/// The engine, while one caller holds it, as for SAVE.
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
