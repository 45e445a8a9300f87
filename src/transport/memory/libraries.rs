//! The libraries of functions that the engine holds.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::script_runtime::Registered;
use crate::{Error, Result};

/// A library: its source with the first line, and the functions that it registers.
#[derive(Clone)]
pub(super) struct Library {
    pub(super) source: Bytes,
    /// Where the code begins: with the end of the first line.
    pub(super) code_at: usize,
    pub(super) functions: Vec<Registered>,
}

/// The libraries by name.
#[derive(Clone, Default)]
pub(super) struct Libraries {
    by_name: BTreeMap<String, Library>,
    changes: u64,
}

impl Libraries {
    pub(super) fn get(&self, name: &str) -> Option<&Library> {
        self.by_name.get(name)
    }

    /// A function, with the name and the content of its library.
    pub(super) fn function(&self, name: &str) -> Option<(&str, &Library, &Registered)> {
        self.by_name.iter().find_map(|(library_name, library)| {
            let function = library.functions.iter().find(|function| function.name == name)?;
            Some((library_name.as_str(), library, function))
        })
    }

    /// Adds a library, or replaces one of the same name. Functions of other libraries have other names.
    pub(super) fn insert(&mut self, name: String, library: Library) -> Result<()> {
        for function in &library.functions {
            let owner = self.function(&function.name).map(|(owner, ..)| owner);
            if owner.is_some_and(|owner| owner != name) {
                let text = format!("ERR Function {} already exists", function.name);
                return Err(Error::server(&text));
            }
        }
        self.changes += 1;
        self.by_name.insert(name, library);
        Ok(())
    }

    /// Adds all of these, or none: in place of all that are there, or of those with the same names, or of none.
    pub(super) fn join(&mut self, new: Self, flushes: bool, replaces: bool) -> Result<()> {
        let mut joined = if flushes { Self::default() } else { self.clone() };
        for name in new.by_name.keys() {
            if joined.by_name.remove(name).is_some() && !replaces {
                return Err(Error::server(&format!("ERR Library {name} already exists")));
            }
        }
        for (name, library) in new.by_name {
            joined.insert(name, library)?;
        }
        self.changes += 1;
        self.by_name = joined.by_name;
        Ok(())
    }

    pub(super) fn remove(&mut self, name: &str) -> bool {
        self.changes += 1;
        self.by_name.remove(name).is_some()
    }

    pub(super) fn clear(&mut self) {
        self.changes += 1;
        self.by_name.clear();
    }

    /// How many changes there were since the engine was made.
    #[cfg(not(target_arch = "wasm32"))]
    pub(super) fn changes(&self) -> u64 {
        self.changes
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&String, &Library)> {
        self.by_name.iter()
    }
}
