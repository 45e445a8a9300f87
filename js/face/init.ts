import { initSync as instantiate } from "edgecask-wasm";
import wasm from "edgecask-module";
import { isStarted, mustWait, start } from "./log.js";

/** The start that is under way. Two would give two memories, and what was made in one is not in the other. */
let starting: Promise<void> | undefined;

/**
 * Waits until the package can be used. It can as soon as it is imported, so that this does nothing, and what it is given does
 * not matter; it is for programs written for other packages of wasm. A browser from before 2023 compiles a wasm of this size
 * only in the background: there, `await init()` comes before the first call.
 */
export async function init(input?: unknown): Promise<void>;
export async function init(): Promise<void> {
  if (isStarted()) return;
  starting ??= (async () => begin(await WebAssembly.compile(wasm as BufferSource)))().finally(() => (starting = undefined));
  await starting;
}

/** The same at once; throws in a browser that compiles in the background only. */
export function initSync(input?: unknown): void;
export function initSync(): void {
  if (!isStarted()) begin(compiled());
}

function begin(module: WebAssembly.Module): void {
  if (isStarted()) return;
  instantiate({ module });
  start();
}

/** A Worker imports a compiled module; elsewhere the wasm stands in this file as its bytes. */
function compiled(): WebAssembly.Module {
  return wasm instanceof WebAssembly.Module ? wasm : new WebAssembly.Module(wasm as BufferSource);
}

try {
  begin(compiled());
} catch (error) {
  // What a page's rules or an old browser's limit forbid is said by the first call, with what to do.
  if (!(error instanceof RangeError || error instanceof WebAssembly.CompileError)) throw error;
  mustWait(error);
}
