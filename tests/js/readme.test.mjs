// Every snippet of the package's README, run as it stands there: in Node, or in workerd.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { startMiniflare, startRedis, startServer } from "./servers.mjs";

const pkg = new URL("../../pkg/", import.meta.url).pathname;
const readme = await readFile(new URL("../../js/README.md", import.meta.url), "utf8");
const snippets = [...readme.matchAll(/```js\n([^]*?)```/g)].map(([, code]) => code);

/** What the snippets take for given. */
const GIVEN = `
  globalThis.myDatabase = { get: (tenantId) => ({ tenantId }), set() {}, delete: () => true };
  globalThis.database = { profile: (name) => ({ name }), profiles: (ids) => ids.map((id) => ({ id })) };
  globalThis.myLog = { write() {} };
`;

describe("the README", () => {
  let server, redis, folder;
  before(async () => {
    redis = await startRedis();
    server = await startServer(redis.url);
    folder = await mkdtemp(join(tmpdir(), "edgecask-readme-"));
    await mkdir(join(folder, "node_modules/@upstash"), { recursive: true });
    await cp(pkg, join(folder, "node_modules/edgecask"), { recursive: true });
    for (const name of ["@upstash/redis", "ioredis"]) {
      await symlink(new URL(`node_modules/${name}`, import.meta.url).pathname, join(folder, "node_modules", name));
    }
    await writeFile(join(folder, "given.mjs"), GIVEN);
  });
  after(async () => {
    await server.stop();
    await redis.stop();
    await rm(folder, { recursive: true });
  });

  it("has snippets", () => assert.ok(snippets.length >= 6));

  for (const [at, code] of snippets.entries()) {
    const inWorker = code.includes("export default");
    it(`is right in its snippet ${at + 1}`, async () => {
      const env = { UPSTASH_REDIS_REST_URL: server.url, UPSTASH_REDIS_REST_TOKEN: server.token, REDIS_PORT: String(redis.port) };
      if (inWorker) {
        const contents = code.replace('"edgecask"', '"./edgecask.js"');
        const file = (name) => readFile(`${pkg}web/${name}`);
        const worker = startMiniflare({
          modules: [
            { type: "ESModule", path: "index.js", contents },
            { type: "ESModule", path: "edgecask.js", contents: await file("workerd.js") },
            { type: "CompiledWasm", path: "edgecask_bg.wasm", contents: await file("edgecask_bg.wasm") },
          ],
          compatibilityDate: "2026-04-01",
          bindings: env,
        });
        const answers = await Promise.all(Array.from({ length: 50 }, () => worker.dispatchFetch("http://worker/")));
        for (const answer of answers) assert.deepEqual([answer.status, await answer.json()], [200, { name: "Ada" }]);
        await worker.dispose();
        return;
      }
      const name = join(folder, `${at}.mjs`);
      await writeFile(name, `import "./given.mjs";\n${code}`);
      const node = spawn("node", [name], { env: { ...process.env, ...env }, stdio: ["ignore", "ignore", "pipe"], timeout: 60_000 });
      let said = "";
      node.stderr.on("data", (data) => (said += data));
      const [status] = await once(node, "close");
      assert.deepEqual([status, said], [0, ""]);
    });
  }
});
