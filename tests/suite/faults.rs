//! Everything that can be wrong between a client and a server gives a typed error in bounded time, without the token.

use std::time::Duration;

use edgecask::config::Config;
use edgecask::layer::{CircuitBreaker, Deadline};
use edgecask::prelude::*;
use edgecask::transport::rest::{RestOptions, RestTransport};
use edgecask::{Client, Error, ErrorKind, Outcome};
use edgecask_server::{Fault, Server, ServerOptions};
use edgecask_tests::{RedisServer, free_port, until};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

const TOKEN: &str = "s3cret-token-of-the-tests";

/// What no real server can be brought to do: an answer given byte by byte, after which the connection is closed, or left
/// hanging.
struct Answer {
    bytes: String,
    hang: bool,
}

impl Answer {
    fn new(status: &str, headers: &str, body: &str) -> Self {
        let length = body.len();
        Self {
            bytes: format!("HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\n\r\n{body}"),
            hang: false,
        }
    }

    fn raw(bytes: &str) -> Self {
        Self { bytes: bytes.to_owned(), hang: false }
    }

    fn then_hang(mut self) -> Self {
        self.hang = true;
        self
    }
}

/// Asks a server that gives this answer for a value, within 300 ms.
async fn ask(answer: Answer) -> Error {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        let mut open = Vec::new();
        loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut request = vec![0; 64 * 1024];
            // The request is small enough to come in one piece.
            let _ = socket.read(&mut request).await.unwrap();
            socket.write_all(answer.bytes.as_bytes()).await.unwrap();
            if answer.hang {
                open.push(socket);
            }
        }
    });
    let error = client(&url).get::<String>("key").await.unwrap_err();
    server.abort();
    checked(error)
}

fn client(url: &str) -> Client {
    let transport = RestTransport::new(RestOptions::new(url, TOKEN)).unwrap();
    Client::new(transport).layer(Deadline::new(Duration::from_millis(300)))
}

/// The error, after making sure that the token is in no part of it.
fn checked(error: Error) -> Error {
    let mut shown = format!("{error} {error:?}");
    let mut source = std::error::Error::source(&error);
    while let Some(cause) = source {
        shown.push_str(&format!(" {cause} {cause:?}"));
        source = cause.source();
    }
    assert!(!shown.contains(TOKEN), "{shown}");
    assert_eq!(error.command(), Some("GET key"));
    error
}

#[tokio::test]
async fn a_wrong_token_is_told() {
    let server = Server::start(ServerOptions::memory().token("right")).await.unwrap();
    let error = checked(client(&server.url()).get::<String>("key").await.unwrap_err());
    assert_eq!((error.kind(), error.status()), (ErrorKind::Unauthorized, Some(401)));
    assert_eq!(error.code(), Some("WRONGPASS"));
    server.stop().await;
}

#[tokio::test]
async fn a_server_that_is_down_never_got_the_command() {
    let error = checked(
        client(&format!("http://127.0.0.1:{}", free_port()))
            .get::<String>("key")
            .await
            .unwrap_err(),
    );
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Connect, Outcome::NotSent));
}

#[tokio::test]
async fn a_wrong_url_is_told() {
    let page = "<!doctype html><html><body>Welcome to nginx!</body></html>";
    let error = ask(Answer::new("200 OK", "content-type: text/html\r\n", page)).await;
    assert_eq!((error.kind(), error.status()), (ErrorKind::Protocol, Some(200)));
    assert!(error.message().contains("Welcome to nginx!"), "{error}");
    let error = ask(Answer::new("404 Not Found", "", page)).await;
    assert_eq!((error.kind(), error.status()), (ErrorKind::Http, Some(404)));
    let error = ask(Answer::new("302 Found", "location: http://127.0.0.1:1/\r\n", "")).await;
    assert_eq!((error.kind(), error.status()), (ErrorKind::Http, Some(302)));
    let error = ask(Answer::raw("SSH-2.0-OpenSSH_9.2\r\n")).await;
    assert_eq!(error.kind(), ErrorKind::Disconnected);
}

#[tokio::test]
async fn failures_of_the_server_are_told_apart() {
    let error = ask(Answer::new("502 Bad Gateway", "", &format!("<html>{TOKEN}</html>"))).await;
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Http, Outcome::Unknown));
    assert!(error.message().contains("[redacted]"), "{error}");
    let error = ask(Answer::new("429 Too Many Requests", "retry-after: 7\r\n", "slow down")).await;
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Throttled, Outcome::Refused));
    assert_eq!(error.retry_after(), Some(Duration::from_secs(7)));
    let error = ask(Answer::new("500 Internal Server Error", "", r#"{"error":"ERR oops"}"#)).await;
    assert_eq!((error.kind(), error.status()), (ErrorKind::Server, Some(500)));
    assert_eq!(error.message(), "ERR oops");
    let error = ask(Answer::new("503 Unavailable", "", r#"{"error":"ERR oops"}"#)).await;
    assert_eq!((error.kind(), error.status()), (ErrorKind::Http, Some(503)));
    let error =
        ask(Answer::new("200 OK", "", r#"{"error":"ERR max request size exceeded"}"#)).await;
    assert_eq!((error.kind(), error.code()), (ErrorKind::Server, Some("ERR")));
}

#[tokio::test]
async fn half_an_answer_is_no_answer() {
    let error =
        ask(Answer::raw("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"result\":\"aG")).await;
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Disconnected, Outcome::Unknown));
    let error = ask(Answer::new("200 OK", "", "{\"result\":\"aG")).await;
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Disconnected, Outcome::Unknown));
    let error = ask(Answer::raw("")).await;
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Disconnected, Outcome::Unknown));
}

#[tokio::test]
async fn a_hung_server_is_left() {
    for bytes in ["", "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{"] {
        let error = ask(Answer::raw(bytes).then_hang()).await;
        assert_eq!((error.kind(), error.outcome()), (ErrorKind::Timeout, Outcome::Unknown));
    }
}

/// A configuration of one URL and its token.
fn config(url: &str) -> Config {
    Config::from_variables(|name| match name {
        "REDIS_URL" => Some(url.to_owned()),
        "REDIS_PASSWORD" if url.starts_with("http") => Some(TOKEN.to_owned()),
        _ => None,
    })
    .unwrap()
}

/// Servers by TCP and by REST that answer so many requests no more.
async fn hanging(warm: impl AsyncFn(&str), requests: usize) -> (RedisServer, Server) {
    const HOUR: Duration = Duration::from_secs(3600);
    let redis = RedisServer::start();
    let server = Server::start(ServerOptions::memory().token(TOKEN)).await.unwrap();
    for url in [redis.url(), server.url()] {
        warm(&url).await;
    }
    redis.pause();
    for _ in 0..requests {
        server.inject(Fault::Delay(HOUR));
    }
    // From here on time passes at once where all wait.
    tokio::time::pause();
    (redis, server)
}

#[tokio::test]
async fn remote_clients_have_a_deadline_of_five_seconds() {
    let clients = std::cell::RefCell::new(Vec::new());
    let warm = async |url: &str| {
        let by_url =
            if url.starts_with("http") { Client::rest(url, TOKEN) } else { Client::tcp(url) };
        let built = Client::builder().url(url);
        let built = if url.starts_with("http") { built.token(TOKEN) } else { built };
        for client in [by_url.unwrap(), built.build().unwrap(), config(url).client().unwrap()] {
            client.ping().await.unwrap();
            clients.borrow_mut().push(client);
        }
    };
    let _servers = hanging(warm, 6).await;
    for client in clients.take() {
        let call = tokio::time::timeout(Duration::from_secs(60), client.get::<String>("key"));
        let error = checked(call.await.expect("it has no deadline").unwrap_err());
        assert_eq!((error.kind(), error.outcome()), (ErrorKind::Timeout, Outcome::Unknown));
        assert_eq!(error.message(), "no answer within 5s", "{client:?}");
    }
}

#[tokio::test]
async fn clients_of_the_configuration_stop_asking_a_server_that_hangs() {
    let clients = std::cell::RefCell::new(Vec::new());
    let warm = async |url: &str| clients.borrow_mut().push(config(url).client().unwrap());
    let _servers = hanging(warm, 50).await;
    for client in clients.take() {
        let mut asked = 0;
        loop {
            let error = checked(client.get::<String>("key").await.unwrap_err());
            if error.kind() == ErrorKind::CircuitOpen {
                break;
            }
            asked += 1;
            assert!(asked <= 5, "{error}");
        }
        assert!(asked > 0);
    }
}

#[tokio::test]
async fn a_dropped_call_ends_its_request() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (asked, mut requests) = tokio::sync::mpsc::unbounded_channel();
    let ended = tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut request = vec![0; 64 * 1024];
        assert!(socket.read(&mut request).await.unwrap() > 0);
        asked.send(()).unwrap();
        // A client that is gone closes the connection.
        socket.read(&mut request).await.unwrap_or(0)
    });
    let client = Client::new(RestTransport::new(RestOptions::new(url, TOKEN)).unwrap());
    let call = tokio::spawn(client.get::<String>("key"));
    requests.recv().await.unwrap();
    call.abort();
    let ended = tokio::time::timeout(Duration::from_secs(60), ended).await;
    assert_eq!(ended.expect("the request goes on").unwrap(), 0);
}

#[tokio::test]
async fn a_circuit_opens_on_a_hung_server_and_closes_again() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (asked, mut requests) = tokio::sync::mpsc::unbounded_channel();
    let (wake, woken) = tokio::sync::watch::channel(false);
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let (asked, mut woken) = (asked.clone(), woken.clone());
            tokio::spawn(async move {
                let mut request = vec![0; 64 * 1024];
                if socket.read(&mut request).await.unwrap_or(0) > 0 {
                    asked.send(()).unwrap();
                    woken.wait_for(|awake| *awake).await.unwrap();
                    let answer =
                        Answer::new("200 OK", "connection: close\r\n", r#"{"result":null}"#);
                    // The client may have given up.
                    let _ = socket.write_all(answer.bytes.as_bytes()).await;
                }
            });
        }
    });
    let open_for = Duration::from_millis(100);
    let client = client(&url).layer(CircuitBreaker::new().failures(2).open_for(open_for));
    let kind = async || client.get::<String>("key").await.err().map(|error| error.kind());
    assert_eq!(kind().await, Some(ErrorKind::Timeout));
    assert_eq!(kind().await, Some(ErrorKind::Timeout));
    for _ in 0..2 {
        requests.recv().await.unwrap();
    }
    let error = checked(client.get::<String>("key").await.unwrap_err());
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::CircuitOpen, Outcome::NotSent));
    assert!(requests.try_recv().is_err(), "nothing was sent");
    wake.send(true).unwrap();
    until(async || kind().await.is_none()).await;
    assert_eq!(kind().await, None);
}

#[tokio::test]
async fn tcp_faults_are_typed_too() {
    let down = Client::tcp(&format!("redis://:{TOKEN}@127.0.0.1:{}", free_port())).unwrap();
    let error = checked(down.get::<String>("key").await.unwrap_err());
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Connect, Outcome::NotSent));

    let redis = RedisServer::start();
    let set = Command::new("CONFIG").args_from(["SET", "requirepass", "right"]);
    redis.client().execute::<()>(set).await.unwrap();
    let wrong = Client::tcp(&format!("redis://:{TOKEN}@127.0.0.1:{}", redis.port())).unwrap();
    let error = checked(wrong.get::<String>("key").await.unwrap_err());
    assert_eq!(error.kind(), ErrorKind::Unauthorized, "{error:?}");

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let hung = Client::tcp(&format!("redis://{address}")).unwrap();
    let hung = hung.layer(Deadline::new(Duration::from_millis(300)));
    let error = checked(hung.get::<String>("key").await.unwrap_err());
    assert_eq!(error.kind(), ErrorKind::Timeout);

    for url in ["redis://:{}@:bad:", "rediss://:{}@:bad:", "{}"] {
        let error = Client::tcp(&url.replace("{}", TOKEN)).map(|_| ()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(!format!("{error} {error:?}").contains(TOKEN));
    }
}

/// The variables of a process that runs already are not to be set, so the test runs itself once more.
#[tokio::test]
async fn a_proxy_does_not_get_what_is_for_this_host() {
    const URL: &str = "EDGECASK_TEST_BEHIND_A_PROXY";
    if let Ok(url) = std::env::var(URL) {
        assert_eq!(client(&url).get::<String>("key").await.unwrap(), None);
        return;
    }
    let proxy = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", proxy.local_addr().unwrap());
    let server = Server::start(ServerOptions::memory().token(TOKEN)).await.unwrap();
    let name = "faults::a_proxy_does_not_get_what_is_for_this_host";
    let mut again = tokio::process::Command::new(std::env::current_exe().unwrap());
    again
        .args([name, "--exact"])
        .env(URL, server.url())
        .env_remove("NO_PROXY")
        .env_remove("no_proxy");
    for variable in ["http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "ALL_PROXY"] {
        again.env(variable, &address);
    }
    tokio::select! {
        output = again.output() => {
            let output = output.unwrap();
            let text = String::from_utf8_lossy(&output.stdout);
            assert!(output.status.success() && text.contains("1 passed"), "{text}");
        }
        _ = proxy.accept() => panic!("the proxy was asked"),
    }
    server.stop().await;
}
