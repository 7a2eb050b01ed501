import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { SessionRecord } from '#domain/usage';
import { octetsOf, parseAddress, printAddress } from '#radius/address';
import { closeSilentSessions } from '#storage/accounting';
import type { Database } from '#storage/database';
import { moveEndedSessions, sessionHistory } from '#storage/history';
import { liveSessions } from '#storage/sessions';
import { charged, company, emptied, Ledger, sessions } from '#test/accounting/ledger';
import type { Said } from '#test/accounting/requests';
import { routerOs, sessionRecord, understood } from '#test/accounting/requests';
import { testDatabase } from '#test/support/database';

/** One NAS that is a block of addresses: many routers behind one row and one secret. */

const NOON = Date.parse('2026-11-20T05:00:00Z');
const SECOND = 1000;
const HOUR = 3_600_000;
const [NORTH, SOUTH] = ['10.1.0.5', '10.1.0.6'] as const;
const token = Buffer.alloc(16, 7);

let db: Database;
let ledger: Ledger;
let nas: { id: number; swapOctets: boolean };
let ids: number[];

beforeAll(async () => {
  db = await testDatabase();
});

beforeEach(async () => {
  await emptied(db);
  ledger = new Ledger(db);
  const made = await company(db, NOON, { usernames: ['budi', 'sari'] });
  nas = { id: made.nasId, swapOctets: false };
  ids = made.ids;
  await db.query("update nas set address = '10.1.0.0/24' where id = $1", [nas.id]);
});

const heard = (from: string, seconds: number, said: Said = {}): SessionRecord =>
  sessionRecord(routerOs({ token, seconds, ...said }), NOON + seconds * SECOND, nas, from);
/** The same without our Class. */
const bare = (from: string, seconds: number, said: Said = {}): SessionRecord =>
  sessionRecord(routerOs({ seconds, ...said }), NOON + seconds * SECOND, nas, from);

const addresses = async (): Promise<string[]> => (await sessions(db)).map((row) => row.nas_address);

describe('where a session is', () => {
  test('is where its accounting came from, as enforcement sees it', async () => {
    await ledger.apply(heard(NORTH, 0, { status: 'start' }));
    await ledger.apply(heard('2001:db8::6', 0, { token: randomBytes(16), id: '81000002', user: 'sari' }));
    const live = await liveSessions(db, ids);
    expect(live.map(({ username, nasAddress }) => [username, nasAddress])).toEqual([
      ['budi', NORTH],
      ['sari', '2001:db8::6'],
    ]);
  });

  test('the newest record says, whatever comes late; the subscriber is looked at when it moved, and only then', async () => {
    await ledger.apply(heard(NORTH, 0, { status: 'start' }));
    expect((await ledger.apply(heard(NORTH, 300, { up: 5 }))).woken).toEqual([]);
    expect((await ledger.apply(heard(SOUTH, 600, { up: 9 }))).woken).toEqual([ids[0]]);
    expect((await ledger.apply(heard(NORTH, 450, { up: 7 }), heard(SOUTH, 900, { up: 10 }))).woken).toEqual([]);
    expect(await addresses()).toEqual([SOUTH]);
    expect((await ledger.apply(heard(SOUTH, 1000, { up: 11 }), heard(NORTH, 1200, { up: 12 }))).woken).toEqual([
      ids[0],
    ]);
    expect(await addresses()).toEqual([NORTH]);
    expect(await charged(db)).toBe(12);
  });

  test('another NAS cannot move it', async () => {
    await ledger.apply(heard(NORTH, 0, { status: 'start' }));
    const other = sessionRecord(
      routerOs({ token, seconds: 60, up: 3 }),
      NOON + 60 * SECOND,
      {
        id: nas.id + 1,
        swapOctets: false,
      },
      '10.0.0.2',
    );
    await ledger.apply(other);
    expect(await addresses()).toEqual([NORTH]);
  });

  test('the history keeps it, and a session that comes back from there has it', async () => {
    await ledger.apply(heard(SOUTH, 0, { status: 'start' }), heard(SOUTH, 600, { status: 'stop', up: 9 }));
    expect(await moveEndedSessions(db, NOON + 2 * HOUR)).toBe(1);
    expect(await sessionHistory(db, 'budi')).toMatchObject([{ nasAddress: SOUTH }]);
    await ledger.apply(heard(SOUTH, 600, { status: 'stop', up: 9 }));
    expect(await addresses()).toEqual([SOUTH]);
  });

  test('is printed as the database prints it, so that an address stays equal to itself', async () => {
    const group = fc.oneof(fc.constant(0), fc.constant(0), fc.integer({ min: 0, max: 0xffff }));
    const made = fc.sample(fc.tuple(fc.integer({ min: 1, max: 0xffff }), ...Array<typeof group>(7).fill(group)), 500);
    const texts = [
      ...made.map((groups) => groups.map((one) => one.toString(16)).join(':')),
      ...fc.sample(fc.ipV4(), 100),
      '::1',
      '::ffff:10.1.0.5',
    ];
    const rows = await db.query<{ text: string }>(
      'select host(a::inet) as text from unnest($1::text[]) with ordinality t (a, n) order by n',
      [texts],
    );
    const ours = texts.map((text) => printAddress(octetsOf(parseAddress(text)!), 0));
    expect(ours.slice(0, -1)).toEqual(rows.slice(0, -1).map(({ text }) => text));
    expect(ours.at(-1)).toBe('10.1.0.5');
  });
});

describe('two routers of one block', () => {
  test('may use one Acct-Session-Id for one user at the same time: without Class these are two sessions', async () => {
    await ledger.apply(
      bare(NORTH, 0, { status: 'start' }),
      bare(SOUTH, 0, { status: 'start', mac: '02:00:00:00:00:02' }),
    );
    await ledger.apply(bare(NORTH, 300, { up: 40 }), bare(SOUTH, 300, { up: 5 }));
    await ledger.apply(bare(SOUTH, 600, { status: 'stop', up: 6 }));
    expect((await sessions(db)).map((row) => [row.nas_address, row.up_bytes, row.ended_at !== null])).toEqual([
      [NORTH, 40, false],
      [SOUTH, 6, true],
    ]);
  });

  test('and each comes back from the history by itself', async () => {
    await ledger.apply(bare(NORTH, 600, { status: 'stop', up: 40 }), bare(SOUTH, 600, { status: 'stop', up: 5 }));
    expect(await moveEndedSessions(db, NOON + 2 * HOUR)).toBe(2);
    await ledger.apply(bare(SOUTH, 700, { up: 6 }));
    expect((await sessions(db)).map((row) => [row.nas_address, row.up_bytes])).toEqual([[SOUTH, 6]]);
    expect(await charged(db)).toBe(46);
  });

  test('a record that lost its Class belongs to the session where it is now, also when it moved a moment ago', async () => {
    await ledger.apply(heard(NORTH, 300, { up: 40 }));
    await ledger.apply(bare(NORTH, 400, { up: 41 }), heard(SOUTH, 600, { up: 50 }), bare(SOUTH, 900, { up: 60 }));
    expect((await sessions(db)).map((row) => [row.nas_address, row.up_bytes])).toEqual([[SOUTH, 60]]);
  });

  test('one that restarts ends its own sessions, not the other’s', async () => {
    await ledger.apply(
      heard(NORTH, 300, { up: 1 }),
      heard(SOUTH, 300, { token: randomBytes(16), user: 'sari', up: 1 }),
    );
    await ledger.apply(understood([[40, 7]], NOON + 400 * SECOND, nas, SOUTH));
    expect((await sessions(db)).map((row) => row.cause)).toEqual([null, 'NAS-Reboot']);
  });

  test('the boot of one tells nothing of the other’s', async () => {
    await ledger.apply(heard(NORTH, 300, { up: 1 }));
    await ledger.apply(
      heard(SOUTH, 3600, { token: randomBytes(16), id: '81100001', user: 'sari', status: 'start', seconds: 0 }),
    );
    expect(await closeSilentSessions(db, NOON + 2 * HOUR, { interimSeconds: 300 })).toBe(0);
  });
});
