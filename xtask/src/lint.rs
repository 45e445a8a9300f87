//! Formatting, the floors of the crate, clippy and rustdoc, native and wasm32, with warnings as errors; and the features.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use xshell::{Shell, cmd};

use crate::tools::Tools;
use crate::{architecture, setup};

/// Everything but what only builds for wasm32.
const NATIVE: [&str; 4] = ["--workspace", "--exclude", "edgecask-worker-example", "--all-targets"];

/// On wasm32: each feature that has code of its own there, and what a Worker and the npm package are built with.
const WASM_SETS: [&str; 10] = [
    "",
    "rest",
    "memory",
    "gzip",
    "worker",
    "http-cache",
    "js",
    "js-cache",
    "memory,rest,uuid",
    "encryption,gzip,http-cache,memory,worker",
];

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

    each_feature(shell)?;
    for set in WASM_SETS {
        cmd!(wasm, "cargo clippy {target...} --package edgecask --no-default-features --features {set} -- -D warnings")
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

/// Checks each feature alone, and every two of them, with the oldest Rust.
fn each_feature(shell: &Shell) -> Result<()> {
    let oldest = &oldest_rust(shell)?;
    let features = features(shell)?;
    let alone = features.iter().cloned().chain([String::new()]);
    for set in mixed_sets(&features).into_iter().chain(alone) {
        cmd!(
            shell,
            "cargo {oldest...} check --package edgecask --no-default-features --features {set}"
        )
        .env("RUSTFLAGS", "-D warnings")
        .run()?;
    }
    Ok(())
}

/// What tells cargo to use the version of Rust that Cargo.toml states, where rustup can have it.
fn oldest_rust(shell: &Shell) -> Result<Option<String>> {
    let manifest = shell.read_file("Cargo.toml")?;
    let stated = manifest.lines().find_map(|line| line.strip_prefix("rust-version = "));
    let stated = stated.context("Cargo.toml states a rust-version")?.trim_matches('"');
    let (version, toolchain) = (format!("{stated}.0"), format!("+{stated}.0"));
    let is_there =
        || cmd!(shell, "cargo {toolchain} --version").quiet().ignore_stdout().ignore_stderr().run();
    let install = || cmd!(shell, "rustup toolchain install {version} --profile minimal").run();
    if is_there().or_else(|_| install()).is_err() {
        println!("no Rust {stated} here, the oldest that is supported: a later one has to do");
        return Ok(None);
    }
    Ok(Some(toolchain))
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

/// Few sets of features in which each two features stand together, either without the other, and neither of them.
fn mixed_sets(features: &[String]) -> BTreeSet<String> {
    // Two different words with four of eight bits differ in either direction. With the first bit in common, they have it
    // together, and there is a bit that neither has.
    const WORDS: u32 = 8;
    let words = (0..1_u32 << WORDS).filter(|word| word & 1 == 1 && word.count_ones() == 4);
    let named: Vec<_> = features.iter().zip(words).collect();
    let sets = (0..WORDS).map(|bit| {
        let set = named.iter().filter(|(_, word)| word >> bit & 1 == 1);
        set.map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(",")
    });
    sets.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mixed_sets_hold_every_pair() {
        let features: Vec<String> = (0..35).map(|number| format!("f{number}")).collect();
        let sets = mixed_sets(&features);
        let has = |set: &String, name: &String| set.split(',').any(|other| other == name);
        for one in &features {
            for other in features.iter().filter(|other| *other != one) {
                let found: BTreeSet<_> =
                    sets.iter().map(|set| (has(set, one), has(set, other))).collect();
                assert_eq!(found.len(), 4, "{one} and {other}");
            }
        }
    }
}
