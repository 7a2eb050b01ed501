import { beforeAll, expect, test } from 'vitest';
import { addNas } from '#operations/add-nas';
import { addSubscriber } from '#operations/add-subscriber';
import { disconnectSession } from '#operations/disconnect-session';
import { liveSessions } from '#storage/sessions';
import { timestamp } from '#storage/values';
import { faults, NOW, type TestDesk, testDesk } from '#test/operations/desk';

let desk: TestDesk;
let count = 0;
beforeAll(async () => {
  desk = await testDesk();
  await addNas(desk, { name: 'tower', address: '10.20.0.1', secret: 'generate' });
});

async function online(sessions: number) {
  count += 1;
  const username = `budi${count}`;
  const { id } = await addSubscriber(desk, { username, password: 'pw' });
  const rows = await desk.db.query<{ id: number }>(
    `insert into session (key, nas_id, nas_address, acct_session_id, username, subscriber_id, started_at, heard_at, day)
     select $1 || i, 1, '10.20.0.1', $1 || i, $1, $2, $3::timestamptz, $3::timestamptz, '2026-11-21' from generate_series(1, $4) i returning id`,
    [username, id, timestamp(NOW), sessions],
  );
  await desk.db.execute(`update due set due_at = 'infinity' where subscriber_id = $1`, [id]);
  return { username, id, sessions: rows.map((row) => row.id) };
}

const asked = async (id: number) => (await liveSessions(desk.db, [id])).map(({ endAsked }) => endAsked);

test('all live sessions are asked for, with who and why in the audit, and enforcement is due at once', async () => {
  const { username, id } = await online(2);
  expect(await disconnectSession(desk, { username, reason: ' the modem hangs ' })).toEqual({ sessions: 2 });
  const wanted = { at: NOW, reason: 'the modem hangs' };
  expect(await asked(id)).toEqual([wanted, wanted]);
  const [audit] = await desk.db.query(
    'select actor, why, subscriber_id as "subscriberId", detail from audit order by id desc limit 1',
  );
  expect(audit).toEqual({
    actor: 'test',
    why: 'disconnect session',
    subscriberId: id,
    detail: { username, reason: 'the modem hangs' },
  });
  const [due] = await desk.db.query<{ now: boolean }>(
    'select due_at <= now() as now from due where subscriber_id = $1',
    [id],
  );
  expect(due?.now).toBe(true);
});

test('one of several is named by its number; asked again, a router that said yes before is told once more', async () => {
  const { username, id, sessions } = await online(2);
  await desk.db.execute('update session set ending_since = now() where id = $1', [sessions[1]]);
  expect(await disconnectSession(desk, { username, session: String(sessions[1]), reason: 'x' })).toEqual({
    sessions: 1,
  });
  expect(await asked(id)).toEqual([null, { at: NOW, reason: 'x' }]);
  expect((await liveSessions(desk.db, [id]))[1]?.endingSince).toBeNull();
});

test('nothing is asked for without a reason, of nobody, or of a session that is over or another’s', async () => {
  const [budi, other] = [await online(1), await online(1)];
  await desk.db.execute('update session set ended_at = now() where id = $1', [budi.sessions[0]]);
  const over = ['there is no such live session: it has ended'];
  expect(await faults(disconnectSession(desk, { username: budi.username, reason: 'x' }))).toEqual(over);
  const others = { username: budi.username, session: other.sessions[0], reason: 'x' };
  expect(await faults(disconnectSession(desk, others))).toEqual(over);
  expect(await faults(disconnectSession(desk, { username: other.username }))).toEqual([
    'reason: missing; give why, at most 200 characters, for example the modem hangs',
  ]);
  for (const reason of ['   ', 'x'.repeat(201), 'a\nb'])
    expect(await faults(disconnectSession(desk, { username: other.username, reason }))).toHaveLength(1);
  expect(await faults(disconnectSession(desk, { username: 'nobody', reason: 'x' }))).toHaveLength(1);
  expect(await asked(other.id)).toEqual([null]);
});
