//! Connections that are cut before a request, and at each byte of an answer; answers that are lost for good; callers that go
//! away in between.
//!
//! Answers by REST are long, and cut after each 17th byte by default; with `EDGECASK_TEST_CASES` after each one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use edgecask::lock::LockError;
use edgecask::platform::BoxFuture;
use edgecask::prelude::*;
use edgecask::transport::Results;
use edgecask::{Client, Error, ErrorKind, Outcome, Result};
use edgecask_server::{Server, ServerOptions};
use edgecask_tests::{Count, Cutter, Place, RedisServer, Tap, Tapped, Trip, number, until};

use super::{key, lasting, warm_up};

/// What is asked while the connection is cut.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Step {
    Acquire,
    TryAcquire,
    Renew,
    Release,
}

const STEPS: [Step; 4] = [Step::Acquire, Step::TryAcquire, Step::Renew, Step::Release];

/// Takes, renews and releases a lock, and is cut at this step; returns whether it was.
async fn cut_at(
    client: &Client,
    direct: &Client,
    cutter: &Cutter,
    step: Step,
    cut: impl Fn(),
) -> bool {
    let count = Count::default();
    let lock = lasting(count.of(client.clone())).lock(key("k"));
    let other = lasting(direct.clone()).lock(key("k"));
    // A connection that was cut before is replaced.
    client.ping().await.unwrap();
    let begin = |now: Step| {
        if now == step {
            cut();
        }
    };
    let mut was_cut = false;
    begin(Step::Acquire);
    begin(Step::TryAcquire);
    count.taken();
    let guard = match step {
        Step::Acquire => lock.acquire().await,
        _ => lock.try_acquire().await,
    };
    // What is left of the plan is not for the next step.
    let mut end = || was_cut |= cutter.calm();
    end();
    let guard = guard.unwrap_or_else(|error| panic!("{step:?}: {error}"));
    assert!(count.taken() <= 2, "{step:?}");
    let stored: Option<String> = direct.get("k").await.unwrap();
    assert_eq!(stored.as_deref(), Some(guard.token()), "{step:?}");
    assert!(other.try_acquire().await.is_err(), "{step:?}");
    begin(Step::Renew);
    if let Err(error) = guard.renew().await {
        // A renewal is repeated by itself; here it is asked for by hand.
        assert!(step == Step::Renew && matches!(error, LockError::Redis(_)), "{step:?}: {error}");
        guard.renew().await.unwrap();
    }
    end();
    count.taken();
    begin(Step::Release);
    assert!(guard.release().await.unwrap(), "{step:?}: it was held until then");
    assert!(count.taken() <= 2, "{step:?}");
    assert_eq!(direct.exists(["k"]).await.unwrap(), 0, "{step:?}");
    end();
    was_cut
}

/// Cuts after each `stride`th byte.
async fn cut_everywhere(client: &Client, direct: &Client, cutter: &Cutter, stride: usize) {
    for step in STEPS {
        let test = async |at| cut_at(client, direct, cutter, step, || cutter.cut(at)).await;
        cutter.everywhere(&format!("{step:?}"), stride, test).await;
    }
}

#[tokio::test]
async fn a_cut_at_each_byte_of_an_answer_is_resolved_over_tcp() {
    let redis = RedisServer::start();
    let (cutter, client) = Cutter::over_tcp(&redis).await;
    warm_up(&redis.client()).await;
    cut_everywhere(&client, &redis.client(), &cutter, 1).await;
}

#[tokio::test]
async fn a_cut_at_each_byte_of_an_answer_is_resolved_over_rest() {
    let redis = RedisServer::start();
    let server = Server::start(ServerOptions::redis(redis.url())).await.unwrap();
    let (cutter, client) = Cutter::over_rest(&server).await;
    warm_up(&Client::rest(&server.url(), server.token()).unwrap()).await;
    let stride = if number("EDGECASK_TEST_CASES").is_some() { 1 } else { 17 };
    cut_everywhere(&client, &redis.client(), &cutter, stride).await;
    server.stop().await;
}

/// Loses what passes, as long as it is told to.
#[derive(Debug, Clone, Default)]
struct Lossy {
    /// So many answers are lost after the server has done what was asked.
    answers: Arc<AtomicUsize>,
    /// The next one never comes, and the caller waits for it.
    hangs: Arc<AtomicBool>,
    passed: Arc<AtomicUsize>,
    /// The round trips that have not ended.
    open: Arc<AtomicUsize>,
}

impl Lossy {
    fn is_idle(&self) -> bool {
        self.open.load(Ordering::SeqCst) == 0
    }
}

struct Ended<'a>(&'a AtomicUsize);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Tap for Lossy {
    fn carry<'a>(&'a self, trip: Trip<'a>) -> BoxFuture<'a, Result<Results>> {
        self.open.fetch_add(1, Ordering::SeqCst);
        let ended = Ended(&self.open);
        Box::pin(async move {
            let _ended = ended;
            let result = trip.go().await?;
            self.passed.fetch_add(1, Ordering::SeqCst);
            if self.hangs.swap(false, Ordering::SeqCst) {
                std::future::pending::<()>().await;
            }
            let take = |left: usize| left.checked_sub(1);
            if self.answers.fetch_update(Ordering::SeqCst, Ordering::SeqCst, take).is_ok() {
                return Err(Error::new(ErrorKind::Disconnected, "the answer is lost"));
            }
            Ok(result)
        })
    }
}

#[tokio::test]
async fn a_lock_whose_answers_are_all_lost_is_released() {
    for place in Place::all().await {
        let (direct, lossy) = (place.client(), Lossy::default());
        warm_up(&direct).await;
        let lock = lasting(place.client().layer(Tapped(lossy.clone()))).lock(key("k"));
        for wait in [false, true] {
            lossy.answers.store(2, Ordering::SeqCst);
            let error = match wait {
                true => lock.acquire().await.unwrap_err(),
                false => lock.try_acquire().await.unwrap_err(),
            };
            assert_eq!(Error::from(error).outcome(), Outcome::Unknown, "{}", place.name);
            // The answer to the release has come too, and is none of those that are lost next.
            until(async || direct.exists(["k"]).await.unwrap() == 0 && lossy.is_idle()).await;
        }
        // So is one whose release is not answered: it was done.
        let guard = lock.acquire().await.unwrap();
        lossy.answers.store(2, Ordering::SeqCst);
        assert!(guard.release().await.is_err());
        assert_eq!(direct.exists(["k"]).await.unwrap(), 0, "{}", place.name);
    }
}

#[tokio::test]
async fn a_caller_that_goes_away_leaves_no_lock() {
    for place in Place::all().await {
        let (direct, lossy) = (place.client(), Lossy::default());
        warm_up(&direct).await;
        let lock = lasting(place.client().layer(Tapped(lossy.clone()))).lock(key("k"));
        for wait in [false, true] {
            lossy.hangs.store(true, Ordering::SeqCst);
            let other = lock.clone();
            let call = tokio::spawn(async move {
                match wait {
                    true => other.acquire().await.map(drop),
                    false => other.try_acquire().await.map(drop),
                }
            });
            // Its answer has come and is held up: the release of a caller that goes away earlier would be.
            until(async || !lossy.hangs.load(Ordering::SeqCst)).await;
            assert_eq!(direct.exists(["k"]).await.unwrap(), 1, "{}", place.name);
            call.abort();
            until(async || direct.exists(["k"]).await.unwrap() == 0).await;
        }
        // A release that is given up is made up for.
        let guard = lock.acquire().await.unwrap();
        let token = guard.token().to_owned();
        lossy.hangs.store(true, Ordering::SeqCst);
        let call = tokio::spawn(guard.release());
        until(async || !lossy.hangs.load(Ordering::SeqCst)).await;
        call.abort();
        assert_eq!(direct.exists(["k"]).await.unwrap(), 0, "{}", place.name);
        let ended = direct.zscore("edgecask:ended:{k}", &token).await.unwrap();
        assert!(ended.is_some_and(|score| score % 2.0 == 1.0), "{}", place.name);
    }
}
