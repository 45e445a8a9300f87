#![no_main]
//! Payloads of RESTORE and whole snapshot files, with a right checksum: a value, or an error. What was read is written and read
//! again, and is the same.

use std::path::PathBuf;
use std::sync::OnceLock;

use edgecask::transport::memory::{MemoryOptions, MemoryTransport, SnapshotError};
use edgecask::{Client, Command};
use edgecask_fuzz::block_on;

const CHECKSUM: crc::Crc<u64> = crc::Crc::<u64>::new(&crc::CRC_64_REDIS);

/// Where files go: to memory, if there is such a place.
fn path() -> &'static PathBuf {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| {
        let memory = PathBuf::from("/dev/shm");
        let folder = if memory.is_dir() { memory } else { std::env::temp_dir() };
        folder.join(format!("edgecask-fuzz-{}.rdb", std::process::id()))
    })
}

fn payload(content: &[u8]) {
    let mut payload = content.to_vec();
    payload.extend(12_u16.to_le_bytes());
    payload.extend(CHECKSUM.checksum(&payload).to_le_bytes());
    let restore =
        |key: &str, payload: &[u8]| Command::new("RESTORE").arg(key).arg(0).arg(payload);
    let dump = |key: &str| Command::new("DUMP").arg(key);
    let engine = Client::new(MemoryTransport::new());
    block_on(async {
        if let Err(error) = engine.send(&restore("a", &payload)).await {
            assert_eq!(error.message(), "ERR Bad data format");
            return;
        }
        // All fields of a hash may have expired.
        let Ok(first) = engine.send(&dump("a")).await else { return };
        let Some(first) = first.as_bytes() else { return };
        engine.send(&restore("b", first)).await.expect("the engine wrote it");
        let second = engine.send(&dump("b")).await.expect("it is there");
        assert!(first[0] >= 24 || second.as_bytes() == Some(first));
    });
}

fn file(content: &[u8]) {
    let mut bytes = b"REDIS0012".to_vec();
    bytes.extend(content);
    bytes.push(0xff);
    bytes.extend(CHECKSUM.checksum(&bytes).to_le_bytes());
    std::fs::write(path(), &bytes).expect("there is room");
    match MemoryTransport::open(&MemoryOptions::new().snapshot(path()).every(None)) {
        Ok(engine) => {
            let saved = block_on(engine.save());
            saved.expect("there is room");
            drop(engine);
            let again = MemoryTransport::open(&MemoryOptions::new().snapshot(path()).every(None));
            again.expect("the engine wrote it");
        }
        Err(SnapshotError::Unsupported { .. }) => {}
        Err(other) => panic!("{other}"),
    }
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    match data.split_first() {
        Some((0..=0xdf, content)) => payload(content),
        Some((_, content)) => file(content),
        None => {}
    }
});
