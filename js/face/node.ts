// For Node, where loading this file loads the wasm.
import { start } from "./log.js";

export * from "./whole.js";

start();
