//! What do the directives of requests and responses mean (RFC 9111, 5.2)?

use axum::http::StatusCode;

use super::{
    ALL, Clock, LIFE_OF_100, NEVER_STORED, Row, STALE, STATES, STORED, VALIDATED, lines,
    on_entries, plain, prepare, row, tests_of_rows, versioned,
};
use crate::http_cache::origin::{Origin, options, response};

pub(super) fn rows() -> Vec<Row> {
    let asked = |control: &'static str| [("cache-control", control)];
    let said = |control: &'static str| [("cache-control", control)];
    let life = [LIFE_OF_100];
    let fine = [true, false, false, false];
    let (max_age, max_stale) = ("rfc_9111_5_2_1_1_max_age", "rfc_9111_5_2_1_2_max_stale");
    let (min_fresh, no_cache) = ("rfc_9111_5_2_1_3_min_fresh", "rfc_9111_5_2_2_4_no_cache");
    let (revalidate, unknown) =
        ("rfc_9111_5_2_2_2_must_revalidate", "rfc_9111_5_2_3_unknown_directives");
    vec![
        row(max_age, "max-age", &life, &asked("max-age=0"), VALIDATED),
        row(max_age, "max-age", &life, &asked("max-age=5"), VALIDATED),
        row(max_age, "max-age that is enough", &life, &asked("max-age=50"), STORED),
        row(max_stale, "max-stale", &life, &asked("max-stale"), fine),
        row(max_stale, "max-stale", &life, &asked("max-stale=1000"), fine),
        row(max_stale, "max-stale that is too little", &life, &asked("max-stale=5"), STORED),
        row(min_fresh, "min-fresh that is enough", &life, &asked("min-fresh=50"), STORED),
        row(min_fresh, "min-fresh", &life, &asked("min-fresh=95"), VALIDATED),
        row("rfc_9111_5_2_1_4_no_cache", "no-cache", &life, &asked("no-cache"), VALIDATED),
        row(
            "rfc_9111_5_2_1_5_no_store_of_what_is_stored",
            "no-store",
            &life,
            &asked("no-store"),
            STORED,
        ),
        row("rfc_9111_5_2_1_6_no_transform", "no-transform", &life, &asked("no-transform"), STORED),
        row("rfc_9111_5_2_2_1_max_age", "max-age", &life, &[], STORED),
        row(
            revalidate,
            "must-revalidate",
            &said("max-age=100, must-revalidate"),
            &asked("max-stale"),
            STORED,
        ),
        row(
            "rfc_9111_5_2_2_8_proxy_revalidate",
            "proxy-revalidate",
            &said("max-age=100, proxy-revalidate"),
            &asked("max-stale"),
            STORED,
        ),
        row(
            "rfc_9111_5_2_2_10_s_maxage",
            "s-maxage",
            &said("s-maxage=100"),
            &asked("max-stale"),
            STORED,
        ),
        row(
            "rfc_9111_5_2_2_3_must_understand",
            "must-understand",
            &said("max-age=100, must-understand, no-store"),
            &[],
            STORED,
        ),
        row(no_cache, "no-cache", &said("max-age=100, no-cache"), &asked("max-stale"), VALIDATED),
        row(no_cache, "no-cache with names", &said("max-age=100, no-cache=\"x\""), &[], VALIDATED),
        row(
            "rfc_9111_5_2_2_5_no_store",
            "no-store",
            &said("max-age=100, no-store"),
            &[],
            NEVER_STORED,
        ),
        row(
            "rfc_9111_5_2_2_5_no_store",
            "no-store",
            &said("public, s-maxage=100, no-store"),
            &[],
            NEVER_STORED,
        ),
        row(
            "rfc_9111_5_2_2_6_no_transform",
            "no-transform",
            &said("max-age=100, no-transform"),
            &[],
            STORED,
        ),
        row(
            "rfc_9111_5_2_2_7_private",
            "private",
            &said("max-age=100, private"),
            &[],
            NEVER_STORED,
        ),
        row(
            "rfc_9111_5_2_2_7_private",
            "private",
            &said("private, s-maxage=100"),
            &[],
            NEVER_STORED,
        ),
        row(
            "rfc_9111_5_2_2_7_private",
            "private with names",
            &said("max-age=100, private=\"x\""),
            &[],
            NEVER_STORED,
        ),
        row("rfc_9111_5_2_2_9_public", "public", &said("public, max-age=100"), &[], STORED),
        row(unknown, "unknown directives", &said("max-age=100, unknown, other=1"), &[], STORED),
        row(
            unknown,
            "names inside of values",
            &said("max-age=100, other=\"no-store, private\""),
            &[],
            STORED,
        ),
    ]
}

tests_of_rows! {
    rows();
    rfc_9111_5_2_1_1_max_age,
    rfc_9111_5_2_1_2_max_stale,
    rfc_9111_5_2_1_3_min_fresh,
    rfc_9111_5_2_1_4_no_cache,
    rfc_9111_5_2_1_5_no_store_of_what_is_stored,
    rfc_9111_5_2_1_6_no_transform,
    rfc_9111_5_2_2_1_max_age,
    rfc_9111_5_2_2_2_must_revalidate,
    rfc_9111_5_2_2_3_must_understand,
    rfc_9111_5_2_2_4_no_cache,
    rfc_9111_5_2_2_5_no_store,
    rfc_9111_5_2_2_6_no_transform,
    rfc_9111_5_2_2_7_private,
    rfc_9111_5_2_2_8_proxy_revalidate,
    rfc_9111_5_2_2_9_public,
    rfc_9111_5_2_2_10_s_maxage,
    rfc_9111_5_2_3_unknown_directives,
}

#[tokio::test]
async fn rfc_9111_5_2_directives_are_passed_on() {
    let said = "max-age=100, no-transform, community=\"a, b\"";
    let asked = [("cache-control", "max-age=5, x-unknown=1"), ("pragma", "x")];
    on_entries(&ALL, &[("cache-control", said)], &asked, plain, async |entry| {
        let joined = |lines: &super::Lines, named: &str| {
            let lines = lines.iter().filter(|(name, _)| name == named);
            lines.map(|(_, value)| value.clone()).collect::<Vec<_>>().join(", ")
        };
        let (answer, asked) = entry.get().await;
        assert!(
            asked && answer.header("cache-control").eq_ignore_ascii_case(said),
            "{}",
            entry.told
        );
        let seen = entry.origin.last_seen().headers;
        let seen: Vec<_> =
            seen.get_all("cache-control").iter().map(|line| line.to_str().unwrap()).collect();
        assert_eq!(seen.join(", "), joined(&entry.request, "cache-control"), "{}", entry.told);
        // A hit says the same.
        assert!(entry.origin.get(&[]).await.header("cache-control").eq_ignore_ascii_case(said));
    })
    .await;
}

#[tokio::test]
async fn rfc_9111_5_2_1_5_no_store() {
    let window = ("cache-control", "max-age=100, stale-while-revalidate=1000");
    let without_background = [super::COLD, super::FRESH, STALE];
    for (headers, states) in [(LIFE_OF_100, &ALL[..]), (window, &without_background)] {
        on_entries(states, &[headers], &[("cache-control", "no-store")], plain, async |entry| {
            entry.get().await;
            // What happens in the background would be over by now.
            for _ in 0..10 {
                tokio::task::yield_now().await;
            }
            let asked = entry.origin.asked();
            let hit = entry.origin.get(&[]).await.header("cache-status");
            let stored = super::VALID.contains(&entry.state);
            // Nothing but what was there before: a stale one is as stale as it was.
            let stale = hit.contains("ttl=-10");
            let as_before =
                if stored { hit.contains("ttl=90") } else { stale || !hit.contains("hit") };
            assert!(as_before, "{}: {hit}, {asked} requests", entry.told);
        })
        .await;
    }
}

#[tokio::test]
async fn rfc_9111_5_2_1_7_only_if_cached() {
    for method in ["GET", "HEAD"] {
        let asked = [("cache-control", "only-if-cached")];
        on_entries(&ALL, &[LIFE_OF_100], &asked, plain, async |entry| {
            let (answer, asked) = entry.send(method).await;
            let expected = match super::VALID.contains(&entry.state) {
                true => StatusCode::OK,
                false => StatusCode::GATEWAY_TIMEOUT,
            };
            assert_eq!((answer.status, asked), (expected, false), "{method}, {}", entry.told);
        })
        .await;
    }
    // The other constraints of the request count too.
    let origin = plain(lines(&[LIFE_OF_100, ("age", "50")]), &Clock::new());
    origin.get(&[]).await;
    let answer = origin.get(&[("cache-control", "only-if-cached, max-age=10")]).await;
    assert_eq!((answer.status, origin.asked()), (StatusCode::GATEWAY_TIMEOUT, 1));
}

#[tokio::test]
async fn rfc_9111_5_2_2_2_must_revalidate_while_the_application_fails() {
    for control in
        ["max-age=100, must-revalidate", "max-age=100, MUST-REVALIDATE, stale-if-error=1000"]
    {
        let clock = Clock::new();
        let tolerant = options().stale_if_error(std::time::Duration::from_secs(10_000));
        let origin = Origin::with(clock.on(tolerant), move |_, number| match number {
            1 => response(200, &[("cache-control", control), ("etag", "\"v1\"")], "old"),
            _ => response(503, &[], "new"),
        });
        prepare(&origin, &clock, STALE, &[]).await;
        assert_eq!(origin.get(&[]).await.status, StatusCode::SERVICE_UNAVAILABLE, "{control}");
    }
}

#[tokio::test]
async fn rfc_9111_5_2_2_6_content_is_not_transformed() {
    let headers = [("cache-control", "max-age=100, no-transform"), ("content-encoding", "x-coded")];
    for state in ALL {
        let clock = Clock::new();
        let origin = versioned(lines(&headers), &clock, options());
        prepare(&origin, &clock, state, &[]).await;
        let answer = origin.get(&[("accept-encoding", "gzip")]).await;
        let told = STATES[state];
        assert_eq!(
            (answer.text(), &*answer.header("content-encoding")),
            ("body", "x-coded"),
            "{told}"
        );
        assert_eq!(answer.header("etag"), "\"v1\"", "{told}");
    }
}
