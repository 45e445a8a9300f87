//! Nodes that come and go, slots that move, and what belongs to one node: subscriptions, transactions, scripts.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use edgecask::prelude::*;
use edgecask::{Event, Outcome, Script, Value};
use edgecask_tests::ReplicatedCluster;
use futures_util::future::join_all;
use tokio::time::Instant;

use super::{
    RECOVERY, client, connect, event, gap_before_message, is_of_change, keys, options, pairs,
    within,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_come_and_go_under_load() {
    let mut cluster = ReplicatedCluster::without_replicas().await;
    let client = client(&cluster);
    let end = AtomicBool::new(false);
    let count = async |task: usize| {
        let keys = keys(&format!("count:{task}:"), 30);
        let (mut sure, mut unsure) = (vec![0; 30], vec![0; 30]);
        while !end.load(Ordering::SeqCst) {
            for (at, key) in keys.iter().enumerate() {
                match client.incr(key).await {
                    Ok(_) => sure[at] += 1,
                    Err(error) => {
                        assert!(is_of_change(&error), "{error:?}");
                        unsure[at] += i64::from(error.outcome() == Outcome::Unknown);
                    }
                }
            }
        }
        for (at, key) in keys.iter().enumerate() {
            let counted = client.get::<i64>(key).await.unwrap().unwrap_or(0);
            let possible = sure[at]..=sure[at] + unsure[at];
            assert!(possible.contains(&counted), "{key}: {counted} is not in {possible:?}");
        }
    };
    let change = async {
        let added = cluster.add_node().await;
        for from in 0..3 {
            let slots = cluster.slots_of(from).await;
            cluster.move_slots(&slots[..200], from, added).await;
        }
        cluster.healthy().await;
        cluster.remove_node(added).await;
        // Nobody listens there any more.
        cluster.kill(added);
        end.store(true, Ordering::SeqCst);
    };
    tokio::join!(join_all((0..20).map(count)), change);
    let everywhere = keys("everywhere:", 300);
    client.execute::<()>(pairs(&everywhere, "x")).await.unwrap();
    assert_eq!(client.exists(&everywhere).await.unwrap(), 300);
}

/// The node that has the subscription.
async fn subscribed_node(cluster: &ReplicatedCluster) -> usize {
    for number in cluster.up() {
        let channels: Vec<String> =
            cluster.nodes()[number].ask(&["PUBSUB", "CHANNELS"]).await.unwrap();
        if !channels.is_empty() {
            return number;
        }
    }
    panic!("no node has the subscription");
}

#[tokio::test]
async fn a_subscription_leaves_a_node_that_left() {
    let mut cluster = ReplicatedCluster::without_replicas().await;
    let client = client(&cluster);
    let mut news = client.subscribe(["news"]).await.unwrap();
    assert!(!gap_before_message(&mut news, &client).await, "nothing has happened yet");
    let node = subscribed_node(&cluster).await;
    // The node goes on, alone: its connections stay open, and nothing that others publish reaches it.
    cluster.remove_node(node).await;
    // What the client itself publishes may still go to that node.
    let other = super::client(&cluster);
    assert!(gap_before_message(&mut news, &other).await, "the gap shows");
    let mut fresh = client.subscribe(["news"]).await.unwrap();
    gap_before_message(&mut fresh, &client).await;
}

#[tokio::test]
async fn a_publisher_leaves_a_node_that_left() {
    let mut cluster = ReplicatedCluster::without_replicas().await;
    // It sends nothing that has a slot, so no node redirects it.
    let publisher = client(&cluster);
    publisher.publish("news", "nobody listens").await.unwrap();
    cluster.remove_node(0).await;
    let mut news = client(&cluster).subscribe(["news"]).await.unwrap();
    let start = Instant::now();
    let mut in_a_row = 0;
    while in_a_row < 20 {
        assert!(start.elapsed() < Duration::from_secs(30), "it publishes at the node that left");
        publisher.publish("news", "hello").await.unwrap();
        let arrives = tokio::time::timeout(Duration::from_millis(500), event(&mut news)).await;
        in_a_row = if arrives.is_ok() { in_a_row + 1 } else { 0 };
    }
}

#[tokio::test]
async fn a_subscription_leaves_a_node_that_is_killed() {
    let mut cluster = ReplicatedCluster::start().await;
    let client = client(&cluster);
    let mut news = client.subscribe(["news"]).await.unwrap();
    gap_before_message(&mut news, &client).await;
    let node = subscribed_node(&cluster).await;
    cluster.kill(node);
    loop {
        // A message may still be on its way.
        if let Event::Lost(_) = event(&mut news).await {
            break;
        }
    }
    loop {
        if let Event::Resumed = event(&mut news).await {
            break;
        }
    }
    assert!(!gap_before_message(&mut news, &client).await, "it is at a node that runs");
}

#[tokio::test]
async fn a_transaction_follows_its_slot() {
    let cluster = ReplicatedCluster::without_replicas().await;
    let client = client(&cluster);
    let (slot, from) = (cluster.slot("{moving}").await, cluster.owner("{moving}").await);
    let to = (from + 1) % 3;
    let run = async || {
        let transaction = client.transaction();
        let (one, two) = (transaction.incr("{moving}:a"), transaction.incr("{moving}:b"));
        let mut replies = transaction.exec().await?;
        edgecask::Result::<_>::Ok((replies.take(one)?, replies.take(two)?))
    };
    assert_eq!(run().await.unwrap(), (1, 1));
    cluster.begin_move(&[slot], from, to).await;
    // The keys are still here.
    assert_eq!(run().await.unwrap(), (2, 2));
    while cluster.move_keys(&[slot], from, to, 10).await > 0 {}
    // They are asked for at the other node.
    assert_eq!(run().await.unwrap(), (3, 3));
    cluster.end_move(&[slot], from, to).await;
    assert_eq!(run().await.unwrap(), (4, 4));
    cluster.move_slots(&[slot], to, from).await;
    assert_eq!(run().await.unwrap(), (5, 5));
}

#[tokio::test]
async fn a_transaction_finds_the_new_primary() {
    let cluster = ReplicatedCluster::start().await;
    let client = client(&cluster);
    let tags: Vec<String> = keys("{t", 6).into_iter().map(|tag| format!("{tag}}}")).collect();
    let run = async |tag: &String| {
        let commands = [cmd("INCR").arg(format!("{tag}:a")), cmd("INCR").arg(format!("{tag}:b"))];
        let replies = client.send_transaction(&commands).await?;
        replies.into_iter().collect::<edgecask::Result<Vec<Value>>>()
    };
    for tag in &tags {
        assert_eq!(run(tag).await.unwrap(), [Value::Integer(1), Value::Integer(1)]);
    }
    for replica in 3..6 {
        cluster.promote(replica).await;
    }
    for tag in &tags {
        let replies = within(RECOVERY, async || run(tag).await).await;
        assert_eq!(replies[0], replies[1]);
    }
}

#[tokio::test]
async fn scripts_run_at_the_nodes_of_their_keys() {
    let cluster = ReplicatedCluster::without_replicas().await;
    let client = client(&cluster);
    let append = Script::new("return redis.call('APPEND', KEYS[1], ARGV[1])");
    let everywhere = keys("script:", 30);
    for round in 1..=3 {
        for key in &everywhere {
            let length = client.run_script::<usize>(&append, [key], ["x"]).await.unwrap();
            assert_eq!(length, round, "{key}");
        }
        if round == 1 {
            cluster.tell_all(&["SCRIPT", "FLUSH"]).await;
        } else {
            // The nodes that have the keys now do not know the script.
            let slots = cluster.slots_of(0).await;
            cluster.move_slots(&slots[..slots.len() / 2], 0, round - 1).await;
        }
    }
    // A script without a key runs anywhere, and one that is loaded is known wherever its keys are.
    let two: i64 = client.execute(cmd("EVAL").arg("return 1 + 1").arg(0)).await.unwrap();
    assert_eq!(two, 2);
    cluster.tell_all(&["SCRIPT", "FLUSH"]).await;
    let sha = client.script_load("return redis.call('GET', KEYS[1])").await.unwrap();
    for key in &everywhere {
        let got: String = client.execute(cmd("EVALSHA").arg(&sha).arg(1).arg(key)).await.unwrap();
        assert_eq!(got, "xxx");
    }
    assert_eq!(client.script_exists([&sha]).await.unwrap(), [true]);
    // Keys of two nodes are refused before anything runs.
    let across = [&cluster.keys_on(1, "a", 1).await[0], &cluster.keys_on(2, "a", 1).await[0]];
    let error = client.run_script::<i64>(&append, across, ["x"]).await.unwrap_err();
    assert_ne!(error.outcome(), Outcome::Unknown, "{error:?}");
    assert_eq!(client.exists(across).await.unwrap(), 0);
}

#[tokio::test]
async fn redirections_are_followed_by_a_client_that_knows_one_node() {
    let cluster = ReplicatedCluster::without_replicas().await;
    let url = cluster.nodes()[2].url();
    let client = connect(edgecask::transport::tcp::TcpOptions::cluster([url]));
    let everywhere = keys("everywhere:", 100);
    let commands: Vec<_> = everywhere.iter().map(|key| cmd("SET").arg(key).arg("x")).collect();
    let set = client.send_pipeline(&commands).await.unwrap();
    assert!(set.iter().all(Result::is_ok), "{set:?}");
    for from in 0..3 {
        let slots = cluster.slots_of(from).await;
        cluster.move_slots(&slots[..200], from, (from + 1) % 3).await;
    }
    let set = client.send_pipeline(&commands).await.unwrap();
    assert!(set.iter().all(Result::is_ok), "{set:?}");
    let other = connect(options(&cluster));
    assert_eq!(other.exists(&everywhere).await.unwrap(), 100);
}
