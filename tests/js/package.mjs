// The package as a program sees it that has installed it: by its name, beside the packages of these tests.
import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";
import { pathToFileURL } from "node:url";

const PKG = new URL("../../pkg", import.meta.url).pathname;
const MODULES = new URL("node_modules", import.meta.url).pathname;

let made;

after(async () => made && rm(await made, { recursive: true }));

async function make() {
  const folder = await mkdtemp(join(tmpdir(), "edgecask-"));
  await mkdir(join(folder, "node_modules/@upstash"), { recursive: true });
  await writeFile(join(folder, "package.json"), '{ "type": "module" }');
  // A copy: through a link, the package would look for its own dependencies where it was built.
  await cp(PKG, join(folder, "node_modules/edgecask"), { recursive: true });
  for (const name of ["@upstash/redis", "uncrypto", "wrangler", "esbuild", "ioredis", "redis", "@types"]) {
    await symlink(join(MODULES, name), join(folder, "node_modules", name));
  }
  return folder;
}

/** Imports what a program would import by this name. */
export async function linked(name) {
  const folder = await linked.folder();
  const file = join(folder, `${name.replaceAll("/", "-")}.mjs`);
  await writeFile(file, `export * from ${JSON.stringify(name)}; export { default } from ${JSON.stringify(name === "edgecask/upstash" ? "edgecask/client" : name)};`);
  return import(pathToFileURL(file));
}

/** The folder of that program. */
linked.folder = () => (made ??= make());
