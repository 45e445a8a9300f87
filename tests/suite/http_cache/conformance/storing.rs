//! What is stored (RFC 9111, 3 and 3.1)?

use axum::body::{Body, Bytes};
use axum::http::HeaderMap;
use futures_util::stream;
use http_body_util::StreamBody;
use hyper::body::Frame;

use super::{
    ALL, Clock, LIFE_OF_100, NEVER_STORED, Row, STALE, STATES, STORED, VALIDATED, borrowed, date,
    lines, on_entries, plain, prepare, row, tests_of_rows,
};
use crate::http_cache::origin::{Origin, options, response};

pub(super) fn rows() -> Vec<Row> {
    let explicit = "rfc_9111_3_what_makes_a_response_storable";
    let mut rows = vec![
        row(
            "rfc_9111_3_no_store",
            "no-store",
            &[("cache-control", "max-age=100, no-store")],
            &[],
            NEVER_STORED,
        ),
        row(
            "rfc_9111_3_private",
            "private",
            &[("cache-control", "max-age=100, private")],
            &[],
            NEVER_STORED,
        ),
        row(
            "rfc_9111_3_private",
            "private with names",
            &[("cache-control", "max-age=100, private=\"x\"")],
            &[],
            NEVER_STORED,
        ),
        row(explicit, "max-age", &[LIFE_OF_100], &[], STORED),
        row(explicit, "s-maxage", &[("cache-control", "s-maxage=100")], &[], STORED),
        row(explicit, "Expires", &[("expires", &date(100))], &[], [true, false, true, true]),
        row(explicit, "public alone is not fresh", &[("cache-control", "public")], &[], VALIDATED),
    ];
    for (opened, asks) in [
        ("max-age=100", NEVER_STORED),
        ("max-age=100, public", STORED),
        ("max-age=100, must-revalidate", STORED),
        ("s-maxage=100", STORED),
        ("max-age=100, proxy-revalidate", NEVER_STORED),
    ] {
        let authorized = ("authorization", "Basic YTpi");
        let mut row = row(
            "rfc_9111_3_5_authorization",
            "Authorization",
            &[("cache-control", opened)],
            &[authorized],
            asks,
        );
        row.same = true;
        rows.push(row);
    }
    rows
}

tests_of_rows! {
    rows();
    rfc_9111_3_no_store,
    rfc_9111_3_private,
    rfc_9111_3_what_makes_a_response_storable,
    rfc_9111_3_5_authorization,
}

#[tokio::test]
async fn rfc_9111_3_methods_that_are_understood() {
    for method in ["POST", "QUERY", "PROPFIND", "OPTIONS"] {
        on_entries(&ALL, &[LIFE_OF_100], &[], plain, async |entry| {
            let told = &entry.told;
            let (answer, asked) = entry.send(method).await;
            assert!(asked && !answer.hit(), "{method}, {told}");
            let (answer, asked) = entry.send(method).await;
            assert!(asked && !answer.hit(), "{method} is stored: {told}");
        })
        .await;
    }
}

/// A response with a status and these headers, twice: whether the second one is stored.
async fn is_stored(status: u16, headers: &[(&str, &str)]) -> bool {
    let told = format!("{status} with {headers:?}");
    let headers = lines(headers);
    let origin = Origin::with(Clock::new().on(options()), move |_, _| {
        let bodiless = status < 200 || matches!(status, 204 | 304);
        response(status, &borrowed(&headers), if bodiless { "" } else { "body" })
    });
    let (first, second) = (origin.get(&[]).await, origin.get(&[]).await);
    if status != 304 {
        assert_eq!((first.status.as_u16(), second.status.as_u16()), (status, status), "{told}");
    }
    assert_eq!(first.body, second.body, "{told}");
    second.hit()
}

#[tokio::test]
async fn rfc_9111_3_final_status_codes() {
    for status in [100, 102, 103] {
        assert!(!is_stored(status, &[LIFE_OF_100]).await, "{status}");
    }
}

#[tokio::test]
async fn rfc_9111_3_status_codes_that_are_understood() {
    let modified = date(-100_000);
    for status in 200..600 {
        let informed =
            matches!(status, 200 | 203 | 204 | 300 | 301 | 308 | 404 | 405 | 410 | 414 | 501);
        let never = matches!(status, 206 | 304);
        // Every hundredth status, and those of which something is said.
        if !(informed || never || status % 100 < 18) {
            continue;
        }
        for (headers, stored) in [
            (vec![LIFE_OF_100], !never),
            (vec![("last-modified", modified.as_str())], informed),
            (
                vec![("cache-control", "max-age=100, must-understand")],
                informed || matches!(status, 302 | 303 | 307),
            ),
            (vec![("x-nothing", "said")], false),
        ] {
            assert_eq!(is_stored(status, &headers).await, stored, "{status} with {headers:?}");
        }
    }
}

#[tokio::test]
async fn rfc_9111_3_1_all_headers_are_stored() {
    let headers = [
        LIFE_OF_100,
        ("x-unknown", "one"),
        ("x-unknown", "two"),
        ("x-empty", ""),
        ("content-language", "de"),
        ("link", "</a>; rel=preload"),
    ];
    on_entries(&ALL, &headers, &[], plain, async |entry| {
        let (answer, _) = entry.get().await;
        for (name, value) in [
            ("x-unknown", "one, two"),
            ("x-empty", ""),
            ("content-language", "de"),
            ("link", "</a>; rel=preload"),
        ] {
            assert_eq!(answer.header(name), value, "{}", entry.told);
            assert!(answer.headers.contains_key(name), "{}", entry.told);
        }
    })
    .await;
}

#[tokio::test]
async fn rfc_9111_3_1_headers_of_the_connection_and_of_a_proxy_are_not_stored() {
    let clock = Clock::new();
    let headers = lines(&[
        LIFE_OF_100,
        ("connection", "close, X-Hop"),
        ("x-hop", "1"),
        ("keep-alive", "timeout=5"),
        ("proxy-authenticate", "Basic"),
        ("proxy-authentication-info", "x"),
        ("proxy-authorization", "x"),
        ("te", "trailers"),
        ("x-end-to-end", "1"),
    ]);
    let origin = plain(headers, &clock);
    for state in super::VALID {
        prepare(&origin, &clock, state, &[]).await;
        let answer = origin.get(&[]).await;
        assert!(answer.hit(), "{}", STATES[state]);
        for name in [
            "connection",
            "x-hop",
            "keep-alive",
            "proxy-authenticate",
            "proxy-authentication-info",
            "proxy-authorization",
            "te",
        ] {
            assert_eq!(answer.header(name), "", "{name}");
        }
        assert_eq!(answer.header("x-end-to-end"), "1");
        // RFC 9110, 6.6.1: a date is added where there is none.
        assert!(httpdate::parse_http_date(&answer.header("date")).is_ok());
    }
}

#[tokio::test]
async fn rfc_9111_3_1_trailers_do_not_become_headers() {
    for state in [super::COLD, super::FRESH, STALE] {
        let clock = Clock::new();
        let origin = Origin::with(clock.on(options()), |_, _| {
            let trailers =
                HeaderMap::from_iter([("x-late".parse().unwrap(), "1".parse().unwrap())]);
            let frames: [Result<Frame<Bytes>, std::io::Error>; 2] =
                [Ok(Frame::data(Bytes::from_static(b"body"))), Ok(Frame::trailers(trailers))];
            response(200, &[LIFE_OF_100], Body::new(StreamBody::new(stream::iter(frames))))
        });
        prepare(&origin, &clock, state, &[]).await;
        let answer = origin.get(&[]).await;
        assert_eq!((answer.text(), answer.header("x-late")), ("body", String::new()));
    }
}
