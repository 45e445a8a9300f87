// The npm packages at the tasks of benches/src/coordination: node coordination.mjs TASK URL TOKEN. Prints their figures as JSON.
import { Ratelimit } from "@upstash/ratelimit";
import { Redis as Upstash } from "@upstash/redis";
import { Queue, Worker } from "bullmq";
import { Redis } from "ioredis";
import { Mutex } from "redis-semaphore";

const [task, url, token] = process.argv.slice(2);
const all = (count, work) => Promise.all(Array.from({ length: count }, (_, number) => work(number)));
const sleep = (millis) => new Promise((done) => setTimeout(done, millis));
const now = () => performance.now();

/** The time that half of these, and 99 of 100, do not exceed, and the longest. */
function spread(times) {
  const sorted = times.toSorted((a, b) => a - b);
  return [50, 99, 100].map((part) => sorted[Math.min(Math.floor((sorted.length * part) / 100), sorted.length - 1)]);
}

async function limit(limiter) {
  // So many that no call is refused, as in benches/src/coordination/limit/rest.rs.
  const redis = new Upstash({ url, token, enableTelemetry: false });
  const ratelimit = new Ratelimit({ redis, limiter, ephemeralCache: false, analytics: false });
  const decide = async (number) => {
    const { success, reason } = await ratelimit.limit(`user:${number % 1000}`);
    if (!success || reason) throw new Error(`refused: ${reason}`);
  };
  await all(64, decide);
  const start = now();
  let operations = 0;
  await all(64, async (caller) => {
    for (let done = 0; now() - start < 2000; done++) {
      await decide(caller * 7919 + done);
      operations++;
    }
  });
  return { figures: [(operations / (now() - start)) * 1000], operations };
}

async function lock() {
  const connections = Array.from({ length: 10 }, () => new Redis(url));
  const options = { acquireTimeout: 120_000, lockTimeout: 30_000 };
  const acquire = async (waiter) => {
    const mutex = new Mutex(connections[waiter % 10], "lock:bench", options);
    await mutex.acquire();
    return mutex;
  };
  let released;
  const letGo = async (mutex) => {
    released = now();
    await mutex.release();
  };
  const times = [];
  for (let wave = 0; wave < 5; wave++) {
    const first = await acquire(0);
    const waiting = all(100, async (waiter) => {
      const mutex = await acquire(waiter);
      times.push(now() - released);
      await sleep(1);
      await letGo(mutex);
    });
    await sleep(300);
    await letGo(first);
    await waiting;
  }
  return { figures: spread(times), operations: times.length };
}

const payload = (number) => ({ to: "ada@example.com", number });
const connection = () => ({ host: "127.0.0.1", port: +new URL(url).port, maxRetriesPerRequest: null });

async function queue() {
  const tasks = 3200;
  const own = new Queue("bench", { connection: connection() });
  await own.waitUntilReady();
  const rate = (count, start) => (count / (now() - start)) * 1000;
  let start = now();
  await all(64, async (caller) => {
    for (let number = 0; number < tasks / 64; number++) await own.add("email", payload(caller * 64 + number));
  });
  const added = rate(tasks, start);
  start = now();
  for (let first = 0; first < tasks; first += 800) {
    await own.addBulk(Array.from({ length: 800 }, (_, place) => ({ name: "email", data: payload(first + place) })));
  }
  const bulk = rate(tasks, start);
  start = now();
  let seen = 0;
  await new Promise((done) => {
    const work = async () => {
      if (++seen === 2 * tasks) done();
    };
    new Worker("bench", work, { connection: connection(), concurrency: 64, removeOnComplete: { count: 0 } });
  });
  return { figures: [added, bulk, rate(2 * tasks, start)], operations: 2 * tasks };
}

async function delay() {
  const own = new Queue("bench", { connection: connection() });
  const due = [];
  const late = [];
  const tasks = 200;
  let done;
  const ended = new Promise((resolve) => (done = resolve));
  const work = async (job) => {
    late.push(Math.max(0, now() - due[job.data.number]));
    if (late.length === tasks) done();
  };
  const worker = new Worker("bench", work, { connection: connection(), concurrency: 64 });
  await worker.waitUntilReady();
  for (let number = 0; number < tasks; number++) {
    const wait = Math.floor(1500 + 10.7 * number);
    due.push(now() + wait);
    await own.add("email", payload(number), { delay: wait });
  }
  await ended;
  return { figures: spread(late), operations: tasks };
}

const tasks = {
  "sliding-window": () => limit(Ratelimit.slidingWindow(1_000_000, "60 s")),
  "fixed-window": () => limit(Ratelimit.fixedWindow(1_000_000, "60 s")),
  "token-bucket": () => limit(Ratelimit.tokenBucket(1_000_000, "60 s", 1_000_000)),
  lock,
  queue,
  delay,
};
console.log(JSON.stringify(await tasks[task]()));
process.exit(0);
