//! Which requests does a stored response answer (RFC 9111, 4 to 4.2 and 5.2.1; RFC 5861)?

use axum::http::StatusCode;
use edgecask_tests::until;

use super::{Clock, Row, STATES, STORED, VALIDATED, date, lines, prepare, row, run, versioned};
use crate::http_cache::origin::options;

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

pub(super) fn freshness_rows() -> Vec<Row> {
    let (soon, past) = (date(100), date(-100));
    let with_date = |control, ago| vec![("cache-control", control), ("date", ago)];
    let (now, old) = (date(0), date(-95));
    vec![
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
    ]
}

#[tokio::test]
async fn rfc_9111_4_2_freshness() {
    run(freshness_rows()).await;
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

pub(super) fn stale_rows() -> Vec<Row> {
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
    rows
}

#[tokio::test]
async fn rfc_9111_4_2_4_stale_responses() {
    run(stale_rows()).await;
}

const LIFE_OF_100: (&str, &str) = ("cache-control", "max-age=100");

pub(super) fn request_rows() -> Vec<Row> {
    let (life, validated) = (LIFE_OF_100, VALIDATED);
    vec![
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
    ]
}

#[tokio::test]
async fn rfc_9111_5_2_1_what_a_client_asks() {
    let life = LIFE_OF_100;
    run(request_rows()).await;
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
