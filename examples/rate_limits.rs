//! Several limits in one round trip, concurrency, and a limiter for when Redis is away.
//!
//! ```sh
//! cargo run --example rate_limits
//! ```
#![allow(clippy::print_stdout)]

use std::error::Error;
use std::time::Duration;

use edgecask::config::Config;
use edgecask::limit::{Calendar, OnFailure, Policy, RateLimiter, Request};
use edgecask::prelude::*;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let client = Config::for_component("RATE_LIMIT", |name| std::env::var(name).ok())?.client()?;
    client.hset("rate_limits:user_789", [("per_minute", 3)]).await?;

    // A user's minute and hour, and the minute of a provider that all users share.
    let limiter = RateLimiter::builder(client.clone())
        .policy(Policy::calendar(Calendar::Minute, 60).limit_from("rate_limits", "per_minute"))
        .policy(Policy::calendar(Calendar::Hour, 1000))
        .policy(Policy::calendar(Calendar::Minute, 500).per("provider").named("provider"))
        .on_failure(OnFailure::Deny)
        .build()?;
    limiter.reset("user_789").await?;
    for call in 1..=4 {
        let request = Request::new("user_789").part("provider", "openai");
        let decision = limiter.limit(request).await?;
        match decision.policy() {
            Some(policy) if decision.is_allowed() => {
                println!("call {call}: {} left of the {}", policy.remaining, policy.name);
            }
            Some(policy) => println!("call {call}: the {} is used up", policy.name),
            None => println!("call {call}: {:?}", decision.reason()),
        }
    }

    // One call each tenth of a second, and no burst.
    let steady = RateLimiter::builder(client.clone())
        .policy(Policy::gcra(10, Duration::from_secs(1)).burst(1).prefix("example:steady"))
        .build()?;
    for _ in 0..3 {
        let decision = steady.wait_until_ready("job", Duration::from_secs(5)).await?;
        assert!(decision.is_allowed());
    }

    // Two reports at the same time.
    let reports = RateLimiter::builder(client)
        .policy(Policy::concurrency(2, Duration::from_secs(30)).prefix("example:reports"))
        .build()?;
    let (first, second) = (reports.acquire("acme").await?, reports.acquire("acme").await?);
    assert!(first.is_ok() && second.is_ok());
    assert!(reports.acquire("acme").await?.is_err());
    if let Ok(permit) = first {
        permit.release().await?;
    }
    assert!(reports.acquire("acme").await?.is_ok());
    println!("{:?}", limiter.stats());
    Ok(())
}
