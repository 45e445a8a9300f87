//! An error in `Display`: the command before its message, and the attempts after it.

use std::fmt;
use std::time::Duration;

/// The command before a message.
pub(super) struct Prefix<'a>(pub(super) &'a Option<Box<str>>);

impl fmt::Display for Prefix<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(command) => write!(f, "{command}: "),
            None => Ok(()),
        }
    }
}

/// The attempts after a message, if there were several.
pub(super) struct Suffix(pub(super) u32, pub(super) Option<Duration>);

impl fmt::Display for Suffix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self(attempts @ 2.., Some(elapsed)) => {
                write!(f, " ({attempts} attempts in {} ms)", elapsed.as_millis())
            }
            _ => Ok(()),
        }
    }
}
