//! The LLM policy store, end to end: a tenant's policy is read on every request to a language model, and written rarely.
//!
//! ```sh
//! cargo run --example quickstart                       # the embedded engine, nothing to set up
//! UPSTASH_REDIS_REST_URL=… UPSTASH_REDIS_REST_TOKEN=… cargo run --example quickstart
//! REDIS_URL=redis://127.0.0.1:6379 cargo run --example quickstart --features tcp
//! ```
#![allow(clippy::print_stdout)]

use std::error::Error;
use std::time::{Duration, Instant};

use edgecask::cache::{Cache, HealthBackend, Ttl};
use edgecask::command::keys::Lifetime;
use edgecask::config::Config;
use edgecask::prelude::*;
use edgecask::store::{
    LlmPolicy, LlmPolicyStore, MemoryStore, Store, StoreConfig, create_llm_policy_store,
};
use edgecask::{BoxError, Keyspace};

/// A few dozen tenants' policies, as an admin tool would export them.
const POLICIES: &str = include_str!("policies.json");

/// How many requests are served, and how often an admin changes a policy in between.
const REQUESTS: usize = 2000;
const REQUESTS_PER_WRITE: usize = 400;

/// What a query of the policy database takes. The example has no database: it waits for so long instead.
const DATABASE_QUERY: Duration = Duration::from_millis(5);

struct Database(MemoryStore<LlmPolicy>);

impl Store<LlmPolicy> for Database {
    async fn get(&self, tenant_id: &String) -> Result<Option<LlmPolicy>, BoxError> {
        tokio::time::sleep(DATABASE_QUERY).await;
        self.0.get(tenant_id).await
    }

    async fn set(&self, policy: &LlmPolicy) -> Result<(), BoxError> {
        self.0.set(policy).await
    }

    async fn delete(&self, tenant_id: &String) -> Result<bool, BoxError> {
        self.0.delete(tenant_id).await
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt().without_time().init();
    let records: Vec<LlmPolicy> = serde_json::from_str(POLICIES)?;
    let tenants: Vec<String> = records.iter().map(|policy| policy.tenant_id.clone()).collect();

    let config = Config::from_env()?;
    let client = config.client()?;
    let ttl = Ttl::from_variables("POLICY", Ttl::seconds(300), |name| std::env::var(name).ok())?;
    let policies = create_llm_policy_store(
        StoreConfig::new()
            .backing(Database(MemoryStore::from_records(records)))
            .client(client.clone())
            .ttl(ttl),
    )?;

    let health = policies.health().await;
    let backend = match health.backend {
        HealthBackend::InMemory => {
            "the embedded engine (set REDIS_URL or UPSTASH_REDIS_REST_URL for another)"
        }
        _ if health.healthy => "Redis",
        _ => "a Redis that is away: every policy will come from the database",
    };
    println!("{} policies, cached in {backend}\n", tenants.len());
    if health.healthy {
        // Entries of an earlier run would be hits from the start.
        let keyspace = Keyspace::new(["copilot", "llm", "policy"])?;
        Cache::new(client.clone()).delete_matching(&keyspace.pattern()).await?;
    }

    let (hit, miss, total) = serve(&policies, &tenants).await?;
    let stats = policies.stats();
    println!("reads         {:>8}", stats.hits + stats.misses);
    println!(
        "hits          {:>8}   {:.1} %, {} each",
        stats.hits,
        stats.hit_rate() * 100.0,
        average(&hit)
    );
    println!(
        "misses        {:>8}   {} each, {DATABASE_QUERY:?} of them the database",
        stats.misses,
        average(&miss)
    );
    println!("policy writes {:>8}   each deletes the cached policy", REQUESTS / REQUESTS_PER_WRITE);
    let without = DATABASE_QUERY * u32::try_from(stats.hits + stats.misses)?;
    println!("time          {total:>8.1?}   without the cache at least {without:.1?}");
    println!("saved         {:>8}   queries of the database\n", stats.hits);

    if !health.healthy {
        return Ok(());
    }
    println!("What redis-cli shows:");
    for tenant in tenants.iter().take(3) {
        let key = policies.key(tenant)?;
        let json: Option<String> = client.get(&key).await?;
        match client.ttl(&key).await? {
            Lifetime::Expires(left) => println!("  {key}  (expires in {} s)", left.as_secs()),
            _ => println!("  {key}"),
        }
        println!("    {}", json.map_or("(not cached)".to_owned(), |json| shortened(&json)));
    }
    Ok(())
}

/// Serves requests, most of them of a few busy tenants, and gives the times of hits and of misses.
async fn serve(
    policies: &LlmPolicyStore,
    tenants: &[String],
) -> Result<(Vec<Duration>, Vec<Duration>, Duration), Box<dyn Error>> {
    let (mut hits, mut misses) = (Vec::new(), Vec::new());
    let start = Instant::now();
    for request in 0..REQUESTS {
        // Squaring makes the first tenants the busiest.
        let position = (request * 7919 % 1000) as f64 / 1000.0;
        let tenant = &tenants[(position * position * tenants.len() as f64) as usize];
        let (before, asked) = (policies.stats().hits, Instant::now());
        let policy = policies.get(tenant).await?.ok_or("a tenant without a policy")?;
        let times = if policies.stats().hits > before { &mut hits } else { &mut misses };
        times.push(asked.elapsed());

        if request % REQUESTS_PER_WRITE == REQUESTS_PER_WRITE - 1 {
            let mut changed = policy;
            changed.allow_remote_egress = !changed.allow_remote_egress;
            policies.set(&changed).await?;
            let seen = policies.get(tenant).await?;
            assert_eq!(seen.as_ref(), Some(&changed), "a write is seen by the next read");
        }
    }
    Ok((hits, misses, start.elapsed()))
}

fn average(times: &[Duration]) -> String {
    let count = u32::try_from(times.len()).unwrap_or(u32::MAX).max(1);
    format!("{:.1?}", times.iter().sum::<Duration>() / count)
}

fn shortened(json: &str) -> String {
    match json.char_indices().nth(110) {
        Some((at, _)) => format!("{}…", &json[..at]),
        None => json.to_owned(),
    }
}
