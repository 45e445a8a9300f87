//! Saves an engine from time to time, when it is asked to, and when its last handle is dropped.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use futures_channel::oneshot;

use super::{SnapshotError, Source, Store};
use crate::platform::unix_millis;

type Asker = oneshot::Sender<Result<(), SnapshotError>>;

enum Order {
    /// Save now, and report the result to this asker.
    Save(Option<Asker>),
    /// Save what has changed, and end.
    Stop,
}

/// What is known of the saves of an engine, and how to ask for one.
#[derive(Clone)]
pub(in crate::transport::memory) struct Snapshots {
    store: Arc<Store>,
    orders: mpsc::Sender<Order>,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    /// A save is under way.
    is_saving: AtomicBool,
    /// The save before this time failed.
    has_failed: AtomicBool,
    /// Up to which change everything is in the file.
    saved_changes: AtomicU64,
    /// When that was, as Unix time in seconds.
    saved_at: AtomicU64,
    /// Two saves write to the same file beside the real one.
    writing: Mutex<()>,
}

/// A save that is under way, until this is dropped.
struct Saving<'a> {
    state: &'a State,
    _writing: MutexGuard<'a, ()>,
}

impl<'a> Saving<'a> {
    fn begin(state: &'a State) -> Self {
        let writing = state.writing.lock().unwrap_or_else(PoisonError::into_inner);
        state.is_saving.store(true, Ordering::SeqCst);
        Self { state, _writing: writing }
    }

    /// Begins, if none is under way.
    fn try_begin(state: &'a State) -> Option<Self> {
        let writing = state.writing.try_lock().ok()?;
        state.is_saving.store(true, Ordering::SeqCst);
        Some(Self { state, _writing: writing })
    }
}

impl Drop for Saving<'_> {
    fn drop(&mut self) {
        self.state.is_saving.store(false, Ordering::SeqCst);
    }
}

impl Snapshots {
    /// Saves a source that the caller has for itself. `None` if a save is under way.
    pub(in crate::transport::memory) fn save_now(
        &self,
        source: &mut dyn Source,
    ) -> Option<Result<(), SnapshotError>> {
        let saving = Saving::try_begin(&self.state)?;
        Some(self.write(&saving, source))
    }

    fn write(&self, _: &Saving<'_>, source: &mut dyn Source) -> Result<(), SnapshotError> {
        let written = self.store.write(source);
        self.state.has_failed.store(written.is_err(), Ordering::SeqCst);
        match &written {
            Ok(changes) => {
                self.state.saved_changes.store(*changes, Ordering::SeqCst);
                self.state.saved_at.store(unix_millis() / 1000, Ordering::SeqCst);
            }
            Err(error) => tracing::error!(%error, "an embedded engine could not be saved"),
        }
        written.map(drop)
    }

    /// Asks for a save, which another thread makes.
    pub(in crate::transport::memory) fn order(&self) {
        // The thread ends when the last handle is dropped.
        let _ = self.orders.send(Order::Save(None));
    }

    /// Asks for a save that begins after this call. Returns the receiver of its result.
    pub(in crate::transport::memory) fn ask(&self) -> oneshot::Receiver<Result<(), SnapshotError>> {
        let (asker, answer) = oneshot::channel();
        let _ = self.orders.send(Order::Save(Some(asker)));
        answer
    }

    pub(in crate::transport::memory) fn is_saving(&self) -> bool {
        self.state.is_saving.load(Ordering::SeqCst)
    }

    pub(in crate::transport::memory) fn has_failed(&self) -> bool {
        self.state.has_failed.load(Ordering::SeqCst)
    }

    /// When the last save ended, or the file was loaded, as Unix time in seconds.
    pub(in crate::transport::memory) fn saved_at(&self) -> u64 {
        self.state.saved_at.load(Ordering::SeqCst)
    }

    /// Up to which change everything is in the file.
    pub(in crate::transport::memory) fn saved_changes(&self) -> u64 {
        self.state.saved_changes.load(Ordering::SeqCst)
    }
}

/// The thread that saves. When this is dropped, it saves a last time and ends.
pub(in crate::transport::memory) struct Saver {
    snapshots: Snapshots,
    thread: Option<JoinHandle<()>>,
}

impl Saver {
    /// Begins to save a source, whose content is that of the file, each time this interval has passed and something has changed.
    pub(in crate::transport::memory) fn start(
        store: Store,
        every: Option<Duration>,
        mut source: impl Source + Send + 'static,
    ) -> Result<Self, SnapshotError> {
        let (orders, inbox) = mpsc::channel();
        let state = State::default();
        state.saved_changes.store(source.changes(), Ordering::SeqCst);
        state.saved_at.store(unix_millis() / 1000, Ordering::SeqCst);
        let store = Arc::new(store);
        let snapshots = Snapshots { store: Arc::clone(&store), orders, state: Arc::new(state) };
        let of_thread = snapshots.clone();
        let thread = std::thread::Builder::new().name("edgecask-snapshot".to_owned());
        let thread = thread
            .spawn(move || run(&of_thread, &inbox, every, &mut source))
            .map_err(|error| SnapshotError::io(store.path(), "begin to save", error))?;
        Ok(Self { snapshots, thread: Some(thread) })
    }

    pub(in crate::transport::memory) fn snapshots(&self) -> &Snapshots {
        &self.snapshots
    }
}

impl Drop for Saver {
    fn drop(&mut self) {
        let _ = self.snapshots.orders.send(Order::Stop);
        if let Some(thread) = self.thread.take() {
            // It has logged what went wrong.
            let _ = thread.join();
        }
    }
}

fn run(
    snapshots: &Snapshots,
    inbox: &mpsc::Receiver<Order>,
    every: Option<Duration>,
    source: &mut dyn Source,
) {
    let save = |source: &mut dyn Source| {
        let saving = Saving::begin(&snapshots.state);
        snapshots.write(&saving, source)
    };
    let has_changed = |source: &mut dyn Source| source.changes() != snapshots.saved_changes();
    let mut next = every.and_then(|every| Instant::now().checked_add(every));
    loop {
        let order = match next {
            Some(next) => inbox.recv_timeout(next.saturating_duration_since(Instant::now())),
            None => inbox.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        match order {
            Ok(Order::Save(asker)) => {
                // One save serves all that have asked by now.
                let (mut askers, mut stops) = (vec![asker], false);
                for order in inbox.try_iter() {
                    match order {
                        Order::Save(asker) => askers.push(asker),
                        Order::Stop => stops = true,
                    }
                }
                let saved = save(source);
                for asker in askers.into_iter().flatten() {
                    let _ = asker.send(saved.clone());
                }
                if stops {
                    return;
                }
            }
            Err(RecvTimeoutError::Timeout) => {
                if has_changed(source) {
                    // What went wrong is logged, and INFO shows it. The next time may be better.
                    let _ = save(source);
                }
                next = every.and_then(|every| Instant::now().checked_add(every));
            }
            Ok(Order::Stop) | Err(RecvTimeoutError::Disconnected) => {
                if has_changed(source) {
                    let _ = save(source);
                }
                return;
            }
        }
    }
}
