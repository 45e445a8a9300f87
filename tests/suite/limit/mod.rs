//! Rate limits against exact models, on every engine and server, through faults, and beside the real `@upstash/ratelimit`.

mod cached;
mod calendar;
mod costs;
mod cuts;
mod failures;
mod histories;
mod http;
mod interleavings;
mod leases;
mod lists;
mod model;
mod processes;
mod regions;
mod scripts;
mod upstash;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use edgecask::limit::{Clock, Policy, RateLimiter, RateLimiterBuilder};
use edgecask::platform::BoxFuture;
use edgecask::transport::Results;
use edgecask::transport::memory::{MemoryTransport, ScriptOptions};
use edgecask::{Client, Error, ErrorKind, Result};
use edgecask_tests::{Tap, Tapped, Trip};
use tokio::sync::watch;

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

/// What becomes of round trips on their way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Open,
    /// They wait until it is another one.
    Closed,
    /// They do not arrive.
    Broken,
}

/// A way to a server that a test opens and closes.
#[derive(Debug, Clone)]
struct Gate(Arc<(watch::Sender<Way>, AtomicUsize)>);

impl Gate {
    fn open() -> Self {
        Self(Arc::new((watch::Sender::new(Way::Open), AtomicUsize::new(0))))
    }

    fn of(&self, client: &Client) -> Client {
        client.clone().layer(Tapped(self.clone()))
    }

    fn set(&self, way: Way) {
        self.0.0.send_replace(way);
    }

    /// How many round trips have come to it.
    fn came(&self) -> usize {
        self.0.1.load(Ordering::SeqCst)
    }
}

impl Tap for Gate {
    fn carry<'a>(&'a self, trip: Trip<'a>) -> BoxFuture<'a, Result<Results>> {
        let (way, came) = &*self.0;
        came.fetch_add(1, Ordering::SeqCst);
        let mut way = way.subscribe();
        Box::pin(async move {
            let way = *way.wait_for(|way| *way != Way::Closed).await.unwrap();
            match way {
                Way::Broken => Err(Error::new(ErrorKind::Disconnected, "broken by the test")),
                _ => trip.go().await,
            }
        })
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

/// A limiter with this one policy, which asks the server each time.
fn plain(client: &Client, policy: Policy) -> RateLimiterBuilder {
    RateLimiter::builder(client.clone()).policy(policy).block_list(0).timeout(MINUTE)
}
