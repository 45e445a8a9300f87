// The package where it is bundled: by esbuild for browsers and for Node, and by wrangler for a Worker.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { cp, mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { before, describe, it } from "node:test";
import { linked } from "./package.mjs";
import { startChromium, startHttp, startMiniflare, startServer } from "./servers.mjs";

const TSC = new URL("node_modules/typescript/bin/tsc", import.meta.url).pathname;
const NODE = `
  import init, { Cache, Client } from "edgecask";
  import { Client as Small } from "edgecask/client";
  import { Redis } from "edgecask/upstash";
  (async () => {
    await init();
    const cache = new Cache(Client.memory());
    const value = await cache.getOrLoad("k", 60, () => "loaded");
    const rejected = await new Redis(new Small({ url: "http://127.0.0.1:4", token: "t" })).get("k").catch((error) => error.kind);
    console.log(value, rejected);
  })();
`;

describe("the package in bundles", () => {
  let folder;
  const esbuild = (...args) => execFileSync(join(folder, "node_modules/esbuild/bin/esbuild"), ["--bundle", "--log-level=warning", ...args], { cwd: folder });
  before(async () => {
    folder = await linked.folder();
    await writeFile(join(folder, "node.mjs"), NODE);
  });

  for (const module of ["nodenext", "esnext"]) {
    it(`has types for strict programs, ${module}`, async () => {
      await cp(new URL("types.ts", import.meta.url), join(folder, "types.ts"));
      const moduleResolution = module === "esnext" ? "bundler" : module;
      const compilerOptions = { target: "es2022", module, moduleResolution, strict: true, types: ["node"], skipLibCheck: false, noEmit: true };
      await writeFile(join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions, files: ["types.ts"] }));
      execFileSync("node", [TSC, "-p", folder], { stdio: ["ignore", "inherit", "inherit"] });
    });
  }

  for (const [file, format] of [["node-esm.mjs", "esm"], ["node-cjs.cjs", "cjs"]]) {
    it(`of esbuild for Node, ${format}`, async () => {
      await mkdir(join(folder, "apart"), { recursive: true });
      esbuild("node.mjs", "--platform=node", `--format=${format}`, `--outfile=apart/${file}`);
      assert.equal(execFileSync("node", [join(folder, "apart", file)], { encoding: "utf8" }), "loaded Connect\n");
    });
  }

  it("is one module in Node, imported and required", async () => {
    const script = `
      import init, { Client, Cache } from "edgecask";
      import { createRequire } from "node:module";
      const required = createRequire(import.meta.url)("edgecask");
      await init();
      await required.init(new Uint8Array());
      console.log(required.Client === Client, new Cache(required.Client.memory()) instanceof required.Cache);
    `;
    await writeFile(join(folder, "both.mjs"), script);
    assert.equal(execFileSync("node", ["both.mjs"], { cwd: folder, encoding: "utf8" }), "true true\n");
  });

  it("of esbuild for browsers, in Chromium", async () => {
    const script = `
      import init, { Cache, Client } from "edgecask";
      const cache = new Cache(Client.memory());
      init().then(() => cache.getOrLoad("k", 60, () => "loaded")).then((value) => (document.title = value));
    `;
    await writeFile(join(folder, "browser.mjs"), script);
    esbuild("browser.mjs", "--outfile=browser.js");
    const bundle = await readFile(join(folder, "browser.js"));
    const page = await startHttp((request, response) => {
      if (request.url === "/browser.js") response.setHeader("content-type", "text/javascript").end(bundle);
      else response.setHeader("content-type", "text/html").end('<!doctype html><title></title><script src="/browser.js"></script>');
    });
    const browser = await startChromium();
    try {
      const tab = await browser.newPage();
      await tab.goto(page.url);
      await tab.waitForFunction(() => document.title === "loaded", null, { timeout: 20_000 });
    } finally {
      await browser.close();
      await page.stop();
    }
  });

  it("of wrangler, in workerd", async () => {
    const server = await startServer();
    const script = `
      import { Cache, Client } from "edgecask";
      import { Redis } from "edgecask/upstash";
      let cache, redis;
      export default {
        async fetch(request, env, context) {
          cache ??= new Cache(Client.fromEnv(env));
          redis ??= Redis.fromEnv(env);
          await redis.set("s", { n: 1 });
          const loaded = await cache.waitUntil(context).getOrLoad("k", 60, () => "loaded");
          return Response.json([loaded, await redis.get("s")]);
        },
      };
    `;
    await writeFile(join(folder, "worker.mjs"), script);
    await writeFile(join(folder, "wrangler.toml"), 'name = "w"\nmain = "worker.mjs"\ncompatibility_date = "2026-04-01"\n');
    const env = { ...process.env, WRANGLER_SEND_METRICS: "false", CI: "1" };
    execFileSync("node", ["node_modules/wrangler/bin/wrangler.js", "deploy", "--dry-run", "--outdir", "built"], { cwd: folder, env, stdio: ["ignore", "ignore", "inherit"] });
    const built = join(folder, "built");
    const files = await readdir(built);
    const modules = await Promise.all(files.filter((name) => /\.(js|wasm)$/.test(name)).map(async (name) => ({
      type: name.endsWith(".wasm") ? "CompiledWasm" : "ESModule",
      path: name,
      contents: await readFile(join(built, name)),
    })));
    modules.sort((one) => (one.path === "worker.js" ? -1 : 1));
    const worker = startMiniflare({
      modules,
      compatibilityDate: "2026-04-01",
      bindings: { UPSTASH_REDIS_REST_URL: server.url, UPSTASH_REDIS_REST_TOKEN: server.token },
    });
    const answers = await Promise.all(Array.from({ length: 20 }, () => worker.dispatchFetch("http://worker/")));
    for (const answer of answers) assert.deepEqual(await answer.json(), ["loaded", { n: 1 }]);
    await worker.dispose();
    await server.stop();
  });
});
