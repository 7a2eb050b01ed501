import { createRequire } from 'node:module';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { verifyCredential } from '#radius/credentials';
import {
  Code,
  Packet,
  verifyAccountingAuthenticator,
  verifyMessageAuthenticator,
  verifyReply,
  Writer,
} from '#radius/packet';
import {
  accessRequest,
  credentials,
  finished,
  hidden,
  parsed,
  randomFrom,
  SHARED,
  secret,
} from '#test/radius-protocol/wire';

const octets = fc.uint8Array({ maxLength: 253 }).map((value) => Buffer.from(value));
const attribute = fc.tuple(
  fc.nat(255).filter((type) => type !== 80),
  octets,
);

test('decode(encode(x)) = x for any attributes', () => {
  const writer = new Writer();
  const packet = new Packet();
  fc.assert(
    fc.property(fc.nat(255), fc.array(attribute, { maxLength: 12 }), (identifier, attributes) => {
      writer.begin(Code.coaRequest, identifier);
      for (const [type, value] of attributes) writer.addBytes(type, value);
      const length = writer.finishRequest(secret);
      expect(packet.parse(writer.buffer, length)).toBe(true);
      const back: [number, Buffer][] = [];
      packet.forEach(
        (type, start, size) => void back.push([type, Buffer.from(packet.buffer.subarray(start, start + size))]),
      );
      expect(back).toEqual(attributes);
      expect([packet.code, packet.identifier, packet.length]).toEqual([Code.coaRequest, identifier, length]);
      expect(verifyAccountingAuthenticator(packet, secret)).toBe(true);
    }),
    { numRuns: 1000 },
  );
});

test('find and findNext see what a plain walk sees', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(5), octets), { maxLength: 12 }), fc.nat(5), (attributes, wanted) => {
      const packet = parsed(
        accessRequest((writer) => {
          for (const [type, value] of attributes) writer.addBytes(type, value);
        }),
      );
      const found: Buffer[] = [];
      for (let at = packet.find(wanted); at !== 0; at = packet.findNext(at))
        found.push(Buffer.from(packet.bytesAt(at)));
      expect(found).toEqual(attributes.filter(([type]) => type === wanted).map(([, value]) => value));
    }),
    { numRuns: 1000 },
  );
});

/** Attributes whose order among themselves means nothing, as separate additions. */
const parts: readonly ((writer: Writer) => void)[] = [
  (writer) => writer.addMessageAuthenticator(),
  (writer) => writer.addText(1, 'User'),
  (writer) => writer.addIpv4(4, '192.168.1.16'),
  (writer) => writer.addUint32(5, 20),
  (writer) => writer.addText(31, 'AA:BB:CC:DD:EE:FF'),
  (writer) => writer.addVendorText(14988, 9, 'realm'),
  (writer) => writer.addText(222, 'unknown'),
];

function readings(packet: Packet): unknown[] {
  return [
    verifyMessageAuthenticator(packet, secret),
    verifyCredential(packet, secret, 'User', 'clientPass').ok,
    verifyCredential(packet, secret, 'User', 'other').ok,
    packet.text(1),
    packet.ipv4(4),
    packet.uint32(5),
    packet.text(31),
    packet.textAt(packet.findVendor(14988, 9)),
    [packet.bytesAt(packet.find(33)).toString(), packet.bytesAt(packet.findNext(packet.find(33))).toString()],
  ];
}

test('P10: the order of attributes changes nothing, 10,000 shuffles; within a type it is kept', () => {
  const random = randomFrom(20261121);
  const kinds = ['pap', 'chap', 'mschap', 'mschapv2'] as const;
  const expected = ['valid', true, false, 'User', '192.168.1.16', 20, 'AA:BB:CC:DD:EE:FF', 'realm', ['one', 'two']];
  for (let round = 0; round < 10_000; round++) {
    const proof = (writer: Writer) => credentials[kinds[round % 4]!](writer, 'clientPass');
    let state = 0;
    const states = (writer: Writer) => writer.addText(33, state++ === 0 ? 'one' : 'two');
    const order = [...parts, proof, states, states];
    for (let i = order.length - 1; i > 0; i--) {
      const j = random(i + 1);
      [order[i], order[j]] = [order[j]!, order[i]!];
    }
    const packet = parsed(accessRequest((writer) => order.forEach((add) => void add(writer)), false));
    if (JSON.stringify(readings(packet)) !== JSON.stringify(expected)) expect(readings(packet)).toEqual(expected);
  }
});

/** The npm package `radius`: another's codec, which must understand us and we it. Its known holes are stepped around. */
type OtherValue = string | number | Buffer;
type OtherAttribute = readonly [string, OtherValue];
type Other = {
  encode(packet: {
    code: string;
    secret: string;
    identifier: number;
    attributes: OtherAttribute[];
    add_message_authenticator?: boolean;
  }): Buffer;
  decode(from: { packet: Buffer; secret: string }): {
    code: string;
    identifier: number;
    attributes: Record<string, unknown>;
  };
  verify_response(of: { request: Buffer; response: Buffer; secret: string }): boolean;
};
const other = createRequire(import.meta.url)('radius') as Other;

/** Text without NUL (the package cuts there) that is one to 60 octets long. */
const otherText = fc
  .string({ minLength: 1, maxLength: 20, unit: 'grapheme' })
  .filter((text) => !text.includes('\0') && text.isWellFormed());
const dial = fc.record({
  name: otherText,
  password: fc.string({ minLength: 1, maxLength: 100 }).filter((text) => !text.includes('\0')),
  nas: fc.ipV4(),
  port: fc.nat(0xffffffff),
  session: otherText,
  state: fc.uint8Array({ minLength: 1, maxLength: 100 }).map((value) => Buffer.from(value)),
  identifier: fc.nat(255),
});

describe('against an independent codec', () => {
  test('its Access-Requests are ours: values, Message-Authenticator, password', () => {
    fc.assert(
      fc.property(dial, (dial) => {
        const packet = parsed(
          other.encode({
            code: 'Access-Request',
            secret: SHARED,
            identifier: dial.identifier,
            attributes: [
              ['User-Name', dial.name],
              ['User-Password', dial.password],
              ['NAS-IP-Address', dial.nas],
              ['NAS-Port', dial.port],
              ['Acct-Session-Id', dial.session],
              ['Proxy-State', dial.state],
            ],
            add_message_authenticator: true,
          }),
        );
        expect(verifyMessageAuthenticator(packet, secret)).toBe('valid');
        expect(verifyCredential(packet, secret, dial.name, dial.password)).toEqual({ ok: true, reply: null });
        expect(verifyCredential(packet, secret, dial.name, `${dial.password}.`).ok).toBe(false);
        const read = [packet.identifier, packet.text(1), packet.ipv4(4), packet.uint32(5), packet.text(44)];
        expect(read).toEqual([dial.identifier, dial.name, dial.nas, dial.port, dial.session]);
        expect(packet.bytes(33)?.equals(dial.state)).toBe(true);
      }),
      { numRuns: 500 },
    );
  });

  test('our Access-Requests are its: values, Message-Authenticator, password', () => {
    fc.assert(
      fc.property(dial, (dial) => {
        // It reads User-Password as UTF-8 and cuts at a NUL, so plain text is compared.
        const request = accessRequest((writer) => {
          writer.addText(1, dial.name);
          writer.addBytes(2, hidden(dial.password));
          writer.addIpv4(4, dial.nas);
          writer.addUint32(5, dial.port);
          writer.addBytes(33, dial.state);
        });
        const { attributes } = other.decode({ packet: request, secret: SHARED });
        const read = ['User-Name', 'User-Password', 'NAS-IP-Address', 'NAS-Port'].map((name) => attributes[name]);
        expect(read).toEqual([dial.name, dial.password, dial.nas, dial.port]);
        expect(Buffer.from(attributes['Proxy-State'] as Buffer).equals(dial.state)).toBe(true);
      }),
      { numRuns: 500 },
    );
  });

  test('our replies to its requests are verified by it, and no altered one is', () => {
    fc.assert(
      fc.property(dial, fc.nat(1000), (dial, flip) => {
        const request = other.encode({
          code: 'Access-Request',
          secret: SHARED,
          identifier: dial.identifier,
          attributes: [['User-Name', dial.name]],
        });
        const packet = parsed(request);
        const writer = new Writer();
        writer.beginReply(Code.accessAccept, packet);
        writer.addIpv4(8, dial.nas);
        writer.addUint32(27, dial.port);
        writer.addVendorText(14988, 8, '10000k/20000k');
        const response = finished(writer, writer.finishReply(packet.authenticator, secret));
        expect(other.verify_response({ request, response, secret: SHARED })).toBe(true);
        expect(verifyReply(parsed(response), packet.authenticator, secret)).toBe(true);
        // It compares authenticators as text, so only we are asked about an altered octet.
        const altered = Buffer.from(response);
        altered[4 + (flip % 16)]! ^= 1;
        expect(verifyReply(parsed(altered), packet.authenticator, secret)).toBe(false);
      }),
      { numRuns: 300 },
    );
  });

  test('accounting, both ways, without Message-Authenticator (which it signs wrongly)', () => {
    fc.assert(
      fc.property(dial, (dial) => {
        const theirs = parsed(
          other.encode({
            code: 'Accounting-Request',
            secret: SHARED,
            identifier: dial.identifier,
            attributes: [
              ['User-Name', dial.name],
              ['Acct-Status-Type', 'Interim-Update'],
              ['Acct-Input-Octets', dial.port],
              ['Class', dial.state],
            ],
          }),
        );
        expect(verifyAccountingAuthenticator(theirs, secret)).toBe(true);
        expect([theirs.text(1), theirs.uint32(40), theirs.uint32(42)]).toEqual([dial.name, 3, dial.port]);
        expect(theirs.bytes(25)?.equals(dial.state)).toBe(true);

        const writer = new Writer();
        writer.begin(Code.accountingRequest, dial.identifier);
        writer.addText(1, dial.name);
        writer.addUint32(40, 2);
        writer.addUint32(43, dial.port);
        const ours = finished(writer, writer.finishRequest(secret));
        const { code, identifier, attributes } = other.decode({ packet: ours, secret: SHARED });
        expect([code, identifier]).toEqual(['Accounting-Request', dial.identifier]);
        const read = ['User-Name', 'Acct-Status-Type', 'Acct-Output-Octets'].map((name) => attributes[name]);
        expect(read).toEqual([dial.name, 'Stop', dial.port]);
      }),
      { numRuns: 300 },
    );
  });
});
