import { actorWords } from '#portal/admin/customer/events';
import type { Context } from '#portal/shared/context';
import { methodWords } from '#portal/shared/methods';
import type { ListedPayment } from '#storage/money-lists';

/** A payment as a line of a list shows it. */
export const paymentRow = (context: Context, row: ListedPayment) => ({
  ...row,
  href: `/payments/${row.id}`,
  shown: row.name === '' ? row.username : row.name,
  way: methodWords(context.language, row),
  by: row.gateway === null ? actorWords(context, row.receivedBy) : '',
  leftRupiah: row.amountRupiah - row.backRupiah,
  allBack: row.backRupiah >= row.amountRupiah,
});

/** What operations call their fields, as the forms of money call them. */
const FIELDS: Readonly<Record<string, string>> = {
  amountRupiah: 'invoices.amount',
  feeRupiah: 'ledger.payout-fee',
  reference: 'ledger.payout-reference',
  reason: 'invoices.reason',
  invoice: 'payments-staff.invoice-number',
  username: 'customers.username',
  how: 'payments-staff.how',
  note: 'customer.note',
};

/** Faults with the labels of the fields that people see. */
export const labelled = (context: Context, faults: readonly string[] | undefined): readonly string[] | undefined =>
  faults?.map((line) =>
    line.replace(/^\w+(?=[: ])/, (name) => (FIELDS[name] === undefined ? name : context.t(FIELDS[name]))),
  );
