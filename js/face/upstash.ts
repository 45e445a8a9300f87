// The official Redis class of @upstash/redis over the transport of this package: with its retries, timeouts, errors and subscriptions.
import { Client, type Argument, type CallOptions, type ClientOptions, type EdgecaskError, type Reply, type SubscriberEvent } from "edgecask/client";
import { Redis as Official, errors, type Requester, type UpstashRequest, type UpstashResponse } from "@upstash/redis";
import { said } from "./said.js";

export * from "@upstash/redis";

/** The methods of a client that a requester needs. The clients of "edgecask" and "edgecask/client" have them. */
export interface RequestClient {
  command(args: readonly Argument[], options?: CallOptions): Promise<Reply>;
  pipeline(commands: readonly (readonly Argument[])[], options?: CallOptions): Promise<(Reply | EdgecaskError)[]>;
  transaction(commands: readonly (readonly Argument[])[], options?: CallOptions): Promise<(Reply | EdgecaskError)[]>;
  subscribe(channels: string[]): Promise<Subscription>;
  psubscribe(patterns: string[]): Promise<Subscription>;
  monitor(): Promise<Subscription>;
  syncToken(): string | null;
  setSyncToken(token: string): void;
}

type Subscription = AsyncIterable<SubscriberEvent> & { close(): void };

export interface RedisConfig extends Omit<ClientOptions, "url" | "token" | "autoPipelining"> {
  url: string | undefined;
  token: string | undefined;
  /** The most retries of a call that is safe to repeat. Default: 5; the same as `attempts`, which includes the first attempt. */
  retry?: false | { retries?: number; backoff?: (retryCount: number) => number };
  /** Whether replies are parsed as JSON. Default: true. */
  automaticDeserialization?: boolean;
  /** Whether the calls of the same moment are sent in one round trip. Default: true. */
  enableAutoPipelining?: boolean;
  latencyLogging?: boolean;
  /** Cancels calls: the promise is rejected with the signal's reason. */
  signal?: AbortSignal | (() => AbortSignal);
  /** This and the options below are accepted and ignored: there is no telemetry, replies are always exact, and fetch manages connections. */
  enableTelemetry?: boolean;
  responseEncoding?: false | "base64";
  cache?: string;
  keepAlive?: boolean;
  agent?: unknown;
}

/** A transport for the official class: `new Redis(requester(client))`. */
export function requester(client: RequestClient, signal?: AbortSignal | (() => AbortSignal)): Requester {
  const request = async (asked: UpstashRequest): Promise<UpstashResponse<unknown>> => {
    const [form, ...to] = asked.path ?? [];
    const given = asked.signal ?? (typeof signal === "function" ? signal() : signal);
    const options = given ? { signal: given } : undefined;
    switch (form) {
      case "subscribe":
      case "psubscribe":
      case "monitor":
        return listen(client, form, to, asked);
      case "pipeline":
      case "multi-exec": {
        const commands = asked.body as Argument[][];
        const sent = form === "pipeline" ? client.pipeline(commands, options) : client.transaction(commands, options);
        // For these the class expects a list of responses.
        return (await sent.catch(asOfficial)).map(response) as UpstashResponse<unknown>;
      }
      default: {
        const words = [...(asked.path ?? []), ...((asked.body as Argument[] | undefined) ?? [])];
        return response(await client.command(words, options).catch(asOfficial));
      }
    }
  };
  return {
    request: request as Requester["request"],
    readYourWrites: true,
    get upstashSyncToken() {
      return client.syncToken() ?? "";
    },
    set upstashSyncToken(token) {
      if (token) client.setSyncToken(token);
    },
  };
}

/** The official class, with all its methods and types. */
export class Redis extends Official {
  /** A Redis over a client, or over a new one with these settings. Nothing is sent yet. */
  constructor(over: RedisConfig | RequestClient | Requester) {
    if ("request" in over) {
      super(over);
      return;
    }
    if (isClient(over)) {
      super(requester(over));
    } else {
      super(requester(new Client(clientOptions(over)), over.signal));
      this.opts = { automaticDeserialization: over.automaticDeserialization, latencyLogging: over.latencyLogging };
    }
    this.enableTelemetry = false;
    const asked = isClient(over) || (over.enableAutoPipelining ?? true);
    this.enableAutoPipelining = asked;
    if (asked) return this.autoPipeline() as unknown as Redis;
  }

  /**
   * A Redis from the variables `UPSTASH_REDIS_REST_URL` and `UPSTASH_REDIS_REST_TOKEN`, or `KV_REST_API_URL` and `KV_REST_API_TOKEN`, of
   * `process.env`. In a Worker, pass `env` first: `Redis.fromEnv(env)`.
   */
  static override fromEnv(config?: Omit<RedisConfig, "url" | "token">): Redis;
  static override fromEnv(env: Record<string, unknown>, config?: Omit<RedisConfig, "url" | "token">): Redis;
  static override fromEnv(first: Record<string, unknown> = {}, second?: object): Redis {
    // The bindings of a Worker whose secrets are missing are an environment, too.
    const isEnv = second !== undefined || Object.keys(first).some((name) => /^[A-Z][A-Z0-9_]*$/.test(name));
    const config = isEnv ? (second ?? {}) : first;
    const env = isEnv ? first : ((globalThis as { process?: { env?: Record<string, unknown> } }).process?.env ?? {});
    const [url, token] = VARIABLES.map((names) => names.map((name) => env[name]).find((value) => typeof value === "string" && value));
    return new Redis({ ...config, url, token } as RedisConfig);
  }
}

const VARIABLES = [
  ["UPSTASH_REDIS_REST_URL", "KV_REST_API_URL"],
  ["UPSTASH_REDIS_REST_TOKEN", "KV_REST_API_TOKEN"],
];

function isClient(over: object): over is RequestClient {
  return typeof (over as Partial<RequestClient>).command === "function";
}

const OFFICIAL = ["retry", "automaticDeserialization", "enableAutoPipelining", "latencyLogging", "signal", "enableTelemetry", "responseEncoding", "cache", "keepAlive", "agent"];

function clientOptions(config: RedisConfig): ClientOptions {
  const retries = config.retry === false ? 0 : (config.retry?.retries ?? 5);
  const own = Object.entries(config).filter(([name, value]) => value !== undefined && !OFFICIAL.includes(name));
  return { attempts: retries + 1, ...Object.fromEntries(own) } as unknown as ClientOptions;
}

/** Calls `onMessage` with the lines of a stream of the REST API. */
async function listen(
  client: RequestClient, form: "subscribe" | "psubscribe" | "monitor", to: string[], { onMessage, signal }: UpstashRequest,
): Promise<UpstashResponse<number>> {
  const subscription = form === "monitor" ? await client.monitor() : await client[form](to);
  const close = () => subscription.close();
  if (signal?.aborted) close();
  else signal?.addEventListener("abort", close, { once: true });
  to.forEach((name, at) => onMessage?.(`${form},${name},${at + 1}`));
  void (async () => {
    try {
      for await (const event of subscription) {
        if (event.type !== "message") continue;
        const words = [event.payload];
        if (form !== "monitor") words.unshift(event.channel);
        if (form === "psubscribe") words.unshift(event.pattern ?? "");
        const kind = { subscribe: "message,", psubscribe: "pmessage,", monitor: "" }[form];
        onMessage?.(kind + words.map(text).join(","));
      }
    } catch {
      // The subscription has ended. The class has no way to report it.
    } finally {
      signal?.removeEventListener("abort", close);
    }
  })();
  return { result: 1 };
}

/** A reply in the form of the REST API: an error is its text. */
function response(reply: Reply | EdgecaskError): UpstashResponse<unknown> {
  return isOurs(reply) ? { error: said(reply.message) } : { result: plain(reply) };
}

/** Converts bytes that are not UTF-8 and unsafe integers to the form of the official transport. */
function plain(reply: Reply | EdgecaskError): unknown {
  if (Array.isArray(reply)) return reply.map(plain);
  if (typeof reply === "bigint") return String(reply);
  if (isOurs(reply)) return said(reply.message);
  return reply instanceof Uint8Array ? text(reply) : reply;
}

function text(bytes: string | Uint8Array): string {
  return typeof bytes === "string" ? bytes : new TextDecoder().decode(bytes);
}

function isOurs(value: unknown): value is EdgecaskError {
  return value instanceof Error && value.name === "EdgecaskError";
}

/** Converts an error reply of Redis to the official `UpstashError`. Other errors stay as they are. */
function asOfficial(error: unknown): never {
  if (!isOurs(error) || !["Server", "Discarded", "Unauthorized"].includes(error.kind)) throw error;
  throw new errors.UpstashError(said(error.message), { cause: error });
}
