//! What a command's arguments are when they arrive: what a server saw is what was sent, or nothing was sent.

use std::sync::{Arc, Mutex};

use edgecask::platform::BoxFuture;
use edgecask::prelude::*;
use edgecask::transport::rest::{
    Encoding, HttpClient, HttpRequest, HttpResponse, RestOptions, RestTransport,
};
use edgecask::transport::{Subscription, Transport};
use edgecask::{ErrorKind, Outcome, Result};
use edgecask_tests::{number, runner, seed};
use proptest::prelude::*;
use proptest::test_runner::Config;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// A request as it came: its target, not touched by any parser, and its body.
type Seen = (String, Vec<u8>);

/// The requests that a recorder has seen.
type Recorded = Arc<Mutex<Vec<Seen>>>;

/// A server that writes down what it gets, and answers OK to everything.
async fn recorder() -> (String, Recorded) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let seen = Recorded::default();
    let notes = Arc::clone(&seen);
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let notes = Arc::clone(&notes);
            tokio::spawn(record(socket, notes));
        }
    });
    (url, seen)
}

async fn record(socket: TcpStream, notes: Recorded) -> Option<()> {
    let mut socket = BufReader::new(socket);
    loop {
        let mut line = String::new();
        socket.read_line(&mut line).await.ok()?;
        let target = line.split(' ').nth(1)?.to_owned();
        let mut length = 0;
        loop {
            let mut header = String::new();
            socket.read_line(&mut header).await.ok()?;
            let Some((name, value)) = header.split_once(':') else { break };
            if name.eq_ignore_ascii_case("content-length") {
                length = value.trim().parse().ok()?;
            }
        }
        let mut body = vec![0; length];
        socket.read_exact(&mut body).await.ok()?;
        notes.lock().unwrap().push((target, body));
        let answer = "HTTP/1.1 200 OK\r\ncontent-length: 15\r\n\r\n{\"result\":\"OK\"}";
        socket.get_mut().write_all(answer.as_bytes()).await.ok()?;
    }
}

/// An HTTP client that hands on nothing: it writes down the URL as the parser of `fetch` and of reqwest reads it.
#[derive(Debug, Default)]
struct Parsed(Recorded);

impl HttpClient for Parsed {
    fn post(&self, request: HttpRequest) -> BoxFuture<'_, Result<HttpResponse>> {
        let url = reqwest::Url::parse(&request.url).unwrap();
        assert_eq!((url.host_str(), url.fragment()), (Some("rest.example"), None));
        let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
        let seen = (format!("{}{query}", url.path()), request.body.to_vec());
        self.0.lock().unwrap().push(seen);
        Box::pin(async { Ok(HttpResponse::new(200, |_| None, r#"{"result":"OK"}"#)) })
    }
}

fn decoded(text: &str) -> Vec<u8> {
    let mut bytes = text.bytes();
    let mut decoded = Vec::new();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'%' => {
                let digits = [bytes.next().unwrap(), bytes.next().unwrap()];
                u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap()
            }
            b'+' => b' ',
            byte => byte,
        });
    }
    decoded
}

/// The command that a server makes of a request.
fn understood((target, body): &Seen, base: &str) -> Vec<Vec<u8>> {
    let target = target.strip_prefix(base).expect("it stays below the base URL");
    if target == if base.is_empty() { "/" } else { "" } {
        let words: Vec<String> = serde_json::from_slice(body).unwrap();
        return words.into_iter().map(String::into_bytes).collect();
    }
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let segments: Vec<&str> = path.split('/').skip(1).collect();
    assert!(segments.iter().all(|segment| !segment.is_empty()), "servers merge empty segments");
    let mut words: Vec<Vec<u8>> = segments.into_iter().map(decoded).collect();
    if !body.is_empty() {
        words.push(body.clone());
    }
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').expect("options come in pairs");
        assert!(!name.is_empty() && !value.is_empty(), "servers do not tell these from words");
        if name != "_token" {
            words.extend([decoded(name), decoded(value)]);
        }
    }
    words
}

fn argument() -> impl Strategy<Value = Vec<u8>> {
    let special = prop::sample::select(vec![
        ".", "..", "...", "", "_token", "/", "//", "a/../b", "/..", "%2e", "%2E%2e", ".%2e", "\\",
        "..\\", "?", "#", "&", "=", "a=b&c", "+", " ", "\t", "\r\n", "\0", "EVAL", "0", "ü",
        "\u{fffd}",
    ]);
    prop_oneof![
        5 => special.prop_map(|text| text.as_bytes().to_vec()),
        3 => prop::sample::select(vec![b"\xff".to_vec(), b"..\xff".to_vec(), b"\xc3".to_vec()]),
        2 => prop::collection::vec(any::<u8>(), 0..20),
        1 => any::<String>().prop_map(String::into_bytes),
        1 => prop::collection::vec(any::<u8>(), 9_000..9_100),
    ]
}

fn command() -> impl Strategy<Value = (String, Vec<Vec<u8>>)> {
    let name = prop_oneof![
        9 => prop::sample::select(vec!["SET", "HSET", "RPUSH", "JSON.SET", "EVAL"]),
        1 => prop::sample::select(vec!["", ".", "..", "PIPELINE", "MULTI-EXEC", "A/B", "A?B", "Ä"]),
    ];
    (name.prop_map(str::to_owned), prop::collection::vec(argument(), 0..7))
}

/// Sends random commands, and compares.
fn what_arrives_is_what_was_sent(
    runtime: &tokio::runtime::Runtime,
    transports: &[(&str, RestTransport, Recorded)],
) {
    let cases = number("PROPTEST_CASES").unwrap_or(1500) as u32;
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    // How many went by a URL, and how many were refused.
    let counts = Mutex::new((0, 0));
    let result = runner(config, seed()).run(&command(), |(name, args)| {
        for (base, transport, seen) in transports {
            seen.lock().unwrap().clear();
            let command = Command::new(name.clone()).args_from(args.iter().map(|arg| &arg[..]));
            let sent = runtime.block_on(transport.send(&command));
            let seen = seen.lock().unwrap();
            let mut counts = counts.lock().unwrap();
            match sent {
                Ok(_) => {
                    prop_assert_eq!(seen.len(), 1);
                    let mut words = vec![name.to_uppercase().into_bytes()];
                    words.extend(args.iter().cloned());
                    prop_assert_eq!(understood(&seen[0], base), words, "{}", seen[0].0);
                    counts.0 +=
                        usize::from(!matches!(seen[0].0.strip_prefix(base), Some("" | "/")));
                }
                Err(error) => {
                    let expected = (ErrorKind::Unsupported, Outcome::NotSent);
                    prop_assert_eq!((error.kind(), error.outcome()), expected);
                    prop_assert_eq!(seen.len(), 0);
                    counts.1 += 1;
                }
            }
        }
        Ok(())
    });
    if let Err(error) = result {
        panic!("{error}");
    }
    let (by_url, refused) = counts.into_inner().unwrap();
    assert!(by_url > 100 && refused > 50, "{by_url} by URL, {refused} refused");
}

#[test]
fn what_a_server_saw_is_what_was_sent() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let transports = ["", "/tenant/7"].map(|base| {
        let (url, seen) = runtime.block_on(recorder());
        let options = RestOptions::new(url + base, "token").encoding(Encoding::Base64);
        (base, RestTransport::new(options).unwrap(), seen)
    });
    what_arrives_is_what_was_sent(&runtime, &transports);
}

/// `fetch` reads a URL as the WHATWG's standard says; so does the parser that reqwest has.
#[test]
fn what_fetch_makes_of_a_url_is_what_was_sent() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let transports = ["", "/tenant/7"].map(|base| {
        let http = Parsed::default();
        let seen = Arc::clone(&http.0);
        let options = RestOptions::new(format!("https://rest.example{base}"), "token");
        let options = options.encoding(Encoding::Base64).http_client(http);
        (base, RestTransport::new(options).unwrap(), seen)
    });
    what_arrives_is_what_was_sent(&runtime, &transports);
}

#[tokio::test]
async fn a_channel_cannot_be_another_path() {
    let (url, seen) = recorder().await;
    let transport = RestTransport::new(RestOptions::new(url + "/base", "token")).unwrap();
    for name in [".", "..", ""] {
        for to in [Subscription::channels([name]), Subscription::patterns([name])] {
            let error = transport.subscribe(&to).await.map(|_| ()).unwrap_err();
            let expected = (ErrorKind::Unsupported, Outcome::NotSent);
            assert_eq!((error.kind(), error.outcome()), expected);
        }
    }
    assert!(seen.lock().unwrap().is_empty());
}
