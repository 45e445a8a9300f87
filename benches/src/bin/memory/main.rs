//! Counts memory at its peak: `edgecask-bench-memory http-cache REDIS-URL` that of responses which the HTTP cache stores,
//! `edgecask-bench-memory limits` that of keys of rate limiters in the process.
#![allow(clippy::print_stdout)]

mod http_cache;
mod limits;

use anyhow::{Context, Result, bail};
use peak_alloc::PeakAlloc;

#[global_allocator]
static ALLOCATED: PeakAlloc = PeakAlloc;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    match arguments.next().as_deref() {
        Some("http-cache") => {
            http_cache::run(&arguments.next().context("the URL of a Redis")?).await
        }
        Some("limits") => limits::run(),
        _ => bail!("edgecask-bench-memory http-cache REDIS-URL, or limits"),
    }
}
