import { InvalidInput } from '#domain/errors';
import { printRupiah } from '#domain/print';
import { closeBooks } from '#operations/close-books';
import type { Command } from '#policy-server/cli/command';
import { table } from '#policy-server/cli/table';
import { balances, closedDays, verifyLedger } from '#storage/ledger';

export const ledgerBalances: Command = {
  name: 'ledger balances',
  summary: 'Show the sum of every account, debit above zero',
  run: async ({ db }) => {
    const rows = [...(await balances(db))].map(([account, rupiah]) => ({ account, rupiah }));
    const total = rows.reduce((sum, { rupiah }) => sum + rupiah, 0);
    const columns = [
      { title: 'account', cell: (row: (typeof rows)[number]) => row.account },
      { title: 'balance', cell: (row: (typeof rows)[number]) => printRupiah(row.rupiah), align: 'right' as const },
    ];
    const text = table(rows, columns, 'Nothing is booked yet.');
    return {
      text: rows.length === 0 ? text : `${text}\nAll together: ${printRupiah(total)}`,
      json: { accounts: rows, total },
    };
  },
};

export const ledgerVerify: Command = {
  name: 'ledger verify',
  summary: 'Check that every sum is zero and every closed day is as it was closed',
  run: async ({ db }) => {
    const faults = await verifyLedger(db);
    if (faults.length > 0) throw new InvalidInput(faults);
    const [last] = await closedDays(db, 1);
    const closed =
      last === undefined ? 'no day is closed yet' : `closed until ${last.day}, ${last.hash.toString('hex')}`;
    const text = `The books are right; ${closed}.`;
    return { text, json: { faults, last: last === undefined ? null : { ...last, hash: last.hash.toString('hex') } } };
  },
};

export const ledgerClose: Command = {
  name: 'ledger close',
  summary: 'Book what was earned and close the days before today, as each night does',
  run: async (office) => {
    const { recognised, days } = await closeBooks(office);
    const closed = days.map(({ day, transactions, hash }) => ({ day, transactions, hash: hash.toString('hex') }));
    const lines = [
      `Earned by the end of ${recognised.day}: ${printRupiah(recognised.rupiah)} of ${recognised.invoices} invoices.`,
      ...closed.map(({ day, transactions, hash }) => `Closed ${day}: ${transactions} transactions, ${hash}`),
    ];
    if (closed.length === 0) lines.push('No day was left to close.');
    return { text: lines.join('\n'), json: { recognised, closed } };
  },
};
