//! A hit of the first tier, beside the crate that it stands on.

use std::hint::black_box;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use bytes::Bytes;
use edgecask::cache::{Cache, CacheOptions, Cached, Codec, L1Options, Ttl};
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
    let json = serde_json::to_string(policy)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let typed = hits(options(), policy, &json, |bytes| {
            Ok(black_box(serde_json::from_slice::<LlmPolicy>(bytes)?))
        });
        let typed = typed.await?;
        let text = hits(options().codec(Codec::Raw), &json, &json, |bytes| {
            Ok(black_box(std::str::from_utf8(bytes)?.to_owned()))
        });
        Ok(vec![
            beside("a policy, its JSON decoded", &typed),
            beside("the same bytes as text", &text.await?),
        ])
    })
}

/// Rounds of hits: ours, and those of a bare cache with the same keys and bytes.
async fn hits<T: Cached>(
    options: CacheOptions,
    value: &T,
    stored: &str,
    decode: impl Fn(&[u8]) -> Result<T>,
) -> Result<Vec<(Duration, Duration)>> {
    let keyspace = Keyspace::new(["copilot", "llm", "policy"])?;
    let keys: Vec<Key> =
        (0..KEYS).map(|number| keyspace.key([number.to_string()])).collect::<Result<_, _>>()?;
    let cache = Cache::with_options(Client::memory(), options);
    let bare: QuickCache<String, Bytes> = QuickCache::new(KEYS * 2);
    for key in &keys {
        cache.set(key, value, Ttl::seconds(3600)).await?;
        cache.get::<T>(key).await?;
    }
    for key in &keys {
        // Each entry has bytes of its own, as ours have.
        bare.insert(key.as_str().to_owned(), Bytes::copy_from_slice(stored.as_bytes()));
    }
    let key = |at: u32| black_box(&keys[at as usize * 7919 % KEYS]);
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        let start = Instant::now();
        for at in 0..HITS {
            black_box(cache.get::<T>(key(at)).await?);
        }
        let ours = start.elapsed();
        let start = Instant::now();
        for at in 0..HITS {
            let found = bare.get(key(at).as_str()).context("it is there")?;
            black_box(decode(&found)?);
        }
        rounds.push((ours, start.elapsed()));
    }
    let stats = cache.stats();
    anyhow::ensure!(stats.l1_hits == u64::from(HITS) * ROUNDS as u64, "all are hits of L1");
    Ok(rounds)
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
