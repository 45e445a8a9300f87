use bytes::Bytes;

use super::args::{Args, syntax};
use super::engine::{Handler, on_keys};
use super::keys::{Scan, whole_page};
use super::keyspace::{Data, Keyspace, wrong_type};
use super::lists::{mpop_count, range};
use super::number;
use super::sets::{intercard_keys, intercard_limit, random_picks};
use super::sorted_set::{LexRange, ScoreRange, SortedSet};
use super::strings::length;
use crate::{Error, Result, Value};

pub(super) const HANDLERS: &[Handler] = on_keys![
    "ZADD" -4 zadd,
    "ZCARD" 2 |db, args| Ok(length(db.read::<SortedSet>(args.at(0)?)?.map_or(0, SortedSet::len))),
    "ZCOUNT" 4 |db, args| {
        let range = score_range(args, 1, 2)?;
        Ok(length(select(db, args, |set| set.by_score(&range))?.len()))
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
        Ok(length(Combine::Inter.run(sources, &weights, Aggregate::Sum).len().min(limit)))
    },
    "ZINTERSTORE" -4 |db, args| combine_and_store(db, args, Combine::Inter),
    "ZLEXCOUNT" 4 |db, args| {
        let range = lex_range(args, 1, 2)?;
        Ok(length(select(db, args, |set| set.by_lex(&range))?.len()))
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
        let set: SortedSet = found.into_iter().flatten().collect();
        let size = length(set.len());
        db.put_collection(args.at(0)?, set);
        Ok(size)
    },
    "ZRANK" 3 |db, args| {
        let member = args.at(1)?;
        let set = db.read::<SortedSet>(args.at(0)?)?;
        Ok(set.and_then(|set| set.rank(member)).map_or(Value::Nil, length))
    },
    "ZREM" -3 |db, args| remove(db, args, |_| args.from(1).map(Bytes::copy_from_slice).collect()),
    "ZREMRANGEBYLEX" 4 |db, args| {
        let range = lex_range(args, 1, 2)?;
        remove(db, args, |set| names(set.by_lex(&range)))
    },
    "ZREMRANGEBYRANK" 4 |db, args| {
        let (start, stop) = (args.int(1)?, args.int(2)?);
        remove(db, args, |set| names(set.by_rank(range(set.len(), start, stop))))
    },
    "ZREMRANGEBYSCORE" 4 |db, args| {
        let range = score_range(args, 1, 2)?;
        remove(db, args, |set| names(set.by_score(&range)))
    },
    "ZREVRANK" 3 |db, args| {
        let member = args.at(1)?;
        let set = db.read::<SortedSet>(args.at(0)?)?;
        let rank = set.and_then(|set| Some(set.len() - 1 - set.rank(member)?));
        Ok(rank.map_or(Value::Nil, length))
    },
    "ZSCAN" -3 |db, args| {
        Scan::cursor(args, 1)?;
        let scan = Scan::parse(args, 2)?;
        let set = db.read::<SortedSet>(args.at(0)?)?;
        let found = set.into_iter().flat_map(SortedSet::iter).filter(|(member, _)| scan.wants(member));
        let items = found.flat_map(|(member, score)| [Value::Bulk(member.clone()), show(score)]);
        Ok(whole_page(items.collect()))
    },
    "ZSCORE" 3 |db, args| {
        let member = args.at(1)?;
        let set = db.read::<SortedSet>(args.at(0)?)?;
        Ok(set.and_then(|set| set.score(member)).map_or(Value::Nil, show))
    },
    "ZUNION" -3 |db, args| combine(db, args, Combine::Union),
    "ZUNIONSTORE" -4 |db, args| combine_and_store(db, args, Combine::Union),
];

type Members = Vec<(Bytes, f64)>;

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

fn names(members: Members) -> Vec<Bytes> {
    members.into_iter().map(|(member, _)| member).collect()
}

fn select(
    db: &Keyspace,
    args: Args<'_>,
    select: impl FnOnce(&SortedSet) -> Members,
) -> Result<Members> {
    Ok(db.read::<SortedSet>(args.at(0)?)?.map(select).unwrap_or_default())
}

fn remove(
    db: &mut Keyspace,
    args: Args<'_>,
    which: impl FnOnce(&SortedSet) -> Vec<Bytes>,
) -> Result<Value> {
    let removed = db.change::<SortedSet, _>(args.at(0)?, |set| {
        let doomed = which(set);
        Ok(doomed.iter().filter(|member| set.remove(member).is_some()).count())
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
    let members = |iter: &mut dyn Iterator<Item = (&Bytes, f64)>| {
        iter.take(count).map(|(member, score)| (member.clone(), score)).collect::<Members>()
    };
    let popped = if highest { members(&mut set.iter().rev()) } else { members(&mut set.iter()) };
    for (member, _) in &popped {
        set.remove(member);
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
    let members = select(db, args, |set| set.by_rank(0..set.len()))?;
    let Some(count) = count else {
        return Ok(random.choice(&members).map(|(member, _)| member.clone()).into());
    };
    let picks = random_picks(&mut random, members.len(), count)?;
    Ok(reply(picks.into_iter().map(|at| members[at].clone()).collect(), with_scores))
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
            // A negative offset finds nothing, a negative count everything.
            Some((offset, count)) => match usize::try_from(offset) {
                Ok(offset) => (offset, usize::try_from(count).unwrap_or(usize::MAX)),
                Err(_) => (0, 0),
            },
        };
        Ok(Self { by, rev, limit, with_scores })
    }

    fn run(&self, set: &SortedSet) -> Members {
        let mut found = match &self.by {
            By::Rank(start, stop) => {
                let ranks = range(set.len(), *start, *stop);
                let last = set.len();
                set.by_rank(if self.rev { last - ranks.end..last - ranks.start } else { ranks })
            }
            By::Score(range) => set.by_score(range),
            By::Lex(range) => set.by_lex(range),
        };
        if self.rev {
            found.reverse();
        }
        found.into_iter().skip(self.limit.0).take(self.limit.1).collect()
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
    fn run(self, sources: Vec<Option<SortedSet>>, weights: &[f64], how: Aggregate) -> SortedSet {
        let weighted = |score: f64, weight: f64| {
            let product = score * weight;
            if product.is_nan() { 0.0 } else { product }
        };
        let mut sources = sources.into_iter().zip(weights).map(|(set, weight)| {
            let set = set.unwrap_or_default();
            set.iter()
                .map(|(member, score)| (member.clone(), weighted(score, *weight)))
                .collect::<SortedSet>()
        });
        let first = sources.next().unwrap_or_default();
        sources.fold(first, |result, source| match self {
            Self::Union => {
                let mut result = result;
                for (member, score) in source.iter() {
                    let score = result.score(member).map_or(score, |old| how.of(old, score));
                    result.insert(member.clone(), score);
                }
                result
            }
            Self::Inter => result
                .iter()
                .filter_map(|(member, score)| {
                    Some((member.clone(), how.of(score, source.score(member)?)))
                })
                .collect(),
            Self::Diff => result
                .iter()
                .filter(|(member, _)| source.score(member).is_none())
                .map(|(member, score)| (member.clone(), score))
                .collect(),
        })
    }
}

/// The sets of all keys; a plain set counts as one whose scores are all 1.
fn sources(db: &Keyspace, keys: &[&[u8]]) -> Result<Vec<Option<SortedSet>>> {
    keys.iter()
        .map(|key| match db.entry(key).map(|entry| &entry.data) {
            None => Ok(None),
            Some(Data::SortedSet(set)) => Ok(Some(set.clone())),
            Some(Data::Set(set)) => {
                Ok(Some(set.iter().map(|member| (member.clone(), 1.0)).collect()))
            }
            Some(_) => Err(wrong_type()),
        })
        .collect()
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
