//! How is a stored response validated (RFC 9111, 4.3.1 to 4.3.3)?

use axum::http::StatusCode;

use super::{
    COLD, Clock, KEPT, LIFE_OF_100, STALE, STATES, borrowed, date, lines, on_entries, plain,
    prepare,
};
use crate::http_cache::origin::{Origin, options, response};

/// What the cache asks with, of a stored response with these validators.
async fn asked_of(validators: &[(&str, &str)], request: &[(&str, &str)]) -> axum::http::HeaderMap {
    let clock = Clock::new();
    let headers = lines(&[validators, &[LIFE_OF_100]].concat());
    let origin =
        Origin::with(clock.on(options()), move |_, _| response(200, &borrowed(&headers), "body"));
    prepare(&origin, &clock, STALE, &[]).await;
    origin.get(request).await;
    origin.last_seen().headers
}

#[tokio::test]
async fn rfc_9111_4_3_1_entity_tags_are_sent() {
    for tag in ["\"v1\"", "W/\"v1\"", "\"a,b\"", "\"\""] {
        for own in [vec![], vec![("if-none-match", "\"v0\"")]] {
            let seen = asked_of(&[("etag", tag)], &own).await;
            assert_eq!(seen["if-none-match"], tag);
        }
    }
    // An entity tag that the cache made is not the application's.
    let modified = date(-1000);
    let seen = asked_of(&[("last-modified", &modified)], &[]).await;
    assert!(!seen.contains_key("if-none-match"));
}

#[tokio::test]
async fn rfc_9111_4_3_1_last_modified_is_sent() {
    let (modified, later) = (date(-1000), date(-10));
    let modified = ("last-modified", modified.as_str());
    for validators in [vec![modified], vec![modified, ("etag", "\"v1\"")]] {
        for own in [vec![], vec![("if-modified-since", later.as_str())]] {
            let seen = asked_of(&validators, &own).await;
            assert_eq!(seen["if-modified-since"], modified.1, "{validators:?}");
        }
    }
}

#[tokio::test]
async fn rfc_9111_4_3_2_conditions_are_judged_by_what_is_stored() {
    let (modified, before, after) = (date(-1000), date(-2000), date(-500));
    let headers = [LIFE_OF_100, ("last-modified", modified.as_str())];
    for (condition, has) in [
        (vec![("if-none-match", "\"v1\"")], true),
        (vec![("if-none-match", "\"v0\""), ("if-none-match", "\"v1\"")], true),
        (vec![("if-none-match", "*")], true),
        (vec![("if-none-match", "\"v0\"")], false),
        (vec![("if-none-match", "v1")], false),
        (vec![("if-modified-since", modified.as_str())], true),
        (vec![("if-modified-since", after.as_str())], true),
        (vec![("if-modified-since", before.as_str())], false),
    ] {
        for method in ["GET", "HEAD"] {
            on_entries(&KEPT, &headers, &condition, plain, async |entry| {
                let (answer, _) = entry.send(method).await;
                let told = &entry.told;
                assert_eq!(answer.status.as_u16(), if has { 304 } else { 200 }, "{method}, {told}");
                let body = if has || method == "HEAD" { "" } else { "body" };
                assert_eq!(answer.text(), body, "{method}, {told}");
            })
            .await;
        }
    }
}

#[tokio::test]
async fn rfc_9111_4_3_2_conditions_of_what_is_not_stored_are_not_judged() {
    // The application alone knows: it says 200 to a condition that a cache would find false.
    let condition = [("if-none-match", "*")];
    let origin = Origin::new(|_, _| response(200, &[("cache-control", "no-store")], "body"));
    for _ in 0..2 {
        let answer = origin.get(&condition).await;
        assert_eq!((answer.status, answer.text()), (StatusCode::OK, "body"));
        assert_eq!(origin.last_seen().headers["if-none-match"], "*");
    }
    // Also if its answer is stored, and where what is stored has no validator to ask by.
    let (then, after) = (date(0), date(500));
    for condition in [
        ("if-none-match", "*"),
        ("if-none-match", "\"v1\""),
        ("if-modified-since", then.as_str()),
        ("if-modified-since", after.as_str()),
    ] {
        for (state, headers) in [
            (COLD, vec![LIFE_OF_100]),
            (COLD, vec![LIFE_OF_100, ("etag", "\"v1\"")]),
            (STALE, vec![LIFE_OF_100]),
        ] {
            let (clock, headers) = (Clock::new(), lines(&headers));
            let told = format!("{}, {headers:?}, {condition:?}", STATES[state]);
            let origin = Origin::with(clock.on(options()), move |_, _| {
                response(200, &borrowed(&headers), "body")
            });
            prepare(&origin, &clock, state, &[]).await;
            let answer = origin.get(&[condition]).await;
            assert_eq!((answer.status, answer.text()), (StatusCode::OK, "body"), "{told}");
            assert_eq!(origin.last_seen().headers[condition.0], condition.1, "{told}");
            assert!(origin.get(&[]).await.hit(), "{told}");
        }
    }
    // And 304 is for who asked.
    let origin = plain(lines(&[LIFE_OF_100]), &Clock::new());
    assert_eq!(origin.get(&[("if-none-match", "\"v1\"")]).await.status, StatusCode::NOT_MODIFIED);
    assert_eq!(origin.get(&[]).await.text(), "body", "{}", STATES[COLD]);
}

#[tokio::test]
async fn an_entity_tag_of_the_cache_is_compared_by_the_cache() {
    let clock = Clock::new();
    let origin = Origin::with(clock.on(options()), |_, number| {
        response(200, &[LIFE_OF_100], if number < 4 { "body" } else { "another" })
    });
    let tag = origin.get(&[]).await.header("etag");
    for (seconds, status) in [(0, 304), (200, 304), (200, 304), (200, 200)] {
        clock.advance(seconds);
        let answer = origin.get(&[("if-none-match", &tag)]).await;
        assert_eq!(answer.status.as_u16(), status);
        assert_eq!(answer.text(), if status == 304 { "" } else { "another" });
    }
    assert_eq!(origin.asked(), 4);
}

#[tokio::test]
async fn rfc_9111_4_3_2_date_stands_in_for_last_modified() {
    let (then, before, after) = (date(0), date(-1), date(1));
    for (headers, since, has) in [
        (vec![LIFE_OF_100, ("date", then.as_str())], then.as_str(), true),
        (vec![LIFE_OF_100, ("date", then.as_str())], after.as_str(), true),
        (vec![LIFE_OF_100, ("date", then.as_str())], before.as_str(), false),
        // Without a date, the time at which it came counts.
        (vec![LIFE_OF_100], then.as_str(), true),
        (vec![LIFE_OF_100], before.as_str(), false),
    ] {
        on_entries(
            &[super::FRESH],
            &headers,
            &[("if-modified-since", since)],
            plain,
            async |entry| {
                let (answer, asked) = entry.get().await;
                let expected = if has { 304 } else { 200 };
                assert_eq!((answer.status.as_u16(), asked), (expected, false), "{}", entry.told);
            },
        )
        .await;
    }
}

#[tokio::test]
async fn rfc_9111_4_3_2_a_304_for_the_cache_alone_becomes_200() {
    for tags in [vec![("if-none-match", "\"v0\"")], vec![("if-none-match", "\"v0\", \"v2\"")]] {
        on_entries(&[STALE], &[LIFE_OF_100], &tags, plain, async |entry| {
            let (answer, asked) = entry.get().await;
            assert_eq!((answer.status, answer.text()), (StatusCode::OK, "body"), "{}", entry.told);
            assert_eq!(answer.header("cache-status"), "edgecask; fwd=stale; fwd-status=304");
            assert!(asked);
        })
        .await;
    }
}

#[tokio::test]
async fn rfc_9111_4_3_3_a_full_response_is_used() {
    for status in [200, 404, 301, 503] {
        for condition in [vec![], vec![("if-none-match", "\"v1\"")]] {
            let clock = Clock::new();
            let origin = Origin::with(clock.on(options()), move |_, number| match number {
                1 => response(200, &[LIFE_OF_100, ("etag", "\"v1\"")], "old"),
                _ => response(status, &[LIFE_OF_100, ("etag", "\"v2\"")], "new"),
            });
            prepare(&origin, &clock, STALE, &[]).await;
            for hit in [false, true] {
                let answer = origin.get(&condition).await;
                assert_eq!(
                    (answer.status.as_u16(), answer.text()),
                    (status, "new"),
                    "{condition:?}"
                );
                assert_eq!(answer.hit(), hit, "{status}");
            }
        }
    }
}
