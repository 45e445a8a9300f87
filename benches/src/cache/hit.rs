//! A cache hit on the embedded engine, beside what it cannot do without: decoding the JSON.

use std::hint::black_box;
use std::time::Instant;

use anyhow::{Context, Result};
use edgecask::cache::{Cache, Ttl};
use edgecask::store::LlmPolicy;
use edgecask::{Client, Keyspace};

use crate::throughput::median;

const ROUNDS: usize = 15;
const HITS: u32 = 20_000;

/// Nanoseconds each, and the median of the rounds' ratios.
pub(crate) struct Hit {
    pub(crate) bytes: usize,
    pub(crate) hit_nanos: f64,
    pub(crate) decode_nanos: f64,
    pub(crate) ratio: f64,
}

pub(crate) fn measure() -> Result<Hit> {
    let policies: Vec<LlmPolicy> =
        serde_json::from_str(include_str!("../../../examples/policies.json"))?;
    let policy = policies.first().context("there are policies")?;
    let json = serde_json::to_vec(policy)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let cache = Cache::new(Client::memory());
    let keyspace = Keyspace::new(["copilot", "llm", "policy"])?;
    let key = keyspace.key([&policy.tenant_id])?;
    let mut rounds = Vec::new();
    runtime.block_on(async {
        // Ten thousand other keys, so that the engine has something to search in.
        for number in 0..10_000 {
            cache.set(&keyspace.key([number.to_string()])?, &number, Ttl::seconds(3600)).await?;
        }
        cache.set(&key, policy, Ttl::seconds(3600)).await?;
        for _ in 0..ROUNDS {
            let start = Instant::now();
            for _ in 0..HITS {
                black_box(cache.get::<LlmPolicy>(black_box(&key)).await?);
            }
            let hit = start.elapsed();
            let start = Instant::now();
            for _ in 0..HITS {
                black_box(serde_json::from_slice::<LlmPolicy>(black_box(&json))?);
            }
            rounds.push((hit.as_nanos() as f64, start.elapsed().as_nanos() as f64));
        }
        anyhow::Ok(())
    })?;
    let hits = f64::from(HITS);
    Ok(Hit {
        bytes: json.len(),
        hit_nanos: median(rounds.iter().map(|(hit, _)| hit / hits)),
        decode_nanos: median(rounds.iter().map(|(_, decode)| decode / hits)),
        ratio: median(rounds.iter().map(|(hit, decode)| hit / decode)),
    })
}
