//! Builds for wasm32: the npm package and the Worker.

use std::path::Path;

use anyhow::Result;
use xshell::{Shell, cmd};

use crate::tools::Tools;

/// What rustc uses by default, and the exceptions with which worker-build's glue catches what JavaScript throws. wasm-opt
/// must not use more, or engines refuse the module.
const WASM_FEATURES: [&str; 7] = [
    "--enable-bulk-memory",
    "--enable-exception-handling",
    "--enable-multivalue",
    "--enable-mutable-globals",
    "--enable-nontrapping-float-to-int",
    "--enable-reference-types",
    "--enable-sign-ext",
];

/// The npm package: one wasm for Node, one for browsers, Workers and bundlers, behind one name; and a small one for them
/// with the client alone.
pub(crate) fn package(shell: &Shell, tools: &Tools) -> Result<()> {
    let wasm = tools.wasm_shell(shell)?;
    let pack = tools.wasm_pack.path();
    let root = shell.current_dir();
    for (target, folder, features) in
        [("nodejs", "node", "js-cache"), ("web", "web", "js-cache"), ("web", "client", "js")]
    {
        let out = root.join("pkg").join(folder);
        cmd!(wasm, "{pack} build --profile wasm --no-opt --no-pack --target {target} --out-dir {out} --out-name edgecask")
            .args(["--no-default-features", "--features", features])
            .run()?;
        let module = out.join("edgecask_bg.wasm");
        optimize(&wasm, &module)?;
        // With it, npm would leave the folder out of the package.
        shell.remove_path(out.join(".gitignore"))?;
    }
    // Node's form is CommonJS, in a package of modules.
    let node = root.join("pkg/node");
    for (from, to) in [("edgecask.js", "edgecask.cjs"), ("edgecask.d.ts", "edgecask.d.cts")] {
        std::fs::rename(node.join(from), node.join(to))?;
    }
    // A text and not a value: the first condition of its exports that fits counts, so their order matters.
    let manifest = shell.read_file("src/bindings/package.json")?;
    let version = concat!("\"version\": \"", env!("CARGO_PKG_VERSION"), "\"");
    let manifest = manifest.replace("\"version\": \"0.0.0\"", version);
    shell.write_file(root.join("pkg/package.json"), manifest)?;
    shell.copy_file(root.join("src/bindings/README.md"), root.join("pkg/README.md"))?;
    Ok(())
}

/// The Worker, in worker-example/build/.
pub(crate) fn worker(shell: &Shell, tools: &Tools, features: &[&str]) -> Result<()> {
    let wasm = tools.wasm_shell(shell)?;
    let build = tools.worker_build.path();
    wasm.change_dir("worker-example");
    let features = features.iter().flat_map(|feature| ["--features", feature]);
    cmd!(wasm, "{build} --profile wasm --no-opt . {features...}").run()?;
    optimize(&wasm, &wasm.current_dir().join("build/index_bg.wasm"))
}

/// Makes a module small, and takes the names of functions out of it.
fn optimize(wasm: &Shell, module: &Path) -> Result<()> {
    cmd!(wasm, "wasm-opt -Oz {WASM_FEATURES...} {module} -o {module}").run()?;
    Ok(())
}
