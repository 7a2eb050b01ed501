import type { Gateways } from '#domain/gateway';
import type { Instant } from '#domain/time';
import { type GatewayCall, readCall } from '#operations/inbox';
import type { Database } from '#storage/database';
import { type GatewayEvent, storeEvents } from '#storage/gateway-events';
import type { Sealer } from '#storage/secrets';

const CROWD = 20;

/** Events that come while others are being stored are stored together after them: one statement, one flush of the disk. */
export class EventIntake {
  readonly #db: Database;
  readonly #sealer: Sealer;
  readonly #onStored: () => void;
  readonly counts = { stored: 0, again: 0, refused: 0, 'not-set': 0 };
  #next: { readonly events: GatewayEvent[]; readonly stored: Promise<void> } | null = null;
  #storing: Promise<unknown> = Promise.resolve();
  #waiting = 0;

  constructor(db: Database, sealer: Sealer, onStored: () => void) {
    this.#db = db;
    this.#sealer = sealer;
    this.#onStored = onStored;
  }

  async receive(gateways: Gateways, call: GatewayCall, at: Instant): Promise<'stored' | 'refused' | 'not-set'> {
    const event = await readCall(gateways, call, at);
    if (typeof event === 'string') {
      this.counts[event] += 1;
      return event;
    }
    this.#waiting += 1;
    try {
      await this.#store(event);
    } finally {
      this.#waiting -= 1;
    }
    return 'stored';
  }

  /** More events come than can be stored at once. */
  isCrowded(): boolean {
    return this.#waiting > CROWD;
  }

  #store(event: GatewayEvent): Promise<void> {
    if (this.#next === null) {
      const events: GatewayEvent[] = [];
      const stored = this.#storing.then(() => {
        this.#next = null;
        return this.#storeAll(events);
      });
      // Whoever waits for one of these events sees it; the next ones are stored all the same.
      this.#storing = stored.catch(() => undefined);
      this.#next = { events, stored };
    }
    this.#next.events.push(event);
    return this.#next.stored;
  }

  async #storeAll(events: readonly GatewayEvent[]): Promise<void> {
    const fresh = await storeEvents(this.#db, this.#sealer, events);
    this.counts.stored += fresh;
    this.counts.again += events.length - fresh;
    if (fresh > 0) this.#onStored();
  }
}
