//! What a write to a store does to what is cached: the three patterns.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use edgecask::cache::L1Options;
use edgecask::prelude::*;
use edgecask::store::{
    LlmPolicy, LlmPolicyStore, OnWrite, Store, StoreConfig, create_llm_policy_store,
};
use edgecask::{BoxError, ErrorKind};
use edgecask_tests::{RedisServer, until};

/// One policy that all share, and how often it was asked for.
#[derive(Clone, Default)]
struct Database {
    tokens: Arc<AtomicU64>,
    reads: Arc<AtomicU64>,
}

impl Store<LlmPolicy> for Database {
    async fn get(&self, _: &String) -> Result<Option<LlmPolicy>, BoxError> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        Ok(Some(policy(self.tokens.load(Ordering::SeqCst))))
    }

    async fn set(&self, policy: &LlmPolicy) -> Result<(), BoxError> {
        self.tokens.store(policy.max_output_tokens.unwrap_or(0).into(), Ordering::SeqCst);
        Ok(())
    }

    async fn delete(&self, _: &String) -> Result<bool, BoxError> {
        Ok(false)
    }
}

fn policy(tokens: u64) -> LlmPolicy {
    let mut policy = LlmPolicy::new("acme");
    policy.max_output_tokens = u32::try_from(tokens).ok();
    policy
}

fn store(database: &Database, client: Client, on_write: OnWrite, l1: Duration) -> LlmPolicyStore {
    let config = StoreConfig::new().backing(database.clone()).client(client);
    create_llm_policy_store(config.on_write(on_write).l1(L1Options::new().ttl(l1))).unwrap()
}

#[tokio::test]
async fn an_update_makes_the_next_read_a_hit() {
    let redis = RedisServer::start();
    let acme = "acme".to_owned();
    for (on_write, reads) in [(OnWrite::Invalidate, 2), (OnWrite::Update, 1)] {
        let database = Database::default();
        let policies = store(&database, redis.client(), on_write.clone(), Duration::ZERO);
        assert_eq!(policies.get(&acme).await.unwrap(), Some(policy(0)));
        policies.set(&policy(1)).await.unwrap();
        assert_eq!(policies.get(&acme).await.unwrap(), Some(policy(1)));
        assert_eq!(database.reads.load(Ordering::SeqCst), reads, "{on_write:?}");
        let stored: String = redis.client().get("copilot:llm:policy:acme").await.unwrap().unwrap();
        let plain = serde_json::to_value(policy(1)).unwrap();
        assert_eq!(serde_json::from_str::<serde_json::Value>(&stored).unwrap(), plain);
        policies.delete(&acme).await.unwrap();
    }
}

#[tokio::test]
async fn a_message_makes_other_processes_forget() {
    let redis = RedisServer::start();
    let (database, acme) = (Database::default(), "acme".to_owned());
    let hour = Duration::from_secs(3600);
    let [one, other] = [0; 2].map(|_| {
        store(&database, redis.client(), OnWrite::Publish("cache:invalidate".into()), hour)
    });
    let follower = other.clone();
    let following = tokio::spawn(async move { follower.follow_invalidations().await });
    let watcher = redis.client();
    until(async || watcher.pubsub_numsub::<String>(["cache:invalidate"]).await.unwrap()[0].1 > 0)
        .await;
    for tokens in 1..4 {
        one.set(&policy(tokens)).await.unwrap();
        until(async || other.get(&acme).await.unwrap() == Some(policy(tokens))).await;
    }
    let reads = database.reads.load(Ordering::SeqCst);
    other.get(&acme).await.unwrap();
    assert_eq!(database.reads.load(Ordering::SeqCst), reads);
    let hits = other.stats().l1_hits;
    assert_eq!(other.get_many(&[acme.clone(), acme]).await.unwrap(), vec![Some(policy(3)); 2]);
    // A record that is asked for twice is read once.
    assert_eq!(other.stats().l1_hits, hits + 1);
    following.abort();

    let deaf = store(&database, redis.client(), OnWrite::Invalidate, hour);
    assert_eq!(deaf.follow_invalidations().await.unwrap_err().kind(), ErrorKind::Config);
    let without = create_llm_policy_store(StoreConfig::new()).unwrap();
    assert_eq!(without.follow_invalidations().await.unwrap_err().kind(), ErrorKind::Config);
}
