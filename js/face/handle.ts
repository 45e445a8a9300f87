// The base of all classes: each object refers to an object in the memory of wasm, until it is freed.
import { type Check, Wrong, mayCall, wrong } from "./check.js";
import { invalid } from "./errors.js";

type Wasm = { free(): void };

/** `null`: it was freed. */
const held = new WeakMap<object, Wasm | null>();

/**
 * An object with memory of wasm. `using` and `await using` free it; with `await using`, a cache or a store first sends its owed
 * invalidations.
 */
export class Handle {
  /** Frees the memory now, and not when the object is garbage-collected. Calls that are under way continue. */
  free(): void {
    const wasm = held.get(this);
    if (!wasm) return;
    held.set(this, null);
    wasm.free();
  }
}

/** Supports `using` and `await using`, where the language has them. @internal */
export function disposable<H extends Handle>(of: { prototype: H }, how: "dispose" | "asyncDispose", value: (this: H) => unknown): void {
  const symbol = (Symbol as { dispose?: symbol; asyncDispose?: symbol })[how];
  if (symbol) Object.defineProperty(of.prototype, symbol, { value, configurable: true, writable: true });
}

declare global {
  // The declarations of TypeScript's own library, for programs that are compiled without that part.
  interface SymbolConstructor {
    readonly dispose: unique symbol;
    readonly asyncDispose: unique symbol;
  }
}

export interface Handle {
  [Symbol.dispose](): void;
  [Symbol.asyncDispose](): Promise<void>;
}

disposable(Handle, "dispose", function () {
  this.free();
});
disposable(Handle, "asyncDispose", async function () {
  this.free();
});

/** Links an object to an object of wasm. @internal */
export function hold(handle: object, wasm: Wasm): void {
  held.set(handle, wasm);
}

/** An object of this class for an object of wasm, without a call of the constructor. @internal */
export function made<H extends Handle>(of: { prototype: H }, wasm: Wasm): H {
  const handle = Object.create(of.prototype) as H;
  held.set(handle, wasm);
  return handle;
}

/** The object of wasm that an object refers to. @internal */
export function known<W extends Wasm>(handle: object, what: string): W {
  const wasm = held.get(handle);
  if (wasm) return wasm as W;
  throw invalid("this", wasm === null ? `this ${what} was freed` : `this is no ${what}`);
}

/** The same for a call with I/O, which is refused at the global scope of a Worker. @internal */
export function called<W extends Wasm>(handle: object, what: string): W {
  mayCall();
  return known(handle, what);
}

/** Whether it was freed. @internal */
export function isFreed(handle: object): boolean {
  return held.get(handle) === null;
}

/** The check of an argument that is an object of this class. @internal */
export const handle = <H extends Handle>(of: { prototype: H }, what: string): Check<H> => (value, name) => {
  const is = typeof value === "object" && value !== null && held.has(value) && Object.prototype.isPrototypeOf.call(of.prototype, value);
  if (!is) throw wrong(name, `a ${what}`, value);
  if (isFreed(value)) throw new Wrong(name, `${name} was freed`);
  return value as H;
};

/** The object of wasm of a checked argument. Reading the later arguments may have freed it. @internal */
export function given<W extends Wasm>(handle: object, name: string): W {
  const wasm = held.get(handle);
  if (wasm) return wasm as W;
  throw invalid(name, `${name} was freed`);
}
