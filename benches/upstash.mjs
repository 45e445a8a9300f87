// The load of benches/src/client.rs on @upstash/redis: node upstash.mjs get|set|burst|pipeline URL TOKEN MILLIS CONCURRENCY pipelining?
import { createRequire } from "node:module";

const require = createRequire(new URL("../tests/js/package.json", import.meta.url));
const { Redis } = require("@upstash/redis");

const [operation, url, token, millis, concurrency, pipelining] = process.argv.slice(2);
const redis = new Redis({ url, token, enableTelemetry: false, enableAutoPipelining: pipelining === "true" });
const value = "a value of the length that sessions and flags have";
const requests_of = {
  get: [1, () => redis.get("bench")],
  set: [1, () => redis.set("bench", value)],
  burst: [10_000, () => Promise.all(Array.from({ length: 10_000 }, () => redis.get("bench")))],
  pipeline: [1_000, () => {
    const pipeline = redis.pipeline();
    for (let command = 0; command < 1_000; command++) pipeline.get("bench");
    return pipeline.exec();
  }],
};
const [weight, request] = requests_of[operation];

await Promise.all(Array.from({ length: +concurrency }, request));
const start = process.hrtime.bigint();
const cpu = process.cpuUsage();
const end = start + BigInt(millis) * 1_000_000n;
let requests = 0;
await Promise.all(Array.from({ length: +concurrency }, async () => {
  while (process.hrtime.bigint() < end) {
    await request();
    requests += weight;
  }
}));
const { user, system } = process.cpuUsage(cpu);
const seconds = Number(process.hrtime.bigint() - start) / 1e9;
console.log(JSON.stringify({ requests, seconds, cpu_seconds: (user + system) / 1e6 }));
