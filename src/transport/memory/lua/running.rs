//! The state that the running script acts on.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mlua::Function;

use crate::transport::memory::engine::Engine;
use crate::transport::memory::script_runtime::Registered;

/// The state that the running script acts on.
pub(super) struct Running {
    /// The engine, while a script runs; an empty one otherwise.
    pub(super) engine: Engine,
    pub(super) is_running: bool,
    pub(super) read_only: bool,
    pub(super) resp3: bool,
    /// The functions of the library that is being loaded.
    pub(super) registering: Option<Vec<(Registered, Function)>>,
}

pub(super) type Shared = Arc<Mutex<Running>>;

pub(super) fn lock(shared: &Shared) -> MutexGuard<'_, Running> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
