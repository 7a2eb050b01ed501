import { z } from 'zod';
import { InvalidInput } from '#domain/errors';
import { type NoWindow, type PaymentWindow, paymentWindow } from '#domain/payment-window';
import { printInstant } from '#domain/print';
import { policyFor } from '#domain/rollout';
import { say } from '#domain/say';
import { type Instant, MINUTE } from '#domain/time';
import { actingSubscriber, type Desk } from '#operations/desk';
import { rowNumber } from '#operations/fields';
import { parseInput } from '#operations/input';
import { noSubscriberOfNumber } from '#operations/no-such-subscriber';
import { change } from '#storage/change';
import type { Queryable } from '#storage/database';
import { loadFacts } from '#storage/facts';
import { insertOpening, waitingIntent } from '#storage/payment-openings';
import { currentPolicies } from '#storage/policy';
import { findSubscriberAccount } from '#storage/subscribers';

export const openPaymentWindowSchema = z.object({ subscriberId: rowNumber('a subscriber') });

export type OpenWindow = {
  readonly until: Instant;
  /** How often it can be opened again today. */
  readonly timesLeft: number;
};

/**
 * Opens a walled line for some minutes, so that the app of a bank or an e-wallet works while a payment of theirs waits:
 * as far, as long and as often a day as the policy in force gives it (`paying`). It ends by itself, for it is a fact with
 * an instant that `decide` looks at. Asked while one is open, and by two at once, there is the one.
 *
 * @throws InvalidInput when there is no such subscriber, no payment waits, the policy gives this line none, or it was
 *   opened as often today as it may be
 */
export async function openPaymentWindow(desk: Desk, input: Readonly<Record<string, unknown>>): Promise<OpenWindow> {
  const { subscriberId } = parseInput(openPaymentWindowSchema, input);
  const self = actingSubscriber(desk);
  if (self !== null && self !== subscriberId) return noSubscriberOfNumber(subscriberId);
  const detail: Record<string, unknown> = {};
  try {
    return await change(
      desk.db,
      { actor: desk.actor, why: 'open payment window', subscriberId, detail },
      async (tx) => {
        // Whoever comes second finds the opening of the first.
        if ((await findSubscriberAccount(tx, subscriberId, 'lock')) === null) noSubscriberOfNumber(subscriberId);
        const at = desk.clock();
        const intentId = await waitingIntent(tx, subscriberId, at);
        if (intentId === null)
          throw new InvalidInput([
            say`there is no payment that waits; choose how to pay first, then open the internet for it`,
          ]);
        const { minutes, timesADay, timesLeft, nextFrom, openUntil } = given(
          await windowOf(tx, desk.zone, subscriberId, at),
        );
        if (openUntil !== null) throw new OpenAlready({ until: openUntil, timesLeft });
        if (timesLeft === 0) {
          throw new InvalidInput([
            say`the payment window was opened ${timesADay} times today, as often as it may be; again from ${printInstant(nextFrom, desk.zone)}`,
          ]);
        }
        await insertOpening(tx, { subscriberId, intentId, at, by: desk.actor });
        await tx.mark([subscriberId]);
        const opened = { until: at + minutes * MINUTE, timesLeft: timesLeft - 1 };
        Object.assign(detail, { intentId, minutes, timesLeft: opened.timesLeft });
        return opened;
      },
    );
  } catch (error) {
    // Nothing was changed then, so nothing goes into the audit.
    if (error instanceof OpenAlready) return error.window;
    throw error;
  }
}

/** The window that a subscriber's line is given now by the policy in force, whether or not a payment waits. */
export async function windowOf(
  q: Queryable,
  zone: string,
  subscriberId: number,
  at: Instant,
): Promise<PaymentWindow | NoWindow> {
  const facts = (await loadFacts(q, [subscriberId])).get(subscriberId);
  if (facts === undefined) return noSubscriberOfNumber(subscriberId);
  return paymentWindow(facts, policyFor(await currentPolicies(q, zone), facts.subscriberId), at);
}

class OpenAlready extends Error {
  readonly window: OpenWindow;

  constructor(window: OpenWindow) {
    super('a payment window is open already');
    this.window = window;
  }
}

function given(window: PaymentWindow | NoWindow): PaymentWindow {
  switch (window) {
    case 'not-needed':
      throw new InvalidInput([say`the line is not closed, so no payment window is needed`]);
    case 'suspended':
      throw new InvalidInput([say`the line is suspended, so a payment window would not help; ask customer service`]);
    case 'not-given':
      throw new InvalidInput([say`this line gets no payment window; pay from another connection, or with QRIS`]);
    default:
      return window;
  }
}
