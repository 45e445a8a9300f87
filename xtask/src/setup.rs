//! Installs what is missing, and says what to do where it cannot.

use std::path::Path;

use anyhow::{Result, bail};
use xshell::{Shell, cmd};

use crate::tools::{CargoTool, Tools};

/// The target of JavaScript hosts.
const WASM_TARGET: &str = "wasm32-unknown-unknown";
/// The target of hosts of WebAssembly components.
pub(crate) const WASI_TARGET: &str = "wasm32-wasip2";

pub(crate) fn everything(shell: &Shell, tools: &Tools) -> Result<()> {
    system_package(shell, "redis-server", "redis-server", &["redis-server"])?;
    system_package(shell, "chromium", "chromium", &["chromium", "google-chrome"])?;
    redis8(shell);
    promtool(shell);
    postgrest(shell, tools);
    for_wasm(shell, tools)?;
    if !wasi_target(shell) {
        println!("no {WASI_TARGET} here: nothing is checked for it");
    }
    Ok(())
}

/// A Redis 8 with JSON and Search, where Debian's packages can be had; elsewhere the few tests on it are left out.
fn redis8(shell: &Shell) {
    let Some(home) = std::env::home_dir() else { return };
    let folder = home.join(".cache/edgecask/redis8");
    let unpacked =
        cmd!(shell, "bash xtask/redis8.sh {folder}").quiet().ignore_stdout().ignore_stderr();
    if unpacked.run().is_err() {
        println!("no Redis 8 with JSON here: its tests are left out");
    }
}

/// promtool, which checks rules of Prometheus, where Debian's packages can be had; elsewhere its test is left out.
fn promtool(shell: &Shell) {
    if is_there(shell, "promtool") {
        return;
    }
    let Some(home) = std::env::home_dir() else { return };
    let folder = home.join(".cache/edgecask/promtool");
    let unpacked =
        cmd!(shell, "bash xtask/promtool.sh {folder}").quiet().ignore_stdout().ignore_stderr();
    if unpacked.run().is_err() {
        println!("no promtool here: its test is left out");
    }
}

/// A PostgreSQL, and a server that is compatible with PostgREST, where they can be had; elsewhere the tests on them are left
/// out.
fn postgrest(shell: &Shell, tools: &Tools) {
    // Debian keeps the programs of PostgreSQL out of the PATH, but for this one.
    let programs = ["initdb", "pg_lsclusters"];
    let installed = system_package(shell, "PostgreSQL", "postgresql", &programs);
    if let Err(error) = installed.and_then(|()| cargo_tool(shell, &tools.postrust)) {
        println!("no PostgreSQL behind PostgREST here ({error:#}): its tests are left out");
    }
}

/// The programs that the measurements need.
pub(crate) fn for_bench(shell: &Shell) -> Result<()> {
    system_package(shell, "nginx", "nginx-light", &["nginx"])?;
    system_package(shell, "wrk", "wrk", &["wrk"])?;
    npm_packages(shell, Path::new("benches/js"))
}

/// What building for wasm32 needs.
pub(crate) fn for_wasm(shell: &Shell, tools: &Tools) -> Result<()> {
    wasm_target(shell, tools)?;
    node_packages(shell, tools)?;
    tools.cargo_tools().into_iter().try_for_each(|tool| cargo_tool(shell, tool))
}

/// Builds a program, unless it is there.
pub(crate) fn cargo_tool(shell: &Shell, tool: &CargoTool) -> Result<()> {
    if tool.path().exists() {
        return Ok(());
    }
    println!("building {} {}, once", tool.package, tool.version);
    let (package, version, root) = (tool.package, &tool.version, tool.root());
    let locked = tool.locked.then_some("--locked");
    let quick = tool.quick.then_some("--debug");
    // Its build must not inherit the environment of a wasm build.
    cmd!(shell, "cargo install {package} --version {version} {locked...} {quick...} --root {root}")
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_TARGET_DIR")
        .run()?;
    Ok(())
}

fn wasm_target(shell: &Shell, tools: &Tools) -> Result<()> {
    let toolchain = tools.wasm_toolchain.iter().map(|name| format!("+{name}"));
    let sysroot = cmd!(shell, "rustc {toolchain...} --print sysroot").quiet().read()?;
    if shell.path_exists(format!("{sysroot}/lib/rustlib/{WASM_TARGET}/lib")) {
        return Ok(());
    }
    if tools.wasm_toolchain.is_none()
        && cmd!(shell, "rustup target add {WASM_TARGET}").run().is_ok()
    {
        return Ok(());
    }
    bail!(
        "the target {WASM_TARGET} is missing, and rustup could not add it. Install a toolchain that has it by other \
         means (most systems package one: rust-std-static-wasm32-unknown-unknown, libstd-rust-dev-wasm32, …), link it \
         with `rustup toolchain link NAME PATH`, and name it in EDGECASK_WASM_TOOLCHAIN"
    )
}

/// Adds the target of WASI to the default toolchain, unless it is there. Tells whether it is there now.
pub(crate) fn wasi_target(shell: &Shell) -> bool {
    let sysroot = cmd!(shell, "rustc --print sysroot").quiet().read().unwrap_or_default();
    shell.path_exists(format!("{sysroot}/lib/rustlib/{WASI_TARGET}/lib"))
        || cmd!(shell, "rustup target add {WASI_TARGET}").run().is_ok()
}

fn node_packages(shell: &Shell, tools: &Tools) -> Result<()> {
    let version = cmd!(shell, "node --version").quiet().read().unwrap_or_default();
    let major =
        version.trim_start_matches('v').split('.').next().and_then(|major| major.parse().ok());
    if major.unwrap_or(0) < 20 {
        bail!(
            "Node 20 or later is needed for the JavaScript tests; `node --version` says '{version}'"
        );
    }
    npm_packages(shell, &tools.js)
}

/// Installs what the lock file of a folder names, unless it is there.
fn npm_packages(shell: &Shell, folder: &Path) -> Result<()> {
    let lock = shell.read_file(folder.join("package-lock.json"))?;
    let stamp = folder.join("node_modules/.edgecask-lock");
    if shell.read_file(&stamp).is_ok_and(|installed| installed == lock) {
        return Ok(());
    }
    cmd!(shell, "npm ci --prefix {folder} --no-audit --no-fund").run()?;
    shell.write_file(stamp, lock)?;
    Ok(())
}

/// Installs a program of the system's package manager, unless one of its names is there.
fn system_package(shell: &Shell, what: &str, package: &str, names: &[&str]) -> Result<()> {
    if names.iter().any(|name| is_there(shell, name)) {
        return Ok(());
    }
    let root = cmd!(shell, "id -u").quiet().read().is_ok_and(|id| id == "0");
    // `env` runs its arguments as they are.
    let run_as = if root { "env" } else { "sudo" };
    let installed = if is_there(shell, "apt-get") {
        // A list that is too old to find the package is refreshed.
        let update = cmd!(shell, "{run_as} apt-get update -q").run();
        update.and_then(|()| {
            let install = ["apt-get", "install", "-y", "-q", "--no-install-recommends"];
            cmd!(shell, "{run_as} {install...} {package}")
                .env("DEBIAN_FRONTEND", "noninteractive")
                .run()
        })
    } else if is_there(shell, "dnf") {
        cmd!(shell, "{run_as} dnf install -y {package}").run()
    } else if is_there(shell, "brew") {
        let package = if package == "redis-server" { "redis" } else { package };
        cmd!(shell, "brew install {package}").run()
    } else {
        bail!("{what} is needed for the tests: install it, and see that it is on the PATH");
    };
    if installed.is_err() || !names.iter().any(|name| is_there(shell, name)) {
        bail!("{what} is needed for the tests and could not be installed: install it by hand");
    }
    Ok(())
}

fn is_there(shell: &Shell, program: &str) -> bool {
    let script = format!("command -v {program}");
    cmd!(shell, "sh -c {script}").quiet().ignore_stderr().read().is_ok()
}
