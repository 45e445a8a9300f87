//! Servers over TCP that send too much, or tell what they should not.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use edgecask::layer::Deadline;
use edgecask::prelude::*;
use edgecask::transport::tcp::{TcpOptions, TcpTransport};
use edgecask::{ErrorKind, Event, Outcome};
use edgecask_server::{Limits, Server, ServerOptions};
use edgecask_tests::RedisServer;
use futures_util::StreamExt;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;

/// A server that lets everybody in, and answers whatever comes after that with `head`, then with `part` again and again,
/// until its client is gone. It tells its port and how much it could send.
async fn hostile(
    head: &'static [u8],
    part: &'static [u8],
    pause: Duration,
) -> (String, tokio::sync::mpsc::UnboundedReceiver<usize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("redis://127.0.0.1:{}", listener.local_addr().unwrap().port());
    let (gone, sent) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let gone = gone.clone();
            tokio::spawn(async move {
                let mut received = Vec::new();
                while !received.ends_with(b"k\r\n") {
                    if client.read_buf(&mut received).await.unwrap_or(0) == 0 {
                        return;
                    }
                    if received.windows(7).filter(|word| word == b"SETINFO").count() == 2 {
                        client.write_all(b"+OK\r\n+OK\r\n").await.unwrap();
                        received.clear();
                    }
                }
                let mut sent = 0;
                if client.write_all(head).await.is_ok() {
                    while client.write_all(part).await.is_ok() {
                        sent += part.len();
                        tokio::time::sleep(pause).await;
                    }
                }
                // The test may be over.
                let _ = gone.send(sent);
            });
        }
    });
    (url, sent)
}

fn client(options: TcpOptions) -> Client {
    Client::new(TcpTransport::new(options).unwrap())
}

const ROOM: usize = 1 << 20;
/// What the system keeps on the way.
const ON_THE_WAY: usize = 32 << 20;

#[tokio::test]
async fn a_reply_without_an_end_is_refused_at_the_limit() {
    static FILLING: [u8; 4096] = [b'a'; 4096];
    static ELEMENTS: [u8; 4096] = {
        let mut bytes = [b'\n'; 4096];
        let mut at = 0;
        while at + 4 <= 4096 {
            bytes[at] = b':';
            bytes[at + 1] = b'1';
            bytes[at + 2] = b'\r';
            at += 4;
        }
        bytes
    };
    let cases: [(&[u8], &[u8]); 5] = [
        (b"+", &FILLING),
        (b"-", &FILLING),
        (b"$10000000000\r\n", &FILLING),
        (b"*2000000000\r\n", &ELEMENTS),
        (b"%16000\r\n", &FILLING),
    ];
    for (head, part) in cases {
        let (url, mut sent) = hostile(head, part, Duration::ZERO).await;
        let client = client(TcpOptions::new(url).max_reply_bytes(ROOM));
        let client = client.layer(Deadline::new(Duration::from_secs(30)));
        let error = client.get::<String>("k").await.unwrap_err();
        assert_eq!((error.kind(), error.outcome()), (ErrorKind::Protocol, Outcome::Unknown));
        let sent = sent.recv().await.unwrap();
        assert!(sent < ROOM + ON_THE_WAY, "{sent} bytes after {head:?}");
    }
}

#[tokio::test]
async fn a_reply_stops_growing_when_everybody_has_given_up() {
    let (url, mut sent) = hostile(b"+", b"aaaa", Duration::from_millis(5)).await;
    let options = TcpOptions::new(url).hung_after(Duration::from_millis(100));
    // Given up so early that the connection is not suspect yet, and then nobody calls again.
    let client = client(options).layer(Deadline::new(Duration::from_millis(20)));
    assert_eq!(client.get::<String>("k").await.unwrap_err().kind(), ErrorKind::Timeout);
    assert!(sent.recv().await.is_some(), "the connection was closed");
}

#[tokio::test]
async fn what_a_server_says_of_a_password_or_a_reply_is_not_repeated() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("redis://127.0.0.1:{}", listener.local_addr().unwrap().port());
    let answers: [&[u8]; 5] = [
        b"-ERR unknown user 'ada' with hunter2\r\n+OK\r\n+OK\r\n",
        b"-HUNTER2 what is this\r\n+OK\r\n+OK\r\n",
        b"-hunter2 what is this\r\n+OK\r\n+OK\r\n",
        b"?hunter2\r\n",
        b":hunter2\r\n",
    ];
    let at = Arc::new(AtomicUsize::new(0));
    let asked = Arc::clone(&at);
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let mut received = [0; 1024];
            let _ = client.read(&mut received).await;
            client.write_all(answers[asked.fetch_add(1, Ordering::SeqCst)]).await.unwrap();
        }
    });
    for password in ["hunter2", "HUNTER2", "hunter2", "hunter2", "hunter2"] {
        let options = TcpOptions::new(&url).username("ada").password(password);
        let error = client(options).ping().await.unwrap_err();
        assert_eq!(error.outcome(), Outcome::NotSent, "{error:?}");
        let mut told = format!("{error} {error:?} {error:#?}").to_lowercase();
        let mut source = std::error::Error::source(&error);
        while let Some(cause) = source {
            told += &format!("{cause} {cause:?}").to_lowercase();
            source = cause.source();
        }
        assert!(!told.contains("hunter2"), "{told}");
    }
    assert_eq!(at.load(Ordering::SeqCst), 5);
}

#[tokio::test]
async fn a_reader_that_is_too_slow_costs_bounded_memory_and_sees_the_gap() {
    let redis = RedisServer::start();
    let publisher = redis.client();
    let limit = "pubsub 2097152 2097152 1";
    publisher.config_set("client-output-buffer-limit", limit).await.unwrap();
    let client = client(TcpOptions::new(redis.url()).max_reply_bytes(ROOM));
    let mut messages = client.subscribe(["news", "more"]).await.unwrap();
    let payload = "x".repeat(64 << 10);
    // A reader that keeps up misses nothing, however much it is.
    for _ in 0..2 * ROOM / payload.len() {
        assert_eq!(publisher.publish("news", &payload).await.unwrap(), 1);
        assert_eq!(messages.message().await.unwrap().payload, payload);
    }
    let mut published = 0;
    while publisher.publish("news", &payload).await.unwrap() == 1 {
        published += payload.len();
        assert!(published < 10 * ON_THE_WAY, "all of it is kept here");
    }
    let mut read = 0;
    loop {
        match messages.next().await.unwrap().unwrap() {
            Event::Message(message) => read += message.payload.len(),
            Event::Lost(_) => break,
            other => panic!("{other:?}"),
        }
    }
    assert!(read >= ROOM / 2 && read <= published, "{read} of {published}");
}

#[tokio::test]
async fn a_message_that_is_too_large_is_named() {
    let redis = RedisServer::start();
    let client = client(TcpOptions::new(redis.url()).max_reply_bytes(ROOM));
    let mut messages = client.subscribe(["news"]).await.unwrap();
    redis.client().publish("news", "x".repeat(2 * ROOM)).await.unwrap();
    match messages.next().await.unwrap().unwrap() {
        Event::Lost(error) => assert!(error.message().contains("max_reply_bytes"), "{error}"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_reply_that_nobody_asked_for_ends_the_connection() {
    let (url, mut gone) = hostile(b"$1\r\na\r\n", b"+EXTRA\r\n", Duration::from_millis(1)).await;
    let client = client(TcpOptions::new(url)).layer(Deadline::default());
    for _ in 0..3 {
        match client.get::<String>("k").await {
            Ok(value) => assert_eq!(value.as_deref(), Some("a")),
            Err(error) => assert_eq!(error.kind(), ErrorKind::Protocol, "{error}"),
        }
        let closed = tokio::time::timeout(Duration::from_secs(10), gone.recv()).await;
        assert!(closed.is_ok(), "the next caller would get a reply that is not its own");
    }
}

/// Also where other replies of the same round trip came before it.
#[tokio::test]
async fn a_batch_tells_that_a_reply_is_too_large() {
    let redis = RedisServer::start();
    redis.client().set("big", "x".repeat(2 * ROOM)).await.unwrap();
    for verify_after in [Duration::ZERO, Duration::from_secs(3600)] {
        let options = TcpOptions::new(redis.url()).max_reply_bytes(ROOM);
        let client = client(options.verify_after(verify_after));
        let batch = [cmd("INCR").arg("n"), cmd("GET").arg("big"), cmd("INCR").arg("n")];
        for error in [
            client.send_pipeline(&batch).await.unwrap_err(),
            client.send_transaction(&batch).await.unwrap_err(),
            client.send(&batch[1]).await.unwrap_err(),
        ] {
            assert_eq!((error.kind(), error.outcome()), (ErrorKind::Protocol, Outcome::Unknown));
            assert!(error.message().contains("max_reply_bytes"), "{error}");
        }
        client.ping().await.unwrap();
    }
}

#[tokio::test]
async fn the_local_server_receives_no_more_of_a_reply_than_it_may_hand_on() {
    const EXCEEDED: &str = "ERR max response size exceeded";
    static FILLING: [u8; 4096] = [b'a'; 4096];
    let options = |url: String| ServerOptions::redis(url).limits(Limits::new().reply_bytes(ROOM));
    let (url, mut sent) = hostile(b"$10000000000\r\n", &FILLING, Duration::ZERO).await;
    let server = Server::start(options(url)).await.unwrap();
    let rest = Client::rest(&server.url(), server.token()).unwrap();
    let error = rest.get::<String>("k").await.unwrap_err();
    assert_eq!((error.message(), error.status()), (EXCEEDED, Some(400)));
    let sent = sent.recv().await.unwrap();
    assert!(sent < ON_THE_WAY, "{sent}");
    server.stop().await;

    let redis = RedisServer::start();
    redis.client().set("big", "x".repeat(8 * ROOM)).await.unwrap();
    let server = Server::start(options(redis.url())).await.unwrap();
    let rest = Client::rest(&server.url(), server.token()).unwrap();
    let error = rest.get::<String>("big").await.unwrap_err();
    assert_eq!((error.kind(), error.message()), (ErrorKind::Server, EXCEEDED));
    // A pipeline has its error in place, and the commands around it their replies.
    let batch = [cmd("INCR").arg("n"), cmd("GET").arg("big"), cmd("INCR").arg("n")];
    let results = rest.send_pipeline(&batch).await.unwrap();
    assert_eq!(results[1].as_ref().unwrap_err().message(), EXCEEDED);
    assert_eq!(results[0].as_ref().unwrap(), &edgecask::Value::Integer(1));
    assert_eq!(results[2].as_ref().unwrap(), &edgecask::Value::Integer(2));
    let error = rest.send_transaction(&batch).await.unwrap_err();
    assert!(error.message().contains(EXCEEDED), "{error}");
    assert_eq!(rest.get::<u32>("n").await.unwrap(), Some(4), "it was carried out");
    server.stop().await;
}

/// A server that answers GET with its key. On its first connection it sends one reply that nobody asked for, and answers
/// each GET only when the next command has come, so that a reply is always due. It tells how many connections it has had, and
/// which keys it was asked for.
async fn generous(surplus_at: usize) -> (String, Arc<AtomicUsize>, Arc<Mutex<HashSet<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("redis://127.0.0.1:{}", listener.local_addr().unwrap().port());
    let (accepted, asked) = (Arc::new(AtomicUsize::new(0)), Arc::<Mutex<HashSet<_>>>::default());
    let (count, keys) = (Arc::clone(&accepted), Arc::clone(&asked));
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let number = count.fetch_add(1, Ordering::SeqCst);
            let keys = Arc::clone(&keys);
            tokio::spawn(async move {
                let mut client = BufReader::new(client);
                let (mut line, mut answered, mut held) = (String::new(), 0, String::new());
                loop {
                    // Each command is an array of bulk strings; its last one is the answer.
                    let mut words = Vec::new();
                    let mut length = 1;
                    while words.len() < length {
                        line.clear();
                        if client.read_line(&mut line).await.unwrap_or(0) == 0 {
                            return;
                        }
                        match line.split_at(1) {
                            ("*", count) => length = count.trim().parse().unwrap(),
                            ("$", _) => {}
                            _ => words.push(line.trim().to_owned()),
                        }
                    }
                    let last = &words[length - 1];
                    keys.lock().unwrap().insert(last.clone());
                    let mut reply = std::mem::take(&mut held);
                    answered += 1;
                    if number == 0 && answered == surplus_at {
                        reply += "$7\r\nsurplus\r\n";
                    }
                    let own = format!("${}\r\n{last}\r\n", last.len());
                    match words[0].as_str() {
                        "CLIENT" => reply += "+OK\r\n",
                        "GET" if number == 0 => held = own,
                        _ => reply += &own,
                    }
                    if client.write_all(reply.as_bytes()).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    (url, accepted, asked)
}

/// Calls without a pause: there is no moment at which a surplus reply could be told from one that is due.
async fn permanent_load(
    client: &Client,
    until: impl Fn(&edgecask::Result<Option<String>>, &str) -> bool,
) {
    const CALLERS: usize = 20;
    let over = std::sync::atomic::AtomicBool::new(false);
    let caller = |caller: usize| {
        let (over, until) = (&over, &until);
        async move {
            let mut call = 0;
            while !over.load(Ordering::SeqCst) {
                let key = format!("{caller}:{call}");
                let reply = client.get::<String>(&key).await;
                if until(&reply, &key) {
                    over.store(true, Ordering::SeqCst);
                }
                call += 1;
            }
        }
    };
    let all = futures_util::future::join_all((0..CALLERS).map(caller));
    tokio::time::timeout(Duration::from_secs(30), all).await.expect("it is noticed");
}

#[tokio::test]
async fn a_surplus_reply_is_noticed_under_permanent_load() {
    let (url, accepted, asked) = generous(1000).await;
    let client = client(TcpOptions::new(url).verify_after(Duration::from_millis(20)));
    let unsent = Mutex::new(Vec::new());
    permanent_load(&client, |reply, key| match reply {
        Ok(_) => accepted.load(Ordering::SeqCst) > 1,
        Err(error) => {
            if error.outcome() == Outcome::NotSent {
                unsent.lock().unwrap().push(key.to_owned());
            }
            false
        }
    })
    .await;
    let asked = asked.lock().unwrap().clone();
    assert!(unsent.lock().unwrap().iter().all(|key| !asked.contains(key)));
    // The new connection is a good one.
    assert_eq!(client.get::<String>("k").await.unwrap().as_deref(), Some("k"));
    assert_eq!(accepted.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn nobody_gets_the_reply_of_another_where_every_reply_is_verified() {
    for surplus_at in [3, 10, 999, 1000] {
        let (url, accepted, _) = generous(surplus_at).await;
        let client = client(TcpOptions::new(url).verify_after(Duration::ZERO));
        permanent_load(&client, |reply, key| {
            if let Ok(value) = reply {
                assert_eq!(value.as_deref(), Some(key));
            }
            accepted.load(Ordering::SeqCst) > 1
        })
        .await;
        let pipeline = [Command::new("GET").arg("a"), Command::new("GET").arg("b")];
        let replies = client.send_pipeline(&pipeline).await.unwrap();
        let texts: Vec<_> = replies.into_iter().map(|reply| reply.unwrap()).collect();
        assert_eq!(texts, [edgecask::Value::bulk("a"), edgecask::Value::bulk("b")]);
    }
}

#[tokio::test]
async fn verified_replies_are_those_of_a_real_server() {
    let redis = RedisServer::start();
    for resp3 in [false, true] {
        let options = TcpOptions::new(redis.url()).resp3(resp3).verify_after(Duration::ZERO);
        let client = client(options);
        client.set("k", "v").await.unwrap();
        assert_eq!(client.incr("k").await.unwrap_err().code(), Some("ERR"));
        let set = client.transacted(|t| (t.set("k", "w"), t.get::<String>("k"))).await.unwrap();
        assert_eq!(set.1.as_deref(), Some("w"));
        client.rpush("list", ["element"]).await.unwrap();
        assert!(client.blpop::<String>(["list"], None).await.unwrap().is_some());
        let (_, replicas) = client
            .pipelined(|p| (p.set("k", "x"), p.wait(1, Duration::from_millis(1))))
            .await
            .unwrap();
        assert_eq!(replicas, 0);
        let refused = Command::new("EVAL").arg("return redis.error_reply('NOPE no')").arg(0);
        assert_eq!(client.send(&refused).await.unwrap_err().code(), Some("NOPE"));
    }
    // A user who may not PING is served all the same.
    let rules = ["on", "nopass", "~*", "+@all", "-ping"];
    redis.client().acl_setuser("quiet", rules).await.unwrap();
    let options = TcpOptions::new(redis.url()).username("quiet").password("x");
    let quiet = client(options.verify_after(Duration::ZERO));
    quiet.set("k", "v").await.unwrap();
    assert_eq!(quiet.get::<String>("k").await.unwrap().as_deref(), Some("v"));
}
