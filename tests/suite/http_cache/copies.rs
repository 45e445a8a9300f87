//! Who gets which copy: users, variants, cookies that come with a 304, and what the key does not hold.

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use edgecask::Client;
use edgecask::prelude::*;

use super::app::{Answer, Browser, options};
use super::origin::{Origin, response};

#[tokio::test]
async fn users_have_copies_of_their_own() {
    let client = Client::memory();
    let browser = Browser::new(client.clone(), options());
    let as_user = async |user: &str| {
        let headers = [("x-user", user), ("authorization", "Bearer s3cret"), ("cookie", "s3cret")];
        browser.send("GET", "/private,max-age=60/me", &headers).await
    };
    let (ada, grace) = (as_user("ada").await, as_user("grace").await);
    assert_ne!(ada.body, grace.body);
    assert_eq!(as_user("ada").await.body, ada.body);
    assert!(as_user("grace").await.hit());
    assert!(!browser.get("/private,max-age=60/me").await.hit());
    // A name cannot reach another's copies, nor those of nobody.
    browser.get("/max-age=60/me").await;
    let odd = browser.send("GET", "/max-age=60/me", &[("x-user", "-")]).await;
    assert!(!odd.hit());
    for key in client.keys::<String>("http:*").await.unwrap() {
        let stored: String = client.get(&key).await.unwrap().unwrap();
        assert!(!stored.contains("s3cret"), "{key} holds a secret");
    }
}

#[tokio::test]
async fn variants_are_kept_apart() {
    let browser = Browser::new(Client::memory(), options());
    let in_language = async |language: &str| {
        browser.send("GET", "/max-age=60/vary", &[("accept-language", language)]).await
    };
    let (german, french) = (in_language("de").await, in_language("fr").await);
    assert!(german.text().ends_with("de") && french.text().ends_with("fr"));
    for (language, first) in [("de", german), ("fr", french)] {
        let again = in_language(language).await;
        assert!(again.hit() && again.body == first.body);
    }
    for number in 0..20 {
        in_language(&format!("x{number}")).await;
    }
    assert!(!in_language("de").await.hit(), "no more than eight are kept");
}

#[tokio::test]
async fn a_cookie_that_comes_with_304_is_for_who_asked() {
    let client = Client::memory();
    let browser = Browser::new(client.clone(), options());
    let cookies = |answer: &Answer| -> Vec<String> {
        let all = answer.headers.get_all(header::SET_COOKIE).iter();
        all.map(|cookie| cookie.to_str().unwrap().to_owned()).collect()
    };
    let path = "/max-age=60/signed-in";
    let first = browser.get(path).await;
    assert_eq!((first.text(), cookies(&first).len()), ("1 -", 0));
    for session in ["session=2", "session=3"] {
        let again = browser.send("GET", path, &[("cache-control", "no-cache")]).await;
        assert_eq!((again.status, again.text()), (StatusCode::OK, "1 -"));
        assert_eq!(cookies(&again), [session, "seen=1"]);
        let other = browser.get(path).await;
        assert!(other.hit() && cookies(&other).is_empty());
    }
    // The client that has the body is told so, and gets its cookie all the same.
    let has = [("cache-control", "no-cache"), ("if-none-match", "\"v1\"")];
    let again = browser.send("GET", path, &has).await;
    assert_eq!((again.status, cookies(&again).len()), (StatusCode::NOT_MODIFIED, 2));
    for key in client.keys::<String>("*").await.unwrap() {
        let stored: Option<String> = client.get(&key).await.unwrap();
        assert!(!stored.unwrap_or_default().contains("session="), "{key}");
    }
}

#[tokio::test]
async fn what_the_key_does_not_hold_cannot_poison_it() {
    let origin = Origin::new(|head, number| {
        let path = head.uri.path();
        response(200, &[("cache-control", "max-age=60")], format!("{number} {path}"))
    });
    let with_body = Request::builder().uri("/a").header("host", "example.org");
    let answer = origin.call(with_body.body(Body::from("a=evil")).unwrap()).await;
    assert_eq!((answer.text(), answer.hit()), ("1 /a", false));
    assert_eq!(origin.get(&[]).await.text(), "2 /");
    for (path, headers) in [
        ("/a", vec![("content-length", "6")]),
        ("/b", vec![("x-http-method-override", "POST")]),
        ("/b", vec![("x-method-override", "DELETE")]),
        ("/b", vec![("x-http-method", "PUT")]),
        ("/c", vec![("host", "example.org"), ("host", "evil.example")]),
        ("/d", vec![("upgrade", "websocket"), ("connection", "upgrade")]),
    ] {
        let before = origin.asked();
        origin.send("GET", path, &headers).await;
        origin.send("GET", path, &headers).await;
        assert_eq!(origin.asked(), before + 2, "{headers:?} is not for the cache");
        let clean = origin.send("GET", path, &[]).await;
        assert!(!clean.hit() || clean.text() != format!("{} {path}", before + 1), "{headers:?}");
    }
    // The authority of the target counts, if both are there.
    let two = Request::builder().uri("http://other.example/e").header("host", "example.org");
    origin.call(two.body(Body::empty()).unwrap()).await;
    assert!(!origin.send("GET", "/e", &[]).await.hit());
}
