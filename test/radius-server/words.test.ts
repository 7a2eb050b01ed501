import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decide } from '#domain/decide';
import { defaultPolicy } from '#domain/policy';
import { shortTold } from '#domain/reconcile';
import { DAY, NEVER, SECOND } from '#domain/time';
import { encodeClass, parseClass } from '#radius/class';
import { Feed } from '#radius/feed';
import { macNumber, mikrotikRateLimit, normalMac, subscriberOctets, UNKNOWN_MAC } from '#radius/mikrotik';
import { type NasEntry, NasTable } from '#radius/nas-table';
import { replyAttributes, sessionTimeoutSeconds } from '#radius/reply';
import { writeToken } from '#radius/template';
import type { FromRadiusWorker } from '#radius/worker-messages';
import { ANY_LINE, entry, NAS, NOON } from '#test/radius-server/harness';

describe('MikroTik words', () => {
  test.each([
    ['128k/128k', { downloadBps: 128_000, uploadBps: 128_000, burst: null }],
    ['5000k/20000k', { downloadBps: 20e6, uploadBps: 5e6, burst: null }],
    ['1500/1333333', { downloadBps: 1_333_333, uploadBps: 1500, burst: null }],
    ['1/1000k', { downloadBps: 1e6, uploadBps: 0, burst: null }],
    [
      '5000k/20000k 10000k/40000k 4000k/15000k 16/16',
      {
        downloadBps: 20e6,
        uploadBps: 5e6,
        burst: {
          downloadBps: 40e6,
          uploadBps: 10e6,
          thresholdDownloadBps: 15e6,
          thresholdUploadBps: 4e6,
          seconds: 16,
        },
      },
    ],
  ])('the rate limit is upload/download: %s', (told, rate) => {
    expect(mikrotikRateLimit(rate)).toBe(told);
  });

  test('Input is the upload, unless this router reports the other way round', () => {
    expect(subscriberOctets(1, 2, false)).toEqual({ upBytes: 1, downBytes: 2 });
    expect(subscriberOctets(1, 2, true)).toEqual({ upBytes: 2, downBytes: 1 });
  });

  test('a MAC address is one in any spelling, and nothing else is', () => {
    for (const text of ['aa:bb:cc:dd:ee:0f', 'AA-BB-CC-DD-EE-0F', 'aabb.ccdd.ee0f', 'AABBCCDDEE0F'])
      expect(normalMac(text)).toBe('AA:BB:CC:DD:EE:0F');
    for (const text of ['', '10.0.0.1', 'aa:bb:cc:dd:ee', 'aa:bb:cc:dd:ee:ff:00', 'gg:bb:cc:dd:ee:ff', 'eth 0/1/2'])
      expect([normalMac(text), macNumber(text)]).toEqual([null, UNKNOWN_MAC]);
  });
});

describe('Class', () => {
  const told = fc.record({
    live: fc.stringMatching(/^[\w ./=-]{1,200}$/),
    fixed: fc.stringMatching(/^[\w ./=-]{1,250}$/),
  });

  test('carries the token and what was told, in 253 octets at most', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), told, (token, lines) => {
        const bytes = encodeClass(Buffer.from(token), lines);
        expect(bytes.length).toBeLessThanOrEqual(253);
        const back = parseClass(bytes)!;
        expect(back.token).toBe(Buffer.from(token).toString('hex'));
        if (lines.live.length <= 112 && lines.fixed.length <= 112) expect(back.told).toEqual(lines);
      }),
    );
  });

  test('has room for lines of any length: a long one is told by its hash', () => {
    const long = { live: `1/1 list=${'a'.repeat(300)}`, fixed: `profile=${'p'.repeat(300)} pool=-` };
    const bytes = encodeClass(randomBytes(16), long);
    expect(bytes.length).toBeLessThanOrEqual(253);
    expect(parseClass(bytes)?.told).toEqual(shortTold(long));
  });

  test('of others, or cut, is recognised as such', () => {
    const own = encodeClass(randomBytes(16), { live: '1/1 list=a', fixed: 'default' });
    expect(parseClass(own.subarray(0, 30))?.told).toBeNull();
    expect(parseClass(own.subarray(0, 20))).toBeNull();
    expect(parseClass(randomBytes(40))).toBeNull();
    expect(parseClass(Buffer.alloc(0))).toBeNull();
  });

  test('a token is written into a reply as base64url', () => {
    for (let i = 0; i < 1000; i += 1) {
      const random = randomBytes(16);
      const target = Buffer.alloc(24, '.');
      writeToken(random, 0, target, 1);
      expect(target.toString()).toBe(`.${random.toString('base64url')}.`);
    }
  });
});

describe('reply attributes', () => {
  test('Session-Timeout is the time left, rounded up, between a minute and 248 days, and absent for ever', () => {
    expect(sessionTimeoutSeconds(NOON + 100 * SECOND, NOON)).toBe(100);
    expect(sessionTimeoutSeconds(NOON + 100 * SECOND + 1, NOON)).toBe(101);
    expect(sessionTimeoutSeconds(NOON + 1, NOON)).toBe(60);
    expect(sessionTimeoutSeconds(NOON + 400 * DAY, NOON)).toBe(21_474_720);
    expect(sessionTimeoutSeconds(NEVER, NOON)).toBeNull();
  });

  test('a covered line, in order', () => {
    const { facts } = entry('demo', 'pw');
    expect(replyAttributes(decide(facts, defaultPolicy('Asia/Jakarta'), NOON), ANY_LINE, NOON)).toEqual([
      ['Service-Type', 'Framed-User'],
      ['Framed-Protocol', 'PPP'],
      ['Mikrotik-Rate-Limit', '5000k/20000k'],
      ['Mikrotik-Address-List', 'prepaid-active'],
      ['Acct-Interim-Interval', '300'],
      ['Session-Timeout', '864000'],
    ]);
  });

  test('a denied line is told nothing; an address of its own beats the pool; interim is never below a minute', () => {
    const { facts } = entry('demo', 'pw');
    const decision = { ...decide(facts, defaultPolicy('Asia/Jakarta'), NOON), pool: 'pool-1', interimSeconds: 5 };
    const told = (line: Partial<typeof ANY_LINE>): string =>
      replyAttributes(decision, { ...ANY_LINE, ...line }, NOON).join(' ');
    expect(told({})).toContain('Framed-Pool,pool-1');
    expect(told({ staticIp: '10.0.0.7/32' })).toContain('Framed-IP-Address,10.0.0.7 ');
    expect(told({ staticIp: '10.0.0.7' })).not.toContain('Framed-Pool');
    expect(told({})).toContain('Acct-Interim-Interval,60');
    const denied = decide({ ...facts, suspendedSince: NOON - 1 }, defaultPolicy('Asia/Jakarta'), NOON);
    expect(replyAttributes(denied, { ...ANY_LINE, staticIp: '10.0.0.7' }, NOON)).toEqual([]);
  });
});

describe('the NAS table', () => {
  const table = (...addresses: string[]): NasTable =>
    new NasTable(addresses.map((address, i): NasEntry => ({ ...NAS, id: i + 1, name: address, address })));

  test('the longest prefix wins, in IPv4 and IPv6, and a mapped address is its IPv4 one', () => {
    const nases = table('10.0.0.0/8', '10.1.0.0/16', '10.1.2.3', '2001:db8::/32', '2001:db8:1::/48', '2001:db8:1::5');
    const found = (address: string): string | undefined => nases.find(address)?.nas.name;
    expect(
      ['10.9.9.9', '10.1.9.9', '10.1.2.3', '::ffff:10.1.2.3', '11.0.0.1', '2001:db8:9::1', '2001:db8:1::6'].map(found),
    ).toEqual(['10.0.0.0/8', '10.1.0.0/16', '10.1.2.3', '10.1.2.3', undefined, '2001:db8::/32', '2001:db8:1::/48']);
    expect(found('2001:0db8:0001:0:0:0:0:5')).toBe('2001:db8:1::5');
    expect(found('fe80::1%eth0')).toBeUndefined();
    expect(found('not an address')).toBeUndefined();
  });

  test('a prefix that is no multiple of 16 bits, and the whole of IPv4', () => {
    const nases = table('192.168.100.0/22', '0.0.0.0/0');
    expect(nases.find('192.168.103.255')?.nas.name).toBe('192.168.100.0/22');
    expect(nases.find('192.168.104.0')?.nas.name).toBe('0.0.0.0/0');
    expect(nases.find('2001:db8::1')).toBeUndefined();
  });

  test('agrees with a dumb search on random tables', () => {
    const prefix = fc.tuple(fc.nat(255), fc.nat(3), fc.integer({ min: 8, max: 32 }));
    fc.assert(
      fc.property(fc.array(prefix, { maxLength: 12 }), fc.nat(255), fc.nat(3), fc.nat(255), (prefixes, b, c, d) => {
        const bits = (x: number, y: number, z: number): string =>
          [10, x, y, z].map((octet) => octet.toString(2).padStart(8, '0')).join('');
        const rows = prefixes.map(([x, y, length], i) => ({
          name: `10.${x}.${y}.0/${length}`,
          key: bits(x, y, 0).slice(0, length),
          i,
        }));
        const byKey = new Map(rows.map((row) => [row.key, row]));
        const best = [...byKey.values()]
          .filter(({ key }) => bits(b, c, d).startsWith(key))
          .sort((one, other) => other.key.length - one.key.length)[0];
        expect(table(...rows.map(({ name }) => name)).find(`10.${b}.${c}.${d}`)?.nas.name).toBe(best?.name);
      }),
      { numRuns: 300 },
    );
  });

  test('a wrong row is an error, not a hole', () => {
    for (const address of ['10.0.0.0/33', '10.0.0', 'x', '::/129', '10.0.0.1/-1'])
      expect(() => table(address)).toThrow(RangeError);
  });
});

describe('the feed of refused dials', () => {
  test('is bounded, in printable text, once a second; a limit is told once a second for each subscriber', () => {
    const posted: FromRadiusWorker[] = [];
    const feed = new Feed((message) => posted.push(message));
    for (let i = 0; i < 1000; i += 1) feed.rejected(`bad\0name\n${i}`, 1, 'unknown-user', 'AA', NOON);
    for (let i = 0; i < 5; i += 1) feed.limitReached(7);
    expect(posted).toEqual([{ kind: 'limitReached', subscriberId: 7 }]);
    feed.everySecond();
    const message = posted[1]!;
    if (message.kind !== 'rejected') throw new Error(message.kind);
    expect([message.dials.length, message.more]).toEqual([200, 800]);
    expect(message.dials[0]?.username).toBe('bad\ufffdname\ufffd0');
    feed.everySecond();
    feed.limitReached(7);
    expect(posted).toHaveLength(3);
  });
});
