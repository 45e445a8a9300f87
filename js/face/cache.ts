import * as wasm from "edgecask-wasm";
import { bare, checked, count, entries, func, json, listed, name, text, texts, waitUntil } from "./check.js";
import {
  CACHE, FOLLOW, entry, load, warm, type CacheOptions, type CacheStats, type EntryOptions, type Health, type Invalidated, type KeyDistribution,
  type LoadOptions, type ServerStats, type WaitUntil, type WarmOptions, type Warmed, type Written,
} from "./cache-options.js";
import { client, type Client } from "./client.js";
import { Handle, called, given as givenTo, hold, known, made } from "./handle.js";

/** What a loader gives, as JSON text. What it throws comes through as it is. */
function loading(where: string, load: (...args: unknown[]) => unknown): (...args: unknown[]) => Promise<string> {
  return async (...args) => {
    const value = await load(...args);
    return checked(where, [value], { "load()": json })["load()"];
  };
}

/**
 * A cache of JSON values: loaded when they are missing, by one caller at a time; stored packed, tagged, or to be served
 * stale. Keys and tags are given as a list or one by one.
 */
export class Cache extends Handle {
  /** A cache over this client. */
  constructor(of: Client, options: CacheOptions = {}) {
    super();
    const given = checked("new Cache", arguments, { client, options: CACHE });
    hold(this, new wasm.Cache(givenTo(given.client, "client"), given.options));
  }

  /**
   * The same cache, whose background work is handed to this function or context. In a Worker, for each request:
   * `cache.waitUntil(context)`.
   */
  waitUntil(hook: WaitUntil): Cache {
    const given = checked("cache.waitUntil", arguments, { hook: waitUntil });
    return made(Cache, known<wasm.Cache>(this, "Cache").waitUntil(given.hook));
  }

  /** The value of a key, or `undefined` if it is not cached. A cached `null` is `null`. */
  async get(key: string): Promise<any> {
    const given = checked("cache.get", arguments, { key: name });
    return parse(await called<wasm.Cache>(this, "Cache").get(given.key));
  }

  /** The values of keys in their order, in one round trip. */
  async getMany(keys: string | string[], ...more: string[]): Promise<any[]> {
    const given = listed("cache.getMany", arguments, "keys", name, 0);
    if (given.length === 0) return [];
    return ((await called<wasm.Cache>(this, "Cache").getMany(given)) as (string | undefined)[]).map(parse);
  }

  /**
   * Stores a value. `options` is its time to live in seconds, or more than that. Where that is `owed`, the value is not
   * stored, and what was there before will be deleted.
   */
  async set(key: string, value: unknown, options: number | "forever" | EntryOptions): Promise<Written> {
    const given = checked("cache.set", arguments, { key: name, value: json, options: entry });
    return { owed: await withPlace(this, given.options, (cache) => cache.setMany([given.key], [given.value], given.options)) };
  }

  /** Stores the values of an object under its keys, in the round trips of one `set`. */
  async setMany(entries: Record<string, unknown>, options: number | "forever" | EntryOptions): Promise<Written>;
  async setMany(values: Record<string, unknown>, options: number | "forever" | EntryOptions): Promise<Written> {
    const given = checked("cache.setMany", arguments, { entries, options: entry });
    return { owed: await withPlace(this, given.options, (cache) => cache.setMany(...given.entries, given.options)) };
  }

  /**
   * The value of a key; if it is not cached, what `load` gives, which is stored. `options` is its time to live in seconds,
   * or more than that. What `load` throws comes through as it is.
   */
  async getOrLoad(key: string, options: number | "forever" | LoadOptions, load: () => unknown): Promise<any>;
  async getOrLoad(key: string, how: number | "forever" | LoadOptions, from: () => unknown): Promise<any> {
    const given = checked("cache.getOrLoad", arguments, { key: name, options: load, load: func });
    const loader = () => loading("cache.getOrLoad", given.load)();
    return parse(await withPlace(this, given.options, (cache) => cache.getOrLoad(given.key, given.options, loader)));
  }

  /**
   * The values of keys in their order; those that are not cached are what one call of `load` gives for them, and are stored.
   * `load` is given the keys that are missing, and gives an object whose keys they are. A key that it leaves out is
   * `undefined` in the result, and nothing is stored for it. What `load` throws comes through as it is.
   */
  async getOrLoadMany(keys: string[], options: number | "forever" | LoadOptions, load: (missing: string[]) => unknown): Promise<any[]>;
  async getOrLoadMany(keys: string[], how: number | "forever" | LoadOptions, from: (missing: string[]) => unknown): Promise<any[]> {
    const given = checked("cache.getOrLoadMany", arguments, { keys: texts(0, name), options: load, load: func });
    if (given.keys.length === 0) return [];
    const loader = async (missing: string[]) =>
      checked("cache.getOrLoadMany", [await given.load(missing)], { "load()": entries })["load()"];
    const found = withPlace(this, given.options, (cache) => cache.getOrLoadMany(given.keys, given.options, loader));
    return ((await found) as (string | undefined)[]).map(parse);
  }

  /** Deletes entries; tells how many were there. */
  async delete(keys: string | string[], ...more: string[]): Promise<Invalidated> {
    const given = listed("cache.delete", arguments, "keys", name, 0);
    return given.length === 0 ? { count: 0, owed: false } : deleted(await called<wasm.Cache>(this, "Cache").delete(given));
  }

  /** Invalidates every entry that has one of these tags, whatever their number: one command a tag. */
  async invalidateTags(tags: string | string[], ...more: string[]): Promise<Written> {
    const given = listed("cache.invalidateTags", arguments, "tags", name, 0);
    return { owed: given.length > 0 && (await called<wasm.Cache>(this, "Cache").invalidateTags(given)) };
  }

  /**
   * Deletes every entry whose key matches a glob, such as `user:1:*`; tells how many there were. It walks through all keys
   * of the database.
   */
  async deleteMatching(pattern: string): Promise<Invalidated> {
    const given = checked("cache.deleteMatching", arguments, { pattern: name });
    return deleted(await called<wasm.Cache>(this, "Cache").deleteMatching(given.pattern));
  }

  /** Invalidates everything: by the option `generation`, one command, or by the option `keyspace`. */
  async clear(): Promise<Written> {
    checked("cache.clear", arguments, {});
    return { owed: await called<wasm.Cache>(this, "Cache").clear() };
  }

  /**
   * How many invalidations Redis has missed while it was away and is still to be told: keys, tags, patterns. While it is not
   * 0, this cache serves nothing that Redis holds, but other processes may.
   */
  get owed(): number {
    return known<wasm.Cache>(this, "Cache").owed();
  }

  /**
   * Tells Redis now what is `owed`; resolves to whether nothing is left. One round trip while Redis is away, none if nothing
   * is owed. Without it, it is tried in the background, at least every 10 seconds, and with every call: it is for the end of a
   * process, which that does not keep alive, and of a Worker's request.
   */
  async catchUp(): Promise<boolean> {
    checked("cache.catchUp", arguments, {});
    return called<wasm.Cache>(this, "Cache").catchUp();
  }

  /**
   * Follows what other processes invalidate, by the option `bus`, and forgets it in the first tier. It goes on until the
   * signal aborts; rejects with what ends the subscription for good.
   */
  async followInvalidations(options: { signal?: AbortSignal } = {}): Promise<void> {
    const given = checked("cache.followInvalidations", arguments, { options: FOLLOW });
    await called<wasm.Cache>(this, "Cache").followInvalidations(given.options);
  }

  /**
   * How the keys of the database are distributed over namespaces, which are the first `parts` of each key; of `sample`
   * keys.
   */
  async keyDistribution(parts: number, sample: number): Promise<KeyDistribution> {
    const given = checked("cache.keyDistribution", arguments, { parts: count, sample: count });
    return parse(await called<wasm.Cache>(this, "Cache").keyDistribution(given.parts, given.sample));
  }

  /** What the server says of itself (INFO). What it does not say is `null`. */
  async serverStats(): Promise<ServerStats> {
    checked("cache.serverStats", arguments, {});
    return parse(await called<wasm.Cache>(this, "Cache").serverStats());
  }

  /** Whether the cache answers. Never rejects because of the cache. */
  async health(): Promise<Health> {
    checked("cache.health", arguments, {});
    return parse(await called<wasm.Cache>(this, "Cache").health());
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
    const options_ = bare({ ...given.options, onProgress: onProgress && ((warmed: unknown) => onProgress(parse(warmed as string))) });
    return parse(await withPlace(this, options_, (cache) => cache.warm(given.keys, options_, loading("cache.warm", given.load))));
  }

  /** What the cache has done. */
  stats(): CacheStats {
    checked("cache.stats", arguments, {});
    return parse(known<wasm.Cache>(this, "Cache").stats());
  }

  /** Sets the statistics back to zero. */
  resetStats(): void {
    checked("cache.resetStats", arguments, {});
    known<wasm.Cache>(this, "Cache").resetStats();
  }

  /** The statistics in Prometheus's text format, with the label `cache` of this name. */
  prometheus(name: string): string {
    const given = checked("cache.prometheus", arguments, { name: text });
    return known<wasm.Cache>(this, "Cache").prometheus(given.name);
  }
}

/** Calls a cache, with the place for background work that these options name. */
function withPlace<T>(of: Cache, options: { waitUntil?: (work: Promise<unknown>) => unknown }, call: (cache: wasm.Cache) => T): T {
  const cache = called<wasm.Cache>(of, "Cache");
  if (!options.waitUntil) return call(cache);
  const own = cache.waitUntil(options.waitUntil);
  try {
    return call(own);
  } finally {
    own.free();
  }
}

function deleted([count, owed]: [number, boolean]): Invalidated {
  return { count, owed };
}

function parse(text: string | undefined): any {
  return text === undefined ? undefined : JSON.parse(text);
}
