//! An error in `Debug`.

use std::fmt;
use std::sync::Arc;

use super::{BoxError, Error, ErrorKind, Inner};

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// Fields without a value are left out, and so is the source of [`Error::store`], whose text may hold a secret.
impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Error");
        out.field("kind", &self.kind)
            .field("message", &self.message)
            .field("outcome", &self.outcome);
        if let Some(code) = &self.code {
            out.field("code", code);
        }
        if let Some(command) = &self.command {
            out.field("command", command);
        }
        if let Some(status) = &self.status {
            out.field("status", status);
        }
        if let Some(wait) = &self.retry_after {
            out.field("retry_after", wait);
        }
        if let Some(elapsed) = &self.elapsed {
            out.field("attempts", &self.attempts).field("elapsed", elapsed);
        }
        let may_show =
            |source: &&Arc<BoxError>| self.kind != ErrorKind::Store || source.is::<Error>();
        if let Some(source) = self.source.as_ref().filter(may_show) {
            out.field("source", source);
        }
        out.finish()
    }
}
