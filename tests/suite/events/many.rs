//! Many subscribers that lose their connections again and again: nothing is lost, nothing comes twice.
//!
//! `EDGECASK_TEST_CASES=100` runs 1000 subscribers with so many reconnections each.

use edgecask::events::{Start, Subscription};
use edgecask_tests::{Place, RedisServer, cases, number};
use futures_util::future::join_all;

use super::{event, quick, topic};

#[tokio::test]
async fn nothing_is_lost_by_reconnections() {
    let rounds = cases(5);
    let subscribers = if number("EDGECASK_TEST_CASES").is_some() { 1000 } else { 60 };
    const EVENTS: u64 = 10;
    let place = Place::redis("Redis", RedisServer::start());
    let publisher = topic(place.client(), quick());
    // Some processes, each with its subscribers.
    let topics: Vec<_> = (0..4).map(|_| topic(place.client(), quick())).collect();
    let mut all: Vec<Subscription<u64>> = Vec::new();
    for number in 0..subscribers {
        all.push(topics[number % 4].subscribe(Start::Now).await.unwrap());
    }
    for round in 0..rounds {
        let next = round * EVENTS;
        let publish = async {
            for number in next..next + EVENTS {
                publisher.publish(&number).await.unwrap();
                if number % EVENTS == 3 {
                    place.cut();
                }
            }
        };
        let receive = all.drain(..).enumerate().map(|(number, mut subscription)| {
            let topic = topics[number % 4].clone();
            async move {
                for expected in next..next + EVENTS {
                    // Each of them lets go once, at another moment, and goes on after its position.
                    if expected - next == number as u64 % EVENTS {
                        let start = Start::After(subscription.position().unwrap());
                        subscription = topic.subscribe(start).await.unwrap();
                    }
                    assert_eq!(event(&mut subscription).await.data, expected, "{number}");
                }
                subscription
            }
        });
        let received = tokio::join!(join_all(receive), publish).0;
        all = received;
    }
    let sent: u64 = all.iter().map(Subscription::commands).sum();
    eprintln!(
        "{subscribers} subscribers, {rounds} rounds: {sent} commands since the last reconnections"
    );
}
