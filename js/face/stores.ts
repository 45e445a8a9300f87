import * as wasm from "edgecask-wasm";
import { type Check, bare, checked, json, name, seconds, wrong } from "./check.js";
import { tier, type CacheStats, type Health } from "./cache-options.js";
import { type Client } from "./client.js";
import { over, source, type Commands } from "./commands.js";
import { Handle, called, disposable, hold, isFreed, known } from "./handle.js";
import { type LogOptions, logged } from "./log.js";

/** The policy of a tenant's requests to language models. Other fields are kept. */
export interface LlmPolicy {
  tenantId: string;
  defaultProvider?: string;
  defaultModel?: string;
  allowedModels?: string[];
  allowRemoteEgress?: boolean;
  maxOutputTokens?: number;
  monthlyBudgetCents?: number;
  [field: string]: unknown;
}

/** The source of truth of the records. Its methods are looked up once, when the store is made. */
export interface BackingStore<Id, Item> {
  get(id: Id): Promise<Item | null | undefined> | Item | null | undefined;
  set(item: Item): Promise<unknown> | unknown;
  delete(id: Id): Promise<boolean> | boolean;
}

export interface StoreOptions<Id, Item> extends LogOptions {
  /** Where the records are stored. Default: the memory of this process. */
  backing?: BackingStore<Id, Item>;
  /** Default: 300. */
  ttlSeconds?: number;
  /** The behavior while the cache is unreachable. Default: "important", the backing store answers. */
  tier?: "critical" | "important" | "best-effort";
}

/** A backing store whose records are JSON text. */
const backing: Check<object> = (value, name) => {
  const method = (of: string) => {
    const found = typeof value === "object" && value !== null ? (value as Record<string, unknown>)[of] : undefined;
    if (typeof found !== "function") throw wrong(name, "an object with the methods get, set and delete", value);
    return (argument: unknown): unknown => Reflect.apply(found, value, [argument]);
  };
  const [get, set, remove] = [method("get"), method("set"), method("delete")];
  return bare({
    get: async (id: string) => {
      const found = await get(id);
      if (found === null || found === undefined) return undefined;
      return checked("policies.get", [found], { "backing.get()": policy })["backing.get()"];
    },
    set: async (text: string) => void (await set(JSON.parse(text))),
    delete: async (id: string) => Boolean(await remove(id)),
  });
};

const policy: Check<string> = (value, where) => {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw wrong(where, "a policy, an object", value);
  const made = json(value, where);
  const { tenantId } = bare(JSON.parse(made)) as { tenantId?: unknown };
  if (typeof tenantId !== "string") throw wrong(`${where}.tenantId`, "a string", tenantId);
  name(tenantId, `${where}.tenantId`);
  return made;
};

const STORE = logged({ backing, ttlSeconds: seconds, tier });

/** The store of LLM policies: read through the cache, written to the backing store first. */
export class LlmPolicyStore extends Handle {
  /** A store cached by this client. */
  constructor(of: Client, options?: StoreOptions<string, LlmPolicy>);
  /** A store cached by functions that call the client of another package. */
  constructor(of: Commands, options?: StoreOptions<string, LlmPolicy>);
  constructor(of: Client | Commands, options: StoreOptions<string, LlmPolicy> = {}) {
    super();
    const given = checked("new LlmPolicyStore", arguments, { client: source, options: STORE });
    hold(this, over(given.client, "client", (client) => new wasm.LlmPolicyStore(client, given.options)));
  }

  /** The policy of a tenant, or `null` if there is none. */
  async get(tenantId: string): Promise<LlmPolicy | null> {
    const given = checked("policies.get", arguments, { tenantId: name });
    const found: string | null = await called<wasm.LlmPolicyStore>(this, "LlmPolicyStore").get(given.tenantId);
    return found === null ? null : JSON.parse(found);
  }

  /** Writes a policy to the backing store, then deletes the cached one; if the cache is unreachable, the deletion is `owed`. */
  async set(policy: LlmPolicy): Promise<void>;
  async set(written: LlmPolicy): Promise<void> {
    const given = checked("policies.set", arguments, { policy });
    await called<wasm.LlmPolicyStore>(this, "LlmPolicyStore").set(given.policy);
  }

  /** Deletes a tenant's policy, and returns whether there was one. */
  async delete(tenantId: string): Promise<boolean> {
    const given = checked("policies.delete", arguments, { tenantId: name });
    return called<wasm.LlmPolicyStore>(this, "LlmPolicyStore").delete(given.tenantId);
  }

  /** The number of invalidations that are still to be sent to Redis; see `Cache`. */
  get owed(): number {
    return known<wasm.LlmPolicyStore>(this, "LlmPolicyStore").owed();
  }

  /** Sends the invalidations that are `owed` now; resolves to whether none is left. See `Cache`. */
  async catchUp(): Promise<boolean> {
    checked("policies.catchUp", arguments, {});
    return called<wasm.LlmPolicyStore>(this, "LlmPolicyStore").catchUp();
  }

  /** Whether the cache answers. Never rejects because of the cache. */
  async health(): Promise<Health> {
    checked("policies.health", arguments, {});
    return JSON.parse(await called<wasm.LlmPolicyStore>(this, "LlmPolicyStore").health());
  }

  /** The statistics of the cache. */
  stats(): CacheStats {
    checked("policies.stats", arguments, {});
    return JSON.parse(known<wasm.LlmPolicyStore>(this, "LlmPolicyStore").stats());
  }
}

// Owed invalidations are sent before the memory is freed.
disposable(LlmPolicyStore, "asyncDispose", async function () {
  if (isFreed(this)) return;
  try {
    await this.catchUp();
  } finally {
    this.free();
  }
});
