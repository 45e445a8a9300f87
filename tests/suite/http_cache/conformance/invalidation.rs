//! What does a write invalidate (RFC 9111, 4.4)?

use super::{ALL, LIFE_OF_100, STATES, borrowed, lines, plain, prepare};
use crate::http_cache::origin::{Origin, response};

/// The method, what the application says to it, and which of `/`, `/a/b` and `/a/c` are still stored.
async fn invalidates(method: &str, status: u16, named: &[(&str, &str)], kept: [bool; 3]) {
    let told = format!("{method} {status} {named:?}");
    let named = lines(named);
    let origin = Origin::new(move |head, _| match head.method.as_str() {
        "GET" => response(200, &[LIFE_OF_100], "body"),
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

#[tokio::test]
async fn rfc_9111_4_4_the_target_is_invalidated() {
    let (all, rest) = ([true; 3], [false, true, true]);
    for (method, status, kept) in [
        ("POST", 200, rest),
        ("DELETE", 204, rest),
        ("PUT", 302, rest),
        ("PATCH", 201, rest),
        ("UNKNOWN", 200, rest),
        ("POST", 404, all),
        ("POST", 500, all),
        ("OPTIONS", 200, all),
        ("TRACE", 200, all),
        ("QUERY", 200, all),
    ] {
        invalidates(method, status, &[], kept).await;
    }
    for state in ALL {
        let clock = super::Clock::new();
        let origin = plain(lines(&[LIFE_OF_100]), &clock);
        prepare(&origin, &clock, state, &[]).await;
        origin.send("POST", "/", &[]).await;
        let answer = origin.get(&[]).await;
        assert!(!answer.hit(), "{}", STATES[state]);
        assert_eq!(
            answer.header("cache-status"),
            "edgecask; fwd=uri-miss; stored",
            "{}",
            STATES[state]
        );
    }
}

#[tokio::test]
async fn rfc_9111_4_4_what_the_response_names_is_invalidated() {
    for (named, kept) in [
        (vec![("location", "/a/b")], [false, false, true]),
        (vec![("content-location", "a/c")], [false, true, false]),
        (
            vec![("location", "http://EXAMPLE.org/a/b"), ("content-location", "/x/../a/c")],
            [false, false, false],
        ),
    ] {
        invalidates("POST", 201, &named, kept).await;
    }
    invalidates("POST", 404, &[("location", "/a/b")], [true; 3]).await;
}

#[tokio::test]
async fn rfc_9111_4_4_other_origins_are_not_invalidated() {
    for named in [
        "http://other.example/a/b",
        "//other.example/a/b",
        "http://example.org:8080/a/b",
        "http://example.org.evil.example/a/b",
        "http://evil.example/?http://example.org/a/b",
    ] {
        for name in ["location", "content-location"] {
            invalidates("POST", 201, &[(name, named)], [false, true, true]).await;
        }
    }
}
