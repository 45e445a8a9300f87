//! Many values in one MGET, and one call of the loader for all that are missing.
//!
//! ```sh
//! cargo run --example batch_load
//! ```
#![allow(clippy::print_stdout)]

use std::error::Error;

use edgecask::cache::{Cache, Ttl};
use edgecask::config::Config;
use edgecask::{BoxError, Key, Keyspace};

const PRICES: Keyspace = Keyspace::literal("example:price");

/// In a real application, one query such as `SELECT … WHERE id IN (…)`.
async fn load_prices(missing: Vec<Key>) -> Result<Vec<(Key, u32)>, BoxError> {
    println!("the database is asked for {} prices", missing.len());
    Ok(missing.into_iter().zip(100..).collect())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let cache = Cache::new(Config::from_env()?.client()?);
    let keys: Vec<Key> = (1..=5).map(|id| PRICES.key(id)).collect::<Result<_, _>>()?;
    cache.delete_many(&keys).await?;

    let some = cache.get_or_load_many(&keys[..2], Ttl::seconds(60), load_prices).await?;
    assert_eq!(some.len(), 2);
    // The database is asked for the other three alone.
    let all = cache.get_or_load_many(&keys, Ttl::seconds(60), load_prices).await?;
    assert_eq!(all.len(), 5);
    assert_eq!(all[&keys[0]], some[&keys[0]]);
    assert_eq!(cache.stats().loads, 2);
    Ok(())
}
