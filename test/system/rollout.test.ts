import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { defaultPolicy } from '#domain/policy';
import { onlyPolicy, policyFor } from '#domain/rollout';
import { rollBack, rolloutStatus, startRollout } from '#operations/publish-policy';
import { currentPolicies, insertRevision } from '#storage/policy';
import { testDatabase } from '#test/support/database';
import { type Cluster, PASSWORD, SECRET, soon, startCluster } from '#test/system/cluster';
import { papDial } from '#test/system/dial';
import type { Mikrotik } from '#test/world/mikrotik';

const FULL = { dial: '10000k/20000k', queue: '10000000/20000000' };
const HALF = { dial: '5000k/10000k', queue: '5000000/10000000' };

let cluster: Cluster;
let router: Mikrotik;
let online: string[];
let offline: string[];
const ids = new Map<string, number>();

beforeAll(async () => {
  const { url } = await testDatabase();
  cluster = await startCluster(url, 2);
  router = await cluster.router({ redialMs: 100, retryMs: 300 });
  online = await cluster.subscribers('on', 40);
  offline = await cluster.subscribers('off', 12);
  const { db } = cluster.desk;
  for (const { id, username } of await db.query<{ id: number; username: string }>(
    'select id, username from subscriber',
  ))
    ids.set(username, id);
  await vi.waitFor(
    async () =>
      expect(await papDial(port(1), SECRET, offline.at(-1)!, PASSWORD)).toMatchObject({ rateLimit: FULL.dial }),
    soon,
  );
  for (const name of online) await router.dial(name, PASSWORD);
  await vi.waitFor(async () => {
    const [row] = await db.query<{ live: number }>('select count(*) as live from session where ended_at is null');
    expect(row!.live).toBe(40);
  }, soon);
}, 120_000);
afterAll(async () => {
  await router.stop();
  await cluster.stop();
});

const port = (node: number) => cluster.nodes[node]!.ports.authPort;
const status = async () => (await rolloutStatus(cluster.desk.db))!;

/** The next revision: active lines get half of their plan's rate. */
async function halve(): Promise<number> {
  const { rules } = defaultPolicy(cluster.desk.zone);
  const document = {
    rules: rules.map((rule) =>
      rule.name === 'active' ? { ...rule, give: { ...rule.give, rate: { is: 'share', share: 0.5 } } } : rule,
    ),
  };
  const rest = { source: null, baseId: null, note: '', createdBy: 'test', at: Date.now(), inForce: false };
  return insertRevision(cluster.desk.db, { document, ...rest });
}

/** What each line is to have, by the policies in the database. */
async function decided(of: readonly string[]): Promise<Record<string, string>> {
  const policies = await currentPolicies(cluster.desk.db, cluster.desk.zone);
  const isHalf = (name: string) =>
    policyFor(policies, ids.get(name)!).rules.some(({ give }) => give.access === 'full' && give.rate.is === 'share');
  return Object.fromEntries(of.map((name) => [name, isHalf(name) ? 'half' : 'full']));
}

const wordOf = (rate: string | null | undefined): string =>
  rate === FULL.dial || rate === FULL.queue
    ? 'full'
    : rate === HALF.dial || rate === HALF.queue
      ? 'half'
      : String(rate);

/** What the queues of the router really are. */
const queues = (): Record<string, string> =>
  Object.fromEntries(router.queues().map(({ name, maxLimit }) => [name.slice('<pppoe-'.length, -1), wordOf(maxLimit)]));

/** What dials are told, by this node. */
async function dialled(node: number): Promise<Record<string, string>> {
  const told: Record<string, string> = {};
  for (const name of offline) {
    const answer = await papDial(port(node), SECRET, name, PASSWORD);
    told[name] = answer === 'silence' ? answer : wordOf(answer.rateLimit);
  }
  return told;
}

/** On both nodes and on the router everybody has what is decided. */
const agreed = () =>
  vi.waitFor(async () => {
    expect(await dialled(0)).toEqual(await decided(offline));
    expect(await dialled(1)).toEqual(await decided(offline));
    expect(queues()).toEqual(await decided(online));
  }, soon);

const inHalf = (told: Record<string, string>): number => Object.values(told).filter((word) => word === 'half').length;

test('a canary, then everybody: dials on both nodes and live sessions agree about who has which policy, all the while', async () => {
  const revision = await halve();
  await startRollout(cluster.desk, { revision, canary: 0.3, perSecond: 20, watchSeconds: 4 });
  await agreed();
  const canary = inHalf(queues());
  expect(canary).toBeGreaterThan(0);
  expect(canary).toBeLessThan(40);
  expect(await status()).toMatchObject({ stage: 'canary' });
  await vi.waitFor(async () => expect(await status()).toMatchObject({ stage: 'done' }), soon);
  await agreed();
  expect(inHalf(queues())).toBe(40);
  expect(inHalf(await dialled(1))).toBe(12);
  expect(router.counts.coaAcks, 'one CoA for each line').toBe(40);
  const policies = await currentPolicies(cluster.desk.db, cluster.desk.zone);
  expect(policies.rollout).toBeNull();
});

test('rolled back, both nodes and every session are as before', async () => {
  await rollBack(cluster.desk, { reason: 'it was only a try' });
  await vi.waitFor(async () => expect(await status()).toMatchObject({ stage: 'rolled-back' }), soon);
  await agreed();
  expect(inHalf(queues())).toBe(0);
  expect(await currentPolicies(cluster.desk.db, cluster.desk.zone)).toEqual(
    onlyPolicy(defaultPolicy(cluster.desk.zone)),
  );
});

test('a canary on a router that refuses stops by itself, says why, and nothing of it stays', async () => {
  router.options.incoming.refuses = 401;
  await startRollout(cluster.desk, { revision: await halve(), canary: 0.5, perSecond: 1000, watchSeconds: 30 });
  await vi.waitFor(async () => expect(await status()).toMatchObject({ stage: 'stopped', share: 0 }), soon);
  expect((await status()).reason).toMatch(
    /^routers refused \d+ of \d+ sessions \(\d+(\.\d)? %, the limit is 5 %\); tower said: nak 401 unsupported attribute/,
  );
  router.options.incoming.refuses = null;
  await vi.waitFor(async () => {
    expect(router.sessions()).toHaveLength(40);
    await agreed();
  }, soon);
  expect(inHalf(queues())).toBe(0);
});
