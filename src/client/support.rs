use std::sync::atomic::{AtomicBool, Ordering};

use crate::{Error, ErrorKind};

/// What the server was found to lack; each is found out once.
#[derive(Debug, Default)]
pub(super) struct Support {
    no_comparing: AtomicBool,
    no_key_locking: AtomicBool,
}

impl Support {
    /// Whether `SET … IFEQ` and DELEX are worth a try.
    pub(super) fn comparing(&self) -> bool {
        !self.no_comparing.load(Ordering::Relaxed)
    }

    /// Whether this error says that they are not there.
    pub(super) fn lacks_comparing(&self, error: &Error) -> bool {
        // Before 8.4, Redis finds the word out of place; others do not know DELEX.
        learn(&self.no_comparing, error, &["syntax error", "unknown command"])
    }

    /// Whether Upstash's script flag is worth a try.
    pub(super) fn key_locking(&self) -> bool {
        !self.no_key_locking.load(Ordering::Relaxed)
    }

    /// Whether this error says that the server does not know it.
    pub(super) fn lacks_key_locking(&self, error: &Error) -> bool {
        learn(&self.no_key_locking, error, &["Unexpected flag in script shebang"])
    }
}

fn learn(lacking: &AtomicBool, error: &Error, texts: &[&str]) -> bool {
    let lacks = error.kind() == ErrorKind::Server
        && texts.iter().any(|text| error.message().contains(text));
    if lacks {
        lacking.store(true, Ordering::Relaxed);
    }
    lacks
}
