//! `edgecask-server --data FILE`, as a process of its own: stopped, killed, started twice, and given files that are not snapshots.
#![cfg(unix)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use edgecask::Client;
use edgecask::prelude::*;
use edgecask::transport::memory::{MemoryOptions, MemoryTransport};

fn program(data: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_edgecask-server"));
    command.args(["--port", "0", "--token", "t", "--data"]).arg(data);
    command
}

/// A running server.
struct Running {
    process: Child,
    address: String,
}

impl Running {
    fn start(data: &Path) -> Self {
        let mut process = program(data).stdout(Stdio::piped()).spawn().expect("it is built");
        let output = process.stdout.take().expect("its output is piped");
        let mut lines = BufReader::new(output).lines().map_while(Result::ok);
        let address = lines
            .find_map(|line| Some(line.strip_prefix("UPSTASH_REDIS_REST_URL=http://")?.to_owned()));
        // No test needs the rest of the output, but the pipe must not break.
        std::thread::spawn(move || lines.for_each(drop));
        Self { process, address: address.expect("it prints its URL") }
    }

    /// The answer to a request, without its head.
    fn post(&self, path: &str, body: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).expect("it listens");
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer t\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).expect("it reads");
        stream.write_all(body.as_bytes()).expect("it reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("it answers");
        answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or(answer)
    }

    fn stop(mut self, signal: &str) {
        let id = self.process.id().to_string();
        let sent = Command::new("kill").args([signal, &id]).status();
        assert!(sent.is_ok_and(|status| status.success()));
        assert!(self.process.wait().is_ok_and(|status| status.success()), "it saves and ends");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A server that does not start.
fn refused(data: &Path) -> String {
    let Output { status, stderr, .. } = program(data).output().expect("it is built");
    assert!(!status.success());
    String::from_utf8_lossy(&stderr).into_owned()
}

#[test]
fn data_is_there_again_after_a_stop() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data.rdb");
    for (round, signal) in ["-TERM", "-INT"].into_iter().enumerate() {
        let server = Running::start(&data);
        assert_eq!(
            server.post("/", r#"["INCR","starts"]"#),
            format!("{{\"result\":{}}}", round + 1)
        );
        let text = refused(&data);
        assert!(text.contains("data.rdb") && text.contains("in use"), "{text}");
        server.stop(signal);
    }
    let server = Running::start(&data);
    assert_eq!(server.post("/", r#"["GET","starts"]"#), r#"{"result":"2"}"#);
    assert_eq!(server.post("/", r#"["SAVE"]"#), r#"{"result":"OK"}"#);
}

#[test]
fn a_file_that_is_no_snapshot_is_not_touched() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("letter.txt");
    std::fs::write(&data, "Dear reader, this is a letter.").expect("the folder is ours");
    let text = refused(&data);
    assert!(text.contains("no snapshot file") && text.contains("was not changed"), "{text}");
    let content = std::fs::read_to_string(&data).expect("it is there");
    assert_eq!(content, "Dear reader, this is a letter.");
}

/// What a round had written when its server was killed.
struct Written {
    /// The last number in a file, as a reply has said.
    saved: u64,
    /// The last number that was sent.
    sent: u64,
}

fn write_until_killed(mut server: Running, from: u64, random: &mut fastrand::Rng) -> Written {
    let mut written = Written { saved: from, sent: from };
    for _ in 0..random.usize(1..40) {
        written.sent += 1;
        let number = written.sent;
        let body =
            format!(r#"[["SET","a","{number}"],["RPUSH","l","{number}"],["SET","b","{number}"]]"#);
        let answer = server.post("/multi-exec", &body);
        assert!(answer.contains(r#"{"result":"OK"}"#), "{answer}");
        match random.u8(..4) {
            0 => {
                server.post("/", r#"["BGSAVE"]"#);
            }
            // It is refused while another one is under way.
            1 if server.post("/", r#"["SAVE"]"#).contains("OK") => written.saved = number,
            _ => {}
        }
    }
    server.post("/", r#"["BGSAVE"]"#);
    std::thread::sleep(std::time::Duration::from_micros(random.u64(..6000)));
    // By SIGKILL.
    server.process.kill().expect("it runs");
    written
}

#[test]
fn a_killed_server_leaves_a_complete_file() {
    let cases = std::env::var("EDGECASK_TEST_CASES").ok().and_then(|cases| cases.parse().ok());
    let seed = std::env::var("EDGECASK_TEST_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| fastrand::u64(..));
    let mut random = fastrand::Rng::with_seed(seed);
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data.rdb");
    // So much that a save takes a while.
    let server = Running::start(&data);
    for part in 0..20 {
        let sets =
            (0..500).map(|number| format!(r#"["SET","fill:{part}:{number}","{:0>80}"]"#, number));
        server.post("/pipeline", &format!("[{}]", sets.collect::<Vec<_>>().join(",")));
    }
    server.post("/multi-exec", r#"[["SET","a","0"],["RPUSH","l","0"],["SET","b","0"]]"#);
    assert_eq!(server.post("/", r#"["SAVE"]"#), r#"{"result":"OK"}"#);
    drop(server);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime");
    let mut last = 0;
    for round in 0..cases.unwrap_or(8_u64) {
        let written = write_until_killed(Running::start(&data), last, &mut random);
        let engine = MemoryTransport::open(&MemoryOptions::new().snapshot(&data).every(None));
        let client = Client::new(engine.unwrap_or_else(|error| panic!("seed {seed}: {error}")));
        runtime.block_on(async {
            let number = async |key: &'static str| client.get::<u64>(key).await.ok().flatten();
            let (a, b) = (number("a").await, number("b").await);
            let end: Option<u64> = client.lindex("l", -1).await.expect("it is a list");
            let what = format!("seed {seed}, round {round}: {a:?}, {b:?}, {end:?}");
            assert!(a == b && b == end, "{what}");
            last = a.expect("it was saved");
            assert!((written.saved..=written.sent).contains(&last), "{what} of {}", written.sent);
            assert_eq!(client.dbsize().await.expect("it counts"), 10_003, "{what}");
        });
    }
}
