// What callers hand in: every exported method with wrong arguments of every kind, in every position.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { runInNewContext } from "node:vm";
import * as edgecask from "../../pkg/node/edgecask.cjs";
import { startHttp } from "./servers.mjs";

const { Cache, Client, EdgecaskError, Keyspace, LlmPolicyStore, Subscriber, Usage, setLogger, setWorker } = edgecask;

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
  function: () => ({}),
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

class Settings {
  ttlSeconds = 60;
}
Object.assign(WRONG, {
  "instance of a class": new Settings(),
  "inherited options": Object.create({ ttlSeconds: 60, url: "https://example.upstash.io", token: "t", tenantId: "acme" }),
  map: new Map(),
  "freed client": (() => {
    const freed = Client.memory();
    freed.free();
    return freed;
  })(),
});

const client = () => Client.memory();
const policies = { get: () => null, set() {}, delete: () => true };

// Which of them are right: all others have to be refused.
const ABSENT = ["undefined", "null"];
const NAME = ["string"];
const TEXT = ["string", "empty string"];
const NAMES = [...NAME, "array"];
const TEXTS = [...TEXT, "array"];
const COUNT = ["number"];
const FUNCTION = ["function"];
const OPTIONS = [...ABSENT, "object", "iterator that throws"];
const ARGUMENT = [...TEXT, "boolean", "number", "negative", "huge number", "bigint", "bytes"];
const JSON_VALUE = [
  ...TEXT, "null", "boolean", "number", "negative", "huge number", "object", "unknown option", "array", "array of numbers", "array of arrays",
  "array of undefined", "date", "half a surrogate pair", "proxy of bytes", "iterator that throws", "instance of a class", "inherited options", "freed client",
];
/** An argument: its name, a right value, and which of the wrong ones are right here. */
const arg = (name, right, accepted = []) => ({ name, right, accepted });
const options = (right = {}) => arg("options", right, OPTIONS);
const onClient = () => arg("client", client());
/** A list that may be given one by one. */
const listOf = (name, accepted, ...right) => Object.assign(right.map((value) => arg(name, value, accepted)), { more: arg(name, undefined, accepted) });

/** The same, after which the options of the call may come. */
const limitedListOf = (name, list, one) => {
  const args = listOf(name, NAMES, list, one);
  args[1] = { ...arg(name, one, [...NAMES, "object", "iterator that throws"]), or: "options" };
  return args;
};

/** Of each class: what makes one, and the arguments of each method. */
const METHODS = {
  Client: {
    make: client,
    constructor: [arg("options", { url: "https://example.upstash.io", token: "t" }, ["object", "iterator that throws"])],
    command: [arg("args", ["PING"]), options()],
    pipeline: [arg("commands", [["PING"]], ["array"]), options()],
    transaction: [arg("commands", [["GET", "k"]], ["array"]), options()],
    eval: [arg("source", "return 1", NAME), arg("keys", ["k"], [...ABSENT, ...TEXTS]), arg("args", ["a"], [...ABSENT, "array", "array of numbers"]), options()],
    get: [arg("key", "k", TEXT), options()],
    getBytes: [arg("key", "k", TEXT), options()],
    set: [arg("key", "k", TEXT), arg("value", "v", ARGUMENT), options()],
    del: listOf("keys", TEXTS, ["k"], "l"),
    subscribe: listOf("channels", TEXTS, ["c"], "d"),
    psubscribe: listOf("patterns", TEXTS, ["p*"], "q*"),
    monitor: [],
    syncToken: [],
    setSyncToken: [arg("token", "t", TEXT)],
    ping: [options()],
    free: null,
  },
  "Client of the class": {
    make: () => Client,
    memory: [options()],
    fromEnv: [
      arg("env", {}, ["object", "unknown option", "getter that throws", "iterator that throws", "proxy of bytes", "instance of a class", "inherited options", "freed client"]),
      options(),
    ],
  },
  Subscriber: { make: () => client().subscribe("c"), constructor: null, next: null, close: [], free: null },
  Keyspace: {
    make: () => new Keyspace("app"),
    constructor: listOf("parts", NAMES, ["app"], "user"),
    join: listOf("parts", NAMES, ["a"], "b"),
    key: listOf("parts", NAMES, ["a"], "b"),
    pattern: [],
    free: null,
  },
  Usage: {
    make: () => new Usage(client(), new Keyspace("app"), 10),
    constructor: [onClient(), arg("keyspace", new Keyspace("app")), arg("most", 10, COUNT)],
    record: [arg("id", "id", NAME)],
    mostRecent: [arg("count", 1, COUNT)],
    mostUsed: [arg("count", 1, COUNT)],
    clear: [],
    free: null,
  },
  LlmPolicyStore: {
    make: () => new LlmPolicyStore(client()),
    constructor: [onClient(), options({ backing: policies })],
    get: [arg("tenantId", "acme", NAME)],
    set: [arg("policy", { tenantId: "acme" })],
    delete: [arg("tenantId", "acme", NAME)],
    catchUp: [],
    health: [],
    stats: [],
    free: null,
  },
  Cache: {
    make: () => new Cache(client(), { keyspace: "app" }),
    constructor: [onClient(), options()],
    waitUntil: [arg("hook", () => {}, FUNCTION)],
    get: [arg("key", "k", NAME), options()],
    getMany: limitedListOf("keys", ["k"], "l"),
    set: [arg("key", "k", NAME), arg("value", 1, JSON_VALUE), arg("options", 60, COUNT)],
    setMany: [arg("entries", { k: 1 }, ["object", "unknown option", "iterator that throws"]), arg("options", 60, COUNT)],
    getOrLoad: [arg("key", "k", NAME), arg("options", 60, COUNT), arg("load", () => 1, FUNCTION)],
    getOrLoadMany: [arg("keys", ["k"], NAMES), arg("options", 60, COUNT), arg("load", () => ({ k: 1 }), FUNCTION)],
    delete: limitedListOf("keys", ["k"], "l"),
    invalidateTags: limitedListOf("tags", ["t"], "u"),
    deleteMatching: [arg("pattern", "k*", NAME), options()],
    clear: [options()],
    catchUp: [options()],
    followInvalidations: [options({ signal: AbortSignal.abort() })],
    keyDistribution: [arg("parts", 1, COUNT), arg("sample", 10, COUNT)],
    serverStats: [],
    health: [],
    stats: [],
    resetStats: [],
    prometheus: [arg("name", "name", TEXT)],
    warm: [arg("keys", ["k"], NAMES), arg("options", 60, COUNT), arg("load", () => 1, FUNCTION)],
    free: null,
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
      if (typeof value !== "function" || ["setLogger", "setWorker", "EdgecaskError", "init", "initSync"].includes(name)) continue;
      const known = new Set(Object.keys({ ...METHODS[name], ...(value === Client ? METHODS["Client of the class"] : {}) }));
      const own = [...Object.getOwnPropertyNames(value.prototype), ...Object.getOwnPropertyNames(value)];
      const functions = new Set(own.filter((name) => !["length", "name", "prototype", "owed"].includes(name)));
      for (const method of functions) assert.ok(known.has(method), `${name}.${method} is not tested`);
    }
  });

  for (const [name, { make, ...methods }] of Object.entries(METHODS)) {
    for (const [method, args] of Object.entries(methods)) {
      if (args === null) continue;
      it(`of ${name}.${method} are refused by name`, async () => {
        const valid = client();
        await valid.set("k", "v");
        const right = args.map(({ right }) => right);
        for (let at = 0; at <= args.length; at++) {
          const expected = args[at] ?? args.more ?? arg(`arguments[${at}]`);
          for (const [kind, wrong] of Object.entries(WRONG)) {
            const given = [...right.slice(0, at), wrong, ...right.slice(at + 1)];
            const object = await make();
            const call = outcome(() => (method === "constructor" ? new edgecask[name](...given) : object[method](...given)));
            const same = valid.get("k");
            const { value, error } = await call;
            assert.equal(await same, "v");
            if (value instanceof Subscriber) value.close();
            const where = `${name}.${method}, argument ${at}, ${kind}: ${error?.stack}`;
            if (expected.accepted.includes(kind)) {
              // Of the right type, though whoever is asked may refuse it: a cache may have no bus.
              assert.ok(error === undefined || ["Config", "Unsupported", "Server"].includes(error.kind), where);
              continue;
            }
            assert.ok(error instanceof EdgecaskError, where);
            assert.deepEqual([error.name, error.kind, error.outcome], ["EdgecaskError", "InvalidInput", "NotSent"], where);
            const { argument } = error;
            const names = (name) => argument === name || /^[.[]/.test(argument.slice(name.length)) && argument.startsWith(name);
            assert.ok(names(expected.name) || (expected.or && names(expected.or)), `names ${argument}: ${where}`);
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
      ["arguments[3]", { ex: 1 }, 10],
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

it("a signal is one, or is refused", async () => {
  const cache = new Cache(client(), { bus: "b" });
  for (const wrong of [
    "now", 1, true, {}, { aborted: true }, new AbortController(), new EventTarget(), Object.create(AbortSignal.prototype),
  ]) {
    for (const call of [
      (options) => client().command(["PING"], options),
      (options) => client().pipeline([["PING"]], options),
      (options) => client().transaction([["PING"]], options),
      (options) => client().eval("return 1", [], [], options),
      (options) => client().get("k", options),
      (options) => client().set("k", "v", options),
      (options) => client().ping(options),
      (options) => cache.get("k", options),
      (options) => cache.getMany(["k"], options),
      (options) => cache.set("k", 1, { ttlSeconds: 60, ...options }),
      (options) => cache.getOrLoad("k", { ttlSeconds: 60, ...options }, () => 1),
      (options) => cache.delete(["k"], options),
      (options) => cache.invalidateTags(["t"], options),
      (options) => cache.followInvalidations(options),
    ]) {
      await assert.rejects(call({ signal: wrong }), { kind: "InvalidInput", argument: "options.signal" });
    }
  }
});

it("a signal that has aborted sends nothing, and its reason comes through", async () => {
  const c = client();
  const reason = new Error("no longer wanted");
  const options = { signal: AbortSignal.abort(reason) };
  for (const call of [
    c.command(["SET", "k", "v"], options),
    c.pipeline([["SET", "k", "v"]], options),
    c.transaction([["SET", "k", "v"]], options),
    c.eval("return 1", [], [], options),
    c.get("k", options),
    c.getBytes("k", options),
    c.set("k", "v", options),
    c.ping(options),
    ...((cache) => [
      cache.get("k", options),
      cache.getMany(["k"], options),
      cache.set("k", 1, { ttlSeconds: 60, ...options }),
      cache.setMany({ k: 1 }, { ttlSeconds: 60, ...options }),
      cache.getOrLoad("k", { ttlSeconds: 60, ...options }, () => 1),
      cache.getOrLoadMany(["k"], { ttlSeconds: 60, ...options }, () => ({ k: 1 })),
      cache.delete(["k"], options),
      cache.deleteMatching("k*", options),
      cache.invalidateTags(["t"], options),
      cache.clear(options),
      cache.catchUp(options),
    ])(new Cache(c, { keyspace: "app" })),
  ]) {
    await assert.rejects(call, (error) => error === reason);
  }
  assert.equal(await c.command(["DBSIZE"]), 0);
  await assert.rejects(c.command(["PING"], { signal: AbortSignal.abort() }), { name: "AbortError" });
  const cache = new Cache(c, { bus: "b" });
  await cache.followInvalidations(options);
});

describe("what is read", () => {
  /** Counts how often each property is read, and gives another value the second time. */
  const counting = (values) => {
    const reads = {};
    const object = Array.isArray(values) ? [] : {};
    for (const [name, [first, then]] of Object.entries(values)) {
      Object.defineProperty(object, name, {
        enumerable: true,
        get: () => ((reads[name] = (reads[name] ?? 0) + 1) === 1 ? first : then),
      });
    }
    return { object, reads };
  };

  it("is read once", async () => {
    const c = client();
    const command = counting([["SET", 7], ["k", 7n], ["v", "w"]]);
    assert.equal(await c.command(command.object), "OK");
    const how = counting({ ex: [100, "x"], get: [true, "x"] });
    assert.equal(await c.set("k", "x", how.object), "v");
    const keys = counting([["k", Symbol()]]);
    assert.equal(await c.del(keys.object), 1);
    const background = [];
    const context = counting({ waitUntil: [(work) => background.push(work), "x"] });
    const cache = new Cache(c).waitUntil(context.object);
    const entries = counting({ a: [1, 10n], b: [2, 10n] });
    await cache.setMany(entries.object, 1);
    const stale = { ttlSeconds: 1, staleWhileRevalidateSeconds: 60 };
    await cache.set("a", "old", stale);
    while ((await cache.get("a")) !== undefined) await new Promise((wake) => setTimeout(wake, 20));
    assert.equal(await cache.getOrLoad("a", stale, () => "new"), "old");
    assert.equal(background.length, 1);
    await background[0];
    const methods = counting({ get: [() => ({ tenantId: "acme" }), 0], set: [() => {}, 0], delete: [() => true, 0] });
    const store = new LlmPolicyStore(c, { backing: methods.object });
    await store.set(await store.get("acme"));
    assert.equal(await store.delete("acme"), true);
    for (const { reads } of [command, how, keys, context, entries, methods]) {
      assert.deepEqual(new Set(Object.values(reads)), new Set([1]));
    }
  });

  it("cannot free what was handed in before it", () => {
    const c = client();
    const options = { get plain() { return c.free(), true; } };
    assert.throws(() => new Cache(c, options), { kind: "InvalidInput", argument: "client", message: /freed/ });
  });

  it("is nobody's prototype", async () => {
    const polluted = {
      url: "https://polluted.upstash.io", token: "polluted", keyPrefix: "polluted:", timeoutMs: 1, maxRequests: 1, attempts: 9, readYourWrites: "x",
      ttlSeconds: 1, tags: ["polluted"], jitter: 2, mode: "bypass", plain: true, bus: "polluted", generation: "polluted", sealingKeys: 1, edge: {}, l1: {},
      nx: true, xx: true, ex: 1, keepTtl: true, signal: "polluted", logger: 1, logLevel: 1, waitUntil: 1, onProgress: 1, concurrency: 0,
      backing: 1, tier: "polluted", REDIS_URL: "https://polluted.upstash.io", REDIS_PASSWORD: "polluted", UPSTASH_REDIS_REST_URL: "https://polluted.upstash.io",
      argument: "polluted", cause: "polluted", code: "polluted", status: 1, kind: "polluted", negativeTtlSeconds: 1,
    };
    const pollute = () => Object.keys(polluted).forEach((name) => Object.defineProperty(Object.prototype, name, { value: polluted[name], configurable: true, writable: true }));
    // Not "get" and "value": no program goes on with these.
    const clean = () => Object.keys(polluted).forEach((name) => delete Object.prototype[name]);
    pollute();
    try {
      const c = Client.fromEnv({});
      assert.equal(await c.set("k", "v"), true);
      assert.equal(await c.set("k", "w", {}), true);
      assert.deepEqual(await c.command(["GET", "k"], {}), "w");
      assert.equal(await c.command(["TTL", "k"]), -1);
      const cache = new Cache(c, {});
      await cache.set("e", "x", { ttlSeconds: 100 });
      assert.ok(Math.abs((await c.command(["TTL", "e"])) - 100) <= 1);
      assert.equal(await c.get("e"), '"x"');
      assert.equal(await cache.getOrLoad("e", 100, () => "loaded"), "x");
      assert.equal((await cache.warm("w", 100, () => 1)).succeeded, 1);
      assert.equal(await new LlmPolicyStore(c, {}).get("acme"), null);
      const { error } = await outcome(() => new Client({}));
      assert.deepEqual([error.kind, Object.hasOwn(error, "argument"), Object.hasOwn(error, "cause")], ["Config", false, false]);
      const thrown = await c.command(["INCR", "k"]).catch((error) => error);
      assert.deepEqual([thrown.kind, thrown.code, Object.hasOwn(thrown, "status"), Object.hasOwn(thrown, "cause")], ["Server", "ERR", false, false]);
    } finally {
      clean();
    }
  });
});

it("logLevel is refused without a logger that it could be for", () => {
  const refused = { kind: "InvalidInput", argument: "options.logLevel", message: /options\.logger.*setLogger/ };
  const at = { url: "https://example.upstash.io", token: "t" };
  assert.throws(() => new Client({ ...at, logLevel: "debug" }), refused);
  assert.throws(() => Client.memory({ logLevel: "debug" }), refused);
  assert.throws(() => Client.fromEnv({}, { logLevel: "debug" }), refused);
  assert.throws(() => new Cache(client(), { logLevel: "debug" }), refused);
  assert.throws(() => new LlmPolicyStore(client(), { logLevel: "debug" }), refused);
});

it("warming nothing does nothing", async () => {
  assert.deepEqual(await new Cache(client()).warm([], 60, () => 1), { done: 0, succeeded: 0, failed: 0, givenUp: false });
});

it("bytes of another realm are bytes", async () => {
  const c = client();
  await c.set("k", runInNewContext("new Uint8Array([1, 200])"));
  assert.deepEqual([...(await c.getBytes("k"))], [1, 200]);
  assert.equal(await c.set("k", "v", runInNewContext("({ ex: 100 })")), true);
});

it("setWorker takes a boolean", () => {
  for (const wrong of [undefined, null, 1, "true", {}]) assert.throws(() => setWorker(wrong), { kind: "InvalidInput", argument: "isWorker" });
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
  slow.on("request", (_, response) => response.end('{"result":"PONG"}'));
  await new Client(at).ping();
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
