// What the tests start: the local REST server over an embedded engine or a real Redis, workerd, and plain HTTP servers; on
// free ports. What a failing test leaves behind ends with its file: it neither keeps the test process alive nor outlives it.
import { execFileSync, spawn } from "node:child_process";
import { createHash, X509Certificate } from "node:crypto";
import { createServer as createHttpServer } from "node:http";
import { createRequire } from "node:module";
import { createServer } from "node:net";
import { createInterface } from "node:readline";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { arch, homedir } from "node:os";
import { after } from "node:test";
import { chromium } from "playwright-core";

const SERVER = new URL("../../target/debug/edgecask-server", import.meta.url).pathname;
const FILES = new URL("../../target/debug/http-cache-files", import.meta.url).pathname;

const EVENTS = new URL("../../target/debug/events-peer", import.meta.url).pathname;

/** The processes that run, and how the rest is ended. */
const processes = new Set();
const open = new Set();

process.on("exit", () => processes.forEach((child) => child.kill("SIGKILL")));
// Without a listener, these end the process without the event "exit".
for (const signal of ["SIGHUP", "SIGINT", "SIGTERM"]) process.once(signal, () => process.exit(1));
after(() => Promise.allSettled([...[...processes].map(stop), ...[...open].map((close) => close())]));

/** Starts a program, and waits for a line of its output that the pattern matches. */
async function start(program, args, pattern) {
  const child = spawn(program, args, { stdio: ["ignore", "pipe", "inherit"] });
  await once(child, "spawn");
  processes.add(child);
  child.once("exit", () => processes.delete(child));
  for await (const line of createInterface({ input: child.stdout })) {
    const match = pattern.exec(line);
    if (match) {
      child.stdout.resume();
      child.stdout.unref();
      child.unref();
      return { process: child, match };
    }
  }
  throw new Error(`${program} ended before it was ready`);
}

async function stop(child) {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.ref();
  const ended = once(child, "exit");
  child.kill();
  await ended;
}

/** A Worker in workerd, with Miniflare's options. */
export function startMiniflare(options) {
  // It comes with wrangler.
  const { Miniflare } = createRequire(createRequire(import.meta.url).resolve("wrangler"))("miniflare");
  const worker = new Miniflare(options);
  const dispose = worker.dispose.bind(worker);
  worker.dispose = () => {
    open.delete(worker.dispose);
    return dispose();
  };
  open.add(worker.dispose);
  return worker;
}

/** An HTTP server that answers by this function, or never. Stopping it closes its connections. */
export async function startHttp(answer, port = 0) {
  const server = createHttpServer(answer).listen(port, "127.0.0.1");
  await once(server, "listening");
  const stop = async () => {
    open.delete(stop);
    const closed = once(server, "close");
    server.close();
    server.closeAllConnections();
    await closed;
  };
  open.add(stop);
  return Object.assign(server, { url: `http://127.0.0.1:${server.address().port}`, stop });
}

async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  await once(server, "close");
  return port;
}

/** A real redis-server without persistence. */
export async function startRedis(port) {
  port ??= await freePort();
  const args = ["--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"];
  const { process } = await start("redis-server", args.map(String), /Ready to accept/);
  return { url: `redis://127.0.0.1:${port}`, port, stop: () => stop(process) };
}

/** A Redis 8 with the JSON module, or `null` where the set-up could not install one. */
export async function startRedis8() {
  const root = `${homedir()}/.cache/edgecask/redis8`;
  const unpacked = `${root}/root`;
  const libraries = `${unpacked}/usr/lib/${arch() === "arm64" ? "aarch64" : "x86_64"}-linux-gnu`;
  const loader = `${libraries}/ld-linux-x86-64.so.2`;
  if (!existsSync(loader) || !existsSync(`${root}/modules/rejson.so`)) return null;
  const port = await freePort();
  const args = ["--library-path", libraries, "--argv0", "redis-server", `${unpacked}/usr/bin/redis-server`];
  args.push("--loadmodule", `${root}/modules/rejson.so`, "--port", port, "--bind", "127.0.0.1", "--save", "");
  const { process } = await start(loader, args.map(String), /Ready to accept/);
  return { url: `redis://127.0.0.1:${port}`, port, stop: () => stop(process) };
}

/** The local REST server, with these further options; over an embedded engine, or over the Redis at a URL. */
export async function startServer(redisUrl, ...options) {
  const token = "token-of-the-tests";
  const port = options.includes("--port") ? [] : ["--port", "0"];
  const args = [...port, "--token", token, ...(redisUrl ? ["--redis", redisUrl] : []), ...options];
  const { process, match } = await start(SERVER, args, /^UPSTASH_REDIS_REST_URL=(.*)/);
  // `stop` is no option: it stays behind where this is given to a client.
  return Object.defineProperty({ url: match[1], token }, "stop", { value: () => stop(process) });
}

/** The files of a folder behind the HTTP cache, over HTTP/2; `control` moves its clock, `key` is the hash of its public key. */
export async function startFiles(folder) {
  const { process, match } = await start(FILES, [folder], /^(https:\S+) (http:\S+) (\S+)$/);
  const { publicKey } = new X509Certificate(Buffer.from(match[3], "base64"));
  const key = createHash("sha256").update(publicKey.export({ type: "spki", format: "der" })).digest("base64");
  return { url: match[1], control: match[2], key, stop: () => stop(process) };
}

/** A page of events on an embedded engine: `/events`, and `/publish/{number}` and `/trim/{kept}` by POST. */
export async function startEventPage() {
  const { process, match } = await start(EVENTS, ["page"], /^(\S+:\d+)$/);
  return { url: `http://${match[1]}`, stop: () => stop(process) };
}

/** A client of Supabase Realtime at this URL, of this version of the protocol: the lines that it prints, and what publishes. */
export async function startRealtimeClient(url, version) {
  const child = spawn(EVENTS, ["realtime", url, version], { stdio: ["pipe", "pipe", "inherit"] });
  processes.add(child);
  child.once("exit", () => processes.delete(child));
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const line = async () => (await lines.next()).value;
  const publish = (data) => child.stdin.write(`${JSON.stringify(data)}\n`);
  return { line, publish, stop: () => stop(child) };
}

/** The system's Chromium, with these further arguments. */
export function startChromium(...further) {
  const executablePath = ["chromium", "google-chrome"]
    .map((name) => {
      try {
        return execFileSync("sh", ["-c", `command -v ${name}`], { encoding: "utf8" }).trim();
      } catch {
        return "";
      }
    })
    .find(Boolean);
  const quiet = ["--disable-background-networking", "--disable-component-update", "--disable-sync"];
  return chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu", ...quiet, ...further] });
}

/** Sends a command by plain HTTP, to see what is really stored. */
export async function ask({ url, token }, ...command) {
  const headers = { authorization: `Bearer ${token}` };
  const response = await fetch(url, { method: "POST", headers, body: JSON.stringify(command) });
  return (await response.json()).result;
}
