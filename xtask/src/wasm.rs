//! Builds for wasm32: the npm package and the Worker.

use std::path::Path;

use anyhow::Result;
use xshell::{Shell, cmd};

use crate::tools::Tools;

/// The features that rustc uses by default, and exceptions, by which worker-build's glue catches what JavaScript throws.
/// wasm-opt must not use more, or engines refuse the module.
const WASM_FEATURES: [&str; 7] = [
    "--enable-bulk-memory",
    "--enable-exception-handling",
    "--enable-multivalue",
    "--enable-mutable-globals",
    "--enable-nontrapping-float-to-int",
    "--enable-reference-types",
    "--enable-sign-ext",
];

/// The npm package: one wasm for Node, one for browsers, Workers and bundlers, under one name; and a small one for the latter
/// with the client alone. Each has the face of `js/face/` before it, which checks all input.
pub(crate) fn package(shell: &Shell, tools: &Tools) -> Result<()> {
    let wasm = tools.wasm_shell(shell)?;
    let pack = tools.wasm_pack.path();
    let root = shell.current_dir();
    for (target, folder, features) in
        [("nodejs", "node", "cache"), ("web", "web", "cache"), ("web", "client", "")]
    {
        let out = root.join("target/npm").join(folder);
        cmd!(wasm, "{pack} build js --profile wasm --no-opt --no-pack --target {target} --out-dir {out} --out-name edgecask")
            .args(["--features", features])
            .run()?;
        optimize(&wasm, &out.join("edgecask_bg.wasm"))?;
    }
    face(shell, tools)?;
    // Text and not a JSON value, because the order matters: the first condition of the exports that fits counts.
    let manifest = shell.read_file("js/package.json")?;
    let version = concat!("\"version\": \"", env!("CARGO_PKG_VERSION"), "\"");
    let manifest = manifest.replace("\"version\": \"0.0.0\"", version);
    shell.write_file(root.join("pkg/package.json"), manifest)?;
    shell.copy_file(root.join("js/README.md"), root.join("pkg/README.md"))?;
    Ok(())
}

/// The face, of which each folder of the package gets one file beside its wasm, and the types.
fn face(shell: &Shell, tools: &Tools) -> Result<()> {
    let root = shell.current_dir();
    let (tsc, esbuild) = (tools.node_bin("tsc"), tools.node_bin("esbuild"));
    let face = root.join("js/face");
    cmd!(shell, "{tsc} --project {face}").run()?;
    for (folder, entry, file, form) in [
        ("node", "node", "edgecask.cjs", &["--format=cjs", "--platform=node"][..]),
        ("web", "web", "edgecask.js", &["--format=esm"]),
        ("client", "small", "edgecask.js", &["--format=esm"]),
    ] {
        let (made, out) = (root.join("target/npm").join(folder), root.join("pkg").join(folder));
        shell.remove_path(&out)?;
        shell.create_dir(&out)?;
        let alias = format!("--alias:edgecask-wasm={}", made.join("edgecask.js").display());
        let outfile = format!("--outfile={}", out.join(file).display());
        let source = face.join(entry).with_extension("ts");
        cmd!(shell, "{esbuild} {source} --bundle --keep-names --target=es2022 --log-level=warning {form...} {alias} {outfile}")
            .run()?;
        shell.copy_file(made.join("edgecask_bg.wasm"), out.join("edgecask_bg.wasm"))?;

        let types = shell.create_dir(out.join("types"))?;
        for from in shell.read_dir(root.join("target/npm/types"))? {
            shell.copy_file(from, &types)?;
        }
        let mut declarations = format!("export * from \"./types/{entry}.js\";\n");
        if folder == "node" {
            // Node's form is CommonJS, in a package of modules.
            shell.write_file(types.join("package.json"), "{ \"type\": \"commonjs\" }\n")?;
            shell.write_file(out.join("edgecask.d.cts"), declarations)?;
        } else {
            declarations += &format!("export {{ default }} from \"./types/{entry}.js\";\n");
            shell.write_file(out.join("edgecask.d.ts"), declarations)?;
        }
    }
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
