//! Conditional requests.

use axum::http::StatusCode;
use edgecask::Client;

use super::app::{Browser, options};

#[tokio::test]
async fn conditions_are_answered() {
    let browser = Browser::new(Client::memory(), options());
    let first = browser.get("/max-age=60/a").await;
    let tag = first.header("etag").to_owned();
    assert!(tag.starts_with('"'));
    for condition in [tag.as_str(), "*", &format!("\"other\", W/{tag}")] {
        let answer = browser.send("GET", "/max-age=60/a", &[("if-none-match", condition)]).await;
        assert_eq!((answer.status, answer.body.len()), (StatusCode::NOT_MODIFIED, 0));
        assert_eq!(answer.header("etag"), tag);
    }
    let other = browser.send("GET", "/max-age=60/a", &[("if-none-match", "\"x\"")]).await;
    assert_eq!((other.status, &other.body), (StatusCode::OK, &first.body));
    let head = browser.send("HEAD", "/max-age=60/a", &[]).await;
    assert!(head.hit() && head.body.is_empty());
    assert_eq!(head.header("content-length"), first.body.len().to_string());
    assert_eq!(browser.app.asked(), 1);

    // What is stale is asked about by its tag, and kept if the application says that it is still right.
    let first = browser.get("/no-cache/tagged").await;
    let again = browser.get("/no-cache/tagged").await;
    assert_eq!(again.header("cache-status"), "edgecask; fwd=stale; fwd-status=304");
    assert_eq!((again.status, &again.body), (StatusCode::OK, &first.body));
    assert_eq!(browser.app.asked(), 3);
}
