// A hit in memory: the npm package's first tier beside bentocache's and cacheable's. Prints JSON.
import { createRequire } from "node:module";

const require = createRequire(new URL("../tests/js/package.json", import.meta.url));
const { BentoCache, bentostore } = await import(require.resolve("bentocache"));
const { memoryDriver } = await import(require.resolve("bentocache/drivers/memory"));
const { Cacheable } = await import(require.resolve("cacheable"));
const { Cache, Client } = await import(new URL("../pkg/node/edgecask.cjs", import.meta.url));

const policy = { tenantId: "acme", defaultModel: "large", allowedModels: ["small", "large"], limits: { tokens: 4096 } };
const edgecask = new Cache(Client.memory(), { l1: { ttlMs: 3_600_000, bytes: 64 << 20 } });
const bento = new BentoCache({
  default: "memory",
  stores: { memory: bentostore().useL1Layer(memoryDriver({ maxItems: 20_000 })) },
});
const cacheable = new Cacheable({ ttl: "1h" });
const peers = {
  "edgecask, first tier": (key) => edgecask.get(key),
  "bentocache, memory (it serializes)": (key) => bento.get({ key }),
  "cacheable, memory (it shares the object)": (key) => cacheable.get(key),
};
const KEYS = 10_000;
for (let key = 0; key < KEYS; key++) {
  await edgecask.set(`k${key}`, policy, 3600);
  await edgecask.get(`k${key}`);
  await bento.set({ key: `k${key}`, value: policy, ttl: "1h" });
  await cacheable.set(`k${key}`, policy);
}
const HITS = 20_000;
const rounds = Object.fromEntries(Object.keys(peers).map((name) => [name, []]));
for (let round = 0; round < 11; round++) {
  for (const [name, get] of Object.entries(peers)) {
    const start = process.hrtime.bigint();
    for (let hit = 0; hit < HITS; hit++) {
      const found = await get(`k${(hit * 7919) % KEYS}`);
      if (found.tenantId !== "acme") throw new Error(`${name} lost a value`);
    }
    rounds[name].push(Number(process.hrtime.bigint() - start) / HITS);
  }
}
const median = (values) => values.toSorted((a, b) => a - b)[values.length >> 1];
const bento_rounds = rounds["bentocache, memory (it serializes)"];
console.log(JSON.stringify(Object.entries(rounds).map(([name, nanos]) => ({
  name,
  nanos: median(nanos),
  ratio: median(nanos.map((own, round) => own / bento_rounds[round])),
}))));
await bento.disconnectAll();
process.exit(0);
