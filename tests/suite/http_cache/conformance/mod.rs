//! What RFC 9111 and RFC 9110, 13 and 15.4.5, ask of a shared cache: a test for each requirement, named by its section.
//!
//! `requirements.md` lists them all, with those that do not concern this cache; `requirements.rs` compares it with the tests.
//! Each test is run on a cold, a fresh, a stale and a revalidated entry, as far as they differ, and with its directives as
//! they stand, in capitals, and with a line for each. Time is simulated.

mod directives;
mod fields;
mod freshness;
mod head;
mod incomplete;
mod invalidation;
mod peers;
mod preconditions;
mod ranges;
mod requirements;
mod reuse;
mod storing;
mod updating;
mod validation;
mod vary;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::http::StatusCode;
use axum::http::request::Parts;
use edgecask::http_cache::HttpCacheOptions;

use super::origin::{Answer, Origin, options, response};

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
/// A response that is fresh for [`LIFE`].
const LIFE_OF_100: (&str, &str) = ("cache-control", "max-age=100");
const STATES: [&str; 4] = ["cold", "fresh", "stale", "revalidated"];
const COLD: usize = 0;
const FRESH: usize = 1;
const STALE: usize = 2;
const REVALIDATED: usize = 3;
const ALL: [usize; 4] = [COLD, FRESH, STALE, REVALIDATED];
/// Those in which something is stored.
const KEPT: [usize; 3] = [FRESH, STALE, REVALIDATED];
/// Those in which what is stored answers.
const VALID: [usize; 2] = [FRESH, REVALIDATED];

/// Brings an entry into a state; what is fresh is so for [`LIFE`] seconds, and 10 of them pass.
async fn prepare(origin: &Origin, clock: &Clock, state: usize, headers: &[(&str, &str)]) {
    if state >= FRESH {
        origin.get(headers).await;
        clock.advance(10);
    }
    if state >= STALE {
        clock.advance(LIFE);
    }
    if state >= REVALIDATED {
        origin.get(headers).await;
        clock.advance(10);
    }
}

/// An entry in one of the states, and a request for it in one of the spellings.
struct Entry {
    origin: Origin,
    state: usize,
    request: Lines,
    told: String,
}

impl Entry {
    /// The answer to the request, and whether the application was asked.
    async fn get(&self) -> (Answer, bool) {
        self.send("GET").await
    }

    async fn send(&self, method: &str) -> (Answer, bool) {
        let before = self.origin.asked();
        let answer = self.origin.send(method, "/", &borrowed(&self.request)).await;
        (answer, self.origin.asked() > before)
    }
}

/// Checks an entry in each of these states, with each spelling of the application's headers and of the request's. The
/// request that fills the cache has no headers.
async fn on_entries(
    states: &[usize],
    response: &[(&str, &str)],
    request: &[(&str, &str)],
    origin: impl Fn(Lines, &Clock) -> Origin,
    check: impl AsyncFn(Entry),
) {
    for response in spellings(&lines(response)) {
        for request in spellings(&lines(request)) {
            for (state, near) in states.iter().flat_map(|state| [(*state, false), (*state, true)]) {
                let clock = Clock::new();
                let told =
                    format!("{}, first tier: {near}: {response:?} to {request:?}", STATES[state]);
                let origin = origin(response.clone(), &clock);
                let origin = if near { origin.with_first_tier() } else { origin };
                prepare(&origin, &clock, state, &[]).await;
                check(Entry { origin, state, request: request.clone(), told }).await;
            }
        }
    }
}

/// [`versioned`] with the usual options.
fn plain(headers: Lines, clock: &Clock) -> Origin {
    versioned(headers, clock, options())
}

/// Whether the application is asked, in each of the four states.
type Asks = [bool; 4];
const NEVER_STORED: Asks = [true; 4];
const STORED: Asks = [true, false, true, false];
const VALIDATED: Asks = [true; 4];

/// A response and a request, and in which states the application is asked.
struct Row {
    /// The name of the test.
    test: &'static str,
    what: &'static str,
    response: Lines,
    request: Lines,
    /// The request that fills the cache has the same headers.
    same: bool,
    asks: Asks,
}

fn row(
    test: &'static str,
    what: &'static str,
    response: &[(&str, &str)],
    request: &[(&str, &str)],
    asks: Asks,
) -> Row {
    Row { test, what, response: lines(response), request: lines(request), same: false, asks }
}

/// All rows.
fn rows() -> Vec<Row> {
    [storing::rows(), freshness::rows(), directives::rows(), fields::rows()]
        .into_iter()
        .flatten()
        .collect()
}

/// A test for each of these names, of the rows that belong to it.
macro_rules! tests_of_rows {
    ($rows:expr; $($name:ident),+ $(,)?) => {
        $(#[tokio::test]
        async fn $name() {
            super::run($rows, stringify!($name)).await;
        })+
    };
}
use tests_of_rows;

async fn run(rows: Vec<Row>, test: &str) {
    let mut ran = 0;
    for Row { what, response, request, same, asks, .. } in
        rows.into_iter().filter(|row| row.test == test)
    {
        ran += 1;
        for response in spellings(&response) {
            for request in spellings(&request) {
                for (state, near) in (0..4).flat_map(|state| [(state, false), (state, true)]) {
                    let asks = &asks[state];
                    let clock = Clock::new();
                    let origin = plain(response.clone(), &clock);
                    let origin = if near { origin.with_first_tier() } else { origin };
                    let headers = borrowed(&request);
                    prepare(&origin, &clock, state, if same { &headers } else { &[] }).await;
                    let before = origin.asked();
                    let answer = origin.get(&headers).await;
                    let told = format!(
                        "{what}, {}, first tier: {near}: {response:?} to {request:?}",
                        STATES[state]
                    );
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
    assert!(ran > 0, "{test} has no rows");
}
