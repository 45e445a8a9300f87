//! The script of rate limits does the same in three ways: on a real Redis, in Lua on the engine, and natively.

use edgecask::prelude::*;
use edgecask::{Script, Value};
use edgecask_tests::{RedisServer, cases, runner, seed};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::Config;

use super::{lua, native};

/// A policy among the script's arguments, with its keys and what they hold before.
#[derive(Debug, Clone)]
struct Part {
    keys: Vec<String>,
    args: Vec<String>,
    before: Vec<Vec<String>>,
}

const NOW: u64 = 1_790_000_000_123_457;

fn owned(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// What a key may hold: what the policy itself writes, what another program does, and nonsense.
fn contents(kind: &'static str) -> BoxedStrategy<Vec<Vec<String>>> {
    let at = |back: u64| (NOW / 1000 - back).to_string();
    let mut each: Vec<Vec<String>> = vec![vec![], owned(&["LPUSH", "x"])];
    match kind {
        "bucket" => {
            for (back, tokens) in [(0, "5"), (61_000, "0"), (1, "-3"), (999_999, "2")] {
                each.push(owned(&["HSET", "refilledAt", &at(back), "tokens", tokens]));
            }
            each.push(owned(&["HSET", "refilledAt", "x"]));
        }
        "gcra" => {
            for debt in ["0", "60000000", "123456789", "9007199254740991"] {
                let stored = format!("{debt}:{}", NOW - 1_000_001);
                each.push(owned(&["SET", &stored]));
            }
            // The clock has gone back.
            each.push(owned(&["SET", &format!("240000001:{}", NOW + 5_000_001)]));
            each.extend([owned(&["SET", "1:"]), owned(&["SET", "x"])]);
        }
        "lease" => {
            let soon = (NOW / 1000 + 5000).to_string();
            each.push(owned(&["ZADD", &at(1), "old", &soon, "mine"]));
            each.push(owned(&["ZADD", &at(0), "now", &soon, "other"]));
        }
        _ => {
            for count in ["0", "1", "4", "100", "-2", "x", "", "0x10", " 1"] {
                each.push(owned(&["SET", count]));
            }
        }
    }
    select(each).prop_map(|one| vec![one]).boxed()
}

fn part(at: usize) -> impl Strategy<Value = Part> {
    select(&["fixed", "sliding", "bucket", "gcra", "lease"][..]).prop_flat_map(move |kind| {
        let numbers = (select(&[1_i64, 2, 5, 0, -1, -3][..]), select(&[0_u64, 1, 3, 5][..]));
        let window = select(&[100_000_u64, 600_000, 86_400_000][..]);
        let limits = select(&["", "=", "field", "burst"][..]);
        let stored = select(&["", "4", "0", "x", "99999999999999999999", "1.5"][..]);
        (numbers, window, any::<bool>(), limits, stored, contents(kind), contents(kind)).prop_map(
            move |((cost, limit), window, shadow, limits, stored, first, second)| {
                let mut keys = vec![format!("k{at}")];
                let mut before = first;
                if kind == "sliding" {
                    keys.push(format!("p{at}"));
                    before.extend(second);
                }
                let extra = match kind {
                    "bucket" => "2",
                    "gcra" if limit == 3 => "",
                    "gcra" => "4",
                    "lease" => "mine",
                    _ if shadow => "renew",
                    _ => "",
                };
                let bucket = match kind {
                    "fixed" | "sliding" => (NOW / 1000 / window).to_string(),
                    _ => String::new(),
                };
                let (field, burst) = match limits {
                    "burst" => ("", "burst"),
                    field => (field, ""),
                };
                if !limits.is_empty() {
                    keys.push(format!("l{at}"));
                    before.push(match (stored, limits) {
                        ("", _) => vec![],
                        (stored, "=") => owned(&["SET", stored]),
                        (stored, field) => owned(&["HSET", field, stored]),
                    });
                }
                let args = [
                    kind.to_owned(),
                    cost.to_string(),
                    limit.to_string(),
                    window.to_string(),
                    extra.to_owned(),
                    bucket,
                    u8::from(shadow).to_string(),
                    field.to_owned(),
                    burst.to_owned(),
                ];
                Part { keys, args: args.to_vec(), before }
            },
        )
    })
}

/// All that is stored, in the form of text.
async fn stored(client: &Client) -> Vec<String> {
    let mut names: Vec<String> = client.keys("*").await.unwrap();
    names.sort_unstable();
    let mut all = Vec::new();
    for name in names {
        let kind: String = client.key_type(&name).await.unwrap();
        let content = match kind.as_str() {
            "string" => Command::new("GET").arg(&name),
            "hash" => Command::new("HMGET").arg(&name).arg("refilledAt").arg("tokens"),
            "set" => Command::new("SMEMBERS").arg(&name),
            "zset" => Command::new("ZRANGE").arg(&name).arg(0).arg(-1).arg("WITHSCORES"),
            _ => Command::new("LLEN").arg(&name),
        };
        let content: Vec<String> = match client.execute::<Value>(content).await.unwrap() {
            Value::Array(items) => items
                .iter()
                .map(|item| String::from_utf8_lossy(item.as_bytes().unwrap_or(b"nil")).into_owned())
                .collect(),
            other => vec![String::from_utf8_lossy(other.as_bytes().unwrap_or(b"nil")).into_owned()],
        };
        // The servers are asked one after the other, within seconds.
        let left: i64 = client.execute(Command::new("PTTL").arg(&name)).await.unwrap();
        all.push(format!("{name} {kind} {content:?} {}", (left + 50_000) / 100_000));
    }
    all
}

#[test]
fn the_script_does_the_same_on_redis_in_lua_and_natively() {
    let redis = RedisServer::start();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let script: &Script =
        edgecask::scripts().find(|script| script.source().contains("SMISMEMBER")).unwrap();
    let clients = runtime.block_on(async { [native(), lua(), redis.client()] });
    let inputs = (
        select(&["take", "take", "add", "peek"][..]),
        select(&["0", "5000000"][..]),
        prop::collection::vec(select(&["evil", "good"][..]), 0..3),
        prop::collection::vec(any::<bool>(), 1),
        (part(0), part(1), part(2)),
        1..4_usize,
    );
    let config =
        Config { cases: cases(400) as u32, failure_persistence: None, ..Config::default() };
    let result =
        runner(config, seed()).run(&inputs, |(op, keep, members, listed, parts, count)| {
            let parts = [parts.0, parts.1, parts.2];
            let parts = &parts[..count];
            let mut keys = Vec::new();
            if !members.is_empty() {
                keys.push("list".to_owned());
            }
            let mut args = vec![op.to_owned(), NOW.to_string(), keep.to_owned()];
            args.push(members.len().to_string());
            args.extend(members.iter().map(|&member| member.to_owned()));
            for part in parts {
                keys.extend(part.keys.clone());
                args.extend(part.args.clone());
            }
            if keep != "0" {
                keys.push("once".to_owned());
            }
            runtime.block_on(async {
                let mut seen = Vec::new();
                for client in &clients {
                    client.flushall().await.unwrap();
                    if listed[0] {
                        client.sadd("list", ["evil"]).await.unwrap();
                    }
                    for (key, before) in
                        parts.iter().flat_map(|part| part.keys.iter().zip(&part.before))
                    {
                        if let [name, rest @ ..] = &before[..] {
                            let command = Command::new(name.clone()).arg(key).args_from(rest);
                            client.send(&command).await.unwrap();
                        }
                    }
                    for _ in 0..2 {
                        let reply = client.run_script::<String>(script, &keys, &args).await;
                        let reply = reply.map_err(|error| error.kind());
                        seen.push((reply, stored(client).await));
                    }
                }
                prop_assert_eq!(&seen[0..2], &seen[4..6]);
                prop_assert_eq!(&seen[2..4], &seen[4..6]);
                Ok(())
            })
        });
    if let Err(error) = result {
        panic!("{error}");
    }
}
