use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{Error, ErrorKind};

/// The place of an event in the history of its topic, as text `{epoch}-{offset}`. It is the id of the entry in the stream, and the
/// `id:` of a server-sent event.
///
/// ```
/// use edgecask::events::Position;
///
/// let position: Position = "1790000000000000123-7".parse()?;
/// assert_eq!(position.offset, 7);
/// assert_eq!(position.to_string(), "1790000000000000123-7");
/// # Ok::<(), edgecask::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Position {
    /// Identifies the history. A history that begins anew because Redis has lost the old one has another epoch. Epochs have no order.
    pub epoch: u64,
    /// The number of the event in its epoch. The first event has the number 1, and no number is left out.
    pub offset: u64,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.epoch, self.offset)
    }
}

impl FromStr for Position {
    type Err = Error;

    /// # Errors
    /// [`ErrorKind::InvalidInput`].
    fn from_str(text: &str) -> Result<Self, Error> {
        let number = |digits: &str| {
            let is_plain = digits.bytes().all(|byte| byte.is_ascii_digit());
            is_plain.then(|| digits.parse().ok()).flatten()
        };
        let parts = text.split_once('-').and_then(|(epoch, offset)| {
            Some(Self { epoch: number(epoch)?, offset: number(offset)? })
        });
        parts.ok_or_else(|| {
            Error::new(
                ErrorKind::InvalidInput,
                "a position is two numbers with a hyphen between them",
            )
        })
    }
}

impl Serialize for Position {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Position {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_is_two_plain_numbers() {
        for wrong in
            ["", "-", "1", "1-", "-1", "+1-1", "1-+1", "1-1-1", " 1-1", "18446744073709551616-1"]
        {
            assert!(wrong.parse::<Position>().is_err(), "{wrong:?}");
        }
        let position = Position { epoch: u64::MAX, offset: 0 };
        assert_eq!(position.to_string().parse().ok(), Some(position));
        assert_eq!(
            serde_json::to_string(&position).ok().as_deref(),
            Some("\"18446744073709551615-0\"")
        );
    }
}
