/** The kind of an error. A minor version may add kinds. */
export type ErrorKind =
  | "Config" | "InvalidInput" | "Unsupported" | "Connect" | "CircuitOpen" | "BudgetSpent" | "Timeout" | "Disconnected" | "Unauthorized" | "Throttled"
  | "Http" | "Protocol" | "Server" | "Discarded" | "Conflict" | "NotFound" | "Type" | "Codec" | "Store";

/** Whether the command may have been executed. After "NotSent" it is safe to send it again. */
export type Outcome = "NotSent" | "Refused" | "Unknown" | "Completed";

/** The properties of an EdgecaskError besides its message. */
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
 * The error with which promises of this package are rejected and which its constructors throw. No message contains a value or a token.
 * Exceptions of a loader or a backing store are passed through as they are.
 */
export class EdgecaskError extends Error {
  declare readonly name: "EdgecaskError";
  declare readonly kind: ErrorKind;
  /** Whether the command may have been executed. */
  declare readonly outcome: Outcome;
  /** For the kind InvalidInput: the wrong argument, such as "keys" or "options.ttlSeconds". */
  declare readonly argument?: string;
  /** The first word of a Redis error: "ERR", "WRONGTYPE", … */
  declare readonly code?: string;
  /** The HTTP status. */
  declare readonly status?: number;
  /** The time in milliseconds that the server asked to wait. */
  declare readonly retryAfterMs?: number;
  /** The cause, if it is known. */
  declare readonly cause?: unknown;

  /** Only for tests of other programs: this package makes its errors itself. */
  constructor(message: string, details: ErrorDetails) {
    const { cause, ...own } = Object.assign(Object.create(null), details) as ErrorDetails;
    super(message, cause === undefined ? undefined : { cause });
    Object.assign(this, own);
  }

  /** The modules of this package have a class each; an error of one is an instance of the others, too. */
  static override [Symbol.hasInstance](value: unknown): boolean {
    const isOurs = this === EdgecaskError && value instanceof Error && value.name === "EdgecaskError" && "outcome" in value;
    return isOurs || Function.prototype[Symbol.hasInstance].call(this, value);
  }
}
Object.defineProperty(EdgecaskError.prototype, "name", { value: "EdgecaskError", configurable: true, writable: true });

/** @internal */
export function failure(kind: ErrorKind, message: string, more: Partial<ErrorDetails> = {}): EdgecaskError {
  return new EdgecaskError(message, { kind, outcome: "NotSent", ...more });
}

/** The error of a wrong argument. The message has the type of the argument, and not its value, which may be a secret. @internal */
export function invalid(argument: string, message: string, cause?: unknown): EdgecaskError {
  const more = cause === undefined ? { argument } : { argument, cause };
  return failure("InvalidInput", `invalid input: ${message}`, more);
}
