//! A value that many change at the same time, without a change that is lost.
//!
//! ```sh
//! cargo run --example compare_and_set
//! ```
#![allow(clippy::print_stdout)]

use std::error::Error;

use edgecask::Change;
use edgecask::config::Config;
use edgecask::prelude::*;
use futures_util::future::try_join_all;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let client = Config::from_env()?.client()?;
    let key = "example:cart";
    client.del([key]).await?;

    // Only one of two can be the first.
    assert!(client.compare_and_set(key, None, "apples").await?);
    assert!(!client.compare_and_set(key, None, "pears").await?);
    // What has changed in the meantime is not overwritten.
    assert!(!client.compare_and_set(key, Some(b"pears"), "plums").await?);

    // `update` reads, changes and tries again until nobody came in between.
    let counter = "example:counter";
    client.del([counter]).await?;
    let add = |old: Option<&[u8]>| {
        let number = old.and_then(|old| std::str::from_utf8(old).ok()?.parse().ok()).unwrap_or(0);
        Change::from((number + 1_u32).to_string())
    };
    try_join_all((0..10).map(|_| client.update(counter, add))).await?;
    let counted: Option<u32> = client.get(counter).await?;
    println!("ten changes at the same time: {counted:?}");
    assert_eq!(counted, Some(10));
    Ok(())
}
