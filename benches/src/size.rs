//! What users download: the npm package's wasm and the Worker, beside the JavaScript SDK.

use std::io::Write;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use flate2::Compression;
use flate2::write::GzEncoder;

pub(crate) struct Size {
    pub(crate) name: &'static str,
    pub(crate) bytes: usize,
    pub(crate) gzip: usize,
}

pub(crate) fn measure(root: &Path) -> Result<Vec<Size>> {
    let file = |name, path: &str| {
        let content = std::fs::read(root.join(path)).with_context(|| format!("{path} is built"))?;
        size(name, &content)
    };
    Ok(vec![
        file("the npm package's wasm, all of it", "pkg/web/edgecask_bg.wasm")?,
        file("its JavaScript", "pkg/web/workerd.js")?,
        file("its small module, the REST client alone", "pkg/client/edgecask_bg.wasm")?,
        file("its JavaScript", "pkg/client/workerd.js")?,
        file("the example Worker's wasm", "worker-example/build/index_bg.wasm")?,
        file("its JavaScript", "worker-example/build/index.js")?,
        size("a Worker's bundle of @upstash/redis/cloudflare, minified", &upstash(root)?)?,
    ])
}

fn size(name: &'static str, content: &[u8]) -> Result<Size> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
    gzip.write_all(content)?;
    Ok(Size { name, bytes: content.len(), gzip: gzip.finish()?.len() })
}

/// The smallest Worker that uses the SDK, as esbuild bundles it.
fn upstash(root: &Path) -> Result<Vec<u8>> {
    let source = "import { Redis } from '@upstash/redis/cloudflare'; \
                  export default { fetch: async (_, env) => new Response(await Redis.fromEnv(env).get('k')) };";
    let js = root.join("tests/js");
    let mut esbuild = Command::new(js.join("node_modules/.bin/esbuild"))
        .args([
            "--bundle",
            "--minify",
            "--format=esm",
            "--platform=neutral",
            "--main-fields=module,main",
        ])
        .current_dir(js)
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()?;
    esbuild.stdin.take().context("its input is piped")?.write_all(source.as_bytes())?;
    let output = esbuild.wait_with_output()?;
    ensure!(output.status.success(), "esbuild failed");
    Ok(output.stdout)
}
