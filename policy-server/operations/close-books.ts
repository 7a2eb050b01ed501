import { localDate } from '#domain/time';
import type { Desk } from '#operations/desk';
import { type Recognised, recognise } from '#operations/recognise';
import { closeDays, type LedgerDay } from '#storage/ledger';

/** What the night did: what was earned, and the days that are closed from now on. */
export type ClosedBooks = { readonly recognised: Recognised; readonly days: readonly LedgerDay[] };

/** Books what was earned until the last local midnight, then closes every day before today. Done again it does nothing. */
export async function closeBooks(desk: Desk): Promise<ClosedBooks> {
  const recognised = await recognise(desk);
  return { recognised, days: await closeDays(desk.db, localDate(desk.clock(), desk.zone), desk.clock()) };
}
