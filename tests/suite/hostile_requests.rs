//! The local server under requests that no good client makes, by raw sockets: each is answered or closed, and nothing is
//! run that was not asked for.

use std::time::Duration;

use edgecask::prelude::*;
use edgecask_server::{Limits, Server, ServerOptions};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

async fn start() -> Server {
    Server::start(ServerOptions::memory().token("token").read_only_token("reader")).await.unwrap()
}

async fn connect(server: &Server) -> TcpStream {
    TcpStream::connect(server.url().trim_start_matches("http://")).await.unwrap()
}

fn client(server: &Server) -> Client {
    Client::rest(&server.url(), server.token()).unwrap()
}

/// Everything that the server sends before it closes.
async fn rest_of(mut socket: TcpStream) -> String {
    let mut answer = Vec::new();
    // A connection that is reset has been closed too.
    let _ = socket.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

/// Sends bytes, and gives everything that comes until the server closes.
async fn raw(server: &Server, request: &[u8]) -> String {
    let mut socket = connect(server).await;
    socket.write_all(request).await.unwrap();
    rest_of(socket).await
}

/// A request in the path style; the connection is closed after its answer.
async fn target(server: &Server, target: &str, body: &str) -> String {
    let length = body.len();
    let request = format!(
        "POST {target} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer token\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
    );
    raw(server, request.as_bytes()).await
}

#[tokio::test]
async fn nothing_that_a_url_parser_rewrites_is_run() {
    let server = start().await;
    let client = client(&server);
    client.set("victim", "v").await.unwrap();
    for path in [
        "/HSET/../EVAL/x/0",
        "/HSET/%2e%2e/DEL/victim",
        "/RPUSH/l/a/%2E./b",
        "/SET/.",
        "/SET/%2e",
        "/..",
        "/set/k/a\\..\\b",
        "/HSET/h/..",
    ] {
        let answer = target(&server, path, "value").await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{path}: {answer}");
        assert!(answer.contains("URL parsers rewrite"), "{path}: {answer}");
    }
    // What a rewritten path leaves of a command.
    for path in ["/?EX=60", "/pipeline?a=b", "/multi-exec?a=b"] {
        let answer = target(&server, path, r#"["SET","k","v"]"#).await;
        assert!(answer.contains("query parameters belong"), "{path}: {answer}");
    }
    for path in ["/HSET/h/f?_token=x", "/HSET/h/f?a=b&_token=token", "/HSET/h/f?%5Ftoken=x"] {
        let answer = target(&server, path, "value").await;
        assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("_token"), "{answer}");
    }
    let twice =
        "GET /get/victim?_token=token&_token=x HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    assert!(raw(&server, twice.as_bytes()).await.starts_with("HTTP/1.1 400"));
    assert!(target(&server, "//get/victim", "").await.contains("ERR empty command"));
    assert_eq!(client.keys::<String>("*").await.unwrap(), ["victim"]);
    // What only looks alike is data.
    assert!(target(&server, "/set/.../..k/a.", "").await.starts_with("HTTP/1.1 4"));
    assert!(target(&server, "/set/.../..k", "").await.starts_with("HTTP/1.1 200"));
    assert_eq!(client.get::<String>("...").await.unwrap().as_deref(), Some("..k"));
    server.stop().await;
}

#[tokio::test]
async fn every_malformed_request_has_an_answer_or_an_end() {
    let server = start().await;
    let deep = format!("[\"ECHO\",{}", "[".repeat(1_000_000));
    let nested = format!("[[\"ECHO\",{}1{}]]", "[".repeat(200_000), "]".repeat(200_000));
    for (path, body) in [
        ("/", deep.as_str()),
        ("/pipeline", deep.as_str()),
        ("/pipeline", nested.as_str()),
        ("/multi-exec", nested.as_str()),
        ("/", "\"GET\""),
        ("/", "[\"GET\",\"\\ud800\"]"),
        ("/pipeline", "[[\"GET\",\"k\"]]]"),
        ("/set/%ff", "\u{1}"),
        ("/%ff%fe", ""),
        ("/%00", ""),
        ("/subscribe/", ""),
        ("/psubscribe", ""),
    ] {
        let answer = target(&server, path, body).await;
        let status = answer.get(9..12).unwrap_or_default();
        let set = path.starts_with("/set/");
        assert_eq!(status, if set { "200" } else { "400" }, "{path}: {answer}");
        assert!(answer.contains("\r\n\r\n{\""), "{path}: {answer}");
    }
    for request in [
        "GET /get/k HTTP/1.1\r\nhost: x\r\nauthorization: Bearer token\r\nauthorization: Bearer reader\r\nconnection: close\r\n\r\n",
        "POST / HTTP/1.1\r\nhost: x\r\nauthorization: Bearer token\r\nupstash-response-format: json\r\nupstash-response-format: resp2\r\nconnection: close\r\ncontent-length: 8\r\n\r\n[\"PING\"]",
        "POST / HTTP/1.1\r\nhost: x\r\nauthorization: Bearer token\r\ncontent-length: 3\r\ncontent-length: 8\r\nconnection: close\r\n\r\n[\"PING\"]",
        "POST / HTTP/1.1\r\nhost: x\r\nauthorization: Bearer token\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\nzz\r\n",
        "GET / HTTP/9.9\r\n\r\n",
        "\0\0\0\0\r\n\r\n",
    ] {
        let answer = raw(&server, request.as_bytes()).await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400"), "{request}: {answer}");
    }
    for method in ["OPTIONS", "DELETE", "PATCH", "TRACE"] {
        let request = format!("{method} /get/k HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        assert!(raw(&server, request.as_bytes()).await.starts_with("HTTP/1.1 405"), "{method}");
    }
    client(&server).ping().await.unwrap();
    server.stop().await;
}

#[tokio::test]
async fn requests_may_be_chunked_and_follow_each_other() {
    let server = start().await;
    let head = "HTTP/1.1\r\nhost: x\r\nauthorization: Bearer token\r\n";
    let chunked = format!(
        "POST / {head}transfer-encoding: chunked\r\n\r\n3\r\n[\"I\r\n9\r\nNCR\",\"n\"]\r\n0\r\n\r\n"
    );
    let last = format!("GET /incr/n {head}connection: close\r\n\r\n");
    let answers = raw(&server, [chunked.repeat(50), last].concat().as_bytes()).await;
    for number in 1..=51 {
        assert!(answers.contains(&format!("{{\"result\":{number}}}")), "{number}: {answers}");
    }
    server.stop().await;
}

#[tokio::test]
async fn what_is_too_much_is_refused_and_the_rest_goes_on() {
    let limits = Limits::new().batch_commands(1000).reply_bytes(10_000).request_bytes(100_000);
    let options = ServerOptions::memory().token("token").limits(limits);
    let server = Server::start(options).await.unwrap();
    let batch = |count: usize| format!("[{}]", vec![r#"["PING"]"#; count].join(","));
    assert!(target(&server, "/pipeline", &batch(1000)).await.starts_with("HTTP/1.1 200"));
    for path in ["/pipeline", "/multi-exec"] {
        let answer = target(&server, path, &batch(1001)).await;
        assert!(answer.contains("ERR max pipeline length exceeded. Limit: 1000"), "{answer}");
    }
    let body = "x".repeat(4000);
    target(&server, "/set/k", &body).await;
    let answer =
        target(&server, "/pipeline", r#"[["GET","k"],["GET","k"],["GET","k"],["PING"]]"#).await;
    assert_eq!(answer.matches(&body).count(), 2);
    assert_eq!(answer.matches("ERR max response size exceeded").count(), 1);
    assert!(answer.ends_with(r#"{"result":"PONG"}]"#));
    let answer = target(&server, "/srandmember/s/-90000000", "").await;
    assert!(answer.starts_with("HTTP/1.1 "), "{answer}");
    assert!(target(&server, "/set/k", &"x".repeat(100_001)).await.contains("max request size"));
    server.stop().await;
}

#[tokio::test]
async fn connections_end_on_which_nothing_happens() {
    let limits = Limits::new()
        .idle_time(Duration::from_millis(100))
        .body_time(Duration::from_millis(100))
        .connections(3);
    let options = ServerOptions::memory().token("token").limits(limits);
    let server = Server::start(options).await.unwrap();
    // Nothing at all, what may become HTTP/2, and half of the headers: each is closed without an answer.
    for begun in ["", "P", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "POST / HTTP/1.1\r\nhost: x\r\n"] {
        let answer = raw(&server, begun.as_bytes()).await;
        assert!(!answer.contains("200"), "{begun}: {answer}");
    }
    // Half of the body.
    let half = "POST / HTTP/1.1\r\nhost: x\r\nauthorization: Bearer token\r\ncontent-length: 8\r\n\r\n[\"PI";
    let answer = raw(&server, half.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");

    // A stream of events is a request under way, and not closed; those that come when all places are taken are told.
    let request = "GET /subscribe/c HTTP/1.1\r\nhost: x\r\nauthorization: Bearer token\r\naccept: text/event-stream\r\n\r\n";
    let mut streams = Vec::new();
    for _ in 0..3 {
        let mut stream = connect(&server).await;
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut seen = Vec::new();
        while !seen.ends_with(b"subscribe,c,1\n\n\r\n") {
            assert_ne!(stream.read_buf(&mut seen).await.unwrap(), 0);
        }
        streams.push(stream);
    }
    let refused = rest_of(connect(&server).await).await;
    assert!(refused.starts_with("HTTP/1.1 503") && refused.ends_with("exceeded\"}"), "{refused}");
    streams.pop();
    // The place is free as soon as the server has seen the end.
    loop {
        let answer = target(&server, "/ping", "").await;
        if answer.starts_with("HTTP/1.1 200") {
            break;
        }
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 503"), "{answer}");
    }
    drop(streams);
    server.stop().await;
}

#[tokio::test]
async fn nothing_shows_a_token() {
    let options = ServerOptions::redis("redis://user:s3cret-url@127.0.0.1:1")
        .token("s3cret-all")
        .read_only_token("s3cret-read");
    assert!(!format!("{options:?}").contains("s3cret"));
    let server = Server::start(options).await.unwrap();
    assert_eq!(server.token(), "s3cret-all");
    assert!(!format!("{server:?}").contains("s3cret"));
    server.stop().await;
}
