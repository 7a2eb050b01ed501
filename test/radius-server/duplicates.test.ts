import { randomBytes } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { Duplicates, NONE } from '#radius/duplicates';
import { Packet, Writer } from '#radius/packet';
import { entry, makeServer, NAS, SECRET, Wire } from '#test/radius-server/harness';
import { accountingRequest, avp, packet, papDial, routerAttributes } from '#test/radius-server/requests';

/** Some octets as a reply. */
function replyOf(octets: number): Writer {
  const writer = new Writer();
  randomBytes(octets).copy(writer.buffer);
  writer.length = octets;
  return writer;
}

describe('a NAS that asks the same again (RFC 5080 section 2.2.2)', () => {
  test('D01 gets the same octets, and nothing happens twice', () => {
    const bench = makeServer();
    const wire = new Wire(bench.server);
    for (const password of ['arctangent', 'wrong']) {
      const dial = papDial('demo', password, SECRET, { identifier: password.length });
      const replies = [1, 2, 3].map(() => wire.authenticate(dial)!);
      expect(replies[1]).toEqual(replies[0]);
      expect(replies[2]).toEqual(replies[0]);
    }
    expect(bench.server.counters.accepts).toBe(1);
    expect(bench.events.refused).toHaveLength(1);
    expect(bench.server.counters.duplicatesAnswered).toBe(4);
  });

  test('D01 from another port, or to the other socket, it is another request', () => {
    const bench = makeServer();
    const wire = new Wire(bench.server);
    const dial = papDial('demo', 'arctangent', SECRET);
    expect(wire.authenticate(dial, 40_000)).not.toEqual(wire.authenticate(dial, 40_001));
    const asked = accountingRequest(dial[1]!, [avp(44, 'x')], SECRET);
    wire.account(asked, 40_000);
    expect(bench.journal.records).toHaveLength(1);
  });

  test('D02 gets silence while the answer is on its way, and the record is written once', () => {
    const bench = makeServer();
    bench.journal.immediate = false;
    const wire = new Wire(bench.server);
    const asked = accountingRequest(1, [avp(44, 'x')], SECRET);
    for (let i = 0; i < 3; i += 1) expect(wire.account(asked)).toBeNull();
    expect(bench.journal.records).toHaveLength(1);
    expect(bench.server.counters.drops['duplicate-pending']).toBe(2);
    bench.journal.flush();
    const [first] = wire.take();
    expect(wire.account(asked)).toEqual(first!.bytes);
    expect(bench.journal.records).toHaveLength(1);
  });

  test('D03 the answer is remembered for ten seconds and not longer', () => {
    let nowMs = 1000;
    const bench = makeServer({ settings: { monotonicMs: () => nowMs } });
    const wire = new Wire(bench.server);
    const dial = papDial('demo', 'arctangent', SECRET);
    const first = wire.authenticate(dial);
    nowMs += 9999;
    expect(wire.authenticate(dial)).toEqual(first);
    nowMs += 1;
    expect(wire.authenticate(dial)).not.toEqual(first);
    expect(bench.server.counters.accepts).toBe(2);
  });

  test('D04 under a used Identifier another authenticator is a new request, and the old one is gone', () => {
    const bench = makeServer();
    const wire = new Wire(bench.server);
    const dials = [1, 2].map(() => papDial('demo', 'arctangent', SECRET, { identifier: 7 }));
    const [first, second] = dials.map((dial) => wire.authenticate(dial)!);
    expect(second).not.toEqual(first);
    expect(wire.authenticate(dials[1]!)).toEqual(second);
    expect(wire.authenticate(dials[0]!)).not.toEqual(first);
    expect(bench.server.counters.accepts).toBe(3);
  });

  test('D05 a forgery with the same Identifier does not touch the memory', () => {
    const wire = new Wire(makeServer({ nases: [{ ...NAS, messageAuthenticator: 'required' }] }).server);
    const dial = papDial('demo', 'arctangent', SECRET, { identifier: 7 });
    const first = wire.authenticate(dial);
    const forged = packet(1, 7, randomBytes(16), routerAttributes('demo'), 'a secret of the forger');
    expect(wire.authenticate(forged)).toBeNull();
    const twin = Buffer.from(dial);
    twin[30]! ^= 1;
    expect(wire.authenticate(twin)).toBeNull();
    expect(wire.authenticate(dial)).toEqual(first);
  });

  test('D06 a million requests leave the memory as large as it was', () => {
    const memory = new Duplicates({ entries: 2 ** 14, ringOctets: 2 ** 21, lifeMs: 10_000 });
    const request = new Packet();
    const bytes = papDial('demo', 'arctangent', SECRET);
    const reply = replyOf(180);
    const before = process.memoryUsage();
    for (let i = 0; i < 1_000_000; i += 1) {
      bytes[1] = i & 255;
      bytes.writeUInt32BE(i, 4);
      request.parse(bytes, bytes.length);
      memory.keep(1, i & 0xffff, request, i / 1000, reply, reply.length, false);
    }
    const after = process.memoryUsage();
    expect(after.arrayBuffers - before.arrayBuffers).toBeLessThan(2 ** 20);
    expect(after.heapUsed - before.heapUsed).toBeLessThan(32 * 2 ** 20);
  });

  test('D06 what is written over is forgotten, never answered with another reply', () => {
    const memory = new Duplicates({ entries: 1024, ringOctets: 4096, lifeMs: 10_000 });
    const bytes = papDial('demo', 'arctangent', SECRET);
    const kept: { packet: Packet; port: number; reply: Buffer }[] = [];
    let found = 0;
    for (let i = 0; i < 2000; i += 1) {
      const request = new Packet();
      bytes.writeUInt32BE(i, 4);
      request.parse(bytes, bytes.length);
      const reply = replyOf(100 + (i % 200));
      memory.keep(1, i, request, 0, reply, reply.length, false);
      kept.push({ packet: request, port: i, reply: reply.buffer.subarray(0, reply.length) });
      for (const one of kept.slice(-30)) {
        const at = memory.find(1, one.port, one.packet, 0);
        if (at === NONE) continue;
        const offset = memory.offsetOf(memory.positionOf(at));
        expect(memory.ring.subarray(offset, offset + memory.lengthOf(at))).toEqual(one.reply);
        found += 1;
      }
    }
    expect(memory.find(1, 0, kept[0]!.packet, 0)).toBe(NONE);
    expect(found).toBeGreaterThan(2000 * 10);
  });

  test('D06 a reply whose place was written over while it waited is not sent, nor anything in its stead', () => {
    const bench = makeServer({ settings: { memory: { entries: 64, ringOctets: 4096, lifeMs: 10_000 } } });
    bench.journal.immediate = false;
    const wire = new Wire(bench.server);
    for (let i = 0; i < 200; i += 1) wire.account(accountingRequest(i, [avp(44, `s${i}`)], SECRET));
    bench.journal.flush();
    const said = wire.take();
    expect(said.length).toBeGreaterThan(50);
    expect(said.length).toBeLessThan(100);
    expect(said.map(({ bytes }) => bytes[1])).toEqual(said.map((_, i) => 200 - said.length + i));
  });

  test('a storm of five copies each, shuffled, with wrapping Identifiers: one decision each, equal replies', () => {
    const bench = makeServer({ entries: Array.from({ length: 50 }, (_, i) => entry(`u${i}`, `p${i}`)) });
    const wire = new Wire(bench.server);
    for (let wrap = 0; wrap < 8; wrap += 1) {
      const dials = Array.from({ length: 256 }, (_, i) =>
        papDial(`u${i % 50}`, `p${i % 50}`, SECRET, { identifier: i }),
      );
      const order = Array.from({ length: 256 * 5 }, (_, i) => (i * 7919) % 256);
      const said = new Map<number, Set<string>>();
      for (const i of order) {
        const reply = wire.authenticate(dials[i]!)!.toString('hex');
        said.set(i, (said.get(i) ?? new Set()).add(reply));
      }
      expect([...said.values()].every((replies) => replies.size === 1)).toBe(true);
      expect(bench.server.counters.accepts).toBe(256 * (wrap + 1));
    }
  });
});
