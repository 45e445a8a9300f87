//! The text of an error in answers of all formats.

use edgecask::{Error, ErrorKind};

/// The error reply of Redis word for word, or the message of another error. Modules of Redis have errors without a code.
pub(crate) fn error_text(error: &Error) -> String {
    match error.code() {
        None if error.kind() != ErrorKind::Server => format!("ERR {}", error.message()),
        _ => error.message().to_owned(),
    }
}
