import * as wasm from "edgecask-wasm";
import { type Check, type Checked, type Checks, Wrong, checked, flag, func, oneOf, optional, options, otherwise } from "./check.js";
import { EdgecaskError, failure, type ErrorDetails } from "./errors.js";

export type LogLevel = "error" | "warn" | "info" | "debug";

/** A line of the log. It contains no value and no token, and only the name and the code of an exception of a loader. */
export interface LogRecord {
  level: LogLevel;
  message: string;
  /** The part of the package that wrote it. */
  target: string;
  fields: Record<string, string | number | boolean>;
}

export interface LogOptions {
  /** Called with errors that no call can return, such as those of background work. Default: the logger of setLogger(). */
  logger?: (record: LogRecord) => unknown;
  /** The least severe level that the logger gets. Only with `logger`. Default: "warn". */
  logLevel?: LogLevel;
}

const level = oneOf<LogLevel>("error", "warn", "info", "debug");

/** A logger whose exceptions are caught and written to the console. @internal */
const guardedLogger = (value: unknown, name: string): ((record: LogRecord) => void) => {
  const log = func(value, name);
  const failed = (error: unknown) => console.error("the logger of edgecask failed:", error);
  return (record) => {
    try {
      void Promise.resolve(log(record)).catch(failed);
    } catch (error) {
      failed(error);
    }
  };
};

/** An object with these options, and those of the log. @internal */
export const logged = <S extends Checks>(checks: S): Check<Partial<Checked<S & typeof LOG>>> => {
  const check = options({ ...checks, ...LOG });
  return (value, name) => {
    const clean = check(value, name);
    if (clean.logLevel !== undefined && clean.logger === undefined) {
      const needs = `${name}.logLevel needs ${name}.logger; setLogger(logger, logLevel) sets the level for all others`;
      throw new Wrong(`${name}.logLevel`, needs);
    }
    return clean;
  };
};

const LOG = { logger: guardedLogger, logLevel: level };

let current: ((record: LogRecord) => void) | undefined = (record) => console[record.level](record);
let currentLevel: LogLevel = "warn";
let started = false;

/**
 * Sets the logger of all clients and caches without their own; `null`: no log. By default, warnings and errors are written to the
 * console as objects.
 */
export function setLogger(logger: ((record: LogRecord) => unknown) | null, logLevel: LogLevel = "warn"): void {
  const given = checked("setLogger", arguments, { logger: optional(guardedLogger), logLevel: otherwise(level, "warn") });
  current = given.logger;
  currentLevel = given.logLevel;
  if (started) wasm.setLogger(current, currentLevel);
}

let worker: boolean | undefined;

/**
 * Sets whether this program is a Cloudflare Worker, whose requests must not wait for each other's work. It corrects a wrong detection;
 * call it before the first call. Default: whether `navigator.userAgent` is "Cloudflare-Workers", or there is a `WebSocketPair`.
 */
export function setWorker(isWorker: boolean): void {
  const given = checked("setWorker", arguments, { isWorker: flag });
  worker = given.isWorker;
  if (started) wasm.setWorker(worker);
}

/** Marks the module as started. @internal */
export function start(): void {
  if (started) return;
  started = true;
  wasm.setErrors((message: string, details: ErrorDetails) => new EdgecaskError(message, details));
  wasm.setLogger(current, currentLevel);
  if (worker !== undefined) wasm.setWorker(worker);
}

/** @internal */
export function isStarted(): boolean {
  return started;
}

let notStarted: unknown;

/** Stores the reason why the module could not be started on import. @internal */
export function mustWait(reason: unknown): void {
  notStarted = reason;
}

/** Throws if the module is not started. @internal */
export function mustBeStarted(): void {
  if (started) return;
  const message = "bad configuration: this host did not compile the wasm when it was imported: await init() first";
  throw failure("Config", message, { cause: notStarted });
}
