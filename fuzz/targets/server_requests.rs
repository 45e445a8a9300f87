#![no_main]
//! Requests to the local server, by a real socket: raw bytes, paths with a body, and JSON. Each has an answer that is not
//! the server's own failure, or its connection is closed.

use std::net::SocketAddr;
use std::sync::OnceLock;
use std::time::Duration;

use edgecask_server::{Server, ServerOptions};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

fn server() -> SocketAddr {
    static ADDRESS: OnceLock<SocketAddr> = OnceLock::new();
    *ADDRESS.get_or_init(|| {
        let (sender, receiver) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(async {
                let options = ServerOptions::memory().token("t").read_only_token("r");
                let server = Server::start(options).await.expect("it starts");
                let address = server.url().trim_start_matches("http://").parse();
                sender.send(address.expect("an address")).expect("it is awaited");
                std::future::pending::<()>().await;
            });
        });
        receiver.recv().expect("the server starts")
    })
}

fn request(data: &[u8]) -> Vec<u8> {
    let Some((kind, data)) = data.split_first() else { return Vec::new() };
    let (target, body) = match kind % 4 {
        0 => return data.to_vec(),
        1 => {
            let at = data.iter().position(|byte| *byte == b'\n').unwrap_or(data.len());
            (data[..at].to_vec(), data.get(at + 1..).unwrap_or_default())
        }
        2 => (b"/pipeline".to_vec(), data),
        _ => (b"/multi-exec".to_vec(), data),
    };
    let head = format!(
        " HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
        if kind & 4 == 0 { "t" } else { "r" },
        body.len()
    );
    [b"POST ", &target[..], head.as_bytes(), body].concat()
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let (address, request) = (server(), request(data));
    edgecask_fuzz::block_on(async {
        let mut socket = TcpStream::connect(address).await.expect("it listens");
        // Its port is free again at once: there are many of these.
        socket.set_zero_linger().expect("it is open");
        let mut answer = Vec::new();
        let exchange = async {
            // The server may close before it has read everything.
            let _ = socket.write_all(&request).await;
            let _ = socket.shutdown().await;
            let _ = socket.read_to_end(&mut answer).await;
        };
        let ended = tokio::time::timeout(Duration::from_secs(10), exchange).await;
        assert!(ended.is_ok(), "neither answered nor closed");
        let begin = &answer[..answer.len().min(12)];
        let known = begin.starts_with(b"HTTP/1.1 ") || begin.starts_with(b"HTTP/1.0 ");
        assert!(answer.is_empty() || known, "{:?}", answer.escape_ascii().to_string());
        assert!(!known || begin[9] != b'5', "{:?}", answer.escape_ascii().to_string());
    });
});
