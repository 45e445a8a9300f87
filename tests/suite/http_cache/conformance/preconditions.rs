//! How are conditions of clients judged, and what does a 304 hold (RFC 9110, 13 and 15.4.5)?

use axum::http::StatusCode;

use super::{
    ALL, Clock, FRESH, KEPT, LIFE_OF_100, STATES, borrowed, date, lines, on_entries, plain, prepare,
};
use crate::http_cache::origin::{Origin, options, response};

/// The status of the answers of all entries that are kept to a conditional request.
async fn answered(headers: &[(&str, &str)], condition: &[(&str, &str)], status: u16) {
    on_entries(&KEPT, headers, condition, plain, async |entry| {
        let (answer, _) = entry.get().await;
        assert_eq!(answer.status.as_u16(), status, "{}", entry.told);
    })
    .await;
}

#[tokio::test]
async fn rfc_9110_13_1_1_and_13_1_4_conditions_of_the_application_are_forwarded() {
    let then = date(0);
    for condition in [
        ("if-match", "\"v1\""),
        ("if-match", "\"v0\""),
        ("if-match", "*"),
        ("if-unmodified-since", then.as_str()),
        ("if-unmodified-since", "never"),
    ] {
        on_entries(&ALL, &[LIFE_OF_100], &[condition], plain, async |entry| {
            let (answer, asked) = entry.get().await;
            assert!(asked, "{}", entry.told);
            assert_eq!(entry.origin.last_seen().headers[condition.0], condition.1);
            assert_eq!(answer.header("cache-status"), "edgecask; fwd=bypass");
        })
        .await;
    }
}

#[tokio::test]
async fn rfc_9110_13_1_2_the_weak_comparison() {
    for (asked, status) in [
        ("W/\"v1\"", 304),
        ("\"v1\"", 304),
        ("\"V1\"", 200),
        ("\"v0\", W/\"v1\"", 304),
        ("w/\"v1\"", 200),
    ] {
        answered(&[LIFE_OF_100], &[("if-none-match", asked)], status).await;
    }
    // A stored tag that is weak.
    for (asked, status) in [("\"v1\"", 304), ("W/\"v1\"", 304), ("W/\"v2\"", 200)] {
        let clock = Clock::new();
        let origin = Origin::with(clock.on(options()), |_, _| {
            response(200, &[LIFE_OF_100, ("etag", "W/\"v1\"")], "body")
        });
        prepare(&origin, &clock, FRESH, &[]).await;
        let answer = origin.get(&[("if-none-match", asked)]).await;
        assert_eq!((answer.status.as_u16(), origin.asked()), (status, 1), "{asked}");
    }
}

#[tokio::test]
async fn rfc_9110_13_1_3_if_modified_since_beside_an_entity_tag_is_ignored() {
    let then = date(-1000);
    let headers = [LIFE_OF_100, ("last-modified", then.as_str())];
    for (tag, status) in [("\"v0\"", 200), ("\"v1\"", 304), ("invalid", 200)] {
        for since in [&then, &date(-2000)] {
            let both = [("if-none-match", tag), ("if-modified-since", since.as_str())];
            answered(&headers, &both, status).await;
        }
    }
}

#[tokio::test]
async fn rfc_9110_13_1_3_an_invalid_if_modified_since_is_ignored() {
    let then = date(-1000);
    let headers = [LIFE_OF_100, ("last-modified", then.as_str())];
    for since in ["", "yesterday", "0", "1800000000", "Fri, 15 Jan 2027 08:00:00 EST"] {
        answered(&headers, &[("if-modified-since", since)], 200).await;
    }
    let two = [("if-modified-since", then.as_str()), ("if-modified-since", then.as_str())];
    answered(&headers, &two, 200).await;
}

#[tokio::test]
async fn rfc_9110_13_1_3_dates_are_those_of_the_application() {
    // Its clock is a day ahead: its dates are compared with its dates alone.
    let (then, before) = (date(86_400), date(86_399));
    let headers = [LIFE_OF_100, ("last-modified", then.as_str()), ("date", then.as_str())];
    answered(&headers, &[("if-modified-since", &then)], 304).await;
    answered(&headers, &[("if-modified-since", &before)], 200).await;
}

#[tokio::test]
async fn rfc_9110_13_2_1_conditions_of_other_statuses_are_ignored() {
    for status in [301, 404, 410, 501] {
        for state in KEPT {
            let clock = Clock::new();
            let origin = Origin::with(clock.on(options()), move |head, _| {
                match head.headers.contains_key("if-none-match")
                    && head.headers["if-none-match"] == "\"v1\""
                {
                    true => response(304, &[LIFE_OF_100], ""),
                    false => response(status, &[LIFE_OF_100, ("etag", "\"v1\"")], "body"),
                }
            });
            prepare(&origin, &clock, state, &[]).await;
            for condition in [
                ("if-none-match", "\"v1\""),
                ("if-none-match", "*"),
                ("if-modified-since", &date(1000)),
            ] {
                let answer = origin.get(&[condition]).await;
                let told = format!("{status}, {}, {condition:?}", STATES[state]);
                assert_eq!((answer.status.as_u16(), answer.text()), (status, "body"), "{told}");
            }
        }
    }
}

#[tokio::test]
async fn rfc_9110_13_2_1_conditions_of_other_methods_are_forwarded() {
    for method in ["OPTIONS", "TRACE", "POST", "QUERY"] {
        on_entries(&ALL, &[LIFE_OF_100], &[("if-none-match", "\"v0\"")], plain, async |entry| {
            let (answer, asked) = entry.send(method).await;
            assert!(asked && answer.status == StatusCode::OK, "{method}, {}", entry.told);
            assert_eq!(entry.origin.last_seen().headers["if-none-match"], "\"v0\"");
        })
        .await;
    }
}

#[tokio::test]
async fn rfc_9110_13_2_1_conditions_are_forwarded_where_there_is_no_cache() {
    // Requests that bypass the cache, and what the application does not let it store.
    let bypassed = [("upgrade", "x"), ("if-none-match", "\"v0\"")];
    on_entries(&ALL, &[LIFE_OF_100], &bypassed, plain, async |entry| {
        entry.get().await;
        assert_eq!(entry.origin.last_seen().headers["if-none-match"], "\"v0\"", "{}", entry.told);
    })
    .await;
    on_entries(
        &ALL,
        &[("cache-control", "no-store")],
        &[("if-none-match", "\"v0\"")],
        plain,
        async |entry| {
            entry.get().await;
            assert_eq!(
                entry.origin.last_seen().headers["if-none-match"],
                "\"v0\"",
                "{}",
                entry.told
            );
        },
    )
    .await;
}

#[tokio::test]
async fn rfc_9110_13_2_2_order() {
    let (then, before) = (date(-1000), date(-2000));
    let headers = [LIFE_OF_100, ("last-modified", then.as_str()), ("date", &date(-10))];
    let range = ("range", "bytes=1-2");
    for (request, status) in [
        // If-None-Match, then If-Modified-Since, then If-Range.
        (vec![("if-none-match", "\"v1\""), range, ("if-range", "\"v1\"")], 304),
        (vec![("if-none-match", "\"v1\""), range, ("if-range", "\"v0\"")], 304),
        (vec![("if-none-match", "\"v0\""), range, ("if-range", "\"v1\"")], 206),
        (vec![("if-none-match", "\"v0\""), range, ("if-range", "\"v0\"")], 200),
        (vec![("if-none-match", "\"v0\""), ("if-modified-since", &then), range], 206),
        (vec![("if-modified-since", &then), range, ("if-range", "\"v1\"")], 304),
        (vec![("if-modified-since", &before), range, ("if-range", "\"v1\"")], 206),
        (vec![("if-modified-since", &before), range, ("if-range", "\"v0\"")], 200),
    ] {
        on_entries(&[FRESH], &headers, &request, plain, async |entry| {
            let (answer, asked) = entry.get().await;
            assert_eq!((answer.status.as_u16(), asked), (status, false), "{}", entry.told);
        })
        .await;
    }
}

#[tokio::test]
async fn rfc_9110_15_4_5_a_304_has_the_headers_of_a_200() {
    let (then, soon) = (date(-1), date(100));
    let headers = [
        LIFE_OF_100,
        ("content-location", "/index.html"),
        ("date", then.as_str()),
        ("vary", "x-a"),
        ("expires", soon.as_str()),
    ];
    for condition in [("if-none-match", "\"v1\""), ("if-modified-since", soon.as_str())] {
        on_entries(&KEPT, &headers, &[condition], plain, async |entry| {
            let (answer, _) = entry.get().await;
            let told = &entry.told;
            assert_eq!(answer.status, StatusCode::NOT_MODIFIED, "{told}");
            for (name, value) in [
                ("content-location", "/index.html"),
                ("date", then.as_str()),
                ("etag", "\"v1\""),
                ("vary", "x-a"),
                ("expires", soon.as_str()),
            ] {
                assert_eq!(answer.header(name), value, "{told}");
            }
            assert!(answer.header("cache-control").eq_ignore_ascii_case("max-age=100"), "{told}");
        })
        .await;
    }
}

#[tokio::test]
async fn rfc_9110_15_4_5_a_304_does_not_describe_a_body() {
    let headers = [
        LIFE_OF_100,
        ("content-type", "text/plain"),
        ("content-encoding", "x-none"),
        ("content-language", "de"),
    ];
    for method in ["GET", "HEAD"] {
        on_entries(&KEPT, &headers, &[("if-none-match", "\"v1\"")], plain, async |entry| {
            let (answer, _) = entry.send(method).await;
            let told = &entry.told;
            assert_eq!((answer.status, answer.text()), (StatusCode::NOT_MODIFIED, ""), "{told}");
            for name in [
                "content-type",
                "content-encoding",
                "content-language",
                "content-length",
                "content-range",
            ] {
                assert!(!answer.headers.contains_key(name), "{name}: {told}");
            }
        })
        .await;
    }
}

#[tokio::test]
async fn rfc_9110_15_4_5_a_304_to_a_client_is_forwarded() {
    // Of what is not stored: the application answers the client's own condition.
    for headers in
        [vec![LIFE_OF_100], vec![("cache-control", "no-store")], vec![("cache-control", "private")]]
    {
        let headers = lines(&headers);
        let clock = Clock::new();
        let said = headers.clone();
        let origin = Origin::with(clock.on(options()), move |_, _| {
            response(
                304,
                &[&[("etag", "\"v1\""), ("x-seen", "1")], &borrowed(&said)[..]].concat(),
                "",
            )
        });
        for condition in [("if-none-match", "\"v1\""), ("if-modified-since", &date(0))] {
            let answer = origin.get(&[condition]).await;
            assert_eq!(answer.status, StatusCode::NOT_MODIFIED, "{headers:?}");
            assert_eq!((&*answer.header("etag"), &*answer.header("x-seen")), ("\"v1\"", "1"));
        }
    }
}
