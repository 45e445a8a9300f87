//! Rate limits against exact models, on every engine and server, through faults, and beside the real `@upstash/ratelimit`.

mod calendar;
mod costs;
mod failures;
mod histories;
mod http;
mod leases;
mod lists;
mod model;
mod scripts;
mod upstash;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use edgecask::Client;
use edgecask::limit::{Clock, Policy, RateLimiter, RateLimiterBuilder};
use edgecask::platform::BoxFuture;
use edgecask::transport::Results;
use edgecask::transport::memory::{MemoryTransport, ScriptOptions};
use edgecask_server::{Server, ServerOptions};
use edgecask_tests::{RedisServer, Tap, Tapped, Trip};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

/// A clock that a test sets.
#[derive(Debug, Clone)]
struct Hands(Arc<AtomicU64>);

impl Hands {
    /// At this millisecond since the Unix epoch.
    fn at(millis: u64) -> Self {
        Self(Arc::new(AtomicU64::new(millis)))
    }

    fn move_by(&self, millis: u64) {
        self.0.fetch_add(millis, Ordering::SeqCst);
    }

    fn set(&self, millis: u64) {
        self.0.store(millis, Ordering::SeqCst);
    }

    fn now(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }

    fn clock(&self) -> Clock {
        let hands = self.clone();
        Clock::custom(move || hands.now())
    }
}

fn native() -> Client {
    let options = ScriptOptions::new().run_lua(false);
    Client::new(MemoryTransport::new().with_script_options(options))
}

fn lua() -> Client {
    let options = ScriptOptions::new().prefer_native(false);
    Client::new(MemoryTransport::new().with_script_options(options))
}

/// A client of each engine and server, and what keeps them running.
struct Everywhere {
    clients: Vec<(&'static str, Client)>,
    rest: Server,
    _servers: Vec<RedisServer>,
}

impl Everywhere {
    async fn start() -> Self {
        let redis7 = RedisServer::start();
        let rest = Server::start(ServerOptions::redis(redis7.url())).await.unwrap();
        let by_rest = Client::rest(&rest.url(), rest.token()).unwrap();
        let mut clients = vec![
            ("native", native()),
            ("lua", lua()),
            ("redis 7", redis7.client()),
            ("rest", by_rest),
        ];
        let mut servers = vec![redis7];
        if let Some(redis8) = RedisServer::redis8() {
            clients.push(("redis 8", redis8.client()));
            servers.push(redis8);
        }
        Self { clients, rest, _servers: servers }
    }

    async fn stop(self) {
        self.rest.stop().await;
    }
}

/// A limiter with this one policy, which asks the server each time.
fn plain(client: &Client, policy: Policy) -> RateLimiterBuilder {
    RateLimiter::builder(client.clone()).policy(policy).block_list(0).timeout(MINUTE)
}

/// Counts the commands that pass.
#[derive(Debug, Clone, Default)]
struct Meter(Arc<AtomicU64>);

impl Meter {
    /// How many commands passed since the last look.
    fn read(&self) -> u64 {
        self.0.swap(0, Ordering::SeqCst)
    }

    fn on(&self, client: Client) -> Client {
        client.layer(Tapped(self.clone()))
    }
}

impl Tap for Meter {
    fn carry<'a>(&'a self, trip: Trip<'a>) -> BoxFuture<'a, edgecask::Result<Results>> {
        self.0.fetch_add(trip.commands.len() as u64, Ordering::SeqCst);
        Box::pin(trip.go())
    }
}
