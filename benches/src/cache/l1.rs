//! A hit of the first tier, beside the crate that it stands on.

use std::hint::black_box;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use bytes::Bytes;
use edgecask::cache::{Cache, CacheOptions, Codec, L1Options, Ttl};
use edgecask::store::LlmPolicy;
use edgecask::{Client, Key, Keyspace};
use quick_cache::sync::Cache as QuickCache;

use crate::throughput::median;

const ROUNDS: usize = 15;
const HITS: u32 = 50_000;
const KEYS: usize = 10_000;

/// Nanoseconds each, and the median of the rounds' ratios.
pub(crate) struct Beside {
    pub(crate) what: &'static str,
    pub(crate) nanos: f64,
    pub(crate) bare_nanos: f64,
    pub(crate) ratio: f64,
}

fn options() -> CacheOptions {
    let hour = Duration::from_secs(3600);
    CacheOptions::new().l1(L1Options::new().ttl(hour).bytes(256 << 20))
}

pub(crate) fn measure() -> Result<Vec<Beside>> {
    let policies: Vec<LlmPolicy> =
        serde_json::from_str(include_str!("../../../examples/policies.json"))?;
    let policy = policies.first().context("there are policies")?;
    let json = Bytes::from(serde_json::to_vec(policy)?);
    let keyspace = Keyspace::new(["copilot", "llm", "policy"])?;
    let keys: Vec<Key> =
        (0..KEYS).map(|number| keyspace.key([number.to_string()])).collect::<Result<_, _>>()?;
    let bare: QuickCache<String, Bytes> = QuickCache::new(KEYS * 2);
    for key in &keys {
        // Each entry has bytes of its own, as ours have.
        bare.insert(key.as_str().to_owned(), Bytes::copy_from_slice(&json));
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let typed = Cache::with_options(Client::memory(), options());
    let raw = Cache::with_options(Client::memory(), options().codec(Codec::Raw));
    runtime.block_on(async {
        for key in &keys {
            typed.set(key, policy, Ttl::seconds(3600)).await?;
            typed.get::<LlmPolicy>(key).await?;
            raw.set(key, &String::from_utf8_lossy(&json), Ttl::seconds(3600)).await?;
            raw.get::<String>(key).await?;
        }
        let (mut as_policy, mut as_text) = (Vec::new(), Vec::new());
        let key = |at: u32| black_box(&keys[at as usize * 7919 % KEYS]);
        for _ in 0..ROUNDS {
            let start = Instant::now();
            for at in 0..HITS {
                black_box(typed.get::<LlmPolicy>(key(at)).await?);
            }
            let ours = start.elapsed();
            let start = Instant::now();
            for at in 0..HITS {
                let found = bare.get(key(at).as_str()).context("it is there")?;
                black_box(serde_json::from_slice::<LlmPolicy>(&found)?);
            }
            as_policy.push((ours, start.elapsed()));
            let start = Instant::now();
            for at in 0..HITS {
                black_box(raw.get::<String>(key(at)).await?);
            }
            let ours = start.elapsed();
            let start = Instant::now();
            for at in 0..HITS {
                let found = bare.get(key(at).as_str()).context("it is there")?;
                black_box(std::str::from_utf8(&found)?.to_owned());
            }
            as_text.push((ours, start.elapsed()));
        }
        anyhow::ensure!(
            typed.stats().misses == KEYS as u64 || typed.stats().l1_hits > 0,
            "L1 hits"
        );
        Ok(vec![
            beside("a policy, its JSON decoded", &as_policy),
            beside("the same bytes as text", &as_text),
        ])
    })
}

fn beside(what: &'static str, rounds: &[(Duration, Duration)]) -> Beside {
    let nanos = |duration: &Duration| duration.as_nanos() as f64 / f64::from(HITS);
    Beside {
        what,
        nanos: median(rounds.iter().map(|(ours, _)| nanos(ours))),
        bare_nanos: median(rounds.iter().map(|(_, bare)| nanos(bare))),
        ratio: median(rounds.iter().map(|(ours, bare)| ours.div_duration_f64(*bare))),
    }
}

/// How much memory an entry of 100 bytes takes beyond its key and value.
pub(crate) fn bytes_per_entry() -> Result<f64> {
    const ENTRIES: usize = 200_000;
    let client = Client::memory();
    let writer = Cache::new(client.clone());
    let reader = Cache::with_options(client, options());
    let keys: Vec<Key> = (0..ENTRIES)
        .map(|number| Key::verbatim(format!("entry:{number:010}")))
        .collect::<Result<_, _>>()?;
    let value = "v".repeat(98);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        for key in &keys {
            writer.set(key, &value, Ttl::seconds(3600)).await?;
        }
        let before = resident()?;
        for key in &keys {
            reader.get::<String>(key).await?;
        }
        let taken = resident()?.saturating_sub(before);
        Ok(taken as f64 / ENTRIES as f64 - 116.0)
    })
}

/// The process's resident memory, in bytes.
fn resident() -> Result<usize> {
    let statm = std::fs::read_to_string("/proc/self/statm")?;
    let pages: usize = statm.split(' ').nth(1).context("its second field")?.parse()?;
    Ok(pages * 4096)
}
