//! Answers that were wrong once: each test is named by what a client must see.

use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use edgecask::Client;
use edgecask::cache::Cache;
use edgecask::http_cache::HttpCache;
use edgecask_tests::until;

use super::conformance::Clock;
use super::origin::{Origin, Wire, options, response, serve};

const DAY: &str = "Mon, 05 Jan 2026 10:00:00 GMT";

fn http_date(ago: u64) -> String {
    httpdate::fmt_http_date(std::time::SystemTime::now() - Duration::from_secs(ago))
}

#[tokio::test]
async fn a_client_without_a_condition_never_sees_304() {
    // The validators of the stored response, and what is left of them in the application's 304.
    for (stored, left) in [
        (vec![("etag", "\"v1\"")], vec![]),
        (vec![("last-modified", DAY)], vec![]),
        (vec![("etag", "\"v1\""), ("last-modified", DAY)], vec![("last-modified", DAY)]),
        (vec![("etag", "W/\"v1\"")], vec![("etag", "W/\"v1\"")]),
        (vec![("etag", "\"v1\"")], vec![("etag", "\"other\"")]),
    ] {
        let told = (stored.clone(), left.clone());
        let origin = Origin::new(move |head, _| {
            let conditional = ["if-none-match", "if-modified-since"];
            match conditional.iter().any(|name| head.headers.contains_key(*name)) {
                true => response(304, &left, ""),
                false => response(
                    200,
                    &[&stored[..], &[("cache-control", "max-age=0")]].concat(),
                    "body",
                ),
            }
        });
        let address = origin.listen().await;
        let mut wire = Wire::open(address).await;
        for turn in 0..4 {
            let reload = if turn == 3 { "cache-control: no-cache\r\n" } else { "" };
            let answer = wire.get("/", reload).await;
            assert_eq!(
                (answer.status, answer.text()),
                (StatusCode::OK, "body"),
                "{told:?}, turn {turn}"
            );
        }
    }
}

#[tokio::test]
async fn files_of_tower_http_are_served_stale_or_not() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("page.html"), "<p>page</p>").unwrap();
    let layer = HttpCache::new(Cache::new(Client::memory()), options());
    let files = tower_http::services::ServeDir::new(folder.path());
    let app = Router::new()
        .fallback_service(files)
        .layer(axum::middleware::map_response(async |mut answer: axum::response::Response| {
            answer.headers_mut().insert("cache-control", "max-age=0".parse().unwrap());
            answer
        }))
        .layer(layer);
    let mut wire = Wire::open(serve(app).await).await;
    for turn in 0..4 {
        let answer = wire.get("/page.html", "").await;
        assert_eq!((answer.status, answer.text()), (StatusCode::OK, "<p>page</p>"), "turn {turn}");
    }
}

#[tokio::test]
async fn names_of_directives_have_no_case() {
    for control in
        ["PRIVATE, max-age=60", "No-Store, max-age=60", "max-age=60, No-Cache", "Private"]
    {
        let origin = Origin::new(move |_, number| {
            response(200, &[("cache-control", control)], format!("{number}"))
        });
        origin.get(&[]).await;
        assert_eq!(origin.get(&[]).await.text(), "2", "{control}");
    }
    let origin = Origin::new(|_, number| {
        response(200, &[("cache-control", "Max-Age=60")], format!("{number}"))
    });
    origin.get(&[("cache-control", "No-Store")]).await;
    assert_eq!(origin.get(&[]).await.text(), "2", "a request with No-Store is not stored");
    assert_eq!(origin.get(&[]).await.text(), "2");
    assert_eq!(origin.get(&[("cache-control", "No-Cache")]).await.text(), "3");
    assert_eq!(origin.get(&[("cache-control", "Max-Age=0")]).await.text(), "4");
}

#[tokio::test]
async fn repeated_headers_survive_a_304() {
    let origin = Origin::new(|head, _| {
        let language =
            head.headers.get("accept-language").map_or("-", |value| value.to_str().unwrap());
        let common = [
            ("etag", "\"v1\""),
            ("cache-control", "max-age=60"),
            ("vary", "Accept-Language"),
            ("vary", "Cookie"),
            ("link", "</a>; rel=preload"),
            ("link", "</b>; rel=preload"),
        ];
        match head.headers.contains_key("if-none-match") {
            true => response(304, &[&common[..4], &[("x-new", "1"), ("x-new", "2")]].concat(), ""),
            false => response(200, &common, language.to_owned()),
        }
    });
    let (german, french) = (("accept-language", "de"), ("accept-language", "fr"));
    origin.get(&[german]).await;
    let again = origin.get(&[german, ("cache-control", "no-cache")]).await;
    assert_eq!((again.status, again.text()), (StatusCode::OK, "de"));
    for answer in [again, origin.get(&[german]).await] {
        assert_eq!(answer.header("vary"), "Accept-Language, Cookie");
        assert_eq!(answer.header("link"), "</a>; rel=preload, </b>; rel=preload");
        assert_eq!(answer.header("x-new"), "1, 2");
        assert!(httpdate::parse_http_date(&answer.header("date")).is_ok());
    }
    assert_eq!(origin.get(&[french]).await.text(), "fr");
    assert_eq!(origin.get(&[german, ("cookie", "session=1")]).await.text(), "de");
    assert_eq!(origin.asked(), 4, "another cookie is another variant");
}

#[tokio::test]
async fn every_line_of_a_header_selects_a_variant() {
    for (name, separator) in [("cookie", "; "), ("x-tenant", ", ")] {
        let origin = Origin::new(move |head, _| {
            let lines = head.headers.get_all(name).iter().map(|line| line.to_str().unwrap());
            let seen = lines.collect::<Vec<_>>().join("|");
            response(200, &[("cache-control", "max-age=60"), ("vary", name)], seen)
        });
        let ada = [(name, "theme=dark"), (name, "session=ada")];
        let grace = [(name, "theme=dark"), (name, "session=grace")];
        assert_eq!(origin.get(&ada).await.text(), "theme=dark|session=ada");
        assert_eq!(origin.get(&grace).await.text(), "theme=dark|session=grace", "{name}");
        assert_eq!(origin.get(&ada[..1]).await.text(), "theme=dark", "{name}");
        assert_eq!(origin.get(&[]).await.text(), "");
        // One line or several: the same request.
        let joined = format!("theme=dark{separator}session=ada");
        let answer = origin.get(&[(name, &joined)]).await;
        assert!(answer.hit() && answer.text() == "theme=dark|session=ada", "{name}");
    }
}

#[tokio::test]
async fn conditions_reach_the_application_where_nothing_is_stored() {
    for headers in [
        vec![("cache-control", "private, max-age=60")],
        vec![("cache-control", "max-age=60"), ("set-cookie", "session=1")],
        vec![("cache-control", "max-age=60"), ("content-length", "2000000")],
        vec![("cache-control", "no-store")],
    ] {
        let told = headers.clone();
        let origin = Origin::new(move |head, _| {
            let headers = [&headers[..], &[("etag", "\"v1\""), ("last-modified", DAY)]].concat();
            let is =
                |name: &str, value: &str| head.headers.get(name).is_some_and(|own| own == value);
            if head.headers.contains_key("if-match") && !is("if-match", "\"v1\"") {
                return response(412, &[], "");
            }
            match is("if-none-match", "\"v1\"") || is("if-modified-since", DAY) {
                true => response(304, &[("etag", "\"v1\"")], ""),
                false => {
                    response(200, &headers, vec![b'x'; if told.len() == 2 { 2_000_000 } else { 3 }])
                }
            }
        });
        for _ in 0..2 {
            for condition in [("if-none-match", "\"v1\""), ("if-modified-since", DAY)] {
                let answer = origin.get(&[condition]).await;
                assert_eq!(
                    (answer.status, answer.body.len()),
                    (StatusCode::NOT_MODIFIED, 0),
                    "{condition:?}"
                );
            }
            let answer = origin.get(&[("if-match", "\"v0\"")]).await;
            assert_eq!(answer.status, StatusCode::PRECONDITION_FAILED);
            origin.get(&[]).await;
        }
    }
    // What is stored does not answer a condition that is the application's to judge.
    let origin = Origin::new(|head, _| match head.headers.contains_key("if-match") {
        true => response(412, &[], ""),
        false => response(200, &[("cache-control", "max-age=60")], "body"),
    });
    origin.get(&[]).await;
    for name in ["if-match", "if-unmodified-since"] {
        let answer = origin.get(&[(name, DAY)]).await;
        let passed = origin.last_seen().headers.contains_key(name);
        assert!(
            passed && (answer.status == StatusCode::PRECONDITION_FAILED) == (name == "if-match")
        );
    }
}

#[tokio::test]
async fn a_client_says_how_old_an_answer_may_be() {
    let origin = Origin::new(|_, number| {
        let headers = [("cache-control", "max-age=100, stale-while-revalidate=600"), ("age", "40")];
        response(200, &headers, format!("{number}"))
    });
    origin.get(&[]).await;
    for (control, hit) in [
        ("max-age=1000", true),
        ("max-age=30", false),
        ("min-fresh=10", true),
        ("min-fresh=90", false),
        ("max-age=1000, min-fresh=90", false),
    ] {
        let answer = origin.get(&[("cache-control", control)]).await;
        assert_eq!(answer.hit(), hit, "{control}: {}", answer.header("cache-status"));
    }
    // Also of what is stale and would do for others.
    let origin = Origin::new(|_, number| {
        let headers = [("cache-control", "max-age=10, stale-while-revalidate=600"), ("age", "40")];
        response(200, &headers, format!("{number}"))
    });
    origin.get(&[]).await;
    for control in ["max-age=30", "min-fresh=1", "max-age=1000"] {
        assert!(!origin.get(&[("cache-control", control)]).await.hit(), "{control}");
    }
    // RFC 9111, 5.2.1.1: a stale one is wanted only beside `max-stale`.
    let control = ("cache-control", "max-age=1000, max-stale");
    assert!(origin.get(&[control]).await.hit());
}

#[tokio::test]
async fn a_stale_response_without_a_validator_answers_who_takes_it() {
    let clock = Clock::new();
    let origin = Origin::with(clock.on(options()), |_, number| {
        response(200, &[("cache-control", "max-age=100")], format!("{number}"))
    });
    origin.get(&[]).await;
    clock.advance(150);
    for control in ["max-stale", "max-stale=60"] {
        let answer = origin.get(&[("cache-control", control)]).await;
        assert_eq!((answer.text(), answer.hit()), ("1", true), "{control}");
    }
    assert_eq!(origin.get(&[("cache-control", "max-stale=20")]).await.text(), "2");
}

#[tokio::test]
async fn only_if_cached_is_never_forwarded() {
    let origin = Origin::new(|_, _| response(200, &[("cache-control", "max-age=60")], "body"));
    let answer = origin.get(&[("cache-control", "only-if-cached")]).await;
    assert_eq!((answer.status, origin.asked()), (StatusCode::GATEWAY_TIMEOUT, 0));
    origin.get(&[]).await;
    let answer = origin.get(&[("cache-control", "Only-If-Cached")]).await;
    assert_eq!((answer.status, origin.asked()), (StatusCode::OK, 1));
}

#[tokio::test]
async fn dates_are_compared_as_dates() {
    let origin = Origin::new(|_, _| {
        response(200, &[("cache-control", "max-age=60"), ("last-modified", DAY)], "body")
    });
    origin.get(&[]).await;
    for (since, status) in [
        (DAY, 304),
        ("Mon, 05 Jan 2026 10:00:01 GMT", 304),
        ("Monday, 05-Jan-26 10:00:01 GMT", 304),
        ("Mon Jan  5 10:00:01 2026", 304),
        ("Mon, 05 Jan 2026 09:59:59 GMT", 200),
        ("yesterday", 200),
    ] {
        let answer = origin.get(&[("if-modified-since", since)]).await;
        assert_eq!(answer.status.as_u16(), status, "{since}");
    }
    // An entity tag counts for more.
    let both = [("if-none-match", "\"other\""), ("if-modified-since", DAY)];
    assert_eq!(origin.get(&both).await.status, StatusCode::OK);
    assert_eq!(origin.asked(), 1);
}

#[tokio::test]
async fn an_entity_tag_may_hold_commas() {
    let origin = Origin::new(|_, _| {
        response(200, &[("cache-control", "max-age=60"), ("etag", "\"a,b\"")], "body")
    });
    origin.get(&[]).await;
    for (tags, status) in [
        ("\"a,b\"", 304),
        ("\"x\", W/\"a,b\"", 304),
        ("\"a\"", 200),
        ("\"x,\"a,b\"", 200),
        ("\"a,b", 200),
    ] {
        let answer = origin.get(&[("if-none-match", tags)]).await;
        assert_eq!(answer.status.as_u16(), status, "{tags}");
    }
    let lines = [("if-none-match", "\"x\""), ("if-none-match", "\"a,b\"")];
    assert_eq!(origin.get(&lines).await.status, StatusCode::NOT_MODIFIED);
}

#[tokio::test]
async fn the_age_of_a_response_counts() {
    // RFC 9111, 5.1: the first member counts. RFC 9111, 4.2.3: a Date counts too.
    let (hour, minute) = (http_date(3600), http_date(60));
    for (headers, hit) in [
        (vec![("cache-control", "max-age=3600"), ("age", "7200, 0")], false),
        (vec![("cache-control", "max-age=3600"), ("age", "7200"), ("age", "0")], false),
        (vec![("cache-control", "max-age=3600"), ("age", "0, 7200")], true),
        (vec![("cache-control", "max-age=3600"), ("age", "-7200")], true),
        (vec![("date", &*hour), ("expires", &*minute)], false),
        (vec![("date", &*hour), ("cache-control", "max-age=1800")], false),
        (vec![("date", &*minute), ("cache-control", "max-age=1800")], true),
    ] {
        let headers: Vec<(String, String)> =
            headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let told = headers.clone();
        let origin = Origin::new(move |_, number| {
            let headers: Vec<_> = headers.iter().map(|(name, value)| (&**name, &**value)).collect();
            response(200, &headers, format!("{number}"))
        });
        origin.get(&[]).await;
        assert_eq!(origin.get(&[]).await.hit(), hit, "{told:?}");
    }
}

#[tokio::test]
async fn a_condition_that_the_cache_replaced_is_judged_by_the_cache() {
    // What was stored had another tag than the client's; what comes is the client's version, and is not stored.
    for control in ["private", "no-store", "max-age=60"] {
        let origin = Origin::new(move |_, number| match number {
            1 => response(200, &[("cache-control", "max-age=0"), ("etag", "\"v1\"")], "old"),
            _ => response(200, &[("cache-control", control), ("etag", "\"v2\"")], "new"),
        });
        origin.get(&[]).await;
        let answer = origin.get(&[("if-none-match", "\"v2\"")]).await;
        assert_eq!((answer.status, answer.text()), (StatusCode::NOT_MODIFIED, ""), "{control}");
        assert_eq!(origin.last_seen().headers["if-none-match"], "\"v1\"", "{control}");
    }
}

#[tokio::test]
async fn a_revalidation_in_the_background_is_conditional() {
    let origin = Origin::new(|head, number| {
        let headers = [
            ("cache-control", "max-age=0, stale-while-revalidate=600"),
            ("etag", "\"v1\""),
            ("x-number", &*number.to_string()),
        ];
        match head.headers.get("if-none-match").is_some_and(|tag| *tag == "\"v1\"") {
            true => response(304, &headers, ""),
            false => response(200, &headers, "body"),
        }
    });
    assert_eq!(origin.get(&[]).await.text(), "body");
    let stale = origin.get(&[]).await;
    assert_eq!((stale.text(), &*stale.header("x-number")), ("body", "1"));
    until(async || origin.asked() >= 2).await;
    assert_eq!(origin.last_seen().headers["if-none-match"], "\"v1\"");
    // The headers of the 304 have updated the stored response.
    until(async || {
        let answer = origin.get(&[]).await;
        assert_eq!((answer.status, answer.text()), (StatusCode::OK, "body"));
        answer.header("x-number") != "1"
    })
    .await;
}
