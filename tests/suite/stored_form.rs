//! What other programs find in Redis, and what is done about what they leave there.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use edgecask::cache::{
    Cache, CacheOptions, Codec, Compression, EntryOptions, SealingKeys, ServerStats, WarmOptions,
};
use edgecask::prelude::*;
use edgecask::{BoxError, ErrorKind, Key};
use edgecask_tests::RedisServer;
use serde::{Deserialize, Serialize};

const MINUTE: Duration = Duration::from_secs(60);

fn key(name: &str) -> Key {
    Key::verbatim(name).unwrap()
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct User {
    name: String,
    logins: u64,
    notes: Option<String>,
}

fn ada() -> User {
    User { name: "Ada".to_owned(), logins: 7, notes: None }
}

async fn stored(client: &Client, name: &str) -> String {
    client.get(name).await.unwrap().unwrap()
}

#[tokio::test]
async fn every_codec_reads_what_every_codec_wrote() {
    let client = Client::memory();
    let caches = [Codec::Json, Codec::MsgPack]
        .map(|codec| Cache::with_options(client.clone(), CacheOptions::new().codec(codec)));
    for writer in &caches {
        writer
            .set(&key("k"), &ada(), EntryOptions::new(MINUTE).stale_if_error(MINUTE))
            .await
            .unwrap();
        for reader in &caches {
            assert_eq!(reader.get::<User>(&key("k")).await.unwrap(), Some(ada()));
        }
    }
    let text = stored(&client, "k").await;
    assert!(
        text.starts_with(r#"edgecask/1 {"codec":"msgpack","encoding":["base64"],"freshUntil":"#),
        "{text}"
    );
    caches[1].set(&key("none"), &None::<u64>, MINUTE).await.unwrap();
    assert_eq!(caches[1].get::<Option<u64>>(&key("none")).await.unwrap(), Some(None));
}

#[tokio::test]
async fn lz4_is_an_alternative() {
    let client = Client::memory();
    let lz4 = CacheOptions::new().compression(Compression::lz4().threshold(100));
    let cache = Cache::with_options(client.clone(), lz4.clone());
    let value = "value ".repeat(100);
    cache.set(&key("k"), &value, MINUTE).await.unwrap();
    let text = stored(&client, "k").await;
    assert!(
        text.starts_with(r#"edgecask/1 {"codec":"json","encoding":["lz4","base64"]}"#),
        "{text}"
    );
    assert!(text.len() < 150);
    assert_eq!(Cache::new(client.clone()).get::<String>(&key("k")).await.unwrap(), Some(value));
    let small = Cache::with_options(client.clone(), lz4.max_unpacked(100));
    assert_eq!(small.get::<String>(&key("k")).await.unwrap_err().kind(), ErrorKind::Codec);
}

#[tokio::test]
async fn sealed_values_are_nobody_elses() {
    let client = Client::memory();
    let (old, new) = (SealingKeys::new("old", [1; 32]), SealingKeys::new("new", [2; 32]));
    assert_eq!(format!("{old:?}"), r#"["old"]"#);
    let sealed = |keys| Cache::with_options(client.clone(), CacheOptions::new().seal(keys));
    let (of_old, of_new) = (sealed(old), sealed(new.clone()));
    let both = sealed(new.also_opens("old", [1; 32]));
    of_old.set(&key("k"), &ada(), MINUTE).await.unwrap();
    let text = stored(&client, "k").await;
    assert!(text.contains(r#""key":"old""#) && !text.contains("Ada"), "{text}");
    for cache in [&of_old, &both] {
        assert_eq!(cache.get::<User>(&key("k")).await.unwrap(), Some(ada()));
    }
    // A key that is not there, no keys at all, a value under another name, a header that was changed, no seal.
    let refused = async |cache: &Cache, name: &str| {
        let error = cache.get::<User>(&key(name)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Codec, "{error}");
        assert!(!error.to_string().contains("Ada"));
    };
    refused(&of_new, "k").await;
    refused(&Cache::new(client.clone()), "k").await;
    client.set("moved", &text).await.unwrap();
    refused(&of_old, "moved").await;
    let later = text.replace(r#""key""#, r#""freshUntil":9999999999999,"key""#);
    client.set("k", &later).await.unwrap();
    refused(&of_old, "k").await;
    client.set("k", serde_json::to_string(&ada()).unwrap()).await.unwrap();
    refused(&of_old, "k").await;
    let load = || async { Ok::<_, BoxError>(ada()) };
    assert_eq!(of_new.get_or_load(&key("k"), MINUTE, load).await.unwrap(), ada());
    refused(&of_old, "k").await;
    assert_eq!(both.get::<User>(&key("k")).await.unwrap(), Some(ada()));
}

#[tokio::test]
async fn what_is_broken_is_an_error_or_reloaded() {
    let client = Client::memory();
    let cache = Cache::new(client.clone());
    let noise: Vec<u8> = (0..100).map(|number: u8| number.wrapping_mul(37)).collect();
    for broken in [
        b"edgecask/2 {\"codec\":\"json\"}\n1".to_vec(),
        b"edgecask/1 {\"codec\":\"json\"}".to_vec(),
        b"edgecask/1 {\"codec\":\"cbor\"}\n1".to_vec(),
        b"edgecask/1 {\"codec\":\"json\",\"encoding\":[\"rot13\"]}\n1".to_vec(),
        b"edgecask/1 {\"codec\":\"json\",\"encoding\":[\"base64\"]}\n!".to_vec(),
        b"edgecask/1 {\"codec\":\"json\",\"encoding\":[\"gzip\",\"base64\"]}\nMTIz".to_vec(),
        b"edgecask/1 {\"codec\":\"json\",\"encoding\":[\"lz4\"]}\n\xff\xff\xff\xff".to_vec(),
        b"edgecask/1 \xff\n1".to_vec(),
        b"edgecask/".to_vec(),
        noise,
        Vec::new(),
    ] {
        client.set("k", &broken).await.unwrap();
        let error = cache.get::<u64>(&key("k")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Codec, "{error}");
        let load = || async { Ok::<_, BoxError>(7_u64) };
        assert_eq!(cache.get_or_load(&key("k"), MINUTE, load).await.unwrap(), 7);
        assert_eq!(cache.get::<u64>(&key("k")).await.unwrap(), Some(7));
    }
    // What a later version adds is ignored.
    client.set("k", "edgecask/1 {\"codec\":\"json\",\"color\":\"red\"}\n1").await.unwrap();
    assert_eq!(cache.get::<u64>(&key("k")).await.unwrap(), Some(1));
}

#[tokio::test]
async fn the_server_tells_how_it_is() {
    let redis = RedisServer::start();
    let client = redis.client();
    client.set("k", "v").await.unwrap();
    client.get::<String>("k").await.unwrap();
    client.get::<String>("missing").await.unwrap();
    let stats = ServerStats::of(&client).await.unwrap();
    assert_eq!((stats.keyspace_hits, stats.keyspace_misses), (Some(1), Some(1)));
    assert_eq!((stats.hit_rate(), stats.evicted_keys), (Some(0.5), Some(0)));
    assert!(stats.memory_used.unwrap() > 100_000 && stats.connected_clients.unwrap() >= 1);
    let text = stats.prometheus();
    assert!(text.contains("# TYPE redis_memory_used_bytes gauge\nredis_memory_used_bytes "));
    assert!(text.contains("# TYPE redis_keyspace_hits counter\nredis_keyspace_hits 1\n"));
}

#[tokio::test]
async fn statistics_are_text_for_prometheus() {
    let cache = Cache::new(Client::memory());
    cache.set(&key("k"), &1, MINUTE).await.unwrap();
    cache.get::<u64>(&key("k")).await.unwrap();
    let text = cache.stats().prometheus("a \"b\"\\");
    assert!(text.contains(r#"edgecask_cache_hits_total{cache="a \"b\"\\"} 1"#), "{text}");
    assert!(text.contains(r#"read_latency_seconds_bucket{cache="a \"b\"\\",le="+Inf"} 1"#));
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (name, value) = line.rsplit_once(' ').unwrap();
        assert!(name.starts_with("edgecask_cache_") && value.parse::<f64>().is_ok(), "{line}");
    }
}

#[tokio::test(start_paused = true)]
async fn warming_repeats_with_the_keys_of_the_moment() {
    let cache = Cache::new(Client::memory());
    let (loads, rounds) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let keys = || async {
        let round = rounds.fetch_add(1, Ordering::SeqCst);
        if round == 1 {
            return Err(edgecask::Error::new(ErrorKind::Timeout, "nobody knows now"));
        }
        Ok((0..10).map(move |number| key(&format!("{round}:{number}"))))
    };
    let told = Arc::new(AtomicUsize::new(0));
    let progress = Arc::clone(&told);
    let options =
        WarmOptions::new(MINUTE).per_second(100.0).concurrency(3).progress(move |warmed| {
            progress.store(warmed.done, Ordering::SeqCst);
        });
    let load = |_| async {
        loads.fetch_add(1, Ordering::SeqCst);
        Ok::<_, BoxError>(1_u64)
    };
    let enough = async {
        while loads.load(Ordering::SeqCst) < 30 {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    };
    tokio::select! {
        () = cache.warm_every::<u64, _, _, _, _>(MINUTE, keys, options, load) => {}
        () = enough => {}
    }
    assert_eq!((told.load(Ordering::SeqCst), rounds.load(Ordering::SeqCst)), (10, 4));
}
