//! How old is a stored response, and how long is it fresh (RFC 9111, 1.2.2, 4.2, 5.1 and 5.3)?

use axum::http::StatusCode;

use super::{
    Clock, FRESH, LIFE_OF_100, REVALIDATED, Row, STALE, STATES, STORED, VALIDATED, date, lines,
    plain, prepare, row, tests_of_rows,
};
use crate::http_cache::origin::{Origin, options, response};

pub(super) fn rows() -> Vec<Row> {
    let (soon, past) = (date(100), date(-100));
    let with_date = |control, ago| vec![("cache-control", control), ("date", ago)];
    let (now, old) = (date(0), date(-95));
    let (lifetime, age) = ("rfc_9111_4_2_1_lifetime", "rfc_9111_4_2_3_age");
    let (expires, first) = ("rfc_9111_5_3_expires_beside_max_age", "rfc_9111_5_1_age");
    let invalid = "rfc_9111_5_3_invalid_dates";
    vec![
        row(
            expires,
            "s-maxage first",
            &[("cache-control", "s-maxage=100, max-age=1"), ("expires", &past)],
            &[],
            STORED,
        ),
        row(expires, "max-age first", &[LIFE_OF_100, ("expires", &past)], &[], STORED),
        row(
            expires,
            "Expires of no effect",
            &[("cache-control", "max-age=1"), ("expires", &soon)],
            &[],
            VALIDATED,
        ),
        row(
            lifetime,
            "the first or none",
            &[("cache-control", "max-age=100, max-age=1")],
            &[],
            VALIDATED,
        ),
        row(lifetime, "no number", &[("cache-control", "max-age=100s")], &[], VALIDATED),
        row(lifetime, "a number below zero", &[("cache-control", "max-age=-100")], &[], VALIDATED),
        row(
            lifetime,
            "the most restrictive",
            &[("cache-control", "max-age=100, no-cache")],
            &[],
            VALIDATED,
        ),
        row(
            "rfc_9111_5_2_both_forms_of_an_argument",
            "a quoted number",
            &[("cache-control", "max-age=\"100\"")],
            &[],
            STORED,
        ),
        row(invalid, "no date", &[("expires", "0")], &[], VALIDATED),
        row(invalid, "an empty date", &[("expires", "")], &[], VALIDATED),
        row(invalid, "two dates", &[("expires", &soon), ("expires", &past)], &[], VALIDATED),
        row(age, "Date now", &with_date("max-age=100", &now), &[], [true, false, true, true]),
        row(age, "Date long ago", &with_date("max-age=100", &old), &[], VALIDATED),
        row(age, "Age", &[LIFE_OF_100, ("age", "95")], &[], VALIDATED),
        row(first, "the first Age", &[LIFE_OF_100, ("age", "0, 95")], &[], STORED),
        row(first, "the first line", &[LIFE_OF_100, ("age", "95"), ("age", "0")], &[], VALIDATED),
        row(first, "no age", &[LIFE_OF_100, ("age", "old")], &[], STORED),
        row(first, "an age below zero", &[LIFE_OF_100, ("age", "-95")], &[], STORED),
        row(
            "rfc_9111_1_2_2_large_numbers",
            "a large number",
            &[("cache-control", "max-age=99999999999999999999")],
            &[],
            [true, false, false, false],
        ),
        row(
            "rfc_9111_1_2_2_large_numbers",
            "a large age",
            &[LIFE_OF_100, ("age", "99999999999999999999")],
            &[],
            VALIDATED,
        ),
    ]
}

tests_of_rows! {
    rows();
    rfc_9111_1_2_2_large_numbers,
    rfc_9111_4_2_1_lifetime,
    rfc_9111_4_2_3_age,
    rfc_9111_5_1_age,
    rfc_9111_5_2_both_forms_of_an_argument,
    rfc_9111_5_3_invalid_dates,
    rfc_9111_5_3_expires_beside_max_age,
}

/// Whether a response with this `Expires` is a hit after ten seconds.
async fn is_fresh_with(expires: &str) -> bool {
    let clock = Clock::new();
    let headers = lines(&[("date", &date(0)), ("expires", expires)]);
    let origin = plain(headers, &clock);
    prepare(&origin, &clock, FRESH, &[]).await;
    origin.get(&[]).await.hit()
}

#[tokio::test]
async fn rfc_9111_4_2_dates_have_no_case() {
    let soon = date(100);
    for date in [soon.clone(), soon.to_ascii_lowercase(), soon.to_ascii_uppercase()] {
        assert!(is_fresh_with(&date).await, "{date}");
    }
    // The other two forms (RFC 9110, 5.6.7).
    for form in ["Friday, 15-Jan-27 08:01:40 GMT", "friday, 15-JAN-27 08:01:40 gmt"] {
        assert!(is_fresh_with(form).await, "{form}");
    }
    assert!(is_fresh_with("Fri Jan 15 08:01:40 2027").await);
    assert!(is_fresh_with("FRI JAN 15 08:01:40 2027").await);
}

#[tokio::test]
async fn rfc_9111_4_2_time_zones() {
    let soon = date(100_000);
    for zone in ["UTC", "EST", "CET", "+0000", "+0100", "", "Z", "GMTX"] {
        let date = soon.replace("GMT", zone);
        assert!(!is_fresh_with(&date).await, "{date}");
    }
}

#[tokio::test]
async fn rfc_9111_4_2_2_heuristics() {
    // A tenth of the time since it was changed, and a day at the most.
    for (modified, fresh_for) in [(-1000, 100), (-100_000_000, 24 * 3600)] {
        let clock = Clock::new();
        let origin = plain(lines(&[("last-modified", &date(modified))]), &clock);
        origin.get(&[]).await;
        clock.advance(fresh_for - 1);
        let answer = origin.get(&[]).await;
        assert_eq!((answer.hit(), answer.header("age")), (true, (fresh_for - 1).to_string()));
        clock.advance(2);
        assert!(!origin.get(&[]).await.hit());
    }
    // Not beside an explicit lifetime, whatever that is.
    let modified = date(-100_000);
    for explicit in [
        ("cache-control", "max-age=0"),
        ("cache-control", "s-maxage=0"),
        ("cache-control", "max-age=x"),
        ("expires", "0"),
    ] {
        for state in super::ALL {
            let clock = Clock::new();
            let origin = plain(lines(&[("last-modified", &modified), explicit]), &clock);
            prepare(&origin, &clock, state, &[]).await;
            assert!(!origin.get(&[]).await.hit(), "{explicit:?}, {}", STATES[state]);
        }
    }
}

#[tokio::test]
async fn rfc_9111_4_2_3_age_counts_from_the_request() {
    for state in [FRESH, REVALIDATED] {
        let clock = Clock::new();
        let slow = clock.clone();
        let origin = Origin::with(clock.on(options()), move |head, _| {
            // The answer takes 40 seconds.
            slow.advance(40);
            match head.headers.contains_key("if-none-match") {
                true => response(304, &[LIFE_OF_100, ("etag", "\"v1\""), ("age", "5")], ""),
                false => response(200, &[LIFE_OF_100, ("etag", "\"v1\""), ("age", "5")], "body"),
            }
        });
        prepare(&origin, &clock, state, &[]).await;
        let answer = origin.get(&[]).await;
        assert_eq!((answer.hit(), &*answer.header("age")), (true, "55"), "{}", STATES[state]);
        clock.advance(45);
        assert!(!origin.get(&[]).await.hit(), "{}", STATES[state]);
    }
}

#[tokio::test]
async fn rfc_9111_4_2_4_stale_responses_are_prohibited() {
    // By the response, whatever the client and the options allow.
    for control in [
        "max-age=100, no-cache",
        "max-age=100, must-revalidate",
        "max-age=100, proxy-revalidate",
        "s-maxage=100",
    ] {
        for asked in ["max-stale", "max-stale=1000", "stale-if-error=1000"] {
            let clock = Clock::new();
            let origin = Origin::with(clock.on(options()), move |_, number| match number {
                1 => response(200, &[("cache-control", control), ("etag", "\"v1\"")], "old"),
                _ => response(503, &[], "new"),
            });
            prepare(&origin, &clock, STALE, &[]).await;
            let answer = origin.get(&[("cache-control", asked)]).await;
            assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{control}, {asked}");
        }
    }
}
