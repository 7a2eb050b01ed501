import { beforeAll, describe, expect, test } from 'vitest';
import { DAY, HOUR } from '#domain/time';
import { booksJob } from '#jobs/books';
import { closeBooks } from '#operations/close-books';
import { recognise } from '#operations/recognise';
import { closedDays } from '#storage/ledger';
import { NOW, openTill, type Till } from '#test/books/till';
import { secondNode } from '#test/operations/desk';

let till: Till;
beforeAll(async () => {
  till = await openTill();
});

/** Of 111,000 with 11 % inside. */
const NET = 100_000;
const MIDNIGHT = Date.parse('2026-11-21T17:00:00Z');

describe('what was paid in advance is earned day by day', () => {
  test('nothing before it is paid; then the share of the span that has passed, and all of it at the end', async () => {
    await till.reset();
    const { desk } = till;
    const { id } = await till.subscriber();
    desk.setClock(MIDNIGHT);
    const invoice = await till.invoice(id);
    desk.setClock(MIDNIGHT + DAY);
    expect(await recognise(desk)).toMatchObject({ day: '2026-11-22', invoices: 0 });
    await till.pay(invoice);
    expect(await till.account('deferred-revenue')).toBe(NET);
    desk.setClock(MIDNIGHT + 3 * DAY);
    expect(await recognise(desk)).toEqual({ day: '2026-11-24', invoices: 1, rupiah: 30_000 });
    expect([await till.account('revenue'), await till.account('deferred-revenue')]).toEqual([30_000, 70_000]);
    desk.setClock(MIDNIGHT + 40 * DAY);
    expect(await recognise(desk)).toMatchObject({ invoices: 1, rupiah: 70_000 });
    desk.setClock(MIDNIGHT + 41 * DAY);
    expect(await recognise(desk)).toMatchObject({ invoices: 0, rupiah: 0 });
    expect([await till.account('revenue'), await till.account('deferred-revenue')]).toEqual([NET, 0]);
    expect(await till.account('tax-payable')).toBe(11_000);
    expect(await till.faults()).toEqual([]);
  });

  test('twice in a night, by two nodes at once, and later on the same day, it is booked once', async () => {
    await till.reset();
    const { desk } = till;
    const { id } = await till.subscriber();
    desk.setClock(MIDNIGHT);
    await till.pay(await till.invoice(id));
    desk.setClock(MIDNIGHT + DAY + 5 * HOUR);
    const other = await secondNode(desk);
    const all = await Promise.all([recognise(desk), recognise(other), recognise(desk), recognise(other)]);
    await other.db.close();
    expect(all.map(({ rupiah }) => rupiah).sort((one, two) => one - two)).toEqual([0, 0, 0, 10_000]);
    desk.setClock(MIDNIGHT + DAY + 20 * HOUR);
    expect((await recognise(desk)).rupiah).toBe(0);
    const booked = await desk.db.query(`select reference, day from ledger_transaction where kind = 'recognised'`);
    expect(booked).toEqual([{ reference: 'recognised:2026-11-22', day: '2026-11-22' }]);
  });

  test('what somebody was changing just then is earned the night after, with what that adds', async () => {
    await till.reset();
    const { desk } = till;
    const { id } = await till.subscriber();
    desk.setClock(MIDNIGHT);
    const [first, late] = [await till.invoice(id), await till.invoice(id)];
    await till.pay(first);
    await till.pay(late);
    // As if it had been left out of the first night.
    await desk.db.execute('update invoice set settled_at = $2::timestamptz where id = $1', [late.id, '2027-01-01']);
    desk.setClock(MIDNIGHT + DAY);
    expect((await recognise(desk)).rupiah).toBe(10_000);
    await desk.db.execute('update invoice set settled_at = issued_at where id = $1', [late.id]);
    expect((await recognise(desk)).rupiah).toBe(0);
    desk.setClock(MIDNIGHT + 2 * DAY);
    expect((await recognise(desk)).rupiah).toBe(30_000);
    expect(await till.faults()).toEqual([]);
  });

  test('to the rupiah at the end of every span, whatever its length and its amount', async () => {
    await till.reset();
    const { desk } = till;
    const { id } = await till.subscriber();
    const lengths = [HOUR, 7 * HOUR, DAY, 3 * DAY + 1, 10 * DAY - 7];
    let net = 0;
    for (const [at, length] of lengths.entries()) {
      const invoice = await till.invoice(id, { rupiah: 99_991 + 7 * at, from: NOW, until: NOW + length });
      net += invoice.totalRupiah - invoice.taxRupiah;
      await till.pay(invoice);
    }
    for (let day = 1; day <= 11; day += 1) {
      desk.setClock(NOW + day * DAY);
      await recognise(desk);
    }
    expect(await till.account('revenue')).toBe(net);
    expect(await till.account('deferred-revenue')).toBe(0);
  });

  test('what has no span is earned when it is paid', async () => {
    await till.reset();
    const { id } = await till.subscriber();
    await till.pay(await till.invoice(id, { spanless: true }));
    till.desk.setClock(NOW + DAY);
    expect((await recognise(till.desk)).rupiah).toBe(NET);
  });
});

describe('the night', () => {
  test('books what was earned of the day, then closes it with it, and whoever asks again finds it done', async () => {
    await till.reset();
    const { desk } = till;
    const { id } = await till.subscriber();
    await till.pay(await till.invoice(id));
    desk.setClock(NOW + 3 * DAY);
    const { days } = await closeBooks(desk);
    expect(days.map(({ day, transactions }) => [day, transactions])).toEqual([
      ['2026-11-21', 2],
      ['2026-11-23', 1],
    ]);
    expect((await closeBooks(desk)).days).toEqual([]);
    expect(await till.faults()).toEqual([]);
    expect((await closedDays(desk.db, 1))[0]).toMatchObject({ day: '2026-11-23', closedAt: NOW + 3 * DAY });
  });

  test('the job does it once each local day, from local midnight on, and says the seals to the log', async () => {
    await till.reset();
    const { desk } = till;
    const { id } = await till.subscriber();
    await till.pay(await till.invoice(id));
    const job = booksJob(desk.clock, desk.zone, () => closeBooks(desk));
    const run = () => job.run(new AbortController().signal);
    expect(await run()).toBeNull();
    desk.setClock(MIDNIGHT - 1);
    expect(await run()).toBeNull();
    desk.setClock(MIDNIGHT);
    expect(await run()).toMatch(/^\d+ rupiah of 1 invoices earned .* closed 2026-11-21: 3 transactions, [0-9a-f]{64}$/);
    expect(await run()).toBeNull();
  });

  test('what fails is done when it is tried again', async () => {
    let broken = true;
    let closings = 0;
    const job = booksJob(till.desk.clock, till.desk.zone, async () => {
      if (broken) throw new Error('no disk');
      closings += 1;
      return { recognised: { day: '2026-11-21', invoices: 1, rupiah: 5 }, days: [] };
    });
    await expect(job.run(new AbortController().signal)).rejects.toThrow('no disk');
    broken = false;
    expect(await job.run(new AbortController().signal)).toContain('5 rupiah of 1 invoices');
    expect(await job.run(new AbortController().signal)).toBeNull();
    expect(closings).toBe(1);
  });
});
