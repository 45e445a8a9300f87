import { initSync as instantiate } from "edgecask-wasm";
import wasm from "edgecask-module";
import { isStarted, mustWait, start } from "./log.js";

/** The start that is under way. A second start would make a second memory, without the objects of the first one. */
let starting: Promise<void> | undefined;

/**
 * Waits until the package can be used. As a rule it can be used as soon as it is imported; then this does nothing. The argument is
 * ignored: it exists for programs written for other packages of wasm. A browser from before 2023 compiles a wasm of this size only
 * asynchronously: there, call `await init()` before the first call.
 */
export async function init(input?: unknown): Promise<void>;
export async function init(): Promise<void> {
  if (isStarted()) return;
  starting ??= (async () => begin(await WebAssembly.compile(wasm as BufferSource)))().finally(() => (starting = undefined));
  await starting;
}

/** The synchronous form; throws in a browser that compiles only asynchronously. */
export function initSync(input?: unknown): void;
export function initSync(): void {
  if (!isStarted()) begin(compiled());
}

function begin(module: WebAssembly.Module): void {
  if (isStarted()) return;
  instantiate({ module });
  start();
}

/** A Worker imports a compiled module; elsewhere this file contains the bytes of the wasm. */
function compiled(): WebAssembly.Module {
  return wasm instanceof WebAssembly.Module ? wasm : new WebAssembly.Module(wasm as BufferSource);
}

try {
  begin(compiled());
} catch (error) {
  // If a page's policy or an old browser's limit forbids it, the first call throws an error with the remedy. Browsers differ in the
  // class of this error.
  mustWait(error);
}
