//! What is stored, and what is not?

use axum::http::StatusCode;
use edgecask::Client;

use super::MINUTE;
use super::app::{Browser, options};

#[tokio::test]
async fn what_may_be_cached_is_and_what_must_not_is_not() {
    let browser = Browser::new(Client::memory(), options());
    for (path, hit) in [
        ("/max-age=60/a", true),
        ("/s-maxage=60/a", true),
        ("/public,max-age=60/binary", true),
        ("/max-age=60/a?page=2", true),
        ("/-/a", false),
        ("/no-store/a", false),
        ("/private,max-age=60/a", false),
        ("/no-cache/a", false),
        ("/max-age=0/a", false),
        ("/max-age=60/cookie", false),
        ("/max-age=60/vary-all", false),
        ("/max-age=60/large", false),
    ] {
        let first = browser.get(path).await;
        assert!(!first.hit(), "{path}");
        let second = browser.get(path).await;
        assert_eq!(second.hit(), hit, "{path}: {}", second.header("cache-status"));
        assert_eq!(second.body == first.body && !path.ends_with("large"), hit, "{path}");
        assert_eq!(second.headers.contains_key("age"), hit, "{path}");
    }
    assert_eq!(browser.get("/max-age=60/large").await.body.len(), 100_000);
    // A part of what is stored is at hand; a part of another response, and what asks with credentials, is for the application.
    let asked = browser.app.asked();
    let part = browser.send("GET", "/max-age=60/a", &[("range", "bytes=1-1")]).await;
    assert_eq!((part.status, part.text()), (StatusCode::PARTIAL_CONTENT, " "));
    browser.send("GET", "/max-age=61/b", &[("range", "bytes=0-1")]).await;
    browser.send("GET", "/max-age=61/a", &[("authorization", "Bearer s3cret")]).await;
    browser.send("GET", "/max-age=61/a", &[("authorization", "Bearer s3cret")]).await;
    assert_eq!(browser.app.asked(), asked + 3);
    // A client may insist.
    let answer = browser.send("GET", "/max-age=60/a", &[("cache-control", "no-cache")]).await;
    assert!(!answer.hit());
}

#[tokio::test]
async fn silence_is_given_a_time_to_live() {
    let browser = Browser::new(Client::memory(), options().ttl(MINUTE));
    let first = browser.get("/-/a").await;
    assert_eq!(first.header("cache-control"), "max-age=60");
    assert!(browser.get("/-/a").await.hit());
    assert!(!browser.get("/no-store/a").await.hit());
    for _ in 0..2 {
        let session = browser.send("GET", "/-/session", &[("cookie", "session=1")]).await;
        assert!(!session.hit() && session.header("cache-control").is_empty());
    }
    browser.app.answers_with(StatusCode::INTERNAL_SERVER_ERROR);
    browser.get("/-/failing").await;
    assert!(!browser.get("/-/failing").await.hit());
}
