import { createHmac } from 'node:crypto';
import { expect, test } from 'vitest';
import { mschapDial } from '#test/bench/mschap-dial';
import { entry, makeServer, NAS, SECRET, Wire } from '#test/radius-server/harness';
import { Random } from '#test/radius-server/random';
import {
  accountingRequest,
  avp,
  chap,
  faultOf,
  packet,
  papDial,
  routerAttributes,
  statusServer,
} from '#test/radius-server/requests';

/**
 * Mutated datagrams through the whole of the server but its sockets: it must not throw, hang, grow, or let anybody in
 * whose credential is broken. A third is signed again after the mutation, so that what is behind the signature is reached.
 */

const MUTATIONS = Number(process.env.FUZZ_MUTATIONS ?? 1_000_000);
const SLOWEST_MS = 5;

/** Valid packets whose credential is of nobody here, so that no mutation of them may ever be accepted. */
function seedsOfStrangers(random: Random): Buffer[] {
  const authenticator = random.bytes(16);
  const withChap = [...routerAttributes('demo'), chap('not the password', authenticator)];
  const eap = avp(79, Buffer.of(2, 0, 0, 9, 1, 0x64, 0x65, 0x6d, 0x6f));
  return [
    papDial('demo', 'not the password', SECRET),
    papDial('demo', 'a long one that takes more than a block', SECRET, {
      signed: 'last',
      extra: [avp(33, random.bytes(30))],
    }),
    papDial('nobody', 'x', SECRET, { extra: [avp(33, random.bytes(200)), avp(24, 'state'), avp(25, 'class')] }),
    mschapDial('demo', 'not the password', SECRET),
    packet(1, 9, authenticator, withChap, SECRET),
    packet(1, 9, authenticator, [...routerAttributes('demo'), eap], SECRET),
  ];
}

const seedsOfAccounting = (): Buffer[] => [
  accountingRequest(3, [avp(1, 'demo'), avp(44, '81000001'), avp(40, Buffer.of(0, 0, 0, 3))], SECRET),
  statusServer(4, SECRET),
];

/** One to four changes: a bit, an octet, a length, a piece cut out, put in or doubled, the end cut off or extended. */
function mutate(seed: Buffer, random: Random): Buffer {
  let bytes = Buffer.from(seed);
  for (let changes = 1 + random.below(4); changes > 0; changes -= 1) {
    const at = random.below(bytes.length);
    const octets = 1 + random.below(24);
    switch (random.below(7)) {
      case 0:
        bytes[at]! ^= 1 << random.below(8);
        break;
      case 1:
        bytes[at] = random.of([0, 1, 2, 3, 6, 18, 26, 80, 127, 128, 253, 255, random.below(256)]);
        break;
      case 2:
        bytes.writeUInt16BE(random.of([0, 19, 20, bytes.length - 1, bytes.length, bytes.length + 1, 4096, 65535]), 2);
        break;
      case 3:
        bytes = bytes.subarray(0, Math.min(at + 4, bytes.length));
        break;
      case 4:
        bytes = Buffer.concat([bytes.subarray(0, at), random.bytes(octets), bytes.subarray(at)]);
        break;
      case 5:
        bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(Math.min(bytes.length, at + octets))]);
        break;
      default:
        bytes = Buffer.concat([bytes, bytes.subarray(at, at + octets)]);
    }
    if (bytes.length < 4) bytes = Buffer.concat([bytes, Buffer.alloc(4)]);
  }
  return bytes;
}

/** Makes Length and the Message-Authenticator right again, where one can be found by its looks. */
function resign(bytes: Buffer): Buffer {
  if (bytes.length < 20 || bytes.length > 4096) return bytes;
  bytes.writeUInt16BE(bytes.length, 2);
  const at = bytes.indexOf(Buffer.of(80, 18), 20);
  if (at < 0 || at + 18 > bytes.length) return bytes;
  bytes.fill(0, at + 2, at + 18);
  createHmac('md5', SECRET)
    .update(bytes)
    .digest()
    .copy(bytes, at + 2);
  return bytes;
}

function leastMs(wire: Wire, datagram: Buffer): number {
  const runs = Array.from({ length: 5 }, (_, i) => {
    const from = performance.now();
    if (datagram[0] === 4) wire.account(datagram, 50_000 + i);
    else wire.authenticate(datagram, 50_000 + i);
    return performance.now() - from;
  });
  return Math.min(...runs);
}

test(`${MUTATIONS} mutations: no crash, no Accept, no growth, nothing slow`, { timeout: 300_000 }, () => {
  const seed = Number(process.env.FUZZ_SEED ?? 1);
  const random = new Random(seed);
  const bench = makeServer({
    entries: [entry('demo', 'arctangent')],
    nases: [{ ...NAS, messageAuthenticator: 'auto' }],
  });
  const wire = new Wire(bench.server);
  const strangers = seedsOfStrangers(random);
  const accounting = seedsOfAccounting();
  let replies = 0;
  const slow: Buffer[] = [];
  let heapBefore = 0;
  for (let i = 0; i < MUTATIONS; i += 1) {
    if (i === Math.floor(MUTATIONS / 10)) heapBefore = process.memoryUsage().heapUsed;
    const toAccounting = i % 8 === 7;
    const mutated = mutate(random.of(toAccounting ? accounting : strangers), random);
    const datagram = i % 3 === 0 ? resign(mutated) : mutated;
    const from = performance.now();
    const reply = toAccounting ? wire.account(datagram) : wire.authenticate(datagram);
    const tookMs = performance.now() - from;
    if (tookMs > SLOWEST_MS) slow.push(datagram);
    if (reply === null) continue;
    replies += 1;
    const isStatus = datagram[0] === 12;
    if (reply[0] === 2 && !isStatus) expect({ seed, i, accepted: datagram.toString('hex') }).toBeNull();
    if (replies % 50 === 0) expect(faultOf(reply, datagram, SECRET)).toBeNull();
    if (i % 1000 === 0) {
      bench.events.refused.length = 0;
      bench.journal.flush();
      wire.take();
    }
  }
  expect(bench.errors).toEqual([]);
  expect(bench.server.counters.accepts).toBe(0);
  expect(replies).toBeGreaterThan(MUTATIONS / 100);
  expect(process.memoryUsage().heapUsed - heapBefore).toBeLessThan(50 * 2 ** 20);
  // The machine may have been busy with others at that moment; a packet that takes long takes long every time.
  for (const datagram of slow) expect(leastMs(wire, datagram)).toBeLessThan(SLOWEST_MS);
});

test('a signed dial with anything changed gets silence', () => {
  const random = new Random(7);
  const bench = makeServer({ nases: [{ ...NAS, messageAuthenticator: 'required' }] });
  const wire = new Wire(bench.server);
  const dial = papDial('demo', 'arctangent', SECRET);
  for (let i = 0; i < 50_000; i += 1) {
    const mutated = mutate(dial, random);
    const same = mutated.length >= dial.length && mutated.subarray(0, dial.length).equals(dial);
    if (wire.authenticate(mutated) !== null && !same) expect(mutated).toEqual(dial);
  }
  expect(bench.errors).toEqual([]);
});
