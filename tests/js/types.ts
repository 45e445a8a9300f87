// Checked by tsc, not run: the types that users of the npm package see.
import { Cache, Client, Keyspace, Usage, LlmPolicyStore, EdgecaskError, type ErrorKind, type Invalidated, type LlmPolicy, type Reply, type Written } from "../../pkg/node/edgecask.cjs";

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

// @ts-expect-error: a client needs a token
new Client({ url: "https://example.upstash.io" });
// @ts-expect-error: no such option
client.command(["PING"], { timeout: 50 });
// @ts-expect-error: no such tier
new LlmPolicyStore(client, { tier: "unimportant" });

export { caughtUp, count, hits, items, kind, left, loaded, owed, policy, recent, reply, set, sum, text, token, warmed, written };
