//! Every test, in every place where Edgecask runs.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, ensure};
use xshell::{Shell, cmd};

use crate::tools::Tools;
use crate::{setup, wasm};

pub(crate) fn everything(shell: &Shell, tools: &Tools) -> Result<()> {
    setup::everything(shell, tools)?;
    cmd!(shell, "cargo test --workspace --exclude edgecask-worker-example").run()?;
    cmd!(shell, "cargo build --package edgecask-server").run()?;
    quickstart(shell)?;
    under_node(shell, tools)?;
    wasm::package(shell, tools)?;
    wasm::worker(shell, tools, &["behaviour"])?;
    javascript(shell, tools)
}

/// The example that the README names, on the embedded engine, through the REST server and over TCP.
fn quickstart(shell: &Shell) -> Result<()> {
    let run = |variables: &[(&str, &str)]| {
        let command = cmd!(shell, "cargo run --quiet --example quickstart --features tcp");
        let names = ["REDIS_URL", "CACHE_PROVIDER", "UPSTASH_REDIS_REST_URL", "KV_REST_API_URL"];
        let command = names.iter().fold(command, |command, name| command.env_remove(name));
        let output = command.envs(variables.iter().copied()).read()?;
        ensure!(output.contains("98.0 %"), "the quickstart printed:\n{output}");
        Ok(output)
    };
    ensure!(run(&[])?.contains("the embedded engine"));
    let server = LocalServer::start(shell)?;
    let variables = [
        ("UPSTASH_REDIS_REST_URL", &*server.url),
        ("UPSTASH_REDIS_REST_TOKEN", LocalServer::TOKEN),
    ];
    ensure!(run(&variables)?.contains("cached in Redis"));
    Ok(())
}

/// The behaviour suite as wasm32 under Node, on the embedded engine and through `fetch`.
fn under_node(shell: &Shell, tools: &Tools) -> Result<()> {
    let server = LocalServer::start(shell)?;
    let wasm = tools.wasm_shell(shell)?;
    wasm.set_var("EDGECASK_TEST_URL", &server.url);
    wasm.set_var("EDGECASK_TEST_TOKEN", LocalServer::TOKEN);
    cmd!(
        wasm,
        "cargo test --target wasm32-unknown-unknown --package edgecask-behaviour --test wasm"
    )
    .run()?;
    Ok(())
}

/// The npm package, the Worker in workerd, the page in Chromium, and the packages of others against our server.
fn javascript(shell: &Shell, tools: &Tools) -> Result<()> {
    let _dir = shell.push_dir(&tools.js);
    let tests = ["package", "upstash", "worker", "browser"].map(|name| format!("{name}.test.mjs"));
    cmd!(shell, "node --test {tests...}").run()?;
    let tsc = tools.node_bin("tsc");
    cmd!(shell, "{tsc} --noEmit").run()?;
    Ok(())
}

/// The local REST server over an embedded engine, stopped by pid when it is dropped.
struct LocalServer {
    process: Child,
    url: String,
}

impl LocalServer {
    const TOKEN: &str = "token-of-the-tests";

    fn start(shell: &Shell) -> Result<Self> {
        let program = shell.current_dir().join("target/debug/edgecask-server");
        let mut process = Command::new(program)
            .args(["--port", "0", "--token", Self::TOKEN])
            .stdout(Stdio::piped())
            .spawn()
            .context("edgecask-server has been built")?;
        let output = process.stdout.take().context("its output is piped")?;
        let url = BufReader::new(output)
            .lines()
            .map_while(std::result::Result::ok)
            .find_map(|line| line.strip_prefix("UPSTASH_REDIS_REST_URL=").map(str::to_owned))
            .context("the server prints its URL")?;
        Ok(Self { process, url })
    }
}

impl Drop for LocalServer {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
