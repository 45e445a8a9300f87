//! How bodies come to clients: broken ones, and those that come bit by bit.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use futures_util::stream;
use tokio::sync::Notify;

use super::origin::{Origin, Wire, options, response};

/// 500 bytes, then an error: at once, or when the bytes are on their way.
fn broken(at_once: bool) -> Body {
    let body = stream::unfold(0, move |step| async move {
        if step == 1 && !at_once {
            // So often that what has come is on the wire.
            for _ in 0..5 {
                tokio::task::yield_now().await;
            }
        }
        match step {
            0 => Some((Ok(Bytes::from(vec![b'x'; 500])), 1)),
            1 => Some((Err(std::io::Error::other("the origin is gone")), 2)),
            _ => None,
        }
    });
    Body::from_stream(body)
}

#[tokio::test]
async fn a_truncated_body_does_not_look_complete() {
    for (length, at_once) in
        [(Some("1000"), false), (None, false), (Some("1000"), true), (None, true)]
    {
        let told = format!("{length:?}, at once: {at_once}");
        let origin = Origin::new(move |_, number| {
            let control = ("cache-control", "max-age=60");
            match (number, length) {
                (1, Some(length)) => {
                    response(200, &[control, ("content-length", length)], broken(at_once))
                }
                (1, None) => response(200, &[control], broken(at_once)),
                _ => response(200, &[control], "whole"),
            }
        });
        let address = origin.listen().await;
        let mut wire = Wire::open(address).await;
        // Both at once: what follows must not land in the first body.
        let request = "GET / HTTP/1.1\r\nhost: example.org\r\n\r\n";
        wire.send(&request.repeat(2)).await;
        let limit = Duration::from_secs(20);
        let ended =
            at_once && tokio::time::timeout(limit, wire.has_ended()).await.expect("it ends");
        if !ended {
            let answer =
                tokio::time::timeout(limit, wire.read(false)).await.expect("the body ends");
            assert!(!answer.whole, "{told}: {} bytes", answer.body.len());
        }
        let answer = Wire::open(address).await.get("/", "").await;
        assert_eq!((answer.whole, answer.text()), (true, "whole"), "{told}");
    }
}

#[tokio::test]
async fn a_body_is_sent_while_it_comes() {
    for content_type in ["text/plain", "text/event-stream", "Text/Event-Stream; charset=utf-8"] {
        let next = Arc::new(Notify::new());
        let release = next.clone();
        let ttl = options().ttl(Duration::from_secs(60));
        let origin = Origin::with(ttl, move |_, _| {
            let next = next.clone();
            let body = stream::unfold(0, move |number| {
                let next = next.clone();
                async move {
                    if number > 0 {
                        next.notified().await;
                    }
                    let event = Bytes::from(format!("data: {number}\n\n"));
                    (number < 3).then_some((Ok::<_, std::io::Error>(event), number + 1))
                }
            });
            response(200, &[("content-type", content_type)], Body::from_stream(body))
        });
        let address = origin.listen().await;
        let mut wire = Wire::open(address).await;
        wire.send("GET / HTTP/1.1\r\nhost: example.org\r\n\r\n").await;
        let limit = Duration::from_secs(20);
        let head = tokio::time::timeout(limit, wire.head()).await.expect("the head comes first");
        let events = content_type.to_ascii_lowercase().starts_with("text/event-stream");
        assert_eq!(head.1.contains_key("cache-control"), !events, "a ttl is not for events");
        for number in 0..3 {
            let chunk =
                tokio::time::timeout(limit, wire.chunk()).await.expect("one by one").unwrap();
            assert_eq!(chunk, format!("data: {number}\n\n").into_bytes());
            release.notify_one();
        }
        assert_eq!(wire.chunk().await, Some(Vec::new()));
        if !events {
            let answer = Wire::open(address).await.get("/", "").await;
            assert!(
                answer.hit() && answer.text().ends_with("data: 2\n\n"),
                "what was sent is stored"
            );
        }
    }
}
