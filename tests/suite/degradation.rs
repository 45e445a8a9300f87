//! The cache goes away: important components go on with their backing store and say so once; critical ones fail.

use std::io;
use std::sync::{Arc, Mutex};

use edgecask::cache::Tier;
use edgecask::prelude::*;
use edgecask::store::{
    AuthValidationConfig, LlmPolicy, LlmPolicyStore, MemoryAuthBackend, MemoryStore, StoreConfig,
    Validation, create_auth_validation_cache, create_llm_policy_store,
};
use edgecask::{Client, ErrorKind};
use edgecask_server::{Server, ServerOptions};
use edgecask_tests::{RedisServer, until};
use tracing_subscriber::fmt::MakeWriter;

/// The lines that were logged in this thread.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    pub(crate) fn start(&self) -> tracing::subscriber::DefaultGuard {
        self.start_at(tracing::Level::INFO)
    }

    pub(crate) fn start_at(&self, level: tracing::Level) -> tracing::subscriber::DefaultGuard {
        let subscriber = tracing_subscriber::fmt()
            .with_writer(self.clone())
            .with_max_level(level)
            .with_ansi(false)
            .finish();
        tracing::subscriber::set_default(subscriber)
    }

    pub(crate) fn lines(&self, level: &str) -> usize {
        self.text().lines().filter(|line| line.contains(level)).count()
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

fn policies(client: Client, tier: Tier) -> LlmPolicyStore {
    let backing = MemoryStore::from_records([LlmPolicy::new("acme")]);
    create_llm_policy_store(StoreConfig::new().backing(backing).client(client).tier(tier)).unwrap()
}

async fn goes_on_without_its_cache(client: Client, redis: RedisServer) {
    let (log, acme) = (Log::default(), "acme".to_owned());
    let _logging = log.start();
    let important = policies(client.clone(), Tier::Important);
    let critical = policies(client, Tier::Critical);
    important.get(&acme).await.unwrap();
    assert!(important.health().await.healthy);

    let port = redis.port();
    drop(redis);
    for _ in 0..3 {
        assert_eq!(important.get(&acme).await.unwrap(), Some(LlmPolicy::new("acme")));
    }
    let mut changed = LlmPolicy::new("acme");
    changed.allow_remote_egress = true;
    important.set(&changed).await.unwrap();
    assert_eq!(important.get(&acme).await.unwrap().as_ref(), Some(&changed));
    assert_eq!(log.lines("WARN"), 1, "one warning for the outage");
    assert!(important.stats().errors >= 4);
    let health = important.health().await;
    assert!(!health.healthy && health.error.is_some());
    assert!(critical.get(&acme).await.is_err());
    assert!(critical.set(&changed).await.is_err());

    let redis = RedisServer::on_port(port);
    // The first command after the restart may still meet the old connection.
    until(async || important.health().await.healthy).await;
    important.get(&acme).await.unwrap();
    let hits = important.stats().hits;
    assert_eq!(important.get(&acme).await.unwrap().as_ref(), Some(&changed));
    assert_eq!(important.stats().hits, hits + 1, "cached again");
    assert_eq!((log.lines("WARN"), log.lines("Redis is back")), (1, 1));
    drop(redis);
    important.get(&acme).await.unwrap();
    assert_eq!(log.lines("WARN"), 2, "and one for the next");
}

#[tokio::test]
async fn a_policy_store_survives_an_outage_by_rest() {
    let redis = RedisServer::start();
    let server = Server::start(ServerOptions::redis(redis.url())).await.unwrap();
    let client = Client::rest(&server.url(), server.token()).unwrap();
    goes_on_without_its_cache(client, redis).await;
    server.stop().await;
}

#[tokio::test]
async fn a_policy_store_survives_an_outage_by_tcp() {
    let redis = RedisServer::start();
    goes_on_without_its_cache(redis.client(), redis).await;
}

#[tokio::test]
async fn a_cache_that_only_reads_is_one_warning_too() {
    let redis = RedisServer::start();
    let client = redis.client();
    let limit = async |bytes: &str| {
        let set = Command::new("CONFIG").args_from(["SET", "maxmemory", bytes]);
        client.execute::<()>(set).await.unwrap();
    };
    let log = Log::default();
    let _logging = log.start();
    let policies = policies(redis.client(), Tier::Important);
    limit("1").await;
    for _ in 0..3 {
        // Looking up works, storing does not.
        assert!(policies.get(&"acme".to_owned()).await.unwrap().is_some());
    }
    assert_eq!((log.lines("WARN"), log.lines("Redis is back")), (1, 0));
    limit("0").await;
    policies.get(&"acme".to_owned()).await.unwrap();
    assert_eq!((log.lines("WARN"), log.lines("Redis is back")), (1, 1));
}

#[tokio::test]
async fn a_revocation_that_did_not_reach_the_cache_is_an_error() {
    let redis = RedisServer::start();
    let users = MemoryAuthBackend::new();
    users.insert("ada", "right", Validation::valid());
    let config = AuthValidationConfig::new("secret").backing(users).client(redis.client());
    let auth = create_auth_validation_cache(config).unwrap();
    assert!(auth.validate("ada", "right").await.unwrap().valid);
    drop(redis);
    assert!(auth.validate("ada", "right").await.unwrap().valid, "the backing store answers");
    assert!(auth.revoke("ada").await.is_err());
    assert!(!auth.validate("ada", "right").await.unwrap().valid, "the backing store was told");
}

#[tokio::test]
async fn a_failing_backing_store_is_an_error_and_still_invalidates() {
    struct Broken;
    impl edgecask::store::Store<LlmPolicy> for Broken {
        async fn get(&self, _: &String) -> Result<Option<LlmPolicy>, edgecask::BoxError> {
            Err("the database is away".into())
        }
        async fn set(&self, _: &LlmPolicy) -> Result<(), edgecask::BoxError> {
            Err("the database is away".into())
        }
        async fn delete(&self, _: &String) -> Result<bool, edgecask::BoxError> {
            Err("the database is away".into())
        }
    }
    let client = Client::memory();
    let config = StoreConfig::new().backing(Broken).client(client.clone());
    let policies = create_llm_policy_store(config).unwrap();
    client.set("copilot:llm:policy:acme", r#"{"tenantId":"acme"}"#).await.unwrap();
    assert!(policies.get(&"acme".to_owned()).await.unwrap().is_some(), "a hit needs no database");
    let error = policies.set(&LlmPolicy::new("acme")).await.unwrap_err();
    assert_eq!((error.kind(), error.message()), (ErrorKind::Store, "the backing store failed"));
    let source = std::error::Error::source(&error).map(ToString::to_string);
    assert_eq!(source.as_deref(), Some("the database is away"));
    assert_eq!(client.exists(["copilot:llm:policy:acme"]).await.unwrap(), 0);
    assert!(policies.get(&"acme".to_owned()).await.is_err());
}
