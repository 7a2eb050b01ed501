import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startOf } from '#domain/billing';
import { DAY, HOUR, type Instant } from '#domain/time';
import { addPlan } from '#operations/add-plan';
import type { Desk } from '#operations/desk';
import { runInvoices } from '#operations/run-invoices';
import { openDatabase, timestamp } from '#storage/database';
import { startEmbedded } from '#storage/embedded';
import { entities } from '#storage/entities';
import { verifyLedger } from '#storage/ledger';
import { lockDataDir } from '#storage/lock';
import { migrate } from '#storage/migrate';
import { findPlan } from '#storage/plans';
import { createMasterKey, loadMasterKey } from '#storage/secrets';
import type { Row } from '#test/bench/report';
import { crowd } from '#test/billing/company';

const LINES = 10_000;
const ZONE = 'Asia/Jakarta';

/**
 * The run of the first of a month over 10,000 postpaid lines, which had a month before: invoice, cover and the move to the
 * next period for each, one in ten paid at once out of credit, on a PostgreSQL that flushes to disk. Then the month that
 * follows twice at once, as two nodes would.
 */
export async function run(): Promise<Row[]> {
  const folder = await mkdtemp(join(tmpdir(), 'gerbang-bench-'));
  const dataDir = join(folder, 'data');
  const lock = lockDataDir(dataDir);
  const embedded = await startEmbedded(dataDir);
  await migrate(embedded.url);
  const db = openDatabase({ url: embedded.url, poolSize: 8, entities });
  try {
    const masterKeyFile = join(folder, 'master.key');
    createMasterKey(masterKeyFile);
    let now: Instant = startOf('2026-11-01', ZONE) + HOUR;
    const desk: Desk = {
      db,
      sealer: loadMasterKey(masterKeyFile),
      clock: () => now,
      zone: ZONE,
      actor: 'bench',
      publicUrl: 'https://portal.bench',
    };
    await addPlan(desk, { name: 'home', down: '20M', up: '20M', period: 'month', price: '300000' });
    await crowd(desk, LINES, (await findPlan(db, { name: 'home' }))!.planId, '2026-11-01');
    await runInvoices(desk);
    await giveCredit(desk, 10);
    await db.execute('vacuum analyze');

    now = startOf('2026-12-01', ZONE) + HOUR;
    const began = performance.now();
    const december = await runInvoices(desk, { onProgress: progress });
    const seconds = (performance.now() - began) / 1000;
    const [longest] = await db.query<{ faults: number }>(
      `select (select count(*) from subscription where next_on <> '2027-01-01')
            + (select count(*) from invoice where number not in (select 'INV-2026-' || lpad(n::text, greatest(3, length(n::text)), '0') from generate_series(1, $1::int) n))
         as faults`,
      [2 * LINES],
    );

    now += 31 * DAY;
    const again = performance.now();
    const both = await Promise.all([runInvoices(desk), runInvoices(desk)]);
    const together = (performance.now() - again) / 1000;
    const faults = longest!.faults + (await verifyLedger(db)).length;
    return [
      {
        name: 'invoices: a month of 10,000 postpaid lines',
        value: seconds,
        unit: 's',
        goal: 30,
        higherIsBetter: false,
      },
      { name: 'invoices: issued', value: december.invoices, unit: '', goal: LINES },
      { name: 'invoices: … and the month before, paid from credit at once', value: december.settled, unit: '' },
      { name: 'invoices: the next month, two nodes at once', value: together, unit: 's', higherIsBetter: false },
      { name: 'invoices: … issued by both', value: both[0]!.invoices + both[1]!.invoices, unit: '', goal: LINES },
      { name: 'invoices: wrong in numbers, periods or books', value: faults, unit: '', goal: 0, higherIsBetter: false },
    ];
  } finally {
    await db.close();
    await embedded.stop();
    lock.release();
    await rm(folder, { recursive: true, force: true });
  }
}

function progress(done: number, of: number): void {
  if (done % 2_000 === 0 || done === of) console.error(`  ${done} of ${of}`);
}

/** One in so many has what two months ask, November's and December's. */
async function giveCredit({ db, clock }: Desk, oneIn: number): Promise<void> {
  await db.execute(
    `with booked as (
       insert into ledger_transaction (day, at, kind, reference, subscriber_id)
       select '2026-11-01', $2::timestamptz, 'payment', 'payment:bench:' || id, id from subscriber where id % $1::int = 0
       returning id, subscriber_id)
     insert into ledger_entry (transaction_id, position, account, subscriber_id, amount_rupiah)
     select booked.id, entry.position, entry.account, case when entry.position = 2 then subscriber_id end, entry.amount
       from booked, (values (1, 'cash', 600000), (2, 'customer-credit', -600000)) entry (position, account, amount)`,
    [oneIn, timestamp(clock())],
  );
}
