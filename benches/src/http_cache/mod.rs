//! The HTTP cache: hits beside nginx as the cache of a reverse proxy, and memory.

pub(crate) mod server;
mod speed;

use std::fmt::Write;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use self::speed::Case;
use crate::throughput::Server;

/// Everything that is measured of the HTTP cache.
pub(crate) struct Measured {
    cases: Vec<Case>,
    /// What `edgecask-bench-memory` prints.
    memory: String,
}

pub(crate) fn measure() -> Result<Measured> {
    Ok(Measured { memory: memory()?, cases: speed::measure()? })
}

fn memory() -> Result<String> {
    let redis = Server::redis()?;
    let program = std::env::current_exe()?.with_file_name("edgecask-bench-memory");
    let output =
        Command::new(program).args(["http-cache", redis.url()]).output().context("it is built")?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}

/// The part of the report.
pub(crate) fn report(measured: &Measured) -> String {
    let mut text = String::from(
        "\n## The HTTP cache\n\n\
         Hits in a second of one core's processor time, of `HttpCache` before a hyper service and of nginx as the cache of a \
         reverse proxy (`proxy_cache`), over 64 connections of HTTP/1.1 on loopback; five rounds of two seconds each. \"Bare\" \
         is the hyper service alone, which has the bodies in memory. Without a first tier, a hit asks the engine, or a Redis, \
         for the index.\n\n\
         | body | nginx | first tier | to nginx | engine | to nginx | Redis | to nginx | bare | to nginx |\n\
         |---|---:|---:|---:|---:|---:|---:|---:|---:|---:|\n",
    );
    for Case { name, nginx, others } in &measured.cases {
        // Writing to a String cannot fail.
        let _ = write!(text, "| {name} | {nginx:.0} |");
        for rate in others {
            let _ = write!(text, " {:.0} | {:.2} |", rate.per_second, rate.to_nginx);
        }
        text.push('\n');
    }
    let _ = write!(
        text,
        "\nMemory at the peak, as a part of the bodies, while 100 concurrent responses of 1 MiB are sent and stored in a Redis:\n\n\
         | `Content-Length` | while they come | until they are stored |\n|---|---:|---:|\n{}",
        measured.memory,
    );
    text
}
