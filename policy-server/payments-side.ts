import type { GatewayWebhooks } from '#http/gateway-webhooks';
import { type Matched, matchPayments } from '#operations/inbox';
import { EventIntake } from '#policy-server/event-intake';
import {
  type OrderCounts,
  PaymentsWorker,
  sayApplied,
  sayMistake,
  type WorkerOptions,
} from '#policy-server/payments-worker';
import type { InboxFigures } from '#storage/gateway-events';

export type PaymentsOptions = WorkerOptions & {
  /** Between two questions of the nightly matching. */
  readonly matchPauseMs?: number;
};

export type PaymentsSide = {
  readonly webhooks: GatewayWebhooks;
  /** Something may be due: an event came, a link was made. */
  wake(): void;
  /** Asks again about the orders of the last weeks (jobs/payments.ts). */
  match(signal: AbortSignal): Promise<Matched>;
  /** Of all nodes together; null until the first look. */
  figures(): InboxFigures | null;
  /** Of this node. */
  counts(): { readonly events: EventIntake['counts']; readonly orders: OrderCounts };
  stop(): Promise<void>;
};

/** Ten a second: gateways allow more, and everything else goes on beside it. */
const MATCH_PAUSE_MS = 100;

/**
 * Payments as they come in: the events of the gateways are stored, and on every node orders that were told of, or that it
 * is time to ask about, are asked about at their gateway and what it says is applied. Nodes share the work by claims in
 * the database.
 */
export async function startPayments(options: PaymentsOptions): Promise<PaymentsSide> {
  const { desk, gateways, log, matchPauseMs = MATCH_PAUSE_MS } = options;
  const intake = new EventIntake(desk.db, desk.sealer, () => worker.wake());
  const worker = new PaymentsWorker(options, () => intake.isCrowded());
  await worker.start();
  return {
    webhooks: { receive: (call) => intake.receive(gateways, call, desk.clock()) },
    wake: () => worker.wake(),
    match: (signal) =>
      matchPayments(desk, gateways, {
        signal,
        pauseMs: matchPauseMs,
        onApplied: (applied, of) => sayApplied(log, applied, of),
        onFailed: (error, of) => sayMistake(log, error, of),
      }),
    figures: () => worker.figures,
    counts: () => ({ events: intake.counts, orders: worker.counts }),
    stop: () => worker.stop(),
  };
}
