//! Formatting, clippy and rustdoc, native and wasm32, with warnings as errors.

use anyhow::Result;
use xshell::{Shell, cmd};

use crate::tools::Tools;
use crate::{architecture, setup};

/// Everything but what only builds for wasm32.
const NATIVE: [&str; 4] = ["--workspace", "--exclude", "edgecask-worker-example", "--all-targets"];

pub(crate) fn everything(shell: &Shell, tools: &Tools) -> Result<()> {
    cmd!(shell, "cargo fmt --all --check").run()?;
    architecture::check(&shell.current_dir())?;
    cmd!(shell, "cargo clippy {NATIVE...} -- -D warnings").run()?;
    setup::for_wasm(shell, tools)?;
    let wasm = tools.wasm_shell(shell)?;
    let target = ["--target", "wasm32-unknown-unknown"];
    cmd!(wasm, "cargo clippy {target...} --package edgecask --features js-cache,worker,http-cache,encryption,msgpack,lz4 -- -D warnings")
        .run()?;
    cmd!(
        wasm,
        "cargo clippy {target...} --package edgecask-behaviour --all-targets -- -D warnings"
    )
    .run()?;
    cmd!(wasm, "cargo clippy {target...} --package edgecask-worker-example --features behaviour -- -D warnings").run()?;

    // Each feature has to stand alone.
    for features in [
        "",
        "rest",
        "reqwest",
        "memory",
        "tcp",
        "gzip",
        "lz4",
        "msgpack",
        "encryption",
        "http-cache",
    ] {
        cmd!(shell, "cargo clippy --package edgecask --no-default-features --features {features} -- -D warnings").run()?;
    }
    for features in ["", "rest", "memory", "worker", "js", "js-cache", "gzip", "http-cache"] {
        cmd!(wasm, "cargo clippy {target...} --package edgecask --no-default-features --features {features} -- -D warnings")
            .run()?;
    }

    shell.set_var("RUSTDOCFLAGS", "-D warnings");
    cmd!(
        shell,
        "cargo doc --no-deps --workspace --exclude edgecask-worker-example --document-private-items"
    )
    .run()?;
    Ok(())
}
