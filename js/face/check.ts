// The checks of all arguments before they reach wasm. Each check returns a copy, so that no getter, no proxy and no later change of
// the caller reaches wasm, where a wrong value would trap.
import { failure, invalid } from "./errors.js";

/** A check of one value: returns a copy, or throws a `Wrong`. */
export type Check<T> = (value: unknown, name: string) => T;

export type Checks = Record<string, Check<unknown>>;
export type Checked<S extends Checks> = { [Name in keyof S]: ReturnType<S[Name]> };

/** The most characters and bytes of one call. */
const MOST_TEXT = 64 * 1024 * 1024;
/** The most items of a list. */
const MOST_ITEMS = 1_000_000;
/** A hundred years: more is a mistake. */
const MOST_SECONDS = 3_155_760_000;

let textLeft = 0;

/** The arguments of a call, by name. More arguments than names are refused, so that no argument is ignored silently. */
export function checked<S extends Checks>(where: string, given: ArrayLike<unknown>, checks: S): Checked<S> {
  const names = Object.keys(checks);
  if (given.length > names.length) {
    const expected = names.length === 0 ? "no argument" : `at most ${names.length}: ${names.join(", ")}`;
    throw invalid(`arguments[${names.length}]`, `${where} takes ${expected}`);
  }
  textLeft = MOST_TEXT;
  const clean = bare();
  names.forEach((name, at) => (clean[name] = guarded(where, name, () => checks[name](given[at], name))));
  return clean as Checked<S>;
}

/** One list of arguments that may also be given one by one. */
export function listed<T>(where: string, given: ArrayLike<unknown>, name: string, item: Check<T>, least = 1): T[] {
  textLeft = MOST_TEXT;
  return guarded(where, name, () => {
    if (given.length < 1) throw wrong(name, "a string or a list of strings", undefined);
    const items = Array.from(given, (value) => (isList(value) ? list(item)(value, name) : [item(value, name)])).flat();
    if (items.length < least) throw new Wrong(name, `${name} must not be empty`);
    return items;
  });
}

/** Runs a check, and converts all exceptions to an EdgecaskError. */
function guarded<T>(where: string, name: string, check: () => T): T {
  try {
    return check();
  } catch (error) {
    if (error instanceof Wrong) throw invalid(error.argument, `${where}: ${error.message}`);
    throw invalid(name, `${where}: ${name} cannot be read`, error);
  }
}

/** A failed check. `guarded` converts it to an EdgecaskError. */
export class Wrong extends Error {
  constructor(readonly argument: string, message: string) {
    super(message);
  }
}

export function wrong(name: string, expected: string, value: unknown): Wrong {
  const is = value === null ? "null" : isList(value) ? "a list" : `of type ${typeof value}`;
  return new Wrong(name, `${name} must be ${expected}; it is ${is}`);
}

/** An object without a prototype, so that it does not inherit properties that other code has added to `Object.prototype`. */
export function bare<T extends object>(from?: T): T & Record<string, unknown> {
  return Object.assign(Object.create(null), from) as T & Record<string, unknown>;
}

/** The beginning of a name from the caller, for a message. */
function shown(name: string): string {
  return name.length <= 40 ? name : `${name.slice(0, 40)}…`;
}

function isList(value: unknown): value is unknown[] {
  return Array.isArray(value);
}

function spend(name: string, length: number): void {
  textLeft -= length;
  if (textLeft < 0) throw new Wrong(name, `${name} is too long: a call may hold ${MOST_TEXT} characters and bytes`);
}

/** A string of valid Unicode: half a surrogate pair has no form in UTF-8, and would become another string. */
export const text: Check<string> = (value, name) => {
  if (typeof value !== "string") throw wrong(name, "a string", value);
  spend(name, value.length);
  if (/\p{Surrogate}/u.test(value)) throw new Wrong(name, `${name} holds half of a surrogate pair`);
  return value;
};

/** A string that is not empty. */
export const name: Check<string> = (value, name) => {
  if (value === "") throw new Wrong(name, `${name} must not be empty`);
  return text(value, name);
};

export const flag: Check<boolean> = (value, name) => {
  if (typeof value !== "boolean") throw wrong(name, "true or false", value);
  return value;
};

/** A number within these limits. */
export const number = (least: number, most: number): Check<number> => (value, name) => {
  if (typeof value !== "number") throw wrong(name, "a number", value);
  if (!(value >= least && value <= most)) throw new Wrong(name, `${name} must be a number from ${least} to ${most}`);
  return value;
};

/** A whole number within these limits. */
export const whole = (least: number, most: number): Check<number> => (value, name) => {
  if (typeof value !== "number") throw wrong(name, "a whole number", value);
  if (!Number.isInteger(value) || value < least || value > most) {
    throw new Wrong(name, `${name} must be a whole number from ${least} to ${most}`);
  }
  return value;
};

export const count = whole(1, 0xffff_ffff);
export const seconds = whole(1, MOST_SECONDS);
export const millis = whole(1, MOST_SECONDS * 1000);
export const positive = whole(1, Number.MAX_SAFE_INTEGER);

/** One of some words. */
export const oneOf = <W extends string>(...words: W[]): Check<W> => (value, name) => {
  const quoted = words.map((word) => JSON.stringify(word)).join(" or ");
  if (typeof value !== "string") throw wrong(name, quoted, value);
  if (!(words as string[]).includes(value)) throw new Wrong(name, `${name} must be ${quoted}`);
  return value as W;
};

/** A number of seconds, or "forever". */
export const ttl: Check<number | "forever"> = (value, name) => {
  if (value === "forever") return value;
  if (typeof value !== "number") throw wrong(name, 'a whole number of seconds above 0, or "forever"', value);
  return seconds(value, name);
};

/** Returns "Uint8Array", "Float64Array", …; `undefined` for a value that is not a typed array. */
export const kindOfView = Object.getOwnPropertyDescriptor(Object.getPrototypeOf(Uint8Array.prototype), Symbol.toStringTag)!.get!;

export const bytes: Check<Uint8Array> = (value, name) => {
  // This accepts an array of another realm, and refuses a proxy, which wasm could not read.
  if (kindOfView.call(value) !== "Uint8Array") throw wrong(name, "a Uint8Array", value);
  const copy = new Uint8Array(value as Uint8Array);
  spend(name, copy.length);
  return copy;
};

/** An argument of a command, in the form in which it is sent. */
export const argument: Check<string | Uint8Array> = (value, name) => {
  switch (typeof value) {
    case "string":
      return text(value, name);
    case "bigint":
    case "boolean":
      return String(value);
    case "number":
      if (Number.isNaN(value)) throw new Wrong(name, `${name} is NaN, which is no number`);
      return String(value);
    default:
      if (ArrayBuffer.isView(value)) return bytes(value, name);
      throw wrong(name, "a string, a number, a bigint, a boolean or a Uint8Array (an object: by JSON.stringify, or in a Cache)", value);
  }
};

/** A list; its first item may have a check of its own. */
export const list = <T>(item: Check<T>, least = 0, first = item): Check<T[]> => (value, name) => {
  if (!isList(value)) throw wrong(name, "a list", value);
  const length = value.length;
  if (length < least) throw new Wrong(name, `${name} must not be empty`);
  if (length > MOST_ITEMS) throw new Wrong(name, `${name} has more than ${MOST_ITEMS} items`);
  return Array.from({ length }, (_, at) => (at === 0 ? first : item)(value[at], `${name}[${at}]`));
};

/** A string, or a list of them. */
export const texts = (least = 0, item = text): Check<string[]> => (value, name) => {
  if (typeof value === "string") return [item(value, name)];
  if (!isList(value)) throw wrong(name, "a string or a list of strings", value);
  return list(item, least)(value, name);
};

/** The name of a command. */
const commandName: Check<string> = (value, where) => {
  if (typeof value !== "string" || value === "") throw new Wrong(where, `${where} must be the command's name, a string`);
  return text(value, where);
};

/** A command: its name, and its arguments. */
export const command: Check<(string | Uint8Array)[]> = list<string | Uint8Array>(argument, 1, commandName);

export const func: Check<(...args: unknown[]) => unknown> = (value, name) => {
  if (typeof value !== "function") throw wrong(name, "a function", value);
  return (...args) => Reflect.apply(value, undefined, args);
};

/** A function that accepts background work, or an object with a method `waitUntil`, such as a Worker's context. */
export const waitUntil: Check<(work: Promise<unknown>) => unknown> = (value, name) => {
  if (typeof value === "function") return (work) => Reflect.apply(value, undefined, [work]);
  if (typeof value === "object" && value !== null) {
    const { waitUntil } = value as { waitUntil?: unknown };
    if (typeof waitUntil === "function") return (work) => Reflect.apply(waitUntil, value, [work]);
  }
  throw wrong(name, "a function, or a Worker's context", value);
};

const isAborted = globalThis.AbortSignal && Object.getOwnPropertyDescriptor(AbortSignal.prototype, "aborted")?.get;

export const signal: Check<AbortSignal> = (value, name) => {
  try {
    // The getter throws if the value is not an AbortSignal.
    if (typeof isAborted?.call(value) === "boolean") return value as AbortSignal;
  } catch {
    // Refused below.
  }
  throw wrong(name, "an AbortSignal", value);
};

/** A value as JSON text. Values that JSON.stringify changes silently are refused. */
export const json: Check<string> = (value, name) => {
  let made: string | undefined;
  if (typeof value === "number" && !Number.isFinite(value)) throw new Wrong(name, `${name} is ${value}, which JSON cannot hold`);
  if (isLost(value)) throw new Wrong(name, `${name} must be something that JSON can hold, not bytes, a Map or a Set`);
  try {
    made = JSON.stringify(value);
  } catch (error) {
    throw Object.assign(new Wrong(name, `${name} must be something that JSON can hold`), { cause: error });
  }
  if (made === undefined) throw wrong(name, "something that JSON can hold", value);
  spend(name, made.length);
  return made;
};

/** Whether JSON.stringify loses the content of the value, which has no method `toJSON`. */
function isLost(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  const isOne = ArrayBuffer.isView(value) || value instanceof ArrayBuffer || value instanceof Map || value instanceof Set;
  return isOne && typeof (value as { toJSON?: unknown }).toJSON !== "function";
}

/** The keys of an object, and its values as JSON text. */
export const entries: Check<[string[], string[]]> = (value, where) => {
  if (!isPlain(value)) throw wrong(where, "a plain object whose keys are those of the cache", value);
  const keys = Object.keys(value).map((key) => name(key, `${where}[${JSON.stringify(shown(key))}]`));
  return [keys, keys.map((key) => json(value[key], `${where}[${JSON.stringify(shown(key))}]`))];
};

/** A value that may be left out. */
export const optional = <T>(check: Check<T>): Check<T | undefined> => (value, name) =>
  value === undefined || value === null ? undefined : check(value, name);

/** A default for a value that may be left out. */
export const otherwise = <T>(check: Check<T>, value: T): Check<T> => (given, name) =>
  given === undefined || given === null ? value : check(given, name);

/** Whether the value is a plain object. One of another realm has another `Object.prototype`. */
export function isPlain(value: unknown): value is Record<string, unknown> {
  if (typeof value !== "object" || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

/** An object with options. Unknown options are refused. Only its own properties are read, each once. */
export const options = <S extends Checks>(checks: S, ...required: (keyof S & string)[]): Check<Partial<Checked<S>>> => {
  const known = Object.keys(checks);
  return (value, name) => {
    const clean = bare();
    if ((value === undefined || value === null) && required.length === 0) return clean as Partial<Checked<S>>;
    if (!isPlain(value)) throw wrong(name, "a plain object with options", value);
    for (const own of Object.keys(value)) {
      if (known.includes(own)) continue;
      throw new Wrong(`${name}.${shown(own)}`, `there is no option '${shown(own)}'; there are ${known.join(", ")}`);
    }
    for (const option of known) {
      const given = Object.hasOwn(value, option) ? value[option] : undefined;
      if (given !== undefined && given !== null) clean[option] = checks[option](given, `${name}.${option}`);
      else if (required.includes(option)) throw wrong(`${name}.${option}`, "given", given);
    }
    return clean as Partial<Checked<S>>;
  };
};

/** Refuses options that exclude each other. */
export const exclusive = <T extends object>(check: Check<T>, ...sets: (keyof T & string)[][]): Check<T> => (value, name) => {
  const clean = check(value, name);
  for (const names of sets) {
    const given = names.filter((option) => clean[option] !== undefined && clean[option] !== false);
    if (given.length > 1) {
      const both = `${name}.${given[0]} and ${name}.${given[1]}`;
      throw new Wrong(`${name}.${given[1]}`, `${both} exclude each other`);
    }
  }
  return clean;
};

let insideHandler = false;

/** Refuses calls at the global scope of a Worker, where they would never settle. */
export function mayCall(): void {
  if (insideHandler) return;
  try {
    // A timer can be started everywhere but there.
    if (typeof setTimeout === "function") clearTimeout(setTimeout(() => {}, 0));
  } catch {
    throw failure(
      "Unsupported",
      "not supported: a Worker does no I/O at its global scope. Make the client there, and call it inside of a handler, " +
        "such as fetch()",
    );
  }
  insideHandler = true;
}
