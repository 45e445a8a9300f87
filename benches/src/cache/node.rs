//! A hit of the npm package's first tier, beside JavaScript's caches.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Result, ensure};
use serde::Deserialize;

#[derive(Deserialize)]
pub(crate) struct Peer {
    pub(crate) name: String,
    pub(crate) nanos: f64,
    pub(crate) ratio: f64,
}

pub(crate) fn measure(root: &Path) -> Result<Vec<Peer>> {
    let script = root.join("benches/cache.mjs");
    let output = Command::new("node").arg(script).stderr(Stdio::inherit()).output()?;
    ensure!(output.status.success(), "benches/cache.mjs failed");
    Ok(serde_json::from_slice(&output.stdout)?)
}
