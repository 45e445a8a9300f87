//! The project's own commands: `cargo xtask setup`, `test`, `lint`, `deny`, `bench`, `fuzz`, `pkg`, `worker`,
//! `sizes`.
#![allow(clippy::print_stdout)]

mod architecture;
mod foreign_types;
mod fuzz;
mod lint;
mod setup;
mod sizes;
mod test;
mod tools;
mod wasm;

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use xshell::{Shell, cmd};

use crate::tools::Tools;

#[derive(Parser)]
#[command(name = "cargo xtask")]
struct Options {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Install what the tests need, as far as it is missing
    Setup,
    /// Run every test: native, wasm32 under Node, workerd, Chromium, JavaScript
    Test,
    /// Check formatting, clippy and rustdoc, native and wasm32
    Lint {
        /// Check each feature alone instead, by clippy
        #[arg(long)]
        each_feature: bool,
    },
    /// Check the types of other crates in the public API by ARCHITECTURE.md; a part of `lint`
    ForeignTypes,
    /// Check licences, bans and sources of all dependencies by deny.toml
    Deny,
    /// Measure, and write benches/README.md
    Bench,
    /// Feed every fuzz target with random input, for this many seconds each
    Fuzz {
        #[arg(default_value_t = 60)]
        seconds: u32,
    },
    /// Build the npm package into pkg/
    Pkg,
    /// Build the Worker into worker-example/build/
    Worker,
    /// Write the sizes of what is built into js/sizes.json, the budget that `test` checks
    Sizes,
}

fn main() -> ExitCode {
    match run(Options::parse().task) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("\n{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(task: Task) -> Result<()> {
    let shell = Shell::new()?;
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
    shell.change_dir(root.context("xtask/ is a folder of the checkout")?);
    let tools = Tools::new(&shell)?;
    match task {
        Task::Setup => setup::everything(&shell, &tools),
        Task::Test => test::everything(&shell, &tools),
        Task::Lint { each_feature: false } => lint::everything(&shell, &tools),
        Task::Lint { each_feature: true } => lint::each_feature(&shell, &tools),
        Task::ForeignTypes => foreign_types::check(&shell, &tools),
        Task::Deny => {
            setup::cargo_tool(&shell, &tools.cargo_deny)?;
            let deny = tools.cargo_deny.path();
            cmd!(shell, "{deny} --locked check --hide-inclusion-graph bans licenses sources")
                .run()?;
            Ok(())
        }
        Task::Bench => {
            setup::everything(&shell, &tools)?;
            setup::for_bench(&shell)?;
            wasm::package(&shell, &tools)?;
            wasm::worker(&shell, &tools, &[])?;
            // Together, so that both are built with the same features.
            cmd!(shell, "cargo build --release --package edgecask-server --package edgecask-bench")
                .run()?;
            cmd!(shell, "target/release/edgecask-bench").run()?;
            Ok(())
        }
        Task::Fuzz { seconds } => fuzz::everything(&shell, &tools, seconds),
        Task::Pkg => {
            setup::for_wasm(&shell, &tools)?;
            wasm::package(&shell, &tools)
        }
        Task::Worker => {
            setup::for_wasm(&shell, &tools)?;
            wasm::worker(&shell, &tools, &[])
        }
        Task::Sizes => sizes::write(&shell, &wasm::MADE),
    }
}
