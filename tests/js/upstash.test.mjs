// The real @upstash/redis against the local server, over the embedded engine and over a real Redis.
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { Redis } from "@upstash/redis";
import { startRedis, startServer } from "./servers.mjs";

const sorted = (items) => [...items].sort();

for (const overRedis of [false, true]) {
  describe(`@upstash/redis over ${overRedis ? "a real Redis" : "the embedded engine"}`, () => {
    let backend, server, redis;
    before(async () => {
      backend = overRedis ? await startRedis() : null;
      server = await startServer(backend?.url);
      redis = new Redis({ url: server.url, token: server.token, enableTelemetry: false });
    });
    after(async () => {
      await server.stop();
      await backend?.stop();
    });

    it("strings", async () => {
      assert.equal(await redis.set("s", { a: 1 }, { ex: 100, nx: true }), "OK");
      assert.deepEqual(await redis.get("s"), { a: 1 });
      assert.equal(await redis.set("s", "x", { nx: true }), null);
      assert.equal(await redis.ttl("s"), 100);
      assert.equal(await redis.set("text", "hello", { get: true }), null);
      assert.equal(await redis.append("text", " world"), 11);
      assert.equal(await redis.getrange("text", 0, 4), "hello");
      assert.equal(await redis.strlen("text"), 11);
      assert.equal(await redis.incrby("n", 5), 5);
      assert.equal(await redis.incrbyfloat("f", 0.5), 0.5);
      assert.deepEqual(await redis.mget("n", "absent"), [5, null]);
      assert.equal(await redis.mset({ a: 1, b: "two" }), "OK");
      assert.equal(await redis.getdel("b"), "two");
      assert.equal(await redis.getex("a", { persist: true }), 1);
      assert.equal(await redis.setnx("a", 2), 0);
      assert.equal(await redis.getset("a", 3), 1);
      assert.equal(await redis.set("ok", "OK"), "OK");
      assert.equal(await redis.get("ok"), "OK");
    });

    // The real Redis of these tests has no RedisJSON.
    it("JSON documents", { skip: overRedis }, async () => {
      const document = { name: "a", count: 1, tags: ["x"], on: true, nested: { count: 2 } };
      assert.equal(await redis.json.set("doc", "$", document), "OK");
      assert.equal(await redis.json.set("doc", "$", {}, { nx: true }), null);
      assert.deepEqual(await redis.json.get("doc"), document);
      assert.deepEqual(await redis.json.get("doc", "$..count"), [1, 2]);
      assert.deepEqual(await redis.json.get("doc", "$.name", "$.on"), { "$.name": ["a"], "$.on": [true] });
      assert.deepEqual(await redis.json.numincrby("doc", "$..count", 2), [3, 4]);
      assert.deepEqual(await redis.json.nummultby("doc", "$.count", 2), [6]);
      assert.deepEqual(await redis.json.strappend("doc", "$.name", '"bc"'), [3]);
      assert.deepEqual(await redis.json.strlen("doc", "$.name"), [3]);
      assert.deepEqual(await redis.json.arrappend("doc", "$.tags", '"y"', 3), [3]);
      assert.deepEqual(await redis.json.arrindex("doc", "$.tags", '"y"'), [1]);
      assert.deepEqual(await redis.json.arrinsert("doc", "$.tags", 0, '"w"'), [4]);
      assert.deepEqual(await redis.json.arrpop("doc", "$.tags"), [3]);
      assert.deepEqual(await redis.json.arrtrim("doc", "$.tags", 0, 1), [2]);
      assert.deepEqual(await redis.json.arrlen("doc", "$.tags"), [2]);
      assert.deepEqual(await redis.json.toggle("doc", "$.on"), [0]);
      assert.deepEqual(await redis.json.type("doc", "$.nested"), ["object"]);
      assert.deepEqual(await redis.json.objkeys("doc", "$.nested"), [["count"]]);
      assert.deepEqual(await redis.json.objlen("doc", "$"), [5]);
      assert.equal(await redis.json.merge("doc", "$.nested", { count: null, more: 1 }), "OK");
      assert.equal(await redis.json.mset({ key: "doc2", path: "$", value: { name: "z" } }), "OK");
      assert.deepEqual(await redis.json.mget(["doc", "doc2", "absent"], "$.name"), [["abc"], ["z"], null]);
      assert.equal(await redis.json.clear("doc", "$.nested"), 1);
      assert.equal(await redis.json.forget("doc", "$.tags"), 1);
      assert.equal(await redis.json.del("doc"), 1);
      assert.equal(await redis.json.get("doc"), null);
      assert.deepEqual(
        await redis.eval("redis.call('JSON.SET', KEYS[1], '$', ARGV[1]) return redis.call('JSON.GET', KEYS[1], '$.a')", ["doc"], ['{"a":[1,2]}']),
        [[1, 2]],
      );
    });

    it("keys", async () => {
      await redis.set("key:1", "v");
      assert.equal(await redis.exists("key:1", "key:2"), 1);
      assert.equal(await redis.expire("key:1", 50), 1);
      assert.equal(await redis.persist("key:1"), 1);
      assert.equal(await redis.type("key:1"), "string");
      assert.equal(await redis.copy("key:1", "key:2"), "COPIED");
      assert.equal(await redis.renamenx("key:1", "key:2"), 0);
      assert.equal(await redis.rename("key:1", "key:3"), "OK");
      assert.deepEqual(sorted(await redis.keys("key:*")), ["key:2", "key:3"]);
      let [cursor, found] = ["0", []];
      do {
        const [next, page] = await redis.scan(cursor, { match: "key:*", count: 2 });
        [cursor, found] = [next, [...found, ...page]];
      } while (cursor !== "0");
      assert.deepEqual(sorted(new Set(found)), ["key:2", "key:3"]);
      assert.equal(await redis.unlink("key:2"), 1);
      assert.equal(await redis.touch("key:3"), 1);
      assert.ok(await redis.randomkey());
    });

    it("hashes", async () => {
      assert.equal(await redis.hset("h", { a: 1, b: { deep: true } }), 2);
      assert.deepEqual(await redis.hgetall("h"), { a: 1, b: { deep: true } });
      assert.equal(await redis.hget("h", "a"), 1);
      assert.deepEqual(await redis.hmget("h", "a", "x"), { a: 1, x: null });
      assert.equal(await redis.hincrby("h", "a", 2), 3);
      assert.equal(await redis.hexists("h", "x"), 0);
      assert.deepEqual(sorted(await redis.hkeys("h")), ["a", "b"]);
      assert.equal((await redis.hvals("h")).length, 2);
      assert.equal((await redis.hscan("h", 0))[1].length, 4);
      assert.ok(["a", "b"].includes(await redis.hrandfield("h")));
      assert.equal(await redis.hdel("h", "a", "b"), 2);
      assert.equal(await redis.hgetall("h"), null);
    });

    it("lists", async () => {
      assert.equal(await redis.rpush("l", "a", "b", "c"), 3);
      assert.equal(await redis.lpush("l", "z"), 4);
      assert.deepEqual(await redis.lrange("l", 0, -1), ["z", "a", "b", "c"]);
      assert.equal(await redis.lindex("l", 1), "a");
      assert.equal(await redis.linsert("l", "before", "b", "x"), 5);
      assert.equal(await redis.lpos("l", "b"), 3);
      assert.equal(await redis.lmove("l", "l2", "left", "right"), "z");
      assert.deepEqual(await redis.lpop("l", 2), ["a", "x"]);
      assert.equal(await redis.rpop("l"), "c");
      assert.equal(await redis.lset("l", 0, "y"), "OK");
      assert.equal(await redis.lrem("l", 0, "y"), 1);
      assert.equal(await redis.llen("l"), 0);
    });

    it("sets", async () => {
      assert.equal(await redis.sadd("s1", "a", "b"), 2);
      assert.equal(await redis.sadd("s2", "b", "c"), 2);
      assert.deepEqual(await redis.sinter("s1", "s2"), ["b"]);
      assert.deepEqual(sorted(await redis.sunion("s1", "s2")), ["a", "b", "c"]);
      assert.deepEqual(await redis.sdiff("s1", "s2"), ["a"]);
      assert.deepEqual(await redis.smismember("s1", ["a", "x"]), [1, 0]);
      assert.equal(await redis.smove("s1", "s2", "a"), 1);
      assert.equal(await redis.scard("s2"), 3);
      assert.equal((await redis.sscan("s2", 0))[1].length, 3);
      assert.ok(["a", "b", "c"].includes(await redis.srandmember("s2")));
      assert.equal((await redis.spop("s2", 2)).length, 2);
    });

    it("sorted sets", async () => {
      assert.equal(await redis.zadd("z", { score: 1, member: "a" }, { score: 2.5, member: "b" }), 2);
      assert.deepEqual(await redis.zrange("z", 0, -1, { withScores: true }), ["a", 1, "b", 2.5]);
      assert.deepEqual(await redis.zrange("z", 2, 5, { byScore: true }), ["b"]);
      assert.equal(await redis.zscore("z", "b"), 2.5);
      assert.equal(await redis.zincrby("z", 1, "a"), 2);
      assert.equal(await redis.zrank("z", "b"), 1);
      assert.equal(await redis.zcount("z", "-inf", "+inf"), 2);
      assert.deepEqual(await redis.zmscore("z", ["a", "x"]), [2, null]);
      assert.equal(await redis.zunionstore("z2", 1, "z"), 2);
      assert.deepEqual(await redis.zpopmax("z2"), ["b", 2.5]);
      assert.equal(await redis.zremrangebyscore("z", 0, 10), 2);
    });

    it("pipelines and transactions", async () => {
      const pipeline = redis.pipeline().set("p", 1).incr("p").get("p");
      assert.deepEqual(await pipeline.exec(), ["OK", 2, 2]);
      assert.deepEqual(await redis.multi().incr("p").incr("p").exec(), [3, 4]);
      const mixed = await redis.pipeline().set("p", "x").incr("p").exec({ keepErrors: true });
      assert.equal(mixed[0].result, "OK");
      assert.match(mixed[1].error, /not an integer/);
      // Calls of one tick share a round trip by themselves.
      assert.deepEqual(await Promise.all([redis.get("a"), redis.get("absent")]), [3, null]);
    });

    it("the server itself", async () => {
      assert.equal(await redis.ping(), "PONG");
      assert.equal(await redis.echo("hi"), "hi");
      assert.equal((await redis.time()).length, 2);
      assert.equal(await redis.publish("channel", "message"), 0);
      const sha = await redis.scriptLoad("return 1");
      assert.deepEqual(await redis.scriptExists(sha), [1]);
      if (overRedis) assert.deepEqual(await redis.eval("return {KEYS[1], ARGV[1]}", ["k"], ["v"]), ["k", "v"]);
      assert.ok((await redis.dbsize()) > 0);
      assert.equal(await redis.flushdb(), "OK");
      assert.equal(await redis.dbsize(), 0);
    });

    it("errors", async () => {
      await redis.set("e", "text");
      await assert.rejects(redis.incr("e"), /value is not an integer/);
      const stranger = new Redis({ url: server.url, token: "wrong", retry: false, enableTelemetry: false });
      await assert.rejects(stranger.get("e"), /WRONGPASS|invalid or missing/);
    });
  });
}
