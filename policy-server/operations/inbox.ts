import { Unavailable } from '#domain/errors';
import { GATEWAYS, type GatewayName, type Gateways } from '#domain/gateway';
import { pauseUnless } from '#domain/patience';
import { DAY, HOUR, type Instant, wallClock } from '#domain/time';
import type { Applied } from '#operations/apply-truth';
import { askOrder, Unanswered } from '#operations/ask-gateway';
import type { Desk } from '#operations/desk';
import type { GatewayEvent } from '#storage/gateway-events';
import { intentsToMatch, setAsked } from '#storage/intent-polls';

/** A call as it came in: the body octet for octet. */
export type GatewayCall = {
  readonly gateway: GatewayName;
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly raw: Buffer;
  readonly source: string | null;
};

/** What order ids and states may look like to be looked for; anything else is only kept. */
const READABLE = /^[\x21-\x7e]{1,100}$/;

/**
 * Reads a call of a gateway: the event to be stored, `refused` where it does not prove that it is the gateway's, `not-set`
 * where we have no key to tell: then nothing may be believed (an empty key is one that anybody knows).
 */
export async function readCall(
  gateways: Gateways,
  { gateway: name, headers, raw, source }: GatewayCall,
  receivedAt: Instant,
): Promise<GatewayEvent | 'refused' | 'not-set'> {
  const gateway = await gateways.named(name);
  if (gateway === null) return 'not-set';
  const { verified, orderId, status } = gateway.readEvent(headers, raw);
  if (!verified) return 'refused';
  const readable = (text: string | null) => (text !== null && READABLE.test(text) ? text : null);
  return { gateway: name, receivedAt, source, raw, orderId: readable(orderId), status: readable(status) };
}

/** How often each answer was given. `unanswered`: their gateway is silent; they are the first to be asked next time. */
export type Matched = Partial<Record<Applied | 'unanswered' | 'failed', number>>;

export type MatchOptions = {
  /** Ends it; begun again it goes on where it was. */
  readonly signal: AbortSignal;
  /** Between two questions. */
  readonly pauseMs: number;
  readonly onApplied: (applied: Applied, of: OrderAt) => void;
  /** One order cannot be worked on, by a mistake of ours: the others are. */
  readonly onFailed: (error: unknown, of: OrderAt) => void;
};

export type OrderAt = { readonly gateway: GatewayName; readonly orderId: string };

const LOOKS_BACK_MS = 35 * DAY;
/** Of what came to nothing, nothing new is expected later than this. */
const CLOSED_FOR_MS = 3 * DAY;
const NIGHT_ENDS = 6;
const CHUNK = 100;

/**
 * Asks the gateways again about the orders of the last 35 days, those that were paid too: for a payment that nobody told us
 * of, one that was reversed, refunded or charged back. What was not asked about since noon is asked at night; what the
 * nights left out, because nothing ran, by day.
 */
export async function matchPayments(desk: Desk, gateways: Gateways, options: MatchOptions): Promise<Matched> {
  const { signal, pauseMs } = options;
  const matched: Matched = {};
  const began = desk.clock();
  const isNight = wallClock(began, desk.zone).hour < NIGHT_ENDS;
  const spans = {
    since: began - LOOKS_BACK_MS,
    askedBefore: began - (isNight ? 12 : 26) * HOUR,
    closedSince: began - CLOSED_FOR_MS,
  };
  let answering: readonly GatewayName[] = GATEWAYS;
  while (!signal.aborted && answering.length > 0) {
    const intents = await intentsToMatch(desk.db, { ...spans, gateways: answering, limit: CHUNK });
    if (intents.length === 0) break;
    const asked: { id: number; answer: string }[] = [];
    for (const { id, gateway, orderId } of intents) {
      if (signal.aborted) break;
      if (!answering.includes(gateway)) continue;
      const answer = await askOnce(desk, gateways, { gateway, orderId }, options);
      matched[answer] = (matched[answer] ?? 0) + 1;
      if (answer === 'unanswered') answering = answering.filter((name) => name !== gateway);
      else asked.push({ id, answer });
      if (pauseMs > 0) await pauseUnless(signal, pauseMs);
    }
    await setAsked(desk.db, asked, desk.clock());
  }
  return matched;
}

async function askOnce(desk: Desk, gateways: Gateways, of: OrderAt, { onApplied, onFailed }: MatchOptions) {
  try {
    const { applied } = await askOrder(desk, gateways, of);
    onApplied(applied, of);
    return applied;
  } catch (error) {
    if (error instanceof Unanswered) return 'unanswered';
    if (error instanceof Unavailable) throw error;
    onFailed(error, of);
    return 'failed';
  }
}
