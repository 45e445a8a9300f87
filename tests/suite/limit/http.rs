//! Limits before a real axum application, and the headers of `express-rate-limit` 8.

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, Response, StatusCode};
use axum::routing::get;
use edgecask::limit::http::{Draft, Guard, Guarded, HttpLimit, LimitOptions, insert_headers};
use edgecask::limit::{OnFailure, Policy, RateLimiter};
use edgecask::prelude::*;
use edgecask_tests::until;
use futures_util::stream::unfold;
use http_body_util::BodyExt;
use tower::ServiceExt;

use super::{Hands, MINUTE, native, plain};

fn app(limiter: RateLimiter, draft: Draft) -> Router {
    let options = LimitOptions::new(|request| {
        Some(request.headers.get("x-api-key")?.to_str().ok()?.to_owned())
    });
    let options =
        options.draft(draft).cost(|request| if request.uri.path() == "/costly" { 3 } else { 1 });
    Router::new()
        .route("/", get(async || "page"))
        .route("/costly", get(async || "report"))
        .layer(HttpLimit::new(limiter, options))
}

async fn ask(app: &Router, path: &str, key: Option<&str>) -> Response<Body> {
    let mut request = Request::get(path);
    if let Some(key) = key {
        request = request.header("x-api-key", key);
    }
    app.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
}

fn text<'a>(response: &'a Response<Body>, name: &str) -> &'a str {
    response.headers().get(name).map_or("-", |value| value.to_str().unwrap())
}

async fn json(response: Response<Body>) -> serde_json::Value {
    serde_json::from_slice(&to_bytes(response.into_body(), 10_000).await.unwrap()).unwrap()
}

fn two_policies() -> RateLimiter {
    let hands = Hands::at(1_790_000_000_000 / 86_400_000 * 86_400_000);
    RateLimiter::builder(native())
        .policy(Policy::gcra(4, MINUTE).named("burst").prefix("b"))
        .policy(Policy::fixed_window(1000, MINUTE * 60 * 24).named("da\"ily").prefix("d"))
        .policy(Policy::fixed_window(1, MINUTE).named("new").prefix("n").shadow(true))
        .clock(hands.clock())
        .build()
        .unwrap()
}

#[tokio::test]
async fn responses_say_what_is_left_and_refusals_why() {
    let app = app(two_policies(), Draft::Ten);
    let response = ask(&app, "/costly", Some("k")).await;
    assert_eq!(response.status(), StatusCode::OK);
    let policy = r#""burst";q=4;w=60, "da\"ily";q=1000;w=86400"#;
    assert_eq!(text(&response, "ratelimit-policy"), policy);
    assert_eq!(text(&response, "ratelimit"), r#""burst";r=1;t=45, "da\"ily";r=997;t=86400"#);
    assert_eq!(text(&response, "retry-after"), "-");
    assert_eq!(to_bytes(response.into_body(), 100).await.unwrap(), "report");

    let refused = ask(&app, "/costly", Some("k")).await;
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(text(&refused, "content-type"), "application/problem+json");
    assert_eq!(text(&refused, "ratelimit"), r#""burst";r=1;t=30, "da\"ily";r=997;t=86400"#);
    assert_eq!(text(&refused, "retry-after"), "30");
    let body = json(refused).await;
    assert_eq!(body["type"], "https://iana.org/assignments/http-problem-types#quota-exceeded");
    assert_eq!(body["status"], 429);
    assert_eq!(body["violated-policies"], serde_json::json!(["burst"]));

    let other = ask(&app, "/", None).await;
    assert_eq!((other.status(), text(&other, "ratelimit")), (StatusCode::OK, "-"));
    let hostile = ask(&app, "/", Some(&"x".repeat(2000))).await;
    assert_eq!(hostile.status(), StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn later_drafts_have_other_names() {
    let response = ask(&app(two_policies(), Draft::Later), "/", Some("k")).await;
    assert_eq!(text(&response, "ratelimit"), r#""burst";a=3;w=15, "da\"ily";a=999;w=86400"#);
}

#[tokio::test]
async fn other_refusals_have_their_own_types() {
    let away = Client::tcp(&format!("redis://127.0.0.1:{}", edgecask_tests::free_port())).unwrap();
    let closed = plain(&away, Policy::gcra(4, MINUTE)).on_failure(OnFailure::Deny).build().unwrap();
    let response = ask(&app(closed, Draft::Ten), "/", Some("k")).await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(text(&response, "retry-after"), "1");
    let kind = "https://iana.org/assignments/http-problem-types#temporary-reduced-capacity";
    assert_eq!(json(response).await["type"], kind);

    let limiter = plain(&native(), Policy::gcra(4, MINUTE)).deny_list(true).build().unwrap();
    limiter.deny(["evil"]).await.unwrap();
    let Guarded::Refused(response) = Guard::new(limiter).check("evil").await.unwrap() else {
        panic!("it is on the list");
    };
    assert_eq!(response.status(), StatusCode::FORBIDDEN);
    assert!(!response.headers().contains_key("retry-after"));
    let body = String::from_utf8_lossy(response.body()).into_owned();
    assert!(body.contains("abnormal-usage-detected") && !body.contains("evil"), "{body}");
}

#[tokio::test]
async fn a_request_holds_its_permit_while_the_application_works() {
    let limiter = plain(&native(), Policy::concurrency(1, MINUTE * 60)).build().unwrap();
    let app = app(limiter.clone(), Draft::Ten);
    let held = limiter.acquire("k").await.unwrap().unwrap();
    assert_eq!(ask(&app, "/", Some("k")).await.status(), StatusCode::TOO_MANY_REQUESTS);
    held.release().await.unwrap();
    assert_eq!(ask(&app, "/", Some("k")).await.status(), StatusCode::OK);
    until(async || limiter.remaining("k").await.unwrap().remaining() == 1).await;
}

/// An application whose response has a body of the pieces that the test sends.
fn streaming(limiter: RateLimiter) -> (Router, tokio::sync::mpsc::UnboundedSender<&'static str>) {
    let (pieces, body) = tokio::sync::mpsc::unbounded_channel::<&'static str>();
    let body = std::sync::Arc::new(std::sync::Mutex::new(Some(body)));
    let stream = move || {
        let body = body.lock().unwrap().take().expect("it is asked once");
        std::future::ready(Body::from_stream(unfold(body, async |mut body| {
            Some((Ok::<_, std::io::Error>(body.recv().await?), body))
        })))
    };
    let options = LimitOptions::new(|_| Some("k".to_owned()));
    (Router::new().route("/", get(stream)).layer(HttpLimit::new(limiter, options)), pieces)
}

#[tokio::test]
async fn a_request_holds_its_permit_until_its_body_ends() {
    for dropped in [false, true] {
        let limiter = plain(&native(), Policy::concurrency(1, MINUTE * 60)).build().unwrap();
        let (app, pieces) = streaming(limiter.clone());
        let mut response = ask(&app, "/", None).await;
        assert_eq!(response.status(), StatusCode::OK);
        pieces.send("one").unwrap();
        assert!(response.body_mut().frame().await.unwrap().is_ok());
        // A permit that is dropped is returned by a task, which runs now.
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        assert!(limiter.acquire("k").await.unwrap().is_err(), "the body has not ended");
        if dropped {
            drop(response);
            until(async || limiter.remaining("k").await.unwrap().remaining() == 1).await;
            continue;
        }
        drop(pieces);
        assert!(response.body_mut().frame().await.is_none());
        until(async || limiter.remaining("k").await.unwrap().remaining() == 1).await;
        drop(response);
    }
}

#[tokio::test]
async fn a_guard_of_concurrency_holds_a_permit() {
    let limiter = plain(&native(), Policy::concurrency(1, MINUTE * 60)).build().unwrap();
    let guard = Guard::new(limiter.clone());
    let Guarded::Admitted(admitted) = guard.check("k").await.unwrap() else {
        panic!("nobody else has the permit");
    };
    assert_eq!(admitted.decision().remaining(), 0);
    let Guarded::Refused(response) = guard.check("k").await.unwrap() else {
        panic!("the first one has the permit");
    };
    assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
    drop(admitted);
    until(async || limiter.remaining("k").await.unwrap().remaining() == 1).await;
    let Guarded::Admitted(admitted) = guard.check("k").await.unwrap() else {
        panic!("the permit came back");
    };
    assert!(admitted.into_permit().unwrap().release().await.unwrap());
    let other = Guard::new(plain(&native(), Policy::gcra(1, MINUTE)).build().unwrap());
    let Guarded::Admitted(admitted) = other.check("k").await.unwrap() else {
        panic!("it has room");
    };
    assert!(admitted.into_permit().is_none());
}

/// What `express-rate-limit` 8.7 sends by `standardHeaders: "draft-8"` for `limit: 3` and `windowMs: 60000`, recorded from its
/// middleware: the same, but for spaces, which structured fields allow, and the key of the partition.
#[tokio::test]
async fn headers_are_those_of_express_rate_limit() {
    let recorded = [
        (r#""3-in-1min"; r=2; t=60"#, r#""3-in-1min"; q=3; w=60; pk=:Y2E5NzgxMTJjYTFi:"#),
        (r#""3-in-1min"; r=1; t=60"#, r#""3-in-1min"; q=3; w=60; pk=:Y2E5NzgxMTJjYTFi:"#),
        (r#""3-in-1min"; r=0; t=60"#, r#""3-in-1min"; q=3; w=60; pk=:Y2E5NzgxMTJjYTFi:"#),
        (r#""3-in-1min"; r=0; t=60"#, r#""3-in-1min"; q=3; w=60; pk=:Y2E5NzgxMTJjYTFi:"#),
    ];
    let hands = Hands::at(1_790_000_000_000 / 60_000 * 60_000);
    let policy = Policy::fixed_window(3, MINUTE).named("3-in-1min");
    let limiter = plain(&native(), policy).clock(hands.clock()).build().unwrap();
    for (state, policy) in recorded {
        let mut headers = axum::http::HeaderMap::new();
        insert_headers(&mut headers, &limiter.limit("a").await.unwrap(), Draft::Ten);
        let policy = policy.split("; pk=").next().unwrap();
        assert_eq!(headers["ratelimit"], state.replace("; ", ";"));
        assert_eq!(headers["ratelimit-policy"], policy.replace("; ", ";"));
    }
}
