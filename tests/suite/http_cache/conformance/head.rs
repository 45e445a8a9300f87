//! What does the response to a HEAD say of what is stored (RFC 9111, 4.3.5)?

use super::{Clock, FRESH, LIFE_OF_100, date, lines, prepare};
use crate::http_cache::origin::{Answer, Origin, options, response};

/// The hit, or not, on a stored response after the application's answer to a HEAD.
async fn after_head(stored: &[(&str, &str)], said: &[(&str, &str)]) -> Answer {
    let clock = Clock::new();
    let (stored, said) = (lines(stored), lines(said));
    let origin = Origin::with(clock.on(options()), move |head, _| {
        let headers = if head.method == "HEAD" { &said } else { &stored };
        response(200, &super::borrowed(headers), if head.method == "HEAD" { "" } else { "body" })
    });
    prepare(&origin, &clock, FRESH, &[]).await;
    origin.send("HEAD", "/", &[("cache-control", "no-cache")]).await;
    origin.get(&[]).await
}

#[tokio::test]
async fn rfc_9111_4_3_5_another_response_is_invalidated() {
    let (then, now) = (date(-100), date(-50));
    let (v1, v2) = (("etag", "\"v1\""), ("etag", "\"v2\""));
    let (then, now) = (("last-modified", then.as_str()), ("last-modified", now.as_str()));
    for (stored, said) in [
        (vec![v1], vec![v2]),
        (vec![then], vec![now]),
        (vec![v1, then], vec![v1, now]),
        (vec![v1], vec![v1, ("content-length", "5")]),
        (vec![], vec![("content-length", "5")]),
    ] {
        let stored = [&stored[..], &[LIFE_OF_100]].concat();
        let said = [&said[..], &[LIFE_OF_100]].concat();
        assert!(!after_head(&stored, &said).await.hit(), "{stored:?}, {said:?}");
    }
}

#[tokio::test]
async fn a_condition_of_a_head_that_the_cache_replaced_is_judged_by_the_cache() {
    let then = date(-100);
    let (own, modified) = (("if-none-match", "\"v2\""), ("if-modified-since", then.as_str()));
    for (condition, status) in [(own, 304), (("if-none-match", "\"v3\""), 200), (modified, 304)] {
        let (clock, modified) = (Clock::new(), then.clone());
        let origin = Origin::with(clock.on(options()), move |_, number| {
            let tag = format!("\"v{number}\"");
            response(200, &[LIFE_OF_100, ("etag", &tag), ("last-modified", &modified)], "")
        });
        prepare(&origin, &clock, FRESH, &[]).await;
        let answer = origin.send("HEAD", "/", &[condition, ("cache-control", "no-cache")]).await;
        assert_eq!(origin.last_seen().headers["if-none-match"], "\"v1\"");
        assert_eq!(answer.status.as_u16(), status, "{condition:?}");
        assert_eq!(answer.header("etag"), "\"v2\"", "{condition:?}");
    }
}

#[tokio::test]
async fn rfc_9111_4_3_5_the_same_response_is_updated() {
    let then = date(-100);
    let (v1, then) = (("etag", "\"v1\""), ("last-modified", then.as_str()));
    for (stored, said) in [
        (vec![v1], vec![v1]),
        (vec![v1], vec![v1, ("content-length", "4")]),
        (vec![then], vec![then]),
        (vec![v1, then], vec![v1, then]),
    ] {
        let stored = [&stored[..], &[LIFE_OF_100, ("x-seen", "1")]].concat();
        let said = [&said[..], &[("cache-control", "max-age=50"), ("x-seen", "2")]].concat();
        let answer = after_head(&stored, &said).await;
        assert_eq!((answer.hit(), answer.text()), (true, "body"), "{stored:?}, {said:?}");
        assert_eq!(answer.header("x-seen"), "2", "{said:?}");
        assert_eq!(answer.header("cache-status"), "edgecask; hit; ttl=50", "{said:?}");
        assert_eq!(answer.header("content-length"), "4", "{said:?}");
    }
    // Without a validator it does not tell whether the body is the same.
    for said in [vec![], vec![("content-length", "4")]] {
        let said = [&said[..], &[("cache-control", "max-age=50")]].concat();
        let answer = after_head(&[v1, LIFE_OF_100], &said).await;
        assert_eq!(answer.header("cache-status"), "edgecask; hit; ttl=90", "{said:?}");
    }
    // What must not be stored goes.
    let said = [v1, ("cache-control", "no-store")];
    assert!(!after_head(&[v1, LIFE_OF_100], &said).await.hit());
}
