// The official Redis class of @upstash/redis over our transport.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { after, before, describe, it } from "node:test";
import { Redis as Official } from "@upstash/redis";
import { Client } from "../../pkg/client/node.js";
import { linked } from "./package.mjs";
import { ask, startHttp, startServer } from "./servers.mjs";

const { Redis, errors, requester } = await linked("edgecask/upstash");

describe("edgecask/upstash", () => {
  let server, redis;
  /** Passes a request on to the server. */
  const forward = async (request, response) => {
    const parts = [];
    for await (const part of request) parts.push(part);
    const { host, connection, "content-length": length, "accept-encoding": coding, ...headers } = request.headers;
    const answer = await fetch(server.url + request.url, { method: request.method, headers, body: Buffer.concat(parts) });
    response.writeHead(answer.status, Object.fromEntries([...answer.headers].filter(([name]) => !/^(transfer-encoding|content-length|connection)$/.test(name))));
    response.end(Buffer.from(await answer.arrayBuffer()));
  };
  before(async () => {
    server = await startServer();
    redis = new Redis({ ...server });
  });
  after(() => server.stop());

  it("is the official class", async () => {
    assert.ok(redis instanceof Official);
    const over = new Official(requester(new Client(server)));
    assert.equal(await over.set("over", "a requester"), "OK");
    assert.equal(await new Redis(new Client(server)).get("over"), "a requester");
    assert.equal(await new Redis(requester(new Client(server))).get("over"), "a requester");
  });

  it("stores and reads JSON values", async () => {
    assert.equal(await redis.set("s", { a: [1, null, "ü"] }, { ex: 100, nx: true }), "OK");
    assert.deepEqual(await redis.get("s"), { a: [1, null, "ü"] });
    assert.equal(await redis.ttl("s"), 100);
    assert.equal(await redis.get("absent"), null);
    assert.deepEqual(await redis.mget("s", "absent"), [{ a: [1, null, "ü"] }, null]);
    assert.equal(await redis.set("s", "x", { nx: true }), null);
    assert.equal(await redis.incrby("n", 5), 5);
    assert.equal(await redis.incrbyfloat("f", 0.5), 0.5);
    assert.equal(await redis.hset("h", { a: 1, b: { deep: true }, c: "text" }), 3);
    assert.deepEqual(await redis.hgetall("h"), { a: 1, b: { deep: true }, c: "text" });
    assert.deepEqual(await redis.hmget("h", "a", "x"), { a: 1, x: null });
    assert.equal(await redis.hgetall("absent"), null);
    assert.equal(await redis.zadd("z", { score: 1, member: "a" }, { score: 2.5, member: "b" }), 2);
    assert.deepEqual(await redis.zrange("z", 0, -1, { withScores: true }), ["a", 1, "b", 2.5]);
    assert.deepEqual(await redis.zrange("z", 2, 5, { byScore: true }), ["b"]);
    assert.equal(await redis.json.set("doc", "$", { name: "a", n: [1] }), "OK");
    assert.deepEqual(await redis.json.get("doc", "$.n"), [[1]]);
    assert.deepEqual(await redis.exec(["GET", "n"]), 5);
  });

  it("leaves values as they are where that is asked for", async () => {
    const plain = new Redis({ ...server, automaticDeserialization: false });
    await plain.set("json", '{"a":1}');
    assert.equal(await plain.get("json"), '{"a":1}');
    assert.equal(await plain.get("n"), "5");
  });

  it("gives texts of every kind, integers that no number holds, and bytes as the official transport does", async () => {
    const official = new Official({ ...server, enableTelemetry: false });
    for (const text of ["hello", "", "null", "007", "OK", "ü\n\"", "9007199254740993", "b2s="]) {
      await redis.set("text", text);
      assert.deepEqual(await redis.get("text"), await official.get("text"), text);
    }
    await new Client(server).set("bytes", Uint8Array.from([0x66, 0xff, 0x00]));
    assert.equal(await redis.get("bytes"), await official.get("bytes"));
    await redis.exec(["SET", "large", "9223372036854775806"]);
    assert.equal(await redis.incr("large"), "9223372036854775807");
  });

  it("runs pipelines, transactions and scripts", async () => {
    const pipeline = redis.pipeline().set("p", 1).incr("p").get("p");
    assert.deepEqual(await pipeline.exec(), ["OK", 2, 2]);
    assert.deepEqual(await redis.multi().incr("p").incr("p").exec(), [3, 4]);
    const mixed = await redis.pipeline().set("p", "x").incr("p").get("p").exec({ keepErrors: true });
    assert.deepEqual([mixed[0].result, mixed[2].result], ["OK", "x"]);
    assert.match(mixed[1].error, /^ERR value is not an integer/);
    await assert.rejects(redis.multi().set("q", 1).exec().then(() => redis.multi().incr("p").exec()), { name: "UpstashError", message: /Command 1 \[ incr \] failed: ERR value/ });
    assert.deepEqual(await redis.eval("return {KEYS[1], ARGV[1], 7}", ["k"], ["v"]), ["k", "v", 7]);
    const sha = await redis.scriptLoad("return ARGV[1]");
    assert.equal(await redis.evalsha(sha, [], ["text"]), "text");
  });

  it("sends the calls of a moment together, unless told not to", async () => {
    let requests = 0;
    const counting = await startHttp((request, response) => {
      requests += 1;
      return forward(request, response);
    });
    const values = (redis) => Promise.all(Array.from({ length: 5 }, (_, at) => redis.get(`v${at}`)));
    await redis.mset({ v0: 0, v1: 1, v2: 2, v3: 3, v4: 4 });
    const together = new Redis({ url: counting.url, token: server.token });
    await together.get("v0");
    requests = 0;
    assert.deepEqual(await values(together), [0, 1, 2, 3, 4]);
    assert.equal(requests, 1);
    const alone = new Redis({ url: counting.url, token: server.token, enableAutoPipelining: false });
    await alone.get("v0");
    requests = 0;
    assert.deepEqual(await values(alone), [0, 1, 2, 3, 4]);
    assert.equal(requests, 5);
    await counting.stop();
  });

  it("has Redis's errors as official errors, and ours as they are", async () => {
    await redis.set("e", "text");
    const failed = await new Redis({ ...server, enableAutoPipelining: false }).incr("e").catch((error) => error);
    assert.ok(failed instanceof errors.UpstashError);
    assert.match(failed.message, /^ERR value is not an integer/);
    assert.deepEqual([failed.cause.name, failed.cause.kind, failed.cause.code], ["EdgecaskError", "Server", "ERR"]);
    await assert.rejects(redis.incr("e"), { name: "UpstashError", message: /value is not an integer/ });
    const stranger = new Redis({ ...server, token: "wrong", retry: false });
    await assert.rejects(stranger.get("e"), { name: "UpstashError", message: /WRONGPASS|invalid or missing/ });
    const away = new Redis({ url: "http://127.0.0.1:4", token: "t", retry: false });
    await assert.rejects(away.get("e"), { name: "EdgecaskError", kind: "Connect", outcome: "NotSent" });
    assert.throws(() => new Redis({ url: undefined, token: undefined }), { kind: "Config" });
    assert.throws(() => new Redis({ ...server, timeout: 5 }), { kind: "InvalidInput" });
  });

  it("keeps to deadlines, signals and prefixes, and tries again", async () => {
    let failures = 2;
    const hanging = await startHttp(() => {});
    const flaky = await startHttp((request, response) => {
      if (failures-- > 0) response.writeHead(503).end();
      else forward(request, response);
    });
    const slow = new Redis({ url: hanging.url, token: "t", timeoutMs: 50, retry: false });
    await assert.rejects(slow.get("k"), { kind: "Timeout" });
    const reason = new Error("given up");
    const given = new Redis({ url: hanging.url, token: "t", signal: () => AbortSignal.abort(reason) });
    await assert.rejects(given.get("k"), (error) => error === reason);
    assert.equal(await new Redis({ url: flaky.url, token: server.token, retry: { retries: 3 } }).get("over"), "a requester");
    assert.equal(failures, -1);
    const tenant = new Redis({ ...server, keyPrefix: "tenant:" });
    await tenant.set("k", "v");
    assert.equal(await ask(server, "GET", "tenant:k"), "v");
    await hanging.stop();
    await flaky.stop();
  });

  it("listens to channels and patterns", async () => {
    const heard = [];
    let next;
    const hear = (what) => (event) => (heard.push([what, event]), next?.());
    const [one, all] = [redis.subscribe("news"), redis.psubscribe("n*")];
    one.on("message", hear("message"));
    all.on("pmessage", hear("pmessage"));
    const ready = Promise.all([new Promise((done) => one.on("subscribe", done)), new Promise((done) => all.on("psubscribe", done))]);
    await ready;
    const both = new Promise((done) => (next = () => heard.length === 2 && done()));
    assert.equal(await redis.publish("news", { a: "1,2" }), 2);
    await both;
    heard.sort();
    assert.deepEqual(heard, [
      ["message", { channel: "news", message: { a: "1,2" } }],
      ["pmessage", { pattern: "n*", channel: "news", message: { a: "1,2" } }],
    ]);
    await one.unsubscribe();
    await all.unsubscribe();
  });

  it("reads the variables that the official class reads, of a process or a Worker", async () => {
    const env = { UPSTASH_REDIS_REST_URL: server.url, UPSTASH_REDIS_REST_TOKEN: server.token };
    assert.equal(await Redis.fromEnv(env).get("over"), "a requester");
    const kv = { KV_REST_API_URL: server.url, KV_REST_API_TOKEN: server.token };
    assert.equal(await Redis.fromEnv(kv, { automaticDeserialization: false }).get("n"), "5");
    Object.assign(process.env, env);
    assert.equal(await Redis.fromEnv({ keyPrefix: "tenant:" }).get("k"), "v");
    for (const name of Object.keys(env)) delete process.env[name];
    assert.throws(() => Redis.fromEnv(), { kind: "Config" });
    assert.throws(() => Redis.fromEnv({ ASSETS: {} }), { kind: "Config" });
  });

  it("tells what it wrote by the official token", async () => {
    const seen = [];
    const proxy = await startHttp((request, response) => {
      seen.push(request.headers["upstash-sync-token"]);
      return forward(request, response);
    });
    try {
      const [one, other] = [new Redis({ ...server, url: proxy.url }), new Redis({ ...server, url: proxy.url })];
      await one.set("k", "v");
      assert.match(one.readYourWritesSyncToken, /^edgecask-\d+$/);
      other.readYourWritesSyncToken = "of-another";
      await other.get("k");
      assert.equal(seen.at(-1), "of-another");
    } finally {
      await proxy.stop();
    }
  });

  it("can be required", async () => {
    const required = createRequire((await linked.folder()) + "/index.cjs")("edgecask/upstash");
    assert.equal(await new required.Redis(server).get("over"), "a requester");
    assert.equal(typeof required.errors.UpstashError, "function");
  });
});
