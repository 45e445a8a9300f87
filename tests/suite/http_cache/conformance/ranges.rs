//! Which part of a stored response answers a range request (RFC 9110, 14)?

use axum::http::StatusCode;

use super::{Clock, lines, prepare, versioned};
use crate::http_cache::origin::options;

#[tokio::test]
async fn rfc_9110_14_ranges_of_a_stored_response() {
    let clock = Clock::new();
    let origin = versioned(lines(&[("cache-control", "max-age=100")]), &clock, options());
    prepare(&origin, &clock, 1, &[]).await;
    for (request, status, body, range) in [
        (vec![("range", "bytes=1-2")], 206, "od", "bytes 1-2/4"),
        (vec![("range", "bytes=-1")], 206, "y", "bytes 3-3/4"),
        (vec![("range", "bytes=4-")], 416, "", "bytes */4"),
        (vec![("range", "bytes=0-0,2-2")], 200, "body", ""),
        (vec![("range", "bytes=1-2"), ("if-range", "\"v1\"")], 206, "od", "bytes 1-2/4"),
        (vec![("range", "bytes=1-2"), ("if-range", "W/\"v1\"")], 200, "body", ""),
        (vec![("range", "bytes=1-2"), ("if-range", "\"v0\"")], 200, "body", ""),
        (vec![("range", "bytes=1-2"), ("if-none-match", "\"v1\"")], 304, "", ""),
    ] {
        let answer = origin.get(&request).await;
        assert_eq!((answer.status.as_u16(), answer.text()), (status, body), "{request:?}");
        assert_eq!(answer.header("content-range"), range, "{request:?}");
    }
    assert_eq!(origin.asked(), 1);
    assert_eq!(origin.send("HEAD", "/", &[("range", "bytes=1-2")]).await.status, StatusCode::OK);
}
