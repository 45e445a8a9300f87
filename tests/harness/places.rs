//! Every kind of server that a room of coordination stands on, and what can go wrong on the way there.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use edgecask::platform::BoxFuture;
use edgecask::transport::Results;
use edgecask::transport::memory::{MemoryTransport, ScriptOptions};
use edgecask::{Client, Error, ErrorKind, Outcome, Result};
use edgecask_server::{Server, ServerOptions};

use crate::{Dice, RedisServer, Tap, Tapped, Trip};

/// A server, and how it is reached.
pub struct Place {
    /// What to call it in a failure.
    pub name: &'static str,
    make: Box<dyn Fn() -> Client + Send + Sync>,
    redis: Option<RedisServer>,
    _rest: Option<Server>,
}

impl std::fmt::Debug for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Place").field(&self.name).finish()
    }
}

impl Place {
    /// An embedded engine.
    pub fn engine(name: &'static str, options: ScriptOptions) -> Self {
        let engine = MemoryTransport::new().with_script_options(options);
        let make = Box::new(move || Client::new(engine.clone()));
        Self { name, make, redis: None, _rest: None }
    }

    /// A Redis over TCP.
    pub fn redis(name: &'static str, redis: RedisServer) -> Self {
        let url = redis.url();
        let make = Box::new(move || Client::tcp(&url).unwrap());
        Self { name, make, redis: Some(redis), _rest: None }
    }

    /// A Redis behind the local REST server.
    pub async fn rest() -> Self {
        let redis = RedisServer::start();
        let server = Server::start(ServerOptions::redis(redis.url())).await.unwrap();
        let (url, token) = (server.url(), server.token().to_owned());
        let make = Box::new(move || Client::rest(&url, &token).unwrap());
        Self { name: "REST", make, redis: Some(redis), _rest: Some(server) }
    }

    /// Where a script runs in its three ways: on a real Redis, by Lua in the engine, and natively.
    pub fn three_ways() -> [Self; 3] {
        [
            Self::redis("Redis", RedisServer::start()),
            Self::engine("Lua", ScriptOptions::new().prefer_native(false)),
            Self::engine("native", ScriptOptions::new().run_lua(false)),
        ]
    }

    /// Each of them: the engine with native scripts and with Lua, Redis 7 and 8 over TCP, and REST. `EDGECASK_TEST_PLACE="Redis 7"`
    /// leaves the others out.
    ///
    /// # Panics
    /// If there is none of that name.
    pub async fn all() -> Vec<Self> {
        let mut places = vec![
            Self::engine("the engine, native", ScriptOptions::new().run_lua(false)),
            Self::engine("the engine, Lua", ScriptOptions::new().prefer_native(false)),
            Self::redis("Redis 7", RedisServer::start()),
            Self::rest().await,
        ];
        places.extend(RedisServer::redis8().map(|redis| Self::redis("Redis 8", redis)));
        if let Ok(name) = std::env::var("EDGECASK_TEST_PLACE") {
            places.retain(|place| place.name == name);
            assert!(!places.is_empty(), "there is no place {name}");
        }
        places
    }

    /// Cuts all connections that listen, where there is a Redis.
    pub fn cut(&self) {
        if let Some(redis) = &self.redis {
            redis.by_hand("CLIENT KILL TYPE pubsub");
        }
    }

    /// A client of its own, as another process has it.
    pub fn client(&self) -> Client {
        (self.make)()
    }
}

/// Counts the commands of clients.
#[derive(Debug, Clone, Default)]
pub struct Count(Arc<AtomicUsize>);

impl Count {
    /// The client, with its commands counted.
    #[must_use]
    pub fn of(&self, client: Client) -> Client {
        client.layer(Tapped(self.clone()))
    }

    /// How many there were since the last call of this.
    pub fn taken(&self) -> usize {
        self.0.swap(0, Ordering::SeqCst)
    }
}

impl Tap for Count {
    fn carry<'a>(&'a self, trip: Trip<'a>) -> BoxFuture<'a, Result<Results>> {
        self.0.fetch_add(trip.commands.len(), Ordering::SeqCst);
        Box::pin(trip.go())
    }
}

/// Loses some of the round trips, before or after they are carried out, and carries some out late, after their caller has
/// given up on them.
#[derive(Debug, Clone)]
pub struct Lossy {
    dice: Dice,
    percent: u64,
}

impl Lossy {
    /// Of a hundred round trips, so many meet each of the three faults.
    pub fn new(dice: &Dice, percent: u64) -> Self {
        Self { dice: dice.clone(), percent }
    }
}

impl Tap for Lossy {
    fn carry<'a>(&'a self, trip: Trip<'a>) -> BoxFuture<'a, Result<Results>> {
        let lost = || {
            Error::new(ErrorKind::Disconnected, "lost by the test").with_outcome(Outcome::Unknown)
        };
        let fault = self.dice.roll(100) / self.percent.max(1);
        Box::pin(async move {
            match fault {
                0 => Err(lost()),
                1 => {
                    let _ = trip.go().await;
                    Err(lost())
                }
                2 => {
                    let (commands, inner) = (trip.commands.to_vec(), Arc::clone(trip.inner));
                    let (by, late) = (trip.by, Duration::from_millis(self.dice.roll(30)));
                    tokio::spawn(async move {
                        tokio::time::sleep(late).await;
                        let trip = Trip { commands: &commands, by, inner: &inner };
                        let _ = trip.go().await;
                    });
                    Err(lost())
                }
                _ => trip.go().await,
            }
        })
    }
}
