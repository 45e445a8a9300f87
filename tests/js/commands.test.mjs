// A cache over the Redis client that a program has already: ioredis, node-redis, @upstash/redis, and functions that misbehave.
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { Redis as Upstash } from "@upstash/redis";
import { Redis as IoRedis } from "ioredis";
import { createClient } from "redis";
import { Cache, Client, EdgecaskError, Keyspace, LlmPolicyStore, Usage } from "../../pkg/node/edgecask.cjs";
import { ask, startRedis, startServer } from "./servers.mjs";

const quiet = { logger: () => {} };

let redis, server;
before(async () => {
  redis = await startRedis();
  server = await startServer(redis.url);
});
after(async () => {
  await server.stop();
  await redis.stop();
});

const CLIENTS = {
  ioredis: async () => {
    const client = new IoRedis(redis.port, "127.0.0.1");
    const pipeline = async (commands) => (await client.pipeline(commands.map((args) => ["call", ...args])).exec()).map(([error, reply]) => error ?? reply);
    return [{ command: (args) => client.call(...args), pipeline }, () => client.disconnect()];
  },
  "ioredis with bytes and without a pipeline": async () => {
    const client = new IoRedis(redis.port, "127.0.0.1");
    return [{ command: (args) => client.callBuffer(...args) }, () => client.disconnect()];
  },
  "node-redis": async () => {
    const client = await createClient({ url: redis.url }).connect();
    return [{ command: (args) => client.sendCommand(args) }, () => client.destroy()];
  },
  "node-redis with protocol 2": async () => {
    const client = await createClient({ url: redis.url, RESP: 2 }).connect();
    return [{ command: (args) => client.sendCommand(args) }, () => client.destroy()];
  },
  "@upstash/redis": async () => {
    const client = new Upstash({ ...server, automaticDeserialization: false, enableTelemetry: false });
    return [{ command: (args) => client.exec(args) }, () => {}];
  },
  "a client of this package": async () => {
    const client = new Client(server);
    return [{ command: (args) => client.command(args), pipeline: (commands) => client.pipeline(commands) }, () => client.free()];
  },
};

for (const [name, connect] of Object.entries(CLIENTS)) {
  describe(`a cache over ${name}`, () => {
    let commands, close;
    const key = (of) => `${name}:${of}`;
    before(async () => ([commands, close] = await connect()));
    after(() => close());

    it("loads, packs, forgets by tag, and serves stale values", async () => {
      const cache = new Cache(commands);
      let loads = 0;
      const load = async () => ({ text: "ä".repeat(3000), number: ++loads });
      const options = { ttlSeconds: 60, tags: [key("tag")] };
      const values = await Promise.all(Array.from({ length: 20 }, () => cache.getOrLoad(key("k"), options, load)));
      assert.deepEqual(new Set(values.map(({ number }) => number)), new Set([1]));
      assert.match(await ask(server, "GET", key("k")), /^edgecask\/1 /);
      assert.deepEqual(await cache.getMany([key("k"), key("absent")]), [{ text: "ä".repeat(3000), number: 1 }, undefined]);
      await cache.invalidateTags(key("tag"));
      assert.equal(await cache.get(key("k")), undefined);
      assert.equal((await cache.getOrLoad(key("k"), options, load)).number, 2);
      await cache.setMany({ [key("a")]: null, [key("b")]: [1, "2"] }, 60);
      assert.deepEqual(await cache.getMany([key("a"), key("b")]), [null, [1, "2"]]);
      const many = await cache.getOrLoadMany([key("a"), key("c")], 60, (missing) => Object.fromEntries(missing.map((key) => [key, key])));
      assert.deepEqual(many, [null, key("c")]);
      assert.deepEqual(await cache.delete(key("a"), key("b"), key("absent")), { count: 2, owed: false });
      assert.deepEqual(await cache.deleteMatching(`${name.replace(/[^a-z]/g, "?")}:*`), { count: 2, owed: false });
      assert.deepEqual([cache.owed, cache.stats().errors], [0, 0]);
      assert.equal((await cache.health()).backend, "redis");
      assert.ok((await cache.serverStats()).totalCommandsProcessed > 0);
    });

    it("carries stores and usage", async () => {
      const policies = new LlmPolicyStore(commands);
      await policies.set({ tenantId: key("acme") });
      assert.equal((await policies.get(key("acme"))).tenantId, key("acme"));
      assert.equal((await policies.get(key("acme"))).tenantId, key("acme"));
      assert.deepEqual([policies.stats().hits, policies.stats().errors], [1, 0]);
      const usage = new Usage(commands, new Keyspace("usage", name), 10);
      for (const id of ["a", "b", "a"]) await usage.record(id);
      assert.deepEqual(await usage.mostUsed(2), ["a", "b"]);
    });
  });
}

describe("a cache over a function", () => {
  const strict = (command, more) => new Cache({ command, ...more }, { tier: "critical", ...quiet });
  const failure = (command, more) => strict(command, more).get("k").then((value) => assert.fail(`it gave ${value}`), (error) => error);

  it("has the errors of clients as its own, with their cause", async () => {
    const refused = Object.assign(new Error("connect ECONNREFUSED 127.0.0.1:1"), { code: "ECONNREFUSED" });
    for (const [thrown, expected] of [
      [Object.assign(new Error("WRONGTYPE Operation against a key"), { name: "ReplyError" }), ["Server", "WRONGTYPE", "Refused"]],
      [new Error("NOAUTH Authentication required."), ["Unauthorized", "NOAUTH", "Refused"]],
      [Object.assign(new Error("ERR no, command was: [\"SET\",\"secret\"]"), { name: "UpstashError" }), ["Server", "ERR", "Refused"]],
      [refused, ["Connect", undefined, "NotSent"]],
      [Object.assign(new TypeError("fetch failed"), { cause: refused }), ["Connect", undefined, "NotSent"]],
      [Object.assign(new Error("closed"), { name: "ClientOfflineError" }), ["Connect", undefined, "NotSent"]],
      [new Error("Command timed out"), ["Timeout", undefined, "Unknown"]],
      [new Error("Connection is closed."), ["Disconnected", undefined, "Unknown"]],
      [new EdgecaskError("throttled: 429", { kind: "Throttled", outcome: "Refused" }), ["Throttled", undefined, "Refused"]],
      [new Error("HTTP 502 Bad Gateway"), ["Disconnected", undefined, "Unknown"]],
      [Object.assign(new Error("read EHOSTUNREACH"), { code: "EHOSTUNREACH", syscall: "read" }), ["Disconnected", undefined, "Unknown"]],
      ["a text with a secret", ["Disconnected", undefined, "Unknown"]],
    ]) {
      for (const command of [() => Promise.reject(thrown), () => { throw thrown; }]) {
        const error = await failure(command);
        assert.ok(error instanceof EdgecaskError);
        assert.deepEqual([error.kind, error.code, error.outcome], expected);
        assert.equal(error.cause, thrown);
        assert.ok(!error.message.includes("secret"), error.message);
      }
    }
    for (const thrown of [undefined, null, 0, Symbol("s"), { get message() { throw new Error("no"); } }, new Proxy({}, { get() { throw new Error("no"); } })]) {
      assert.equal((await failure(() => Promise.reject(thrown))).kind, "Disconnected");
    }
  });

  it("refuses a bus, which a function cannot serve", () => {
    assert.throws(() => new Cache({ command: async () => null }, { bus: "b" }), { kind: "InvalidInput", argument: "options.bus" });
  });

  it("gives up a function that never settles", async () => {
    const error = await failure(() => new Promise(() => {}), { timeoutMs: 30 });
    assert.deepEqual([error.kind, error.outcome], ["Timeout", "Unknown"]);
    const reason = new Error("given up");
    const waiting = strict(() => new Promise(() => {})).get("k", { signal: AbortSignal.abort(reason) });
    await assert.rejects(waiting, (error) => error === reason);
    await assert.rejects(strict(() => new Promise(() => {})).get("k", { timeoutMs: 30 }), { kind: "Timeout" });
    const load = strict(() => new Promise(() => {})).getOrLoad("k", { ttlSeconds: 60, timeoutMs: 30 }, () => 1);
    await assert.rejects(load, { kind: "Timeout" });
  });

  it("takes every reply for what it is, or refuses it", async () => {
    const cyclic = [];
    cyclic.push(cyclic);
    const deep = Array.from({ length: 10_000 }).reduce((inner) => [inner], "x");
    const trap = new Proxy([], { get() { throw new Error("trapped"); } });
    const odd = [() => {}, Symbol("s"), {}, { a: 1 }, new Date(), cyclic, deep, new (class Own {})(), Object.create(null), new Float64Array(2), new Error("ERR no")];
    for (const reply of odd) {
      const error = await failure(() => reply);
      assert.ok(error instanceof EdgecaskError, String(error));
      assert.ok(["Protocol", "Server"].includes(error.kind), error.kind);
    }
    assert.equal((await failure(() => trap)).kind, "Disconnected");
    assert.match((await failure(() => ({ a: 1 }))).message, /automaticDeserialization/);
    for (const reply of [[], [1], 0, 1.5, NaN, -0, 2 ** 60, 2n ** 62n, 2n ** 70n, true, new Map([[1, cyclic]]), new Set(), "\ud800", "x".repeat(100_000)]) {
      const answered = await strict(() => reply).get("k").catch((error) => error);
      assert.ok(answered === undefined || answered instanceof EdgecaskError || typeof answered === "number" || typeof answered === "boolean", String(answered));
    }
    for (const reply of [null, undefined]) assert.equal(await strict(() => reply).get("k"), undefined);
    for (const reply of ['{"a":1}', Buffer.from('{"a":1}'), new TextEncoder().encode('{"a":1}')]) assert.deepEqual(await strict(() => reply).get("k"), { a: 1 });
    assert.equal(await strict(() => 7).get("k"), 7);
  });

  it("refuses a list of replies that is none, or too short", async () => {
    for (const pipeline of [() => null, () => [], () => "ab", () => [1, 2, 3, 4, 5, 6, 7, 8, 9], () => Promise.reject(new Error("no")), () => { throw new Error("no"); }]) {
      const cache = strict(() => null, { pipeline });
      const error = await cache.setMany({ a: 1, b: 2 }, { ttlSeconds: 60, tags: ["t"] }).catch((error) => error);
      assert.ok(error instanceof EdgecaskError && ["Protocol", "Disconnected"].includes(error.kind), String(error?.kind));
    }
  });

  it("loads what it can while the function fails, and counts it", async () => {
    const cache = new Cache({ command: () => Promise.reject(new Error("away")) }, quiet);
    assert.deepEqual(await cache.getOrLoad("k", 60, () => ({ n: 1 })), { n: 1 });
    assert.ok(cache.stats().errors > 0);
    assert.equal((await cache.health()).healthy, false);
  });

  it("checks what it is made of", () => {
    for (const odd of [null, undefined, 1, "redis://", [], {}, { command: 1 }, { command: () => {}, pipelin: () => {} }, { command: () => {}, timeoutMs: 0 }]) {
      assert.throws(() => new Cache(odd), { kind: "InvalidInput" });
    }
    const free = new Cache({ command: () => null });
    free.free();
    assert.throws(() => free.stats(), { kind: "InvalidInput" });
  });

  it("is told what is owed at the end of its block", async () => {
    let away = true;
    const sent = [];
    const command = (args) => {
      if (away) throw Object.assign(new Error("away"), { code: "ECONNREFUSED" });
      sent.push(args);
      return 1;
    };
    const cache = new Cache({ command }, quiet);
    assert.deepEqual(await cache.delete("k"), { count: 0, owed: true });
    away = false;
    await cache[Symbol.asyncDispose]();
    assert.ok(sent.some((args) => args.includes("k")), JSON.stringify(sent));
    assert.throws(() => cache.stats(), { kind: "InvalidInput", message: /freed/ });
    await cache[Symbol.asyncDispose]();
    const client = Client.memory();
    client[Symbol.dispose]();
    await assert.rejects(client.ping(), { message: /freed/ });
  });

  it("may be called back by the function that it calls", async () => {
    const inner = new Cache(Client.memory());
    const cache = strict(async () => ((await inner.getOrLoad("in", 60, () => 1)) === 1 ? '"in"' : null));
    assert.equal(await cache.get("k"), "in");
  });
});
