import { beforeAll, beforeEach, expect, test } from 'vitest';
import { DAY, HOUR, MINUTE } from '#domain/time';
import type { Database } from '#storage/database';
import {
  createWebSession,
  deleteWebSession,
  deleteWebSessionByKey,
  deleteWebSessionsOf,
  findWebSession,
  inetOrNull,
  type LoginStep,
  listWebSessionsOf,
  stepOn,
} from '#storage/web-sessions';
import { testDatabase } from '#test/support/database';

const NOW = Date.parse('2026-11-21T02:00:00Z');
let db: Database;

beforeAll(async () => {
  db = await testDatabase();
  await db.query(
    `insert into staff (id, username, password_hash, role, name) overriding system value
     values (1, 'siti', 'x', 'admin', 'Siti'), (2, 'agus', 'x', 'technician', 'Agus')`,
  );
  await db.query(
    `insert into subscriber (id, username, password_sealed, name, portal_id) overriding system value
     values (7, 'budi', 'x', 'Budi', '12345678')`,
  );
  await db.query(`insert into portal_account (subscriber_id, pin_sealed) values (7, 'x')`);
});

beforeEach(async () => {
  await db.query('delete from web_session');
});

const BROWSER = { address: '10.0.0.5', userAgent: 'Mozilla/5.0', at: NOW };
const staff = (step: LoginStep = 'full', id = 1, at = NOW) =>
  createWebSession(db, { ...BROWSER, at, of: { staffId: id, step } });
const customer = () => createWebSession(db, { ...BROWSER, of: { subscriberId: 7 } });

test('a token says who is logged in, as they are now; the database does not hold it', async () => {
  const token = await staff();
  expect(token).toMatch(/^[\w-]{43}$/);
  expect(await findWebSession(db, token, NOW)).toEqual({
    kind: 'staff',
    staff: {
      id: 1,
      username: 'siti',
      name: 'Siti',
      role: 'admin',
      language: 'id',
      totp: false,
      mustChangePassword: true,
    },
    step: 'full',
    createdAt: NOW,
    expiresAt: NOW + 7 * DAY,
  });
  await db.query(`update staff set role = 'technician', totp_since = now(), must_change_password = false where id = 1`);
  const found = await findWebSession(db, token, NOW);
  expect(found).toMatchObject({ staff: { role: 'technician', totp: true, mustChangePassword: false } });
  await db.query(`update staff set role = 'admin', totp_since = null where id = 1`);
  const [row] = await db.query<{ all: string }>('select web_session::text as all from web_session');
  expect(row!.all).not.toContain(token);
});

test('a subscriber is known by the portal session, with what is still to be done', async () => {
  const token = await customer();
  expect(await findWebSession(db, token, NOW)).toEqual({
    kind: 'portal',
    subscriberId: 7,
    username: 'budi',
    name: 'Budi',
    portalId: '12345678',
    language: 'id',
    mustChangePin: true,
    createdAt: NOW,
    expiresAt: NOW + 30 * DAY,
  });
  expect(await findWebSession(db, token, NOW + 30 * DAY - 1)).not.toBeNull();
  expect(await findWebSession(db, token, NOW + 30 * DAY)).toBeNull();
});

test('a token that nobody was given, and one of a deleted session, are nobody', async () => {
  const token = await staff();
  expect(await findWebSession(db, `${token.slice(0, -1)}!`, NOW)).toBeNull();
  expect(await findWebSession(db, '', NOW)).toBeNull();
  expect(await deleteWebSession(db, token)).toBe(true);
  expect(await findWebSession(db, token, NOW)).toBeNull();
  expect(await deleteWebSession(db, token)).toBe(false);
});

test('a session of staff ends after 12 idle hours, and after 7 days however busy', async () => {
  const idle = await staff();
  expect(await findWebSession(db, idle, NOW + 12 * HOUR - 1)).not.toBeNull();
  const other = await staff();
  expect(await findWebSession(db, other, NOW + 12 * HOUR)).toBeNull();

  const busy = await staff();
  for (let at = NOW; at < NOW + 7 * DAY; at += 11 * HOUR) expect(await findWebSession(db, busy, at)).not.toBeNull();
  expect(await findWebSession(db, busy, NOW + 7 * DAY)).toBeNull();
});

test('a login that waits for its second factor waits a quarter of an hour', async () => {
  const token = await staff('totp');
  expect(await findWebSession(db, token, NOW + 15 * MINUTE - 1)).toMatchObject({ step: 'totp' });
  expect(await findWebSession(db, token, NOW + 15 * MINUTE)).toBeNull();
});

test('that it was seen is written once a minute at most', async () => {
  const token = await staff();
  const seenAt = async () => (await listWebSessionsOf(db, 1, NOW))[0]!.seenAt;
  await findWebSession(db, token, NOW + MINUTE - 1);
  expect(await seenAt()).toBe(NOW);
  await findWebSession(db, token, NOW + MINUTE);
  expect(await seenAt()).toBe(NOW + MINUTE);
});

test('disabled staff, and a subscriber whose account is gone, are out at once', async () => {
  const [siti, budi] = [await staff(), await customer()];
  await db.query('update staff set disabled_at = now() where id = 1');
  expect(await findWebSession(db, siti, NOW)).toBeNull();
  await db.query('update staff set disabled_at = null where id = 1');
  expect(await findWebSession(db, siti, NOW)).not.toBeNull();
  await db.query('delete from portal_account');
  expect(await findWebSession(db, budi, NOW)).toBeNull();
  await db.query(`insert into portal_account (subscriber_id, pin_sealed) values (7, 'x')`);
});

test('all sessions of one person end at once, those of others go on, and one may be spared', async () => {
  const [one, two, agus, budi] = [await staff(), await staff(), await staff('full', 2), await customer()];
  expect(await deleteWebSessionsOf(db, { staffId: 1 }, two)).toBe(1);
  expect(await findWebSession(db, one, NOW)).toBeNull();
  expect(await findWebSession(db, two, NOW)).not.toBeNull();
  expect(await deleteWebSessionsOf(db, { staffId: 1 })).toBe(1);
  expect(await deleteWebSessionsOf(db, { subscriberId: 7 })).toBe(1);
  expect(await findWebSession(db, budi, NOW)).toBeNull();
  expect(await findWebSession(db, agus, NOW)).not.toBeNull();
});

test('staff see their sessions, the last used first, and end a single one, of nobody else', async () => {
  const older = await staff();
  await createWebSession(db, {
    of: { staffId: 1, step: 'full' },
    address: '2001:db8::1',
    userAgent: 'Fox',
    at: NOW + 1,
  });
  await staff('full', 2);
  const [first, second, ...none] = await listWebSessionsOf(db, 1, NOW + 2);
  expect(none).toEqual([]);
  expect(first).toMatchObject({ address: '2001:db8::1', userAgent: 'Fox', createdAt: NOW + 1 });
  expect(await deleteWebSessionByKey(db, 2, second!.key), 'not hers').toBe(false);
  expect(await deleteWebSessionByKey(db, 1, 'not a key')).toBe(false);
  expect(await deleteWebSessionByKey(db, 1, second!.key)).toBe(true);
  expect(await findWebSession(db, older, NOW)).toBeNull();
  expect(await findWebSession(db, first!.key, NOW), 'the key in the list is no token').toBeNull();
  expect(await listWebSessionsOf(db, 1, NOW + 12 * HOUR + 1)).toEqual([]);
});

test('a step of the login replaces the token; the one from before it is worth nothing', async () => {
  const before = await staff('totp');
  const after = await stepOn(db, before, 'full', NOW + MINUTE);
  expect(await findWebSession(db, before, NOW + MINUTE)).toBeNull();
  expect(await findWebSession(db, after!, NOW + MINUTE)).toMatchObject({
    step: 'full',
    expiresAt: NOW + MINUTE + 7 * DAY,
  });
  const [listed] = await listWebSessionsOf(db, 1, NOW + MINUTE);
  expect(listed).toMatchObject({ address: '10.0.0.5', userAgent: 'Mozilla/5.0' });
  expect(await stepOn(db, before, 'full', NOW), 'once only').toBeNull();
  expect(await stepOn(db, await customer(), 'full', NOW), 'a customer becomes no staff').toBeNull();
});

test.each([
  ['10.0.0.5', '10.0.0.5'],
  ['fe80::1%eth0', 'fe80::1'],
  ['', null],
  ['unknown', null],
])('the address %j is kept as %j', (given, kept) => {
  expect(inetOrNull(given)).toBe(kept);
});

test('a hostile browser name does no harm', async () => {
  const token = await createWebSession(db, {
    ...BROWSER,
    of: { staffId: 1, step: 'full' },
    userAgent: `\0${'x'.repeat(9_000)}`,
  });
  expect(await findWebSession(db, token, NOW)).not.toBeNull();
  expect((await listWebSessionsOf(db, 1, NOW))[0]!.userAgent).toBe('x'.repeat(300));
});
