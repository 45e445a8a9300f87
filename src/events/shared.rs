//! The state that the clones of a topic share.

use std::sync::{Arc, Mutex, PoisonError};

use super::hub::Hub;
use super::position::Position;
use super::store::Store;
use crate::Key;

/// The state that the clones of a topic share.
pub(super) struct Shared {
    pub(super) hub: Arc<Hub>,
    pub(super) store: Store,
    /// The last position that this process has published.
    known: Mutex<Option<Position>>,
}

impl Shared {
    pub(super) fn new(hub: Arc<Hub>, key: Key) -> Self {
        Self { hub, store: Store::new(key), known: Mutex::default() }
    }

    pub(super) fn known(&self) -> Option<Position> {
        *self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn note(&self, position: Position) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let is_older =
            |known: Position| known.epoch != position.epoch || known.offset < position.offset;
        if known.is_none_or(is_older) {
            *known = Some(position);
        }
    }
}
