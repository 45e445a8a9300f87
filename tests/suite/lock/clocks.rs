//! A clock of the server that was set back: what was written before seems to be in the future.

use edgecask::Client;
use edgecask::prelude::*;

use edgecask_tests::Place;

use super::waiting::{die_waiting, waiters};
use super::{key, lasting};

const ENDED: &str = "edgecask:ended:{k}";

async fn millis(client: &Client) -> i64 {
    let clock: Vec<i64> = client.execute(cmd("TIME")).await.unwrap();
    clock[0] * 1000 + clock[1] / 1000
}

#[tokio::test]
async fn a_dead_waiter_of_before_the_step_stands_in_nobodys_way() {
    for place in Place::all().await {
        let (direct, locks) = (place.client(), lasting(place.client()));
        // The clock was set back by an hour, so the waiter seems to be alive for so long.
        die_waiting(&direct, 3_600_000).await;
        let guard = locks.lock(key("k")).try_acquire().await.unwrap();
        assert_eq!(waiters(&direct, "k").await, 0, "{}", place.name);
        // It takes no place from those who wait either.
        die_waiting(&direct, 3_600_000).await;
        let one = locks.configured(|options| options.waiters(1)).lock(key("k"));
        let waits = tokio::spawn(async move { one.acquire().await.unwrap().release().await });
        edgecask_tests::until(async || {
            let first: Vec<String> = direct
                .execute(cmd("ZRANGE").args_from(["edgecask:queue:{k}", "0", "-1"]))
                .await
                .unwrap();
            assert!(!waits.is_finished(), "{}", place.name);
            first.len() == 1 && !first[0].starts_with("x0000000000000000")
        })
        .await;
        guard.release().await.unwrap();
        assert!(waits.await.unwrap().unwrap(), "{}", place.name);
        // A release does not wake it in place of a live one.
        let guard = locks.lock(key("k")).try_acquire().await.unwrap();
        die_waiting(&direct, 3_600_000).await;
        guard.release().await.unwrap();
        assert_eq!(waiters(&direct, "k").await, 0, "{}", place.name);
    }
}

#[tokio::test]
async fn a_release_is_remembered_beside_a_thousand_of_before_the_step() {
    for place in Place::all().await {
        let (direct, lock) = (place.client(), lasting(place.client()).lock(key("k")));
        let ahead = (millis(&direct).await + 20_000) * 2;
        let mut add = cmd("ZADD").arg(ENDED);
        for number in 0..1000 {
            add = add.arg(ahead + number).arg(format!("{number:032}"));
        }
        direct.execute::<i64>(add).await.unwrap();
        let guard = lock.acquire().await.unwrap();
        let token = guard.token().to_owned();
        guard.release().await.unwrap();
        assert!(direct.zscore(ENDED, &token).await.unwrap().is_some(), "{}", place.name);
        // As many ends of this clock push out the oldest.
        let now = millis(&direct).await * 2 - 2;
        let mut add = cmd("ZADD").arg(ENDED);
        for number in 0..1000 {
            add = add.arg(now).arg(format!("{number:032}"));
        }
        direct.execute::<i64>(add).await.unwrap();
        lock.acquire().await.unwrap().release().await.unwrap();
        assert_eq!(direct.zcard(ENDED).await.unwrap(), 1000, "{}", place.name);
    }
}
