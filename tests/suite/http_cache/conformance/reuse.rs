//! Which requests does a stored response answer (RFC 9111, 4; RFC 5861)?

use axum::http::StatusCode;
use edgecask_tests::until;

use super::{
    ALL, Clock, FRESH, KEPT, LIFE_OF_100, STALE, STATES, VALID, borrowed, lines, on_entries, plain,
    prepare,
};
use crate::http_cache::origin::{Origin, options, response};

#[tokio::test]
async fn rfc_9111_4_target_uri() {
    for state in KEPT {
        let clock = Clock::new();
        let origin = plain(lines(&[LIFE_OF_100]), &clock);
        prepare(&origin, &clock, state, &[]).await;
        for path in ["/other", "/?", "/?a", "/%2f", "//", "/."] {
            let before = origin.asked();
            origin.send("GET", path, &[]).await;
            assert_eq!(origin.asked(), before + 1, "{path}, {}", STATES[state]);
        }
        for host in ["example.com", "example.org:8080", "www.example.org"] {
            let before = origin.asked();
            origin.get(&[("host", host)]).await;
            assert_eq!(origin.asked(), before + 1, "{host}, {}", STATES[state]);
        }
        // Names of hosts have no case.
        if VALID.contains(&state) {
            assert!(origin.get(&[("host", "EXAMPLE.org")]).await.hit());
        }
    }
}

#[tokio::test]
async fn rfc_9111_4_methods() {
    on_entries(&ALL, &[LIFE_OF_100], &[], plain, async |entry| {
        let (head, asked) = entry.send("HEAD").await;
        assert_eq!(asked, !VALID.contains(&entry.state), "{}", entry.told);
        if !asked {
            assert_eq!((head.text(), &*head.header("content-length")), ("", "4"), "{}", entry.told);
        }
    })
    .await;
    // The response to a HEAD does not answer a GET.
    let origin = plain(lines(&[LIFE_OF_100]), &Clock::new());
    origin.send("HEAD", "/", &[]).await;
    assert_eq!((origin.get(&[]).await.text(), origin.asked()), ("body", 2));
}

#[tokio::test]
async fn rfc_9111_4_unsafe_methods_are_written_through() {
    for method in ["POST", "PUT", "DELETE", "PATCH", "UNKNOWN"] {
        on_entries(
            &ALL,
            &[LIFE_OF_100],
            &[("cache-control", "only-if-cached")],
            plain,
            async |entry| {
                let (answer, asked) = entry.send(method).await;
                assert!(asked && !answer.hit(), "{method}, {}", entry.told);
            },
        )
        .await;
    }
}

#[tokio::test]
async fn rfc_9111_4_only_what_is_fresh_or_validated() {
    for response in [vec![LIFE_OF_100], vec![LIFE_OF_100, ("age", "0")]] {
        on_entries(&ALL, &response, &[], plain, async |entry| {
            let (answer, asked) = entry.get().await;
            assert_eq!(asked, !VALID.contains(&entry.state), "{}", entry.told);
            assert_eq!((answer.status, answer.text()), (StatusCode::OK, "body"), "{}", entry.told);
        })
        .await;
    }
}

#[tokio::test]
async fn rfc_9111_4_age() {
    for (said, initial) in [("0", 0), ("30", 30)] {
        on_entries(&VALID, &[LIFE_OF_100, ("age", said)], &[], plain, async |entry| {
            let (answer, _) = entry.get().await;
            assert_eq!(answer.header("age"), (initial + 10).to_string(), "{}", entry.told);
        })
        .await;
    }
}

#[tokio::test]
async fn rfc_5861_stale_while_revalidate() {
    let clock = Clock::new();
    let control = lines(&[("cache-control", "max-age=100, stale-while-revalidate=100")]);
    let origin = plain(control, &clock);
    prepare(&origin, &clock, STALE, &[]).await;
    let stale = origin.get(&[]).await;
    assert_eq!(stale.header("cache-status"), "edgecask; hit; ttl=-10; detail=stale");
    until(async || origin.get(&[]).await.header("cache-status").contains("ttl=100")).await;
    // The refresh asks by what it has.
    assert_eq!(
        (origin.asked(), &origin.last_seen().headers["if-none-match"]),
        (2, &"\"v1\"".parse().unwrap())
    );
    clock.advance(250);
    assert!(!origin.get(&[]).await.hit(), "beyond its window");
}

#[tokio::test]
async fn rfc_5861_stale_if_error() {
    for (control, status, expected) in [
        ("max-age=100, stale-if-error=1000", 503, "old"),
        ("max-age=100, stale-if-error=1000", 500, "old"),
        ("max-age=100, stale-if-error=1000", 404, "new"),
        ("max-age=100, stale-if-error=5", 503, "new"),
        ("max-age=100", 503, "new"),
    ] {
        let clock = Clock::new();
        let origin = Origin::with(clock.on(options()), move |_, number| match number {
            1 => response(200, &[("cache-control", control), ("etag", "\"v1\"")], "old"),
            _ => response(status, &[], "new"),
        });
        prepare(&origin, &clock, STALE, &[]).await;
        assert_eq!(origin.get(&[]).await.text(), expected, "{control}, {status}");
    }
    // What is fresh needs a window too, where the client does not take it as it is. It stays for the others.
    for (control, expected) in [
        ("max-age=100", "new"),
        ("max-age=100, must-revalidate", "new"),
        ("max-age=100, must-revalidate, stale-if-error=1000", "new"),
        ("max-age=100, stale-if-error=1000", "old"),
    ] {
        for asked in ["no-cache", "max-age=0", "max-age=5", "min-fresh=95"] {
            for validator in [&[][..], &[("etag", "\"v1\"")]] {
                let clock = Clock::new();
                let first = lines(&[&[("cache-control", control)], validator].concat());
                let origin = Origin::with(clock.on(options()), move |_, number| match number {
                    1 => response(200, &borrowed(&first), "old"),
                    _ => response(503, &[], "new"),
                });
                prepare(&origin, &clock, FRESH, &[]).await;
                let told = format!("{control}, {asked}, {validator:?}");
                let answer = origin.get(&[("cache-control", asked)]).await;
                assert_eq!((answer.text(), origin.asked()), (expected, 2), "{told}");
                let other = origin.get(&[]).await;
                assert_eq!((other.text(), other.hit()), ("old", true), "{told}");
            }
        }
    }
    // Nothing is stored: the failure is the client's.
    let origin = Origin::new(|_, _| response(503, &[], "new"));
    assert_eq!(origin.get(&[("cache-control", "stale-if-error=60")]).await.text(), "new");
}
