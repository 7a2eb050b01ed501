import { afterAll, beforeAll, expect, test } from 'vitest';
import { systemClock } from '#domain/clock';
import { HOUR, MINUTE } from '#domain/time';
import { suspend } from '#operations/suspend';
import { mark } from '#storage/change';
import { timestamp } from '#storage/database';
import { findSubscriber } from '#storage/subscribers';
import { testDatabase } from '#test/support/database';
import { type Cluster, type ClusterNode, PASSWORD, SECRET, soon, startCluster } from '#test/system/cluster';
import { papDial } from '#test/system/dial';
import { gerbang } from '#test/system/node';
import type { Mikrotik } from '#test/world/mikrotik';

/** A machine whose clock is off by so many hours, in every thread of the program. */
const clockOff = (hours: number): Record<string, string> => ({
  NODE_OPTIONS: `--import data:text/javascript,${encodeURIComponent(`const now=Date.now;Date.now=()=>now()+${hours}*36e5`)}`,
});

let cluster: Cluster;
let router: Mikrotik;
let ahead: ClusterNode;
let behind: ClusterNode;

beforeAll(async () => {
  const { url } = await testDatabase();
  cluster = await startCluster(url, 0);
  [ahead, behind] = await Promise.all([cluster.start(clockOff(25)), cluster.start(clockOff(-25))]);
  router = await cluster.router();
});
afterAll(async () => {
  await router.stop();
  await cluster.stop();
});

test('nodes whose clocks are 25 h ahead and behind decide as of now, and say what is wrong', async () => {
  const says = await Promise.all([
    ahead.node.says(/machine's clock is (\d+) s ahead of the database's/),
    behind.node.says(/clock is (\d+) s behind the database's/),
  ]);
  for (const [, seconds] of says) expect(Math.abs(Number(seconds) - 25 * 3600)).toBeLessThan(60);
  const { db } = cluster.desk;
  // One whose cover ends within those hours, and one whose cover begins within them.
  const [ends, begins] = (await cluster.subscribers('s', 2)) as [string, string];
  const move = (name: string, from: number, until: number) =>
    db.query(
      `update grants set starts_at = $2::timestamptz, ends_at = $3::timestamptz from subscriber s where s.id = subscriber_id and username = $1`,
      [name, timestamp(systemClock() + from), timestamp(systemClock() + until)],
    );
  await move(ends, -20 * HOUR, 10 * HOUR);
  await move(begins, 10 * HOUR, 20 * HOUR);
  await mark(
    db,
    (await db.query<{ id: number }>('select id from subscriber')).map(({ id }) => id),
  );
  const dials = (name: string) =>
    Promise.all(cluster.nodes.map(({ ports }) => papDial(ports.authPort, SECRET, name, PASSWORD)));
  await expect.poll(() => dials(ends), soon).toMatchObject([{ list: 'prepaid-active' }, { list: 'prepaid-active' }]);
  await expect
    .poll(() => dials(begins), soon)
    .toMatchObject([{ list: 'prepaid-no-package' }, { list: 'prepaid-no-package' }]);

  // Accounting is dated by the same time, and what is due is due now: by the one behind alone, too.
  const session = await router.dial(ends, PASSWORD, { redials: false });
  const started = async () => (await db.query<{ at: number }>('select started_at as at from session'))[0]?.at ?? 0;
  await expect.poll(async () => Math.abs((await started()) - systemClock()), soon).toBeLessThan(MINUTE);
  ahead.node.child.kill('SIGSTOP');
  await suspend(cluster.desk, ends);
  await expect.poll(() => session.state, soon).toBe('ended');
  expect(router.counts.coaNaks).toBe(0);
});

test('a command on such a machine says so, and what it does is dated as of now', async () => {
  const [name] = (await cluster.subscribers('c', 1)) as [string];
  const ran = await gerbang({ ...ahead.env, ...clockOff(25) }, ['suspend', name]);
  expect([ran.code, ran.stderr]).toEqual([0, expect.stringMatching(/clock is \d+ s ahead of the database's/)]);
  const { suspendedAt } = (await findSubscriber(cluster.desk.db, name))!;
  expect(Math.abs(suspendedAt! - systemClock())).toBeLessThan(MINUTE);
});
