// The recording that the Rust limiter is compared with is what the real @upstash/ratelimit decides.
// EDGECASK_WRITE_RECORDING=1 writes it again.
import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { it } from "node:test";
import { record, written } from "./ratelimit-decisions.mjs";

const recording = new URL("../suite/limit/upstash-ratelimit.json", import.meta.url);

it("the recording is that of the real package", async () => {
  const now = written(await record());
  if (process.env.EDGECASK_WRITE_RECORDING === "1") await writeFile(recording, now);
  assert.ok(now === (await readFile(recording, "utf8")), "EDGECASK_WRITE_RECORDING=1 writes it again");
});
