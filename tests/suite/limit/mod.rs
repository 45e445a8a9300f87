//! Rate limits against exact models, on every engine and server, through faults, and beside the real `@upstash/ratelimit`.

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
mod scripts;
mod upstash;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use edgecask::Client;
use edgecask::limit::{Clock, Policy, RateLimiter, RateLimiterBuilder};
use edgecask::transport::memory::{MemoryTransport, ScriptOptions};

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

/// A limiter with this one policy, which asks the server each time.
fn plain(client: &Client, policy: Policy) -> RateLimiterBuilder {
    RateLimiter::builder(client.clone()).policy(policy).block_list(0).timeout(MINUTE)
}
