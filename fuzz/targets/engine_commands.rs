#![no_main]
//! Commands to the embedded engine, one a line, words separated by spaces: each has a reply or an error of Redis. What the engine
//! holds at the end goes through DUMP and RESTORE unchanged.

use edgecask::prelude::*;
use edgecask::transport::memory::{MemoryOptions, MemoryTransport};
use edgecask::{Client, Value};
use edgecask_fuzz::block_on;

/// Commands that wait would do so for as long as they say.
const WAITING: [&str; 8] =
    ["BLPOP", "BRPOP", "BLMOVE", "BRPOPLPUSH", "BLMPOP", "BZPOPMIN", "BZPOPMAX", "BZMPOP"];

/// Commands that make as much as a number says.
const GROWING: [&str; 6] =
    ["SETRANGE", "SETBIT", "BITFIELD", "SRANDMEMBER", "HRANDFIELD", "ZRANDMEMBER"];

fn commands(data: &[u8]) -> impl Iterator<Item = Command> {
    data.split(|byte| *byte == b'\n').take(64).filter_map(|line| {
        let mut words = line.split(|byte| *byte == b' ');
        let name = std::str::from_utf8(words.next()?).ok()?.to_ascii_uppercase();
        let words: Vec<&[u8]> = words.collect();
        let waits = WAITING.contains(&&name[..])
            || words.iter().any(|word| word.eq_ignore_ascii_case(b"BLOCK"));
        let is_large = GROWING.contains(&&name[..]) && words.iter().any(|word| word.len() > 5);
        (!waits && !is_large && !name.is_empty()).then(|| Command::new(name).args_from(words))
    })
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let options = MemoryOptions::new().max_bytes(16 << 20);
    let engine = Client::new(MemoryTransport::with_options(&options));
    block_on(async {
        for command in commands(data) {
            // Most are refused.
            let _ = engine.send(&command).await;
        }
        // What follows needs room.
        engine.config_set("maxmemory", 0).await.expect("it has this setting");
        let keys: Vec<Vec<u8>> = engine.keys("*").await.expect("it lists its keys");
        for key in keys {
            let dump = |key: &[u8]| Command::new("DUMP").arg(key);
            let Ok(Value::Bulk(payload)) = engine.send(&dump(&key)).await else { continue };
            let restore = Command::new("RESTORE").arg("copy of it").arg(0).arg(&payload[..]);
            assert!(engine.send(&restore.arg("REPLACE")).await.is_ok(), "{}", key.escape_ascii());
            let again = engine.send(&dump(b"copy of it")).await.expect("it is there");
            // A field may have expired in between.
            if payload[0] < 24 && key != b"copy of it" {
                assert_eq!(again.as_bytes(), Some(&payload[..]), "{}", key.escape_ascii());
            }
        }
    });
});
