//! The sorted set: members by name and by score.

use std::cmp::Ordering;
use std::collections::{BTreeSet, HashMap};
use std::ops::Bound;

use bytes::Bytes;

/// A score in the order that Redis sorts by; never NaN.
#[derive(Clone, Copy, PartialEq)]
pub(super) struct Score(pub(super) f64);

impl Eq for Score {}

impl Ord for Score {
    fn cmp(&self, other: &Self) -> Ordering {
        // 0 and -0 sort as one.
        self.0.partial_cmp(&other.0).unwrap_or(Ordering::Equal)
    }
}

impl PartialOrd for Score {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[derive(Clone, Default)]
pub(super) struct SortedSet {
    scores: HashMap<Bytes, f64>,
    order: BTreeSet<(Score, Bytes)>,
}

impl SortedSet {
    pub(super) fn len(&self) -> usize {
        self.scores.len()
    }

    pub(super) fn score(&self, member: &[u8]) -> Option<f64> {
        self.scores.get(member).copied()
    }

    /// Sets a member's score, and gives the old one.
    pub(super) fn insert(&mut self, member: Bytes, score: f64) -> Option<f64> {
        let old = self.scores.insert(member.clone(), score);
        if let Some(old) = old {
            self.order.remove(&(Score(old), member.clone()));
        }
        self.order.insert((Score(score), member));
        old
    }

    pub(super) fn remove(&mut self, member: &[u8]) -> Option<f64> {
        let (member, score) = self.scores.remove_entry(member)?;
        self.order.remove(&(Score(score), member));
        Some(score)
    }

    /// All members from the lowest score to the highest.
    pub(super) fn iter(
        &self,
    ) -> impl DoubleEndedIterator<Item = (&Bytes, f64)> + ExactSizeIterator {
        self.order.iter().map(|(score, member)| (member, score.0))
    }

    /// How many members come before this one.
    pub(super) fn rank(&self, member: &[u8]) -> Option<usize> {
        let score = self.score(member)?;
        let end = (Score(score), Bytes::copy_from_slice(member));
        Some(self.order.range(..end).count())
    }

    pub(super) fn by_rank(&self, ranks: std::ops::Range<usize>) -> Vec<(Bytes, f64)> {
        let members = self.iter().skip(ranks.start).take(ranks.len());
        members.map(|(member, score)| (member.clone(), score)).collect()
    }

    pub(super) fn by_score(&self, range: &ScoreRange) -> Vec<(Bytes, f64)> {
        // Nothing is lower than an empty member, so it marks the beginning of a score.
        let lowest = match range.min {
            Bound::Included(score) | Bound::Excluded(score) => {
                Bound::Included((Score(score), Bytes::new()))
            }
            Bound::Unbounded => Bound::Unbounded,
        };
        self.order
            .range((lowest, Bound::Unbounded))
            .map(|(score, member)| (member, score.0))
            .take_while(|(_, score)| !range.is_above(*score))
            .filter(|(_, score)| range.contains(*score))
            .map(|(member, score)| (member.clone(), score))
            .collect()
    }

    pub(super) fn by_lex(&self, range: &LexRange) -> Vec<(Bytes, f64)> {
        self.iter()
            .filter(|(member, _)| range.contains(member))
            .map(|(member, score)| (member.clone(), score))
            .collect()
    }
}

impl FromIterator<(Bytes, f64)> for SortedSet {
    fn from_iter<I: IntoIterator<Item = (Bytes, f64)>>(members: I) -> Self {
        let mut set = Self::default();
        for (member, score) in members {
            set.insert(member, score);
        }
        set
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

    fn is_above(&self, score: f64) -> bool {
        match self.max {
            Bound::Included(max) => score > max,
            Bound::Excluded(max) => score >= max,
            Bound::Unbounded => false,
        }
    }

    fn contains(&self, score: f64) -> bool {
        let high_enough = match self.min {
            Bound::Included(min) => score >= min,
            Bound::Excluded(min) => score > min,
            Bound::Unbounded => true,
        };
        high_enough && !self.is_above(score)
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

    fn contains(&self, candidate: &[u8]) -> bool {
        let high_enough = match &self.min {
            LexBound::Lowest => true,
            LexBound::Highest => false,
            LexBound::At { member, included } => {
                candidate > member || (*included && candidate == member)
            }
        };
        let low_enough = match &self.max {
            LexBound::Lowest => false,
            LexBound::Highest => true,
            LexBound::At { member, included } => {
                candidate < member || (*included && candidate == member)
            }
        };
        high_enough && low_enough
    }
}
