import { randomBytes } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { DAY, MINUTE, SECOND } from '#domain/time';
import type { NasEntry } from '#radius/nas-table';
import { mschapDial } from '#test/bench/mschap-dial';
import {
  type Bench,
  type BenchOptions,
  entry,
  HOME_20,
  makeServer,
  NAS,
  NOON,
  SECRET,
  startServer,
  type UdpBench,
  Wire,
} from '#test/radius-server/harness';
import {
  type Avp,
  attributesOf,
  avp,
  chap,
  faultOf,
  number,
  packet,
  pap,
  papDial,
  routerAttributes,
  textOf,
  vendor,
  vendorTextOf,
} from '#test/radius-server/requests';

const ACCEPT = 2;
const REJECT = 3;
const MIKROTIK = 14988;
const MICROSOFT = 311;
const SESSION_TIMEOUT = 27;
const CLASS = 25;

let bench: Bench;
let wire: Wire;
/** Each request another Identifier: what is asked again would get the first answer again. */
let asked = 0;
const nextIdentifier = (): number => asked++ & 255;
const serve = (options: BenchOptions = {}): void => {
  bench = makeServer(options);
  wire = new Wire(bench.server);
};
beforeEach(() => serve());

const dial = (username = 'demo', password = 'arctangent', mac = 'AA:BB:CC:00:00:01'): Buffer =>
  papDial(username, password, SECRET, { mac, identifier: nextIdentifier() });

const uint32Of = (reply: Buffer, type: number): number | null =>
  attributesOf(reply)
    .find((one) => one.type === type)
    ?.value.readUInt32BE(0) ?? null;

describe('a dial with the right password', () => {
  test('A01 is accepted with the rate, the list, the time left and our Class, and the reply is signed', () => {
    const request = dial();
    const reply = wire.authenticate(request)!;
    expect(faultOf(reply, request, SECRET)).toBeNull();
    expect(reply[0]).toBe(ACCEPT);
    expect(vendorTextOf(reply, MIKROTIK, 8)).toBe('5000k/20000k');
    expect(vendorTextOf(reply, MIKROTIK, 19)).toBe('prepaid-active');
    expect(uint32Of(reply, SESSION_TIMEOUT)).toBe((10 * DAY) / SECOND);
    expect(uint32Of(reply, 85)).toBe(300);
    expect([uint32Of(reply, 6), uint32Of(reply, 7)]).toEqual([2, 1]);
    expect(textOf(reply, CLASS)).toMatch(/^gb1\|[\w-]{22}\|20000000\/5000000 list=prepaid-active\|default$/);
  });

  test('no two sessions have the same token', () => {
    const tokens = new Set<string>();
    for (let i = 0; i < 10_000; i += 1) tokens.add(textOf(wire.authenticate(dial())!, CLASS)!);
    expect(tokens.size).toBe(10_000);
  });

  test('an expired package is accepted at 128k and led to the portal, for as long as it takes', () => {
    const [grant] = entry('demo', '').facts.grants;
    serve({ entries: [entry('demo', 'arctangent', { grants: [{ ...grant!, until: NOON - 1 }] })] });
    const reply = wire.authenticate(dial())!;
    expect(reply[0]).toBe(ACCEPT);
    expect(vendorTextOf(reply, MIKROTIK, 8)).toBe('128k/128k');
    expect(vendorTextOf(reply, MIKROTIK, 19)).toBe('prepaid-no-package');
    expect(uint32Of(reply, SESSION_TIMEOUT)).toBeNull();
  });

  test('the time left shrinks with the clock though the decision is made once, and at its end a new one is made', () => {
    let now = NOON;
    serve({ clock: () => now });
    const left = (): [number | null, string | null] => {
      const reply = wire.authenticate(dial())!;
      return [uint32Of(reply, SESSION_TIMEOUT), vendorTextOf(reply, MIKROTIK, 19)];
    };
    expect(left()).toEqual([864_000, 'prepaid-active']);
    now += DAY + 1;
    expect(left()).toEqual([777_600, 'prepaid-active']);
    now = NOON + 10 * DAY - 1;
    expect(left()).toEqual([60, 'prepaid-active']);
    now = NOON + 10 * DAY;
    expect(left()).toEqual([null, 'prepaid-no-package']);
  });

  test('a line with addresses of its own is told them', () => {
    serve({
      entries: [
        entry(
          'demo',
          'arctangent',
          {},
          {
            staticIp: '10.1.2.3',
            framedIpv6Prefix: '2001:db8:1::/64',
            delegatedIpv6Prefix: '2001:db8:f00::/56',
          },
        ),
      ],
    });
    const reply = wire.authenticate(dial())!;
    const values = new Map(attributesOf(reply).map(({ type, value }) => [type, value.toString('hex')]));
    expect(values.get(8)).toBe('0a010203');
    expect(values.get(97)).toMatch(/^004020010db80001/);
    expect(values.get(123)).toMatch(/^003820010db80f00/);
  });
});

describe('credentials', () => {
  const ask = (attributes: readonly Avp[], authenticator = randomBytes(16)): number | undefined =>
    wire.authenticate(
      packet(1, nextIdentifier(), authenticator, [...routerAttributes('demo'), ...attributes], SECRET),
    )?.[0];

  test('A02 a User-Password of an impossible length is a Reject', () => {
    for (const length of [0, 15, 17, 144]) expect(ask([avp(2, randomBytes(length))])).toBe(REJECT);
  });

  test('A02 a NAS with another secret is met with a Reject or silence, never an Accept', () => {
    expect(wire.authenticate(papDial('demo', 'arctangent', 'not our secret', { signed: 'no' }))?.[0]).toBe(REJECT);
    expect(wire.authenticate(papDial('demo', 'arctangent', 'not our secret'))).toBeNull();
  });

  test('A03 CHAP takes its challenge from the attribute, or without one from the authenticator', () => {
    const authenticator = randomBytes(16);
    const challenge = randomBytes(16);
    expect(ask([chap('arctangent', authenticator)], authenticator)).toBe(ACCEPT);
    expect(ask([chap('arctangent', challenge), avp(60, challenge)])).toBe(ACCEPT);
    expect(ask([chap('arctangent', authenticator), avp(60, challenge)], authenticator)).toBe(REJECT);
    expect(ask([chap('arctangenT', authenticator)], authenticator)).toBe(REJECT);
  });

  test('A04 no credential, or two of them in any combination, is a Reject', () => {
    const authenticator = randomBytes(16);
    const kinds: Record<string, Avp[]> = {
      pap: [pap('arctangent', authenticator, SECRET)],
      chap: [chap('arctangent', authenticator)],
      mschap: [vendor(MICROSOFT, 11, randomBytes(8)), vendor(MICROSOFT, 1, randomBytes(50))],
      mschap2: [vendor(MICROSOFT, 11, randomBytes(16)), vendor(MICROSOFT, 25, randomBytes(50))],
      eap: [avp(79, Buffer.of(2, 0, 0, 9, 1, 0x64, 0x65, 0x6d, 0x6f))],
    };
    expect(ask([])).toBe(REJECT);
    expect(ask([avp(24, 'a state of nobody')])).toBe(REJECT);
    for (const [a, first] of Object.entries(kinds))
      for (const [b, second] of Object.entries(kinds))
        if (a !== b) expect([a, b, ask([...first, ...second], authenticator)]).toEqual([a, b, REJECT]);
    expect(bench.events.refused.slice(0, 2).map(({ reason }) => reason)).toEqual(['no-credential', 'no-credential']);
  });

  test('A05 a request that does not say which NAS it is from is a Reject', () => {
    const authenticator = randomBytes(16);
    const attributes = [avp(1, 'demo'), pap('arctangent', authenticator, SECRET)];
    expect(wire.authenticate(packet(1, 1, authenticator, attributes, SECRET))?.[0]).toBe(REJECT);
    expect(bench.events.refused[0]?.reason).toBe('no-nas-identity');
    for (const identity of [avp(4, Buffer.of(10, 0, 0, 1)), avp(32, 'pop'), avp(95, randomBytes(16))])
      expect(wire.authenticate(packet(1, identity[0]!, authenticator, [...attributes, identity], SECRET))?.[0]).toBe(
        ACCEPT,
      );
  });

  test('A07 a Reject tells nothing of the service', () => {
    const allowed = new Set([80, 18, 33, 26]);
    for (let i = 0; i < 1000; i += 1) {
      const make = i % 2 ? papDial : mschapDial;
      const reply = wire.authenticate(make(i % 3 ? 'demo' : 'nobody', `guess ${i}`, SECRET, { identifier: i & 255 }))!;
      expect(reply[0]).toBe(REJECT);
      for (const { type, value } of attributesOf(reply)) {
        expect(allowed).toContain(type);
        if (type === 26) expect([value.readUInt32BE(0), value[4]]).toEqual([MICROSOFT, 2]);
      }
    }
  });

  test.each([10, 17])('A08 Service-Type %d, rights without a credential, is a Reject', (serviceType) => {
    const attributes = [avp(1, 'demo'), avp(32, 'pop'), number(6, serviceType)];
    expect(wire.authenticate(packet(1, 1, randomBytes(16), attributes, SECRET))?.[0]).toBe(REJECT);
    expect(bench.events.refused[0]?.reason).toBe('authorize-only');
  });

  test('A10 MS-CHAPv2 is accepted with MS-CHAP2-Success and keys, and refused with E=691', () => {
    const reply = wire.authenticate(mschapDial('demo', 'arctangent', SECRET))!;
    expect(reply[0]).toBe(ACCEPT);
    expect(vendorTextOf(reply, MICROSOFT, 26)).toMatch(/^.S=[0-9A-F]{40}$/s);
    expect(vendorTextOf(reply, MICROSOFT, 16)).not.toBeNull();
    const refused = wire.authenticate(mschapDial('demo', 'wrong', SECRET, { identifier: 1 }))!;
    expect(vendorTextOf(refused, MICROSOFT, 2)).toMatch(/^.E=691 R=0 C=[0-9A-F]{32} V=3/s);
  });

  test('an unknown user is refused in the same words as a wrong password', () => {
    for (const make of [papDial, mschapDial]) {
      const unknown = wire.authenticate(make('nobody', 'x', SECRET, { identifier: 1 }))!;
      const wrong = wire.authenticate(make('demo', 'x', SECRET, { identifier: 2 }))!;
      const shape = (reply: Buffer): string[] =>
        attributesOf(reply).map(({ type, value }) => `${type}:${value.length}`);
      expect(shape(unknown)).toEqual(shape(wrong));
    }
  });

  test('A12 EAP is a Reject; EAP without Message-Authenticator gets silence', () => {
    const eap = avp(79, Buffer.of(2, 0, 0, 9, 1, 0x64, 0x65, 0x6d, 0x6f));
    const as = (signed: 'first' | 'no'): Buffer | null =>
      wire.authenticate(packet(1, 1, randomBytes(16), [...routerAttributes('demo'), eap], SECRET, signed));
    expect(as('first')?.[0]).toBe(REJECT);
    expect(as('no')).toBeNull();
  });
});

describe('what a line allows', () => {
  test('a locked line lets in its device in any spelling, and no other', () => {
    serve({ entries: [entry('demo', 'arctangent', {}, { mac: 'AA:BB:CC:00:00:01' })] });
    for (const mac of ['AA:BB:CC:00:00:01', 'aa-bb-cc-00-00-01', 'aabb.cc00.0001', 'AABBCC000001'])
      expect(wire.authenticate(dial('demo', 'arctangent', mac))?.[0]).toBe(ACCEPT);
    for (const mac of ['AA:BB:CC:00:00:02', '', '10.0.0.1', 'AA:BB:CC:00:00:01:02'])
      expect(wire.authenticate(dial('demo', 'arctangent', mac))?.[0]).toBe(REJECT);
    expect(new Set(bench.events.refused.map(({ reason }) => reason))).toEqual(new Set(['mac-mismatch']));
  });

  const live = (mac: string | null, heardAt = NOON) => ({ mac, heardAt, interimSeconds: 300 });
  const online = (...sessions: ReturnType<typeof live>[]): void =>
    bench.directory.setSessions([{ subscriberId: entry('demo', '').facts.subscriberId, sessions }]);

  test('a second device is refused while the first is online, and the old session is asked to be probed', () => {
    online(live('AA:BB:CC:00:00:01'));
    expect(wire.authenticate(dial('demo', 'arctangent', 'AA:BB:CC:00:00:02'))?.[0]).toBe(REJECT);
    expect(bench.events.limits).toEqual([entry('demo', '').facts.subscriberId]);
    expect(bench.events.refused[0]).toMatchObject({ reason: 'session-limit', mac: 'AA:BB:CC:00:00:02' });
  });

  test('the same device again is a replacement', () => {
    online(live('AA:BB:CC:00:00:01'));
    expect(wire.authenticate(dial('demo', 'arctangent', 'aa-bb-cc-00-00-01'))?.[0]).toBe(ACCEPT);
    expect(bench.events.limits).toEqual([]);
  });

  test('a session not heard of for two and a half intervals keeps nobody out', () => {
    let now = NOON;
    serve({ clock: () => now });
    online(live('AA:BB:CC:00:00:01'));
    now = NOON + 12.5 * MINUTE;
    expect(wire.authenticate(dial('demo', 'arctangent', 'AA:BB:CC:00:00:02'))?.[0]).toBe(REJECT);
    now += 1;
    expect(wire.authenticate(dial('demo', 'arctangent', 'AA:BB:CC:00:00:02'))?.[0]).toBe(ACCEPT);
  });

  test('a line of three lets three in, and no fourth', () => {
    serve({ entries: [entry('demo', 'arctangent', {}, { sessionLimit: 3 })] });
    online(live('AA:BB:CC:00:00:01'), live('AA:BB:CC:00:00:02'));
    expect(wire.authenticate(dial('demo', 'arctangent', 'AA:BB:CC:00:00:09'))?.[0]).toBe(ACCEPT);
    online(live('AA:BB:CC:00:00:01'), live('AA:BB:CC:00:00:02'), live(null));
    expect(wire.authenticate(dial('demo', 'arctangent', 'AA:BB:CC:00:00:09'))?.[0]).toBe(REJECT);
    expect(wire.authenticate(dial('demo', 'arctangent', 'AA:BB:CC:00:00:02'))?.[0]).toBe(ACCEPT);
    online();
    expect(wire.authenticate(dial('demo', 'arctangent', 'AA:BB:CC:00:00:09'))?.[0]).toBe(ACCEPT);
  });
});

describe('what we know and do not know', () => {
  test('a suspended subscriber with the right password is refused', () => {
    serve({ entries: [entry('demo', 'arctangent', { suspendedSince: NOON - DAY })] });
    expect(wire.authenticate(dial())?.[0]).toBe(REJECT);
    expect(bench.events.refused[0]?.reason).toBe('denied');
  });

  test('before every subscriber is loaded an unknown one gets silence, and those loaded get answers', () => {
    serve({ complete: false });
    expect(wire.authenticate(dial('nobody'))).toBeNull();
    expect(wire.authenticate(dial())?.[0]).toBe(ACCEPT);
    bench.directory.snapshotDone();
    expect(wire.authenticate(dial('nobody'))?.[0]).toBe(REJECT);
  });

  test('before there is a policy everybody gets silence', () => {
    serve({ policy: null });
    expect(wire.authenticate(dial())).toBeNull();
    expect(bench.server.counters.drops['directory-not-loaded']).toBe(1);
  });

  test('whatever throws inside lets nobody in: silence, a count, and the next dial is answered', () => {
    const poison = entry('demo', 'arctangent');
    const broken = {
      ...poison.facts,
      grants: [{ ...poison.facts.grants[0]!, plan: { ...HOME_20, profile: 'p'.repeat(300) } }],
    };
    serve({ entries: [{ ...poison, facts: broken }, entry('other', 'word')] });
    expect(wire.authenticate(dial())).toBeNull();
    expect(bench.server.counters.drops.error).toBe(1);
    expect(bench.errors).toHaveLength(1);
    expect(wire.authenticate(dial('other', 'word'))?.[0]).toBe(ACCEPT);
  });

  test('a NAS rule answers each NAS by itself, whoever dialled from where before', () => {
    const other: NasEntry = { ...NAS, id: 2, name: 'pop-2', tags: [], address: '127.0.0.2' };
    const give = {
      access: 'full',
      rate: { is: 'plan' },
      profile: null,
      pool: null,
      idleSeconds: null,
      interimSeconds: 300,
      attributes: [],
    } as const;
    serve({
      nases: [NAS, other],
      policy: {
        zone: 'Asia/Jakarta',
        rules: [
          { name: 'pop', when: { is: 'nas', name: 'pop-1' }, give: { ...give, addressList: 'of-pop-1' } },
          { name: 'else', when: { is: 'all', of: [] }, give: { ...give, addressList: 'of-others' } },
        ],
      },
    });
    const list = (address: string): string | null =>
      vendorTextOf(wire.authenticate(dial(), 40_000, address)!, MIKROTIK, 19);
    expect(['127.0.0.1', '127.0.0.2', '127.0.0.1', '127.0.0.2'].map(list)).toEqual([
      'of-pop-1',
      'of-others',
      'of-pop-1',
      'of-others',
    ]);
  });
});

describe('the time a Reject takes (A15)', () => {
  let udp: UdpBench;
  afterEach(() => udp.close());

  test('it leaves after the delay, an Accept at once, and asking again meanwhile neither hastens nor doubles it', async () => {
    udp = await startServer({ settings: { rejectDelayMs: { least: 200, most: 300 } } });
    const client = await udp.client();
    const wrong = papDial('demo', 'wrong', SECRET, { identifier: 1 });
    const from = performance.now();
    for (let i = 0; i < 3; i += 1) client.send(wrong, udp.authPort);
    client.send(papDial('demo', 'arctangent', SECRET, { identifier: 2 }), udp.authPort);
    const [first, second] = await client.until(2);
    expect([first!.bytes[0], second!.bytes[0]]).toEqual([ACCEPT, REJECT]);
    expect(second!.atMs - from).toBeGreaterThan(195);
    client.send(wrong, udp.authPort);
    const again = (await client.until(3))[2]!;
    expect(again.bytes).toEqual(second!.bytes);
    expect(udp.events.refused).toHaveLength(1);
    expect(udp.server.counters.rejects['wrong-password']).toBe(1);
    expect(udp.server.counters.drops['duplicate-pending']).toBe(2);
  });

  test('delays are spread over the whole span', async () => {
    udp = await startServer({ settings: { rejectDelayMs: { least: 100, most: 900 } } });
    const client = await udp.client();
    const from = performance.now();
    for (let i = 0; i < 200; i += 1) client.send(papDial('nobody', 'x', SECRET, { identifier: i }), udp.authPort);
    const delays = (await client.until(200)).map(({ atMs }) => atMs - from);
    expect(Math.min(...delays)).toBeGreaterThan(95);
    expect(delays.filter((ms) => ms < 500).length).toBeGreaterThan(20);
    expect(delays.filter((ms) => ms > 500).length).toBeGreaterThan(20);
  });
});
