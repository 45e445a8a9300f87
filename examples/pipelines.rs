//! Several commands in one round trip: as a pipeline, and as a transaction.
//!
//! ```sh
//! cargo run --example pipelines
//! ```
#![allow(clippy::print_stdout)]

use std::collections::HashMap;
use std::error::Error;

use edgecask::config::Config;
use edgecask::prelude::*;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let client = Config::from_env()?.client()?;
    let key = "example:session";
    client.del([key]).await?;

    // The replies come in the shape of the commands. The first error is the error of the call.
    let (_, visits, session): (_, i64, HashMap<String, String>) = client
        .pipelined(|p| {
            (p.hset(key, [("user", "ada")]), p.hincrby(key, "visits", 1), p.hgetall(key))
        })
        .await?;
    assert_eq!((visits, &*session["user"]), (1, "ada"));

    // With slots, each command has a result of its own.
    let pipeline = client.pipeline();
    let wrong = pipeline.incr(key);
    let length = pipeline.hlen(key);
    let mut replies = pipeline.exec().await?;
    let error = replies.take(wrong).err().ok_or("a hash is no number")?;
    println!("one command failed: {error}");
    assert_eq!(replies.take(length)?, 2);

    // A transaction runs as a unit: nobody sees the one without the other.
    let transaction = client.transaction();
    let removed = transaction.hdel(key, ["visits"]);
    let left = transaction.hlen(key);
    let mut replies = transaction.exec().await?;
    assert_eq!((replies.take(removed)?, replies.take(left)?), (1, 1));
    Ok(())
}
