import type * as wasm from "edgecask-wasm";
import { checked } from "./check.js";
import { disposable, failure, type EdgecaskError } from "./errors.js";

/** What a subscriber tells. Between "lost" and "resumed", messages are missed. */
export type SubscriberEvent =
  | { type: "message"; channel: string | Uint8Array; pattern?: string | Uint8Array; payload: string | Uint8Array }
  | { type: "lost"; error: EdgecaskError }
  | { type: "resumed" };

let made: wasm.Subscriber | undefined;

/** The messages of a subscription: by next(), or in a `for await` loop. */
export class Subscriber implements AsyncIterable<SubscriberEvent> {
  #wasm: wasm.Subscriber | undefined;

  /** Subscribers come from `client.subscribe()`. */
  private constructor() {
    if (!made) throw failure("InvalidInput", "invalid input: a Subscriber comes from client.subscribe()");
    this.#wasm = made;
  }

  /** What comes next; `null` when the subscription was closed. */
  async next(): Promise<SubscriberEvent | null> {
    checked("subscriber.next", arguments, {});
    return this.#wasm ? this.#wasm.next() : null;
  }

  /** Unsubscribes. A call of `next` that waits gets `null`. */
  close(): void {
    checked("subscriber.close", arguments, {});
    this.#wasm?.close();
  }

  /** Closes it, and gives its memory back now. */
  free(): void {
    this.#wasm?.close();
    this.#wasm?.free();
    this.#wasm = undefined;
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

disposable(Subscriber as unknown as { prototype: Subscriber });

/** @internal */
export function subscriberOf(from: wasm.Subscriber): Subscriber {
  made = from;
  try {
    return Reflect.construct(Subscriber, []) as Subscriber;
  } finally {
    made = undefined;
  }
}
