//! How does a 304 change what is stored (RFC 9111, 3.2 and 4.3.4)?

use axum::http::StatusCode;
use axum::http::request::Parts;

use super::{Clock, LIFE_OF_100, STALE, borrowed, lines, prepare};
use crate::http_cache::origin::{Answer, Origin, options, response};

/// The application says 200 with these headers, and from then on 304 with those.
fn changing(clock: &Clock, first: &[(&str, &str)], update: &[(&str, &str)]) -> Origin {
    let (first, update) = (lines(first), lines(update));
    Origin::with(clock.on(options()), move |head, number| {
        let asked = ["if-none-match", "if-modified-since"];
        match number > 1 && asked.iter().any(|name| head.headers.contains_key(*name)) {
            true => response(304, &borrowed(&update), ""),
            false => response(200, &borrowed(&first), format!("body {number}")),
        }
    })
}

/// The answer that is validated, and the hit after it.
async fn validated(clock: &Clock, origin: &Origin) -> [Answer; 2] {
    origin.get(&[]).await;
    clock.advance(200);
    let validated = origin.get(&[]).await;
    clock.advance(40);
    [validated, origin.get(&[]).await]
}

#[tokio::test]
async fn rfc_9111_3_2_headers_are_added_and_replaced() {
    let clock = Clock::new();
    let first = [
        LIFE_OF_100,
        ("etag", "\"v1\""),
        ("x-old", "stays"),
        ("x-both", "1"),
        ("x-both", "2"),
        ("content-language", "de"),
        ("expires", "0"),
    ];
    let update = [
        ("cache-control", "max-age=50"),
        ("etag", "\"v1\""),
        ("x-both", "3"),
        ("x-both", "4"),
        ("x-new", "new"),
        ("content-language", "fr"),
        ("content-security-policy", "default-src 'self'"),
        ("set-cookie", "session=1"),
        ("connection", "x-hop"),
        ("x-hop", "1"),
    ];
    let origin = changing(&clock, &first, &update);
    let [answer, hit] = validated(&clock, &origin).await;
    assert_eq!(answer.header("set-cookie"), "session=1", "a cookie is for who asked");
    assert!(hit.hit() && hit.header("set-cookie").is_empty() && hit.header("x-hop").is_empty());
    for answer in [answer, hit] {
        assert_eq!((answer.status, answer.text()), (StatusCode::OK, "body 1"));
        for (name, value) in [
            ("x-old", "stays"),
            ("x-both", "3, 4"),
            ("x-new", "new"),
            ("cache-control", "max-age=50"),
            ("content-language", "fr"),
            ("content-security-policy", "default-src 'self'"),
            ("expires", "0"),
        ] {
            assert_eq!(answer.header(name), value, "{name}");
        }
    }
    clock.advance(20);
    assert!(!origin.get(&[]).await.hit(), "the new lifetime counts");
}

#[tokio::test]
async fn rfc_9111_3_2_what_describes_the_stored_body_stays() {
    let clock = Clock::new();
    let first = [
        LIFE_OF_100,
        ("etag", "\"v1\""),
        ("content-type", "text/html"),
        ("content-encoding", "x-none"),
    ];
    let update = [
        LIFE_OF_100,
        ("etag", "\"v1\""),
        ("content-length", "0"),
        ("content-type", "text/plain"),
        ("content-encoding", "gzip"),
        ("content-range", "bytes 0-1/4"),
    ];
    for answer in validated(&clock, &changing(&clock, &first, &update)).await {
        assert_eq!((answer.status, answer.text()), (StatusCode::OK, "body 1"));
        for (name, value) in [
            ("content-type", "text/html"),
            ("content-encoding", "x-none"),
            ("content-length", "6"),
            ("content-range", ""),
        ] {
            assert_eq!(answer.header(name), value, "{name}");
        }
    }
}

#[tokio::test]
async fn rfc_9111_4_3_4_a_304_selects_what_it_updates() {
    let (day, other) = (super::date(-1000), super::date(-500));
    let (day, other) = (("last-modified", day.as_str()), ("last-modified", other.as_str()));
    let (strong, weak) = (("etag", "\"v1\""), ("etag", "W/\"v1\""));
    for (stored, said, selects) in [
        (vec![strong], vec![strong], true),
        (vec![strong], vec![weak], true),
        (vec![weak], vec![weak], true),
        // A strong validator that is not stored selects nothing.
        (vec![weak], vec![strong], false),
        (vec![strong], vec![("etag", "\"v2\"")], false),
        (vec![day], vec![strong], false),
        (vec![strong, day], vec![("etag", "\"v2\""), day], false),
        (vec![weak], vec![("etag", "W/\"v2\"")], false),
        (vec![day], vec![day], true),
        (vec![day], vec![other], false),
        (vec![strong, day], vec![day], true),
        // It is about the one response that was asked about.
        (vec![strong], vec![], true),
        (vec![day], vec![], true),
    ] {
        let clock = Clock::new();
        let told = format!("{stored:?}, {said:?}");
        let first = [&stored[..], &[LIFE_OF_100]].concat();
        let update = [&said[..], &[LIFE_OF_100, ("x-new", "1")]].concat();
        let origin = changing(&clock, &first, &update);
        let [answer, hit] = validated(&clock, &origin).await;
        // Otherwise the request is sent again, without a condition.
        let (text, new) = if selects { ("body 1", "1") } else { ("body 3", "") };
        for answer in [&answer, &hit] {
            assert_eq!((answer.status, answer.text()), (StatusCode::OK, text), "{told}");
            assert_eq!(answer.header("x-new"), new, "{told}");
        }
        assert!(hit.hit(), "{told}");
    }
}

#[tokio::test]
async fn what_a_304_does_not_select_goes() {
    let ours = |head: &Parts| head.headers.get("if-none-match").is_some_and(|tag| tag == "\"v1\"");
    // What the application says to the request that is sent again: none of it is stored.
    for (again, vary) in
        [(200, ""), (200, "x-a"), (404, ""), (503, ""), (304, "")].into_iter().chain([(200, "x-b")])
    {
        for method in ["GET", "HEAD"] {
            let clock = Clock::new();
            let origin = Origin::with(clock.on(options()), move |head, number| match number {
                1 => {
                    let vary = if vary.is_empty() { "x-unused" } else { vary };
                    response(200, &[LIFE_OF_100, ("etag", "\"v1\""), ("vary", vary)], "old")
                }
                _ if ours(head) => response(304, &[("etag", "\"v2\"")], ""),
                _ => response(again, &[("cache-control", "no-store"), ("etag", "\"v2\"")], ""),
            });
            prepare(&origin, &clock, STALE, &[]).await;
            let told = format!("{again}, {vary}, {method}");
            let condition = [("if-none-match", "\"v2\"")];
            let condition = if again == 304 { &condition[..] } else { &[] };
            let answer = origin.send(method, "/", condition).await;
            assert_eq!((answer.status.as_u16(), origin.asked()), (again, 3), "{told}");
            // Nothing is left to ask by, and nothing to hide a failure.
            let control = [("cache-control", "stale-if-error=1000")];
            let answer = origin.send("GET", "/", &[condition, &control].concat()).await;
            assert_eq!((answer.status.as_u16(), origin.asked()), (again, 4), "{told}");
            let passed_on = if again == 304 { "; fwd-status=304" } else { "" };
            let expected = format!("edgecask; fwd=uri-miss{passed_on}");
            assert_eq!(answer.header("cache-status"), expected, "{told}");
        }
    }
}

#[tokio::test]
async fn what_is_replaced_by_a_body_that_is_too_large_goes() {
    let clock = Clock::new();
    let origin = Origin::with(clock.on(options().max_body(10)), |_, number| {
        let tag = format!("\"v{number}\"");
        response(200, &[LIFE_OF_100, ("etag", &tag)], "x".repeat(10 * number))
    });
    prepare(&origin, &clock, STALE, &[]).await;
    // The client that has it is told so.
    let answer = origin.get(&[("if-none-match", "\"v2\"")]).await;
    assert_eq!((answer.status, answer.text()), (StatusCode::NOT_MODIFIED, ""));
    assert_eq!(origin.last_seen().headers["if-none-match"], "\"v1\"");
    assert_eq!(origin.get(&[]).await.text().len(), 30);
    assert!(!origin.last_seen().headers.contains_key("if-none-match"));
}

#[tokio::test]
async fn rfc_9111_4_3_4_another_variant_is_not_updated() {
    let clock = Clock::new();
    let origin = Origin::with(clock.on(options()), |head, number| {
        let language =
            head.headers.get("accept-language").map_or("-", |value| value.to_str().unwrap());
        let headers = [LIFE_OF_100, ("vary", "accept-language"), ("etag", "\"v1\"")];
        let number = number.to_string();
        let update = [&headers[..], &[("x-number", number.as_str())]].concat();
        match head.headers.contains_key("if-none-match") {
            true => response(304, &update, ""),
            false => response(200, &headers, language.to_owned()),
        }
    });
    for language in ["de", "fr"] {
        origin.get(&[("accept-language", language)]).await;
    }
    clock.advance(50);
    origin.get(&[("accept-language", "de"), ("cache-control", "no-cache")]).await;
    clock.advance(20);
    for (language, age, number) in [("de", "20", "3"), ("fr", "70", "")] {
        let answer = origin.get(&[("accept-language", language)]).await;
        assert_eq!((answer.text(), answer.hit()), (language, true));
        assert_eq!((&*answer.header("age"), &*answer.header("x-number")), (age, number));
    }
}
