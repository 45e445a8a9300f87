//! A key prefix, against real servers: for every command with random options, all keys that the server finds in what is
//! sent are behind the prefix, and nothing of others is changed or shown.

use std::sync::{Arc, Mutex};

use edgecask::layer::KeyPrefix;
use edgecask::platform::BoxFuture;
use edgecask::prelude::*;
use edgecask::transport::Results;
use edgecask::{Client, Error, ErrorKind, Result, Value};
use edgecask_server::{Server, ServerOptions};
use edgecask_tests::{RedisServer, Tap, Tapped, Trip, cases};

use crate::command_lines::{
    JSON_FORMS, Random, described, difference, json_line, line, seed, state, words,
};
use crate::command_table::keys_of_server;

const PREFIX: &str = r"t?[a]\:";
/// What the keys of others hold: no reply may show it.
const SECRET: &str = "of-others";

/// Keeps what is sent, and hands it on.
#[derive(Debug)]
struct Watch(Arc<Mutex<Vec<Command>>>);

impl Tap for Watch {
    fn carry<'a>(&'a self, trip: Trip<'a>) -> BoxFuture<'a, Result<Results>> {
        self.0.lock().unwrap().extend(trip.commands.iter().cloned());
        Box::pin(trip.go())
    }
}

/// The keys of others have the names that the tenant uses too, and names that its patterns and options may form.
async fn plant(client: &Client, redis8: bool) {
    client.flushall().await.unwrap();
    let pipeline = client.pipeline();
    let mut always = Random::fixed();
    for command in seed(redis8, &mut always) {
        let _ = pipeline.execute::<Value>(command);
    }
    // Whoever reads one of them shows it.
    let mut lines: Vec<&str> = vec![
        "SET s1 of-others",
        "SET s2 of-others",
        "SET s3 of-others",
        "SET SET of-others",
        "HSET h1 a of-others b of-others",
        "HSET h2 a of-others",
        "HSET FIELDS a of-others",
        "HSET w_a a of-others",
        "RPUSH l1 of-others",
        "RPUSH l2 of-others",
        "RPUSH LEFT of-others",
        "RPUSH STORE of-others",
        "SADD e1 of-others",
        "SADD e2 of-others",
        "SADD BY of-others",
        "SADD LIMIT of-others",
        "ZADD z1 1 of-others",
        "ZADD z2 0 of-others",
        "ZADD BYSCORE 1 of-others",
        "ZADD WEIGHTS 1 of-others",
        "XADD x1 4-1 a of-others",
        "XADD x2 4-1 a of-others",
        "XADD STREAMS 4-1 a of-others",
        "GEOADD g1 1 1 of-others",
        "GEOADD store 1 1 of-others",
        "GEOADD STOREDIST 1 1 of-others",
    ];
    // A life that goes by would look like a change.
    lines.extend(["PERSIST h2", "PERSIST l2", "PERSIST e2", "PERSIST z2", "PERSIST g2"]);
    if redis8 {
        lines.extend([
            r#"JSON.SET j1 $ {"a":"of-others","b":"of-others"}"#,
            r#"JSON.SET j2 $ {"a":"of-others","b":["of-others"]}"#,
            r#"JSON.SET NX $ ["of-others"]"#,
        ]);
    }
    for line in lines {
        let line: Vec<_> = line.split(' ').map(str::to_owned).collect();
        let _ = pipeline.execute::<Value>(words(&line));
    }
    for key in ["k", "w_1", "w_b", "s9", "t?a:s1", "ta[a]\\:s1", "tx[a]:s1", "#", "none", "0"] {
        let _ = pipeline.set(format!("{SECRET}-{key}"), SECRET);
        let _ = pipeline.set(key, SECRET);
    }
    pipeline.exec().await.unwrap();
}

fn shows(value: &Value) -> bool {
    match value {
        Value::Simple(bytes) | Value::Bulk(bytes) => {
            bytes.windows(SECRET.len()).any(|word| word == SECRET.as_bytes())
        }
        Value::Array(items) | Value::Set(items) => items.iter().any(shows),
        Value::Map(pairs) => pairs.iter().any(|(name, value)| shows(name) || shows(value)),
        _ => false,
    }
}

async fn stays_behind(redis: RedisServer, redis8: bool) {
    let server = redis.client();
    let sent = Arc::<Mutex<Vec<Command>>>::default();
    let tenant =
        redis.client().layer(Tapped(Watch(Arc::clone(&sent)))).layer(KeyPrefix::new(PREFIX));
    let (mut random, seeded) = Random::new();
    let commands = described(&server).await;
    let forms: Vec<_> = JSON_FORMS.split(['|', '\n']).map(str::trim).collect();
    let forms = forms.into_iter().filter(|form| redis8 && !form.is_empty());
    let mut lines = Vec::new();
    for _ in 0..cases(2) {
        lines.extend(commands.iter().map(|command| line(command, &mut random)));
        lines.extend(forms.clone().map(|form| json_line(form, &mut random)));
    }
    plant(&server, redis8).await;
    let others = |state: Vec<(String, Value, Vec<i64>)>| -> Vec<_> {
        let mine = |key: &str| key.split_once(' ').is_some_and(|(_, key)| key.starts_with(PREFIX));
        state.into_iter().filter(|entry| !mine(&entry.0)).collect()
    };
    let before = others(state(&server, redis8).await);
    let (mut ran, mut refused) = (0, 0);
    for (number, line) in lines.iter().enumerate() {
        let command = words(line);
        // It would wait for what nobody pushes.
        if command.is_blocking() {
            continue;
        }
        if number % 50 == 0 {
            let pipeline = tenant.pipeline();
            for command in seed(redis8, &mut random) {
                let _ = pipeline.execute::<Value>(command);
            }
            pipeline.exec().await.unwrap();
        }
        sent.lock().unwrap().clear();
        let told = format!("{line:?} (EDGECASK_TEST_SEED={seeded})");
        match tenant.execute::<Value>(command).await {
            Ok(reply) => assert!(!shows(&reply), "it shows what others have: {told}: {reply:?}"),
            Err(error) if error.kind() == ErrorKind::Unsupported => {
                refused += 1;
                continue;
            }
            Err(error) => {
                assert!(!error.to_string().contains(SECRET), "{told}: {error}");
            }
        }
        ran += 1;
        let sent = std::mem::take(&mut *sent.lock().unwrap());
        for command in sent {
            let name = command.name().to_owned();
            let args = command.args().map(|arg| String::from_utf8(arg.to_vec()).unwrap());
            let words: Vec<_> = std::iter::once(name).chain(args).collect();
            for key in keys_of_server(&server, &words).await.unwrap_or_default() {
                assert!(key.starts_with(PREFIX), "{key} is not behind the prefix: {told}");
            }
        }
        if number % 10 == 0 || number + 1 == lines.len() {
            let after = others(state(&server, redis8).await);
            if let Some(difference) = difference(&before, &after) {
                panic!(
                    "something of others has changed, at {told} or up to 10 before: {difference}"
                );
            }
        }
    }
    assert!(ran > 300 && refused > 100, "{ran} lines ran, {refused} were refused");
}

#[tokio::test]
async fn nothing_leaves_a_prefix_on_redis_7() {
    stays_behind(RedisServer::start(), false).await;
}

#[tokio::test]
async fn nothing_leaves_a_prefix_on_redis_8() {
    if let Some(redis) = RedisServer::redis8() {
        stays_behind(redis, true).await;
    }
}

#[tokio::test]
async fn what_others_share_is_refused_with_its_reason() {
    let redis = RedisServer::start();
    let other = redis.client();
    other.set("victim", SECRET).await.unwrap();
    other.rpush("l", ["victim"]).await.unwrap();
    let tenant = redis.client().layer(KeyPrefix::new("t:"));
    tenant.rpush("l", ["1"]).await.unwrap();
    let run = async |line: &str| -> Result<Value, Error> {
        let line: Vec<_> = line.split(' ').map(str::to_owned).collect();
        tenant.execute::<Value>(words(&line)).await
    };
    for (line, reason) in [
        ("CONFIG GET *", "whole server"),
        ("SCRIPT FLUSH", "whole server"),
        ("ACL LIST", "whole server"),
        ("CLIENT LIST", "whole server"),
        ("SLOWLOG GET", "whole server"),
        ("FUNCTION LIST", "whole server"),
        ("MOVE l 1", "another database"),
        ("COPY l m DB 1", "another database"),
        ("COPY l m REPLACE DB", "another database"),
        ("COPY l m NEW", "options are known"),
        ("FLUSHALL", "does not name"),
        ("SWAPDB 0 1", "does not name"),
        ("RANDOMKEY", "does not name"),
        ("NEWER l", "whose keys are known"),
        ("OBJECT NEWER l", "not known"),
        ("MONITOR", "use subscribe()"),
    ] {
        let error = run(line).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{line}");
        assert!(error.message().contains(reason), "{line}: {error}");
    }
    let monitor = tenant.monitor().await;
    assert!(monitor.is_err_and(|error| error.kind() == ErrorKind::Unsupported));
    // Options that are given twice, and keys that are named like options.
    for line in ["SCAN 0 MATCH x MATCH *", "KEYS *", "SORT l STORE #", "SORT l GET victim GET #"] {
        assert!(!shows(&run(line).await.unwrap()), "{line}");
    }
    run("GEOADD store 1 1 a").await.unwrap();
    run("GEORADIUS store 1 1 9 km STORE store STORE victim").await.unwrap();
    let mut keys = other.keys::<String>("*").await.unwrap();
    keys.sort();
    assert_eq!(keys, ["l", "t:#", "t:l", "t:store", "t:victim", "victim"]);
    assert_eq!(other.get::<String>("victim").await.unwrap().as_deref(), Some(SECRET));
}

#[tokio::test]
async fn a_tenant_hears_no_notifications_of_the_keys_of_others() {
    let redis = RedisServer::with(["--notify-keyspace-events", "KEA"]);
    let server = Server::start(ServerOptions::redis(redis.url())).await.unwrap();
    let rest = Client::rest(&server.url(), server.token()).unwrap();
    for plain in [redis.client(), rest] {
        let tenant = plain.clone().layer(KeyPrefix::new("t:"));
        let channel = "__keyspace@0__:other:secret";
        let kind = |heard: edgecask::Result<_>| heard.map(drop).map_err(|error| error.kind());
        let refused = Err(ErrorKind::Unsupported);
        assert_eq!(kind(tenant.subscribe([channel]).await), refused);
        assert_eq!(kind(tenant.psubscribe(["news", "__keyevent@*"]).await), refused);
        for pattern in ["*", "__key*", "[_]_key*", "?_*"] {
            let mut heard = tenant.psubscribe([pattern]).await.unwrap();
            let mut control = plain.psubscribe([pattern]).await.unwrap();
            plain.set("other:secret", "v").await.unwrap();
            plain.publish("__news", "after").await.unwrap();
            plain.publish("__key", "after").await.unwrap();
            let first = control.message().await.unwrap();
            assert!(first.channel.starts_with(b"__key") && first.channel.contains(&b'@'));
            assert_eq!(heard.message().await.unwrap().payload, "after");
        }
    }
    server.stop().await;
}
