import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { FINDING_CODES } from '#domain/nas-evidence';
import { MINUTE } from '#domain/time';
import { Clinic, type Patient, SECRET } from '#test/operations/clinic';
import { Client } from '#test/radius-server/harness';
import { papDial } from '#test/radius-server/requests';

/**
 * Each finding both ways, by the packets of a simulated MikroTik: the sick router is found, the healthy one is not accused.
 * The rest is in `check-nas-sessions.test.ts`.
 */

const OTHER = 'the secret that was pasted wrongly';
let clinic: Clinic;
let healthy: Patient;

beforeAll(async () => {
  clinic = await Clinic.open();
  healthy = await clinic.admit('healthy');
  const sessions = await healthy.dial(12, { load: 0.7 });
  expect(sessions.map(({ state }) => state)).toEqual(sessions.map(() => 'up'));
  await healthy.router.advance(6 * 300);
  await clinic.settle();
});
afterAll(() => clinic.close());

/** What is wrong with it, by code. */
const wrong = async (patient: Patient): Promise<string[]> =>
  (await patient.check()).findings.filter(({ level }) => level === 'bad' || level === 'warn').map(({ code }) => code);

describe('a router on which all is well', () => {
  test('is accused of nothing; what nothing speaks for is told as unknown', async () => {
    const { level, findings, identity } = await healthy.check();
    expect([level, identity]).toEqual(['ok', 'healthy']);
    expect(findings.map(({ code }) => code)).toEqual(FINDING_CODES);
    expect(findings.filter(({ level }) => level === 'unknown').map(({ code }) => code)).toEqual([
      'coa',
      'coa-effect',
      'redial',
      'clock',
    ]);
    expect(findings.every(({ fix }) => fix === null)).toBe(true);
    expect(findings.map(({ says }) => says)).toContain('they come every 300 s, as asked for');
  });

  test('of which nothing was ever heard, nothing is known', async () => {
    const stranger = await clinic.admit('stranger');
    const { level, findings } = await stranger.check();
    expect(level).toBe('unknown');
    expect(findings.filter((one) => one.level !== 'unknown')).toEqual([]);
    expect(await stranger.finding('heard')).toEqual([
      'unknown',
      'nothing was ever heard from it; paste into it what "gerbang nas script stranger" prints',
      '/radius monitor 0',
    ]);
  });
});

describe('the secret', () => {
  test('of a router that signs: its dials get no answer, and it is told why', async () => {
    const patient = await clinic.admit('signs-wrongly', { secret: OTHER });
    const [session] = await patient.dial(1);
    expect(session!.state).toBe('unanswered');
    await clinic.settle();
    const [level, says, fix] = await patient.finding('secret');
    expect([level, fix]).toEqual(['bad', '/radius set [find comment="gerbang"] secret="SECRET"']);
    expect(says).toMatch(/^not the same on both sides: \d+ requests of the last hour do not fit ours/);
  });

  test('of an old router, by PAP: the passwords come out as garbage', async () => {
    const options = { sendsMessageAuthenticator: false, requiresMessageAuthenticator: false };
    const patient = await clinic.admit('old', { secret: OTHER, options });
    await patient.dial(2);
    await clinic.settle();
    expect((await patient.finding('secret'))[0]).toBe('bad');
  });

  test('by CHAP nothing proves it; that nobody comes online after an Access-Accept does', async () => {
    const options = { sendsMessageAuthenticator: false, requiresMessageAuthenticator: false };
    const patient = await clinic.admit('chap', { secret: OTHER, options });
    const sessions = await patient.dial(3, { method: 'chap' });
    expect(sessions.map(({ state }) => state)).toEqual(['unanswered', 'unanswered', 'unanswered']);
    expect(patient.router.counts.badReplies).toBeGreaterThan(2);
    await clinic.settle();
    expect((await patient.finding('secret'))[0]).toBe('unknown');
    const [level, says, fix] = await patient.finding('accounting');
    expect([level, fix]).toEqual(['bad', '/radius monitor 0']);
    expect(says).toContain('our answers do not arrive, or it does not believe them (the secret)');
  });

  test('mended, it is right again after a while; a password that is only wrong never was an accusation', async () => {
    const patient = await clinic.admit('mended');
    const client = await Client.open(patient.router.address);
    const { authPort } = clinic.ports;
    client.send(papDial('mended-1', 'x', OTHER, { signed: 'no' }), authPort);
    client.send(papDial('mended-1', 'wrong', SECRET, { identifier: 1, signed: 'no' }), authPort);
    await client.until(2);
    client.close();
    await clinic.settle();
    expect((await patient.finding('secret'))[0]).toBe('warn');
    clinic.pass(11 * MINUTE);
    await patient.dial(1);
    await clinic.settle();
    expect((await patient.finding('secret'))[0]).toBe('ok');
  });
});

describe('Message-Authenticator', () => {
  const options = { sendsMessageAuthenticator: false };

  test('missing: the router is older than 7.15', async () => {
    const patient = await clinic.admit('v6', { options });
    await patient.dial(1);
    await clinic.settle();
    const [level, , fix] = await patient.finding('signed');
    expect([level, fix]).toEqual(['warn', '/system package update install']);
    expect(await wrong(patient)).toEqual(['signed']);
  });

  test('missing where it must be: its dials get no answer', async () => {
    const patient = await clinic.admit('v6-required', { options, nas: { messageAuthenticator: 'required' } });
    const [session] = await patient.dial(1);
    expect(session!.state).toBe('unanswered');
    await clinic.settle();
    expect(await patient.finding('signed')).toMatchObject([
      'bad',
      expect.stringMatching(/^4 dials of the last hour got no answer/),
      '/system package update install',
    ]);
  });
});

describe('accounting', () => {
  test('that is off: lines are let in and never reported', async () => {
    const patient = await clinic.admit('unaccounted');
    const client = await Client.open(patient.router.address);
    const [session] = await patient.dial(1);
    await patient.router.hangUp(session!);
    await clinic.settle();
    clinic.pass(25 * 60 * MINUTE);
    const { username } = session!;
    for (let i = 0; i < 3; i += 1)
      await client.ask(papDial(username, `pw of ${username}`, SECRET, { identifier: i }), clinic.ports.authPort);
    client.close();
    await clinic.settle();
    expect(await patient.finding('accounting')).toEqual([
      'bad',
      '3 lines were let in, but it reported no session: accounting is off, or does not reach this server',
      '/ppp aaa set accounting=yes',
    ]);
  });
});

describe('interims', () => {
  test('at another interval than was asked for', async () => {
    const patient = await clinic.admit('hasty');
    for (const session of await patient.dial(4)) {
      session.interimSeconds = 60;
      session.nextInterimAt = session.startedAt + 60_000;
    }
    await patient.router.advance(6 * 60);
    await clinic.settle();
    expect(await patient.finding('interim')).toEqual([
      'warn',
      'they come every 60 s or so, though every 300 s was asked for',
      '/ppp aaa set accounting=yes interim-update=5m',
    ]);
    expect(await wrong(patient)).toEqual(['interim']);
  });

  test('none at all, while new lines are reported', async () => {
    const patient = await clinic.admit('mute');
    for (const session of await patient.dial(4)) session.nextInterimAt = Number.POSITIVE_INFINITY;
    await clinic.settle();
    expect((await patient.finding('interim'))[0]).toBe('unknown');
    clinic.pass(20 * MINUTE);
    for (const session of await patient.dial(1)) session.nextInterimAt = Number.POSITIVE_INFINITY;
    await clinic.settle();
    expect(await patient.finding('interim')).toEqual([
      'bad',
      '4 of 5 sessions send none, though every 300 s was asked for',
      '/ppp aaa set accounting=yes interim-update=5m',
    ]);
  });

  test('some that never came are seen by the jumps of the sessions’ own clocks', async () => {
    const patient = await clinic.admit('gappy');
    const sessions = await patient.dial(6);
    for (let round = 0; round < 5; round += 1) {
      await patient.router.advance(300);
      for (const session of sessions.slice(0, 2)) session.nextInterimAt += 300_000;
      await patient.router.advance(300);
    }
    await clinic.settle();
    const [level, says, fix] = await patient.finding('gaps');
    expect([level, fix]).toEqual(['bad', '/radius set [find comment="gerbang"] timeout=3s']);
    expect(says).toMatch(/^(8|9|10) of \d\d interims never came$/);
    expect((await patient.finding('interim'))[0]).toBe('ok');
  });
});
