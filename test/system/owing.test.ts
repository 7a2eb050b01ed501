import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { systemClock } from '#domain/clock';
import { DAY, localDate, MINUTE, SECOND } from '#domain/time';
import { addGrant } from '#operations/add-grant';
import { addNas } from '#operations/add-nas';
import { addPlan } from '#operations/add-plan';
import { addSubscriber } from '#operations/add-subscriber';
import type { Desk } from '#operations/desk';
import { openPaymentWindow } from '#operations/open-payment-window';
import { receivePayment } from '#operations/receive-payment';
import { change } from '#storage/change';
import { openDatabase } from '#storage/database';
import { entities } from '#storage/entities';
import { lockInvoice } from '#storage/invoices';
import { runningServer } from '#storage/lock';
import { loadMasterKey } from '#storage/secrets';
import { owe, waitingPayment } from '#test/operations/owing';
import { dialIn } from '#test/system/dial';
import { environment, gerbang, launchNode, type Node, newDataDir, portsOf } from '#test/system/node';
import { type Mikrotik, startMikrotik } from '#test/world/mikrotik';

/**
 * What is owed and paid reaches the running server by the feed alone: the RADIUS workers answer the next dial by it, and
 * live sessions are told at the very instant at which it begins to matter. No job has a part in it.
 */

const SECRET = 'a-secret-of-thirty-two-octets-00';
const [FULL, WALLED, PAYING] = [20_000_000, 128_000, 1_000_000];
/** A step that waited for a job would take minutes. */
const AT_ONCE_MS = 2_500;

const dataDir = newDataDir();
let node: Node;
let router: Mikrotik;
let desk: Desk;
let budi: number;

beforeAll(async () => {
  node = launchNode(environment(dataDir));
  const { authPort, acctPort } = await portsOf(node);
  router = await startMikrotik({ server: { host: '127.0.0.1', authPort, acctPort }, secret: SECRET, coaPort: 0 });
  const db = openDatabase({ url: runningServer(dataDir)!.databaseUrl!, poolSize: 2, entities });
  const sealer = loadMasterKey(join(dataDir, 'master.key'));
  desk = { db, sealer, clock: systemClock, zone: 'Asia/Jakarta', actor: 'test', publicUrl: '' };
  await addNas(desk, { name: 'tower', address: '127.0.0.1', secret: SECRET, coaPort: router.coaPort });
  await addPlan(desk, { name: 'p20', down: '20M', up: '20M', period: '30d', price: '150000' });
  ({ id: budi } = await addSubscriber(desk, { username: 'budi', password: 'rahasia-77', billing: 'postpaid' }));
  await addGrant(desk, { username: 'budi', plan: 'p20' });
}, 60_000);
afterAll(async () => {
  await desk?.db.close();
  await router?.stop();
  await node?.stop();
});

const line = () => router.session('budi')!;
const isAt = (bps: number, list: string) =>
  router.until(
    `budi has ${bps} bit/s in ${list}`,
    () => line().limits.downloadBps === bps && line().addressLists.join() === list,
    20_000,
  );
const dialled = async () => {
  await router.hangUp(line());
  await router.dial('budi', 'rahasia-77', { redials: false });
  const { state, limits, addressLists } = line();
  return { state, bps: limits.downloadBps, lists: addressLists };
};
const explained = async () => (await gerbang(environment(dataDir), ['explain', 'budi'])).stdout.replaceAll('\n', ' ');
/** Time cannot be hurried; what was written can have been written earlier. */
const since = (table: 'invoice' | 'payment_opening', column: 'due_at' | 'opened_at', at: number) =>
  change(desk.db, { actor: 'test', why: 'time passes' }, async (tx) => {
    await tx.query(`update ${table} set ${column} = $1::timestamptz`, [new Date(at).toISOString()]);
    await tx.mark([budi]);
  });

test('a postpaid line is closed three days after its invoice was due, opened to pay for a while, and open once it is paid', async () => {
  await dialIn(router, 'budi', 'rahasia-77');
  await isAt(FULL, 'prepaid-active');

  const { id } = await owe(desk, budi, { dueOn: localDate(systemClock() - 2 * DAY, desk.zone), plan: 'p20' });
  const closes = systemClock() + 3 * SECOND;
  await since('invoice', 'due_at', closes - 3 * DAY);
  expect(await dialled()).toEqual({ state: 'up', bps: FULL, lists: ['prepaid-active'] });
  await isAt(WALLED, 'prepaid-no-package');
  expect(systemClock() - closes).toBeGreaterThanOrEqual(0);
  expect(systemClock() - closes).toBeLessThan(AT_ONCE_MS);
  expect(await dialled()).toEqual({ state: 'up', bps: WALLED, lists: ['prepaid-no-package'] });

  expect(await explained()).toMatch(/owes since .*rule "overdue"/);
  await waitingPayment(desk, budi);
  let asked = systemClock();
  await openPaymentWindow({ ...desk, actor: `subscriber:${budi}` }, { subscriberId: budi });
  await isAt(PAYING, 'prepaid-paying');
  expect(systemClock() - asked).toBeLessThan(AT_ONCE_MS);
  expect(await dialled()).toEqual({ state: 'up', bps: PAYING, lists: ['prepaid-paying'] });
  expect(await explained()).toMatch(/open to pay until .*rule "overdue, paying"/);
  const shuts = systemClock() + 2 * SECOND;
  await since('payment_opening', 'opened_at', shuts - 15 * MINUTE);
  await isAt(WALLED, 'prepaid-no-package');
  expect(systemClock() - shuts).toBeGreaterThanOrEqual(0);
  expect(systemClock() - shuts).toBeLessThan(AT_ONCE_MS);

  asked = systemClock();
  await change(desk.db, { actor: 'test', why: 'payment', subscriberId: budi }, async (tx) => {
    const invoice = (await lockInvoice(tx, id))!;
    const money = { subscriberId: budi, invoice, gateway: null, method: 'cash', receivedAt: asked };
    await receivePayment(tx, desk, { ...money, amountRupiah: invoice.owedRupiah });
  });
  await isAt(FULL, 'prepaid-active');
  expect(systemClock() - asked).toBeLessThan(AT_ONCE_MS);
  expect(await dialled()).toEqual({ state: 'up', bps: FULL, lists: ['prepaid-active'] });
}, 60_000);
