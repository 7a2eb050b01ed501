import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { type Database, openDatabase } from '#storage/database';
import { timeline, whyOffline } from '#storage/timeline';
import { testDatabase } from '#test/support/database';
import { MAC, papDial } from '#test/system/dial';
import { environment, gerbangSays, launchNode, type Node, newDataDir, type Ports, portsOf } from '#test/system/node';

const SECRET = 'a-secret-of-thirty-two-octets-00';
let db: Database;
let node: Node;
let ports: Ports;
beforeAll(async () => {
  const url = (await testDatabase()).url;
  const env = environment(newDataDir(), { DATABASE_URL: url });
  db = openDatabase({ url, poolSize: 2 });
  node = launchNode(env);
  ports = await portsOf(node);
  const run = (...args: string[]) => gerbangSays(env, ...args);
  await run('nas', 'add', '--name', 'tower', '--address', '127.0.0.1', '--secret', SECRET);
  await run('subscriber', 'add', '--username', 'budi', '--password', 'rahasia-77');
});
afterAll(async () => {
  await node.stop();
  await db.close();
});

test('a dial with a wrong password is in the subscriber’s timeline within seconds, and is why the line is down', async () => {
  const [subscriber] = await db.query<{ id: number }>(`select id from subscriber where username = 'budi'`);
  const before = Date.now();
  // A subscriber added a moment ago may not be known to the worker yet.
  await vi.waitFor(
    async () => {
      expect(await papDial(ports.authPort, SECRET, 'budi', 'salah')).toMatchObject({ code: 'Access-Reject' });
      const { items } = await timeline(db, subscriber!.id, { now: Date.now(), kinds: ['reject'] });
      expect(items[0]).toMatchObject({ kind: 'reject', reason: 'wrong-password', nasName: 'tower', mac: MAC });
      expect(items[0]!.at).toBeGreaterThanOrEqual(before);
    },
    { timeout: 30_000, interval: 500 },
  );
  const why = await whyOffline(db, subscriber!.id, Date.now());
  expect(why).toMatchObject({ line: { is: 'rejected', reason: 'wrong-password' }, bought: { standing: 'no-package' } });
});
