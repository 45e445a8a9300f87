/** What kind of thing went wrong. New kinds may come with a minor version. */
export type ErrorKind =
  | "Config" | "InvalidInput" | "Unsupported" | "Connect" | "CircuitOpen" | "BudgetSpent" | "Timeout" | "Disconnected" | "Unauthorized" | "Throttled"
  | "Http" | "Protocol" | "Server" | "Discarded" | "Conflict" | "NotFound" | "Type" | "Codec" | "Store";

/** Whether the command may have been carried out. After "NotSent" it may be sent again without further thought. */
export type Outcome = "NotSent" | "Refused" | "Unknown" | "Completed";

/** What an EdgecaskError tells besides its message. */
export interface ErrorDetails {
  kind: ErrorKind;
  outcome: Outcome;
  argument?: string;
  code?: string;
  status?: number;
  retryAfterMs?: number;
  cause?: unknown;
}

/**
 * What promises of this package are rejected with, and what its constructors throw. No message holds a value or a token.
 * What a loader or a backing store throws comes through as it is.
 */
export class EdgecaskError extends Error {
  declare readonly name: "EdgecaskError";
  declare readonly kind: ErrorKind;
  /** Whether the command may have been carried out. */
  declare readonly outcome: Outcome;
  /** Of the kind InvalidInput: the argument that is wrong, such as "keys" or "options.ttlSeconds". */
  declare readonly argument?: string;
  /** The first word of a Redis error: "ERR", "WRONGTYPE", … */
  declare readonly code?: string;
  /** The HTTP status. */
  declare readonly status?: number;
  /** How long the server asked to wait. */
  declare readonly retryAfterMs?: number;
  /** What led to it, if that is known. */
  declare readonly cause?: unknown;

  /** Errors come from this package; another program makes one in its tests. */
  constructor(message: string, details: ErrorDetails) {
    const { cause, ...own } = Object.assign(Object.create(null), details) as ErrorDetails;
    super(message, cause === undefined ? undefined : { cause });
    Object.assign(this, own);
  }
}
Object.defineProperty(EdgecaskError.prototype, "name", { value: "EdgecaskError", configurable: true, writable: true });

/** @internal */
export function failure(kind: ErrorKind, message: string, more: Partial<ErrorDetails> = {}): EdgecaskError {
  return new EdgecaskError(message, { kind, outcome: "NotSent", ...more });
}

/** An argument is wrong. What it is instead is told by its type: its value may be a secret. @internal */
export function invalid(argument: string, message: string, cause?: unknown): EdgecaskError {
  const more = cause === undefined ? { argument } : { argument, cause };
  return failure("InvalidInput", `invalid input: ${message}`, more);
}
