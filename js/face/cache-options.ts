// What the methods of a cache take and give, and the checks of what they take.
import {
  type Check, bare, bytes, count, flag, func, list, millis, name, number, oneOf, options, positive, seconds, signal, texts, ttl, waitUntil, whole, wrong,
} from "./check.js";
import { type LogOptions, logged } from "./log.js";

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
  /** From how many bytes on they are. Default: 1024. */
  compressionThreshold?: number;
  /**
   * Seals values by XChaCha20-Poly1305, and reads none that is not sealed. The first key seals; the others open what was
   * sealed with them. Each is 32 bytes. Default: not sealed.
   */
  sealingKeys?: { id: string; key: Uint8Array }[];
  /** A first tier in this process's memory. Default: none. */
  l1?: { /** Default: 5000. */ ttlMs?: number; /** Default: 16777216. */ bytes?: number };
  /**
   * In a Worker, a tier in the data center's own cache (`caches.default`) before Redis. What has no tags may be stale for
   * ttlSeconds; what has costs one command. Each call counts as a subrequest. Default: none.
   */
  edge?: { /** At least 2: for less, this tier is left out, with a warning. Default: 5. */ ttlSeconds?: number };
  /**
   * Lets callers who miss the same key wait for one load. In a Worker, where a request must not wait for another's, it counts
   * within a request: for what `cache.waitUntil()` gives. Default: true.
   */
  coalesce?: boolean;
  /**
   * How long others wait for a process that died while it loaded. A load that takes longer than half of it tells that it goes
   * on, by one script for each half. Default: 10000.
   */
  leaseMs?: number;
  /**
   * How long a miss waits for the value that another process is loading, before it loads on its own; 0: not at all. Default: as
   * long as that process holds its lease, at the most for `hardTimeoutMs`.
   */
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
  /** The part of the time to live, 0 to 1, of which a random share is taken off. Default: 0. */
  jitter?: number;
  /** Default: none. */
  tags?: string | string[];
  /** For how long after its time to live the value is served while it is reloaded in the background. Default: not. */
  staleWhileRevalidateSeconds?: number;
  /** For how long after its time to live the value is served if loading it fails. Default: not. */
  staleIfErrorSeconds?: number;
  /** Takes the background work of this call: a function, or the context of a Worker's request. */
  waitUntil?: WaitUntil;
  /** Gives the call up. The promise is rejected with the signal's reason. What others wait for goes on. */
  signal?: AbortSignal;
  /** How long this call may take as a whole. Default: no limit but those of its parts. */
  timeoutMs?: number;
}

export interface LoadOptions extends EntryOptions {
  /** How long a `null` is cached; 0: not at all. Default: as other values. */
  negativeTtlSeconds?: number;
  /** After how long a stale value is served, while the load goes on. Default: only when the load has ended. */
  softTimeoutMs?: number;
  /** After how long a load is given up. Default: 30000. */
  hardTimeoutMs?: number;
  /** Loads a value now and then before it expires (XFetch); 1 as a rule. Default: not. */
  earlyRefresh?: number;
  /** "refresh" loads and stores; "bypass" only loads. Default: a load only of what is not cached. */
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

/** The time to live alone may stand for all the options. */
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
