//! `SchemaCheck` finds every planted fault and nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use edgecask::keyspace::Stored;
use edgecask::keyspace::check::{Fault, FaultKind, Position, Report, SchemaCheck, Warning};
use edgecask::platform::BoxFuture;
use edgecask::prelude::*;
use edgecask::transport::Results;
use edgecask::transport::tcp::{TcpOptions, TcpTransport};
use edgecask::{Client, Command, ErrorKind, Keyspace, Pattern, Result};
use edgecask_server::{Server, ServerOptions};
use edgecask_tests::{Dice, RedisCluster, RedisServer, Tap, Tapped, Trip, number, seeds};
use serde::{Deserialize, Serialize};

use super::seeded::{again, finished, resident_kib};

#[derive(Debug, Serialize, Deserialize)]
struct Session {
    user: String,
    visits: u64,
    tags: Vec<String>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Profile {
    name: String,
    limits: Limits,
}

#[derive(Debug, Serialize, Deserialize)]
struct Limits {
    daily: u32,
}

edgecask::keyspaces! {
    /// Keys of the tests.
    mod world, owner: "tests" {
        /// A session.
        session(id: &str) => Hash<Session>, "w:session:{id}", ttl: 100 hours;
        /// A profile.
        profile(id: &str) => Json<Profile>, "w:profile:{id}", forever;
        /// Steps of a session.
        steps(id: &str) => Json<Vec<u8>>, "w:session:{id}:steps", ttl: 10 hours renewed on activity;
        /// The last limits.
        log(id: &str) => List<Limits>, "w:log:{id}", ttl: 100 hours, keep 5;
        /// Numbers.
        numbers(id: &str) => Set<u32>, "w:numbers:{id}", forever;
        /// Numbers with scores.
        scores(id: &str) => SortedSet<u8>, "w:scores:{id}", forever;
        /// Visits.
        visits(id: &str) => Counter<i64>, "w:visits:{id}", ttl: 100 hours from creation;
        /// Whether something is on.
        is_on(id: &str) => Text<bool>, "w:on:{id}" except "all", forever;
    }
}

/// What must not be in any report.
const SECRET: &str = "s3cr3t";

fn check() -> SchemaCheck {
    SchemaCheck::new(world::DECLARATIONS).unwrap().max_bytes(2000).max_elements(50)
}

/// The commands that make a key, and the faults that it then has.
fn key(dice: &Dice, at: usize) -> (String, Vec<Command>, Vec<FaultKind>) {
    let name = format!("{at}-{}", dice.roll(1000));
    let command = |name: &'static str| Command::new(name);
    if dice.roll(3) == 0 {
        return small_key(dice, &name);
    }
    let (key, ttl) = match dice.roll(3) {
        0 => (format!("w:session:{name}"), Some(360_000_000)),
        1 => (format!("w:profile:{name}"), None),
        _ => (format!("w:session:{name}:steps"), Some(36_000_000)),
    };
    let hash = |visits: &str, more: usize| {
        let set = command("HSET").arg(&key).arg("user").arg("ada").arg("visits").arg(visits);
        let more = (0..more).map(|at| (format!("field-{at}"), "x"));
        set.arg("tags").arg(r#"["a"]"#).pairs_from(more)
    };
    let text = |daily: &str, padding: usize| match ttl {
        None => {
            let name = "x".repeat(padding);
            let text = format!(r#"{{"name":"{name}","limits":{{"daily":{daily}}}}}"#);
            command("SET").arg(&key).arg(text)
        }
        Some(_) => command("SET").arg(&key).arg(format!("[{daily}{}]", ",1".repeat(padding / 2))),
    };
    let is_hash = ttl == Some(360_000_000);
    let good = || if is_hash { hash("7", 0) } else { text("7", 0) };
    let quoted = format!("\"{SECRET}\"");
    let (made, mut faults) = match dice.roll(12) {
        0 => (command("RPUSH").arg(&key).arg(SECRET), vec![FaultKind::WrongType]),
        1 if is_hash => (text("7", 0), vec![FaultKind::WrongType]),
        1 => (hash("7", 0), vec![FaultKind::WrongType]),
        2 if is_hash => (hash(SECRET, 0), vec![FaultKind::Undecodable]),
        2 => (text(&quoted, 0), vec![FaultKind::Undecodable]),
        3 if is_hash => {
            (command("HSET").arg(&key).arg("user").arg(SECRET), vec![FaultKind::Undecodable])
        }
        3 => (command("SET").arg(&key).arg(SECRET), vec![FaultKind::Undecodable]),
        4 if is_hash => (hash("7", 60), vec![FaultKind::TooManyElements]),
        4 => (text("7", 3000), vec![FaultKind::TooManyBytes]),
        5 if is_hash => (hash(&"7".repeat(3000), 0), vec![FaultKind::TooManyBytes]),
        // As large as a value may be.
        5 => (text("7", 1900), vec![]),
        6 => {
            let key = format!("other:{name}");
            let made = command("SET").arg(&key).arg(SECRET);
            return (key, vec![made], vec![FaultKind::Undeclared]);
        }
        7 => {
            // More parts than any pattern has.
            let key = format!("{key}:x:y");
            return (
                key.clone(),
                vec![command("SADD").arg(&key).arg(1)],
                vec![FaultKind::Undeclared],
            );
        }
        _ => (good(), vec![]),
    };
    let mut commands = vec![made];
    let expire = |millis: i64| command("PEXPIRE").arg(&key).arg(millis);
    match (ttl, dice.roll(6)) {
        (None, 0) => {
            commands.push(expire(50_000_000));
            faults.push(FaultKind::UnexpectedTtl);
        }
        (Some(_), 0) => faults.push(FaultKind::NoTtl),
        (Some(most), 1) => {
            commands.push(expire(most + 36_000_000));
            faults.push(FaultKind::TtlTooLong);
        }
        (Some(most), _) => commands.push(expire(most)),
        (None, _) => {}
    }
    (key, commands, faults)
}

/// The same for the types that have no structure of their own.
fn small_key(dice: &Dice, name: &str) -> (String, Vec<Command>, Vec<FaultKind>) {
    let (kind, command, good, other) = match dice.roll(5) {
        0 => ("log", "RPUSH", &[r#"{"daily":1}"#, r#"{"daily":2}"#][..], &[r#"{"daily":-1}"#][..]),
        1 => ("numbers", "SADD", &["1", "2"][..], &[SECRET][..]),
        2 => ("scores", "ZADD", &["1.5", "7", "-inf", "8"][..], &["1", SECRET][..]),
        3 => ("visits", "SET", &["-12"][..], &["1.5"][..]),
        _ => ("on", "SET", &["true"][..], &["yes"][..]),
    };
    let key = format!("w:{kind}:{name}");
    let make =
        |command: &'static str, args: &[&str]| Command::new(command).arg(&key).args_from(args);
    let (made, faults) = match dice.roll(6) {
        0 if command == "SET" => (make(command, other), vec![FaultKind::Undecodable]),
        0 => (make(command, &[good, other].concat()), vec![FaultKind::Undecodable]),
        1 if command == "RPUSH" => {
            (make(command, &good.repeat(3)), vec![FaultKind::TooManyElements])
        }
        2 => (make("HSET", &["a", SECRET]), vec![FaultKind::WrongType]),
        _ => (make(command, good), vec![]),
    };
    let expires = matches!(kind, "log" | "visits");
    let expire = Command::new("EXPIRE").arg(&key).arg(360_000);
    let commands = if expires { vec![made, expire] } else { vec![made] };
    (key, commands, faults)
}

type Faults = BTreeSet<(String, FaultKind)>;

/// A world of so many keys.
async fn planted(client: &Client, dice: &Dice, keys: usize) -> Faults {
    client.flushdb().await.unwrap();
    let mut expected = Faults::new();
    let mut commands = Vec::new();
    for at in 0..keys {
        let (key, made, faults) = key(dice, at);
        commands.extend(made);
        expected.extend(faults.into_iter().map(|fault| (key.clone(), fault)));
    }
    for part in commands.chunks(1000) {
        for reply in client.send_pipeline(part).await.unwrap() {
            reply.unwrap();
        }
    }
    expected
}

fn found(report: &Report) -> Faults {
    let found: Faults =
        report.findings.iter().map(|finding| (finding.key.clone(), finding.fault.kind())).collect();
    assert_eq!(found.len() as u64, report.fault_count());
    let mut counts = BTreeMap::new();
    found.iter().for_each(|(_, kind)| *counts.entry(*kind).or_insert(0) += 1);
    assert_eq!(counts, report.faults);
    found
}

/// A client of a user who may read and run no script.
async fn reader(redis: &RedisServer) -> Client {
    let rules = ["on", ">reads", "~*", "+@read"];
    redis.client().acl_setuser("reader", rules).await.unwrap();
    Client::tcp(&redis.url().replace("//", "//reader:reads@")).unwrap()
}

/// On the embedded engine, on a real Redis over TCP, through the REST server over that Redis, and there by a user who only reads.
async fn everywhere(case: impl AsyncFn(&Client, &Client)) {
    let redis = RedisServer::start();
    let server = Server::start(ServerOptions::redis(redis.url())).await.unwrap();
    let rest = Client::rest(&server.url(), server.token()).unwrap();
    let reads = reader(&redis).await;
    let embedded = Server::start(ServerOptions::memory()).await.unwrap();
    let embedded_rest = Client::rest(&embedded.url(), embedded.token()).unwrap();
    let (memory, tcp) = (Client::memory(), redis.client());
    for (writes, checks) in [
        (&memory, &memory),
        (&tcp, &tcp),
        (&rest, &rest),
        (&tcp, &reads),
        (&embedded_rest, &embedded_rest),
    ] {
        case(writes, checks).await;
    }
    server.stop().await;
    embedded.stop().await;
}

#[tokio::test]
async fn every_planted_fault_is_found_and_nothing_else() {
    everywhere(async |writes, checks| {
        for seed in seeds(3) {
            let dice = Dice::new(seed);
            let expected = planted(writes, &dice, 400).await;
            let page = 1 + dice.roll(100) as u32;
            let report = check().page(page).run(checks).await.unwrap();
            assert_eq!(found(&report), expected, "seed {seed}, {checks:?}");
            assert_eq!((report.keys, report.complete, report.exit_status()), (400, true, 1));
            let undeclared = report.faults[&FaultKind::Undeclared];
            assert_eq!(report.patterns.values().sum::<u64>(), 400 - undeclared);

            let json = serde_json::to_string(&report).unwrap();
            assert!(!json.contains(SECRET) && !report.to_string().contains(SECRET), "{report}");
            assert_eq!(serde_json::from_str::<Report>(&json).unwrap(), report);
        }
    })
    .await;
}

#[tokio::test]
async fn faults_say_what_is_wrong() {
    everywhere(async |writes, checks| {
        writes.flushdb().await.unwrap();
        let commands = [
            "SET w:profile:1 {\"name\":\"s3cr3t\",\"limits\":{\"daily\":-1}}",
            "HSET w:session:1 user ada visits s3cr3t tags []",
            "SADD w:profile:2 s3cr3t",
            "SET w:profile:3 {\"name\":\"s3cr3t\"} EX 100",
        ];
        for line in commands {
            let mut words = line.split(' ');
            let command = Command::new(words.next().unwrap()).args_from(words);
            writes.send(&command).await.unwrap();
        }
        let report = check().run(checks).await.unwrap();
        let text = report.to_string();
        for line in [
            "'w:profile:1': the field 'limits.daily' does not decode: expected u32\n",
            "'w:session:1': it never expires; its time to live is declared as 360000 s\n",
            "'w:session:1': the field 'visits' does not decode: expected u64\n",
            "'w:profile:2': it is a set, not a string\n",
            "'w:profile:3': it expires in 100 s; it is declared to stay\n",
            "'w:profile:3': the field 'limits' does not decode: it is missing\n",
            "3 keys that do not decode\n",
            "6 faults in 4 keys",
        ] {
            assert!(text.contains(line), "{text}");
        }
        assert!(!text.contains(SECRET));
        let json = serde_json::to_value(&report).unwrap();
        assert_eq!(json["faults"]["wrong_type"], 1);
        let findings = json["findings"].as_array().unwrap();
        let one = findings.iter().find(|one| one["key"] == "w:profile:1").unwrap();
        assert_eq!(
            *one,
            serde_json::json!({
                "key": "w:profile:1", "pattern": "w:profile:{id}", "fault": "undecodable",
                "field": "limits.daily", "why": "expected u32"
            })
        );
    })
    .await;
}

#[tokio::test]
async fn a_check_goes_on_where_it_stopped() {
    everywhere(async |writes, checks| {
        let expected = planted(writes, &Dice::new(7), 300).await;
        let check = check().page(20);
        let whole = check.run(checks).await.unwrap();
        let mut stops = 0;
        for after in 1.. {
            // Each time another process goes on, from what the last one stored.
            let mut stored = serde_json::to_string(&Position::default()).unwrap();
            let mut stopped = false;
            loop {
                let mut position: Position = serde_json::from_str(&stored).unwrap();
                let mut left = after;
                let stop = |_: &Position| {
                    left -= 1;
                    stopped |= left == 0;
                    if left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
                };
                check.run_from(checks, &mut position, stop).await.unwrap();
                stored = serde_json::to_string(&position).unwrap();
                let report = position.report();
                if report.complete {
                    assert_eq!(found(report), expected, "stopped after every {after} pages");
                    assert_eq!(report.keys, whole.keys);
                    assert_eq!(report.patterns, whole.patterns);
                    // Redis may say another time that a value takes some bytes more.
                    assert!(report.commands.abs_diff(whole.commands) < 10);
                    break;
                }
                stops += 1;
                assert!(!report.to_string().is_empty() && report.exit_status() > 0);
            }
            if !stopped {
                break;
            }
        }
        assert!(stops > 20, "{stops}");
    })
    .await;
}

/// Counts commands, and loses the round trips 3, 9, 18, 30 and so on. The distance grows, so that a page of any length
/// completes at last.
#[derive(Debug, Default)]
struct Counting {
    commands: Arc<AtomicU64>,
    trips: Arc<AtomicU64>,
    is_lossy: bool,
}

fn is_lost(trip: u64) -> bool {
    (1..=trip)
        .map(|losses| 3 * losses * (losses + 1) / 2)
        .take_while(|at| *at <= trip)
        .any(|at| at == trip)
}

impl Tap for Counting {
    fn carry<'a>(&'a self, trip: Trip<'a>) -> BoxFuture<'a, Result<Results>> {
        let trips = self.trips.fetch_add(1, Ordering::SeqCst) + 1;
        self.commands.fetch_add(trip.commands.len() as u64, Ordering::SeqCst);
        Box::pin(async move {
            let results = trip.go().await;
            if self.is_lossy && is_lost(trips) {
                return Err(edgecask::Error::new(ErrorKind::Disconnected, "lost by the test"));
            }
            results
        })
    }
}

#[tokio::test]
async fn an_error_loses_nothing() {
    everywhere(async |writes, checks| {
        let expected = planted(writes, &Dice::new(11), 200).await;
        let check = check().page(20);
        let lossy =
            checks.clone().layer(Tapped(Counting { is_lossy: true, ..Counting::default() }));
        let mut position = Position::default();
        let mut errors = Vec::new();
        while let Err(error) =
            check.run_from(&lossy, &mut position, |_| ControlFlow::Continue(())).await
        {
            assert!(errors.len() < 100, "{errors:?}");
            errors.push(error);
        }
        assert!(errors.len() > 1, "{errors:?}");
        assert_eq!(found(position.report()), expected);
        assert_eq!(position.report().keys, 200);
    })
    .await;
}

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
async fn other_clients_may_write_meanwhile() {
    everywhere(async |writes, checks| {
        writes.flushdb().await.unwrap();
        let expected: Faults =
            (0..20).map(|at| (format!("w:profile:bad{at}"), FaultKind::Undecodable)).collect();
        for (key, _) in &expected {
            writes.set(key, "[]").await.unwrap();
        }
        let ended = Arc::new(AtomicBool::new(false));
        let (writer, end) = (writes.clone(), Arc::clone(&ended));
        let task = tokio::spawn(async move {
            let dice = Dice::new(5);
            let mut written = 0;
            while !end.load(Ordering::SeqCst) {
                let id = dice.roll(300).to_string();
                let session = world::session(&id).unwrap();
                match dice.roll(4) {
                    0 => drop(session.delete(&writer).await.unwrap()),
                    1 => world::steps(&id).unwrap().set(&writer, &vec![1, 2]).await.unwrap(),
                    _ => {
                        let tags = vec!["x".repeat(dice.roll(200) as usize)];
                        let record = Session { user: "ada".to_owned(), visits: 1, tags };
                        session.set(&writer, &record).await.unwrap();
                    }
                }
                written += 1;
                // The embedded engine never waits.
                tokio::task::yield_now().await;
            }
            written
        });
        for _ in 0..20 {
            let report = check().page(30).run(checks).await.unwrap();
            assert_eq!(found(&report), expected, "{report}");
            tokio::task::yield_now().await;
        }
        ended.store(true, Ordering::SeqCst);
        assert!(task.await.unwrap() > 0);
    })
    .await;
}

#[tokio::test]
async fn findings_are_bounded_and_counts_are_exact() {
    let client = Client::memory();
    for at in 0..100 {
        client.set(format!("other:{at}"), "x").await.unwrap();
    }
    client.set("x".repeat(5000), "x").await.unwrap();
    client.set(&b"\xff\x00"[..], "x").await.unwrap();
    let report = check().max_findings(10).run(&client).await.unwrap();
    assert_eq!((report.findings.len(), report.faults[&FaultKind::Undeclared]), (10, 102));
    assert!(report.to_string().contains("… and 92 more faults\n"), "{report}");

    let report = check().run(&client).await.unwrap();
    let longest = report.findings.iter().map(|finding| finding.key.len()).max();
    assert_eq!(longest, Some(500 + "…".len()));
    assert!(report.findings.iter().any(|finding| finding.key == r"\xff\x00"));

    let others = Keyspace::literal("other");
    let report = check().except(others).run(&client).await.unwrap();
    assert_eq!((report.keys, report.fault_count()), (2, 2));
    let pattern = Pattern::verbatim("other:1*").unwrap();
    let report = check().matching(pattern).page(7).run(&client).await.unwrap();
    assert_eq!((report.keys, report.complete), (11, true));
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

#[tokio::test]
async fn eviction_of_what_must_stay_is_warned_of() {
    let redis = RedisServer::with(["--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru"]);
    let client = redis.client();
    let report = check().run(&client).await.unwrap();
    assert_eq!(report.eviction.as_deref(), Some("allkeys-lru"));
    let patterns = ["w:profile:{id}", "w:numbers:{id}", "w:scores:{id}", "w:on:{id}"];
    let patterns = patterns.map(str::to_owned).to_vec();
    let policy = "allkeys-lru".to_owned();
    assert_eq!(report.warnings, [Warning::Evicts { policy, patterns }]);
    assert_eq!(report.exit_status(), 0);
    assert!(report.to_string().starts_with("warning: maxmemory-policy is allkeys-lru: "));

    let set = |name: &'static str, value: &'static str| {
        Command::new("CONFIG").arg("SET").arg(name).arg(value)
    };
    client.send(&set("maxmemory-policy", "volatile-ttl")).await.unwrap();
    assert!(check().run(&client).await.unwrap().warnings.is_empty());
    let durable = check().durable(["w:session:{id}"]).unwrap();
    let report = durable.run(&client).await.unwrap();
    assert!(report.to_string().contains("keys that must not be lost: w:session:{id}"), "{report}");
    for (name, value) in [("maxmemory", "0"), ("maxmemory-policy", "noeviction")] {
        client.send(&set(name, value)).await.unwrap();
        assert!(durable.run(&client).await.unwrap().warnings.is_empty());
        client.send(&set("maxmemory", "100mb")).await.unwrap();
    }
    let embedded = check().run(&Client::memory()).await.unwrap();
    assert_eq!(embedded.eviction.as_deref(), Some("noeviction"));
    assert_eq!(check().durable(["w:{id}"]).unwrap_err().kind(), ErrorKind::InvalidInput);
}

#[tokio::test]
async fn keys_that_change_together_share_a_slot() {
    let pair = ["w:session:{id}", "w:session:{id}:steps"];
    let check = check().together(pair).unwrap();
    everywhere(async |writes, checks| {
        writes.flushdb().await.unwrap();
        for id in ["1", "2", "{3}", "{4}"] {
            // Other programs may have braces in their keys.
            let key = format!("w:session:{id}");
            writes.hset(&key, [("user", "a"), ("visits", "1"), ("tags", "[]")]).await.unwrap();
            writes.expire(&key, Duration::from_secs(100)).await.unwrap();
        }
        let report = check.run(checks).await.unwrap();
        let apart: BTreeSet<_> = report
            .findings
            .iter()
            .map(|finding| match &finding.fault {
                Fault::CrossSlot { with } => (finding.key.as_str(), with.as_str()),
                other => panic!("{other:?}"),
            })
            .collect();
        let expected = [("w:session:1", "w:session:1:steps"), ("w:session:2", "w:session:2:steps")];
        assert_eq!(apart, expected.into());
        assert_eq!(report.fault_count(), 2);
    })
    .await;
    let unknown = SchemaCheck::new(world::DECLARATIONS).unwrap().together(["w:{id}"]);
    assert_eq!(unknown.unwrap_err().kind(), ErrorKind::InvalidInput);
}

#[tokio::test]
async fn all_nodes_of_a_cluster_are_checked() {
    let cluster = RedisCluster::start().await;
    let options = TcpOptions::cluster(cluster.urls());
    let client = Client::new(TcpTransport::new(options).unwrap());
    let dice = Dice::new(9);
    let mut expected = Faults::new();
    for at in 0..200 {
        let (key, commands, faults) = key(&dice, at);
        for command in commands {
            client.send(&command).await.unwrap();
        }
        expected.extend(faults.into_iter().map(|fault| (key.clone(), fault)));
    }
    let report = check().page(30).run(&client).await.unwrap();
    assert_eq!((found(&report), report.keys), (expected, 200));
}

#[test]
fn a_snapshot_is_checked_without_a_server() {
    let check = check();
    let mut report = Report::default();
    let hour = Some(Duration::from_secs(360_000));
    let text = |text: &'static str| Stored::String(text.into());
    let good = vec![("user", "a"), ("visits", "1"), ("tags", "[]")];
    let good =
        Stored::Hash(good.into_iter().map(|(name, value)| (name.into(), value.into())).collect());
    for (key, ttl, stored) in [
        ("w:session:1", hour, good.clone()),
        ("w:session:2", None, good.clone()),
        ("w:session:3", hour.map(|hour| hour * 2), good),
        ("w:profile:1", None, text("{}")),
        ("w:profile:2", None, Stored::List(vec!["a".into()])),
        ("w:on:all", None, text("true")),
        ("w:on:al", None, text("true")),
        ("w:log:1", hour, Stored::List(vec![r#"{"daily":1}"#.into(); 6])),
        ("w:scores:1", None, Stored::SortedSet(vec![("7".into(), 1.5)])),
        ("w:numbers:1", None, Stored::Other("stream".to_owned())),
    ] {
        check.entry(&mut report, key.as_bytes(), ttl, stored);
    }
    let expected = [
        ("w:session:2", FaultKind::NoTtl),
        ("w:session:3", FaultKind::TtlTooLong),
        ("w:profile:1", FaultKind::Undecodable),
        ("w:profile:2", FaultKind::WrongType),
        ("w:on:all", FaultKind::Undeclared),
        ("w:log:1", FaultKind::TooManyElements),
        ("w:numbers:1", FaultKind::WrongType),
    ];
    let expected = expected.map(|(key, kind)| (key.to_owned(), kind));
    assert_eq!((found(&report), report.keys), (expected.into(), 10));
    assert_eq!(report.exit_status(), 1);
}

#[test]
fn a_report_counts_in_the_singular_and_the_plural() {
    let check = check();
    let mut report = Report::default();
    report.complete = true;
    check.entry(&mut report, b"w:profile:1", None, Stored::String("{}".into()));
    report.commands = 1;
    let text = report.to_string();
    assert!(text.ends_with("1 key that does not decode\n1 fault in 1 key, by 1 command"), "{text}");
    check.entry(&mut report, b"w:profile:2", None, Stored::String("{}".into()));
    let text = report.to_string();
    assert!(
        text.ends_with("2 keys that do not decode\n2 faults in 2 keys, by 1 command"),
        "{text}"
    );

    let check = check.max_findings(1);
    let mut report = Report::default();
    check.entry(&mut report, b"w:profile:1", None, Stored::String("{}".into()));
    check.entry(&mut report, b"w:profile:2", None, Stored::String("{}".into()));
    let text = report.to_string();
    assert!(text.contains("… and 1 more fault\n"), "{text}");
    assert!(text.ends_with("by 0 commands; the check is not complete"), "{text}");
}

#[test]
fn declarations_that_overlap_are_refused() {
    edgecask::keyspaces! {
        mod other, owner: "others" {
            any(kind: &str, id: &str) => Json<String>, "w:{kind}:{id}", forever;
        }
    }
    let both = world::DECLARATIONS.iter().chain(other::DECLARATIONS);
    let error = SchemaCheck::new(both).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    let text = "'w:session:{id}' of tests and 'w:{kind}:{id}' of others can name the same key";
    assert_eq!(error.message(), text);
}

const LARGE: &str = "schema_check::a_million_keys_are_checked_in_little_memory";

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
