//! The command table against what real servers say of their commands: `COMMAND DOCS`, `COMMAND INFO`, `COMMAND GETKEYS`.

use std::collections::BTreeMap;

use edgecask::command::{Access, CommandInfo, KeyPositions};
use edgecask::prelude::*;
use edgecask::{Client, ErrorKind, FromValue, Value};
use edgecask_tests::{RedisServer, cases};

use crate::command_lines::{JSON_FORMS, Random, described, json_line, line, words};

struct Info {
    flags: Vec<String>,
    keys: [i64; 3],
    has_key_specs: bool,
}

/// What COMMAND INFO says of every command and subcommand.
async fn infos(client: &Client) -> BTreeMap<String, Info> {
    let all: Vec<Value> = client.execute(cmd("COMMAND")).await.unwrap();
    let mut found = BTreeMap::new();
    all.into_iter().for_each(|value| add(&mut found, value));
    found
}

fn add(found: &mut BTreeMap<String, Info>, value: Value) {
    let mut items = Vec::<Value>::from_value(value).unwrap().into_iter();
    let name = String::from_value(items.next().unwrap()).unwrap();
    let flags = Vec::from_value(items.nth(1).unwrap()).unwrap();
    let mut number = || i64::from_value(items.next().unwrap()).unwrap();
    let keys = [number(), number(), number()];
    // Channels of SPUBLISH are described as keys that are none.
    let specs = format!("{:?}", items.nth(2).unwrap());
    let has_key_specs = specs != "[]" && !specs.contains("not_key");
    found.insert(name.to_ascii_uppercase().replace('|', " "), Info { flags, keys, has_key_specs });
    let subcommands = Vec::<Value>::from_value(items.next().unwrap()).unwrap();
    subcommands.into_iter().for_each(|value| add(found, value));
}

async fn rows_are_the_servers(redis: RedisServer, newest: bool) {
    let client = redis.client();
    let infos = infos(&client).await;
    let docs: BTreeMap<_, _> =
        described(&client).await.into_iter().map(|docs| (docs.name.clone(), docs)).collect();
    let rows: BTreeMap<_, _> = CommandInfo::all().iter().map(|row| (row.name, row)).collect();
    assert!(infos.len() > 340, "the server has {} commands", infos.len());
    for (name, info) in &infos {
        let Some(row) = rows.get(name.as_str()) else { panic!("{name} has no row") };
        let has = |flag: &str| info.flags.iter().any(|other| other == flag);
        // Redis 7.0 does not say it of WAIT.
        assert_eq!(row.may_wait(), has("blocking") || name == "WAIT", "{name}");
        let is_container = infos.keys().any(|other| other.starts_with(&format!("{name} ")));
        assert!(row.is_container || !is_container, "{name}");
        if row.is_container {
            continue;
        }
        // Scripts may write, though the server flags neither.
        if !matches!(row.name, "EVAL" | "EVALSHA" | "FCALL") {
            let expected = match (has("readonly"), has("write")) {
                (true, _) => Access::Read,
                (_, true) => Access::Write,
                _ => Access::Control,
            };
            let debugged = row.name.starts_with("JSON.");
            assert!(row.access == expected || debugged, "{name} is {:?}", row.access);
        }
        match row.keys {
            // RedisJSON speaks of its first key alone.
            KeyPositions::At(..) if name == "JSON.MGET" => {}
            KeyPositions::At(first, last, step) => {
                assert_eq!(info.keys, [first as i64, last as i64, step as i64], "{name}");
            }
            KeyPositions::Nowhere => assert!(!info.has_key_specs, "{name} has keys"),
            _ => assert!(info.has_key_specs, "{name} has no keys"),
        }
        let ours = row.docs().unwrap();
        let docs = &docs[name];
        // What older servers say of it was corrected later.
        if newest && docs.group != "module" {
            assert_eq!(ours.since, docs.since, "{name}");
        }
    }
}

#[tokio::test]
async fn every_command_of_redis_7_has_its_row() {
    rows_are_the_servers(RedisServer::start(), false).await;
}

#[tokio::test]
async fn every_command_of_redis_8_has_its_row() {
    if let Some(redis) = RedisServer::redis8() {
        rows_are_the_servers(redis, true).await;
    }
}

/// The keys of a line as the server finds them, sorted; `None` if it says that the line is wrong.
pub(crate) async fn keys_of_server(client: &Client, line: &[String]) -> Option<Vec<String>> {
    let ask = cmd("COMMAND").arg("GETKEYS").args_from(line);
    match client.execute::<Vec<String>>(ask).await {
        Ok(mut keys) => {
            keys.sort();
            keys.dedup();
            Some(keys)
        }
        Err(error) if error.message().contains("no key arguments") => Some(Vec::new()),
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Server, "{error}");
            None
        }
    }
}

async fn keys_are_the_servers(redis: RedisServer, with_json: bool) {
    let client = redis.client();
    let (mut random, seed) = Random::new();
    let commands = described(&client).await;
    let mut compared = 0;
    let forms: Vec<_> = JSON_FORMS.split(['|', '\n']).map(str::trim).collect();
    let forms = forms.into_iter().filter(|form| with_json && !form.is_empty());
    let mut lines = Vec::new();
    for _ in 0..cases(6) {
        lines.extend(commands.iter().map(|command| line(command, &mut random)));
        lines.extend(forms.clone().map(|form| json_line(form, &mut random)));
    }
    for line in lines {
        let command = words(&line);
        let Some(expected) = keys_of_server(&client, &line).await else { continue };
        let args: Vec<_> = command.args().map(String::from_utf8_lossy).collect();
        let mut found: Vec<_> =
            command.key_positions().into_iter().map(|at| args[at].clone().into_owned()).collect();
        found.sort();
        found.dedup();
        compared += usize::from(!expected.is_empty());
        let told = format!("{line:?} (EDGECASK_TEST_SEED={seed})");
        if command.name().starts_with("GEORADIUS") || command.name() == "JSON.MGET" {
            // The server looks for the word alone, and finds one destination of several; RedisJSON names its first key.
            assert!(
                expected.iter().all(|key| found.contains(key)),
                "{found:?}, {expected:?}: {told}"
            );
        } else {
            assert_eq!(found, expected, "{told}");
        }
    }
    assert!(compared > 500, "only {compared} lines had keys");
}

#[tokio::test]
async fn keys_are_where_redis_7_finds_them() {
    keys_are_the_servers(RedisServer::start(), false).await;
}

#[tokio::test]
async fn keys_are_where_redis_8_finds_them() {
    if let Some(redis) = RedisServer::redis8() {
        keys_are_the_servers(redis, true).await;
    }
}

#[tokio::test]
async fn a_shared_connection_refuses_what_would_disturb_others() {
    let redis = RedisServer::start();
    let client = redis.client();
    for (line, instead) in [
        ("CLIENT REPLY SKIP", "ignore the reply"),
        ("client reply off", "ignore the reply"),
        ("CLIENT TRACKING ON", "settings"),
        ("CLIENT NO-TOUCH ON", "settings"),
        ("CLIENT SETNAME x", "settings"),
        ("CLIENT KILL TYPE normal", "redis-cli"),
        ("CLIENT PAUSE 1000", "redis-cli"),
        ("CLIENT NEWER x", "not known"),
        ("SCRIPT NEWER x", "not known"),
        ("CLIENT", "not known"),
        ("DEBUG SLEEP 1", "redis-cli"),
        ("SCRIPT DEBUG YES", "settings"),
        ("SSUBSCRIBE c", "subscribe()"),
        ("MONITOR", "subscribe()"),
        ("SYNC", "between servers"),
        ("PSYNC ? -1", "between servers"),
        ("REPLCONF x", "between servers"),
        ("SHUTDOWN NOSAVE", "redis-cli"),
        ("REPLICAOF NO ONE", "redis-cli"),
        ("MULTI", "transaction()"),
        ("SELECT 1", "settings"),
        ("RESET", "settings"),
    ] {
        let line: Vec<_> = line.split(' ').map(str::to_owned).collect();
        let error = client.execute::<Value>(words(&line)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{line:?}");
        assert!(error.to_string().contains(instead), "{error}");
        let pipeline = client.pipeline();
        let _ = pipeline.execute::<Value>(words(&line));
        assert_eq!(pipeline.exec().await.unwrap_err().kind(), ErrorKind::Unsupported, "{line:?}");
    }
    // A command that nobody knows passes: the server may be newer.
    let unknown = client.execute::<Value>(cmd("NEWER").arg("k")).await.unwrap_err();
    assert_eq!(unknown.kind(), ErrorKind::Server);
    for line in ["CLIENT ID", "client info", "SCRIPT EXISTS x"] {
        let line: Vec<_> = line.split(' ').map(str::to_owned).collect();
        client.execute::<Value>(words(&line)).await.unwrap();
    }
}

#[tokio::test]
async fn the_engine_describes_its_commands_as_redis_8_does() {
    let Some(redis) = RedisServer::redis8() else { return };
    let (engine, redis) = (Client::memory(), redis.client());
    let all = async |client| {
        let all = described(client).await.into_iter();
        all.map(|docs| (docs.name.clone(), docs)).collect::<BTreeMap<_, _>>()
    };
    let (ours, theirs) = (all(&engine).await, all(&redis).await);
    assert!(ours.len() > 300, "only {}", ours.len());
    for (name, docs) in &ours {
        let Some(expected) = theirs.get(name) else { continue };
        assert_eq!(docs.group, expected.group, "{name}");
        assert!(docs.since == expected.since || docs.group == "module", "{name}");
    }
    for name in theirs.keys() {
        let container = name.split(' ').next().unwrap();
        let there = ours.contains_key(container);
        assert_eq!(there, ours.contains_key(name), "{name}");
    }
    let names = async |client: &Client, asked: &[&str]| {
        let reply: Vec<Value> =
            client.execute(cmd("COMMAND").arg("DOCS").args_from(asked)).await.unwrap();
        let names = reply.into_iter().step_by(2).map(|name| String::from_value(name).unwrap());
        let mut names: Vec<_> = names.collect();
        names.sort();
        names
    };
    for asked in [
        &["GET", "nosuch", "mset"][..],
        &["Config|GET", "config|nosuch", "config", "get|x", "|", "a|b|c"],
        &["config get", "", "nosuch"],
    ] {
        assert_eq!(names(&engine, asked).await, names(&redis, asked).await, "{asked:?}");
    }
    assert_eq!(names(&engine, &["get", "GET", "get"]).await, ["get"], "a reply has a bound");
    let without_flags = async |client: &Client| {
        let help: Vec<String> = client.execute(cmd("COMMAND").arg("HELP")).await.unwrap();
        let lines = help.into_iter().filter(|line| !line.contains("flags"));
        lines.filter(|line| !line.starts_with("GETKEYSAND")).collect::<Vec<_>>()
    };
    assert_eq!(without_flags(&engine).await, without_flags(&redis).await);
    let ask = cmd("COMMAND").arg("HELP").arg("x");
    let error = async |client: &Client| client.execute::<Value>(ask.clone()).await.unwrap_err();
    assert_eq!(error(&engine).await.message(), error(&redis).await.message());
}
