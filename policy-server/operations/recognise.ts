import { assert } from '#domain/assert';
import { addDays, type LocalDate, type Rupiah, startOf } from '#domain/billing';
import { transfer } from '#domain/ledger';
import { localDate } from '#domain/time';
import type { Desk } from '#operations/desk';
import { isPosted, post } from '#storage/ledger';
import { lockBooks, recogniseUntil } from '#storage/recognition';

/** What was earned by the end of a local day. */
export type Recognised = { readonly day: LocalDate; readonly invoices: number; readonly rupiah: Rupiah };

/**
 * What was paid in advance becomes revenue by the share of its service that has passed at the last local midnight: one
 * ledger transaction for all invoices, of the day that ended then. Done twice, also at the same moment, it is done once;
 * after days in which nobody did it, it makes up for all of them.
 */
export async function recognise(desk: Desk): Promise<Recognised> {
  const today = localDate(desk.clock(), desk.zone);
  const day = addDays(today, -1);
  const reference = `recognised:${day}`;
  return desk.db.transaction(
    async (tx) => {
      await lockBooks(tx);
      if (await isPosted(tx, reference)) return { day, invoices: 0, rupiah: 0 };
      const { invoices, rupiah } = await recogniseUntil(tx, startOf(today, desk.zone));
      const booked = await post(tx, {
        kind: 'recognised',
        reference,
        subscriberId: null,
        at: desk.clock(),
        day,
        entries: transfer({ account: 'revenue' }, { account: 'deferred-revenue' }, rupiah),
        detail: { invoices },
      });
      assert(booked === rupiah > 0, `${reference} is booked with what it moved`);
      return { day, invoices, rupiah };
    },
    { statementTimeoutMs: 0 },
  );
}
