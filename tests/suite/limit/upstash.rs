//! The same decisions as `@upstash/ratelimit`: by a recording of the real package (`tests/js/ratelimit-decisions.mjs`), and
//! beside it on the same keys.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use edgecask::limit::{Policy, RateLimiter, Request};
use edgecask::prelude::*;
use edgecask_server::{Server, ServerOptions};
use edgecask_tests::{Place, RedisServer};
use serde::Deserialize;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};

use super::{Hands, MINUTE, plain};

const WINDOW: Duration = Duration::from_secs(600);

#[derive(Deserialize)]
struct Sequence {
    algorithm: String,
    prefix: String,
    limit: u64,
    refill: u64,
    dynamic: Option<u64>,
    /// The time, the identifier, the cost; whether it was admitted, what remained, when that is reset, and the limit.
    steps: Vec<(u64, String, u64, bool, i64, u64, u64)>,
}

#[tokio::test]
async fn recorded_sequences_are_decided_alike() {
    let recorded = include_str!("upstash-ratelimit.json");
    let sequences: Vec<Sequence> = serde_json::from_str(recorded).unwrap();
    for place in Place::all().await {
        let (name, client) = (place.name, &place.client());
        client.flushall().await.unwrap();
        for sequence in &sequences {
            let hands = Hands::at(0);
            let (limit, refill) = (sequence.limit, sequence.refill);
            let policy = match sequence.algorithm.as_str() {
                "fixedWindow" => Policy::fixed_window(limit, WINDOW),
                "slidingWindow" => Policy::sliding_window(limit, WINDOW),
                "tokenBucket" => Policy::token_bucket(refill, WINDOW, limit),
                _ => Policy::cached_fixed_window(limit, WINDOW),
            };
            let limiter = plain(client, policy)
                .prefix(&sequence.prefix)
                .clock(hands.clock())
                .dynamic_limit(sequence.dynamic.is_some())
                .build()
                .unwrap();
            if sequence.dynamic.is_some() {
                limiter.set_limit(sequence.dynamic).await.unwrap();
            }
            let steps = sequence.steps.iter().enumerate();
            for (place, (at, id, cost, success, remaining, reset, limit)) in steps {
                hands.set(*at);
                let what = format!("{name}, {}, step {place}", sequence.prefix);
                let decision = limiter.limit(Request::new(id).cost(*cost)).await.unwrap();
                assert_eq!(decision.is_allowed(), *success, "{what}: {decision:?}");
                assert_eq!(decision.limit(), *limit, "{what}: {decision:?}");
                assert_eq!(decision.reset_at(), *reset, "{what}: {decision:?}");
                // What the package says remains of a refused call is 0, or less.
                if *success {
                    assert_eq!(decision.remaining(), *remaining as u64, "{what}: {decision:?}");
                }
            }
        }
    }
}

/// 25 clients of the real package and 25 of these, at the same time on the same keys. It is left out where the package is not
/// installed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_the_real_package_on_the_same_keys_not_one_too_many_is_admitted() {
    const LIMIT: u64 = 30;
    const CLIENTS: usize = 25;
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("js");
    if !tests.join("node_modules/@upstash/ratelimit").exists() {
        eprintln!("@upstash/ratelimit is not installed: run `cargo xtask setup`");
        return;
    }
    let redis = RedisServer::start();
    let server = Server::start(ServerOptions::redis(redis.url())).await.unwrap();
    let days = Duration::from_secs(200 * 86_400);
    for policy in [
        Policy::fixed_window(LIMIT, days),
        Policy::sliding_window(LIMIT, days),
        Policy::token_bucket(1, days, LIMIT),
    ] {
        let what = policy.name().to_owned();
        let settings = serde_json::json!({
            "url": server.url(), "token": server.token(), "algorithm": what, "prefix": what,
            "limit": LIMIT, "clients": CLIENTS, "calls": 4,
        });
        let mut peer = tokio::process::Command::new("node")
            .arg(tests.join("ratelimit-peer.mjs"))
            .arg(settings.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(peer.stdout.take().unwrap()).lines();
        assert_eq!(lines.next_line().await.unwrap().as_deref(), Some("ready"));
        peer.stdin.as_mut().unwrap().write_all(b"go\n").await.unwrap();
        let tasks: Vec<_> = (0..CLIENTS)
            .map(|number| {
                // Some by TCP, some by REST.
                let client = match number % 2 {
                    0 => redis.client(),
                    _ => Client::rest(&server.url(), server.token()).unwrap(),
                };
                let limiter: RateLimiter =
                    plain(&client, policy.clone()).prefix(&what).timeout(MINUTE).build().unwrap();
                tokio::spawn(async move {
                    let mut admitted = 0;
                    for _ in 0..4 {
                        let decision = limiter.limit("shared").await.unwrap();
                        assert!(decision.failure().is_none(), "{decision:?}");
                        admitted += u64::from(decision.is_allowed());
                        tokio::task::yield_now().await;
                    }
                    admitted
                })
            })
            .collect();
        let mut ours = 0;
        for task in tasks {
            ours += task.await.unwrap();
        }
        let theirs: u64 = lines.next_line().await.unwrap().unwrap().parse().unwrap();
        assert_eq!(ours + theirs, LIMIT, "{what}: {ours} and {theirs}");
        assert!(peer.wait().await.unwrap().success());
    }
    server.stop().await;
}
