use std::sync::atomic::{AtomicBool, Ordering};

use crate::{Error, ErrorKind};

/// Features that the server was found to lack. Each is found out once.
#[derive(Debug, Default)]
pub(super) struct Support {
    no_comparing: AtomicBool,
    no_key_locking: AtomicBool,
}

impl Support {
    /// Whether the server may know `SET … IFEQ` and DELEX.
    pub(super) fn comparing(&self) -> bool {
        !self.no_comparing.load(Ordering::Relaxed)
    }

    /// Whether this error says that the server does not know them.
    pub(super) fn lacks_comparing(&self, error: &Error) -> bool {
        // Before 8.4, Redis reports a syntax error at the option. Servers without DELEX report an unknown command.
        learn(&self.no_comparing, error, &["syntax error", "unknown command"])
    }

    /// Whether the server may know Upstash's script flag.
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
