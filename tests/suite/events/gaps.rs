//! Each planted loss is a gap, and nothing else is.

use std::time::Duration;

use edgecask::Client;
use edgecask::events::sse::SseStream;
use edgecask::events::{Events, EventsOptions, GapReason, Item, Position, Start, Topic};
use edgecask::prelude::*;
use edgecask::transport::rest::RestOptions;
use edgecask::transport::tcp::TcpOptions;
use edgecask_tests::{Place, RedisServer, until};
use futures_util::StreamExt;

use super::{both, event, item, quick, topic};

/// A loss, the command that causes it in a history of three events, and the gap of a subscriber after the first event.
const LOSSES: [(&str, &str, GapReason, Option<u64>); 6] = [
    ("the oldest are trimmed", "XTRIM t MAXLEN 1", GapReason::Trimmed, Some(1)),
    ("all are trimmed", "XTRIM t MAXLEN 0", GapReason::Trimmed, Some(2)),
    ("the history expires", "DEL t", GapReason::Trimmed, Some(2)),
    ("one is deleted", "XDEL t {epoch}-2", GapReason::Trimmed, Some(1)),
    ("Redis is flushed", "FLUSHALL", GapReason::HistoryLost, None),
    ("both are evicted", "DEL t edgecask:events:{t}", GapReason::HistoryLost, None),
];

async fn run(client: &Client, line: &str) {
    let mut words = line.split(' ').map(str::to_owned);
    client.send(&cmd(words.next().unwrap()).args_from(words)).await.unwrap();
}

async fn three(topic: &Topic<u64>) -> Position {
    let mut last = None;
    for number in 1..=3 {
        last = topic.publish(&number).await.unwrap().position;
    }
    last.unwrap()
}

#[tokio::test]
async fn each_planted_loss_is_a_gap_for_a_subscriber_that_resumes() {
    for place in Place::all().await {
        for (how, client) in both(&|| place.client()) {
            for (what, line, reason, missed) in LOSSES {
                let context = format!("{}, {how}: {what}", place.name);
                place.client().flushall().await.unwrap();
                let topic = topic(client.clone(), quick());
                let last = three(&topic).await;
                run(&place.client(), &line.replace("{epoch}", &last.epoch.to_string())).await;
                let first = Position { offset: 1, ..last };
                let mut resumed = topic.subscribe(Start::After(first)).await.unwrap();
                let mut got = Vec::new();
                let after = topic.publish(&4).await.unwrap().position.unwrap();
                while resumed.position() != Some(after) {
                    got.push(item(&mut resumed).await);
                }
                let gaps: Vec<_> = got
                    .iter()
                    .filter_map(|item| match item {
                        Item::Gap(gap) => Some((gap.reason, gap.missed)),
                        _ => None,
                    })
                    .collect();
                assert_eq!(gaps, [(reason, missed)], "{context}: {got:?}");
                assert!(matches!(got.first(), Some(Item::Gap(_))), "{context}: {got:?}");
                assert!(matches!(got.last(), Some(Item::Event(_))), "{context}: {got:?}");
            }
        }
    }
}

/// A subscriber that polls sees a flush without waiting for the next event.
#[tokio::test]
async fn a_polling_subscriber_gets_a_gap_of_a_flush_at_once() {
    let place = Place::redis("Redis", RedisServer::start());
    let [_, (_, client)] = both(&|| place.client());
    let topic = topic(client, quick());
    let mut heard = topic.subscribe(Start::Now).await.unwrap();
    three(&topic).await;
    for number in 1..=3 {
        assert_eq!(event(&mut heard).await.data, number);
    }
    place.client().flushall().await.unwrap();
    match item(&mut heard).await {
        Item::Gap(gap) => assert_eq!(gap.reason, GapReason::HistoryLost),
        other => panic!("{other:?}"),
    }
    // What begins now is complete.
    topic.publish(&4).await.unwrap();
    assert_eq!(event(&mut heard).await.data, 4);
}

/// An event that was read before it was lost is not a gap.
#[tokio::test]
async fn a_history_that_expires_after_it_was_read_is_not_a_gap() {
    for place in Place::all().await {
        for (how, client) in both(&|| place.client()) {
            place.client().flushall().await.unwrap();
            let topic = topic(client, quick());
            let mut heard = topic.subscribe(Start::Now).await.unwrap();
            let last = three(&topic).await;
            for number in 1..=3 {
                assert_eq!(event(&mut heard).await.data, number);
            }
            place.client().del(["t"]).await.unwrap();
            let mut resumed = topic.subscribe(Start::After(last)).await.unwrap();
            topic.publish(&4).await.unwrap();
            for subscription in [&mut heard, &mut resumed] {
                assert_eq!(event(subscription).await.data, 4, "{} {how}", place.name);
            }
        }
    }
}

#[tokio::test]
async fn a_position_that_no_history_has_is_a_gap_and_all_that_is_kept() {
    let topic = topic(Client::memory(), quick());
    three(&topic).await;
    for unknown in ["1-1", "nonsense", "\u{0}"] {
        let start = Start::last_event_id(Some(unknown), Start::Now);
        let mut heard = topic.subscribe(start).await.unwrap();
        assert!(matches!(item(&mut heard).await, Item::Gap(_)), "{unknown:?}");
        for number in 1..=3 {
            assert_eq!(event(&mut heard).await.data, number);
        }
    }
    assert_eq!(Start::last_event_id(Some(" "), Start::Oldest), Start::Oldest);
    assert_eq!(Start::last_event_id(None, Start::Now), Start::Now);
}

/// A connection that is lost is filled from the history; without one it is a gap.
#[tokio::test]
async fn a_lost_connection_is_filled_or_a_gap() {
    let place = Place::redis("Redis", RedisServer::start());
    let live = topic(place.client(), EventsOptions::new().keep(0));
    let kept = topic(place.client(), quick());
    let (mut live_heard, mut heard) =
        (live.subscribe(Start::Now).await.unwrap(), kept.subscribe(Start::Now).await.unwrap());
    place.cut();
    kept.publish(&1).await.unwrap();
    assert_eq!(event(&mut heard).await.data, 1);
    match item(&mut live_heard).await {
        Item::Gap(gap) => assert_eq!(gap.reason, GapReason::Disconnected),
        // The event went out when the connection was back already: then the gap came first.
        other => panic!("{other:?}"),
    }
}

/// The buffer of a subscriber that does not read is bounded; its lag is visible.
#[tokio::test]
async fn a_slow_subscriber_reads_from_the_history_or_has_a_gap() {
    for place in Place::all().await {
        place.client().flushall().await.unwrap();
        for (kept, expected) in
            [(1000, None), (5, Some(GapReason::TooSlow)), (0, Some(GapReason::TooSlow))]
        {
            let topic = topic(place.client(), EventsOptions::new().keep(kept).buffer(10));
            let mut slow = topic.subscribe(Start::Now).await.unwrap();
            // It has caught up, and does not read the history first.
            topic.publish(&100).await.unwrap();
            assert_eq!(event(&mut slow).await.data, 100);
            for number in 0..50 {
                topic.publish(&number).await.unwrap();
                until(async || slow.lag() == number + 1).await;
            }
            let mut gaps = Vec::new();
            let mut got = Vec::new();
            while got.last() != Some(&49) {
                match item(&mut slow).await {
                    Item::Gap(gap) => gaps.push(gap.reason),
                    Item::Event(event) => got.push(event.data),
                    other => panic!("{other:?}"),
                }
            }
            assert_eq!(gaps.first().copied(), expected, "{} {kept}", place.name);
            assert!(got.is_sorted_by(|one, other| one < other), "{got:?}");
            assert_eq!(got.len() == 50, expected.is_none(), "{got:?}");
            assert_eq!(slow.lag(), 0);
        }
    }
}

/// A subscriber that comes back to events without a history gets a gap, and so does a browser.
#[tokio::test]
async fn a_subscriber_that_resumes_without_a_history_has_a_gap() {
    let topic = topic(Client::memory(), EventsOptions::new().keep(0));
    let mut body = SseStream::new(topic.subscribe(Start::Now).await.unwrap());
    assert_eq!(body.next().await.unwrap().unwrap(), "retry: 3000\nid: 0-0\n\n");
    for start in [Start::last_event_id(Some("0-0"), Start::Now), Start::Oldest] {
        let mut heard = topic.subscribe(start).await.unwrap();
        match item(&mut heard).await {
            Item::Gap(gap) => assert_eq!(gap.reason, GapReason::Disconnected),
            other => panic!("{other:?}"),
        }
        topic.publish(&1).await.unwrap();
        assert_eq!(event(&mut heard).await.data, 1);
    }
}

/// A message that is lost while the connection stays, as in a failover, is found in the history without another event.
#[tokio::test]
async fn a_message_that_was_lost_is_found_by_the_check() {
    for place in Place::all().await {
        place.client().flushall().await.unwrap();
        let options = EventsOptions::new().check_every(Duration::from_millis(20));
        let topic = topic(place.client(), options);
        let mut heard = topic.subscribe(Start::Now).await.unwrap();
        let first = topic.publish(&1).await.unwrap().position.unwrap();
        assert_eq!(event(&mut heard).await.data, 1);
        let second = Position { offset: 2, ..first }.to_string();
        let content = r#""id":"b","name":"message","data":2}"#;
        let add = cmd("XADD").args_from(["t", &second, "event", content]);
        place.client().send(&add).await.unwrap();
        assert_eq!(event(&mut heard).await.data, 2, "{}", place.name);
    }
}

/// An entry that another program adds to the stream is ahead of the position that is remembered.
#[tokio::test]
async fn an_entry_of_another_program_is_given_once() {
    for place in Place::all().await {
        for (how, client) in both(&|| place.client()) {
            place.client().flushall().await.unwrap();
            let topic = topic(client, quick());
            let mut heard = topic.subscribe(Start::Now).await.unwrap();
            let first = topic.publish(&1).await.unwrap().position.unwrap();
            assert_eq!(event(&mut heard).await.data, 1);
            run(&place.client(), &format!("XADD t {}-2 by others", first.epoch)).await;
            let mut resumed = topic.subscribe(Start::After(first)).await.unwrap();
            assert!(matches!(item(&mut resumed).await, Item::Unreadable(_)), "{how}");
            assert_eq!(topic.publish(&3).await.unwrap().position.unwrap().offset, 3);
            assert_eq!(event(&mut resumed).await.data, 3, "{} {how}", place.name);
            // A history that a subscriber begins after the stream was emptied does not affect it.
            run(&place.client(), "XTRIM t MAXLEN 0").await;
            run(&place.client(), "DEL edgecask:events:{t}").await;
            let mut anew = topic.subscribe(Start::Now).await.unwrap();
            topic.publish(&4).await.unwrap();
            assert_eq!(event(&mut anew).await.data, 4, "{} {how}", place.name);
        }
    }
}

/// The key of a topic that has subscribers but no events expires.
#[tokio::test]
async fn the_position_of_a_topic_without_events_is_kept_for_a_day() {
    for place in Place::all().await {
        place.client().flushall().await.unwrap();
        let topic = topic(place.client(), quick());
        let heard = topic.subscribe(Start::Now).await.unwrap();
        let left = async || {
            let left = cmd("TTL").arg("edgecask:events:{t}");
            let left: i64 = place.client().execute(left).await.unwrap();
            (left + 1800) / 3600
        };
        assert_eq!(left().await, 24, "{}", place.name);
        drop(heard);
        topic.publish(&1).await.unwrap();
        assert_eq!(left().await, 30 * 24, "{}", place.name);
    }
}

/// Both keys come back as they were after one of three events; two others take the places of those that were lost, and the position is
/// lost too. What tells of it is the entry before the one that is left.
#[tokio::test]
async fn older_data_without_a_position_and_then_a_trim_are_a_gap() {
    for place in Place::all().await {
        for (how, client) in both(&|| place.client()) {
            let context = format!("{} {how}", place.name);
            let direct = place.client();
            direct.flushall().await.unwrap();
            let topic = || topic(client.clone(), quick());
            let lost = topic();
            let mut heard = topic().subscribe(Start::Now).await.unwrap();
            lost.publish(&1).await.unwrap();
            let saved = direct.send(&cmd("DUMP").arg("t")).await.unwrap();
            for number in 2..=3 {
                lost.publish(&number).await.unwrap();
            }
            for number in 1..=3 {
                assert_eq!(event(&mut heard).await.data, number, "{context}");
            }
            direct.flushall().await.unwrap();
            let saved = saved.as_bytes().unwrap();
            direct.send(&cmd("RESTORE").arg("t").arg(9_000_000).arg(saved)).await.unwrap();
            // Publishers without a known position.
            for number in 12..=13 {
                topic().publish(&number).await.unwrap();
            }
            run(&direct, "DEL edgecask:events:{t}").await;
            topic().publish(&14).await.unwrap();
            run(&direct, "XTRIM t MAXLEN 1").await;
            match item(&mut heard).await {
                Item::Gap(gap) => assert_eq!(gap.reason, GapReason::HistoryLost, "{context}"),
                other => panic!("{context}: {other:?}"),
            }
            assert_eq!(event(&mut heard).await.data, 14, "{context}");
        }
    }
}

/// A page of the history that exceeds the limit of an answer is read in parts. A single event that is too long is reported, and
/// does not block the next ones.
#[tokio::test]
async fn a_page_that_is_too_long_is_read_in_halves() {
    let redis = RedisServer::start();
    let server = edgecask_server::Server::start(edgecask_server::ServerOptions::redis(redis.url()));
    let server = server.await.unwrap();
    let rest = RestOptions::new(server.url(), server.token()).max_response_bytes(8192);
    let tcp = TcpOptions::new(redis.url()).max_reply_bytes(8192);
    let narrow = [Client::rest_with(rest).unwrap(), Client::tcp_with(tcp).unwrap()];
    for (number, client) in narrow.into_iter().enumerate() {
        let key = super::key(&format!("t{number}"));
        let wide = Events::new(redis.client()).topic::<String>(key.clone());
        for number in 0..40 {
            wide.publish(&"x".repeat(2000)).id(number.to_string()).await.unwrap();
        }
        wide.publish(&"x".repeat(20_000)).await.unwrap();
        wide.publish(&"x".repeat(2000)).id("last").await.unwrap();
        let topic = Events::with_options(client, quick().live(false)).topic::<String>(key);
        let mut heard = topic.subscribe(Start::Oldest).await.unwrap();
        for number in 0..40 {
            let event = heard.next().await.unwrap().unwrap().event().unwrap();
            assert_eq!((event.id, event.data.len()), (number.to_string(), 2000));
        }
        match heard.next().await.unwrap().unwrap() {
            Item::Unreadable(unreadable) => assert_eq!(unreadable.position.unwrap().offset, 41),
            other => panic!("{other:?}"),
        }
        assert_eq!(heard.next().await.unwrap().unwrap().event().unwrap().id, "last");
        // A page of two has one new event, and each size that is tried in vain costs a command.
        assert!(heard.commands() < 120, "{}", heard.commands());
    }
}
