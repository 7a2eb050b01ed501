import { assert } from '#domain/assert';
import { type Chargeable, charge } from '#domain/entitlement';
import type { Instant } from '#domain/time';
import { METERED_PERIODS, type Metered, meter } from '#domain/usage-period';
import type { Usage } from '#storage/accounting-fold';
import * as sql from '#storage/accounting-sql';
import { numbers } from '#storage/accounting-sql';
import type { Queryable } from '#storage/database';
import { timestamp } from '#storage/database';
import { type MeteredRow, meteredOf } from '#storage/facts';

type ChargedRow = MeteredRow & { readonly grantId: number; readonly usedBytes: number };

type GrantRow = ChargedRow & {
  readonly subscriberId: number;
  readonly validBelow: number | null;
  readonly charged: number | null;
  readonly from: Instant;
  readonly until: Instant;
  readonly allowanceBytes: number | null;
  readonly downloadBps: number;
  readonly uploadBps: number;
};

/** What this batch adds to one grant, in the order in which it was used. */
type Charges = { readonly grantId: number; readonly from: Instant; readonly used: { at: Instant; bytes: number }[] };

/**
 * Charges each usage at its own instant, one after the other, meters it by the day, week and month, and wakes whom it brings
 * to `due.valid_below`. `zone` is the company's.
 */
export async function chargeGrants(
  tx: Queryable,
  usage: readonly Usage[],
  zone: string,
  woken: Set<number>,
): Promise<void> {
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
  const charged = new Map<number, Charges>();
  for (const { slot, at, bytes } of known) {
    const grants = held.get(slot.subscriberId!);
    if (grants === undefined) continue;
    for (const [grantId, share] of charge(grants, at, bytes)) {
      const index = grants.findIndex((grant) => grant.id === grantId);
      const grant = grants[index]!;
      const charges = charged.get(grantId);
      if (charges === undefined) charged.set(grantId, { grantId, from: grant.from, used: [{ at, bytes: share }] });
      else charges.used.push({ at, bytes: share });
      grants[index] = { ...grant, usedBytes: grant.usedBytes + share };
    }
  }
  if (charged.size === 0) return;
  wakeSpent(rows, await write(tx, [...charged.values()], new Map(rows.map((row) => [row.grantId, row])), zone), woken);
}

/** Writes the charges; gives what each grant has been charged then. What another node was quicker with is tried again. */
async function write(
  tx: Queryable,
  charges: readonly Charges[],
  as: ReadonlyMap<number, ChargedRow>,
  zone: string,
): Promise<Map<number, number>> {
  const now = new Map<number, number>();
  const first = charges.map((one) => added(one, as.get(one.grantId)!, zone));
  for (const { id, usedBytes } of await add(tx, first)) now.set(id, usedBytes);
  const passedBy = charges.filter(({ grantId }) => !now.has(grantId));
  if (passedBy.length === 0) return now;
  const ids = numbers(passedBy.map(({ grantId }) => grantId));
  const rows = await tx.query<ChargedRow>(sql.LOCK_GRANTS, [ids], 'intake-lock-grants');
  const locked = new Map(rows.map((row) => [row.grantId, row]));
  const again = passedBy.filter(({ grantId }) => locked.has(grantId));
  const second = again.map((one) => added(one, locked.get(one.grantId)!, zone));
  for (const { id, usedBytes } of await add(tx, second)) now.set(id, usedBytes);
  assert(
    again.every(({ grantId }) => now.has(grantId)),
    'a locked grant is as it was read',
  );
  return now;
}

type Added = {
  readonly row: ChargedRow;
  readonly bytes: number;
  readonly before: Metered | null;
  readonly after: Metered;
};

function added({ from, used }: Charges, row: ChargedRow, zone: string): Added {
  const before = meteredOf(row);
  let [metered, usedBytes] = [before, row.usedBytes];
  for (const { at, bytes } of used) {
    metered = meter({ from, usedBytes, metered }, zone, at, bytes);
    usedBytes += bytes;
  }
  return { row, bytes: usedBytes - row.usedBytes, before, after: metered! };
}

type Now = { readonly id: number; readonly usedBytes: number };

async function add(tx: Queryable, all: readonly Added[]): Promise<Now[]> {
  const { plain = [], metered = [] } = Object.groupBy(all, ({ before, after }) =>
    before === after ? 'plain' : 'metered',
  );
  const ids = (of: readonly Added[]) => numbers(of.map(({ row }) => row.grantId));
  const bytes = (of: readonly Added[]) => numbers(of.map((one) => one.bytes));
  const now: Now[] = [];
  if (plain.length > 0) {
    const since = numbers(plain.map(({ row }) => row.meteredAt));
    now.push(...(await tx.query<Now>(sql.CHARGE, [ids(plain), bytes(plain), since], 'intake-charge')));
  }
  if (metered.length > 0) {
    const read = numbers(metered.map(({ row }) => row.usedBytes));
    const since = numbers(metered.map(({ after }) => after.lastAt));
    const bases = METERED_PERIODS.map((_, index) => numbers(metered.map(({ after }) => after.bases[index]!)));
    const values = [ids(metered), bytes(metered), read, since, ...bases];
    now.push(...(await tx.query<Now>(sql.CHARGE_AND_METER, values, 'intake-charge-and-meter')));
  }
  return now;
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
