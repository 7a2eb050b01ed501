import { transfer } from '#domain/ledger';
import { localDate } from '#domain/time';
import type { Desk } from '#operations/desk';
import { change } from '#storage/change';
import { post } from '#storage/ledger';
import { endRefundOrder, type RefundOrder } from '#storage/refunds';
import { lockUnmatched, setResolved } from '#storage/unmatched';

/** The gateway gave money back that fitted nothing: it is out of the books and out of the queue. Booked once. */
export async function bookRefundOfUnmatched(desk: Desk, order: RefundOrder): Promise<void> {
  const detail = { unmatched: order.unmatchedId, amountRupiah: order.amountRupiah, reason: order.reason };
  await change(desk.db, { actor: desk.actor, why: 'refund unmatched money', detail }, async (tx) => {
    const money = (await lockUnmatched(tx, order.unmatchedId!))!;
    if (!(await endRefundOrder(tx, order.id, desk.clock(), null))) return;
    const at = desk.clock();
    await setResolved(tx, money.id, at, order.askedBy, 'refund');
    await post(tx, {
      kind: 'unmatched-refunded',
      reference: `unmatched-refunded:${money.gateway}:${money.gatewayRef}`,
      subscriberId: money.subscriberId,
      at,
      day: localDate(at, desk.zone),
      entries: transfer({ account: `clearing:${money.gateway}` }, { account: 'unmatched' }, money.amountRupiah),
      detail: { orderId: money.orderId },
    });
  });
}
