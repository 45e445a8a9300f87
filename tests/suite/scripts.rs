//! The scripts that Edgecask ships: the Lua on a real Redis and the twin on the engine do the same.

use edgecask::prelude::*;
use edgecask::{Client, Value};
use edgecask_tests::RedisServer;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, TestRunner};

/// A state to begin from: commands on the keys that the scripts get.
fn state() -> impl Strategy<Value = Vec<Command>> {
    let forms: Vec<&'static str> = vec![
        "SET a v",
        "SET a v EX 1000",
        "SET b token",
        "SET b other",
        "SET b token PX 100000",
        "LPUSH a x",
        "HSET b f v",
        "SADD c m",
        "SET c token",
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
        }
    }
    contents
}

#[test]
fn twins_do_what_the_lua_does() {
    let redis = RedisServer::start();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let real = redis.client();
    for script in edgecask::scripts() {
        let inputs = (
            state(),
            words(&["a", "b", "c"], 2),
            words(&["token", "other", "", "0", "5000000", "x", "-1"], 3),
        );
        let config = Config { cases: 200, failure_persistence: None, ..Config::default() };
        let result = TestRunner::new(config).run(&inputs, |(state, keys, args)| {
            runtime.block_on(async {
                let engine = Client::memory();
                real.flushall().await.unwrap();
                let mut replies = Vec::new();
                for client in [&engine, &real] {
                    for command in &state {
                        // A type that does not fit is an error in both.
                        let _ = client.send(command).await;
                    }
                    let reply = client.run_script::<Value>(script, &keys, &args).await;
                    // The server puts the script's place around the error of a command.
                    replies.push((reply.map_err(|error| error.kind()), contents(client).await));
                }
                prop_assert_eq!(&replies[0], &replies[1]);
                Ok(())
            })
        });
        if let Err(error) = result {
            panic!("{script:?}: {error}");
        }
    }
}
