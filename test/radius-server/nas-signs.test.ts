import { randomBytes } from 'node:crypto';
import { beforeEach, describe, expect, test } from 'vitest';
import { addSigns, gapBucket, gapSeconds, type NasSigns, noSigns } from '#domain/nas-signs';
import { SignsBook } from '#radius/nas-signs';
import { type Bench, entry, makeServer, NAS, NOON, SECRET, Wire } from '#test/radius-server/harness';
import {
  accountingRequest,
  avp,
  chap,
  number,
  packet,
  papDial,
  routerAttributes,
  statusServer,
} from '#test/radius-server/requests';

/** What a worker notes of each router, by packets as they come. */

const OTHER = 'quite another shared secret here';
let nowMs: number;
let bench: Bench;
let wire: Wire;

beforeEach(() => {
  nowMs = 1_000_000;
  bench = makeServer({
    entries: [entry('demo', 'arctangent')],
    nases: [{ ...NAS, address: '10.0.0.0/8' }],
    settings: { monotonicMs: () => nowMs, rejectDelayMs: { least: 700, most: 1000 } },
  });
  wire = new Wire(bench.server);
});

const HERE = '10.0.0.1';
let identifier = 0;
const next = (): number => (identifier = (identifier + 1) % 256);
const dial = (password = 'arctangent', secret = SECRET, signed: 'first' | 'no' = 'first'): Buffer =>
  papDial('demo', password, secret, { identifier: next(), signed });
const ask = (bytes: Buffer, address = HERE): Buffer | null => wire.authenticate(bytes, 40_000, address);
const report = (bytes: Buffer, address = HERE): Buffer | null => wire.account(bytes, 40_001, address);
const interim = (more: readonly Buffer[] = [], secret = SECRET): Buffer =>
  accountingRequest(next(), [number(40, 3), avp(44, '81000001'), avp(1, 'demo'), ...more], secret);
const seen = (address = HERE): NasSigns | undefined =>
  bench.server.signs.take(NOON).find(({ nasAddress }) => nasAddress === address);
const counts = (): NasSigns['counts'] => seen()?.counts ?? {};

describe('dials', () => {
  test('signed and unsigned ones, let in and refused', () => {
    ask(dial());
    ask(dial('wrong'));
    ask(dial('arctangent', SECRET, 'no'));
    expect(counts()).toEqual({ accepted: 2, rejected: 1, signed: 2, unsigned: 1, papReadable: 3 });
  });

  test('a Message-Authenticator by another secret speaks against ours, and is no signed dial', () => {
    ask(dial('arctangent', OTHER));
    const signs = seen()!;
    expect(signs.counts).toEqual({ authForged: 1 });
    expect(signs).toMatchObject({ wrongAt: NOON, rightAt: null, signedAt: null, authAt: NOON });
  });

  test('a password that comes out as garbage speaks against the secret; one that is only wrong speaks for it', () => {
    ask(dial('not it', SECRET, 'no'));
    expect(counts()).toEqual({ rejected: 1, unsigned: 1, papReadable: 1 });
    for (let i = 0; i < 200; i += 1) ask(dial('arctangent', OTHER, 'no'));
    const signs = seen()!;
    expect(signs.counts).toEqual({ rejected: 200, unsigned: 200, papGarbled: 200 });
    expect(signs).toMatchObject({ wrongAt: NOON, rightAt: null });
  });

  test('of a user nobody knows, too; with letters of every script; of the longest length', () => {
    ask(papDial('nobody', 'x', SECRET, { identifier: next(), signed: 'no' }));
    for (const password of ['sandi bagus', 'пароль', '密码'.repeat(10), 'p'.repeat(128)])
      ask(dial(password, SECRET, 'no'));
    expect(counts()).toEqual({ rejected: 5, unsigned: 5, papReadable: 5 });
  });

  test('CHAP says nothing of the secret', () => {
    const authenticator = randomBytes(16);
    const attributes = [...routerAttributes('demo'), chap('arctangent', authenticator)];
    ask(packet(1, next(), authenticator, attributes, OTHER, 'no'));
    const signs = seen()!;
    expect(signs.counts).toEqual({ accepted: 1, unsigned: 1 });
    expect(signs).toMatchObject({ rightAt: null, wrongAt: null, unsignedAt: NOON });
  });

  test('one that lacks the signature it must have is told apart', () => {
    bench.server.setNases([{ ...NAS, address: '10.0.0.0/8', messageAuthenticator: 'required' }]);
    expect(ask(dial('arctangent', SECRET, 'no'))).toBeNull();
    expect(counts()).toEqual({ unsigned: 1, unsignedDropped: 1 });
  });

  test('Status-Server is no dial', () => {
    ask(statusServer(next(), SECRET));
    ask(statusServer(next(), OTHER));
    expect(seen()).toBeUndefined();
  });
});

describe('a request that comes again', () => {
  const again = (afterMs: number, bytes = dial()): NasSigns['counts'] => {
    ask(bytes);
    nowMs += afterMs;
    ask(bytes);
    const { accepted: _, rejected: __, signed: ___, papReadable: ____, ...rest } = counts();
    return rest;
  };

  test('sooner than any router asks again: it has waited here beside the first', () => {
    expect(again(5)).toEqual({ againQueued: 1 });
  });

  test('after the answer has left: soon, by a router of little patience, or late', () => {
    expect(again(300)).toEqual({ againSoon: 1 });
    expect(again(1100)).toEqual({ againLate: 1 });
  });

  test('while its refusal is held back', () => {
    expect(again(300, dial('wrong'))).toEqual({ againHeld: 1 });
  });

  test('while its accounting record is not on disk, and after', async () => {
    bench.journal.immediate = false;
    const bytes = interim();
    report(bytes);
    nowMs += 1100;
    report(bytes);
    expect(counts()).toEqual({ accounted: 1, againUnwritten: 1 });
    bench.journal.flush();
    report(bytes);
    expect(counts()).toEqual({ againLate: 1 });
  });
});

describe('accounting', () => {
  test('by our secret, and by another', () => {
    report(interim());
    report(interim([], OTHER));
    const signs = seen()!;
    expect(signs.counts).toEqual({ accounted: 1, acctForged: 1 });
    expect(signs).toMatchObject({ acctAt: NOON, rightAt: NOON, wrongAt: NOON });
  });

  test('that we could not write down is none the less reported: that is our fault, not the router’s', () => {
    bench.journal.refuses = true;
    report(interim());
    expect(counts()).toEqual({ accounted: 1 });
  });

  test('that the router says it has sent before', () => {
    report(interim([number(41, 0)]));
    report(interim([number(41, 3)]));
    expect(counts()).toEqual({ accounted: 2, delayed: 1 });
  });

  test('the clock of the router, what it waited taken off; none without Event-Timestamp', () => {
    report(interim());
    expect(seen()!.skew).toBeNull();
    report(interim([number(55, NOON / 1000 - 120)]));
    expect(seen()!.skew).toEqual({ ms: -120_000, at: NOON });
    report(interim([number(55, NOON / 1000 - 7), number(41, 7)]));
    expect(seen()!.skew).toEqual({ ms: 0, at: NOON });
  });

  test('the name it gives itself, fit to be printed', () => {
    report(interim([avp(32, 'menara\u0007\nutara')]));
    expect(seen()!.identity).toBe('menara\ufffd\ufffdutara');
  });
});

describe('routers', () => {
  test('of one block are told apart, and what was taken is not told twice', () => {
    ask(dial());
    ask(dial('wrong'), '10.0.0.2');
    expect(
      bench.server.signs.take(NOON).map(({ nasId, nasAddress, counts }) => [nasId, nasAddress, counts.accepted]),
    ).toEqual([
      [1, '10.0.0.1', 1],
      [1, '10.0.0.2', undefined],
    ]);
    expect(bench.server.signs.take(NOON)).toEqual([]);
  });

  test('are known on when the table of routers is loaded anew', () => {
    ask(dial());
    bench.server.setNases([{ ...NAS, address: '10.0.0.0/8' }]);
    ask(dial());
    expect(counts()).toMatchObject({ accepted: 2 });
  });

  test('are no more than there is room for, whatever addresses are forged', () => {
    const book = new SignsBook(2);
    const signs = ['10.0.0.1', '10.0.0.2', '10.0.0.3', '10.0.0.4'].map((address) => book.of(1, address));
    for (const one of signs) one.forgedAccounting();
    expect(book.take(NOON).map(({ nasAddress }) => nasAddress)).toEqual(['10.0.0.1', '10.0.0.2']);
    expect(book.of(0, '127.0.0.1')).toBe(signs[3]);
  });
});

describe('signs', () => {
  test('add up: counts, the later of instants, the newer clock', () => {
    const gaps = (at: number) => Array.from({ length: 4 }, (_, i) => (i === at ? 1 : 0));
    const one: NasSigns = {
      ...noSigns(1, HERE),
      counts: { accepted: 2 },
      gaps: gaps(0),
      authAt: 5,
      skew: { ms: 9, at: 5 },
    };
    const other: NasSigns = {
      ...noSigns(1, HERE),
      counts: { accepted: 1, signed: 1 },
      gaps: gaps(2),
      authAt: 3,
      rightAt: 3,
      identity: 'a',
    };
    const sum = {
      counts: { accepted: 3, signed: 1 },
      gaps: [1, 0, 1, 0],
      authAt: 5,
      rightAt: 3,
      identity: 'a',
      skew: { ms: 9, at: 5 },
    };
    expect(addSigns(one, other)).toMatchObject(sum);
    expect(addSigns(other, one)).toMatchObject(sum);
    expect(addSigns(one, noSigns(1, HERE))).toEqual(one);
  });

  test('gaps between interims lie within a few per cent of their bucket', () => {
    for (let seconds = 10; seconds < 15_000; seconds += 7) {
      expect(Math.abs(gapSeconds(gapBucket(seconds)) / seconds - 1)).toBeLessThan(0.036);
    }
    expect([gapBucket(0), gapBucket(1e9)]).toEqual([0, 111]);
  });
});
