import { randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { systemClock } from '#domain/clock';
import { nextLocalMidnight, SECOND } from '#domain/time';
import { addGrant } from '#operations/add-grant';
import { addNas } from '#operations/add-nas';
import { addPlan } from '#operations/add-plan';
import { addSubscriber } from '#operations/add-subscriber';
import type { Desk } from '#operations/desk';
import { editNas } from '#operations/edit-nas';
import { change } from '#storage/change';
import { openDatabase } from '#storage/database';
import { entities } from '#storage/entities';
import { runningServer } from '#storage/lock';
import { publishPolicy } from '#storage/policy';
import { loadMasterKey } from '#storage/secrets';
import { dialIn } from '#test/system/dial';
import { environment, gerbang, launchNode, type Node, newDataDir, type Ports, portsOf } from '#test/system/node';
import { type Mikrotik, startMikrotik } from '#test/world/mikrotik';
import { macOf } from '#test/world/router-options';
import { Attributes, encodeAccessRequest } from '#test/world/wire';

/** Usage of a day goes from a router's records to a rule that asks for it, to the live session and to the next dial. */

const SECRET = 'a-secret-of-thirty-two-octets-00';
const ZONE = 'Asia/Jakarta';
const MB = 2 ** 20;
const slowed = (share: number) => ({
  access: 'reduced',
  rate: { is: 'share', share },
  addressList: 'prepaid-active',
  attributes: [{ name: 'Filter-Id', value: '{download-kbps}/{upload-kbps}', vendor: 'accel-ppp' }],
});
const POLICY = {
  rules: [
    {
      name: 'one gigabyte a day',
      when: { is: 'fair-use', bytes: '1GB', per: { every: 'day', from: 'calendar' } },
      give: slowed(0.5),
    },
    { name: 'active', when: { is: 'covered' }, give: { ...slowed(1), access: 'full' } },
  ],
};

const dataDir = newDataDir();
let node: Node;
let ports: Ports;
let router: Mikrotik;
let desk: Desk;
let nasId: number;

beforeAll(async () => {
  node = launchNode(environment(dataDir));
  ports = await portsOf(node);
  router = await startMikrotik({ server: { host: '127.0.0.1', ...ports }, secret: SECRET, coaPort: 0 });
  const db = openDatabase({ url: runningServer(dataDir)!.databaseUrl!, poolSize: 2, entities });
  const sealer = loadMasterKey(join(dataDir, 'master.key'));
  desk = { db, sealer, clock: systemClock, zone: ZONE, actor: 'test', publicUrl: '' };
  ({ id: nasId } = await addNas(desk, {
    name: 'tower',
    address: '127.0.0.1',
    secret: SECRET,
    coaPort: router.coaPort,
  }));
  await addPlan(desk, { name: 'p20', down: '20M', up: '10M', period: '30d', price: '150000' });
  await addSubscriber(desk, { username: 'budi', password: 'rahasia-77' });
  await addGrant(desk, { username: 'budi', plan: 'p20' });
  await change(db, { actor: 'test', why: 'publish policy' }, async (tx) => {
    const how = { document: POLICY, note: '', createdBy: 'test', at: new Date() };
    await tx.markPolicy(await publishPolicy(tx, how));
  });
}, 60_000);
afterAll(async () => {
  await desk?.db.close();
  await router?.stop();
  await node?.stop();
});

const line = () => router.session('budi')!;
const explained = async (...more: string[]) =>
  (await gerbang(environment(dataDir), ['explain', 'budi', ...more])).stdout.replaceAll(/\s+/g, ' ');

/** What a NAS that is no MikroTik reads of an Access-Accept. */
async function dialled(): Promise<Attributes> {
  const about = [
    ['User-Name', 'budi'],
    ['User-Password', 'rahasia-77'],
    ['NAS-IP-Address', '127.0.0.1'],
    ['Calling-Station-Id', macOf('budi')],
  ] as const;
  const socket = createSocket('udp4');
  socket.send(encodeAccessRequest(SECRET, 7, randomBytes(16), [...about], true), ports.authPort, '127.0.0.1');
  const [reply] = (await once(socket, 'message', { signal: AbortSignal.timeout(10_000) })) as [Buffer];
  socket.close();
  return new Attributes(reply);
}

test("a line that has used the day's gigabyte is slowed down at once, until midnight, on its session and at its next dial", async () => {
  await dialIn(router, 'budi', 'rahasia-77');
  await router.until('budi has the rate of his plan', () => line().limits.downloadBps === 20e6, 20_000);
  router.use(line(), { downloadBytes: 700 * MB });
  await router.interim(line());
  router.use(line(), { downloadBytes: 400 * MB });
  await router.interim(line());
  await router.until('budi has half of it', () => line().limits.downloadBps === 10e6, 20_000);

  const now = systemClock();
  expect(await explained()).toMatch(
    /1,07 GB today, 1,07 GB this week.*used 1,07 GB today, past the fair-use step of 1 GB/,
  );
  const midnight = new Date(nextLocalMidnight(now, ZONE) + 60 * SECOND).toISOString();
  expect(await explained('--at', midnight)).toMatch(/full, 20 Mbps down, 10 Mbps up/);
  const due = async () => (await desk.db.query<{ at: number }>('select due_at as at from due'))[0]!.at;
  await expect.poll(due).toBe(nextLocalMidnight(now, ZONE));

  await router.hangUp(line());
  await router.dial('budi', 'rahasia-77', { redials: false });
  expect(line().limits.downloadBps).toBe(10e6);
}, 60_000);

test('a NAS that becomes one of another make is told in its own attributes from the next dial on', async () => {
  const before = await dialled();
  expect([before.vendorText('Mikrotik-Rate-Limit'), before.text('Filter-Id')]).toEqual(['5000k/10000k', null]);
  await editNas(desk, { id: nasId, vendor: 'accel-ppp' });
  await expect.poll(async () => (await dialled()).text('Filter-Id')).toBe('10000/5000');
  const after = await dialled();
  expect(after.vendorText('Mikrotik-Rate-Limit')).toBeNull();
  const left = (nextLocalMidnight(systemClock(), ZONE) - systemClock()) / SECOND;
  expect(Math.abs(after.number('Session-Timeout')! - Math.max(60, left))).toBeLessThan(5);
  expect(await explained('--nas', 'tower')).toMatch(/A dial at tower is answered .* Filter-Id 10000\/5000 /);
}, 60_000);
