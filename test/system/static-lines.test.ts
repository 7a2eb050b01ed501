import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { systemClock } from '#domain/clock';
import { MINUTE, SECOND } from '#domain/time';
import { openPaymentWindow } from '#operations/open-payment-window';
import { change } from '#storage/change';
import type { Database } from '#storage/database';
import { installationId } from '#storage/installation';
import { loadMasterKey, nasApiPasswordAad } from '#storage/secrets';
import { setStaticAddresses } from '#storage/static-addresses';
import { waitingPayment } from '#test/operations/owing';
import { testDatabase } from '#test/support/database';
import { environment, gerbang, launchNode, type Node, newDataDir, type Ports, portsOf } from '#test/system/node';
import { type RouterOsApi, startRouterOsApi } from '#test/world/routeros-api';

const soon = { timeout: 30_000, interval: 20 };
let env: Record<string, string>;
let db: Database;
let node: Node;
let ports: Ports;
let router: RouterOsApi;

beforeAll(async () => {
  router = await startRouterOsApi({ user: 'gerbang', password: 'rahasia', tls: true });
  db = await testDatabase();
  env = environment(newDataDir(), { DATABASE_URL: db.url, RADIUS_WORKERS: '1' });
  node = launchNode(env);
  ports = await portsOf(node);
  const run = (...args: string[]) => gerbang(env, args);
  await run('nas', 'add', '--name', 'tower', '--address', '127.0.0.1', '--secret', 'a-secret-of-thirty-two-octets-00');
  await run('plan', 'add', '--name', 'p20', '--down', '20M', '--up', '10M', '--period', '30d', '--price', '75000');
  await run('subscriber', 'add', '--username', 'budi', '--password', 'rahasia-77');
  const [nas] = await db.query<{ id: number }>('select id from nas');
  const sealed = loadMasterKey(`${env.DATA_DIR}/master.key`).seal('rahasia', nasApiPasswordAad(nas!.id));
  await db.execute(`update nas set api_port = $1, api_user = 'gerbang', api_password_sealed = $2`, [
    router.port,
    sealed,
  ]);
  const [budi] = await db.query<{ id: number }>('select id from subscriber');
  await change(db, { actor: 'test', why: 'edit' }, (tx) => setStaticAddresses(tx, budi!.id, nas!.id, ['10.1.2.3']));
});
afterAll(async () => {
  await node.stop();
  await router.stop();
});

const isIn = (list: string) => vi.waitFor(() => expect(router.listsOf('10.1.2.3')).toEqual([list]), soon);

test('a static line is walled on its router, bought free, and suspended again; explain and metrics tell', async () => {
  await isIn('prepaid-no-package');
  const [budi] = await db.query<{ id: number }>('select id from subscriber');
  expect(router.lists()).toMatchObject([{ comment: `gerbang:${await installationId(db)}:${budi!.id}` }]);
  await opensToPay(budi!.id);
  await gerbang(env, ['grant', 'add', '--username', 'budi', '--plan', 'p20']);
  await isIn('prepaid-active');
  const explained = async () => (await gerbang(env, ['explain', 'budi'])).stdout;
  await vi.waitFor(
    async () => expect(await explained()).toContain('10.1.2.3 on tower is in prepaid-active: as decided'),
    soon,
  );
  await gerbang(env, ['suspend', 'budi']);
  await isIn('prepaid-no-package');
  const metrics = async () => (await fetch(`http://127.0.0.1:${ports.httpPort}/metrics`)).text();
  await vi.waitFor(async () => {
    const text = await metrics();
    expect(text).toMatch(/^gerbang_api_connected\{nas="tower"\} 1$/m);
    expect(text).toMatch(/^gerbang_static_addresses\{nas="tower"\} 1$/m);
    expect(text).toMatch(/^gerbang_static_differing\{nas="tower"\} 0$/m);
    expect(text).toMatch(/^gerbang_api_commands_total\{nas="tower"\} [1-9]/m);
  }, soon);
}, 100_000);

/** With a payment that waits its address is in the list of payment windows, and comes back from there by itself. */
async function opensToPay(subscriberId: number): Promise<void> {
  const sealer = loadMasterKey(`${env.DATA_DIR}/master.key`);
  const desk = { db, sealer, clock: systemClock, zone: 'Asia/Jakarta', actor: 'test', publicUrl: '' };
  await waitingPayment(desk, subscriberId);
  await openPaymentWindow(desk, { subscriberId });
  await isIn('prepaid-paying');
  await change(db, { actor: 'test', why: 'time passes' }, async (tx) => {
    const opened = new Date(systemClock() - 15 * MINUTE + SECOND).toISOString();
    await tx.query('update payment_opening set opened_at = $1::timestamptz', [opened]);
    await tx.mark([subscriberId]);
  });
  await isIn('prepaid-no-package');
}

test('a router that hangs does not keep the program from stopping', async () => {
  await gerbang(env, ['suspend', 'budi']);
  await isIn('prepaid-no-package');
  await router.fault({ is: 'hang' });
  await gerbang(env, ['resume', 'budi']);
  await router.until('it is asked', () => router.commands.at(-1)?.includes('=list=prepaid-active'), 25_000);
  const began = performance.now();
  expect(await node.stop()).toMatchObject({ code: 0 });
  expect(performance.now() - began).toBeLessThan(8_000);
}, 60_000);
