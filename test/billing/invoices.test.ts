import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { DAY, MINUTE } from '#domain/time';
import { invoicesJob } from '#jobs/invoices';
import { runSlot, slotOf } from '#jobs/run-slot';
import { addPlan } from '#operations/add-plan';
import { runInvoices } from '#operations/run-invoices';
import { saveSettings } from '#operations/settings';
import { endSubscription } from '#operations/subscriptions';
import { verifyLedger } from '#storage/ledger';
import { asNew, begin, type Company, crowd, MONTHLY, noon, openCompany } from '#test/billing/company';
import { secondNode } from '#test/operations/desk';

const CHILD = fileURLToPath(new URL('run-child.ts', import.meta.url));

let company: Company;
beforeAll(async () => {
  company = await openCompany('2026-11-01');
});
beforeEach(async () => {
  company = await asNew(company, '2026-11-01');
});
const at = (date: string) => company.desk.setClock(noon(date));
const run = () => runInvoices(company.desk);

describe('the invoice of a period', () => {
  test('is issued on the billing day, due by the settings, for the period that begins, which is covered without a gap', async () => {
    const id = await company.subscriber();
    company.desk.setClock(begin('2026-12-01') + MINUTE);
    expect(await run()).toEqual({ subscribers: 1, invoices: 1, rupiah: MONTHLY.home20, settled: 0 });
    const [, second] = await company.invoices(id);
    expect(second).toMatchObject({
      number: 'INV-2026-002',
      kind: 'period',
      totalRupiah: MONTHLY.home20,
      serviceFrom: begin('2026-12-01'),
      serviceUntil: begin('2027-01-01'),
      dueOn: '2026-12-08',
      settledAt: null,
    });
    expect(await company.lines(second!)).toEqual([['plan', 'home20 (1 Des 2026 – 31 Des 2026)', MONTHLY.home20]]);
    const [before, now] = await company.grants(id);
    expect(before).toMatchObject({ from: begin('2026-11-01'), until: begin('2026-12-01'), revokedAt: null });
    expect(now!.from).toBe(begin('2026-12-01'));
    expect((await company.subscription(id))!.nextOn).toBe('2027-01-01');
  });

  test('is not issued before its day, and once only however often the run comes', async () => {
    const id = await company.subscriber();
    company.desk.setClock(begin('2026-12-01') - 1);
    expect((await run()).subscribers).toBe(0);
    at('2026-12-01');
    await run();
    expect(await run()).toEqual({ subscribers: 0, invoices: 0, rupiah: 0, settled: 0 });
    expect(await company.invoices(id)).toHaveLength(2);
  });

  test('a run that is late leaves the line covered', async () => {
    const id = await company.subscriber();
    const [grant] = await company.grants(id);
    expect(grant!.until).toBe(begin('2026-12-01') + 2 * DAY);
  });

  test('keeps its billing day through the months', async () => {
    at('2026-12-31');
    const id = await company.subscriber('home20', { billingDay: 31 });
    for (const date of ['2027-01-31', '2027-02-28', '2027-03-31', '2027-04-30']) {
      at(date);
      await run();
    }
    const spans = (await company.invoices(id)).map(({ serviceFrom }) => serviceFrom);
    expect(spans).toEqual(['2026-12-31', '2027-01-31', '2027-02-28', '2027-03-31', '2027-04-30'].map(begin));
    expect((await company.invoices(id)).map((one) => one.number)).toEqual([
      'INV-2026-001',
      'INV-2027-001',
      'INV-2027-002',
      'INV-2027-003',
      'INV-2027-004',
    ]);
  });

  test('of months in which nothing ran are made up for, each with its own', async () => {
    const id = await company.subscriber();
    at('2027-03-10');
    expect(await run()).toMatchObject({ subscribers: 1, invoices: 4 });
    const invoices = await company.invoices(id);
    expect(invoices.map(({ serviceFrom }) => serviceFrom)).toEqual(
      ['2026-11-01', '2026-12-01', '2027-01-01', '2027-02-01', '2027-03-01'].map(begin),
    );
    const grants = await company.grants(id);
    expect(grants.map(({ from }) => from)).toEqual([begin('2026-11-01'), begin('2027-03-01')]);
    expect((await company.subscription(id))!.nextOn).toBe('2027-04-01');
  });

  test('is at the price of its day', async () => {
    const id = await company.subscriber();
    await addPlan(company.desk, { name: 'home20', down: '20M', up: '5M', period: 'month', price: '320000' });
    at('2026-12-01');
    await run();
    expect((await company.invoices(id)).map((one) => one.totalRupiah)).toEqual([300_000, 320_000]);
  });

  test('has its tax as it is set', async () => {
    await saveSettings(company.desk, 'billing', { tax: 'added', taxPercent: 11 });
    const id = await company.subscriber();
    const [invoice] = await company.invoices(id);
    expect(invoice).toMatchObject({ totalRupiah: 333_000, taxRupiah: 33_000 });
  });

  test('over nothing is none, but the line is covered', async () => {
    const id = await company.subscriber('free');
    at('2026-12-01');
    expect(await run()).toMatchObject({ subscribers: 1, invoices: 0 });
    expect(await company.invoices(id)).toEqual([]);
    expect(await company.grants(id)).toHaveLength(2);
    expect((await company.facts(id)).owesSince).toBeNull();
  });

  test('is paid at once out of credit that reaches it, and not out of less', async () => {
    const [rich, poor] = [await company.subscriber(), await company.subscriber()];
    for (const id of [rich, poor]) await company.pay(id, MONTHLY.home20, (await company.invoices(id))[0]!.publicId);
    await company.pay(rich, 310_000);
    await company.pay(poor, 299_999);
    at('2026-12-01');
    expect(await run()).toMatchObject({ subscribers: 2, invoices: 2, settled: 1 });
    expect((await company.invoices(rich))[1]!.settledAt).toBe(noon('2026-12-01'));
    expect((await company.invoices(poor))[1]!.settledAt).toBeNull();
    expect([await company.credit(rich), await company.credit(poor)]).toEqual([10_000, 299_999]);
    expect(await verifyLedger(company.desk.db)).toEqual([]);
  });

  test('does not come after the subscription ended', async () => {
    const id = await company.subscriber();
    await endSubscription(company.desk, { subscriberId: id });
    at('2026-12-01');
    expect((await run()).subscribers).toBe(0);
    expect(await company.invoices(id)).toHaveLength(1);
  });
});

describe('many subscribers', () => {
  const MANY = 630;
  let first = 0;
  beforeEach(async () => {
    first = await crowd(company.desk, MANY, company.plans.home20, '2026-12-01');
    at('2026-12-01');
  });
  const counted = async () => {
    const [row] = await company.desk.db.query<{ invoices: number; numbers: number; last: number; grants: number }>(
      `select count(*) as invoices, count(distinct number) as numbers, coalesce(max(substr(number, 10)::int), 0) as last,
              (select count(*) from grants) as grants from invoice`,
    );
    return row!;
  };
  const ALL = { invoices: MANY, numbers: MANY, last: MANY, grants: MANY };

  test('killed between any two batches and run again, and by two nodes at once: each is billed once, no number is missing', async () => {
    const killed = new AbortController();
    const seen: [number, number][] = [];
    const onProgress = (done: number, of: number) => {
      seen.push([done, of]);
      killed.abort();
    };
    expect(await runInvoices(company.desk, { signal: killed.signal, onProgress })).toMatchObject({ subscribers: 100 });
    expect(seen).toEqual([[100, MANY]]);
    const other = await secondNode(company.desk);
    const both = await Promise.all([runInvoices(company.desk), runInvoices(other)]);
    await other.db.close();
    expect(both[0]!.invoices + both[1]!.invoices).toBe(MANY - 100);
    expect(await counted()).toEqual(ALL);
  });

  test('killed at whatever instant and run again, each is billed once', async () => {
    const { db, masterKeyFile, clock } = company.desk;
    for (const batches of [1, 2]) {
      const child = spawn(process.execPath, [CHILD, db.url, masterKeyFile, String(clock())]);
      const ended = once(child, 'close');
      let seen = 0;
      child.stdout.on('data', (text: Buffer) => {
        seen += String(text).split('\n').length - 1;
        // In the middle of the batch that follows.
        if (seen >= batches) setTimeout(() => child.kill('SIGKILL'), 5);
      });
      expect(await ended).toEqual([null, 'SIGKILL']);
    }
    expect((await counted()).invoices).toBeLessThan(MANY);
    await run();
    expect(await counted()).toEqual(ALL);
    expect((await run()).subscribers).toBe(0);
  });

  test('a batch that fails leaves nothing of it behind', async () => {
    const { db } = company.desk;
    await db.execute(`create function refuse() returns trigger language plpgsql as $$ begin raise 'no disk'; end $$`);
    await db.execute(
      `create trigger refuse before update on subscription for each row when (old.subscriber_id = ${first + 150}) execute function refuse()`,
    );
    await expect(run()).rejects.toThrow('no disk');
    expect(await counted()).toEqual({ invoices: 100, numbers: 100, last: 100, grants: 100 });
    await db.execute('drop function refuse() cascade');
    await run();
    expect(await counted()).toEqual(ALL);
  });
});

describe('the job', () => {
  test('bills at the beginning of the local day and says what it did', async () => {
    await company.subscriber();
    const job = invoicesJob((signal) => runInvoices(company.desk, { signal }));
    const slot = async () => {
      const slots = slotOf(company.desk.clock(), job.everySeconds);
      return (await runSlot(company.desk.db, job, slots, new AbortController().signal)).said;
    };
    company.desk.setClock(begin('2026-12-01') - MINUTE);
    expect(await slot()).toBeNull();
    company.desk.setClock(begin('2026-12-01') + MINUTE);
    expect(await slot()).toBe('invoices: 1 of 1 subscribers, Rp 300.000, 0 paid from credit');
  });
});
