// The checks that every argument passes before wasm sees it. Each gives a clean copy: no getter, no proxy and nobody's
// later change reaches wasm, which a wrong value would trap.
import { failure, invalid } from "./errors.js";

/** A check of one value: gives it clean, or throws what is wrong with it. */
export type Check<T> = (value: unknown, name: string) => T;

type Checks = Record<string, Check<unknown>>;
type Checked<S extends Checks> = { [Name in keyof S]: ReturnType<S[Name]> };

/** How long the strings and bytes of one call may be together. */
const MOST_TEXT = 64 * 1024 * 1024;
/** How many items a list may have. */
const MOST_ITEMS = 1_000_000;
/** A hundred years: more is a mistake. */
const MOST_SECONDS = 3_155_760_000;

let textLeft = 0;

/** The arguments of a call, by name. More than there are names is refused: what is not looked at must not seem to count. */
export function checked<S extends Checks>(where: string, given: ArrayLike<unknown>, checks: S): Checked<S> {
  const names = Object.keys(checks);
  if (given.length > names.length) {
    const expected = names.length === 0 ? "no argument" : `at most ${names.length}: ${names.join(", ")}`;
    throw invalid(names.at(-1) ?? "", `${where} takes ${expected}`);
  }
  textLeft = MOST_TEXT;
  const clean: Record<string, unknown> = {};
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

/** Runs a check, and gives everything that goes wrong the same form. */
function guarded<T>(where: string, name: string, check: () => T): T {
  try {
    return check();
  } catch (error) {
    if (error instanceof Wrong) throw invalid(error.argument, `${where}: ${error.message}`);
    throw invalid(name, `${where}: ${name} cannot be read`, error);
  }
}

/** What a check found. The call that it belongs to makes an EdgecaskError of it. */
export class Wrong extends Error {
  constructor(readonly argument: string, message: string) {
    super(message);
  }
}

export function wrong(name: string, expected: string, value: unknown): Wrong {
  const is = value === null ? "null" : isList(value) ? "a list" : `of type ${typeof value}`;
  return new Wrong(name, `${name} must be ${expected}; it is ${is}`);
}

function isList(value: unknown): value is unknown[] {
  return Array.isArray(value);
}

function spend(name: string, length: number): void {
  textLeft -= length;
  if (textLeft < 0) throw new Wrong(name, `${name} is too long: a call may hold ${MOST_TEXT} characters and bytes`);
}

/** A string that is Unicode: half a surrogate pair has no form in UTF-8, and would become another string. */
export const text: Check<string> = (value, name) => {
  if (typeof value !== "string") throw wrong(name, "a string", value);
  spend(name, value.length);
  if (/\p{Surrogate}/u.test(value)) throw new Wrong(name, `${name} holds half of a surrogate pair`);
  return value;
};

/** A string with something in it. */
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

export const bytes: Check<Uint8Array> = (value, name) => {
  // A proxy of one is none: wasm could not read it.
  if (!ArrayBuffer.isView(value) || !(value instanceof Uint8Array)) throw wrong(name, "a Uint8Array", value);
  const copy = new Uint8Array(value);
  spend(name, copy.length);
  return copy;
};

/** An argument of a command, as it is sent. */
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

/** A list. */
export const list = <T>(item: Check<T>, least = 0): Check<T[]> => (value, name) => {
  if (!isList(value)) throw wrong(name, "a list", value);
  const length = value.length;
  if (length < least) throw new Wrong(name, `${name} must not be empty`);
  if (length > MOST_ITEMS) throw new Wrong(name, `${name} has more than ${MOST_ITEMS} items`);
  return Array.from({ length }, (_, at) => item(value[at], `${name}[${at}]`));
};

/** A string, or a list of them. */
export const texts = (least = 0, item = text): Check<string[]> => (value, name) => {
  if (typeof value === "string") return [item(value, name)];
  if (!isList(value)) throw wrong(name, "a string or a list of strings", value);
  return list(item, least)(value, name);
};

/** A command: its name, and its arguments. */
export const command: Check<(string | Uint8Array)[]> = (value, where) => {
  const parts = list(argument, 1)(value, where);
  if (typeof (value as unknown[])[0] !== "string" || parts[0] === "") {
    throw new Wrong(`${where}[0]`, `${where} must begin with the command's name, a string`);
  }
  return parts;
};

export const func: Check<(...args: unknown[]) => unknown> = (value, name) => {
  if (typeof value !== "function") throw wrong(name, "a function", value);
  return (...args) => Reflect.apply(value, undefined, args);
};

/** Takes work that goes on: a function, or what has a method `waitUntil`, such as a Worker's context. */
export const waitUntil: Check<(work: Promise<unknown>) => unknown> = (value, name) => {
  if (typeof value === "function") return (work) => Reflect.apply(value, undefined, [work]);
  if (typeof value === "object" && value !== null) {
    const context = value as { waitUntil?: unknown };
    if (typeof context.waitUntil === "function") {
      return (work) => (context as { waitUntil(work: Promise<unknown>): unknown }).waitUntil(work);
    }
  }
  throw wrong(name, "a function, or a Worker's context", value);
};

const isAborted = globalThis.AbortSignal && Object.getOwnPropertyDescriptor(AbortSignal.prototype, "aborted")?.get;

export const signal: Check<AbortSignal> = (value, name) => {
  if (typeof value !== "object" || value === null) throw wrong(name, "an AbortSignal", value);
  try {
    // Throws for what only looks like one.
    isAborted?.call(value);
  } catch {
    throw wrong(name, "an AbortSignal", value);
  }
  return value as AbortSignal;
};

/** A value as JSON text. */
export const json: Check<string> = (value, name) => {
  let made: string | undefined;
  try {
    made = JSON.stringify(value);
  } catch (error) {
    throw Object.assign(new Wrong(name, `${name} must be something that JSON can hold`), { cause: error });
  }
  if (made === undefined) throw wrong(name, "something that JSON can hold", value);
  spend(name, made.length);
  return made;
};

/** What may be left out. */
export const optional = <T>(check: Check<T>): Check<T | undefined> => (value, name) =>
  value === undefined || value === null ? undefined : check(value, name);

/** Something else where nothing is given. */
export const otherwise = <T>(check: Check<T>, value: T): Check<T> => (given, name) =>
  given === undefined || given === null ? value : check(given, name);

/** An object with options: each has a check here, and no other may be given. */
export const options = <S extends Checks>(checks: S, ...required: (keyof S & string)[]): Check<Partial<Checked<S>>> => {
  const known = Object.keys(checks);
  return (value, name) => {
    if (value === undefined && required.length === 0) return {};
    if (typeof value !== "object" || value === null || Object.prototype.toString.call(value) !== "[object Object]") {
      throw wrong(name, "an object with options", value);
    }
    for (const own of Object.keys(value)) {
      if (known.includes(own)) continue;
      const shown = own.length <= 40 ? own : `${own.slice(0, 40)}…`;
      throw new Wrong(`${name}.${shown}`, `there is no option '${shown}'; there are ${known.join(", ")}`);
    }
    const clean: Record<string, unknown> = {};
    for (const option of known) {
      const given = (value as Record<string, unknown>)[option];
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

const userAgent = (globalThis as { navigator?: { userAgent?: unknown } }).navigator?.userAgent;
/** Outside of a Worker there is no global scope that forbids I/O. */
let insideHandler = userAgent !== "Cloudflare-Workers";

/** Refuses calls where a Worker may not do any I/O: they would never settle. */
export function mayCall(): void {
  if (insideHandler) return;
  try {
    clearTimeout(setTimeout(() => {}, 0));
  } catch {
    throw failure(
      "Unsupported",
      "not supported: a Worker does no I/O at its global scope. Make the client there, and call it inside of a handler, " +
        "such as fetch()",
    );
  }
  insideHandler = true;
}
