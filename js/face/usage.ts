import * as wasm from "edgecask-wasm";
import { checked, count, name, whole } from "./check.js";
import { type Client } from "./client.js";
import { over, source, type Commands } from "./commands.js";
import { Handle, called, given as givenTo, hold } from "./handle.js";
import { keyspace, type Keyspace } from "./keyspace.js";

const most = whole(0, 0xffff_ffff);

/** Records which identifiers were used last and most often, for warming a cache. */
export class Usage extends Handle {
  /** The usage of identifiers in this keyspace; at most `most` are kept. */
  constructor(of: Client, keys: Keyspace, most: number);
  /** The same over functions that call the client of another package. */
  constructor(of: Commands, keys: Keyspace, most: number);
  constructor(of: Client | Commands, keys: Keyspace, most: number) {
    super();
    const given = checked("new Usage", arguments, { client: source, keyspace, most: count });
    const make = (client: wasm.Client) => new wasm.Usage(client, givenTo(given.keyspace, "keyspace"), given.most);
    hold(this, over(given.client, "client", make));
  }

  /** Records a use of an identifier. */
  async record(id: string): Promise<void> {
    const given = checked("usage.record", arguments, { id: name });
    await called<wasm.Usage>(this, "Usage").record(given.id);
  }

  /** The identifiers that were used last, the last one first. */
  async mostRecent(count: number): Promise<string[]> {
    const given = checked("usage.mostRecent", arguments, { count: most });
    return called<wasm.Usage>(this, "Usage").mostRecent(given.count);
  }

  /** The identifiers that were used most often, the most frequent one first. */
  async mostUsed(count: number): Promise<string[]> {
    const given = checked("usage.mostUsed", arguments, { count: most });
    return called<wasm.Usage>(this, "Usage").mostUsed(given.count);
  }

  /** Forgets everything. */
  async clear(): Promise<void> {
    checked("usage.clear", arguments, {});
    await called<wasm.Usage>(this, "Usage").clear();
  }
}
