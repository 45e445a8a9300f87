//! Connections that are cut before a request, and at each byte of an answer: a call with an identity counts once, one without is
//! never sent twice, and none is admitted beyond the limit.
//!
//! Answers by REST are long, and cut after each 31st byte by default; with `EDGECASK_TEST_CASES` after each one.

use std::time::Duration;

use edgecask::Client;
use edgecask::layer::Retry;
use edgecask::limit::{OnFailure, Policy, RateLimiter};
use edgecask::prelude::*;
use edgecask_server::{Server, ServerOptions};
use edgecask_tests::{Cut, Cutter, RedisServer, number, until};

use super::{Hands, MINUTE, plain};

/// How many calls each policy admits.
const LIMIT: u64 = 2;

fn each() -> [Policy; 4] {
    let long = MINUTE * 60;
    [
        Policy::fixed_window(LIMIT, long),
        Policy::sliding_window(LIMIT, long),
        Policy::token_bucket(1, long, LIMIT),
        Policy::gcra(LIMIT, long),
    ]
}

/// A client on a way that is cut, and one on a way that is not.
struct Ways<'a> {
    cut: &'a Client,
    direct: &'a Client,
    cutter: &'a Cutter,
}

impl Ways<'_> {
    /// Runs a test with each cut, on a connection that is whole when it begins.
    async fn everywhere(&self, what: &str, stride: usize, test: impl AsyncFn(Cut) -> bool) {
        let test = async |cut| {
            // A connection that was cut before is replaced.
            self.cut.ping().await.unwrap();
            test(cut).await
        };
        self.cutter.everywhere(what, stride, test).await;
    }

    /// A call with an identity is sent again, and counts once.
    async fn with_identity(&self, policy: Policy, stride: usize) {
        let hands = Hands::at(1_790_000_000_000);
        let name = policy.name();
        let retries = self.cut.clone().layer(Retry::new().base(Duration::from_millis(1)));
        let limiter = plain(&retries, policy.clone().prefix(name))
            .clock(hands.clock())
            .exactly_once(true)
            .build();
        let limiter = limiter.unwrap();
        self.everywhere(name, stride, async |cut| {
            let (what, id) = (format!("{name}, {cut}"), &*cut.to_string());
            self.cutter.cut(cut);
            let first = limiter.limit(id).await.unwrap();
            let was_cut = self.cutter.calm();
            assert!(first.is_allowed() && first.failure().is_none(), "{what}: {first:?}");
            assert_eq!(first.remaining(), LIMIT - 1, "{what}: it counts once");
            assert!(limiter.limit(id).await.unwrap().is_allowed(), "{what}");
            assert!(!limiter.limit(id).await.unwrap().is_allowed(), "{what}");
            was_cut
        })
        .await;
    }

    /// A call without an identity is not sent again: it may count, and is not admitted by the server.
    async fn without_identity(&self, policy: Policy, stride: usize) {
        let hands = Hands::at(1_790_000_000_000);
        let name = policy.name();
        let limiter = |client: &Client| {
            let limiter = plain(client, policy.clone().prefix(&format!("without, {name}")))
                .clock(hands.clock());
            limiter.on_failure(OnFailure::Deny).build().unwrap()
        };
        let (limiter, sure): (RateLimiter, RateLimiter) = (limiter(self.cut), limiter(self.direct));
        self.everywhere(name, stride, async |cut| {
            let (what, id) = (format!("{name}, {cut}"), &*cut.to_string());
            self.cutter.cut(cut);
            let first = limiter.limit(id).await.unwrap();
            let was_cut = self.cutter.calm();
            assert_eq!(first.failure().is_some(), was_cut, "{what}: {first:?}");
            assert_eq!(first.is_allowed(), !was_cut, "{what}: {first:?}");
            let counted = LIMIT - sure.remaining(id).await.unwrap().remaining();
            // Redis did what was asked, unless the request did not arrive.
            assert_eq!(counted, u64::from(cut != Cut::Request), "{what}");
            let mut admitted = u64::from(first.is_allowed());
            for _ in 0..=LIMIT {
                admitted += u64::from(sure.limit(id).await.unwrap().is_allowed());
            }
            let lost = if was_cut { counted } else { 0 };
            assert_eq!(admitted + lost, LIMIT, "{what}");
            was_cut
        })
        .await;
    }

    /// A permit whose request, renewal or release is cut is given back, or can be asked for again.
    async fn permits(&self, stride: usize) {
        let limiter = |client: &Client| {
            let limiter = plain(client, Policy::concurrency(LIMIT, MINUTE * 60).prefix("jobs"));
            limiter.on_failure(OnFailure::Deny).build().unwrap()
        };
        let (limiter, sure) = (limiter(self.cut), limiter(self.direct));
        let all_free = async |id: &str| {
            until(async || sure.remaining(id).await.unwrap().remaining() == LIMIT).await
        };
        self.everywhere("acquire", stride, async |cut| {
            let id = &*cut.to_string();
            self.cutter.cut(cut);
            let permit = limiter.acquire(id).await.unwrap();
            let was_cut = self.cutter.calm();
            assert_eq!(permit.is_err(), was_cut, "acquire, {cut}: {permit:?}");
            drop(permit);
            all_free(id).await;
            was_cut
        })
        .await;
        self.everywhere("renew", stride, async |cut| {
            let permit = limiter.acquire("renewed").await.unwrap().unwrap();
            self.cutter.cut(cut);
            let renewed = permit.renew().await;
            let was_cut = self.cutter.calm();
            assert_eq!(renewed.is_err(), was_cut, "renew, {cut}: {renewed:?}");
            assert!(permit.renew().await.unwrap(), "renew, {cut}");
            assert!(permit.release().await.unwrap(), "renew, {cut}");
            was_cut
        })
        .await;
        self.everywhere("release", 1, async |cut| {
            let permit = limiter.acquire("released").await.unwrap().unwrap();
            self.cutter.cut(cut);
            let released = permit.release().await;
            let was_cut = self.cutter.calm();
            assert_eq!(released.is_err(), was_cut, "release, {cut}: {released:?}");
            all_free("released").await;
            was_cut
        })
        .await;
    }
}

#[tokio::test]
async fn a_cut_at_each_byte_admits_none_too_many_over_tcp() {
    let redis = RedisServer::start();
    let (cutter, client) = Cutter::over_tcp(&redis).await;
    let ways = Ways { cut: &client, direct: &redis.client(), cutter: &cutter };
    // Redis knows the script from here on.
    let _ = plain(ways.direct, Policy::gcra(1, MINUTE)).build().unwrap().limit("warm").await;
    for policy in each() {
        ways.with_identity(policy.clone(), 1).await;
        ways.without_identity(policy, 1).await;
    }
    ways.permits(1).await;
}

#[tokio::test]
async fn a_cut_at_each_byte_admits_none_too_many_over_rest() {
    let redis = RedisServer::start();
    let server = Server::start(ServerOptions::redis(redis.url())).await.unwrap();
    let (cutter, client) = Cutter::over_rest(&server).await;
    let ways = Ways { cut: &client, direct: &redis.client(), cutter: &cutter };
    let _ = plain(ways.direct, Policy::gcra(1, MINUTE)).build().unwrap().limit("warm").await;
    let stride = if number("EDGECASK_TEST_CASES").is_some() { 1 } else { 31 };
    ways.with_identity(Policy::gcra(LIMIT, MINUTE * 60), stride).await;
    ways.without_identity(Policy::gcra(LIMIT, MINUTE * 60), stride).await;
    server.stop().await;
}
