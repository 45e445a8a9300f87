//! What locks cost, in commands, as their documentation says.

use std::time::Duration;

use edgecask::lock::{LockOptions, Locks};
use edgecask::prelude::*;
use edgecask_tests::{Count, Deaf, Place, Tapped, until};

use super::{HOUR, at_once, key, lasting, warm_up};

#[tokio::test]
async fn a_lock_costs_one_command_for_each_step() {
    for place in Place::all().await {
        let (count, name) = (Count::default(), place.name);
        let client = count.of(place.client());
        warm_up(&client).await;
        let locks = lasting(client);
        count.taken();
        let guard = locks.lock(key("k")).acquire().await.unwrap();
        assert_eq!(count.taken(), 1, "{name}: acquire");
        assert!(locks.lock(key("k")).try_acquire().await.is_err());
        assert_eq!(count.taken(), 1, "{name}: refused");
        guard.renew().await.unwrap();
        assert_eq!(count.taken(), 1, "{name}: renew");
        guard.release().await.unwrap();
        assert_eq!(count.taken(), 1, "{name}: release");
        let (read_write, semaphore) = (locks.read_write(key("rw")), locks.semaphore(key("s"), 2));
        for guard in [read_write.read().await.unwrap(), semaphore.acquire().await.unwrap()] {
            guard.release().await.unwrap();
        }
        assert_eq!(count.taken(), 4, "{name}");
        let latch = locks.latch(key("l"));
        latch.set(1, HOUR).await.unwrap();
        assert_eq!(latch.count_down("part").await.unwrap(), 0);
        count.taken();
        assert_eq!(latch.count_down("part").await.unwrap(), 0);
        latch.wait(HOUR).await.unwrap();
        assert_eq!(count.taken(), 2, "{name}");
    }
}

#[tokio::test]
async fn who_waits_without_being_woken_asks_at_most_once_a_second() {
    // Time passes at once where all wait, and the engine needs no time.
    tokio::time::pause();
    let client = edgecask::Client::memory();
    let guard = lasting(client.clone()).lock(key("k")).acquire().await.unwrap();
    let count = Count::default();
    let deaf = count.of(client.layer(Tapped(Deaf)));
    let options = LockOptions::new().ttl(HOUR).waiter_ttl(Duration::from_secs(2));
    let lock = Locks::with_options(deaf, options).lock(key("k"));
    let (start, longest) = (tokio::time::Instant::now(), Duration::from_secs(120));
    assert!(lock.acquire_within(longest).await.is_err());
    assert!(start.elapsed() >= longest);
    let asked = count.taken();
    assert!((80..=121).contains(&asked), "{asked} commands in two minutes");
    drop(guard);
}

/// A candidate whose wait is short does not ask without a pause.
#[tokio::test]
async fn a_candidate_campaigns_about_once_a_second() {
    tokio::time::pause();
    let (client, count) = (edgecask::Client::memory(), Count::default());
    let leader = lasting(client.clone()).election(key("e"), "node-1").unwrap();
    let _leadership = leader.campaign().await.unwrap();
    let options = LockOptions::new().ttl(HOUR).wait(Duration::from_millis(1));
    let locks = Locks::with_options(count.of(client), options);
    let follower = locks.election(key("e"), "node-2").unwrap();
    let minute = Duration::from_secs(60);
    let led = tokio::time::timeout(minute, follower.lead(async |term| term)).await;
    assert!(led.is_err(), "another leads");
    // It asks, and leaves the queue.
    let asked = count.taken();
    assert!((80..=130).contains(&asked), "{asked} commands in a minute");
}

#[tokio::test]
async fn who_holds_or_waits_asks_as_often_as_is_documented() {
    tokio::time::pause();
    let (client, holder, waiter) = (edgecask::Client::memory(), Count::default(), Count::default());
    warm_up(&client).await;
    let lock = Locks::new(holder.of(client.clone())).lock(key("k"));
    let guard = lock.acquire().await.unwrap();
    holder.taken();
    let waits = Locks::new(waiter.of(client)).lock(key("k"));
    let minutes = Duration::from_secs(600);
    assert!(waits.acquire_within(minutes).await.is_err());
    // The lock is renewed each ten seconds.
    let asked = holder.taken();
    assert!((59..=61).contains(&asked), "{asked} commands of the holder in ten minutes");
    // The waiter is heard of four times in five seconds.
    let asked = waiter.taken();
    assert!((430..=550).contains(&asked), "{asked} commands of the waiter in ten minutes");
    assert!(guard.is_held());
}

#[tokio::test]
async fn who_holds_nothing_costs_nothing() {
    at_once(async |place| {
        let (count, direct) = (Count::default(), place.client());
        let client = count.of(place.client());
        warm_up(&client).await;
        let lock = lasting(client).lock(key("k"));
        // It has waited once, so it may still listen.
        let guard = lasting(place.client()).lock(key("k")).acquire().await.unwrap();
        let other = lock.clone();
        let waits = tokio::spawn(async move { other.acquire().await.unwrap().release().await });
        until(async || direct.exists(["edgecask:queue:{k}"]).await.unwrap() == 1).await;
        guard.release().await.unwrap();
        waits.await.unwrap().unwrap();
        count.taken();
        tokio::time::sleep(Duration::from_millis(1200)).await;
        assert_eq!(count.taken(), 0, "{}", place.name);
    })
    .await;
}
