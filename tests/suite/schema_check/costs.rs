//! What a check costs in commands and memory.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use edgecask::keyspace::check::{Fault, FaultKind, Report};
use edgecask::prelude::*;
use edgecask::{Client, Command};
use edgecask_tests::{Dice, RedisServer, Tapped, number};

use super::planted::{Limits, Profile, check, found, planted, reader, world};
use super::progress::Counting;
use crate::seeded::{again, finished, resident_kib};

#[tokio::test]
async fn the_cost_is_bounded_and_known_before() {
    let redis = RedisServer::start();
    let reads = reader(&redis).await;
    for (client, most) in [(redis.client(), 2.0), (Client::memory(), 2.0), (reads, 4.0)] {
        let writes = if client.capabilities().backend == Client::memory().capabilities().backend {
            client.clone()
        } else {
            redis.client()
        };
        planted(&writes, &Dice::new(3), 2000).await;
        let tap = Counting::default();
        let (commands, trips) = (Arc::clone(&tap.commands), Arc::clone(&tap.trips));
        let tapped = client.layer(Tapped(tap));
        let estimate = check().page(200).estimate(&tapped).await.unwrap();
        commands.store(0, Ordering::SeqCst);
        trips.store(0, Ordering::SeqCst);
        let report = check().page(200).run(&tapped).await.unwrap();
        let (commands, trips) = (commands.load(Ordering::SeqCst), trips.load(Ordering::SeqCst));
        assert_eq!(report.commands, commands);
        assert!(commands as f64 <= most * 2000.0, "{commands}");
        // SCAN and two looks, the second in parts of 4 MB, and where no script runs up to three round trips for each.
        assert!(trips <= 2000 / 200 * 8 + 10, "{trips}");
        assert_eq!(estimate.keys, 2000);
        let ratio = estimate.commands as f64 / commands as f64;
        assert!((0.7..1.4).contains(&ratio), "{estimate:?} {commands}");
        assert!(estimate.bytes > 2000 * 100, "{estimate:?}");

        // Without faults: a command for each key, or two that read.
        let one = |at: usize| world::profile(&at.to_string()).unwrap();
        writes.flushdb().await.unwrap();
        for at in 0..400 {
            let profile = Profile { name: "x".to_owned(), limits: Limits { daily: 1 } };
            one(at).set(&writes, &profile).await.unwrap();
        }
        let report = check().page(100).run(&tapped).await.unwrap();
        assert_eq!((report.exit_status(), report.fault_count()), (0, 0), "{report}");
        let each = (report.commands as f64 / 400.0).round();
        assert!(each <= most / 2.0, "{}", report.commands);
    }
}

#[tokio::test]
async fn a_huge_value_is_not_read() {
    let redis = RedisServer::start();
    let client = redis.client();
    // More than a reply may have: who reads them fails.
    let setrange = Command::new("SETRANGE").arg("w:profile:1").arg(100 << 20).arg("x");
    client.send(&setrange).await.unwrap();
    let value = "x".repeat(40 << 20);
    client.hset("w:session:1", [("user", &value), ("tags", &value)]).await.unwrap();
    drop(value);
    let reads = reader(&redis).await;
    for client in [client, reads] {
        let report = check().run(&client).await.unwrap();
        assert_eq!(report.faults[&FaultKind::TooManyBytes], 2, "{report}");
        let sizes = report.findings.iter().filter_map(|finding| match finding.fault {
            Fault::TooManyBytes { bytes, allowed: 2000 } => Some(bytes),
            _ => None,
        });
        assert!(sizes.into_iter().all(|bytes| bytes > 80 << 20), "{report}");
    }
}

const LARGE: &str = "schema_check::costs::a_million_keys_are_checked_in_little_memory";

/// `EDGECASK_TEST_CHECK_KEYS` says how many keys.
#[tokio::test]
async fn a_million_keys_are_checked_in_little_memory() {
    const PORT: &str = "EDGECASK_TEST_CHECK_PORT";
    const FILE: &str = "EDGECASK_TEST_CHECK_FILE";
    const MOST_KIB: u64 = 64 << 10;
    let keys = number("EDGECASK_TEST_CHECK_KEYS").unwrap_or(3000);
    if let Some(port) = number(PORT) {
        let client = Client::tcp(&format!("redis://127.0.0.1:{port}")).unwrap();
        let start = Instant::now();
        let report = check().run(&client).await.unwrap();
        let (seconds, (_, most)) = (start.elapsed().as_secs_f64(), resident_kib());
        let each_second = report.keys as f64 / seconds;
        let commands = report.commands;
        eprintln!("{keys} keys, {commands} commands, {each_second:.0} keys a second, {most} KiB");
        assert!(most <= MOST_KIB, "{most} KiB");
        assert_eq!((report.keys, report.complete), (keys, true));
        assert!(commands <= 2 * keys, "{commands}");
        let all = check().max_findings(usize::MAX).run(&client).await.unwrap();
        assert_eq!(all.faults, report.faults);
        let file = std::fs::File::create(std::env::var(FILE).unwrap()).unwrap();
        serde_json::to_writer(std::io::BufWriter::new(file), &all).unwrap();
        return;
    }
    let redis = RedisServer::start();
    let expected = planted(&redis.client(), &Dice::new(1), keys as usize).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("report.json");
    let variables = [(PORT, redis.port().to_string()), (FILE, file.to_string_lossy().into_owned())];
    let mut process = again(LARGE, &variables);
    finished(process.stdout(std::process::Stdio::piped()).spawn().unwrap()).await;
    let report: Report = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    assert!(found(&report) == expected, "{:?}", report.faults);
}
