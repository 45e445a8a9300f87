// Checked by tsc in `bundlers.test.mjs`, not run: the types that users of the npm package see.
import { Cache, Client, Keyspace, Usage, LlmPolicyStore, EdgecaskError, type ErrorKind, type Invalidated, type LlmPolicy, type Reply, type Written } from "edgecask";
import { Client as Small } from "edgecask/client";
import { Redis, requester, type SetCommandOptions } from "edgecask/upstash";
import { Redis as Official } from "@upstash/redis";
import { Redis as IoRedis } from "ioredis";
import { createClient } from "redis";

const client = new Client({ url: "https://example.upstash.io", token: "token", timeoutMs: 1000 });
const text: Promise<string | null> = client.get("k");
const reply: Promise<Reply> = client.command(["SET", "k", 1, 2n, true, new Uint8Array()]);
const items: Promise<(Reply | EdgecaskError)[]> = client.pipeline([["GET", "k"], ["INCR", "n"]]);
const set: Promise<boolean> = client.set("k", "v", { ex: 60, nx: true });
const sum: Promise<Reply> = client.eval("return ARGV[1]", ["k"], [1], { signal: AbortSignal.timeout(100), timeoutMs: 50 });
const token: string | null = client.syncToken();

const cache = new Cache(client, { l1: { ttlMs: 1000 } });
const loaded: Promise<unknown> = cache.getOrLoad("k", { ttlSeconds: 60, tags: ["t"] }, async () => ({ n: 1 }));

const { count, owed }: Invalidated = await cache.delete("k");
const written: Written = await cache.set("k", 1, 60);
const left: number = cache.owed;
const caughtUp: boolean = await cache.catchUp();

const key: string = new Keyspace(["app"]).key("user", "1");
const warmed: Promise<{ succeeded: number }> = cache.warm([key], { ttlSeconds: 60, perSecond: 10 }, (key) => key.length);
const recent: Promise<string[]> = new Usage(client, new Keyspace(["user"]), 100).mostRecent(10);

const policies = new LlmPolicyStore(client, {
  backing: {
    get: async (tenantId: string): Promise<LlmPolicy> => ({ tenantId, defaultModel: "m", ours: 1 }),
    set: async (policy) => console.log(policy.tenantId),
    delete: () => true,
  },
  ttlSeconds: 60,
  tier: "critical",
});
const policy: Promise<LlmPolicy | null> = policies.get("acme");
const hits: number = policies.stats().hits;

const failed: unknown = await client.get("k").catch((error: unknown) => error);
const kind: ErrorKind | undefined = failed instanceof EdgecaskError ? failed.kind : undefined;
client.free();

const counted: Promise<number> = client.command<number>(["INCR", "n"]);
const pair: [number | EdgecaskError, string | EdgecaskError] = await client.pipeline<[number, string]>([["INCR", "n"], ["GET", "k"]]);
const profile: { name: string } = await cache.getOrLoad("k", 60, async () => ({ name: "Ada" }));
const named: { name: string } | undefined = await cache.get<{ name: string }>("k", { signal: AbortSignal.timeout(5), timeoutMs: 5 });
const listed: (number | undefined)[] = await cache.getOrLoadMany("ab".split(""), 60, (missing) => Object.fromEntries(missing.map((key) => [key, 1])));
{
  using held = new Client({ url: "https://example.upstash.io", token: "token" });
  await using kept = new Cache(held);
  await kept.delete(["k"], { timeoutMs: 5 });
}

const io = new IoRedis({ lazyConnect: true });
const node = createClient();
const official = new Official({ url: "https://example.upstash.io", token: "token", automaticDeserialization: false });
const overIo = new Cache({ command: (args) => io.call(...args), timeoutMs: 100 }, { tier: "critical" });
const overNode = new LlmPolicyStore({ command: (args) => node.sendCommand(args) });
const overOfficial = new Usage({ command: (args) => official.exec(args) }, new Keyspace("user"), 10);

const redis: Official = new Redis({ url: "https://example.upstash.io", token: "token", keyPrefix: "a:", retry: { retries: 2 } });
const got: { n: number } | null = await redis.get<{ n: number }>("k");
const how: SetCommandOptions = { ex: 60 };
await new Official(requester(new Small({ url: "https://example.upstash.io", token: "token" }))).set("k", 1, how);
await new Redis(client).hgetall<{ a: number }>("h");
// @ts-expect-error: no such setting
new Redis({ url: "https://example.upstash.io", token: "token", timeout: 5 });
// @ts-expect-error: a cache needs a client or a function
new Cache({ pipeline: () => [] });
// @ts-expect-error: the loader gives another type
const other: Promise<string> = cache.getOrLoad<string>("k", 60, () => 1);

// @ts-expect-error: a client needs a token
new Client({ url: "https://example.upstash.io" });
// @ts-expect-error: no such option
client.command(["PING"], { timeout: 50 });
// @ts-expect-error: no such tier
new LlmPolicyStore(client, { tier: "unimportant" });

export { counted, got, listed, named, other, overIo, overNode, overOfficial, pair, profile, redis };
export { caughtUp, count, hits, items, kind, left, loaded, owed, policy, recent, reply, set, sum, text, token, warmed, written };
