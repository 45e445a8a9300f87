//! How is a stored response validated and freshened, and how are conditions of clients answered (RFC 9111, 3.2 and 4.3; RFC 9110, 13)?

use axum::http::StatusCode;

use super::{Clock, STATES, borrowed, date, lines, prepare, versioned};
use crate::http_cache::origin::{Origin, options, response};

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
