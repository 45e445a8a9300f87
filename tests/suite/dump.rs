//! DUMP and RESTORE: what the embedded engine writes a real Redis reads, and the other way round.

use edgecask::prelude::*;
use edgecask::{Client, Value};
use edgecask_tests::{RedisServer, number, runner, seed};
use proptest::prelude::*;
use proptest::test_runner::Config;

use crate::engine::{FORMS, FORMS_OF_8, PLACES, command, contents};

/// All keys with their values, their lifetimes and those of fields.
pub(crate) async fn everything(client: &Client) -> Vec<String> {
    let mut shown = Vec::new();
    for (key, kind, content) in contents(client).await {
        shown.push(format!("{key} {kind} {content}"));
    }
    let mut keys: Vec<Vec<u8>> = client.keys("*").await.unwrap();
    keys.sort();
    for key in keys {
        let at = client.send(&Command::new("PEXPIRETIME").arg(&key)).await;
        shown.push(format!("{} expires {:?}", key.escape_ascii(), at.ok().map(text)));
        if client.key_type(&key).await.unwrap() == "hash" {
            let mut fields: Vec<Vec<u8>> = client.hkeys(&key).await.unwrap();
            fields.sort();
            let times = Command::new("HPEXPIRETIME").arg(&key).arg("FIELDS").arg(fields.len());
            // Redis 7 has none.
            let times = client.send(&times.args_from(&fields)).await;
            shown.push(format!("{} fields {:?}", key.escape_ascii(), times.ok().map(text)));
        }
    }
    shown
}

fn text(value: Value) -> String {
    match value {
        Value::Array(items) => items.into_iter().map(text).collect::<Vec<_>>().join(" "),
        Value::Integer(number) => number.to_string(),
        other => String::from_utf8_lossy(other.as_bytes().unwrap_or(b"nil")).into_owned(),
    }
}

/// Moves all keys from one to the other by DUMP and RESTORE.
async fn carry(from: &Client, to: &Client) {
    to.flushall().await.unwrap();
    let keys: Vec<Vec<u8>> = from.keys("*").await.unwrap();
    for key in keys {
        // It may expire just now.
        let Some(dump) = from.dump(&key).await.unwrap() else { continue };
        let at = from.send(&Command::new("PEXPIRETIME").arg(&key)).await.unwrap();
        let at = match at {
            Value::Integer(at @ 1..) => at,
            _ => 0,
        };
        let restore = Command::new("RESTORE").arg(&key).arg(at).arg(dump).arg("ABSTTL");
        let reply = to.send(&restore).await;
        assert!(reply.is_ok(), "{} {reply:?}", key.escape_ascii());
    }
}

/// Moves what sequences leave to a real Redis and back. One of version 7 has no lifetimes of fields.
fn sequences_survive(redis: &RedisServer, forms: &'static str, has_lifetimes: bool) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let real = redis.client();
    let config = Config {
        cases: number("PROPTEST_CASES").unwrap_or(40) as u32,
        max_shrink_iters: 2_000,
        failure_persistence: None,
        ..Config::default()
    };
    let sequences = prop::collection::vec(command(forms), 20..80);
    let result = runner(config, seed()).run(&sequences, |commands| {
        runtime.block_on(async {
            let engine = Client::memory();
            for command in &commands {
                // Many fail.
                let _ = engine.send(command).await;
            }
            let known = |mut lines: Vec<String>| {
                lines.retain(|line| has_lifetimes || !line.contains(" fields "));
                lines
            };
            let expected = known(everything(&engine).await);
            carry(&engine, &real).await;
            let there = known(everything(&real).await);
            prop_assert_eq!(&expected, &there, "from the engine to Redis");
            let other = Client::memory();
            carry(&real, &other).await;
            let back = known(everything(&other).await);
            prop_assert_eq!(&expected, &back, "from Redis to the engine");
            Ok(())
        })
    });
    if let Err(error) = result {
        panic!("{error}");
    }
}

#[test]
fn what_sequences_leave_goes_to_redis_8_and_back() {
    if let Some(redis) = RedisServer::redis8() {
        for forms in [FORMS, FORMS_OF_8, PLACES] {
            sequences_survive(&redis, forms, true);
        }
    }
}

#[test]
fn what_sequences_leave_goes_to_redis_7_and_back() {
    sequences_survive(&RedisServer::start(), FORMS, false);
}

/// Keys in every encoding of Redis 8, by the commands that make them.
fn every_encoding() -> Vec<Command> {
    let mut commands = Vec::new();
    let mut run = |name: &'static str, args: Vec<String>| {
        commands.push(Command::new(name).args_from(args));
    };
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let many = |key: &str, count: usize, item: &dyn Fn(usize) -> Vec<String>| {
        let mut all = vec![key.to_owned()];
        all.extend((0..count).flat_map(item));
        all
    };
    let texts =
        ["", "0", "-1", "127", "128", "-129", "32768", "-2147483648", "2147483648", "12345678901"];
    let wide = ["9223372036854775807", "-0", "007", "hello", "1.5"];
    for (at, text) in texts.into_iter().chain(wide).enumerate() {
        run("SET", words(&[&format!("string:{at}"), text]));
    }
    for length in [20, 21, 44, 63, 64, 1000, 16_383, 16_384, 70_000] {
        run("SET", words(&[&format!("same:{length}"), &"x".repeat(length)]));
        let mixed: String = (0..length).map(|at| char::from(b'a' + (at * at % 23) as u8)).collect();
        run("SET", words(&[&format!("mixed:{length}"), &mixed]));
    }
    run("RPUSH", words(&["list:packed", "a", "1", "-5000", "70000", "9223372036854775807", ""]));
    run("RPUSH", many("list:long", 3000, &|at| vec![format!("element {at}")]));
    run("RPUSH", words(&["list:large", "a", &"y".repeat(20_000), "b"]));
    run("SADD", words(&["set:16", "1", "-2", "300"]));
    run("SADD", words(&["set:32", "1", "-70000", "70000"]));
    run("SADD", words(&["set:64", "1", "-9223372036854775808", "9223372036854775807"]));
    run("SADD", words(&["set:packed", "a", "1", ""]));
    run("SADD", many("set:large", 600, &|at| vec![format!("member {at}")]));
    run(
        "ZADD",
        words(&[
            "zset:packed",
            "1",
            "a",
            "-2.5",
            "b",
            "inf",
            "c",
            "-inf",
            "d",
            "1e300",
            "e",
            "0.1",
            "7",
        ]),
    );
    run(
        "ZADD",
        many("zset:large", 400, &|at| vec![format!("{}.25", at * 3), format!("member {at}")]),
    );
    run("HSET", words(&["hash:packed", "a", "1", "", "", "b", "-70000"]));
    run("HSET", many("hash:large", 700, &|at| vec![format!("field {at}"), format!("{at}")]));
    run("HSET", words(&["hash:timed", "a", "1", "b", "2", "c", "3"]));
    run("HPEXPIREAT", words(&["hash:timed", "33177117420000", "FIELDS", "1", "a"]));
    run("HPEXPIREAT", words(&["hash:timed", "33177117429999", "FIELDS", "1", "c"]));
    run("HSET", many("hash:large:timed", 700, &|at| vec![format!("field {at}"), format!("{at}")]));
    run(
        "HPEXPIREAT",
        words(&["hash:large:timed", "33177117420001", "FIELDS", "2", "field 3", "field 500"]),
    );
    run("HPEXPIREAT", words(&["hash:large:timed", "33177117420000", "FIELDS", "1", "field 699"]));
    for at in 1..350 {
        let value = "v".repeat(if at % 50 == 0 { 5000 } else { at % 7 });
        match at % 3 {
            0 => run("XADD", words(&["stream", &format!("{at}-{at}"), "field", &value])),
            1 => run("XADD", words(&["stream", &format!("{at}-7"), "other", &value, "field", "1"])),
            _ => run("XADD", words(&["stream", &format!("{at}-0"), "field", &value])),
        }
    }
    for length in [16_370, 16_376, 16_377, 16_378, 16_379, 16_380, 16_384] {
        run("XADD", words(&["stream:wide", &format!("{length}-1"), "f", &"w".repeat(length)]));
    }
    run("XADD", words(&["stream:wide", "18446744073709551615-18446744073709551615", "f", "v"]));
    run("XDEL", words(&["stream", "3-3", "101-0", "349-7"]));
    run("XGROUP", words(&["CREATE", "stream", "first", "0"]));
    run("XGROUP", words(&["CREATE", "stream", "second", "$"]));
    run("XGROUP", words(&["CREATECONSUMER", "stream", "second", "idle"]));
    run("XREADGROUP", words(&["GROUP", "first", "c1", "COUNT", "120", "STREAMS", "stream", ">"]));
    run("XREADGROUP", words(&["GROUP", "first", "c2", "COUNT", "3", "STREAMS", "stream", ">"]));
    run("XACK", words(&["stream", "first", "1-7", "2-0"]));
    run("XGROUP", words(&["CREATE", "stream:empty", "g", "0", "MKSTREAM"]));
    run("PEXPIREAT", words(&["string:3", "33177117420123"]));
    commands
}

#[tokio::test]
async fn every_encoding_of_redis_8_goes_to_the_engine_and_back() {
    let Some(redis) = RedisServer::redis8() else { return };
    let (real, engine) = (redis.client(), Client::memory());
    for command in every_encoding() {
        let reply = real.send(&command).await;
        assert!(reply.is_ok(), "{} {reply:?}", command.name());
    }
    for (key, encoding) in [
        ("list:long", "quicklist"),
        ("set:64", "intset"),
        ("set:packed", "listpack"),
        ("set:large", "hashtable"),
        ("zset:packed", "listpack"),
        ("zset:large", "skiplist"),
        ("hash:packed", "listpack"),
        ("hash:large", "hashtable"),
        ("hash:timed", "listpackex"),
        ("hash:large:timed", "hashtable"),
    ] {
        let command = Command::new("OBJECT").arg("ENCODING").arg(key);
        assert_eq!(text(real.send(&command).await.unwrap()), encoding, "{key}");
    }
    let expected = everything(&real).await;
    carry(&real, &engine).await;
    assert_eq!(everything(&engine).await, expected);
    // And what the engine writes of it.
    carry(&engine, &real).await;
    assert_eq!(everything(&real).await, expected);
    // Uncompressed, Redis writes the same again in another form.
    real.config_set("rdbcompression", "no").await.unwrap();
    carry(&real, &engine).await;
    assert_eq!(everything(&engine).await, expected);
}

/// Command lines whose replies the engine and Redis share. `DUMP` stands for a good payload, `BAD` for damaged ones.
const LINES: &str = "
RESTORE k 0 DUMP | RESTORE k 0 DUMP REPLACE | RESTORE k 0 DUMP | TTL k | RESTORE k 0 DUMP REPLACE REPLACE | RESTORE k -1 DUMP REPLACE
RESTORE k x DUMP REPLACE | RESTORE k 100000 DUMP replace | PEXPIRE k 1 GT | RESTORE k 1 DUMP ABSTTL REPLACE | EXISTS k | GET k
RESTORE k 1 DUMP ABSTTL | EXISTS k | RESTORE k 33177117420000 DUMP ABSTTL | PEXPIRETIME k | RESTORE k 0 DUMP IDLETIME 1000 REPLACE
OBJECT IDLETIME k | RESTORE k 0 DUMP IDLETIME -1 REPLACE | RESTORE k 0 DUMP IDLETIME x REPLACE | RESTORE k 0 DUMP FREQ 10 REPLACE
RESTORE k 0 DUMP FREQ 256 REPLACE | RESTORE k 0 DUMP FREQ -1 REPLACE | RESTORE k 0 DUMP FREQ 1 IDLETIME 1 REPLACE | RESTORE k 0 DUMP IDLETIME
RESTORE k 0 DUMP FOO | RESTORE k 0 | RESTORE k 0 BAD REPLACE | RESTORE k 0 x REPLACE | RESTORE k -1 BAD REPLACE | RESTORE k 0 BAD
DUMP nosuch | DUMP | DUMP k k | RESTORE new 0 EMPTY | RESTORE new 0 UNKNOWN | RESTORE new 0 NEWER | EXISTS new
FUNCTION DUMP x | FUNCTION RESTORE | FUNCTION RESTORE BAD | FUNCTION RESTORE BAD FOO | FUNCTION RESTORE UNKNOWN | FUNCTION RESTORE x FLUSH APPEND
FUNCTION RESTORE FUNCTIONS | FUNCTION LIST | FUNCTION RESTORE FUNCTIONS | FUNCTION RESTORE FUNCTIONS APPEND | FUNCTION RESTORE FUNCTIONS REPLACE
FUNCTION RESTORE FUNCTIONS FLUSH | FUNCTION LIST | FUNCTION LOAD CLASH | FUNCTION DELETE lib | FUNCTION LOAD CLASH | FUNCTION RESTORE FUNCTIONS
FUNCTION LIST | FUNCTION RESTORE FUNCTIONS REPLACE | FUNCTION LIST | FUNCTION RESTORE FUNCTIONS FLUSH | FUNCTION LIST | FCALL f 0 | FUNCTION RESTORE NOFUNCTION | FUNCTION LIST
";

fn signed(content: &[u8], version: u16) -> Vec<u8> {
    let mut payload = content.to_vec();
    payload.extend(version.to_le_bytes());
    let checksum = crc::Crc::<u64>::new(&crc::CRC_64_REDIS).checksum(&payload);
    payload.extend(checksum.to_le_bytes());
    payload
}

#[tokio::test]
async fn options_and_errors_are_those_of_redis_8() {
    let Some(redis) = RedisServer::redis8() else { return };
    let (real, engine) = (redis.client(), Client::memory());
    let dump = signed(b"\x00\x05hello", 10);
    let mut bad = dump.clone();
    bad[3] ^= 1;
    let library = "#!lua name=lib\nredis.register_function('f', function() return 7 end)";
    let mut functions = vec![0xf5, 0x40 | (library.len() >> 8) as u8, library.len() as u8];
    functions.extend(library.as_bytes());
    let good = functions.clone();
    let nothing = "#!lua name=empty\nlocal x = 1";
    functions.extend([0xf5, nothing.len() as u8]);
    functions.extend(nothing.as_bytes());
    let mut differences = Vec::new();
    let clash = "#!lua name=other\nredis.register_function('f', function() return 8 end)";
    for line in LINES.split(['|', '\n']).map(str::trim).filter(|line| !line.is_empty()) {
        let mut words = line.split(' ');
        let name = words.next().unwrap_or_default();
        let args = words.map(|word| match word {
            "DUMP" if name != "FUNCTION" => dump.clone(),
            "BAD" => bad.clone(),
            "EMPTY" => signed(b"\x02\x00", 10),
            "UNKNOWN" => signed(b"\x63\x01x", 10),
            "NEWER" => signed(b"\x00\x05hello", 99),
            "FUNCTIONS" => signed(&good, 10),
            "NOFUNCTION" => signed(&functions, 10),
            "CLASH" => clash.as_bytes().to_vec(),
            word => word.as_bytes().to_vec(),
        });
        let command = Command::new(name).args_from(args);
        let mut replies = Vec::new();
        for client in [&real, &engine] {
            let reply = client.send(&command).await;
            replies.push(reply.map(text).map_err(|error| error.message().to_owned()));
        }
        if replies[1] != replies[0] {
            differences.push(format!("{line}: {:?}, and of Redis {:?}", replies[1], replies[0]));
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    // The version of the format and the checksum differ: the engine says the oldest version that can read it.
    let libraries = |dump: Vec<u8>| dump[..dump.len() - 10].to_vec();
    let dumped = libraries(engine.function_dump().await.unwrap().to_vec());
    assert_eq!(dumped, libraries(real.function_dump().await.unwrap().to_vec()));
}

#[tokio::test]
async fn frequencies_are_restored_where_uses_are_counted() {
    let engine = Client::memory();
    engine.config_set("maxmemory-policy", "allkeys-lfu").await.unwrap();
    let payload = signed(b"\x00\x05hello", 10);
    let restore = Command::new("RESTORE").arg("k").arg(0).arg(payload).arg("FREQ").arg(99);
    engine.send(&restore).await.unwrap();
    let frequency = engine.send(&Command::new("OBJECT").arg("FREQ").arg("k")).await.unwrap();
    assert_eq!(text(frequency), "99");
}

#[tokio::test]
async fn fields_that_have_expired_are_not_restored() {
    let engine = Client::memory();
    // A hash with the fields a and b, the first of which expired in 1970.
    let mut content = vec![24];
    content.extend(1000_u64.to_le_bytes());
    content.extend(b"\x02\x01\x01a\x01v\x00\x01b\x01w");
    let restore = |payload: Vec<u8>| Command::new("RESTORE").arg("h").arg(0).arg(payload);
    engine.send(&restore(signed(&content, 12))).await.unwrap();
    assert_eq!(engine.hkeys::<String>("h").await.unwrap(), ["b"]);
    engine.del(["h"]).await.unwrap();
    let mut content = vec![24];
    content.extend(1000_u64.to_le_bytes());
    content.extend(b"\x01\x01\x01a\x01v");
    engine.send(&restore(signed(&content, 12))).await.unwrap();
    assert_eq!(engine.exists(["h"]).await.unwrap(), 0);
}

#[test]
fn damaged_payloads_are_refused_and_nothing_panics() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let dumps: Vec<Vec<u8>> = runtime.block_on(async {
        let engine = Client::memory();
        for command in every_encoding() {
            engine.send(&command).await.unwrap();
        }
        let mut dumps = Vec::new();
        for key in
            ["string:12", "list:packed", "set:packed", "zset:packed", "hash:timed", "stream:empty"]
        {
            dumps.push(engine.dump(key).await.unwrap().unwrap());
        }
        dumps
    });
    let mut tried = 0;
    runtime.block_on(async {
        let engine = Client::memory();
        for dump in dumps {
            let content = &dump[..dump.len() - 10];
            for at in 0..dump.len() {
                for bits in [1, 0x80, 0xff] {
                    let mut flipped = dump.clone();
                    flipped[at] ^= bits;
                    let restore = Command::new("RESTORE").arg("k").arg(0).arg(flipped);
                    let error = engine.send(&restore).await.unwrap_err();
                    assert_eq!(error.message(), "ERR DUMP payload version or checksum are wrong");
                    // With a right checksum it may be another value, or none.
                    let mut changed = content.to_vec();
                    if let Some(byte) = changed.get_mut(at) {
                        *byte ^= bits;
                    }
                    let cut = &content[..at.min(content.len())];
                    for payload in [signed(&changed, 12), signed(cut, 12)] {
                        let restore =
                            Command::new("RESTORE").arg("k").arg(0).arg(payload).arg("REPLACE");
                        if let Err(error) = engine.send(&restore).await {
                            assert_eq!(error.message(), "ERR Bad data format");
                        }
                        engine.del(["k"]).await.unwrap();
                        tried += 1;
                    }
                }
            }
        }
    });
    assert!(tried > 1000, "{tried}");
}
