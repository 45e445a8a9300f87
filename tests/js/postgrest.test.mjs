// The recording that the Rust client is compared with is what the real @supabase/postgrest-js sends.
// EDGECASK_WRITE_RECORDING=1 writes it again.
import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { it } from "node:test";
import { record, written } from "./postgrest-requests.mjs";

const recording = new URL("../suite/supabase/postgrest-js.json", import.meta.url);

it("the recording is that of the real package", async () => {
  const now = written(await record());
  if (process.env.EDGECASK_WRITE_RECORDING === "1") await writeFile(recording, now);
  assert.ok(now === (await readFile(recording, "utf8")), "EDGECASK_WRITE_RECORDING=1 writes it again");
});
