//! Which servers of a cluster run a command, and how their replies become one.
//!
//! Most commands go to the owner of their keys' slot. The others follow the tips of `COMMAND INFO` (`request_policy` and
//! `response_policy`).

use crate::command::{Arguments, Command};

use crate::key::slot_of;
use crate::{Error, ErrorKind, Outcome, Result, Value};

/// Which servers run a command.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Route {
    /// The owner of this slot.
    Slot(u16),
    /// Any primary.
    AnyPrimary,
    /// All primaries.
    Primaries(Join),
    /// All primaries and replicas. What it changes is not replicated.
    Nodes(Join),
    /// The owners of its keys' slots, each with its part of the command.
    Split(Vec<Part>, Join),
    /// SCAN: one primary after the other.
    Scan,
}

/// The part of a command whose keys are in one slot.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) slot: u16,
    pub(super) command: Command,
    /// Which of the command's keys these are.
    keys: Vec<usize>,
}

/// How several replies become one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Join {
    /// All are the same.
    First,
    Sum,
    /// The least number; of lists, the least at each place.
    Least,
    /// Lists, one after the other.
    Concat,
    /// Lists of a name and a number in turn: the sums of the numbers.
    Totals,
    /// Any reply that is not nil.
    Present,
    /// One server has to succeed.
    AnySuccess,
    /// Lists whose items belong to the keys at these positions.
    Items(Vec<Vec<usize>>),
}

impl Route {
    pub(super) fn of(command: &Command) -> Self {
        let info = command.info();
        match info.name {
            "MGET" => return split(command, 1, 0, |parts| Join::Items(positions(parts))),
            "JSON.MGET" => return split(command, 1, 1, |parts| Join::Items(positions(parts))),
            "DEL" | "UNLINK" | "EXISTS" | "TOUCH" => return split(command, 1, 0, |_| Join::Sum),
            "MSET" => return split(command, 2, 0, |_| Join::First),
            "JSON.MSET" => return split(command, 3, 0, |_| Join::First),
            _ => {}
        }
        if let Some(slot) = first_slot(command) {
            return Self::Slot(slot);
        }
        match info.name {
            "SCAN" => Self::Scan,
            "DBSIZE" => Self::Primaries(Join::Sum),
            "KEYS" => Self::Primaries(Join::Concat),
            "RANDOMKEY" => Self::Primaries(Join::Present),
            "FLUSHALL" | "FLUSHDB" | "FUNCTION DELETE" | "FUNCTION FLUSH" | "FUNCTION LOAD"
            | "FUNCTION RESTORE" => Self::Primaries(Join::First),
            // Scripts are sent to primaries alone, and a replica that becomes one asks for them by NOSCRIPT.
            "SCRIPT LOAD" | "SCRIPT FLUSH" => Self::Primaries(Join::First),
            "SCRIPT EXISTS" => Self::Primaries(Join::Least),
            "WAIT" | "WAITAOF" => Self::Primaries(Join::Least),
            "SCRIPT KILL" | "FUNCTION KILL" | "FUNCTION STATS" => Self::Primaries(Join::AnySuccess),
            "ACL DELUSER" | "ACL LOAD" | "ACL SAVE" | "ACL SETUSER" | "CONFIG RESETSTAT"
            | "CONFIG REWRITE" | "CONFIG SET" | "MEMORY PURGE" | "SLOWLOG RESET" => {
                Self::Nodes(Join::First)
            }
            "LATENCY RESET" => Self::Nodes(Join::Sum),
            "SLOWLOG GET" => Self::Nodes(Join::Concat),
            "SLOWLOG LEN" | "PUBSUB NUMPAT" => Self::Nodes(Join::Sum),
            "PUBSUB CHANNELS" => Self::Nodes(Join::Concat),
            "PUBSUB NUMSUB" => Self::Nodes(Join::Totals),
            "PUBSUB SHARDNUMSUB" => Self::Primaries(Join::Totals),
            "PUBSUB SHARDCHANNELS" => Self::Primaries(Join::Concat),
            _ => Self::AnyPrimary,
        }
    }
}

/// The slot of the first key; of SPUBLISH, that of the channel.
pub(super) fn first_slot(command: &Command) -> Option<u16> {
    if command.name() == "SPUBLISH" {
        return command.get(0).map(slot_of);
    }
    let mut first = None;
    command.each_key(|at, _| first = first.or(Some(at)));
    first.and_then(|at| command.get(at)).map(slot_of)
}

/// The parts of a command: `step` arguments for each key, and `last` arguments at the end that all parts have.
fn split(command: &Command, step: usize, last: usize, join: impl FnOnce(&[Part]) -> Join) -> Route {
    let keyed = command.args().len().saturating_sub(last);
    let first = command.get(0).filter(|_| keyed > 0).map(slot_of);
    let Some(first) = first else { return Route::AnyPrimary };
    let mut slots = (0..keyed).step_by(step).filter_map(|at| command.get(at)).map(slot_of);
    // The server's error says what is wrong with an incomplete command.
    if !keyed.is_multiple_of(step) || slots.all(|slot| slot == first) {
        return Route::Slot(first);
    }
    let mut arguments: Vec<(u16, Arguments, Vec<usize>)> = Vec::new();
    let mut found = std::collections::HashMap::new();
    for (key, at) in (0..keyed).step_by(step).enumerate() {
        let args = || (at..at + step).filter_map(|at| command.get(at));
        let Some(slot) = command.get(at).map(slot_of) else { continue };
        let part = *found.entry(slot).or_insert_with(|| {
            arguments.push((slot, Arguments::default(), Vec::new()));
            arguments.len() - 1
        });
        args().for_each(|arg| arguments[part].1.push_bytes(arg));
        arguments[part].2.push(key);
    }
    let parts: Vec<Part> = arguments
        .into_iter()
        .map(|(slot, mut args, keys)| {
            (keyed..keyed + last)
                .filter_map(|at| command.get(at))
                .for_each(|arg| args.push_bytes(arg));
            Part { slot, command: command.with_args(args), keys }
        })
        .collect();
    let join = join(&parts);
    Route::Split(parts, join)
}

fn positions(parts: &[Part]) -> Vec<Vec<usize>> {
    parts.iter().map(|part| part.keys.clone()).collect()
}

impl Join {
    /// Joins all replies into one. If a server has failed, the error says whether others have run their parts.
    pub(super) fn join(&self, command: &Command, replies: Vec<Result<Value>>) -> Result<Value> {
        if *self == Self::AnySuccess {
            let mut failed = None;
            for reply in replies {
                match reply {
                    Ok(reply) => return Ok(reply),
                    Err(error) => failed = failed.or(Some(error)),
                }
            }
            return Err(failed.unwrap_or_else(unreadable));
        }
        if let Some(error) = failure(command, &replies) {
            return Err(error);
        }
        let mut replies = replies.into_iter().flatten();
        match self {
            Self::First | Self::AnySuccess => replies.next().ok_or_else(unreadable),
            Self::Sum => replies
                .try_fold(0_i64, |sum, reply| Ok(sum.saturating_add(integer(&reply)?)))
                .map(Value::Integer),
            Self::Least => {
                let first = replies.next().ok_or_else(unreadable)?;
                replies.try_fold(first, |least, reply| each(least, reply, i64::min))
            }
            Self::Totals => {
                let first = replies.next().ok_or_else(unreadable)?;
                replies.try_fold(first, |total, reply| each(total, reply, i64::saturating_add))
            }
            Self::Concat => {
                let lists = replies.map(items).collect::<Result<Vec<_>>>()?;
                Ok(Value::Array(lists.concat()))
            }
            Self::Present => {
                let mut present: Vec<Value> =
                    replies.filter(|reply| *reply != Value::Nil).collect();
                fastrand::shuffle(&mut present);
                Ok(present.pop().unwrap_or(Value::Nil))
            }
            Self::Items(positions) => {
                let mut all = vec![Value::Nil; positions.iter().map(Vec::len).sum()];
                for (positions, reply) in positions.iter().zip(replies) {
                    let items = items(reply)?;
                    if items.len() != positions.len() {
                        return Err(unreadable());
                    }
                    for (at, item) in positions.iter().zip(items) {
                        all[*at] = item;
                    }
                }
                Ok(Value::Array(all))
            }
        }
    }
}

/// The error of a command of which a part has failed. Its outcome is that of the whole command.
fn failure(command: &Command, replies: &[Result<Value>]) -> Option<Error> {
    let failed: Vec<&Error> = replies.iter().filter_map(|reply| reply.as_ref().err()).collect();
    // The part with the least certain outcome decides the outcome of the whole.
    let unknown = failed.iter().find(|error| error.outcome() == Outcome::Unknown);
    let error = *unknown.or_else(|| failed.first())?;
    let has_same_outcome = failed.iter().all(|other| other.outcome() == error.outcome());
    let has_no_effect = command.info().access == crate::command::Access::Read;
    if has_no_effect || has_same_outcome && failed.len() == replies.len() {
        return Some(error.clone());
    }
    let message = format!(
        "{} of {} parts of this command failed, and the other servers may have carried out theirs",
        failed.len(),
        replies.len()
    );
    // A part that was not sent does not make the whole unsent.
    let kind = match error.kind() {
        ErrorKind::Connect => ErrorKind::Disconnected,
        kind => kind,
    };
    let whole = Error::new(kind, message).with_outcome(Outcome::Unknown).with_code(error.code());
    Some(whole.with_source(error.clone()))
}

fn integer(value: &Value) -> Result<i64> {
    match value {
        Value::Integer(number) => Ok(*number),
        _ => Err(unreadable()),
    }
}

fn items(value: Value) -> Result<Vec<Value>> {
    match value {
        Value::Array(items) | Value::Set(items) => Ok(items),
        _ => Err(unreadable()),
    }
}

/// Joins numbers, and in lists the numbers at each place. Other items stay.
fn each(one: Value, other: Value, join: fn(i64, i64) -> i64) -> Result<Value> {
    match (one, other) {
        (Value::Integer(one), Value::Integer(other)) => Ok(Value::Integer(join(one, other))),
        (Value::Array(one), Value::Array(other)) if one.len() == other.len() => {
            let items = one.into_iter().zip(other).map(|(one, other)| each(one, other, join));
            Ok(Value::Array(items.collect::<Result<_>>()?))
        }
        (one, other) if one == other => Ok(one),
        _ => Err(unreadable()),
    }
}

fn unreadable() -> Error {
    Error::new(
        ErrorKind::Protocol,
        "the servers of the cluster answered the parts of a command differently",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(line: &str) -> Command {
        let mut words = line.split(' ').map(str::to_owned);
        Command::new(words.next().unwrap()).args_from(words)
    }

    fn list(items: &[i64]) -> Value {
        Value::Array(items.iter().map(|item| Value::Integer(*item)).collect())
    }

    #[test]
    fn a_command_is_split_by_the_slots_of_its_keys() {
        let Route::Split(parts, join) = Route::of(&command("MSET {a}1 x {b}1 y {a}2 z")) else {
            panic!("its keys are in two slots")
        };
        let lines: Vec<Vec<&[u8]>> =
            parts.iter().map(|part| part.command.args().collect()).collect();
        assert_eq!(
            lines,
            [[&b"{a}1"[..], b"x", b"{a}2", b"z"].to_vec(), [&b"{b}1"[..], b"y"].to_vec()]
        );
        assert_eq!(join, Join::First);
        let Route::Split(parts, join) = Route::of(&command("JSON.MGET {a}1 {b}1 {a}2 $")) else {
            panic!("its keys are in two slots")
        };
        assert_eq!(parts[0].command.args().collect::<Vec<_>>(), [&b"{a}1"[..], b"{a}2", b"$"]);
        let replies = vec![Ok(list(&[1, 3])), Ok(list(&[2]))];
        assert_eq!(join.join(&command("JSON.MGET"), replies).unwrap(), list(&[1, 2, 3]));
        for whole in ["DEL {a}1 {a}2", "MSET {a}1 x {b}1", "MGET a", "SUNION {a}1 {b}1"] {
            assert!(matches!(Route::of(&command(whole)), Route::Slot(_)), "{whole}");
        }
        for keyless in ["PING", "DEL", "EVAL x 0", "CLUSTER INFO", "JSON.MGET $"] {
            assert_eq!(Route::of(&command(keyless)), Route::AnyPrimary, "{keyless}");
        }
        assert_eq!(Route::of(&command("SPUBLISH {a} m")), Route::Slot(slot_of(b"a")));
    }

    /// Commands whose route is another than the tips of Redis say, and why. `None` is a command that is refused.
    fn own_routes() -> Vec<(&'static str, Option<Route>, &'static str)> {
        let one = "its reply tells of one server, and nothing joins such texts";
        let settings = "it would change a connection that all calls share";
        let scripts = "a replica that becomes a primary asks for scripts by NOSCRIPT";
        let any = || Some(Route::AnyPrimary);
        vec![
            ("CLIENT SETINFO", any(), "every connection names its library in its handshake"),
            ("CLIENT SETNAME", None, settings),
            ("INFO", any(), one),
            ("LATENCY DOCTOR", any(), one),
            ("LATENCY GRAPH", any(), one),
            ("LATENCY HISTOGRAM", any(), one),
            ("LATENCY HISTORY", any(), one),
            ("LATENCY LATEST", any(), one),
            ("MEMORY DOCTOR", any(), one),
            ("MEMORY MALLOC-STATS", any(), one),
            ("MEMORY PURGE", Some(Route::Nodes(Join::First)), "replicas have memory to free too"),
            ("MEMORY STATS", any(), one),
            ("PING", any(), "one server that answers is enough"),
            ("SCRIPT FLUSH", Some(Route::Primaries(Join::First)), scripts),
            ("SCRIPT LOAD", Some(Route::Primaries(Join::First)), scripts),
        ]
    }

    /// Commands without keys that go to more than one server although Redis has no tip for them.
    const WITHOUT_TIPS: [&str; 6] = [
        // Each server has users and subscribers of its own.
        "ACL LOAD",
        "PUBSUB CHANNELS",
        "PUBSUB NUMPAT",
        "PUBSUB NUMSUB",
        "PUBSUB SHARDCHANNELS",
        "PUBSUB SHARDNUMSUB",
    ];

    /// `tests/suite/cluster/tips.rs` compares `tips.txt` with a real server.
    #[test]
    fn commands_go_where_the_tips_of_redis_say() {
        let tips: Vec<(&str, &str, &str)> = include_str!("tips.txt")
            .lines()
            .map(|line| {
                let (rest, response) = line.rsplit_once(' ').unwrap();
                let (name, request) = rest.rsplit_once(' ').unwrap();
                (name, request, response)
            })
            .collect();
        let (mut own, mut seen) = (own_routes(), 0);
        for &(name, request, response) in &tips {
            let sent = match name {
                "MSET" => command("MSET {a}1 x {b}1 y"),
                _ if request == "multi_shard" => command(&format!("{name} {{a}}1 {{b}}1")),
                _ => command(name),
            };
            assert_eq!(sent.info().name, name);
            let route = Route::of(&sent);
            if let Some(at) = own.iter().position(|(other, ..)| *other == name) {
                match own.swap_remove(at) {
                    (_, Some(expected), why) => assert_eq!(route, expected, "{name}: {why}"),
                    (_, None, why) => assert!(sent.info().refused.is_some(), "{name}: {why}"),
                }
                continue;
            }
            seen += 1;
            let join = match (response, name) {
                ("all_succeeded", _) => Join::First,
                ("agg_sum", _) => Join::Sum,
                // Flags of 0 and 1 too.
                ("agg_min" | "agg_logical_and", _) => Join::Least,
                ("one_succeeded", _) | ("special", "FUNCTION STATS") => Join::AnySuccess,
                ("special", "RANDOMKEY") => Join::Present,
                // Replies without a policy are joined in the order of the keys, or one after the other.
                ("-", "MGET") => Join::Items(vec![vec![0], vec![1]]),
                ("-", _) => Join::Concat,
                _ => Join::First,
            };
            match (request, route) {
                ("all_nodes", route) => assert_eq!(route, Route::Nodes(join), "{name}"),
                ("all_shards", route) => assert_eq!(route, Route::Primaries(join), "{name}"),
                ("multi_shard", Route::Split(parts, own)) => {
                    assert_eq!((parts.len(), own), (2, join), "{name}");
                }
                ("special", route) => assert_eq!(route, Route::Scan, "{name}"),
                (_, route) => panic!("{name} {request}: {route:?}"),
            }
        }
        assert!(own.is_empty(), "no tips: {own:?}");
        assert!(seen > 25, "only {seen} commands have tips");
        for row in crate::command::CommandInfo::all() {
            if tips.iter().all(|(name, ..)| *name != row.name) && row.refused.is_none() {
                let is_own = WITHOUT_TIPS.contains(&row.name);
                let route = Route::of(&command(row.name));
                assert_eq!(route != Route::AnyPrimary, is_own, "{}: {route:?}", row.name);
            }
        }
    }

    #[test]
    fn replies_become_one() {
        let join = |join: Join, replies: Vec<Value>| {
            join.join(&command("X"), replies.into_iter().map(Ok).collect()).unwrap()
        };
        assert_eq!(join(Join::Sum, vec![Value::Integer(1), Value::Integer(2)]), Value::Integer(3));
        assert_eq!(join(Join::Least, vec![list(&[1, 0]), list(&[1, 1])]), list(&[1, 0]));
        assert_eq!(join(Join::Concat, vec![list(&[1]), list(&[2, 3])]), list(&[1, 2, 3]));
        assert_eq!(join(Join::Present, vec![Value::Nil, Value::OK]), Value::OK);
        let counts = |count| Value::Array(vec![Value::bulk("c"), Value::Integer(count)]);
        assert_eq!(join(Join::Totals, vec![counts(1), counts(2)]), counts(3));
        let any = vec![Err(Error::server("NOTBUSY")), Ok(Value::OK)];
        assert_eq!(Join::AnySuccess.join(&command("SCRIPT KILL"), any).unwrap(), Value::OK);
    }

    #[test]
    fn the_outcome_of_a_command_is_that_of_all_its_parts() {
        let unsent = || Err(Error::new(ErrorKind::Connect, ""));
        let outcome = |line: &str, replies| {
            let error = Join::Sum.join(&command(line), replies).unwrap_err();
            (error.kind(), error.outcome())
        };
        let done = || Ok(Value::Integer(1));
        assert_eq!(
            outcome("DEL a b", vec![unsent(), unsent()]),
            (ErrorKind::Connect, Outcome::NotSent)
        );
        assert_eq!(
            outcome("DEL a b", vec![done(), unsent()]),
            (ErrorKind::Disconnected, Outcome::Unknown)
        );
        assert_eq!(
            outcome("EXISTS a b", vec![done(), unsent()]),
            (ErrorKind::Connect, Outcome::NotSent)
        );
        let refused = || Err(Error::server("NOPERM no"));
        assert_eq!(
            outcome("DEL a b", vec![refused(), done()]),
            (ErrorKind::Server, Outcome::Unknown)
        );
    }
}
