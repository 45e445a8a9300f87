//! Keys with faults that are known, and the checks that look for them.

use std::collections::{BTreeMap, BTreeSet};

use edgecask::keyspace::check::{FaultKind, Report, SchemaCheck};
use edgecask::prelude::*;
use edgecask::{Client, Command};
use edgecask_server::{Server, ServerOptions};
use edgecask_tests::{Dice, RedisServer};
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Session {
    pub(super) user: String,
    pub(super) visits: u64,
    pub(super) tags: Vec<String>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Profile {
    pub(super) name: String,
    pub(super) limits: Limits,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Limits {
    pub(super) daily: u32,
}

edgecask::keyspaces! {
    /// Keys of the tests.
    pub(super) mod world, owner: "tests" {
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
pub(super) const SECRET: &str = "s3cr3t";

pub(super) fn check() -> SchemaCheck {
    SchemaCheck::new(world::DECLARATIONS).unwrap().max_bytes(2000).max_elements(50)
}

/// The commands that make a key, and the faults that it then has.
pub(super) fn key(dice: &Dice, at: usize) -> (String, Vec<Command>, Vec<FaultKind>) {
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
pub(super) fn small_key(dice: &Dice, name: &str) -> (String, Vec<Command>, Vec<FaultKind>) {
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

pub(super) type Faults = BTreeSet<(String, FaultKind)>;

/// A world of so many keys.
pub(super) async fn planted(client: &Client, dice: &Dice, keys: usize) -> Faults {
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

pub(super) fn found(report: &Report) -> Faults {
    let found: Faults =
        report.findings.iter().map(|finding| (finding.key.clone(), finding.fault.kind())).collect();
    assert_eq!(found.len() as u64, report.fault_count());
    let mut counts = BTreeMap::new();
    found.iter().for_each(|(_, kind)| *counts.entry(*kind).or_insert(0) += 1);
    assert_eq!(counts, report.faults);
    found
}

/// A client of a user who may read and run no script.
pub(super) async fn reader(redis: &RedisServer) -> Client {
    let rules = ["on", ">reads", "~*", "+@read"];
    redis.client().acl_setuser("reader", rules).await.unwrap();
    Client::tcp(&redis.url().replace("//", "//reader:reads@")).unwrap()
}

/// On the embedded engine, on a real Redis over TCP, through the REST server over that Redis, and there by a user who only reads.
pub(super) async fn everywhere(case: impl AsyncFn(&Client, &Client)) {
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
