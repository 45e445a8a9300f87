//! The size of the pages in which a history is read.

use crate::{Error, ErrorKind};

/// The part of the history that a request reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PageRequest {
    Nothing,
    /// At most this number of events, with the one at the subscriber's position if the number is greater than 1.
    Events(usize),
    /// Only the position of the next event, because the event is too large.
    Position,
}

impl PageRequest {
    /// As an argument of the script.
    pub(super) fn most(self) -> i64 {
        match self {
            Self::Nothing => 0,
            Self::Events(most) => i64::try_from(most).unwrap_or(i64::MAX),
            Self::Position => -1,
        }
    }
}

/// The size of the pages of a subscription. If a page exceeds the client's limit of an answer, half of it is requested.
#[derive(Debug)]
pub(super) struct Pages {
    largest: usize,
    next: PageRequest,
}

impl Pages {
    pub(super) fn new(largest: usize) -> Self {
        Self { largest, next: PageRequest::Events(largest) }
    }

    pub(super) fn next(&self) -> PageRequest {
        self.next
    }

    /// Takes a larger page after a success.
    pub(super) fn grow(&mut self) {
        self.next = match self.next {
            PageRequest::Events(most) => {
                PageRequest::Events(most.saturating_mul(2).min(self.largest))
            }
            PageRequest::Nothing | PageRequest::Position => PageRequest::Events(1),
        };
    }

    /// Takes a smaller page after this error. Returns `false` if that cannot help.
    ///
    /// An answer that is too long is a protocol error; no transport reports more than that.
    pub(super) fn shrink(&mut self, error: &Error) -> bool {
        let next = match self.next {
            PageRequest::Events(..=1) => PageRequest::Position,
            PageRequest::Events(most) => PageRequest::Events(most / 2),
            PageRequest::Nothing | PageRequest::Position => return false,
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
