import * as wasm from "edgecask-wasm";
import { type Check, checked, listed, name } from "./check.js";
import { Handle, handle, hold, known, made } from "./handle.js";
import { mustBeStarted } from "./log.js";

/**
 * A prefix of keys, such as `app:user`. All parts are escaped, so that the parts of one tenant can form neither another tenant's key nor a
 * wider pattern. Parts are given as a list or one by one.
 */
export class Keyspace extends Handle {
  /** A keyspace of these parts: `new Keyspace(["prod", "acme"])`. */
  constructor(parts: string | string[], ...more: string[]) {
    super();
    const given = listed("new Keyspace", arguments, "parts", name);
    mustBeStarted();
    hold(this, new wasm.Keyspace(given));
  }

  /** A keyspace inside of this one. */
  join(parts: string | string[], ...more: string[]): Keyspace {
    const given = listed("keyspace.join", arguments, "parts", name);
    return made(Keyspace, known<wasm.Keyspace>(this, "Keyspace").join(given));
  }

  /** The key of an identifier, of one or more parts, in this keyspace. */
  key(parts: string | string[], ...more: string[]): string {
    const given = listed("keyspace.key", arguments, "parts", name);
    return known<wasm.Keyspace>(this, "Keyspace").key(given);
  }

  /** The glob that matches every key of this keyspace and no other key. */
  pattern(): string {
    checked("keyspace.pattern", arguments, {});
    return known<wasm.Keyspace>(this, "Keyspace").pattern();
  }
}

/** The check of an argument that is a keyspace. @internal */
export const keyspace: Check<Keyspace> = handle(Keyspace, "Keyspace");
