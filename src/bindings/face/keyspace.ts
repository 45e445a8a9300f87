import * as wasm from "edgecask-wasm";
import { Wrong, checked, listed, name, wrong } from "./check.js";
import { disposable, freed } from "./errors.js";
import { mustBeStarted } from "./log.js";

/**
 * A prefix that keys are made under, such as `app:user`. Every part is escaped, so that no tenant can name another tenant's
 * key or widen a pattern. Parts are given as a list or one by one.
 */
export class Keyspace {
  #wasm: wasm.Keyspace | undefined;

  /** A keyspace of these parts: `new Keyspace(["prod", "acme"])`. */
  constructor(parts: string | string[], ...more: string[]) {
    const given = listed("new Keyspace", arguments, "parts", name);
    mustBeStarted();
    this.#wasm = new wasm.Keyspace(given);
  }

  /** A keyspace inside of this one. */
  join(parts: string | string[], ...more: string[]): Keyspace {
    const given = listed("keyspace.join", arguments, "parts", name);
    const joined = (this.#wasm ?? freed("Keyspace")).join(given);
    const keyspace = new Keyspace(given);
    keyspace.free();
    keyspace.#wasm = joined;
    return keyspace;
  }

  /** The key of an identifier, of one or more parts, in this keyspace. */
  key(parts: string | string[], ...more: string[]): string {
    const given = listed("keyspace.key", arguments, "parts", name);
    return (this.#wasm ?? freed("Keyspace")).key(given);
  }

  /** The glob that matches every key of this keyspace and no other key. */
  pattern(): string {
    checked("keyspace.pattern", arguments, {});
    return (this.#wasm ?? freed("Keyspace")).pattern();
  }

  /** Gives its memory back now, and not when it is collected. */
  free(): void {
    this.#wasm?.free();
    this.#wasm = undefined;
  }

  /** What a keyspace is in wasm; `null`: it was freed, `undefined`: this is none. @internal */
  static wasmOf(keyspace: unknown): wasm.Keyspace | null | undefined {
    const isKeyspace = typeof keyspace === "object" && keyspace !== null && #wasm in keyspace;
    return isKeyspace ? (keyspace.#wasm ?? null) : undefined;
  }
}
disposable(Keyspace);

/** The check of a keyspace that is handed in. @internal */
export const keyspace = (value: unknown, name: string): wasm.Keyspace => {
  const found = Keyspace.wasmOf(value);
  if (found === null) throw new Wrong(name, `${name} was freed`);
  if (found === undefined) throw wrong(name, "a Keyspace", value);
  return found;
};
