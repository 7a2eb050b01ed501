import { createHmac, randomBytes } from 'node:crypto';
import { inspect } from 'node:util';
import { describe, expect, test } from 'vitest';
import {
  Code,
  type FramingFault,
  Packet,
  Secret,
  verifyAccountingAuthenticator,
  verifyMessageAuthenticator,
  verifyReply,
  Writer,
} from '#radius/packet';
import {
  accessRequest,
  credentials,
  finished,
  hex,
  md5,
  parsed,
  REQUEST_AUTHENTICATOR,
  secret,
} from '#test/radius-protocol/wire';

const V1 = hex(
  '010000380f403f9473978057bd83d5cb98f4227a01066e656d6f02120dbe708d93d413ce3196e43f782a0aee0406c0a80110050600000003',
);
const V1_SIGNED = hex(
  '0100004a0f403f9473978057bd83d5cb98f4227a50128f16b45f90d3494989a4f14f4421c61801066e656d6f02120dbe708d93d413ce3196e43f782a0aee0406c0a80110050600000003',
);

function faultOf(octets: Uint8Array, received = octets.length): FramingFault | null {
  const packet = new Packet();
  return packet.parse(octets, received) ? null : packet.fault;
}

/** A header of `code` with this Length field, then attributes, then whatever else. */
function datagram(attributes: string, length = 20 + attributes.length / 2, code = 1): Buffer {
  return Buffer.concat([Buffer.of(code, 1, length >> 8, length & 255), Buffer.alloc(16, 7), hex(attributes)]);
}

describe('framing', () => {
  test('P01: a datagram shorter than 20 octets is no packet', () => {
    for (const size of [0, 1, 19]) expect(faultOf(Buffer.alloc(size, 1))).toBe('short-datagram');
    expect(faultOf(datagram(''))).toBe(null);
  });

  test('P01: Length below 20, above 4096 or beyond the datagram is no packet', () => {
    expect(faultOf(datagram('', 19))).toBe('wrong-length');
    expect(faultOf(datagram('', 100))).toBe('wrong-length');
    const filled = (size: number) =>
      Buffer.concat([datagram('', size), ...new Array<Buffer>(16).fill(hex(`20ff${'61'.repeat(253)}`))]);
    expect(faultOf(filled(4097).subarray(0, 4097))).toBe('wrong-length');
    const largest = Buffer.concat([datagram(`${`20fd${'61'.repeat(251)}`.repeat(16)}211c${'62'.repeat(26)}`, 4096)]);
    expect(largest.length).toBe(4096);
    expect(faultOf(largest)).toBe(null);
    expect(faultOf(largest, 4095)).toBe('wrong-length');
  });

  test('P02: octets behind Length are padding: V1 with 100 of them is V1', () => {
    const packet = parsed(Buffer.concat([V1, Buffer.alloc(100, 0xee)]));
    expect(packet.length).toBe(V1.length);
    expect(packet.text(1)).toBe('nemo');
    const padded = parsed(Buffer.concat([V1_SIGNED, Buffer.alloc(100, 0xee)]));
    expect(verifyMessageAuthenticator(padded, secret)).toBe('valid');
  });

  /** P05: FreeRADIUS' table of malformed packets, in our own octets. */
  test.each([
    ['a lone type octet', '01'],
    ['length 0', '0100'],
    ['length 1', '0101'],
    ['length 1, then what would be a good attribute', '0101066e656d6f'],
    ['length 0 before a good attribute', '010001066e656d6f'],
    ['length 255 in a short packet', '01ff6e'],
    ['one octet beyond the end', '01076e656d6f'],
    ['a good attribute, then a lone octet', '01066e656d6f04'],
    ['a good attribute, then length 1', '01066e656d6f0401'],
    ['a good attribute, then one that overruns', '01066e656d6f0406c0a801'],
    ['zeros', '00000000'],
  ])('P04 P05: %s breaks the packet', (_, attributes) => {
    for (const code of [Code.accessRequest, Code.accountingRequest]) {
      expect(faultOf(datagram(attributes, undefined, code))).toBe('broken-attribute');
    }
  });

  test('a length of 2, an empty value, is no fault', () => {
    expect(faultOf(datagram('0102'))).toBe(null);
  });

  test('at most 200 attributes', () => {
    expect(faultOf(datagram('2102'.repeat(200)))).toBe(null);
    expect(faultOf(datagram('2102'.repeat(201)))).toBe('too-many-attributes');
  });

  test('B10: two Message-Authenticators, or one of a wrong length, break the packet', () => {
    const good = `5012${'00'.repeat(16)}`;
    expect(faultOf(datagram(good))).toBe(null);
    expect(faultOf(datagram(good + good))).toBe('broken-message-authenticator');
    expect(faultOf(datagram(`5011${'00'.repeat(15)}`))).toBe('broken-message-authenticator');
    expect(faultOf(datagram(`5013${'00'.repeat(17)}`))).toBe('broken-message-authenticator');
    expect(faultOf(datagram('5002'))).toBe('broken-message-authenticator');
  });

  test('nothing of a packet before shows in the next one, also not after a malformed one', () => {
    const packet = parsed(V1_SIGNED);
    expect(packet.parse(hex('01'))).toBe(false);
    expect([packet.find(1), packet.first(), packet.messageAuthenticatorAt]).toEqual([0, 0, 0]);
    expect(packet.parse(datagram('0506000000ff'))).toBe(true);
    expect([packet.find(1), packet.find(2), packet.uint32(5)]).toEqual([0, 0, 255]);
    expect(verifyMessageAuthenticator(packet, secret)).toBe('absent');
  });

  test('the index of attributes survives its generations: two million packets later nothing old shows', () => {
    const packet = new Packet();
    const withName = datagram('01066e656d6f');
    const without = datagram('');
    packet.parse(withName);
    let seen = 0;
    for (let i = 0; i < 2 ** 21; i++) {
      packet.parse(without);
      seen |= packet.find(1);
    }
    expect(seen).toBe(0);
    packet.parse(withName);
    expect(packet.text(1)).toBe('nemo');
  });
});

describe('values', () => {
  test('P06: a NAS-IP-Address of two octets is as good as none, the password still counts', () => {
    const packet = parsed(
      accessRequest((writer) => {
        writer.addText(1, 'nemo');
        writer.addBytes(4, hex('abcd'));
        credentials.pap(writer, 'arctangent');
      }),
    );
    expect(packet.ipv4(4)).toBe(undefined);
    expect(packet.text(1)).toBe('nemo');
  });

  test('P06: the first value of the right size is taken, others are stepped over', () => {
    const packet = parsed(datagram('0403ab0406c0a801100406c0a80111050300'));
    expect(packet.ipv4(4)).toBe('192.168.1.16');
    expect(packet.uint32(5)).toBe(undefined);
  });

  test('P11: attributes and vendors nobody knows are stepped over', () => {
    const packet = parsed(
      datagram(`c003aaf0041234${'1a0c00abcdef0106deadbeef'}01066e656d6f${'1a0f00003a8c080931304d2f32304d'}`),
    );
    expect(packet.text(1)).toBe('nemo');
    expect(packet.textAt(packet.findVendor(14988, 8))).toBe('10M/20M');
    expect(packet.findVendor(14988, 9)).toBe(0);
    expect(packet.findVendor(14989, 8)).toBe(0);
  });

  test.each([
    ['too short for a vendor', '1a0400ab'],
    ['a vendor and nothing else', '1a0600003a8c'],
    ['a sub-attribute that overruns', '1a0900003a8c08096d'],
    ['a sub-attribute of length 1', '1a0900003a8c080131'],
    ['a good sub-attribute, then a lone octet', '1a0a00003a8c08033108'],
  ])('P06: Vendor-Specific with %s is ignored whole', (_, vsa) => {
    const packet = parsed(datagram(`${vsa}1a0900003a8c080332`));
    expect(packet.textAt(packet.findVendor(14988, 8))).toBe('2');
    expect(packet.findVendor(14988, 8, packet.findVendor(14988, 8))).toBe(0);
  });

  test('several sub-attributes in one Vendor-Specific are all found, in order', () => {
    const packet = parsed(datagram('1a0f00003a8c0803610803620903631a0900003a8c080364'));
    const found: string[] = [];
    for (let at = packet.findVendor(14988, 8); at !== 0; at = packet.findVendor(14988, 8, at))
      found.push(packet.textAt(at));
    expect(found).toEqual(['a', 'b', 'd']);
  });

  test('P12: a NUL in a name is a character like another', () => {
    const packet = parsed(datagram('0105610062'));
    expect(packet.text(1)).toBe('a\0b');
  });

  test('numbers are unsigned', () => {
    expect(parsed(datagram('2a06ffffffff')).uint32(42)).toBe(4294967295);
  });
});

describe('authenticators', () => {
  test('B01: each of the 128 bits of a Message-Authenticator counts', () => {
    expect(verifyMessageAuthenticator(parsed(V1_SIGNED), secret)).toBe('valid');
    for (let bit = 0; bit < 128; bit++) {
      const forged = Buffer.from(V1_SIGNED);
      forged[22 + (bit >> 3)]! ^= 1 << (bit & 7);
      expect(verifyMessageAuthenticator(parsed(forged), secret)).toBe('wrong');
    }
  });

  test('B01: each bit of the packet it covers counts, and so does the secret', () => {
    for (let at = 4; at < V1_SIGNED.length; at++) {
      const forged = Buffer.from(V1_SIGNED);
      forged[at]! ^= 1;
      const packet = new Packet();
      if (packet.parse(forged)) expect(verifyMessageAuthenticator(packet, secret)).not.toBe('valid');
    }
    expect(verifyMessageAuthenticator(parsed(V1_SIGNED), new Secret('xyzzy5462'))).toBe('wrong');
  });

  test('B05: a Message-Authenticator is as good first, in the middle or last', () => {
    for (const before of [0, 1, 2]) {
      const octets = accessRequest((writer) => {
        for (let i = 0; i < 2; i++) {
          if (i === before) writer.addMessageAuthenticator();
          writer.addText(1, `name${i}`);
        }
        if (before === 2) writer.addMessageAuthenticator();
      }, false);
      expect(verifyMessageAuthenticator(parsed(octets), secret)).toBe('valid');
    }
  });

  test('checking leaves the packet as it was', () => {
    const packet = parsed(V1_SIGNED);
    verifyMessageAuthenticator(packet, secret);
    verifyAccountingAuthenticator(packet, secret);
    verifyReply(packet, Buffer.alloc(16, 9), secret);
    expect(packet.buffer.toString('hex', 0, packet.length)).toBe(V1_SIGNED.toString('hex'));
  });

  test('C01: an Accounting-Request with one flipped bit or a zero authenticator is not believed', () => {
    const start = hex(
      '0418003001c1b7bc8d13d7f2e4a706af76c6aebf2806000000012c0a383130303030303101066e656d6f0406c0a80110',
    );
    expect(verifyAccountingAuthenticator(parsed(start), secret)).toBe(true);
    for (let at = 4; at < start.length; at++) {
      const forged = Buffer.from(start);
      forged[at]! ^= 0x10;
      const packet = new Packet();
      if (packet.parse(forged)) expect(verifyAccountingAuthenticator(packet, secret)).toBe(false);
    }
    expect(verifyAccountingAuthenticator(parsed(Buffer.from(start).fill(0, 4, 20)), secret)).toBe(false);
  });

  test('B01: a reply whose Response Authenticator is right but whose Message-Authenticator is wrong is refused', () => {
    const writer = new Writer();
    writer.begin(Code.accessAccept, 0);
    writer.addBytes(80, Buffer.alloc(16, 1)); // a Message-Authenticator of our own invention
    const length = writer.finishReply(REQUEST_AUTHENTICATOR, secret);
    const reply = parsed(finished(writer, length));
    expect(verifyReply(reply, REQUEST_AUTHENTICATOR, secret)).toBe(false);
  });

  test('B04: every Access reply has its Message-Authenticator first, 100,000 different ones', () => {
    const request = parsed(V1);
    const writer = new Writer();
    const codes = [Code.accessAccept, Code.accessReject, Code.accessChallenge];
    let first = 0;
    let verified = 0;
    for (let i = 0; i < 100_000; i++) {
      writer.beginReply(codes[i % 3]!, request);
      for (let extra = 0; extra < i % 5; extra++) writer.addText(18, `text ${i}`);
      writer.copyProxyStates(request);
      const reply = parsed(writer.buffer.subarray(0, writer.finishReply(request.authenticator, secret)));
      if (reply.buffer[20] === 80) first++;
      if (verifyReply(reply, request.authenticator, secret)) verified++;
    }
    expect([first, verified]).toEqual([100_000, 100_000]);
  });

  test('replies to accounting carry none', () => {
    const writer = new Writer();
    writer.beginReply(Code.accountingResponse, parsed(V1));
    expect(writer.length).toBe(20);
  });
});

describe('writing', () => {
  test.each([0, 1, 5])('P13: %i Proxy-States come back unchanged and in order', (count) => {
    const states = Array.from({ length: count }, (_, i) => Buffer.alloc(40 * i, i));
    const request = parsed(
      accessRequest((writer) => {
        writer.addText(1, 'nemo');
        for (const state of states) {
          writer.addBytes(33, state);
          writer.addUint32(5, 3);
        }
      }),
    );
    for (const code of [Code.accessAccept, Code.accessReject, Code.accountingResponse]) {
      const writer = new Writer();
      writer.beginReply(code, request);
      writer.copyProxyStates(request);
      const reply = parsed(finished(writer, writer.finishReply(request.authenticator, secret)));
      const back: Buffer[] = [];
      reply.forEach((type, start, length) => {
        if (type === 33) back.push(Buffer.from(reply.buffer.subarray(start, start + length)));
      });
      expect(back).toEqual(states);
    }
  });

  test('a packet that would pass 4096 octets is not sent, and the next one is unharmed', () => {
    const writer = new Writer();
    writer.begin(Code.accessAccept, 1);
    for (let i = 0; i < 17; i++) writer.addBytes(33, Buffer.alloc(253));
    expect(writer.overflowed).toBe(true);
    expect(writer.finishReply(REQUEST_AUTHENTICATOR, secret)).toBe(0);
    writer.begin(Code.accessAccept, 1);
    expect(writer.finishReply(REQUEST_AUTHENTICATOR, secret)).toBe(20);
  });

  test('4096 octets are sent, 4097 are not', () => {
    const writer = new Writer();
    for (const last of [24, 25]) {
      writer.begin(Code.accessAccept, 1);
      for (let i = 0; i < 15; i++) writer.addBytes(33, Buffer.alloc(253));
      writer.addBytes(33, Buffer.alloc(223));
      writer.addBytes(33, Buffer.alloc(last - 2));
      writer.addBytes(33, Buffer.alloc(0));
      writer.addEncoded(Buffer.alloc(0));
      expect(writer.finishReply(REQUEST_AUTHENTICATOR, secret)).toBe(last === 24 ? 4096 : 0);
    }
  });

  test('a packet without Message-Authenticator after one with it gets none', () => {
    const writer = new Writer();
    writer.begin(Code.accessAccept, 1);
    writer.addMessageAuthenticator();
    writer.finishReply(REQUEST_AUTHENTICATOR, secret);
    writer.begin(Code.accountingResponse, 1);
    writer.addText(18, 'x'.repeat(40));
    const reply = parsed(finished(writer, writer.finishReply(REQUEST_AUTHENTICATOR, secret)));
    expect(reply.text(18)).toBe('x'.repeat(40));
  });

  test('a value too long for its attribute is our mistake', () => {
    const writer = new Writer();
    writer.begin(Code.accessAccept, 1);
    expect(() => writer.addText(18, 'x'.repeat(254))).toThrow(RangeError);
    expect(() => writer.addVendorText(14988, 8, 'x'.repeat(248))).toThrow(RangeError);
    expect(() => writer.addIpv4(8, '10.0.0.256')).toThrow(RangeError);
    expect(() => writer.addIpv4(8, 'ten')).toThrow(RangeError);
  });

  test('text beyond ASCII is UTF-8', () => {
    const writer = new Writer();
    writer.begin(Code.accessAccept, 1);
    writer.addText(18, 'Paket “Keluarga” habis — maaf');
    writer.addVendorText(14988, 3, 'é');
    const packet = parsed(finished(writer, writer.finishReply(REQUEST_AUTHENTICATOR, secret)));
    expect(packet.text(18)).toBe('Paket “Keluarga” habis — maaf');
    expect(packet.textAt(packet.findVendor(14988, 3))).toBe('é');
  });
});

describe('the shared secret', () => {
  test('P09: is never empty; 64 octets and more work', () => {
    expect(() => new Secret('')).toThrow(RangeError);
    expect(() => new Secret('x'.repeat(257))).toThrow(RangeError);
    for (const octets of [1, 12, 39, 40, 64, 65, 256]) {
      const bytes = randomBytes(octets);
      const own = new Secret(bytes);
      const writer = new Writer();
      writer.begin(Code.coaRequest, 1);
      writer.addMessageAuthenticator();
      const packet = parsed(finished(writer, writer.finishRequest(own)));
      expect(verifyMessageAuthenticator(packet, own)).toBe('valid');
      expect(verifyAccountingAuthenticator(packet, own)).toBe(true);
      // By the book and by OpenSSL (RFC 5176 section 3.4): the HMAC over zeros, then the authenticator over the HMAC.
      const plain = Buffer.from(packet.buffer.subarray(0, packet.length)).fill(0, 4, 20).fill(0, 22, 38);
      createHmac('md5', bytes).update(plain).digest().copy(plain, 22);
      md5(plain, bytes).copy(plain, 4);
      expect(packet.buffer.toString('hex', 0, packet.length)).toBe(plain.toString('hex'));
    }
  });

  test('does not print, however it is printed', () => {
    const canary = new Secret('canary-4711');
    const printed = [
      `${canary}`,
      JSON.stringify({ canary }),
      inspect(canary),
      inspect({ canary }, { depth: 9, showHidden: true }),
    ];
    for (const text of printed) {
      expect(text).toContain('[secret]');
      expect(text).not.toContain('canary-4711');
      expect(text).not.toContain(Buffer.from('canary').toString('hex'));
    }
  });
});
