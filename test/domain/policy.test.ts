import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { defaultPolicy, FALLBACK, InvalidPolicy, parsePolicy } from '#domain/policy';
import { policy } from '#test/domain/generate';

const rule = (when: unknown, give: unknown = { access: 'denied' }) => ({ rules: [{ name: 'r', when, give }] });

function faults(document: unknown, zone?: string): readonly string[] {
  try {
    parsePolicy(document, zone);
    return [];
  } catch (error) {
    if (error instanceof InvalidPolicy) return error.faults;
    throw error;
  }
}

describe('a policy document', () => {
  test('comes back as it was, the default one too', () => {
    fc.assert(
      fc.property(policy(), (p) => {
        fc.pre(p.rules.length > 0 && !JSON.stringify(p).includes('"from":"00:00","to":"24:00"'));
        expect(parsePolicy(JSON.parse(JSON.stringify(p)))).toEqual(p);
      }),
    );
    expect(parsePolicy({ rules: defaultPolicy().rules }, 'Asia/Jayapura')).toEqual(defaultPolicy('Asia/Jayapura'));
  });

  test('may say rates and bytes as people do, and leave out what is not special', () => {
    const give = {
      access: 'walled',
      rate: { is: 'fixed', downloadBps: '128k', uploadBps: '128k' },
      addressList: 'prepaid-no-package',
    };
    const parsed = parsePolicy(rule({ is: 'fair-use', bytes: '15GB' }, give));
    expect(parsed.rules[0]).toEqual({
      name: 'r',
      when: { is: 'fair-use', bytes: 15 * 2 ** 30, per: null },
      give: FALLBACK,
    });
  });

  test('of an earlier version has its attributes as pairs, and triples name a vendor', () => {
    const attributes = [
      ['Filter-Id', 'a'],
      ['Filter-Id', '{username}', 'accel-ppp'],
    ];
    const parsed = parsePolicy(rule({ is: 'covered' }, { ...FALLBACK, attributes })).rules[0]!.give;
    const one = { name: 'Filter-Id', value: 'a', vendor: null };
    const other = { name: 'Filter-Id', value: '{username}', vendor: 'accel-ppp' };
    expect(parsed).toEqual({ ...FALLBACK, attributes: [one, other] });
    expect(faults(rule({ is: 'covered' }, { ...FALLBACK, attributes: [['Filter-Id', '{nobody}']] }))).toEqual([
      'rules.0.give.attributes.0.value: is no value: { opens a field',
    ]);
    expect(faults(rule({ is: 'covered' }, { ...FALLBACK, attributes: [['Filter-Id', 'a', null, 1]] }))).not.toEqual([]);
  });

  test.each([
    [rule({ is: 'covered', extra: 1 }), 'rules.0.when: Unrecognized key: "extra"'],
    [{ rules: [], more: 1 }, 'policy: Unrecognized key: "more"'],
    [rule({ is: 'grace', days: 91 }), 'rules.0.when.days: Too big: expected number to be <=90'],
    [rule({ is: 'window', from: '6:00', to: '07:00' }), 'rules.0.when.from: is not HH:MM from 00:00 to 23:59'],
    [
      rule({ is: 'window', from: '06:00', to: '06:00' }),
      'rules.0.when: a window must end (at 24:00 for midnight) after it begins',
    ],
    [
      rule({ is: 'window', from: '00:00', to: '24:00' }),
      'rules.0.when: a window of all hours of all days is no condition',
    ],
    [rule({ is: 'fair-use', bytes: 'lots' }), 'rules.0.when.bytes: "lots" is not a number of bytes such as 20GB'],
    [rule({ is: 'fair-use-share', share: 1.1 }), 'rules.0.when.share: Too big: expected number to be <=1'],
    [
      rule({ is: 'not', of: { is: 'tag', tag: '' } }),
      'rules.0.when.of.tag: Too small: expected string to have >=1 characters',
    ],
    [
      rule({ is: 'covered' }, { ...FALLBACK, interimSeconds: 59 }),
      'rules.0.give.interimSeconds: Too small: expected number to be >=60',
    ],
    [
      rule({ is: 'covered' }, { ...FALLBACK, addressList: 'two words' }),
      'rules.0.give.addressList: is not 1 to 63 printable ASCII characters without spaces',
    ],
    [
      rule({ is: 'covered' }, { ...FALLBACK, attributes: [['Class', 'x']] }),
      'rules.0.give.attributes.0.name: is an attribute that the server itself decides',
    ],
    [
      { rules: [...rule({ is: 'covered' }).rules, ...rule({ is: 'suspended' }).rules] },
      'rules: two rules have the same name',
    ],
  ])('%j is refused', (document, fault) => {
    expect(faults(document)).toContain(fault);
  });

  test('is told all its faults at once', () => {
    expect(faults({ rules: [{ name: '', when: { is: 'what' }, give: { access: 'open' } }], x: 1 })).toHaveLength(4);
  });

  test('of any shape is refused and never breaks the reader', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(faults(value).length).toBeGreaterThan(0);
      }),
    );
    let deep: unknown = { is: 'covered' };
    for (let level = 0; level < 100_000; level++) deep = { is: 'not', of: deep };
    expect(faults(rule(deep))).toEqual(['nests deeper than 40 levels']);
  });

  test('needs a zone that exists', () => {
    expect(faults({ rules: defaultPolicy().rules }, 'Asia/Bandung')).toEqual([
      'zone: Asia/Bandung is not a zone this machine knows',
    ]);
  });
});
