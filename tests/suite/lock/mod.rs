//! Locks: on every transport, with lost answers, killed processes, lost keys, and random histories.
//!
//! `EDGECASK_TEST_PLACE="Redis 7"` runs them on the transport of this name only.

mod clocks;
mod costs;
mod cuts;
mod endings;
mod fencing;
mod hand_overs;
mod histories;
mod holding;
mod processes;
mod shared;
mod waiting;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use edgecask::lock::{LockOptions, Locks};
use edgecask::platform::BoxFuture;
use edgecask::transport::Results;
use edgecask::transport::memory::{MemoryTransport, ScriptOptions};
use edgecask::{Client, Key, Result};
use edgecask_server::{Server, ServerOptions};
use edgecask_tests::{RedisServer, Tap, Tapped, Trip};
use futures_util::future::join_all;

pub(super) const HOUR: Duration = Duration::from_secs(3600);

pub(super) fn key(name: &str) -> Key {
    Key::verbatim(name).unwrap()
}

/// Locks that do not expire while a test runs.
pub(super) fn lasting(client: Client) -> Locks {
    Locks::with_options(client, LockOptions::new().ttl(HOUR).wait(HOUR))
}

/// A server, and how it is reached.
pub(super) struct Place {
    pub(super) name: &'static str,
    make: Box<dyn Fn() -> Client + Send + Sync>,
    _redis: Option<RedisServer>,
    _rest: Option<Server>,
}

impl Place {
    fn engine(name: &'static str, options: ScriptOptions) -> Self {
        let engine = MemoryTransport::new().with_script_options(options);
        let make = Box::new(move || Client::new(engine.clone()));
        Self { name, make, _redis: None, _rest: None }
    }

    fn redis(name: &'static str, redis: RedisServer) -> Self {
        let url = redis.url();
        let make = Box::new(move || Client::tcp(&url).unwrap());
        Self { name, make, _redis: Some(redis), _rest: None }
    }

    async fn rest() -> Self {
        let redis = RedisServer::start();
        let server = Server::start(ServerOptions::redis(redis.url())).await.unwrap();
        let (url, token) = (server.url(), server.token().to_owned());
        let make = Box::new(move || Client::rest(&url, &token).unwrap());
        Self { name: "REST", make, _redis: Some(redis), _rest: Some(server) }
    }

    /// A client of its own, as another process has it.
    pub(super) fn client(&self) -> Client {
        (self.make)()
    }
}

/// Every transport: the engine with native scripts and with Lua, Redis 7 and 8 over TCP, and REST.
pub(super) async fn everywhere() -> Vec<Place> {
    let mut places = vec![
        Place::engine("the engine, native", ScriptOptions::new().run_lua(false)),
        Place::engine("the engine, Lua", ScriptOptions::new().prefer_native(false)),
        Place::redis("Redis 7", RedisServer::start()),
        Place::rest().await,
    ];
    places.extend(RedisServer::redis8().map(|redis| Place::redis("Redis 8", redis)));
    if let Ok(name) = std::env::var("EDGECASK_TEST_PLACE") {
        places.retain(|place| place.name == name);
        assert!(!places.is_empty(), "there is no transport {name}");
    }
    places
}

/// Runs a test that waits on every transport, at the same time.
pub(super) async fn at_once(test: impl AsyncFn(Place)) {
    join_all(everywhere().await.into_iter().map(|place| test(place))).await;
}

/// Counts the commands of a client.
#[derive(Debug, Clone, Default)]
pub(super) struct Count(Arc<AtomicUsize>);

impl Count {
    pub(super) fn of(&self, client: Client) -> Client {
        client.layer(Tapped(self.clone()))
    }

    /// How many there were since the last call of this.
    pub(super) fn taken(&self) -> usize {
        self.0.swap(0, Ordering::SeqCst)
    }
}

impl Tap for Count {
    fn carry<'a>(&'a self, trip: Trip<'a>) -> BoxFuture<'a, Result<Results>> {
        self.0.fetch_add(trip.commands.len(), Ordering::SeqCst);
        Box::pin(trip.go())
    }
}

/// Makes the scripts known to the server, so that each costs one round trip from here on.
pub(super) async fn warm_up(client: &Client) {
    let locks = lasting(client.clone());
    let guard = locks.lock(key("warm")).acquire().await.unwrap();
    guard.renew().await.unwrap();
    guard.release().await.unwrap();
}
