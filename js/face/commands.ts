// Adapts the Redis client of another package for wasm: copies and checks its replies, and classifies its errors. The function that wasm gets
// neither throws nor rejects.
import * as wasm from "edgecask-wasm";
import { type Check, bare, func, kindOfView, millis, options, wrong } from "./check.js";
import { client, type Client } from "./client.js";
import { given as givenTo } from "./handle.js";
import { mustBeStarted } from "./log.js";
import { said } from "./said.js";

/** A command: its name and its arguments. */
export type CommandArguments = [name: string, ...args: string[]];

/**
 * A reply of a client, in the types of Redis's protocols 2 and 3. Bytes that are valid UTF-8 count as strings. An Error in a list is the
 * error of that command.
 */
export type CommandReply =
  | null | undefined | string | number | bigint | boolean | Uint8Array | Error | readonly CommandReply[] | ReadonlyMap<CommandReply, CommandReply>
  | ReadonlySet<CommandReply> | { readonly [field: string]: CommandReply };

/**
 * Functions that send commands by a Redis client of another package. Replies must be as Redis returns them: turn off the parsing of JSON
 * in replies (the option `automaticDeserialization` of `@upstash/redis`).
 */
export interface Commands {
  /**
   * Sends one command and returns its reply; for ioredis `(args) => redis.call(...args)`, for node-redis
   * `(args) => redis.sendCommand(args)`, for `@upstash/redis` `(args) => redis.exec(args)`.
   */
  command: (args: CommandArguments) => unknown;
  /**
   * Sends commands in order in one round trip, and returns a list of their replies. Default: calls `command` for each, without waiting in
   * between; a client that pipelines by itself sends them together.
   */
  pipeline?: (commands: CommandArguments[]) => unknown;
  /** Runs commands as a transaction (MULTI/EXEC), and returns a list of their replies. The cache and the stores do not need it. */
  transaction?: (commands: CommandArguments[]) => unknown;
  /** The timeout of a call. Default: 5000. */
  timeoutMs?: number;
}

type Word = string | Uint8Array;
type Send = (args: unknown) => unknown;
/** A reply in the form that wasm reads. */
type Clean = null | string | number | bigint | Uint8Array | Clean[] | Fault;
type Fault = { kind: string; message?: string; notSent?: boolean; thrown?: unknown };

const COMMANDS = options({ command: func, pipeline: func, transaction: func, timeoutMs: millis }, "command");

/** The client of a cache or a store. @internal */
export type Source = { client: Client } | { commands: (lists: Word[][], unit: boolean) => Promise<Clean>; timeoutMs?: number };

/** The check of an argument that is a `Client` or `Commands`. @internal */
export const source: Check<Source> = (value, name) => {
  const isFunctions = typeof value === "object" && value !== null && Object.hasOwn(value, "command");
  if (!isFunctions) {
    if (typeof value === "object" && value !== null) return { client: client(value, name) };
    throw wrong(name, "a Client, or an object with the function 'command'", value);
  }
  const given = COMMANDS(value, name);
  return bare({ commands: sending(given.command!, given.pipeline, given.transaction), timeoutMs: given.timeoutMs });
};

/** Calls `make` with the client of wasm. A client that was made for `Commands` is freed afterwards. @internal */
export function over<T>(source: Source, name: string, make: (client: wasm.Client) => T): T {
  if ("client" in source) return make(givenTo(source.client, name));
  mustBeStarted();
  const made = wasm.Client.over(source);
  try {
    return make(made);
  } finally {
    made.free();
  }
}

function sending(command: Send, pipeline?: Send, transaction?: Send): (lists: Word[][], unit: boolean) => Promise<Clean> {
  return async (lists, unit) => {
    try {
      if (lists.some((words) => words.some((word) => typeof word !== "string"))) {
        return { kind: "Unsupported", message: "bytes that are not UTF-8 do not go through a client's function", notSent: true };
      }
      if (unit && !transaction) {
        return { kind: "Unsupported", message: "this needs the function 'transaction'", notSent: true };
      }
      const together = unit ? transaction : lists.length > 1 ? pipeline : undefined;
      if (together) return each(await together(lists), lists);
      // All commands are passed on before the first reply is awaited.
      const replies = await Promise.allSettled(lists.map(async (words) => command(words)));
      return replies.map((reply, at) => (reply.status === "fulfilled" ? clean(reply.value, lists[at]) : fault(reply.reason)));
    } catch (error) {
      return fault(error);
    }
  };
}

/** The replies of a list of commands. */
function each(replies: unknown, lists: Word[][]): Clean {
  if (!Array.isArray(replies)) return odd("the client's function gave no list of replies");
  if (replies.length !== lists.length) return odd("the client's function gave another number of replies than there are commands");
  return lists.map((words, at) => clean(replies[at], words));
}

function odd(message: string): Fault {
  return { kind: "Protocol", message };
}

/** The deepest nesting of a reply, far beyond that of Redis's replies. */
const DEEPEST = 32;
/** The most items of a reply, and the most characters and bytes. */
const MOST_ITEMS = 1_000_000;
const MOST_TEXT = 512 * 1024 * 1024;

class Odd extends Error {}

/** A copy of a reply, without getters and proxies. Values that are not replies are refused. */
function clean(reply: unknown, command: Word[]): Clean {
  let [items, text] = [0, 0];
  const check = (isWithin: boolean) => {
    if (!isWithin) throw new Odd("the reply is too large");
  };
  const copy = (value: unknown, depth: number): Clean => {
    check(depth <= DEEPEST && ++items <= MOST_ITEMS);
    switch (typeof value) {
      case "undefined":
        return null;
      case "string":
        check((text += value.length) <= MOST_TEXT);
        return value;
      case "number":
        // A number that is not a safe integer is sent as text.
        return Number.isSafeInteger(value) ? value : String(value);
      case "bigint":
        return value === BigInt.asIntN(64, value) ? value : String(value);
      case "boolean":
        return value ? 1 : 0;
      case "object":
        return value === null ? null : inside(value, depth + 1);
      default:
        throw new Odd(`the reply is of type ${typeof value}`);
    }
  };
  const list = (values: Iterable<unknown>, depth: number): Clean[] => {
    const copied: Clean[] = [];
    for (const value of values) copied.push(copy(value, depth));
    return copied;
  };
  const inside = (value: object, depth: number): Clean => {
    if (kindOfView.call(value) === "Uint8Array") {
      check((text += (value as Uint8Array).length) <= MOST_TEXT);
      return new Uint8Array(value as Uint8Array);
    }
    if (Array.isArray(value) || value instanceof Set) return list(value, depth);
    if (value instanceof Map) {
      check(value.size * 2 <= MOST_ITEMS);
      return list([...value].flat(1), depth);
    }
    if (isError(value)) return fault(value);
    // Some clients return an object for these commands.
    if (command[0] === "HGETALL" || command[0] === "CONFIG") return list(Object.entries(value).flat(1), depth);
    throw new Odd("the reply is an object: is the client told not to read JSON in replies (automaticDeserialization: false)?");
  };
  try {
    return copy(reply, 0);
  } catch (error) {
    return error instanceof Odd ? odd(error.message) : { ...odd("the reply cannot be read"), thrown: error };
  }
}

function isError(value: object): boolean {
  return value instanceof Error || Object.prototype.toString.call(value) === "[object Error]";
}

/** The first words of Redis's error replies, for clients that do not name their errors. */
const CODES =
  /^(ASK|BUSY|BUSYGROUP|BUSYKEY|CLUSTERDOWN|CROSSSLOT|ERR|EXECABORT|LOADING|MASTERDOWN|MISCONF|MOVED|NOAUTH|NOGROUP|NOPERM|NOREPLICAS|NOSCRIPT|OOM|READONLY|TRYAGAIN|UNKILLABLE|WRONGPASS|WRONGTYPE) /;
const REFUSED = new Set(["ECONNREFUSED", "ENOTFOUND", "EAI_AGAIN", "EHOSTUNREACH", "ENETUNREACH"]);
/** The names of errors whose message is the error reply of Redis. */
const REPLIES = new Set(["ReplyError", "ErrorReply", "SimpleError", "BlobError", "UpstashError"]);
/** The names that node-redis gives to errors of commands that it did not send. */
const UNSENT = new Set(["ClientOfflineError", "ClientClosedError"]);
/** The kinds of an EdgecaskError, which another module of this package may have made. */
const OURS = new Set(["Connect", "Timeout", "Unauthorized", "Throttled", "Disconnected"]);

/** Classifies an exception of a client by its name, code and message. */
function fault(thrown: unknown): Fault {
  const [name, message] = [word(thrown, "name"), word(thrown, "message")];
  const code = word(thrown, "code") || word(field(thrown, "cause"), "code");
  if (name === "EdgecaskError") {
    const kind = word(thrown, "kind");
    const notSent = word(thrown, "outcome") === "NotSent";
    if (kind === "Server" || kind === "Discarded") return { kind: "Server", message: said(message), thrown };
    return { kind: OURS.has(kind) ? kind : "Disconnected", notSent, thrown };
  }
  // The last two may also end an open connection, after a command was sent.
  const call = word(thrown, "syscall") || word(field(thrown, "cause"), "syscall");
  if (REFUSED.has(code) && call !== "read" && call !== "write") return { kind: "Connect", thrown };
  if (UNSENT.has(name)) return { kind: "Connect", notSent: true, thrown };
  if (code === "ETIMEDOUT" || /Timeout|Abort/.test(name) || /^(Command|Connection|Socket)? ?timed out|timeout$/i.test(message)) {
    return { kind: "Timeout", thrown };
  }
  if (REPLIES.has(name) || CODES.test(message)) {
    return { kind: "Server", message: message.replace(/^Command \d+ \[ \S+ \] failed: /, ""), thrown };
  }
  return { kind: "Disconnected", thrown };
}

function field(of: unknown, name: string): unknown {
  try {
    return (of as Record<string, unknown> | null | undefined)?.[name];
  } catch {
    return undefined;
  }
}

function word(of: unknown, name: string): string {
  const value = field(of, name);
  return typeof value === "string" ? value : "";
}
