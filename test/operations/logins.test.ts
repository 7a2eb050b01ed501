import { TOTP } from 'otpauth';
import { beforeEach, describe, expect, test } from 'vitest';
import { DAY, HOUR, type Instant, MINUTE, SECOND } from '#domain/time';
import { networkOf } from '#operations/guessing';
import { beginTotp, changeOwnPassword, confirmTotp, turnOffTotp } from '#operations/own-account';
import { hashPassword, verifyPassword } from '#operations/password-hash';
import { type PortalLogin, portalLogin } from '#operations/portal-login';
import { addStaff, disableStaff, resetStaffPassword, resetStaffTotp } from '#operations/staff';
import { staffLogin, staffTotp } from '#operations/staff-login';
import { type Database, openDatabase } from '#storage/database';
import { issueSealedPin } from '#storage/portal-accounts';
import { portalPinAad } from '#storage/secrets';
import { findWebSession } from '#storage/web-sessions';
import { faults, NOW, type TestDesk, testDesk } from '#test/operations/desk';

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

beforeEach(async () => {
  desk = await testDesk();
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
    const other = await secondNode();
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
    const restarted = await secondNode();
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

describe('staff log in', () => {
  const ADDRESS = '10.9.9.9';
  const as = (username: string, password: string, address = ADDRESS, of: TestDesk | Desk2 = desk) =>
    staffLogin(of, { username, password, address, userAgent: 'Firefox' });
  let siti: { id: number; username: string; password: string };

  beforeEach(async () => {
    siti = await addStaff(desk, { username: 'siti', name: 'Siti', role: 'owner' });
  });

  /** Past the one-time password. */
  async function settled(): Promise<{ token: string; password: string }> {
    const first = (await as('siti', siti.password)) as { token: string };
    const password = 'kuda-meja-awan';
    const { token } = await changeOwnPassword(desk, {
      token: first.token,
      oldPassword: siti.password,
      newPassword: password,
    });
    return { token, password };
  }

  async function withTotp(): Promise<{ password: string; code: (shift?: number) => string }> {
    const { password } = await settled();
    const { secret } = await beginTotp(desk, siti.id);
    const code = (shift = 0) => TOTP.generate({ secret: secretOf(secret), timestamp: now + shift * 30 * SECOND });
    await confirmTotp(desk, siti.id, code());
    return { password, code };
  }

  test('first with the one-time password, which must be changed before anything else', async () => {
    const first = await as(' siti ', siti.password);
    expect(first).toMatchObject({ ok: true, step: 'password' });
    const { token } = first as { token: string };
    const changed = await changeOwnPassword(desk, { token, oldPassword: siti.password, newPassword: 'kuda-meja-awan' });
    expect(await findWebSession(desk.db, token, now), 'the token from before is worth nothing').toBeNull();
    expect(await findWebSession(desk.db, changed.token, now)).toMatchObject({
      step: 'full',
      staff: { mustChangePassword: false },
    });
    expect(await as('siti', siti.password)).toMatchObject({ ok: false });
    expect(await as('siti', 'kuda-meja-awan')).toMatchObject({ ok: true, step: 'full' });
  });

  test('a name that nobody has, a disabled account and a wrong password are one answer after one verification', async () => {
    const agus = await addStaff(desk, { username: 'agus', role: 'technician' });
    await disableStaff(desk, agus.id);
    const trail = async (username: string, password: string) => {
      verified = [];
      const answers: unknown[] = [];
      for (let i = 0; i < 6; i += 1) {
        answers.push(await staffLogin(desk, { username, password, address: `10.8.8.8`, userAgent: '' }, quick));
      }
      await desk.db.query('delete from login_budget');
      return { answers, verified: verified.length };
    };
    const wrong = await trail('siti', 'not this one');
    expect(await trail('nobody', 'not this one')).toEqual(wrong);
    expect(await trail('agus', agus.password)).toEqual(wrong);
    expect(await trail('nul\0', 'x')).toEqual(wrong);
    expect(wrong).toMatchObject({
      verified: 3,
      answers: [{ ok: false, waitSeconds: 0 }, {}, { waitSeconds: 1 }, {}, {}, {}],
    });
  });

  test('who guesses slows himself down, not the owner at another address', async () => {
    for (let i = 0; i < 15; i += 1) {
      const answer = await as('siti', `wrong-${i}`, '203.0.113.5');
      at(now + (answer as { waitSeconds: number }).waitSeconds * SECOND);
    }
    const last = await as('siti', 'wrong', '203.0.113.5');
    expect((last as { waitSeconds: number }).waitSeconds).toBe(5 * 60);
    expect(await as('siti', siti.password)).toMatchObject({ ok: true });
  });

  test('60 wrong passwords an hour for one account from everywhere, until somebody vouches for it', async () => {
    for (let i = 0; i < 60; i += 1) await guessPassword('siti', `10.7.${i}.1`);
    expect(await as('siti', siti.password)).toMatchObject({ ok: false, waitSeconds: 3_600 });
    const { password } = await resetStaffPassword(desk, siti.id);
    expect(await as('siti', password)).toMatchObject({ ok: true });
  });

  const guessPassword = (username: string, address: string) =>
    staffLogin(desk, { username, password: 'wrong', address, userAgent: '' }, quick);

  test('one address has 20 wrong passwords in a quarter of an hour, also after a restart', async () => {
    for (let i = 0; i < 20; i += 1) await guessPassword(`name-${i}`, ADDRESS);
    const restarted = await secondNode();
    expect(await as('siti', siti.password, ADDRESS, restarted)).toEqual({ ok: false, waitSeconds: 15 * 60 });
    expect(await as('siti', siti.password, '10.9.9.8', restarted)).toMatchObject({ ok: true });
    await restarted.db.close();
  });

  test('parallel wrong passwords all count', async () => {
    await Promise.all(Array.from({ length: 12 }, (_, i) => guessPassword('siti', `10.6.${i}.1`)));
    const [row] = await desk.db.query<{ failures: number }>('select failures from staff where id = $1', [siti.id]);
    expect(row!.failures).toBe(12);
  });

  test('a password that is reset while it is being compared ends that login', async () => {
    const slow = async () => {
      await resetStaffPassword(desk, siti.id);
      return true;
    };
    const given = { username: 'siti', password: siti.password, address: ADDRESS, userAgent: '' };
    expect(await staffLogin(desk, given, slow)).toMatchObject({ ok: false });
    expect(await desk.db.query('select from web_session')).toEqual([]);
  });

  test('the old password must be right, and guessing it at an open session is slowed down', async () => {
    const { token, password } = await settled();
    const attempt = (oldPassword: string, newPassword = 'awan-meja-kuda') =>
      faults(changeOwnPassword(desk, { token, oldPassword, newPassword }));
    const wrong = 'oldPassword is not the password you have now; try again';
    expect(await attempt('x')).toEqual([wrong]);
    expect(await attempt('y')).toEqual([wrong]);
    expect(await attempt('z')).toEqual([wrong]);
    expect(await attempt(password)).toEqual(['too many wrong tries: try again in 1 seconds']);
    at(now + SECOND);
    expect(await attempt(password, 'short')).toEqual([
      'newPassword (not shown) is not usable; give a password of 10 to 200 characters, for example three words that do not belong together',
    ]);
    expect(await attempt(password, password)).toEqual([
      'newPassword is the old password or the user name; choose another',
    ]);
    expect(await attempt(password)).toEqual([]);
    expect(await attempt(password)).toEqual(['you are logged out; log in again']);
  });

  test('a changed password ends every other session', async () => {
    const { token, password } = await settled();
    const elsewhere = (await as('siti', password)) as { token: string };
    await changeOwnPassword(desk, { token, oldPassword: password, newPassword: 'awan-meja-kuda' });
    expect(await findWebSession(desk.db, elsewhere.token, now)).toBeNull();
  });

  describe('with a second factor', () => {
    test('password first, then the code; the session in between opens nothing and is replaced', async () => {
      const { password, code } = await withTotp();
      at(now + MINUTE);
      const first = await as('siti', password);
      expect(first).toMatchObject({ ok: true, step: 'totp' });
      const { token } = first as { token: string };
      expect(
        await faults(changeOwnPassword(desk, { token, oldPassword: password, newPassword: 'awan-meja-kuda' })),
      ).toEqual(['you are logged out; log in again']);
      const second = await staffTotp(desk, token, ` ${code().slice(0, 3)} ${code().slice(3)} `);
      expect(second).toMatchObject({ ok: true, step: 'full' });
      expect(await findWebSession(desk.db, token, now)).toBeNull();
      const full = await findWebSession(desk.db, (second as { token: string }).token, now);
      expect(full).toMatchObject({ step: 'full', staff: { totp: true } });
    });

    test('a one-time password is changed only after the code', async () => {
      const { code } = await withTotp();
      const { password } = await resetStaffPassword(desk, siti.id);
      at(now + MINUTE);
      const first = (await as('siti', password)) as { token: string; step: string };
      expect(first.step).toBe('totp');
      expect(await staffTotp(desk, first.token, code())).toMatchObject({ ok: true, step: 'password' });
    });

    test('a code counts once, also of two at the same moment, and an older one not after it', async () => {
      const { password, code } = await withTotp();
      at(now + MINUTE);
      const tokens = await Promise.all(
        [1, 2, 3].map(async () => ((await as('siti', password)) as { token: string }).token),
      );
      const answers = await Promise.all(tokens.slice(0, 2).map((token) => staffTotp(desk, token, code())));
      expect(answers.map((answer) => answer.ok).sort()).toEqual([false, true]);
      expect(await staffTotp(desk, tokens[2]!, code()), 'replayed').toMatchObject({ ok: false });
      expect(await staffTotp(desk, tokens[2]!, code(-1)), 'the one before it').toMatchObject({ ok: false });
      at(now + SECOND);
      expect(await staffTotp(desk, tokens[2]!, code(1)), 'the next').toMatchObject({ ok: true });
    });

    test('the clock of the telephone may be half a minute off, not more', async () => {
      const { password, code } = await withTotp();
      for (const [shift, ok] of [
        [-2, false],
        [-1, true],
        [1, true],
        [2, false],
      ] as const) {
        at(now + 10 * MINUTE);
        const { token } = (await as('siti', password)) as { token: string };
        expect(await staffTotp(desk, token, code(shift)), `${shift} steps off`).toMatchObject({ ok });
      }
    });

    test('wrong codes are slowed down, and after 20 a day none is taken, until an owner resets it', async () => {
      const { password, code } = await withTotp();
      at(now + MINUTE);
      let { token } = (await as('siti', password)) as { token: string };
      const waits: number[] = [];
      for (let i = 0; i < 20; i += 1) {
        const answer = await staffTotp(desk, token, code() === '000000' ? '000001' : '000000');
        waits.push((answer as { waitSeconds: number }).waitSeconds);
        at(now + Math.min(60, waits.at(-1)!) * SECOND);
        ({ token } = (await as('siti', password)) as { token: string });
      }
      expect(waits.slice(0, 5)).toEqual([0, 0, 1, 2, 4]);
      expect(await staffTotp(desk, token, code())).toMatchObject({ ok: false });
      at(now + HOUR);
      await resetStaffTotp(desk, siti.id);
      expect(await as('siti', password)).toMatchObject({ ok: true, step: 'full' });
    });

    test('nothing but six digits is a code, and no session no answer', async () => {
      const { password, code } = await withTotp();
      at(now + MINUTE);
      const { token } = (await as('siti', password)) as { token: string };
      for (const nothing of ['', '12345', '1234567', 'abcdef', '١٢٣٤٥٦']) {
        expect(await staffTotp(desk, token, nothing)).toMatchObject({ ok: false });
        at(now + MINUTE);
      }
      expect(await staffTotp(desk, 'no-such-session', code())).toEqual({ ok: false, waitSeconds: 0 });
      const { token: full } = (await staffTotp(desk, token, code())) as { token: string };
      expect(await staffTotp(desk, full, code(1)), 'it is asked once').toEqual({ ok: false, waitSeconds: 0 });
    });

    test('it counts from its confirmation on, and cannot be begun anew over one in force', async () => {
      const { password } = await settled();
      const begun = await beginTotp(desk, siti.id);
      expect(begun.uri).toMatch(
        /^otpauth:\/\/totp\/Gerbang:siti\?issuer=Gerbang&secret=[A-Z2-7]{32}&algorithm=SHA1&digits=6&period=30$/,
      );
      expect(await as('siti', password), 'not confirmed yet').toMatchObject({ step: 'full' });
      const { secret } = await beginTotp(desk, siti.id);
      const wrong = 'code is not the one the app shows now; look at the clock of the telephone, and give the next code';
      const oldCode = TOTP.generate({ secret: secretOf(begun.secret), timestamp: now });
      expect(await faults(confirmTotp(desk, siti.id, oldCode))).toEqual([wrong]);
      await confirmTotp(desk, siti.id, TOTP.generate({ secret: secretOf(secret), timestamp: now }));
      expect(await faults(beginTotp(desk, siti.id))).toEqual([
        'a second factor is in force already; turn it off first, with a code of it',
      ]);
      expect(await as('siti', password)).toMatchObject({ step: 'totp' });
      expect(await faults(turnOffTotp(desk, siti.id, '000000'))).toEqual([wrong]);
      at(now + MINUTE);
      await turnOffTotp(desk, siti.id, TOTP.generate({ secret: secretOf(secret), timestamp: now }));
      expect(await as('siti', password)).toMatchObject({ step: 'full' });
    });

    test('its secret is sealed, and in no audit row', async () => {
      await settled();
      const { secret } = await beginTotp(desk, siti.id);
      const [row] = await desk.db.query<{ all: string }>(
        `select (select string_agg(a::text, ' ') from audit a) || (select string_agg(s::text, ' ') from staff s) as all`,
      );
      expect(row!.all).not.toContain(secret);
      expect(row!.all).not.toContain(Buffer.from(secret).toString('hex'));
      expect(row!.all).not.toContain('kuda-meja-awan');
    });
  });
});

function secretOf(base32: string) {
  return new TOTP({ secret: base32 }).secret;
}

type Desk2 = Omit<TestDesk, 'db'> & { readonly db: Database };

/** The same company from another process: connections and memory of its own. */
async function secondNode(): Promise<TestDesk> {
  const db = openDatabase({ url: desk.db.url, poolSize: 4 });
  return { ...desk, clock: () => now, db };
}
