// The exports of `edgecask`.
export { init as default, init, initSync } from "./init.js";
export { Client, type Argument, type CallOptions, type ClientOptions, type Reply, type Results, type SetOptions } from "./client.js";
export { Subscriber, type SubscriberEvent } from "./subscriber.js";
export { setLogger, setWorker, type LogLevel, type LogOptions, type LogRecord } from "./log.js";
export { EdgecaskError, type ErrorDetails, type ErrorKind, type Outcome } from "./errors.js";
export { Cache } from "./cache.js";
export { type CommandReply, type Commands } from "./commands.js";
export {
  type CacheOptions, type CacheStats, type EntryOptions, type Health, type Histogram, type Invalidated, type KeyDistribution, type LoadOptions, type ServerStats,
  type WaitUntil, type WarmOptions, type Warmed, type Written,
} from "./cache-options.js";
export { Keyspace } from "./keyspace.js";
export { Usage } from "./usage.js";
export { LlmPolicyStore, type BackingStore, type LlmPolicy, type StoreOptions } from "./stores.js";
