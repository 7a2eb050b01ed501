import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { onlyPolicy } from '#domain/rollout';
import { DAY, HOUR, MINUTE } from '#domain/time';
import { type Drift, findDrift, sweep } from '#enforcement/sweep';
import type { Database } from '#storage/database';
import { loadEntries } from '#storage/facts';
import { listSessions } from '#storage/sessions';
import { ACTIVE, FIXED, Network, POLICY, testSealer, WALLED } from '#test/enforcement/network';
import { testDatabase } from '#test/support/database';

const active = { live: ACTIVE, fixed: FIXED };

let db: Database;
let network: Network;
let nas: number;

beforeAll(async () => {
  db = await testDatabase();
});

beforeEach(async () => {
  network = await Network.in(db);
  nas = await network.nas();
});

describe('sweep', () => {
  test('everybody with a live session is looked at again, spread over the interval', async () => {
    const now = Date.now();
    const ids = await network.lines(nas, 1_000, now + DAY, active);
    await network.db.execute('insert into due (subscriber_id, due_at) select unnest($1::bigint[]), $2::timestamptz', [
      ids.slice(0, 500),
      new Date(now + DAY).toISOString(),
    ]);
    expect(await sweep(network.db, now, 5 * MINUTE)).toBe(1_000);
    const rows = await network.db.query<{ minute: number; count: number }>(
      `select floor(extract(epoch from due_at - $1::timestamptz) / 60)::int as minute, count(*) as count
       from due group by 1 order by 1`,
      [new Date(now).toISOString()],
    );
    expect(rows.map(({ minute }) => minute)).toEqual([0, 1, 2, 3, 4]);
    for (const { count } of rows) expect(count).toBeGreaterThan(120);
  });

  test('who is due sooner, is being looked at, or is backing off stays as he is; who has no session is left out', async () => {
    const now = Date.now();
    const [soon, claimed, failing, offline, swept] = await network.lines(nas, 5, now + DAY, active);
    await network.db.execute('update session set ended_at = now() where subscriber_id = $1', [offline]);
    await network.db.execute(
      `insert into due (subscriber_id, due_at, claimed_until, attempts) values
       ($1, now() - interval '1 minute', null, 0), ($2, now() + interval '1 hour', now() + interval '1 minute', 0),
       ($3, now() + interval '1 hour', null, 3), ($4, now() + interval '1 hour', null, 0),
       ($5, 'infinity', null, 0)`,
      [soon, claimed, failing, offline, swept],
    );
    expect(await sweep(network.db, now, 0)).toBe(1);
    const dueIn = async (id: number) => Math.round(((await network.state(id))!.dueAt - now) / MINUTE);
    expect(await Promise.all([soon, claimed, failing, offline, swept].map((id) => dueIn(id!)))).toEqual([
      -1, 60, 60, 60, 0,
    ]);
  });
});

describe('session list --drift', () => {
  const drift = async (at = Date.now()): Promise<Drift[]> => {
    const loadFacts = (ids: readonly number[]) => loadEntries(network.db, testSealer(), ids);
    const options = { db: network.db, loadEntries: loadFacts, policies: onlyPolicy(POLICY), nases: network.nases, at };
    const found: Drift[] = [];
    for await (const one of findDrift(options)) found.push(one);
    return found;
  };
  const set = (id: number, columns: string) =>
    network.db.execute(`update session set ${columns} where subscriber_id = $1`, [id]);

  test('shows who is otherwise than decided, who never confirmed, and whose end never came; nobody else', async () => {
    const ids = await network.lines(nas, 6, Date.now() + DAY, active);
    const [fine, differs, unconfirmed, ending, justTold, justEnding] = ids;
    await set(differs!, `told_live = '${WALLED}'`);
    await set(unconfirmed!, "told_at = now() - interval '11 minutes', confirmed_at = null");
    await set(ending!, "ending_since = now() - interval '11 minutes'");
    await set(justTold!, "told_at = now() - interval '9 minutes', confirmed_at = null");
    await set(justEnding!, "ending_since = now() - interval '9 minutes'");
    const found = await drift();
    expect(found.map(({ session, is, reason }) => [session.subscriberId, is, reason])).toEqual([
      [differs, 'differs', `coa: change ${WALLED} to ${ACTIVE}`],
      [unconfirmed, 'unconfirmed', 'no accounting has come since it was told'],
      [ending, 'ending', 'no Stop has come'],
    ]);
    expect(found.some(({ session }) => session.subscriberId === fine)).toBe(false);
    expect(found[0]!.decided).toEqual(active);
  });

  test('counts the disconnects a NAS acknowledged and did not carry out', async () => {
    const [budi] = await network.lines(nas, 1, Date.now() + DAY, active);
    await network.suspend(budi!);
    await network.db.execute(
      `insert into enforcement_act (subscriber_id, session_key, nas_id, act, outcome, reason, took_ms)
       select $1::bigint, 'key' || $1::bigint, $2::int, act, outcome, '', 1
       from (values ('disconnect', 'ack'), ('disconnect', 'ack'), ('disconnect', 'no answer'), ('coa', 'ack')) as a (act, outcome)`,
      [budi, nas],
    );
    expect((await drift())[0]).toMatchObject({ is: 'differs', survivedDisconnects: 2 });
  });

  test('a thousand sessions and more are gone through page by page', async () => {
    const until = Date.now() + HOUR;
    await network.lines(nas, 1_100, until, active);
    expect(await drift()).toEqual([]);
    expect(await drift(until)).toHaveLength(1_100);
  });
});

test('live sessions are listed by user name or NAS, in pages', async () => {
  const other = await network.nas();
  await network.lines(nas, 3, null, active);
  await network.lines(other, 2, null, null);
  const names = async (filter: Parameters<typeof listSessions>[1]) =>
    (await listSessions(network.db, filter)).map(({ username }) => username);
  expect(await names({ limit: 10, nasId: other })).toEqual([`line${other}-0`, `line${other}-1`]);
  expect(await names({ limit: 10, username: `line${nas}-2` })).toEqual([`line${nas}-2`]);
  const [first] = await listSessions(network.db, { limit: 1 });
  expect(first).toMatchObject({
    told: active,
    nasId: nas,
    endingSince: null,
    framedIp: expect.stringMatching(/^10\./),
  });
  expect(await names({ limit: 10, after: first!.sessionId })).toHaveLength(4);
  expect((await listSessions(network.db, { limit: 10, nasId: other }))[0]!.told).toBeNull();
});
