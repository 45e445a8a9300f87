//! What RFC 9111 and RFC 9110, 13 and 15.4.5, ask of a shared cache, section by section.
//!
//! Each row of a table is run on a cold, a fresh, a stale and a revalidated entry, and with its `Cache-Control` as it
//! stands, in capitals, and with a line for each directive. Time is simulated.
#![allow(clippy::needless_range_loop)] // A state is a number and a name.

mod fields;
mod invalidation;
mod peers;
mod ranges;
mod reuse;
mod storing;
mod validation;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::http::StatusCode;
use axum::http::request::Parts;
use edgecask::http_cache::HttpCacheOptions;

use super::origin::{Origin, options, response};

/// Seconds since the Unix epoch, when a test begins.
const START: u64 = 1_800_000_000;

/// A clock that stands still until it is moved.
#[derive(Clone)]
pub(in crate::http_cache) struct Clock(Arc<AtomicU64>);

impl Clock {
    pub(in crate::http_cache) fn new() -> Self {
        Self(Arc::new(AtomicU64::new(START)))
    }

    pub(in crate::http_cache) fn advance(&self, seconds: u64) {
        self.0.fetch_add(seconds, Ordering::SeqCst);
    }

    pub(in crate::http_cache) fn now(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }

    pub(in crate::http_cache) fn on(&self, options: HttpCacheOptions) -> HttpCacheOptions {
        let clock = self.clone();
        options.clock(move || Duration::from_secs(clock.now()))
    }
}

/// A date in relation to the beginning of a test.
fn date(seconds: i64) -> String {
    let at = START.checked_add_signed(seconds).unwrap();
    httpdate::fmt_http_date(std::time::UNIX_EPOCH + Duration::from_secs(at))
}

type Lines = Vec<(String, String)>;

fn lines(headers: &[(&str, &str)]) -> Lines {
    headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn borrowed(lines: &Lines) -> Vec<(&str, &str)> {
    lines.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

/// Three ways to write the same.
fn spellings(headers: &Lines) -> [Lines; 3] {
    let control = |name: &str| name.contains("control") || name == "pragma";
    let capitals = headers.iter().map(|(name, value)| match control(name) {
        true => (name.clone(), value.to_ascii_uppercase()),
        false => (name.clone(), value.clone()),
    });
    let split =
        headers.iter().flat_map(|(name, value)| match control(name) && !value.contains('"') {
            true => value.split(',').map(|part| (name.clone(), part.trim().to_owned())).collect(),
            false => vec![(name.clone(), value.clone())],
        });
    [headers.clone(), capitals.collect(), split.collect()]
}

/// An application that knows one version, and says 304 to who has it.
fn versioned(headers: Lines, clock: &Clock, options: HttpCacheOptions) -> Origin {
    Origin::with(clock.on(options), move |head: &Parts, _| {
        let headers = borrowed(&headers);
        match head.headers.get("if-none-match").is_some_and(|tag| tag == "\"v1\"") {
            true => response(304, &[&[("etag", "\"v1\"")], &headers[..]].concat(), ""),
            false => response(200, &[&[("etag", "\"v1\"")], &headers[..]].concat(), "body"),
        }
    })
}

const LIFE: u64 = 100;
const STATES: [&str; 4] = ["cold", "fresh", "stale", "revalidated"];

/// Brings an entry into a state; what is fresh is so for [`LIFE`] seconds, and 10 of them pass.
async fn prepare(origin: &Origin, clock: &Clock, state: usize, headers: &[(&str, &str)]) {
    if state >= 1 {
        origin.get(headers).await;
        clock.advance(10);
    }
    if state >= 2 {
        clock.advance(LIFE);
    }
    if state >= 3 {
        origin.get(headers).await;
        clock.advance(10);
    }
}

/// Whether the application is asked, in each of the four states.
type Asks = [bool; 4];
const NEVER_STORED: Asks = [true; 4];
const STORED: Asks = [true, false, true, false];
const VALIDATED: Asks = [true; 4];

pub(super) struct Row {
    section: &'static str,
    response: Lines,
    request: Lines,
    /// The request that fills the cache has the same headers.
    same: bool,
    asks: Asks,
}

fn row(
    section: &'static str,
    response: &[(&str, &str)],
    request: &[(&str, &str)],
    asks: Asks,
) -> Row {
    Row { section, response: lines(response), request: lines(request), same: false, asks }
}

async fn run(rows: Vec<Row>) {
    for Row { section, response, request, same, asks } in rows {
        for response in spellings(&response) {
            for request in spellings(&request) {
                for (state, asks) in asks.iter().enumerate() {
                    let clock = Clock::new();
                    let origin = versioned(response.clone(), &clock, options());
                    let headers = borrowed(&request);
                    prepare(&origin, &clock, state, if same { &headers } else { &[] }).await;
                    let before = origin.asked();
                    let answer = origin.get(&headers).await;
                    let told = format!("{section}, {}: {response:?} to {request:?}", STATES[state]);
                    assert_eq!((answer.status, answer.text()), (StatusCode::OK, "body"), "{told}");
                    let asked = origin.asked() > before;
                    assert_eq!(asked, *asks, "{told}: {}", answer.header("cache-status"));
                    assert_eq!(answer.hit(), !asked, "{told}");
                    // RFC 9111, 5.1: what is not validated has an age.
                    if !response.iter().any(|(name, _)| name == "age") {
                        assert_eq!(answer.headers.contains_key("age"), !asked, "{told}");
                    }
                }
            }
        }
    }
}
