import * as wasm from "edgecask-wasm";
import { checked, func, oneOf, optional, otherwise } from "./check.js";
import { failure } from "./errors.js";

export type LogLevel = "error" | "warn" | "info" | "debug";

/** A line of the log. It holds no value and no token. */
export interface LogRecord {
  level: LogLevel;
  message: string;
  /** The part of the package that wrote it. */
  target: string;
  fields: Record<string, string | number | boolean>;
}

export interface LogOptions {
  /** Is told what goes wrong where no call can tell. Default: that of setLogger(). */
  logger?: (record: LogRecord) => unknown;
  /** What it is told: this level and what is graver. Default: "warn". */
  logLevel?: LogLevel;
}

const level = oneOf<LogLevel>("error", "warn", "info", "debug");

/** A logger, of which nothing that it throws comes back. @internal */
const logger = (value: unknown, name: string): ((record: LogRecord) => void) => {
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

/** @internal */
export const LOG = { logger, logLevel: level };

let current: ((record: LogRecord) => void) | undefined = (record) => console[record.level](record);
let currentLevel: LogLevel = "warn";
let started = false;

/**
 * Sets where the log goes of clients and caches that have no logger of their own; `null`: nowhere. Without it, warnings
 * and errors go to the console, as objects.
 */
export function setLogger(logger: ((record: LogRecord) => unknown) | null, logLevel: LogLevel = "warn"): void {
  const given = checked("setLogger", arguments, { logger: optional(LOG.logger), logLevel: otherwise(level, "warn") });
  current = given.logger;
  currentLevel = given.logLevel;
  if (started) wasm.setLogger(current, currentLevel);
}

/** The module can be used from now on. @internal */
export function start(): void {
  if (started) return;
  started = true;
  wasm.setLogger(current, currentLevel);
}

/** @internal */
export function isStarted(): boolean {
  return started;
}

/** Refuses what needs the module before it is loaded. @internal */
export function mustBeStarted(): void {
  if (!started) throw failure("Config", "bad configuration: the wasm is not loaded yet: await init() first");
}
