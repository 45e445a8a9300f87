//! What RFC 9111 and RFC 9110, 13 and 15.4.5, ask of a shared cache, section by section.
//!
//! Each row of a table is run on a cold, a fresh, a stale and a revalidated entry, and with its `Cache-Control` as it
//! stands, in capitals, and with a line for each directive. Time is simulated.
#![allow(clippy::needless_range_loop)] // A state is a number and a name.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::http::StatusCode;
use axum::http::request::Parts;
use edgecask::http_cache::HttpCacheOptions;
use edgecask_tests::until;

use super::origin::{Answer, Origin, options, response};

/// Seconds since the Unix epoch, when a test begins.
const START: u64 = 1_800_000_000;

/// A clock that stands still until it is moved.
#[derive(Clone)]
pub(super) struct Clock(Arc<AtomicU64>);

impl Clock {
    pub(super) fn new() -> Self {
        Self(Arc::new(AtomicU64::new(START)))
    }

    pub(super) fn advance(&self, seconds: u64) {
        self.0.fetch_add(seconds, Ordering::SeqCst);
    }

    pub(super) fn now(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }

    pub(super) fn on(&self, options: HttpCacheOptions) -> HttpCacheOptions {
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

struct Row {
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

#[tokio::test]
async fn rfc_9111_3_storing_responses() {
    let life = ("cache-control", "max-age=100");
    let mut rows = vec![
        row(
            "3 and 5.2.2.5, no-store",
            &[("cache-control", "max-age=100, no-store")],
            &[],
            NEVER_STORED,
        ),
        row(
            "3 and 5.2.2.7, private",
            &[("cache-control", "max-age=100, private")],
            &[],
            NEVER_STORED,
        ),
        row(
            "5.2.2.7, private with names",
            &[("cache-control", "max-age=100, private=\"x\"")],
            &[],
            NEVER_STORED,
        ),
        row("3, explicit", &[life], &[], STORED),
        row("3, Expires", &[("expires", &date(100))], &[], [true, false, true, true]),
        row("5.2.2.9, public alone is not fresh", &[("cache-control", "public")], &[], VALIDATED),
        row(
            "5.2.2.3, must-understand",
            &[("cache-control", "max-age=100, must-understand, no-store")],
            &[],
            STORED,
        ),
        row(
            "5.2.3, unknown directives",
            &[("cache-control", "max-age=100, unknown, other=1")],
            &[],
            STORED,
        ),
        row(
            "5.2.3, names inside of values",
            &[("cache-control", "max-age=100, other=\"no-store, private\"")],
            &[],
            STORED,
        ),
    ];
    for (opened, asks) in [
        ("max-age=100", NEVER_STORED),
        ("max-age=100, public", STORED),
        ("max-age=100, must-revalidate", STORED),
        ("s-maxage=100", STORED),
    ] {
        let authorized = ("authorization", "Basic YTpi");
        let mut row = row("3.5, Authorization", &[("cache-control", opened)], &[authorized], asks);
        row.same = true;
        rows.push(row);
    }
    run(rows).await;
}

#[tokio::test]
async fn rfc_9111_3_status_codes() {
    let modified = date(-100_000);
    for status in 200..600 {
        let informed =
            matches!(status, 200 | 203 | 204 | 300 | 301 | 308 | 404 | 405 | 410 | 414 | 501);
        let never = matches!(status, 206 | 304);
        // Every hundredth status, and those of which something is said.
        if !(informed || never || status % 100 < 18) {
            continue;
        }
        for (headers, stored) in [
            (vec![("cache-control", "max-age=100")], !never),
            (vec![("last-modified", modified.as_str())], informed),
            (
                vec![("cache-control", "max-age=100, must-understand")],
                informed || matches!(status, 302 | 303 | 307),
            ),
            (vec![("x-nothing", "said")], false),
        ] {
            let told = format!("{status} with {headers:?}");
            let headers = lines(&headers);
            let origin = Origin::with(Clock::new().on(options()), move |_, _| {
                response(
                    status,
                    &borrowed(&headers),
                    if status == 204 || status == 304 { "" } else { "body" },
                )
            });
            let first = origin.get(&[]).await;
            let second = origin.get(&[]).await;
            if status != 304 {
                assert_eq!(
                    (first.status.as_u16(), second.status.as_u16()),
                    (status, status),
                    "{told}"
                );
            }
            assert_eq!((second.hit(), first.body == second.body), (stored, true), "{told}");
        }
    }
}

#[tokio::test]
async fn rfc_9111_3_1_headers_of_the_connection_are_not_stored() {
    let clock = Clock::new();
    let headers = lines(&[
        ("cache-control", "max-age=100"),
        ("connection", "close, X-Hop"),
        ("x-hop", "1"),
        ("keep-alive", "timeout=5"),
        ("proxy-authenticate", "Basic"),
        ("te", "trailers"),
        ("x-end-to-end", "1"),
    ]);
    let origin = versioned(headers, &clock, options());
    for state in [1, 3] {
        prepare(&origin, &clock, state, &[]).await;
        let answer = origin.get(&[]).await;
        assert!(answer.hit());
        for name in ["connection", "x-hop", "keep-alive", "proxy-authenticate", "te"] {
            assert_eq!(answer.header(name), "", "{name}");
        }
        assert_eq!(answer.header("x-end-to-end"), "1");
        // RFC 9110, 6.6.1: a date is added where there is none.
        assert!(httpdate::parse_http_date(&answer.header("date")).is_ok());
    }
}

#[tokio::test]
async fn rfc_9111_3_2_a_304_updates_what_is_stored() {
    let clock = Clock::new();
    let origin = Origin::with(clock.on(options()), |_, number| match number {
        1 => response(
            200,
            &[
                ("cache-control", "max-age=100"),
                ("etag", "\"v1\""),
                ("content-type", "text/plain"),
                ("x-old", "stays"),
                ("x-both", "1"),
                ("x-both", "2"),
            ],
            "body",
        ),
        _ => response(
            304,
            &[
                ("cache-control", "max-age=50"),
                ("etag", "\"v1\""),
                ("content-length", "0"),
                ("content-type", "text/html"),
                ("x-both", "3"),
                ("x-both", "4"),
                ("x-new", "new"),
                ("set-cookie", "session=1"),
            ],
            "",
        ),
    });
    origin.get(&[]).await;
    clock.advance(200);
    let validated = origin.get(&[]).await;
    assert_eq!(validated.header("set-cookie"), "session=1");
    clock.advance(40);
    let hit = origin.get(&[]).await;
    assert!(hit.hit() && hit.header("set-cookie").is_empty());
    for answer in [validated, hit] {
        assert_eq!((answer.status, answer.text()), (StatusCode::OK, "body"));
        assert_eq!(answer.header("x-old"), "stays");
        assert_eq!(answer.header("x-both"), "3, 4");
        assert_eq!(answer.header("x-new"), "new");
        assert_eq!(answer.header("content-type"), "text/plain");
        assert_eq!(answer.header("content-length"), "4");
        assert_eq!(answer.header("cache-control"), "max-age=50");
    }
    clock.advance(20);
    assert!(!origin.get(&[]).await.hit(), "the new lifetime counts");
}

#[tokio::test]
async fn rfc_9111_4_methods() {
    let clock = Clock::new();
    let origin = versioned(lines(&[("cache-control", "max-age=100")]), &clock, options());
    prepare(&origin, &clock, 1, &[]).await;
    let head = origin.send("HEAD", "/", &[]).await;
    assert!(head.hit() && head.body.is_empty() && head.header("content-length") == "4");
    for method in ["POST", "PUT", "OPTIONS"] {
        let asked = origin.asked();
        assert!(!origin.send(method, "/", &[]).await.hit(), "{method}");
        assert_eq!(origin.asked(), asked + 1, "{method} is written through");
    }
}

#[tokio::test]
async fn rfc_9111_4_1_vary() {
    // The names in Vary, the request that is stored, another request, and whether that is answered by what is stored.
    for (vary, one, other, hit) in [
        (vec!["*"], vec![], vec![], false),
        (vec!["accept, *"], vec![], vec![], false),
        (vec!["x-a"], vec![], vec![], true),
        (vec!["X-A"], vec![("x-a", "1")], vec![("X-A", "1")], true),
        (vec!["x-a"], vec![("x-a", "1")], vec![("x-a", "2")], false),
        (vec!["x-a"], vec![("x-a", "1")], vec![], false),
        (vec!["x-a"], vec![], vec![("x-a", "")], false),
        (vec!["x-a"], vec![("x-a", "1")], vec![("x-a", "1"), ("x-b", "2")], true),
        (vec!["x-a, x-b"], vec![("x-a", "1")], vec![("x-a", "1"), ("x-b", "2")], false),
        (vec!["x-a", "x-b"], vec![("x-a", "1")], vec![("x-a", "1"), ("x-b", "2")], false),
        (vec!["x-a"], vec![("x-a", "1"), ("x-a", "2")], vec![("x-a", "1, 2")], true),
        (vec!["x-a"], vec![("x-a", "1"), ("x-a", "2")], vec![("x-a", "2"), ("x-a", "1")], false),
        (
            vec!["accept-language"],
            vec![("accept-language", "de,en")],
            vec![("accept-language", "de , en")],
            true,
        ),
    ] {
        for revalidated in [false, true] {
            let told = format!("{vary:?}: {one:?}, {other:?}");
            let mut headers = lines(&[("cache-control", "max-age=100")]);
            headers.extend(vary.iter().map(|value| ("vary".to_owned(), (*value).to_owned())));
            let clock = Clock::new();
            let origin = versioned(headers, &clock, options());
            prepare(&origin, &clock, if revalidated { 3 } else { 1 }, &one).await;
            assert_eq!(origin.get(&other).await.hit(), hit, "{told}");
            assert_eq!(origin.get(&one).await.hit(), !vary[0].contains('*'), "{told}");
        }
    }
}

#[tokio::test]
async fn rfc_9111_4_2_freshness() {
    let (soon, past) = (date(100), date(-100));
    let with_date = |control, ago| vec![("cache-control", control), ("date", ago)];
    let (now, old) = (date(0), date(-95));
    run(vec![
        row(
            "4.2.1, s-maxage",
            &[("cache-control", "s-maxage=100, max-age=1"), ("expires", &past)],
            &[],
            STORED,
        ),
        row("4.2.1, max-age", &[("cache-control", "max-age=100"), ("expires", &past)], &[], STORED),
        row(
            "4.2.1, Expires of no effect",
            &[("cache-control", "max-age=1"), ("expires", &soon)],
            &[],
            VALIDATED,
        ),
        row(
            "4.2.1, the first or none",
            &[("cache-control", "max-age=100, max-age=1")],
            &[],
            VALIDATED,
        ),
        row("4.2.1, no number", &[("cache-control", "max-age=100s")], &[], VALIDATED),
        row("4.2.1, a number below zero", &[("cache-control", "max-age=-100")], &[], VALIDATED),
        row("5.2.2.1, a quoted number", &[("cache-control", "max-age=\"100\"")], &[], STORED),
        row("5.3, no date", &[("expires", "0")], &[], VALIDATED),
        row("5.3, two dates", &[("expires", &soon), ("expires", &past)], &[], VALIDATED),
        row("4.2.3, Date now", &with_date("max-age=100", &now), &[], [true, false, true, true]),
        row("4.2.3, Date long ago", &with_date("max-age=100", &old), &[], VALIDATED),
        row("4.2.3, Age", &[("cache-control", "max-age=100"), ("age", "95")], &[], VALIDATED),
        row(
            "5.1, the first Age",
            &[("cache-control", "max-age=100"), ("age", "0, 95")],
            &[],
            STORED,
        ),
        row("5.1, no age", &[("cache-control", "max-age=100"), ("age", "old")], &[], STORED),
        row(
            "1.2.2, a large number",
            &[("cache-control", "max-age=99999999999999999999")],
            &[],
            [true, false, false, false],
        ),
    ])
    .await;
    // RFC 9111, 4.2.2: a tenth of the time since it was changed, and a day at the most.
    for (modified, fresh_for) in [(-1000, 100), (-100_000_000, 24 * 3600)] {
        let clock = Clock::new();
        let origin = versioned(lines(&[("last-modified", &date(modified))]), &clock, options());
        origin.get(&[]).await;
        clock.advance(fresh_for - 1);
        let answer = origin.get(&[]).await;
        assert_eq!((answer.hit(), answer.header("age")), (true, (fresh_for - 1).to_string()));
        clock.advance(2);
        assert!(!origin.get(&[]).await.hit());
    }
}

#[tokio::test]
async fn rfc_9111_4_2_4_stale_responses() {
    let stale = ("cache-control", "max-stale");
    let much = ("cache-control", "max-stale=1000");
    let little = ("cache-control", "max-stale=5");
    let fine = [true, false, false, false];
    let mut rows = vec![
        row("5.2.1.2, max-stale", &[("cache-control", "max-age=100")], &[stale], fine),
        row("5.2.1.2, max-stale", &[("cache-control", "max-age=100")], &[much], fine),
        row("5.2.1.2, max-stale", &[("cache-control", "max-age=100")], &[little], STORED),
    ];
    for strict in ["max-age=100, must-revalidate", "max-age=100, proxy-revalidate", "s-maxage=100"]
    {
        rows.push(row("4.2.4", &[("cache-control", strict)], &[stale], STORED));
    }
    rows.push(row(
        "5.2.2.4, no-cache",
        &[("cache-control", "max-age=100, no-cache")],
        &[stale],
        VALIDATED,
    ));
    rows.push(row(
        "5.2.2.4, with names",
        &[("cache-control", "max-age=100, no-cache=\"x\"")],
        &[],
        VALIDATED,
    ));
    run(rows).await;
}

#[tokio::test]
async fn rfc_9111_5_2_1_what_a_client_asks() {
    let life = ("cache-control", "max-age=100");
    let validated = [true, true, true, true];
    run(vec![
        row("5.2.1.4, no-cache", &[life], &[("cache-control", "no-cache")], validated),
        row("5.2.1.1, max-age", &[life], &[("cache-control", "max-age=0")], validated),
        row("5.2.1.1, max-age", &[life], &[("cache-control", "max-age=5")], validated),
        row("5.2.1.1, max-age", &[life], &[("cache-control", "max-age=50")], STORED),
        row("5.2.1.3, min-fresh", &[life], &[("cache-control", "min-fresh=50")], STORED),
        row("5.2.1.3, min-fresh", &[life], &[("cache-control", "min-fresh=95")], validated),
        row("5.2.1.5, no-store", &[life], &[("cache-control", "no-store")], STORED),
        row("5.2.1.6, no-transform", &[life], &[("cache-control", "no-transform")], STORED),
        row("5.4, Pragma", &[life], &[("pragma", "no-cache")], validated),
        row(
            "5.4, Pragma beside",
            &[life],
            &[("pragma", "no-cache"), ("cache-control", "max-age=50")],
            STORED,
        ),
    ])
    .await;
    // RFC 9111, 5.2.1.5: nothing of such a request is stored.
    let clock = Clock::new();
    let origin = versioned(lines(&[life]), &clock, options());
    origin.get(&[("cache-control", "no-store")]).await;
    assert!(!origin.get(&[]).await.hit());
    // RFC 9111, 5.2.1.7.
    for state in 0..4 {
        let clock = Clock::new();
        let origin = versioned(lines(&[life]), &clock, options());
        prepare(&origin, &clock, state, &[]).await;
        let before = origin.asked();
        let answer = origin.get(&[("cache-control", "only-if-cached")]).await;
        let expected = if state % 2 == 1 { StatusCode::OK } else { StatusCode::GATEWAY_TIMEOUT };
        assert_eq!((answer.status, origin.asked()), (expected, before), "{}", STATES[state]);
    }
}

#[tokio::test]
async fn rfc_9111_4_3_validation() {
    let modified = date(-1000);
    // 4.3.1: what it asks by.
    for (validators, condition) in [
        (vec![("etag", "\"v1\"")], "if-none-match"),
        (vec![("etag", "W/\"v1\"")], "if-none-match"),
        (vec![("last-modified", modified.as_str())], "if-modified-since"),
    ] {
        let clock = Clock::new();
        let value = validators[0].1.to_owned();
        let headers = lines(&[&validators[..], &[("cache-control", "max-age=100")]].concat());
        let origin = Origin::with(clock.on(options()), move |_, _| {
            response(200, &borrowed(&headers), "body")
        });
        prepare(&origin, &clock, 2, &[]).await;
        origin.get(&[]).await;
        assert_eq!(origin.last_seen().headers[condition], value);
    }
    // 4.3.3: another response takes its place; a failure does not unless nothing may help.
    for (control, status, expected) in [
        ("max-age=100", 200, (200, "new")),
        ("max-age=100", 404, (404, "new")),
        ("max-age=100", 503, (503, "new")),
        ("max-age=100, stale-if-error=1000", 503, (200, "old")),
        ("max-age=100, stale-if-error=5", 503, (503, "new")),
        ("max-age=100, stale-if-error=1000, must-revalidate", 503, (503, "new")),
    ] {
        let clock = Clock::new();
        let origin = Origin::with(clock.on(options()), move |_, number| {
            let headers = [
                ("cache-control", control),
                ("etag", if number == 1 { "\"v1\"" } else { "\"v2\"" }),
            ];
            match number {
                1 => response(200, &headers, "old"),
                _ => response(status, &headers[usize::from(status == 503)..], "new"),
            }
        });
        prepare(&origin, &clock, 2, &[]).await;
        let answer = origin.get(&[]).await;
        assert_eq!((answer.status.as_u16(), answer.text()), expected, "{control} {status}");
        let again = origin.get(&[]).await;
        assert_eq!(again.hit(), status != 503, "{control} {status}");
    }
    // 4.3.5: a HEAD that shows another response.
    for (tag, kept) in [("\"v1\"", true), ("\"v2\"", false)] {
        let clock = Clock::new();
        let origin = Origin::with(clock.on(options()), move |head, _| match head.method.as_str() {
            "HEAD" => response(200, &[("cache-control", "max-age=100"), ("etag", tag)], ""),
            _ => response(200, &[("cache-control", "max-age=100"), ("etag", "\"v1\"")], "body"),
        });
        prepare(&origin, &clock, 1, &[]).await;
        origin.send("HEAD", "/", &[("cache-control", "no-cache")]).await;
        assert_eq!(origin.get(&[]).await.hit(), kept, "{tag}");
    }
}

#[tokio::test]
async fn rfc_9111_4_3_2_conditions_of_clients() {
    let (modified, before, after) = (date(-1000), date(-2000), date(-500));
    let headers = lines(&[("cache-control", "max-age=100"), ("last-modified", &modified)]);
    for (condition, has) in [
        (vec![("if-none-match", "\"v1\"")], true),
        (vec![("if-none-match", "W/\"v1\"")], true),
        (vec![("if-none-match", "\"v0\""), ("if-none-match", "\"v1\"")], true),
        (vec![("if-none-match", "*")], true),
        (vec![("if-none-match", "\"v0\"")], false),
        (vec![("if-none-match", "v1")], false),
        (vec![("if-modified-since", modified.as_str())], true),
        (vec![("if-modified-since", after.as_str())], true),
        (vec![("if-modified-since", before.as_str())], false),
        (vec![("if-none-match", "\"v0\""), ("if-modified-since", modified.as_str())], false),
    ] {
        for state in 1..4 {
            let clock = Clock::new();
            let origin = versioned(headers.clone(), &clock, options());
            prepare(&origin, &clock, state, &[]).await;
            let answer = origin.get(&condition).await;
            let told = format!("{condition:?}, {}", STATES[state]);
            assert_eq!(answer.status.as_u16(), if has { 304 } else { 200 }, "{told}");
            assert_eq!(answer.text(), if has { "" } else { "body" }, "{told}");
            // RFC 9110, 15.4.5: what a 200 would have had.
            for name in ["etag", "date", "cache-control"] {
                assert_ne!(answer.header(name), "", "{told}: {name}");
            }
            assert!(!(answer.headers.contains_key("content-length") && has), "{told}");
        }
    }
}

#[tokio::test]
async fn rfc_9110_13_1_conditions_that_are_the_applications() {
    for name in ["if-match", "if-unmodified-since"] {
        for state in 0..4 {
            let clock = Clock::new();
            let origin = versioned(lines(&[("cache-control", "max-age=100")]), &clock, options());
            prepare(&origin, &clock, state, &[]).await;
            let before = origin.asked();
            let value = if name == "if-match" { "\"v1\"".to_owned() } else { date(0) };
            let answer = origin.get(&[(name, &value)]).await;
            assert_eq!(origin.asked(), before + 1, "{name}, {}", STATES[state]);
            assert_eq!(origin.last_seen().headers[name], value);
            assert_eq!(answer.header("cache-status"), "edgecask; fwd=bypass");
        }
    }
}

#[tokio::test]
async fn rfc_9110_14_ranges_of_a_stored_response() {
    let clock = Clock::new();
    let origin = versioned(lines(&[("cache-control", "max-age=100")]), &clock, options());
    prepare(&origin, &clock, 1, &[]).await;
    for (request, status, body, range) in [
        (vec![("range", "bytes=1-2")], 206, "od", "bytes 1-2/4"),
        (vec![("range", "bytes=-1")], 206, "y", "bytes 3-3/4"),
        (vec![("range", "bytes=4-")], 416, "", "bytes */4"),
        (vec![("range", "bytes=0-0,2-2")], 200, "body", ""),
        (vec![("range", "bytes=1-2"), ("if-range", "\"v1\"")], 206, "od", "bytes 1-2/4"),
        (vec![("range", "bytes=1-2"), ("if-range", "W/\"v1\"")], 200, "body", ""),
        (vec![("range", "bytes=1-2"), ("if-range", "\"v0\"")], 200, "body", ""),
        (vec![("range", "bytes=1-2"), ("if-none-match", "\"v1\"")], 304, "", ""),
    ] {
        let answer = origin.get(&request).await;
        assert_eq!((answer.status.as_u16(), answer.text()), (status, body), "{request:?}");
        assert_eq!(answer.header("content-range"), range, "{request:?}");
    }
    assert_eq!(origin.asked(), 1);
    assert_eq!(origin.send("HEAD", "/", &[("range", "bytes=1-2")]).await.status, StatusCode::OK);
}

#[tokio::test]
async fn rfc_9111_4_4_invalidation() {
    // The method, what the application says to it, and which of `/`, `/a/b` and `/a/c` are still stored.
    let all = [true, true, true];
    for (method, status, named, kept) in [
        ("POST", 200, vec![], [false, true, true]),
        ("DELETE", 204, vec![], [false, true, true]),
        ("PUT", 302, vec![], [false, true, true]),
        ("UNKNOWN", 200, vec![], [false, true, true]),
        ("POST", 404, vec![("location", "/a/b")], all),
        ("POST", 500, vec![], all),
        ("OPTIONS", 200, vec![], all),
        ("QUERY", 200, vec![], all),
        ("POST", 201, vec![("location", "/a/b")], [false, false, true]),
        ("POST", 201, vec![("content-location", "a/c")], [false, true, false]),
        (
            "POST",
            201,
            vec![("location", "http://EXAMPLE.org/a/b"), ("content-location", "/x/../a/c")],
            [false, false, false],
        ),
        ("POST", 201, vec![("location", "http://other.example/a/b")], [false, true, true]),
        ("POST", 201, vec![("location", "//other.example/a/b")], [false, true, true]),
    ] {
        let told = format!("{method} {status} {named:?}");
        let named = lines(&named);
        let origin = Origin::new(move |head, _| match head.method.as_str() {
            "GET" => response(200, &[("cache-control", "max-age=100")], "body"),
            _ => response(status, &borrowed(&named), ""),
        });
        let paths = ["/", "/a/b", "/a/c"];
        for path in paths {
            origin.send("GET", path, &[]).await;
        }
        origin.send(method, "/", &[]).await;
        for (path, kept) in paths.iter().zip(kept) {
            assert_eq!(origin.send("GET", path, &[]).await.hit(), kept, "{told}: {path}");
        }
    }
}

#[tokio::test]
async fn rfc_5861_stale_while_revalidate() {
    let clock = Clock::new();
    let control = lines(&[("cache-control", "max-age=100, stale-while-revalidate=100")]);
    let origin = versioned(control, &clock, options());
    prepare(&origin, &clock, 2, &[]).await;
    let stale = origin.get(&[]).await;
    assert_eq!(stale.header("cache-status"), "edgecask; hit; ttl=-10; detail=stale");
    until(async || origin.get(&[]).await.header("cache-status").contains("ttl=100")).await;
    // The refresh asks by what it has.
    assert_eq!(
        (origin.asked(), &origin.last_seen().headers["if-none-match"]),
        (2, &"\"v1\"".parse().unwrap())
    );
    clock.advance(250);
    assert!(!origin.get(&[]).await.hit(), "beyond its window");
}

#[tokio::test]
async fn rfc_9211_cache_status() {
    let clock = Clock::new();
    let headers = lines(&[("cache-control", "max-age=100"), ("vary", "x-a")]);
    let origin = versioned(headers, &clock, options());
    let status = |answer: Answer| answer.header("cache-status");
    assert_eq!(status(origin.get(&[]).await), "edgecask; fwd=uri-miss; stored");
    assert_eq!(status(origin.get(&[]).await), "edgecask; hit; ttl=100");
    clock.advance(30);
    assert_eq!(status(origin.get(&[]).await), "edgecask; hit; ttl=70");
    assert_eq!(status(origin.get(&[("x-a", "1")]).await), "edgecask; fwd=vary-miss; stored");
    let reload = [("cache-control", "no-cache")];
    assert_eq!(status(origin.get(&reload).await), "edgecask; fwd=request; fwd-status=304");
    clock.advance(200);
    assert_eq!(status(origin.get(&[]).await), "edgecask; fwd=stale; fwd-status=304");
    assert_eq!(status(origin.send("POST", "/", &[]).await), "edgecask; fwd=method");
    assert_eq!(status(origin.get(&[("upgrade", "x")]).await), "edgecask; fwd=bypass");
}

#[tokio::test]
async fn rfc_9213_targeted_fields() {
    let named = || options().targeted(["cdn-cache-control".parse().unwrap()]);
    for (headers, hit) in [
        (vec![("cdn-cache-control", "max-age=100"), ("cache-control", "no-store")], true),
        (vec![("cdn-cache-control", "no-store"), ("cache-control", "max-age=100")], false),
        (vec![("cdn-cache-control", ""), ("cache-control", "max-age=100")], true),
        (vec![("cdn-cache-control", "max-age=100"), ("expires", "0")], true),
    ] {
        let clock = Clock::new();
        let origin = versioned(lines(&headers), &clock, named());
        origin.get(&[]).await;
        clock.advance(10);
        let answer = origin.get(&[]).await;
        assert_eq!(answer.hit(), hit, "{headers:?}");
        assert_eq!(answer.header("cdn-cache-control"), headers[0].1, "it is passed on");
    }
    // Without the option it says nothing.
    let clock = Clock::new();
    let headers = [("cdn-cache-control", "max-age=100"), ("cache-control", "no-store")];
    let origin = versioned(lines(&headers), &clock, options());
    origin.get(&[]).await;
    assert!(!origin.get(&[]).await.hit());
}

#[tokio::test]
async fn headers_that_are_named_belong_to_the_key() {
    let named = options().vary_on(["x-forwarded-host".parse().unwrap()]);
    let origin = Origin::with(named, |head, _| {
        let host = head.headers.get("x-forwarded-host").map_or("-", |host| host.to_str().unwrap());
        response(200, &[("cache-control", "max-age=100")], host.to_owned())
    });
    assert_eq!(origin.get(&[("x-forwarded-host", "evil.example")]).await.text(), "evil.example");
    assert_eq!(origin.get(&[]).await.text(), "-");
    assert!(origin.get(&[]).await.hit());
    // A write reaches all of them.
    origin.send("POST", "/", &[]).await;
    assert!(!origin.get(&[("x-forwarded-host", "evil.example")]).await.hit());
}
