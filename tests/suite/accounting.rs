//! Increments through random stacks of layers, alone, in scripts and in batches, while a network loses requests and
//! answers: whatever was acknowledged was counted, whatever is unknown was counted once or not at all, nothing twice.
//!
//! A few stacks with a few hundred calls run by default; `EDGECASK_TEST_CASES=20` runs so many stacks, each with 10 000
//! calls, `EDGECASK_TEST_SEED=7` begins with that one.

use std::collections::BTreeMap;
use std::time::Duration;

use edgecask::command::Resend;
use edgecask::layer::{
    AutoPipeline, CircuitBreaker, Deadline, Fallback, KeyPrefix, Observe, RequestBudget, Retry,
};
use edgecask::prelude::*;
use edgecask::transport::memory::MemoryTransport;
use edgecask::{Client, Outcome, Script};
use edgecask_server::{Fault, FaultPlan, Server, ServerOptions};
use edgecask_tests::{Dice, RedisServer, number, seeds};
use futures_util::stream::{self, StreamExt};

use crate::seeded::Proxy;

const COUNTERS: u64 = 3;
const LIMIT: Duration = Duration::from_millis(400);

fn retry() -> Retry {
    Retry::new().attempts(4).base(Duration::from_millis(1))
}

fn breaker() -> CircuitBreaker {
    CircuitBreaker::new().failures(8).open_for(Duration::from_millis(2))
}

fn budget() -> RequestBudget {
    RequestBudget::new().requests(u64::MAX)
}

/// The layers of a seed around this client, and their names from the inside.
fn stacked(
    mut client: Client,
    dice: &Dice,
    spare: &MemoryTransport,
) -> (Client, Vec<&'static str>) {
    let mut left = vec![
        "Retry",
        "AutoPipeline",
        "CircuitBreaker",
        "KeyPrefix",
        "Fallback",
        "Observe",
        "RequestBudget",
        "Deadline",
    ];
    let mut stack = Vec::new();
    while !left.is_empty() {
        let name = left.swap_remove(dice.roll(left.len() as u64) as usize);
        // A deadline has to be there: a proxy may swallow an answer and stay open.
        if name != "Deadline" && dice.roll(3) == 0 {
            continue;
        }
        stack.push(name);
        client = match name {
            "Retry" => client.layer(retry()),
            "AutoPipeline" => client.layer(AutoPipeline::new()),
            "CircuitBreaker" => client.layer(breaker()),
            "KeyPrefix" => client.layer(KeyPrefix::new("in:")),
            "Fallback" => client.layer(Fallback::to(spare.clone())),
            "Observe" => client.layer(Observe::new().each(|_| {})),
            "RequestBudget" => client.layer(budget()),
            _ => client.layer(Deadline::new(LIMIT)),
        };
    }
    (client, stack)
}

/// What became of the increments of each counter.
#[derive(Debug, Default)]
struct Account {
    acknowledged: Vec<i64>,
    unknown: u64,
}

/// Makes so many calls; gives the accounts.
async fn calls(client: &Client, dice: &Dice, count: u64) -> BTreeMap<String, Account> {
    let script = Script::new("return redis.call('INCR', KEYS[1])");
    let script = &script;
    let call = |_| async move {
        let key = || format!("n{}", dice.roll(COUNTERS));
        match dice.roll(6) {
            0 => {
                let key = key();
                let reply = client.run_script::<i64>(script, [&key], [""; 0]).await;
                vec![(key, reply.map_err(|error| error.outcome()))]
            }
            1 => {
                let keys: Vec<String> = (0..1 + dice.roll(4)).map(|_| key()).collect();
                let pipeline = client.pipeline();
                let slots: Vec<_> = keys.iter().map(|key| pipeline.incr(key)).collect();
                match pipeline.exec().await {
                    Ok(mut replies) => keys
                        .into_iter()
                        .zip(slots)
                        .map(|(key, slot)| {
                            (key, replies.take(slot).map_err(|error| error.outcome()))
                        })
                        .collect(),
                    Err(error) => keys.into_iter().map(|key| (key, Err(error.outcome()))).collect(),
                }
            }
            2 => {
                // Reads may be sent again, and share the retries' budget.
                let _ = client.exists([key()]).await;
                Vec::new()
            }
            _ => {
                let key = key();
                let reply = client.incr(&key).await.map_err(|error| error.outcome());
                vec![(key, reply)]
            }
        }
    };
    let done: Vec<_> = stream::iter(0..count).map(call).buffer_unordered(24).collect().await;
    let mut accounts: BTreeMap<String, Account> = BTreeMap::new();
    for (key, reply) in done.into_iter().flatten() {
        let account = accounts.entry(key).or_default();
        match reply {
            Ok(count) => account.acknowledged.push(count),
            Err(Outcome::Unknown) => account.unknown += 1,
            Err(_) => {}
        }
    }
    accounts
}

async fn counted(at: &Client, key: &str) -> u64 {
    let mut sum = 0;
    for name in [key.to_owned(), format!("in:{key}")] {
        sum += loop {
            if let Ok(count) = at.get::<u64>(&name).await {
                break count.unwrap_or(0);
            }
        };
    }
    sum
}

/// Compares the accounts with what was counted at the server and at what stood in for it; tells what does not fit.
async fn settle(
    accounts: BTreeMap<String, Account>,
    server: &Client,
    spare: &MemoryTransport,
) -> Result<(), String> {
    let spare = Client::new(spare.clone());
    let mut known = 0;
    for (key, mut account) in accounts {
        let acknowledged = account.acknowledged.len();
        let apart = counted(&spare, &key).await;
        let total = counted(server, &key).await + apart;
        let most = acknowledged as u64 + account.unknown;
        if !(acknowledged as u64..=most).contains(&total) {
            let unknown = account.unknown;
            return Err(format!(
                "{key} is {total}, {acknowledged} acknowledged and {unknown} unknown"
            ));
        }
        // Two servers count each on its own.
        account.acknowledged.sort_unstable();
        account.acknowledged.dedup();
        if apart == 0 && account.acknowledged.len() < acknowledged {
            return Err(format!("an answer for {key} came twice"));
        }
        known += acknowledged;
    }
    if known == 0 { Err("nothing got through".to_owned()) } else { Ok(()) }
}

fn length() -> u64 {
    if number("EDGECASK_TEST_CASES").is_some() { 10_000 } else { 400 }
}

fn faults(seed: u64) -> FaultPlan {
    FaultPlan::seeded(seed)
        .rate(Fault::DropBefore, 0.06)
        .rate(Fault::DropAfter, 0.06)
        .rate(Fault::Truncate, 0.03)
        .rate(Fault::BadGateway, 0.02)
        // It arrives after its caller gave up.
        .rate(Fault::Delay(LIMIT * 2), 0.01)
        .rate(Fault::DelayReply(LIMIT * 2), 0.01)
}

/// A client with the builder's order of layers instead of a random one.
fn built(builder: edgecask::ClientBuilder) -> Client {
    builder
        .retry(retry())
        .circuit_breaker(breaker())
        .auto_pipeline(AutoPipeline::new())
        .key_prefix("in:")
        .request_budget(budget())
        .observe(Observe::new().each(|_| {}))
        .deadline(LIMIT)
        .allow_http(true)
        .build()
        .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_increment_over_rest_is_accounted_for() {
    for seed in seeds(4) {
        let redis = RedisServer::start();
        let options = ServerOptions::redis(redis.url()).faults(faults(seed));
        let server = Server::start(options).await.unwrap();
        let (dice, spare) = (Dice::new(seed), MemoryTransport::new());
        let (client, stack) = if seed % 4 == 0 {
            let builder = Client::builder().url(server.url()).token(server.token());
            (built(builder), vec!["the builder's"])
        } else {
            stacked(Client::rest(&server.url(), server.token()).unwrap(), &dice, &spare)
        };
        let accounts = calls(&client, &dice, length()).await;
        let told = format!("EDGECASK_TEST_SEED={seed}, from the inside: {stack:?}");
        let settled = settle(accounts, &redis.client(), &spare).await;
        assert_eq!(settled, Ok(()), "{told}");
        server.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_increment_over_tcp_is_accounted_for() {
    for seed in seeds(4) {
        let redis = RedisServer::start();
        let dice = Dice::new(seed);
        let proxy = Proxy::to(redis.port(), dice.clone(), 60).await;
        let (url, spare) = (format!("redis://127.0.0.1:{}", proxy.port), MemoryTransport::new());
        let (client, stack) = if seed % 4 == 0 {
            (built(Client::builder().url(url)), vec!["the builder's"])
        } else {
            stacked(Client::tcp(&url).unwrap(), &dice, &spare)
        };
        let accounts = calls(&client, &dice, length()).await;
        let told = format!("EDGECASK_TEST_SEED={seed}, from the inside: {stack:?}");
        let settled = settle(accounts, &redis.client(), &spare).await;
        assert_eq!(settled, Ok(()), "{told}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn increments_that_are_sent_again_are_found() {
    let redis = RedisServer::start();
    let options = ServerOptions::redis(redis.url()).faults(faults(1));
    let server = Server::start(options).await.unwrap();
    let client = Client::rest(&server.url(), server.token())
        .unwrap()
        .layer(Deadline::new(LIMIT))
        .layer(retry().resend(Resend::Unsafe));
    let accounts = calls(&client, &Dice::new(1), 400).await;
    let settled = settle(accounts, &redis.client(), &MemoryTransport::new()).await;
    assert!(settled.is_err(), "increments were sent again, and nobody noticed");
    server.stop().await;
}
