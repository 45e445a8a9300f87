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
