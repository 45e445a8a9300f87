//! The names of a queue's keys. All have the queue's name as their hash tag, so they share a slot of a cluster.

use crate::key::escape_part;
use crate::{Key, KeyParts, Result};

/// The keys of a queue.
#[derive(Debug, Clone)]
pub(super) struct Keys {
    pub(super) name: String,
    base: String,
    /// The keys that each script gets first.
    pub(super) fixed: [String; 8],
    pub(super) channel: String,
}

impl Keys {
    pub(super) fn new(name: impl KeyParts) -> Result<Self> {
        let name = Key::of(name)?.as_str().to_owned();
        let base = format!("edgecask:tasks:{{{name}}}");
        Self::at(name, base)
    }

    /// The keys of the queue over a list or sorted set, in the slot of its key.
    pub(super) fn over(source: &Key) -> Result<Self> {
        Self::at(source.as_str().to_owned(), source.companion("edgecask:tasks"))
    }

    fn at(name: String, base: String) -> Result<Self> {
        let index = |what: &str| format!("{base}:{what}");
        let fixed = [
            base.clone(),
            index("payloads"),
            index("ready"),
            index("delayed"),
            index("active"),
            index("dead"),
            index("grouped"),
            index("done"),
        ];
        // The longest of the other keys.
        let longest = [&base, ":progress:", &"x".repeat(3 * super::task::LONGEST)].concat();
        Key::verbatim(longest)?;
        let channel = index("wake");
        Ok(Self { name, base, fixed, channel })
    }

    pub(super) fn tasks(&self) -> &str {
        &self.fixed[0]
    }

    pub(super) fn payloads(&self) -> &str {
        &self.fixed[1]
    }

    /// One of the fixed keys, such as [`READY`].
    pub(super) fn index(&self, at: usize) -> &str {
        &self.fixed[at]
    }

    /// The key of one task, pull or deduplication key.
    pub(super) fn of(&self, what: &str, name: &str) -> String {
        let mut key = format!("{}:{what}:", self.base);
        escape_part(name, &mut key);
        key
    }
}

// The places of the indexes in `fixed`.
pub(super) const READY: usize = 2;
pub(super) const DELAYED: usize = 3;
pub(super) const ACTIVE: usize = 4;
pub(super) const DEAD: usize = 5;
pub(super) const GROUPED: usize = 6;
pub(super) const DONE: usize = 7;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_keys_of_a_queue_share_a_slot_and_no_name_leaves_it() -> Result<()> {
        let keys = Keys::new(("publish", "face}book"))?;
        assert_eq!(keys.tasks(), "edgecask:tasks:{publish:face%7Dbook}");
        let slot = crate::key::slot_of(keys.tasks());
        for key in keys.fixed.iter().chain([&keys.of("result", "a:b {}")]) {
            assert_eq!(crate::key::slot_of(key), slot, "{key}");
        }
        assert_eq!(keys.of("once", "a:b"), "edgecask:tasks:{publish:face%7Dbook}:once:a%3Ab");
        assert!(Keys::new("x".repeat(32_700)).is_err());
        for source in ["publish:facebook", "a:{b}:c", "a}b"] {
            let source = Key::verbatim(source)?;
            let keys = Keys::over(&source)?;
            for key in keys.fixed.iter().chain([&keys.of("pull", "t")]) {
                assert_eq!(crate::key::slot_of(key), crate::key::slot_of(source.as_str()), "{key}");
            }
        }
        Ok(())
    }
}
