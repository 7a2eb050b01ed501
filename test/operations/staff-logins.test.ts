import { TOTP } from 'otpauth';
import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { HOUR, type Instant, MINUTE, SECOND } from '#domain/time';
import { beginTotp, changeOwnPassword, confirmTotp, turnOffTotp } from '#operations/own-account';
import { addStaff, disableStaff, enableStaff, resetStaffPassword, resetStaffTotp } from '#operations/staff';
import { staffLogin, staffTotp } from '#operations/staff-login';
import { findWebSession } from '#storage/web-sessions';
import { emptied, faults, NOW, secondNode, type TestDesk, testDesk } from '#test/operations/desk';

let desk: TestDesk;
let now: Instant;
const at = (instant: Instant) => {
  now = instant;
  desk.setClock(instant);
};

/** Counts argon2id verifications without their cost; no password is right. */
let verified = 0;
const quick = async (): Promise<boolean> => {
  verified += 1;
  return false;
};

beforeAll(async () => {
  desk = await testDesk();
});

beforeEach(async () => {
  await emptied(desk);
  at(NOW);
});

describe('staff log in', () => {
  const ADDRESS = '10.9.9.9';
  const as = (username: string, password: string, address = ADDRESS, of = desk) =>
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
      verified = 0;
      const answers: unknown[] = [];
      for (let i = 0; i < 6; i += 1) {
        answers.push(await staffLogin(desk, { username, password, address: `10.8.8.8`, userAgent: '' }, quick));
      }
      await desk.db.query('delete from login_budget');
      return { answers, verified };
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

  test('a disabled account is refused with its right password, and let in again once enabled', async () => {
    const agus = await addStaff(desk, { username: 'agus', role: 'technician' });
    await disableStaff(desk, agus.id);
    expect(await as('agus', agus.password)).toEqual({ ok: false, waitSeconds: 0 });
    expect(await desk.db.query('select from web_session')).toEqual([]);
    await enableStaff(desk, agus.id);
    expect(await as('agus', agus.password)).toMatchObject({ ok: true, step: 'password' });
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
    const restarted = await secondNode(desk);
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
      expect(await faults(confirmTotp(desk, siti.id, '000000'))).toEqual([
        'no second factor is being set up; begin anew',
      ]);
      const begun = await beginTotp(desk, siti.id);
      expect(await faults(turnOffTotp(desk, siti.id, '000000'))).toEqual(['no second factor is in force']);
      await desk.db.query('delete from login_budget');
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
