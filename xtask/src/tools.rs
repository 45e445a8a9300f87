//! The tools that do not come with cargo. They are built once into a cache outside the checkout, a folder for each version.

use std::path::PathBuf;

use anyhow::{Context, Result};
use xshell::Shell;

/// A program that `cargo install` builds.
#[derive(Debug)]
pub(crate) struct CargoTool {
    pub(crate) package: &'static str,
    pub(crate) binary: &'static str,
    pub(crate) version: String,
    /// Whether the program's own lock file is used.
    pub(crate) locked: bool,
    /// Whether it is built without optimisation, which takes less time.
    pub(crate) quick: bool,
    root: PathBuf,
}

impl CargoTool {
    pub(crate) fn root(&self) -> PathBuf {
        self.root.join(format!("{}-{}", self.package, self.version))
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.root().join("bin").join(self.binary)
    }
}

#[derive(Debug)]
pub(crate) struct Tools {
    pub(crate) wasm_bindgen: CargoTool,
    pub(crate) worker_build: CargoTool,
    pub(crate) wasm_pack: CargoTool,
    pub(crate) cargo_fuzz: CargoTool,
    pub(crate) cargo_deny: CargoTool,
    /// A server that is compatible with PostgREST. `tests/harness/postgrest.rs` names its folder.
    pub(crate) postrust: CargoTool,
    /// The folder of the JavaScript tests, whose packages also bring esbuild and wasm-opt.
    pub(crate) js: PathBuf,
    /// A toolchain that has the wasm32 target, if it is not the default one.
    pub(crate) wasm_toolchain: Option<String>,
}

impl Tools {
    pub(crate) fn new(shell: &Shell) -> Result<Self> {
        let cache = match std::env::var_os("XDG_CACHE_HOME") {
            Some(cache) => PathBuf::from(cache),
            None => std::env::home_dir().context("there is no home directory")?.join(".cache"),
        };
        let root = cache.join("edgecask");
        let tool = |package, binary, version: &str, locked| CargoTool {
            package,
            binary,
            version: version.to_owned(),
            locked,
            quick: false,
            root: root.clone(),
        };
        // Generated code and its tool must be of the same version.
        let wasm_bindgen = locked_version(shell, "wasm-bindgen")?;
        Ok(Self {
            // Its own lock file names packages that were withdrawn.
            wasm_bindgen: tool("wasm-bindgen-cli", "wasm-bindgen", &wasm_bindgen, false),
            worker_build: tool("worker-build", "worker-build", "0.8.7", true),
            wasm_pack: tool("wasm-pack", "wasm-pack", "0.15.1", true),
            cargo_fuzz: tool("cargo-fuzz", "cargo-fuzz", "0.13.2", true),
            cargo_deny: tool("cargo-deny", "cargo-deny", "0.20.2", true),
            // Its own lock file names packages that were withdrawn.
            postrust: CargoTool {
                quick: true,
                ..tool("postrust-server", "postrust", "3.1.0", false)
            },
            js: shell.current_dir().join("tests/js"),
            wasm_toolchain: std::env::var("EDGECASK_WASM_TOOLCHAIN").ok(),
        })
    }

    /// The tools that building for wasm needs.
    pub(crate) fn cargo_tools(&self) -> [&CargoTool; 3] {
        [&self.wasm_bindgen, &self.worker_build, &self.wasm_pack]
    }

    /// A program of the JavaScript packages.
    pub(crate) fn node_bin(&self, name: &str) -> PathBuf {
        self.js.join("node_modules/.bin").join(name)
    }

    /// A shell in which the wasm tools are found, and cargo builds for wasm32.
    pub(crate) fn wasm_shell(&self, shell: &Shell) -> Result<Shell> {
        let wasm = shell.clone();
        let path = std::env::var_os("PATH").unwrap_or_default();
        let own = [
            self.wasm_bindgen.root().join("bin"),
            self.wasm_pack.root().join("bin"),
            self.js.join("node_modules/.bin"),
        ];
        wasm.set_var(
            "PATH",
            std::env::join_paths(own.into_iter().chain(std::env::split_paths(&path)))?,
        );
        wasm.set_var("WASM_BINDGEN_BIN", self.wasm_bindgen.path());
        wasm.set_var("WASM_OPT_BIN", self.node_bin("wasm-opt"));
        wasm.set_var("ESBUILD_BIN", self.node_bin("esbuild"));
        if let Some(toolchain) = &self.wasm_toolchain {
            wasm.set_var("RUSTUP_TOOLCHAIN", toolchain);
        }
        Ok(wasm)
    }
}

/// The version of a package in Cargo.lock.
fn locked_version(shell: &Shell, package: &str) -> Result<String> {
    let lock = shell.read_file("Cargo.lock").context("Cargo.lock is part of the repository")?;
    let mut lines = lock.lines().skip_while(|line| *line != format!("name = \"{package}\""));
    let version =
        lines.nth(1).and_then(|line| line.strip_prefix("version = \"")?.strip_suffix('"'));
    Ok(version.with_context(|| format!("{package} is not in Cargo.lock"))?.to_owned())
}
