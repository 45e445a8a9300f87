// What the real @upstash/ratelimit decides in random sequences of calls, by a clock that is set. Costs above 1 are recorded
// for the token bucket alone: its windows count a call that they refuse, which differs on purpose.
import { Ratelimit } from "@upstash/ratelimit";
import { Redis } from "@upstash/redis";
import { startServer } from "./servers.mjs";

// Long, so that no key expires by the server's clock.
const [WINDOW, MILLIS] = ["600 s", 600_000];
const START = 1_790_000_000_000;

const ALGORITHMS = {
  fixedWindow: (limit) => Ratelimit.fixedWindow(limit, WINDOW),
  slidingWindow: (limit) => Ratelimit.slidingWindow(limit, WINDOW),
  tokenBucket: (limit, refill) => Ratelimit.tokenBucket(refill, WINDOW, limit),
  cachedFixedWindow: (limit) => Ratelimit.cachedFixedWindow(limit, WINDOW),
};

/** Random whole numbers below a bound, the same in each run (mulberry32). */
function dice(seed) {
  return (sides) => {
    seed = (seed + 0x6d2b79f5) | 0;
    let z = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    z = (z + Math.imul(z ^ (z >>> 7), 61 | z)) ^ z;
    return ((z ^ (z >>> 14)) >>> 0) % sides;
  };
}

/** A new recording. */
export async function record() {
  const server = await startServer();
  const redis = new Redis({ url: server.url, token: server.token, enableTelemetry: false });
  const now = Date.now;
  const sequences = [];
  try {
    for (const [place, algorithm] of Object.keys(ALGORITHMS).entries()) {
      for (let seed = 1; seed <= 4; seed++) {
        const roll = dice(seed * 100 + place);
        const [limit, refill] = [1 + roll(6), 1 + roll(3)];
        const dynamic = seed === 4 && algorithm !== "cachedFixedWindow";
        const prefix = `${algorithm}:${seed}`;
        const limiter = new Ratelimit({
          redis,
          prefix,
          limiter: ALGORITHMS[algorithm](limit, refill),
          ephemeralCache: algorithm === "cachedFixedWindow" ? new Map() : false,
          dynamicLimits: dynamic,
          enableTelemetry: false,
          timeout: 0,
        });
        let at = START + roll(MILLIS);
        Date.now = () => at;
        if (dynamic) await limiter.setDynamicLimit({ limit: limit + 2 });
        const steps = [];
        for (let step = 0; step < 40; step++) {
          at += [0, 0, 0, 1, roll(MILLIS / 4), roll(MILLIS), MILLIS * roll(3)][roll(7)];
          const cost = algorithm === "tokenBucket" ? 1 + roll(3) : 1;
          const id = ["ada", "203.0.113.7", "2001:db8::1"][roll(3)];
          const { success, remaining, reset, limit: of, pending } = await limiter.limit(id, { rate: cost });
          await pending;
          steps.push([at, id, cost, success, remaining, reset, of]);
        }
        sequences.push({ algorithm, prefix, limit, refill, dynamic: dynamic ? limit + 2 : null, steps });
      }
    }
  } finally {
    Date.now = now;
    await server.stop();
  }
  return sequences;
}

/** The recording as it is kept: a step a line. */
export function written(recorded) {
  const sequences = recorded.map(({ steps, ...head }) => {
    const lines = steps.map((step) => JSON.stringify(step)).join(",\n");
    return `${JSON.stringify(head).slice(0, -1)},"steps":[\n${lines}\n]}`;
  });
  return `[\n${sequences.join(",\n")}\n]\n`;
}
