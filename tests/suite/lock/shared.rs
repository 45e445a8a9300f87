//! Locks with several holders, latches and leaders.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use edgecask::lock::{Leader, LockError, LockOptions, Locks, Loss};
use edgecask::platform::BoxFuture;
use edgecask::prelude::*;
use edgecask::transport::Results;
use edgecask::{Client, Error, ErrorKind, Event, Outcome, Subscriber};
use edgecask_tests::{Deaf, Place, RedisServer, Tap, Tapped, Trip, until};
use futures_util::StreamExt;

use super::{HOUR, at_once, key, lasting};

#[tokio::test]
async fn a_semaphore_has_as_many_holders_as_permits() {
    for place in Place::all().await {
        let name = place.name;
        let semaphore = || lasting(place.client()).semaphore(key("s"), 3);
        let mut guards = Vec::new();
        for _ in 0..3 {
            guards.push(semaphore().try_acquire().await.unwrap());
        }
        assert!(guards.windows(2).all(|two| two[0].fence() < two[1].fence()), "{name}");
        let refused = semaphore().try_acquire().await.unwrap_err();
        assert!(matches!(refused, LockError::Held { left: Some(_), .. }), "{name}: {refused:?}");
        let first = guards.remove(0);
        let token = first.token().to_owned();
        assert!(first.release().await.unwrap());
        guards.push(semaphore().acquire().await.unwrap());
        assert!(semaphore().try_acquire().await.is_err());
        // A permit whose holder died is free when it has expired.
        let expired = cmd("ZADD").args_from(["s", "1", guards[0].token()]);
        place.client().execute::<i64>(expired).await.unwrap();
        let next = semaphore().try_acquire().await.unwrap();
        assert!(semaphore().try_acquire().await.is_err());
        let lost = guards[0].renew().await.unwrap_err();
        assert!(matches!(lost, LockError::Lost { why: Loss::Gone, .. }), "{name}: {lost:?}");
        assert_ne!(token, next.token());
        for guard in guards.drain(1..) {
            guard.renew().await.unwrap();
            assert!(guard.release().await.unwrap());
        }
        assert!(next.release().await.unwrap());
        assert_eq!(place.client().exists(["s"]).await.unwrap(), 0, "{name}: nothing stays");
    }
}

#[tokio::test]
async fn permits_expire_by_themselves() {
    at_once(async |place| {
        let options = LockOptions::new().ttl(Duration::from_millis(150)).renew(false);
        let semaphore = Locks::with_options(place.client(), options).semaphore(key("s"), 2);
        let guards = [semaphore.acquire().await.unwrap(), semaphore.acquire().await.unwrap()];
        let third = semaphore.acquire().await.unwrap();
        for guard in guards {
            assert_eq!(guard.lost().await, Loss::Expired, "{}", place.name);
        }
        drop(third);
        until(async || place.client().exists(["s"]).await.unwrap() == 0).await;
    })
    .await;
}

#[tokio::test]
async fn many_read_or_one_writes() {
    at_once(async |place| {
        let (direct, name) = (place.client(), place.name);
        let lock = || lasting(place.client()).read_write(key("rw"));
        let (one, two) = (lock().read().await.unwrap(), lock().try_read().await.unwrap());
        assert!(lock().try_write().await.is_err());
        assert!(lasting(place.client()).lock(key("rw")).try_acquire().await.is_err());
        let set = cmd("SET").args_from(["rw", "theirs", "NX"]);
        assert_eq!(direct.execute::<Option<String>>(set).await.unwrap(), None, "{name}");
        let writer = lock();
        let writes = tokio::spawn(async move { writer.write().await.unwrap() });
        until(async || direct.zcard("edgecask:queue:{rw}").await.unwrap() == 1).await;
        // Nobody reads ahead of a writer who waits, and readers behind it all come at once.
        assert!(lock().try_read().await.is_err(), "{name}");
        let readers: Vec<_> = (0..4)
            .map(|_| {
                let lock = lock();
                tokio::spawn(async move { lock.read().await.unwrap() })
            })
            .collect();
        until(async || direct.zcard("edgecask:queue:{rw}").await.unwrap() == 5).await;
        for guard in [one, two] {
            assert!(guard.release().await.unwrap());
        }
        let guard = writes.await.unwrap();
        assert!(lock().try_read().await.is_err() && lock().try_write().await.is_err());
        assert!(guard.release().await.unwrap());
        let mut guards = Vec::new();
        for reader in readers {
            guards.push(reader.await.unwrap());
        }
        assert_eq!(direct.zcard("rw").await.unwrap(), 4, "{name}: they read together");
        for guard in guards {
            assert!(guard.release().await.unwrap());
        }
        lock().try_write().await.unwrap().release().await.unwrap();
    })
    .await;
}

/// The channel by which the waiter at this place in the queue of `rw` is woken, and its token.
async fn waiter(client: &Client, place: i64) -> (String, String) {
    let at = cmd("ZRANGE").arg("edgecask:queue:{rw}").arg(place).arg(place);
    let at: Vec<String> = client.execute(at).await.unwrap();
    let token = at[0][1..].to_owned();
    (format!("edgecask:unlocked:{}", &token[token.len() - 32..][..16]), token)
}

/// The first message of a channel since a subscription began; `the end` if there was none until now.
async fn told(client: &Client, channel: &str, mut heard: Subscriber) -> String {
    client.publish(channel, "the end").await.unwrap();
    loop {
        if let Event::Message(message) = heard.next().await.unwrap().unwrap() {
            return String::from_utf8(message.payload.to_vec()).unwrap();
        }
    }
}

/// Readers are woken when a writer goes, whether it had the lock or only waited for it.
#[tokio::test]
async fn readers_are_woken_when_a_writer_goes() {
    at_once(async |place| {
        let (direct, name) = (place.client(), place.name);
        let lock = || {
            let patient = |options: LockOptions| options.waiter_ttl(Duration::from_secs(60));
            lasting(place.client()).configured(patient).read_write(key("rw"))
        };
        let queued = async |count: u64| {
            until(async || direct.zcard("edgecask:queue:{rw}").await.unwrap() == count).await;
        };
        for writer_waits in [false, true] {
            let (held, writer) = match writer_waits {
                false => (lock().write().await.unwrap(), None),
                true => {
                    let (held, writer) = (lock().read().await.unwrap(), lock());
                    let waits = tokio::spawn(async move { writer.write().await.map(drop) });
                    queued(1).await;
                    (held, Some(waits))
                }
            };
            let reader = lock();
            let reads = tokio::spawn(async move { reader.read().await.unwrap() });
            queued(1 + u64::from(writer_waits)).await;
            // Only the reader is left behind the writer.
            let (channel, token) = waiter(&direct, -1).await;
            let heard = direct.subscribe([channel.clone()]).await.unwrap();
            match writer {
                Some(waits) => waits.abort(),
                None => assert!(held.release().await.unwrap()),
            }
            let guard = reads.await.unwrap();
            // It was told, and did not only look again by itself.
            assert_eq!(told(&direct, &channel, heard).await, token, "{name}, {writer_waits}");
            drop(guard);
            direct.flushall().await.unwrap();
        }
    })
    .await;
}

/// A caller that takes the lock alone wakes the readers before it, if it finds the lock free.
#[tokio::test]
async fn a_writer_that_is_not_next_wakes_the_readers_before_it() {
    for place in Place::all().await {
        let (direct, name) = (place.client(), place.name);
        let lock = lasting(place.client()).read_write(key("rw"));
        let held = lock.write().await.unwrap();
        let reader = lock.clone();
        let deaf = lasting(place.client().layer(Tapped(Deaf))).read_write(key("rw"));
        let reads = tokio::spawn(async move { reader.read().await.map(drop) });
        until(async || direct.zcard("edgecask:queue:{rw}").await.unwrap() == 1).await;
        let (channel, token) = waiter(&direct, 0).await;
        reads.abort();
        let _ = reads.await;
        until(async || direct.zcard("edgecask:queue:{rw}").await.unwrap() == 0).await;
        held.release().await.unwrap();
        // The reader as it stood in the queue, and nobody tells it that the lock is free.
        let add = cmd("ZADD").args_from(["edgecask:queue:{rw}", "1", &format!("s{token}")]);
        direct.execute::<i64>(add).await.unwrap();
        let clock: Vec<i64> = direct.execute(cmd("TIME")).await.unwrap();
        let till = (clock[0] * 1000 + 50_000).to_string();
        let add = cmd("ZADD").args_from(["edgecask:alive:{rw}", &till, &format!("s{token}")]);
        direct.execute::<i64>(add).await.unwrap();
        let heard = direct.subscribe([channel.clone()]).await.unwrap();
        assert!(deaf.try_write().await.is_err(), "{name}");
        assert_eq!(told(&direct, &channel, heard).await, token, "{name}");
    }
}

#[tokio::test]
async fn a_lock_of_readers_ends_with_the_last_of_them() {
    for place in Place::all().await {
        let locks = lasting(place.client());
        let short = locks.configured(|options| options.ttl(Duration::from_secs(600)));
        let long = locks.read_write(key("rw")).read().await.unwrap();
        let short = short.read_write(key("rw")).read().await.unwrap();
        let left = async || place.client().execute::<i64>(cmd("PTTL").arg("rw")).await.unwrap();
        assert!(left().await > 3_000_000, "{}", place.name);
        long.release().await.unwrap();
        assert!(left().await <= 600_000, "{}", place.name);
        short.release().await.unwrap();
    }
}

/// An answer is lost, and the second request is refused: the part may be counted all the same.
#[tokio::test]
async fn a_count_down_whose_answers_do_not_come_is_unknown() {
    #[derive(Debug, Default)]
    struct Away(AtomicU64);

    impl Tap for Away {
        fn carry<'a>(&'a self, trip: Trip<'a>) -> BoxFuture<'a, edgecask::Result<Results>> {
            Box::pin(async move {
                let lost = |outcome| {
                    Error::new(ErrorKind::Disconnected, "lost by the test").with_outcome(outcome)
                };
                if self.0.fetch_add(1, Ordering::SeqCst) > 0 {
                    return Err(lost(Outcome::NotSent));
                }
                trip.go().await?;
                Err(lost(Outcome::Unknown))
            })
        }
    }

    let client = Client::memory();
    let latch = |client| lasting(client).latch(key("l"));
    latch(client.clone()).set(2, HOUR).await.unwrap();
    latch(client.clone()).count_down("warm").await.unwrap();
    let error = latch(client.clone().layer(Tapped(Away::default()))).count_down("a").await;
    assert_eq!(Error::from(error.unwrap_err()).outcome(), Outcome::Unknown);
    assert_eq!(latch(client).left().await.unwrap(), Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_and_writers_never_meet() {
    for place in Place::all().await {
        let inside = Arc::new(AtomicI64::new(0));
        let tasks = (0..6_u64).map(|number| {
            let (lock, inside) = (lasting(place.client()).read_write(key("rw")), inside.clone());
            tokio::spawn(async move {
                for round in 0..6 {
                    if (number + round) % 3 == 0 {
                        let guard = lock.write().await.unwrap();
                        assert_eq!(inside.fetch_sub(1000, Ordering::SeqCst), 0, "alone");
                        tokio::task::yield_now().await;
                        inside.fetch_add(1000, Ordering::SeqCst);
                        guard.release().await.unwrap();
                    } else {
                        let guard = lock.read().await.unwrap();
                        assert!(inside.fetch_add(1, Ordering::SeqCst) >= 0, "no writer");
                        tokio::task::yield_now().await;
                        inside.fetch_sub(1, Ordering::SeqCst);
                        guard.release().await.unwrap();
                    }
                }
            })
        });
        for task in tasks.collect::<Vec<_>>() {
            task.await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_latch_opens_after_the_last_part() {
    at_once(async |place| {
        let (direct, name) = (place.client(), place.name);
        let latch = || lasting(place.client()).latch(key("l"));
        let missing = latch().count_down("a").await.unwrap_err();
        assert!(matches!(missing, LockError::NotSet { .. }), "{name}: {missing:?}");
        assert!(matches!(latch().wait(HOUR).await, Err(LockError::NotSet { .. })));
        assert!(latch().set(2, HOUR).await.unwrap());
        assert!(!latch().set(5, HOUR).await.unwrap());
        let stored: Option<u64> = direct.hget("l", "left").await.unwrap();
        assert_eq!(stored, Some(2), "{name}");
        assert!(direct.ttl("l").await.is_ok(), "{name}");
        let waits: Vec<_> = (0..3)
            .map(|_| {
                let latch = latch();
                tokio::spawn(async move { latch.wait(HOUR).await })
            })
            .collect();
        assert_eq!(latch().count_down("a").await.unwrap(), 1);
        assert_eq!(latch().count_down("a").await.unwrap(), 1);
        let too_short = latch().wait(Duration::from_millis(30)).await.unwrap_err();
        assert!(matches!(too_short, LockError::TimedOut { .. }), "{name}: {too_short:?}");
        assert_eq!(latch().count_down("b").await.unwrap(), 0);
        for wait in waits {
            wait.await.unwrap().unwrap();
        }
        assert_eq!(latch().count_down("c").await.unwrap(), 0);
        // What was counted is not lost without the count.
        assert_eq!(direct.keys::<String>("*").await.unwrap(), ["l"], "{name}");
        assert_eq!(latch().left().await.unwrap(), Some(0));
        // A latch that was lost does not open, and nobody waits for it for ever.
        direct.flushall().await.unwrap();
        latch().set(1, HOUR).await.unwrap();
        let lost = latch();
        let waits = tokio::spawn(async move { lost.wait(HOUR).await });
        tokio::task::yield_now().await;
        direct.flushall().await.unwrap();
        assert!(matches!(waits.await.unwrap(), Err(LockError::NotSet { .. })), "{name}");
    })
    .await;
}

#[tokio::test]
async fn one_candidate_leads_and_the_next_takes_over() {
    for place in Place::all().await {
        let name = place.name;
        let candidate = |name| lasting(place.client()).election(key("e"), name).unwrap();
        let (one, two) = (candidate("node:1"), candidate("node:2"));
        assert_eq!(one.leader().await.unwrap(), None);
        let first = one.campaign().await.unwrap();
        let seen: Leader = two.leader().await.unwrap().unwrap();
        assert_eq!((seen.name.as_str(), seen.term), ("node:1", first.term()), "{name}");
        let follower = two.clone();
        let campaigns = tokio::spawn(async move { follower.campaign().await.unwrap() });
        until(async || place.client().zcard("edgecask:queue:{e}").await.unwrap() == 1).await;
        assert!(first.resign().await.unwrap());
        let second = campaigns.await.unwrap();
        assert!(second.term() > seen.term && second.is_leader());
        let changed = one.changed(Some(&seen)).await.unwrap().unwrap();
        assert_eq!((changed.name.as_str(), changed.term), ("node:2", second.term()), "{name}");
    }
    assert!(lasting(edgecask::Client::memory()).election(key("e"), "").is_err());
}

/// A candidate leads again after Redis was away for longer than its leadership lasts.
#[tokio::test]
async fn a_leader_recovers_from_an_outage() {
    let port = edgecask_tests::free_port();
    let redis = RedisServer::on_port(port);
    let options = LockOptions::new().ttl(Duration::from_secs(1));
    let locks = Locks::with_options(redis.client(), options);
    let election = locks.election(key("e"), "node-1").unwrap();
    let (terms, last) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let leads = {
        let (terms, last) = (terms.clone(), last.clone());
        tokio::spawn(async move {
            let work = async |term| {
                assert!(last.swap(term, Ordering::SeqCst) < term, "terms grow");
                if terms.fetch_add(1, Ordering::SeqCst) == 0 {
                    std::future::pending::<()>().await;
                }
                term
            };
            election.lead(work).await
        })
    };
    until(async || terms.load(Ordering::SeqCst) == 1).await;
    let first = last.load(Ordering::SeqCst);
    drop(redis);
    // It comes back empty.
    let redis = RedisServer::on_port(port);
    let term = leads.await.unwrap().unwrap();
    assert!(term > first);
    assert_eq!(redis.client().exists(["e"]).await.unwrap(), 0, "it has resigned");
}
