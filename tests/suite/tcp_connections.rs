//! Whose connection a call has over TCP: one that hangs is replaced, what waits has its own, and nobody reads what belongs
//! to another.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use edgecask::command::CommandInfo;
use edgecask::layer::{AutoPipeline, CircuitBreaker, Deadline, Fallback, Retry};
use edgecask::prelude::*;
use edgecask::transport::tcp::{TcpOptions, TcpTransport};
use edgecask::{ErrorKind, Outcome, Value};
use edgecask_tests::{RedisServer, until};
use futures_util::future::join_all;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Stands between a client and a server, and can let its connections hang while it serves new ones.
struct Proxy {
    port: u16,
    accepted: Arc<AtomicUsize>,
    silence: watch::Sender<()>,
}

impl Proxy {
    async fn to(redis: &RedisServer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (silence, _) = watch::channel(());
        let accepted = Arc::new(AtomicUsize::new(0));
        let (count, server, silenced) = (Arc::clone(&accepted), redis.port(), silence.clone());
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                let mut silenced = silenced.subscribe();
                tokio::spawn(async move {
                    let mut server = TcpStream::connect(("127.0.0.1", server)).await.unwrap();
                    let served = async {
                        // Either side may be over.
                        let _ = copy_bidirectional(&mut client, &mut server).await;
                    };
                    tokio::select! {
                        () = served => {}
                        _ = silenced.changed() => std::future::pending().await,
                    }
                });
            }
        });
        Self { port, accepted, silence }
    }

    /// Whoever is connected now hears nothing any more.
    fn fall_silent(&self) {
        self.silence.send(()).unwrap();
    }

    fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }

    fn options(&self) -> TcpOptions {
        TcpOptions::new(format!("redis://127.0.0.1:{}", self.port))
            .hung_after(Duration::from_millis(100))
    }
}

fn client(options: TcpOptions) -> Client {
    Client::new(TcpTransport::new(options).unwrap())
}

async fn info(client: &Client, field: &str) -> String {
    let text = client.info("clients").await.unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    line.unwrap().to_owned()
}

/// Until as many clients wait for data.
async fn blocked(client: &Client, clients: &str) {
    reached(client, "blocked_clients", clients).await;
}

/// Until a field of INFO has this value.
async fn reached(client: &Client, field: &str, value: &str) {
    in_time(async {
        until(async || info(client, field).await == value).await;
    })
    .await;
}

/// Fails where something never happens; how long it takes is not tested.
async fn in_time<T>(step: impl Future<Output = T>) -> T {
    let limit = Duration::from_secs(30);
    tokio::time::timeout(limit, step).await.expect("what is waited for never happens")
}

#[tokio::test]
async fn a_hung_connection_is_replaced_after_a_call_was_given_up() {
    let redis = RedisServer::start();
    let proxy = Proxy::to(&redis).await;
    let client = client(proxy.options()).layer(Deadline::new(Duration::from_millis(300)));
    let commands = [cmd("GET").arg("k")];
    client.ping().await.unwrap();
    for connections in 2..5 {
        proxy.fall_silent();
        let error = match connections {
            2 => client.send(&commands[0]).await.unwrap_err(),
            3 => client.send_pipeline(&commands).await.unwrap_err(),
            _ => client.send_transaction(&commands).await.unwrap_err(),
        };
        assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
        client.ping().await.unwrap();
        assert_eq!(proxy.accepted(), connections);
    }
}

#[tokio::test]
async fn a_breaker_probes_a_new_connection() {
    let redis = RedisServer::start();
    let proxy = Proxy::to(&redis).await;
    let client = client(proxy.options())
        .layer(Deadline::new(Duration::from_secs(1)))
        .layer(CircuitBreaker::new().failures(1).open_for(Duration::from_millis(50)));
    client.ping().await.unwrap();
    proxy.fall_silent();
    assert_eq!(client.ping().await.unwrap_err().kind(), ErrorKind::Timeout);
    in_time(async {
        while let Err(error) = client.ping().await {
            assert_eq!(error.kind(), ErrorKind::CircuitOpen, "the probe failed: {error}");
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(proxy.accepted(), 2);
}

#[tokio::test]
async fn calls_that_are_dropped_leave_a_healthy_connection_alone() {
    let redis = RedisServer::start();
    let proxy = Proxy::to(&redis).await;
    let client = client(proxy.options().hung_after(Duration::from_secs(60)));
    client.ping().await.unwrap();
    for _ in 0..20 {
        let calls = (0..10).map(|_| tokio::time::timeout(Duration::ZERO, client.ping()));
        join_all(calls).await;
        client.ping().await.unwrap();
    }
    assert_eq!(proxy.accepted(), 1);
}

#[tokio::test]
async fn what_waits_holds_up_nobody_and_comes_back_to_its_connection() {
    let redis = RedisServer::start();
    let proxy = Proxy::to(&redis).await;
    let client = client(proxy.options());
    for _ in 0..3 {
        let waits = client.blpop::<String>(["list"], None);
        let pushes = async {
            blocked(&client, "1").await;
            client.rpush("list", ["element"]).await.unwrap();
        };
        let (popped, ()) = tokio::join!(waits, pushes);
        assert_eq!(popped.unwrap().unwrap().1, "element");
    }
    assert_eq!(proxy.accepted(), 2, "the shared connection, and one that waits");
}

/// The command that wakes another one must not stand behind it.
#[tokio::test]
async fn what_waits_holds_up_nobody_behind_auto_pipelining() {
    let redis = RedisServer::start();
    let (client, other) = (client(TcpOptions::new(redis.url())), redis.client());
    let client = client.layer(AutoPipeline::new());
    let waits = client.blpop::<String>(["list"], None);
    let pushes = async {
        blocked(&other, "1").await;
        client.rpush("list", ["element"]).await.unwrap();
    };
    let (popped, ()) = in_time(async { tokio::join!(waits, pushes) }).await;
    assert_eq!(popped.unwrap().unwrap().1, "element");

    // It keeps its own place: what was issued before comes first.
    let (pushed, popped) =
        tokio::join!(client.rpush("list", ["first"]), client.blpop::<String>(["list"], None));
    assert_eq!((pushed.unwrap(), popped.unwrap().unwrap().1), (1, "first".to_owned()));
}

/// A command that waits says nothing of the server for as long as it waits.
#[tokio::test]
async fn a_breaker_probes_with_nothing_that_waits() {
    let port = edgecask_tests::free_port();
    let options = TcpOptions::new(format!("redis://127.0.0.1:{port}"));
    let client = client(options).layer(CircuitBreaker::new().failures(1).open_for(Duration::ZERO));
    assert_eq!(client.ping().await.unwrap_err().kind(), ErrorKind::Connect);
    let redis = RedisServer::on_port(port);
    let waits = client.blpop::<String>(["list"], None);
    let pushes = async {
        blocked(&redis.client(), "1").await;
        client.rpush("list", ["element"]).await.unwrap();
    };
    let (popped, ()) = in_time(async { tokio::join!(waits, pushes) }).await;
    assert_eq!(popped.unwrap().unwrap().1, "element");
}

#[tokio::test]
async fn a_connection_that_nobody_uses_is_closed() {
    let redis = RedisServer::start();
    let (client, other) = (client(TcpOptions::new(redis.url())), redis.client());
    client.rpush("list", ["element"]).await.unwrap();
    client.blpop::<String>(["list"], None).await.unwrap();
    assert_eq!(info(&other, "connected_clients").await, "3");
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(31)).await;
    tokio::time::resume();
    reached(&other, "connected_clients", "2").await;
}

/// Its connections that wait are made again as well: also one that was in use when that was found out.
#[tokio::test]
async fn a_primary_that_became_a_replica_is_left() {
    let redis = RedisServer::start();
    let proxy = Proxy::to(&redis).await;
    let (client, other) = (client(proxy.options()), redis.client());
    let waits = client.blpop::<String>(["list"], None);
    let learns = async {
        blocked(&other, "1").await;
        client.ping().await.unwrap();
        let answer = cmd("EVAL").arg("return redis.error_reply('READONLY a replica')").arg(0);
        let error = client.send(&answer).await.unwrap_err();
        assert_eq!(error.code(), Some("READONLY"));
        other.rpush("list", ["element"]).await.unwrap();
    };
    let (popped, ()) = tokio::join!(waits, learns);
    assert!(popped.unwrap().is_some());
    assert_eq!(proxy.accepted(), 2);
    other.rpush("list", ["element"]).await.unwrap();
    client.blpop::<String>(["list"], None).await.unwrap();
    assert_eq!(proxy.accepted(), 3, "the old connection is not used again");
}

/// A server that accepts connections and never says a word.
async fn silent() -> TcpOptions {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("redis://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let mut accepted = Vec::new();
        while let Ok((client, _)) = listener.accept().await {
            accepted.push(client);
        }
    });
    TcpOptions::new(url).connect_timeout(Duration::from_secs(60))
}

#[tokio::test]
async fn a_deadline_that_passes_while_a_connection_is_made_says_that_nothing_was_sent() {
    const LIMIT: Duration = Duration::from_millis(100);
    let unsent = |error: edgecask::Error| {
        assert_eq!((error.kind(), error.outcome()), (ErrorKind::Timeout, Outcome::NotSent));
    };
    let plain = client(silent().await);
    let limited = plain.clone().layer(Deadline::new(LIMIT));
    let commands = [cmd("INCR").arg("n")];
    unsent(limited.incr("n").await.unwrap_err());
    unsent(limited.send_pipeline(&commands).await.unwrap_err());
    unsent(limited.send_transaction(&commands).await.unwrap_err());
    unsent(limited.blpop::<String>(["list"], Duration::from_millis(10)).await.unwrap_err());
    unsent(limited.execute::<()>(cmd("SCRIPT").arg("KILL")).await.unwrap_err());
    unsent(plain.incr("n").within(LIMIT).await.unwrap_err());
    unsent(plain.pipelined(|p| p.incr("n")).within(LIMIT).await.unwrap_err());
    // It may be sent again, or elsewhere.
    let fallback = Fallback::to(edgecask::transport::memory::MemoryTransport::new());
    assert_eq!(limited.layer(fallback).incr("n").await.unwrap(), 1);

    // A batch of several callers is still sent when one of them has gone.
    let gathered = plain.layer(AutoPipeline::new());
    let hasty = gathered.clone().layer(Deadline::new(LIMIT));
    unsent(hasty.incr("n").await.unwrap_err());
    let patient = gathered.layer(Deadline::new(LIMIT * 5));
    let (hasty, patient) = tokio::join!(hasty.incr("n"), patient.incr("m"));
    assert_eq!(hasty.unwrap_err().outcome(), Outcome::Unknown);
    unsent(patient.unwrap_err());
}

/// The server of the first connection closes it when it has a command; those of later ones never say a word.
async fn lost_then_silent() -> TcpOptions {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("redis://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (mut first, _) = listener.accept().await.unwrap();
        let mut received = Vec::new();
        while received.windows(7).filter(|word| word == b"SETINFO").count() < 2 {
            first.read_buf(&mut received).await.unwrap();
        }
        first.write_all(b"+OK\r\n+OK\r\n").await.unwrap();
        while !received.ends_with(b"GET\r\n$1\r\nk\r\n") {
            first.read_buf(&mut received).await.unwrap();
        }
        drop(first);
        let mut silent = Vec::new();
        while let Ok((client, _)) = listener.accept().await {
            silent.push(client);
        }
    });
    TcpOptions::new(url).connect_timeout(Duration::from_secs(60))
}

#[tokio::test]
async fn a_deadline_does_not_forget_what_an_earlier_attempt_sent() {
    for gathers in [false, true] {
        let mut client = client(lost_then_silent().await);
        if gathers {
            client = client.layer(AutoPipeline::new());
        }
        let client = client
            .layer(Retry::new().base(Duration::ZERO))
            .layer(Deadline::new(Duration::from_millis(500)));
        let error = client.get::<String>("k").await.unwrap_err();
        assert_eq!((error.kind(), error.outcome()), (ErrorKind::Timeout, Outcome::Unknown));
    }
}

/// An attempt belongs to all who need it: it outlives who began it, and its failure is everybody's.
#[tokio::test]
async fn one_attempt_to_connect_serves_all() {
    let redis = RedisServer::start();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("redis://{}", listener.local_addr().unwrap());
    let client = client(TcpOptions::new(url).connect_timeout(Duration::from_secs(30)));

    // The first caller gives up while the server is slow; the next one gets the connection of this attempt.
    let hasty = client.clone().layer(Deadline::new(Duration::from_millis(100)));
    let (error, accepted) = tokio::join!(hasty.ping(), listener.accept());
    let (mut slow, _) = accepted.unwrap();
    let error = error.unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Timeout, Outcome::NotSent));
    let port = redis.port();
    tokio::spawn(async move {
        let mut server = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        // Either side may be over.
        let _ = copy_bidirectional(&mut slow, &mut server).await;
    });
    in_time(client.ping()).await.unwrap();
    drop(client);

    // All who wait for an attempt that fails are told at once.
    let attempts = Arc::new(AtomicUsize::new(0));
    let (listener, count) =
        (TcpListener::bind("127.0.0.1:0").await.unwrap(), Arc::clone(&attempts));
    let url = format!("redis://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            count.fetch_add(1, Ordering::SeqCst);
            drop(socket);
        }
    });
    let client = Client::new(TcpTransport::new(TcpOptions::new(url)).unwrap());
    let failed = join_all((0..20).map(|_| client.ping())).await;
    for failed in failed {
        let error = failed.unwrap_err();
        assert_eq!((error.kind(), error.outcome()), (ErrorKind::Connect, Outcome::NotSent));
    }
    assert_eq!(attempts.load(Ordering::SeqCst), 1);
}

/// The pipeline goes by a connection of its own, which is made first: what follows must not overtake it.
#[tokio::test]
async fn nothing_overtakes_a_pipeline_with_wait_behind_auto_pipelining() {
    let redis = RedisServer::start();
    let client = client(TcpOptions::new(redis.url())).layer(AutoPipeline::new());
    client.ping().await.unwrap();
    let pipeline = client.pipeline();
    drop((pipeline.set("k", "v"), pipeline.wait(1, Duration::from_millis(1))));
    let (sent, got) = tokio::join!(pipeline.exec(), client.get::<String>("k"));
    sent.unwrap();
    assert_eq!(got.unwrap().as_deref(), Some("v"));
}

#[tokio::test]
async fn nothing_is_handed_to_a_caller_who_is_gone() {
    let redis = RedisServer::start();
    let (client, other) = (client(TcpOptions::new(redis.url())), redis.client());
    let waiting = tokio::spawn({
        let client = client.clone();
        async move { client.blpop::<String>(["list"], None).await }
    });
    blocked(&other, "1").await;
    waiting.abort();
    blocked(&other, "0").await;
    other.rpush("list", ["element"]).await.unwrap();
    assert_eq!(client.llen("list").await.unwrap(), 1);
}

#[tokio::test]
async fn connections_that_wait_are_bounded() {
    let redis = RedisServer::start();
    let options = TcpOptions::new(redis.url())
        .waiting_connections(1)
        .connect_timeout(Duration::from_millis(100));
    let client = client(options);
    let waits = client.blpop::<String>(["list"], None);
    let refused = async {
        blocked(&client, "1").await;
        let error = client.blpop::<String>(["other"], None).await.unwrap_err();
        client.rpush("list", ["element"]).await.unwrap();
        error
    };
    let (popped, error) = tokio::join!(waits, refused);
    assert!(popped.unwrap().is_some());
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::BudgetSpent, Outcome::NotSent));
    assert!(error.message().contains("waiting_connections"), "{error}");
}

/// How many connections there are, this one aside.
async fn connections(other: &Client) -> usize {
    let list: String = other.execute(cmd("CLIENT").arg("LIST")).await.unwrap();
    list.lines().count() - 1
}

async fn until_connections(other: &Client, expected: usize) {
    in_time(until(async || connections(other).await == expected)).await;
}

#[tokio::test]
async fn connections_for_commands_that_wait_are_kept_ready() {
    let redis = RedisServer::start();
    let other = redis.client();
    let client = client(TcpOptions::new(redis.url()).waiting_connections(3).min_idle(2));
    client.ping().await.unwrap();
    assert_eq!(connections(&other).await, 1, "none before the first use");

    let pop = |key: &'static str| {
        let client = client.clone();
        tokio::spawn(async move { client.blpop::<String>([key], None).await })
    };
    other.rpush("list", ["element"]).await.unwrap();
    pop("list").await.unwrap().unwrap();
    in_time(until(async || connections(&other).await >= 3)).await;

    // One more is made for the one that is taken, and none beyond the most.
    let mut waits = vec![pop("a")];
    blocked(&other, "1").await;
    until_connections(&other, 1 + 3).await;
    for (key, count) in [("b", "2"), ("c", "3")] {
        waits.push(pop(key));
        blocked(&other, count).await;
        assert_eq!(connections(&other).await, 1 + 3);
    }
    let limited = client.clone().layer(Deadline::new(Duration::from_millis(50)));
    limited.blpop::<String>(["d"], None).await.unwrap_err();
    assert_eq!(connections(&other).await, 1 + 3);

    // The connection of a call that is given up is closed, which leaves room.
    waits.remove(0).abort();
    blocked(&other, "2").await;
    until_connections(&other, 1 + 3).await;
    for (wait, key) in waits.into_iter().zip(["b", "c"]) {
        other.rpush(key, ["element"]).await.unwrap();
        wait.await.unwrap().unwrap();
    }

    // What the server closes is made again.
    redis.by_hand("CLIENT KILL TYPE normal");
    let other = redis.client();
    until_connections(&other, 0).await;
    other.rpush("list", ["element"]).await.unwrap();
    in_time(until(async || pop("list").await.unwrap().is_ok())).await;
    in_time(until(async || connections(&other).await >= 2)).await;

    drop((client, limited));
    until_connections(&other, 0).await;
}

/// What is kept ready is made while others wait for room, or fail.
#[tokio::test]
async fn the_most_connections_bound_those_that_are_kept_ready() {
    let redis = RedisServer::start();
    let other = redis.client();
    let client = client(TcpOptions::new(redis.url()).waiting_connections(2).min_idle(9));
    for round in 1..=20_usize {
        let pops = (0..8).map(|_| client.blpop::<String>(["list"], None));
        let pushed = vec!["element"; 8];
        let (popped, _) = tokio::join!(join_all(pops), other.rpush("list", pushed));
        assert!(popped.into_iter().all(|popped| popped.unwrap().is_some()), "{round}");
        assert!(connections(&other).await <= 2, "{round}");
    }
    until_connections(&other, 2).await;
}

/// What is to be kept ready takes no room where it cannot be made.
#[tokio::test]
async fn a_server_that_is_down_leaves_room_for_commands_that_wait() {
    let redis = RedisServer::start();
    let options = TcpOptions::new(redis.url())
        .waiting_connections(1)
        .min_idle(1)
        .connect_timeout(Duration::from_millis(500));
    let client = client(options);
    let waits = tokio::spawn({
        let client = client.clone();
        async move { client.blpop::<String>(["list"], None).await }
    });
    blocked(&redis.client(), "1").await;
    drop(redis);
    waits.await.unwrap().unwrap_err();
    for _ in 0..3 {
        // Meanwhile the attempt in the background fails too.
        client.ping().await.unwrap_err();
    }
    for _ in 0..3 {
        let error = client.blpop::<String>(["list"], None).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Connect, "{error}");
    }
}

#[tokio::test]
async fn wait_counts_for_the_writes_of_its_pipeline() {
    let redis = RedisServer::start();
    let replica = RedisServer::with(["--replicaof", "127.0.0.1", &redis.port().to_string()]);
    let client = client(TcpOptions::new(redis.url()));
    let error = client.wait(1, None).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.message().contains("pipeline"), "{error}");

    let pipeline = client.pipeline();
    let (set, replicas) = (pipeline.set("k", "v"), pipeline.wait(1, None));
    let mut replies = pipeline.exec().await.unwrap();
    replies.take(set).unwrap();
    assert_eq!(replies.take(replicas).unwrap(), 1);
    assert_eq!(replica.client().get::<String>("k").await.unwrap().as_deref(), Some("v"));

    // There will never be a second replica.
    let pipeline = client.pipeline();
    let _ = (pipeline.set("k", "w"), pipeline.wait(2, None));
    let waits = tokio::spawn(pipeline.exec());
    blocked(&client, "1").await;
    assert_eq!(client.get::<String>("k").await.unwrap().as_deref(), Some("w"));
    waits.abort();
    blocked(&client, "0").await;
}

/// The limit of a pipeline grows by what each of its commands may wait.
#[tokio::test]
async fn a_deadline_adds_what_each_wait_of_a_pipeline_may_take() {
    let redis = RedisServer::start();
    let client = client(TcpOptions::new(redis.url()));
    let limited = client.clone().layer(Deadline::new(Duration::from_millis(250)));
    // There is no replica, so that each WAIT takes all of its time: together longer than either of them and the limit.
    let pipeline = limited.pipeline();
    let waits = (
        pipeline.set("k", "v"),
        pipeline.wait(1, Duration::from_millis(400)),
        pipeline.wait(1, Duration::from_millis(400)),
    );
    let mut replies = pipeline.exec().await.unwrap();
    assert_eq!((replies.take(waits.1).unwrap(), replies.take(waits.2).unwrap()), (0, 0));

    // Inside of a transaction nothing waits, so that it has the plain limit.
    let transaction = limited.transaction();
    let (set, replicas) = (transaction.set("k", "x"), transaction.wait(1, None));
    let mut replies = transaction.exec().await.unwrap();
    replies.take(set).unwrap();
    assert_eq!(replies.take(replicas).unwrap(), 0);
}

#[tokio::test]
async fn a_script_that_never_ends_can_be_killed_and_others_are_told() {
    for database in [0, 3] {
        let redis = RedisServer::with(["--busy-reply-threshold", "20"]);
        let options = TcpOptions::new(format!("{}/{database}", redis.url()))
            .hung_after(Duration::from_millis(100));
        let client = client(options).layer(Deadline::new(Duration::from_millis(300)));
        client.ping().await.unwrap();
        let endless = cmd("EVAL").arg("while true do end").arg(0);
        assert_eq!(client.send(&endless).await.unwrap_err().kind(), ErrorKind::Timeout);
        let busy = client.get::<String>("k").await.unwrap_err();
        assert_eq!(busy.code(), Some("BUSY"), "{busy}");
        assert_ne!(busy.outcome(), Outcome::Unknown);
        let kill = [cmd("SCRIPT").arg("KILL")];
        for refused in [client.send_pipeline(&kill).await, client.send_transaction(&kill).await] {
            let error = refused.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
        }
        client.send(&kill[0]).await.unwrap();
        in_time(async {
            until(async || client.ping().await.is_ok()).await;
        })
        .await;
    }
}

/// A script that holds the connection that everybody shares: it is killed although the same client sends the kill.
#[tokio::test]
async fn a_kill_does_not_stand_behind_what_it_kills() {
    let redis = RedisServer::with(["--busy-reply-threshold", "20"]);
    let options = TcpOptions::new(redis.url()).hung_after(Duration::from_secs(3600));
    // A kill that stands behind the script would wait for ever.
    let plain = client(options).layer(Deadline::new(Duration::from_secs(20)));
    for client in [plain.clone(), plain.layer(AutoPipeline::new())] {
        client.ping().await.unwrap();
        let endless = tokio::spawn({
            let client = client.clone();
            async move { client.send(&cmd("EVAL").arg("while true do end").arg(0)).await }
        });
        in_time(async {
            while let Err(error) = client.execute::<()>(cmd("SCRIPT").arg("KILL")).await {
                assert!(matches!(error.code(), Some("NOTBUSY" | "BUSY")), "{error}");
            }
        })
        .await;
        assert!(endless.await.unwrap().is_err());
        client.ping().await.unwrap();
    }
}

#[tokio::test]
async fn no_command_lets_one_caller_read_what_belongs_to_another() {
    const READERS: usize = 50;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().to_string_lossy().into_owned();
    for resp3 in [false, true] {
        let redis = RedisServer::with(["--dir", &path]);
        let client = client(TcpOptions::new(redis.url()).resp3(resp3));
        let keys: Vec<String> = (0..READERS).map(|number| format!("key:{number}")).collect();
        let mut sent = 0;
        for info in CommandInfo::all() {
            for arguments in [&[][..], &["x"], &["x", "0"], &["ON"], &["0", "x", "1", "*"]] {
                let mut words = info.name.split(' ').map(str::to_owned);
                let command =
                    Command::new(words.next().unwrap()).args_from(words).args_from(arguments);
                if client.capabilities().check(&command).is_err()
                    || matches!(info.name, "REPLICAOF" | "SLAVEOF" | "SHUTDOWN" | "FAILOVER")
                {
                    continue;
                }
                sent += 1;
                // FLUSHALL is among them.
                client.mset(keys.iter().map(|key| (key, key))).await.unwrap();
                let odd = async {
                    // Some of them wait for data that never comes.
                    let _ = tokio::time::timeout(Duration::from_millis(20), client.send(&command))
                        .await;
                };
                let reads = join_all(keys.iter().map(|key| client.get::<String>(key)));
                let (reads, ()) = tokio::join!(reads, odd);
                for (key, read) in keys.iter().zip(reads) {
                    let read = read.unwrap_or_else(|error| panic!("{command:?}: {error}"));
                    assert!(read.is_none_or(|read| read == *key), "{command:?} {arguments:?}");
                }
                let last: Value = client.execute(cmd("ECHO").arg("last")).await.unwrap();
                assert_eq!(last, Value::bulk("last"), "after {command:?} {arguments:?}");
            }
        }
        assert!(sent > 500, "{sent} commands were sent");
    }
}

#[tokio::test]
async fn a_word_for_which_redis_closes_the_connection_is_not_sent() {
    let redis = RedisServer::start();
    let client = redis.client();
    let id = async || client.execute::<i64>(cmd("CLIENT").arg("ID")).await.unwrap();
    let before = id().await;
    for word in ["POST", "post", "Host:"] {
        let error = client.send(&cmd(word).arg("/")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{word}");
    }
    assert_eq!(id().await, before);
}

/// The first runtime stands still in the middle of an attempt, which is no reason for the second one to wait.
#[test]
fn an_attempt_of_a_runtime_that_stands_still_is_not_waited_for() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("redis://127.0.0.1:{}", silent.local_addr().unwrap().port());
    let options = TcpOptions::new(url).connect_timeout(Duration::from_millis(200));
    let client = Client::new(TcpTransport::new(options).unwrap());
    let first = runtime();
    first.block_on(async {
        let mut call = Box::pin(client.ping());
        assert!(futures_util::poll!(&mut call).is_pending());
        tokio::task::yield_now().await;
    });
    let result = runtime()
        .block_on(async { tokio::time::timeout(Duration::from_secs(60), client.ping()).await });
    assert_eq!(result.expect("it ends").unwrap_err().kind(), ErrorKind::Connect);
    drop(first);
}

#[tokio::test]
async fn a_connection_may_be_silent_for_any_time() {
    let redis = RedisServer::start();
    for silence in [Duration::ZERO, Duration::from_secs(86_400), Duration::MAX] {
        let options = TcpOptions::new(redis.url()).keepalive(silence);
        Client::new(TcpTransport::new(options).unwrap()).ping().await.unwrap();
    }
}
