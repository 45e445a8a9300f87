//! Servers that answer without end cost little memory: measured as the memory of a process of its own.

use std::time::Duration;

use edgecask::layer::Deadline;
use edgecask::prelude::*;
use edgecask::transport::rest::{RestOptions, RestTransport};
use edgecask::transport::tcp::{TcpOptions, TcpTransport};
use edgecask::{Client, Error};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::seeded::{again, finished, resident_kib};

const NAME: &str = "resident::hostile_servers_cost_bounded_memory";
const PORTS: &str = "EDGECASK_TEST_HOSTILE_PORTS";
const LIMIT: Duration = Duration::from_secs(10);
const MIB: u64 = 1024;

const HTTP: &[(&str, &str)] = &[
    ("HTTP/1.1 200 OK\r\n\r\n{\"result\":\"", "YWFh"),
    ("HTTP/1.1 200 OK\r\ncontent-length: 10000000000\r\n\r\n{\"result\":\"", "YWFh"),
    ("HTTP/1.1 200 OK\r\n\r\n{\"result\":[", "1,"),
    ("HTTP/1.1 200 OK\r\n\r\n", "[["),
    ("HTTP/1.1 502 Bad Gateway\r\n\r\n", "a page "),
    ("HTTP/1.1 200 OK\r\nx: ", "yyyy"),
];
const EVENTS: &[(&str, &str)] = &[
    ("HTTP/1.1 200 OK\r\n\r\n", "data: x"),
    ("HTTP/1.1 200 OK\r\n\r\n", "data: x\n"),
    ("HTTP/1.1 200 OK\r\n\r\n", ":"),
];
const RESP: &[(&str, &str)] = &[
    ("+", "aaaa"),
    ("-", "aaaa"),
    ("$10000000000\r\n", "aaaa"),
    ("*2000000000\r\n", ":1\r\n"),
    ("", "*100000\r\n"),
    ("%16000\r\n", "aaaa"),
    ("*9223372036854775807\r\n", "$-1\r\n"),
];

/// A server that sends this head, and then this piece until nobody takes it. One for TCP lets everybody in first.
async fn endless(head: &'static str, piece: &'static str, resp: bool) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let pieces = piece.repeat(64 * 1024 / piece.len());
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let pieces = pieces.clone();
            tokio::spawn(async move {
                let mut received = Vec::new();
                while resp && !received.ends_with(b"k\r\n") {
                    if socket.read_buf(&mut received).await.unwrap_or(0) == 0 {
                        return;
                    }
                    if received.windows(7).filter(|word| word == b"SETINFO").count() == 2 {
                        // The client may be gone.
                        let _ = socket.write_all(b"+OK\r\n+OK\r\n").await;
                        received.clear();
                    }
                }
                if !resp {
                    let _ = socket.read_buf(&mut received).await;
                }
                let _ = socket.write_all(head.as_bytes()).await;
                while socket.write_all(pieces.as_bytes()).await.is_ok() {}
            });
        }
    });
    port
}

fn rest(port: u16) -> Client {
    let options = RestOptions::new(format!("http://127.0.0.1:{port}"), "token");
    let options = options.max_response_bytes(8 << 20).max_event_bytes(1 << 20);
    Client::new(RestTransport::new(options).unwrap()).layer(Deadline::new(LIMIT))
}

fn tcp(port: u16) -> Client {
    let options = TcpOptions::new(format!("redis://127.0.0.1:{port}")).max_reply_bytes(8 << 20);
    Client::new(TcpTransport::new(options).unwrap()).layer(Deadline::new(LIMIT))
}

/// The process that is measured.
async fn victim(ports: &str) {
    let ports: Vec<u16> = ports.split(',').map(|port| port.parse().unwrap()).collect();
    let (http, others) = ports.split_at(HTTP.len());
    let (events, resp) = others.split_at(EVENTS.len());
    let (start, _) = resident_kib();
    let ended = |error: Error, what: String| {
        let (_, most) = resident_kib();
        assert!(most < start + 64 * MIB, "{what}: {most} KiB, {start} KiB at first: {error}");
    };
    for (port, case) in http.iter().zip(HTTP) {
        ended(rest(*port).get::<String>("k").await.unwrap_err(), format!("{case:?}"));
    }
    for (port, case) in events.iter().zip(EVENTS) {
        let error = rest(*port).subscribe(["c"]).await.map(|_| ()).unwrap_err();
        ended(error, format!("{case:?}"));
    }
    for (port, case) in resp.iter().zip(RESP) {
        ended(tcp(*port).get::<String>("k").await.unwrap_err(), format!("{case:?}"));
    }
}

#[tokio::test]
async fn hostile_servers_cost_bounded_memory() {
    if let Ok(ports) = std::env::var(PORTS) {
        return victim(&ports).await;
    }
    let mut ports = Vec::new();
    for (cases, resp) in [(HTTP, false), (EVENTS, false), (RESP, true)] {
        for (head, piece) in cases {
            ports.push(endless(head, piece, resp).await.to_string());
        }
    }
    let mut process = again(NAME, &[(PORTS, ports.join(","))]);
    finished(process.stdout(std::process::Stdio::piped()).spawn().unwrap()).await;
}
