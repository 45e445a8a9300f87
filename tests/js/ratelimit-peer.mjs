// Clients of the real @upstash/ratelimit that call one limiter at the same time as others do. Its argument is a JSON object; a
// line of its input starts it, and it prints how many calls were admitted.
import { once } from "node:events";
import { Ratelimit } from "@upstash/ratelimit";
import { Redis } from "@upstash/redis";

const { url, token, algorithm, prefix, limit, clients, calls } = JSON.parse(process.argv[2]);
const algorithms = {
  "fixed-window": () => Ratelimit.fixedWindow(limit, "200 d"),
  "sliding-window": () => Ratelimit.slidingWindow(limit, "200 d"),
  "token-bucket": () => Ratelimit.tokenBucket(1, "200 d", limit),
};

const client = () =>
  new Ratelimit({
    redis: new Redis({ url, token, enableTelemetry: false }),
    prefix,
    limiter: algorithms[algorithm](),
    ephemeralCache: false,
    enableTelemetry: false,
    timeout: 0,
  });

async function work() {
  const limiter = client();
  let admitted = 0;
  for (let call = 0; call < calls; call++) {
    if ((await limiter.limit("shared")).success) admitted++;
  }
  return admitted;
}

console.log("ready");
await once(process.stdin, "data");
const admitted = await Promise.all(Array.from({ length: clients }, work));
console.log(admitted.reduce((sum, count) => sum + count, 0));
process.exit();
