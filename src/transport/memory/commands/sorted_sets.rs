use bytes::Bytes;
use indexmap::IndexMap;

use super::keys::{Scan, page};
use super::lists::{mpop_count, range};
use super::replies::length;
use super::sets::{intercard_keys, intercard_limit, random_picks};
use crate::transport::memory::args::{Args, syntax};
use crate::transport::memory::collections::Set;
use crate::transport::memory::engine::{Handler, on_keys};
use crate::transport::memory::keyspace::{Data, Keyspace, wrong_type};
use crate::transport::memory::number;
use crate::transport::memory::sorted_set::{LexRange, Members, ScoreRange, SortedSet};
use crate::{Error, Result, Value};

pub(super) const HANDLERS: &[Handler] = on_keys![
    "ZADD" -4 zadd,
    "ZCARD" 2 |db, args| Ok(length(db.read::<SortedSet>(args.at(0)?)?.map_or(0, SortedSet::len))),
    "ZCOUNT" 4 |db, args| {
        let range = score_range(args, 1, 2)?;
        Ok(length(select(db, args, |set| set.ranks_by_score(&range).len())?))
    },
    "ZDIFF" -3 |db, args| combine(db, args, Combine::Diff),
    "ZDIFFSTORE" -4 |db, args| combine_and_store(db, args, Combine::Diff),
    "ZINCRBY" 4 |db, args| {
        let (by, member) = (args.float(1)?, args.bytes(2)?);
        db.update::<SortedSet, _>(args.at(0)?, |set| {
            let score = set.score(&member).map_or(by, |old| old + by);
            if score.is_nan() {
                return Err(Error::server("ERR resulting score is not a number (NaN)"));
            }
            set.insert(member, score);
            Ok(show(score))
        })
    },
    "ZINTER" -3 |db, args| combine(db, args, Combine::Inter),
    "ZINTERCARD" -3 |db, args| {
        let (keys, at) = intercard_keys(args)?;
        let sources = sources(db, &keys)?;
        let limit = intercard_limit(args, at)?;
        let weights = vec![1.0; sources.len()];
        Ok(length(intersection(weighted(sources, &weights), Aggregate::Sum, limit).len()))
    },
    "ZINTERSTORE" -4 |db, args| combine_and_store(db, args, Combine::Inter),
    "ZLEXCOUNT" 4 |db, args| {
        let range = lex_range(args, 1, 2)?;
        Ok(length(select(db, args, |set| set.ranks_by_lex(&range).len())?))
    },
    "ZMPOP" -4 zmpop,
    "ZMSCORE" -3 |db, args| {
        let set = db.read::<SortedSet>(args.at(0)?)?;
        let score = |member| set.and_then(|set| set.score(member)).map_or(Value::Nil, show);
        Ok(Value::Array(args.from(1).map(score).collect()))
    },
    "ZPOPMAX" -2 |db, args| zpop(db, args, true),
    "ZPOPMIN" -2 |db, args| zpop(db, args, false),
    "ZRANDMEMBER" -2 zrandmember,
    "ZRANGE" -4 |db, args| {
        let query = RangeQuery::parse(args, 1)?;
        let found = select(db, args, |set| query.run(set))?;
        Ok(reply(found, query.with_scores))
    },
    "ZRANGESTORE" -5 |db, args| {
        let query = RangeQuery::parse(args, 2)?;
        let found = db.read::<SortedSet>(args.at(1)?)?.map(|set| query.run(set));
        let found: IndexMap<Bytes, f64> = found.into_iter().flatten().collect();
        let set = SortedSet::from(found);
        let size = length(set.len());
        db.put_collection(args.at(0)?, set);
        Ok(size)
    },
    "ZRANK" 3 |db, args| {
        let member = args.at(1)?;
        let set = db.read::<SortedSet>(args.at(0)?)?;
        Ok(set.and_then(|set| set.rank(member)).map_or(Value::Nil, length))
    },
    "ZREM" -3 |db, args| {
        let removed = db.change::<SortedSet, _>(args.at(0)?, |set| {
            Ok(args.from(1).filter(|member| set.remove(member)).count())
        })?;
        Ok(length(removed.unwrap_or(0)))
    },
    "ZREMRANGEBYLEX" 4 |db, args| {
        let range = lex_range(args, 1, 2)?;
        remove(db, args, |set| set.ranks_by_lex(&range))
    },
    "ZREMRANGEBYRANK" 4 |db, args| {
        let (start, stop) = (args.int(1)?, args.int(2)?);
        remove(db, args, |set| range(set.len(), start, stop))
    },
    "ZREMRANGEBYSCORE" 4 |db, args| {
        let range = score_range(args, 1, 2)?;
        remove(db, args, |set| set.ranks_by_score(&range))
    },
    "ZREVRANK" 3 |db, args| {
        let member = args.at(1)?;
        let set = db.read::<SortedSet>(args.at(0)?)?;
        let rank = set.and_then(|set| Some(set.len() - 1 - set.rank(member)?));
        Ok(rank.map_or(Value::Nil, length))
    },
    "ZSCAN" -3 |db, args| {
        let cursor = Scan::cursor(args, 1)?;
        let scan = Scan::parse(args, 2)?;
        let set = db.read::<SortedSet>(args.at(0)?)?;
        Ok(page(set.map_or(0, SortedSet::len), cursor, scan.count, |at, items| {
            let found = set.and_then(|set| set.get_index(at));
            if let Some((member, score)) = found.filter(|(member, _)| scan.wants(member)) {
                items.extend([Value::Bulk(member.clone()), show(score)]);
            }
        }))
    },
    "ZSCORE" 3 |db, args| {
        let member = args.at(1)?;
        let set = db.read::<SortedSet>(args.at(0)?)?;
        Ok(set.and_then(|set| set.score(member)).map_or(Value::Nil, show))
    },
    "ZUNION" -3 |db, args| combine(db, args, Combine::Union),
    "ZUNIONSTORE" -4 |db, args| combine_and_store(db, args, Combine::Union),
];

fn show(score: f64) -> Value {
    Value::bulk(number::show(score))
}

fn reply(members: Members, with_scores: bool) -> Value {
    let mut items = Vec::with_capacity(members.len() * 2);
    for (member, score) in members {
        items.push(Value::Bulk(member));
        if with_scores {
            items.push(show(score));
        }
    }
    Value::Array(items)
}

fn select<T: Default>(
    db: &Keyspace,
    args: Args<'_>,
    select: impl FnOnce(&SortedSet) -> T,
) -> Result<T> {
    Ok(db.read::<SortedSet>(args.at(0)?)?.map(select).unwrap_or_default())
}

fn remove(
    db: &mut Keyspace,
    args: Args<'_>,
    which: impl FnOnce(&SortedSet) -> std::ops::Range<usize>,
) -> Result<Value> {
    let removed = db.change::<SortedSet, _>(args.at(0)?, |set| {
        let ranks = which(set);
        Ok(set.take_ranks(ranks).len())
    })?;
    Ok(length(removed.unwrap_or(0)))
}

fn score_range(args: Args<'_>, min: usize, max: usize) -> Result<ScoreRange> {
    ScoreRange::parse(args.at(min)?, args.at(max)?)
        .ok_or_else(|| Error::server("ERR min or max is not a float"))
}

fn lex_range(args: Args<'_>, min: usize, max: usize) -> Result<LexRange> {
    LexRange::parse(args.at(min)?, args.at(max)?)
        .ok_or_else(|| Error::server("ERR min or max not valid string range item"))
}

fn zadd(db: &mut Keyspace, args: Args<'_>) -> Result<Value> {
    let (mut nx, mut xx, mut gt, mut lt, mut ch, mut incr) =
        (false, false, false, false, false, false);
    let mut at = 1;
    loop {
        match args.word(at).as_str() {
            "NX" => nx = true,
            "XX" => xx = true,
            "GT" => gt = true,
            "LT" => lt = true,
            "CH" => ch = true,
            "INCR" => incr = true,
            _ => break,
        }
        at += 1;
    }
    let count = args.len().saturating_sub(at);
    if count == 0 || !count.is_multiple_of(2) {
        return Err(syntax());
    }
    if nx && xx {
        return Err(Error::server("ERR XX and NX options at the same time are not compatible"));
    }
    if (nx && (gt || lt)) || (gt && lt) {
        return Err(Error::server(
            "ERR GT, LT, and/or NX options at the same time are not compatible",
        ));
    }
    if incr && count > 2 {
        return Err(Error::server("ERR INCR option supports a single increment-element pair"));
    }
    // Every score is checked before the first is set.
    let members = (at..args.len())
        .step_by(2)
        .map(|at| Ok((args.float(at)?, args.bytes(at + 1)?)))
        .collect::<Result<Vec<_>>>()?;
    db.update::<SortedSet, _>(args.at(0)?, |set| {
        let (mut added, mut changed, mut last) = (0, 0, Value::Nil);
        for (score, member) in members {
            let old = set.score(&member);
            let score = old.filter(|_| incr).map_or(score, |old| old + score);
            if score.is_nan() {
                return Err(Error::server("ERR resulting score is not a number (NaN)"));
            }
            let refused = match old {
                Some(old) => nx || (gt && score <= old) || (lt && score >= old),
                None => xx,
            };
            if refused {
                continue;
            }
            match old {
                None => added += 1,
                Some(old) if old != score => changed += 1,
                Some(_) => {}
            }
            set.insert(member, score);
            last = show(score);
        }
        Ok(match (incr, ch) {
            (true, _) => last,
            (false, true) => length(added + changed),
            (false, false) => length(added),
        })
    })
}

fn pop(set: &mut SortedSet, highest: bool, count: usize) -> Members {
    let (size, count) = (set.len(), count.min(set.len()));
    let mut popped = set.take_ranks(if highest { size - count..size } else { 0..count });
    if highest {
        popped.reverse();
    }
    popped
}

fn zpop(db: &mut Keyspace, args: Args<'_>, highest: bool) -> Result<Value> {
    let count = match args.len() {
        1 => 1,
        2 => args.count(1)?,
        _ => return Err(syntax()),
    };
    let popped = db.change::<SortedSet, _>(args.at(0)?, |set| Ok(pop(set, highest, count)))?;
    Ok(reply(popped.unwrap_or_default(), true))
}

fn zmpop(db: &mut Keyspace, args: Args<'_>) -> Result<Value> {
    let (keys, at) = args.counted_keys(0, "ERR numkeys should be greater than 0")?;
    let highest = match args.word(at).as_str() {
        "MIN" => false,
        "MAX" => true,
        _ => return Err(syntax()),
    };
    let count = mpop_count(args, at + 1)?;
    for key in keys {
        if let Some(popped) = db.change::<SortedSet, _>(key, |set| Ok(pop(set, highest, count)))? {
            let pair = |(member, score)| Value::Array(vec![Value::Bulk(member), show(score)]);
            return Ok(Value::Array(vec![
                Value::bulk(Bytes::copy_from_slice(key)),
                Value::Array(popped.into_iter().map(pair).collect()),
            ]));
        }
    }
    Ok(Value::Nil)
}

fn zrandmember(db: &mut Keyspace, args: Args<'_>) -> Result<Value> {
    let mut random = db.random.fork();
    let with_scores = args.is(2, "WITHSCORES");
    if args.len() > 3 || (args.len() == 3 && !with_scores) {
        return Err(syntax());
    }
    let count = if args.len() > 1 { Some(args.int(1)?) } else { None };
    let set = db.read::<SortedSet>(args.at(0)?)?;
    let Some(count) = count else {
        let member = set.and_then(|set| set.get_index(random.usize(..set.len())));
        return Ok(member.map(|(member, _)| member.clone()).into());
    };
    let picks = random_picks(&mut random, set.map_or(0, SortedSet::len), count)?;
    let members = picks.into_iter().filter_map(|at| set?.get_index(at));
    let members = members.map(|(member, score)| (member.clone(), score));
    Ok(reply(members.collect(), with_scores))
}

/// `min max [BYSCORE | BYLEX] [REV] [LIMIT offset count] [WITHSCORES]`.
struct RangeQuery {
    by: By,
    rev: bool,
    limit: (usize, usize),
    with_scores: bool,
}

enum By {
    Rank(i64, i64),
    Score(ScoreRange),
    Lex(LexRange),
}

impl RangeQuery {
    fn parse(args: Args<'_>, start: usize) -> Result<Self> {
        let (mut by, mut rev, mut limit, mut with_scores) = ("", false, None, false);
        let mut at = start + 2;
        while at < args.len() {
            match args.word(at).as_str() {
                "BYSCORE" => by = "score",
                "BYLEX" => by = "lex",
                "REV" => rev = true,
                "WITHSCORES" if args.command().name() == "ZRANGE" => with_scores = true,
                "LIMIT" if at + 2 < args.len() => {
                    limit = Some((args.int(at + 1)?, args.int(at + 2)?));
                    at += 2;
                }
                _ => return Err(syntax()),
            }
            at += 1;
        }
        // A count of -1 is no limit.
        if limit.is_some_and(|(_, count)| count != -1) && by.is_empty() {
            return Err(Error::server(
                "ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX",
            ));
        }
        if with_scores && by == "lex" {
            return Err(Error::server(
                "ERR syntax error, WITHSCORES not supported in combination with BYLEX",
            ));
        }
        let (min, max) = if rev { (start + 1, start) } else { (start, start + 1) };
        let by = match by {
            "score" => By::Score(score_range(args, min, max)?),
            "lex" => By::Lex(lex_range(args, min, max)?),
            _ => By::Rank(args.int(start)?, args.int(start + 1)?),
        };
        let limit = match limit.filter(|_| !matches!(by, By::Rank(..))) {
            None => (0, usize::MAX),
            // With a negative offset there is no result. A negative count is no limit.
            Some((offset, count)) => match usize::try_from(offset) {
                Ok(offset) => (offset, usize::try_from(count).unwrap_or(usize::MAX)),
                Err(_) => (0, 0),
            },
        };
        Ok(Self { by, rev, limit, with_scores })
    }

    fn run(&self, set: &SortedSet) -> Members {
        let ranks = match &self.by {
            By::Rank(start, stop) => {
                let ranks = range(set.len(), *start, *stop);
                let last = set.len();
                if self.rev { last - ranks.end..last - ranks.start } else { ranks }
            }
            By::Score(range) => set.ranks_by_score(range),
            By::Lex(range) => set.ranks_by_lex(range),
        };
        let (offset, count) = (self.limit.0.min(ranks.len()), self.limit.1);
        let count = count.min(ranks.len() - offset);
        if self.rev {
            let end = ranks.end - offset;
            let mut found = set.by_rank(end - count..end);
            found.reverse();
            return found;
        }
        let start = ranks.start + offset;
        set.by_rank(start..start + count)
    }
}

#[derive(Clone, Copy)]
enum Aggregate {
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
enum Combine {
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
enum Source<'a> {
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

fn sources<'a>(db: &'a Keyspace, keys: &[&[u8]]) -> Result<Vec<Source<'a>>> {
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
type Weighted<'a> = Vec<(Source<'a>, f64)>;

fn weighted<'a>(sources: Vec<Source<'a>>, weights: &[f64]) -> Weighted<'a> {
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
fn intersection(sources: Weighted<'_>, how: Aggregate, most: usize) -> IndexMap<Bytes, f64> {
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
fn combined(
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

fn combine(db: &mut Keyspace, args: Args<'_>, how: Combine) -> Result<Value> {
    let (set, with_scores) = combined(db, args, 0, how)?;
    Ok(reply(set.by_rank(0..set.len()), with_scores))
}

fn combine_and_store(db: &mut Keyspace, args: Args<'_>, how: Combine) -> Result<Value> {
    let (set, _) = combined(db, args, 1, how)?;
    let size = length(set.len());
    db.put_collection(args.at(0)?, set);
    Ok(size)
}
