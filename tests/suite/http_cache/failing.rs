//! What is stale, an application that fails, and a Redis that is away.

use axum::http::StatusCode;
use edgecask::Client;
use edgecask::cache::{Cache, CacheOptions, Tier};
use edgecask_tests::{RedisServer, until};

use super::MINUTE;
use super::app::{Browser, options};

#[tokio::test]
async fn stale_responses_help() {
    let browser = Browser::new(Client::memory(), options());
    let path = "/max-age=0,stale-while-revalidate=60/a";
    let first = browser.get(path).await;
    let stale = browser.get(path).await;
    assert!(stale.hit() && stale.header("cache-status").ends_with("; detail=stale"));
    assert_eq!(stale.body, first.body);
    until(async || browser.get(path).await.body != first.body).await;
}

#[tokio::test]
async fn a_failing_application_is_hidden_for_a_while() {
    let browser = Browser::new(Client::memory(), options().stale_if_error(MINUTE));
    // Stale from the start, and kept because it can be validated.
    let first = browser.get("/no-transform,max-age=0/tagged").await;
    browser.app.answers_with(StatusCode::SERVICE_UNAVAILABLE);
    let answer = browser
        .send("GET", "/no-transform,max-age=0/tagged", &[("cache-control", "no-cache")])
        .await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.body, first.body);
}

#[tokio::test]
async fn the_application_answers_while_redis_is_away() {
    for tier in [Tier::Important, Tier::Critical] {
        let redis = RedisServer::start();
        let cache = Cache::with_options(redis.client(), CacheOptions::new().tier(tier));
        let browser = Browser::over(cache, options());
        assert!(!browser.get("/max-age=60/a").await.hit());
        drop(redis);
        assert_eq!(browser.get("/max-age=60/a").await.status, StatusCode::OK);
        assert_eq!(browser.send("POST", "/max-age=60/a", &[]).await.status, StatusCode::NO_CONTENT);
    }
}
