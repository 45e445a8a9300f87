//! The text of an error in answers of all formats.

use edgecask::Error;

/// The error reply of Redis word for word, or the message of another error.
pub(crate) fn error_text(error: &Error) -> String {
    match error.code() {
        Some(_) => error.message().to_owned(),
        None => format!("ERR {}", error.message()),
    }
}
