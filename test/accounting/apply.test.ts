import { randomBytes } from 'node:crypto';
import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Instant } from '#domain/time';
import type { SessionRecord } from '#domain/usage';
import { applyBatch, closeSilentSessions, durablePosition, journalPosition } from '#storage/accounting';
import type { Database } from '#storage/database';
import { timestamp } from '#storage/database';
import { moveEndedSessions, sessionHistory, usageByDay, whoHadAddress } from '#storage/history';
import { charged, company, emptied, Ledger, sessions, ZONE } from '#test/accounting/ledger';
import type { Said } from '#test/accounting/requests';
import { routerOs, sessionRecord, understood } from '#test/accounting/requests';
import { testDatabase } from '#test/support/database';

const NOON = Date.parse('2026-11-20T05:00:00Z'); // 12:00 in Jakarta
const SECOND = 1000;
const HOUR = 3_600_000;
const token = Buffer.alloc(16, 7);

let db: Database;
let ledger: Ledger;
let nasId: number;
let ids: number[];

beforeAll(async () => {
  db = await testDatabase();
});

beforeEach(async () => {
  await emptied(db);
  ledger = new Ledger(db);
  ({ nasId, ids } = await company(db, NOON, { usernames: ['budi', 'sari'] }));
});

/** A record of the session that began at noon, or whatever `said` makes of it, so many seconds after noon. */
const heard = (seconds: number, said: Said = {}, receivedAt: Instant = NOON + seconds * SECOND): SessionRecord =>
  sessionRecord(routerOs({ token, seconds, ...said }), receivedAt, { id: nasId, swapOctets: false });

const due = async (): Promise<number[]> =>
  (await db.query<{ id: number }>('select subscriber_id as id from due where due_at <= now() order by 1')).map(
    (r) => r.id,
  );

describe('a session as accounting tells it', () => {
  test('Start, Interim and Stop become one row, its bytes are charged once, and the subscriber is looked at', async () => {
    const start = await ledger.apply(heard(0, { status: 'start', ip: '10.9.0.2' }));
    expect(start.woken).toEqual([ids[0]]);
    expect(await due()).toEqual([ids[0]]);
    await ledger.apply(heard(300, { up: 1000, down: 5000 }));
    const end = await ledger.apply(heard(600, { status: 'stop', up: 3000, down: 9000, cause: 1 }));
    expect(end.woken).toEqual([ids[0]]);
    const [row, ...others] = await sessions(db);
    expect(others).toEqual([]);
    expect(row).toMatchObject({
      key: token.toString('hex'),
      subscriber_id: ids[0],
      seconds: 600,
      up_bytes: 3000,
      down_bytes: 9000,
      started_at: NOON,
      ended_at: NOON + 600 * SECOND,
      cause: 'User-Request',
      framed_ip: '10.9.0.2',
      told_live: 'rate list=l',
      told_at: NOON,
    });
    expect(await charged(db)).toBe(12_000);
    expect(await usageByDay(db, ids[0]!, '2026-11-01', '2026-11-30')).toEqual([
      { day: '2026-11-20', upBytes: 3000, downBytes: 9000 },
    ]);
  });

  test('when Start and Interims are lost, a Stop alone is a session that began Acct-Session-Time before it', async () => {
    await ledger.apply(heard(900, { status: 'stop', up: 10, down: 20 }));
    expect((await sessions(db))[0]).toMatchObject({ started_at: NOON, ended_at: NOON + 900 * SECOND, up_bytes: 10 });
    expect(await charged(db)).toBe(30);
  });

  test('C05: the same event again with other delays and identifiers counts once, in one batch or in several', async () => {
    const delayed = (delay: number) =>
      heard(300, { up: 700, down: 900, more: [[41, delay]] }, NOON + (300 + delay) * SECOND);
    await ledger.apply(delayed(0), delayed(2), delayed(5));
    await ledger.apply(delayed(9));
    expect((await sessions(db)).map((row) => [row.seconds, row.up_bytes])).toEqual([[300, 700]]);
    expect(await charged(db)).toBe(1600);
  });

  test('a batch that is applied again, wholly or in part, changes nothing and says where the journal is', async () => {
    const entries = [heard(300, { up: 5 }), heard(600, { up: 9 })].map((record, index) => ({
      segment: 1,
      offset: 32 + index,
      record,
      packet: Buffer.alloc(0),
    }));
    const batch = { from: { segment: 0, offset: 0 }, to: { segment: 1, offset: 34 }, entries };
    expect((await applyBatch(db, 'j', batch, ZONE)).applied).toBe(true);
    expect(await applyBatch(db, 'j', batch, ZONE)).toMatchObject({ applied: false, position: batch.to });
    const part = { ...batch, from: { segment: 1, offset: 33 } };
    expect(await applyBatch(db, 'j', part, ZONE)).toMatchObject({ applied: false, position: batch.to });
    expect(await charged(db)).toBe(9);
    expect(await durablePosition(db, 'j')).toEqual(batch.to);
  });

  test('two intakes at once apply a batch once', async () => {
    const entries = [{ segment: 1, offset: 32, record: heard(300, { up: 5 }), packet: Buffer.alloc(0) }];
    const batch = { from: { segment: 0, offset: 0 }, to: { segment: 1, offset: 33 }, entries };
    const both = await Promise.all([applyBatch(db, 'j', batch, ZONE), applyBatch(db, 'j', batch, ZONE)]);
    expect(both.map((one) => one.applied).sort()).toEqual([false, true]);
    expect(await charged(db)).toBe(5);
  });

  test('usage of a session past midnight belongs to each day, and the running day is shown before it ends', async () => {
    const evening = 11.5 * 3600; // 23:30
    await ledger.apply(heard(evening, { up: 100 }), heard(evening + 3600, { up: 130 }));
    const days = () => usageByDay(db, ids[0]!, '2026-11-20', '2026-11-21');
    const both = [
      { day: '2026-11-20', upBytes: 100, downBytes: 0 },
      { day: '2026-11-21', upBytes: 30, downBytes: 0 },
    ];
    expect(await days()).toEqual(both);
    await ledger.apply(heard(evening + 3601, { status: 'stop', up: 130 }));
    expect(await days()).toEqual(both);
    expect((await sessions(db))[0]).toMatchObject({ day_up: 0, day_down: 0 });
  });

  test('a month whose partition nobody made is no reason to stop', async () => {
    const later = NOON + 200 * 24 * HOUR;
    await ledger.apply(heard(60, { status: 'stop', up: 8 }, later));
    expect(await usageByDay(db, ids[0]!, '2027-01-01', '2027-12-31')).toHaveLength(1);
  });

  test('a session that began before its subscriber was entered is found with the next record', async () => {
    await ledger.apply(heard(60, { user: 'wayan', up: 1 }));
    expect((await sessions(db))[0]!.subscriber_id).toBeNull();
    const [wayan] = await db.query<{ id: number }>(
      `insert into subscriber (username, password_sealed) values ('wayan', '') returning id`,
    );
    expect((await ledger.apply(heard(120, { user: 'wayan', up: 2 }))).woken).toEqual([wayan!.id]);
    expect((await sessions(db))[0]!.subscriber_id).toBe(wayan!.id);
  });
});

describe('charging', () => {
  test('reaching valid_below wakes the subscriber, staying below does not', async () => {
    await ledger.apply(heard(0, { status: 'start' }));
    await db.query(`update due set due_at = 'infinity', valid_below = 1000`);
    expect((await ledger.apply(heard(60, { up: 999 }))).woken).toEqual([]);
    expect((await ledger.apply(heard(120, { up: 1000 }))).woken).toEqual([ids[0]]);
    expect(await due()).toEqual([ids[0]]);
    const changes = await db.query(`select 1 from change where topic = 'subscriber' and key = $1`, [ids[0]]);
    expect(changes).toHaveLength(2);
  });

  test('bytes fill the grant that ends first and then the next, record by record within a batch', async () => {
    await db.query('update plan_revision set allowance_bytes = 100');
    await db.query(
      `insert into grants (subscriber_id, plan_revision_id, starts_at, ends_at)
       select subscriber_id, plan_revision_id, starts_at, ends_at + interval '1 day' from grants where subscriber_id = $1`,
      [ids[0]],
    );
    await ledger.apply(heard(60, { up: 70 }), heard(120, { up: 140 }), heard(180, { up: 150 }));
    const used = await db.query('select used_bytes from grants where subscriber_id = $1 order by ends_at', [ids[0]]);
    expect(used).toEqual([{ used_bytes: 100 }, { used_bytes: 50 }]);
  });

  test('bytes of a time without any grant are counted but charged to nobody', async () => {
    await db.query(`update grants set ends_at = $1`, [timestamp(NOON)]);
    await ledger.apply(heard(60, { up: 70 }));
    expect(await charged(db)).toBe(0);
    expect((await sessions(db))[0]!.up_bytes).toBe(70);
  });
});

describe('what accounting says about what the router was told', () => {
  beforeEach(async () => {
    await ledger.apply(heard(0, { status: 'start' }));
    await db.query(`update due set due_at = 'infinity'`);
  });

  test('a record that came in after the CoA was acknowledged bears it out; one from before does not', async () => {
    const toldAt = NOON + 100 * SECOND;
    await db.query('update session set told_at = $1, confirmed_at = null', [timestamp(toldAt)]);
    await ledger.apply(heard(90, { up: 1 }));
    expect((await sessions(db))[0]!.confirmed_at).toBeNull();
    await ledger.apply(heard(160, { up: 2 }));
    expect((await sessions(db))[0]!.confirmed_at).toBe(NOON + 160 * SECOND);
  });

  test('an Interim after an acknowledged disconnect shows it was none: the subscriber is due again', async () => {
    await db.query('update session set ending_since = $1', [timestamp(NOON + 100 * SECOND)]);
    expect((await ledger.apply(heard(90, { up: 1 }))).woken).toEqual([]);
    expect((await sessions(db))[0]!.ending_since).not.toBeNull();
    expect((await ledger.apply(heard(160, { up: 2 }))).woken).toEqual([ids[0]]);
    expect((await sessions(db))[0]!.ending_since).toBeNull();
  });

  test('a Stop after it is what was wanted', async () => {
    await db.query('update session set ending_since = $1', [timestamp(NOON + 100 * SECOND)]);
    await ledger.apply(heard(101, { status: 'stop', cause: 6 }));
    expect((await sessions(db))[0]).toMatchObject({ ended_at: NOON + 101 * SECOND, cause: 'Admin-Reset' });
  });
});

describe('ends that nobody reported', () => {
  const other = Buffer.alloc(16, 8);
  const redial = (seconds: number, said: Said = {}): SessionRecord =>
    heard(0, { status: 'start', token: other, id: '81000002', ...said }, NOON + seconds * SECOND);

  test('a new Start of the same user and MAC on the NAS ends the old session when it was last heard', async () => {
    await ledger.apply(heard(300, { up: 50 }));
    await ledger.apply(redial(400));
    const [old, fresh] = await sessions(db);
    expect(old).toMatchObject({
      ended_at: NOON + 300 * SECOND,
      cause: 'Lost-Carrier',
      flags: expect.arrayContaining(['assumed-ended']),
    });
    expect(fresh!.ended_at).toBeNull();
    expect(await usageByDay(db, ids[0]!, '2026-11-20', '2026-11-20')).toEqual([
      { day: '2026-11-20', upBytes: 50, downBytes: 0 },
    ]);
  });

  test('a Start from another MAC, or another user, ends nobody', async () => {
    await ledger.apply(heard(300, { up: 50 }));
    await ledger.apply(
      redial(400, { mac: 'AA:BB:CC:DD:EE:02' }),
      redial(400, { token: randomBytes(16), id: '81000003', user: 'sari' }),
    );
    expect((await sessions(db)).filter((row) => row.ended_at !== null)).toEqual([]);
  });

  test('a session whose end was only assumed reopens when it is heard of, and nothing counts twice', async () => {
    await ledger.apply(heard(300, { up: 50 }), redial(400));
    await ledger.apply(heard(600, { up: 80 }));
    expect((await sessions(db))[0]).toMatchObject({
      ended_at: null,
      cause: null,
      up_bytes: 80,
      flags: expect.arrayContaining(['reopened']),
    });
    expect(await charged(db)).toBe(80);
    expect(await usageByDay(db, ids[0]!, '2026-11-20', '2026-11-20')).toMatchObject([{ upBytes: 80 }]);
  });

  test('Accounting-On ends the older sessions of its NAS, once, and no other', async () => {
    await ledger.apply(
      heard(300, { up: 50 }),
      sessionRecord(routerOs({ token: other, user: 'sari' }), NOON, { id: nasId + 1, swapOctets: false }),
    );
    const on = understood([[40, 7]], NOON + 400 * SECOND, { id: nasId, swapOctets: false });
    const later = heard(
      0,
      { status: 'start', token: randomBytes(16), id: '81100001', mac: 'AA:BB:CC:DD:EE:09' },
      NOON + 500 * SECOND,
    );
    await ledger.apply(on, later, on);
    expect((await sessions(db)).map((row) => row.cause)).toEqual(['NAS-Reboot', null, null]);
  });

  test('a day of silence ends a session, an hour does not; the boot digit of RouterOS ends the ghosts of a restart', async () => {
    await ledger.apply(heard(300, { up: 50 }));
    expect(await closeSilentSessions(db, NOON + 2 * HOUR, { interimSeconds: 300 })).toBe(0);
    await ledger.apply(redial(HOUR / SECOND, { id: '81100001', mac: 'AA:BB:CC:DD:EE:02' }));
    expect(await closeSilentSessions(db, NOON + 300 * SECOND + 660 * SECOND, { interimSeconds: 300 })).toBe(0);
    expect(await closeSilentSessions(db, NOON + 300 * SECOND + 661 * SECOND, { interimSeconds: 300 })).toBe(1);
    expect((await sessions(db)).map((row) => row.cause)).toEqual(['NAS-Reboot', null]);
    expect(await closeSilentSessions(db, NOON + 26 * HOUR, { interimSeconds: 300 })).toBe(1);
    expect((await sessions(db))[1]).toMatchObject({ cause: 'Lost-Service', ended_at: NOON + HOUR });
  });

  test('13: ten thousand ghosts of a restart end at once, no live session with them', async () => {
    await ledger.apply(heard(10 * 3600, { id: '81100000', up: 1 }));
    await db.query(
      `insert into session (key, nas_id, nas_address, acct_session_id, username, started_at, heard_at, day)
       select 'g' || i, $1, '10.0.0.1', '810' || lpad(to_hex(i), 5, '0'), 'u' || i, $2::timestamptz - interval '1 day', $2, '2026-11-20'
       from generate_series(1, 10000) i`,
      [nasId, timestamp(NOON - 12 * HOUR)],
    );
    await db.query(`update session set started_at = $1 where acct_session_id = '81100000'`, [timestamp(NOON - HOUR)]);
    expect(await closeSilentSessions(db, NOON, { interimSeconds: 300 })).toBe(10_000);
    expect((await sessions(db)).filter((row) => row.ended_at === null)).toHaveLength(1);
  });
});

describe('sessions without our Class', () => {
  const bare = (seconds: number, startedAt: Instant, said: Said = {}): SessionRecord =>
    sessionRecord(routerOs({ seconds, ...said }), startedAt + seconds * SECOND, { id: nasId, swapOctets: false });

  test('are told apart by NAS, id, user and time of start: the id recurs after 16 reboots', async () => {
    const again = NOON + 20 * 24 * HOUR;
    await ledger.apply(bare(0, NOON, { status: 'start' }), bare(300, NOON, { up: 40 }), bare(600, NOON, { up: 60 }));
    await ledger.apply(bare(0, again, { status: 'start', mac: 'AA:BB:CC:DD:EE:07' }), bare(300, again, { up: 11 }));
    await ledger.apply(bare(900, NOON, { status: 'stop', up: 70 }));
    expect((await sessions(db)).map((row) => [row.seconds, row.up_bytes, row.ended_at !== null])).toEqual([
      [900, 70, true],
      [300, 11, false],
    ]);
    expect(await charged(db)).toBe(81);
  });

  test('a session whose Class got lost in one packet stays one session', async () => {
    await ledger.apply(heard(300, { up: 40 }));
    await ledger.apply(bare(600, NOON, { status: 'stop', up: 60 }));
    expect((await sessions(db)).map((row) => row.up_bytes)).toEqual([60]);
  });

  test('one Class in two sessions of a NAS does not mix them', async () => {
    await ledger.apply(heard(300, { up: 40 }), heard(100, { up: 5, id: '81000009', mac: 'AA:BB:CC:DD:EE:03' }));
    await ledger.apply(heard(400, { up: 45 }), heard(200, { up: 6, id: '81000009' }));
    expect((await sessions(db)).map((row) => row.up_bytes).sort()).toEqual([45, 6]);
  });
});

describe('the history', () => {
  test('ended sessions move there after an hour, are found by user and by address, and come back when heard of', async () => {
    await ledger.apply(heard(0, { status: 'start', ip: '10.9.0.2' }), heard(600, { status: 'stop', up: 9 }));
    expect(await moveEndedSessions(db, NOON + HOUR)).toBe(0);
    expect(await moveEndedSessions(db, NOON + 2 * HOUR)).toBe(1);
    expect(await sessions(db)).toEqual([]);
    expect(await sessionHistory(db, 'budi')).toMatchObject([
      { seconds: 600, upBytes: 9, endedAt: NOON + 600 * SECOND },
    ]);
    expect(await whoHadAddress(db, '10.9.0.2', NOON + 60 * SECOND)).toMatchObject([{ username: 'budi' }]);
    expect(await whoHadAddress(db, '10.9.0.2', NOON + 601 * SECOND)).toEqual([]);
    await ledger.apply(heard(600, { status: 'stop', up: 9 }));
    expect(await charged(db)).toBe(9);
    expect(await sessionHistory(db, 'budi')).toHaveLength(1);
    await ledger.apply(heard(700, { up: 12 }));
    expect((await sessions(db))[0]).toMatchObject({
      up_bytes: 12,
      ended_at: NOON + 600 * SECOND,
      flags: expect.arrayContaining(['late']),
    });
    expect(await usageByDay(db, ids[0]!, '2026-11-20', '2026-11-20')).toMatchObject([{ upBytes: 12 }]);
  });
});

describe('records that cannot be applied', () => {
  test('P12, C04: an unusable request is in quarantine with its reason, and the ones around it are applied', async () => {
    const nul = understood(routerOs({ user: 'a\0b' }), NOON);
    expect(nul).toMatchObject({ status: 'unusable' });
    const result = await ledger.apply(heard(300, { up: 40 }), nul, heard(600, { up: 41 }));
    expect(result).toMatchObject({ quarantined: 1, records: 3 });
    expect(await db.query('select reason, packet from quarantine')).toEqual([
      { reason: 'a text holds NUL', packet: Buffer.from('packet') },
    ]);
    expect(await charged(db)).toBe(41);
  });

  test('one the database refuses is found among its neighbours and put aside; all others count', async () => {
    const poison = { ...heard(60, { token: randomBytes(16), id: '81000066' }), framedIp: 'not an address' };
    const good = Array.from({ length: 20 }, (_, i) =>
      heard(60, { token: Buffer.alloc(16, i), id: `8100010${i % 10}`, up: 10 }),
    );
    await ledger.apply(...good.slice(0, 11), poison, ...good.slice(11));
    const [row] = await db.query<{ reason: string; offset: number }>('select reason, "offset" from quarantine');
    expect(row).toMatchObject({ offset: 32 + 11, reason: expect.stringContaining('not an address') });
    expect(await charged(db)).toBe(200);
    expect(await journalPosition(db, ledger.journal)).toEqual({ segment: 1, offset: 32 + 21 });
  });

  test('a counter as large as a number can hold breaks nothing', async () => {
    const huge = { ...heard(60), octets: { up: Number.MAX_SAFE_INTEGER, down: Number.MAX_SAFE_INTEGER } };
    await ledger.apply(huge, heard(120, { up: 7, token: Buffer.alloc(16, 9), id: '81000009', user: 'sari' }));
    await ledger.apply({ ...huge, sessionSeconds: 120, octets: { up: 5, down: 5 } });
    expect(await db.query('select count(*) from quarantine')).toEqual([{ count: 0 }]);
    expect((await sessions(db))[0]!.flags).toEqual(expect.arrayContaining(['implausible']));
  });
});
