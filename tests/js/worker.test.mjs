// The Worker of worker-example/ in the real workerd: the main job, and the behaviour suite inside it.
import assert from "node:assert/strict";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { after, before, describe, it } from "node:test";
import { ask, startHttp, startMiniflare, startRedis, startServer } from "./servers.mjs";

const build = new URL("../../worker-example/build/", import.meta.url).pathname;

/** The server-sent events of a response that carry data. */
async function* serverSentEvents(response) {
  let text = "";
  for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
    const blocks = (text + chunk).split("\n\n");
    text = blocks.pop();
    for (const block of blocks) {
      const event = Object.fromEntries(block.split("\n").map((line) => line.split(/: ?(.*)/s)));
      if (event.data) yield { id: event.id, data: JSON.parse(event.data) };
    }
  }
}

function startWorker(bindings) {
  return startMiniflare({
    modules: true,
    modulesRoot: build,
    scriptPath: `${build}index.js`,
    modulesRules: [
      { type: "ESModule", include: ["**/*.js"] },
      { type: "CompiledWasm", include: ["**/*.wasm"] },
    ],
    compatibilityDate: "2026-04-01",
    bindings,
  });
}

describe("the Worker", () => {
  let redis, server, worker;
  const call = (path, init) => worker.dispatchFetch(`http://worker${path}`, init);
  const json = async (path) => (await call(path)).json();

  before(async () => {
    redis = await startRedis();
    server = await startServer(redis.url);
    worker = startWorker({ UPSTASH_REDIS_REST_URL: server.url, UPSTASH_REDIS_REST_TOKEN: server.token });
  });
  after(async () => {
    await worker.dispose();
    await server.stop();
    await redis.stop();
  });

  it("reads a policy through the cache", async () => {
    const policy = await json("/policies/acme-corp");
    assert.equal(policy.tenantId, "acme-corp");
    assert.deepEqual(await json("/policies/acme-corp"), policy);
    assert.deepEqual(JSON.parse(await ask(server, "GET", "copilot:llm:policy:acme-corp")), policy);
    const { hits, misses, loads } = await json("/stats");
    assert.deepEqual({ hits, misses, loads }, { hits: 1, misses: 1, loads: 1 });
    assert.equal((await call("/policies/nobody")).status, 404);
  });

  it("answers from the HTTP cache until a write", async () => {
    const first = await call("/reports/sales");
    assert.match(first.headers.get("cache-status"), /fwd=uri-miss; stored/);
    const body = await first.text();
    const second = await call("/reports/sales");
    assert.match(second.headers.get("cache-status"), /hit/);
    assert.equal(await second.text(), body);
    assert.ok(second.headers.has("age"));
    assert.ok(second.headers.has("etag"));
    assert.equal((await call("/reports/sales", { method: "POST" })).status, 204);
    const third = await call("/reports/sales");
    assert.match(third.headers.get("cache-status"), /fwd=uri-miss; stored/);
    await third.text();
  });

  it("writes and deletes, and the next read sees it", async () => {
    const body = JSON.stringify({ defaultModel: "small", region: "eu" });
    assert.equal((await call("/policies/new%20tenant", { method: "PUT", body })).status, 204);
    const policy = await json("/policies/new%20tenant");
    assert.deepEqual([policy.tenantId, policy.defaultModel, policy.region], ["new tenant", "small", "eu"]);
    assert.equal(await ask(server, "EXISTS", "copilot:llm:policy:new tenant"), 1);
    assert.equal((await call("/policies/new%20tenant", { method: "DELETE" })).status, 204);
    assert.equal((await call("/policies/new%20tenant")).status, 404);
    assert.equal((await call("/policies/x", { method: "PUT", body: "{" })).status, 400);
    assert.equal((await call("/policies/")).status, 404);
  });

  it("streams the events of a tenant, and resumes after the last one", async () => {
    const publish = async (number) => {
      const body = JSON.stringify({ number });
      assert.equal((await call("/events/acme-corp", { method: "POST", body })).status, 204);
    };
    const stream = async (headers = {}) => {
      const response = await call("/events/acme-corp", { headers });
      assert.equal(response.headers.get("content-type"), "text/event-stream");
      return serverSentEvents(response);
    };
    const [one, other] = [await stream(), await stream()];
    await publish(1);
    await publish(2);
    const first = (await one.next()).value;
    assert.deepEqual(first.data, { number: 1 });
    assert.deepEqual((await one.next()).value.data, { number: 2 });
    assert.deepEqual((await other.next()).value, first);
    await one.return();
    await other.return();

    await publish(3);
    const resumed = await stream({ "last-event-id": first.id });
    await publish(4);
    for (const number of [2, 3, 4]) assert.deepEqual((await resumed.next()).value.data, { number });
    await resumed.return();
    assert.equal((await call("/events/acme-corp", { method: "POST", body: "{" })).status, 400);
  });

  it("serves many requests at the same time", async () => {
    const answers = await Promise.all(Array.from({ length: 50 }, () => call("/policies/globex")));
    assert.deepEqual([...new Set(answers.map((answer) => answer.status))], [200]);
    await Promise.all(answers.map((answer) => answer.text()));
  });

  it("tells its health, and goes on without its cache", async () => {
    const health = await json("/health");
    assert.ok(health.healthy && health.backend === "redis");
    await redis.stop();
    assert.equal((await json("/policies/acme-corp")).tenantId, "acme-corp");
    const answer = await call("/health");
    assert.equal(answer.status, 503);
    const sick = await answer.json();
    assert.ok(!sick.healthy && sick.error && !sick.error.includes(server.token));
    redis = await startRedis(redis.port);
    while (!(await json("/health")).healthy);
    await json("/policies/acme-corp");
    assert.equal(await ask(server, "EXISTS", "copilot:llm:policy:acme-corp"), 1);
  });
});

describe("the npm package in a Worker", () => {
  const IMPORTS = `
    import init, { Cache, Client, initSync, setWorker } from "./edgecask.js";
    import wasm from "./edgecask_bg.wasm";
  `;
  const source = `
    let cache;
    export default {
      async fetch(request, { url, token }, context) {
        await init(wasm);
        cache ??= new Cache(new Client({ url, token }), { edge: { ttlSeconds: 60 } });
        const ours = cache.waitUntil(context);
        const key = new URL(request.url).pathname.slice(1);
        if (request.method === "PUT") await ours.set(key, await request.text(), 60);
        const value = (await ours.get(key)) ?? null;
        return Response.json({ value, edgeHits: ours.stats().edgeHits });
      },
    };`;
  const startPackage = async (bindings, script = source, options = {}) => {
    const file = (name) => readFile(new URL(`../../pkg/web/${name}`, import.meta.url));
    return startMiniflare({
      modules: [
        { type: "ESModule", path: "index.js", contents: IMPORTS + script },
        { type: "ESModule", path: "edgecask.js", contents: await file("workerd.js") },
        { type: "CompiledWasm", path: "edgecask_bg.wasm", contents: await file("edgecask_bg.wasm") },
      ],
      compatibilityDate: "2026-04-01",
      bindings,
      ...options,
    });
  };

  for (const [how, handle] of [
    ["a cache of the isolate", "cache.getOrLoad(key, 60, load)"],
    ["a cache of the isolate that was told to coalesce", "cache.getOrLoad(key, 60, load)", "{ coalesce: true }"],
    ["the request's own background", "cache.waitUntil(context).getOrLoad(key, 60, load)"],
    ["the call's own background", "cache.getOrLoad(key, { ttlSeconds: 60, waitUntil: context }, load)"],
  ].map(([how, call, options = "{}"]) => [how, { call, options }])) {
    it(`answers 50 requests at the same time through ${how}`, async () => {
      const server = await startServer();
      const worker = await startPackage({ url: server.url, token: server.token }, `
        let cache;
        export default {
          async fetch(request, { url, token }, context) {
            await init(wasm);
            cache ??= new Cache(new Client({ url, token }), ${handle.options});
            const key = new URL(request.url).pathname.slice(1);
            const load = async () => {
              await new Promise((wake) => setTimeout(wake, 100));
              return "loaded";
            };
            return Response.json(await ${handle.call});
          },
        };`);
      const answers = await Promise.all(Array.from({ length: 50 }, () => worker.dispatchFetch("http://worker/k")));
      const texts = await Promise.all(answers.map((answer) => answer.text()));
      assert.deepEqual([[...new Set(answers.map(({ status }) => status))], [...new Set(texts)]], [[200], ['"loaded"']]);
      await worker.dispose();
      await server.stop();
    });
  }

  const OTHER = 'Object.defineProperty(globalThis, "navigator", { value: { userAgent: "Mozilla/5.0" } });';
  for (const [how, first] of [
    ["by its navigator", "globalThis.WebSocketPair = undefined;"],
    ["by its WebSocketPair", OTHER],
    ["because it is said to be one", `${OTHER} globalThis.WebSocketPair = undefined; setWorker(true);`],
  ]) {
    it(`is known to run in a Worker ${how}, where requests load on their own`, async () => {
      const server = await startServer();
      const worker = await startPackage({ url: server.url, token: server.token }, `
        ${first}
        let cache, loads = 0;
        export default {
          async fetch(request, { url, token }) {
            await init(wasm);
            cache ??= new Cache(new Client({ url, token }), { leaseWaitMs: 0 });
            const load = async () => {
              loads++;
              while (loads < 2) await new Promise((wake) => setTimeout(wake, 10));
              return "loaded";
            };
            return Response.json(await cache.getOrLoad("k", { ttlSeconds: 60, hardTimeoutMs: 10_000 }, load));
          },
        };`);
      const answers = await Promise.all([1, 2].map(() => worker.dispatchFetch("http://worker/")));
      assert.deepEqual(await Promise.all(answers.map((answer) => answer.json())), ["loaded", "loaded"]);
      await worker.dispose();
      await server.stop();
    });
  }

  it("coalesces within a request", async () => {
    const server = await startServer();
    const worker = await startPackage({ url: server.url, token: server.token }, `
      initSync(wasm);
      let cache;
      export default {
        async fetch(request, { url, token }, context) {
          cache ??= new Cache(new Client({ url, token }));
          const ours = cache.waitUntil(context);
          let loads = 0;
          await Promise.all(Array.from({ length: 20 }, () => ours.getOrLoad("k", 60, async () => ++loads)));
          return Response.json(loads);
        },
      };`);
    assert.equal(await (await worker.dispatchFetch("http://worker/")).json(), 1);
    await worker.dispose();
    await server.stop();
  });

  it("says what to do where a Worker may not do I/O, and does not warn of its start", async () => {
    const server = await startServer();
    const output = [];
    const worker = await startPackage({ url: server.url, token: server.token }, `
      initSync(wasm);
      const refused = await new Client({ url: "https://example.upstash.io", token: "t" }).get("k").catch((error) => error);
      export default {
        async fetch(request, { url, token }) {
          await init(wasm);
          const wrong = await new Client({ url, token }).get(1).catch((error) => error.kind);
          const { kind, message } = refused;
          const away = new Cache(new Client({ url: "http://127.0.0.1:4", token: "planted-token" }));
          await away.get("k");
          return Response.json({ kind, message, wrong, value: await new Client({ url, token }).get("k") });
        },
      };`, { handleRuntimeStdio: (stdout, stderr) => [stdout, stderr].forEach((stream) => stream.on("data", (data) => output.push(data))) });
    const { kind, message, wrong, value } = await (await worker.dispatchFetch("http://worker/")).json();
    assert.deepEqual([kind, wrong, value], ["Unsupported", "InvalidInput", null]);
    assert.match(message, /inside of a handler/);
    await worker.dispose();
    const written = output.join("");
    assert.match(written, /Redis is away/);
    assert.doesNotMatch(written, /deprecated|planted-token/);
    await server.stop();
  });

  describe("what Redis has missed", () => {
    let redis, server, worker;
    const call = async (path) => (await worker.dispatchFetch(`http://worker/${path}`)).json();
    const restart = async () => (server = await startServer(redis.url, "--port", new URL(server.url).port));
    before(async () => {
      redis = await startRedis();
      server = await startServer(redis.url);
      worker = await startPackage({ url: server.url, token: server.token }, `
        let cache;
        export default {
          async fetch(request, { url, token }, context) {
            await init(wasm);
            cache ??= new Cache(new Client({ url, token }), { logger: () => {} });
            const ours = cache.waitUntil(context);
            switch (new URL(request.url).pathname) {
              case "/set": return Response.json(await ours.set("k", "old", 600));
              case "/delete": return Response.json(await ours.delete("k"));
              case "/delete-without-background": return Response.json(await cache.delete("k"));
              case "/owed": return Response.json(cache.owed);
              case "/catch-up": return Response.json(await cache.catchUp());
              case "/do-not-wait": cache.catchUp(); return Response.json(cache.owed);
            }
          },
        };`);
    });
    after(async () => {
      await worker.dispose();
      await server.stop();
      await redis.stop();
    });

    it("is made up for after the answer", async () => {
      assert.deepEqual(await call("set"), { owed: false });
      await server.stop();
      assert.deepEqual(await call("set"), { owed: true });
      assert.deepEqual(await call("delete"), { count: 0, owed: true });
      assert.equal(await call("owed"), 1);
      await restart();
      while (await ask(server, "EXISTS", "k"));
      while (await call("owed"));
    });

    it("is made up for by the next request", async () => {
      assert.deepEqual(await call("set"), { owed: false });
      await server.stop();
      assert.deepEqual(await call("delete-without-background"), { count: 0, owed: true });
      assert.equal(await call("catch-up"), false);
      await restart();
      while (!(await call("catch-up")));
      assert.equal(await ask(server, "EXISTS", "k"), 0);
    });

    it("is made up for though a request was cut off in the middle of it", { timeout: 30_000 }, async () => {
      assert.deepEqual(await call("set"), { owed: false });
      await server.stop();
      assert.deepEqual(await call("delete-without-background"), { count: 0, owed: true });
      const hung = await startHttp(undefined, new URL(server.url).port);
      const asked = once(hung, "request");
      assert.equal(await call("do-not-wait"), 1);
      const [{ socket }] = await asked;
      if (!socket.closed) await once(socket, "close");
      await hung.stop();
      await restart();
      while (!(await call("catch-up")));
      assert.equal(await ask(server, "EXISTS", "k"), 0);
    });
  });

  it("keeps values in the data center's own cache, until it writes them", async () => {
    let server = await startServer();
    const { port } = new URL(server.url);
    const worker = await startPackage({ url: server.url, token: server.token });
    const ask = async (key, init) => (await worker.dispatchFetch(`http://worker/${key}`, init)).json();
    assert.equal((await ask("k", { method: "PUT", body: "old" })).value, "old");
    const { default: near } = await worker.getCaches();
    const isHeld = async () => (await near.match("https://edgecask.invalid/k")) !== undefined;
    while (!(await isHeld()));
    await server.stop();
    assert.deepEqual(await ask("k"), { value: "old", edgeHits: 1 });
    server = await startServer(null, "--port", port);
    assert.equal((await ask("k", { method: "PUT", body: "new" })).value, "new");
    assert.equal((await ask("k")).value, "new");
    await worker.dispose();
    await server.stop();
  });
});

it("says which variable is missing", async () => {
  const worker = startWorker({ UPSTASH_REDIS_REST_URL: "https://example.upstash.io" });
  const answer = await worker.dispatchFetch("http://worker/policies/acme-corp");
  assert.equal(answer.status, 500);
  assert.match((await answer.json()).error, /UPSTASH_REDIS_REST_TOKEN/);
  await worker.dispose();
});

it("does not show to a client what a backing store says", async () => {
  const worker = startWorker({});
  const answer = await worker.dispatchFetch("http://worker/behaviour/failing-store/0", { method: "POST" });
  assert.deepEqual([answer.status, await answer.json()], [502, { error: "the backing store failed" }]);
  await worker.dispose();
});

/** Has the Worker run everything under a route, one a request; gives the names. */
async function runAll(worker, route) {
  const passed = [];
  for (;;) {
    const answer = await worker.dispatchFetch(`http://worker/${route}/${passed.length}`, { method: "POST" });
    const text = await answer.text();
    if (answer.status === 404) return passed;
    assert.equal(answer.status, 200, `${route} ${passed.length}: ${text}`);
    passed.push(JSON.parse(text).passed);
  }
}

describe("inside workerd", () => {
  for (const transport of ["memory", "rest"]) {
    it(`the behaviour suite passes over ${transport}`, async () => {
      const server = await startServer();
      const worker = startWorker({ UPSTASH_REDIS_REST_URL: server.url, UPSTASH_REDIS_REST_TOKEN: server.token });
      const passed = await runAll(worker, `behaviour/${transport}`);
      assert.ok(passed.length > 50, `only ${passed.length} cases ran`);
      await worker.dispose();
      await server.stop();
    });
  }

  it("the systems store what their documents say, on the embedded engine and in a Redis behind REST", async () => {
    const redis = await startRedis();
    const server = await startServer(redis.url);
    const worker = startWorker({ UPSTASH_REDIS_REST_URL: server.url, UPSTASH_REDIS_REST_TOKEN: server.token });
    for (const transport of ["memory", "rest"]) {
      const passed = await runAll(worker, `documents/${transport}`);
      assert.deepEqual(passed.sort(), ["automation", "cache_service", "copilot", "council", "phoenix"]);
    }
    await worker.dispose();
    await server.stop();
    await redis.stop();
  });
});
