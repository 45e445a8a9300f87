// What the classes of the face have in common: each stands for an object in the memory of wasm, until it is freed.
import { type Check, Wrong, mayCall, wrong } from "./check.js";
import { invalid } from "./errors.js";

type Wasm = { free(): void };

/** `null`: it was freed. */
const held = new WeakMap<object, Wasm | null>();

/**
 * What holds memory of wasm. `using` and `await using` free it; a cache tells Redis before what is owed.
 */
export class Handle {
  /** Gives its memory back now, and not when it is collected. Calls that are under way go on. */
  free(): void {
    const wasm = held.get(this);
    if (!wasm) return;
    held.set(this, null);
    wasm.free();
  }
}

/** Lets `using` and `await using` end it, where the language has them. @internal */
export function disposable<H extends Handle>(of: { prototype: H }, how: "dispose" | "asyncDispose", value: (this: H) => unknown): void {
  const symbol = (Symbol as { dispose?: symbol; asyncDispose?: symbol })[how];
  if (symbol) Object.defineProperty(of.prototype, symbol, { value, configurable: true, writable: true });
}

declare global {
  // As TypeScript's own library says it, for programs that are compiled without that part.
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

/** Lets an object stand for what wasm has made. @internal */
export function hold(handle: object, wasm: Wasm): void {
  held.set(handle, wasm);
}

/** An object of this class for what wasm has made, without its constructor. @internal */
export function made<H extends Handle>(of: { prototype: H }, wasm: Wasm): H {
  const handle = Object.create(of.prototype) as H;
  held.set(handle, wasm);
  return handle;
}

/** What an object stands for. @internal */
export function known<W extends Wasm>(handle: object, what: string): W {
  const wasm = held.get(handle);
  if (wasm) return wasm as W;
  throw invalid("this", wasm === null ? `this ${what} was freed` : `this is no ${what}`);
}

/** The same for what does I/O, which is refused where a Worker may do none. @internal */
export function called<W extends Wasm>(handle: object, what: string): W {
  mayCall();
  return known(handle, what);
}

/** Whether it was freed. @internal */
export function isFreed(handle: object): boolean {
  return held.get(handle) === null;
}

/** The check of an object of this class that is handed in. @internal */
export const handle = <H extends Handle>(of: { prototype: H }, what: string): Check<H> => (value, name) => {
  const is = typeof value === "object" && value !== null && held.has(value) && Object.prototype.isPrototypeOf.call(of.prototype, value);
  if (!is) throw wrong(name, `a ${what}`, value);
  if (isFreed(value)) throw new Wrong(name, `${name} was freed`);
  return value as H;
};

/** What wasm takes for an object that was handed in. Reading the arguments after it may have freed it. @internal */
export function given<W extends Wasm>(handle: object, name: string): W {
  const wasm = held.get(handle);
  if (wasm) return wasm as W;
  throw invalid(name, `${name} was freed`);
}
