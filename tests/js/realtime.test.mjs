// `supabase::realtime` beside the real `@supabase/realtime-js`, on one server that speaks both versions of the protocol: both send the
// same frames, and each hears what the other sends.
import assert from "node:assert/strict";
import { it } from "node:test";
import { RealtimeClient } from "@supabase/realtime-js";
import { WebSocket, WebSocketServer } from "ws";
import { startHttp, startRealtimeClient } from "./servers.mjs";

/** What Supabase Realtime does with joins, heartbeats and broadcasts. It records what each connection sent, in order. */
async function startRealtime() {
  const posts = [];
  const connections = [];
  const server = await startHttp(async (request, response) => {
    let body = "";
    for await (const chunk of request) body += chunk;
    posts.push({ path: request.url, apikey: request.headers.apikey, body: JSON.parse(body) });
    for (const { topic, event, payload } of posts.at(-1).body.messages) send(`realtime:${topic}`, event, payload);
    response.writeHead(202).end();
  });
  const sockets = new WebSocketServer({ server });
  const send = (topic, event, payload) => {
    for (const connection of connections.filter(({ topics }) => topics.has(topic))) {
      connection.socket.send(connection.isTwo ? binary(topic, event, payload) : JSON.stringify({
        topic, event: "broadcast", ref: null, payload: { type: "broadcast", event, payload, meta: { id: "x" } },
      }));
    }
  };
  sockets.on("connection", (socket, { url }) => {
    const query = new URL(url, server.url);
    const connection = { socket, path: query.pathname, query: query.searchParams, frames: [], topics: new Set() };
    connection.isTwo = query.searchParams.get("vsn") === "2.0.0";
    connections.push(connection);
    socket.on("message", (data, isBinary) => {
      const frame = isBinary ? push(data) : text(data.toString(), connection.isTwo);
      connection.frames.push({ ...frame, isBinary });
      if (frame.event === "phx_join") connection.topics.add(frame.topic);
      if (frame.event === "broadcast") send(frame.topic, frame.payload.event, frame.payload.payload);
      if (!["phx_join", "heartbeat", "phx_leave"].includes(frame.event)) return;
      const payload = { status: "ok", response: { postgres_changes: [] } };
      const { join_ref, ref, topic } = frame;
      socket.send(JSON.stringify(connection.isTwo ? [join_ref, ref, topic, "phx_reply", payload] : { join_ref, ref, topic, event: "phx_reply", payload }));
    });
  });
  return Object.assign(server, { posts, connections });
}

function text(data, isTwo) {
  const frame = JSON.parse(data);
  assert.equal(Array.isArray(frame), isTwo);
  if (!isTwo) return frame;
  assert.equal(frame.length, 5);
  const [join_ref, ref, topic, event, payload] = frame;
  return { join_ref, ref, topic, event, payload };
}

/** A broadcast of a client: kind 3. */
function push(data) {
  const [kind, ...lengths] = data.subarray(0, 6);
  assert.deepEqual([kind, data[6]], [3, 1]);
  let at = 7;
  const [join_ref, ref, topic, event] = lengths.map((length) => data.subarray(at, (at += length)).toString());
  const payload = { type: "broadcast", event, payload: JSON.parse(data.subarray(at).toString()) };
  return { join_ref, ref, topic, event: "broadcast", payload };
}

/** A broadcast of the server: kind 4. */
function binary(topic, event, payload) {
  const texts = [topic, event, JSON.stringify({ id: "x" })].map((part) => Buffer.from(part));
  const head = Buffer.from([4, ...texts.map(({ length }) => length), 1]);
  return Buffer.concat([head, ...texts, Buffer.from(JSON.stringify(payload))]);
}

/** The frame without what differs from one connection to the next. */
function shape({ join_ref, ref, topic, event, payload, isBinary }) {
  const kind = (value) => (value === null || value === undefined ? "none" : typeof value);
  return { join_ref: kind(join_ref), ref: kind(ref), topic, event, payload, isBinary };
}

for (const version of ["1", "2"]) {
  it(`speaks version ${version} as the package does`, async () => {
    const server = await startRealtime();
    const ours = await startRealtimeClient(server.url, version);
    const endpoint = `${server.url.replace("http", "ws")}/realtime/v1`;
    const params = { apikey: "the-key" };
    const settings = { params, transport: WebSocket, vsn: `${version}.0.0`, heartbeatIntervalMs: 1000 };
    const client = new RealtimeClient(endpoint, settings);
    try {
      assert.equal(await ours.line(), "ready");
      const channel = client.channel("chat:c1", { config: { broadcast: { ack: false, self: true } } });
      const heard = [];
      let wake = () => {};
      channel.on("broadcast", { event: "event" }, ({ payload }) => {
        heard.push(payload);
        wake();
      });
      await new Promise((resolve, reject) => {
        channel.subscribe((status, error) => (status === "SUBSCRIBED" ? resolve() : reject(error ?? new Error(status))));
      });
      const next = async () => {
        while (heard.length === 0) await new Promise((resolve) => (wake = resolve));
        return heard.shift();
      };

      // What ours sends, over HTTP, the package hears, and ours hears it too.
      const data = { text: "é\"\n\u2028", number: 7 };
      ours.publish(data);
      const { id, ...frame } = await next();
      assert.deepEqual(frame, { edgecask: 1, name: "ours", data });
      assert.match(id, /^[0-9a-f]{32}$/);
      assert.equal(await ours.line(), `event ours ${JSON.stringify(data, ["number", "text"])}`);

      // What the package sends over its socket ours hears: an event of ours, and plain JSON.
      await channel.send({ type: "broadcast", event: "event", payload: { edgecask: 1, id: "a", name: "theirs", data: [1] } });
      await channel.send({ type: "broadcast", event: "other", payload: { no: "event of ours" } });
      await channel.send({ type: "broadcast", event: "event", payload: { plain: true } });
      assert.equal(await ours.line(), "event theirs [1]");
      assert.equal(await ours.line(), 'event message {"plain":true}');

      // Without a socket the package broadcasts over HTTP too: the same request.
      const away = new RealtimeClient(endpoint, settings).channel("chat:c1");
      const { warn } = console;
      console.warn = () => {};
      await away.send({ type: "broadcast", event: "event", payload: { plain: 2 } });
      console.warn = warn;
      assert.equal(await ours.line(), 'event message {"plain":2}');
      const [ourPost, theirPost] = server.posts;
      // The package repeats the query of its socket there, whose key is in a header too.
      assert.equal(ourPost.path, theirPost.path.split("?")[0]);
      assert.equal(ourPost.apikey, theirPost.apikey);
      const keys = ({ body }) => body.messages.map((message) => Object.keys(message).sort());
      assert.deepEqual(keys(ourPost), keys(theirPost));

      // The frames that the two have sent.
      const [our, their] = server.connections;
      const sent = async ({ frames }, event) => {
        for (;;) {
          const frame = frames.find((frame) => frame.event === event);
          if (frame) return shape(frame);
          await new Promise((resolve) => setTimeout(resolve, 20));
        }
      };
      for (const event of ["phx_join", "heartbeat"]) {
        assert.deepEqual(await sent(our, event), await sent(their, event));
      }
      assert.equal((await sent(our, "phx_join")).topic, "realtime:chat:c1");
      assert.equal(our.path, their.path);
      for (const name of ["apikey", "vsn"]) assert.equal(our.query.get(name), their.query.get(name), name);
    } finally {
      await ours.stop();
      await client.disconnect();
      await server.stop();
    }
  });
}
