// A real Chromium before files of tower-http behind the HTTP cache, over HTTP/2: reload, back, ranges, conditions, and an
// hour of simulated time. The files say that the cache may keep them for a minute, and that a browser asks each time.
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { mkdtemp, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startChromium, startFiles } from "./servers.mjs";

const MINUTE = 60;
const LARGE = Uint8Array.from({ length: 300_000 }, (_, at) => at % 251);

describe("files behind the HTTP cache, in Chromium", () => {
  let folder, files, browser;
  /** Simulated seconds since the beginning. */
  let now = 0;
  const began = Math.floor(Date.now() / 1000) - 86_400;

  /** Writes a file, as it is changed at the simulated time. */
  const write = async (name, content) => {
    await writeFile(join(folder, name), content);
    await utimes(join(folder, name), began + now, began + now);
  };
  // Its end tells whether it is whole.
  const page = (version) =>
    `<!doctype html><title>files</title><link rel=icon href=data:,><p id=version>${version}</p>${"<i>text</i>".repeat(2000)}<p id=end>end</p>`;
  const advance = async (seconds) => {
    await fetch(`${files.control}/advance/${seconds}`);
    now += seconds;
  };
  const asked = async () => Number(await (await fetch(`${files.control}/asked`)).text());
  /** The version that a tab shows; a page that is blank or cut off has none. */
  const shown = (tab) =>
    tab.evaluate(() => (document.getElementById("end") ? Number(document.getElementById("version").textContent) : null));
  /** What a script in a tab gets. */
  const get = (tab, path, options) =>
    tab.evaluate(
      async ([path, options]) => {
        const answer = await fetch(path, options);
        const body = Array.from(new Uint8Array(await answer.arrayBuffer()));
        const headers = Object.fromEntries(answer.headers);
        return { status: answer.status, headers, length: body.length, first: body[0], last: body.at(-1) };
      },
      [path, options],
    );

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "edgecask-files-"));
    await write("index.html", page(1));
    await write("other.html", page(0));
    await write("large.bin", LARGE);
    files = await startFiles(folder);
    // A browser stores nothing of a server whose certificate it only puts up with.
    browser = await startChromium(`--ignore-certificate-errors-spki-list=${files.key}`);
  });

  after(async () => {
    await browser?.close();
    await files?.stop();
    await rm(folder, { recursive: true });
  });

  it("survives a reload and the way back", async () => {
    const tab = await browser.newPage();
    const visits = [];
    tab.on("response", (response) => visits.push(response));
    await tab.goto(files.url);
    const protocol = () => performance.getEntriesByType("navigation")[0].nextHopProtocol;
    assert.equal(await tab.evaluate(protocol), "h2");
    assert.equal(await shown(tab), 1);
    // A reload asks for validation: the files are asked, say 304, and the browser shows what it has.
    const before = await asked();
    await tab.reload();
    assert.equal(await shown(tab), 1);
    assert.equal(await asked(), before + 1);
    const reload = await visits.at(-1).request().allHeaders();
    assert.equal(reload["cache-control"], "max-age=0");
    assert.ok(reload["if-none-match"] ?? reload["if-modified-since"]);
    // A visit without one is answered by the cache, also where the browser asks by what it has.
    await tab.goto(`${files.url}/other.html`);
    assert.equal(await shown(tab), 0);
    const known = await asked();
    await tab.goto(files.url);
    assert.equal(await shown(tab), 1);
    await tab.goBack();
    assert.equal(await shown(tab), 0);
    await tab.goForward();
    assert.equal(await shown(tab), 1);
    assert.equal(await asked(), known);
    await tab.close();
  });

  it("answers ranges and conditions", async () => {
    const tab = await browser.newPage();
    await tab.goto(`${files.url}/other.html`);
    // With "no-store" the browser keeps nothing, and asks for validation on the way: what a cache before it has is not enough.
    const range = (first, last, cache) => get(tab, "/large.bin", { cache, headers: { range: `bytes=${first}-${last}` } });
    const cut = ({ status, length, first, last }) => ({ status, length, first, last });
    const part = { status: 206, length: 1000, first: LARGE[1000], last: LARGE[1999] };
    const cold = await range(1000, 1999, "no-store");
    assert.deepEqual(cut(cold), part);
    assert.match(cold.headers["cache-status"], /fwd=/);
    const whole = await get(tab, "/large.bin", { cache: "no-store" });
    assert.deepEqual([whole.status, whole.length, whole.last], [200, LARGE.length, LARGE.at(-1)]);
    // Now of the stored body.
    const known = await asked();
    const hit = await range(1000, 1999, "default");
    assert.deepEqual(cut(hit), part);
    assert.match(hit.headers["cache-status"], /hit/);
    assert.equal(hit.headers["content-range"], `bytes 1000-1999/${LARGE.length}`);
    // The browser puts together what it has and what it lacks.
    const more = await range(1500, 2499, "default");
    assert.deepEqual(cut(more), { status: 206, length: 1000, first: LARGE[1500], last: LARGE[2499] });
    const beyond = await range(LARGE.length, "", "default");
    assert.equal(beyond.status, 416);
    assert.equal(await asked(), known);
    // Conditions of a script, which sees the 304; and of the browser, which gives the script what it has.
    const modified = whole.headers["last-modified"];
    const since = (value) => get(tab, "/large.bin", { cache: "no-store", headers: { "if-modified-since": value } });
    assert.deepEqual([(await since(modified)).status, (await since(modified)).length], [304, 0]);
    assert.equal((await since("Thu, 01 Jan 1970 00:00:00 GMT")).length, LARGE.length);
    for (const cache of ["default", "no-cache", "reload"]) {
      const answer = await get(tab, "/large.bin", { cache });
      assert.deepEqual([answer.status, answer.length, answer.last], [200, LARGE.length, LARGE.at(-1)], cache);
    }
    await tab.close();
  });

  it("is never blank nor out of date for an hour", async () => {
    // The versions, and when each was written.
    const written = [[1, now]];
    const returning = await browser.newPage();
    const began = await asked();
    const steps = [20, 45, 295];
    for (let visit = 0; visit < 30; visit += 1) {
      await advance(steps[visit % steps.length]);
      if (visit % 4 === 1) {
        written.push([written.at(-1)[0] + 1, now]);
        await write("index.html", page(written.at(-1)[0]));
      }
      // By a link, by the button for a reload, and from a new profile, which has nothing stored.
      const fresh = visit % 6 === 0 ? await browser.newContext() : null;
      const reload = !fresh && visit % 5 === 2;
      const tab = fresh ? await fresh.newPage() : returning;
      if (reload) await tab.reload();
      else await tab.goto(files.url);
      const version = await shown(tab);
      const told = `version ${version} of ${written.at(-1)[0]} at visit ${visit}`;
      assert.ok(version >= 1, told);
      const replaced = written.find(([number]) => number === version + 1)?.[1] ?? now;
      assert.ok(now - replaced <= MINUTE, told);
      if (reload) assert.equal(version, written.at(-1)[0], told);
      await fresh?.close();
    }
    assert.ok(now >= 60 * MINUTE);
    assert.ok((await asked()) > began, "the files are asked again");
    await returning.close();
  });
});
