// The npm package in Node, against the local server: the main job from JavaScript.
import assert from "node:assert/strict";
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { Cache, Client, EdgecaskError, Keyspace, LlmPolicyStore, Usage, setLogger, setWorker } from "../../pkg/node/edgecask.cjs";
import { ask, startHttp, startRedis, startServer } from "./servers.mjs";

for (const [name, start] of [
  ["the server's embedded engine", () => [null, startServer()]],
  ["a real Redis", async () => {
    const redis = await startRedis();
    return [redis, startServer(redis.url)];
  }],
]) {
  describe(`over ${name}`, () => {
    let redis, server, client;
    before(async () => {
      const [first, second] = await start();
      [redis, server] = [first, await second];
      client = new Client(server);
    });
    after(async () => {
      await server.stop();
      await redis?.stop();
    });

    it("gives back what was stored, unparsed", async () => {
      for (const text of ["hello", "null", "007", "1e5", "", "ü\n\"", "9007199254740993"]) {
        assert.equal(await client.set("k", text), true);
        assert.equal(await client.get("k"), text);
      }
      assert.equal(await client.get("absent"), null);
      const bytes = Uint8Array.from({ length: 256 }, (_, byte) => byte);
      assert.equal(await client.getBytes("absent"), null);
      await client.set("bytes", bytes);
      assert.deepEqual(await client.getBytes("bytes"), bytes);
      assert.deepEqual(await client.command(["GET", "bytes"]), bytes);
      assert.equal(await client.del(["k", "bytes", "absent"]), 2);
    });

    it("keeps integers exact", async () => {
      assert.equal(await client.command(["INCRBY", "n", 41]), 41);
      assert.equal(await client.command(["SET", "n", 9223372036854775807n]), "OK");
      assert.equal(await client.command(["INCRBY", "n", -1]), 9223372036854775806n);
    });

    it("takes options", async () => {
      assert.equal(await client.set("o", "1", { ex: 100, nx: true }), true);
      assert.equal(await client.set("o", "2", { nx: true }), false);
      assert.equal(await client.command(["TTL", "o"]), 100);
      await assert.rejects(client.set("o", "1", { ex: 0.5 }), { kind: "InvalidInput" });
      await assert.rejects(client.set("o", "1", { nx: true, xx: true }), { kind: "InvalidInput" });
    });

    it("runs pipelines and transactions, each item with its own result", async () => {
      for (const run of [(batch) => client.pipeline(batch), (batch) => client.transaction(batch)]) {
        const [set, error, get] = await run([["SET", "p", "v"], ["INCR", "p"], ["GET", "p"]]);
        assert.deepEqual([set, get], ["OK", "v"]);
        assert.ok(error instanceof EdgecaskError && error instanceof Error);
        assert.deepEqual([error.name, error.kind, error.code], ["EdgecaskError", "Server", "ERR"]);
      }
      assert.deepEqual(await client.pipeline([]), []);
      await assert.rejects(client.transaction([["SET", "q", "v"], ["NOSUCHCOMMAND"]]), { kind: "Discarded" });
      assert.equal(await client.get("q"), null);
    });

    it("listens to channels and patterns, and stops", async () => {
      const [news, all] = [await client.subscribe(["news", "sport"]), await client.psubscribe(["n*"])];
      assert.equal(await client.command(["PUBLISH", "news", "a,b\nc"]), 2);
      const expected = { type: "message", channel: "news", payload: "a,b\nc" };
      assert.deepEqual(await news.next(), expected);
      assert.deepEqual(await all.next(), { ...expected, pattern: "n*" });
      const waiting = news.next();
      news.close();
      assert.equal(await waiting, null);
      assert.equal(await news.next(), null);
      all.close();
      assert.equal(await all.next(), null);
    });

    it("shares round trips and keeps the order, if asked to", async () => {
      const sharing = new Client({ ...server, autoPipelining: true, attempts: 3 });
      const calls = Array.from({ length: 100 }, () => sharing.command(["INCR", "shared"]));
      assert.deepEqual(await Promise.all(calls), Array.from({ length: 100 }, (_, at) => at + 1));
      const [, value, error] = await Promise.allSettled([
        sharing.set("t", "x"), sharing.get("t"), sharing.command(["INCR", "t"]),
      ]);
      assert.equal(value.value, "x");
      assert.equal(error.reason.code, "ERR");
    });

    it("runs scripts by their sha", async () => {
      const script = "return {KEYS[1], ARGV[1], redis.call('INCRBY', KEYS[1], ARGV[1])}";
      for (const sum of [20, 40]) assert.deepEqual(await client.eval(script, ["s"], [20]), ["s", "20", sum]);
      await assert.rejects(client.eval("return redis.call('NOSUCHCOMMAND')", [], []), { kind: "Server" });
      await client.del(["s"]);
    });

    it("tells what the server says of itself", async () => {
      const { totalCommandsProcessed, connectedClients } = await new Cache(client).serverStats();
      if (redis) assert.ok(totalCommandsProcessed > 0 && connectedClients > 0);
      else assert.deepEqual([totalCommandsProcessed, connectedClients], [null, null]);
    });

    it("keeps to its prefix, and to its number of requests", async () => {
      const tenant = new Client({ ...server, keyPrefix: "tenant:", maxRequests: 2 });
      await tenant.set("k", "v");
      assert.equal(await client.get("tenant:k"), "v");
      assert.deepEqual(await tenant.command(["KEYS", "*"]), ["k"]);
      await assert.rejects(tenant.get("k"), { kind: "BudgetSpent", outcome: "NotSent" });
      await client.del(["tenant:k"]);
    });

    it("reads policies through, and invalidates on writing", async () => {
      const rows = new Map([["acme", { tenantId: "acme", defaultModel: "gpt-4o", ours: { kept: [1, true, null] } }]]);
      let reads = 0;
      const backing = {
        get: async (id) => (reads++, rows.get(id)),
        set: async (policy) => void rows.set(policy.tenantId, policy),
        delete: (id) => rows.delete(id), // not every method has to give a promise
      };
      const policies = new LlmPolicyStore(client, { backing, ttlSeconds: 120 });
      const policy = await policies.get("acme");
      assert.deepEqual(policy, { ...rows.get("acme"), allowRemoteEgress: false });
      assert.deepEqual(await policies.get("acme"), policy);
      assert.equal(reads, 1);
      assert.deepEqual(JSON.parse(await ask(server, "GET", "copilot:llm:policy:acme")), policy);
      assert.equal(await ask(server, "TTL", "copilot:llm:policy:acme"), 120);

      await policies.set({ ...policy, allowRemoteEgress: true });
      assert.equal(await ask(server, "EXISTS", "copilot:llm:policy:acme"), 0);
      assert.equal((await policies.get("acme")).allowRemoteEgress, true);
      assert.equal(await policies.delete("acme"), true);
      assert.equal(await policies.get("acme"), null);

      const { hits, misses, errors } = policies.stats();
      assert.deepEqual({ hits, misses, errors }, { hits: 1, misses: 3, errors: 0 });
      const health = await policies.health();
      assert.ok(health.healthy && health.backend === "redis" && health.latencyMs >= 0);
    });
  });
}

describe("errors", () => {
  it("are typed, and show neither value nor token", async () => {
    const server = await startServer();
    const client = new Client(server);
    await client.set("k", "secret-value");
    const shown = (error) => `${error} ${error.stack} ${JSON.stringify(error)}`;
    await assert.rejects(client.command(["LPUSH", "k", "secret-element"]), (error) => {
      assert.deepEqual([error.kind, error.code, error.outcome, error.status], ["Server", "WRONGTYPE", "Refused", 400]);
      return !shown(error).includes("secret");
    });
    const wrong = new Client({ url: server.url, token: "secret-token" });
    await assert.rejects(wrong.ping(), (error) => {
      assert.deepEqual([error.kind, error.status], ["Unauthorized", 401]);
      return !shown(error).includes("secret");
    });
    for (const args of [[], [null], ["GET", undefined], ["GET", {}], ["GET", NaN]]) {
      await assert.rejects(client.command(args), { kind: "InvalidInput" });
    }
    await server.stop();
    await assert.rejects(client.ping(), { kind: "Connect", outcome: "NotSent" });
  });

  it("are of one class, from wasm as from the face", async () => {
    const refused = await Client.memory().command(["INCR", "k", "surplus"]).catch((error) => error);
    const invalid = await Client.memory().get(1).catch((error) => error);
    for (const error of [refused, invalid]) {
      assert.ok(error instanceof EdgecaskError);
      assert.equal(error.constructor.name, "EdgecaskError");
      assert.match(error.stack, /^EdgecaskError: /);
      assert.ok(!Object.keys(error).includes("name"));
    }
    assert.deepEqual({ ...refused }, { kind: "Server", outcome: "Refused", code: "ERR" });
    assert.deepEqual({ ...invalid }, { kind: "InvalidInput", outcome: "NotSent", argument: "key" });
    const own = new EdgecaskError("of a test", { kind: "Timeout", outcome: "Unknown", cause: refused });
    assert.deepEqual([own.message, own.kind, own.cause], ["of a test", "Timeout", refused]);
  });

  it("tell what led to them, and how long to wait", async () => {
    const busy = await startHttp((request, response) => response.writeHead(429, { "retry-after": "2" }).end('{"error":"slow down"}'));
    const throttled = await new Client({ url: busy.url, token: "t" }).ping().catch((error) => error);
    assert.deepEqual([throttled.kind, throttled.status, throttled.retryAfterMs], ["Throttled", 429, 2000]);
    await busy.stop();
    const batch = [["SET", "k", "v"], ["NOSUCHCOMMAND"]];
    const discarded = await Client.memory().transaction(batch).catch((error) => error);
    assert.deepEqual([discarded.kind, discarded.cause.kind, discarded.cause.code], ["Discarded", "Server", "ERR"]);
    assert.ok(discarded.cause instanceof EdgecaskError);
    assert.ok(!Object.keys(discarded).includes("cause"));
  });

  it("have the names that the README and the types list", async () => {
    const text = (name) => readFile(new URL(name, import.meta.url), "utf8");
    const readme = [...(await text("../../pkg/README.md")).matchAll(/^\| `(\w+)` \| [^|]+ \| `\w+` \|$/gm)].map(([, kind]) => kind);
    const [, union] = /type ErrorKind = ([^;]+);/.exec(await text("../../pkg/types/errors.d.ts"));
    const types = [...union.matchAll(/"(\w+)"/g)].map(([, kind]) => kind);
    const rust = [...(await text("../../src/error/kind.rs")).matchAll(/Self::\w+ => "([A-Z]\w+)",/g)].map(([, kind]) => kind);
    assert.ok(rust.length > 15);
    assert.deepEqual([new Set(readme), new Set(types)], [new Set(rust), new Set(rust)]);
  });

  it("say what to set", () => {
    assert.throws(() => new Client({ url: "https://example.upstash.io" }), { kind: "Config" });
    assert.throws(() => new Client({ url: "http://example.com", token: "t" }), /https/);
    // Node's fetch refuses it with "bad port".
    assert.throws(() => new Client({ url: "http://localhost:6000", token: "t" }), { kind: "Config", message: /port 6000/ });
    assert.throws(() => Client.fromEnv({ UPSTASH_REDIS_REST_URL: "https://h" }), /UPSTASH_REDIS_REST_TOKEN/);
    assert.throws(() => new LlmPolicyStore(Client.memory(), { tier: "x" }), { kind: "InvalidInput" });
    assert.throws(() => new LlmPolicyStore(Client.memory(), { backing: { get() {} } }), /get, set and delete/);
  });

  it("of a backing store come through, and those of the cache do not", async () => {
    const server = await startServer();
    const backing = { get: () => ({ tenantId: "acme" }), set() {}, delete: () => Promise.reject(new Error("no rights")) };
    const policies = new LlmPolicyStore(new Client(server), { backing });
    const critical = new LlmPolicyStore(new Client(server), { backing, tier: "critical" });
    await assert.rejects(policies.delete("acme"), { name: "Error", message: "no rights" });
    await server.stop();
    assert.equal((await policies.get("acme")).tenantId, "acme");
    await assert.rejects(critical.get("acme"), { kind: "Connect" });
    assert.equal((await policies.health()).healthy, false);
  });

  it("of a redirect keep the token here", async () => {
    const seen = [];
    const page = await startHttp((request, response) => {
      seen.push(request.url);
      response.writeHead(307, { location: "/elsewhere" }).end();
    });
    const client = new Client({ url: page.url, token: "t" });
    await assert.rejects(client.ping(), { kind: "Http", status: 307 });
    assert.deepEqual(seen, ["/"]);
    await page.stop();
  });

  it("end a call that hangs, and its request", async () => {
    const closed = [];
    const hung = await startHttp((request) => closed.push(once(request.socket, "close")));
    const client = (more) => new Client({ url: hung.url, token: "t", ...more });
    await assert.rejects(client({ timeoutMs: 200 }).ping(), { kind: "Timeout", outcome: "Unknown" });
    await assert.rejects(client().command(["PING"], { timeoutMs: 200 }), { kind: "Timeout" });
    for (const call of [
      (options) => client().command(["PING"], options),
      (options) => client().pipeline([["PING"]], options),
      (options) => client().transaction([["PING"]], options),
      (options) => client({ autoPipelining: true }).eval("return 1", [], [], options),
    ]) {
      const controller = new AbortController();
      const asked = once(hung, "request");
      const answer = assert.rejects(call({ signal: controller.signal }), { name: "AbortError" });
      await asked;
      controller.abort();
      await answer;
    }
    await Promise.all(closed);
    assert.equal(closed.length, 6);
    const reason = new Error("no longer wanted");
    await assert.rejects(client().command(["PING"], { signal: AbortSignal.abort(reason) }), reason);
    await assert.rejects(client().command(["PING"], { signal: "now" }), { kind: "InvalidInput" });
    assert.equal(closed.length, 6);
    await hung.stop();
  });
});

describe("reads and replicas", () => {
  it("see what was written, here and with the token elsewhere", async () => {
    const server = await startServer(null, "--replica-lag", "3600000");
    const [writer, reader, careless] = [{}, {}, { readYourWrites: false }].map((more) => new Client({ ...server, ...more }));
    assert.equal(writer.syncToken(), null);
    await writer.set("k", "v");
    assert.equal(await writer.get("k"), "v");
    assert.equal(await careless.get("k"), null);
    assert.equal(careless.syncToken(), null);
    reader.setSyncToken(writer.syncToken());
    assert.equal(await reader.get("k"), "v");
    await server.stop();
  });
});

describe("subscriptions", () => {
  it("show what is silent for too long as a gap", async () => {
    const server = await startServer();
    const news = await new Client({ ...server, idleTimeoutMs: 50 }).subscribe(["news"]);
    const { type, error } = await news.next();
    assert.deepEqual([type, error.kind], ["lost", "Timeout"]);
    assert.deepEqual(await news.next(), { type: "resumed" });
    news.close();
    await server.stop();
  });

  it("watch the commands of a server", async () => {
    const server = await startServer();
    const client = new Client(server);
    const commands = await client.monitor();
    await client.set("k", "v");
    assert.match((await commands.next()).payload, /"SET" "k" "v"$/i);
    commands.close();
    await server.stop();
  });
});

it("has a small module with the client alone", async () => {
  const small = await import("../../pkg/client/edgecask.js");
  const wasm = (folder) => readFile(new URL(`../../pkg/${folder}/edgecask_bg.wasm`, import.meta.url));
  await small.default({ module_or_path: await wasm("client") });
  small.initSync(await wasm("client"));
  assert.deepEqual([small.Cache, small.LlmPolicyStore], [undefined, undefined]);
  assert.throws(() => small.Client.memory(), { kind: "Unsupported", message: /without the embedded engine/ });
  assert.ok((await wasm("client")).length < (await wasm("web")).length / 2);
  assert.throws(() => small.Client.fromEnv({}), { kind: "Config" });
  assert.throws(() => small.Client.fromEnv({}), (error) => error instanceof small.EdgecaskError);
  await assert.rejects(new small.Client({ url: "http://127.0.0.1:4", token: "t" }).ping(), (error) => error instanceof small.EdgecaskError);
  const server = await startServer();
  const client = new small.Client(server);
  await client.set("k", "v");
  assert.deepEqual(await client.pipeline([["GET", "k"], ["STRLEN", "k"]]), ["v", 1]);
  const news = await client.subscribe(["news"]);
  await client.command(["PUBLISH", "news", "hello"]);
  assert.equal((await news.next()).payload, "hello");
  news.close();
  await server.stop();
});

it("is whole when it is packed and installed", async () => {
  const folder = await mkdtemp(join(tmpdir(), "edgecask-"));
  const npm = (...args) => execFileSync("npm", args, { cwd: folder, encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
  try {
    const pkg = new URL("../../pkg", import.meta.url).pathname;
    const [{ filename }] = JSON.parse(npm("pack", "--json", pkg));
    npm("install", "--offline", "--no-audit", "--no-fund", `./${filename}`);
    const script = `
      import { access } from "node:fs/promises";
      import { Client, LlmPolicyStore } from "edgecask";
      const policies = new LlmPolicyStore(Client.memory());
      await policies.set({ tenantId: "acme" });
      console.log((await policies.get("acme")).tenantId, import.meta.resolve("edgecask/edgecask.wasm").endsWith(".wasm"));
      for (const name of ["client", "client.wasm", "upstash"]) await access(new URL(import.meta.resolve("edgecask/" + name)));
    `;
    const output = execFileSync("node", ["--input-type=module", "-e", script], { cwd: folder, encoding: "utf8" });
    assert.equal(output.trim(), "acme true");
  } finally {
    await rm(folder, { recursive: true });
  }
});

describe("the cache", () => {
  it("loads once, packs, and forgets by tag", async () => {
    const client = Client.memory();
    const cache = new Cache(client);
    let loads = 0;
    const load = async () => ({ text: "x".repeat(5000), number: ++loads });
    const options = { ttlSeconds: 60, tags: ["t"] };
    const values = await Promise.all(Array.from({ length: 50 }, () => cache.getOrLoad("k", options, load)));
    assert.deepEqual(new Set(values.map(({ number }) => number)), new Set([1]));
    assert.match(await client.get("k"), /^edgecask\/1 \{"codec":"json","encoding":\["gzip","base64"\],"tags":/);
    assert.equal((await cache.get("k")).text.length, 5000);
    await cache.invalidateTags(["t"]);
    assert.equal(await cache.get("k"), undefined);
    assert.equal((await cache.getOrLoad("k", options, load)).number, 2);
    assert.ok(cache.stats().bytesWritten < 1000 && cache.stats().loads === 2);
    assert.match(cache.prometheus("js"), /edgecask_cache_loads_total\{cache="js"\} 2/);
  });

  it("loads what is missing of many keys by one call", async () => {
    const cache = new Cache(Client.memory());
    await cache.set("b", "cached", 60);
    const asked = [];
    const load = async (missing) => {
      asked.push(missing);
      return Object.fromEntries(missing.filter((key) => key !== "gone").map((key) => [key, { key }]));
    };
    const keys = ["a", "b", "gone", "a", "c"];
    const expected = [{ key: "a" }, "cached", undefined, { key: "a" }, { key: "c" }];
    assert.deepEqual(await cache.getOrLoadMany(keys, 60, load), expected);
    assert.deepEqual(await cache.getOrLoadMany(["a", "c"], 60, load), [{ key: "a" }, { key: "c" }]);
    assert.deepEqual(asked, [["a", "gone", "c"]]);
    assert.deepEqual(await cache.getOrLoadMany([], 60, load), []);
    const thrown = new Error("away");
    await assert.rejects(cache.getOrLoadMany(["d"], 60, () => Promise.reject(thrown)), (error) => error === thrown);
    for (const odd of [undefined, 1, ["d"], new Map([["d", 1]]), { d: undefined }]) {
      await assert.rejects(cache.getOrLoadMany(["d"], 60, () => odd), { kind: "InvalidInput" });
    }
    assert.equal(await cache.get("d"), undefined);
  });

  it("stores what another program can read", async () => {
    const { gunzipSync } = await import("node:zlib");
    const client = Client.memory();
    const value = { text: "ä".repeat(2000) };
    await new Cache(client).set("k", value, { ttlSeconds: 60, tags: ["t"] });
    const [, header, payload] = /^edgecask\/1 (.*)\n([^]*)$/.exec(await client.get("k"));
    const { codec, encoding, tags } = JSON.parse(header);
    const decode = { base64: (text) => Buffer.from(text.toString(), "base64"), gzip: gunzipSync };
    const bytes = encoding.reduceRight((bytes, step) => decode[step](bytes), payload);
    assert.deepEqual([codec, JSON.parse(bytes)], ["json", value]);
    assert.equal(tags.t, await client.get("edgecask:tag:t"));
  });

  it("tells null from nothing, and keeps plain JSON", async () => {
    const client = Client.memory();
    const cache = new Cache(client, { plain: true });
    await cache.set("a", null, 60);
    await cache.set("b", { deep: [1, "ä"] }, { ttlSeconds: "forever" });
    assert.equal(await client.get("b"), '{"deep":[1,"ä"]}');
    assert.deepEqual(await cache.getMany(["a", "b", "c"]), [null, { deep: [1, "ä"] }, undefined]);
    assert.deepEqual(await cache.delete(["a", "b", "c"]), { count: 2, owed: false });
    await assert.rejects(cache.set("a", 1, 0), { kind: "InvalidInput" });
    await assert.rejects(cache.set("a", undefined, 60), { kind: "InvalidInput" });
    await assert.rejects(cache.set("a", 1, { ttlSeconds: 60, tags: ["t"] }), { kind: "InvalidInput" });
    await assert.rejects(cache.set("a", 1, { ttlSeconds: 60, jitter: "1" }), { kind: "InvalidInput" });
  });

  it("serves stale values while it reloads", async () => {
    const client = Client.memory();
    const background = [];
    const cache = new Cache(client).waitUntil((work) => background.push(work));
    const stale = { ttlSeconds: 1, staleWhileRevalidateSeconds: 60, staleIfErrorSeconds: 60 };
    await cache.set("k", "old", stale);
    while ((await cache.get("k")) !== undefined) await new Promise((wake) => setTimeout(wake, 20));
    assert.equal(await cache.getOrLoad("k", stale, () => "new"), "old");
    await Promise.all(background);
    assert.equal(background.length, 1);
    assert.equal(await cache.get("k"), "new");
    const failing = () => { throw new Error("away"); };
    await assert.rejects(cache.getOrLoad("other", 60, failing), { name: "Error", message: "away" });
    await assert.rejects(cache.getOrLoad("k", { ttlSeconds: 60, mode: "odd" }, failing), { kind: "InvalidInput" });
    assert.equal(await cache.getOrLoad("k", { ttlSeconds: 60, mode: "refresh" }, () => "newer"), "newer");
    assert.equal(await cache.get("k"), "newer");
  });

  it("stores many at once, under keys that are built", async () => {
    const cache = new Cache(Client.memory());
    const users = new Keyspace(["prod", "acme"]).join(["user"]);
    assert.equal(users.key("a:*"), "prod:acme:user:a%3A%2A");
    assert.equal(users.key("1", "name"), "prod:acme:user:1:name");
    assert.equal(users.pattern(), "prod:acme:user:*");
    assert.throws(() => users.key(""), { kind: "InvalidInput" });
    await cache.setMany({ [users.key("1")]: "Ada", [users.key("2")]: { name: "Grace" }, other: null }, 60);
    assert.deepEqual(await cache.getMany([users.key("1"), users.key("2"), "other"]), ["Ada", { name: "Grace" }, null]);
    const { complete, namespaces, sampled } = await cache.keyDistribution(2, 1000);
    const { "edgecask:lease": leases = 0, ...others } = namespaces;
    assert.deepEqual([complete, others, sampled], [true, { "": 1, "prod:acme": 2 }, 3 + leases]);
    assert.deepEqual(await cache.deleteMatching(users.pattern()), { count: 2, owed: false });
    await assert.rejects(cache.setMany({ k: () => 1 }, 60), { kind: "InvalidInput" });
  });

  it("seals what it stores, and keeps what is not to be packed", async () => {
    const client = Client.memory();
    const [first, second] = [1, 2].map((byte) => new Uint8Array(32).fill(byte));
    const old = new Cache(client, { sealingKeys: [{ id: "old", key: first }] });
    await old.set("k", "secret", 60);
    assert.match(await client.get("k"), /^edgecask\/1 .*"key":"old"/);
    assert.ok(!(await client.get("k")).includes("secret"));
    const sealingKeys = [{ id: "new", key: second }, { id: "old", key: first }];
    const rotated = new Cache(client, { sealingKeys });
    assert.equal(await rotated.get("k"), "secret");
    await rotated.set("k", "newer", 60);
    await assert.rejects(old.get("k"), { kind: "Codec", message: /'new'/ });
    await assert.rejects(new Cache(client).get("k"), { kind: "Codec" });
    for (const wrong of ["x", [], [{ id: "a", key: new Uint8Array(31) }]]) {
      assert.throws(() => new Cache(client, { sealingKeys: wrong }), { kind: "InvalidInput" });
    }
    await new Cache(client, { compress: false }).set("k", "x".repeat(5000), 60);
    assert.equal((await client.get("k")).length, 5002);
  });

  it("follows what others invalidate", async () => {
    const server = await startServer();
    const options = { bus: "invalidations", l1: { ttlMs: 3600000 } };
    const [here, there] = [1, 2].map(() => new Cache(new Client(server), options));
    const controller = new AbortController();
    const following = here.followInvalidations({ signal: controller.signal });
    while ((await ask(server, "PUBSUB", "NUMSUB", "invalidations"))[1] === 0);
    await there.set("k", 1, 60);
    assert.equal(await here.get("k"), 1);
    await there.set("k", 2, 60);
    // A hit of the first tier is no I/O: the message comes only when the event loop turns.
    while ((await here.get("k")) === 1) await new Promise((turn) => setImmediate(turn));
    assert.equal(await here.get("k"), 2);
    controller.abort();
    await following;
    await assert.rejects(new Cache(new Client(server)).followInvalidations(), { kind: "Config" });
    await server.stop();
  });

  it("is warmed with what is used", async () => {
    const client = Client.memory();
    const [cache, users] = [new Cache(client), new Keyspace(["user"])];
    const usage = new Usage(client, users, 10);
    for (const id of ["ada", "grace", "ada"]) await usage.record(id);
    assert.deepEqual(await usage.mostUsed(1), ["ada"]);
    const keys = (await usage.mostRecent(10)).map((id) => users.key(id));
    const progress = [];
    const options = { ttlSeconds: 60, concurrency: 1, perSecond: 1000, onProgress: ({ done }) => progress.push(done) };
    const warmed = await cache.warm(keys, options, async (key) => `the ${key}`);
    assert.deepEqual(warmed, { done: 2, succeeded: 2, failed: 0, givenUp: false });
    assert.deepEqual([progress, await cache.get("user:ada")], [[1, 2], "the user:ada"]);
    const failing = await cache.warm(["a", "b", "c"], { ttlSeconds: 60, giveUpAfter: 2, concurrency: 1 }, () => {
      throw new Error("away");
    });
    assert.deepEqual(failing, { done: 2, succeeded: 0, failed: 2, givenUp: true });
    await assert.rejects(cache.warm(keys, { ttlSeconds: 60, perSecond: 0 }, () => 1), { kind: "InvalidInput" });
    await usage.clear();
    assert.deepEqual(await usage.mostUsed(1), []);
  });

  it("is cleared", async () => {
    const cache = new Cache(Client.memory(), { generation: "g", l1: { ttlMs: 60000 } });
    await cache.set("k", 1, 60);
    assert.equal(await cache.get("k"), 1);
    assert.deepEqual(await cache.clear(), { owed: false });
    assert.equal(await cache.get("k"), undefined);
    await assert.rejects(new Cache(Client.memory()).clear(), { kind: "Config" });
    assert.throws(() => new Cache(Client.memory(), { edge: {} }), { kind: "Config", message: /not a Cloudflare Worker/ });
    assert.equal((await cache.health()).healthy, true);
  });
});

describe("what Redis has missed", () => {
  let redis, server;
  const restart = async () => (server = await startServer(redis.url, "--port", new URL(server.url).port));
  before(async () => {
    redis = await startRedis();
    server = await startServer(redis.url);
  });
  after(async () => {
    await server.stop();
    await redis.stop();
  });

  it("is told to the caller, and made up for", async () => {
    const cache = new Cache(new Client(server), { keyspace: "app", logger: () => {} });
    assert.deepEqual(await cache.set("app:k", "old", { ttlSeconds: 600, tags: "t" }), { owed: false });
    assert.deepEqual(await cache.setMany({ "app:l": 1, "app:m": 2 }, 600), { owed: false });
    assert.equal(cache.owed, 0);
    await server.stop();
    assert.deepEqual(await cache.set("app:k", "new", 600), { owed: true });
    assert.equal(cache.owed, 1);
    assert.deepEqual(await cache.setMany({ "app:k": "new", "app:l": 2 }, 600), { owed: true });
    assert.deepEqual(await cache.delete("app:k", "app:n"), { count: 0, owed: true });
    assert.equal(cache.owed, 3);
    assert.deepEqual(await cache.invalidateTags("t"), { owed: true });
    assert.deepEqual(await cache.deleteMatching("app:m*"), { count: 0, owed: true });
    assert.equal(cache.owed, 5);
    assert.equal(await cache.catchUp(), false);
    await restart();
    while (!(await cache.catchUp()));
    assert.equal(cache.owed, 0);
    assert.equal(await ask(server, "EXISTS", "app:k", "app:l", "app:m"), 0);
    assert.deepEqual(await cache.set("app:k", "new", 600), { owed: false });
    assert.deepEqual(await cache.delete("app:k", "app:n"), { count: 1, owed: false });

    await server.stop();
    assert.deepEqual(await cache.clear(), { owed: true });
    const critical = new Cache(new Client(server), { tier: "critical" });
    await assert.rejects(critical.delete("app:k"), { kind: "Connect" });
    await assert.rejects(critical.set("app:k", 1, 600), { kind: "Connect" });
    assert.equal(critical.owed, 0);
    await restart();
    while (!(await cache.catchUp()));
  });

  it("is made up for in the background", async () => {
    const cache = new Cache(new Client(server), { logger: () => {} });
    await cache.set("k", "old", 600);
    const policies = new LlmPolicyStore(new Client(server), { logger: () => {} });
    await policies.set({ tenantId: "acme" });
    await policies.get("acme");
    await server.stop();
    await cache.delete("k");
    await policies.set({ tenantId: "acme", region: "eu" });
    assert.equal(policies.owed, 1);
    await restart();
    while (await ask(server, "EXISTS", "k", "copilot:llm:policy:acme"));
    while (cache.owed || policies.owed) await new Promise((wake) => setTimeout(wake, 20));
    assert.equal(await policies.catchUp(), true);
  });

  const edgecask = JSON.stringify(new URL("../../pkg/node/edgecask.cjs", import.meta.url).href);
  const node = (code) => spawn("node", ["--input-type=module", "-e", code], { stdio: ["ignore", "pipe", "inherit"], timeout: 20_000 });

  it("does not keep a process alive", async () => {
    const process = node(`
      import { Cache, Client } from ${edgecask};
      const cache = new Cache(new Client({ url: "http://127.0.0.1:4", token: "t" }), { logger: () => {} });
      await cache.delete("k");
      console.log(cache.owed);
    `);
    let said = "";
    process.stdout.on("data", (data) => (said += data));
    const [status] = await once(process, "close");
    assert.deepEqual([status, said], [0, "1\n"]);
  });

  it("keeps a process alive that waits for what it handed to waitUntil", async () => {
    await server.stop();
    const process = node(`
      import { Cache, Client } from ${edgecask};
      const background = [];
      const shared = new Cache(new Client(${JSON.stringify(server)}), { logger: () => {} });
      const cache = shared.waitUntil((work) => background.push(work));
      await cache.delete("k");
      console.log(cache.owed);
      await Promise.all(background);
      console.log(cache.owed);
    `);
    let said = "";
    process.stdout.on("data", (data) => (said += data));
    await once(process.stdout, "data");
    await restart();
    const [status] = await once(process, "close");
    assert.deepEqual([status, said], [0, "1\n0\n"]);
  });
});

it("lets callers of a Worker load on their own", async () => {
  const loads = async () => {
    const cache = new Cache(Client.memory(), { leaseWaitMs: 0 });
    await Promise.all(Array.from({ length: 10 }, () => cache.getOrLoad("k", 60, async () => 1)));
    return cache.stats().loads;
  };
  assert.equal(await loads(), 1);
  setWorker(true);
  try {
    assert.equal(await loads(), 10);
  } finally {
    setWorker(false);
  }
  assert.equal(await loads(), 1);
});

describe("what a loader throws", () => {
  class NotFound extends Error {
    name = "NotFound";
    code = "E404";
    status = 404;
  }

  it("comes through as it is, to all who wait for it", async () => {
    const cache = new Cache(Client.memory());
    const thrown = new NotFound("there is none", { cause: new Error("why") });
    const failing = async () => { throw thrown; };
    const calls = Array.from({ length: 10 }, () => cache.getOrLoad("k", 60, failing).catch((error) => error));
    for (const error of await Promise.all(calls)) assert.equal(error, thrown);
    assert.equal(thrown.cause.message, "why");
    for (const odd of ["a text", null, 7]) {
      const error = await cache.getOrLoad("k", 60, () => { throw odd; }).catch((error) => error);
      assert.equal(error, odd);
    }
    const away = await new Client({ url: "http://127.0.0.1:4", token: "t" }).ping().catch((error) => error);
    await assert.rejects(cache.getOrLoad("k", 60, () => Promise.reject(away)), (error) => error === away);
    await assert.rejects(cache.getOrLoad("k", 60, () => undefined), { kind: "InvalidInput" });
  });

  it("comes through from a backing store", async () => {
    const thrown = new NotFound("there is none");
    const fail = () => { throw thrown; };
    const policies = new LlmPolicyStore(Client.memory(), { backing: { get: fail, set: fail, delete: fail } });
    for (const call of [policies.get("a"), policies.set({ tenantId: "a" }), policies.delete("a")]) {
      await assert.rejects(call, (error) => error === thrown);
    }
  });
});

describe("the log", () => {
  const token = "planted-token";
  const away = (more) => new Client({ url: "http://127.0.0.1:4", token, timeoutMs: 1000, ...more });

  it("reaches the logger of the cache, of its client, or of the module, without a token", async () => {
    const lines = { cache: [], client: [], module: [] };
    const of = (name) => (line) => void lines[name].push(line);
    setLogger(of("module"));
    try {
      assert.equal(await new Cache(away({ logger: of("client") }), { logger: of("cache") }).get("k"), undefined);
      assert.equal(await new Cache(away({ logger: of("client") })).get("k"), undefined);
      assert.equal(await new Cache(away()).get("k"), undefined);
    } finally {
      setLogger((line) => console[line.level](line));
    }
    for (const [name, [line, ...more]] of Object.entries(lines)) {
      assert.deepEqual(more, [], name);
      assert.equal(line.level, "warn");
      assert.match(line.message, /Redis is away/);
      assert.match(line.target, /^edgecask::cache/);
      assert.equal(typeof line.fields.error, "string");
      assert.ok(!JSON.stringify(line).includes(token));
    }
  });

  it("goes to the console by default, from its level on", async () => {
    const script = `
      import { Cache, Client, setLogger } from ${JSON.stringify(new URL("../../pkg/node/edgecask.cjs", import.meta.url).href)};
      const client = () => new Client({ url: "http://127.0.0.1:4", token: "planted-token" });
      await new Cache(client()).get("k");
      setLogger(null);
      await new Cache(client()).get("k");
      setLogger(() => { throw new Error("of the logger"); });
      await new Cache(client()).get("k");
    `;
    const { stderr, status } = spawnSync("node", ["--input-type=module", "-e", script], { encoding: "utf8" });
    assert.equal(status, 0, stderr);
    assert.equal(stderr.match(/Redis is away/g).length, 1);
    assert.match(stderr, /level: 'warn'/);
    assert.match(stderr, /the logger of edgecask failed: Error: of the logger/);
    assert.ok(!stderr.includes("planted-token"));
  });

  it("shows a refresh in the background that fails, and the statistics count it", async () => {
    const [lines, background] = [[], []];
    const cache = new Cache(Client.memory(), { logger: (line) => lines.push(line) });
    const stale = { ttlSeconds: 1, staleWhileRevalidateSeconds: 60, waitUntil: (work) => background.push(work) };
    await cache.set("k", "old", stale);
    while ((await cache.get("k")) !== undefined) await new Promise((wake) => setTimeout(wake, 20));
    const thrown = Object.assign(new TypeError("no database at postgres://ada:secret@db"), { code: "ECONNREFUSED" });
    assert.equal(await cache.getOrLoad("k", stale, () => Promise.reject(thrown)), "old");
    await Promise.all(background);
    assert.equal(cache.stats().errors, 1);
    assert.deepEqual(lines.map(({ level }) => level), ["warn"]);
    assert.match(lines[0].message, /could not be reloaded in the background/);
    assert.match(lines[0].fields.error, /TypeError was thrown, with the code ECONNREFUSED/);
    assert.doesNotMatch(JSON.stringify(lines), /secret|postgres/);
  });
});

it("works without a server", async () => {
  const client = Client.fromEnv({});
  await client.set("k", "v");
  assert.equal(await client.get("k"), "v");
});
