// Every method of the real @upstash/redis that Redis 8 with JSON can serve, through the local server, and the real
// @upstash/ratelimit, which the embedded engine serves too. A method that is neither called nor listed as Upstash's own fails the test.
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { Ratelimit } from "@upstash/ratelimit";
import { Redis } from "@upstash/redis";
import { startRedis8, startServer } from "./servers.mjs";

const sorted = (items) => [...items].sort();
// Commands of Upstash's own, and of Redis 8.2 and later.
const NOT_IN_REDIS_8_0 = /^(ar[a-z]+|xackdel|xdelex|vector|search)$/;
// What is no command.
const NO_COMMANDS = new Set([
  "constructor", "use", "addTelemetry", "autoPipeline", "createScript", "pipeline", "multi", "exec", "autoPipelineExecutor", "json",
  "functions", "search", "vector", "readYourWritesSyncToken", "client", "opts", "enableTelemetry", "enableAutoPipelining",
]);

const redis8 = await startRedis8();
describe("@upstash/redis on Redis 8", { skip: redis8 === null && "there is no Redis 8 here" }, () => {
  let server, redis, raw;
  const called = new Set();
  before(async () => {
    server = await startServer(redis8.url);
    const options = { url: server.url, token: server.token, enableTelemetry: false };
    raw = new Redis({ ...options, enableAutoPipelining: false });
    const noting = (object, prefix) =>
      new Proxy(object, {
        get(target, name) {
          if (typeof name === "string") called.add(prefix + name);
          const value = target[name];
          if (prefix === "" && (name === "json" || name === "functions")) return noting(value, `${name}.`);
          return typeof value === "function" ? value.bind(target) : value;
        },
      });
    redis = noting(raw, "");
    await redis.flushall();
  });
  after(async () => {
    await server.stop();
    await redis8.stop();
  });

  it("strings and bits", async () => {
    assert.equal(await redis.set("s", "hello"), "OK");
    assert.equal(await redis.get("s"), "hello");
    assert.equal(await redis.append("s", "!"), 6);
    assert.equal(await redis.getrange("s", 0, 1), "he");
    assert.equal(await redis.setrange("s", 0, "J"), 6);
    assert.equal(await redis.strlen("s"), 6);
    assert.equal(await redis.getset("s", "x"), "Jello!");
    assert.equal(await redis.getex("s", { ex: 100 }), "x");
    assert.equal(await redis.getdel("s"), "x");
    assert.equal(await redis.incr("n"), 1);
    assert.equal(await redis.incrby("n", 4), 5);
    assert.equal(await redis.decr("n"), 4);
    assert.equal(await redis.decrby("n", 3), 1);
    assert.equal(await redis.incrbyfloat("n", 0.5), 1.5);
    assert.equal(await redis.mset({ a: 1, b: 2 }), "OK");
    assert.deepEqual(await redis.mget("a", "b", "absent"), [1, 2, null]);
    assert.equal(await redis.msetnx({ a: 1, c: 2 }), 0);
    assert.equal(await redis.setnx("c", 3), 1);
    assert.equal(await redis.setex("c", 100, 4), "OK");
    assert.equal(await redis.psetex("c", 100000, 5), "OK");
    assert.equal(await redis.setbit("bits", 7, 1), 0);
    assert.equal(await redis.getbit("bits", 7), 1);
    assert.equal(await redis.bitcount("bits", 0, -1), 1);
    assert.equal(await redis.bitpos("bits", 1), 7);
    assert.equal(await redis.bitop("and", "both", "bits", "bits"), 1);
    assert.deepEqual(await redis.bitfield("field").set("u8", "#0", 250).incrby("u8", "#0", 1).exec(), [0, 251]);
  });

  it("keys", async () => {
    await redis.set("key", "v");
    assert.equal(await redis.exists("key", "absent"), 1);
    assert.equal(await redis.expire("key", 100), 1);
    assert.equal(await redis.ttl("key"), 100);
    assert.equal(await redis.pexpire("key", 100000), 1);
    assert.ok((await redis.pttl("key")) > 90000);
    assert.equal(await redis.expireat("key", 4000000000), 1);
    assert.equal(await redis.pexpireat("key", 4000000000000), 1);
    assert.equal(await redis.persist("key"), 1);
    assert.equal(await redis.type("key"), "string");
    assert.equal(await redis.copy("key", "copy"), "COPIED");
    assert.equal(await redis.rename("copy", "other"), "OK");
    assert.equal(await redis.renamenx("other", "key"), 0);
    assert.ok((await redis.keys("*")).includes("other"));
    assert.ok(await redis.randomkey());
    assert.equal((await redis.scan(0, { match: "key", count: 1000 }))[1].length, 1);
    assert.equal(await redis.touch("key", "other"), 2);
    assert.equal(await redis.unlink("other"), 1);
    assert.equal(await redis.del("key"), 1);
  });

  it("hashes", async () => {
    assert.equal(await redis.hset("h", { a: 1, b: 2, c: { deep: true } }), 3);
    assert.equal(await redis.hmset("h", { d: 4 }), "OK");
    assert.equal(await redis.hsetnx("h", "a", 9), 0);
    assert.equal(await redis.hget("h", "a"), 1);
    assert.deepEqual(await redis.hmget("h", "a", "c"), { a: 1, c: { deep: true } });
    assert.equal((await redis.hgetall("h")).d, 4);
    assert.equal(await redis.hincrby("h", "a", 2), 3);
    assert.equal(await redis.hincrbyfloat("h", "a", 0.5), 3.5);
    assert.equal(await redis.hexists("h", "a"), 1);
    assert.deepEqual(sorted(await redis.hkeys("h")), ["a", "b", "c", "d"]);
    assert.equal((await redis.hvals("h")).length, 4);
    assert.equal(await redis.hlen("h"), 4);
    assert.equal(await redis.hstrlen("h", "b"), 1);
    assert.ok(await redis.hrandfield("h"));
    assert.equal((await redis.hscan("h", 0))[1].length, 8);
    assert.deepEqual(await redis.hexpire("h", ["a", "b"], 100), [1, 1]);
    assert.deepEqual(await redis.hpexpire("h", "a", 100000), [1]);
    assert.deepEqual(await redis.hexpireat("h", "a", 4000000000), [1]);
    assert.deepEqual(await redis.hpexpireat("h", "a", 4000000000000), [1]);
    assert.equal((await redis.httl("h", "b"))[0], 100);
    assert.ok((await redis.hpttl("h", "b"))[0] > 90000);
    assert.deepEqual(await redis.hexpiretime("h", "a"), [4000000000]);
    assert.deepEqual(await redis.hpexpiretime("h", "a"), [4000000000000]);
    assert.deepEqual(await redis.hpersist("h", "a"), [1]);
    assert.equal(await redis.hsetex("h", { expiration: { ex: 60 } }, { e: 5 }), 1);
    assert.deepEqual(await redis.hgetex("h", { persist: true }, "e"), { e: 5 });
    assert.deepEqual(await redis.hgetdel("h", "e"), { e: 5 });
    assert.equal(await redis.hdel("h", "a", "b"), 2);
  });

  it("lists", async () => {
    assert.equal(await redis.rpush("l", "a", "b", "c"), 3);
    assert.equal(await redis.lpush("l", "z"), 4);
    assert.equal(await redis.lpushx("absent", "x"), 0);
    assert.equal(await redis.rpushx("l", "d"), 5);
    assert.equal(await redis.lindex("l", 1), "a");
    assert.equal(await redis.linsert("l", "after", "a", "A"), 6);
    assert.equal(await redis.llen("l"), 6);
    assert.deepEqual(await redis.lrange("l", 0, 1), ["z", "a"]);
    assert.equal(await redis.lpos("l", "b"), 3);
    assert.equal(await redis.lset("l", 0, "Z"), "OK");
    assert.equal(await redis.lrem("l", 1, "A"), 1);
    assert.equal(await redis.ltrim("l", 0, 3), "OK");
    assert.equal(await redis.lmove("l", "m", "left", "right"), "Z");
    assert.deepEqual(await redis.lmpop(1, ["l"], "LEFT", 1), ["l", ["a"]]);
    assert.equal(await redis.lpop("l"), "b");
    assert.equal(await redis.rpop("l"), "c");
  });

  it("sets and sorted sets", async () => {
    assert.equal(await redis.sadd("s1", "a", "b"), 2);
    assert.equal(await redis.sadd("s2", "b", "c"), 2);
    assert.equal(await redis.scard("s1"), 2);
    assert.deepEqual(await redis.sdiff("s1", "s2"), ["a"]);
    assert.equal(await redis.sdiffstore("d", "s1", "s2"), 1);
    assert.deepEqual(await redis.sinter("s1", "s2"), ["b"]);
    assert.equal(await redis.sintercard(["s1", "s2"]), 1);
    assert.equal(await redis.sinterstore("i", "s1", "s2"), 1);
    assert.equal((await redis.sunion("s1", "s2")).length, 3);
    assert.equal(await redis.sunionstore("u", "s1", "s2"), 3);
    assert.equal(await redis.sismember("s1", "a"), 1);
    assert.deepEqual(await redis.smismember("s1", ["a", "x"]), [1, 0]);
    assert.equal((await redis.smembers("s1")).length, 2);
    assert.equal(await redis.smove("s1", "s2", "a"), 1);
    assert.ok(await redis.srandmember("s1"));
    assert.equal((await redis.sscan("s2", 0))[1].length, 3);
    assert.ok(await redis.spop("s1"));
    assert.equal(await redis.srem("s2", "a"), 1);

    const members = [{ score: 1, member: "a" }, { score: 2, member: "b" }, { score: 3, member: "c" }];
    assert.equal(await redis.zadd("z", ...members), 3);
    assert.equal(await redis.zcard("z"), 3);
    assert.equal(await redis.zcount("z", 1, 2), 2);
    assert.equal(await redis.zincrby("z", 0.5, "a"), 1.5);
    assert.equal(await redis.zscore("z", "a"), 1.5);
    assert.deepEqual(await redis.zmscore("z", ["a", "x"]), [1.5, null]);
    assert.deepEqual(await redis.zrange("z", 0, 0, { rev: true }), ["c"]);
    assert.equal(await redis.zrank("z", "b"), 1);
    assert.equal(await redis.zrevrank("z", "b"), 1);
    assert.equal(await redis.zlexcount("z", "-", "+"), 3);
    assert.equal((await redis.zscan("z", 0))[1].length, 6);
    assert.equal(await redis.zdiffstore("zd", 2, "z", "absent"), 3);
    assert.equal(await redis.zinterstore("zi", 2, ["z", "zd"]), 3);
    assert.equal((await redis.zunion(2, ["z", "zd"])).length, 3);
    assert.equal(await redis.zunionstore("zu", 2, ["z", "zd"]), 3);
    assert.deepEqual(await redis.zpopmax("zu"), ["c", 6]);
    assert.deepEqual(await redis.zpopmin("zu"), ["a", 3]);
    assert.equal(await redis.zremrangebyscore("zi", 0, 3), 1);
    assert.equal(await redis.zremrangebyrank("zi", 0, 0), 1);
    assert.equal(await redis.zremrangebylex("zd", "-", "+"), 3);
    assert.equal(await redis.zrem("z", "a"), 1);
  });

  it("streams", async () => {
    const id = await redis.xadd("x", "*", { field: "value", n: 1 });
    assert.match(id, /^\d+-\d+$/);
    assert.equal(await redis.xlen("x"), 1);
    assert.deepEqual((await redis.xrange("x", "-", "+"))[id], { field: "value", n: 1 });
    assert.deepEqual(Object.keys(await redis.xrevrange("x", "+", "-")), [id]);
    assert.equal((await redis.xread("x", "0"))[0][0], "x");
    assert.equal(await redis.xgroup("x", { type: "CREATE", group: "g", id: "0" }), "OK");
    assert.equal((await redis.xreadgroup("g", "c", "x", ">"))[0][1].length, 1);
    assert.equal((await redis.xpending("x", "g", "-", "+", 10)).length, 1);
    assert.equal((await redis.xclaim("x", "g", "d", 0, id)).length, 1);
    assert.equal((await redis.xautoclaim("x", "g", "e", 0, "0"))[1].length, 1);
    assert.ok((await redis.xinfo("x", { type: "GROUPS" })).length > 0);
    assert.equal(await redis.xack("x", "g", id), 1);
    assert.equal(await redis.xdel("x", id), 1);
    assert.equal(await redis.xtrim("x", { strategy: "MAXLEN", threshold: 0 }), 0);
  });

  it("places and counts", async () => {
    const places = [
      { longitude: 13.361389, latitude: 38.115556, member: "Palermo" },
      { longitude: 15.087269, latitude: 37.502669, member: "Catania" },
    ];
    assert.equal(await redis.geoadd("g", ...places), 2);
    assert.ok(Math.abs((await redis.geodist("g", "Palermo", "Catania", "KM")) - 166.2742) < 0.001);
    assert.equal((await redis.geohash("g", "Palermo"))[0], "sqc8b49rny0");
    assert.ok(Math.abs((await redis.geopos("g", "Palermo"))[0].lng - 13.361389) < 0.0001);
    const by = [{ type: "FROMMEMBER", member: "Palermo" }, { type: "BYRADIUS", radius: 200, radiusType: "KM" }, "ASC"];
    assert.equal((await redis.geosearch("g", ...by)).length, 2);
    assert.equal(await redis.geosearchstore("near", "g", ...by), 2);
    assert.equal(await redis.pfadd("p", "a", "b"), 1);
    assert.equal(await redis.pfcount("p"), 2);
    assert.equal(await redis.pfmerge("q", "p"), "OK");
  });

  it("JSON documents", async () => {
    const json = redis.json;
    assert.equal(await json.set("j", "$", { n: 1, a: [1, 2], s: "x", t: true, o: { k: 1 } }), "OK");
    assert.deepEqual(await json.get("j", "$.n"), [1]);
    assert.deepEqual(await json.arrappend("j", "$.a", 3), [3]);
    assert.deepEqual(await json.arrindex("j", "$.a", 3), [2]);
    assert.deepEqual(await json.arrinsert("j", "$.a", 0, 0), [4]);
    assert.deepEqual(await json.arrlen("j", "$.a"), [4]);
    assert.deepEqual(await json.arrpop("j", "$.a"), [3]);
    assert.deepEqual(await json.arrtrim("j", "$.a", 0, 1), [2]);
    assert.deepEqual(await json.numincrby("j", "$.n", 2), [3]);
    assert.deepEqual(await json.nummultby("j", "$.n", 2), [6]);
    assert.deepEqual(await json.objkeys("j", "$.o"), [["k"]]);
    assert.deepEqual(await json.objlen("j", "$.o"), [1]);
    assert.deepEqual(await json.strappend("j", "$.s", '"y"'), [2]);
    assert.deepEqual(await json.strlen("j", "$.s"), [2]);
    assert.deepEqual(await json.toggle("j", "$.t"), [0]);
    assert.deepEqual((await json.type("j", "$.s")).flat(), ["string"]);
    assert.ok(await json.resp("j", "$.o"));
    assert.equal(await json.merge("j", "$", { m: 1 }), "OK");
    assert.equal(await json.mset({ key: "j", path: "$.m", value: 2 }), "OK");
    assert.deepEqual(await json.mget(["j"], "$.m"), [[2]]);
    assert.equal(await json.clear("j", "$.a"), 1);
    assert.equal(await json.del("j", "$.a"), 1);
    assert.equal(await json.forget("j", "$"), 1);
  });

  it("scripts and functions", async () => {
    assert.deepEqual(await redis.eval("return {KEYS[1], ARGV[1]}", ["k"], ["v"]), ["k", "v"]);
    assert.equal(await redis.evalRo("return 1", [], []), 1);
    const sha = await redis.scriptLoad("#!lua flags=allow-key-locking\nreturn 2");
    assert.equal(await redis.evalsha(sha, [], []), 2);
    assert.equal(await redis.evalshaRo(await redis.scriptLoad("return 3"), [], []), 3);
    assert.deepEqual(await redis.scriptExists(sha), [1]);
    assert.equal(await raw.createScript("return 4").exec([], []), 4);
    assert.equal(await redis.scriptFlush(), "OK");
    const { functions } = redis;
    const code = "#!lua name=lib\nredis.register_function{function_name='one', callback=function() return 1 end, flags={'no-writes'}}";
    assert.equal(await functions.load({ code, replace: true }), "lib");
    assert.equal(await functions.call("one", [], []), 1);
    assert.equal(await functions.callRo("one", [], []), 1);
    assert.equal((await functions.list())[0].libraryName, "lib");
    assert.ok(await functions.stats());
    assert.equal(await functions.delete("lib"), "OK");
    assert.equal(await functions.flush(), "OK");
  });

  it("the server itself", async () => {
    assert.equal(await redis.ping(), "PONG");
    assert.equal(await redis.echo("hi"), "hi");
    assert.equal((await redis.time()).length, 2);
    assert.ok((await redis.dbsize()) > 0);
    assert.equal(await redis.clientSetinfo("LIB-NAME", "tests"), "OK");
    assert.equal(await redis.flushdb(), "OK");
    assert.equal(await redis.flushall(), "OK");
  });

  it("subscriptions", async () => {
    for (const [listen, topic, event] of [["subscribe", "news", "message"], ["psubscribe", "ne*", "pmessage"]]) {
      const subscriber = redis[listen](topic);
      const subscribed = new Promise((resolve) => subscriber.on(listen, resolve));
      const message = new Promise((resolve) => subscriber.on(event, resolve));
      await subscribed;
      assert.equal(await redis.publish("news", { hello: true }), 1);
      assert.deepEqual((await message).message, { hello: true });
      await subscriber.unsubscribe();
    }
  });

  it("every method was called", () => {
    const missing = [];
    for (const [object, prefix] of [[raw, ""], [raw.json, "json."], [raw.functions, "functions."]]) {
      const names = new Set();
      for (let o = object; o && o !== Object.prototype; o = Object.getPrototypeOf(o)) {
        Object.getOwnPropertyNames(o).forEach((name) => names.add(name));
      }
      for (const name of names) {
        const own = prefix === "" && (NO_COMMANDS.has(name) || NOT_IN_REDIS_8_0.test(name));
        if (!own && name !== "constructor" && name !== "client" && !called.has(prefix + name)) missing.push(prefix + name);
      }
    }
    assert.deepEqual(missing, []);
  });
});

// Over the embedded engine, and over a real Redis: with the same decisions.
const decisions = {};
for (const target of ["memory", "redis"]) {
  describe(`@upstash/ratelimit over ${target}`, { skip: target === "redis" && redis8 === null && "there is no Redis 8 here" }, () => {
    let server, raw, other;
    before(async () => {
      other = target === "redis" ? await startRedis8() : null;
      server = await startServer(other?.url);
      raw = new Redis({ url: server.url, token: server.token, enableTelemetry: false, enableAutoPipelining: false });
    });
    after(async () => {
      await server.stop();
      await other?.stop();
    });

    it("decides by each of its algorithms", async () => {
      const limiters = {
        fixed: Ratelimit.fixedWindow(3, "60 s"),
        sliding: Ratelimit.slidingWindow(3, "60 s"),
        bucket: Ratelimit.tokenBucket(3, "60 s", 3),
        cached: Ratelimit.cachedFixedWindow(3, "60 s"),
      };
      for (const [prefix, limiter] of Object.entries(limiters)) {
        const ephemeralCache = prefix === "cached" ? new Map() : false;
        const ratelimit = new Ratelimit({ redis: raw, limiter, prefix, ephemeralCache, enableTelemetry: false });
        const results = [];
        for (let call = 0; call < 4; call++) {
          const { success, pending } = await ratelimit.limit("ada");
          await pending;
          results.push(success);
        }
        assert.deepEqual(results, [true, true, true, false], prefix);
        await ratelimit.resetUsedTokens("ada");
      }
    });

    it("decides the same for many callers", async () => {
      const limiters = {
        fixed: Ratelimit.fixedWindow(20, "30 d"),
        sliding: Ratelimit.slidingWindow(20, "30 d"),
        bucket: Ratelimit.tokenBucket(5, "30 d", 20),
      };
      const made = [];
      // Numbers that are the same for both.
      let state = 7;
      const random = (sides) => (state = (state * 48271) % 2147483647) % sides;
      for (const [prefix, limiter] of Object.entries(limiters)) {
        const options = { redis: raw, limiter, prefix, ephemeralCache: false, enableTelemetry: false };
        const ratelimit = new Ratelimit(options);
        for (let call = 0; call < 60; call++) {
          const caller = `caller-${random(3)}`;
          if (random(15) === 0) {
            await ratelimit.resetUsedTokens(caller);
          } else if (random(5) === 0) {
            const { remaining } = await ratelimit.getRemaining(caller);
            made.push([prefix, caller, remaining]);
          } else {
            const { success, remaining, limit, pending } = await ratelimit.limit(caller, { rate: 1 + random(4) });
            await pending;
            made.push([prefix, caller, success, remaining, limit]);
          }
        }
      }
      decisions[target] = made;
      if (decisions.memory && decisions.redis) assert.deepEqual(decisions.memory, decisions.redis);
    });
  });
}
