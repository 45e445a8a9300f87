//! A client whose layers stand in the right order, and what they show.
//!
//! ```sh
//! cargo run --example layers
//! ```
#![allow(clippy::print_stdout)]

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use edgecask::layer::{AutoPipeline, CircuitBreaker, Observe, Retry};
use edgecask::prelude::*;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let failures = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&failures);
    let client = Client::builder()
        .url("memory:")
        .key_prefix("staging:")
        .retry(Retry::new())
        .circuit_breaker(CircuitBreaker::new())
        .auto_pipeline(AutoPipeline::new())
        .observe(Observe::new().each(move |observed| {
            counter.fetch_add(u64::from(observed.error.is_some()), Ordering::Relaxed);
        }))
        .build()?;

    // Commands of the same moment share a round trip, in order.
    let (set, length) = futures_util::join!(client.set("name", "Ada"), client.strlen("name"));
    set?;
    assert_eq!(length?, 3);

    // An error says which command failed, and what became of it.
    let Err(error) = client.incr("name").await else { return Err("a name is no number".into()) };
    println!("{error}; outcome: {:?}", error.outcome());
    assert_eq!(failures.load(Ordering::Relaxed), 1);

    // The server has staging:name; replies name keys without the prefix.
    assert_eq!(client.keys::<String>("*").await?, ["name"]);
    Ok(())
}
