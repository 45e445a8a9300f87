//! The costs of events in commands, as documented.

use std::time::Duration;

use edgecask::Client;
use edgecask::events::sse::SseStream;
use edgecask::events::{EventsOptions, Start};
use edgecask_tests::{Count, Deaf, Place, Tapped};
use futures_util::StreamExt;
use futures_util::future::{Either, select};

use super::{event, quick, topic};

#[tokio::test]
async fn an_event_costs_one_command_to_publish_and_none_to_receive() {
    for place in Place::all().await {
        // Loads the scripts into the server.
        topic(place.client(), quick()).publish(&0).await.unwrap();
        topic(place.client(), quick()).position().await.unwrap();
        let (sent, received) = (Count::default(), Count::default());
        let publisher = topic(sent.of(place.client()), quick());
        let topic = topic(received.of(place.client()), quick());
        let mut heard = topic.subscribe(Start::Now).await.unwrap();
        for number in 1..=10 {
            publisher.publish(&number).await.unwrap();
            assert_eq!(event(&mut heard).await.data, number);
        }
        assert_eq!((sent.taken(), received.taken()), (10, 2), "{}", place.name);
        assert_eq!(heard.commands(), 2);
    }
}

/// The clock is virtual: it advances while all tasks wait.
#[tokio::test]
async fn an_idle_subscriber_that_polls_sends_two_commands_a_minute_at_most() {
    tokio::time::pause();
    let count = Count::default();
    let client = count.of(Client::memory().layer(Tapped(Deaf)));
    let topic = topic(client, EventsOptions::new());
    let mut heard = topic.subscribe(Start::Now).await.unwrap();
    let idle = async |heard: &mut edgecask::events::Subscription<u64>, seconds| {
        let waited = std::pin::pin!(tokio::time::sleep(Duration::from_secs(seconds)));
        assert!(matches!(select(heard.next(), waited).await, Either::Right(_)));
    };
    // The first minute, in which the pauses grow.
    idle(&mut heard, 60).await;
    assert!((3..=10).contains(&count.taken()));
    idle(&mut heard, 3600).await;
    assert!((90..=121).contains(&count.taken()));
    topic.publish(&1).await.unwrap();
    assert_eq!(event(&mut heard).await.data, 1);
}

#[tokio::test]
async fn a_keep_alive_costs_no_command() {
    tokio::time::pause();
    let count = Count::default();
    let options = EventsOptions::new().check_every(Duration::ZERO);
    let topic = topic(count.of(Client::memory()), options);
    let mut body = SseStream::new(topic.subscribe(Start::Now).await.unwrap());
    assert!(body.next().await.unwrap().unwrap().starts_with(b"retry: 3000\nid: "));
    let _ = count.taken();
    let start = tokio::time::Instant::now();
    for _ in 0..100 {
        assert_eq!(body.next().await.unwrap().unwrap(), ":\n\n");
    }
    assert_eq!(start.elapsed().as_secs(), 1500);
    assert_eq!(count.taken(), 0);
}

/// A topic without events is checked once a minute, for all subscribers of the process.
#[tokio::test]
async fn a_topic_without_events_is_checked_once_a_minute() {
    tokio::time::pause();
    let count = Count::default();
    let topic = topic(count.of(Client::memory()), EventsOptions::new());
    let mut heard = Vec::new();
    for _ in 0..3 {
        heard.push(topic.subscribe(Start::Now).await.unwrap());
    }
    let idle = async |heard: &mut Vec<edgecask::events::Subscription<u64>>, seconds| {
        let next = heard.iter_mut().map(StreamExt::next);
        let all = futures_util::future::join_all(next);
        let waited = std::pin::pin!(tokio::time::sleep(Duration::from_secs(seconds)));
        assert!(matches!(select(all, waited).await, Either::Right(_)));
    };
    // After the first check each subscriber reads the history.
    idle(&mut heard, 90).await;
    let _ = count.taken();
    idle(&mut heard, 3600).await;
    assert!((59..=61).contains(&count.taken()));
}
