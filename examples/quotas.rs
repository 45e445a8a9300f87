//! Requests to a model that share a budget of tokens.
//! Run it with `cargo run --example quotas`.
#![allow(clippy::print_stdout)]

use std::time::Duration;

use edgecask::quota::{Quota, QuotaError};
use edgecask::{Client, Key};
use futures_util::future::join_all;

#[tokio::main(flavor = "current_thread")]
async fn main() -> edgecask::Result<()> {
    let key = Key::verbatim("resource:usage:llm_tokens")?;
    let tokens = Quota::new(Client::memory(), key, 2000)?.period(Duration::from_secs(3600));
    // Each answer takes 500 tokens at most, so that four requests fit at a time.
    let requests = (1..=6).map(async |number| match tokens.reserve(500).await {
        Ok(reservation) => {
            let used = 100 + number;
            reservation.commit(used).await?;
            println!("request {number} used {used} tokens");
            Ok(())
        }
        Err(QuotaError::Exceeded { usage, .. }) => {
            println!("request {number} waits: {} tokens are left", usage.available());
            Ok(())
        }
        Err(error) => Err(error),
    });
    for request in join_all(requests).await {
        request?;
    }
    let usage = tokens.usage().await?;
    println!("{} of {} tokens are used, none is reserved", usage.used, usage.limit);
    Ok(())
}
