//! Unions, intersections and differences of sorted sets and plain sets.

use bytes::Bytes;
use indexmap::IndexMap;

use crate::transport::memory::args::{Args, syntax};
use crate::transport::memory::collections::Set;
use crate::transport::memory::keyspace::{Data, Keyspace, wrong_type};
use crate::transport::memory::number;
use crate::transport::memory::sorted_set::SortedSet;
use crate::{Error, Result};

#[derive(Clone, Copy)]
pub(super) enum Aggregate {
    Sum,
    Min,
    Max,
}

impl Aggregate {
    fn of(self, left: f64, right: f64) -> f64 {
        match self {
            // Infinities of both signs add up to 0, not to NaN.
            Self::Sum if (left + right).is_nan() => 0.0,
            Self::Sum => left + right,
            Self::Min => left.min(right),
            Self::Max => left.max(right),
        }
    }
}

#[derive(Clone, Copy, PartialEq)]
pub(super) enum Combine {
    Union,
    Inter,
    Diff,
}

impl Combine {
    fn run(self, sources: Vec<Source<'_>>, weights: &[f64], how: Aggregate) -> SortedSet {
        let sources = weighted(sources, weights);
        SortedSet::from(match self {
            Self::Union => union(sources, how),
            Self::Inter => intersection(sources, how, usize::MAX),
            Self::Diff => difference(sources),
        })
    }
}

/// The sorted set of a key. A plain set counts as a sorted set whose scores are all 1.
#[derive(Clone, Copy)]
pub(super) enum Source<'a> {
    Absent,
    Plain(&'a Set),
    Sorted(&'a SortedSet),
}

impl<'a> Source<'a> {
    fn len(self) -> usize {
        match self {
            Self::Absent => 0,
            Self::Plain(set) => set.len(),
            Self::Sorted(set) => set.len(),
        }
    }

    fn score(self, member: &[u8]) -> Option<f64> {
        match self {
            Self::Absent => None,
            Self::Plain(set) => set.contains(member).then_some(1.0),
            Self::Sorted(set) => set.score(member),
        }
    }

    fn iter(self) -> Box<dyn Iterator<Item = (&'a Bytes, f64)> + 'a> {
        match self {
            Self::Absent => Box::new(std::iter::empty()),
            Self::Plain(set) => Box::new(set.iter().map(|member| (member, 1.0))),
            Self::Sorted(set) => Box::new(set.iter()),
        }
    }
}

pub(super) fn sources<'a>(db: &'a Keyspace, keys: &[&[u8]]) -> Result<Vec<Source<'a>>> {
    keys.iter()
        .map(|key| match db.entry(key).map(|entry| &entry.data) {
            None => Ok(Source::Absent),
            Some(Data::SortedSet(set)) => Ok(Source::Sorted(set)),
            Some(Data::Set(set)) => Ok(Source::Plain(set)),
            Some(_) => Err(wrong_type()),
        })
        .collect()
}

/// Sources with their weights.
pub(super) type Weighted<'a> = Vec<(Source<'a>, f64)>;

pub(super) fn weighted<'a>(sources: Vec<Source<'a>>, weights: &[f64]) -> Weighted<'a> {
    sources.into_iter().zip(weights.iter().copied()).collect()
}

fn product(score: f64, weight: f64) -> f64 {
    let product = score * weight;
    if product.is_nan() { 0.0 } else { product }
}

/// As in Redis, the small sets come first. Sums of floats depend on this order.
fn by_size(mut sources: Weighted<'_>) -> Weighted<'_> {
    sources.sort_by_key(|(source, _)| source.len());
    sources
}

fn union(sources: Weighted<'_>, how: Aggregate) -> IndexMap<Bytes, f64> {
    let mut result = IndexMap::new();
    for (source, weight) in by_size(sources) {
        for (member, score) in source.iter() {
            let score = product(score, weight);
            let together = result.entry(member.clone());
            together.and_modify(|old| *old = how.of(*old, score)).or_insert(score);
        }
    }
    result
}

/// Up to `most` of the members that all sources have.
pub(super) fn intersection(
    sources: Weighted<'_>,
    how: Aggregate,
    most: usize,
) -> IndexMap<Bytes, f64> {
    let sources = by_size(sources);
    let Some(((smallest, weight), others)) = sources.split_first() else {
        return IndexMap::new();
    };
    let in_all = |(member, score): (&Bytes, f64)| {
        let first = product(score, *weight);
        let score = others.iter().try_fold(first, |score, (other, weight)| {
            Some(how.of(score, product(other.score(member)?, *weight)))
        });
        Some((member.clone(), score?))
    };
    smallest.iter().filter_map(in_all).take(most).collect()
}

fn difference(sources: Weighted<'_>) -> IndexMap<Bytes, f64> {
    let Some(((first, _), others)) = sources.split_first() else {
        return IndexMap::new();
    };
    let total: usize = others.iter().map(|(other, _)| other.len()).sum();
    // The cheaper way is taken: to look each member up in all other sets, or to remove the members of all other sets.
    if first.len().saturating_mul(others.len()) <= first.len().saturating_add(total) {
        let in_none = |(member, _): &(&Bytes, f64)| {
            others.iter().all(|(other, _)| other.score(member).is_none())
        };
        return first
            .iter()
            .filter(in_none)
            .map(|(member, score)| (member.clone(), score))
            .collect();
    }
    let mut left: IndexMap<Bytes, f64> =
        first.iter().map(|(member, score)| (member.clone(), score)).collect();
    for (member, _) in others.iter().flat_map(|(other, _)| other.iter()) {
        left.swap_remove(member);
    }
    left
}

/// `numkeys key [key …] [WEIGHTS w [w …]] [AGGREGATE SUM | MIN | MAX] [WITHSCORES]` from a position on.
pub(super) fn combined(
    db: &Keyspace,
    args: Args<'_>,
    start: usize,
    how: Combine,
) -> Result<(SortedSet, bool)> {
    let count = args.int(start)?;
    if count < 1 {
        return Err(Error::server(&format!(
            "ERR at least 1 input key is needed for '{}' command",
            args.command().name().to_ascii_lowercase()
        )));
    }
    let (keys, mut at) = args.counted_keys(start, "ERR syntax error")?;
    let sources = sources(db, &keys)?;
    let mut weights = vec![1.0; keys.len()];
    let (mut aggregate, mut with_scores) = (Aggregate::Sum, false);
    while at < args.len() {
        match args.word(at).as_str() {
            "WEIGHTS" if how != Combine::Diff && args.len() - at > keys.len() => {
                for (offset, weight) in weights.iter_mut().enumerate() {
                    *weight = number::float(args.at(at + 1 + offset)?)
                        .ok_or_else(|| Error::server("ERR weight value is not a float"))?;
                }
                at += keys.len();
            }
            "AGGREGATE" if how != Combine::Diff => {
                aggregate = match args.word(at + 1).as_str() {
                    "SUM" => Aggregate::Sum,
                    "MIN" => Aggregate::Min,
                    "MAX" => Aggregate::Max,
                    _ => return Err(syntax()),
                };
                at += 1;
            }
            "WITHSCORES" if start == 0 => with_scores = true,
            _ => return Err(syntax()),
        }
        at += 1;
    }
    Ok((how.run(sources, &weights, aggregate), with_scores))
}
