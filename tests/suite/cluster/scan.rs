//! A walk over all keys of a cluster that changes: it gives each key that was there all the time, or it fails.

use std::collections::BTreeSet;
use std::time::Duration;

use edgecask::cache::{Cache, CacheOptions, EntryOptions, Tier};
use edgecask::command::keys::{Cursor, ScanOptions};
use edgecask::prelude::*;
use edgecask::{Keyspace, Result};
use edgecask_tests::ReplicatedCluster;

use super::{RECOVERY, client, is_of_change, keys, pairs, within};

const KEYS: usize = 3000;

async fn filled(cluster: &ReplicatedCluster, client: &Client) {
    let all = keys("key:", KEYS);
    for part in all.chunks(500) {
        client.execute::<()>(pairs(part, "x")).await.unwrap();
    }
    cluster.healthy().await;
}

/// Walks over all keys; something happens after so many pages.
async fn walk(client: &Client, pages: usize, then: impl AsyncFnOnce()) -> Result<BTreeSet<String>> {
    let (mut cursor, mut found, mut then) = (Cursor::default(), BTreeSet::new(), Some(then));
    for page in 0.. {
        if page == pages {
            then.take().unwrap()().await;
        }
        let options = ScanOptions::new().pattern("key:*").count(100);
        let next = client.scan::<String>(&cursor, &options).await?;
        found.extend(next.items);
        cursor = next.cursor;
        if cursor.is_done() {
            break;
        }
    }
    Ok(found)
}

/// The walk was whole, or it failed in a way that says why.
fn whole_or_failed(walked: Result<BTreeSet<String>>, what: &str) {
    match walked {
        Ok(found) => assert_eq!(found.len(), KEYS, "{what}: a walk that ended misses keys"),
        Err(error) => assert!(is_of_change(&error), "{what}: {error:?}"),
    }
}

#[tokio::test]
async fn a_walk_is_whole_or_fails_when_slots_move() {
    let mut cluster = ReplicatedCluster::without_replicas().await;
    let client = client(&cluster);
    filled(&cluster, &client).await;
    assert_eq!(walk(&client, usize::MAX, async || {}).await.unwrap().len(), KEYS);
    // Slots that are still to be visited go to a node that was visited, whatever the order of the nodes is.
    for (from, to) in [(2, 0), (0, 1), (1, 2)] {
        for pages in [1, 15] {
            let moved = walk(&client, pages, async || {
                let slots = cluster.slots_of(from).await;
                cluster.move_slots(&slots[..slots.len() / 8], from, to).await;
            });
            whole_or_failed(moved.await, &format!("from {from} to {to} after {pages} pages"));
        }
    }
    // Keys move before their slots do, and a walk may end in between.
    for (from, to) in [(2, 0), (0, 2)] {
        let slots = cluster.slots_of(from).await;
        let slots = &slots[..slots.len() / 8];
        let moving = walk(&client, 5, async || {
            cluster.begin_move(slots, from, to).await;
            while cluster.move_keys(slots, from, to, 1000).await > 0 {}
        });
        whole_or_failed(moving.await, &format!("while slots move from {from} to {to}"));
        cluster.end_move(slots, from, to).await;
        cluster.healthy().await;
    }
    // A node more, and a node less.
    let mut added = 0;
    let walked = walk(&client, 15, async || {
        added = cluster.add_node().await;
        let slots = cluster.slots_of(0).await;
        cluster.move_slots(&slots[..slots.len() / 8], 0, added).await;
    });
    whole_or_failed(walked.await, "a node more");
    let walked = walk(&client, 15, async || cluster.remove_node(added).await);
    whole_or_failed(walked.await, "a node less");
    let walked = within(RECOVERY, async || walk(&client, usize::MAX, async || {}).await).await;
    assert_eq!(walked.len(), KEYS, "the next walk is whole");
}

#[tokio::test]
async fn a_walk_is_whole_or_fails_when_a_replica_takes_over() {
    let mut cluster = ReplicatedCluster::start().await;
    let client = client(&cluster);
    filled(&cluster, &client).await;
    for (primary, replica) in [(1, 4)] {
        let walked = walk(&client, 5, async || cluster.promote(replica).await).await;
        whole_or_failed(walked, &format!("{replica} for {primary}"));
    }
    let walked = walk(&client, 5, async || {
        cluster.kill(2);
        cluster.failed_over(2).await;
    });
    whole_or_failed(walked.await, "5 for 2");
    let walked = within(RECOVERY, async || walk(&client, usize::MAX, async || {}).await).await;
    assert_eq!(walked.len(), KEYS, "the next walk is whole");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deleting_by_pattern_deletes_all_or_fails_while_slots_move() {
    let cluster = ReplicatedCluster::without_replicas().await;
    let client = client(&cluster);
    let space = Keyspace::new(["entries"]).unwrap();
    let options = CacheOptions::new().tier(Tier::Critical).keyspace(space.clone());
    let cache = Cache::with_options(client, options);
    let entries: Vec<_> = (0..1000).map(|at| space.key([at.to_string()]).unwrap()).collect();
    let minute = EntryOptions::new(Duration::from_secs(60));
    let store = async || {
        for part in entries.chunks(250) {
            let pairs = || part.iter().map(|key| (key, &1));
            within(RECOVERY, async || cache.set_many(pairs(), minute.clone()).await).await;
        }
    };
    let left = async || {
        let left = within(RECOVERY, async || cache.get_many::<i32>(&entries).await).await;
        left.into_iter().flatten().count()
    };
    for round in 0..3 {
        store().await;
        let (from, to) = (round % 3, (round + 1) % 3);
        let (slots, pattern) = (cluster.slots_of(from).await, space.pattern());
        let (deleted, ()) = tokio::join!(
            cache.delete_matching(&pattern),
            cluster.move_slots(&slots[..slots.len() / 8], from, to)
        );
        // Its failure says that entries may be left.
        if deleted.is_ok() {
            assert_eq!(left().await, 0, "round {round}: entries were left behind");
        }
    }
}
