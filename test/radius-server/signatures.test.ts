import { randomBytes } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import type { UnprovenReason } from '#radius/access';
import { Feed } from '#radius/feed';
import type { NasEntry } from '#radius/nas-table';
import { type Bench, makeServer, NAS, SECRET, Wire } from '#test/radius-server/harness';
import { accountingRequest, avp, faultOf, papDial, statusServer, textOf } from '#test/radius-server/requests';

const ACCEPT = 2;
const REJECT = 3;
const ACCOUNTING_RESPONSE = 5;

describe('Message-Authenticator (CVE-2024-3596)', () => {
  const serve = (nas: Partial<NasEntry>): { bench: Bench; wire: Wire } => {
    const bench = makeServer({ nases: [{ ...NAS, ...nas }] });
    return { bench, wire: new Wire(bench.server) };
  };

  test('B01 each of its 128 bits matters', () => {
    const { bench, wire } = serve({});
    for (let bit = 0; bit < 128; bit += 1) {
      const dial = papDial('demo', 'arctangent', SECRET, { identifier: bit });
      dial[22 + (bit >> 3)]! ^= 1 << (bit & 7);
      expect(wire.authenticate(dial)).toBeNull();
    }
    expect(bench.server.counters.drops['message-authenticator-wrong']).toBe(128);
    expect(bench.events.refused).toEqual([]);
  });

  test('B02 where it is required a request without it gets silence, and with it an answer', () => {
    const { bench, wire } = serve({ messageAuthenticator: 'required' });
    expect(wire.authenticate(papDial('demo', 'arctangent', SECRET, { signed: 'no' }))).toBeNull();
    expect(wire.authenticate(papDial('demo', 'arctangent', SECRET))?.[0]).toBe(ACCEPT);
    expect(bench.server.counters.drops['message-authenticator-missing']).toBe(1);
  });

  test('B02 where it is off both are answered', () => {
    const { wire } = serve({ messageAuthenticator: 'off' });
    expect(wire.authenticate(papDial('demo', 'arctangent', SECRET, { signed: 'no' }))?.[0]).toBe(ACCEPT);
    expect(wire.authenticate(papDial('demo', 'arctangent', SECRET))?.[0]).toBe(ACCEPT);
    expect(wire.authenticate(papDial('demo', 'arctangent', SECRET, { signed: 'no', identifier: 2 }))?.[0]).toBe(ACCEPT);
  });

  test('B02 under auto the first signed request teaches that this NAS signs: told once, and kept over a reload', () => {
    const { bench, wire } = serve({ messageAuthenticator: 'auto' });
    const unsigned = (identifier: number): Buffer =>
      papDial('demo', 'arctangent', SECRET, { signed: 'no', identifier });
    expect(wire.authenticate(unsigned(1))?.[0]).toBe(ACCEPT);
    for (const identifier of [2, 3]) {
      expect(wire.authenticate(papDial('demo', 'arctangent', SECRET, { identifier }))?.[0]).toBe(ACCEPT);
    }
    expect(wire.authenticate(unsigned(4))).toBeNull();
    bench.server.setNases([{ ...NAS, messageAuthenticator: 'auto' }]);
    expect(wire.authenticate(unsigned(5))).toBeNull();
    expect(bench.events.learned).toEqual([NAS.id]);
  });

  test('B02 what was learned before the last start counts', () => {
    const { wire } = serve({ messageAuthenticator: 'auto', messageAuthenticatorSeen: true });
    expect(wire.authenticate(papDial('demo', 'arctangent', SECRET, { signed: 'no' }))).toBeNull();
  });

  test('B03 an unsigned request with a Proxy-State, the shape of the attack, gets silence', () => {
    const { bench, wire } = serve({});
    const attack = papDial('demo', 'wrong', SECRET, {
      signed: 'no',
      extra: [avp(33, randomBytes(220)), avp(33, randomBytes(40))],
    });
    expect(wire.authenticate(attack)).toBeNull();
    expect(bench.server.counters.drops['proxy-state-unsigned']).toBe(1);
  });

  test('B04 every Accept and Reject has it first and valid', () => {
    const { wire } = serve({});
    for (let i = 0; i < 2000; i += 1) {
      const dial = papDial('demo', i % 2 ? 'arctangent' : `guess ${i}`, SECRET, {
        identifier: i & 255,
        signed: i % 3 ? 'no' : 'first',
      });
      const reply = wire.authenticate(dial)!;
      expect(reply[0]).toBe(i % 2 ? ACCEPT : REJECT);
      expect([reply[20], reply[21]]).toEqual([80, 18]);
      expect(faultOf(reply, dial, SECRET)).toBeNull();
    }
  });

  test('B05 its place in a request does not matter', () => {
    const { wire } = serve({ messageAuthenticator: 'required' });
    expect(wire.authenticate(papDial('demo', 'arctangent', SECRET, { signed: 'last' }))?.[0]).toBe(ACCEPT);
    expect(wire.authenticate(papDial('demo', 'arctangent', SECRET, { signed: 'first' }))?.[0]).toBe(ACCEPT);
  });

  test('B06 the Access-Accept to a Status-Server has it too', () => {
    const { wire } = serve({});
    const asked = statusServer(9, SECRET);
    const reply = wire.authenticate(asked)!;
    expect([reply[0], reply[20]]).toEqual([ACCEPT, 80]);
    expect(faultOf(reply, asked, SECRET)).toBeNull();
  });

  test('B07 a Reject says nothing of what was sent to us', () => {
    const { wire } = serve({});
    const reply = wire.authenticate(papDial('eve <script>', 'secret words', SECRET))!;
    expect(textOf(reply, 18)).toBe('wrong user name or password');
    expect(reply.includes('eve')).toBe(false);
  });

  test('B08 what is dropped is told: at once, then one line a minute for each router and reason', () => {
    const lines: string[] = [];
    const feed = new Feed((message) => {
      if (message.kind === 'log') lines.push(message.line);
    });
    const { bench, wire } = serve({ messageAuthenticator: 'required' });
    for (let i = 0; i < 1000; i += 1) wire.authenticate(papDial('demo', 'arctangent', SECRET, { signed: 'no' }));
    wire.account(accountingRequest(1, [avp(1, 'demo')], 'another secret'));
    for (const drop of bench.events.unprovenDrops) {
      const [nas, reason] = drop.split(': ') as [string, UnprovenReason];
      feed.unproven(nas, reason);
    }
    feed.everySecond();
    expect(lines).toEqual([
      `router ${NAS.name}: a request has no Message-Authenticator though it must: this router is set to require it, or has sent it before (1000 requests were dropped)`,
      `router ${NAS.name}: an accounting request is not signed with the secret; is it the same on both sides? (1 request was dropped)`,
    ]);
    for (let second = 1; second < 60; second += 1) {
      feed.unproven(NAS.name, 'message-authenticator-missing');
      feed.everySecond();
    }
    expect(lines).toHaveLength(2);
    feed.everySecond();
    expect(lines[2]).toContain('(59 requests were dropped)');
  });

  test('B10 two of them, or one of another size, get silence', () => {
    const { bench, wire } = serve({});
    expect(wire.authenticate(papDial('demo', 'arctangent', SECRET, { extra: [avp(80, randomBytes(16))] }))).toBeNull();
    expect(
      wire.authenticate(papDial('demo', 'arctangent', SECRET, { signed: 'no', extra: [avp(80, randomBytes(15))] })),
    ).toBeNull();
    expect(bench.server.counters.drops.malformed).toBe(2);
  });
});

describe('Status-Server (RFC 5997)', () => {
  test('S01 unsigned, or signed with another secret, gets silence', () => {
    const bench = makeServer();
    const wire = new Wire(bench.server);
    for (const asked of [statusServer(1, SECRET, 'no'), statusServer(1, 'another secret')]) {
      expect(wire.authenticate(asked)).toBeNull();
      expect(wire.account(asked)).toBeNull();
    }
    expect(wire.authenticate(statusServer(1, SECRET), 40_000, '127.0.0.77')).toBeNull();
  });

  test('S02 the authentication port says Access-Accept, the accounting port Accounting-Response', () => {
    const wire = new Wire(makeServer().server);
    const asked = statusServer(1, SECRET);
    const replies = [wire.authenticate(asked)!, wire.account(asked)!];
    expect(replies.map(([code]) => code)).toEqual([ACCEPT, ACCOUNTING_RESPONSE]);
    for (const reply of replies) expect(faultOf(reply, asked, SECRET)).toBeNull();
  });

  test('S03 it can be switched off for a NAS, and is limited to 100 a second', () => {
    const off = new Wire(makeServer({ nases: [{ ...NAS, statusServer: false }] }).server);
    expect(off.authenticate(statusServer(1, SECRET))).toBeNull();
    const bench = makeServer();
    const wire = new Wire(bench.server);
    const answered = (): number =>
      Array.from({ length: 150 }, (_, i) => wire.authenticate(statusServer(i, SECRET))).filter(
        (reply) => reply !== null,
      ).length;
    expect(answered()).toBe(100);
    bench.server.everySecond();
    expect(answered()).toBe(100);
  });

  test('S04 nothing happens but the answer', () => {
    const bench = makeServer();
    const wire = new Wire(bench.server);
    wire.authenticate(statusServer(1, SECRET));
    wire.account(statusServer(1, SECRET));
    expect(bench.journal.records).toEqual([]);
    expect(bench.events.refused).toEqual([]);
    expect(bench.server.counters.accepts).toBe(0);
    expect(bench.server.counters.statusServerAnswered).toBe(2);
  });

  test('S05 a server that could not do its work is silent: no policy yet, or a journal that cannot write', () => {
    const starting = new Wire(makeServer({ policy: null }).server);
    expect(starting.authenticate(statusServer(1, SECRET))).toBeNull();
    const bench = makeServer();
    const wire = new Wire(bench.server);
    bench.journal.healthy = false;
    expect(wire.account(statusServer(1, SECRET))).toBeNull();
    expect(wire.authenticate(statusServer(1, SECRET))?.[0]).toBe(ACCEPT);
  });
});
