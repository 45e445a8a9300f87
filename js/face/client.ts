import * as wasm from "edgecask-wasm";
import {
  type Check, argument, checked, command, count, exclusive, flag, list, listed, millis, name, options, otherwise, positive, signal, text, texts, wrong,
} from "./check.js";
import { failure, invalid, type EdgecaskError } from "./errors.js";
import { Handle, called, handle, hold, known, made } from "./handle.js";
import { type LogOptions, logged, mustBeStarted } from "./log.js";
import { Subscriber, subscriberOf } from "./subscriber.js";

/** One argument of a command. Numbers are sent as decimal text, and a Uint8Array as its bytes. */
export type Argument = string | number | bigint | boolean | Uint8Array;

/**
 * A reply. An absent value is `null`, an unsafe integer is a bigint, and a string that is not UTF-8 is a Uint8Array. Strings are
 * not parsed: "null" and "007" stay strings.
 */
export type Reply = null | number | bigint | string | Uint8Array | Reply[];

export interface ClientOptions extends LogOptions {
  url: string;
  token: string;
  /** The timeout of a call. Default: 5000. */
  timeoutMs?: number;
  /** Allows an unencrypted `http://` URL of another host. Default: false. */
  allowHttp?: boolean;
  /**
   * Sends the calls of the same moment in one round trip, in order. In a Worker, use it only for a client of one request: a request
   * must not wait for another's. Default: false.
   */
  autoPipelining?: boolean;
  /** The most attempts of a call that is safe to repeat. Default: 1. */
  attempts?: number;
  /** Whether reads see all earlier writes of this client, whichever replica serves them. Default: true. */
  readYourWrites?: boolean;
  /** The prefix of all keys, such as "staging:". Default: none. */
  keyPrefix?: string;
  /** The most round trips, which are subrequests in a Worker. For a client of one request. Default: no limit. */
  maxRequests?: number;
  /**
   * The time without a message, heartbeats not included, after which a subscription reconnects. Default: no limit.
   */
  idleTimeoutMs?: number;
}

/** The results of a list of commands: for each command its reply or its error. */
export type Results<T extends readonly unknown[]> = { -readonly [At in keyof T]: T[At] | EdgecaskError };

export interface CallOptions {
  /** Cancels the call and its request. The promise is rejected with the signal's reason. */
  signal?: AbortSignal;
  /** The timeout of this call, if it is shorter than the client's. */
  timeoutMs?: number;
}

export interface SetOptions extends CallOptions {
  /** The time to live in seconds. At most one of ex, px, exat, pxat and keepTtl. */
  ex?: number;
  /** The time to live in milliseconds. */
  px?: number;
  /** The Unix time in seconds at which the key expires. */
  exat?: number;
  /** The Unix time in milliseconds at which the key expires. */
  pxat?: number;
  /** Keeps the current time to live of the key. */
  keepTtl?: boolean;
  /** Sets the key only if it is absent. */
  nx?: boolean;
  /** Sets the key only if it exists. */
  xx?: boolean;
  /** Returns the old value instead of whether the key was set. */
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
   * A client from environment variables: `REDIS_URL` and `REDIS_PASSWORD`, `UPSTASH_REDIS_REST_URL` and
   * `UPSTASH_REDIS_REST_TOKEN`, or `KV_REST_API_URL` and `KV_REST_API_TOKEN`; with none of them, the embedded engine.
   * Pass `process.env`, or the `env` of a Worker.
   */
  static fromEnv(env: Record<string, unknown>, options: LogOptions = {}): Client {
    const given = checked("Client.fromEnv", arguments, { env: variables, options: LOGGING });
    mustBeStarted();
    let unreadable: [unknown] | undefined;
    const lookup = (name: string) => {
      try {
        // Inherited properties of objects are not variables.
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
   * Sends any command: `client.command(["SET", "key", "value", "EX", 60])`. The type argument is the type of the reply; it is not
   * checked: `client.command<number>(["INCR", "n"])`.
   */
  async command<T = Reply>(args: readonly Argument[], options?: CallOptions): Promise<T> {
    const given = checked("client.command", arguments, { args: command, options: CALL });
    return called<wasm.Client>(this, "Client").command(given.args, given.options);
  }

  /**
   * Sends commands in order in one round trip. The error of a command takes the place of its reply, and does not stop the others. The
   * type argument is the types of the replies: `client.pipeline<[number, string]>([["INCR", "n"], ["GET", "k"]])`.
   */
  async pipeline<T extends readonly unknown[] = Reply[]>(commands: readonly (readonly Argument[])[], options?: CallOptions): Promise<Results<T>> {
    const given = checked("client.pipeline", arguments, { commands: list(command), options: CALL });
    return called<wasm.Client>(this, "Client").batch(given.commands, false, given.options);
  }

  /** Runs commands as a transaction (MULTI/EXEC) in one round trip. */
  async transaction<T extends readonly unknown[] = Reply[]>(commands: readonly (readonly Argument[])[], options?: CallOptions): Promise<Results<T>> {
    const given = checked("client.transaction", arguments, { commands: list(command), options: CALL });
    return called<wasm.Client>(this, "Client").batch(given.commands, true, given.options);
  }

  /** Runs a Lua script by its SHA-1 digest (EVALSHA), and sends its source if the server does not know it yet. */
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
   * Sets a key, and returns whether it was set: the options `nx` and `xx` may prevent it. With the option `get`, returns the old value
   * or `null` instead.
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

  /** Deletes keys, given as a list or one by one, and returns how many existed. */
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

  /** All commands that the server executes from now on, as lines of text. For debugging: it shows values. */
  async monitor(): Promise<Subscriber> {
    checked("client.monitor", arguments, {});
    return subscriberOf(await called<wasm.Client>(this, "Client").monitor());
  }

  /** A token for `setSyncToken` of another client, in another request or service: its reads then see the writes of this client. */
  syncToken(): string | null {
    checked("client.syncToken", arguments, {});
    return known<wasm.Client>(this, "Client").syncToken() ?? null;
  }

  /** Makes reads see the writes of another client before its `syncToken()` returned this token. */
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

/** The check of an argument that is a client. @internal */
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
