//! The command table against what a real server says of its commands.

use edgecask::command::{Access, CommandInfo, KeyPositions};
use edgecask::prelude::*;
use edgecask::{FromValue, Value};
use edgecask_tests::RedisServer;

/// Name, arity, flags, first key, last key, step, and what else COMMAND INFO gives.
fn described(value: Value) -> Option<(String, Vec<String>, [i64; 3])> {
    let mut items = Vec::<Value>::from_value(value).ok()?.into_iter();
    let name = String::from_value(items.next()?).ok()?;
    let flags = Vec::from_value(items.nth(1)?).ok()?;
    let mut number = || i64::from_value(items.next()?).ok();
    Some((name.to_ascii_uppercase(), flags, [number()?, number()?, number()?]))
}

#[tokio::test]
async fn access_and_key_positions_are_the_servers() {
    let redis = RedisServer::start();
    let client = redis.client();
    let mut compared = 0;
    for info in CommandInfo::all().iter().filter(|info| !info.name.contains(' ')) {
        let ask = Command::new("COMMAND").arg("INFO").arg(info.name);
        let answer: Vec<Value> = client.execute(ask).await.unwrap();
        let Some((name, flags, keys)) = answer.into_iter().next().and_then(described) else {
            continue; // of a module, or newer than this server
        };
        assert_eq!(name, info.name);
        compared += 1;
        let has = |flag: &str| flags.iter().any(|other| other == flag);
        // Scripts may write, though the server flags neither; containers are judged by their subcommands.
        if !matches!(info.name, "EVAL" | "EVALSHA" | "FCALL" | "XGROUP" | "XINFO" | "OBJECT") {
            let expected = match (has("readonly"), has("write")) {
                (true, _) => Access::Read,
                (_, true) => Access::Write,
                _ => Access::Control,
            };
            assert_eq!(info.access, expected, "{}", info.name);
        }
        assert_eq!(info.blocking, has("blocking") && !name.starts_with("XREAD"), "{}", info.name);
        match info.keys {
            KeyPositions::At(first, last, step)
                if !matches!(&*name, "XGROUP" | "XINFO" | "OBJECT") =>
            {
                let expected = [first as i64, last as i64, step as i64];
                assert_eq!(keys, expected, "{}", info.name);
            }
            KeyPositions::Nowhere => assert_eq!(keys, [0, 0, 0], "{}", info.name),
            _ => {}
        }
    }
    assert!(compared > 180, "only {compared} commands were compared");
}

#[tokio::test]
async fn keys_are_where_the_server_finds_them() {
    let redis = RedisServer::start();
    let client = redis.client();
    for line in [
        "GET a",
        "MSET a 1 b 2",
        "DEL a b c",
        "BLPOP a b 0",
        "EVAL script 2 a b c",
        "ZUNIONSTORE d 2 a b WEIGHTS 1 2",
        "ZUNION 2 a b",
        "XREAD COUNT 1 STREAMS a b 0 0",
        "XREADGROUP GROUP g c STREAMS a b > >",
        "SORT a STORE d",
        "GEORADIUS a 0 0 1 m STORE d",
        "LMPOP 2 a b LEFT",
        "BLMPOP 0 2 a b LEFT",
        "BITOP AND d a b",
        "COPY a b",
        "XGROUP CREATE a g $",
        "XINFO STREAM a",
        "OBJECT ENCODING a",
        "MEMORY USAGE a",
    ] {
        let mut words = line.split(' ').map(str::to_owned);
        let name = words.next().unwrap_or_default();
        let command = Command::new(name).args_from(words);
        let ask = Command::new("COMMAND").arg("GETKEYS").args_from(line.split(' '));
        let expected: Vec<String> = client.execute(ask).await.unwrap();
        let args: Vec<&[u8]> = command.args().collect();
        let found: Vec<_> = command.key_positions().into_iter().map(|at| args[at]).collect();
        let found: Vec<_> = found.into_iter().map(String::from_utf8_lossy).collect();
        // The server names a destination last, we where it stands.
        let sort = |mut keys: Vec<String>| {
            keys.sort();
            keys
        };
        let found = found.into_iter().map(std::borrow::Cow::into_owned).collect();
        assert_eq!(sort(found), sort(expected), "{line}");
    }
}
