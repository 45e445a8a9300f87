/** One argument of a command. Numbers are written in decimal; a Uint8Array goes as its bytes. */
export type Argument = string | number | bigint | boolean | Uint8Array;

/**
 * A reply: `null` is absent, an integer beyond what a number holds is a bigint, a string that is not UTF-8 is its bytes.
 * Nothing is parsed: what was stored as "null" or "007" comes back as that string.
 */
export type Reply = null | number | bigint | string | Uint8Array | Reply[];

/** Every promise of this package that is rejected is rejected with this. No message holds a value or a token. */
export interface EdgecaskError extends Error {
  name: "EdgecaskError";
  kind:
    | "Config" | "InvalidInput" | "Unsupported" | "Connect" | "CircuitOpen" | "BudgetSpent" | "Timeout" | "Disconnected" | "Unauthorized" | "Throttled"
    | "Http" | "Protocol" | "Server" | "Discarded" | "Conflict" | "Type" | "Codec" | "Store";
  /** Whether the command may have been carried out. */
  outcome: "NotSent" | "Refused" | "Unknown" | "Completed";
  /** The first word of a Redis error: "ERR", "WRONGTYPE", … */
  code?: string;
  /** The HTTP status. */
  status?: number;
  /** How long the server asked to wait. */
  retryAfterMs?: number;
}

export interface ClientOptions {
  url: string;
  token: string;
  /** How long a call may take. Default: 5000. */
  timeoutMs?: number;
  /** Lets the token travel unencrypted to another host. Default: false. */
  allowHttp?: boolean;
  /**
   * Lets calls of the same moment share a round trip, in order. In a Worker, only for a client that one request made for
   * itself: a request must not wait for another's. Default: false.
   */
  autoPipelining?: boolean;
  /** How often a call is sent at the most, where sending it again is safe. Default: 1. */
  attempts?: number;
  /** Whether a read sees every write that this client was answered, whichever replica serves it. Default: true. */
  readYourWrites?: boolean;
  /** What stands before every key, such as "staging:". Default: nothing. */
  keyPrefix?: string;
  /** How many round trips there may be: a Worker's subrequests. For a client of one request. Default: no limit. */
  maxRequests?: number;
  /**
   * How long the stream of a subscription may be silent, heartbeats aside, before it is opened again. Default: no limit.
   */
  idleTimeoutMs?: number;
}

export interface CallOptions {
  /** Gives the call up, and aborts its request. The promise is rejected with the signal's reason. */
  signal?: AbortSignal;
  /** How long this call may take, if that is less than the client's own limit. */
  timeoutMs?: number;
}

/** What a subscriber tells. Between "lost" and "resumed", messages are missed. */
export type SubscriberEvent =
  | { type: "message"; channel: string | Uint8Array; pattern?: string | Uint8Array; payload: string | Uint8Array }
  | { type: "lost"; error: EdgecaskError }
  | { type: "resumed" };

export interface SetOptions {
  /** Expires in so many seconds. */
  ex?: number;
  /** Expires in so many milliseconds. */
  px?: number;
  /** Only if the key is absent. */
  nx?: boolean;
  /** Only if the key is there. */
  xx?: boolean;
}

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

export interface StoreOptions<Id, Item> {
  /** Default: the memory of this process. */
  backing?: BackingStore<Id, Item>;
  /** Default: 300. */
  ttlSeconds?: number;
  /** What happens when the cache is away. Default: "important", the backing store answers. */
  tier?: "critical" | "important" | "best-effort";
}

export interface Health {
  healthy: boolean;
  backend: "redis" | "in-memory" | "none";
  latencyMs?: number;
  error?: string;
}

export interface CacheOptions {
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
   * Lets callers who miss the same key wait for one load. In a Worker, only for a cache that one request made for itself.
   * Default: false.
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
  keyspace?: string[];
}

export interface EntryOptions {
  ttlSeconds: number | "forever";
  /** The part of the time to live, 0 to 1, of which a random share is taken off. */
  jitter?: number;
  tags?: string[];
  /** For how long after its time to live the value is served while it is loaded anew in the background. */
  staleWhileRevalidateSeconds?: number;
  /** For how long after its time to live the value is served if loading it fails. */
  staleIfErrorSeconds?: number;
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
  errors: number;
  bytesRead: number;
  bytesUnpacked: number;
  bytesToStore: number;
  bytesWritten: number;
  readLatency: Histogram;
  writeLatency: Histogram;
  loadLatency: Histogram;
}
