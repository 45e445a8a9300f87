//! Redis is away: a component goes on without it, or fails, as its tier says.
//!
//! ```sh
//! cargo run --example outage
//! ```
#![allow(clippy::print_stdout)]

use std::error::Error;
use std::time::Duration;

use edgecask::cache::{Cache, CacheOptions, Tier, Ttl};
use edgecask::layer::Deadline;
use edgecask::prelude::*;
use edgecask::transport::rest::{RestOptions, RestTransport};
use edgecask::{BoxError, ErrorKind, Keyspace};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // Nobody listens at this port.
    let transport = RestTransport::new(RestOptions::new("http://127.0.0.1:9", "token"))?;
    let client = Client::new(transport).layer(Deadline::new(Duration::from_secs(2)));
    let key = Keyspace::literal("example:limits").key("acme")?;
    let load = || async { Ok::<_, BoxError>(100_u32) };

    // Important: the value comes from the loader, as long as Redis is away.
    let important = CacheOptions::new().tier(Tier::Important);
    let cache = Cache::with_options(client.clone(), important);
    assert_eq!(cache.get_or_load(&key, Ttl::seconds(60), load).await?, 100);
    // The invalidation is owed: Redis is told as soon as it is back.
    assert!(cache.delete(&key).await?.is_owed());
    println!("owed to Redis: {}", cache.owed());

    // Critical: an error, since nobody can say whether the value is still right.
    let cache = Cache::with_options(client, CacheOptions::new().tier(Tier::Critical));
    let failed = cache.get_or_load(&key, Ttl::seconds(60), load).await;
    let error = failed.err().ok_or("a critical cache does without Redis")?;
    println!("{error}");
    assert_eq!(error.kind(), ErrorKind::Connect);
    Ok(())
}
