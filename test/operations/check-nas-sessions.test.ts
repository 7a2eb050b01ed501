import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Decision } from '#domain/decision';
import { toldOf } from '#domain/reconcile';
import { DAY, HOUR, MINUTE, NEVER, SECOND } from '#domain/time';
import { coaTargets, radiusDriver } from '#enforcement/radius-driver';
import { checkNas } from '#operations/check-nas';
import { editNas } from '#operations/edit-nas';
import { signsRecorder } from '#policy-server/signs-side';
import { CoaClient } from '#radius/coa-client';
import { Secret } from '#radius/packet';
import { loadNases } from '#storage/facts';
import { listSessions, recordActs, recordTold } from '#storage/sessions';
import { FakeNas, signedReply } from '#test/enforcement/fake-nas';
import { Clinic, type Patient, SECRET } from '#test/operations/clinic';
import { secondNode } from '#test/operations/desk';
import { Client } from '#test/radius-server/harness';
import { accountingRequest, avp, number } from '#test/radius-server/requests';

/** The second half of `check-nas.test.ts`: what is asked twice, what becomes of sessions, and who keeps it. */

let clinic: Clinic;
beforeAll(async () => {
  clinic = await Clinic.open();
});
afterAll(() => clinic.close());

const TIMEOUT = '/radius set [find comment="gerbang"] timeout=3s';

describe('requests that are asked again', () => {
  /** Every so many replies to it get lost. */
  const lossy = (patient: Patient, every: number): void => {
    let replies = 0;
    clinic.loses = (address) => address === patient.router.address && ++replies % every === 0;
  };

  test('by a router of little patience', async () => {
    const patient = await clinic.admit('impatient', { options: { timeoutMs: 300 } });
    lossy(patient, 4);
    await patient.dial(24);
    await clinic.settle();
    const [level, says, fix] = await patient.finding('resends');
    expect([level, fix]).toEqual(['bad', TIMEOUT]);
    expect(says).toContain('it waits for less than 0.7 s, and our answers take longer to it or get lost');
  });

  test('by a patient one: what it waits for gets lost', async () => {
    const patient = await clinic.admit('patient', { options: { timeoutMs: 900 } });
    lossy(patient, 4);
    await patient.dial(24);
    await clinic.settle();
    const [level, says, fix] = await patient.finding('resends');
    expect([level, fix]).toEqual(['bad', '/radius monitor 0']);
    expect(says).toContain('they get lost on the way to it');
  });

  test('while a refusal is held back', async () => {
    clinic.loses = () => false;
    const patient = await clinic.admit('refused', { options: { timeoutMs: 300 } });
    const dials = Array.from({ length: 20 }, (_, i) => patient.router.dial(`nobody-${i}`, 'x', { redials: false }));
    expect((await Promise.all(dials)).every(({ state }) => state === 'rejected')).toBe(true);
    await clinic.settle();
    expect(await patient.finding('resends')).toMatchObject([
      'bad',
      expect.stringContaining('it does not wait for a refusal, which we hold back for up to a second'),
      TIMEOUT,
    ]);
  });
});

describe('CoA', () => {
  test('reaches a router that accepts it, with a session open and without', async () => {
    const patient = await clinic.admit('reached');
    expect(await patient.finding('coa')).toEqual(['unknown', 'nothing was asked of it of late', null]);
    const at = `answered just now on port ${patient.router.coaPort}`;
    const gone = `${at}: nak 503 session context not found`;
    expect(await patient.finding('coa', { probe: true })).toEqual(['ok', gone, null]);
    const [session] = await patient.dial(1);
    await clinic.settle();
    const before = session!.rateLimit;
    expect(await patient.finding('coa', { probe: true })).toEqual(['ok', `${at}: ack`, null]);
    expect([session!.state, session!.rateLimit]).toEqual(['up', before]);
  });

  test('does not where it is not accepted', async () => {
    const patient = await clinic.admit('deaf', { options: { incoming: { accept: false } } });
    const [level, says, fix] = await patient.finding('coa', { probe: true });
    expect([level, fix]).toEqual(['bad', `/radius incoming set accept=yes port=${patient.router.coaPort}`]);
    expect(says).toContain('it is not accepted, a firewall drops it, or this server is not in its /radius');
  });

  test('is answered at the other usual port', async () => {
    const patient = await clinic.admit('other-port', { coaPort: 3799, nas: { coaPort: 1700 } });
    expect(await patient.finding('coa', { probe: true })).toEqual([
      'bad',
      'no answer just now on port 1700, but on 3799',
      '/radius incoming set accept=yes port=1700',
    ]);
  });

  test('is answered by somebody with another secret', async () => {
    const other = new Secret('another secret on that side');
    const at = { address: '127.0.2.1', port: 0 };
    const liar = await FakeNas.open((request) => signedReply(request, request.code + 1, other), at);
    const patient = await clinic.admit('liar', { address: '127.0.2.2' });
    await editNas(clinic.desk, { id: patient.nasId, address: '127.0.2.1', coaPort: String(liar.port) });
    expect((await patient.finding('coa', { probe: true })).slice(0, 2)).toEqual([
      'bad',
      'answered just now, but signed with another secret',
    ]);
    liar.close();
  });

  test('as enforcement finds it: answered, and not', async () => {
    const patient = await clinic.admit('asked');
    const recorder = signsRecorder({
      db: () => clinic.desk.db,
      clock: clinic.desk.clock,
      log: { warn: () => undefined },
    });
    const router = { nasId: patient.nasId, nasAddress: patient.router.address };
    for (let i = 0; i < 19; i += 1) recorder.answered(router, { is: 'done', said: 'ack' });
    recorder.answered(router, { is: 'gone', said: 'nak 503 session context not found' });
    recorder.answered(router, { is: 'cannot', said: 'not asked: the address of its router is not known' });
    await recorder.stop();
    expect(await patient.finding('coa')).toEqual(['ok', '20 of 20 requests to it were answered', null]);
    const later = signsRecorder({ db: () => clinic.desk.db, clock: clinic.desk.clock, log: { warn: () => undefined } });
    for (let i = 0; i < 5; i += 1) later.answered(router, { is: 'silent', said: 'no answer' });
    await later.stop();
    expect((await patient.finding('coa'))[0]).toBe('warn');
  });
});

/** Half of what they have, as a rule of fair use would say. */
const REDUCED: Decision = {
  access: 'reduced',
  rate: { downloadBps: 10e6, uploadBps: 5e6, burst: null },
  addressList: 'prepaid-active',
  profile: null,
  pool: null,
  idleSeconds: null,
  interimSeconds: 300,
  attributes: [],
  validUntil: NEVER,
  validBelow: Number.POSITIVE_INFINITY,
  because: [{ is: 'fallback' }],
};

/** As enforcement does it: a CoA to each session, and what was acknowledged is written down. */
async function reduce(patient: Patient): Promise<void> {
  const { db, sealer } = clinic.desk;
  const client = new CoaClient({ host: '127.0.0.1', now: clinic.desk.clock });
  const driver = radiusDriver(client, coaTargets(await loadNases(db, sealer)));
  clinic.pass(30 * SECOND);
  for (const session of await listSessions(db, { nasId: patient.nasId, limit: 100 })) {
    expect(await driver.coa(session, REDUCED, 'mikrotik')).toMatchObject({ is: 'done' });
    await recordTold(db, [{ sessionId: session.sessionId, told: toldOf(REDUCED), at: clinic.now }]);
  }
  client.close();
  clinic.pass(SECOND);
}

/** Some interims, the server's clock beside the router's. */
async function goOn(patient: Patient, interims: number): Promise<void> {
  for (let i = 0; i < interims; i += 1) {
    clinic.pass(300 * SECOND);
    await patient.router.advance(300);
  }
  await clinic.settle();
}

describe('rates', () => {
  test('that hold, as dialled and after a CoA', async () => {
    const patient = await clinic.admit('queues');
    await patient.dial(4, { load: 0.8 });
    await goOn(patient, 3);
    expect(await patient.finding('coa-effect')).toEqual(['unknown', 'no line was busy after a CoA of late', null]);
    await reduce(patient);
    await goOn(patient, 3);
    expect((await patient.finding('rate'))[0]).toBe('ok');
    expect((await patient.finding('coa-effect'))[0]).toBe('ok');
  });

  test('that do not hold from the first: FastTrack', async () => {
    const patient = await clinic.admit('fasttracked');
    await patient.dial(4, { load: 3 });
    await goOn(patient, 3);
    const [level, says, fix] = await patient.finding('rate');
    expect([level, fix]).toEqual(['bad', '/ip firewall filter disable [find action=fasttrack-connection]']);
    expect(says).toMatch(/^(\d+) of \1 busy lines used more than the rate they were given/);
  });

  test('that do not change by the CoA that was acknowledged', async () => {
    const patient = await clinic.admit('unmoved');
    const sessions = await patient.dial(4, { load: 0.9 });
    await goOn(patient, 3);
    await reduce(patient);
    for (const session of sessions) session.limit('10000k/20000k');
    await goOn(patient, 3);
    expect((await patient.finding('rate'))[0]).toBe('ok');
    const [level, says, fix] = await patient.finding('coa-effect');
    expect([level, fix]).toEqual(['bad', '/queue simple print']);
    expect(says).toMatch(/^after a CoA that it acknowledged (\d+) of \1 busy lines used more than they were told$/);
  });

  test('of lines that are idle say nothing', async () => {
    const patient = await clinic.admit('idle');
    await patient.dial(4, { load: 0.01 });
    await goOn(patient, 3);
    expect(await patient.finding('rate')).toEqual(['unknown', 'no line was busy of late', null]);
  });
});

describe('Disconnect', () => {
  const acknowledged = async (patient: Patient, agoMs = 0): Promise<void> => {
    const { db } = clinic.desk;
    const sessions = await listSessions(db, { nasId: patient.nasId, limit: 100 });
    await recordActs(
      db,
      sessions.map(({ key, subscriberId, nasId }) => ({
        at: clinic.now - agoMs,
        subscriberId: subscriberId!,
        sessionKey: key,
        nasId,
        act: 'disconnect' as const,
        outcome: 'ack',
        reason: 'test',
        tookMs: 1,
      })),
    );
  };

  test('ends the session, and the line is back soon', async () => {
    const patient = await clinic.admit('redials');
    const sessions = await patient.dial(4);
    await clinic.settle();
    // Ended as soon as it was up: it does not count as its own return.
    await acknowledged(patient, 10 * SECOND);
    clinic.pass(5 * SECOND);
    const lines = sessions.map(({ line }) => ({ username: line.username, password: line.password }));
    for (const session of sessions) await patient.router.loseCarrier(session);
    for (const { username, password } of lines.slice(0, 3)) await patient.router.dial(username, password);
    await clinic.settle();
    expect(await patient.finding('redial')).toEqual(['unknown', 'no session was disconnected of late', null]);
    clinic.pass(5 * MINUTE);
    const three = '3 of 4 lines were online again within three minutes of a Disconnect';
    expect(await patient.finding('redial')).toEqual(['ok', three, null]);
  });

  test('that is acknowledged and not obeyed', async () => {
    const patient = await clinic.admit('disobeys');
    await patient.dial(4);
    await clinic.settle();
    await acknowledged(patient);
    clinic.pass(5 * MINUTE);
    await patient.router.advance(300);
    await clinic.settle();
    expect(await patient.finding('redial')).toEqual([
      'bad',
      '4 of 4 sessions lived on after a Disconnect that it acknowledged',
      '/ppp active print',
    ]);
  });
});

describe('by packets of its own', () => {
  async function report(patient: Patient, attributes: (i: number) => readonly Buffer[], count = 1): Promise<void> {
    const client = await Client.open(patient.router.address);
    for (let i = 0; i < count; i += 1) {
      const common = [avp(1, `${patient.name}-${i}`), avp(44, `8100${i}`), number(40, 3), number(46, 600)];
      await client.ask(accountingRequest(i, [...common, ...attributes(i)], SECRET), clinic.ports.acctPort);
    }
    client.close();
    await clinic.settle();
  }
  const seconds = (offset: number) => [number(55, Math.floor((clinic.now + offset) / SECOND))];

  test.each([
    [-3 * SECOND, 'ok', 'right to'],
    [5 * MINUTE, 'warn', '300 s ahead of this server'],
    [-2 * HOUR, 'bad', '7200 s behind this server'],
  ])('a clock that is off by %i ms', async (offset, level, says) => {
    const patient = await clinic.admit(`clock${offset}`);
    await report(patient, () => seconds(offset));
    const found = await patient.finding('clock');
    expect(found).toEqual([
      level,
      expect.stringContaining(says),
      level === 'ok' ? null : '/system ntp client set enabled=yes',
    ]);
  });

  test('sessions without an address; a Start without one is none', async () => {
    const patient = await clinic.admit('addressless');
    await report(patient, (i) => (i === 0 ? [] : [avp(8, Buffer.of(10, 64, 0, i))]), 3);
    expect(await patient.finding('address')).toEqual([
      'warn',
      '1 of 3 sessions have none; name a pool in the profile',
      '/ppp profile set PROFILE remote-address=POOL',
    ]);
    const late = await clinic.admit('late-address', { options: { startWithoutAddress: true } });
    await late.dial(2);
    await clinic.settle();
    expect((await late.finding('address'))[0]).toBe('unknown');
    await late.router.advance(300);
    await clinic.settle();
    expect((await late.finding('address'))[0]).toBe('ok');
  });
});

describe('the way of octets', () => {
  test('turned round is found, and mended here', async () => {
    const patient = await clinic.admit('turned', { options: { swapOctets: true } });
    await patient.dial(10, { load: 0.5 });
    await goOn(patient, 1);
    const [level, says, fix] = await patient.finding('direction');
    expect([level, fix]).toEqual(['bad', null]);
    expect(says).toContain('gerbang nas edit turned --swap-octets true');
  });

  test('with few sessions nothing is said', async () => {
    const patient = await clinic.admit('small', { options: { swapOctets: true } });
    await patient.dial(3, { load: 0.5 });
    await goOn(patient, 1);
    expect(await patient.finding('direction')).toEqual(['unknown', 'too few sessions to go by', null]);
  });
});

describe('what is known', () => {
  test('of the routers of one block is told for each', async () => {
    const good = await clinic.admit('block-good', { address: '127.0.3.1' });
    await editNas(clinic.desk, { id: good.nasId, name: 'block', address: '127.0.3.0/24' });
    await clinic.reload();
    const [session] = await good.dial(1);
    const stray = await Client.open('127.0.3.2');
    stray.send(
      accountingRequest(0, [avp(44, 'x'), number(40, 1)], 'another secret, over there'),
      clinic.ports.acctPort,
    );
    await clinic.settle();
    stray.close();
    const [block] = await checkNas(clinic.desk, { name: 'block' });
    expect(block!.level).toBe('bad');
    const levels = block!.routers.map(({ address, identity, level }) => [address, identity, level]);
    expect(levels).toEqual([
      ['127.0.3.1', 'block-good', 'ok'],
      ['127.0.3.2', null, 'bad'],
    ]);
    clinic.pass(31 * DAY);
    await good.router.interim(session!);
    await clinic.settle();
    const [later] = await checkNas(clinic.desk, { name: 'block' });
    expect(later!.routers.map(({ address }) => address)).toEqual(['127.0.3.1']);
  });

  test('of a router that went silent while its sessions are open', async () => {
    const patient = await clinic.admit('silent');
    await patient.dial(2);
    await clinic.settle();
    clinic.pass(10 * MINUTE);
    expect((await patient.finding('heard'))[0]).toBe('ok');
    clinic.pass(10 * MINUTE);
    const [level, says, fix] = await patient.finding('heard');
    expect([level, fix]).toEqual(['bad', '/radius monitor 0']);
    expect(says).toMatch(/^silent since .* though 2 sessions are open/);
  });

  test('is the same on every node, and goes with its router', async () => {
    const patient = await clinic.admit('shared');
    await patient.dial(2);
    await clinic.settle();
    const other = await secondNode(clinic.desk);
    expect(await checkNas(other, { name: 'shared' })).toEqual(await checkNas(clinic.desk, { name: 'shared' }));
    await other.db.close();
    const names = (await checkNas(clinic.desk, null)).map(({ name }) => name);
    expect(names).toEqual(names.toSorted());
    await expect(checkNas(clinic.desk, { name: 'nowhere' })).rejects.toThrow(/there is no NAS "nowhere"; there are: /);
  });
});
