//! How answers name an error, whatever their format.

use edgecask::Error;

/// What Redis said, word for word; of other errors, their text.
pub(crate) fn error_text(error: &Error) -> String {
    match error.code() {
        Some(_) => error.message().to_owned(),
        None => format!("ERR {}", error.message()),
    }
}
