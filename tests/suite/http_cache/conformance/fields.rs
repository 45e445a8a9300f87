//! What do `Pragma`, `Cache-Status`, targeted fields and `vary_on` mean (RFC 9111, 5.4; RFC 9211; RFC 9213)?

use super::{Clock, LIFE_OF_100, Row, STORED, VALIDATED, lines, row, tests_of_rows, versioned};
use crate::http_cache::origin::{Answer, Origin, options, response};

pub(super) fn rows() -> Vec<Row> {
    let (pragma, asked) = ("rfc_9111_5_4_pragma", ("pragma", "no-cache"));
    vec![
        row(pragma, "Pragma", &[LIFE_OF_100], &[asked], VALIDATED),
        row(
            pragma,
            "Pragma beside Cache-Control",
            &[LIFE_OF_100],
            &[asked, ("cache-control", "max-age=50")],
            STORED,
        ),
        row(pragma, "Pragma of a response", &[LIFE_OF_100, asked], &[], STORED),
    ]
}

tests_of_rows! { rows(); rfc_9111_5_4_pragma }

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
