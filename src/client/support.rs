use std::sync::atomic::{AtomicBool, Ordering};

use crate::{Error, ErrorKind};

/// Features that the server was found to lack. Each is discovered once.
#[derive(Debug, Default)]
pub(super) struct Support {
    no_comparing: AtomicBool,
    no_key_locking: AtomicBool,
    has_key_locking: AtomicBool,
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

    /// Whether this error of a flagged script leaves open what the server refused: the flag, or what the script does. The words
    /// for a refused flag differ from server to server. The errors of a gateway, and of a rate limit, are not about it.
    pub(super) fn may_lack_key_locking(&self, error: &Error) -> bool {
        matches!(error.kind(), ErrorKind::Server | ErrorKind::Http)
            && matches!(error.code(), None | Some("ERR"))
            && !matches!(error.status(), Some(429 | 501..=599))
            && self.key_locking()
            && !self.has_key_locking.load(Ordering::Relaxed)
    }

    /// Remembers that the server executed a script with the flag.
    pub(super) fn knows_key_locking(&self) {
        if !self.has_key_locking.load(Ordering::Relaxed) {
            self.set_key_locking(true);
        }
    }

    /// Remembers whether the server knows it.
    pub(super) fn set_key_locking(&self, knows: bool) {
        let which = if knows { &self.has_key_locking } else { &self.no_key_locking };
        which.store(true, Ordering::Relaxed);
    }
}

/// Whether this error says that the server does not know a script by its sha. Some servers put text before that of Redis.
pub(super) fn is_unknown_script(error: &Error) -> bool {
    error.code() == Some("NOSCRIPT")
        || matches!(error.kind(), ErrorKind::Server | ErrorKind::Http)
            && error.message().contains("NOSCRIPT")
}

fn learn(lacking: &AtomicBool, error: &Error, texts: &[&str]) -> bool {
    let lacks = error.kind() == ErrorKind::Server
        && texts.iter().any(|text| error.message().contains(text));
    if lacks {
        lacking.store(true, Ordering::Relaxed);
    }
    lacks
}
