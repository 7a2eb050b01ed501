import { type Chargeable, charge } from '#domain/entitlement';
import type { Instant } from '#domain/time';
import type { Usage } from '#storage/accounting-fold';
import * as sql from '#storage/accounting-sql';
import { numbers } from '#storage/accounting-sql';
import type { Queryable } from '#storage/database';
import { timestamp } from '#storage/database';

type GrantRow = {
  readonly subscriberId: number;
  readonly validBelow: number | null;
  readonly charged: number | null;
  readonly grantId: number;
  readonly usedBytes: number;
  readonly from: Instant;
  readonly until: Instant;
  readonly allowanceBytes: number | null;
  readonly downloadBps: number;
  readonly uploadBps: number;
};

/** Charges each usage at its own instant, one after the other, and wakes whom it brings to `due.valid_below`. */
export async function chargeGrants(tx: Queryable, usage: readonly Usage[], woken: Set<number>): Promise<void> {
  const known = usage.filter(({ slot }) => slot.subscriberId !== null);
  if (known.length === 0) return;
  const since = known.reduce((least, { at }) => Math.min(least, at), Number.POSITIVE_INFINITY);
  const ids = [...new Set(known.map(({ slot }) => slot.subscriberId))];
  const rows = await tx.query<GrantRow>(sql.GRANTS, [numbers(ids), timestamp(since)], 'intake-grants');
  const held = new Map<number, Chargeable[]>();
  for (const row of rows) {
    const grants = held.get(row.subscriberId);
    if (grants === undefined) held.set(row.subscriberId, [grantOf(row)]);
    else grants.push(grantOf(row));
  }
  const charged = new Map<number, number>();
  for (const { slot, at, bytes } of known) {
    const grants = held.get(slot.subscriberId!);
    if (grants === undefined) continue;
    for (const [grantId, share] of charge(grants, at, bytes)) {
      charged.set(grantId, (charged.get(grantId) ?? 0) + share);
      const index = grants.findIndex((grant) => grant.id === grantId);
      grants[index] = { ...grants[index]!, usedBytes: grants[index]!.usedBytes + share };
    }
  }
  if (charged.size === 0) return;
  const now = await tx.query<{ id: number; usedBytes: number }>(
    sql.CHARGE,
    [numbers([...charged.keys()]), numbers([...charged.values()])],
    'intake-charge',
  );
  wakeSpent(rows, new Map(now.map((row) => [row.id, row.usedBytes])), woken);
}

/** By what the update returned: another node may have charged the same grants since we read them. */
function wakeSpent(rows: readonly GrantRow[], now: ReadonlyMap<number, number>, woken: Set<number>): void {
  const total = new Map<number, number>();
  for (const row of rows) {
    if (row.validBelow === null || row.charged === null) continue;
    const added = (now.get(row.grantId) ?? row.usedBytes) - row.usedBytes;
    const sum = (total.get(row.subscriberId) ?? row.charged) + added;
    total.set(row.subscriberId, sum);
    if (sum >= row.validBelow) woken.add(row.subscriberId);
  }
}

const grantOf = ({
  grantId,
  from,
  until,
  usedBytes,
  allowanceBytes,
  downloadBps,
  uploadBps,
}: GrantRow): Chargeable => ({
  id: grantId,
  plan: { rate: { downloadBps, uploadBps, burst: null }, allowanceBytes },
  from,
  until,
  usedBytes,
});
