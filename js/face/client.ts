import * as wasm from "edgecask-wasm";
import {
  type Check, argument, checked, command, count, exclusive, flag, list, listed, millis, name, options, otherwise, positive, signal, text, texts, wrong,
} from "./check.js";
import { failure, invalid, type EdgecaskError } from "./errors.js";
import { Handle, called, handle, hold, known, made } from "./handle.js";
import { type LogOptions, logged, mustBeStarted } from "./log.js";
import { Subscriber, subscriberOf } from "./subscriber.js";

/** One argument of a command. Numbers are written in decimal; a Uint8Array goes as its bytes. */
export type Argument = string | number | bigint | boolean | Uint8Array;

/**
 * A reply: `null` is absent, an integer beyond what a number holds is a bigint, a string that is not UTF-8 is its bytes.
 * Nothing is parsed: what was stored as "null" or "007" comes back as that string.
 */
export type Reply = null | number | bigint | string | Uint8Array | Reply[];

export interface ClientOptions extends LogOptions {
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

/** The replies of a list of commands; instead of each, the error of its command. */
export type Results<T extends readonly unknown[]> = { -readonly [At in keyof T]: T[At] | EdgecaskError };

export interface CallOptions {
  /** Gives the call up, and aborts its request. The promise is rejected with the signal's reason. */
  signal?: AbortSignal;
  /** How long this call may take, if that is less than the client's own limit. */
  timeoutMs?: number;
}

export interface SetOptions extends CallOptions {
  /** Expires in so many seconds. One of ex, px, exat, pxat and keepTtl. */
  ex?: number;
  /** Expires in so many milliseconds. */
  px?: number;
  /** Expires at this Unix time in seconds. */
  exat?: number;
  /** Expires at this Unix time in milliseconds. */
  pxat?: number;
  /** Keeps the time to live that the key has. */
  keepTtl?: boolean;
  /** Only if the key is absent. */
  nx?: boolean;
  /** Only if the key is there. */
  xx?: boolean;
  /** Gives the old value instead of whether it was set. */
  get?: boolean;
}

const CLIENT = logged({
  url: text,
  token: text,
  timeoutMs: millis,
  allowHttp: flag,
  autoPipelining: flag,
  attempts: count,
  readYourWrites: flag,
  keyPrefix: text,
  maxRequests: positive,
  idleTimeoutMs: millis,
});
const clientOptions: typeof CLIENT = (value, name) => {
  if (value === undefined || value === null) throw wrong(name, "a plain object with options", value);
  return CLIENT(value, name);
};
const LOGGING = logged({});
/** @internal */
export const CALL = options({ signal, timeoutMs: millis });
const SET = exclusive(
  options({
    ex: positive, px: positive, exat: positive, pxat: positive, keepTtl: flag, nx: flag, xx: flag, get: flag, signal, timeoutMs: millis,
  }),
  ["ex", "px", "exat", "pxat", "keepTtl"],
  ["nx", "xx"],
);

/** A Redis client over the Upstash REST API, or over an embedded engine. */
export class Client extends Handle {
  /** A client of the REST API at this URL. Nothing is sent yet. */
  constructor(options: ClientOptions) {
    super();
    const given = checked("new Client", arguments, { options: clientOptions });
    mustBeStarted();
    if (given.options.url === undefined || given.options.token === undefined) {
      const needs = "new Client({ url, token }) needs both; Client.memory() needs neither";
      throw failure("Config", `bad configuration: ${needs}`);
    }
    hold(this, new wasm.Client(given.options));
  }

  /** A client over a new, empty embedded engine. */
  static memory(options: LogOptions = {}): Client {
    const given = checked("Client.memory", arguments, { options: LOGGING });
    mustBeStarted();
    if (!wasm.Client.memory) throw failure("Unsupported", "not supported: this module is without the embedded engine");
    return made(Client, wasm.Client.memory(given.options));
  }

  /**
   * A client as these variables say: `REDIS_URL` and `REDIS_PASSWORD`, `UPSTASH_REDIS_REST_URL` and
   * `UPSTASH_REDIS_REST_TOKEN`, or `KV_REST_API_URL` and `KV_REST_API_TOKEN`; with none of them, the embedded engine.
   * Give it `process.env`, or the `env` of a Worker.
   */
  static fromEnv(env: Record<string, unknown>, options: LogOptions = {}): Client {
    const given = checked("Client.fromEnv", arguments, { env: variables, options: LOGGING });
    mustBeStarted();
    let unreadable: [unknown] | undefined;
    const lookup = (name: string) => {
      try {
        // What every object has by its prototype is no variable.
        const isVariable = !Object.hasOwn(Object.prototype, name) || Object.hasOwn(given.env, name);
        const value = isVariable ? given.env[name] : undefined;
        return typeof value === "string" ? value : undefined;
      } catch (error) {
        unreadable ??= [error];
        return undefined;
      }
    };
    const client = made(Client, wasm.Client.fromEnv(lookup, given.options));
    if (!unreadable) return client;
    client.free();
    throw invalid("env", "Client.fromEnv: env cannot be read", unreadable[0]);
  }

  /**
   * Sends any command: `client.command(["SET", "key", "value", "EX", 60])`. The type argument says what its reply is, which
   * nothing checks: `client.command<number>(["INCR", "n"])`.
   */
  async command<T = Reply>(args: readonly Argument[], options?: CallOptions): Promise<T> {
    const given = checked("client.command", arguments, { args: command, options: CALL });
    return called<wasm.Client>(this, "Client").command(given.args, given.options);
  }

  /**
   * Sends commands in order in one round trip. A command's error stands in its place, and does not stop the others. The type
   * argument says what the replies are: `client.pipeline<[number, string]>([["INCR", "n"], ["GET", "k"]])`.
   */
  async pipeline<T extends readonly unknown[] = Reply[]>(commands: readonly (readonly Argument[])[], options?: CallOptions): Promise<Results<T>> {
    const given = checked("client.pipeline", arguments, { commands: list(command), options: CALL });
    return called<wasm.Client>(this, "Client").batch(given.commands, false, given.options);
  }

  /** Runs commands as a unit (MULTI/EXEC) in one round trip. */
  async transaction<T extends readonly unknown[] = Reply[]>(commands: readonly (readonly Argument[])[], options?: CallOptions): Promise<Results<T>> {
    const given = checked("client.transaction", arguments, { commands: list(command), options: CALL });
    return called<wasm.Client>(this, "Client").batch(given.commands, true, given.options);
  }

  /** Runs a Lua script by its sha (EVALSHA), and sends its source where the server does not know it yet. */
  async eval<T = Reply>(source: string, keys: string | string[] = [], args: Argument[] = [], options?: CallOptions): Promise<T> {
    const given = checked("client.eval", arguments, {
      source: name,
      keys: otherwise(texts(), []),
      args: otherwise(list(argument), []),
      options: CALL,
    });
    return called<wasm.Client>(this, "Client").eval(given.source, given.keys, given.args, given.options);
  }

  /** The text of a key, or `null` if it is absent. Nothing is parsed. */
  async get(key: string, options?: CallOptions): Promise<string | null> {
    const given = checked("client.get", arguments, { key: text, options: CALL });
    return asText(await send(this, given.options, "GET", given.key));
  }

  /** The bytes of a key, or `null` if it is absent. */
  async getBytes(key: string, options?: CallOptions): Promise<Uint8Array | null> {
    const given = checked("client.getBytes", arguments, { key: text, options: CALL });
    const reply = await send(this, given.options, "GET", given.key);
    return typeof reply === "string" ? new TextEncoder().encode(reply) : (reply as Uint8Array | null);
  }

  /**
   * Sets a key; tells whether it did, which the options `nx` and `xx` may prevent. With the option `get`, the old value
   * instead, or `null`.
   */
  async set(key: string, value: Argument, options: SetOptions & { get: true }): Promise<string | null>;
  async set(key: string, value: Argument, options?: SetOptions): Promise<boolean>;
  async set(key: string, value: Argument, options?: SetOptions): Promise<boolean | string | null> {
    const { key: name, value: given, options: how } = checked("client.set", arguments, {
      key: text,
      value: argument,
      options: SET,
    });
    const words: (string | Uint8Array)[] = ["SET", name, given];
    for (const option of ["ex", "px", "exat", "pxat"] as const) {
      const time = how[option];
      if (time !== undefined) words.push(option.toUpperCase(), String(time));
    }
    for (const option of ["keepTtl", "nx", "xx", "get"] as const) if (how[option]) words.push(option.toUpperCase());
    const reply = await send(this, how, ...words);
    return how.get ? asText(reply) : reply === "OK";
  }

  /** Deletes keys, given as a list or one by one; tells how many were there. */
  async del(keys: string | string[], ...more: string[]): Promise<number> {
    const given = listed("client.del", arguments, "keys", text, 0);
    return given.length === 0 ? 0 : Number(await send(this, undefined, "DEL", ...given));
  }

  /** The messages of some channels, from now on. */
  async subscribe(channels: string | string[], ...more: string[]): Promise<Subscriber> {
    const given = listed("client.subscribe", arguments, "channels", text);
    return subscriberOf(await called<wasm.Client>(this, "Client").subscribe(given, false));
  }

  /** The messages of all channels that match some globs, such as `news:*`. */
  async psubscribe(patterns: string | string[], ...more: string[]): Promise<Subscriber> {
    const given = listed("client.psubscribe", arguments, "patterns", text);
    return subscriberOf(await called<wasm.Client>(this, "Client").subscribe(given, true));
  }

  /** Every command that the server carries out from now on, as lines of text. For debugging: it shows values. */
  async monitor(): Promise<Subscriber> {
    checked("client.monitor", arguments, {});
    return subscriberOf(await called<wasm.Client>(this, "Client").monitor());
  }

  /** The token by which the reads of another client, in another request or service, see what this one wrote. */
  syncToken(): string | null {
    checked("client.syncToken", arguments, {});
    return known<wasm.Client>(this, "Client").syncToken() ?? null;
  }

  /** Lets reads see what another client wrote before it gave this token. */
  setSyncToken(token: string): void {
    const given = checked("client.setSyncToken", arguments, { token: text });
    known<wasm.Client>(this, "Client").setSyncToken(given.token);
  }

  /** Resolves if the server answers. */
  async ping(options?: CallOptions): Promise<void> {
    const given = checked("client.ping", arguments, { options: CALL });
    await send(this, given.options, "PING");
  }
}

/** The check of a client that is handed in. @internal */
export const client: Check<Client> = handle(Client, "Client");

function send(client: Client, limits: CallOptions | undefined, ...words: (string | Uint8Array)[]): Promise<Reply> {
  return called<wasm.Client>(client, "Client").command(words, limits);
}

function asText(reply: Reply): string | null {
  if (reply === null || typeof reply === "string") return reply;
  const message = "unexpected type: the value is not UTF-8: ask for it by getBytes()";
  throw failure("Type", message, { outcome: "Completed" });
}

const variables = (value: unknown, name: string): Record<string, unknown> => {
  if (typeof value !== "object" || value === null || Object.prototype.toString.call(value) !== "[object Object]") {
    throw wrong(name, "an object with variables", value);
  }
  return value as Record<string, unknown>;
};
