import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { standardAttributes, vendors } from '#radius/attributes';
import {
  attributeByName,
  attributeByNumber,
  attributeNumber,
  encodeAttribute,
  InvalidAttribute,
  valueName,
} from '#radius/dictionary';
import { dump } from '#radius/dump';
import { Code, Writer } from '#radius/packet';
import { valueNames } from '#radius/values';
import { finished, hex, parsed, secret } from '#test/radius-protocol/wire';

const wire = (name: string, printed: string) => encodeAttribute(name, printed).toString('hex');

/** The lines a dump prints for these attributes. */
function dumped(...attributes: Uint8Array[]): string[] {
  const writer = new Writer();
  writer.begin(Code.accountingRequest, 1);
  for (const attribute of attributes) writer.addEncoded(attribute);
  return dump(parsed(finished(writer, writer.finishRequest(secret))))
    .split('\n')
    .slice(1)
    .map((line) => line.trim());
}

describe('the dictionary', () => {
  test('names and numbers lead to each other, and no number has two names', () => {
    const tables = [
      [0, standardAttributes] as const,
      ...Object.values(vendors).map((v) => [v.number, v.attributes] as const),
    ];
    let count = 0;
    for (const [vendor, table] of tables) {
      for (const [name, [number, type]] of Object.entries(table)) {
        expect(attributeByNumber(number, vendor)).toEqual({ name, vendor, number, type });
        expect(attributeByName(name.toUpperCase())?.name).toBe(name);
        count++;
      }
    }
    expect(count).toBeGreaterThan(180);
    expect(attributeNumber('Mikrotik-Rate-Limit')).toBe(8);
    expect(attributeByNumber(255)).toBe(undefined);
    expect(attributeByName('No-Such-Thing')).toBe(undefined);
  });

  test('every list of value names belongs to an attribute of numbers, without doubles', () => {
    for (const [name, values] of Object.entries(valueNames)) {
      expect(['integer', 'tagged-integer']).toContain(attributeByName(name)?.type);
      expect(new Set(Object.values(values)).size).toBe(Object.keys(values).length);
    }
    expect(valueName('Acct-Status-Type', 3)).toBe('Interim-Update');
    expect(valueName('Acct-Terminate-Cause', 6)).toBe('Admin-Reset');
    expect(valueName('Error-Cause', 503)).toBe('Session-Context-Not-Found');
    expect(valueName('Acct-Status-Type', 99)).toBe(undefined);
  });
});

describe('encodeAttribute', () => {
  test.each([
    ['Reply-Message', 'Halo', '120648616c6f'],
    ['Session-Timeout', '86400', '1b0600015180'],
    ['Session-Timeout', '0xffffffff', '1b06ffffffff'],
    ['Service-Type', 'Framed-User', '060600000002'],
    ['Framed-IP-Address', '10.0.2.3', '08060a000203'],
    ['Mikrotik-Rate-Limit', '10M/20M', '1a0f00003a8c080931304d2f32304d'],
    ['WISPr-Bandwidth-Max-Down', '20000000', '1a0c0000372a080601312d00'],
    ['Class', '0x00ff', '190400ff'],
    ['Class', 'gb1|x', '19076762317c78'],
    ['Event-Timestamp', '2023-11-14T22:13:20.000Z', '37066553f100'],
    ['Event-Timestamp', '1700000000', '37066553f100'],
    ['Tunnel-Type', 'L2TP', '400600000003'],
    ['Tunnel-Server-Endpoint', '10.0.0.1', '430b0031302e302e302e31'],
    ['NAS-IPv6-Address', '2001:db8::192.0.2.1', '5f1220010db80000000000000000c0000201'],
  ])('%s = %s', (name, printed, expected) => {
    expect(wire(name, printed)).toBe(expected);
  });

  test.each([
    ['::/0', '00000000000000000000000000000000', 0],
    ['2001:db8:1:2::/64', '20010db8000100020000000000000000', 64],
    ['2001:db8:ffff:ffff::1/52', '20010db8fffff0000000000000000000', 52],
    ['2001:db8::1/128', '20010db8000000000000000000000001', 128],
  ])('A13: the prefix %s has a zero octet, its length and nothing behind its bits', (printed, address, bits) => {
    const expected = `7b1400${bits.toString(16).padStart(2, '0')}${address}`;
    expect(wire('Delegated-IPv6-Prefix', printed)).toBe(expected);
  });

  test.each([
    ['No-Such-Thing', '1'],
    ['User-Password', 'x'],
    ['MS-MPPE-Send-Key', '0x00'],
    ['Message-Authenticator', '0x00'],
    ['Session-Timeout', '4294967296'],
    ['Session-Timeout', '-1'],
    ['Session-Timeout', '1.5'],
    ['Session-Timeout', ''],
    ['Service-Type', 'constructor'],
    ['Service-Type', 'Framed'],
    ['Tunnel-Type', '16777216'],
    ['Framed-IP-Address', '10.0.0.256'],
    ['Framed-IP-Address', '10.0.0'],
    ['Framed-IPv6-Address', 'fe80::1%eth0'],
    ['Framed-IPv6-Address', '2001:db8::1::2'],
    ['Framed-IPv6-Prefix', '2001:db8::'],
    ['Framed-IPv6-Prefix', '2001:db8::/129'],
    ['Framed-IPv6-Prefix', '10.0.0.0/8'],
    ['Event-Timestamp', 'yesterday'],
    ['Event-Timestamp', '2107-01-01'],
    ['Reply-Message', 'x'.repeat(254)],
    ['Mikrotik-Group', 'x'.repeat(248)],
  ])('%s = %s is refused in one line', (name, printed) => {
    expect(() => encodeAttribute(name, printed)).toThrow(InvalidAttribute);
    expect(() => encodeAttribute(name, printed)).toThrow(/^[^\n]*$/);
  });

  test('what is printed is what was meant: dump(encode(x)) = x', () => {
    const ipv6 = fc.ipV6().filter((address) => !address.includes('.'));
    const byType = {
      integer: fc.nat(0xffffffff).map(String),
      ipaddr: fc.ipV4(),
      ipv6addr: ipv6,
      text: fc.string({ maxLength: 60 }).filter((text) => !/["\\\p{C}\p{Z}]/u.test(text)),
    };
    const names = {
      integer: 'Session-Timeout',
      ipaddr: 'Framed-IP-Address',
      ipv6addr: 'Framed-IPv6-Address',
      text: 'Mikrotik-Group',
    };
    for (const [type, values] of Object.entries(byType)) {
      const name = names[type as keyof typeof names];
      fc.assert(
        fc.property(values, (printed) => {
          const [line = ''] = dumped(encodeAttribute(name, printed));
          const back = line.slice(`${name} = `.length).replace(/^"(.*)"$/, '$1');
          // Addresses have several spellings: what is printed must encode to the same octets, and print the same again.
          expect(wire(name, back)).toBe(wire(name, printed));
          if (type !== 'ipv6addr') expect(back).toBe(printed);
        }),
        { numRuns: 300 },
      );
    }
  });

  test.each([
    ['0:0:0:0:0:0:0:0', '::'],
    ['0:0::1', '::1'],
    ['2001:0DB8::', '2001:db8::'],
    ['2001:db8:0:1::', '2001:db8:0:1::'],
    ['1:0:0:2:0:0:0:3', '1:0:0:2::3'],
    ['1:0:0:2:0:0:3:4', '1::2:0:0:3:4'],
    ['1:0:2:3:4:5:6:7', '1:0:2:3:4:5:6:7'],
    ['fe80::a:b:c:d', 'fe80::a:b:c:d'],
    ['1:2:3:4:5:6:7:8', '1:2:3:4:5:6:7:8'],
  ])('A13: the address %s is printed as RFC 5952 has it: %s', (address, shortest) => {
    expect(dumped(encodeAttribute('Framed-IPv6-Address', address))).toEqual([`Framed-IPv6-Address = ${shortest}`]);
  });
});

describe('dump', () => {
  test('shows what it cannot read as octets', () => {
    expect(
      dumped(hex('0404abcd'), hex('c804aabb'), hex('1a0c000000090106deadbeef'), hex('61020000'.slice(0, 4))),
    ).toEqual([
      'NAS-IP-Address = 0xabcd',
      'Attribute-200 = 0xaabb',
      'Vendor-9-Attribute-1 = 0xdeadbeef',
      'Framed-IPv6-Prefix = 0x',
    ]);
  });

  test.each([
    ['6104', '0081', 'a length above 128'],
    ['6106', '00402001', 'two octets of 64 bits'],
    ['6115', `0080${'ab'.repeat(17)}`, 'more than 16 octets'],
  ])('A13: %s %s, %s, is no prefix and shown as octets', (header, value) => {
    expect(dumped(hex(header + value))).toEqual([`Framed-IPv6-Prefix = 0x${value}`]);
  });

  test('a value of a wrong size never shows what stands behind it', () => {
    expect(dumped(hex('5f0620010db8'), hex('0208deadbeef0102'))).toEqual([
      'NAS-IPv6-Address = 0x20010db8',
      'User-Password = [redacted]',
    ]);
  });

  test('a tag before the text is not part of it (RFC 2868 section 3)', () => {
    expect(dumped(hex('4305016131'), hex('43046131'), hex('4302'))).toEqual([
      'Tunnel-Server-Endpoint = "a1"',
      'Tunnel-Server-Endpoint = "a1"',
      'Tunnel-Server-Endpoint = ""',
    ]);
  });

  test('a short prefix is filled with zeros', () => {
    expect(dumped(hex('610a004020010db80001'))).toEqual(['Framed-IPv6-Prefix = 0x004020010db80001']);
    expect(dumped(hex('610a003020010db80001'))).toEqual(['Framed-IPv6-Prefix = 2001:db8:1::/48']);
  });

  test('nobody can forge a line of it', () => {
    const name = Buffer.from('x"\n  User-Name = "admin\u2028\u202e\u0000\\', 'utf8');
    const [line, ...more] = dumped(Buffer.concat([Buffer.of(1, name.length + 2), name]));
    expect(more).toEqual([]);
    expect(line).toBe('User-Name = "x\\"\\u{a}  User-Name = \\"admin\\u{2028}\\u{202e}\\u{0}\\\\"');
  });

  test('never shows credentials or keys, also not where they are malformed', () => {
    const canary = Buffer.from('CANARY-CANARY-CANARY-CANARY', 'latin1');
    const secrets = [2, 3, 69, 70, 79].map((type) => Buffer.concat([Buffer.of(type, canary.length + 2), canary]));
    const hidden = [1, 3, 4, 5, 6, 11, 12, 16, 17, 19, 20, 25, 26, 27].map((type) => {
      const inner = Buffer.concat([Buffer.of(type, canary.length + 2), canary]);
      return Buffer.concat([Buffer.of(26, inner.length + 6, 0, 0, 1, 0x37), inner]);
    });
    const broken = Buffer.from(hidden[0]!);
    broken[7] = 255;
    for (const line of dumped(...secrets, ...hidden, broken)) {
      expect(line).toMatch(/= \[(redacted|malformed)\]$/);
      expect(line).not.toMatch(/CANARY|43414e/i);
    }
  });
});
