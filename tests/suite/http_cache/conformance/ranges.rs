//! Which part of a stored response answers a range request (RFC 9110, 13.1.5 and 14)?

use super::{ALL, LIFE_OF_100, STATES, VALID, date, on_entries, plain};

/// The answer of an entry that is valid, to a range request: its status, its body and its range.
async fn answers(
    headers: &[(&str, &str)],
    request: &[(&str, &str)],
    (status, body, range): (u16, &str, &str),
) {
    let headers = [&[LIFE_OF_100], headers].concat();
    on_entries(&VALID, &headers, request, plain, async |entry| {
        let (answer, asked) = entry.get().await;
        let told = &entry.told;
        assert_eq!((answer.status.as_u16(), answer.text()), (status, body), "{told}");
        assert_eq!(answer.header("content-range"), range, "{told}");
        assert!(!asked, "{told}");
    })
    .await;
}

#[tokio::test]
async fn rfc_9110_14_2_ranges_of_a_stored_response() {
    for (request, expected) in [
        ("bytes=1-2", (206, "od", "bytes 1-2/4")),
        ("BYTES=1-2", (206, "od", "bytes 1-2/4")),
        ("bytes=-1", (206, "y", "bytes 3-3/4")),
        ("bytes=0-99", (206, "body", "bytes 0-3/4")),
        ("bytes=4-", (416, "", "bytes */4")),
        ("bytes=0-0,2-2", (200, "body", "")),
        ("bytes=2-1", (200, "body", "")),
        ("lines=1-2", (200, "body", "")),
    ] {
        answers(&[], &[("range", request)], expected).await;
    }
    // It is defined for GET alone.
    on_entries(&VALID, &[LIFE_OF_100], &[("range", "bytes=1-2")], plain, async |entry| {
        assert_eq!(entry.send("HEAD").await.0.status.as_u16(), 200, "{}", entry.told);
    })
    .await;
}

#[tokio::test]
async fn a_416_is_not_stored_in_place_of_what_it_is_about() {
    let (then, soon) = (date(-1000), date(100));
    let headers = [
        LIFE_OF_100,
        ("expires", soon.as_str()),
        ("last-modified", then.as_str()),
        ("cdn-cache-control", "max-age=100"),
        ("surrogate-control", "max-age=100"),
        ("cache-tag", "a"),
        ("surrogate-key", "a"),
        ("access-control-allow-origin", "*"),
    ];
    on_entries(&VALID, &headers, &[("range", "bytes=4-")], plain, async |entry| {
        let (answer, told) = (entry.get().await.0, &entry.told);
        assert_eq!(answer.status.as_u16(), 416, "{told}");
        for (name, value) in [
            ("cache-control", "no-store"),
            ("expires", ""),
            ("etag", ""),
            ("last-modified", ""),
            ("cdn-cache-control", ""),
            ("surrogate-control", ""),
            ("cache-tag", ""),
            ("surrogate-key", ""),
            ("access-control-allow-origin", "*"),
            ("content-range", "bytes */4"),
        ] {
            assert_eq!(answer.header(name), value, "{name}: {told}");
        }
        // What is stored keeps them.
        let whole = entry.origin.get(&[]).await;
        assert!(whole.hit() && whole.header("expires") == soon, "{told}");
    })
    .await;
}

#[tokio::test]
async fn rfc_9110_13_1_5_if_range() {
    let (whole, part) = ((200, "body", ""), (206, "od", "bytes 1-2/4"));
    for (condition, expected) in [
        ("\"v1\"", part),
        ("\"v0\"", whole),
        // RFC 9110, 13.1.5: the strong comparison.
        ("W/\"v1\"", whole),
        ("v1", whole),
        ("*", whole),
    ] {
        answers(&[], &[("range", "bytes=1-2"), ("if-range", condition)], expected).await;
    }
}

#[tokio::test]
async fn rfc_9110_13_1_5_if_range_with_a_date() {
    let (whole, part) = ((200, "body", ""), (206, "od", "bytes 1-2/4"));
    let (then, later, now) = (date(-100), date(-99), date(0));
    let modified = ("last-modified", then.as_str());
    for (headers, condition, expected) in [
        (vec![modified, ("date", then.as_str())], &then, whole),
        (vec![modified, ("date", later.as_str())], &then, part),
        (vec![modified, ("date", later.as_str())], &later, whole),
        (vec![modified], &then, part),
        (vec![modified], &now, whole),
        (vec![("date", later.as_str())], &later, whole),
    ] {
        // What is dated back is still fresh.
        let headers = [&headers[..], &[("cache-control", "max-age=1000")]].concat();
        let request = [("range", "bytes=1-2"), ("if-range", condition.as_str())];
        on_entries(&[super::FRESH], &headers, &request, plain, async |entry| {
            let (answer, asked) = entry.get().await;
            let told = &entry.told;
            assert_eq!((answer.status.as_u16(), answer.text()), (expected.0, expected.1), "{told}");
            assert!(!asked, "{told}");
        })
        .await;
    }
}

#[tokio::test]
async fn rfc_9110_13_1_5_if_range_without_a_range_is_ignored() {
    for condition in ["\"v1\"", "\"v0\"", "W/\"v1\""] {
        answers(&[], &[("if-range", condition)], (200, "body", "")).await;
    }
}

#[tokio::test]
async fn ranges_of_what_is_not_valid_are_the_applications() {
    let request = [("range", "bytes=1-2"), ("if-range", "\"v1\"")];
    on_entries(&ALL, &[LIFE_OF_100], &request, plain, async |entry| {
        let (_, asked) = entry.get().await;
        assert_eq!(asked, !VALID.contains(&entry.state), "{}", STATES[entry.state]);
        if asked {
            let seen = entry.origin.last_seen().headers;
            assert_eq!(
                (&seen["range"], &seen["if-range"]),
                (&"bytes=1-2".parse().unwrap(), &"\"v1\"".parse().unwrap())
            );
        }
    })
    .await;
}
