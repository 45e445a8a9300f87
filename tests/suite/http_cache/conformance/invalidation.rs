//! What does a write invalidate (RFC 9111, 4.4)?

use super::{borrowed, lines};
use crate::http_cache::origin::{Origin, response};

#[tokio::test]
async fn rfc_9111_4_4_invalidation() {
    // The method, what the application says to it, and which of `/`, `/a/b` and `/a/c` are still stored.
    let all = [true, true, true];
    for (method, status, named, kept) in [
        ("POST", 200, vec![], [false, true, true]),
        ("DELETE", 204, vec![], [false, true, true]),
        ("PUT", 302, vec![], [false, true, true]),
        ("UNKNOWN", 200, vec![], [false, true, true]),
        ("POST", 404, vec![("location", "/a/b")], all),
        ("POST", 500, vec![], all),
        ("OPTIONS", 200, vec![], all),
        ("QUERY", 200, vec![], all),
        ("POST", 201, vec![("location", "/a/b")], [false, false, true]),
        ("POST", 201, vec![("content-location", "a/c")], [false, true, false]),
        (
            "POST",
            201,
            vec![("location", "http://EXAMPLE.org/a/b"), ("content-location", "/x/../a/c")],
            [false, false, false],
        ),
        ("POST", 201, vec![("location", "http://other.example/a/b")], [false, true, true]),
        ("POST", 201, vec![("location", "//other.example/a/b")], [false, true, true]),
    ] {
        let told = format!("{method} {status} {named:?}");
        let named = lines(&named);
        let origin = Origin::new(move |head, _| match head.method.as_str() {
            "GET" => response(200, &[("cache-control", "max-age=100")], "body"),
            _ => response(status, &borrowed(&named), ""),
        });
        let paths = ["/", "/a/b", "/a/c"];
        for path in paths {
            origin.send("GET", path, &[]).await;
        }
        origin.send(method, "/", &[]).await;
        for (path, kept) in paths.iter().zip(kept) {
            assert_eq!(origin.send("GET", path, &[]).await.hit(), kept, "{told}: {path}");
        }
    }
}
