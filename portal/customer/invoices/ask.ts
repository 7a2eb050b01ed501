import { within } from '#domain/patience';
import { type Instant, SECOND } from '#domain/time';
import { askGateway } from '#operations/ask-gateway';
import type { Context } from '#portal/shared/context';
import type { Database } from '#storage/database';
import { openIntentOf } from '#storage/payment-intents';

/** Somebody who comes back from the gateway waits for our page no longer. */
const WAIT_MS = 3 * SECOND;
/** A page that is loaded again and again does not ask again and again. */
const ASKED_EVERY_MS = 3 * SECOND;
const MOST_REMEMBERED = 1_000;
const askedAt = new WeakMap<Database, Map<string, Instant>>();

/**
 * Asks the gateway how the open attempt of an invoice stands, for a customer who comes back from paying: the event may not
 * be here yet. Whatever comes of it, the page is shown; what is not learned now, the inbox and the poller learn.
 */
export async function askAfterReturn(context: Context, invoiceId: number): Promise<void> {
  const intent = await openIntentOf(context.db, invoiceId);
  if (intent !== null) await askOrder(context, intent.orderId);
}

/** The same for an order that is known, such as a top-up. */
export async function askOrder(context: Context, orderId: string): Promise<void> {
  const { desk, opened } = context;
  await askInTime(context, orderId, () => askGateway({ ...desk, actor: 'system' }, opened.gateways, orderId));
  opened.live.wakeEnforcement();
}

/** Asks a gateway about something while somebody waits for the page: not too long, and not again and again. */
export async function askInTime(
  { db, now, parts }: Pick<Context, 'db' | 'now' | 'parts'>,
  about: string,
  ask: () => Promise<unknown>,
): Promise<void> {
  const known = askedAt.get(db) ?? new Map<string, Instant>();
  if (Math.abs(now - (known.get(about) ?? 0)) < ASKED_EVERY_MS) return; // a clock may have been set back
  if (known.size >= MOST_REMEMBERED) known.clear();
  askedAt.set(db, known.set(about, now));
  const asked = ask().catch((error: unknown) => {
    parts.log.warn({ err: error, about }, 'the gateway could not be asked for a page');
  });
  await within(asked, WAIT_MS);
}

/** Whether the address says that the browser comes from a gateway. */
export const comesBack = (query: unknown): boolean => typeof query === 'object' && query !== null && 'back' in query;
