// The npm package in a real Chromium: loaded as a module, over fetch and over the embedded engine.
import assert from "node:assert/strict";
import { it } from "node:test";
import { readFile } from "node:fs/promises";
import { startChromium, startHttp, startServer } from "./servers.mjs";

const pkg = new URL("../../pkg/web/", import.meta.url);
const types = { js: "text/javascript", wasm: "application/wasm", html: "text/html" };

/** Serves the package, and passes what begins with /rest on to the REST server, which browsers see as the same origin. */
function startPage(rest) {
  return startHttp(async (request, response) => {
    if (request.url.startsWith("/rest")) {
      const body = Buffer.concat(await chunks(request));
      const { authorization, "upstash-encoding": encoding } = request.headers;
      const headers = { authorization, ...(encoding && { "upstash-encoding": encoding }) };
      const answer = await fetch(rest.url + request.url.slice(5), { method: "POST", headers, body });
      response.writeHead(answer.status).end(await answer.text());
    } else if (request.url === "/") {
      response.writeHead(200, { "content-type": types.html }).end("<!doctype html><title>edgecask</title>");
    } else {
      const name = request.url.slice(1);
      const file = await readFile(new URL(name, pkg)).catch(() => null);
      response.writeHead(file ? 200 : 404, { "content-type": types[name.split(".").pop()] ?? "text/plain" }).end(file);
    }
  });
}

async function chunks(stream) {
  const all = [];
  for await (const chunk of stream) all.push(chunk);
  return all;
}

it("works in Chromium", async () => {
  const rest = await startServer();
  const page = await startPage(rest);
  const browser = await startChromium();
  try {
    const tab = await browser.newPage();
    await tab.goto(page.url);
    const seen = await tab.evaluate(async ({ token }) => {
      const { default: init, Client, LlmPolicyStore } = await import("/edgecask.js");
      await init();
      const run = async (client) => {
        await client.set("k", "héllo", { ex: 60 });
        const backing = { get: async (id) => ({ tenantId: id, defaultModel: "m" }), set() {}, delete: () => true };
        const policies = new LlmPolicyStore(client, { backing });
        await policies.get("acme");
        await policies.get("acme");
        const failed = await client.command(["INCR", "k"]).catch((error) => [error.name, error.kind, error.code]);
        return [await client.get("k"), policies.stats().hits, (await policies.health()).backend, failed];
      };
      const wrong = new Client({ url: `${location.origin}/rest`, token: "wrong" });
      return {
        memory: await run(Client.memory()),
        rest: await run(new Client({ url: `${location.origin}/rest`, token })),
        wrong: await wrong.ping().catch((error) => error.kind),
      };
    }, { token: rest.token });
    const failed = ["EdgecaskError", "Server", "ERR"];
    assert.deepEqual(seen, {
      memory: ["héllo", 1, "in-memory", failed],
      rest: ["héllo", 1, "redis", failed],
      wrong: "Unauthorized",
    });
  } finally {
    await browser.close();
    await page.stop();
    await rest.stop();
  }
});
