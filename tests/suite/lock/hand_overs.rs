//! Many hand-overs between holders that pause for longer than their lock lasts: no two hold it at once as far as they can know,
//! tokens grow, and no stale write is taken.
//!
//! `EDGECASK_TEST_CASES=100000` makes so many hand-overs on each transport, and a fifth of them by REST.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use edgecask::lock::{FencedStore, LockError, LockOptions, Locks};
use edgecask_tests::{Dice, Place, cases, seed};

use super::{HOUR, key};

/// What all holders share.
#[derive(Default)]
struct Seen {
    left: AtomicU64,
    /// The token of the last holder that began.
    holder: AtomicU64,
    /// The largest token of a write that was taken.
    written: AtomicU64,
    refused: AtomicU64,
    done: AtomicBool,
}

async fn hold(place: &Place, sleeps: bool, dice: Dice, seen: Arc<Seen>) {
    let ttl = Duration::from_millis(if sleeps { 20 } else { 30_000 });
    let options = LockOptions::new().ttl(ttl).renew(!sleeps).wait(HOUR);
    let lock = Locks::with_options(place.client(), options).lock(key("k"));
    let (store, value) = (FencedStore::new(place.client()), key("value"));
    let take = |left: u64| left.checked_sub(1);
    while seen.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, take).is_ok() {
        let before = seen.holder.load(Ordering::SeqCst);
        let guard = lock.acquire().await.unwrap();
        let fence = guard.fence();
        assert!(fence > before, "{}: {fence} after {before}", place.name);
        seen.holder.fetch_max(fence, Ordering::SeqCst);
        if sleeps && dice.roll(8) == 0 {
            tokio::time::sleep(Duration::from_millis(25)).await;
        } else if dice.roll(2) == 0 {
            tokio::task::yield_now().await;
        }
        let holder = seen.holder.load(Ordering::SeqCst);
        if guard.is_held() {
            assert_eq!(holder, fence, "{}: two holders", place.name);
        }
        let written = seen.written.load(Ordering::SeqCst);
        match store.set(&value, fence, fence).await {
            Ok(()) => {
                assert!(written <= fence, "{}: {fence} was written after {written}", place.name);
                seen.written.fetch_max(fence, Ordering::SeqCst);
            }
            Err(LockError::Stale { newest, .. }) => {
                assert!(newest > fence);
                seen.refused.fetch_add(1, Ordering::SeqCst);
            }
            Err(error) => panic!("{}: {error}", place.name),
        }
        match sleeps {
            true => drop(guard),
            false => assert!(guard.release().await.unwrap(), "{}", place.name),
        }
    }
}

/// What is stored never goes back.
async fn watch(place: &Place, seen: &Seen) {
    let (store, value, mut last) = (FencedStore::new(place.client()), key("value"), 0);
    while !seen.done.load(Ordering::SeqCst) {
        let stored: u64 = store.get(&value).await.unwrap().unwrap_or(0);
        assert!(stored >= last, "{}: {stored} after {last}", place.name);
        last = stored;
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_two_hold_a_lock_and_no_stale_write_is_taken() {
    let (seed, hand_overs) = (seed(), cases(150));
    eprintln!("EDGECASK_TEST_SEED={seed}");
    for place in Place::all().await {
        let (place, seen) = (Arc::new(place), Arc::new(Seen::default()));
        // A hand-over by REST takes two requests of HTTP and an event.
        let hand_overs = if place.name == "REST" { hand_overs.div_ceil(5) } else { hand_overs };
        seen.left.store(hand_overs, Ordering::SeqCst);
        let start = std::time::Instant::now();
        let holders: Vec<_> = (0..8)
            .map(|number| {
                let (place, seen) = (Arc::clone(&place), Arc::clone(&seen));
                let dice = Dice::new(seed ^ (number << 40));
                tokio::spawn(async move { hold(&place, number < 2, dice, seen).await })
            })
            .collect();
        let watcher = {
            let (place, seen) = (Arc::clone(&place), Arc::clone(&seen));
            tokio::spawn(async move { watch(&place, &seen).await })
        };
        for holder in holders {
            holder.await.unwrap();
        }
        seen.done.store(true, Ordering::SeqCst);
        watcher.await.unwrap();
        eprintln!(
            "{}: {hand_overs} hand-overs in {:?}, {} stale writes refused",
            place.name,
            start.elapsed(),
            seen.refused.load(Ordering::SeqCst)
        );
    }
}
