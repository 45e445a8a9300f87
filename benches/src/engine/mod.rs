//! The embedded engine: the memory of its keys, its scripts, and its longest pauses.

pub(crate) mod memory;
mod pauses;
mod report;
mod scripts;

use anyhow::{Context, Result};

pub(crate) use self::report::write;

/// Everything that is measured of the engine.
pub(crate) struct Measured {
    memory: Vec<memory::Row>,
    scripts: Vec<scripts::Row>,
    pauses: Vec<pauses::Row>,
}

pub(crate) fn measure() -> Result<Measured> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let memory = runtime.block_on(memory::measure())?;
    let scripts = runtime.block_on(scripts::measure())?;
    let pauses = runtime.block_on(pauses::measure())?;
    Ok(Measured { memory, scripts, pauses })
}

/// The process's resident memory, in bytes.
fn resident() -> Result<usize> {
    let statm = std::fs::read_to_string("/proc/self/statm")?;
    let pages: usize = statm.split(' ').nth(1).context("its second field")?.parse()?;
    Ok(pages * 4096)
}
