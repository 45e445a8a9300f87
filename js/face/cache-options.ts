// The types of a cache's arguments and results, and the checks of its arguments.
import {
  type Check, bare, bytes, count, flag, func, list, millis, name, number, oneOf, options, positive, seconds, signal, texts, ttl, waitUntil, whole, wrong,
} from "./check.js";
import { type LogOptions, logged } from "./log.js";

/** Accepts work that continues after the response: a function, or an object with a method `waitUntil`, such as the context of a Worker. */
export type WaitUntil = ((work: Promise<unknown>) => unknown) | { waitUntil(work: Promise<unknown>): unknown };

export interface Health {
  healthy: boolean;
  backend: "redis" | "in-memory" | "none";
  latencyMs?: number;
  error?: string;
}

/** The result of a change of the cache. */
export interface Written {
  /**
   * `true` if Redis was unreachable. It still holds the old entries, and other processes may serve them; this cache does not. The
   * cache sends the change later: in the background, with every later call, and by `catchUp()`. `cache.owed` is the number of
   * such changes. In the tier "critical" the call is rejected instead.
   */
  owed: boolean;
}

/** The result of a deletion. */
export interface Invalidated extends Written {
  /** The number of deleted entries; 0 while the deletion is owed. */
  count: number;
}

export interface CacheOptions extends LogOptions {
  /** The behavior while Redis is unreachable. Default: "important", no call fails because of it. */
  tier?: "critical" | "important" | "best-effort";
  /** Always stores values as plain JSON: no compression, no tags, no stale values. Default: false. */
  plain?: boolean;
  /** Whether large values are compressed by gzip. Default: true. */
  compress?: boolean;
  /** The length in bytes from which values are compressed. Default: 1024. */
  compressionThreshold?: number;
  /**
   * Encrypts values by XChaCha20-Poly1305, and refuses to read unencrypted ones. The first key encrypts; all keys decrypt. Each is 32
   * bytes. Default: no encryption.
   */
  sealingKeys?: { id: string; key: Uint8Array }[];
  /** A first tier in this process's memory. Default: none. */
  l1?: { /** Default: 5000. */ ttlMs?: number; /** Default: 16777216. */ bytes?: number };
  /**
   * In a Worker, a tier in the data center's own cache (`caches.default`) before Redis. An entry without tags may be stale for
   * ttlSeconds; an entry with tags costs one command. Each call counts as a subrequest. Default: none.
   */
  edge?: { /** At least 2: for less, this tier is left out, with a warning. Default: 5. */ ttlSeconds?: number };
  /**
   * Lets concurrent misses of the same key share one load. In a Worker, where a request must not wait for another's work, only the
   * calls of one request share loads: those of the cache that `cache.waitUntil()` returns. Default: true.
   */
  coalesce?: boolean;
  /**
   * How long other processes wait for a process that died during a load. A longer load renews its lease by one script in each half
   * of this time. Default: 10000.
   */
  leaseMs?: number;
  /**
   * How long a miss waits for the load of another process, before it loads the value itself; 0: not at all. Default: until the end
   * of that process's lease, at most `hardTimeoutMs`.
   */
  leaseWaitMs?: number;
  /** The channel that sends invalidations to the first tiers of other processes, which call followInvalidations(). Default: none. */
  bus?: string;
  /** A tag of all entries, so that clear() is one command. */
  generation?: string;
  /** The first parts of all keys, for clear() without a generation. */
  keyspace?: string | string[];
}

export interface EntryOptions {
  ttlSeconds: number | "forever";
  /** The part of the time to live, 0 to 1, by which it is shortened at most, at random. Default: 0. */
  jitter?: number;
  /** Default: none. */
  tags?: string | string[];
  /** For how long after its time to live the value is served while it is reloaded in the background. Default: not. */
  staleWhileRevalidateSeconds?: number;
  /** For how long after its time to live the value is served if loading it fails. Default: not. */
  staleIfErrorSeconds?: number;
  /** Accepts the background work of this call: a function, or the context of a Worker's request. */
  waitUntil?: WaitUntil;
  /** Cancels the call. The promise is rejected with the signal's reason. A load that other calls wait for continues. */
  signal?: AbortSignal;
  /** The timeout of the whole call. Default: none beyond the timeouts of its parts. */
  timeoutMs?: number;
}

export interface LoadOptions extends EntryOptions {
  /** The time to live of a `null`; 0: it is not cached. Default: that of other values. */
  negativeTtlSeconds?: number;
  /** The time after which a stale value is served while the load continues. Default: only when the load has ended. */
  softTimeoutMs?: number;
  /** The timeout of a load. Default: 30000. */
  hardTimeoutMs?: number;
  /** Reloads a value at random before it expires (XFetch); 1 is usual, more is earlier. Default: not. */
  earlyRefresh?: number;
  /** "refresh" always loads and stores; "bypass" loads without the cache. Default: a load only on a miss. */
  mode?: "refresh" | "bypass";
}

export interface WarmOptions extends LoadOptions {
  /** The most concurrent loads. Default: 4. */
  concurrency?: number;
  /** The most loads that start in a second. Default: no limit. */
  perSecond?: number;
  /** The number of successive failures that ends the warming. Default: 10. */
  giveUpAfter?: number;
  /** Called after each key with the progress. */
  onProgress?: (warmed: Warmed) => void;
}

/** The progress or the result of warming. */
export interface Warmed {
  done: number;
  succeeded: number;
  failed: number;
  /** Too many loads failed in a row. */
  givenUp: boolean;
}

/** The number of keys of a sample in each namespace. */
export interface KeyDistribution {
  sampled: number;
  /** Whether the sample was the whole database. */
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

/** The number of operations, and the sum of their durations in microseconds. */
export interface Histogram {
  count: number;
  sumMicros: number;
}

export interface CacheStats {
  hits: number;
  l1Hits: number;
  /** Hits of the data center's cache. */
  edgeHits: number;
  misses: number;
  /** Stale values served. */
  stale: number;
  /** Fresh values reloaded before they expired. */
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
/** @internal */
export const CACHE = logged({
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
});
const ENTRY = {
  ttlSeconds: ttl,
  jitter: number(0, 1),
  tags: texts(0, name),
  staleWhileRevalidateSeconds: seconds,
  staleIfErrorSeconds: seconds,
  waitUntil,
  signal,
  timeoutMs: millis,
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
/** @internal */
export const entry = orTtl(options(ENTRY, "ttlSeconds"));
/** @internal */
export const load = orTtl(options(LOAD, "ttlSeconds"));
/** @internal */
export const warm = orTtl(options(WARM, "ttlSeconds"));

/** Accepts a time to live in place of the options. */
function orTtl<T extends { ttlSeconds?: number | "forever" }>(check: Check<T>): Check<T> {
  return (value, name) => {
    const alone = typeof value === "number" || typeof value === "string";
    if (!alone && (typeof value !== "object" || value === null)) {
      throw wrong(name, "a time to live in seconds, or an object with options", value);
    }
    return alone ? (bare({ ttlSeconds: ttl(value, name) }) as unknown as T) : check(value, name);
  };
}

function exactly(length: number): Check<Uint8Array> {
  return (value, name) => {
    const given = bytes(value, name);
    if (given.length !== length) throw wrong(name, `${length} bytes long`, value);
    return given;
  };
}

/** @internal */
export const FOLLOW = options({ signal });
