//! The same rows before nginx and varnish, as a check of the suite: what it asks for, another cache does too.
//!
//! Run it where both are installed, with a C compiler, which makes a clock that can be moved:
//! `cargo test -p edgecask-tests --test suite peers -- --ignored --nocapture`. It prints where each of them differs.
#![allow(clippy::print_stdout)]

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use edgecask_tests::{MovedClock, until};

use super::{Asks, LIFE, Lines, Row, START, STATES, borrowed, rows, spellings};
use crate::http_cache::origin::{Wire, response, serve};

/// The rows in which both peers differ from the suite, by their test and what they are, and why the suite is right.
const BEYOND_THE_PEERS: [(&str, &str, &str); 12] = [
    ("rfc_9111_5_2_2_3_must_understand", "must-understand", "neither knows the directive"),
    (
        "rfc_9111_5_2_3_unknown_directives",
        "names inside of values",
        "both search the line for names, and so store less",
    ),
    (
        "rfc_9111_4_2_1_lifetime",
        "the first or none",
        "both take the first; the RFC also allows to take it for stale",
    ),
    (
        "rfc_9111_5_2_both_forms_of_an_argument",
        "a quoted number",
        "both read tokens alone, and so store less",
    ),
    ("rfc_9111_5_3_invalid_dates", "two dates", "both take the first; it is no valid date"),
    ("rfc_9111_4_2_3_age", "Date now", "neither has an apparent age"),
    ("rfc_9111_4_2_3_age", "Date long ago", "neither has an apparent age"),
    ("rfc_9111_5_2_1_1_max_age", "max-age", "neither obeys a client"),
    ("rfc_9111_5_2_1_2_max_stale", "max-stale", "neither obeys a client"),
    ("rfc_9111_5_2_1_3_min_fresh", "min-fresh", "neither obeys a client"),
    ("rfc_9111_5_2_1_4_no_cache", "no-cache", "neither obeys a client"),
    ("rfc_9111_5_4_pragma", "Pragma", "neither obeys a client"),
];

struct Peer {
    process: Child,
    address: SocketAddr,
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn on(clock: &MovedClock, program: &str) -> Command {
    let mut command = Command::new(program);
    command.envs(clock.variables());
    command
}

async fn started(mut command: Command, address: SocketAddr) -> Peer {
    let peer = Peer { process: command.spawn().expect("it is installed"), address };
    until(async || TcpStream::connect(address).is_ok()).await;
    peer
}

fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

async fn nginx(folder: &Path, clock: &MovedClock, origin: SocketAddr) -> Peer {
    let address = free_address();
    let at = folder.display();
    let text = format!(
        "daemon off; master_process off; pid {at}/pid; error_log stderr error; env EDGECASK_CLOCK;\n\
         events {{ worker_connections 256; }}\n\
         http {{\n\
         access_log off; proxy_cache_path {at}/cache keys_zone=suite:8m inactive=60m;\n\
         client_body_temp_path {at}/body; proxy_temp_path {at}/proxy; fastcgi_temp_path {at}/fastcgi;\n\
         uwsgi_temp_path {at}/uwsgi; scgi_temp_path {at}/scgi;\n\
         server {{ listen {address}; location / {{\n\
         proxy_pass http://{origin}; proxy_cache suite; proxy_cache_revalidate on; }} }}\n\
         }}\n"
    );
    let file = folder.join("nginx.conf");
    std::fs::write(&file, text).unwrap();
    let mut command = on(clock, "nginx");
    command.args(["-e", "stderr", "-c"]).arg(&file);
    started(command, address).await
}

async fn varnish(folder: &Path, clock: &MovedClock, origin: SocketAddr) -> Peer {
    let address = free_address();
    let file = folder.join("default.vcl");
    let (host, port) = (origin.ip(), origin.port());
    let text = format!("vcl 4.1;\nbackend default {{ .host = \"{host}\"; .port = \"{port}\"; }}\n");
    std::fs::write(&file, text).unwrap();
    let mut command = on(clock, "varnishd");
    command
        .args(["-F", "-j", "none", "-a", &address.to_string(), "-n"])
        .arg(folder.join("varnish"));
    for parameter in ["default_ttl=0", "default_grace=0", "default_keep=1000"] {
        command.args(["-p", parameter]);
    }
    command.arg("-f").arg(&file);
    started(command, address).await
}

/// What the application says at each path, and how often it was asked.
#[derive(Default)]
struct Said {
    headers: BTreeMap<String, Lines>,
    asked: BTreeMap<String, usize>,
}

/// A row at one of its states, with one of its spellings.
struct Case {
    row: usize,
    state: usize,
    path: String,
    request: Lines,
    first: Lines,
}

/// The dates of the suite, moved to now.
fn at_present(headers: &Lines) -> Lines {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let moved = |value: &str| {
        let date = httpdate::parse_http_date(value).ok()?;
        let date = date.duration_since(SystemTime::UNIX_EPOCH).ok()?.as_secs();
        let moved = Duration::from_secs(date + now - START);
        Some(httpdate::fmt_http_date(SystemTime::UNIX_EPOCH + moved))
    };
    let header = |(name, value): &(String, String)| {
        (name.clone(), moved(value).unwrap_or_else(|| value.clone()))
    };
    headers.iter().map(header).collect()
}

async fn get(peer: &Peer, path: &str, headers: &Lines) {
    let lines = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n"));
    let lines = lines.collect::<String>() + "connection: close\r\n";
    Wire::open(peer.address).await.get(path, &lines).await;
}

/// In which states the application was asked by one peer: of each row, of each of its spellings.
async fn asks_of(
    peer: &Peer,
    clock: &MovedClock,
    rows: &[Row],
    said: &Mutex<Said>,
) -> Vec<Vec<Asks>> {
    let mut cases = Vec::new();
    let mut asks: Vec<Vec<Asks>> = Vec::new();
    for (number, row) in rows.iter().enumerate() {
        let mut spelled = 0;
        for response in spellings(&row.response) {
            for request in spellings(&row.request) {
                for state in 0..STATES.len() {
                    let path = format!("/{number}/{spelled}/{state}/{}", peer.address.port());
                    let headers = at_present(&response);
                    said.lock().unwrap().headers.insert(path.clone(), headers);
                    let first = if row.same { request.clone() } else { Lines::new() };
                    let request = request.clone();
                    cases.push(Case { row: number, state, path, request, first });
                }
                spelled += 1;
            }
        }
        asks.push(vec![[false; 4]; spelled]);
    }
    let mut judge = async |case: &Case| {
        let asked = |path: &str| said.lock().unwrap().asked.get(path).copied().unwrap_or(0);
        let before = asked(&case.path);
        get(peer, &case.path, &case.request).await;
        let spelled: usize = case.path.split('/').nth(2).unwrap().parse().unwrap();
        asks[case.row][spelled][case.state] = asked(&case.path) > before;
    };
    let of = |state: usize| cases.iter().filter(move |case| case.state == state);
    // All at the same times: a cache has one clock.
    clock.set(0);
    for case in of(0) {
        judge(case).await;
    }
    for state in 1..4 {
        for case in of(state) {
            get(peer, &case.path, &case.first).await;
        }
    }
    clock.set(10);
    // nginx reads its clock once for each event.
    get(peer, "/clock", &Lines::new()).await;
    for case in of(1) {
        judge(case).await;
    }
    clock.set(10 + LIFE as i64);
    get(peer, "/clock", &Lines::new()).await;
    for case in of(2) {
        judge(case).await;
    }
    for case in of(3) {
        get(peer, &case.path, &case.first).await;
    }
    clock.set(20 + LIFE as i64);
    get(peer, "/clock", &Lines::new()).await;
    for case in of(3) {
        judge(case).await;
    }
    asks
}

#[tokio::test]
#[ignore = "needs nginx, varnish and a C compiler"]
async fn other_caches_do_what_the_suite_asks_for() {
    let folder = tempfile::tempdir().unwrap();
    let clock = MovedClock::new(folder.path());
    let said: Arc<Mutex<Said>> = Arc::default();
    let app = {
        let said = Arc::clone(&said);
        Router::new().fallback(move |request: Request<Body>| {
            let said = Arc::clone(&said);
            async move {
                let path = request.uri().path().to_owned();
                let mut said = said.lock().unwrap();
                *said.asked.entry(path.clone()).or_default() += 1;
                let headers = said.headers.get(&path).cloned().unwrap_or_default();
                let headers = [&[("etag", "\"v1\"")], &borrowed(&headers)[..]].concat();
                match request.headers().get("if-none-match").is_some_and(|tag| tag == "\"v1\"") {
                    true => response(304, &headers, ""),
                    false => response(200, &headers, "body"),
                }
            }
        })
    };
    let origin = serve(app).await;
    let rows = rows();
    let mut seen = Vec::new();
    for name in ["nginx", "varnish"] {
        clock.set(0);
        let peer = match name {
            "nginx" => nginx(folder.path(), &clock, origin).await,
            _ => varnish(folder.path(), &clock, origin).await,
        };
        seen.push(asks_of(&peer, &clock, &rows, &said).await);
    }
    let told =
        |asks: Asks| asks.map(|asked| if asked { 'a' } else { '-' }).iter().collect::<String>();
    let mut alone = Vec::new();
    let mut agree = [0; 2];
    for (number, row) in rows.iter().enumerate() {
        let same =
            [0, 1].map(|peer: usize| seen[peer][number].iter().all(|asks| *asks == row.asks));
        for peer in [0, 1] {
            agree[peer] += usize::from(same[peer]);
        }
        if !(same[0] && same[1]) {
            let first = [0, 1].map(|peer: usize| {
                let differs = seen[peer][number].iter().find(|asks| **asks != row.asks);
                told(*differs.unwrap_or(&row.asks))
            });
            println!(
                "{}, {}: the suite {}, nginx {}, varnish {}: {:?} to {:?}",
                row.test,
                row.what,
                told(row.asks),
                first[0],
                first[1],
                row.response,
                row.request
            );
        }
        // A state and a spelling at a time: one of the two does as the suite asks.
        for (one, other) in seen[0][number].iter().zip(&seen[1][number]) {
            for state in 0..STATES.len() {
                if one[state] != row.asks[state] && other[state] != row.asks[state] {
                    alone.push((row.test, row.what, STATES[state]));
                }
            }
        }
    }
    println!("{} rows; nginx agrees in {}, varnish in {}", rows.len(), agree[0], agree[1]);
    alone.dedup();
    for (test, what, _) in BEYOND_THE_PEERS {
        let before = alone.len();
        alone.retain(|(of, row, _)| (*of, *row) != (test, what));
        assert!(alone.len() < before, "a peer does it: {test}, {what}");
    }
    assert!(alone.is_empty(), "no other cache does it: {alone:#?}");
}
