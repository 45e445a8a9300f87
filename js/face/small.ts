// The exports of `edgecask/client`: only the client of the REST API.
export { init as default, init, initSync } from "./init.js";
export { Client, type Argument, type CallOptions, type ClientOptions, type Reply, type Results, type SetOptions } from "./client.js";
export { Subscriber, type SubscriberEvent } from "./subscriber.js";
export { setLogger, setWorker, type LogLevel, type LogOptions, type LogRecord } from "./log.js";
export { EdgecaskError, type ErrorDetails, type ErrorKind, type Outcome } from "./errors.js";
