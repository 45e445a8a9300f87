//! Shard channels, whose messages stay with the servers of their slots.

use std::time::Duration;

use edgecask::prelude::*;
use edgecask::{Event, Subscriber};
use edgecask_tests::ReplicatedCluster;
use futures_util::StreamExt;
use tokio::time::Instant;

use super::{RECOVERY, client, event, payload, within};

/// Publishes until a message arrives. Its events before are these.
async fn heard(client: &Client, channel: &str, subscriber: &mut Subscriber) -> Vec<Event> {
    let (mut before, start, again) = (Vec::new(), Instant::now(), payload());
    loop {
        assert!(start.elapsed() < Duration::from_secs(30), "nothing that is published arrives");
        // Whether it fails is not of interest here.
        let _ = client.spublish(channel, &again).await;
        match tokio::time::timeout(Duration::from_millis(50), subscriber.next()).await {
            Ok(Some(Ok(Event::Message(message)))) if message.payload == again => {
                assert_eq!(message.channel, channel);
                return before;
            }
            Ok(Some(Ok(Event::Message(_)))) => {}
            Ok(Some(Ok(other))) => before.push(other),
            Ok(ended) => panic!("the subscription ended: {ended:?}"),
            Err(_) => {}
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_come_from_the_owners_of_their_slots() {
    let cluster = ReplicatedCluster::without_replicas().await;
    let client = client(&cluster);
    let mut channels = Vec::new();
    for node in 0..3 {
        channels.extend(cluster.keys_on(node, "orders:", 3).await);
    }
    let mut orders = client.ssubscribe(channels.clone()).await.unwrap();
    let mut plain = client.subscribe(channels.clone()).await.unwrap();
    for channel in &channels {
        assert_eq!(client.spublish(channel, "new").await.unwrap(), 1, "{channel}");
        let Event::Message(message) = event(&mut orders).await else { panic!("a gap") };
        assert_eq!((&message.channel[..], &message.payload[..]), (channel.as_bytes(), &b"new"[..]));
    }
    client.publish(&channels[0], "plain").await.unwrap();
    assert_eq!(plain.message().await.unwrap().payload, "plain");
    let counts = client.pubsub_shardnumsub::<String>(&channels).await.unwrap();
    assert!(counts.iter().all(|(_, count)| *count == 1), "{counts:?}");
    let mut names: Vec<String> = client.pubsub_shardchannels("orders:*").await.unwrap();
    names.sort();
    channels.sort();
    assert_eq!(names, channels);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subscription_follows_a_slot_that_moves() {
    let cluster = ReplicatedCluster::without_replicas().await;
    let client = client(&cluster);
    let channel = cluster.keys_on(0, "orders:", 1).await.remove(0);
    let mut orders = client.ssubscribe([channel.clone()]).await.unwrap();
    assert!(heard(&client, &channel, &mut orders).await.is_empty());
    let slot = cluster.slot(&channel).await;
    cluster.move_slots(&[slot], 0, 1).await;
    let events = heard(&client, &channel, &mut orders).await;
    assert!(matches!(events[..], [Event::Lost(_), Event::Resumed]), "{events:?}");
    // Another client, which does not know yet that the slot has moved.
    let stale = super::client(&cluster);
    stale.ping().await.unwrap();
    cluster.move_slots(&[slot], 1, 2).await;
    let mut late = stale.ssubscribe([channel.clone()]).await.unwrap();
    heard(&client, &channel, &mut late).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subscription_follows_a_failover() {
    let mut cluster = ReplicatedCluster::start().await;
    let client = client(&cluster);
    let channel = cluster.keys_on(0, "orders:", 1).await.remove(0);
    let mut orders = client.ssubscribe([channel.clone()]).await.unwrap();
    assert!(heard(&client, &channel, &mut orders).await.is_empty());
    cluster.kill(0);
    cluster.failed_over(0).await;
    let events = heard(&client, &channel, &mut orders).await;
    assert!(matches!(events[..], [Event::Lost(_), Event::Resumed]), "{events:?}");
    within(RECOVERY, async || client.spublish(&channel, "one more").await).await;
}
