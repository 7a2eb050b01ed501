import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Unavailable } from '#domain/errors';
import { addSubscriber } from '#operations/add-subscriber';
import { suspend } from '#operations/suspend';
import { type PostgresPair, postgresPair } from '#test/support/postgres-pair';
import { type Cluster, PASSWORD, SECRET, soon, startCluster } from '#test/system/cluster';
import { papDial } from '#test/system/dial';
import { readyz } from '#test/system/node';
import type { Mikrotik } from '#test/world/mikrotik';

/**
 * Two nodes on a primary with a synchronous standby. The primary dies while people buy, dial and use; the standby is
 * promoted; nobody tells the nodes.
 */
let pair: PostgresPair;
let cluster: Cluster;
let router: Mikrotik;
let lines: string[];

beforeAll(async () => {
  pair = await postgresPair({ synchronous: true });
  cluster = await startCluster(pair.url, 2);
  router = await cluster.router();
  lines = await cluster.subscribers('line', 6);
  for (const line of lines.slice(1)) await router.dial(line, PASSWORD);
});
afterAll(async () => {
  await router.stop();
  await cluster.stop();
});

const rows = <Row extends object>(text: string, values: unknown[] = []) => cluster.desk.db.query<Row>(text, values);
const ready = () =>
  Promise.all(cluster.nodes.map(({ ports }) => readyz(ports.httpPort).then((answer) => answer.ready)));

test('nothing acknowledged is lost, nothing counts twice, and all goes on by itself', async () => {
  const written: string[] = [];
  const writers = Array.from({ length: 3 }, (_, of) => write(`w${of}-`, written));
  const used = useAndTell();
  await expect.poll(() => written.length, soon).toBeGreaterThan(20);
  await pair.killPrimary();
  const before = written.length;
  // While nobody takes writes: known lines dial, their accounting is acknowledged, and readiness says what is wrong.
  await expect.poll(ready, soon).toEqual([false, false]);
  expect(await router.dial(lines[0]!, PASSWORD)).toMatchObject({ state: 'up', rateLimit: '10000k/20000k' });
  await pause(300);
  await pair.promote();
  await expect.poll(() => written.length, soon).toBeGreaterThan(before + 20);
  stopping = true;
  await Promise.all(writers);
  const acknowledged = await used;

  // What was answered is there: each change, and each octet, once.
  expect(await rows('select from subscriber where username = any ($1)', [written])).toHaveLength(written.length);
  expect(
    await rows(`select from audit where why = 'add subscriber' and detail->>'username' = any ($1)`, [written]),
  ).toHaveLength(written.length);
  const charged = () =>
    rows<{ used: number }>(
      'select used_bytes as used from grants join subscriber s on s.id = subscriber_id where username = any ($1) order by username',
      [lines],
    );
  await expect.poll(charged, soon).toEqual(lines.map((line) => ({ used: acknowledged.get(line) ?? 0 })));
  await expect.poll(ready, soon).toEqual([true, true]);

  // A change reaches both directories, and the sessions it ends are ended once.
  const [fresh] = await cluster.subscribers('fresh', 1);
  const dials = () => Promise.all(cluster.nodes.map(({ ports }) => papDial(ports.authPort, SECRET, fresh!, PASSWORD)));
  await expect.poll(dials, soon).toMatchObject([{ rateLimit: '10000k/20000k' }, { rateLimit: '10000k/20000k' }]);
  for (const line of lines) await suspend(cluster.desk, line);
  await expect.poll(() => router.sessions().length, soon).toBe(0);
  const ended = router.recent.filter(({ kind }) => kind === 'disconnect').map(({ username }) => username);
  expect(ended.toSorted()).toEqual(lines);
  await expect.poll(() => rows('select from session where ended_at is null'), soon).toHaveLength(0);
  expect(await rows('select from session where username = any ($1)', [lines])).toHaveLength(lines.length);
});

let stopping = false;

/** Sells without a break, and notes what it was told is done; what was not is asked for again under another name. */
async function write(prefix: string, written: string[]): Promise<void> {
  for (let i = 0; !stopping; i += 1) {
    const username = `${prefix}${i}`;
    try {
      await addSubscriber(cluster.desk, { username, password: PASSWORD });
      written.push(username);
    } catch (error) {
      if (!(error instanceof Unavailable)) throw error;
      await pause(20);
    }
  }
}

/** Every live line uses something and tells of it, over and over. Returns what was acknowledged in the end. */
async function useAndTell(): Promise<Map<string, number>> {
  const told = new Map<string, number>();
  for (let last = false; ; last = stopping) {
    for (const session of router.sessions()) {
      if (!last) router.use(session, { downloadBytes: 1_000_000, uploadBytes: 1_000 });
      if (await router.interim(session)) told.set(session.username, session.downloadBytes + session.uploadBytes);
    }
    if (last) return told;
    await pause(20);
  }
}
