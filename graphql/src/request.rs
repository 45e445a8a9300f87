//! The state of one request: the fields that are being loaded.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_graphql::{PathSegment, ServerError};
use edgecask::Key;

use crate::document::Document;
use crate::keyed::Parents;

/// A request whose document is known.
pub(crate) struct Request {
    pub(crate) document: Document,
    pub(crate) parents: Parents,
    /// Whether any of its fields may be cached.
    pub(crate) may_cache: bool,
    pub(crate) loads: Loads,
    /// The keys of the entries that it stored, by the path of the field.
    stored: Mutex<Vec<(String, Key)>>,
}

/// The fields that are being loaded.
#[derive(Clone, Default)]
pub(crate) struct Loads(Arc<Mutex<Vec<Load>>>);

struct Load {
    number: u64,
    path: String,
    seen: Seen,
}

/// What the load of a field has learned from the fields below it.
#[derive(Default)]
pub(crate) struct Seen {
    /// The tags of fields below it; `None` if it must not be stored.
    pub(crate) tags: Option<BTreeSet<String>>,
}

/// A field that is being loaded, until it is dropped.
pub(crate) struct Loading {
    loads: Loads,
    number: u64,
}

impl Request {
    pub(crate) fn new(document: Document, parents: Parents, may_cache: bool) -> Self {
        Self { document, parents, may_cache, loads: Loads::default(), stored: Mutex::default() }
    }

    pub(crate) fn stored(&self, path: &str, key: &Key) {
        lock(&self.stored).push((path.to_owned(), key.clone()));
    }

    /// The keys of the stored entries that contain a field with one of these errors.
    pub(crate) fn stored_with(&self, errors: &[ServerError]) -> Vec<Key> {
        let paths: Vec<_> = errors.iter().map(path_of).collect();
        let stored = std::mem::take(&mut *lock(&self.stored));
        let is_wrong = |stored: &str| {
            paths.iter().any(|path| path.is_empty() || path == stored || is_below(path, stored))
        };
        stored.into_iter().filter(|(path, _)| is_wrong(path)).map(|(_, key)| key).collect()
    }
}

impl Loads {
    pub(crate) fn begin(&self, path: &str) -> Loading {
        let mut loads = lock(&self.0);
        let number = loads.last().map_or(0, |load| load.number + 1);
        let seen = Seen { tags: Some(BTreeSet::new()) };
        loads.push(Load { number, path: path.to_owned(), seen });
        Loading { loads: self.clone(), number }
    }

    pub(crate) fn is_empty(&self) -> bool {
        lock(&self.0).is_empty()
    }

    /// Adds a field's tags to all loads that contain it. `None`: they must not be stored.
    pub(crate) fn report(&self, path: &str, tags: Option<&BTreeSet<String>>) {
        for load in lock(&self.0).iter_mut().filter(|load| is_below(path, &load.path)) {
            match tags {
                None => load.seen.tags = None,
                Some(tags) => {
                    if let Some(seen) = &mut load.seen.tags {
                        seen.extend(tags.iter().cloned());
                    }
                }
            }
        }
    }
}

impl Loading {
    pub(crate) fn end(self) -> Seen {
        let mut loads = lock(&self.loads.0);
        let load = loads.iter_mut().find(|load| load.number == self.number);
        load.map(|load| std::mem::take(&mut load.seen)).unwrap_or_default()
    }
}

impl Drop for Loading {
    fn drop(&mut self) {
        lock(&self.loads.0).retain(|load| load.number != self.number);
    }
}

/// Whether a path leads through another one.
fn is_below(path: &str, upper: &str) -> bool {
    path.strip_prefix(upper).is_some_and(|rest| rest.starts_with('.'))
}

fn path_of(error: &ServerError) -> String {
    let segments = error.path.iter().map(|segment| match segment {
        PathSegment::Field(name) => name.clone(),
        PathSegment::Index(index) => index.to_string(),
    });
    segments.collect::<Vec<_>>().join(".")
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
