//! Formatting, clippy and rustdoc, native, wasm32 and WASI, with warnings as errors; the imports and the foreign types by
//! ARCHITECTURE.md.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use xshell::{Shell, cmd};

use crate::setup::WASI_TARGET as WASI;
use crate::tools::Tools;
use crate::{architecture, foreign_types, setup};

/// Everything but what only builds for wasm32.
const NATIVE: [&str; 6] = [
    "--workspace",
    "--exclude",
    "edgecask-js",
    "--exclude",
    "edgecask-worker-example",
    "--all-targets",
];

/// On wasm32: the bare client, the engine, and all that a Worker is built with.
const WASM_SETS: [&str; 3] =
    ["", "memory", "encryption,gzip,http-cache,limit-http,lz4,memory,msgpack,supabase,uuid,worker"];

/// Further sets for wasm32: each other feature that has code of its own there.
const MORE_WASM_SETS: [&str; 6] =
    ["rest", "gzip", "worker", "http-cache", "limit-http", "supabase"];

/// On WASI: the client over the application's own HTTP client, and the other features that need no JavaScript.
const WASI_SETS: [&str; 1] = ["encryption,gzip,http-cache,lz4,memory,msgpack,rest,supabase,uuid"];

/// Further sets for WASI.
const MORE_WASI_SETS: [&str; 2] = ["", "rest"];

pub(crate) fn everything(shell: &Shell, tools: &Tools) -> Result<()> {
    cmd!(shell, "cargo fmt --all --check").run()?;
    architecture::check(&shell.current_dir())?;
    cmd!(shell, "cargo clippy {NATIVE...} -- -D warnings").run()?;
    setup::for_wasm(shell, tools)?;
    let wasm = tools.wasm_shell(shell)?;
    let target = ["--target", "wasm32-unknown-unknown"];
    for features in ["", "cache"] {
        cmd!(
            wasm,
            "cargo clippy {target...} --package edgecask-js --features {features} -- -D warnings"
        )
        .run()?;
    }
    cmd!(
        wasm,
        "cargo clippy {target...} --package edgecask-behaviour --all-targets -- -D warnings"
    )
    .run()?;
    cmd!(wasm, "cargo clippy {target...} --package edgecask-worker-example --features behaviour -- -D warnings").run()?;

    for set in sets(&features(shell)?) {
        native(shell, &set)?;
    }
    for set in WASM_SETS {
        on_wasm(&wasm, set)?;
    }
    if setup::wasi_target(shell) {
        WASI_SETS.iter().try_for_each(|set| on_wasi(shell, set))?;
        cmd!(shell, "cargo clippy --target {WASI} --package edgecask --no-default-features --features rest --example wasi -- -D warnings")
            .run()?;
    } else {
        println!("no {WASI} here: nothing is checked for it");
    }

    oldest_rust(shell)?;
    foreign_types::check(shell, tools)?;

    shell.set_var("RUSTDOCFLAGS", "-D warnings");
    cmd!(
        shell,
        "cargo doc --no-deps --workspace --exclude edgecask-js --exclude edgecask-worker-example --document-private-items"
    )
    .run()?;
    Ok(())
}

/// Each feature alone, native, on wasm32 and on WASI.
pub(crate) fn each_feature(shell: &Shell, tools: &Tools) -> Result<()> {
    setup::for_wasm(shell, tools)?;
    let wasm = tools.wasm_shell(shell)?;
    features(shell)?.iter().try_for_each(|feature| native(shell, feature))?;
    MORE_WASM_SETS.iter().try_for_each(|set| on_wasm(&wasm, set))?;
    if setup::wasi_target(shell) {
        MORE_WASI_SETS.iter().try_for_each(|set| on_wasi(shell, set))?;
    }
    Ok(())
}

fn native(shell: &Shell, features: &str) -> Result<()> {
    cmd!(
        shell,
        "cargo clippy --package edgecask --no-default-features --features {features} -- -D warnings"
    )
    .run()?;
    Ok(())
}

fn on_wasm(wasm: &Shell, features: &str) -> Result<()> {
    cmd!(wasm, "cargo clippy --target wasm32-unknown-unknown --package edgecask --no-default-features --features {features} -- -D warnings")
        .run()?;
    Ok(())
}

fn on_wasi(shell: &Shell, features: &str) -> Result<()> {
    cmd!(shell, "cargo clippy --target {WASI} --package edgecask --no-default-features --features {features} -- -D warnings")
        .run()?;
    Ok(())
}

/// Checks with the version of Rust that Cargo.toml states, unless all of this ran with it.
fn oldest_rust(shell: &Shell) -> Result<()> {
    let manifest = shell.read_file("Cargo.toml")?;
    let stated = manifest.lines().find_map(|line| line.strip_prefix("rust-version = "));
    let stated = stated.context("Cargo.toml states a rust-version")?.trim_matches('"');
    let used = cmd!(shell, "rustc --version").quiet().read()?;
    if used.starts_with(&format!("rustc {stated}.")) {
        return Ok(());
    }
    let toolchain = format!("+{stated}.0");
    if cmd!(shell, "cargo {toolchain} --version").quiet().ignore_stderr().read().is_err() {
        println!("Rust {stated} is not installed: nothing is checked with it");
        return Ok(());
    }
    cmd!(shell, "cargo {toolchain} check --workspace --exclude edgecask-worker-example").run()?;
    Ok(())
}

/// The names of the features of the crate, but for `default`.
fn features(shell: &Shell) -> Result<Vec<String>> {
    let manifest = shell.read_file("Cargo.toml")?;
    let section = manifest.lines().skip_while(|line| *line != "[features]").skip(1);
    let names = section
        .take_while(|line| !line.starts_with('['))
        .filter_map(|line| Some(line.split_once(" = [")?.0.to_owned()))
        .filter(|name| name != "default")
        .collect::<Vec<_>>();
    ensure!((2..=35).contains(&names.len()), "not so many features: {names:?}");
    Ok(names)
}

/// Sets of features that find every fault of a pair: the empty set, and few sets such that, for any two features, one set has
/// both, one has only the first, one only the second, and one neither.
fn sets(features: &[String]) -> BTreeSet<String> {
    // Two different words with four of eight bits differ in either direction. The first bit is common to all, so one set has
    // both features, and there is a bit that neither has.
    const WORDS: u32 = 8;
    let words = (0..1_u32 << WORDS).filter(|word| word & 1 == 1 && word.count_ones() == 4);
    let named: Vec<_> = features.iter().zip(words).collect();
    let mixed = (0..WORDS).map(|bit| {
        let set = named.iter().filter(|(_, word)| word >> bit & 1 == 1);
        set.map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(",")
    });
    mixed.chain([String::new()]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_hold_every_pair() {
        let features: Vec<String> = (0..35).map(|number| format!("f{number}")).collect();
        let sets = sets(&features);
        let has = |set: &String, name: &String| set.split(',').any(|other| other == name);
        for one in &features {
            for other in features.iter().filter(|other| *other != one) {
                let mixed = sets.iter().filter(|set| set.contains(','));
                let found: BTreeSet<_> =
                    mixed.map(|set| (has(set, one), has(set, other))).collect();
                assert_eq!(found.len(), 4, "{one} and {other}");
            }
        }
    }
}
