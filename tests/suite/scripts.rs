//! The scripts that Edgecask ships do the same in three ways: the Lua on a real Redis, the Lua on the engine, and the native
//! implementation on the engine.

use std::collections::BTreeMap;

use edgecask::layer::{AutoPipeline, Fallback, KeyPrefix, Retry};
use edgecask::platform::BoxFuture;
use edgecask::prelude::*;
use edgecask::transport::memory::{MemoryTransport, ScriptOptions};
use edgecask::transport::{Capabilities, Results};
use edgecask::{Client, Error, ErrorKind, Outcome, Result, Script, Value};
use edgecask_server::{Server, ServerOptions};
use edgecask_tests::{RedisServer, Tap, Tapped, Trip, runner, seed};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::Config;

/// A state to begin from: commands on the keys that the scripts get.
fn state() -> impl Strategy<Value = Vec<Command>> {
    let forms: Vec<&'static str> = vec![
        "SET a v",
        "SET a v EX 1000",
        "SET b token",
        "SET b other",
        "SET b 1.1-token",
        "SET b token PX 100000",
        "LPUSH a x",
        "HSET b f v",
        "SADD c m",
        "SET c token",
        "SET b =token",
        "SET b =other PX 100000",
        "SET a 2",
        "SET a 0 EX 1000",
        "SADD b token",
        "HSET a fence 5",
        "HSET a left 2",
        "HSET b left 1 part:other 1",
        "HSET c left 0",
        "HSET c left x",
        "HSET a fence x",
        "ZADD a 9000000000000 token",
        "ZADD a 5 token",
    ];
    prop::collection::vec(select(forms).prop_map(line), 0..4)
}

fn line(text: &str) -> Command {
    let mut words = text.split(' ').map(str::to_owned);
    Command::new(words.next().unwrap_or_default()).args_from(words)
}

fn words(
    list: &'static [&'static str],
    count: impl Into<prop::collection::SizeRange>,
) -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec(select(list).prop_map(str::to_owned), count)
}

async fn contents(client: &Client) -> Vec<Value> {
    let mut contents = Vec::new();
    for key in ["a", "b", "c"] {
        let kind: String = client.key_type(key).await.unwrap();
        contents.push(Value::bulk(kind.clone()));
        if kind == "string" {
            contents.push(client.send(&Command::new("GET").arg(key)).await.unwrap());
            // To ten seconds: the two servers are asked one after the other.
            let left: i64 = client.execute(Command::new("TTL").arg(key)).await.unwrap();
            contents.push(Value::Integer((left + 5) / 10));
        } else if kind == "hash" {
            let fields = client.hgetall::<String>(key).await.unwrap();
            let fields: BTreeMap<String, String> = fields.into_iter().collect();
            contents.extend(
                fields.into_iter().flat_map(|(field, value)| [field, value]).map(Value::bulk),
            );
        }
    }
    contents
}

/// How many keys a script takes: all of this crate's take as many as its source names.
fn script_keys(script: &Script) -> usize {
    if script.source().contains("KEYS[2]") { 2 } else { 1 }
}

/// Arguments as a script is given them: what it does with others, nobody relies on.
fn arguments(script: &Script) -> impl Strategy<Value = Vec<&'static str>> {
    let tokens = &["token", "other", "x", "1.1-token"][..];
    let millis = &["5000000", "7000000"][..];
    let values = &["token", "other", "", "0", "5000000", "x", "-1"][..];
    let each: Vec<&[&str]> = if script.source().contains("'HEXISTS'") {
        vec![tokens, &["channel"]]
    } else if script.source().contains("'left', ARGV[1]") {
        vec![&["1", "0", "4294967295"], millis]
    } else if script.source().contains("'HDEL'") {
        vec![&["1", "5", "7"], &["set", "remove", "claim"], values]
    } else if script.source().contains("'PEXPIREAT'") {
        vec![tokens, millis]
    } else if script.source().contains("'look'") {
        vec![tokens, millis, &["take", "try", "look"]]
    } else if script.source().contains("'renew'") {
        vec![tokens, millis, &["renew", "hold"], &["0", "persist", "60", "9000000"]]
    } else if script.source().contains("return redis.call('PEXPIRE'") {
        vec![tokens, millis]
    } else if script.source().contains("string.len(ARGV[1])) ~= ARGV[1]") {
        vec![tokens]
    } else if script.source().contains("STRLEN") {
        // The engine has no figure of MEMORY USAGE for what is not a string.
        vec![&["STRLEN"], &["0", "1", "9"], &["0", "5", "99"], &["9"], &["GET"]]
    } else if script.source().contains("ARGV[4]") {
        vec![tokens, tokens, &["0", "5000000"], &["0", "5000000"]]
    } else if script.source().contains("'KEEPTTL'") {
        vec![values; 2]
    } else if script.source().contains("return redis.call('DEL', KEYS[1])") {
        vec![values]
    } else {
        panic!("what arguments does this script take?\n{}", script.source())
    };
    each.into_iter().map(proptest::sample::select).collect::<Vec<_>>()
}

/// The value with the clock's numbers made equal: `1790000000.123-` or the like.
fn timeless(value: Value) -> Value {
    match value {
        Value::Array(items) => Value::Array(items.into_iter().map(timeless).collect()),
        // A time to live that was read a moment later.
        Value::Integer(left) if left > 1000 => Value::Integer((left + 500) / 1000),
        Value::Bulk(bytes) => match String::from_utf8_lossy(&bytes).split_once('-') {
            // Ten digits of seconds are no test data.
            Some((clock, random)) if clock.len() > 10 => Value::bulk(format!("now-{random}")),
            _ => Value::Bulk(bytes),
        },
        other => other,
    }
}

#[test]
fn scripts_do_the_same_on_redis_in_lua_and_natively() {
    let redis = RedisServer::start();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let real = redis.client();
    // Those of events, limits, locks, queues, quotas and schedules have tests of their own, in the rooms of these names.
    let own = [
        "SMISMEMBER",
        "'edgecask:unlocked:'",
        "'run:'",
        "'#tasks'",
        "'XREVRANGE'",
        "'joined'",
        "-now, now",
    ];
    let scripts =
        edgecask::scripts().filter(|script| !own.iter().any(|word| script.source().contains(word)));
    for script in scripts {
        let inputs = (state(), words(&["a", "b", "c"], script_keys(script)), arguments(script));
        let config = Config { cases: 200, failure_persistence: None, ..Config::default() };
        let result = runner(config, seed()).run(&inputs, |(state, keys, args)| {
            runtime.block_on(async {
                let lua = ScriptOptions::new().prefer_native(false);
                let lua = Client::new(MemoryTransport::new().with_script_options(lua));
                let native = ScriptOptions::new().run_lua(false);
                let native = Client::new(MemoryTransport::new().with_script_options(native));
                real.flushall().await.unwrap();
                let mut replies = Vec::new();
                for client in [&native, &lua, &real] {
                    for command in &state {
                        // A type that does not fit is an error in both.
                        let _ = client.send(command).await;
                    }
                    let reply = client.run_script::<Value>(script, &keys, &args).await;
                    // The server puts the script's place around the error of a command.
                    let reply = reply.map_err(|error| error.kind());
                    replies.push((
                        reply.map(timeless),
                        timeless(Value::Array(contents(client).await)),
                    ));
                }
                prop_assert_eq!(&replies[0], &replies[2]);
                prop_assert_eq!(&replies[1], &replies[2]);
                Ok(())
            })
        });
        if let Err(error) = result {
            panic!("{script:?}: {error}");
        }
    }
}

#[tokio::test]
async fn scripts_lock_their_keys_on_upstash_and_run_elsewhere_all_the_same() {
    let redis = RedisServer::start();
    let script = Script::new("return redis.call('INCR', KEYS[1])").key_locking();
    // The local server takes the flag as Upstash does; a proxy that hands it on to Redis is told apart once.
    let server = Server::start(ServerOptions::redis(redis.url())).await.unwrap();
    let rest = Client::rest(&server.url(), server.token()).unwrap();
    let proxy = redis.client().layer(Tapped(Proxy));
    for client in [rest, redis.client(), proxy] {
        for count in 1..=3 {
            client.del(["n"]).await.unwrap();
            client.set("n", count - 1).await.unwrap();
            assert_eq!(client.run_script::<i64>(&script, ["n"], [""; 0]).await.unwrap(), count);
        }
    }
    let knows = redis.client().script_exists([script.sha()]).await.unwrap();
    assert_eq!(knows, [true]);
    server.stop().await;
}

#[tokio::test]
async fn a_script_that_cannot_run_is_refused_before_anything_does() {
    let options = ScriptOptions::new().run_lua(false);
    let engine = MemoryTransport::new().with_script_options(options);
    let plain = Client::new(engine.clone());
    // Nobody listens there.
    let away = Client::tcp("redis://127.0.0.1:9").unwrap();
    let clients = [
        plain.clone(),
        plain.clone().layer(KeyPrefix::new("t:")),
        plain.clone().layer(AutoPipeline::new()).layer(Retry::new()),
        away.clone().layer(Fallback::to(engine.clone())),
    ];
    let lua = Script::new("return redis.call('SET', KEYS[1], ARGV[1])");
    let refused = |error: Error| (error.kind(), error.outcome());
    let expected = (ErrorKind::Unsupported, Outcome::NotSent);
    for client in &clients {
        let run = client.run_script::<Value>(&lua, ["k"], ["v"]).await;
        assert_eq!(refused(run.unwrap_err()), expected);
        let commands = [
            Command::new("SET").arg("k").arg("v"),
            Command::new("EVAL").arg(lua.source()).arg(1).arg("k").arg("v"),
        ];
        for results in
            [client.send_pipeline(&commands).await, client.send_transaction(&commands).await]
        {
            assert_eq!(refused(results.unwrap_err()), expected);
        }
        // Known by its text, it runs no more than before.
        let sha = client.script_load(lua.source()).await.unwrap();
        let run = client.evalsha::<Value>(&sha, ["k"], ["v"]).await;
        assert_eq!(refused(run.unwrap_err()), expected);
        plain.script_flush().await.unwrap();
    }
    assert_eq!(plain.keys::<String>("*").await.unwrap(), [""; 0]);
    // With a native implementation it runs through all layers, and so does one that the engine knows.
    let native = Script::new("return redis.call('SET', KEYS[1], ARGV[1])  -- a native one")
        .with_native(|redis, keys, args| {
            redis.call(Command::new("SET").arg(&keys[0]).arg(&args[0]))
        });
    for client in &clients {
        client.run_script::<()>(&native, ["k"], ["v"]).await.unwrap();
        plain.script_flush().await.unwrap();
    }
    assert_eq!(plain.dbsize().await.unwrap(), 2);
    // It also runs if its source was loaded before the engine knew the native implementation.
    let late = Script::new("return redis.call('SET', KEYS[1], ARGV[1])  -- loaded first");
    plain.script_load(late.source()).await.unwrap();
    let late = late.with_native(|redis, keys, args| {
        redis.call(Command::new("SET").arg(&keys[0]).arg(&args[0]))
    });
    plain.run_script::<()>(&late, ["late"], ["v"]).await.unwrap();
    assert_eq!(plain.del(["late"]).await.unwrap(), 1);
    engine.register(&native);
    plain.eval::<()>(native.source(), ["other"], ["v"]).await.unwrap();
    assert_eq!(plain.dbsize().await.unwrap(), 3);
}

/// REST in front of a plain Redis, without a thought for scripts.
#[derive(Debug)]
struct Proxy;

impl Tap for Proxy {
    fn capabilities(&self, inner: Capabilities) -> Capabilities {
        inner.key_locking(true)
    }

    fn carry<'a>(&'a self, trip: Trip<'a>) -> BoxFuture<'a, Result<Results>> {
        Box::pin(trip.go())
    }
}
