//! Replies in the types of RESP3, for scripts that ask for them. The engine itself replies in those of RESP2.

use crate::Value;
use crate::command::Command;

/// The reply of a command as RESP3 has it.
pub(super) fn of(command: &Command, reply: Value) -> Value {
    let has = |word: &str| command.args().any(|arg| arg.eq_ignore_ascii_case(word.as_bytes()));
    match command.name() {
        "HGETALL" | "XREAD" | "XREADGROUP" => map(reply),
        "SMEMBERS" | "SINTER" | "SUNION" | "SDIFF" => set(reply),
        "SPOP" if command.args().len() > 1 => set(reply),
        "ZSCORE" | "ZINCRBY" => double(reply),
        "ZADD" if has("INCR") => double(reply),
        "ZMSCORE" => each(reply, double),
        "ZPOPMIN" | "ZPOPMAX" if command.args().len() == 1 => pair(reply),
        "ZPOPMIN" | "ZPOPMAX" => pairs(reply, double),
        "ZRANGE" | "ZREVRANGE" | "ZRANGEBYSCORE" | "ZREVRANGEBYSCORE" | "ZUNION" | "ZINTER"
        | "ZDIFF" | "ZRANDMEMBER"
            if has("WITHSCORES") =>
        {
            pairs(reply, double)
        }
        "ZRANK" | "ZREVRANK" if has("WITHSCORE") => pair(reply),
        "HRANDFIELD" if has("WITHVALUES") => pairs(reply, |value| value),
        "BZPOPMIN" | "BZPOPMAX" => last(reply, double),
        "ZMPOP" | "BZMPOP" => last(reply, |items| each(items, pair)),
        _ => reply,
    }
}

fn map(reply: Value) -> Value {
    match reply {
        // The streams of XREAD are pairs already.
        Value::Array(items) if items.iter().all(|item| matches!(item, Value::Array(_))) => {
            let pair = |item| match item {
                Value::Array(pair) => <[Value; 2]>::try_from(pair).ok().map(<(_, _)>::from),
                _ => None,
            };
            Value::Map(items.into_iter().filter_map(pair).collect())
        }
        Value::Array(items) => {
            let mut items = items.into_iter();
            let next = || Some((items.next()?, items.next()?));
            Value::Map(std::iter::from_fn(next).collect())
        }
        other => other,
    }
}

fn set(reply: Value) -> Value {
    match reply {
        Value::Array(items) => Value::Set(items),
        other => other,
    }
}

fn double(reply: Value) -> Value {
    let number = match &reply {
        Value::Bulk(text) => std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()),
        _ => None,
    };
    number.map_or(reply, Value::Double)
}

fn each(reply: Value, of: impl Fn(Value) -> Value) -> Value {
    match reply {
        Value::Array(items) => Value::Array(items.into_iter().map(of).collect()),
        other => other,
    }
}

/// A member and its score.
fn pair(reply: Value) -> Value {
    last(reply, double)
}

fn last(reply: Value, of: impl Fn(Value) -> Value) -> Value {
    match reply {
        Value::Array(mut items) => {
            if let Some(item) = items.pop() {
                items.push(of(item));
            }
            Value::Array(items)
        }
        other => other,
    }
}

/// A flat list of pairs as a list of pairs.
fn pairs(reply: Value, of: impl Fn(Value) -> Value) -> Value {
    match reply {
        Value::Array(items) => {
            let mut items = items.into_iter();
            let next = || Some(Value::Array(vec![items.next()?, of(items.next()?)]));
            Value::Array(std::iter::from_fn(next).collect())
        }
        other => other,
    }
}
