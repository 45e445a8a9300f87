//! Keys of hostile parts: which parts make which key, and what a keyspace's pattern reaches on a real server.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use edgecask::cache::{Cache, CacheOptions, EntryOptions};
use edgecask::command::keys::Lifetime;
use edgecask::prelude::*;
use edgecask::{Key, Keyspace};
use edgecask_tests::{RedisServer, cases, seed};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

/// As many as `EDGECASK_TEST_CASES` says.
fn runner(short: u64) -> TestRunner {
    edgecask_tests::runner(Config { cases: cases(short) as u32, ..Config::default() }, seed())
}

/// Mostly of what has a meaning somewhere, so that parts which could be mistaken for one another are common.
fn part() -> impl Strategy<Value = String> {
    let hostile = prop::sample::select(vec![
        ':', '*', '?', '[', ']', '\\', '{', '}', '%', '^', '-', '2', '3', 'A', 'a', '\n', '\0',
        '\u{85}', 'é',
    ]);
    let parts = prop::collection::vec(hostile, 1..5).prop_map(String::from_iter);
    prop_oneof![4 => parts, 1 => "[^:]{1,4}", 1 => any::<u8>().prop_map(|number| number.to_string())]
}

fn parts() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec(part(), 1..4)
}

/// The parts that a key was made of.
fn read(key: &Key) -> Vec<String> {
    let part = |text: &str| {
        let mut bytes = text.bytes();
        let mut out = Vec::new();
        while let Some(byte) = bytes.next() {
            out.push(match byte {
                b'%' => {
                    let digits = [bytes.next().unwrap(), bytes.next().unwrap()];
                    u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap()
                }
                plain => plain,
            });
        }
        String::from_utf8(out).unwrap()
    };
    key.as_str().split(':').map(part).collect()
}

#[test]
fn a_key_says_which_parts_it_was_made_of() {
    runner(500)
        .run(&(parts(), parts()), |(space, id)| {
            let key = Keyspace::new(&space).unwrap().key(&id).unwrap();
            prop_assert_eq!(read(&key), [space.clone(), id.clone()].concat());
            // However the parts are grouped.
            prop_assert_eq!(
                &Keyspace::new(&space).unwrap().join(&id).unwrap().key("x").unwrap(),
                &Keyspace::new([&space[..], &id[..]].concat()).unwrap().key("x").unwrap()
            );
            // No part becomes a hash tag, so tenants cannot gather in one slot of a cluster.
            prop_assert!(!key.as_str().contains(['{', '}']), "{}", key);
            Ok(())
        })
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pattern_reaches_the_keys_of_its_keyspace_and_no_others() {
    let redis = RedisServer::start();
    for client in [Client::memory(), redis.client()] {
        runner(40)
            .run(&prop::collection::vec((parts(), parts()), 1..8), |pairs| {
                tokio::task::block_in_place(|| {
                    tokio::runtime::Handle::current().block_on(async {
                        reaches(&client, pairs).await;
                    });
                });
                Ok(())
            })
            .unwrap();
    }
}

async fn reaches(client: &Client, pairs: Vec<(Vec<String>, Vec<String>)>) {
    client.flushall().await.unwrap();
    let mut keys = HashMap::new();
    for (space, id) in &pairs {
        let key = Keyspace::new(space).unwrap().key(id).unwrap();
        keys.insert(key.to_string(), [&space[..], &id[..]].concat());
    }
    client.mset(keys.keys().map(|key| (key, ""))).await.unwrap();
    for (space, _) in &pairs {
        let pattern = Keyspace::new(space).unwrap().pattern();
        let found: BTreeSet<String> = client.keys(&pattern).await.unwrap().into_iter().collect();
        let inside =
            keys.iter().filter(|(_, parts)| parts.len() > space.len() && parts.starts_with(space));
        let expected: BTreeSet<String> = inside.map(|(key, _)| key.clone()).collect();
        assert_eq!(found, expected, "{space:?}");
    }
}

#[tokio::test]
async fn a_generation_does_not_expire() {
    let redis = RedisServer::start();
    let direct = redis.client();
    let cache = Cache::with_options(redis.client(), CacheOptions::new().generation("all"));
    let k = Keyspace::new(["generation"]).unwrap().key(["k"]).unwrap();
    let entry = EntryOptions::new(Duration::from_secs(60)).tags(["one"]);
    let ttl = async |tag: &str| direct.ttl(format!("edgecask:tag:{tag}")).await.unwrap();
    cache.set(&k, &1, entry).await.unwrap();
    assert_eq!(ttl("all").await, Lifetime::Persistent, "or all entries would be forgotten at once");
    assert_ne!(ttl("one").await, Lifetime::Persistent);
    cache.clear().await.unwrap();
    assert_eq!(ttl("all").await, Lifetime::Persistent);
    assert_eq!(cache.get::<u8>(&k).await.unwrap(), None);
}
