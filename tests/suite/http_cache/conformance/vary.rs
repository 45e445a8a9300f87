//! Which of several stored responses is selected (RFC 9111, 4 and 4.1)?

use axum::http::request::Parts;

use super::{Clock, FRESH, REVALIDATED, borrowed, lines, plain, prepare};
use crate::http_cache::origin::{Origin, options, response};

#[tokio::test]
async fn rfc_9111_4_1_vary() {
    // The names in Vary, the request that is stored, another request, and whether that is answered by what is stored.
    for (vary, one, other, hit) in [
        (vec!["*"], vec![], vec![], false),
        (vec!["accept, *"], vec![], vec![], false),
        (vec!["accept", "*"], vec![], vec![], false),
        (vec!["x-a"], vec![], vec![], true),
        (vec!["X-A"], vec![("x-a", "1")], vec![("X-A", "1")], true),
        (vec!["x-a"], vec![("x-a", "1")], vec![("x-a", "2")], false),
        (vec!["x-a"], vec![("x-a", "1")], vec![], false),
        (vec!["x-a"], vec![], vec![("x-a", "")], false),
        (vec!["x-a"], vec![("x-a", "1")], vec![("x-a", "1"), ("x-b", "2")], true),
        (vec!["x-a, x-b"], vec![("x-a", "1")], vec![("x-a", "1"), ("x-b", "2")], false),
        (vec!["x-a", "x-b"], vec![("x-a", "1")], vec![("x-a", "1"), ("x-b", "2")], false),
        (vec!["x-a"], vec![("x-a", "1"), ("x-a", "2")], vec![("x-a", "1, 2")], true),
        (vec!["x-a"], vec![("x-a", "1"), ("x-a", "2")], vec![("x-a", "2"), ("x-a", "1")], false),
        (
            vec!["accept-language"],
            vec![("accept-language", "de,en")],
            vec![("accept-language", "de , en")],
            true,
        ),
    ] {
        for state in [FRESH, REVALIDATED] {
            let told = format!("{vary:?}: {one:?}, {other:?}");
            let mut headers = lines(&[super::LIFE_OF_100]);
            headers.extend(vary.iter().map(|value| ("vary".to_owned(), (*value).to_owned())));
            let clock = Clock::new();
            let origin = plain(headers, &clock);
            prepare(&origin, &clock, state, &one).await;
            assert_eq!(origin.get(&other).await.hit(), hit, "{told}");
            let all = vary.iter().any(|line| line.contains('*'));
            assert_eq!(origin.get(&one).await.hit(), !all, "{told}");
        }
    }
}

#[tokio::test]
async fn a_vary_that_is_no_list_of_names_matches_nothing() {
    for vary in ["accept language", "x-a, (none)", "x-\u{e4}"] {
        let headers = lines(&[super::LIFE_OF_100, ("vary", vary)]);
        let clock = Clock::new();
        let origin = plain(headers, &clock);
        origin.get(&[("x-a", "1")]).await;
        assert!(!origin.get(&[("x-a", "2")]).await.hit(), "{vary}");
    }
}

/// An application that names its responses, and gives some of them a `Vary` or a `Date`.
fn named(clock: &Clock) -> Origin {
    Origin::with(clock.on(options()), |head: &Parts, number| {
        let told = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok());
        let mut headers = vec![("cache-control", "max-age=100")];
        headers.extend(told("x-vary").map(|names| ("vary", names)));
        headers.extend(told("x-date").map(|date| ("date", date)));
        response(200, &headers, format!("{number}"))
    })
}

#[tokio::test]
async fn rfc_9111_4_the_most_recent_response() {
    let (older, newer) = (super::date(-20), super::date(-10));
    for (first, second, expected) in [(&older, &newer, "2"), (&newer, &older, "1")] {
        let clock = Clock::new();
        let origin = named(&clock);
        let common = [("x-a", "1"), ("x-b", "1")];
        let fill = async |names: &str, date: &str| {
            let told = [("x-vary", names), ("x-date", date), ("cache-control", "no-cache")];
            origin.get(&[&common[..], &told].concat()).await;
        };
        fill("x-a", first).await;
        clock.advance(1);
        fill("x-b", second).await;
        clock.advance(1);
        let answer = origin.get(&common).await;
        assert_eq!((answer.text(), answer.hit()), (expected, true), "{first}, {second}");
    }
}

#[tokio::test]
async fn rfc_9111_4_1_a_response_with_vary_is_preferred() {
    let clock = Clock::new();
    let origin = named(&clock);
    let varied = lines(&[("x-a", "1"), ("x-vary", "x-a")]);
    origin.get(&borrowed(&varied)).await;
    clock.advance(1);
    // The default response, whose Vary is forgotten.
    assert_eq!(origin.get(&[]).await.text(), "2");
    clock.advance(1);
    assert_eq!(origin.get(&[("x-a", "1")]).await.text(), "1");
    assert_eq!(origin.get(&[("x-a", "2")]).await.text(), "2");
    assert_eq!(origin.asked(), 2);
}
