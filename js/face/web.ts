// For browsers, Workers and bundlers, where the wasm is loaded by whoever uses it.
export { initialize as default, initSync } from "./init.js";
export * from "./whole.js";
