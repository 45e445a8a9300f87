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
   * In a Worker, a tier in the data center's own cache (`caches.default`) before Redis. What has no tags may be stale for
   * ttlSeconds; what has costs one command. Each call counts as a subrequest. Default: none.
   */
  edge?: { /** Default: 5. */ ttlSeconds?: number };
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
  errors: number;
  bytesRead: number;
  bytesUnpacked: number;
  bytesToStore: number;
  bytesWritten: number;
  readLatency: Histogram;
  writeLatency: Histogram;
  loadLatency: Histogram;
}
