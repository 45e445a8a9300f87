//! A real cluster of three primaries, and a real failover by sentinels.

use std::time::Duration;

use edgecask::cache::{Cache, CacheOptions, EntryOptions, Tier};
use edgecask::command::keys::{Cursor, ScanOptions};
use edgecask::layer::{Deadline, KeyPrefix};
use edgecask::prelude::*;
use edgecask::transport::tcp::{TcpOptions, TcpTransport};
use edgecask::{Error, ErrorKind, Key, Keyspace, Outcome, Value};
use edgecask_behaviour::{CASES, Scope};
use edgecask_tests::{RedisCluster, RedisServer, TlsIdentity, free_port, until};
use futures_util::future::join_all;

async fn cluster() -> (RedisCluster, Client) {
    let cluster = RedisCluster::start().await;
    let transport = TcpTransport::new(TcpOptions::cluster(cluster.urls())).unwrap();
    (cluster, Client::new(transport).layer(Deadline::new(Duration::from_secs(20))))
}

#[tokio::test]
async fn commands_find_the_nodes_of_their_keys() {
    let (cluster, client) = cluster().await;
    let keys: Vec<String> = (0..300).map(|number| format!("key:{number}")).collect();
    let commands: Vec<_> = keys.iter().map(|key| cmd("SET").arg(key).arg(key)).collect();
    assert!(client.send_pipeline(&commands).await.unwrap().iter().all(Result::is_ok));
    for node in cluster.nodes() {
        let here = node.client().dbsize().await.unwrap();
        assert!((50..200).contains(&here), "{here} keys on one node");
    }
    assert_eq!(client.mget::<String>(&keys).await.unwrap().into_iter().flatten().count(), 300);
    // What an operator asks, one node or the client of the cluster.
    for client in [&client, &cluster.nodes()[1].client()] {
        let info: String = client.execute(cmd("CLUSTER").arg("INFO")).await.unwrap();
        assert!(info.contains("cluster_state:ok") && info.contains("cluster_size:3"), "{info}");
        let nodes: String = client.execute(cmd("CLUSTER").arg("NODES")).await.unwrap();
        assert_eq!(nodes.lines().filter(|line| line.contains("master")).count(), 3, "{nodes}");
    }

    let (mut cursor, mut found) = (Cursor::default(), Vec::new());
    loop {
        let page = client
            .scan::<String>(&cursor, &ScanOptions::new().pattern("key:*").count(50))
            .await
            .unwrap();
        found.extend(page.items);
        cursor = page.cursor;
        if cursor.is_done() {
            break;
        }
    }
    found.sort_unstable();
    found.dedup();
    assert_eq!(found.len(), 300, "SCAN visits every primary");
    assert_eq!(client.del(&keys).await.unwrap(), 300);

    // What waits has a connection of its own to the server of its key, so it holds up nobody.
    let waiting = tokio::spawn(client.blpop::<String>(["list"], Duration::from_secs(15)));
    let blocked = async || {
        let infos = cluster.nodes().iter().map(|node| node.client().info("clients"));
        join_all(infos).await.iter().flatten().any(|info| info.contains("blocked_clients:1"))
    };
    until(blocked).await;
    client.rpush("list", ["item"]).await.unwrap();
    assert_eq!(waiting.await.unwrap().unwrap(), Some(("list".to_owned(), "item".to_owned())));
}

#[tokio::test]
async fn a_reply_of_a_cluster_has_a_limit() {
    let cluster = RedisCluster::start().await;
    let options = TcpOptions::cluster(cluster.urls()).max_reply_bytes(1 << 16);
    let client = Client::new(TcpTransport::new(options).unwrap()).layer(Deadline::default());
    client.set("long", "x".repeat(1 << 17)).await.unwrap();
    let error = client.get::<String>("long").await.unwrap_err();
    assert!(error.message().contains("max_reply_bytes"), "{error}");
    assert_eq!(client.exists(["long"]).await.unwrap(), 1, "the next call has a new connection");
}

#[tokio::test]
async fn a_cluster_may_speak_tls() {
    let identity = TlsIdentity::new();
    let cluster = RedisCluster::with_tls(&identity).await;
    let options = TcpOptions::cluster(cluster.urls());
    let trusting = options.clone().root_certificate(identity.certificate.as_str());
    let client = Client::new(TcpTransport::new(trusting).unwrap());
    let keys: Vec<String> = (0..100).map(|number| format!("key:{number}")).collect();
    let commands: Vec<_> = keys.iter().map(|key| cmd("SET").arg(key).arg(key)).collect();
    assert!(client.send_pipeline(&commands).await.unwrap().iter().all(Result::is_ok));
    for node in cluster.nodes() {
        assert!(node.client().dbsize().await.unwrap() > 0);
    }
    let stranger = Client::new(TcpTransport::new(options).unwrap()).layer(Deadline::default());
    assert_eq!(stranger.set("k", "v").await.unwrap_err().outcome(), Outcome::NotSent);
}

#[tokio::test]
async fn a_transaction_stays_in_one_slot() {
    let (_cluster, client) = cluster().await;
    let transaction = client.transaction();
    let (one, two) = (transaction.incr("{tag}:a"), transaction.incr("{tag}:b"));
    let mut replies = transaction.exec().await.unwrap();
    assert_eq!((replies.take(one).unwrap(), replies.take(two).unwrap()), (1, 1));
    let across = [cmd("INCR").arg("a"), cmd("INCR").arg("b")];
    let error = client.send_transaction(&across).await.unwrap_err();
    assert_ne!(error.outcome(), Outcome::Unknown, "{error}");
    assert_eq!(client.exists(["a"]).await.unwrap(), 0);
    let sum =
        edgecask::Script::new("return redis.call('GET', KEYS[1]) + redis.call('GET', KEYS[2])");
    assert_eq!(client.run_script::<i64>(&sum, ["{tag}:a", "{tag}:b"], [""; 0]).await.unwrap(), 2);
    let mut messages = client.subscribe(["c"]).await.unwrap();
    client.publish("c", "m").await.unwrap();
    assert_eq!(messages.message().await.unwrap().payload, "m");
}

#[tokio::test]
async fn a_slot_that_moves_is_followed() {
    let (cluster, client) = cluster().await;
    client.set("{moving}:k", "v").await.unwrap();
    let nodes: Vec<Client> = cluster.nodes().iter().map(RedisServer::client).collect();
    let run = async |client: &Client, words: &[&str]| {
        client.execute::<Value>(cmd("CLUSTER").args_from(words)).await
    };
    let slot: u32 = client.execute(cmd("CLUSTER").arg("KEYSLOT").arg("moving")).await.unwrap();
    let slot = slot.to_string();
    let mut ids = Vec::new();
    let mut from = 0;
    for (at, node) in nodes.iter().enumerate() {
        ids.push(node.execute::<String>(cmd("CLUSTER").arg("MYID")).await.unwrap());
        if node.dbsize().await.unwrap() == 1 {
            from = at;
        }
    }
    let to = (from + 1) % 3;
    run(&nodes[to], &["SETSLOT", &slot, "IMPORTING", &ids[from]]).await.unwrap();
    run(&nodes[from], &["SETSLOT", &slot, "MIGRATING", &ids[to]]).await.unwrap();
    // A key that is not there any more is asked for at the other node (ASK).
    client.set("{moving}:new", "n").await.unwrap();
    assert_eq!(nodes[to].dbsize().await.unwrap(), 1);
    let port = cluster.nodes()[to].port().to_string();
    let migrate = cmd("MIGRATE").args_from(["127.0.0.1", &port, "{moving}:k", "0", "5000"]);
    nodes[from].execute::<Value>(migrate).await.unwrap();
    for node in [&nodes[to], &nodes[from]] {
        run(node, &["SETSLOT", &slot, "NODE", &ids[to]]).await.unwrap();
    }
    // The client still believes in the old node (MOVED).
    for _ in 0..3 {
        assert_eq!(client.get::<String>("{moving}:k").await.unwrap().as_deref(), Some("v"));
        assert_eq!(client.get::<String>("{moving}:new").await.unwrap().as_deref(), Some("n"));
    }
}

#[tokio::test]
async fn the_behaviour_suite_runs_on_a_cluster() {
    let (_cluster, client) = cluster().await;
    // Several keys of one case lie on several nodes, which commands on several keys do not take.
    let families = [
        "strings::a",
        "strings::counters",
        "hashes",
        "batches::a_pipeline",
        "binary::bytes_survive",
    ];
    let mut ran = 0;
    for case in
        CASES.iter().filter(|case| families.iter().any(|name| case.name().starts_with(name)))
    {
        case.run(Scope::new(client.clone()).unwrap()).await;
        ran += 1;
    }
    assert!(ran > 8, "{ran} cases");
}

#[tokio::test]
async fn sentinels_name_the_new_primary() {
    let primary = RedisServer::start();
    let primary_port = primary.port().to_string();
    let replica = RedisServer::with(["--replicaof", "127.0.0.1", &primary_port]);
    let directory = tempfile::tempdir().unwrap();
    let sentinels: Vec<(SentinelProcess, String)> = (0..3)
        .map(|number| {
            let port = free_port();
            let path = directory.path().join(format!("sentinel-{number}.conf"));
            let settings = format!(
                "port {port}\nbind 127.0.0.1\nsentinel monitor mymaster 127.0.0.1 {primary_port} 2\n\
                 sentinel down-after-milliseconds mymaster 300\nsentinel failover-timeout mymaster 2000\n"
            );
            std::fs::write(&path, settings).unwrap();
            (SentinelProcess::start(&path), format!("redis://127.0.0.1:{port}"))
        })
        .collect();
    let urls: Vec<&str> = sentinels.iter().map(|(_, url)| url.as_str()).collect();
    // All know each other and the replica, so that they can agree on a failover.
    for url in &urls {
        let sentinel = Client::tcp(url).unwrap();
        until(async || {
            let asked = cmd("SENTINEL").arg("MASTER").arg("mymaster");
            let known = sentinel.execute::<std::collections::BTreeMap<String, String>>(asked).await;
            known.is_ok_and(|known| {
                known["num-other-sentinels"] == "2" && known["num-slaves"] == "1"
            })
        })
        .await;
        // The lists of an operator: the primaries, and the replicas by their old name and by today's.
        type Servers = Vec<std::collections::BTreeMap<String, String>>;
        let masters = cmd("SENTINEL").arg("MASTERS");
        let masters: Servers = sentinel.execute(masters).await.unwrap();
        assert_eq!((masters.len(), &*masters[0]["name"]), (1, "mymaster"));
        for name in ["SLAVES", "REPLICAS"] {
            let listed: Servers =
                sentinel.execute(cmd("SENTINEL").arg(name).arg("mymaster")).await.unwrap();
            let ports: Vec<_> = listed.iter().map(|one| one["port"].clone()).collect();
            assert_eq!(ports, [replica.port().to_string()], "{name}");
        }
    }
    let transport = TcpTransport::new(TcpOptions::sentinel(urls, "mymaster")).unwrap();
    let client = Client::new(transport).layer(Deadline::new(Duration::from_secs(2)));
    client.set("k", "v").await.unwrap();
    until(async || replica.client().get::<String>("k").await.ok().flatten().is_some()).await;
    // It stands still, with its connections open, as when a host dies.
    primary.pause();
    let error = client.incr("n").await.unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Timeout, Outcome::Unknown));
    // The sentinels agree on the replica, which becomes the primary; nobody tells the client to look again.
    until(async || match client.get::<String>("k").await {
        Ok(value) => {
            assert_eq!(value.as_deref(), Some("v"));
            true
        }
        Err(error) => {
            assert!(matches!(error.kind(), ErrorKind::Connect | ErrorKind::Timeout), "{error}");
            false
        }
    })
    .await;
    client.set("k", "w").await.unwrap();
    assert_eq!(replica.client().get::<String>("k").await.unwrap().as_deref(), Some("w"));
}

#[tokio::test]
async fn a_busy_primary_is_reached_behind_sentinels() {
    let primary = RedisServer::with(["--busy-reply-threshold", "20"]);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("sentinel.conf");
    let port = free_port();
    let settings = format!(
        "port {port}\nbind 127.0.0.1\nsentinel monitor mymaster 127.0.0.1 {} 1\n\
         sentinel down-after-milliseconds mymaster 3600000\n",
        primary.port()
    );
    std::fs::write(&path, settings).unwrap();
    let _sentinel = SentinelProcess::start(&path);
    for database in [0, 3] {
        let url = format!("redis://127.0.0.1:{port}/{database}");
        let options =
            TcpOptions::sentinel([url], "mymaster").hung_after(Duration::from_millis(100));
        let client = Client::new(TcpTransport::new(options).unwrap())
            .layer(Deadline::new(Duration::from_millis(500)));
        // The sentinel may not have started yet.
        until(async || match client.ping().await {
            Ok(_) => true,
            Err(error) => {
                assert!(
                    matches!(error.kind(), ErrorKind::Connect | ErrorKind::Timeout),
                    "{error:?}"
                );
                false
            }
        })
        .await;
        let endless = cmd("EVAL").arg("while true do end").arg(0);
        assert_eq!(client.send(&endless).await.unwrap_err().kind(), ErrorKind::Timeout);
        let busy = client.get::<String>("k").await.unwrap_err();
        assert_eq!(busy.code(), Some("BUSY"), "{busy:?}");
        // A sentinel kills endless scripts, too.
        let killed = client.execute::<()>(cmd("SCRIPT").arg("KILL")).await;
        let code = killed.as_ref().err().map(Error::code);
        assert!(matches!(code, None | Some(Some("NOTBUSY"))), "{killed:?}");
        let idle = tokio::time::timeout(Duration::from_secs(30), async {
            until(async || client.ping().await.is_ok()).await;
        });
        idle.await.expect("the script is killed");
    }
}

#[tokio::test]
async fn sentinels_may_speak_tls_and_ask_for_passwords() {
    let identity = TlsIdentity::new();
    let primary = RedisServer::with_tls(&identity, ["--requirepass", "primary-secret"]);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("sentinel.conf");
    let port = free_port();
    let mut settings = format!(
        "bind 127.0.0.1\nrequirepass sentinel-secret\n\
         sentinel monitor mymaster 127.0.0.1 {} 1\nsentinel auth-pass mymaster primary-secret\n",
        primary.port()
    );
    for (name, value) in identity.settings(port) {
        settings += &format!("{name} {value}\n");
    }
    std::fs::write(&path, settings).unwrap();
    let _sentinel = SentinelProcess::start(&path);

    let options = TcpOptions::sentinel([format!("rediss://127.0.0.1:{port}")], "mymaster")
        .root_certificate(identity.certificate.as_str())
        .password("primary-secret");
    let transport = |options| Client::new(TcpTransport::new(options).unwrap());
    let client = transport(options.clone().sentinel_password("sentinel-secret"));
    // It may not have started yet.
    until(async || {
        let set = client.set("k", "v").await;
        set.inspect_err(|error| assert_eq!(error.kind(), ErrorKind::Connect, "{error:?}")).is_ok()
    })
    .await;
    assert_eq!(client.get::<String>("k").await.unwrap().as_deref(), Some("v"));
    for refused in [
        options.clone(),
        options.clone().sentinel_password("wrong"),
        options.sentinel_password("sentinel-secret").password("wrong"),
    ] {
        let error = transport(refused).ping().await.unwrap_err();
        assert_eq!(error.outcome(), Outcome::NotSent, "{error:?}");
        assert!(!format!("{error:?}").contains("secret"), "{error:?}");
    }
}

/// A real sentinel, stopped by pid when it is dropped.
pub(crate) struct SentinelProcess(std::process::Child);

impl SentinelProcess {
    pub(crate) fn start(settings: &std::path::Path) -> Self {
        let process = std::process::Command::new("redis-server")
            .arg(settings)
            .arg("--sentinel")
            .stdout(std::process::Stdio::null())
            .spawn();
        Self(process.unwrap())
    }
}

impl Drop for SentinelProcess {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A prefix with a hash tag keeps an entry and its lease in one slot; keys have a hash tag of their own, or none.
#[tokio::test]
async fn the_cache_works_on_a_cluster_behind_a_prefix_with_a_hash_tag() {
    let (_cluster, client) = cluster().await;
    let options = CacheOptions::new().tier(Tier::Critical);
    let cache = Cache::with_options(client.layer(KeyPrefix::new("{acme}:")), options);
    let minute = EntryOptions::new(Duration::from_secs(60));
    for key in ["plain", "a:{tagged}", "odd}"] {
        let (key, mut loads) = (Key::verbatim(key).unwrap(), 0);
        for _ in 0..2 {
            let load = || {
                loads += 1;
                async { Ok::<_, std::io::Error>(1) }
            };
            let loaded: i32 = cache.get_or_load(&key, minute.clone(), load).await.unwrap();
            assert_eq!(loaded, 1);
        }
        assert_eq!(loads, 1, "{key}");
        assert_eq!(cache.delete_many(&[key]).await.unwrap().count(), 1);
    }
}

#[tokio::test]
async fn the_cache_works_on_a_cluster() {
    let (_cluster, client) = cluster().await;
    let space = Keyspace::new(["cluster"]).unwrap();
    let minute = Duration::from_secs(60);
    for options in [
        CacheOptions::new().keyspace(space.clone()),
        CacheOptions::new().keyspace(space.clone()).generation("of the cluster"),
    ] {
        let cache = Cache::with_options(client.clone(), options.tier(Tier::Critical));
        let keys: Vec<Key> = (0..50).map(|n| space.key([format!("{n}")]).unwrap()).collect();
        let tagged = EntryOptions::new(minute).tags(["even", "all"]);
        let even = || keys.iter().step_by(2);
        cache.set_many(even().map(|key| (key, &1)), tagged.clone()).await.unwrap();
        for key in keys.iter().skip(1).step_by(2) {
            let load = || async { Ok::<_, std::io::Error>(1) };
            cache.get_or_load(key, EntryOptions::new(minute).tags(["all"]), load).await.unwrap();
        }
        let there = async || {
            let found = cache.get_many::<i32>(&keys).await.unwrap();
            found.into_iter().flatten().count()
        };
        assert_eq!(there().await, 50);
        cache.invalidate_tags(["even"]).await.unwrap();
        assert_eq!(there().await, 25);
        assert_eq!(cache.delete_many(&keys[..10]).await.unwrap().count(), 10);
        assert_eq!(there().await, 20);
        let mut steps = 0;
        let deleted =
            cache.delete_matching_with(&space.pattern(), |progress| steps = progress.steps).await;
        assert_eq!(deleted.unwrap().count(), 40, "those that a tag has invalidated, too");
        assert!(steps >= 6, "two walks over three primaries");
        cache.set_many(even().map(|key| (key, &1)), tagged).await.unwrap();
        cache.clear().await.unwrap();
        assert_eq!(there().await, 0);
        cache.delete_many(&keys).await.unwrap();
    }
}
