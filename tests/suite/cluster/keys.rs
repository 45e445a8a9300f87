//! Commands with keys of several nodes: they are done as a whole, or say that they were not.

use std::time::Duration;

use edgecask::cache::{Cache, CacheOptions, EntryOptions, Tier};
use edgecask::prelude::*;
use edgecask::{Error, ErrorKind, Keyspace, Outcome, Value};
use edgecask_tests::ReplicatedCluster;

use super::{RECOVERY, client, keys, pairs, within};

#[tokio::test]
async fn one_refused_part_is_the_error_of_its_call() {
    let cluster = ReplicatedCluster::without_replicas().await;
    let client = client(&cluster);
    let everywhere = keys("key:", 60);
    client.execute::<()>(pairs(&everywhere, "x")).await.unwrap();
    // One node refuses one of the keys.
    let acl = async |words: &[&str]| {
        let rules = [&["ACL", "SETUSER", "default"], words].concat();
        cluster.nodes()[1].ask::<Value>(&rules).await.unwrap();
    };
    let there = cluster.keys_on(1, "key:", 2).await;
    acl(&["resetkeys", &format!("~{}", there[0])]).await;
    for _ in 0..3 {
        for command in [
            cmd("MGET").args_from(&everywhere),
            cmd("EXISTS").args_from(&everywhere),
            cmd("TOUCH").args_from(&everywhere),
        ] {
            let error = client.send(&command).await.unwrap_err();
            assert_eq!(error.code(), Some("NOPERM"), "{error:?}");
        }
        // The other nodes write their parts.
        let error = client.execute::<()>(pairs(&everywhere, "y")).await.unwrap_err();
        assert_eq!(error.code(), Some("NOPERM"), "{error:?}");
        assert_ne!(error.outcome(), Outcome::NotSent, "{error:?}");
        let error = client.get::<String>(&there[1]).await.unwrap_err();
        assert_eq!((error.code(), error.outcome()), (Some("NOPERM"), Outcome::Refused));
        client.get::<String>(&there[0]).await.unwrap();
    }
    acl(&["allkeys"]).await;
    assert_eq!(client.exists(&everywhere).await.unwrap(), 60);
    assert_eq!(client.del(&everywhere).await.unwrap(), 60);
}

#[tokio::test]
async fn a_busy_node_is_the_error_of_its_call() {
    let cluster = ReplicatedCluster::without_replicas().await;
    let client = client(&cluster);
    let everywhere = keys("key:", 60);
    client.execute::<()>(pairs(&everywhere, "x")).await.unwrap();
    let elsewhere = cluster.keys_on(0, "key:", 5).await;
    let script = cluster.block(2, Duration::from_millis(700)).await;
    loop {
        let error = match client.mget::<String>(&everywhere).await {
            // The script is over.
            Ok(_) => break,
            Err(error) => error,
        };
        assert_eq!(error.code(), Some("BUSY"), "{error:?}");
        assert_eq!(client.exists(&elsewhere).await.unwrap(), 5);
        tokio::task::yield_now().await;
    }
    script.await.unwrap();
    assert_eq!(client.del(&everywhere).await.unwrap(), 60);
}

#[tokio::test]
async fn no_key_of_a_primary_that_is_gone_is_skipped() {
    let mut cluster = ReplicatedCluster::without_replicas().await;
    let client = client(&cluster);
    let everywhere = keys("key:", 60);
    client.execute::<()>(pairs(&everywhere, "old")).await.unwrap();
    let space = Keyspace::new(["entries"]).unwrap();
    let cache = Cache::with_options(client.clone(), CacheOptions::new().tier(Tier::Critical));
    let entries: Vec<_> = (0..60).map(|at| space.key([at.to_string()]).unwrap()).collect();
    let minute = EntryOptions::new(Duration::from_secs(60));
    cache.set_many(entries.iter().map(|key| (key, &1)), minute.clone()).await.unwrap();
    let gone = cluster.keys_on(1, "key:", 5).await;
    cluster.kill(1);
    // What is said by a connection that breaks, by one that is refused, and by the other nodes.
    for round in 0..18 {
        let failed = async |command: Command| -> Error {
            match client.send(&command).await {
                Ok(value) => panic!("round {round}: {command:?} says {value:?}"),
                Err(error) => error,
            }
        };
        for command in [
            pairs(&everywhere, "new"),
            cmd("EXISTS").args_from(&everywhere),
            cmd("MGET").args_from(&everywhere),
            cmd("TOUCH").args_from(&everywhere),
            cmd("DEL").args_from(&everywhere),
            cmd("UNLINK").args_from(&everywhere),
            cmd("DBSIZE"),
            cmd("FLUSHALL"),
        ] {
            let name = command.name().to_owned();
            let error = failed(command).await;
            // Keys of other nodes were written.
            let writes = ["MSET", "DEL", "UNLINK"].contains(&&*name);
            if writes {
                assert_ne!(error.outcome(), Outcome::NotSent, "round {round}: {name}: {error:?}");
            }
        }
        let deleted = cache.delete_many(&entries).await;
        assert!(deleted.is_err(), "round {round}: {deleted:?}");
        let stored = cache.set_many(entries.iter().map(|key| (key, &2)), minute.clone()).await;
        assert!(stored.is_err(), "round {round}: {stored:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    // The keys of nodes that are there do not need it.
    let here = cluster.keys_on(0, "key:", 5).await;
    client.execute::<()>(pairs(&here, "new")).await.unwrap();
    assert_eq!(client.del(&here).await.unwrap(), 5);
    // Nothing of it was done later on.
    cluster.restart(1);
    cluster.healthy().await;
    let got = within(RECOVERY, async || client.mget::<String>(&gone).await).await;
    assert_eq!(got, vec![Some("old".to_owned()); 5]);
    within(RECOVERY, async || cache.delete_many(&entries).await).await;
    assert!(cache.get_many::<i32>(&entries).await.unwrap().iter().all(Option::is_none));
}

#[tokio::test]
async fn a_command_on_many_keys_follows_slots_that_moved() {
    let cluster = ReplicatedCluster::without_replicas().await;
    let client = client(&cluster);
    let everywhere = keys("key:", 90);
    client.execute::<()>(pairs(&everywhere, "x")).await.unwrap();
    // A third of the first primary's slots, which the client does not know.
    for (value, from, to) in [("one", 0, 1), ("two", 1, 2), ("three", 2, 0)] {
        let slots = cluster.slots_of(from).await;
        cluster.move_slots(&slots[..slots.len() / 3], from, to).await;
        client.execute::<()>(pairs(&everywhere, value)).await.unwrap();
        let got = client.mget::<String>(&everywhere).await.unwrap();
        assert!(got.iter().all(|got| got.as_deref() == Some(value)), "{got:?}");
        assert_eq!(client.exists(&everywhere).await.unwrap(), 90);
    }
    let slots = cluster.slots_of(0).await;
    cluster.move_slots(&slots[..slots.len() / 3], 0, 2).await;
    assert_eq!(client.del(&everywhere).await.unwrap(), 90);
    assert_eq!(client.dbsize().await.unwrap(), 0);
}

#[tokio::test]
async fn keys_of_a_slot_that_is_half_moved_are_one_error_or_done() {
    let cluster = ReplicatedCluster::without_replicas().await;
    let client = client(&cluster);
    let tagged = keys("{moving}:", 20);
    let mut everywhere = keys("key:", 30);
    everywhere.extend(tagged.iter().cloned());
    client.execute::<()>(pairs(&everywhere, "old")).await.unwrap();
    let (slot, from) = (cluster.slot("{moving}").await, cluster.owner("{moving}").await);
    let to = (from + 1) % 3;
    cluster.begin_move(&[slot], from, to).await;
    assert_eq!(cluster.move_keys(&[slot], from, to, 10).await, 10);
    // Neither node has all of the keys (TRYAGAIN).
    let got = client.mget::<String>(&everywhere).await;
    let whole = |got: &Vec<Option<String>>| got.iter().all(|got| got.as_deref() == Some("old"));
    match got {
        Ok(got) => assert!(whole(&got), "{got:?}"),
        Err(error) => {
            let told = error.code() == Some("TRYAGAIN") || error.kind() == ErrorKind::Timeout;
            assert!(told, "{error:?}");
        }
    }
    match client.execute::<()>(pairs(&everywhere, "new")).await {
        Ok(()) => {}
        // Other slots have been written.
        Err(error) => assert_eq!(error.outcome(), Outcome::Unknown, "{error:?}"),
    }
    // Single keys are found at either node.
    for key in &tagged {
        assert!(client.get::<String>(key).await.unwrap().is_some(), "{key}");
    }
    while cluster.move_keys(&[slot], from, to, 100).await > 0 {}
    cluster.end_move(&[slot], from, to).await;
    client.execute::<()>(pairs(&everywhere, "new")).await.unwrap();
    let got = client.mget::<String>(&everywhere).await.unwrap();
    assert!(got.iter().all(|got| got.as_deref() == Some("new")), "{got:?}");
}
