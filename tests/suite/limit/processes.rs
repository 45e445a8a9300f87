//! Processes whose clocks are wrong by 30 seconds, which are killed and stand still while they ask for the same limits. Redis loses
//! its scripts meanwhile.
//!
//! A history runs by default; `EDGECASK_TEST_CASES=100` runs so many, `EDGECASK_TEST_SEED=7` begins with that one.

use std::process::Stdio;
use std::time::Duration;

use edgecask::Client;
use edgecask::limit::{OnFailure, Policy, RateLimiter};
use edgecask::prelude::*;
use edgecask_tests::{Dice, RedisServer, number, seeds, until};

use super::{MINUTE, plain};
use crate::seeded::{again, signal, wrong_clocks};

const NAME: &str =
    "limit::processes::none_is_admitted_too_many_whoever_dies_and_whatever_clocks_say";
const SEED: &str = "EDGECASK_TEST_HISTORY";
const REDIS: &str = "EDGECASK_TEST_REDIS";
const PROCESSES: usize = 3;
const LIMIT: u64 = 60;
/// Longer than a permit lasts whose process died.
const LEASE: Duration = Duration::from_millis(300);

/// No window ends while the test runs.
fn limiter(client: &Client) -> RateLimiter {
    let long = MINUTE * 60 * 24 * 300;
    plain(client, Policy::fixed_window(LIMIT, long).prefix("fixed"))
        .policy(Policy::sliding_window(LIMIT, long).prefix("sliding").named("sliding"))
        .policy(Policy::token_bucket(1, long, LIMIT).prefix("bucket").named("bucket"))
        .policy(Policy::gcra(LIMIT, long).prefix("gcra").named("gcra"))
        .on_failure(OnFailure::Deny)
        .build()
        .unwrap()
}

/// Asks until all has been admitted, and logs each admission.
async fn process(dice: Dice, client: &Client) {
    let limiter = limiter(client);
    let jobs = plain(client, Policy::concurrency(1, LEASE).prefix("jobs")).build().unwrap();
    while limiter.remaining("a").await.unwrap().remaining() > 0 {
        // One at a time; the permit of a process that died returns by itself.
        let permit = jobs.acquire_within("a", MINUTE).await.unwrap().unwrap();
        if limiter.limit("a").await.unwrap().is_allowed() {
            client.rpush("log", [std::process::id()]).await.unwrap();
        }
        tokio::time::sleep(Duration::from_millis(dice.roll(3))).await;
        let _ = permit.release().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn none_is_admitted_too_many_whoever_dies_and_whatever_clocks_say() {
    if let Some(seed) = number(SEED) {
        let client = Client::tcp(&std::env::var(REDIS).unwrap()).unwrap();
        return process(Dice::new(seed ^ (u64::from(std::process::id()) << 32)), &client).await;
    }
    for seed in seeds(1) {
        let (dice, redis, clocks) = (Dice::new(seed), RedisServer::start(), wrong_clocks());
        let (direct, url) = (redis.client(), redis.url());
        let start = |at: usize| {
            let variables = [(SEED, seed.to_string()), (REDIS, url.clone())];
            let mut process = again(NAME, &variables);
            process.envs(clocks[at].1.variables()).stdout(Stdio::null()).spawn().unwrap()
        };
        let mut processes: Vec<_> = (0..PROCESSES).map(start).collect();
        let admitted = async || direct.llen("log").await.unwrap();
        let more = async |count: u64| {
            let least = (admitted().await + count).min(LIMIT - 10);
            until(async || admitted().await >= least).await;
        };
        more(6).await;
        let killed = 3;
        for round in 0..killed {
            let at = dice.roll(PROCESSES as u64) as usize;
            processes[at].start_kill().unwrap();
            processes[at].wait().await.unwrap();
            processes[at] = start(at);
            direct.script_flush().await.unwrap();
            more(2 + dice.roll(4)).await;
            let still = (at + 1 + round) % PROCESSES;
            signal(&processes[still], "-STOP");
            more(1 + dice.roll(4)).await;
            signal(&processes[still], "-CONT");
        }
        for mut process in processes {
            assert!(process.wait().await.unwrap().success(), "EDGECASK_TEST_SEED={seed}");
        }
        // A process that was killed may have been admitted, and not have logged it.
        let admitted = admitted().await;
        let least = LIMIT - killed as u64;
        assert!((least..=LIMIT).contains(&admitted), "EDGECASK_TEST_SEED={seed}: {admitted}");
        assert_eq!(limiter(&direct).remaining("a").await.unwrap().remaining(), 0);
    }
}
