//! A thousand callers miss one key, and share one load; then a tag is invalidated, and they load once more.
//!
//! ```sh
//! cargo run --example stampede
//! ```
#![allow(clippy::print_stdout)]

use std::error::Error;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use edgecask::cache::{Cache, EntryOptions};
use edgecask::config::Config;
use edgecask::{BoxError, Keyspace};
use futures_util::future::try_join_all;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let cache = Cache::new(Config::from_env()?.client()?);
    let key = Keyspace::new(["example", "page"])?.key(["front"])?;
    let options = EntryOptions::new(Duration::from_secs(60)).tags(["pages"]);
    cache.delete(&key).await?;

    let loads = AtomicU32::new(0);
    let load = || async {
        loads.fetch_add(1, Ordering::Relaxed);
        // What takes long in a real application.
        tokio::time::sleep(Duration::from_millis(50)).await;
        Ok::<_, BoxError>("the front page".to_owned())
    };
    for round in 1..=2 {
        let callers = (0..1000).map(|_| cache.get_or_load(&key, options.clone(), load));
        let pages: Vec<String> = try_join_all(callers).await?;
        println!("{} callers, {} loads so far", pages.len(), loads.load(Ordering::Relaxed));
        assert_eq!(loads.load(Ordering::Relaxed), round);
        cache.invalidate_tags(["pages"]).await?;
    }
    Ok(())
}
