//! Snapshot files of the embedded engine: complete, checked, alone, and readable by Redis.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use edgecask::prelude::*;
use edgecask::transport::memory::{MemoryOptions, MemoryTransport, SnapshotError, SnapshotOptions};
use edgecask::{Client, Error, ErrorKind};
use edgecask_tests::{Dice, RedisServer, number, runner, seed, until};
use proptest::prelude::*;
use proptest::test_runner::Config;
use tempfile::TempDir;

use crate::dump::everything;
use crate::engine::{FORMS, FORMS_OF_8, PLACES, command};

/// A place for a file.
fn place() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data.rdb");
    (folder, path)
}

/// Saved at the end and when it is asked for.
fn options(path: &Path) -> SnapshotOptions {
    MemoryOptions::new().snapshot(path).every(None)
}

fn open(path: &Path) -> Result<MemoryTransport, SnapshotError> {
    MemoryTransport::open(&options(path))
}

fn client(path: &Path) -> Client {
    Client::new(open(path).unwrap_or_else(|error| panic!("{error}")))
}

const LIBRARY: &str = "#!lua name=lib\nredis.register_function('f', function() return 7 end)";

#[test]
fn what_sequences_leave_is_there_again() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for forms in [FORMS, FORMS_OF_8, PLACES] {
        let config = Config {
            cases: number("PROPTEST_CASES").unwrap_or(40) as u32,
            max_shrink_iters: 2_000,
            failure_persistence: None,
            ..Config::default()
        };
        let sequences = prop::collection::vec(command(forms), 20..80);
        let result = runner(config, seed()).run(&sequences, |commands| {
            let (_folder, path) = place();
            runtime.block_on(async {
                let engine = client(&path);
                engine.function_load(LIBRARY, false).await.unwrap();
                for command in &commands {
                    // Many fail.
                    let _ = engine.send(command).await;
                }
                let expected = everything(&engine).await;
                drop(engine);
                let again = client(&path);
                prop_assert_eq!(&expected, &everything(&again).await);
                prop_assert_eq!(again.fcall::<i64>("f", [""; 0], [""; 0]).await.unwrap(), 7);
                Ok(())
            })
        });
        if let Err(error) = result {
            panic!("{error}");
        }
    }
}

/// A file with something of everything.
async fn fill(path: &Path) -> Vec<String> {
    let engine = client(path);
    engine.function_load(LIBRARY, false).await.unwrap();
    for line in [
        "SET s text",
        "SET n 12345",
        "SET t v PXAT 33177117420000",
        "RPUSH l a b",
        "HSET h a 1 b 2",
        "HPEXPIREAT h 33177117420000 FIELDS 1 a",
        "SADD m a b",
        "ZADD z 1 a 2.5 b",
        "XADD x 1-1 f v",
        "XADD x 2-1 f w",
        "XGROUP CREATE x g 0",
        "XREADGROUP GROUP g c COUNT 1 STREAMS x >",
    ] {
        let mut words = line.split(' ');
        let command = Command::new(words.next().unwrap()).args_from(words);
        engine.send(&command).await.unwrap();
    }
    everything(&engine).await
}

#[tokio::test]
async fn a_damaged_file_is_an_error_or_holds_the_same_and_is_not_changed() {
    let (_folder, path) = place();
    let expected = fill(&path).await;
    let good = std::fs::read(&path).unwrap();
    assert!(good.len() < 1000, "{} bytes", good.len());
    let damaged = (0..good.len()).flat_map(|at| {
        let flipped = [1, 0x20, 0xff].map(|bits| {
            let mut bytes = good.clone();
            bytes[at] ^= bits;
            bytes
        });
        let longer = [&good[..], &good[..at]].concat();
        flipped.into_iter().chain([good[..at].to_vec(), longer])
    });
    let mut refused = 0;
    for bytes in damaged.filter(|bytes| *bytes != good) {
        std::fs::write(&path, &bytes).unwrap();
        match open(&path) {
            Ok(engine) => assert_eq!(everything(&Client::new(engine)).await, expected),
            Err(error) => {
                let text = error.to_string();
                assert!(text.contains("data.rdb") && text.contains("not changed"), "{text}");
                refused += 1;
            }
        }
        assert!(std::fs::read(&path).unwrap() == bytes, "the file was changed");
    }
    // The checksum covers every byte.
    assert_eq!(refused, good.len() * 5 - 1);
    std::fs::write(&path, &good).unwrap();
    assert_eq!(everything(&client(&path)).await, expected);
}

#[tokio::test]
async fn bytes_with_a_right_checksum_are_read_without_a_panic() {
    let (_folder, path) = place();
    fill(&path).await;
    let good = std::fs::read(&path).unwrap();
    let seed = seed();
    let dice = Dice::new(seed);
    let (mut loaded, mut refused) = (0, 0);
    for _ in 0..edgecask_tests::cases(1500) {
        let mut bytes = good[..good.len() - 8].to_vec();
        for _ in 0..=dice.roll(3) {
            let at = 9 + dice.roll(bytes.len() as u64 - 9) as usize;
            bytes[at] = dice.roll(256) as u8;
        }
        let checksum = crc::Crc::<u64>::new(&crc::CRC_64_REDIS).checksum(&bytes);
        bytes.extend(checksum.to_le_bytes());
        std::fs::write(&path, &bytes).unwrap();
        match open(&path) {
            Ok(engine) => {
                everything(&Client::new(engine)).await;
                loaded += 1;
            }
            Err(SnapshotError::Unsupported { .. }) => refused += 1,
            Err(other) => panic!("seed {seed}: {other}"),
        }
    }
    assert!(loaded > 10 && refused > 10, "seed {seed}: {loaded} loaded, {refused} refused");
}

#[test]
fn files_that_are_no_snapshots_are_refused_with_what_to_do() {
    let (folder, path) = place();
    let kind = |bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        let error = open(&path).map(drop).unwrap_err();
        assert!(std::fs::read(&path).unwrap() == bytes);
        error
    };
    let is_damaged = |error| matches!(error, SnapshotError::Damaged { .. });
    assert!(is_damaged(kind(b"")));
    assert!(is_damaged(kind(b"REDIS0011")));
    assert!(is_damaged(kind(b"REDIS0011\xff\0\0\0\0\0\0\0\0")));
    assert!(matches!(kind(b"{\"a\": \"text of some length\"}"), SnapshotError::Foreign { .. }));
    let newer = kind(b"REDIS9999\xff\x01\x02\x03\x04\x05\x06\x07\x08");
    assert!(matches!(newer, SnapshotError::Unsupported { .. }));
    assert!(newer.to_string().contains("9999"), "{newer}");
    let error = Error::from(newer);
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(open(folder.path()).is_err_and(|error| matches!(error, SnapshotError::Foreign { .. })));
    let nowhere = open(&folder.path().join("nosuch/data.rdb"));
    assert!(nowhere.is_err_and(|error| matches!(error, SnapshotError::Io { .. })));
}

#[tokio::test]
async fn a_file_has_one_engine_at_a_time() {
    let (folder, path) = place();
    let first = open(&path).unwrap();
    let is_in_use =
        |path: &Path| open(path).is_err_and(|error| matches!(error, SnapshotError::InUse { .. }));
    assert!(is_in_use(&path));
    first.save().await.unwrap();
    assert!(is_in_use(&path));
    #[cfg(unix)]
    {
        let link = folder.path().join("link.rdb");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert!(is_in_use(&link));
    }
    let second_handle = first.clone();
    drop(first);
    assert!(is_in_use(&path));
    drop(second_handle);
    assert!(open(&path).is_ok());
    drop(folder);
}

#[tokio::test]
async fn it_is_saved_from_time_to_time_if_something_has_changed() {
    let (_folder, path) = place();
    let options = MemoryOptions::new().snapshot(&path).every(Some(Duration::from_millis(1)));
    let engine = Client::new(MemoryTransport::open(&options).unwrap());
    assert!(!path.exists());
    engine.set("k", "v").await.unwrap();
    until(async || path.exists()).await;
    let info = async |name: &str| {
        let text: String = engine
            .send(&Command::new("INFO").arg("persistence"))
            .await
            .map(|value| String::from_utf8_lossy(value.as_bytes().unwrap_or_default()).into_owned())
            .unwrap();
        let line = text
            .lines()
            .find_map(|line| Some(line.strip_prefix(name)?.strip_prefix(':')?.to_owned()));
        line.unwrap_or_else(|| panic!("{name}: {text}"))
    };
    until(async || info("rdb_changes_since_last_save").await == "0").await;
    assert_eq!(info("rdb_last_bgsave_status").await, "ok");
    // Nothing has changed since, so the file stays.
    std::fs::remove_file(&path).unwrap();
    engine.get::<String>("k").await.unwrap();
    for _ in 0..20 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert!(!path.exists());
    engine.function_load(LIBRARY, false).await.unwrap();
    until(async || path.exists()).await;
}

#[tokio::test]
async fn the_commands_of_redis_save_it() {
    let (_folder, path) = place();
    let engine = client(&path);
    let send = async |line: &'static str| {
        let mut words = line.split(' ');
        let command = Command::new(words.next().unwrap()).args_from(words);
        let reply = engine.send(&command).await;
        reply
            .map(|value| String::from_utf8_lossy(value.as_bytes().unwrap_or_default()).into_owned())
            .map_err(|error| error.message().to_owned())
    };
    engine.set("k", "v").await.unwrap();
    assert_eq!(send("SAVE").await.unwrap(), "OK");
    let first = std::fs::read(&path).unwrap();
    engine.set("k", "w").await.unwrap();
    assert_eq!(send("BGSAVE").await.unwrap(), "Background saving started");
    until(async || std::fs::read(&path).unwrap() != first).await;
    let reply = send("BGSAVE SCHEDULE").await.unwrap();
    assert!(reply.starts_with("Background saving "), "{reply}");
    assert_eq!(send("BGSAVE FOO").await.unwrap_err(), "ERR syntax error");
    let at = engine.send(&Command::new("LASTSAVE")).await.unwrap();
    let now = edgecask::platform::unix_millis() as i64 / 1000;
    assert!(matches!(at, edgecask::Value::Integer(at) if (now - 60..=now).contains(&at)), "{at:?}");
    for line in ["SAVE", "BGSAVE", "LASTSAVE"] {
        let error = Client::memory().send(&Command::new(line)).await.unwrap_err();
        assert!(error.message().contains("no snapshot file"), "{error}");
    }
}

#[tokio::test]
async fn a_save_that_fails_leaves_the_old_file_and_is_told() {
    let (folder, path) = place();
    let engine = open(&path).unwrap();
    let commands = Client::new(engine.clone());
    commands.set("k", "v").await.unwrap();
    engine.save().await.unwrap();
    let good = std::fs::read(&path).unwrap();
    // The file beside it, which would replace it, cannot be made.
    std::fs::create_dir(folder.path().join("data.rdb.tmp")).unwrap();
    commands.set("k", "w").await.unwrap();
    let error = engine.save().await.unwrap_err();
    assert!(matches!(error, SnapshotError::Io { .. }), "{error}");
    assert!(commands.send(&Command::new("SAVE")).await.is_err());
    let info = commands.send(&Command::new("INFO").arg("persistence")).await.unwrap();
    let info = String::from_utf8_lossy(info.as_bytes().unwrap_or_default()).into_owned();
    assert!(info.contains("rdb_last_bgsave_status:err"), "{info}");
    assert_eq!(std::fs::read(&path).unwrap(), good);
    std::fs::remove_dir(folder.path().join("data.rdb.tmp")).unwrap();
    drop((engine, commands));
    assert_eq!(client(&path).get::<String>("k").await.unwrap().as_deref(), Some("w"));
}

/// Transactions write the same number to keys all over the keyspace, while saves go on. Each file holds one number.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_holds_the_content_of_one_moment() {
    const KEYS: usize = 3000;
    let (folder, path) = place();
    let engine = open(&path).unwrap();
    let commands = Client::new(engine.clone());
    let all = |number: u64| -> Vec<Command> {
        let set = |key: usize| Command::new("SET").arg(format!("key:{key}")).arg(number);
        (0..KEYS).map(set).collect()
    };
    commands.send_transaction(&all(0)).await.unwrap();
    let stops = Arc::new(AtomicBool::new(false));
    let (writer, told) = (commands.clone(), Arc::clone(&stops));
    let writing = tokio::spawn(async move {
        let mut number = 0;
        while !told.load(Ordering::SeqCst) {
            number += 1;
            // Parts of the keyspace are written again and again, the first and the last keys among them.
            writer.send_transaction(&all(number)).await.unwrap();
            tokio::task::yield_now().await;
        }
        number
    });
    let mut numbers = Vec::new();
    for round in 0..edgecask_tests::cases(8) {
        engine.save().await.unwrap();
        let copy = folder.path().join(format!("copy:{round}"));
        std::fs::copy(&path, &copy).unwrap();
        let copy = client(&copy);
        let keys: Vec<String> = (0..KEYS).map(|key| format!("key:{key}")).collect();
        let found: Vec<Option<u64>> = copy.mget(keys).await.unwrap();
        assert!(found.iter().all(|number| *number == found[0]), "{:?} and others", found[0]);
        numbers.push(found[0].unwrap());
    }
    stops.store(true, Ordering::SeqCst);
    let last = writing.await.unwrap();
    assert!(numbers.is_sorted() && last > 0, "{numbers:?} {last}");
    drop((engine, commands));
    assert_eq!(client(&path).get::<u64>("key:0").await.unwrap(), Some(last));
}

#[tokio::test]
async fn redis_8_loads_the_file_and_its_own_is_loaded() {
    let (folder, path) = place();
    let expected = fill(&path).await;
    let arguments = ["--dbfilename", "data.rdb", "--dir", folder.path().to_str().unwrap()];
    let Some(redis) = RedisServer::redis8_with(arguments) else { return };
    let real = redis.client();
    assert_eq!(everything(&real).await, expected);
    assert_eq!(real.fcall::<i64>("f", [""; 0], [""; 0]).await.unwrap(), 7);
    real.set("more", "x".repeat(5000)).await.unwrap();
    real.send(&Command::new("SAVE")).await.unwrap();
    let expected = everything(&real).await;
    drop((real, redis));
    let engine = client(&path);
    assert_eq!(everything(&engine).await, expected);
    assert_eq!(engine.fcall::<i64>("f", [""; 0], [""; 0]).await.unwrap(), 7);
}
