import * as wasm from "edgecask-wasm";
import {
  type Check, bytes, checked, count, flag, func, json, list, listed, mayCall, millis, name, number, oneOf, options, optional, otherwise, positive, seconds,
  signal, text, texts, ttl, waitUntil, whole, wrong,
} from "./check.js";
import { client, type Client } from "./client.js";
import { disposable, freed } from "./errors.js";
import { LOG, type LogOptions } from "./log.js";

/** Takes work that goes on after the answer: a function, or what has a method `waitUntil`, as the context of a Worker. */
export type WaitUntil = ((work: Promise<unknown>) => unknown) | { waitUntil(work: Promise<unknown>): unknown };

export interface Health {
  healthy: boolean;
  backend: "redis" | "in-memory" | "none";
  latencyMs?: number;
  error?: string;
}

/** What a change of the cache came to. */
export interface Written {
  /**
   * `true` if Redis was away, so that it still holds what was there before, and other processes may be served it. This cache
   * serves none of it. It goes on trying to tell Redis: in the background, with every later call, and by `catchUp()`.
   * `cache.owed` says how much is left. In the tier "critical" the call is rejected instead.
   */
  owed: boolean;
}

/** What deleting came to. */
export interface Invalidated extends Written {
  /** How many entries were there; 0 while it is owed. */
  count: number;
}

export interface CacheOptions extends LogOptions {
  /** What happens when Redis is away. Default: "important", nothing fails for it. */
  tier?: "critical" | "important" | "best-effort";
  /** Stores values as plain JSON always: no packing, no tags, nothing stale. Default: false. */
  plain?: boolean;
  /** Whether large values are packed by gzip. Default: true. */
  compress?: boolean;
  /** From how many bytes they are. Default: 1024. */
  compressionThreshold?: number;
  /**
   * Seals values by XChaCha20-Poly1305, and reads none that is not sealed. The first key seals; the others open what was
   * sealed with them. Each is 32 bytes. Default: not sealed.
   */
  sealingKeys?: { id: string; key: Uint8Array }[];
  /** A first tier in this process's memory. Default: none. */
  l1?: { /** Default: 5000. */ ttlMs?: number; /** Default: 16 MB. */ bytes?: number };
  /**
   * In a Worker, a tier in the data center's own cache (`caches.default`) before Redis. What has no tags may be stale for
   * ttlSeconds; what has costs one command. Each call counts as a subrequest. Default: none.
   */
  edge?: { /** Default: 5. */ ttlSeconds?: number };
  /**
   * Lets callers who miss the same key wait for one load. In a Worker, where a request must not wait for another's, it counts
   * within a request: for what `cache.waitUntil()` gives. Default: true.
   */
  coalesce?: boolean;
  /** How long a load may take and still have its value stored. Default: 10000. */
  leaseMs?: number;
  /** How long a miss waits for the value that another process is loading. Default: 1000. */
  leaseWaitMs?: number;
  /** The channel that tells the first tiers of other processes what to forget; they call followInvalidations(). Default: none. */
  bus?: string;
  /** A tag that every entry carries, so that clear() is one command. */
  generation?: string;
  /** The parts that all keys begin with, for clear() without a generation. */
  keyspace?: string | string[];
}

export interface EntryOptions {
  ttlSeconds: number | "forever";
  /** The part of the time to live, 0 to 1, of which a random share is taken off. */
  jitter?: number;
  tags?: string | string[];
  /** For how long after its time to live the value is served while it is loaded anew in the background. */
  staleWhileRevalidateSeconds?: number;
  /** For how long after its time to live the value is served if loading it fails. */
  staleIfErrorSeconds?: number;
  /** Takes the background work of this call: a function, or the context of a Worker's request. */
  waitUntil?: WaitUntil;
}

export interface LoadOptions extends EntryOptions {
  /** How long a `null` is cached; 0: not at all. */
  negativeTtlSeconds?: number;
  /** After how long a stale value is served, while the load goes on. */
  softTimeoutMs?: number;
  /** After how long a load is given up. */
  hardTimeoutMs?: number;
  /** Loads a value now and then before it expires (XFetch); 1 as a rule. */
  earlyRefresh?: number;
  /** "refresh" loads and stores; "bypass" only loads. */
  mode?: "refresh" | "bypass";
}

export interface WarmOptions extends LoadOptions {
  /** How many loads may be under way at a time. Default: 4. */
  concurrency?: number;
  /** How many loads may begin in a second. Default: no limit. */
  perSecond?: number;
  /** After how many failures in a row the rest is left. Default: 10. */
  giveUpAfter?: number;
  /** Is told after each key how far it has come. */
  onProgress?: (warmed: Warmed) => void;
}

/** What warming has come to. */
export interface Warmed {
  done: number;
  succeeded: number;
  failed: number;
  /** Too many loads failed in a row. */
  givenUp: boolean;
}

/** How many keys of a sample are in which namespace. */
export interface KeyDistribution {
  sampled: number;
  /** Whether those were all keys of the database. */
  complete: boolean;
  namespaces: Record<string, number>;
}

export interface ServerStats {
  memoryUsed: number | null;
  connectedClients: number | null;
  totalCommandsProcessed: number | null;
  keyspaceHits: number | null;
  keyspaceMisses: number | null;
  evictedKeys: number | null;
}

/** How long something took. */
export interface Histogram {
  count: number;
  sumMicros: number;
}

export interface CacheStats {
  hits: number;
  l1Hits: number;
  /** Those that the data center's cache answered. */
  edgeHits: number;
  misses: number;
  /** Stale values served. */
  stale: number;
  /** Fresh values loaded anew before they expired. */
  early: number;
  loads: number;
  coalesced: number;
  stored: number;
  refused: number;
  deleted: number;
  invalidatedTags: number;
  /** Commands, conversions and loads in the background that failed. */
  errors: number;
  bytesRead: number;
  bytesUnpacked: number;
  bytesToStore: number;
  bytesWritten: number;
  readLatency: Histogram;
  writeLatency: Histogram;
  loadLatency: Histogram;
}

/** @internal */
export const tier = oneOf("critical", "important", "best-effort");

const sealingKey = options({ id: name, key: exactly(32) }, "id", "key");
const CACHE = options({
  tier,
  plain: flag,
  compress: flag,
  compressionThreshold: positive,
  sealingKeys: list(sealingKey, 1),
  l1: options({ ttlMs: millis, bytes: positive }),
  edge: options({ ttlSeconds: seconds }),
  coalesce: flag,
  leaseMs: millis,
  leaseWaitMs: whole(0, 3_600_000),
  bus: name,
  generation: name,
  keyspace: texts(1, name),
  ...LOG,
});
const ENTRY = {
  ttlSeconds: ttl,
  jitter: number(0, 1),
  tags: texts(0, name),
  staleWhileRevalidateSeconds: seconds,
  staleIfErrorSeconds: seconds,
  waitUntil,
};
const LOAD = {
  ...ENTRY,
  negativeTtlSeconds: ((value, name) => (value === 0 ? 0 : ttl(value, name))) as Check<number | "forever">,
  softTimeoutMs: millis,
  hardTimeoutMs: millis,
  earlyRefresh: number(0, 1000),
  mode: oneOf("refresh", "bypass"),
};
const WARM = {
  ...LOAD,
  concurrency: count,
  perSecond: number(0.001, 1_000_000),
  giveUpAfter: count,
  onProgress: func,
};
const entry = orTtl(options(ENTRY, "ttlSeconds"));
const load = orTtl(options(LOAD, "ttlSeconds"));
const warm = orTtl(options(WARM, "ttlSeconds"));

/** The time to live alone may stand for all the options. */
function orTtl<T extends { ttlSeconds?: number | "forever" }>(check: Check<T>): Check<T> {
  return (value, name) => {
    const alone = typeof value === "number" || typeof value === "string";
    if (!alone && (typeof value !== "object" || value === null)) {
      throw wrong(name, "a time to live in seconds, or an object with options", value);
    }
    return alone ? ({ ttlSeconds: ttl(value, name) } as T) : check(value, name);
  };
}

function exactly(length: number): Check<Uint8Array> {
  return (value, name) => {
    const given = bytes(value, name);
    if (given.length !== length) throw wrong(name, `${length} bytes long`, value);
    return given;
  };
}

const nameOf = name;
const entries: Check<[string[], string[]]> = (value, name) => {
  if (typeof value !== "object" || value === null || Object.prototype.toString.call(value) !== "[object Object]") {
    throw wrong(name, "an object whose keys are those of the cache", value);
  }
  const keys = Object.keys(value).map((key) => nameOf(key, `${name}'s key`));
  return [keys, keys.map((key) => json((value as Record<string, unknown>)[key], `a value of ${name}`))];
};

/** What a loader gives, as JSON text. What it throws comes through as it is. */
function loading(load: (...args: unknown[]) => unknown): (...args: unknown[]) => Promise<string> {
  return async (...args) => {
    const value = await load(...args);
    return checked("load", [value], { "its value": json })["its value"];
  };
}

/**
 * A cache of JSON values: loaded when they are missing, by one caller at a time; stored packed, tagged, or to be served
 * stale. Keys and tags are given as a list or one by one.
 */
export class Cache {
  #wasm: wasm.Cache | undefined;

  /** A cache over this client. */
  constructor(of: Client, options: CacheOptions = {}) {
    const own = Made.of(arguments[0]);
    if (own) {
      this.#wasm = own;
      return;
    }
    const given = checked("new Cache", arguments, { client, options: otherwise(CACHE, {}) });
    this.#wasm = new wasm.Cache(given.client, given.options);
  }

  /**
   * The same cache, whose background work is handed to this function or context. In a Worker, for each request:
   * `cache.waitUntil(context)`.
   */
  waitUntil(hook: WaitUntil): Cache {
    const given = checked("cache.waitUntil", arguments, { hook: waitUntil });
    return new Cache(new Made(this.#known().waitUntil(given.hook)) as never);
  }

  /** The value of a key, or `undefined` if it is not cached. A cached `null` is `null`. */
  async get(key: string): Promise<any> {
    const given = checked("cache.get", arguments, { key: name });
    return parse(await this.#cache().get(given.key));
  }

  /** The values of keys in their order, in one round trip. */
  async getMany(keys: string | string[], ...more: string[]): Promise<any[]> {
    const given = listed("cache.getMany", arguments, "keys", name, 0);
    if (given.length === 0) return [];
    return ((await this.#cache().getMany(given)) as (string | undefined)[]).map(parse);
  }

  /**
   * Stores a value. `options` is its time to live in seconds, or more than that. Where that is `owed`, the value is not
   * stored, and what was there before will be deleted.
   */
  async set(key: string, value: unknown, options: number | "forever" | EntryOptions): Promise<Written> {
    const given = checked("cache.set", arguments, { key: name, value: json, options: entry });
    return { owed: await this.#of(given.options, (cache) => cache.setMany([given.key], [given.value], given.options)) };
  }

  /** Stores the values of an object under its keys, in the round trips of one `set`. */
  async setMany(entries: Record<string, unknown>, options: number | "forever" | EntryOptions): Promise<Written>;
  async setMany(values: Record<string, unknown>, options: number | "forever" | EntryOptions): Promise<Written> {
    const given = checked("cache.setMany", arguments, { entries, options: entry });
    return { owed: await this.#of(given.options, (cache) => cache.setMany(...given.entries, given.options)) };
  }

  /**
   * The value of a key; if it is not cached, what `load` gives, which is stored. `options` is its time to live in seconds,
   * or more than that. What `load` throws comes through as it is.
   */
  async getOrLoad(key: string, options: number | "forever" | LoadOptions, load: () => unknown): Promise<any>;
  async getOrLoad(key: string, how: number | "forever" | LoadOptions, from: () => unknown): Promise<any> {
    const given = checked("cache.getOrLoad", arguments, { key: name, options: load, load: func });
    const loader = () => loading(given.load)();
    return parse(await this.#of(given.options, (cache) => cache.getOrLoad(given.key, given.options, loader)));
  }

  /** Deletes entries; tells how many were there. */
  async delete(keys: string | string[], ...more: string[]): Promise<Invalidated> {
    const given = listed("cache.delete", arguments, "keys", name, 0);
    return given.length === 0 ? { count: 0, owed: false } : deleted(await this.#cache().delete(given));
  }

  /** Invalidates every entry that has one of these tags, whatever their number: one command a tag. */
  async invalidateTags(tags: string | string[], ...more: string[]): Promise<Written> {
    const given = listed("cache.invalidateTags", arguments, "tags", name, 0);
    return { owed: given.length > 0 && (await this.#cache().invalidateTags(given)) };
  }

  /**
   * Deletes every entry whose key matches a glob, such as `user:1:*`; tells how many there were. It walks through all keys
   * of the database.
   */
  async deleteMatching(pattern: string): Promise<Invalidated> {
    const given = checked("cache.deleteMatching", arguments, { pattern: name });
    return deleted(await this.#cache().deleteMatching(given.pattern));
  }

  /** Invalidates everything: by the option `generation`, one command, or by the option `keyspace`. */
  async clear(): Promise<Written> {
    checked("cache.clear", arguments, {});
    return { owed: await this.#cache().clear() };
  }

  /**
   * How many invalidations Redis has missed while it was away and is still to be told: keys, tags, patterns. While it is not
   * 0, this cache serves nothing that Redis holds, but other processes may.
   */
  get owed(): number {
    return this.#known().owed();
  }

  /**
   * Tells Redis now what is `owed`; resolves to whether nothing is left. One round trip while Redis is away, none if nothing
   * is owed. Without it, it is tried in the background, at least every 10 seconds, and with every call: it is for the end of a
   * process, which that does not keep alive, and of a Worker's request.
   */
  async catchUp(): Promise<boolean> {
    checked("cache.catchUp", arguments, {});
    return this.#cache().catchUp();
  }

  /**
   * Follows what other processes invalidate, by the option `bus`, and forgets it in the first tier. It goes on until the
   * signal aborts; rejects with what ends the subscription for good.
   */
  async followInvalidations(options: { signal?: AbortSignal } = {}): Promise<void> {
    const given = checked("cache.followInvalidations", arguments, { options: otherwise(FOLLOW, {}) });
    await this.#cache().followInvalidations(given.options);
  }

  /**
   * How the keys of the database are distributed over namespaces, which are the first `parts` of each key; of `sample`
   * keys.
   */
  async keyDistribution(parts: number, sample: number): Promise<KeyDistribution> {
    const given = checked("cache.keyDistribution", arguments, { parts: count, sample: count });
    return parse(await this.#cache().keyDistribution(given.parts, given.sample));
  }

  /** What the server says of itself (INFO). What it does not say is `null`. */
  async serverStats(): Promise<ServerStats> {
    checked("cache.serverStats", arguments, {});
    return parse(await this.#cache().serverStats());
  }

  /** Whether the cache answers. Never rejects because of the cache. */
  async health(): Promise<Health> {
    checked("cache.health", arguments, {});
    return parse(await this.#cache().health());
  }

  /**
   * Loads what is not cached of these keys, a few at a time. It never rejects because of a load: it reports, and gives up
   * when too many fail in a row.
   */
  async warm(
    keys: string | string[],
    options: number | "forever" | WarmOptions,
    load: (key: string) => unknown,
  ): Promise<Warmed> {
    const given = checked("cache.warm", arguments, { keys: texts(0, name), options: warm, load: func });
    const { onProgress } = given.options;
    const options_ = { ...given.options, onProgress: onProgress && ((warmed: unknown) => onProgress(parse(warmed as string))) };
    return parse(await this.#of(options_, (cache) => cache.warm(given.keys, options_, loading(given.load))));
  }

  /** What the cache has done. */
  stats(): CacheStats {
    checked("cache.stats", arguments, {});
    return parse(this.#known().stats());
  }

  /** Sets the statistics back to zero. */
  resetStats(): void {
    checked("cache.resetStats", arguments, {});
    this.#known().resetStats();
  }

  /** The statistics in Prometheus's text format, with the label `cache` of this name. */
  prometheus(name: string): string {
    const given = checked("cache.prometheus", arguments, { name: text });
    return this.#known().prometheus(given.name);
  }

  /** Gives its memory back now, and not when it is collected. Calls that are under way go on. */
  free(): void {
    this.#wasm?.free();
    this.#wasm = undefined;
  }

  #known(): wasm.Cache {
    return this.#wasm ?? freed("Cache");
  }

  #cache(): wasm.Cache {
    mayCall();
    return this.#known();
  }

  /** Calls the cache, with the place for background work that these options name. */
  #of<T>(options: { waitUntil?: (work: Promise<unknown>) => unknown }, call: (cache: wasm.Cache) => T): T {
    const cache = this.#cache();
    if (!options.waitUntil) return call(cache);
    const own = cache.waitUntil(options.waitUntil);
    try {
      return call(own);
    } finally {
      own.free();
    }
  }
}
disposable(Cache);

/** What a cache is made of that the module itself has made. */
class Made {
  readonly #cache: wasm.Cache;

  constructor(cache: wasm.Cache) {
    this.#cache = cache;
  }

  static of(value: unknown): wasm.Cache | undefined {
    return typeof value === "object" && value !== null && #cache in value ? value.#cache : undefined;
  }
}

const FOLLOW = options({ signal });

function deleted([count, owed]: [number, boolean]): Invalidated {
  return { count, owed };
}

function parse(text: string | undefined): any {
  return text === undefined ? undefined : JSON.parse(text);
}
