//! Retries against a server that loses requests and answers on purpose.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use edgecask::layer::{AutoPipeline, Deadline, Retry};
use edgecask::platform::BoxFuture;
use edgecask::prelude::*;
use edgecask::transport::rest::{RestOptions, RestTransport};
use edgecask::transport::{Backend, Capabilities, Messages, Results, Subscription, Transport};
use edgecask::{Client, Error, ErrorKind, Outcome, Result, Script, Value};
use edgecask_server::{Fault, Server, ServerOptions};
use edgecask_tests::{Dice, RedisServer, free_port};
use futures_util::StreamExt;
use futures_util::future::join_all;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// A server that treats its requests one after the other as the plan says, and the rest well; it counts them.
async fn serve(plan: &'static [&'static str]) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let count = Arc::new(AtomicUsize::new(0));
    let requests = Arc::clone(&count);
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let mut request = vec![0; 64 * 1024];
            if socket.read(&mut request).await.unwrap_or(0) == 0 {
                continue;
            }
            let number = requests.fetch_add(1, Ordering::SeqCst);
            let answer = match plan.get(number) {
                Some(&"close") => String::new(),
                Some(status) => {
                    format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")
                }
                None => {
                    let body = r#"{"result":1}"#;
                    format!(
                        "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
                        body.len()
                    )
                }
            };
            // The client may have hung up.
            let _ = socket.write_all(answer.as_bytes()).await;
        }
    });
    (url, count)
}

fn client(url: &str) -> Client {
    let retry = Retry::new().attempts(4).base(Duration::from_millis(1));
    Client::rest(url, "token").unwrap().layer(retry)
}

#[tokio::test]
async fn the_last_error_tells_how_often_it_was_tried() {
    let (url, _) = serve(&["502 Bad Gateway"; 9]).await;
    let error = client(&url).exists(["k"]).await.unwrap_err();
    assert_eq!(error.attempts(), 4);
    assert!(error.elapsed().is_some() && error.is_transient());
    assert!(error.to_string().contains("(4 attempts in "), "{error}");
    // What is not sent again has one attempt, and no word of it.
    let error = client(&url).incr("k").await.unwrap_err();
    assert_eq!((error.attempts(), error.elapsed()), (1, None));
    assert!(!error.to_string().contains("attempts"), "{error}");
}

#[tokio::test]
async fn what_is_safe_gets_through() {
    let (url, count) = serve(&["close", "502 Bad Gateway", "503 Service Unavailable"]).await;
    assert_eq!(client(&url).exists(["k"]).await.unwrap(), 1);
    assert_eq!(count.load(Ordering::SeqCst), 4);
}

#[tokio::test]
async fn attempts_are_exact() {
    let (url, count) = serve(&["close"; 10]).await;
    let error = client(&url).exists(["k"]).await.unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Disconnected, Outcome::Unknown));
    assert_eq!(count.load(Ordering::SeqCst), 4);
}

#[tokio::test]
async fn what_may_have_been_carried_out_is_sent_once() {
    for plan in [&["close"; 10], &["502 Bad Gateway"; 10]] {
        let (url, count) = serve(plan).await;
        let client = client(&url);
        assert_eq!(client.incr("k").await.unwrap_err().outcome(), Outcome::Unknown);
        assert_eq!(count.load(Ordering::SeqCst), 1);
        // One unsafe command makes the batch unsafe.
        let pipeline = client.pipeline();
        let _ = pipeline.get::<String>("k");
        let _ = pipeline.incr("k");
        assert_eq!(pipeline.exec().await.unwrap_err().outcome(), Outcome::Unknown);
        assert_eq!(count.load(Ordering::SeqCst), 2);
    }
}

#[tokio::test]
async fn a_throttled_command_was_not_carried_out() {
    let (url, count) = serve(&["429 Too Many Requests\r\nretry-after: 0"]).await;
    assert_eq!(client(&url).incr("k").await.unwrap(), 1);
    assert_eq!(count.load(Ordering::SeqCst), 2);
}

/// A transport splits a long pipeline; the parts behind one that was throttled are sent with it.
#[tokio::test]
async fn a_throttled_part_is_sent_again_with_those_behind_it() {
    let server = Server::start(ServerOptions::memory()).await.unwrap();
    let options = RestOptions::new(server.url(), server.token()).pipeline_limits(2, usize::MAX);
    let client = Client::new(RestTransport::new(options).unwrap())
        .layer(Retry::new().base(Duration::from_millis(1)))
        .layer(AutoPipeline::new());
    server.inject(Fault::Delay(Duration::ZERO));
    server.inject(Fault::Throttle(Duration::ZERO));
    let counts = join_all((0..6).map(|_| client.incr("n"))).await;
    let counts: Vec<_> = counts.into_iter().map(Result::unwrap).collect();
    assert_eq!(counts, [1, 2, 3, 4, 5, 6]);
    server.stop().await;
}

#[tokio::test]
async fn a_server_that_comes_up_late_is_reached() {
    let port = free_port();
    let retry = Retry::new()
        .attempts(40)
        .base(Duration::from_millis(200))
        .longest(Duration::from_millis(200));
    let client = Client::tcp(&format!("redis://127.0.0.1:{port}")).unwrap().layer(retry);
    let (count, _redis) = tokio::join!(client.incr("k"), async {
        // The first attempt has nobody to connect to.
        tokio::task::spawn_blocking(move || RedisServer::on_port(port)).await.unwrap()
    });
    assert_eq!(count.unwrap(), 1);
}

#[tokio::test]
async fn a_deadline_outside_limits_all_attempts() {
    let (url, _) = serve(&["503 Service Unavailable\r\nretry-after: 4"; 10]).await;
    let client = client(&url).layer(Deadline::new(Duration::from_millis(200)));
    assert_eq!(client.exists(["k"]).await.unwrap_err().kind(), ErrorKind::Timeout);
}

/// A server that refuses commands in turn with these replies, and carries out the rest.
#[derive(Debug)]
struct Refusing {
    replies: Mutex<Vec<&'static str>>,
    calls: AtomicUsize,
    /// Whether one reply refuses a whole pipeline, as that of a REST server does.
    refuses_pipelines: bool,
}

impl Refusing {
    fn client(replies: &[&'static str]) -> (Client, Arc<Self>) {
        let replies = Mutex::new(replies.iter().rev().copied().collect());
        Self { replies, calls: AtomicUsize::new(0), refuses_pipelines: false }.serve()
    }

    fn of_pipelines(reply: &'static str) -> (Client, Arc<Self>) {
        let (replies, calls) = (Mutex::new(vec![reply]), AtomicUsize::new(0));
        Self { replies, calls, refuses_pipelines: true }.serve()
    }

    fn serve(self) -> (Client, Arc<Self>) {
        let server = Arc::new(self);
        let retry = Retry::new().attempts(4).base(Duration::from_millis(1));
        (Client::new(Served(Arc::clone(&server))).layer(retry), server)
    }

    fn reply(&self) -> Result<Value> {
        match self.replies.lock().unwrap().pop() {
            Some(reply) if !reply.is_empty() => Err(Error::server(reply)),
            _ => Ok(Value::Integer(1)),
        }
    }
}

#[derive(Debug)]
struct Served(Arc<Refusing>);

impl Transport for Served {
    fn capabilities(&self) -> Capabilities {
        Capabilities::new(Backend::Redis).lua(true)
    }

    fn send<'a>(&'a self, _: &'a Command) -> BoxFuture<'a, Result<Value>> {
        self.0.calls.fetch_add(1, Ordering::SeqCst);
        Box::pin(std::future::ready(self.0.reply()))
    }

    fn pipeline<'a>(&'a self, commands: &'a [Command]) -> BoxFuture<'a, Result<Results>> {
        self.0.calls.fetch_add(1, Ordering::SeqCst);
        let results = match self.0.refuses_pipelines {
            true => self.0.reply().map(|_| commands.iter().map(|_| Ok(1.into())).collect()),
            false => Ok(commands.iter().map(|_| self.0.reply()).collect()),
        };
        Box::pin(std::future::ready(results))
    }

    fn transaction<'a>(&'a self, commands: &'a [Command]) -> BoxFuture<'a, Result<Results>> {
        self.0.calls.fetch_add(1, Ordering::SeqCst);
        let reply = self.0.reply().map_err(Error::into_discarded);
        Box::pin(std::future::ready(reply.map(|_| commands.iter().map(|_| Ok(1.into())).collect())))
    }

    fn subscribe<'a>(&'a self, _: &'a Subscription) -> BoxFuture<'a, Result<Messages>> {
        Box::pin(std::future::ready(self.0.reply().map(|_| futures_util::stream::empty().boxed())))
    }

    fn sync_token(&self) -> Option<String> {
        None
    }

    fn set_sync_token(&self, _: &str) {}

    fn register(&self, _: &Script) {}
}

const FOR_NOW: [&str; 5] = [
    "BUSY Redis is busy running a script.",
    "CLUSTERDOWN The cluster is down",
    "LOADING Redis is loading the dataset in memory",
    "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
    "TRYAGAIN Multiple keys request during rehashing of slot",
];

#[tokio::test]
async fn what_a_server_refuses_for_now_is_sent_again() {
    for reply in FOR_NOW {
        let (client, server) = Refusing::client(&[reply, reply]);
        assert_eq!(client.incr("k").await.unwrap(), 1, "{reply}");
        assert_eq!(server.calls.load(Ordering::SeqCst), 3, "{reply}");

        let (client, server) = Refusing::client(&[reply]);
        let incr = [cmd("INCR").arg("k")];
        assert!(client.send_transaction(&incr).await.is_ok(), "{reply}");
        assert_eq!(server.calls.load(Ordering::SeqCst), 2, "{reply}");

        // The first item of the pipeline runs, and the two others are refused once.
        let (client, server) = Refusing::client(&["", reply, reply]);
        let pipeline = ["a", "b", "a"].map(|key| cmd("INCR").arg(key));
        let results = client.send_pipeline(&pipeline).await.unwrap();
        assert!(results.iter().all(Result::is_ok), "{results:?}");
        assert_eq!(server.calls.load(Ordering::SeqCst), 2, "{reply}");

        let (client, server) = Refusing::client(&[reply; 9]);
        let error = client.incr("k").await.unwrap_err();
        assert_eq!((error.attempts(), error.outcome()), (4, Outcome::Refused), "{reply}");
        assert_eq!(server.calls.load(Ordering::SeqCst), 4, "{reply}");
    }
    for reply in ["READONLY You can't write against a read only replica.", "NOPERM no", "OOM full"]
    {
        let (client, server) = Refusing::client(&[reply]);
        assert!(client.incr("k").await.is_err(), "{reply}");
        assert_eq!(server.calls.load(Ordering::SeqCst), 1, "{reply}");
    }
}

#[tokio::test]
async fn a_pipeline_that_is_refused_as_a_whole_is_sent_again() {
    for reply in FOR_NOW {
        let (client, server) = Refusing::of_pipelines(reply);
        let pipeline = ["a", "b"].map(|key| cmd("INCR").arg(key));
        let results = client.send_pipeline(&pipeline).await.unwrap();
        assert!(results.iter().all(Result::is_ok), "{results:?}");
        assert_eq!(server.calls.load(Ordering::SeqCst), 2, "{reply}");

        let own = reply.starts_with("BUSY") || reply.starts_with("TRYAGAIN");
        let (client, server) = Refusing::of_pipelines(reply);
        let with_script = [cmd("INCR").arg("a"), cmd("EVALSHA").arg("sha").arg(1).arg("k")];
        assert_eq!(client.send_pipeline(&with_script).await.is_ok(), !own, "{reply}");
        assert_eq!(server.calls.load(Ordering::SeqCst), if own { 1 } else { 2 }, "{reply}");
    }
    let (client, server) = Refusing::of_pipelines("NOPERM no");
    assert!(client.send_pipeline(&[cmd("INCR").arg("a")]).await.is_err());
    assert_eq!(server.calls.load(Ordering::SeqCst), 1);
}

/// A script may have written before it gave an error of its own, which may begin with the same word.
#[tokio::test]
async fn an_error_that_a_script_may_have_made_itself_is_final() {
    for reply in FOR_NOW {
        let own = reply.starts_with("BUSY") || reply.starts_with("TRYAGAIN");
        for (line, sent) in [("EVALSHA", if own { 1 } else { 2 }), ("EVALSHA_RO", 2)] {
            let (client, server) = Refusing::client(&[reply]);
            let script = cmd(line).arg("sha").arg(1).arg("k");
            assert_eq!(client.send(&script).await.is_ok(), sent == 2, "{line}: {reply}");
            assert_eq!(server.calls.load(Ordering::SeqCst), sent, "{line}: {reply}");
        }
    }
}

#[tokio::test]
async fn a_busy_server_is_waited_for() {
    let redis = RedisServer::with(["--busy-reply-threshold", "20"]);
    let retry = Retry::new()
        .attempts(100)
        .base(Duration::from_millis(20))
        .longest(Duration::from_millis(20));
    let plain = redis.client();
    for form in ["a command", "a pipeline", "a transaction"] {
        let incr = ["n", "m", "n"].map(|key| cmd("INCR").arg(key));
        plain.del(["n", "m"]).await.unwrap();
        // Each has a budget of its own for its retries.
        let client = redis.client().layer(retry);
        let other = redis.client();
        let script = "local function now() local t = redis.call('TIME') return t[1] * 1000 + t[2] / 1000 end \
                      local till = now() + 200 while now() < till do end return 1";
        let busy = tokio::spawn(async move {
            let _: i64 = other.execute(cmd("EVAL").arg(script).arg(0)).await.unwrap();
        });
        edgecask_tests::until(async || {
            plain.ping().await.is_err_and(|error| error.code() == Some("BUSY"))
        })
        .await;
        match form {
            "a command" => assert_eq!(client.incr("n").await.unwrap(), 1),
            _ => {
                let results = match form {
                    "a pipeline" => client.send_pipeline(&incr).await,
                    _ => client.send_transaction(&incr).await,
                };
                let counts: Result<Vec<Value>> = results.unwrap().into_iter().collect();
                assert_eq!(counts.unwrap(), [1, 1, 2].map(Value::Integer), "{form}");
            }
        }
        busy.await.unwrap();
    }
}

/// Three servers of a cluster. Of a pipeline, a part at each may stay unsent, and a stretch of it may be refused.
#[derive(Debug)]
struct Three {
    dice: Dice,
    /// In which call each command ran, by its number.
    ran: Arc<Mutex<HashMap<u64, usize>>>,
    calls: AtomicUsize,
}

impl Three {
    fn run(&self, command: &Command, call: usize) {
        let number = String::from_utf8_lossy(command.args().last().unwrap()).parse().unwrap();
        let before = self.ran.lock().unwrap().insert(number, call);
        assert_eq!(before, None, "{command:?} ran twice");
    }
}

impl Transport for Three {
    fn capabilities(&self) -> Capabilities {
        Capabilities::new(Backend::Redis)
    }

    fn send<'a>(&'a self, command: &'a Command) -> BoxFuture<'a, Result<Value>> {
        self.run(command, 0);
        Box::pin(std::future::ready(Ok(Value::OK)))
    }

    fn pipeline<'a>(&'a self, commands: &'a [Command]) -> BoxFuture<'a, Result<Results>> {
        let call = self.calls.fetch_add(1, Ordering::SeqCst);
        let is_down = [0, 1, 2].map(|_| self.dice.roll(3) == 0);
        let start = self.dice.roll(commands.len() as u64 * 2);
        let refused = start..start + self.dice.roll(4);
        let results = commands.iter().enumerate().map(|(at, command)| {
            let key = command.get(0).unwrap().first().map_or(0, |byte| usize::from(*byte) % 3);
            if is_down[key] {
                return Err(Error::new(ErrorKind::Connect, "no connection"));
            }
            if refused.contains(&(at as u64)) {
                return Err(Error::server(FOR_NOW[1]));
            }
            self.run(command, call);
            Ok(Value::OK)
        });
        Box::pin(std::future::ready(Ok(results.collect())))
    }

    fn transaction<'a>(&'a self, commands: &'a [Command]) -> BoxFuture<'a, Result<Results>> {
        self.pipeline(commands)
    }

    fn subscribe<'a>(&'a self, _: &'a Subscription) -> BoxFuture<'a, Result<Messages>> {
        Box::pin(std::future::ready(Ok(futures_util::stream::empty().boxed())))
    }

    fn sync_token(&self) -> Option<String> {
        None
    }

    fn set_sync_token(&self, _: &str) {}

    fn register(&self, _: &Script) {}
}

#[tokio::test(start_paused = true)]
async fn what_did_not_run_of_a_pipeline_runs_later_in_the_order_of_its_keys() {
    let mut repaired = 0;
    for seed in edgecask_tests::seeds(300) {
        let dice = Dice::new(seed);
        let ran: Arc<Mutex<HashMap<u64, usize>>> = Arc::default();
        let servers =
            Three { dice: dice.clone(), ran: Arc::clone(&ran), calls: AtomicUsize::new(0) };
        let client = Client::new(servers).layer(Retry::new().attempts(5));
        // The last argument of each command is its number.
        let commands: Vec<(&str, Option<u64>, Command)> = (0..2 + dice.roll(12))
            .map(|number| match dice.roll(8) {
                0 => ("PUBLISH", None, cmd("PUBLISH").arg("c").arg(number)),
                kind => {
                    let key = dice.roll(5);
                    let name = if kind < 4 { "HGET" } else { "RPUSH" };
                    (name, Some(key), cmd(name).arg(format!("{key}")).arg(number))
                }
            })
            .collect();
        let pipeline: Vec<Command> = commands.iter().map(|(.., command)| command.clone()).collect();
        let results = client.send_pipeline(&pipeline).await.unwrap();
        let ran = ran.lock().unwrap();
        for (number, result) in (0..).zip(&results) {
            assert_eq!(result.is_ok(), ran.contains_key(&number), "{seed}: {number}: {result:?}");
        }
        repaired +=
            usize::from(results.iter().all(Result::is_ok) && ran.values().any(|&at| at > 0));
        for (second, (name, key, _)) in (0_u64..).zip(&commands) {
            for (first, (earlier, other, _)) in (0..second).zip(&commands) {
                let matters = key.is_none()
                    || other.is_none()
                    || key == other && !(*name == "HGET" && name == earlier);
                let (Some(one), Some(two)) = (ran.get(&first), ran.get(&second)) else { continue };
                assert!(
                    !matters || one <= two,
                    "seed {seed}: {first} ran after {second}: {commands:?}"
                );
            }
        }
    }
    assert!(repaired > 0, "no pipeline was completed by a second call");
}
