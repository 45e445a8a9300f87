//! Ranges of ranks, scores and members.

use std::ops::{Bound, RangeBounds};

use crate::command::Command;

/// Which members ZRANGE returns, and in what order.
///
/// ```
/// use edgecask::command::sorted_sets::ZRange;
///
/// let top_ten = ZRange::rank(0, 9).rev();
/// let passed = ZRange::score(50.0..).limit(0, 100);
/// let names_with_a = ZRange::lex("a".."b");
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ZRange {
    first: Vec<u8>,
    last: Vec<u8>,
    by: Option<&'static str>,
    rev: bool,
    limit: Option<(i64, i64)>,
}

impl ZRange {
    fn new(first: Vec<u8>, last: Vec<u8>, by: Option<&'static str>) -> Self {
        Self { first, last, by, rev: false, limit: None }
    }

    /// By rank, both ends included; negative ranks count from the end.
    pub fn rank(start: i64, stop: i64) -> Self {
        Self::new(start.to_string().into(), stop.to_string().into(), None)
    }

    /// By score (`BYSCORE`).
    pub fn score(scores: impl RangeBounds<f64>) -> Self {
        let (min, max) = score_bounds(&scores);
        Self::new(min.into(), max.into(), Some("BYSCORE"))
    }

    /// By the members' bytes, where all scores are equal (`BYLEX`).
    pub fn lex<T: AsRef<[u8]>>(members: impl RangeBounds<T>) -> Self {
        let (min, max) = lex_bounds(&members);
        Self::new(min, max, Some("BYLEX"))
    }

    /// From the highest to the lowest (`REV`).
    #[must_use]
    pub fn rev(mut self) -> Self {
        self.rev = true;
        self
    }

    /// Skips `offset` members and gives at most `count` (a negative count: all). Not for ranks.
    #[must_use]
    pub fn limit(mut self, offset: i64, count: i64) -> Self {
        self.limit = Some((offset, count));
        self
    }

    pub(super) fn append(&self, command: Command) -> Command {
        // In reverse order by score or member, Redis takes the higher end first.
        let (first, last) = if self.rev && self.by.is_some() {
            (&self.last, &self.first)
        } else {
            (&self.first, &self.last)
        };
        let mut command = command.arg(first).arg(last);
        if let Some(by) = self.by {
            command = command.arg(by);
        }
        command = command.arg_if(self.rev, "REV");
        match self.limit {
            Some((offset, count)) => command.arg("LIMIT").arg(offset).arg(count),
            None => command,
        }
    }
}

pub(super) fn score_bounds(scores: &impl RangeBounds<f64>) -> (String, String) {
    fn text(bound: Bound<&f64>, open: &str) -> String {
        match bound {
            Bound::Included(score) => score.to_string(),
            Bound::Excluded(score) => format!("({score}"),
            Bound::Unbounded => open.to_owned(),
        }
    }
    (text(scores.start_bound(), "-inf"), text(scores.end_bound(), "+inf"))
}

pub(super) fn lex_bounds<T: AsRef<[u8]>>(members: &impl RangeBounds<T>) -> (Vec<u8>, Vec<u8>) {
    fn bytes<T: AsRef<[u8]>>(bound: Bound<&T>, open: &str) -> Vec<u8> {
        match bound {
            Bound::Included(member) => [b"[", member.as_ref()].concat(),
            Bound::Excluded(member) => [b"(", member.as_ref()].concat(),
            Bound::Unbounded => open.into(),
        }
    }
    (bytes(members.start_bound(), "-"), bytes(members.end_bound(), "+"))
}
