import { beforeAll, describe, expect, test } from 'vitest';
import { DAY } from '#domain/time';
import type { Command, Office } from '#policy-server/cli/command';
import { invoiceList, invoicePay, invoiceShow, invoiceVoid } from '#policy-server/cli/invoice';
import { ledgerBalances, ledgerClose, ledgerVerify } from '#policy-server/cli/ledger';
import { readArguments } from '#policy-server/cli/usage';
import { readConfig } from '#policy-server/config';
import { NOW, openTill, type Till } from '#test/books/till';
import { faults } from '#test/operations/desk';

let till: Till;
let office: Office;
beforeAll(async () => {
  till = await openTill();
  const config = readConfig({});
  office = { ...till.desk, config };
});

/** What a line at the command line says; its faults of usage are thrown. */
async function run(command: Command, ...words: string[]): Promise<string> {
  const { given, faults: usage } = readArguments(command, words);
  const wrong = [...usage, ...(command.check?.(given, office.zone) ?? [])];
  if (wrong.length > 0) throw new Error(wrong.join('\n'));
  return (await command.run(office, given)).text;
}

describe('gerbang invoice', () => {
  test('lists, shows, takes money and credit notes, and makes void', async () => {
    expect(await run(invoiceList)).toBe('none');
    const { id, username } = await till.subscriber();
    const [first, second] = [await till.invoice(id), await till.invoice(id)];
    await till.invoice((await till.subscriber()).id);
    expect((await run(invoiceList, '--username', username)).split('\n')).toHaveLength(3);
    await expect(run(invoiceList, '--state', 'lost')).rejects.toThrow('--state lost is not usable; give unpaid');
    expect(await run(invoicePay, first.number, '--method', 'cash', '--amount', '100.000')).toBe(
      'It is credit of the customer until the rest is there; credit now Rp 100.000.',
    );
    expect(await run(invoicePay, first.number, '--method', 'credit-note', '--amount', '11000', '--note', 'mati')).toBe(
      `Credit note CN-2026-001 takes Rp 11.000 off ${first.number}; the customer has Rp 0 of credit.`,
    );
    expect(await run(invoiceShow, first.number.toLowerCase())).toMatch(
      /state +paid\n[\s\S]*credited +Rp 11\.000 {2}CN-2026-001: mati\npaid +Rp 100\.000/,
    );
    expect(await run(invoiceVoid, second.number, '--reason', 'salah')).toBe(`Invoice ${second.number} is void.`);
    expect(await run(invoiceVoid, second.number, '--reason', 'salah')).toContain('was void before');
    expect(await run(invoiceList, '--state', 'paid')).toContain(first.number);
    expect(await run(invoiceList, '--state', 'void')).not.toContain(first.number);
  });

  test('says what is wanting before it looks into the database', async () => {
    await expect(run(invoicePay, 'INV-1', '--method', 'credit-note')).rejects.toThrow(
      /amountRupiah: missing[\s\S]*reason: missing/,
    );
    await expect(run(invoicePay, 'INV-1', '--method', 'gold')).rejects.toThrow('method "gold" is not usable');
    await expect(run(invoiceVoid, 'INV-1')).rejects.toThrow('--reason');
    expect(await faults(run(invoiceShow, 'INV-1'))).toEqual(['there is no invoice INV-1; see: invoice list']);
  });
});

describe('gerbang ledger', () => {
  test('shows the balances, closes the days, and finds what is not as it was', async () => {
    await till.reset();
    expect(await run(ledgerBalances)).toBe('Nothing is booked yet.\nAll together: Rp 0'.split('\n')[0]);
    expect(await run(ledgerVerify)).toBe('The books are right; no day is closed yet.');
    await till.pay(await till.invoice((await till.subscriber()).id));
    expect(await run(ledgerBalances)).toMatch(/clearing:midtrans +Rp 111\.000\n[\s\S]*All together: Rp 0$/);
    till.desk.setClock(NOW + DAY);
    expect(await run(ledgerClose)).toMatch(
      /^Earned by the end of 2026-11-21: Rp [\d.]+ of 1 invoices\.\nClosed 2026-11-21: 3 transactions, [0-9a-f]{64}$/,
    );
    expect(await run(ledgerClose)).toContain('No day was left to close.');
    expect(await run(ledgerVerify)).toMatch(/^The books are right; closed until 2026-11-21, [0-9a-f]{64}\.$/);
    await till.desk.db.transaction(async (tx) => {
      await tx.query(`set local session_replication_role = 'replica'`);
      await tx.execute('update ledger_entry set amount_rupiah = amount_rupiah * 2');
    });
    expect(await faults(run(ledgerVerify))).toEqual(['2026-11-21 is not as it was closed: 3 transactions then, 3 now']);
  });
});
