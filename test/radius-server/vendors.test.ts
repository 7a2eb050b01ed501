import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decide } from '#domain/decide';
import type { Decision } from '#domain/decision';
import { type AcceptedOutcome, FALLBACK, NAS_VENDORS, type NasVendor, type Policy } from '#domain/policy';
import { toldOf } from '#domain/reconcile';
import { onlyPolicy } from '#domain/rollout';
import { NEVER } from '#domain/time';
import { encodeClass } from '#radius/class';
import { Directory, type DirectoryNas } from '#radius/directory';
import { replyAttributes } from '#radius/reply';
import { encodeAttributes } from '#radius/template';
import { liveAttributes } from '#radius/vendors';
import { ANY_LINE, entry, NOON } from '#test/radius-server/harness';

const decision: Decision = {
  access: 'full',
  rate: { downloadBps: 20_000_000, uploadBps: 5_500_400, burst: null },
  addressList: 'prepaid-active',
  profile: 'fast',
  pool: 'pool-1',
  idleSeconds: 600,
  interimSeconds: 300,
  attributes: [],
  validUntil: NEVER,
  validBelow: Number.POSITIVE_INFINITY,
  because: [{ is: 'fallback' }],
};
const told = (vendor: NasVendor, over: Partial<Decision> = {}) =>
  replyAttributes({ ...decision, ...over }, ANY_LINE, NOON, vendor)
    .map((attribute) => attribute.join(' = '))
    .slice(2);
const rest = ['Idle-Timeout = 600', 'Acct-Interim-Interval = 300'];

describe('each make of NAS is told the same in attributes of its own', () => {
  test('MikroTik: upload first, the list, the PPP profile', () => {
    const words = [
      'Mikrotik-Rate-Limit = 5500400/20000k',
      'Mikrotik-Address-List = prepaid-active',
      'Mikrotik-Group = fast',
    ];
    expect(told('mikrotik')).toEqual([...words, ...rest, 'Framed-Pool = pool-1']);
  });

  test('generic: WISPr in bits a second, the list as a filter', () => {
    expect(told('generic')).toEqual([
      'WISPr-Bandwidth-Max-Down = 20000000',
      'WISPr-Bandwidth-Max-Up = 5500400',
      'Filter-Id = prepaid-active',
      ...rest,
      'Framed-Pool = pool-1',
    ]);
    const fast = { downloadBps: 10e9, uploadBps: 0, burst: null };
    expect(told('generic', { rate: fast }).slice(0, 2)).toEqual([
      'WISPr-Bandwidth-Max-Down = 4294967295',
      'WISPr-Bandwidth-Max-Up = 1',
    ]);
  });

  test('accel-ppp: its shaper reads download/upload in kbit/s from Filter-Id', () => {
    expect(told('accel-ppp')).toEqual(['Filter-Id = 20000/5500', ...rest, 'Framed-Pool = pool-1']);
  });

  test('whoever is denied is told nothing', () => {
    for (const vendor of NAS_VENDORS) {
      const denied = { ...decision, access: 'denied', rate: null, addressList: null } as const;
      expect([replyAttributes(denied, ANY_LINE, NOON, vendor), liveAttributes(denied, vendor)]).toEqual([[], []]);
    }
  });

  test('what the policy writes takes the place of ours, and goes out in a CoA as well', () => {
    const attributes = [
      ['filter-id', '9000/9000'],
      ['Reply-Message', 'hai'],
    ] as const;
    expect(told('accel-ppp', { attributes })).toEqual([
      'filter-id = 9000/9000',
      ...rest,
      'Reply-Message = hai',
      'Framed-Pool = pool-1',
    ]);
    expect(liveAttributes({ ...decision, attributes }, 'accel-ppp')).toEqual([['filter-id', '9000/9000']]);
    expect(liveAttributes({ ...decision, attributes }, 'mikrotik').map(([name]) => name)).toEqual([
      'Mikrotik-Rate-Limit',
      'Mikrotik-Address-List',
    ]);
  });

  test('a CoA says what a new dial would be told of rate and list', () => {
    for (const vendor of NAS_VENDORS) {
      const reply = replyAttributes(decision, ANY_LINE, NOON, vendor).map(String);
      for (const attribute of liveAttributes(decision, vendor)) expect(reply).toContain(String(attribute));
      expect(encodeAttributes(liveAttributes(decision, vendor)).length).toBeGreaterThan(0);
    }
  });

  test('a value that cannot be sent is left out, and the subscriber is answered all the same', () => {
    const attributes = [
      ['Session-Octets-Limit', 'siti'],
      ['Framed-MTU', 'siti'],
      ['Framed-MTU', '1480'],
    ] as const;
    expect(told('generic', { attributes })).toContain('Framed-MTU = 1480');
    expect(told('generic', { attributes }).join()).not.toContain('siti');
  });
});

describe('the directory beside NASes of several makes', () => {
  const nases: DirectoryNas[] = NAS_VENDORS.flatMap((vendor, at) =>
    [1, 2].map((n) => ({ id: 10 * at + n, facts: { name: `${vendor}-${n}`, tags: n === 1 ? ['city'] : [], vendor } })),
  );
  const give = { ...FALLBACK, access: 'full' } as const;
  const attributes: AcceptedOutcome['attributes'][] = [
    [],
    [{ name: 'Reply-Message', value: 'to {username} on {nas}', vendor: null }],
    [{ name: 'Filter-Id', value: '{download-kbps}/{upload-kbps}', vendor: 'accel-ppp' }],
    [
      { name: 'Reply-Message', value: 'all', vendor: null },
      { name: 'reply-message', value: 'generic', vendor: 'generic' },
    ],
  ];
  const whens: Policy['rules'][number]['when'][] = [
    { is: 'covered' },
    { is: 'nas-tag', tag: 'city' },
    { is: 'nas-vendor', vendor: 'generic' },
  ];
  const policies = fc
    .record({
      when: fc.constantFrom(...whens),
      first: fc.constantFrom(...attributes),
      last: fc.constantFrom(...attributes),
    })
    .map(
      ({ when, first, last }): Policy => ({
        zone: 'Asia/Jakarta',
        rules: [
          { name: 'first', when, give: { ...give, attributes: first } },
          { name: 'last', when: { is: 'all', of: [] }, give: { ...FALLBACK, attributes: last } },
        ],
      }),
    );

  test('gives each the answer that is meant for it, whoever asked before', () => {
    fc.assert(
      fc.property(policies, fc.array(fc.constantFrom(...nases), { minLength: 2, maxLength: 12 }), (policy, asking) => {
        const directory = new Directory();
        directory.setPolicies(onlyPolicy(policy));
        const who = entry('siti', 'pw');
        directory.put([who]);
        for (const nas of asking) {
          const expected = decide({ ...who.facts, nas: nas.facts }, policy, NOON);
          const { vendor } = nas.facts;
          const reply = replyAttributes({ ...expected, validUntil: NEVER }, who.line, NOON, vendor);
          const value = encodeClass(Buffer.alloc(16), toldOf(expected, vendor));
          const octets = Buffer.concat([Buffer.of(25, value.length + 2), value, encodeAttributes(reply)]);
          expect(directory.answer(directory.find('siti')!, nas, NOON)?.octets.toString('hex')).toBe(
            octets.toString('hex'),
          );
        }
      }),
      { numRuns: 300 },
    );
  });

  test('decides once for all NASes of a make where the policy tells none apart, and anew for another make', () => {
    let decisions = 0;
    const directory = new Directory((facts, policy, at) => {
      decisions += 1;
      return decide(facts, policy, at);
    });
    directory.setPolicies(onlyPolicy({ zone: 'Asia/Jakarta', rules: [{ name: 'r', when: { is: 'covered' }, give }] }));
    directory.put([entry('siti', 'pw')]);
    const ask = (from: number) => directory.answer(directory.find('siti')!, nases[from]!, NOON);
    for (const from of [0, 1, 0, 1]) ask(from);
    expect(decisions).toBe(1);
    for (const from of [2, 3, 3]) ask(from);
    expect(decisions).toBe(2);
    ask(0);
    expect(decisions).toBe(3);
  });
});
