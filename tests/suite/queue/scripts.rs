//! The scripts of queues give the same on a real Redis, by Lua in the engine, and natively.

use std::collections::BTreeMap;

use edgecask::prelude::*;
use edgecask::{Client, Script, Value};
use edgecask_tests::{Dice, Place, seeds};

const KEYS: [&str; 8] = [
    "{s}",
    "{s}:payloads",
    "{s}:ready",
    "{s}:delayed",
    "{s}:active",
    "{s}:dead",
    "{s}:grouped",
    "{s}:done",
];
/// The milliseconds of a lease, a delay or a time to live that does not end while the test runs.
const LONG: &str = "9000000";

#[derive(Debug, Clone)]
enum Step {
    /// A script, its further keys and its arguments.
    Call(usize, Vec<String>, Vec<String>),
    /// An index is evicted.
    Evict(&'static str),
    /// All that is in this index is due.
    Due(&'static str),
    /// All times to live are over.
    Expire,
    LosePayload(String),
    /// Another program adds to the list.
    Push(String),
    /// Another program adds to the sorted set.
    Add(String, String),
}

fn step(dice: &Dice) -> Step {
    let pick = |texts: &[&str]| texts[dice.roll(texts.len() as u64) as usize].to_owned();
    let id = || pick(&["a", "b", "c", "d", "e"]);
    let token = || pick(&["abc1", "def2"]);
    let few = || 1 + dice.roll(3);
    let common = || {
        let concurrency = pick(&["1", "2"]);
        [
            concurrency,
            pick(&["0", "2", "9"]),
            "channel".to_owned(),
            LONG.to_owned(),
            pick(&["1", "9"]),
        ]
    };
    let mut args = Vec::from(common());
    let mut keys = Vec::new();
    match dice.roll(18) {
        0..4 => {
            args.push(pick(&["3", "9", "99"]));
            let parent = pick(&["-", "-", "=a"]);
            for _ in 0..few() {
                let when = pick(&["+0", "+0", "+9000000", "@5"]);
                let once = pick(&["0", "0", LONG]);
                if once != "0" {
                    keys.push(pick(&["{s}:once:x", "{s}:once:y"]));
                }
                let task = id();
                let parent = if task == "a" { "-".to_owned() } else { parent.clone() };
                args.extend([
                    task,
                    pick(&["payload", "", "{\"p\":1}"]),
                    when,
                    pick(&["100", "0", "255"]),
                ]);
                args.extend([pick(&["1", "3"]), pick(&["1", "2"]), pick(&["0", LONG])]);
                args.extend([pick(&["-", "-", "=g", "=h"]), parent, once]);
            }
            Step::Call(0, keys, args)
        }
        4..7 => {
            let token = token();
            keys.push(format!("{{s}}:pull:{token}"));
            args.extend([
                token,
                pick(&["1", "2", "9"]),
                LONG.to_owned(),
                pick(&["first", "again"]),
            ]);
            // A rate of one in hours, so that the clock does not matter.
            args.extend(if dice.roll(5) == 0 {
                ["3600000000", "7200000000"].map(str::to_owned)
            } else {
                ["0", "0"].map(str::to_owned)
            });
            args.push(pick(&["1", "10", "99999"]));
            let kind = pick(&["none", "list", "set"]);
            if kind != "none" {
                keys.push(format!("{{s}}:of-others:{kind}"));
            }
            args.extend([
                kind,
                pick(&["1", "3"]),
                pick(&["1", "2"]),
                pick(&["0", LONG]),
                pick(&["0", "99"]),
            ]);
            Step::Call(1, keys, args)
        }
        7..11 => {
            for _ in 0..few() {
                let task = id();
                let ttl = pick(&["0", LONG]);
                if ttl != "0" {
                    keys.push(format!("{{s}}:result:{task}"));
                }
                args.extend([
                    pick(&["ack", "nack", "reject", "release"]),
                    task,
                    pick(&["1", "1", "2", "3"]),
                ]);
                args.extend([
                    token(),
                    pick(&["0", LONG]),
                    pick(&["", "it failed"]),
                    ttl,
                    "r".to_owned(),
                ]);
            }
            Step::Call(2, keys, args)
        }
        11 => {
            let (task, ttl) = (id(), pick(&["0", LONG]));
            if ttl != "0" {
                keys.push(format!("{{s}}:progress:{task}"));
            }
            args.extend([
                LONG.to_owned(),
                pick(&["exactly", "at least"]),
                task,
                pick(&["1", "2"]),
                token(),
                ttl,
                "half".to_owned(),
            ]);
            Step::Call(3, keys, args)
        }
        12 => {
            let token = token();
            keys.push(format!("{{s}}:pull:{token}"));
            args.push(token);
            Step::Call(4, keys, args)
        }
        13 => {
            args.push(pick(&["call1", "call2", "call3"]) + &dice.roll(20).to_string());
            match dice.roll(4) {
                0 => args.push(pick(&["pause", "resume", "resume"])),
                1 => {
                    args.extend(["limit".to_owned(), pick(&["g", "h"]), pick(&["0", "1", "3", ""])])
                }
                _ => args.extend([pick(&["requeue", "remove"]), id(), id()]),
            }
            Step::Call(5, keys, args)
        }
        16 => Step::Push(pick(&["x", "y", ""])),
        17 => Step::Add(pick(&["x", "y"]), pick(&["5", "1.5", "99999999999"])),
        14 => Step::Due(KEYS[3 + dice.roll(2) as usize]),
        _ => match dice.roll(4) {
            0 => Step::Expire,
            1 => Step::LosePayload(id()),
            _ => Step::Evict(KEYS[2 + dice.roll(5) as usize]),
        },
    }
}

/// Times near the clock are made equal.
fn timeless(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    let near = |word: &str| match word.parse::<u64>() {
        // What begins now, and what lasts long.
        Ok(number @ 1_000_000_000_000..2_000_000_000_000) => (number / 8_000_000).to_string(),
        Ok(1_000_000_000_000_000..2_000_000_000_000_000) => "micros".to_owned(),
        _ => word.to_owned(),
    };
    // The id of a task of another program is the token of a pull and a number of the sequence.
    let word = |word: &str| word.split('-').map(near).collect::<Vec<_>>().join("-");
    text.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

fn shown(value: Value) -> String {
    match value {
        Value::Array(items) => format!("{:?}", items.into_iter().map(shown).collect::<Vec<_>>()),
        Value::Bulk(bytes) => match std::str::from_utf8(&bytes)
            .ok()
            .and_then(|text| text.parse::<u64>().ok())
        {
            // The time until something is due.
            Some(number @ 1_000_000..1_000_000_000_000) => format!("long {}", number / 4_000_000),
            _ => timeless(&bytes),
        },
        other => format!("{other:?}"),
    }
}

async fn contents(client: &Client) -> BTreeMap<String, String> {
    let mut contents = BTreeMap::new();
    for key in client.keys::<String>("*").await.unwrap() {
        let kind: String = client.key_type(&key).await.unwrap();
        let value = match kind.as_str() {
            "hash" => {
                let fields = client.hgetall::<bytes::Bytes>(&key).await.unwrap();
                let fields = fields.into_iter();
                let fields =
                    fields.map(|(field, value)| (timeless(field.as_bytes()), timeless(&value)));
                let mut fields: Vec<(String, String)> = fields.collect();
                fields.sort();
                format!("{fields:?}")
            }
            "list" => format!("{:?}", client.lrange::<String>(&key, 0, -1).await.unwrap()),
            "zset" => {
                let members: Vec<String> =
                    client.execute(cmd("ZRANGE").arg(&key).arg(0).arg(-1)).await.unwrap();
                let scores: Vec<(String, f64)> = client
                    .execute(cmd("ZRANGE").arg(&key).arg(0).arg(-1).arg("WITHSCORES"))
                    .await
                    .unwrap();
                let mut scores: Vec<(String, String)> = scores
                    .into_iter()
                    .map(|(member, score)| {
                        // The end of a task has the number of its delivery in it.
                        let ended = key == KEYS[7];
                        let score = if ended { score % 1024.0 } else { score };
                        (timeless(member.as_bytes()), timeless(score.to_string().as_bytes()))
                    })
                    .collect();
                scores.sort();
                // The members of groups have a rank, which has the clock in it.
                let name = |member: &String| match member.split('\u{1}').collect::<Vec<_>>()[..] {
                    [group, _, id] => format!("{group} {id}"),
                    _ => timeless(member.as_bytes()),
                };
                let members: Vec<String> = members.iter().map(name).collect();
                if key == KEYS[2] || key == KEYS[6] {
                    format!("{members:?}")
                } else {
                    format!("{scores:?}")
                }
            }
            _ => {
                let value: bytes::Bytes = client.get(&key).await.unwrap().unwrap_or_default();
                let left: i64 = client.execute(cmd("TTL").arg(&key)).await.unwrap();
                format!("{} for {}", timeless(&value), (left + 500) / 1000)
            }
        };
        contents.insert(key, value);
    }
    contents
}

async fn carry_out(client: &Client, scripts: &[&Script], step: &Step) -> String {
    match step {
        Step::Call(which, keys, args) => {
            let keys = KEYS.iter().map(|key| (*key).to_owned()).chain(keys.iter().cloned());
            let keys: Vec<String> = keys.collect();
            match client.run_script::<Value>(scripts[*which], &keys, args).await {
                Ok(reply) => shown(reply),
                Err(error) => format!("{:?}", error.kind()),
            }
        }
        Step::Evict(key) => client.del([key]).await.unwrap().to_string(),
        Step::Due(index) => {
            let ids: Vec<String> = client
                .execute(cmd("ZRANGE").arg(*index).arg(0).arg("+inf").arg("BYSCORE"))
                .await
                .unwrap();
            let mut changed = 0;
            for id in ids {
                let score = client.zscore(*index, &id).await.unwrap().unwrap();
                // Parents wait on.
                if score < 9e15 {
                    client.execute::<i64>(cmd("ZADD").arg(*index).arg(5).arg(&id)).await.unwrap();
                    changed += 1;
                }
            }
            changed.to_string()
        }
        Step::Expire => {
            for (id, text) in client.hgetall::<String>(KEYS[0]).await.unwrap() {
                let mut words: Vec<&str> = text.split(' ').collect();
                if words.len() >= 17 && words[7] != "0" {
                    words[7] = "5";
                    client.hset(KEYS[0], [(id, words.join(" "))]).await.unwrap();
                }
            }
            String::new()
        }
        Step::Push(item) => client.lpush("{s}:of-others:list", [item]).await.unwrap().to_string(),
        Step::Add(item, score) => {
            let add = cmd("ZADD").arg("{s}:of-others:set").arg(score).arg(item);
            client.execute::<i64>(add).await.unwrap().to_string()
        }
        Step::LosePayload(id) => client.hdel(KEYS[1], [id]).await.unwrap().to_string(),
    }
}

#[tokio::test]
async fn scripts_of_queues_do_the_same_in_three_ways() {
    let scripts: Vec<&Script> =
        edgecask::scripts().filter(|script| script.source().contains("'#tasks'")).collect();
    assert_eq!(scripts.len(), 6);
    let places = Place::three_ways();
    let clients = places.each_ref().map(Place::client);
    for seed in seeds(40) {
        let dice = Dice::new(seed);
        for client in &clients {
            client.flushall().await.unwrap();
        }
        let mut steps = Vec::new();
        for _ in 0..25 {
            steps.push(step(&dice));
            let step = &steps[steps.len() - 1];
            let mut seen = Vec::new();
            for client in &clients {
                let reply = carry_out(client, &scripts, step).await;
                seen.push((reply, contents(client).await));
            }
            assert_eq!(seen[1], seen[0], "Lua, seed {seed}: {steps:#?}");
            assert_eq!(seen[2], seen[0], "native, seed {seed}: {steps:#?}");
        }
    }
}
