// The local REST server over an embedded engine or a real Redis, on free ports, stopped by pid.
import { spawn } from "node:child_process";
import { createServer } from "node:net";
import { createInterface } from "node:readline";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { arch, homedir } from "node:os";

const SERVER = new URL("../../target/debug/edgecask-server", import.meta.url).pathname;

/** Starts a program, and waits for a line of its output that the pattern matches. */
async function start(program, args, pattern) {
  const process = spawn(program, args, { stdio: ["ignore", "pipe", "inherit"] });
  for await (const line of createInterface({ input: process.stdout })) {
    const match = pattern.exec(line);
    if (match) {
      process.stdout.resume();
      return { process, match };
    }
  }
  throw new Error(`${program} ended before it was ready`);
}

async function stop(process) {
  if (process.exitCode === null && process.kill()) await once(process, "exit");
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
  const libraries = `${root}/root/usr/lib/${arch() === "arm64" ? "aarch64" : "x86_64"}-linux-gnu`;
  const loader = `${libraries}/ld-linux-x86-64.so.2`;
  if (!existsSync(loader) || !existsSync(`${root}/modules/rejson.so`)) return null;
  const port = await freePort();
  const args = ["--library-path", libraries, "--argv0", "redis-server", `${root}/root/usr/bin/redis-server`];
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

/** Sends a command by plain HTTP, to see what is really stored. */
export async function ask({ url, token }, ...command) {
  const headers = { authorization: `Bearer ${token}` };
  const response = await fetch(url, { method: "POST", headers, body: JSON.stringify(command) });
  return (await response.json()).result;
}
