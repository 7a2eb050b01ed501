import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { monotonicMs } from '#domain/clock';
import { resume } from '#operations/resume';
import { suspend } from '#operations/suspend';
import { testDatabase } from '#test/support/database';
import { type Cluster, PASSWORD, SECRET, soon, startCluster } from '#test/system/cluster';
import { dialIn, papDial } from '#test/system/dial';
import type { Mikrotik } from '#test/world/mikrotik';

const TAKEN_OVER_MS = 10_000;
let cluster: Cluster;
let router: Mikrotik;

beforeAll(async () => {
  const { url } = await testDatabase();
  cluster = await startCluster(url, 2);
  router = await cluster.router();
});
afterAll(async () => {
  await router.stop();
  await cluster.stop();
});

const dials = (username: string) =>
  Promise.all(cluster.nodes.map(({ ports }) => papDial(ports.authPort, SECRET, username, PASSWORD)));
const both = (username: string, expected: object) =>
  vi.waitFor(async () => expect(await dials(username)).toMatchObject([expected, expected]), soon);
const signal = (at: number, name: NodeJS.Signals) => cluster.nodes[at]!.node.child.kill(name);
const rows = <Row extends object>(text: string, values: unknown[] = []) => cluster.desk.db.query<Row>(text, values);
const held = async () =>
  (await rows<{ held: number }>('select count(*) as held from due where claimed_until > now()'))[0]!.held;
const usedBy = async (names: readonly string[]) =>
  (
    await rows<{ used: number }>(
      'select used_bytes as used from grants join subscriber s on s.id = subscriber_id where username = any ($1) order by username',
      [names],
    )
  ).map(({ used }) => used);

test('two nodes on one database give the same answer, and both see a change at once', async () => {
  expect(cluster.nodes.map(({ node }) => /one-time password/.test(node.output())).sort()).toEqual([false, true]);
  const [budi] = await cluster.subscribers('budi', 1);
  await both(budi!, { rateLimit: '10000k/20000k' });
  await suspend(cluster.desk, budi!);
  await both(budi!, { code: 'Access-Reject' });
  await resume(cluster.desk, budi!);
  await both(budi!, { rateLimit: '10000k/20000k' });
});

test('a change is seen by all though their listeners were just dropped', async () => {
  const [ayu] = await cluster.subscribers('ayu', 1);
  await both(ayu!, { rateLimit: '10000k/20000k' });
  const [dropped] = await rows<{ count: number }>(
    `select count(pg_terminate_backend(pid)) from pg_stat_activity where datname = current_database() and application_name = 'gerbang listener'`,
  );
  expect(dropped!.count).toBeGreaterThan(3);
  const at = monotonicMs();
  await suspend(cluster.desk, ayu!);
  await both(ayu!, { code: 'Access-Reject' });
  // Sooner than the look each 5 s, which would see it in any case.
  expect(monotonicMs() - at).toBeLessThan(4_000);
});

/** Sessions that have to end, claimed by the first node, whose words do not get through. */
async function workFor(names: readonly string[], before = async () => {}): Promise<void> {
  for (const name of names) await dialIn(router, name, PASSWORD);
  await expect
    .poll(() => rows('select from session where username = any ($1)', [names]), soon)
    .toHaveLength(names.length);
  await expect.poll(held, soon).toBe(0);
  router.options.incoming.accept = false;
  await before();
  signal(1, 'SIGSTOP');
  for (const name of names) await suspend(cluster.desk, name);
  await expect.poll(held, soon).toBe(names.length);
}

const disconnects = (names: readonly string[]) =>
  names.map((name) => router.recent.filter((event) => event.kind === 'disconnect' && event.username === name).length);

describe('the work of a node', () => {
  test('that stands still is taken over within 10 s, and nobody is told twice when it goes on', async () => {
    const names = await cluster.subscribers('still', 6);
    await workFor(names);
    signal(0, 'SIGSTOP');
    router.options.incoming.accept = true;
    const at = monotonicMs();
    signal(1, 'SIGCONT');
    await expect.poll(() => router.sessions().length, soon).toBe(0);
    expect(monotonicMs() - at).toBeLessThan(TAKEN_OVER_MS);
    signal(0, 'SIGCONT');
    await expect.poll(held, soon).toBe(0);
    await expect.poll(() => rows('select from session where ended_at is null'), soon).toHaveLength(0);
    expect(disconnects(names)).toEqual(names.map(() => 1));
    expect(await rows('select username from session where username = any ($1)', [names])).toHaveLength(names.length);
  });

  test('that is killed is taken over within 10 s; its router asks the other; what it acknowledged is not lost', async () => {
    const names = await cluster.subscribers('kill', 6);
    const lasting = await cluster.subscribers('lasting', 2);
    for (const name of lasting) await router.dial(name, PASSWORD);
    // The first node acknowledges what it cannot apply: the journal's place in the database is held.
    const letGo = Promise.withResolvers<void>();
    let holding: Promise<void> = Promise.resolve();
    await workFor(names, () => {
      const locked = Promise.withResolvers<void>();
      holding = cluster.desk.db.transaction(async (tx) => {
        await tx.query('lock table journal_position in exclusive mode');
        locked.resolve();
        await letGo.promise;
      });
      return Promise.race([locked.promise, holding]);
    });
    const [one, two] = lasting.map((name) => router.session(name)!);
    router.use(one!, { downloadBytes: 3_000_000, uploadBytes: 1_000_000 });
    router.use(two!, { downloadBytes: 500_000 });
    expect(await Promise.all([router.interim(one!), router.hangUp(two!)])).toEqual([true, true]);
    signal(0, 'SIGKILL');
    router.options.incoming.accept = true;
    letGo.resolve();
    await holding;
    const at = monotonicMs();
    signal(1, 'SIGCONT');
    await expect.poll(() => names.filter((name) => router.session(name) !== null), soon).toEqual([]);
    expect(monotonicMs() - at).toBeLessThan(TAKEN_OVER_MS);
    expect(disconnects(names)).toEqual(names.map(() => 1));
    // The router finds the second server after its tries at the first, and the line is served as before.
    router.use(one!, { downloadBytes: 2_000_000 });
    expect(await router.interim(one!)).toBe(true);
    const again = await router.dial(lasting[1]!, PASSWORD);
    expect(again).toMatchObject({ state: 'up', rateLimit: '10000k/20000k' });
    router.use(again, { uploadBytes: 70_000 });
    expect(await router.interim(again)).toBe(true);
    // What only the dead node's journal knows comes when it is back, and counts once.
    await expect.poll(() => usedBy(lasting), soon).toEqual([6_000_000, 70_000]);
    await cluster.start({}, cluster.nodes[0]!);
    await expect.poll(() => usedBy(lasting), soon).toEqual([6_000_000, 570_000]);
    expect(await rows(`select cause from session where username = $1 and ended_at is not null`, [lasting[1]])).toEqual([
      { cause: 'User-Request' },
    ]);
  });
});
