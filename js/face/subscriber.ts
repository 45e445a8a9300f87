import type * as wasm from "edgecask-wasm";
import { checked } from "./check.js";
import { failure, type EdgecaskError } from "./errors.js";
import { Handle, isFreed, known, made } from "./handle.js";

/** An event of a subscriber. Messages between "lost" and "resumed" are missed. */
export type SubscriberEvent =
  | { type: "message"; channel: string | Uint8Array; pattern?: string | Uint8Array; payload: string | Uint8Array }
  | { type: "lost"; error: EdgecaskError }
  | { type: "resumed" };

/** The messages of a subscription: by next(), or in a `for await` loop. */
export class Subscriber extends Handle implements AsyncIterable<SubscriberEvent> {
  /** Subscribers come from `client.subscribe()`. */
  private constructor() {
    super();
    throw failure("InvalidInput", "invalid input: a Subscriber comes from client.subscribe()");
  }

  /** The next event; `null` after the subscription was closed. */
  async next(): Promise<SubscriberEvent | null> {
    checked("subscriber.next", arguments, {});
    return isFreed(this) ? null : known<wasm.Subscriber>(this, "Subscriber").next();
  }

  /** Unsubscribes. A call of `next` that waits gets `null`. */
  close(): void {
    checked("subscriber.close", arguments, {});
    if (!isFreed(this)) known<wasm.Subscriber>(this, "Subscriber").close();
  }

  /** Closes the subscription, and frees its memory now. */
  override free(): void {
    this.close();
    super.free();
  }

  /** Leaving the loop closes the subscription. */
  async *[Symbol.asyncIterator](): AsyncGenerator<SubscriberEvent, void, undefined> {
    try {
      for (let event; (event = await this.next()); ) yield event;
    } finally {
      this.close();
    }
  }
}

/** @internal */
export function subscriberOf(from: wasm.Subscriber): Subscriber {
  return made(Subscriber as unknown as { prototype: Subscriber }, from);
}
