//! The primary behind real sentinels: it changes by plan, sentinels hang, know an old primary, or refuse a password.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use edgecask::layer::Deadline;
use edgecask::prelude::*;
use edgecask::transport::tcp::{TcpOptions, TcpTransport};
use edgecask::{ErrorKind, Outcome, Value};
use edgecask_tests::{RedisServer, free_port, until};
use futures_util::future::join_all;

use crate::topologies::SentinelProcess;

/// A primary, a replica and three sentinels that know each other.
struct Group {
    primary: RedisServer,
    replica: RedisServer,
    urls: Vec<String>,
    _sentinels: Vec<SentinelProcess>,
    _directory: tempfile::TempDir,
}

impl Group {
    async fn start(settings: &str) -> Self {
        let primary = RedisServer::start();
        let port = primary.port().to_string();
        let replica = RedisServer::with(["--replicaof", "127.0.0.1", &port]);
        let directory = tempfile::tempdir().unwrap();
        let (mut sentinels, mut urls) = (Vec::new(), Vec::new());
        for number in 0..3 {
            let own = free_port();
            let path = directory.path().join(format!("sentinel-{number}.conf"));
            let text = format!(
                "port {own}\nbind 127.0.0.1\nsentinel monitor mymaster 127.0.0.1 {port} 2\n\
                 sentinel down-after-milliseconds mymaster 1000\nsentinel failover-timeout mymaster 4000\n{settings}"
            );
            std::fs::write(&path, text).unwrap();
            sentinels.push(SentinelProcess::start(&path));
            urls.push(format!("redis://127.0.0.1:{own}"));
        }
        let group = Self { primary, replica, urls, _sentinels: sentinels, _directory: directory };
        for url in &group.urls {
            let sentinel = Client::tcp(url).unwrap();
            until(async || {
                let asked = cmd("SENTINEL").arg("MASTER").arg("mymaster");
                let known =
                    sentinel.execute::<std::collections::BTreeMap<String, String>>(asked).await;
                known.is_ok_and(|known| {
                    known["num-other-sentinels"] == "2" && known["num-slaves"] == "1"
                })
            })
            .await;
        }
        group
    }

    fn client(&self) -> Client {
        let options = TcpOptions::sentinel(&self.urls, "mymaster");
        Client::new(TcpTransport::new(options).unwrap())
            .layer(Deadline::new(Duration::from_secs(3)))
    }

    async fn fail_over(&self) {
        let first = Client::tcp(&self.urls[0]).unwrap();
        // It refuses while it believes that the replica is not ready.
        until(async || {
            let planned = cmd("SENTINEL").arg("FAILOVER").arg("mymaster");
            first.execute::<Value>(planned).await.is_ok()
        })
        .await;
    }
}

async fn is_primary(server: &Client) -> bool {
    server.info("replication").await.is_ok_and(|info| info.contains("role:master"))
}

async fn connections(server: &Client) -> u64 {
    let info = server.info("stats").await.unwrap();
    let line = info.lines().find_map(|line| line.strip_prefix("total_connections_received:"));
    line.unwrap().parse().unwrap()
}

/// After a planned failover the old primary goes on accepting writes for at least 8 seconds, and loses them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_planned_failover_is_followed_at_once() {
    let group = Group::start("").await;
    let client = group.client();
    let (old, new) = (group.primary.client(), group.replica.client());
    client.set("k", "v").await.unwrap();
    let (done, lost) = (AtomicU64::new(0), AtomicU64::new(0));
    let writer = async {
        // Each write after the switch is asked for at the new primary.
        while done.load(Ordering::SeqCst) == 0 {
            let _ = client.incr("n").await;
            tokio::task::yield_now().await;
        }
    };
    let failover = async {
        group.fail_over().await;
        until(async || is_primary(&new).await).await;
        let before: u64 = old.get("n").await.unwrap().unwrap_or(0);
        let switched = async || {
            let here = client.info("server").await.unwrap_or_default();
            here.contains(&format!("tcp_port:{}", group.replica.port()))
        };
        until(switched).await;
        let after: u64 = old.get("n").await.unwrap().unwrap_or(0);
        lost.store(after.saturating_sub(before), Ordering::SeqCst);
        // It is still a primary, so only the sentinels can have told.
        assert!(is_primary(&old).await, "the old primary was demoted before the client left it");
        done.store(1, Ordering::SeqCst);
    };
    tokio::join!(writer, failover);
    let lost = lost.load(Ordering::SeqCst);
    eprintln!("{lost} writes reached the old primary after the new one was promoted");
    client.set("k", "w").await.unwrap();
    assert_eq!(new.get::<String>("k").await.unwrap().as_deref(), Some("w"));
}

#[tokio::test]
async fn the_subscription_moves_to_another_sentinel_and_ends_with_the_transport() {
    let mut group = Group::start("").await;
    let client = group.client();
    client.set("k", "v").await.unwrap();
    let listening = async |url: &str| {
        let sentinel = Client::tcp(url).unwrap();
        let Ok(list) = sentinel.execute::<String>(cmd("CLIENT").arg("LIST")).await else {
            return 0;
        };
        // Sentinels listen to the servers, and nobody else to a sentinel.
        list.lines().filter(|line| line.contains(" sub=2 ")).count()
    };
    until(async || listening(&group.urls[0]).await == 1).await;
    drop(group._sentinels.remove(0));
    until(async || listening(&group.urls[1]).await + listening(&group.urls[2]).await == 1).await;
    drop(client);
    until(async || listening(&group.urls[1]).await + listening(&group.urls[2]).await == 0).await;
}

#[tokio::test]
async fn cancelled_calls_leave_the_connection_to_the_primary_alone() {
    let group = Group::start("").await;
    let (client, server) = (group.client(), group.primary.client());
    client.ping().await.unwrap();
    let before = connections(&server).await;
    for round in 0..50 {
        let limit = Duration::from_micros(20 * round);
        let _ = tokio::time::timeout(limit, client.get::<String>("k")).await;
    }
    join_all((0..50).map(|_| tokio::time::timeout(Duration::ZERO, client.incr("n")))).await;
    client.ping().await.unwrap();
    let made = connections(&server).await - before;
    // Sentinels and the replica connect from time to time.
    assert!(made <= 6, "{made} connections");

    // A connection that is not made yet belongs to all, too.
    let (client, before) = (group.client(), connections(&server).await);
    for round in 0..50 {
        let limit = Duration::from_micros(20 * round);
        let _ = tokio::time::timeout(limit, client.get::<String>("k")).await;
    }
    client.ping().await.unwrap();
    let made = connections(&server).await - before;
    assert!(made <= 6, "{made} connections");
}

#[tokio::test]
async fn a_refused_password_of_the_sentinels_is_named() {
    let group = Group::start("").await;
    for url in &group.urls {
        let sentinel = Client::tcp(url).unwrap();
        let set = cmd("CONFIG").args_from(["SET", "requirepass", "sentinel-secret"]);
        if sentinel.send(&set).await.is_err() {
            let set = cmd("ACL").args_from(["SETUSER", "default", "resetpass", ">sentinel-secret"]);
            sentinel.send(&set).await.unwrap();
        }
    }
    let options = TcpOptions::sentinel(&group.urls, "mymaster");
    for options in [options.clone(), options.clone().sentinel_password("wrong-secret")] {
        let client = Client::new(TcpTransport::new(options).unwrap());
        let error = client.ping().await.unwrap_err();
        assert_eq!((error.kind(), error.outcome()), (ErrorKind::Connect, Outcome::NotSent));
        assert!(error.message().contains("sentinel_password"), "{error}");
        assert!(!format!("{error:?}").contains("secret"), "{error:?}");
    }
    let client =
        Client::new(TcpTransport::new(options.sentinel_password("sentinel-secret")).unwrap());
    client.ping().await.unwrap();
}
