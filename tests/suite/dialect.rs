//! Where Upstash differs from Redis: the embedded engine, and the local server over a real Redis, answer alike.
//!
//! A case is a random sequence of 60 commands of which most are such that Upstash and Redis differ.

use edgecask::prelude::*;
use edgecask::transport::memory::{Dialect, MemoryOptions, MemoryTransport};
use edgecask::{Command, FromValue, Value};
use edgecask_server::{Server, ServerOptions};
use edgecask_tests::{Dice, RedisServer, seeds};

const STEPS: u64 = 60;

fn engine(dialect: Dialect) -> Client {
    Client::new(MemoryTransport::with_options(&MemoryOptions::new().dialect(dialect)))
}

fn command(line: &str) -> Command {
    let mut words = line.split(' ');
    Command::new(words.next().unwrap_or_default().to_owned()).args_from(words)
}

/// The reply or the text of the error. What has no order is sorted, and times are left out.
async fn answer(client: &Client, line: &str) -> Result<Value, String> {
    let reply = client.send(&command(line)).await.map_err(|error| error.message().to_owned())?;
    let reply = plain(reply);
    let Value::Array(mut parts) = reply else { return Ok(reply) };
    match line.split(' ').next() {
        Some("SCAN") => {
            if let Some(Value::Array(keys)) = parts.get_mut(1) {
                let width = if line.contains("WITHTYPE") { 2 } else { 1 };
                let mut pages: Vec<Vec<Value>> =
                    keys.chunks(width).map(<[Value]>::to_vec).collect();
                pages.sort_by_key(|page| page[0].as_bytes().map(<[u8]>::to_vec));
                *keys = pages.concat();
            }
        }
        Some("XINFO") => {
            let short = |consumer: Value| match consumer {
                Value::Array(fields) => Value::Array(fields.into_iter().take(4).collect()),
                other => other,
            };
            parts = parts.into_iter().map(short).collect();
        }
        _ => {}
    }
    Ok(Value::Array(parts))
}

/// Statuses as strings.
fn plain(value: Value) -> Value {
    match value {
        Value::Simple(text) => Value::Bulk(text),
        Value::Array(items) => Value::Array(items.into_iter().map(plain).collect()),
        other => other,
    }
}

fn random_line(dice: &Dice) -> String {
    let one = |words: &[&'static str]| words[dice.roll(words.len() as u64) as usize];
    let number = || one(&["0", "1", "2", "3", "9", "-1", "-2", "-9"]);
    let key = || one(&["a", "b", "z", "s", "t", "none"]);
    let mut options = ["REV", "WITHSCORES", "BYSCORE", "FOO"].map(str::to_owned).to_vec();
    options.push(format!("LIMIT {} {}", number(), number()));
    options.push(format!("LIMIT {} {}", number(), number()));
    options.push("LIMIT 1".to_owned());
    options.push("limit x 1".to_owned());
    let picked = |most: u64| {
        let picked = (0..dice.roll(most + 1))
            .map(|_| options[dice.roll(options.len() as u64) as usize].clone());
        picked.collect::<Vec<_>>().join(" ")
    };
    let line = match dice.roll(13) {
        0 => format!("SET {} {}", key(), number()),
        1 => format!("ZADD z {} m{}", number(), number()),
        2 => format!("XADD {} * f {}", one(&["s", "t"]), number()),
        3 => format!("COPY {} {}{}", key(), key(), one(&["", "", " REPLACE", " FOO"])),
        4 => format!("UNLINK{}", one(&["", " a", " b z", " none", " t"])),
        5 => format!(
            "SCAN 0 COUNT 1000{}",
            one(&[" WITHTYPE", "", " withtype MATCH s", " WITHTYPE TYPE zset", " FOO"])
        ),
        6 => format!(
            "SCAN {}",
            one(&["0 MATCH WITHTYPE", "0 WITHTYPE COUNT", "x WITHTYPE", "0 WITHTYPE WITHTYPE"])
        ),
        7 | 8 => format!(
            "ZRANGE {} {} {} {}",
            one(&["z", "z", "z", "s", "none"]),
            number(),
            number(),
            picked(3)
        ),
        9 => format!("XGROUP CREATE {} {} 0", one(&["s", "t"]), one(&["g", "h"])),
        10 => format!(
            "XREADGROUP GROUP {} {}{}{} STREAMS {}",
            one(&["g", "h"]),
            one(&["c", "d", "noack"]),
            one(&["", " COUNT 1"]),
            one(&[" NOACK", " NOACK", " noack", ""]),
            one(&["s >", "s 0", "s t > >", "s t > 0", "none >", "s", "z >", "s $"]),
        ),
        11 => format!("XINFO CONSUMERS {} {}", one(&["s", "t"]), one(&["g", "h"])),
        _ => format!(
            "XTRIM {} {} {}{}{}",
            one(&["s", "t", "z"]),
            one(&["MAXLEN", "MINID"]),
            one(&["~ ", "~ ", "= ", ""]),
            one(&["0", "2", "x"]),
            one(&["", " LIMIT 1", " LIMIT x", " LIMIT"]),
        ),
    };
    line.trim_end().to_owned()
}

#[tokio::test]
async fn the_engine_and_the_server_over_a_redis_answer_as_upstash() {
    let Some(redis) = RedisServer::redis8() else { return };
    let server = Server::start(ServerOptions::redis(redis.url())).await.unwrap();
    let rest = Client::rest(&server.url(), server.token()).unwrap();
    for seed in seeds(12) {
        let dice = Dice::new(seed);
        let own = engine(Dialect::Upstash);
        rest.flushall().await.unwrap();
        let mut lines = Vec::new();
        for _ in 0..STEPS {
            let line = random_line(&dice);
            if line.starts_with("XADD") {
                // The same time on both sides.
                let line = line.replace('*', &format!("{}-1", lines.len() + 1));
                assert_eq!(answer(&own, &line).await, answer(&rest, &line).await);
                lines.push(line);
                continue;
            }
            lines.push(line.clone());
            let (ours, theirs) = (answer(&own, &line).await, answer(&rest, &line).await);
            assert_eq!(ours, theirs, "EDGECASK_TEST_SEED={seed}:\n{}", lines.join("\n"));
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn each_row_of_the_table_differs() {
    let rows = [
        ("COPY k k", "0"),
        ("UNLINK", "0"),
        ("SCAN 0 MATCH k WITHTYPE", "[0, [k, string]]"),
        ("ZRANGE z 0 -1 LIMIT 1 1", "[b]"),
        ("FCALL_RO get 1 k", "v"),
    ];
    let set_up = async |dialect| {
        let client = engine(dialect);
        for line in ["SET k v", "ZADD z 1 a 2 b 3 c", "XADD s 1-1 f v", "XGROUP CREATE s g 0"] {
            client.send(&command(line)).await.unwrap();
        }
        let library = "#!lua name=l\nredis.register_function('get', function(k) return redis.call('GET', k[1]) end)\n\
                       redis.register_function('set', function(k) return redis.call('SET', k[1], 'x') end)";
        client.send(&command("FUNCTION LOAD").arg(library)).await.unwrap();
        client
    };
    let (upstash, redis) = (set_up(Dialect::Upstash).await, set_up(Dialect::Redis).await);
    for (line, expected) in rows {
        assert_eq!(shown(&upstash.send(&command(line)).await.unwrap()), expected, "{line}");
        assert!(redis.send(&command(line)).await.is_err(), "{line}");
        // In a transaction and for a script too.
        let all = upstash.send_transaction(&[command(line)]).await.unwrap();
        assert_eq!(shown(all[0].as_ref().unwrap()), expected, "{line}");
        if !line.starts_with("FCALL") {
            let words: Vec<&str> = line.split(' ').collect();
            let script = "return redis.call(unpack(ARGV))";
            let reply: Value = upstash.eval(script, [""; 0], &words).await.unwrap();
            assert_eq!(shown(&reply), expected, "{line}");
        }
    }
    let error = upstash.send(&command("FCALL_RO set 1 k")).await.unwrap_err();
    assert!(error.message().contains("not allowed from read-only scripts"), "{error}");
    assert_eq!(upstash.get::<String>("k").await.unwrap().as_deref(), Some("v"));

    for (client, consumers) in [(&upstash, 0), (&redis, 1)] {
        let read = "XREADGROUP GROUP g c NOACK STREAMS s >";
        assert_eq!(shown(&client.send(&command(read)).await.unwrap()), "[[s, [[1-1, [f, v]]]]]");
        let known = client.send(&command("XINFO CONSUMERS s g")).await.unwrap();
        assert_eq!(Vec::<Value>::from_value(known).unwrap().len(), consumers);
        for id in 2..=150 {
            client.send(&command(&format!("XADD s {id}-1 f v"))).await.unwrap();
        }
    }
    let trim = command("XTRIM s MAXLEN ~ 7 LIMIT 1000");
    assert_eq!(upstash.send(&trim).await.unwrap(), Value::Integer(143));
    assert_eq!(redis.send(&trim).await.unwrap(), Value::Integer(100));
}

/// A value in few characters.
fn shown(value: &Value) -> String {
    match value {
        Value::Array(items) => {
            format!("[{}]", items.iter().map(shown).collect::<Vec<_>>().join(", "))
        }
        Value::Integer(number) => number.to_string(),
        other => other
            .as_bytes()
            .map_or_else(String::new, |text| String::from_utf8_lossy(text).into_owned()),
    }
}

#[tokio::test]
async fn a_replica_answers_in_the_same_dialect() {
    let own = MemoryTransport::with_options(&MemoryOptions::new().dialect(Dialect::Upstash));
    let copy = Client::new(own.fork());
    assert_eq!(copy.send(&Command::new("UNLINK")).await.unwrap(), Value::Integer(0));
}
