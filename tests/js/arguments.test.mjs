// What callers hand in: every exported method with wrong arguments of every kind, in every position.
import assert from "node:assert/strict";
import { once } from "node:events";
import { describe, it } from "node:test";
import * as edgecask from "../../pkg/node/edgecask.cjs";
import { startHttp } from "./servers.mjs";

const { Cache, Client, Keyspace, LlmPolicyStore, Subscriber, Usage, setLogger } = edgecask;

const hostile = new Proxy({}, {
  get() { throw new Error("hostile"); },
  has() { throw new Error("hostile"); },
  ownKeys() { throw new Error("hostile"); },
  getPrototypeOf() { throw new Error("hostile"); },
});
const revoked = Proxy.revocable([], {});
revoked.revoke();
const WRONG = {
  undefined: undefined,
  null: null,
  boolean: true,
  number: 1,
  NaN,
  negative: -1,
  "huge number": Number.MAX_VALUE,
  bigint: 10n,
  symbol: Symbol("symbol"),
  object: {},
  "unknown option": { surprise: 1 },
  array: [],
  "array of numbers": [1],
  "array of arrays": [[]],
  "array of undefined": [undefined],
  "sparse array": new Array(4_000_000_000),
  function: () => 1,
  date: new Date(0),
  string: "text",
  "empty string": "",
  "huge string": "x".repeat(64 * 1024 * 1024 + 1),
  "half a surrogate pair": "\ud800",
  bytes: new Uint8Array([1, 2]),
  proxy: hostile,
  "proxy of a list": new Proxy(["k"], { get() { throw new Error("hostile"); } }),
  "proxy of bytes": new Proxy(new Uint8Array(1), {}),
  "revoked proxy": revoked.proxy,
  "getter that throws": { get ttlSeconds() { throw new Error("hostile"); }, get url() { throw new Error("hostile"); } },
  "iterator that throws": { get [Symbol.iterator]() { throw new Error("hostile"); } },
};

const client = () => Client.memory();
const policies = { get: () => null, set() {}, delete: () => true };
/** Of each class: what makes one, and right arguments of each method. */
const METHODS = {
  Client: {
    make: client,
    constructor: [{ url: "https://example.upstash.io", token: "t" }],
    command: [["PING"], {}],
    pipeline: [[["PING"]], {}],
    transaction: [[["GET", "k"]], {}],
    eval: ["return 1", ["k"], ["a"], {}],
    get: ["k"],
    getBytes: ["k"],
    set: ["k", "v", {}],
    del: [["k"], "l"],
    subscribe: [["c"], "d"],
    psubscribe: [["p*"], "q*"],
    monitor: [],
    syncToken: [],
    setSyncToken: ["t"],
    ping: [],
    free: [],
  },
  "Client of the class": { make: () => Client, memory: [{}], fromEnv: [{}, {}] },
  Subscriber: { make: () => client().subscribe("c"), next: null, close: [], free: [] },
  Keyspace: { make: () => new Keyspace("app"), constructor: [["app"], "user"], join: [["a"], "b"], key: [["a"], "b"], pattern: [], free: [] },
  Usage: {
    make: () => new Usage(client(), new Keyspace("app"), 10),
    constructor: [client(), new Keyspace("app"), 10],
    record: ["id"],
    mostRecent: [1],
    mostUsed: [1],
    clear: [],
    free: [],
  },
  LlmPolicyStore: {
    make: () => new LlmPolicyStore(client()),
    constructor: [client(), { backing: policies }],
    get: ["acme"],
    set: [{ tenantId: "acme" }],
    delete: ["acme"],
    catchUp: [],
    health: [],
    stats: [],
    free: [],
  },
  Cache: {
    make: () => new Cache(client(), { keyspace: "app" }),
    constructor: [client(), {}],
    waitUntil: [() => {}],
    get: ["k"],
    getMany: [["k"], "l"],
    set: ["k", 1, 60],
    setMany: [{ k: 1 }, 60],
    getOrLoad: ["k", 60, () => 1],
    delete: [["k"], "l"],
    invalidateTags: [["t"], "u"],
    deleteMatching: ["k*"],
    clear: [],
    catchUp: [],
    followInvalidations: [{ signal: AbortSignal.abort() }],
    keyDistribution: [1, 10],
    serverStats: [],
    health: [],
    stats: [],
    resetStats: [],
    prometheus: ["name"],
    warm: [["k"], 60, () => 1],
    free: [],
  },
};

async function outcome(call) {
  try {
    return { value: await call() };
  } catch (error) {
    return { error };
  }
}

describe("wrong arguments", () => {
  it("are tried on everything that is exported", () => {
    for (const [name, value] of Object.entries(edgecask)) {
      if (typeof value !== "function" || name === "setLogger") continue;
      const known = new Set(Object.keys({ ...METHODS[name], ...(value === Client ? METHODS["Client of the class"] : {}) }));
      const own = [...Object.getOwnPropertyNames(value.prototype), ...Object.getOwnPropertyNames(value)];
      const functions = new Set(own.filter((name) => !["length", "name", "prototype", "wasmOf", "owed"].includes(name)));
      for (const method of functions) if (method !== "constructor" || value !== Subscriber) assert.ok(known.has(method), `${name}.${method} is not tested`);
    }
  });

  for (const [name, { make, ...methods }] of Object.entries(METHODS)) {
    for (const [method, right] of Object.entries(methods)) {
      if (right === null || (method === "constructor" && name === "Subscriber")) continue;
      it(`of ${name}.${method} are refused by name`, async () => {
        const valid = client();
        await valid.set("k", "v");
        const positions = Array.from({ length: right.length + 1 }, (_, at) => at);
        for (const at of positions) {
          for (const [kind, wrong] of Object.entries(WRONG)) {
            const args = right.toSpliced?.(at, 1, wrong) ?? [...right.slice(0, at), wrong, ...right.slice(at + 1)];
            const object = await make();
            const call = outcome(() => (method === "constructor" ? new edgecask[name](...args) : object[method](...args)));
            const same = valid.get("k");
            const { value, error } = await call;
            assert.equal(await same, "v");
            if (value instanceof Subscriber) value.close();
            if (!error) continue;
            const where = `${name}.${method}, argument ${at}, ${kind}: ${error?.stack}`;
            // Of the right type, and refused by who is asked: the embedded engine has no Lua, and no INFO of a server.
            if (["Config", "Unsupported"].includes(error.kind) || (method === "eval" && error.kind === "Server")) continue;
            assert.equal(error.name, "EdgecaskError", where);
            assert.equal(error.kind, "InvalidInput", where);
            assert.equal(error.outcome, "NotSent", where);
            assert.equal(typeof error.argument, "string", where);
            assert.ok(error.message.length < 600, where);
          }
        }
      });
    }
  }

  it("of setLogger are refused", () => {
    for (const [kind, wrong] of Object.entries(WRONG)) {
      if (["undefined", "null", "function"].includes(kind)) continue;
      assert.throws(() => setLogger(wrong), { kind: "InvalidInput", argument: "logger" }, kind);
      assert.throws(() => setLogger(() => {}, wrong), { kind: "InvalidInput", argument: "logLevel" }, kind);
    }
  });

  it("do not come from a client that was freed", async () => {
    const freed = client();
    freed.free();
    freed.free();
    await assert.rejects(freed.get("k"), { kind: "InvalidInput", message: /freed/ });
    assert.throws(() => new Cache(freed), { kind: "InvalidInput", argument: "client" });
    assert.throws(() => new Subscriber(), { kind: "InvalidInput" });
    const cache = new Cache(client());
    cache.free();
    assert.throws(() => cache.owed, { kind: "InvalidInput", message: /freed/ });
  });
});

describe("a list of strings", () => {
  it("may be one string, and is never its letters", async () => {
    const c = client();
    await c.pipeline(["u", "s", "e", "r", "user", "a", "b"].map((key) => ["SET", key, "v"]));
    assert.equal(await c.del("user"), 1);
    assert.equal(await c.command(["DBSIZE"]), 6);
    assert.equal(await c.del("a", "b"), 2);
    assert.equal(await c.del(["u", "s"], "e"), 3);
    assert.equal(await c.del([]), 0);
    assert.equal(new Keyspace("prod").key("user"), "prod:user");
    const news = await c.subscribe("news");
    assert.equal(await c.command(["PUBLISH", "news", "x"]), 1);
    assert.equal((await news.next()).payload, "x");
    news.close();

    const cache = new Cache(c, { keyspace: "app" });
    await cache.set("ada", 1, { ttlSeconds: 60, tags: "profiles" });
    await cache.invalidateTags("profiles");
    assert.equal(await cache.get("ada"), undefined);
    assert.deepEqual(await cache.warm("ada", 60, (key) => key), { done: 1, succeeded: 1, failed: 0, givenUp: false });
    assert.deepEqual(await cache.getMany("ada"), ["ada"]);
    assert.deepEqual(await cache.delete("ada"), { count: 1, owed: false });
  });
});

describe("the options of set", () => {
  it("all work", async () => {
    const c = client();
    const ttl = async () => Number(await c.command(["TTL", "k"]));
    const inAMinute = Math.floor(Date.now() / 1000) + 60;
    for (const options of [{ ex: 60 }, { px: 60_000 }, { exat: inAMinute }, { pxat: inAMinute * 1000 }]) {
      assert.equal(await c.set("k", "v", options), true);
      assert.ok((await ttl()) > 50, JSON.stringify(options));
    }
    assert.equal(await c.set("k", "w", { keepTtl: true }), true);
    assert.ok((await ttl()) > 50);
    assert.equal(await c.set("k", "x", { get: true }), "w");
    assert.equal(await ttl(), -1);
    assert.equal(await c.set("new", "x", { get: true }), null);
    assert.equal(await c.set("k", "y", { nx: true, get: true }), "x");
    assert.equal(await c.get("k"), "x");
    assert.equal(await c.set("k", "y", { xx: true, nx: false }), true);
  });

  it("are refused where they are unknown or exclude each other", async () => {
    const c = client();
    for (const [argument, ...more] of [
      ["options.EX", { EX: 10 }],
      ["options.ttl", { ttl: 10 }],
      ["options.px", { ex: 1, px: 1 }],
      ["options.exat", { ex: 1, exat: 1 }],
      ["options.keepTtl", { ex: 1, keepTtl: true }],
      ["options.xx", { nx: true, xx: true }],
      ["options.ex", { ex: "10" }],
      ["options.ex", { ex: 0 }],
      ["options.nx", { nx: 1 }],
      ["options", "EX", 10],
      ["options", "EX"],
      ["options", 60],
    ]) {
      await assert.rejects(c.set("k", "v", ...more), { kind: "InvalidInput", argument }, JSON.stringify(more));
    }
    assert.equal(await c.get("k"), null);
  });
});

it("an object as a value is refused with what to do instead", async () => {
  await assert.rejects(client().set("k", { a: 1 }), { kind: "InvalidInput", argument: "value", message: /JSON\.stringify/ });
  await assert.rejects(client().command(["SET", "k", { a: 1 }]), { kind: "InvalidInput", argument: "args[2]", message: /JSON\.stringify/ });
});

it("a typing mistake in any object of options is refused by its name", async () => {
  const c = client();
  const cache = new Cache(c);
  const at = { url: "https://example.upstash.io", token: "t" };
  const refused = async (call, argument) => {
    const { error } = await outcome(call);
    assert.deepEqual([error?.kind, error?.argument], ["InvalidInput", argument]);
    assert.match(error.message, new RegExp(`'${argument.split(".").at(-1)}'; there are `));
  };
  await refused(() => new Client({ ...at, timeoutMS: 1 }), "options.timeoutMS");
  await refused(() => Client.memory({ loger: () => {} }), "options.loger");
  await refused(() => Client.fromEnv({}, { loger: () => {} }), "options.loger");
  await refused(() => c.command(["PING"], { timeout: 1 }), "options.timeout");
  await refused(() => c.pipeline([], { timeout: 1 }), "options.timeout");
  await refused(() => new Cache(c, { L1: {} }), "options.L1");
  await refused(() => new Cache(c, { l1: { ttl: 1 } }), "options.l1.ttl");
  await refused(() => new Cache(c, { edge: { ttl: 1 } }), "options.edge.ttl");
  await refused(() => new Cache(c, { sealingKeys: [{ id: "a", key: new Uint8Array(32), kid: 1 }] }), "options.sealingKeys[0].kid");
  await refused(() => cache.set("k", 1, { ttlSeconds: 1, tag: "t" }), "options.tag");
  await refused(() => cache.setMany({ k: 1 }, { ttlSeconds: 1, tag: "t" }), "options.tag");
  await refused(() => cache.getOrLoad("k", { ttlSeconds: 1, softTimeout: 1 }, () => 1), "options.softTimeout");
  await refused(() => cache.warm("k", { ttlSeconds: 1, concurency: 1 }, () => 1), "options.concurency");
  await refused(() => cache.followInvalidations({ signals: 1 }), "options.signals");
  await refused(() => new LlmPolicyStore(c, { ttl: 1 }), "options.ttl");
});

it("what is handed in is not changed by what its owner does next", async () => {
  const c = client();
  const [bytes, args, tags] = [new Uint8Array([1, 2]), ["SET", "k", "v"], ["t"]];
  const calls = [c.set("b", bytes), c.command(args), new Cache(c).set("c", 1, { ttlSeconds: 60, tags })];
  bytes.fill(9);
  args.fill("x");
  tags.fill("x");
  await Promise.all(calls);
  assert.deepEqual([...(await c.getBytes("b"))], [1, 2]);
  assert.equal(await c.get("k"), "v");
  assert.match(await c.get("c"), /"tags":\{"t":/);
});

it("a time longer than a timer holds does not trap", async () => {
  const slow = await startHttp();
  const at = { url: slow.url, token: "t", timeoutMs: 3_155_760_000_000 };
  const asked = once(slow, "request");
  const answer = new Client(at).ping();
  (await asked)[1].end('{"result":"PONG"}');
  await answer;
  await slow.stop();
});

it("a client may be freed while it is called", async () => {
  const c = client();
  const cache = new Cache(c);
  const calls = [c.set("k", "v"), c.pipeline([["GET", "k"]]), cache.set("a", 1, 60), cache.getOrLoad("b", 60, async () => 2)];
  c.free();
  cache.free();
  assert.deepEqual(await Promise.all(calls), [true, ["v"], { owed: false }, 2]);
  if (Symbol.dispose) assert.equal(typeof c[Symbol.dispose], "function");
});
