//! What does a write invalidate?

use axum::http::StatusCode;
use edgecask::Client;
use edgecask_tests::RedisServer;

use super::app::{Browser, options, space};

#[tokio::test]
async fn a_write_invalidates() {
    let redis = RedisServer::start();
    for client in [Client::memory(), redis.client()] {
        let options = options()
            .tags(|request| {
                vec![format!("control:{}", request.uri.path().split('/').nth(1).unwrap_or(""))]
            })
            .invalidate_tags(|request| {
                request
                    .headers
                    .get("x-tag")
                    .map(|tag| tag.to_str().unwrap_or("").to_owned())
                    .into_iter()
                    .collect()
            })
            .invalidate_matching(|request| {
                let user = request.headers.get("x-clear").and_then(|user| user.to_str().ok());
                user.and_then(|user| Some(space().join([user]).ok()?.pattern()))
                    .into_iter()
                    .collect()
            });
        let browser = Browser::new(client, options);
        let user = [("x-user", "ada")];
        let fill = async || {
            browser.get("/max-age=60/a").await;
            browser.get("/max-age=60/b").await;
            browser.send("GET", "/max-age=60/a", &user).await;
        };
        let hits = async || {
            [
                browser.get("/max-age=60/a").await.hit(),
                browser.get("/max-age=60/b").await.hit(),
                browser.send("GET", "/max-age=60/a", &user).await.hit(),
            ]
        };
        fill().await;
        assert_eq!(hits().await, [true; 3]);
        browser.send("POST", "/max-age=60/a", &[]).await;
        assert_eq!(hits().await, [false, true, false], "its own URL, for all users");
        browser.send("POST", "/x/y", &[("x-tag", "control:max-age=60")]).await;
        assert_eq!(hits().await, [false; 3], "a tag");
        browser.send("DELETE", "/x/y", &[("x-clear", "ada")]).await;
        assert_eq!(hits().await, [true, true, false], "a pattern");
        browser.app.answers_with(StatusCode::CONFLICT);
        browser.send("POST", "/max-age=60/a", &[]).await;
        assert_eq!(hits().await, [true; 3], "a write that failed");
    }
}
