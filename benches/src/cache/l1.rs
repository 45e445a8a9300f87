//! A hit of the first tier, beside the crate that it stands on, and beside moka.

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use bytes::Bytes;
use edgecask::cache::{Cache, CacheOptions, Cached, Codec, L1Options, Ttl};
use edgecask::store::LlmPolicy;
use edgecask::{Client, Key, Keyspace};
use quick_cache::sync::Cache as QuickCache;

use crate::callgrind;
use crate::throughput::median;

const ROUNDS: usize = 15;
const HITS: u32 = 50_000;
const KEYS: usize = 10_000;

/// Nanoseconds each, and the median of the rounds' ratios.
pub(crate) struct Beside {
    pub(crate) what: &'static str,
    pub(crate) peer: &'static str,
    pub(crate) nanos: f64,
    pub(crate) peer_nanos: f64,
    pub(crate) ratio: f64,
}

/// Everything that is measured of the first tier.
pub(crate) struct Measured {
    pub(crate) hits: Vec<Beside>,
    /// The instructions of a hit on a shared policy, where valgrind is there to count them: ours, `quick_cache`'s, `moka`'s.
    pub(crate) instructions: Option<[f64; 3]>,
    pub(crate) bytes_per_entry: f64,
}

pub(crate) fn measure() -> Result<Measured> {
    let hits = all_hits()?;
    Ok(Measured { hits, instructions: instructions(), bytes_per_entry: bytes_per_entry()? })
}

/// A first tier of so many megabytes.
fn options(megabytes: u64) -> CacheOptions {
    let hour = Duration::from_secs(3600);
    CacheOptions::new().l1(L1Options::new().ttl(hour).bytes(megabytes << 20))
}

/// Twice what the keys take, as the peers have.
const ROOM: u64 = 32;

fn all_hits() -> Result<Vec<Beside>> {
    let policies = policies()?;
    let policy = policies.first().context("there are policies")?;
    let json = serde_json::to_string(policy)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let typed = hits(options(ROOM), policy, &json, |bytes| {
            Ok(black_box(serde_json::from_slice::<LlmPolicy>(bytes)?))
        });
        let typed = typed.await?;
        let text = hits(options(ROOM).codec(Codec::Raw), &json, &json, |bytes| {
            Ok(black_box(std::str::from_utf8(bytes)?.to_owned()))
        });
        let (bare, moka) = shared(policy).await?;
        Ok(vec![
            beside("a policy, its JSON decoded", "`quick_cache`, decoded", &typed),
            beside("the same bytes as text", "`quick_cache`, copied", &text.await?),
            beside("a policy, shared", "`quick_cache` of `Arc`", &bare),
            beside("a policy, shared", "`moka` of `Arc`", &moka),
        ])
    })
}

fn policies() -> Result<Vec<LlmPolicy>> {
    Ok(serde_json::from_str(include_str!("../../../examples/policies.json"))?)
}

fn keys() -> Result<Vec<Key>> {
    let keyspace = Keyspace::new(["copilot", "llm", "policy"])?;
    Ok((0..KEYS).map(|number| keyspace.key([number.to_string()])).collect::<Result<_, _>>()?)
}

type Rounds = Vec<(Duration, Duration)>;

/// A cache of shared policies: ours, or a peer with the same keys and the same time to live.
enum Shared {
    Edgecask(Box<Cache>),
    QuickCache(QuickCache<String, Arc<LlmPolicy>>),
    Moka(moka::sync::Cache<String, Arc<LlmPolicy>>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Kind {
    Edgecask,
    QuickCache,
    Moka,
}

impl Shared {
    async fn filled(kind: Kind, keys: &[Key], policy: &LlmPolicy) -> Result<Self> {
        let entries = || keys.iter().map(|key| (key.as_str().to_owned(), Arc::new(policy.clone())));
        Ok(match kind {
            Kind::Edgecask => {
                let cache = Cache::with_options(Client::memory(), options(ROOM));
                for key in keys {
                    cache.set(key, policy, Ttl::seconds(3600)).await?;
                }
                // The first reads bring all into the first tier, the second ones decode them. One after the other, as the
                // peers get theirs.
                for key in keys.iter().chain(keys) {
                    cache.get_shared::<LlmPolicy>(key).await?;
                }
                Self::Edgecask(Box::new(cache))
            }
            Kind::QuickCache => {
                let cache = QuickCache::new(KEYS * 2);
                entries().for_each(|(key, policy)| cache.insert(key, policy));
                Self::QuickCache(cache)
            }
            Kind::Moka => {
                let cache = moka::sync::Cache::builder()
                    .max_capacity(KEYS as u64 * 2)
                    .time_to_live(Duration::from_secs(3600))
                    .build();
                entries().for_each(|(key, policy)| cache.insert(key, policy));
                Self::Moka(cache)
            }
        })
    }

    /// So many hits.
    async fn hit(&self, keys: &[Key], times: u32) -> Result<()> {
        let key = |at: u32| black_box(&keys[at as usize * 7919 % KEYS]);
        match self {
            Self::Edgecask(cache) => {
                for at in 0..times {
                    let found = cache.get_shared::<LlmPolicy>(key(at)).await?;
                    black_box(found.context("it is there")?);
                }
            }
            Self::QuickCache(cache) => {
                for at in 0..times {
                    black_box(cache.get(key(at).as_str()).context("it is there")?);
                }
            }
            Self::Moka(cache) => {
                for at in 0..times {
                    black_box(cache.get(key(at).as_str()).context("it is there")?);
                }
            }
        }
        Ok(())
    }

    async fn timed(&self, keys: &[Key]) -> Result<Duration> {
        let start = Instant::now();
        self.hit(keys, HITS).await?;
        Ok(start.elapsed())
    }
}

/// Rounds of hits on shared policies: ours beside a bare cache of `Arc`, and ours beside moka.
async fn shared(policy: &LlmPolicy) -> Result<(Rounds, Rounds)> {
    let keys = keys()?;
    let own = Shared::filled(Kind::Edgecask, &keys, policy).await?;
    let bare = Shared::filled(Kind::QuickCache, &keys, policy).await?;
    let moka = Shared::filled(Kind::Moka, &keys, policy).await?;
    let (mut beside_bare, mut beside_moka) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let ours = own.timed(&keys).await?;
        beside_bare.push((ours, bare.timed(&keys).await?));
        beside_moka.push((ours, moka.timed(&keys).await?));
    }
    Ok((beside_bare, beside_moka))
}

/// Hits on shared policies, so many times: what valgrind looks at.
#[derive(clap::Args)]
pub(crate) struct Repeat {
    cache: Kind,
    times: u32,
}

pub(crate) fn repeat(repeat: &Repeat) -> Result<()> {
    let policies = policies()?;
    let policy = policies.first().context("there are policies")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let keys = keys()?;
        Shared::filled(repeat.cache, &keys, policy).await?.hit(&keys, repeat.times).await
    })
}

fn instructions() -> Option<[f64; 3]> {
    let count = |cache| callgrind::instructions(&["hits", cache], 10_000, 1_010_000);
    Some([count("edgecask")?, count("quick-cache")?, count("moka")?])
}

/// Rounds of hits: ours, and those of a bare cache with the same keys and bytes.
async fn hits<T: Cached>(
    options: CacheOptions,
    value: &T,
    stored: &str,
    decode: impl Fn(&[u8]) -> Result<T>,
) -> Result<Rounds> {
    let keys = keys()?;
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

fn beside(what: &'static str, peer: &'static str, rounds: &[(Duration, Duration)]) -> Beside {
    let nanos = |duration: &Duration| duration.as_nanos() as f64 / f64::from(HITS);
    Beside {
        what,
        peer,
        nanos: median(rounds.iter().map(|(ours, _)| nanos(ours))),
        peer_nanos: median(rounds.iter().map(|(_, bare)| nanos(bare))),
        ratio: median(rounds.iter().map(|(ours, bare)| ours.div_duration_f64(*bare))),
    }
}

/// How much memory an entry of 100 bytes takes beyond its key and value.
fn bytes_per_entry() -> Result<f64> {
    const ENTRIES: usize = 200_000;
    let client = Client::memory();
    let writer = Cache::new(client.clone());
    let reader = Cache::with_options(client, options(256));
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
