// Checked by tsc, not run: the types that users of the npm package see.
import { Client, LlmPolicyStore, type EdgecaskError, type LlmPolicy, type Reply } from "../../pkg/node/edgecask.cjs";

const client = new Client({ url: "https://example.upstash.io", token: "token", timeoutMs: 1000 });
const text: Promise<string | null> = client.get("k");
const reply: Promise<Reply> = client.command(["SET", "k", 1, 2n, true, new Uint8Array()]);
const items: Promise<(Reply | EdgecaskError)[]> = client.pipeline([["GET", "k"], ["INCR", "n"]]);
const set: Promise<boolean> = client.set("k", "v", { ex: 60, nx: true });

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

// @ts-expect-error: a client needs a token
new Client({ url: "https://example.upstash.io" });
// @ts-expect-error: no such tier
new LlmPolicyStore(client, { tier: "unimportant" });

export { hits, items, policy, reply, set, text };
