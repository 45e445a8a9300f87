//! How far a subscription has come, and what the next frame or the next look at the history means for it.

use std::collections::VecDeque;

use super::frame::{Frame, Id};
use super::item::{Gap, GapReason, Start};
use super::position::Position;

/// How many of the last events are known by id, so that none is given twice when a history comes back with older data.
const REMEMBERED: usize = 512;

/// How far a subscription has come. It does no input or output.
#[derive(Debug)]
pub(super) struct Cursor {
    /// The next event is the one after this. `None` before the first look, and where there is no history.
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
    /// Others may come before it: look at the history.
    Look,
}

/// What a look at the history gave.
#[derive(Debug)]
pub(super) struct Page {
    /// The position of the last event, and its id if that is known.
    pub(super) head: (Position, String),
    pub(super) events: Vec<Frame>,
    /// Whether there may be more.
    pub(super) is_full: bool,
}

/// What comes next for the subscriber.
#[derive(Debug)]
pub(super) enum Next {
    Frame(Frame),
    Gap(Gap),
    /// An event was given before under another position: the subscription is here now.
    At(Position),
}

impl Cursor {
    /// A cursor for this start, if the history stands at `head`.
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

    /// What to do with a frame that was published now.
    pub(super) fn judge(&mut self, frame: &Frame) -> Verdict {
        let Some(at) = frame.position else {
            return self.give(None, &frame.id);
        };
        let is_next = match self.position {
            _ if self.oldest => false,
            None => false,
            // The number alone does not tell: the history may have gone back, and have come as far with other events.
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
            false => Verdict::Look,
        }
    }

    /// As [`Cursor::judge`], for a subscription without a history.
    pub(super) fn judge_live(&mut self, frame: &Frame) -> Verdict {
        self.give(None, &frame.id)
    }

    /// Takes what a look at the history gave, and returns whether to look again at once.
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
                // What was dropped before the oldest event is in the same gap.
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

    /// Goes on after this offset of the same epoch; what lies between is missing.
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

    /// Goes on after another position; what lies between is unknown.
    fn lost(&mut self, position: Position, next: &mut VecDeque<Next>) {
        self.rewound = false;
        self.position = Some(position);
        self.last_id.clear();
        let (reason, position) = (GapReason::HistoryLost, Some(position));
        next.push_back(Next::Gap(Gap { reason, missed: None, position }));
    }

    /// Whether the history has another event at our position than the one that was given.
    fn is_another(&self, last: Position, first: Option<&Frame>) -> bool {
        let Some((frame, at)) = first.and_then(|frame| Some((frame, frame.position?))) else {
            return false;
        };
        let here = if at == last {
            Some(&frame.id.text)
        } else if at.offset.checked_sub(1) == Some(last.offset) {
            // Ours was trimmed, and the next one tells what it was.
            frame.after.as_ref()
        } else {
            None
        };
        here.is_some_and(|id| self.differs(id))
    }

    /// Whether this is the id of another event than the one that was given last. Ids that are not known do not tell.
    fn differs(&self, id: &str) -> bool {
        !id.is_empty() && !self.last_id.is_empty() && *id != self.last_id
    }

    /// From where a history that came back with older data is read again: what was given of it is known by its ids. If nothing is
    /// known to have been given, all of it is new.
    fn before_rewind(&self, last: Position, head: Position) -> Position {
        let of_epoch = |(at, _): &(Option<Position>, u64)| {
            at.filter(|at| at.epoch == last.epoch).map(|at| at.offset)
        };
        let first = self.given.iter().filter_map(of_epoch).min().unwrap_or(0);
        Position { offset: first.saturating_sub(1).min(head.offset), ..last }
    }

    /// Notes that an event is given, unless it was given before.
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
        assert_eq!(cursor.judge(&frame(at(1, 6), "f")), Verdict::Look);
        assert_eq!(cursor.judge(&frame(at(2, 1), "x")), Verdict::Look);
        assert_eq!(cursor.judge(&frame(at(1, u64::MAX), "x")), Verdict::Look);
        let look = page(at(1, 6), &[(4, "d"), (5, "e"), (6, "f")], false);
        assert_eq!(taken(&mut cursor, look), (vec![Some(5), Some(6)], false));
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
        for look in [page(at(1, 5), &[(5, "a")], false), head(5, "a")] {
            let mut resumed = Cursor::new(Start::After(at(1, 5)), None);
            assert_eq!(taken(&mut resumed, look), (vec![], false));
            assert_eq!(resumed.last_id(), "a");
            // A live frame that follows another event than ours.
            let mut next = frame(at(1, 6), "f");
            next.after = Some("b".to_owned());
            assert_eq!(resumed.judge(&next), Verdict::Look);
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
