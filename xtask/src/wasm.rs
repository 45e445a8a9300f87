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

/// What users load, which has a budget: the wasm, the code around it for Workers, and both in one file for browsers and bundlers.
pub(crate) const MADE: [&str; 6] = [
    "pkg/client/edgecask.js",
    "pkg/client/edgecask_bg.wasm",
    "pkg/client/workerd.js",
    "pkg/web/edgecask.js",
    "pkg/web/edgecask_bg.wasm",
    "pkg/web/workerd.js",
];

/// A part of the npm package that has a wasm of its own, which stands in the folder `wasm`.
struct Module {
    /// Where its wasm and its forms for browsers, bundlers and Workers are.
    folder: &'static str,
    /// Where its form for Node is.
    node: &'static str,
    /// Its face, in `js/face/`.
    entry: &'static str,
    features: &'static str,
}

const ESM: &[&str] = &["--format=esm"];
/// With a list of the exports, by which Node lets modules import them by name.
const CJS: &[&str] =
    &["--format=cjs", "--platform=node", "--log-override:empty-import-meta=silent"];

/// All of it, and the client of the REST API alone.
const MODULES: [Module; 2] = [
    Module { folder: "web", node: "node", entry: "whole", features: "cache" },
    Module { folder: "client", node: "client", entry: "small", features: "" },
];

/// The npm package. Each of its modules has one wasm behind the face of `js/face/`, which checks what comes in, in three forms:
/// the ES module and the CommonJS module hold the wasm in themselves, so that every bundler takes them as they are; that of
/// Workers imports it, because a Worker may not compile it.
pub(crate) fn package(shell: &Shell, tools: &Tools) -> Result<()> {
    let wasm = tools.wasm_shell(shell)?;
    let pack = tools.wasm_pack.path();
    let root = shell.current_dir();
    for Module { folder, features, .. } in MODULES {
        let out = root.join("target/npm").join(folder);
        cmd!(wasm, "{pack} build js --profile wasm --no-opt --no-pack --target web --out-dir {out} --out-name edgecask")
            .args(["--features", features])
            .run()?;
        optimize(&wasm, &out.join("edgecask_bg.wasm"))?;
    }
    face(shell, tools)
}

/// The face over each module, the types, and what else the package holds.
fn face(shell: &Shell, tools: &Tools) -> Result<()> {
    let root = shell.current_dir();
    let (source, pkg) = (root.join("js/face"), root.join("pkg"));
    let tsc = tools.node_bin("tsc");
    shell.remove_path(root.join("target/npm/types"))?;
    cmd!(shell, "{tsc} --project {source}").run()?;
    shell.remove_path(&pkg)?;
    types(shell, &root.join("target/npm/types"), &pkg)?;
    for Module { folder, node, entry, .. } in MODULES {
        let (made, out) = (root.join("target/npm").join(folder), pkg.join(folder));
        let wasm = made.join("edgecask_bg.wasm");
        shell.create_dir(&out)?;
        shell.copy_file(&wasm, out.join("edgecask_bg.wasm"))?;
        shell.copy_file(source.join("wasm-file.d.ts"), out.join("edgecask_bg.wasm.d.ts"))?;
        let inline = format!("--alias:edgecask-module={}", wasm.display());
        let beside = "--alias:edgecask-module=./edgecask_bg.wasm";
        let glue = format!("--alias:edgecask-wasm={}", made.join("edgecask.js").display());
        let face = source.join(entry).with_extension("ts");
        for (file, form, module) in [
            (out.join("edgecask.js"), ESM, &*inline),
            (out.join("workerd.js"), ESM, beside),
            (pkg.join(node).join("edgecask.cjs"), CJS, &*inline),
        ] {
            bundle(shell, tools, &face, &file, &[form, &[module, &glue]].concat())?;
        }
        // One module for both of Node's forms, so that both have the same classes and one memory.
        let both = "export * from \"./edgecask.cjs\";\nexport { init as default } from \"./edgecask.cjs\";\n";
        shell.write_file(pkg.join(node).join("node.js"), both)?;
    }
    for (file, form) in [("upstash.js", ESM), ("upstash.cjs", CJS)] {
        let out = pkg.join("upstash").join(file);
        bundle(shell, tools, &source.join("upstash.ts"), &out, form)?;
    }
    // A text and not a value: the first condition of its exports that fits counts, so their order matters.
    let manifest = shell.read_file("js/package.json")?;
    let version = concat!("\"version\": \"", env!("CARGO_PKG_VERSION"), "\"");
    let manifest = manifest.replace("\"version\": \"0.0.0\"", version);
    shell.write_file(pkg.join("package.json"), manifest)?;
    shell.copy_file("js/README.md", pkg.join("README.md"))?;
    for license in ["LICENSE-MIT", "LICENSE-APACHE"] {
        shell.copy_file(license, pkg.join(license))?;
    }
    Ok(())
}

fn bundle(shell: &Shell, tools: &Tools, entry: &Path, out: &Path, how: &[&str]) -> Result<()> {
    let esbuild = tools.node_bin("esbuild");
    let out = format!("--outfile={}", out.display());
    let (ours, beside, peer) = (
        "--external:edgecask/client",
        "--external:./edgecask_bg.wasm",
        "--external:@upstash/redis",
    );
    // A module holds its wasm in base64, which every host decodes.
    let form = [
        "--bundle",
        "--keep-names",
        "--target=es2022",
        "--loader:.wasm=binary",
        ours,
        beside,
        peer,
    ];
    cmd!(shell, "{esbuild} {entry} {form...} --log-level=warning {how...} {out}").run()?;
    Ok(())
}

/// The types, for modules of both kinds: TypeScript tells by the folder's `package.json` which one a file is.
fn types(shell: &Shell, made: &Path, pkg: &Path) -> Result<()> {
    for (folder, kind) in [("types", "module"), ("types-cjs", "commonjs")] {
        let types = shell.create_dir(pkg.join(folder))?;
        for from in shell.read_dir(made)? {
            shell.copy_file(from, &types)?;
        }
        let manifest = format!("{{ \"type\": \"{kind}\" }}\n");
        shell.write_file(types.join("package.json"), manifest)?;
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
