import { createHash } from 'node:crypto';
import { afterEach, describe, expect, test } from 'vitest';
import {
  CoaClient,
  type CoaClientOptions,
  type CoaRequest,
  printOutcome,
  RFC5080_RETRANSMISSION,
  type Timers,
} from '#radius/coa-client';
import { Code, Packet, Secret } from '#radius/packet';
import { attributesOf, believes, FakeNas, signedReply } from '#test/enforcement/fake-nas';

const SECRET = new Secret('testing123');
const NOW = Date.UTC(2026, 10, 21, 3);
const closing: { close(): void }[] = [];

afterEach(() => {
  for (const one of closing.splice(0)) one.close();
});

const client = (options: Partial<CoaClientOptions> = {}): CoaClient => {
  const made = new CoaClient({ host: '127.0.0.1', now: () => NOW, ...options });
  closing.push(made);
  return made;
};

const fakeNas = async (reply?: FakeNas['reply']): Promise<FakeNas> => {
  const nas = await FakeNas.open(reply);
  closing.push(nas);
  return nas;
};

const to = (nas: FakeNas, eventTimestamp = false) => ({
  address: '127.0.0.1',
  port: nas.port,
  secret: SECRET,
  eventTimestamp,
});

const disconnect = (username = 'budi'): CoaRequest => ({
  code: Code.disconnectRequest,
  write: (packet) => {
    packet.addText(1, username);
    packet.addText(44, '81000001');
  },
});
const coa: CoaRequest = { ...disconnect(), code: Code.coaRequest };

const acks = (request: Packet) => signedReply(request, request.code + 1, SECRET);
const naks = (errorCause?: number) => (request: Packet) =>
  signedReply(request, request.code + 2, SECRET, errorCause === undefined ? {} : { errorCause });

/** Time that passes only when told to. */
class FakeTimers implements Timers {
  now = 0;
  #timers = new Map<number, { at: number; work: () => void }>();
  #count = 0;

  set(work: () => void, ms: number): number {
    this.#count += 1;
    this.#timers.set(this.#count, { at: this.now + ms, work });
    return this.#count;
  }

  clear(timer: unknown): void {
    this.#timers.delete(timer as number);
  }

  /** Lets the next timer fire; false when there is none. */
  next(): boolean {
    const [first] = [...this.#timers].sort(([, a], [, b]) => a.at - b.at);
    if (first === undefined) return false;
    this.#timers.delete(first[0]);
    this.now = first[1].at;
    first[1].work();
    return true;
  }
}

describe('what leaves', () => {
  test('O01 the request is signed so that a NAS with the secret believes it and one with another does not', async () => {
    const nas = await fakeNas(acks);
    expect(await client().send(to(nas), coa)).toEqual({ is: 'ack' });
    const [heard] = nas.heard;
    expect(believes(heard!.bytes, SECRET)).toBe(true);
    expect(believes(heard!.bytes, new Secret('testing124'))).toBe(false);
    heard!.bytes[heard!.bytes.length - 1]! ^= 1;
    expect(believes(heard!.bytes, SECRET)).toBe(false);
  });

  test('O02 a retransmission is the same octets from the same port; another request has another identifier', async () => {
    const nas = await fakeNas((request) => (nas.heard.length === 3 ? acks(request) : null));
    const asking = client({ retransmission: { firstMs: 20, transmissions: 5, durationMs: 5_000 } });
    expect(await asking.send(to(nas), coa)).toEqual({ is: 'ack' });
    nas.reply = acks;
    await asking.send(to(nas), disconnect());
    const [first, second, third, other] = nas.heard;
    expect([second!.bytes, third!.bytes]).toEqual([first!.bytes, first!.bytes]);
    expect([second!.port, third!.port]).toEqual([first!.port, first!.port]);
    expect(other!.bytes[1]).not.toBe(first!.bytes[1]);
  });

  test('O02 the same request a second time never looks like a retransmission, which a NAS answers without doing it', async () => {
    const nas = await fakeNas(acks);
    const asking = client();
    const said = 700;
    for (let i = 0; i < said; i += 1) await asking.send(to(nas), i % 2 === 0 ? coa : disconnect());
    const last = new Map<number, Buffer>();
    for (const { bytes } of nas.heard) {
      expect(last.get(bytes[1]!)?.equals(bytes)).not.toBe(true);
      last.set(bytes[1]!, Buffer.from(bytes));
    }
    expect(nas.heard).toHaveLength(said);
    expect(last.size).toBe(256);
  });

  test.each([
    { random: 0.5, factor: 'in the middle', times: [0, 2, 6, 14, 30] },
    { random: 0, factor: '10 % less', times: [0, 1.8, 5.22, 11.718, 24.0642] },
    { random: 0.999999, factor: '10 % more', times: [0, 2.2, 6.82, 16.522] },
  ])('O03 transmissions of RFC 5080 double their gap up to 16 s and end within 30 s ($factor)', async (row) => {
    const timers = new FakeTimers();
    const nas = await fakeNas();
    const asking = client({ timers, random: () => row.random, retransmission: RFC5080_RETRANSMISSION });
    const outcome = asking.send(to(nas), coa);
    const times = [0];
    while (timers.next()) times.push(timers.now / 1000);
    expect(await outcome).toEqual({ is: 'timeout', error: null });
    const ends = times.at(-1)!;
    expect(ends).toBeLessThanOrEqual(30);
    row.times.forEach((time, i) => {
      expect(times[i]).toBeCloseTo(time, 3);
    });
  });

  test('O03 by default a dead NAS is known as dead after 10 s and four transmissions', async () => {
    const timers = new FakeTimers();
    const nas = await fakeNas();
    const asking = client({ timers, random: () => 0.5 });
    const outcome = asking.send(to(nas), coa);
    const times = [0];
    while (timers.next()) times.push(timers.now / 1000);
    expect(await outcome).toEqual({ is: 'timeout', error: null });
    expect(times).toEqual([0, 1, 3, 7, 10]);
  });

  test('O06 Event-Timestamp is there only where the NAS wants it, and is that of the first transmission', async () => {
    let now = NOW;
    const nas = await fakeNas((request) => (nas.heard.length === 2 ? acks(request) : null));
    const asking = client({ now: () => now, retransmission: { firstMs: 20 } });
    const outcome = asking.send(to(nas, true), coa);
    now += 100_000;
    await outcome;
    const stamps = nas.heard.map(({ bytes }) => attributesOf(bytes).get(55)?.readUInt32BE(0));
    expect(stamps).toEqual([NOW / 1000, NOW / 1000]);
    nas.reply = acks;
    await asking.send(to(nas), coa);
    expect(attributesOf(nas.heard[2]!.bytes).has(55)).toBe(false);
  });

  test('O07 O08 O11 a Disconnect holds the identification it was given and Message-Authenticator, nothing else', async () => {
    const nas = await fakeNas(acks);
    await client().send(to(nas), disconnect('Budi Santoso@isp'));
    const sent = attributesOf(nas.heard[0]!.bytes);
    expect([...sent.keys()].sort((a, b) => a - b)).toEqual([1, 44, 80]);
    expect(sent.get(1)!.toString()).toBe('Budi Santoso@isp');
    expect(sent.get(44)!.toString()).toBe('81000001');
  });

  test('O12 each NAS is asked on the port it listens on', async () => {
    const [one, two] = [await fakeNas(acks), await fakeNas(acks)];
    const asking = client();
    await Promise.all([asking.send(to(one), coa), asking.send(to(two), disconnect())]);
    expect([one.heard.length, two.heard.length]).toEqual([1, 1]);
    expect([one.heard[0]!.bytes[0], two.heard[0]!.bytes[0]]).toEqual([43, 40]);
  });
});

describe('what comes back', () => {
  test('O09 a NAK says why, where the NAS does', async () => {
    const nas = await fakeNas(naks(503));
    const asking = client();
    expect(await asking.send(to(nas), disconnect())).toEqual({ is: 'nak', errorCause: 503 });
    nas.reply = naks();
    expect(await asking.send(to(nas), coa)).toEqual({ is: 'nak', errorCause: null });
    expect(printOutcome({ is: 'nak', errorCause: 406 })).toBe('nak 406 unsupported extension');
  });

  test('O04 forged answers are passed over and the true one is still taken', async () => {
    const forger = new Secret('guess');
    const nas = await fakeNas((request) => {
      const broken = signedReply(request, request.code + 1, SECRET, { messageAuthenticator: true });
      broken[broken.length - 1]! ^= 1;
      const ofAnother = Object.assign(Object.create(request), { authenticator: Buffer.alloc(16, 7) }) as Packet;
      return [
        signedReply(request, request.code + 1, forger),
        signedReply(ofAnother, request.code + 1, SECRET),
        broken,
        Buffer.from('not a packet'),
        signedReply(request, Code.accessAccept, SECRET),
        signedReply(request, request.code + 2, SECRET, { messageAuthenticator: true, errorCause: 506 }),
      ];
    });
    const asking = client();
    expect(await asking.send(to(nas), coa)).toEqual({ is: 'nak', errorCause: 506 });
    expect(asking.ignored).toEqual({ malformed: 1, unsolicited: 0, wrongCode: 1, forged: 3, stale: 0 });
  });

  test('O04 an answer with a valid Response Authenticator but a wrong Message-Authenticator is forged', async () => {
    const nas = await fakeNas((request) => {
      const made = signedReply(request, request.code + 1, SECRET, { messageAuthenticator: true });
      const at = made.indexOf(Buffer.from([80, 18]), 20) + 2;
      const zeroed = Buffer.from(made);
      zeroed.fill(9, at, at + 16);
      return resigned(zeroed, request.authenticator);
    });
    const asking = client({ retransmission: { firstMs: 30, transmissions: 1 } });
    expect(await asking.send(to(nas), coa)).toEqual({ is: 'timeout', error: null });
    expect(asking.ignored.forged).toBe(1);
  });

  test.each([
    { offset: -301, taken: false },
    { offset: -299, taken: true },
    { offset: 299, taken: true },
    { offset: 301, taken: false },
  ])('O06 an answer with an Event-Timestamp $offset s away is taken: $taken', async ({ offset, taken }) => {
    const eventTimestamp = NOW / 1000 + offset;
    const nas = await fakeNas((request) => signedReply(request, request.code + 1, SECRET, { eventTimestamp }));
    const asking = client({ retransmission: { firstMs: 30, transmissions: 1 } });
    expect((await asking.send(to(nas), coa)).is).toBe(taken ? 'ack' : 'timeout');
    expect(asking.ignored.stale).toBe(taken ? 0 : 1);
  });

  test('O13 an answer after the end, and one never asked for, change nothing', async () => {
    const nas = await fakeNas();
    const asking = client({ retransmission: { firstMs: 20, transmissions: 1 } });
    const late: Buffer[] = [];
    nas.reply = (request) => {
      late.push(acks(request));
      return null;
    };
    expect((await asking.send(to(nas), coa)).is).toBe('timeout');
    nas.send(late[0]!, nas.heard[0]!.port);
    nas.reply = (request, heard) => {
      nas.send(late[0]!, heard.port);
      return naks(506)(request);
    };
    expect(await asking.send(to(nas), coa)).toEqual({ is: 'nak', errorCause: 506 });
    expect(asking.ignored.unsolicited).toBe(2);
  });

  test('an answer from another address or port is nobody’s', async () => {
    const nas = await fakeNas((request, heard) => {
      other.send(acks(request), heard.port);
      return null;
    });
    const other = await fakeNas();
    const asking = client({ retransmission: { firstMs: 50, transmissions: 1 } });
    expect((await asking.send(to(nas), coa)).is).toBe('timeout');
    expect(asking.ignored.unsolicited).toBe(1);
  });

  test('a NAS that cannot be reached ends as a time-out that says why', async () => {
    const asking = client({ retransmission: { firstMs: 20, transmissions: 2 } });
    const outcome = await asking.send({ address: '240.0.0.1', port: 3799, secret: SECRET }, coa);
    expect(outcome.is).toBe('timeout');
    expect(printOutcome(outcome)).toMatch(/^no answer \(.+\)$/);
  });

  test('closing ends what is outstanding, and nothing can be sent after', async () => {
    const nas = await fakeNas();
    const asking = client();
    const outcome = asking.send(to(nas), coa);
    asking.close();
    expect(await outcome).toEqual({ is: 'timeout', error: 'closed' });
    expect(await asking.send(to(nas), coa)).toEqual({ is: 'timeout', error: 'closed' });
  });
});

describe('many at once', () => {
  test('O05 of 1000 requests outstanding none shares port and identifier with another', async () => {
    // A socket's buffer holds some 250 packets: the rest arrives when it is sent again.
    const held = new Map<string, { request: Buffer; port: number }>();
    const nas = await fakeNas((_, { bytes, port }) => {
      const known = held.get(`${port} ${bytes[1]}`)?.request ?? bytes;
      expect(bytes.equals(known)).toBe(true);
      held.set(`${port} ${bytes[1]}`, { request: bytes, port });
      return null;
    });
    const asking = client({ retransmission: { firstMs: 100, longestMs: 100, transmissions: 50, durationMs: 20_000 } });
    const outcomes = Array.from({ length: 1000 }, (_, i) => asking.send(to(nas), disconnect(`s${i}`)));
    await expect.poll(() => held.size, { timeout: 30_000 }).toBe(1000);
    expect(new Set([...held.values()].map(({ port }) => port)).size).toBe(4);
    expect(asking.outstanding).toBe(1000);
    nas.reply = () => null;
    // Answered in another order than asked, each gets its own.
    const packet = new Packet();
    for (const { request, port } of [...held.values()].reverse()) {
      packet.parse(request);
      const number = Number(packet.text(1)!.slice(1));
      nas.send(signedReply(packet, 42, SECRET, { errorCause: 1000 + number }), port);
    }
    const causes = (await Promise.all(outcomes)).map((outcome) => (outcome.is === 'nak' ? outcome.errorCause : null));
    expect(causes).toEqual(Array.from({ length: 1000 }, (_, i) => 1000 + i));
    expect(asking.outstanding).toBe(0);
  });

  test('O05 an identifier that is outstanding is stepped over when the numbers come round', async () => {
    const nas = await fakeNas((request) => (nas.heard.length === 1 ? null : acks(request)));
    const asking = client({ retransmission: { firstMs: 60_000, durationMs: 60_000 } });
    void asking.send(to(nas), coa);
    for (let i = 0; i < 300; i += 1) await asking.send(to(nas), disconnect());
    const first = nas.heard[0]!;
    const later = nas.heard.slice(1);
    expect(later).toHaveLength(300);
    expect(later.filter(({ bytes, port }) => port === first.port && bytes[1] === first.bytes[1])).toEqual([]);
  });
});

/** The Response Authenticator made anew over octets as they are. */
function resigned(reply: Buffer, requestAuthenticator: Buffer): Buffer {
  requestAuthenticator.copy(reply, 4);
  createHash('md5').update(reply).update('testing123').digest().copy(reply, 4);
  return reply;
}
