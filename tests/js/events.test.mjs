// Server-sent events in a real Chromium: its EventSource resumes after each cut of the connection.
import assert from "node:assert/strict";
import { connect, createServer } from "node:net";
import { once } from "node:events";
import { it } from "node:test";
import { startChromium, startEventPage } from "./servers.mjs";

/** Passes bytes on to a server, until it cuts all connections; while it is shut, it refuses new ones. */
async function startProxy(url) {
  const { hostname, port } = new URL(url);
  const open = new Set();
  const proxy = { isShut: false, taken: 0 };
  const server = createServer((socket) => {
    socket.on("error", () => {});
    if (proxy.isShut) return socket.destroy();
    proxy.taken += 1;
    const there = connect(Number(port), hostname).on("error", () => {});
    for (const end of [socket, there]) {
      open.add(end);
      end.on("close", () => {
        open.delete(end);
        socket.destroy();
        there.destroy();
      });
    }
    socket.pipe(there).pipe(socket);
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  proxy.url = `http://127.0.0.1:${server.address().port}`;
  proxy.cut = () => open.forEach((end) => end.destroy());
  proxy.stop = () => {
    proxy.cut();
    server.close();
  };
  return proxy;
}

it("the EventSource of Chromium gets each event once, or a gap", async () => {
  const page = await startEventPage();
  const proxy = await startProxy(page.url);
  const browser = await startChromium();
  const post = (path) => fetch(page.url + path, { method: "POST" });
  try {
    const tab = await browser.newPage();
    await tab.goto(proxy.url);
    await tab.evaluate(async () => {
      window.got = [];
      window.opened = 0;
      const source = new EventSource("/events");
      source.addEventListener("n", ({ data }) => window.got.push(Number(data)));
      source.addEventListener("gap", ({ data }) => window.got.push(JSON.parse(data)));
      await new Promise((resolve) => {
        source.onopen = () => {
          window.opened += 1;
          resolve();
        };
      });
    });
    const until = (what, value) =>
      tab.waitForFunction(([what, value]) => (what === "opened" ? window.opened : window.got.length) >= value, [what, value]);

    // Some events come while the connection is there, some while it is not, and some are cut off on their way.
    let number = 0;
    for (let round = 1; round <= 8; round += 1) {
      for (let count = 0; count < 10; count += 1) {
        await post(`/publish/${(number += 1)}`);
        if (count === round) proxy.cut();
      }
      if (round % 2) await until("got", number);
    }
    await until("got", number);
    await until("opened", 3);
    assert.deepEqual(await tab.evaluate(() => window.got), Array.from({ length: number }, (_, at) => at + 1));

    // Three of five events leave the history while the browser is away.
    proxy.isShut = true;
    proxy.cut();
    for (let count = 0; count < 5; count += 1) await post(`/publish/${(number += 1)}`);
    await post("/trim/2");
    proxy.isShut = false;
    await until("got", number - 2);
    const rest = await tab.evaluate((from) => window.got.slice(from), number - 5);
    assert.deepEqual(rest, [{ reason: "trimmed", missed: 3 }, number - 1, number]);
  } finally {
    await browser.close();
    proxy.stop();
    await page.stop();
  }
});
