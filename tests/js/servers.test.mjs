// A test that fails ends by itself, whatever it has started, and leaves no process behind.
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { it } from "node:test";

const url = (file) => JSON.stringify(new URL(file, import.meta.url).href);
const FAILING = `
  import { execFileSync } from "node:child_process";
  import { before, after, describe, it } from "node:test";
  import { Client } from ${url("../../pkg/node/edgecask.cjs")};
  import { startHttp, startMiniflare, startRedis, startServer } from ${url("./servers.mjs")};

  async function startEverything() {
    const redis = await startRedis();
    const server = await startServer(redis.url);
    await new Client(server).subscribe("news");
    new Client({ url: (await startHttp()).url, token: "t", timeoutMs: 3_600_000 }).ping().catch(() => {});
    const worker = startMiniflare({ modules: true, script: "export default { fetch: () => new Response() }" });
    await worker.dispatchFetch("http://worker/");
    const all = execFileSync("ps", ["-A", "-o", "pid=,ppid="], { encoding: "utf8" }).trim().split("\\n");
    const children = all.map((line) => line.trim().split(/ +/)).filter(([, parent]) => Number(parent) === process.pid);
    console.error("children:" + children.map(([pid]) => pid).join(","));
  }

  describe("what fails in before", () => {
    let server;
    before(async () => {
      await startEverything();
      throw new Error("before fails");
    });
    after(() => server.stop());
    it("does not run", () => {});
  });
  it("what fails in itself", async () => {
    await startEverything();
    throw new Error("the test fails");
  });
  it("what is stopped from outside", { skip: !process.env.STAYS }, async () => {
    await startEverything();
    console.error("stays");
    await new Promise((end) => setTimeout(end, 3_600_000));
  });
`;

/** The processes that run; one that has ended may still stand in the table. */
function running() {
  const all = execFileSync("ps", ["-A", "-o", "pid=,stat="], { encoding: "utf8" }).trim().split("\n");
  return new Set(all.map((line) => line.trim().split(/ +/)).filter(([, state]) => !state.startsWith("Z")).map(([pid]) => pid));
}

for (const stays of [false, true]) {
  it(stays ? "a test that is stopped takes its servers with it" : "a test that fails ends, and its servers with it", { timeout: 120_000 }, async () => {
    const folder = await mkdtemp(join(tmpdir(), "edgecask-failing-"));
    const file = join(folder, "failing.test.mjs");
    await writeFile(file, FAILING);
    // Under the variable, it would tell the runner of this file, and not its own output.
    const { NODE_TEST_CONTEXT, ...env } = process.env;
    const node = spawn("node", [file], { env: { ...env, ...(stays && { STAYS: "1" }) } });
    let said = "";
    node.stdout.on("data", (data) => (said += data));
    node.stderr.on("data", (data) => {
      said += data;
      if (stays && said.includes("stays")) node.kill();
    });
    const [status] = await once(node, "close");
    await rm(folder, { recursive: true });
    assert.equal(status, 1, said);
    const children = [...said.matchAll(/children:([\d,]+)/g)].flatMap(([, pids]) => pids.split(","));
    assert.ok(children.length >= 6, said);
    const left = running();
    assert.deepEqual(children.filter((pid) => left.has(pid)), [], said);
    if (!stays) assert.match(said, /before fails[^]*the test fails/);
  });
}
