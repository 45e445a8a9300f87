import * as wasm from "edgecask-wasm";
import { checked, count, mayCall, name, whole } from "./check.js";
import { client, type Client } from "./client.js";
import { disposable, freed } from "./errors.js";
import { keyspace, type Keyspace } from "./keyspace.js";

const most = whole(0, 0xffff_ffff);

/** Which identifiers were used last, and most often: what warming starts with. */
export class Usage {
  #wasm: wasm.Usage | undefined;

  /** The usage of identifiers in this keyspace; no more than `most` are kept. */
  constructor(of: Client, keys: Keyspace, most: number) {
    const given = checked("new Usage", arguments, { client, keyspace, most: count });
    this.#wasm = new wasm.Usage(given.client, given.keyspace, given.most);
  }

  /** Notes that an identifier was used. */
  async record(id: string): Promise<void> {
    const given = checked("usage.record", arguments, { id: name });
    await this.#usage().record(given.id);
  }

  /** The identifiers that were used last, the last one first. */
  async mostRecent(count: number): Promise<string[]> {
    const given = checked("usage.mostRecent", arguments, { count: most });
    return this.#usage().mostRecent(given.count);
  }

  /** The identifiers that were used most often, the most frequent one first. */
  async mostUsed(count: number): Promise<string[]> {
    const given = checked("usage.mostUsed", arguments, { count: most });
    return this.#usage().mostUsed(given.count);
  }

  /** Forgets everything. */
  async clear(): Promise<void> {
    checked("usage.clear", arguments, {});
    await this.#usage().clear();
  }

  /** Gives its memory back now, and not when it is collected. Calls that are under way go on. */
  free(): void {
    this.#wasm?.free();
    this.#wasm = undefined;
  }

  #usage(): wasm.Usage {
    mayCall();
    return this.#wasm ?? freed("Usage");
  }
}
disposable(Usage);
