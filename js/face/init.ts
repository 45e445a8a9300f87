import initModule, { initSync as initModuleSync } from "edgecask-wasm";
import { failure } from "./errors.js";
import { isStarted, start } from "./log.js";

/** Where the wasm is: a URL, a response, its bytes, or the module that bundlers and Workers make of an import. */
export type InitInput = RequestInfo | URL | Response | BufferSource | WebAssembly.Module;

type Wrapped = { module_or_path: InitInput | Promise<InitInput> };

/** The start that is under way. Two would give two memories, and what was made in one is not in the other. */
let starting: Promise<void> | undefined;

/**
 * Loads the wasm; once it is loaded, it does nothing. Without an input, from beside this file. In a Worker, which hands a
 * module in, it loads at once, so that no request waits for another's.
 */
export async function initialize(input?: InitInput | Promise<InitInput> | Wrapped): Promise<void> {
  if (isStarted()) return;
  const source = unwrap(input);
  if (typeof source === "object" && source instanceof WebAssembly.Module) return initSync(source);
  starting ??= load(source);
  await starting;
}

/** Loads the wasm at once: `initSync(module)`. */
export function initSync(input: BufferSource | WebAssembly.Module | { module: BufferSource | WebAssembly.Module }): void {
  if (isStarted()) return;
  const wrapped = typeof input === "object" && input !== null && Object.hasOwn(input, "module");
  const module: unknown = wrapped ? (input as { module: unknown }).module : input;
  if (!(module instanceof WebAssembly.Module || module instanceof ArrayBuffer || ArrayBuffer.isView(module))) {
    throw notWasm();
  }
  initModuleSync({ module: module as WebAssembly.Module });
  start();
}

async function load(source: InitInput | Promise<InitInput> | undefined): Promise<void> {
  try {
    const input = await source;
    if (isStarted()) return;
    if (input instanceof WebAssembly.Module) return initSync(input);
    if (input !== undefined && typeof input !== "string" && (typeof input !== "object" || input === null)) throw notWasm();
    await initModule(input === undefined ? undefined : { module_or_path: input });
    start();
  } finally {
    starting = undefined;
  }
}

function unwrap(input: InitInput | Promise<InitInput> | Wrapped | undefined): InitInput | Promise<InitInput> | undefined {
  const wrapped = typeof input === "object" && input !== null && Object.hasOwn(input, "module_or_path");
  return wrapped ? (input as Wrapped).module_or_path : (input as InitInput);
}

function notWasm(): Error {
  const message = "invalid input: input must be the wasm: a URL, a response, bytes or a module";
  return failure("InvalidInput", message, { argument: "input" });
}
