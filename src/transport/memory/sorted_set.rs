//! The sorted set: members by name and by score.

use std::ops::{Bound, Range};

use bytes::Bytes;
use indexmap::IndexMap;

use super::score_tree::ScoreTree;
use super::steps;

#[derive(Default)]
pub(super) struct SortedSet {
    /// In a stable order. If one is removed, the last one takes its place.
    scores: IndexMap<Bytes, f64>,
    order: ScoreTree,
    /// The length of all members together.
    bytes: usize,
}

/// Members with their scores, in order.
pub(super) type Members = Vec<(Bytes, f64)>;

impl SortedSet {
    pub(super) fn len(&self) -> usize {
        self.scores.len()
    }

    /// The length of all members together.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn score(&self, member: &[u8]) -> Option<f64> {
        steps::count(1);
        self.scores.get(member).copied()
    }

    /// Sets a member's score.
    pub(super) fn insert(&mut self, member: Bytes, score: f64) {
        steps::count(1);
        match self.scores.insert(member.clone(), score) {
            Some(old) => {
                self.order.remove(&member, old);
            }
            None => self.bytes += member.len(),
        }
        self.order.insert(member, score);
    }

    /// Whether the member was there.
    pub(super) fn remove(&mut self, member: &[u8]) -> bool {
        steps::count(1);
        let Some(score) = self.scores.swap_remove(member) else { return false };
        self.bytes -= member.len();
        self.order.remove(member, score)
    }

    /// All members, in no particular order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&Bytes, f64)> {
        self.scores.iter().inspect(|_| steps::count(1)).map(|(member, score)| (member, *score))
    }

    /// The member at a position in the order of [`SortedSet::iter`].
    pub(super) fn get_index(&self, at: usize) -> Option<(&Bytes, f64)> {
        steps::count(1);
        self.scores.get_index(at).map(|(member, score)| (member, *score))
    }

    /// How many members come before this one.
    pub(super) fn rank(&self, member: &[u8]) -> Option<usize> {
        let score = self.score(member)?;
        Some(self.order.count_while(|other, of_other| {
            of_other < score || (of_other == score && &other[..] < member)
        }))
    }

    /// The members at some ranks.
    pub(super) fn by_rank(&self, ranks: Range<usize>) -> Members {
        self.order.range(ranks)
    }

    /// Removes the members at some ranks.
    pub(super) fn take_ranks(&mut self, ranks: Range<usize>) -> Members {
        let taken = self.order.take(ranks);
        steps::count(taken.len());
        for (member, _) in &taken {
            self.bytes -= member.len();
            self.scores.swap_remove(member);
        }
        taken
    }

    /// The ranks of the members with these scores.
    pub(super) fn ranks_by_score(&self, range: &ScoreRange) -> Range<usize> {
        let start = self.order.count_while(|_, score| range.is_below(score));
        let end = self.order.count_while(|_, score| !range.is_above(score));
        start..end.max(start)
    }

    /// The ranks of the members with these names, if all scores are equal. If they are not, the result is undefined as in Redis.
    pub(super) fn ranks_by_lex(&self, range: &LexRange) -> Range<usize> {
        let start = self.order.count_while(|member, _| range.is_below(member));
        let end = self.order.count_while(|member, _| !range.is_above(member));
        start..end.max(start)
    }
}

impl Clone for SortedSet {
    fn clone(&self) -> Self {
        steps::count(self.len());
        Self { scores: self.scores.clone(), order: self.order.clone(), bytes: self.bytes }
    }
}

impl From<IndexMap<Bytes, f64>> for SortedSet {
    fn from(scores: IndexMap<Bytes, f64>) -> Self {
        let members = scores.iter().map(|(member, score)| (member.clone(), *score));
        let order = ScoreTree::new(members.collect());
        let bytes = scores.keys().map(Bytes::len).sum();
        Self { scores, order, bytes }
    }
}

/// A range of scores, as `ZRANGE … BYSCORE` writes it.
pub(super) struct ScoreRange {
    min: Bound<f64>,
    max: Bound<f64>,
}

impl ScoreRange {
    pub(super) fn parse(min: &[u8], max: &[u8]) -> Option<Self> {
        fn bound(text: &[u8]) -> Option<Bound<f64>> {
            match text.strip_prefix(b"(") {
                Some(score) => super::number::float(score).map(Bound::Excluded),
                None => super::number::float(text).map(Bound::Included),
            }
        }
        Some(Self { min: bound(min)?, max: bound(max)? })
    }

    /// From a score on, and below another one.
    pub(super) fn half_open(scores: Range<f64>) -> Self {
        Self { min: Bound::Included(scores.start), max: Bound::Excluded(scores.end) }
    }

    fn is_below(&self, score: f64) -> bool {
        match self.min {
            Bound::Included(min) => score < min,
            Bound::Excluded(min) => score <= min,
            Bound::Unbounded => false,
        }
    }

    fn is_above(&self, score: f64) -> bool {
        match self.max {
            Bound::Included(max) => score > max,
            Bound::Excluded(max) => score >= max,
            Bound::Unbounded => false,
        }
    }
}

/// A range of members, as `ZRANGE … BYLEX` writes it.
pub(super) struct LexRange {
    min: LexBound,
    max: LexBound,
}

enum LexBound {
    Lowest,
    Highest,
    At { member: Bytes, included: bool },
}

impl LexBound {
    fn parse(text: &[u8]) -> Option<Self> {
        match text {
            b"-" => Some(Self::Lowest),
            b"+" => Some(Self::Highest),
            [open @ (b'[' | b'('), member @ ..] => {
                Some(Self::At { member: Bytes::copy_from_slice(member), included: *open == b'[' })
            }
            _ => None,
        }
    }
}

impl LexRange {
    pub(super) fn parse(min: &[u8], max: &[u8]) -> Option<Self> {
        Some(Self { min: LexBound::parse(min)?, max: LexBound::parse(max)? })
    }

    fn is_below(&self, candidate: &[u8]) -> bool {
        match &self.min {
            LexBound::Lowest => false,
            LexBound::Highest => true,
            LexBound::At { member, included: true } => candidate < member,
            LexBound::At { member, included: false } => candidate <= member,
        }
    }

    fn is_above(&self, candidate: &[u8]) -> bool {
        match &self.max {
            LexBound::Lowest => true,
            LexBound::Highest => false,
            LexBound::At { member, included: true } => candidate > member,
            LexBound::At { member, included: false } => candidate >= member,
        }
    }
}
