//! Waiting for a lock: in order, woken or not, and never behind the dead.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use edgecask::layer::KeyPrefix;
use edgecask::lock::{LockError, LockOptions, Locks};
use edgecask::prelude::*;
use edgecask::{Client, Event};
use edgecask_tests::{Count, Deaf, Place, Tapped, until};
use futures_util::StreamExt;

use super::{HOUR, at_once, key, lasting};

pub(super) async fn waiters(client: &Client, lock: &str) -> u64 {
    client.zcard(format!("edgecask:queue:{{{lock}}}")).await.unwrap()
}

#[tokio::test]
async fn waiters_have_the_lock_in_the_order_of_their_arrival() {
    at_once(async |place| {
        let direct = place.client();
        let first = lasting(place.client()).lock(key("k")).acquire().await.unwrap();
        let order = Arc::new(Mutex::new(Vec::new()));
        let mut tasks = Vec::new();
        for number in 0..6_u64 {
            // Each is a process of its own.
            let (lock, order) = (lasting(place.client()).lock(key("k")), Arc::clone(&order));
            tasks.push(tokio::spawn(async move {
                let guard = lock.acquire().await.unwrap();
                order.lock().unwrap().push((number, guard.fence()));
                assert!(guard.release().await.unwrap());
            }));
            until(async || waiters(&direct, "k").await == number + 1).await;
        }
        // Nobody gets ahead of those who wait.
        let late = lasting(place.client()).lock(key("k"));
        assert!(late.try_acquire().await.is_err());
        assert!(first.release().await.unwrap());
        for task in tasks {
            task.await.unwrap();
        }
        let order = order.lock().unwrap().clone();
        let numbers: Vec<u64> = order.iter().map(|(number, _)| *number).collect();
        assert_eq!(numbers, [0, 1, 2, 3, 4, 5], "{}", place.name);
        assert!(order.windows(2).all(|two| two[0].1 < two[1].1), "{}: {order:?}", place.name);
        late.try_acquire().await.unwrap().release().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_waiter_that_is_not_woken_looks_again_by_itself() {
    at_once(async |place| {
        let (direct, deaf) = (place.client(), place.client().layer(Tapped(Deaf)));
        let guard = lasting(place.client()).lock(key("k")).acquire().await.unwrap();
        let lock = lasting(deaf).lock(key("k"));
        let waits = tokio::spawn(async move { lock.acquire().await });
        until(async || waiters(&direct, "k").await == 1).await;
        guard.release().await.unwrap();
        let guard = waits.await.unwrap().unwrap();
        assert!(guard.release().await.unwrap(), "{}", place.name);
    })
    .await;
}

#[tokio::test]
async fn a_wait_has_an_end_and_leaves_the_queue() {
    at_once(async |place| {
        let (direct, lock) = (place.client(), lasting(place.client()).lock(key("k")));
        let guard = lock.acquire().await.unwrap();
        let within = Duration::from_millis(50);
        match lock.acquire_within(within).await {
            Err(LockError::TimedOut { key, within: longest }) => {
                assert_eq!((key.as_str(), longest), ("k", within));
            }
            unexpected => panic!("{}: {unexpected:?}", place.name),
        }
        until(async || waiters(&direct, "k").await == 0).await;
        assert!(matches!(lock.acquire_within(Duration::ZERO).await, Err(LockError::Held { .. })));
        // A caller that goes away leaves too.
        let other = lock.clone();
        let waits = tokio::spawn(async move { other.acquire().await });
        until(async || waiters(&direct, "k").await == 1).await;
        waits.abort();
        until(async || waiters(&direct, "k").await == 0).await;
        guard.release().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn the_number_of_waiters_is_bounded() {
    at_once(async |place| {
        let (direct, locks) = (place.client(), lasting(place.client()));
        let lock = locks.configured(|options| options.waiters(2)).lock(key("k"));
        let guard = lock.acquire().await.unwrap();
        let tasks = [0; 2].map(|_| {
            let lock = lock.clone();
            tokio::spawn(async move { lock.acquire().await.unwrap().release().await.unwrap() })
        });
        until(async || waiters(&direct, "k").await == 2).await;
        let count = Count::default();
        let refuses = lasting(count.of(place.client()));
        let refuses = refuses.configured(|options| options.waiters(2)).lock(key("k"));
        let refused = refuses.acquire().await.unwrap_err();
        assert!(matches!(refused, LockError::TooManyWaiters { .. }), "{}", place.name);
        // Nothing was stored for it, so nothing has to be ended.
        for _ in 0..3 {
            direct.ping().await.unwrap();
        }
        assert!(count.taken() <= 2, "{}: the script, and once more its source", place.name);
        assert_eq!(direct.exists(["edgecask:ended:{k}"]).await.unwrap(), 0, "{}", place.name);
        guard.release().await.unwrap();
        for task in tasks {
            assert!(task.await.unwrap());
        }
    })
    .await;
}

/// Puts a waiter into the queue that is never heard of again.
pub(super) async fn die_waiting(client: &Client, alive_for: i64) {
    let dead = "x0000000000000000ffffffffffffffff";
    client.execute::<i64>(cmd("ZADD").args_from(["edgecask:queue:{k}", "1", dead])).await.unwrap();
    let clock: Vec<i64> = client.execute(cmd("TIME")).await.unwrap();
    let till = clock[0] * 1000 + clock[1] / 1000 + alive_for;
    let add = cmd("ZADD").args_from(["edgecask:alive:{k}", &till.to_string(), dead]);
    client.execute::<i64>(add).await.unwrap();
}

#[tokio::test]
async fn a_dead_waiter_is_skipped_when_its_time_has_passed() {
    at_once(async |place| {
        let (direct, lock) = (place.client(), lasting(place.client()).lock(key("k")));
        die_waiting(&direct, 1500).await;
        let start = Instant::now();
        assert!(lock.try_acquire().await.is_err(), "{}: it may be alive", place.name);
        let guard = lock.acquire().await.unwrap();
        assert!(start.elapsed() >= Duration::from_millis(1400), "{}", place.name);
        assert_eq!(waiters(&direct, "k").await, 0);
        guard.release().await.unwrap();
        // One whose time has passed, or is not known, stands in nobody's way.
        die_waiting(&direct, -1).await;
        lock.try_acquire().await.unwrap().release().await.unwrap();
        die_waiting(&direct, 60_000).await;
        direct.del(["edgecask:alive:{k}"]).await.unwrap();
        lock.try_acquire().await.unwrap().release().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn the_lock_of_a_dead_holder_goes_to_the_next_waiter_when_it_expires() {
    at_once(async |place| {
        let lock = lasting(place.client()).lock(key("k"));
        let dead = cmd("SET").args_from(["k", "dead", "NX", "PX", "300"]);
        place.client().execute::<()>(dead).await.unwrap();
        let start = Instant::now();
        let guard = lock.acquire().await.unwrap();
        assert!(start.elapsed() >= Duration::from_millis(250), "{}", place.name);
        guard.release().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn waiters_get_the_lock_though_the_queue_was_lost() {
    at_once(async |place| {
        let direct = place.client();
        let options = LockOptions::new().ttl(HOUR).wait(HOUR).waiter_ttl(Duration::from_secs(2));
        let guard = lasting(place.client()).lock(key("k")).acquire().await.unwrap();
        let tasks = [0; 3].map(|_| {
            let lock = Locks::with_options(place.client(), options.clone()).lock(key("k"));
            tokio::spawn(async move { lock.acquire().await.unwrap().release().await.unwrap() })
        });
        until(async || waiters(&direct, "k").await == 3).await;
        // Everything is lost, the lock too: Redis came back empty.
        direct.flushall().await.unwrap();
        for task in tasks {
            assert!(task.await.unwrap(), "{}", place.name);
        }
        assert!(!guard.release().await.unwrap());
    })
    .await;
}

#[tokio::test]
async fn tenants_with_the_same_keys_neither_share_locks_nor_wait_for_each_other() {
    for place in Place::all().await {
        let of = |tenant: &str| lasting(place.client().layer(KeyPrefix::new(format!("{tenant}:"))));
        let [acme, other] = ["acme", "other"].map(|tenant| of(tenant).lock(key("k")));
        let (guard, theirs) = (acme.acquire().await.unwrap(), other.acquire().await.unwrap());
        let waits = acme.clone();
        let waits = tokio::spawn(async move { waits.acquire().await.unwrap() });
        let direct = place.client();
        until(async || direct.zcard("acme:edgecask:queue:{k}").await.unwrap() == 1).await;
        assert!(guard.release().await.unwrap(), "{}", place.name);
        let guard = waits.await.unwrap();
        assert!(guard.release().await.unwrap() && theirs.release().await.unwrap());
    }
}

/// A waiter that has the next turn, and is not heard of, is waited for until its time has passed and no longer.
#[tokio::test]
async fn who_comes_next_knows_until_when_the_first_waiter_counts() {
    for place in Place::all().await {
        let direct = place.client();
        die_waiting(&direct, 60_000).await;
        match lasting(place.client()).lock(key("k")).try_acquire().await {
            Err(LockError::Held { left: Some(left), .. }) => {
                assert!(left > Duration::from_secs(30), "{}: {left:?}", place.name);
            }
            unexpected => panic!("{}: {unexpected:?}", place.name),
        }
    }
}

/// Puts waiters into the queue, from this place of it on, who count as alive for so many milliseconds.
async fn wait_in_line(client: &Client, tokens: &[String], place: usize, alive_for: Option<i64>) {
    let mut add = cmd("ZADD").arg("edgecask:queue:{k}");
    for (number, token) in tokens.iter().enumerate() {
        add = add.arg(place + number).arg(token);
    }
    client.execute::<i64>(add).await.unwrap();
    let Some(alive_for) = alive_for else { return };
    let till = client.time().await.unwrap().as_millis() as i64 + alive_for;
    let mut add = cmd("ZADD").arg("edgecask:alive:{k}");
    for token in tokens {
        add = add.arg(till).arg(token);
    }
    client.execute::<i64>(add).await.unwrap();
}

/// Tokens of waiters, `x` or `s` in front.
fn tokens(kind: &str, count: usize) -> Vec<String> {
    (0..count).map(|number| format!("{kind}{number:016}ffffffffffffffff")).collect()
}

#[tokio::test]
async fn a_thousand_dead_waiters_keep_nobody_from_a_free_lock() {
    for place in Place::all().await {
        let (name, direct, locks) = (place.name, place.client(), lasting(place.client()));
        // Their time has passed, is not known, or is from before the clock was set back.
        for alive_for in [Some(-1), None, Some(3_600_000)] {
            wait_in_line(&direct, &tokens("x", 1000), 1, alive_for).await;
            let guard = locks.lock(key("k")).try_acquire().await;
            assert!(guard.is_ok(), "{name}, {alive_for:?}: {guard:?}");
            assert_eq!(waiters(&direct, "k").await, 0, "{name}");
            assert_eq!(direct.exists(["edgecask:alive:{k}"]).await.unwrap(), 0, "{name}");
            assert!(guard.unwrap().release().await.unwrap());
        }
        // A reader that is alive and comes first lets other readers in, whoever is dead between them.
        wait_in_line(&direct, &tokens("s", 1), 0, Some(30_000)).await;
        wait_in_line(&direct, &tokens("x", 200), 1, Some(-1)).await;
        let read = locks.read_write(key("k")).try_read().await;
        assert!(read.is_ok(), "{name}: {read:?}");
        assert_eq!(waiters(&direct, "k").await, 1, "{name}");
        assert!(read.unwrap().release().await.unwrap());
    }
}

#[tokio::test]
async fn the_waiter_behind_a_thousand_dead_ones_is_woken() {
    at_once(async |place| {
        let (name, direct, locks) = (place.name, place.client(), lasting(place.client()));
        // The last digits but sixteen of a token name its process.
        let alive = format!("x{}{}", "e".repeat(16), "0".repeat(16));
        let mut woken = direct.subscribe([format!("edgecask:unlocked:{}", "e".repeat(16))]).await;
        let woken = woken.as_mut().unwrap();
        let guard = locks.lock(key("k")).acquire().await.unwrap();
        wait_in_line(&direct, &tokens("x", 1000), 1, Some(-1)).await;
        wait_in_line(&direct, std::slice::from_ref(&alive), 2000, Some(60_000)).await;
        assert!(guard.release().await.unwrap(), "{name}");
        assert_eq!(waiters(&direct, "k").await, 1, "{name}");
        loop {
            if let Event::Message(message) = woken.next().await.unwrap().unwrap() {
                assert_eq!(message.payload, &alive.as_bytes()[1..], "{name}");
                break;
            }
        }
        // One that comes later, and does not wait, wakes it too.
        wait_in_line(&direct, &tokens("x", 1000), 1, Some(-1)).await;
        assert!(locks.lock(key("k")).try_acquire().await.is_err(), "{name}");
        assert_eq!(waiters(&direct, "k").await, 1, "{name}");
    })
    .await;
}
