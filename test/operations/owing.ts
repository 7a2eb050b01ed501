import type { LocalDate } from '#domain/billing';
import type { Desk } from '#operations/desk';
import { issueInvoice } from '#operations/issue-invoice';
import { readSettings } from '#operations/settings';
import { change } from '#storage/change';

/** A postpaid subscriber's invoice of a period, without a run of all: due at the end of that local day. */
export async function owe(
  desk: Desk,
  subscriberId: number,
  { dueOn, plan, rupiah = 150_000 }: { readonly dueOn: LocalDate; readonly plan: string; readonly rupiah?: number },
): Promise<{ readonly id: number; readonly publicId: string }> {
  const { billing } = await readSettings(desk.db);
  return change(desk.db, { actor: desk.actor, why: 'owe', subscriberId }, async (tx) => {
    await tx.query('select from subscriber where id = $1 for no key update', [subscriberId]);
    const [subscription] = await tx.query<{ id: number }>(
      `insert into subscription (subscriber_id, plan_id, billing_day, next_on, started_at, started_by, ended_at, ended_by)
       select $1, id, 1, '2026-12-01', now(), 'test', now(), 'test' from plan where name = $2 returning id`,
      [subscriberId, plan],
    );
    const issued = await issueInvoice(tx, desk, billing, {
      subscriberId,
      kind: 'period',
      subscriptionId: subscription!.id,
      dueOn,
      lines: [{ kind: 'plan', description: plan, planRevisionId: null, amountRupiah: rupiah }],
    });
    await tx.mark([subscriberId]);
    return { id: issued.id, publicId: issued.publicId };
  });
}

/** A payment of theirs that waits at a gateway; returns its order. */
export async function waitingPayment(desk: Desk, subscriberId: number): Promise<string> {
  const [row] = await desk.db.query<{ orderId: string }>(
    `insert into payment_intent (order_id, gateway, subscriber_id, amount_rupiah, created_at, created_by, link_sealed, expires_at)
     values ('TOPUP-' || gen_random_uuid(), 'midtrans', $1, 75000, $2::timestamptz, 'test', '\\x00', $2::timestamptz + interval '1 day')
     returning order_id as "orderId"`,
    [subscriberId, new Date(desk.clock()).toISOString()],
  );
  return row!.orderId;
}
