//! Keys of one prefix get another one, while they are used and whatever interrupts it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use edgecask::command::keys::Lifetime;
use edgecask::layer::{Deadline, RequestBudget};
use edgecask::migrate::{OnConflict, RenamePrefix};
use edgecask::prelude::*;
use edgecask::transport::Backend;
use edgecask::transport::tcp::{TcpOptions, TcpTransport};
use edgecask::{Error, ErrorKind};
use edgecask_tests::{RedisCluster, RedisServer};
use tokio::sync::Notify;

use crate::systems::everywhere;

fn rename() -> RenamePrefix {
    RenamePrefix::new("old:", "brand:new:").unwrap()
}

async fn fill(client: &Client, keys: usize) {
    for from in (0..keys).step_by(500) {
        let pairs = (from..keys.min(from + 500)).map(|key| (format!("old:{key}"), key.to_string()));
        let pipeline = client.pipeline();
        let _slots: Vec<_> = pairs.map(|(key, value)| pipeline.set(key, value)).collect();
        pipeline.exec().await.unwrap();
    }
}

/// How many of these keys hold their number under the new name, and how many still have the old one.
async fn moved(client: &Client, keys: usize) -> (usize, usize) {
    let (mut new, mut old) = (0, 0);
    for key in 0..keys {
        let found: Option<String> = client.get(format!("brand:new:{key}")).await.unwrap();
        new += usize::from(found == Some(key.to_string()));
        old += client.exists([format!("old:{key}")]).await.unwrap() as usize;
    }
    (new, old)
}

#[tokio::test]
async fn every_type_keeps_its_value_and_its_time() {
    everywhere(async |client| {
        client.set("old:text", "ä").await.unwrap();
        client.set("old:", "the bare prefix").await.unwrap();
        client.hset("old:hash", [("f", "v")]).await.unwrap();
        client.rpush("old:list", ["a", "b"]).await.unwrap();
        client.sadd("old:set", ["a"]).await.unwrap();
        client.zadd("old:sorted", [(1.5, "a")]).await.unwrap();
        client.expire("old:hash", Duration::from_secs(100)).await.unwrap();
        client.set("other:old:text", "stays").await.unwrap();
        client.set("older", "stays").await.unwrap();

        let steps = Arc::new(Mutex::new(Vec::new()));
        let told = Arc::clone(&steps);
        let rename = rename().batch(2).progress(move |so_far| told.lock().unwrap().push(*so_far));
        let plan = rename.clone().dry_run(true).run(&client).await.unwrap();
        assert_eq!((plan.found, plan.moved, plan.conflicts, plan.gone), (6, 6, 0, 0));
        assert_eq!(
            client.exists(["old:text", "old:hash"]).await.unwrap(),
            2,
            "nothing has changed"
        );
        assert_eq!(steps.lock().unwrap().last(), Some(&plan));

        let done = rename.run(&client).await.unwrap();
        assert_eq!((done.found, done.moved, done.conflicts, done.gone), (6, 6, 0, 0));
        assert_eq!(steps.lock().unwrap().last(), Some(&done));
        assert_eq!(client.get::<String>("brand:new:text").await.unwrap().unwrap(), "ä");
        assert_eq!(client.get::<String>("brand:new:").await.unwrap().unwrap(), "the bare prefix");
        assert_eq!(client.hget::<String>("brand:new:hash", "f").await.unwrap().unwrap(), "v");
        let left = client.ttl("brand:new:hash").await.unwrap();
        assert!(
            matches!(left, Lifetime::Expires(left) if (90..=100).contains(&left.as_secs())),
            "{left:?}"
        );
        assert_eq!(client.ttl("brand:new:text").await.unwrap(), Lifetime::Persistent);
        assert_eq!(client.lrange::<String>("brand:new:list", 0, -1).await.unwrap(), ["a", "b"]);
        assert_eq!(client.exists(["other:old:text", "older"]).await.unwrap(), 2);
        assert_eq!(client.dbsize().await.unwrap(), 8);
        let again = rename.run(&client).await.unwrap();
        assert_eq!((again.found, again.moved), (0, 0));
    })
    .await;
}

#[tokio::test]
async fn a_name_that_is_taken_is_kept_unless_said_otherwise() {
    everywhere(async |client| {
        for (what, old, new, moved) in [
            (OnConflict::Leave, Some("old"), "new", 0),
            (OnConflict::KeepTarget, None, "new", 0),
            (OnConflict::KeepSource, None, "old", 1),
        ] {
            client.set("old:k", "old").await.unwrap();
            client.set("brand:new:k", "new").await.unwrap();
            let rename = rename().on_conflict(what);
            let plan = rename.clone().dry_run(true).run(&client).await.unwrap();
            assert_eq!((plan.moved, plan.conflicts), (moved, 1));
            let done = rename.run(&client).await.unwrap();
            assert_eq!((done.moved, done.conflicts), (moved, 1), "{what:?}");
            assert_eq!(client.get::<String>("old:k").await.unwrap().as_deref(), old, "{what:?}");
            assert_eq!(client.get::<String>("brand:new:k").await.unwrap().unwrap(), new);
        }
    })
    .await;
}

/// Runs it until it has come this far, and drops it there.
async fn interrupted(client: &Client, batch: u64, at: u64) {
    let reached = Arc::new(Notify::new());
    let notify = Arc::clone(&reached);
    let rename = rename().batch(batch).progress(move |so_far| {
        if so_far.moved >= at {
            notify.notify_one();
        }
    });
    tokio::select! {
        biased;
        () = reached.notified() => {}
        done = rename.run(client) => panic!("it was done before it was interrupted: {done:?}"),
    }
}

#[tokio::test]
async fn what_is_interrupted_goes_on() {
    everywhere(async |client| {
        fill(&client, 600).await;
        // As in a Worker whose request may send no more.
        let budget = RequestBudget::new().requests(11);
        let error = rename().batch(20).run(&client.clone().layer(budget)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BudgetSpent);
        let (new, old) = moved(&client, 600).await;
        assert!(new > 0 && old > 0 && new + old == 600, "{new} {old}");
        // The embedded engine answers at once: nothing of it can be dropped on the way.
        if client.capabilities().backend == Backend::Redis {
            interrupted(&client, 20, 50).await;
        }
        let done = rename().run(&client).await.unwrap();
        assert!(done.moved > 0 && done.conflicts == 0, "{done:?}");
        assert_eq!(moved(&client, 600).await, (600, 0));
    })
    .await;
}

#[tokio::test]
async fn what_is_written_meanwhile_is_not_lost() {
    everywhere(async |client| {
        fill(&client, 500).await;
        let (stop, writer) = (Arc::new(AtomicBool::new(false)), client.clone());
        let stopped = Arc::clone(&stop);
        let writing = tokio::spawn(async move {
            let mut key = 500;
            while !stopped.load(Ordering::SeqCst) {
                writer.set(format!("old:{key}"), key.to_string()).await?;
                key += 1;
            }
            Ok::<usize, Error>(key)
        });
        for _ in 0..3 {
            rename().batch(50).run(&client).await.unwrap();
        }
        stop.store(true, Ordering::SeqCst);
        let keys = writing.await.unwrap().unwrap();
        rename().run(&client).await.unwrap();
        assert_eq!(moved(&client, keys).await, (keys, 0));
    })
    .await;
}

#[tokio::test]
async fn a_server_that_dies_on_the_way_ends_it_with_an_error() {
    let redis = RedisServer::start();
    fill(&redis.client(), 300).await;
    let client = redis.client();
    let server = Mutex::new(Some(redis));
    let rename = rename().batch(10).progress(move |_| drop(server.lock().unwrap().take()));
    assert!(rename.run(&client).await.is_err());
}

#[tokio::test]
async fn keys_change_their_slots_on_a_cluster() {
    let cluster = RedisCluster::start().await;
    let transport = TcpTransport::new(TcpOptions::cluster(cluster.urls())).unwrap();
    let client = Client::new(transport).layer(Deadline::new(Duration::from_secs(60)));
    fill(&client, 200).await;
    client.hset("old:hash", [("f", "v")]).await.unwrap();
    client.expire("old:hash", Duration::from_secs(100)).await.unwrap();
    client.set("old:{tag}:k", "same slot").await.unwrap();
    // As an interruption between copy and delete leaves it.
    client.set("brand:new:7", "7").await.unwrap();
    client.set("old:taken", "old").await.unwrap();
    client.set("brand:new:taken", "new").await.unwrap();
    interrupted(&client, 20, 30).await;

    let done = rename().run(&client).await.unwrap();
    assert_eq!((done.conflicts, done.gone), (1, 0), "{done:?}");
    assert_eq!(moved(&client, 200).await, (200, 0));
    assert_eq!(client.hget::<String>("brand:new:hash", "f").await.unwrap().unwrap(), "v");
    let left = client.ttl("brand:new:hash").await.unwrap();
    assert!(
        matches!(left, Lifetime::Expires(left) if (80..=100).contains(&left.as_secs())),
        "{left:?}"
    );
    assert_eq!(client.get::<String>("brand:new:{tag}:k").await.unwrap().unwrap(), "same slot");
    assert_eq!(client.get::<String>("old:taken").await.unwrap().unwrap(), "old");

    let replaced = rename().on_conflict(OnConflict::KeepSource).run(&client).await.unwrap();
    assert_eq!((replaced.moved, replaced.conflicts), (1, 1));
    assert_eq!(client.get::<String>("brand:new:taken").await.unwrap().unwrap(), "old");
    client.set("old:taken", "older").await.unwrap();
    let kept = rename().on_conflict(OnConflict::KeepTarget).run(&client).await.unwrap();
    assert_eq!((kept.moved, kept.conflicts), (0, 1));
    assert_eq!(client.exists(["old:taken"]).await.unwrap(), 0);
}

#[test]
fn prefixes_that_hold_each_other_are_refused() {
    let error = RenamePrefix::new("a:", "a:b:").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
}
