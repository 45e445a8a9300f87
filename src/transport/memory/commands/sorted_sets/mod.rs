mod combine;
mod range;

use self::combine::{Aggregate, Combine, combined, intersection, sources, weighted};
use self::range::{Fixed, RangeQuery, lex_range, score_range};
use bytes::Bytes;
use indexmap::IndexMap;

use super::keys::{Scan, page};
use super::lists::{mpop_count, range};
use super::replies::length;
use super::sets::{intercard_keys, intercard_limit, random_picks};
use crate::transport::memory::args::{Args, syntax, wrong_arity};
use crate::transport::memory::engine::{Handler, on_keys};
use crate::transport::memory::keyspace::Keyspace;
use crate::transport::memory::number;
use crate::transport::memory::sorted_set::{Members, SortedSet};
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
    "ZRANGE" -4 |db, args| zrange(db, args, false),
    "ZRANGEBYLEX" -4 |db, args| fixed_range(db, args, Fixed { by: "lex", rev: false }),
    "ZRANGEBYSCORE" -4 |db, args| fixed_range(db, args, Fixed { by: "score", rev: false }),
    "ZRANGESTORE" -5 |db, args| {
        let query = RangeQuery::parse(args, 2)?;
        let found = db.read::<SortedSet>(args.at(1)?)?.map(|set| query.run(set));
        let found: IndexMap<Bytes, f64> = found.into_iter().flatten().collect();
        let set = SortedSet::from(found);
        let size = length(set.len());
        db.put_collection(args.at(0)?, set);
        Ok(size)
    },
    "ZRANK" -3 |db, args| zrank(db, args, false),
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
    "ZREVRANGE" -4 |db, args| fixed_range(db, args, Fixed { by: "", rev: true }),
    "ZREVRANGEBYLEX" -4 |db, args| fixed_range(db, args, Fixed { by: "lex", rev: true }),
    "ZREVRANGEBYSCORE" -4 |db, args| fixed_range(db, args, Fixed { by: "score", rev: true }),
    "ZREVRANK" -3 |db, args| zrank(db, args, true),
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

pub(super) fn show(score: f64) -> Value {
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

/// ZRANGE, where a LIMIT may go with ranks or not.
pub(super) fn zrange(db: &mut Keyspace, args: Args<'_>, limits_ranks: bool) -> Result<Value> {
    let query = match limits_ranks {
        true => RangeQuery::parse_with_limit(args, 1)?,
        false => RangeQuery::parse(args, 1)?,
    };
    let found = select(db, args, |set| query.run(set))?;
    Ok(reply(found, query.with_scores))
}

fn fixed_range(db: &Keyspace, args: Args<'_>, fixed: Fixed) -> Result<Value> {
    let query = RangeQuery::fixed(args, fixed)?;
    let found = select(db, args, |set| query.run(set))?;
    Ok(reply(found, query.with_scores))
}

fn zrank(db: &Keyspace, args: Args<'_>, from_highest: bool) -> Result<Value> {
    let with_score = args.is(2, "WITHSCORE");
    if args.len() > 3 {
        return Err(wrong_arity(args.command().name()));
    }
    if args.len() == 3 && !with_score {
        return Err(syntax());
    }
    let member = args.at(1)?;
    let Some(set) = db.read::<SortedSet>(args.at(0)?)? else { return Ok(Value::Nil) };
    let Some((rank, score)) = set.rank(member).zip(set.score(member)) else {
        return Ok(Value::Nil);
    };
    let rank = length(if from_highest { set.len() - 1 - rank } else { rank });
    Ok(if with_score { Value::Array(vec![rank, show(score)]) } else { rank })
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

pub(super) fn pop(set: &mut SortedSet, highest: bool, count: usize) -> Members {
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

pub(super) fn zmpop(db: &mut Keyspace, args: Args<'_>) -> Result<Value> {
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
