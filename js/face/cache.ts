import * as wasm from "edgecask-wasm";
import { bare, checked, count, entries, func, isPlain, json, listed, name, text, texts, waitUntil } from "./check.js";
import {
  CACHE, FOLLOW, entry, load, warm, type CacheOptions, type CacheStats, type EntryOptions, type Health, type Invalidated, type KeyDistribution,
  type LoadOptions, type ServerStats, type WaitUntil, type WarmOptions, type Warmed, type Written,
} from "./cache-options.js";
import { CALL, type CallOptions, type Client } from "./client.js";
import { invalid } from "./errors.js";
import { over, source, type Commands } from "./commands.js";
import { Handle, called, disposable, hold, isFreed, known, made } from "./handle.js";

/** The result of a loader as JSON text. Its exceptions are passed through. */
function loading(where: string, load: (...args: unknown[]) => unknown): (...args: unknown[]) => Promise<string> {
  return async (...args) => {
    const value = await load(...args);
    return checked(where, [value], { "load()": json })["load()"];
  };
}

/**
 * A cache of JSON values. A missing value is loaded by one caller at a time. Values may be compressed, tagged, and served
 * stale. Keys and tags are given as a list or one by one.
 */
export class Cache extends Handle {
  /** A cache over this client. */
  constructor(of: Client, options?: CacheOptions);
  /** A cache over functions that call the client of another package. */
  constructor(of: Commands, options?: Omit<CacheOptions, "bus">);
  constructor(of: Client | Commands, options: CacheOptions = {}) {
    super();
    const given = checked("new Cache", arguments, { client: source, options: CACHE });
    if ("commands" in given.client && given.options.bus !== undefined) {
      throw invalid("options.bus", "options.bus of new Cache needs a Client: a function cannot subscribe");
    }
    hold(this, over(given.client, "client", (client) => new wasm.Cache(client, given.options)));
  }

  /**
   * The same cache, which passes its background work to this function or context. In a Worker, call it for each request:
   * `cache.waitUntil(context)`.
   */
  waitUntil(hook: WaitUntil): Cache {
    const given = checked("cache.waitUntil", arguments, { hook: waitUntil });
    return made(Cache, known<wasm.Cache>(this, "Cache").waitUntil(given.hook));
  }

  /**
   * The value of a key, or `undefined` if it is not cached. A cached `null` is `null`. The type argument is the type of the value;
   * it is not checked.
   */
  async get<T = any>(key: string, options?: CallOptions): Promise<T | undefined> {
    const given = checked("cache.get", arguments, { key: name, options: CALL });
    return parse(await called<wasm.Cache>(this, "Cache").get(given.key, given.options));
  }

  /** The values of keys in their order, in one round trip. Options come after a list of keys. */
  async getMany<T = any>(keys: string[], options: CallOptions): Promise<(T | undefined)[]>;
  async getMany<T = any>(keys: string | string[], ...more: string[]): Promise<(T | undefined)[]>;
  async getMany<T = any>(keys: string | string[], ...more: unknown[]): Promise<(T | undefined)[]> {
    const [given, limits] = withLimits("cache.getMany", arguments, "keys");
    if (given.length === 0) return [];
    return ((await called<wasm.Cache>(this, "Cache").getMany(given, limits)) as (string | undefined)[]).map(parse);
  }

  /**
   * Stores a value. `options` is its time to live in seconds, or an object with options. If the result is `owed`, the value is not
   * stored, and the old entry will be deleted.
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
   * The value of a key. If it is not cached, `load` is called and its result is stored. `options` is its time to live in seconds,
   * or an object with options. The promise is rejected with exceptions of `load` as they are.
   */
  async getOrLoad<T = any>(key: string, options: number | "forever" | LoadOptions, load: () => T | Promise<T>): Promise<T>;
  async getOrLoad(key: string, how: number | "forever" | LoadOptions, from: () => unknown): Promise<unknown> {
    const given = checked("cache.getOrLoad", arguments, { key: name, options: load, load: func });
    const loader = () => loading("cache.getOrLoad", given.load)();
    return parse(await withPlace(this, given.options, (cache) => cache.getOrLoad(given.key, given.options, loader)));
  }

  /**
   * The values of keys in their order. One call of `load` loads all values that are not cached, and they are stored. `load` gets the
   * missing keys, and returns an object from key to value. A key that it leaves out is `undefined` in the result, and nothing is
   * stored for it. The promise is rejected with exceptions of `load` as they are.
   */
  async getOrLoadMany<T = any>(
    keys: string[], options: number | "forever" | LoadOptions, load: (missing: string[]) => Record<string, T> | Promise<Record<string, T>>,
  ): Promise<(T | undefined)[]>;
  async getOrLoadMany(keys: string[], how: number | "forever" | LoadOptions, from: (missing: string[]) => unknown): Promise<any[]> {
    const given = checked("cache.getOrLoadMany", arguments, { keys: texts(0, name), options: load, load: func });
    if (given.keys.length === 0) return [];
    const loader = async (missing: string[]) =>
      checked("cache.getOrLoadMany", [await given.load(missing)], { "load()": entries })["load()"];
    const found = withPlace(this, given.options, (cache) => cache.getOrLoadMany(given.keys, given.options, loader));
    return ((await found) as (string | undefined)[]).map(parse);
  }

  /** Deletes entries, and returns how many existed. Options come after a list of keys. */
  async delete(keys: string[], options: CallOptions): Promise<Invalidated>;
  async delete(keys: string | string[], ...more: string[]): Promise<Invalidated>;
  async delete(keys: string | string[], ...more: unknown[]): Promise<Invalidated> {
    const [given, limits] = withLimits("cache.delete", arguments, "keys");
    if (given.length === 0) return { count: 0, owed: false };
    return deleted(await called<wasm.Cache>(this, "Cache").delete(given, limits));
  }

  /**
   * Invalidates every entry that has one of these tags, whatever their number: one command a tag. Options come after a list of
   * tags.
   */
  async invalidateTags(tags: string[], options: CallOptions): Promise<Written>;
  async invalidateTags(tags: string | string[], ...more: string[]): Promise<Written>;
  async invalidateTags(tags: string | string[], ...more: unknown[]): Promise<Written> {
    const [given, limits] = withLimits("cache.invalidateTags", arguments, "tags");
    return { owed: given.length > 0 && (await called<wasm.Cache>(this, "Cache").invalidateTags(given, limits)) };
  }

  /**
   * Deletes every entry whose key matches a glob, such as `user:1:*`, and returns how many existed. It scans all keys of the
   * database.
   */
  async deleteMatching(pattern: string, options?: CallOptions): Promise<Invalidated> {
    const given = checked("cache.deleteMatching", arguments, { pattern: name, options: CALL });
    return deleted(await called<wasm.Cache>(this, "Cache").deleteMatching(given.pattern, given.options));
  }

  /** Invalidates all entries: by one command with the option `generation`, or by a scan with the option `keyspace`. */
  async clear(options?: CallOptions): Promise<Written> {
    const given = checked("cache.clear", arguments, { options: CALL });
    return { owed: await called<wasm.Cache>(this, "Cache").clear(given.options) };
  }

  /**
   * The number of invalidations (keys, tags, patterns) that were not sent while Redis was unreachable, and are still to be sent. While
   * it is not 0, this cache serves nothing that Redis holds, but other processes may.
   */
  get owed(): number {
    return known<wasm.Cache>(this, "Cache").owed();
  }

  /**
   * Sends the invalidations that are `owed` now; resolves to whether none is left. One round trip while Redis is unreachable, none if
   * nothing is owed. The cache also tries it in the background, at least every 10 seconds, and with every call. Call it at the end
   * of a process, which the background does not keep alive, and of a Worker's request.
   */
  async catchUp(options?: CallOptions): Promise<boolean> {
    const given = checked("cache.catchUp", arguments, { options: CALL });
    return called<wasm.Cache>(this, "Cache").catchUp(given.options);
  }

  /**
   * Receives the invalidations of other processes by the option `bus`, and applies them to the first tier. It continues until the
   * signal aborts; it rejects with the error that ends the subscription.
   */
  async followInvalidations(options: { signal?: AbortSignal } = {}): Promise<void> {
    const given = checked("cache.followInvalidations", arguments, { options: FOLLOW });
    await called<wasm.Cache>(this, "Cache").followInvalidations(given.options);
  }

  /**
   * The distribution of `sample` keys of the database over namespaces. The namespace of a key is its first `parts` parts.
   */
  async keyDistribution(parts: number, sample: number): Promise<KeyDistribution> {
    const given = checked("cache.keyDistribution", arguments, { parts: count, sample: count });
    return parse(await called<wasm.Cache>(this, "Cache").keyDistribution(given.parts, given.sample));
  }

  /** Statistics of the server (INFO). A field that it does not report is `null`. */
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
   * Loads those of these keys that are not cached, a few at a time. It never rejects because of a load: it reports failures, and stops
   * after too many successive ones.
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

  /** The statistics of the cache. */
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

/** One list of keys or tags that may also be given one by one; after a list, the limits of the call. */
function withLimits(where: string, given: ArrayLike<unknown>, what: string): [string[], CallOptions | undefined] {
  if (given.length !== 2 || !isOptions(given[1])) return [listed(where, given, what, name, 0), undefined];
  const clean = checked(where, given, { [what]: texts(0, name), options: CALL });
  return [clean[what] as string[], clean.options as CallOptions];
}

function isOptions(value: unknown): boolean {
  try {
    return isPlain(value);
  } catch {
    // The check that reads it refuses it.
    return false;
  }
}

/** Calls a cache with the `waitUntil` of these options. */
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

// Owed invalidations are sent before the memory is freed.
disposable(Cache, "asyncDispose", async function () {
  if (isFreed(this)) return;
  try {
    await this.catchUp();
  } finally {
    this.free();
  }
});

function parse(text: string | undefined): any {
  return text === undefined ? undefined : JSON.parse(text);
}
