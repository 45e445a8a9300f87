import * as wasm from "edgecask-wasm";
import { type Check, checked, json, mayCall, name, options, otherwise, seconds, Wrong, wrong } from "./check.js";
import { tier, type CacheStats, type Health } from "./cache.js";
import { client, type Client } from "./client.js";
import { disposable, freed } from "./errors.js";
import { LOG, type LogOptions } from "./log.js";

/** What a tenant's requests to language models may do. Other fields are kept. */
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

/** Where records are kept: the source of truth. */
export interface BackingStore<Id, Item> {
  get(id: Id): Promise<Item | null | undefined> | Item | null | undefined;
  set(item: Item): Promise<unknown> | unknown;
  delete(id: Id): Promise<boolean> | boolean;
}

export interface StoreOptions<Id, Item> extends LogOptions {
  /** Default: the memory of this process. */
  backing?: BackingStore<Id, Item>;
  /** Default: 300. */
  ttlSeconds?: number;
  /** What happens when the cache is away. Default: "important", the backing store answers. */
  tier?: "critical" | "important" | "best-effort";
}

/** A backing store whose records are JSON text. */
const backing: Check<object> = (value, name) => {
  const backing = value as BackingStore<string, LlmPolicy>;
  const methods = ["get", "set", "delete"] as const;
  if (typeof value !== "object" || value === null || methods.some((method) => typeof backing[method] !== "function")) {
    throw wrong(name, "an object with the methods get, set and delete", value);
  }
  return {
    get: async (id: string) => {
      const found = await backing.get(id);
      if (found === null || found === undefined) return undefined;
      return checked("backing.get", [found], { "its record": policy })["its record"];
    },
    set: async (text: string) => void (await backing.set(JSON.parse(text))),
    delete: async (id: string) => Boolean(await backing.delete(id)),
  };
};

const policy: Check<string> = (value, where) => {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw wrong(where, "a policy, an object", value);
  const made = json(value, where);
  const { tenantId } = JSON.parse(made) as { tenantId?: unknown };
  if (typeof tenantId !== "string") throw wrong(`${where}.tenantId`, "a string", tenantId);
  name(tenantId, `${where}.tenantId`);
  return made;
};

const STORE = options({ backing, ttlSeconds: seconds, tier, ...LOG });

/** The store of LLM policies: read through the cache, written to the backing store first. */
export class LlmPolicyStore {
  #wasm: wasm.LlmPolicyStore | undefined;

  /** A store cached by this client. */
  constructor(of: Client, options: StoreOptions<string, LlmPolicy> = {}) {
    const given = checked("new LlmPolicyStore", arguments, { client, options: otherwise(STORE, {}) });
    this.#wasm = new wasm.LlmPolicyStore(given.client, given.options);
  }

  /** The policy of a tenant, or `null` if there is none. */
  async get(tenantId: string): Promise<LlmPolicy | null> {
    const given = checked("policies.get", arguments, { tenantId: name });
    const found: string | null = await this.#store().get(given.tenantId);
    return found === null ? null : JSON.parse(found);
  }

  /** Writes a policy to the backing store, then deletes the cached one; if the cache is away, that is `owed`. */
  async set(policy: LlmPolicy): Promise<void>;
  async set(written: LlmPolicy): Promise<void> {
    const given = checked("policies.set", arguments, { policy });
    await this.#store().set(given.policy);
  }

  /** Deletes a tenant's policy; tells whether there was one. */
  async delete(tenantId: string): Promise<boolean> {
    const given = checked("policies.delete", arguments, { tenantId: name });
    return this.#store().delete(given.tenantId);
  }

  /** How many invalidations the cache owes to Redis, which was away; see `Cache`. */
  get owed(): number {
    return (this.#wasm ?? freed("LlmPolicyStore")).owed();
  }

  /** Tells Redis now what is `owed`; resolves to whether nothing is left. See `Cache`. */
  async catchUp(): Promise<boolean> {
    checked("policies.catchUp", arguments, {});
    return this.#store().catchUp();
  }

  /** Whether the cache answers. Never rejects because of the cache. */
  async health(): Promise<Health> {
    checked("policies.health", arguments, {});
    return JSON.parse(await this.#store().health());
  }

  /** What the cache has done. */
  stats(): CacheStats {
    checked("policies.stats", arguments, {});
    return JSON.parse((this.#wasm ?? freed("LlmPolicyStore")).stats());
  }

  /** Gives its memory back now, and not when it is collected. Calls that are under way go on. */
  free(): void {
    this.#wasm?.free();
    this.#wasm = undefined;
  }

  #store(): wasm.LlmPolicyStore {
    mayCall();
    return this.#wasm ?? freed("LlmPolicyStore");
  }
}
disposable(LlmPolicyStore);
