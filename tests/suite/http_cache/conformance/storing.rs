//! What is stored (RFC 9111, 3)?

use super::{
    Clock, NEVER_STORED, Row, STORED, VALIDATED, borrowed, date, lines, prepare, row, run,
    versioned,
};
use crate::http_cache::origin::{Origin, options, response};

pub(super) fn rows() -> Vec<Row> {
    let life = ("cache-control", "max-age=100");
    let mut rows = vec![
        row(
            "3 and 5.2.2.5, no-store",
            &[("cache-control", "max-age=100, no-store")],
            &[],
            NEVER_STORED,
        ),
        row(
            "3 and 5.2.2.7, private",
            &[("cache-control", "max-age=100, private")],
            &[],
            NEVER_STORED,
        ),
        row(
            "5.2.2.7, private with names",
            &[("cache-control", "max-age=100, private=\"x\"")],
            &[],
            NEVER_STORED,
        ),
        row("3, explicit", &[life], &[], STORED),
        row("3, Expires", &[("expires", &date(100))], &[], [true, false, true, true]),
        row("5.2.2.9, public alone is not fresh", &[("cache-control", "public")], &[], VALIDATED),
        row(
            "5.2.2.3, must-understand",
            &[("cache-control", "max-age=100, must-understand, no-store")],
            &[],
            STORED,
        ),
        row(
            "5.2.3, unknown directives",
            &[("cache-control", "max-age=100, unknown, other=1")],
            &[],
            STORED,
        ),
        row(
            "5.2.3, names inside of values",
            &[("cache-control", "max-age=100, other=\"no-store, private\"")],
            &[],
            STORED,
        ),
    ];
    for (opened, asks) in [
        ("max-age=100", NEVER_STORED),
        ("max-age=100, public", STORED),
        ("max-age=100, must-revalidate", STORED),
        ("s-maxage=100", STORED),
    ] {
        let authorized = ("authorization", "Basic YTpi");
        let mut row = row("3.5, Authorization", &[("cache-control", opened)], &[authorized], asks);
        row.same = true;
        rows.push(row);
    }
    rows
}

#[tokio::test]
async fn rfc_9111_3_storing_responses() {
    run(rows()).await;
}

#[tokio::test]
async fn rfc_9111_3_status_codes() {
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
            (vec![("cache-control", "max-age=100")], !never),
            (vec![("last-modified", modified.as_str())], informed),
            (
                vec![("cache-control", "max-age=100, must-understand")],
                informed || matches!(status, 302 | 303 | 307),
            ),
            (vec![("x-nothing", "said")], false),
        ] {
            let told = format!("{status} with {headers:?}");
            let headers = lines(&headers);
            let origin = Origin::with(Clock::new().on(options()), move |_, _| {
                response(
                    status,
                    &borrowed(&headers),
                    if status == 204 || status == 304 { "" } else { "body" },
                )
            });
            let first = origin.get(&[]).await;
            let second = origin.get(&[]).await;
            if status != 304 {
                assert_eq!(
                    (first.status.as_u16(), second.status.as_u16()),
                    (status, status),
                    "{told}"
                );
            }
            assert_eq!((second.hit(), first.body == second.body), (stored, true), "{told}");
        }
    }
}

#[tokio::test]
async fn rfc_9111_3_1_headers_of_the_connection_are_not_stored() {
    let clock = Clock::new();
    let headers = lines(&[
        ("cache-control", "max-age=100"),
        ("connection", "close, X-Hop"),
        ("x-hop", "1"),
        ("keep-alive", "timeout=5"),
        ("proxy-authenticate", "Basic"),
        ("te", "trailers"),
        ("x-end-to-end", "1"),
    ]);
    let origin = versioned(headers, &clock, options());
    for state in [1, 3] {
        prepare(&origin, &clock, state, &[]).await;
        let answer = origin.get(&[]).await;
        assert!(answer.hit());
        for name in ["connection", "x-hop", "keep-alive", "proxy-authenticate", "te"] {
            assert_eq!(answer.header(name), "", "{name}");
        }
        assert_eq!(answer.header("x-end-to-end"), "1");
        // RFC 9110, 6.6.1: a date is added where there is none.
        assert!(httpdate::parse_http_date(&answer.header("date")).is_ok());
    }
}
