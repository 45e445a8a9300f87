//! A read that starts after a write returned sees the write, whatever loads are under way: readers and a writer in two
//! stores that share one Redis, as two processes would.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use edgecask::store::{LlmPolicy, LlmPolicyStore, Store, StoreConfig, create_llm_policy_store};
use edgecask::{BoxError, Client};
use edgecask_server::{Server, ServerOptions};
use edgecask_tests::RedisServer;

/// How often a load has to be overtaken by a write before the test has shown something, and how many writes it may take.
const OVERTAKEN: u64 = 20;
const MOST_WRITES: u32 = 1_000_000;
const READERS: usize = 6;

/// A database of one policy, whose `max_output_tokens` counts its writes. Its answers are late, so that loads and writes
/// overlap.
#[derive(Clone, Default)]
struct Database {
    version: Arc<AtomicU32>,
    reads: Arc<AtomicU32>,
}

impl Store<LlmPolicy> for Database {
    async fn get(&self, tenant_id: &String) -> Result<Option<LlmPolicy>, BoxError> {
        let mut policy = LlmPolicy::new(tenant_id);
        policy.max_output_tokens = Some(self.version.load(Ordering::SeqCst));
        // From not at all to far beyond a write's round trip.
        let late = self.reads.fetch_add(1, Ordering::SeqCst) % 7;
        for _ in 0..late * late * 8 {
            tokio::task::yield_now().await;
        }
        Ok(Some(policy))
    }

    async fn set(&self, policy: &LlmPolicy) -> Result<(), BoxError> {
        self.version.store(policy.max_output_tokens.unwrap_or(0), Ordering::SeqCst);
        Ok(())
    }

    async fn delete(&self, _: &String) -> Result<bool, BoxError> {
        Ok(false)
    }
}

fn store(database: &Database, client: Client) -> Arc<LlmPolicyStore> {
    let config = StoreConfig::new().backing(database.clone()).client(client);
    Arc::new(create_llm_policy_store(config).unwrap())
}

async fn reads_see_writes(clients: [Client; 2]) {
    let database = Database::default();
    let [first, second] = clients.map(|client| store(&database, client));
    // The last write that has returned.
    let written = Arc::new(AtomicU32::new(0));
    let done = Arc::new(AtomicBool::new(false));
    let readers: Vec<_> = (0..READERS)
        .map(|number| {
            let store = Arc::clone(if number % 2 == 0 { &first } else { &second });
            let (written, done) = (Arc::clone(&written), Arc::clone(&done));
            tokio::spawn(async move {
                let acme = "acme".to_owned();
                while !done.load(Ordering::SeqCst) {
                    let before = written.load(Ordering::SeqCst);
                    let policy = store.get(&acme).await.unwrap().unwrap();
                    let seen = policy.max_output_tokens.unwrap_or(0);
                    assert!(seen >= before, "read {seen} after {before} was written");
                }
            })
        })
        .collect();
    let overtaken = || first.stats().refused + second.stats().refused;
    for version in 1..=MOST_WRITES {
        let mut policy = LlmPolicy::new("acme");
        policy.max_output_tokens = Some(version);
        first.set(&policy).await.unwrap();
        written.store(version, Ordering::SeqCst);
        // Lets readers fill the cache between two writes.
        for _ in 0..version % 5 * 20 {
            tokio::task::yield_now().await;
        }
        if version >= 500 && overtaken() >= OVERTAKEN
            || readers.iter().any(|reader| reader.is_finished())
        {
            break;
        }
    }
    done.store(true, Ordering::SeqCst);
    for reader in readers {
        reader.await.unwrap();
    }
    assert!(overtaken() >= OVERTAKEN, "no load was overtaken by a write: the test shows nothing");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn by_tcp() {
    let redis = RedisServer::start();
    reads_see_writes([redis.client(), redis.client()]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn by_rest() {
    let redis = RedisServer::start();
    let server = Server::start(ServerOptions::redis(redis.url())).await.unwrap();
    let client = || Client::rest(&server.url(), server.token()).unwrap();
    reads_see_writes([client(), client()]).await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_the_embedded_engine() {
    let client = Client::memory();
    reads_see_writes([client.clone(), client]).await;
}
