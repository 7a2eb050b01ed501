import { printLocalBytes, printLocalDateTime } from '#domain/print-local';
import { LATE_RUN_MS } from '#domain/proration';
import { addPeriod, type Instant } from '#domain/time';
import { startOfNext } from '#operations/add-grant';
import type { Desk } from '#operations/desk';
import { queueNotice } from '#operations/queue-notice';
import type { ChangeTransaction } from '#storage/change';
import { grantsOf, insertGrants, setRevoked } from '#storage/grants';
import { planOfRevision } from '#storage/plans';
import { type LockedPurchase, setGranted } from '#storage/purchases';
import { setSubscriptionPlan, subscriptionOf } from '#storage/subscriptions';

export type Settled = {
  readonly grantId: number;
  readonly from: Instant;
  readonly until: Instant;
  /** It was settled before, and nothing was done now. */
  readonly alreadySettled: boolean;
};

/**
 * What was bought is given: the grant, the notice to the subscriber and "enforcement is due now", in the caller's
 * transaction; the purchase and its subscriber are locked. A change of package ends what it replaces at the same instant;
 * a subscription is billed for the new one from then on.
 */
export async function grantPurchase(tx: ChangeTransaction, desk: Desk, purchase: LockedPurchase): Promise<Settled> {
  const { grantId: before, from: begun, until: ended, subscriberId } = purchase;
  if (before !== null) return { grantId: before, from: begun!, until: ended!, alreadySettled: true };
  const at = desk.clock();
  const grants = await grantsOf(tx, subscriberId);
  for (const grant of grants) {
    const over = grant.revokedAt !== null || grant.until <= at;
    if (!over && purchase.replaces.includes(grant.id)) await setRevoked(tx, grant.id, at);
  }
  const from = purchase.begins === 'now' ? at : startOfNext(grants, at);
  // Paid so late that the period it was changed in is over: then it lasts as long as it would if it were bought now.
  const within = purchase.endsAt !== null && purchase.endsAt > from;
  const until = within ? purchase.endsAt! : addPeriod(from, purchase.period, desk.zone);
  const { planRevisionId } = purchase;
  const subscription = within ? await subscriptionOf(tx, subscriberId, 'lock') : null;
  const cover = { subscriberId, planRevisionId, from, until: subscription === null ? until : until + LATE_RUN_MS };
  const [grantId] = (await insertGrants(tx, [cover])) as [number];
  if (subscription !== null)
    await setSubscriptionPlan(tx, subscription.id, await planOfRevision(tx, planRevisionId), grantId);
  await setGranted(tx, purchase.id, grantId, at);
  await queueNotice(tx, desk, {
    subscriberId,
    notice: 'activated',
    values: activation(desk, purchase, until),
    onceKey: `activated:${grantId}`,
  });
  await tx.mark([subscriberId]);
  return { grantId, from, until, alreadySettled: false };
}

function activation({ zone }: Desk, { addressee, plan, allowanceBytes, language }: LockedPurchase, until: Instant) {
  const unlimited = language === 'id' ? 'tanpa batas' : 'unlimited';
  return {
    name: addressee,
    plan,
    until: printLocalDateTime(until, zone, language),
    quota: allowanceBytes === null ? unlimited : printLocalBytes(allowanceBytes, language),
  };
}
