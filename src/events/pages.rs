//! How much of a history is asked for at once.

use crate::{Error, ErrorKind};

/// What a look at the history asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ask {
    Nothing,
    /// So many events at most, with the one at the subscriber's position if there is more than one.
    Events(usize),
    /// Only where the next event stands, because it is too large.
    Position,
}

impl Ask {
    /// As an argument of the script.
    pub(super) fn most(self) -> i64 {
        match self {
            Self::Nothing => 0,
            Self::Events(most) => i64::try_from(most).unwrap_or(i64::MAX),
            Self::Position => -1,
        }
    }
}

/// The size of the pages of a subscription. A page that is larger than an answer may be is asked for again in halves.
#[derive(Debug)]
pub(super) struct Pages {
    largest: usize,
    next: Ask,
}

impl Pages {
    pub(super) fn new(largest: usize) -> Self {
        Self { largest, next: Ask::Events(largest) }
    }

    pub(super) fn next(&self) -> Ask {
        self.next
    }

    /// A page came.
    pub(super) fn grow(&mut self) {
        self.next = match self.next {
            Ask::Events(most) => Ask::Events(most.saturating_mul(2).min(self.largest)),
            Ask::Nothing | Ask::Position => Ask::Events(1),
        };
    }

    /// Takes a smaller page after this error. `false` if that does not help.
    ///
    /// An answer that is too long cannot be read. No transport tells more than that.
    pub(super) fn shrink(&mut self, error: &Error) -> bool {
        let next = match self.next {
            Ask::Events(..=1) => Ask::Position,
            Ask::Events(most) => Ask::Events(most / 2),
            Ask::Nothing | Ask::Position => return false,
        };
        let helps = error.kind() == ErrorKind::Protocol;
        if helps {
            self.next = next;
        }
        helps
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_halved_down_to_a_position_and_grow_again() {
        let mut pages = Pages::new(5);
        let too_long = Error::new(ErrorKind::Protocol, "too long");
        assert!(!pages.shrink(&Error::server("ERR")));
        let mut asked = vec![pages.next().most()];
        while pages.shrink(&too_long) {
            asked.push(pages.next().most());
        }
        assert_eq!(asked, [5, 2, 1, -1]);
        let grown = (0..5).map(|_| {
            pages.grow();
            pages.next().most()
        });
        assert_eq!(grown.collect::<Vec<_>>(), [1, 2, 4, 5, 5]);
    }
}
