//! What becomes of incomplete and partial responses (RFC 9111, 3.3)?

use std::io;

use axum::body::{Body, Bytes};
use axum::http::StatusCode;
use futures_util::stream;

use super::{ALL, Clock, KEPT, LIFE_OF_100, STATES, on_entries, plain, prepare};
use crate::http_cache::origin::{Origin, options, response};

/// The first half of a body, then its end or an error.
fn half(breaks: bool) -> Body {
    let end = breaks.then(|| Err(io::Error::other("the origin is gone")));
    let frames = [Ok::<_, io::Error>(Bytes::from_static(b"bo"))].into_iter().chain(end);
    Body::from_stream(stream::iter(frames))
}

#[tokio::test]
async fn rfc_9111_3_3_incomplete_responses_answer_nothing() {
    // A body that breaks off, and one that is shorter than it said.
    for breaks in [true, false] {
        for stale in [false, true] {
            let clock = Clock::new();
            let origin = Origin::with(clock.on(options()), move |head, number| {
                let length = ("content-length", "4");
                match (number, stale) {
                    (1, true) => {
                        response(200, &[("cache-control", "max-age=0"), ("etag", "\"v0\"")], "old")
                    }
                    (1, false) | (2, true) => response(200, &[LIFE_OF_100, length], half(breaks)),
                    _ if head.headers.contains_key("if-none-match") => response(304, &[], ""),
                    _ => response(200, &[LIFE_OF_100], "body"),
                }
            });
            if stale {
                origin.get(&[]).await;
            }
            origin.get(&[]).await;
            let part = origin.get(&[("range", "bytes=0-1")]).await;
            assert!(!part.hit(), "breaks {breaks}, stale {stale}");
            let answer = origin.get(&[]).await;
            // The stored response from before is validated.
            let expected = if stale { "old" } else { "body" };
            assert_eq!((answer.text(), answer.hit()), (expected, false), "breaks {breaks}");
        }
    }
}

#[tokio::test]
async fn rfc_9111_3_3_partial_responses_are_not_stored() {
    for state in ALL {
        let clock = Clock::new();
        let origin =
            Origin::with(clock.on(options()), |head, _| match head.headers.contains_key("range") {
                true => response(206, &[LIFE_OF_100, ("content-range", "bytes 0-1/4")], "bo"),
                false => response(200, &[LIFE_OF_100], "body"),
            });
        prepare(&origin, &clock, state, &[]).await;
        let part = origin.get(&[("range", "bytes=0-1")]).await;
        assert_eq!((part.status.as_u16(), part.text()), (206, "bo"), "{}", STATES[state]);
        assert_eq!(origin.get(&[]).await.text(), "body", "{}", STATES[state]);
    }
    // Nor if the application forgets the status.
    let origin =
        Origin::new(|_, _| response(200, &[LIFE_OF_100, ("content-range", "bytes 0-1/4")], "bo"));
    origin.get(&[]).await;
    assert!(!origin.get(&[]).await.hit());
}

#[tokio::test]
async fn rfc_9111_3_3_parts_are_marked() {
    on_entries(&KEPT, &[LIFE_OF_100], &[("range", "bytes=1-2")], plain, async |entry| {
        let (answer, asked) = entry.get().await;
        let told = &entry.told;
        match asked {
            // The application of this test knows no ranges.
            true => assert_eq!((answer.status, answer.text()), (StatusCode::OK, "body"), "{told}"),
            false => {
                assert_eq!((answer.status.as_u16(), answer.text()), (206, "od"), "{told}");
                assert_eq!(answer.header("content-range"), "bytes 1-2/4", "{told}");
            }
        }
    })
    .await;
}
