import { startOf } from '#domain/billing';
import { printRupiah } from '#domain/money';
import { internationalDigits } from '#domain/phone';
import { printLocalDate } from '#domain/print-local';
import type { Instant } from '#domain/time';
import type { Desk } from '#operations/desk';
import { moneyUrl } from '#operations/money-notices';
import { queueNotice } from '#operations/queue-notice';
import { afterQuietHours } from '#operations/queue-reminders';
import {
  BILL_NOTICES,
  type BillNotice,
  billsToTell,
  cancelSettledBills,
  type ToldInvoice,
} from '#storage/bill-notices';
import type { Queryable } from '#storage/database';
import { readSettings } from '#storage/settings';

/** How many of each were queued, and how many that waited were taken back. */
export type QueuedBillNotices = Readonly<Record<BillNotice, number>> & { readonly outdated: number };

/** One commit, and what is read at once. */
const AT_ONCE = 100;

/**
 * Queues what is to be said of invoices of periods: that one is issued, that it is due in three days, that it is overdue,
 * each once: a once key in the same commit sees to that. Apart from the issuing itself, which thus stays as quick as it is
 * for a big company. What comes due in the quiet hours is sent at their end; what is paid meanwhile is taken back.
 */
export async function queueBillNotices(desk: Desk, signal?: AbortSignal): Promise<QueuedBillNotices> {
  const { reminders } = await readSettings(desk.db);
  const now = desk.clock();
  const dueAt = afterQuietHours(now, reminders, desk.zone);
  const outdated = await cancelSettledBills(desk.db, now);
  const queued = Object.fromEntries(BILL_NOTICES.map((notice) => [notice, 0])) as Record<BillNotice, number>;
  const unreachable = new Set<number>();
  while (signal?.aborted !== true) {
    const found = await billsToTell(desk.db, now, AT_ONCE + unreachable.size);
    const some = found.filter(({ invoiceId }) => !unreachable.has(invoiceId));
    if (some.length === 0) break;
    await desk.db.transaction(async (tx) => {
      for (const bill of some) {
        if (await tell(tx, desk, bill, dueAt)) queued[bill.notice] += 1;
        // Nobody could be written to at that number; otherwise another node told of it this moment.
        else if (internationalDigits(bill.phone) === null) unreachable.add(bill.invoiceId);
      }
    });
  }
  return { ...queued, outdated };
}

function tell(tx: Queryable, desk: Desk, bill: ToldInvoice, dueAt: Instant): Promise<boolean> {
  const { notice, subscriberId, number, invoiceId } = bill;
  return queueNotice(tx, desk, {
    subscriberId,
    notice,
    values: ({ addressee, language }) => ({
      name: addressee,
      number,
      amount: printRupiah(bill.owedRupiah),
      dueOn: printLocalDate(startOf(bill.dueOn, desk.zone), desk.zone, language),
      moreUrl: moneyUrl(desk, bill),
    }),
    onceKey: `${notice}:${invoiceId}`,
    dueAt,
  });
}
