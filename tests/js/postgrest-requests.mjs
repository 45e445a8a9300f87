// What @supabase/postgrest-js sends: requests that are described at random from a seed, made by the real package, and
// recorded by a local server.
import { createServer } from "node:http";
import { PostgrestClient } from "@supabase/postgrest-js";

/** How many requests there are. */
export const REQUESTS = 600;

const KEY = "the-key-of-the-recording";
const TOKEN = "a.user.token";

/** Random numbers from a seed (mulberry32). */
function dice(seed) {
  const next = () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  const roll = (sides) => Math.floor(next() * sides);
  const pick = (items) => items[roll(items.length)];
  const some = (least, most, make) => Array.from({ length: least + roll(most - least + 1) }, make);
  return { roll, pick, some, chance: (percent) => roll(100) < percent };
}

const TABLES = ["cities", "tenant_llm_policies", "Orders", "größen"];
const COLUMNS = ["id", "name", "tenant_id", "created_at", "data->>city", "data->size->0", "author.name", "Größe"];
const PLAIN_COLUMNS = ["id", "name", "tenant_id", "size", "tags"];
const TEXTS = [
  "Rome", "São Paulo", "a b", "x&y=z", "100%", "+1 (0)", "Paris, Texas", "2026-11-28T00:00:00.5Z", "#1?", "*star*",
  "a.b", "l'Aquila", "東京", "semi;colon", "a:b", "[1]", "true", "null", "🙂", "a/b", "(all)", "%2C",
];
/** Texts that lists and arrays cannot hold without escapes, which the package leaves out. */
const HOSTILE = ['say "hi"', "back\\slash", 'a,"b"', "", " edge", "edge ", '"quoted"', "{braces}", 'x\\",y', "NULL"];

const LIKE = ["%ome", "R*", "_x%", 'say "%"', "a\\_b"];
const PATTERNS = ["likeAllOf", "likeAnyOf", "ilikeAllOf", "ilikeAnyOf"];
const REGEXES = ["regexMatch", "regexIMatch"];
const RANGES = ["rangeGt", "rangeGte", "rangeLt", "rangeLte", "rangeAdjacent"];
/** Tables that are embedded in others. */
const EMBEDDED = ["author", "books.publisher", "größen"];

function description(d) {
  const value = () => d.pick([() => d.pick(TEXTS), () => d.roll(1000), () => d.roll(100) / 4, () => d.chance(50)])();
  const texts = (words) => d.some(1, 4, () => d.pick(words));
  const list = () => d.pick([() => texts(TEXTS), () => texts([...TEXTS, ...HOSTILE]), () => d.some(0, 4, () => d.roll(50))])();
  const plainWord = () => d.pick(["Rome", "a b", "2026-11-28T00:00:00.5Z", "x&y=z", "a:b", "東京", 7, 1.5, true]);
  // Inside of groups the caller of the package writes PostgREST's syntax; these values need no escapes there.
  const simple = () => {
    const column = d.pick(PLAIN_COLUMNS);
    const kind = d.pick(["eq", "neq", "gt", "gte", "lt", "lte", "like", "ilike", "is", "in"]);
    if (kind === "is") return { kind, column, value: d.pick([null, true, false]) };
    if (kind === "in") return { kind, column, value: [...new Set(d.some(1, 3, () => d.pick(["Rome", "a b", "東京"])))] };
    return { kind, column, value: plainWord() };
  };
  const filter = () => {
    const column = d.pick(COLUMNS);
    const kind = d.pick([
      "eq", "neq", "gt", "gte", "lt", "lte", "like", "ilike", "is", "in", "in", "in", "contains", "containedBy", "overlaps",
      "textSearch", "match", "not", "or", "json", "range", "notIn", "isDistinct", ...PATTERNS, ...REGEXES, ...RANGES,
    ]);
    if (PATTERNS.includes(kind)) return { kind, column, value: d.some(1, 3, () => d.pick(LIKE)) };
    if (REGEXES.includes(kind)) return { kind, column, value: d.pick(["^R", "[a-z]+$", "a(b|c){2}", "\\d, \\w"]) };
    if (RANGES.includes(kind)) return { kind, column, value: d.pick(["[1,5)", "(2026-01-01,2026-02-01]", '["a b",)', "empty"]) };
    switch (kind) {
      case "is":
        return { kind, column, value: d.pick([null, true, false]) };
      case "in":
      case "notIn":
      case "contains":
      case "containedBy":
      case "overlaps":
        return { kind, column, value: list() };
      case "json":
        return { kind, column, value: { city: d.pick([...TEXTS, ...HOSTILE]), n: [d.roll(9), { deep: true }] } };
      case "range":
        return { kind, column, value: `[${d.roll(5)},${5 + d.roll(5)})` };
      case "textSearch":
        return {
          kind, column, value: d.pick(["fat & cat", "'fat cat' | rat", "fat or cat"]),
          type: d.pick([null, "plain", "phrase", "websearch"]), config: d.pick([null, "english", "simple"]),
        };
      case "match":
        return { kind, value: Object.fromEntries(PLAIN_COLUMNS.slice(0, 1 + d.roll(3)).map((name) => [name, value()])) };
      case "not":
        return { kind, value: simple() };
      case "or":
        return { kind, table: d.chance(30) ? d.pick(EMBEDDED) : null, value: [...d.some(1, 3, simple), ...d.some(0, 1, () => ({ kind: "and", value: d.some(1, 2, simple) }))] };
      case "like":
      case "ilike":
        return { kind, column, value: d.pick(LIKE) };
      default:
        return { kind, column, value: d.chance(30) ? d.pick(HOSTILE) : value() };
    }
  };
  const row = () => {
    const names = PLAIN_COLUMNS.filter(() => d.chance(60)).sort();
    return Object.fromEntries(names.map((name) => [name, d.chance(10) ? null : d.chance(20) ? list() : value()]));
  };
  const rows = () => (d.chance(50) ? row() : d.some(0, 3, row));
  const op = d.pick(["select", "select", "select", "insert", "upsert", "update", "delete", "rpc", "rpcGet"]);
  const all = {
    op,
    target: op.startsWith("rpc") ? d.pick(["add", "find_cities"]) : d.pick(TABLES),
    schema: d.chance(25) ? d.pick(["tenants", "private"]) : null,
    token: d.chance(30) ? TOKEN : null,
    count: d.chance(30) ? d.pick(["exact", "planned", "estimated"]) : null,
    filters: [],
  };
  if (op === "select") {
    all.columns = d.pick(["*", "id", "id, name", "id,author( name ),data->>city", 'id, "my col"', "total:amount.sum()"]);
    all.head = d.chance(15);
  } else if (op === "insert" || op === "upsert") {
    all.rows = rows();
    all.missingDefault = d.chance(30);
    if (op === "upsert") {
      all.onConflict = d.chance(60) ? d.some(1, 2, () => d.pick(PLAIN_COLUMNS)) : null;
      all.ignoreDuplicates = d.chance(30);
    }
  } else if (op === "update") {
    all.rows = row();
  } else if (op === "rpc") {
    all.args = d.chance(20) ? {} : row();
  } else if (op === "rpcGet") {
    all.head = d.chance(20);
    all.args = Object.fromEntries(["a", "b_c", "größe"].filter(() => d.chance(60)).map((name) => [name, d.chance(30) ? list() : value()]));
  }
  if (!["insert", "upsert"].includes(op)) all.filters = d.some(op === "update" || op === "delete" ? 1 : 0, 4, filter);
  if (!["select", "rpc", "rpcGet"].includes(op) && d.chance(50)) all.returning = d.pick(["*", "id, name", '"my col"']);
  if (op === "select" || op.startsWith("rpc")) {
    all.order = d.some(0, 2, () => ({ column: d.pick(PLAIN_COLUMNS), ascending: d.chance(50), nulls: d.pick([null, "first", "last"]), table: d.chance(30) ? d.pick(EMBEDDED) : null }));
    if (d.chance(25)) all.limit = d.roll(100);
    else if (d.chance(25)) all.range = [d.roll(10), 10 + d.roll(10)];
    if (d.chance(20)) all.limitIn = [d.pick(EMBEDDED), d.roll(100)];
    if (d.chance(20)) all.rangeIn = [d.pick(EMBEDDED), d.roll(10), 10 + d.roll(10)];
  }
  const returnsRows = op === "select" || op.startsWith("rpc") || all.returning;
  all.shape = all.head || !returnsRows ? null : d.pick([null, null, "single", "maybeSingle", "csv", "geojson"]);
  all.stripNulls = !all.head && all.shape !== "csv" && all.shape !== "geojson" && d.chance(20);
  if (op === "update" || op === "delete") all.maxAffected = d.chance(30) ? d.roll(9) : null;
  return all;
}

/** A condition as an element of a group, as a caller of the package has to write it. */
function element({ kind, column, value }) {
  if (kind === "and") return `and(${value.map(element).join(",")})`;
  return `${column}.${kind}.${kind === "in" ? `(${value.join(",")})` : value}`;
}

function filtered(query, { kind, column, value, type, config, table }) {
  switch (kind) {
    case "match":
      return query.match(value);
    case "not":
      return query.not(value.column, value.kind, value.kind === "in" ? `(${value.value.join(",")})` : value.value);
    case "or":
      return query.or(value.map(element).join(","), { referencedTable: table ?? undefined });
    case "json":
    case "range":
      return query.contains(column, value);
    case "textSearch":
      return query.textSearch(column, value, { type: type ?? undefined, config: config ?? undefined });
    default:
      return query[kind](column, value);
  }
}

async function send(url, about) {
  const { op, target, schema, token, head = false } = about;
  const count = about.count ?? undefined;
  const client = new PostgrestClient(url, {
    headers: { apikey: KEY, Authorization: `Bearer ${token ?? KEY}` },
    schema: schema ?? undefined,
  });
  const values = [about.rows, { count, defaultToNull: !about.missingDefault }];
  let query;
  if (op === "select") query = client.from(target).select(about.columns, { head, count });
  else if (op === "insert") query = client.from(target).insert(...values);
  else if (op === "upsert") {
    const { onConflict, ignoreDuplicates } = about;
    values[1] = { ...values[1], onConflict: onConflict?.join(","), ignoreDuplicates };
    query = client.from(target).upsert(...values);
  } else if (op === "update") query = client.from(target).update(about.rows, { count });
  else if (op === "delete") query = client.from(target).delete({ count });
  else query = client.rpc(target, about.args, { get: op === "rpcGet", head, count });
  for (const filter of about.filters) query = filtered(query, filter);
  if (about.returning) query = query.select(about.returning);
  for (const { column, ascending, nulls, table } of about.order ?? []) {
    const nullsFirst = nulls === null ? undefined : nulls === "first";
    query = query.order(column, { ascending, nullsFirst, referencedTable: table ?? undefined });
  }
  if (about.limit !== undefined) query = query.limit(about.limit);
  if (about.range) query = query.range(...about.range);
  if (about.limitIn) query = query.limit(about.limitIn[1], { referencedTable: about.limitIn[0] });
  if (about.rangeIn) query = query.range(about.rangeIn[1], about.rangeIn[2], { referencedTable: about.rangeIn[0] });
  if (about.shape) query = query[about.shape]();
  if (about.stripNulls) query = query.stripNulls();
  if (about.maxAffected !== null && about.maxAffected !== undefined) query = query.maxAffected(about.maxAffected);
  await query;
}

/** Headers that are those of the HTTP client, and not of the package. */
const TRANSPORT = [
  "accept-encoding", "accept-language", "connection", "content-length", "host", "sec-fetch-mode", "transfer-encoding",
  "user-agent",
];

/** Makes all requests, and gives each with what the server saw of it. */
export async function record() {
  let seen = [];
  const server = createServer(async (request, response) => {
    const pieces = await request.toArray();
    const url = new URL(request.url, "http://localhost");
    const headers = Object.entries(request.headers).filter(([name, value]) => {
      return !TRANSPORT.includes(name) && !(name === "accept" && value === "*/*");
    });
    const body = Buffer.concat(pieces).toString();
    seen.push({
      method: request.method,
      path: decodeURIComponent(url.pathname),
      query: [...url.searchParams],
      headers: Object.fromEntries(headers.sort()),
      body: body === "" ? null : JSON.parse(body),
    });
    response.setHeader("content-type", "application/json");
    response.end("[]");
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${server.address().port}`;
  const recorded = [];
  const d = dice(20261128);
  for (let number = 0; number < REQUESTS; number += 1) {
    const about = description(d);
    seen = [];
    await send(url, about);
    if (seen.length !== 1) throw new Error(`request ${number} was sent ${seen.length} times`);
    recorded.push({ about, sent: seen[0] });
  }
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  return recorded;
}

/** The recording as it is kept: a request a line. */
export function written(recorded) {
  return `[\n${recorded.map((request) => JSON.stringify(request)).join(",\n")}\n]\n`;
}
