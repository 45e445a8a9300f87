//! Values that are loaded when they are missing, and forgotten by key, by tag, or all together.
//!
//! ```sh
//! cargo run --example read_through
//! ```
#![allow(clippy::print_stdout)]

use std::error::Error;
use std::time::Duration;

use edgecask::cache::{Cache, EntryOptions};
use edgecask::config::Config;
use edgecask::{BoxError, Keyspace};
use serde::{Deserialize, Serialize};

const USERS: Keyspace = Keyspace::literal("example:user");

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct User {
    name: String,
    plan: String,
}

/// In a real application, a query of the database.
async fn load_user(plan: &str) -> Result<User, BoxError> {
    Ok(User { name: "Ada".to_owned(), plan: plan.to_owned() })
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let cache = Cache::new(Config::from_env()?.client()?);
    let key = USERS.key(7)?;
    let options = EntryOptions::new(Duration::from_secs(300)).tags(["users"]);
    cache.delete(&key).await?;

    // The second call finds what the first one stored.
    for _ in 0..2 {
        let user: User = cache.get_or_load(&key, options.clone(), || load_user("free")).await?;
        assert_eq!(user.plan, "free");
    }

    // The database has changed: the entry goes, and the next call loads it anew.
    cache.delete(&key).await?;
    let user: User = cache.get_or_load(&key, options.clone(), || load_user("pro")).await?;
    assert_eq!(user.plan, "pro");

    // One command forgets every entry of a tag, however many there are.
    cache.invalidate_tags(["users"]).await?;
    assert_eq!(cache.get::<User>(&key).await?, None);

    let stats = cache.stats();
    println!("{} hits, {} misses, {} loads", stats.hits, stats.misses, stats.loads);
    Ok(())
}
