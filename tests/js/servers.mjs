// The local REST server over an embedded engine or a real Redis, on free ports, stopped by pid.
import { spawn } from "node:child_process";
import { createServer } from "node:net";
import { createInterface } from "node:readline";
import { once } from "node:events";

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

/** The local REST server; over an embedded engine, or over the Redis at a URL. */
export async function startServer(redisUrl) {
  const token = "token-of-the-tests";
  const args = ["--port", "0", "--token", token, ...(redisUrl ? ["--redis", redisUrl] : [])];
  const { process, match } = await start(SERVER, args, /^UPSTASH_REDIS_REST_URL=(.*)/);
  return { url: match[1], token, stop: () => stop(process) };
}

/** Sends a command by plain HTTP, to see what is really stored. */
export async function ask({ url, token }, ...command) {
  const headers = { authorization: `Bearer ${token}` };
  const response = await fetch(url, { method: "POST", headers, body: JSON.stringify(command) });
  return (await response.json()).result;
}
