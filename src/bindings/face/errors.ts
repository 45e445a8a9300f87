/**
 * What promises of this package are rejected with, and what its constructors throw. No message holds a value or a token.
 * What a loader or a backing store throws comes through as it is.
 */
export interface EdgecaskError extends Error {
  name: "EdgecaskError";
  kind:
    | "Config" | "InvalidInput" | "Unsupported" | "Connect" | "CircuitOpen" | "BudgetSpent" | "Timeout" | "Disconnected" | "Unauthorized" | "Throttled"
    | "Http" | "Protocol" | "Server" | "Discarded" | "Conflict" | "NotFound" | "Type" | "Codec" | "Store";
  /** Whether the command may have been carried out. */
  outcome: "NotSent" | "Refused" | "Unknown" | "Completed";
  /** Of the kind InvalidInput: the argument that is wrong, such as "keys" or "options.ttlSeconds". */
  argument?: string;
  /** The first word of a Redis error: "ERR", "WRONGTYPE", … */
  code?: string;
  /** The HTTP status. */
  status?: number;
  /** How long the server asked to wait. */
  retryAfterMs?: number;
}

/** @internal */
export function failure(
  kind: EdgecaskError["kind"],
  message: string,
  more: { outcome?: EdgecaskError["outcome"]; argument?: string; cause?: unknown } = {},
): EdgecaskError {
  const error = new Error(message) as EdgecaskError;
  Object.defineProperty(error, "name", { value: "EdgecaskError", configurable: true, writable: true });
  return Object.assign(error, { kind, outcome: "NotSent" }, more);
}

/** An argument is wrong. What it is instead is told by its type: its value may be a secret. @internal */
export function invalid(argument: string, message: string, cause?: unknown): EdgecaskError {
  const more = cause === undefined ? { argument } : { argument, cause };
  return failure("InvalidInput", `invalid input: ${message}`, more);
}

/** @internal */
export function freed(what: string): never {
  throw invalid("this", `this ${what} was freed`);
}

/** Lets `using` free it, where the language has that. @internal */
export function disposable(of: { prototype: { free(): void } }): void {
  const dispose = (Symbol as { dispose?: symbol }).dispose;
  if (dispose) Object.defineProperty(of.prototype, dispose, { value: of.prototype.free, configurable: true, writable: true });
}
