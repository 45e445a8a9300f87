//! The position of a subscription, and the effect of the next frame or the next page of the history on it.

use std::collections::VecDeque;

use super::frame::{Frame, Id};
use super::item::{Gap, GapReason, Start};
use super::position::Position;

/// The number of recent events whose ids are remembered, so that none is given twice when a history comes back with older data.
const REMEMBERED: usize = 512;

/// The position of a subscription. It does no input or output.
#[derive(Debug)]
pub(super) struct Cursor {
    /// The position of the last event. `None` before the first read of the history, and where there is no history.
    position: Option<Position>,
    /// The position is not known yet: the oldest event comes first.
    oldest: bool,
    /// The id of the event at the position.
    last_id: String,
    /// The history went back, and its oldest events that are new to the subscriber come next, after a gap.
    rewound: bool,
    /// The last events that were given.
    given: VecDeque<(Option<Position>, u64)>,
}

/// What to do with a live frame.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It comes next.
    Give,
    /// It was given before.
    Drop,
    /// Other events may come before it: read the history.
    Read,
}

/// A page of the history.
#[derive(Debug)]
pub(super) struct Page {
    /// The position of the last event, and its id if that is known.
    pub(super) head: (Position, String),
    pub(super) events: Vec<Frame>,
    /// Whether there may be more.
    pub(super) is_full: bool,
}

/// The next item for the subscriber.
#[derive(Debug)]
pub(super) enum Next {
    Frame(Frame),
    Gap(Gap),
    /// An event that was given before has another position: only the subscription's position changes.
    At(Position),
}

impl Cursor {
    /// A cursor for this start. `head` is the last event of the history.
    pub(super) fn new(start: Start, head: Option<(Position, String)>) -> Self {
        let oldest = start == Start::Oldest;
        let (position, last_id) = match start {
            Start::Oldest => (None, String::new()),
            Start::Now => head.map_or((None, String::new()), |(at, id)| (Some(at), id)),
            Start::After(position) => (Some(position), String::new()),
        };
        Self { position, oldest, last_id, rewound: false, given: VecDeque::new() }
    }

    pub(super) fn position(&self) -> Option<Position> {
        self.position
    }

    pub(super) fn last_id(&self) -> &str {
        &self.last_id
    }

    /// Decides what to do with a live frame.
    pub(super) fn judge(&mut self, frame: &Frame) -> Verdict {
        let Some(at) = frame.position else {
            return self.give(None, &frame.id);
        };
        let is_next = match self.position {
            _ if self.oldest => false,
            None => false,
            // The offset alone does not suffice: the history may have gone back, and have reached it again with other events.
            Some(last) => {
                let follows = |id: &String| self.last_id.is_empty() || *id == self.last_id;
                last.epoch == at.epoch
                    && last.offset.checked_add(1) == Some(at.offset)
                    && frame.after.as_ref().is_none_or(follows)
            }
        };
        if is_next {
            self.position = Some(at);
            return self.give(Some(at), &frame.id);
        }
        match self.given.contains(&(Some(at), frame.id.hash)) {
            true => Verdict::Drop,
            false => Verdict::Read,
        }
    }

    /// As [`Cursor::judge`], for a subscription without a history.
    pub(super) fn judge_live(&mut self, frame: &Frame) -> Verdict {
        self.give(None, &frame.id)
    }

    /// Takes a page of the history, and returns whether to read the next one at once.
    pub(super) fn take(&mut self, page: Page, slow: bool, next: &mut VecDeque<Next>) -> bool {
        let Page { head: (head, head_id), events, is_full } = page;
        let first = events.first().and_then(|frame| frame.position).unwrap_or(head);
        let before_first = Position {
            epoch: head.epoch,
            offset: if events.is_empty() { head.offset } else { first.offset.saturating_sub(1) },
        };
        match self.position {
            _ if std::mem::take(&mut self.oldest) => self.position = Some(before_first),
            None => self.position = Some(head),
            Some(last) if last.epoch != head.epoch => self.lost(before_first, next),
            Some(last)
                if head.offset < last.offset
                    || (head == last && self.differs(&head_id))
                    || self.is_another(last, events.first()) =>
            {
                self.position = Some(self.before_rewind(last, head));
                self.last_id.clear();
                self.rewound = true;
                return true;
            }
            Some(last) if self.rewound => {
                // The same gap covers the events that were dropped before the oldest one.
                let offset = before_first.offset.max(last.offset);
                self.lost(Position { offset, ..last }, next);
            }
            Some(_) => {}
        }
        let missing = if slow { GapReason::TooSlow } else { GapReason::Trimmed };
        for frame in events {
            let (Some(at), Some(last)) = (frame.position, self.position) else { continue };
            if at.offset <= last.offset {
                if at == last && self.last_id.is_empty() {
                    self.last_id = frame.id.text;
                }
                continue;
            }
            self.skip_to(at.offset - 1, missing, next);
            self.position = Some(at);
            next.push_back(match self.give(Some(at), &frame.id) {
                Verdict::Give => Next::Frame(frame),
                _ => Next::At(at),
            });
        }
        if !is_full {
            self.skip_to(head.offset, missing, next);
        }
        if self.position == Some(head) && self.last_id.is_empty() {
            self.last_id = head_id;
        }
        is_full
    }

    /// Moves to this offset of the same epoch; the events in between are missing.
    fn skip_to(&mut self, offset: u64, reason: GapReason, next: &mut VecDeque<Next>) {
        let Some(last) = self.position else { return };
        let missed = offset.saturating_sub(last.offset);
        if missed > 0 {
            let position = Some(Position { offset, ..last });
            self.position = position;
            self.last_id.clear();
            next.push_back(Next::Gap(Gap { reason, missed: Some(missed), position }));
        }
    }

    /// Moves to another position; the number of events in between is unknown.
    fn lost(&mut self, position: Position, next: &mut VecDeque<Next>) {
        self.rewound = false;
        self.position = Some(position);
        self.last_id.clear();
        let (reason, position) = (GapReason::HistoryLost, Some(position));
        next.push_back(Next::Gap(Gap { reason, missed: None, position }));
    }

    /// Whether the event of the history at our position differs from the one that was given.
    fn is_another(&self, last: Position, first: Option<&Frame>) -> bool {
        let Some((frame, at)) = first.and_then(|frame| Some((frame, frame.position?))) else {
            return false;
        };
        let here = if at == last {
            Some(&frame.id.text)
        } else if at.offset.checked_sub(1) == Some(last.offset) {
            // Our event was trimmed; the next one has its id.
            frame.after.as_ref()
        } else {
            None
        };
        here.is_some_and(|id| self.differs(id))
    }

    /// Whether this is the id of another event than the last given one. `false` if one of the ids is unknown.
    fn differs(&self, id: &str) -> bool {
        !id.is_empty() && !self.last_id.is_empty() && *id != self.last_id
    }

    /// The position after which a history that came back with older data is read again. Its events that were given are recognised by
    /// their ids. If no event is known to have been given, all of them are new.
    fn before_rewind(&self, last: Position, head: Position) -> Position {
        let of_epoch = |(at, _): &(Option<Position>, u64)| {
            at.filter(|at| at.epoch == last.epoch).map(|at| at.offset)
        };
        let first = self.given.iter().filter_map(of_epoch).min().unwrap_or(0);
        Position { offset: first.saturating_sub(1).min(head.offset), ..last }
    }

    /// Records that an event is given, unless it was given before.
    fn give(&mut self, at: Option<Position>, id: &Id) -> Verdict {
        if at.is_some() {
            self.last_id.clone_from(&id.text);
        }
        if !id.text.is_empty() {
            if self.given.iter().any(|(_, hash)| *hash == id.hash) {
                return Verdict::Drop;
            }
            if self.given.len() == REMEMBERED {
                self.given.pop_front();
            }
            self.given.push_back((at, id.hash));
        }
        Verdict::Give
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(epoch: u64, offset: u64) -> Position {
        Position { epoch, offset }
    }

    fn frame(position: Position, id: &str) -> Frame {
        Frame::kept(position, format!("\"id\":\"{id}\",\"name\":\"n\",\"data\":0}}").as_bytes())
    }

    fn page(head: Position, events: &[(u64, &str)], is_full: bool) -> Page {
        let events = events.iter().map(|(offset, id)| frame(at(head.epoch, *offset), id)).collect();
        Page { head: (head, String::new()), events, is_full }
    }

    /// The offsets that come next, and gaps as `None`.
    fn taken(cursor: &mut Cursor, page: Page) -> (Vec<Option<u64>>, bool) {
        let mut next = VecDeque::new();
        let more = cursor.take(page, false, &mut next);
        let given = next.into_iter().filter(|next| !matches!(next, Next::At(_)));
        let offsets = given.map(|next| match next {
            Next::Frame(frame) => frame.position.map(|at| at.offset),
            Next::Gap(_) | Next::At(_) => None,
        });
        (offsets.collect(), more)
    }

    #[test]
    fn live_frames_come_in_order_and_once() {
        let mut cursor = Cursor::new(Start::Now, Some((at(1, 3), "c".to_owned())));
        assert_eq!(cursor.judge(&frame(at(1, 4), "d")), Verdict::Give);
        assert_eq!(cursor.judge(&frame(at(1, 4), "d")), Verdict::Drop);
        assert_eq!(cursor.judge(&frame(at(1, 6), "f")), Verdict::Read);
        assert_eq!(cursor.judge(&frame(at(2, 1), "x")), Verdict::Read);
        assert_eq!(cursor.judge(&frame(at(1, u64::MAX), "x")), Verdict::Read);
        let read = page(at(1, 6), &[(4, "d"), (5, "e"), (6, "f")], false);
        assert_eq!(taken(&mut cursor, read), (vec![Some(5), Some(6)], false));
    }

    #[test]
    fn every_hole_is_a_gap() {
        let new = || Cursor::new(Start::After(at(1, 3)), None);
        // Trimmed at the beginning, in the middle, at the end, and all of it.
        let trimmed = page(at(1, 8), &[(5, "e"), (7, "g")], false);
        assert_eq!(taken(&mut new(), trimmed).0, [None, Some(5), None, Some(7), None]);
        assert_eq!(taken(&mut new(), page(at(1, 4), &[], false)).0, [None]);
        // Another epoch, and an older state.
        assert_eq!(taken(&mut new(), page(at(2, 2), &[(2, "b")], false)).0, [None, Some(2)]);
        let mut ahead = new();
        assert_eq!(taken(&mut ahead, page(at(1, 2), &[], false)), (vec![], true));
        // All that is kept is new, and what was trimmed of it is in the one gap.
        assert_eq!(taken(&mut ahead, page(at(1, 2), &[(2, "b")], false)).0, [None, Some(2)]);
        // Nothing is missing.
        assert_eq!(taken(&mut new(), page(at(1, 3), &[(3, "c")], false)), (vec![], false));
        let mut oldest = Cursor::new(Start::Oldest, None);
        assert_eq!(taken(&mut oldest, page(at(1, 8), &[(7, "g"), (8, "h")], false)).0.len(), 2);
        let mut first = Cursor::new(Start::Now, Some((at(1, 0), String::new())));
        assert_eq!(taken(&mut first, page(at(1, 2), &[(2, "b")], false)).0, [None, Some(2)]);
    }

    #[test]
    fn a_history_that_went_back_gives_a_gap_and_what_is_new_in_it() {
        let mut cursor = Cursor::new(Start::Now, Some((at(1, 0), String::new())));
        for (offset, id) in [(1, "a"), (2, "b"), (3, "c")] {
            assert_eq!(cursor.judge(&frame(at(1, offset), id)), Verdict::Give);
        }
        // The last two events were lost, and others have their numbers.
        let events = [(1, "a"), (2, "x"), (3, "y"), (4, "z")];
        assert_eq!(taken(&mut cursor, page(at(1, 4), &events[2..], false)), (vec![], true));
        assert_eq!(cursor.position(), Some(at(1, 0)));
        let again = taken(&mut cursor, page(at(1, 4), &events, false)).0;
        assert_eq!(again, [None, Some(2), Some(3), Some(4)]);
        // The one in our place was trimmed.
        let mut trimmed = page(at(1, 5), &[(5, "v")], false);
        trimmed.events[0].after = Some("w".to_owned());
        assert_eq!(taken(&mut cursor, trimmed), (vec![], true));
    }

    #[test]
    fn another_event_in_our_place_is_seen_by_its_id() {
        let head = |offset, id: &str| Page {
            head: (at(1, offset), id.to_owned()),
            events: Vec::new(),
            is_full: false,
        };
        // The id comes from the event at the position, or from the head.
        for read in [page(at(1, 5), &[(5, "a")], false), head(5, "a")] {
            let mut resumed = Cursor::new(Start::After(at(1, 5)), None);
            assert_eq!(taken(&mut resumed, read), (vec![], false));
            assert_eq!(resumed.last_id(), "a");
            // A live frame that follows another event than ours.
            let mut next = frame(at(1, 6), "f");
            next.after = Some("b".to_owned());
            assert_eq!(resumed.judge(&next), Verdict::Read);
            // The head tells where the history has expired.
            assert_eq!(taken(&mut resumed, head(5, "b")), (vec![], true));
            assert_eq!(taken(&mut resumed, head(5, "b")), (vec![None], false));
            assert_eq!(resumed.last_id(), "b");
            next.after = Some("b".to_owned());
            assert_eq!(resumed.judge(&next), Verdict::Give);
        }
    }

    #[test]
    fn an_event_that_is_not_given_again_moves_the_position() {
        let mut cursor = Cursor::new(Start::Now, Some((at(1, 0), String::new())));
        assert_eq!(cursor.judge(&frame(at(1, 1), "a")), Verdict::Give);
        assert_eq!(cursor.judge(&frame(at(1, 2), "b")), Verdict::Give);
        let mut next = VecDeque::new();
        let old = || page(at(1, 1), &[(1, "a")], false);
        assert!(cursor.take(old(), false, &mut next));
        assert!(!cursor.take(old(), false, &mut next));
        assert!(matches!(next.front(), Some(Next::Gap(_))));
        assert!(matches!(next.back(), Some(Next::At(last)) if *last == at(1, 1)));
    }
}
