import { describe, expect, test } from 'vitest';
import { credentialKind, mschapError, verifyCredential } from '#radius/credentials';
import { dump } from '#radius/dump';
import { hideMppeKey, masterKey, startKey } from '#radius/mschap';
import { Code, equalOctets, type Packet, verifyMessageAuthenticator, Writer } from '#radius/packet';
import {
  AUTHENTICATOR_CHALLENGE,
  accessRequest,
  chapPassword,
  credentials,
  finished,
  hex,
  hidden,
  PEER_CHALLENGE,
  parsed,
  REQUEST_AUTHENTICATOR,
  secret,
} from '#test/radius-protocol/wire';

type Kind = keyof typeof credentials;
const passwordKinds = ['pap', 'chap', 'mschap', 'mschapv2'] as const;

function request(...kinds: Kind[]): Packet {
  return parsed(
    accessRequest((writer) => {
      writer.addText(1, 'User');
      for (const kind of kinds) credentials[kind](writer, 'clientPass');
    }),
  );
}

function outcome(packet: Packet, password: string): string {
  const check = verifyCredential(packet, secret, packet.text(1) ?? '', password);
  return check.ok ? 'accepted' : check.kind;
}

/** The reply attributes of a check, as a packet to look into. */
function replyOf(packet: Packet, password: string): Packet {
  const check = verifyCredential(packet, secret, 'User', password);
  const writer = new Writer();
  writer.beginReply(Code.accessAccept, packet);
  if (check.reply !== null) writer.addEncoded(check.reply);
  return parsed(finished(writer, writer.finishReply(packet.authenticator, secret)));
}

describe.each(passwordKinds)('%s', (kind) => {
  test('A06: the right password lets in, others do not', () => {
    const packet = request(kind);
    expect(credentialKind(packet)).toBe(kind);
    expect(outcome(packet, 'clientPass')).toBe('accepted');
    for (const wrong of ['clientpass', 'clientPas', 'clientPass ', 'clientPass1', 'x', 'é', 'x'.repeat(1000)]) {
      expect(outcome(packet, wrong)).toBe('wrong-password');
    }
  });

  test('an empty password lets nobody in, not even one who sends an empty one', () => {
    const packet = parsed(
      accessRequest((writer) => {
        writer.addText(1, 'User');
        credentials[kind](writer, '');
      }),
    );
    expect(outcome(packet, '')).toBe('wrong-password');
    expect(outcome(request(kind), '')).toBe('wrong-password');
  });

  test('every bit of the proof counts', () => {
    const octets = accessRequest((writer) => {
      writer.addText(1, 'User');
      credentials[kind](writer, 'clientPass');
    });
    const good = parsed(octets);
    const at = proofAt(good, kind);
    for (let bit = 0; bit < 8 * 16; bit++) {
      const forged = Buffer.from(octets);
      forged[at + (bit >> 3)]! ^= 1 << (bit & 7);
      expect(outcome(parsed(forged), 'clientPass')).toBe('wrong-password');
    }
  });

  test('passwords beyond ASCII are compared as people typed them', () => {
    const packet = parsed(
      accessRequest((writer) => {
        writer.addText(1, 'User');
        credentials[kind](writer, 'sandi-rahasía-€');
      }),
    );
    expect(outcome(packet, 'sandi-rahasía-€')).toBe('accepted');
    expect(outcome(packet, 'sandi-rahasia-€')).toBe('wrong-password');
  });
});

/** Where the last 16 octets of the proof stand. */
function proofAt(packet: Packet, kind: (typeof passwordKinds)[number]): number {
  if (kind === 'pap') return packet.find(2) + 2;
  if (kind === 'chap') return packet.find(3) + 3;
  return packet.findVendor(311, kind === 'mschap' ? 1 : 25) + 2 + 34;
}

describe('A02: User-Password', () => {
  test.each([1, 15, 16, 17, 31, 32, 33, 127, 128])('a password of %i octets', (length) => {
    const password = `${'p'.repeat(length - 1)}q`;
    const packet = parsed(accessRequest((writer) => writer.addBytes(2, hidden(password))));
    expect(outcome(packet, password)).toBe('accepted');
    expect(outcome(packet, password.slice(0, -1))).toBe('wrong-password');
    expect(outcome(packet, `${password}q`)).toBe('wrong-password');
  });

  test.each([0, 15, 17, 144])('a value of %i octets is refused, not stumbled over', (length) => {
    const packet = parsed(accessRequest((writer) => writer.addBytes(2, Buffer.alloc(length, 3))));
    expect(outcome(packet, 'clientPass')).toBe('malformed-credential');
  });

  test('a password longer than 128 octets cannot be told', () => {
    const packet = parsed(accessRequest((writer) => writer.addBytes(2, hidden('p'.repeat(128)))));
    expect(outcome(packet, 'p'.repeat(129))).toBe('wrong-password');
  });

  test('another shared secret means another password', () => {
    const packet = parsed(accessRequest((writer) => writer.addBytes(2, hidden('clientPass', 'another'))));
    expect(outcome(packet, 'clientPass')).toBe('wrong-password');
  });
});

describe('A03: the challenge of CHAP', () => {
  const challenge = hex('00112233445566778899aabbccddeeff0011');

  test('is CHAP-Challenge where there is one', () => {
    const packet = parsed(
      accessRequest((writer) => {
        writer.addBytes(60, challenge);
        writer.addBytes(3, chapPassword(1, 'clientPass', challenge));
      }),
    );
    expect(outcome(packet, 'clientPass')).toBe('accepted');
  });

  test('and then not the Request Authenticator', () => {
    const packet = parsed(
      accessRequest((writer) => {
        writer.addBytes(60, challenge);
        writer.addBytes(3, chapPassword(1, 'clientPass', REQUEST_AUTHENTICATOR));
      }),
    );
    expect(outcome(packet, 'clientPass')).toBe('wrong-password');
  });

  test('is the Request Authenticator where CHAP-Challenge is shorter than the 5 octets it must have', () => {
    const packet = parsed(
      accessRequest((writer) => {
        writer.addBytes(60, challenge.subarray(0, 4));
        writer.addBytes(3, chapPassword(1, 'clientPass', REQUEST_AUTHENTICATOR));
      }),
    );
    expect(outcome(packet, 'clientPass')).toBe('accepted');
  });

  test('a password longer than 512 octets is not compared', () => {
    for (const [length, expected] of [
      [512, 'accepted'],
      [513, 'wrong-password'],
    ] as const) {
      const password = 'p'.repeat(length);
      const packet = parsed(accessRequest((writer) => credentials.chap(writer, password)));
      expect(outcome(packet, password)).toBe(expected);
    }
  });

  test.each([0, 16, 18])('a CHAP-Password of %i octets is refused', (length) => {
    const packet = parsed(accessRequest((writer) => writer.addBytes(3, Buffer.alloc(length, 1))));
    expect(outcome(packet, 'clientPass')).toBe('malformed-credential');
  });
});

describe('A04: one credential, no more and no less', () => {
  const kinds = Object.keys(credentials) as Kind[];
  const pairs = kinds.flatMap((one) =>
    kinds.filter((two) => one !== 'eap' || two !== 'eap').map((two) => [one, two] as const),
  );

  test.each(pairs)('%s with %s is refused', (one, two) => {
    expect(outcome(request(one, two), 'clientPass')).toBe('several-credentials');
  });

  test('none is refused', () => {
    expect(outcome(request(), 'clientPass')).toBe('no-credential');
    const onlyState = parsed(accessRequest((writer) => writer.addBytes(24, hex('01'))));
    expect(outcome(onlyState, 'clientPass')).toBe('no-credential');
  });

  test('ways we do not offer are refused: ARAP, changing a password by MS-CHAP, LM responses', () => {
    expect(outcome(parsed(accessRequest((writer) => writer.addBytes(70, Buffer.alloc(16)))), 'x')).toBe('unsupported');
    const change = parsed(accessRequest((writer) => writer.addVendorBytes(311, 27, Buffer.alloc(68))));
    expect(outcome(change, 'x')).toBe('unsupported');
    const lanManager = parsed(
      accessRequest((writer) => {
        writer.addVendorBytes(311, 11, Buffer.alloc(8));
        writer.addVendorBytes(311, 1, Buffer.alloc(50));
      }),
    );
    expect(outcome(lanManager, 'x')).toBe('unsupported');
  });
});

describe('A12: EAP', () => {
  test('is refused, in however many pieces', () => {
    expect(outcome(request('eap'), 'clientPass')).toBe('eap');
    expect(outcome(request('eap', 'eap'), 'clientPass')).toBe('eap');
  });

  test('without Message-Authenticator is told apart: it must be dropped', () => {
    const packet = parsed(accessRequest((writer) => credentials.eap(writer), false));
    expect(outcome(packet, 'clientPass')).toBe('eap-unsigned');
  });
});

/** MS-CHAP-Error behind its ident, which must be the response's. */
function errorOf(reply: Packet): string {
  const [ident, ...text] = reply.textAt(reply.findVendor(311, 2));
  expect(ident).toBe('\x05');
  return text.join('');
}

describe('MS-CHAP', () => {
  test('V6 A10: MS-CHAP2-Success is the ident and 42 characters', () => {
    const reply = replyOf(request('mschapv2'), 'clientPass');
    const success = reply.bytesAt(reply.findVendor(311, 26));
    expect(success.toString('latin1')).toBe('\x05S=407A5589115FD0D6209F510FE9C04566932CDA56');
  });

  test('A10: DOM\\user is hashed as user', () => {
    const packet = parsed(
      accessRequest((writer) => {
        writer.addText(1, 'DOM\\User');
        credentials.mschapv2(writer, 'clientPass', 'User');
      }),
    );
    expect(outcome(packet, 'clientPass')).toBe('accepted');
  });

  test('V7 V11 A11: the keys are those of RFC 3079, hidden under two different salts', () => {
    const reply = replyOf(request('mschapv2'), 'clientPass');
    const ntResponse = hex('82309ecd8d708b5ea08faa3981cd83544233114a3d85d6df');
    const master = masterKey(hex('41c00c584bd2d91c4017a2a12fa59f3f'), ntResponse);
    const salts = [16, 17].map((type) => {
      const value = reply.bytesAt(reply.findVendor(311, type));
      const salt = value.readUInt16BE(0);
      const key = startKey(master, type === 16 ? 'send' : 'receive');
      expect(value.toString('hex')).toBe(hideMppeKey(key, salt, REQUEST_AUTHENTICATOR, secret).toString('hex'));
      return salt;
    });
    expect(salts[0]).not.toBe(salts[1]);
  });

  test('A09: MS-CHAPv1 gets MS-CHAP-MPPE-Keys of 32 octets, and nothing of an answer before', () => {
    replyOf(request('mschapv2'), 'clientPass');
    expect(verifyCredential(request('mschap'), secret, 'User', 'clientPass').reply).toHaveLength(2 + 4 + 2 + 32);
    const reply = replyOf(request('mschap'), 'clientPass');
    expect(reply.valueLength(reply.findVendor(311, 12))).toBe(32);
  });

  test('A10: a wrong password is told as E=691, not to be retried', () => {
    const second = replyOf(request('mschapv2'), 'wrong');
    expect(errorOf(second)).toMatch(/^E=691 R=0 C=[0-9A-F]{32} V=3$/);
    const first = replyOf(request('mschap'), 'wrong');
    expect(errorOf(first)).toMatch(/^E=691 R=0 C=[0-9A-F]{16} V=2$/);
    expect(second.findVendor(311, 26)).toBe(0);
    expect(mschapError(request('pap'))).toBe(null);
  });

  test.each([
    ['no challenge', 0, 50],
    ['a challenge of 8', 8, 50],
    ['a response of 49', 16, 49],
    ['a response of 51', 16, 51],
    ['an empty response', 16, 0],
  ])('%s is refused, not stumbled over', (_, challengeOctets, responseOctets) => {
    const packet = parsed(
      accessRequest((writer) => {
        if (challengeOctets > 0) writer.addVendorBytes(311, 11, AUTHENTICATOR_CHALLENGE.subarray(0, challengeOctets));
        writer.addVendorBytes(
          311,
          25,
          Buffer.concat([Buffer.of(5, 0), PEER_CHALLENGE, Buffer.alloc(33)]).subarray(0, responseOctets),
        );
      }),
    );
    expect(outcome(packet, 'clientPass')).toBe('malformed-credential');
    expect(mschapError(packet)).not.toBe(null);
  });
});

describe('nothing that proves a password is in a dump', () => {
  test.each(passwordKinds)('%s', (kind) => {
    const packet = request(kind);
    const text = dump(packet) + dump(replyOf(packet, 'clientPass'));
    expect(text).toContain('[redacted]');
    for (const octets of text.matchAll(/0x([0-9a-f]+)/g)) expect(octets[1]).toHaveLength(32); // Message-Authenticators
    expect(text).not.toMatch(/S=407A|clientPass/);
  });
});

/** The packet with its octets watched: how many of them are read while `work` looks at it. */
function readsDuring(packet: Packet, work: (watched: Packet) => void): number {
  let reads = 0;
  const bound = (value: unknown, owner: object) => (typeof value === 'function' ? value.bind(owner) : value);
  const buffer = new Proxy(packet.buffer, {
    get: (octets, key) => {
      if (/^\d+$/.test(String(key))) reads++;
      return bound(Reflect.get(octets, key), octets);
    },
    set: (octets, key, value) => Reflect.set(octets, key, value),
  });
  work(new Proxy(packet, { get: (own, key) => (key === 'buffer' ? buffer : bound(Reflect.get(own, key), own)) }));
  return reads;
}

describe('A16: how much of a proof was right does not show in the work a refusal takes', () => {
  test('PAP and CHAP', () => {
    for (const kind of ['pap', 'chap'] as const) {
      const packet = request(kind);
      const reads = ['clientPass', 'clientPasX', 'XlientPass', 'XXXXXXXXXX'].map((password) =>
        readsDuring(packet, (watched) => void verifyCredential(watched, secret, 'User', password)),
      );
      expect(reads[0]).toBeGreaterThan(16);
      expect(new Set(reads).size).toBe(1);
    }
  });

  test('Message-Authenticator', () => {
    const octets = accessRequest((writer) => writer.addText(1, 'User'));
    const reads = [0, 22, 37].map((flipped) => {
      const packet = parsed(octets);
      packet.buffer[flipped]! ^= flipped === 0 ? 0 : 1;
      return readsDuring(packet, (watched) => void verifyMessageAuthenticator(watched, secret));
    });
    expect(reads[0]).toBeGreaterThan(16);
    expect(new Set(reads).size).toBe(1);
  });

  test('MS-CHAP, whose responses are compared by equalOctets', () => {
    const right = Buffer.alloc(24, 5);
    for (const at of [0, 12, 23]) {
      const wrong = Buffer.from(right);
      wrong[at] = 6;
      let reads = 0;
      const watched = new Proxy(wrong, {
        get: (octets, key) => {
          reads++;
          return Reflect.get(octets, key);
        },
      });
      expect(equalOctets(watched, 0, right, 0, 24)).toBe(false);
      expect(reads).toBe(24);
    }
    expect(equalOctets(right, 0, Buffer.from(right), 0, 24)).toBe(true);
  });
});
