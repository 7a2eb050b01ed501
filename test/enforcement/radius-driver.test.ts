import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { Decision } from '#domain/decision';
import { NEVER } from '#domain/time';
import type { DrivenSession, NasDriver } from '#enforcement/driver';
import { coaTargets, meaning, radiusDriver } from '#enforcement/radius-driver';
import { CoaClient, type CoaOutcome, type CoaTarget } from '#radius/coa-client';
import { Code, Secret } from '#radius/packet';
import { SecretText } from '#storage/secrets';
import { attributesOf, FakeNas, signedReply } from '#test/enforcement/fake-nas';
import { type FreeRadius, startFreeRadiusCoa } from '#test/support/freeradius';
import { describeWithFreeRadius } from '#test/support/tools';

const SECRET = new Secret('testing123');

const session = (username: string, nasId = 1): DrivenSession => ({
  nasId,
  nasAddress: '127.0.0.1',
  username,
  acctSessionId: '81A0000f',
  framedIp: '10.1.2.3',
  mac: 'AA:BB:CC:DD:EE:FF',
});

const decision: Decision = {
  access: 'full',
  rate: { downloadBps: 20_000_000, uploadBps: 10_000_000, burst: null },
  addressList: 'prepaid-active',
  profile: 'prepaid-20mbps',
  pool: null,
  idleSeconds: null,
  interimSeconds: 300,
  attributes: [['Filter-Id', 'x']],
  validUntil: NEVER,
  validBelow: Number.POSITIVE_INFINITY,
  because: [{ is: 'fallback' }],
};

const closing: { close(): void }[] = [];
const open = <T extends { close(): void }>(one: T): T => {
  closing.push(one);
  return one;
};
const closeAll = () => {
  for (const one of closing.splice(0)) one.close();
};

const driverOn = (targetOf: (session: DrivenSession) => CoaTarget | null): NasDriver => {
  const options = { host: '127.0.0.1', now: () => 0, retransmission: { firstMs: 300, transmissions: 2 } };
  return radiusDriver(open(new CoaClient(options)), targetOf);
};

/** A NAS that answers by User-Name: 0 = ACK, else NAK with that Error-Cause; and, if asked to, by what the request holds. */
async function nasSaying(said: Record<string, number>, coaSaid: Record<string, number> = {}) {
  const nas = open(
    await FakeNas.open((request) => {
      const changes = request.find(26) !== 0;
      const username = request.text(1) ?? '';
      const cause = (changes ? coaSaid[username] : undefined) ?? said[username] ?? 0;
      return signedReply(
        request,
        request.code + (cause === 0 ? 1 : 2),
        SECRET,
        cause === 0 ? {} : { errorCause: cause },
      );
    }),
  );
  return { nas, driver: driverOn(() => ({ address: '127.0.0.1', port: nas.port, secret: SECRET })) };
}

describe('what is asked', () => {
  afterEach(closeAll);

  test('O08 a CoA names the session and carries rate (upload first) and list, and nothing else', async () => {
    const { nas, driver } = await nasSaying({});
    expect(await driver.coa(session('budi'), decision, 'mikrotik')).toEqual({ is: 'done', said: 'ack' });
    const { bytes } = nas.heard[0]!;
    expect(bytes[0]).toBe(Code.coaRequest);
    const sent = attributesOf(bytes);
    expect([...sent.keys()].sort((a, b) => a - b)).toEqual([1, 26, 44, 80]);
    expect(sent.get(44)!.toString('latin1')).toBe('81A0000f');
    expect(bytes.includes('10000k/20000k')).toBe(true);
    expect(bytes.includes('prepaid-active')).toBe(true);
  });

  test('a NAS of another make is told in its own attributes', async () => {
    const { nas, driver } = await nasSaying({});
    await driver.coa(session('budi'), decision, 'accel-ppp');
    await driver.coa(session('budi'), { ...decision, attributes: [] }, 'accel-ppp');
    await driver.coa(session('budi'), { ...decision, attributes: [] }, 'generic');
    const filters = nas.heard.map(({ bytes }) => attributesOf(bytes).get(11)!.toString());
    expect(filters).toEqual(['x', '20000/10000', 'prepaid-active']);
    const vendors = nas.heard.map(({ bytes }) => attributesOf(bytes).get(26)?.readUInt32BE(0));
    expect(vendors).toEqual([undefined, undefined, 14122]);
  });

  test('O07 a Disconnect and a probe carry identification only', async () => {
    const { nas, driver } = await nasSaying({});
    await driver.disconnect(session('budi'));
    await driver.probe(session('budi'));
    expect(nas.heard.map(({ bytes }) => [bytes[0], ...[...attributesOf(bytes).keys()].sort((a, b) => a - b)])).toEqual([
      [Code.disconnectRequest, 1, 44, 80],
      [Code.coaRequest, 1, 44, 80],
    ]);
  });

  test('O09 a NAS that wants more to go by (508, 402) is given address and MAC, once', async () => {
    const { nas, driver } = await nasSaying({ budi: 508, siti: 402 });
    expect((await driver.disconnect(session('budi'))).is).toBe('cannot');
    expect((await driver.probe(session('siti'))).is).toBe('cannot');
    expect(nas.heard.map(({ bytes }) => [...attributesOf(bytes).keys()].sort((a, b) => a - b))).toEqual([
      [1, 44, 80],
      [1, 8, 31, 44, 80],
      [1, 44, 80],
      [1, 8, 31, 44, 80],
    ]);
  });

  test('a session whose router is not known is not asked about, and that is said', async () => {
    const driver = driverOn(() => null);
    expect(await driver.coa(session('budi'), decision, 'mikrotik')).toEqual({
      is: 'cannot',
      said: 'not asked: the address of its router is not known',
    });
  });

  test('a NAS is asked at its address, one entered as a block at the one the session was heard from', () => {
    const nas = {
      name: 'x',
      secret: new SecretText('s'),
      coaPort: 1700,
      coaPerSecond: 50,
      vendor: 'mikrotik' as const,
      proxy: false,
      coaViaId: null,
      tags: [],
      swapOctets: false,
    };
    const others = { messageAuthenticator: 'auto', messageAuthenticatorSeen: false } as const;
    const targetOf = coaTargets([
      { id: 1, address: '10.0.0.1/32', ...nas, ...others },
      { id: 2, address: '10.0.0.0/24', ...nas, ...others },
      { id: 3, address: '2001:db8::1/128', ...nas, ...others },
      { id: 4, address: '2001:db8::/48', ...nas, ...others },
    ]);
    const asked = (nasId: number, nasAddress: string): string | undefined => targetOf({ nasId, nasAddress })?.address;
    expect([asked(1, '10.0.0.1'), asked(1, '10.9.9.9')]).toEqual(['10.0.0.1', '10.0.0.1']);
    expect([asked(2, '10.0.0.7'), asked(2, '10.0.0.255')]).toEqual(['10.0.0.7', '10.0.0.255']);
    expect(asked(3, '2001:db8::2')).toBe('2001:db8::1');
    expect([asked(4, '2001:db8:0:ff::5'), targetOf({ nasId: 4, nasAddress: '2001:db8::5' })?.port]).toEqual([
      '2001:db8:0:ff::5',
      1700,
    ]);
    // The block was made smaller, or the NAS is gone: whose secret would it be?
    expect([asked(2, '10.0.1.7'), asked(4, '2001:db8:1::5'), asked(9, '10.0.0.7')]).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
  });
});

describe('what an answer means', () => {
  afterEach(closeAll);

  const nak = (errorCause: number | null): CoaOutcome => ({ is: 'nak', errorCause });
  const shownNothing = { finds: false, changes: false };
  const shownAll = { finds: true, changes: true };

  test.each([
    { cause: 503, coa: 'gone', disconnect: 'gone' },
    { cause: 406, coa: 'doubtful', disconnect: 'doubtful' },
    ...[401, 402, 404, 405, 407, 504, 508, 999, null].map((cause) => ({ cause, coa: 'cannot', disconnect: 'cannot' })),
    ...[403, 501, 502, 505, 506, 507].map((cause) => ({ cause, coa: 'later', disconnect: 'later' })),
  ])('O09 Error-Cause $cause to a CoA: $coa, to a Disconnect: $disconnect', ({ cause, coa, disconnect }) => {
    expect(meaning('coa', nak(cause), shownNothing).is).toBe(coa);
    expect(meaning('disconnect', nak(cause), shownNothing).is).toBe(disconnect);
    expect(meaning('probe', nak(cause), shownNothing).is).toBe(disconnect);
  });

  test('O09 406 means gone from a NAS that acknowledged the same kind of request before', () => {
    expect(meaning('coa', nak(406), shownAll).is).toBe('gone');
    expect(meaning('coa', nak(406), { finds: true, changes: false }).is).toBe('doubtful');
    expect(meaning('disconnect', nak(406), { finds: true, changes: false }).is).toBe('gone');
    expect(meaning('probe', { is: 'ack' }, shownNothing).is).toBe('done');
    expect(meaning('probe', { is: 'timeout', error: null }, shownAll).is).toBe('silent');
  });

  test('406 to a CoA from a NAS that changes other sessions: the session is gone', async () => {
    const { driver } = await nasSaying({ hilang: 406 });
    await driver.coa(session('budi'), decision, 'mikrotik');
    expect((await driver.coa(session('hilang'), decision, 'mikrotik')).is).toBe('gone');
  });

  test('406 to a CoA from a NAS that finds the session but cannot change it: Disconnect it', async () => {
    const { driver } = await nasSaying({}, { budi: 406 });
    expect(await driver.coa(session('budi'), decision, 'mikrotik')).toEqual({
      is: 'cannot',
      said: 'nak 406 unsupported extension, then to a probe: ack',
    });
  });

  test('406 to everything from a NAS that never acknowledged anything proves nothing', async () => {
    const { driver } = await nasSaying({ budi: 406 });
    expect((await driver.coa(session('budi'), decision, 'mikrotik')).is).toBe('cannot');
    expect((await driver.disconnect(session('budi'))).is).toBe('doubtful');
  });

  test('what one NAS has shown says nothing about another, nor one router of a block about its neighbour', async () => {
    const { driver } = await nasSaying({ hilang: 406 });
    await driver.coa(session('budi', 1), decision, 'mikrotik');
    expect((await driver.disconnect(session('hilang', 2))).is).toBe('doubtful');
    expect((await driver.disconnect({ ...session('hilang', 1), nasAddress: '127.0.0.2' })).is).toBe('doubtful');
    expect((await driver.disconnect(session('hilang', 1))).is).toBe('gone');
  });
});

describeWithFreeRadius('a real FreeRADIUS as the NAS', () => {
  let radius: FreeRadius;
  let driver: NasDriver;

  beforeAll(async () => {
    radius = await startFreeRadiusCoa({
      secret: 'a longer secret, with spaces',
      rules: [
        { username: 'hilang', errorCause: 'Session-Context-Not-Found' },
        { username: 'tidak-bisa', errorCause: 'Unsupported-Attribute' },
      ],
    });
    driver = driverOn(({ nasId }) => ({
      address: radius.host,
      port: radius.port,
      secret: new Secret(nasId === 1 ? radius.secret : 'another secret'),
      eventTimestamp: nasId === 3,
    }));
  });

  afterAll(async () => {
    closeAll();
    await radius.stop();
  });

  test('believes our CoA and Disconnect, sees what we meant, and its ACK and NAK are taken', async () => {
    expect(await driver.coa(session('budi'), decision, 'mikrotik')).toEqual({ is: 'done', said: 'ack' });
    expect(await driver.disconnect(session('budi'))).toEqual({ is: 'done', said: 'ack' });
    expect((await driver.coa(session('hilang'), decision, 'mikrotik')).said).toBe('nak 503 session context not found');
    expect((await driver.disconnect(session('tidak-bisa'))).said).toBe('nak 401 unsupported attribute');
    const received = await radius.received();
    expect(received.map(({ type, attributes }) => [type, attributes['User-Name']])).toEqual([
      ['CoA-Request', 'budi'],
      ['Disconnect-Request', 'budi'],
      ['CoA-Request', 'hilang'],
      ['Disconnect-Request', 'tidak-bisa'],
    ]);
    expect(received[0]!.attributes).toMatchObject({
      'Acct-Session-Id': '81A0000f',
      'Mikrotik-Rate-Limit': '10000k/20000k',
      'Mikrotik-Address-List': 'prepaid-active',
    });
    expect(received[1]!.attributes).not.toHaveProperty('Mikrotik-Rate-Limit');
  });

  test('with another secret it says nothing', async () => {
    expect(await driver.disconnect(session('budi', 2))).toEqual({ is: 'silent', said: 'no answer' });
  });
});
