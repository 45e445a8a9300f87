use std::time::Duration;

use edgecask::events::{Events, EventsOptions, Item, Start};
use edgecask::layer::{Fallback, KeyPrefix};
use edgecask::prelude::*;
use edgecask::transport::memory::MemoryTransport;
use edgecask::{Client, ErrorKind};
use edgecask_tests::{Count, Deaf, Dice, Lossy, Place, Tapped, until};
use futures_util::StreamExt;
use serde::{Deserialize, Serialize};

use super::{both, event, key, quick, topic};

#[tokio::test]
async fn events_come_in_order_with_their_names_and_a_subscription_goes_on_after_a_position() {
    for place in Place::all().await {
        for (how, client) in both(&|| place.client()) {
            place.client().flushall().await.unwrap();
            let (publisher, topic) = (topic(place.client(), quick()), topic(client, quick()));
            let mut all = topic.subscribe(Start::Now).await.unwrap();
            for number in 0..200_u64 {
                publisher.publish(&number).name(format!("n{}", number % 2)).await.unwrap();
            }
            for number in 0..200 {
                let event = event(&mut all).await;
                assert_eq!(event.data, number, "{} {how}", place.name);
                assert_eq!(event.name, format!("n{}", number % 2));
                assert_eq!(event.position.map(|at| at.offset), Some(number + 1));
            }
            let end = all.position().unwrap();
            assert_eq!(topic.position().await.unwrap(), Some(end));
            let middle = edgecask::events::Position { offset: 150, ..end };
            let mut rest = topic.subscribe(Start::After(middle)).await.unwrap();
            let mut oldest = topic.subscribe(Start::Oldest).await.unwrap();
            publisher.publish(&200).await.unwrap();
            for number in 150..=200 {
                assert_eq!(event(&mut rest).await.data, number, "{} {how}", place.name);
            }
            for number in 0..=200 {
                assert_eq!(event(&mut oldest).await.data, number, "{} {how}", place.name);
            }
        }
    }
}

#[tokio::test]
async fn a_repeated_id_is_one_event_also_when_answers_are_lost() {
    for place in Place::all().await {
        place.client().flushall().await.unwrap();
        let dice = Dice::new(5);
        let lossy = topic(place.client().layer(Tapped(Lossy::new(&dice, 15))), quick());
        let mut heard = topic(place.client(), quick()).subscribe(Start::Now).await.unwrap();
        for number in 0..40 {
            let id = format!("id {number}: *{{}}");
            // A caller with an unknown outcome repeats it.
            until(async || lossy.publish(&number).id(&id).await.is_ok()).await;
            let again = topic(place.client(), quick()).publish(&number).id(&id).await.unwrap();
            assert!(again.repeated, "{}", place.name);
        }
        for number in 0..40 {
            assert_eq!(event(&mut heard).await.data, number, "{}", place.name);
        }
    }
}

#[tokio::test]
async fn transient_events_and_those_without_a_history_are_live_only() {
    for place in Place::all().await {
        place.client().flushall().await.unwrap();
        let kept = topic(place.client(), quick());
        let mut heard = kept.subscribe(Start::Now).await.unwrap();
        let typing = kept.publish(&1).name("typing").transient().await.unwrap();
        assert_eq!(typing.position, None);
        kept.publish(&2).await.unwrap();
        let (first, second) = (event(&mut heard).await, event(&mut heard).await);
        assert_eq!((first.data, first.position), (1, None), "{}", place.name);
        assert_eq!(second.position.map(|at| at.offset), Some(1));
        let mut late = kept.subscribe(Start::Oldest).await.unwrap();
        assert_eq!(event(&mut late).await.data, 2);

        let live = Events::with_options(place.client(), EventsOptions::new().keep(0));
        let live = live.topic::<u64>(key("live"));
        let mut heard = live.subscribe(Start::Now).await.unwrap();
        assert_eq!(live.publish(&7).await.unwrap().position, None);
        assert_eq!(event(&mut heard).await.data, 7);
        assert_eq!(place.client().exists(["live"]).await.unwrap(), 0);
    }
}

/// Two tenants whose topics have the same name get no events of each other.
#[tokio::test]
async fn prefixes_keep_channels_apart() {
    for place in Place::all().await {
        let [acme, other] = ["acme:", "other:"]
            .map(|prefix| topic(place.client().layer(KeyPrefix::new(prefix)), quick()));
        let (mut ours, mut theirs) =
            (acme.subscribe(Start::Now).await.unwrap(), other.subscribe(Start::Now).await.unwrap());
        acme.publish(&1).transient().await.unwrap();
        acme.publish(&2).await.unwrap();
        other.publish(&3).await.unwrap();
        assert_eq!([event(&mut ours).await.data, event(&mut ours).await.data], [1, 2]);
        assert_eq!(event(&mut theirs).await.data, 3, "{}", place.name);
    }
}

#[tokio::test]
async fn it_fails_closed_without_a_transport() {
    // No server listens there, and the fallback must not be used.
    let away = Client::tcp("redis://127.0.0.1:9").unwrap();
    let away = topic(away.layer(Fallback::to(MemoryTransport::new())), quick());
    assert_eq!(away.publish(&1).await.unwrap_err().kind(), ErrorKind::Connect);
    assert_eq!(away.subscribe(Start::Now).await.unwrap_err().kind(), ErrorKind::Connect);
    let deaf = topic(Client::memory().layer(Tapped(Deaf)), EventsOptions::new().keep(0));
    assert_eq!(deaf.subscribe(Start::Now).await.unwrap_err().kind(), ErrorKind::Unsupported);
}

#[tokio::test]
async fn an_invalid_event_is_refused_or_unreadable() {
    let count = Count::default();
    let client = Client::memory();
    let topic = topic(count.of(client.clone()), quick().max_event_bytes(100));
    let mut heard = topic.subscribe(Start::Now).await.unwrap();
    let _ = count.taken();
    for wrong in ["", "a\nb", "\u{85}", &"x".repeat(129)] {
        assert_eq!(
            topic.publish(&1).name(wrong).await.unwrap_err().kind(),
            ErrorKind::InvalidInput
        );
        assert_eq!(topic.publish(&1).id(wrong).await.unwrap_err().kind(), ErrorKind::InvalidInput);
    }
    let long = Events::with_options(count.of(client.clone()), quick().max_event_bytes(100));
    let long = long.topic::<String>(key("t"));
    assert!(long.publish(&"x".repeat(100)).await.is_err());
    assert_eq!(count.taken(), 0);
    // Of another type, of no type, and plain JSON of another program.
    long.publish(&"text".to_owned()).await.unwrap();
    client.publish("t", "{\"edgecask\":1,").await.unwrap();
    client.publish("t", "17").await.unwrap();
    for position in [Some(1), None] {
        match heard.next().await {
            Some(Ok(Item::Unreadable(unreadable))) => {
                assert_eq!(unreadable.position.map(|at| at.offset), position);
                assert!(!unreadable.error.to_string().contains("text"));
            }
            other => panic!("{other:?}"),
        }
    }
    let foreign = event(&mut heard).await;
    assert_eq!((foreign.data, &*foreign.id, &*foreign.name), (17, "", "message"));
}

#[tokio::test]
async fn structs_and_enums_are_events() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(tag = "type", rename_all = "kebab-case")]
    enum Change {
        Renamed { to: String },
        Closed,
    }
    let topic = Events::new(Client::memory()).topic::<Change>(key("t"));
    let mut heard = topic.subscribe(Start::Now).await.unwrap();
    let changes = [Change::Renamed { to: "\u{0}\"\n\u{2028}".to_owned() }, Change::Closed];
    for change in &changes {
        topic.publish(change).await.unwrap();
    }
    for change in changes {
        assert_eq!(heard.next().await.unwrap().unwrap().event().unwrap().data, change);
    }
}

#[tokio::test]
async fn a_dropped_subscription_is_closed() {
    let place = Place::redis("Redis", edgecask_tests::RedisServer::start());
    let client = place.client();
    let subscribers = async || client.pubsub_numsub::<String>(["t"]).await.unwrap()[0].1;
    let topic = topic(place.client(), quick());
    let first = topic.subscribe(Start::Now).await.unwrap();
    let second = topic.clone().subscribe(Start::Now).await.unwrap();
    assert_eq!(subscribers().await, 1, "the process has one");
    drop(first);
    assert_eq!(subscribers().await, 1);
    drop(second);
    until(async || subscribers().await == 0).await;
    let mut third = topic.subscribe(Start::Now).await.unwrap();
    topic.publish(&1).await.unwrap();
    assert_eq!(event(&mut third).await.data, 1);
    assert_eq!(Duration::from_secs(3600).as_secs() / 10, {
        let left: u64 = client.execute(cmd("TTL").arg("t")).await.unwrap();
        (left + 5) / 10
    });
}

/// The task of a subscription runs on the runtime of the first subscriber.
#[test]
fn a_subscriber_outlives_the_runtime_of_another() {
    let new = || tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let (first, second) = (new(), new());
    for options in [quick(), quick().keep(0)] {
        let topic = topic(Client::memory(), options);
        let runtime = new();
        let one = runtime.block_on(topic.subscribe(Start::Now)).unwrap();
        let mut other = first.block_on(topic.subscribe(Start::Now)).unwrap();
        drop(runtime);
        second.block_on(async {
            // Without a history it is a gap.
            let heard = tokio::spawn(async move {
                loop {
                    match other.next().await {
                        Some(Ok(Item::Event(event))) => return event.data,
                        Some(Ok(Item::Gap(_))) => {}
                        end => panic!("{end:?}"),
                    }
                }
            });
            until(async || {
                topic.publish(&1).await.unwrap();
                heard.is_finished()
            })
            .await;
            assert_eq!(heard.await.unwrap(), 1);
        });
        drop(one);
    }
}

/// The history and the channel have permissions of their own.
#[tokio::test]
async fn a_user_without_permission_for_channels_gets_an_error() {
    let redis = edgecask_tests::RedisServer::start();
    let rules = ["SETUSER", "ada", "on", ">pass", "~*", "+@all", "resetchannels"];
    redis.client().send(&cmd("ACL").args_from(rules)).await.unwrap();
    let url = redis.url().replace("redis://", "redis://ada:pass@");
    let topic = topic(Client::tcp(&url).unwrap(), quick());
    let refused = topic.publish(&1).id("a").await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Unauthorized);
    assert_eq!(refused.outcome(), edgecask::Outcome::Completed);
    assert!(topic.publish(&1).id("a").await.unwrap().repeated);
    let transient = topic.publish(&1).id("b").transient().await.unwrap_err();
    assert_eq!(transient.outcome(), edgecask::Outcome::Refused);
    assert_eq!(topic.position().await.unwrap().map(|at| at.offset), Some(1));
    let ada = topic.presence().join("ada").await.unwrap();
    assert_eq!(topic.presence().list().await.unwrap(), ["ada"]);
    assert!(ada.leave().await.unwrap());
}
