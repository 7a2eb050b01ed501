import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { DAY, type Instant, MINUTE, SECOND } from '#domain/time';
import { networkOf } from '#operations/guessing';
import { hashPassword, verifyPassword } from '#operations/password-hash';
import { type PortalLogin, portalLogin } from '#operations/portal-login';
import { issueSealedPin } from '#storage/portal-accounts';
import { portalPinAad } from '#storage/secrets';
import { findWebSession } from '#storage/web-sessions';
import { emptied, NOW, secondNode, type TestDesk, testDesk } from '#test/operations/desk';

const ID = '48210733';
const OTHER_ID = '59321844';
const UNKNOWN_ID = '70654321';
const PIN = '482913';
const HOME = '100.64.7.9';

let desk: TestDesk;
let now: Instant;
const at = (instant: Instant) => {
  now = instant;
  desk.setClock(instant);
};

/** Counts argon2id verifications and compares without their cost, so that a test may guess often. */
let verified: string[] = [];
const quick = async (given: string, phc: string): Promise<boolean> => {
  verified.push(phc);
  return phc === `quick:${given}`;
};

async function issue(subscriberId: number, pin: string): Promise<void> {
  const sealed = desk.sealer.seal(`quick:${pin}`, portalPinAad(subscriberId));
  await issueSealedPin(desk.db, subscriberId, sealed, now);
}

beforeAll(async () => {
  desk = await testDesk();
});

beforeEach(async () => {
  await emptied(desk);
  at(NOW);
  verified = [];
  await desk.db.query(
    `insert into subscriber (id, username, password_sealed, portal_id) overriding system value
     values (1, 'budi', 'x', $1), (2, 'wati', 'x', $2), (3, 'tono', 'x', null)`,
    [ID, OTHER_ID],
  );
  await issue(1, PIN);
  await issue(2, PIN);
});

const guess = (over: Partial<PortalLogin> = {}, of = desk) =>
  portalLogin(
    of,
    { portalId: ID, pin: '000000', deviceToken: null, address: '203.0.113.9', userAgent: 'Bot', ...over },
    quick,
  );
const login = (over: Partial<PortalLogin> = {}) => guess({ pin: PIN, address: HOME, userAgent: 'Phone', ...over });

/** Guesses as fast as it is let, each from another address; returns how often something was compared. */
async function hammer(times: number, over: Partial<PortalLogin> = {}): Promise<number> {
  const before = verified.length;
  for (let i = 0; i < times; i += 1) {
    const answer = await guess({ address: `198.51.100.${i % 250}`, pin: String(100_000 + i), ...over });
    expect(answer.ok).toBe(false);
    if (!answer.ok) at(now + answer.waitSeconds * SECOND);
  }
  return verified.length - before;
}

async function knownDevice(over: Partial<PortalLogin> = {}): Promise<string> {
  const answer = await login(over);
  if (!answer.ok) throw new Error('the right PIN was refused');
  return answer.deviceToken;
}

const failuresOf = async (subscriberId: number): Promise<number> =>
  (
    await desk.db.query<{ failures: number }>('select failures from portal_account where subscriber_id = $1', [
      subscriberId,
    ])
  )[0]!.failures;

test('an IPv4 address counts as it is, of IPv6 the network of one customer', () => {
  const networks = {
    '192.0.2.7': '192.0.2.7',
    '::ffff:192.0.2.7': '192.0.2.7',
    '2001:db8:1:2:3:4:5:6': '2001:db8:1:2::/64',
    '2001:DB8:1:2::99': '2001:db8:1:2::/64',
    '2001:db8::1': '2001:db8:0:0::/64',
    '::1': '0:0:0:0::/64',
    'fe80::1%eth0': 'fe80:0:0:0::/64',
    nonsense: 'unknown',
  };
  for (const [address, network] of Object.entries(networks)) expect(networkOf(address), address).toBe(network);
});

describe('a subscriber logs in', () => {
  test('with Portal ID and PIN, as typed on a telephone', async () => {
    const answer = await login({ portalId: ' 4821 0733 ', pin: '482 913' });
    expect(answer).toMatchObject({ ok: true, mustChangePin: true });
    const { token, deviceToken } = answer as { token: string; deviceToken: string };
    expect(await findWebSession(desk.db, token, now)).toMatchObject({ kind: 'portal', subscriberId: 1 });
    expect(await findWebSession(desk.db, deviceToken, now), 'the device cookie is no login').toBeNull();
    const [row] = await desk.db.query(
      `select actor, why, subscriber_id as "subscriberId", detail from audit order by id desc limit 1`,
    );
    expect(row).toEqual({
      actor: 'portal:1',
      why: 'log in to the portal',
      subscriberId: 1,
      detail: { address: HOME, knownDevice: false },
    });
  });

  test('with a real argon2id hash', async () => {
    await issueSealedPin(desk.db, 1, desk.sealer.seal(await hashPassword(PIN), portalPinAad(1)), now);
    const given = { portalId: ID, pin: PIN, deviceToken: null, address: HOME, userAgent: '' };
    expect(await portalLogin(desk, given)).toMatchObject({ ok: true });
    expect(await portalLogin(desk, { ...given, pin: '482914' })).toMatchObject({ ok: false });
    expect(await portalLogin(desk, { ...given, portalId: UNKNOWN_ID })).toMatchObject({ ok: false });
  });

  test('and gets a new session each time, whatever cookie came with the form', async () => {
    const device = await knownDevice();
    const first = await login({ deviceToken: device });
    const second = await login({ deviceToken: device });
    expect(first).toMatchObject({ ok: true, deviceToken: device });
    expect((first as { token: string }).token).not.toBe((second as { token: string }).token);
    const planted = await login({ deviceToken: 'chosen-by-somebody-else' });
    expect((planted as { deviceToken: string }).deviceToken).not.toBe('chosen-by-somebody-else');
  });

  test('at most 20 devices are known, those used last', async () => {
    const first = await knownDevice();
    for (let i = 0; i < 20; i += 1) {
      at(now + MINUTE);
      await knownDevice();
    }
    const [row] = await desk.db.query<{ count: number }>('select count(*) as count from portal_device');
    expect(row!.count).toBe(20);
    expect((await login({ deviceToken: first })) as object).not.toMatchObject({ deviceToken: first });
  });
});

describe('guessing a PIN', () => {
  test('ten wrong PINs from anywhere, then not even the right one is taken from there until a new one is issued', async () => {
    await hammer(10);
    expect(await failuresOf(1)).toBe(10);
    at(now + DAY);
    expect(await login()).toMatchObject({ ok: false });
    expect(verified.at(-1), 'it was not even compared').not.toContain(PIN);
    at(now + DAY);
    await issue(1, '771204');
    expect(await login({ pin: '771204' })).toMatchObject({ ok: true });
  });

  test('a right PIN does not forgive wrong ones: the ten count since the PIN was issued', async () => {
    await hammer(4);
    at(now + DAY);
    await login();
    expect(await failuresOf(1)).toBe(4);
    await hammer(6);
    at(now + DAY);
    expect(await login()).toMatchObject({ ok: false });
  });

  test("ten wrong PINs from elsewhere do not lock the owner's known device out, nor make it wait", async () => {
    const device = await knownDevice();
    await hammer(30);
    const wrong = await guess();
    expect(wrong).toMatchObject({ ok: false });
    expect((wrong as { waitSeconds: number }).waitSeconds).toBeGreaterThan(0);
    expect(await login({ deviceToken: device })).toMatchObject({ ok: true, deviceToken: device });
  });

  test('an address or everybody together being over their budget does not hurt it either', async () => {
    const device = await knownDevice();
    for (let i = 0; i < 300; i += 1) await guess({ portalId: String(80_000_000 + i), address: `10.1.${i % 100}.1` });
    for (let i = 0; i < 20; i += 1) await guess({ portalId: String(81_000_000 + i), address: HOME });
    expect(await login()).toMatchObject({ ok: false });
    expect(await login({ deviceToken: device })).toMatchObject({ ok: true });
  });

  test('the known device itself has ten tries, and a right PIN gives them anew', async () => {
    const device = await knownDevice();
    await hammer(9, { deviceToken: device });
    at(now + DAY);
    expect(await login({ deviceToken: device })).toMatchObject({ ok: true });
    await hammer(10, { deviceToken: device });
    at(now + DAY);
    verified = [];
    expect(await login({ deviceToken: device })).toMatchObject({ ok: false });
    expect(verified.join()).not.toContain(PIN);
    expect(await failuresOf(1), 'what it mistyped is not charged to others').toBe(0);
  });

  test('the device of one subscriber is unknown to another', async () => {
    const wati = await knownDevice({ portalId: OTHER_ID });
    await hammer(10, { deviceToken: wati });
    expect(await failuresOf(1)).toBe(10);
    at(now + DAY);
    expect(await login({ deviceToken: wati })).toMatchObject({ ok: false });
  });

  test('an ID that nobody has is answered like one that somebody has: same words, same waits, one verification each', async () => {
    const answers = async (portalId: string) => {
      const trail: object[] = [];
      at(NOW + DAY);
      verified = [];
      for (let i = 0; i < 14; i += 1) {
        const answer = await guess({ portalId, address: `198.51.100.${i}` });
        trail.push({ answer, verified: verified.length });
        at(now + (i % 3) * SECOND);
      }
      return trail;
    };
    const known = await answers(ID);
    await desk.db.query('delete from login_budget');
    expect(await answers(UNKNOWN_ID)).toEqual(known);
    await desk.db.query('delete from login_budget');
    await desk.db.query('update subscriber set portal_id = $1 where id = 3', [UNKNOWN_ID]);
    expect(await answers(UNKNOWN_ID), 'a Portal ID without a PIN').toEqual(known);
    expect(known.at(-1)).toMatchObject({ answer: { ok: false } });
  });

  test('what is no Portal ID at all is refused after the same work', async () => {
    for (const portalId of ['', '1', 'x'.repeat(5_000), "' or 1=1 --", '\0']) {
      verified = [];
      expect(await guess({ portalId, address: networkOf(portalId) })).toMatchObject({ ok: false });
      expect(verified).toHaveLength(1);
    }
  });

  test('the dummy costs what a real hash costs, and no PIN fits it', async () => {
    await guess({ portalId: UNKNOWN_ID });
    const parameters = /^\$argon2id\$v=19\$m=\d+,t=\d+,p=\d+\$[\w+/]{22}\$[\w+/]{43}$/;
    const cost = (phc: string) => phc.split('$')[3];
    expect(verified[0]).toMatch(parameters);
    expect(cost(verified[0]!)).toBe(cost(await hashPassword(PIN)));
    expect(await verifyPassword('000000', verified[0]!)).toBe(false);
  });

  test('the pause doubles from try to try and a right PIN ends it', async () => {
    const waits: number[] = [];
    for (let i = 0; i < 9; i += 1) {
      const answer = await guess({ address: `198.51.100.${i}` });
      waits.push((answer as { waitSeconds: number }).waitSeconds);
      at(now + waits.at(-1)! * SECOND);
    }
    expect(waits).toEqual([0, 0, 1, 2, 4, 8, 16, 32, 60]);
    at(now - SECOND);
    expect(await guess(), 'a second too early').toEqual({ ok: false, waitSeconds: 1 });
    expect(verified).toHaveLength(9);
    at(now + SECOND);
    expect(await login()).toMatchObject({ ok: true });
    expect(await guess()).toEqual({ ok: false, waitSeconds: 0 });
  });

  test('one address has 20 wrong tries in a quarter of an hour over all IDs; a right one costs none and forgives none', async () => {
    for (let i = 0; i < 19; i += 1) {
      expect(await guess({ portalId: String(80_000_000 + i) })).toEqual({ ok: false, waitSeconds: 0 });
    }
    for (let i = 0; i < 3; i += 1) expect(await login({ address: '203.0.113.9' })).toMatchObject({ ok: true });
    expect(await guess({ portalId: UNKNOWN_ID })).toEqual({ ok: false, waitSeconds: 15 * 60 });
    expect(await guess({ portalId: OTHER_ID, pin: PIN }), 'also a right one').toMatchObject({ ok: false });
    expect(await guess({ portalId: OTHER_ID, pin: PIN, address: HOME })).toMatchObject({ ok: true });
    at(now + 15 * MINUTE);
    expect(await guess({ portalId: OTHER_ID, pin: PIN })).toMatchObject({ ok: true });
  });

  test('all unknown devices together have 300 wrong tries a minute', async () => {
    for (let i = 0; i < 300; i += 1) {
      const answer = await guess({ portalId: String(80_000_000 + i), address: `10.1.${i % 250}.1` });
      expect(answer, `try ${i}`).toEqual({ ok: false, waitSeconds: i === 299 ? 60 : 0 });
    }
    expect(await login()).toEqual({ ok: false, waitSeconds: 60 });
    expect(verified, 'a refusal by a budget costs nothing').toHaveLength(300);
    at(now + MINUTE);
    expect(await login()).toMatchObject({ ok: true });
  });

  test('guesses at the same moment all count: of 40 at once at most ten are compared with the PIN', async () => {
    const other = await secondNode(desk);
    await Promise.all(
      Array.from({ length: 40 }, (_, i) => guess({ address: `198.51.100.${i}` }, i % 2 === 0 ? desk : other)),
    );
    const compared = verified.filter((phc) => phc.startsWith('quick:')).length;
    expect(await failuresOf(1)).toBe(compared);
    expect(compared).toBeGreaterThan(0);
    expect(compared).toBeLessThanOrEqual(10);
    expect(verified.length, 'after the free tries they wait').toBeLessThanOrEqual(3);
    await other.db.close();
  });

  test('two at once cost two', async () => {
    await Promise.all([guess({ address: '198.51.100.1' }), guess({ address: '198.51.100.2' })]);
    expect(await failuresOf(1)).toBe(2);
    const [row] = await desk.db.query<{ failures: number }>(
      `select failures from login_budget where bucket = 'portal-everybody'`,
    );
    expect(row!.failures).toBe(2);
  });

  test('the counts survive a restart', async () => {
    await hammer(10);
    for (let i = 0; i < 20; i += 1) await guess({ portalId: String(80_000_000 + i) });
    const restarted = await secondNode(desk);
    expect(await guess({ portalId: OTHER_ID, pin: PIN }, restarted)).toMatchObject({ ok: false });
    expect(await guess({ pin: PIN, address: HOME }, restarted)).toMatchObject({ ok: false });
    await restarted.db.close();
  });

  test('a PIN that is issued anew while the old one is being compared ends that login', async () => {
    const slow = async (given: string, phc: string) => {
      await issue(1, '771204');
      return quick(given, phc);
    };
    const given = { portalId: ID, pin: PIN, deviceToken: null, address: HOME, userAgent: '' };
    expect(await portalLogin(desk, given, slow)).toMatchObject({ ok: false });
    const sessions = await desk.db.query('select from web_session');
    const audited = await desk.db.query(`select from audit where why = 'log in to the portal'`);
    expect([sessions, audited]).toEqual([[], []]);
  });

  test('no PIN and no Portal ID is left in the books of tries', async () => {
    await hammer(3);
    const [row] = await desk.db.query<{ all: string }>(`select string_agg(b::text, ' ') as all from login_budget b`);
    expect(row!.all).not.toContain(ID);
    expect(row!.all).not.toContain('100000');
  });
});
