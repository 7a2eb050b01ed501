import { describe, expect, test } from 'vitest';
import { accountingRecord } from '#radius/accounting';
import { Packet } from '#radius/packet';
import type { Attribute } from '#test/accounting/requests';
import { routerOs, sessionRecord, understood } from '#test/accounting/requests';

const NOW = Date.parse('2026-11-20T05:00:00Z');
const seconds = NOW / 1000;
const token = Buffer.alloc(16, 7);
const of = (attributes: readonly Attribute[]) => sessionRecord(attributes, NOW);
const reason = (attributes: readonly Attribute[]) => understood(attributes, NOW);

describe('what an Accounting-Request says', () => {
  test('the Interim radclient sent (V10): 2^32-1 octets and one gigaword are 8,589,934,591', () => {
    const hex =
      '043f00427657b58bde4ff5cb20bb77f09334b3f52806000000032c0a383130303030303101066e656d6f0406c0a801102a06ffffffff3406000000012e060000012c';
    const packet = new Packet();
    expect(packet.parse(Buffer.from(hex, 'hex'))).toBe(true);
    expect(accountingRecord(packet, { id: 3, swapOctets: false }, '192.0.2.7', NOW)).toMatchObject({
      status: 'interim',
      nasId: 3,
      nasAddress: '192.0.2.7',
      acctSessionId: '81000001',
      username: 'nemo',
      sessionSeconds: 300,
      octets: { up: 8_589_934_591, down: 0 },
      gigawords: true,
    });
  });

  test('RouterOS counts the upload as Input, unless the NAS is marked as the other way round', () => {
    const attributes = routerOs({ seconds: 1, up: 10, down: 20 });
    expect(of(attributes).octets).toEqual({ up: 10, down: 20 });
    expect(sessionRecord(attributes, NOW, { id: 1, swapOctets: true }).octets).toEqual({ up: 20, down: 10 });
  });

  test('a session is shown with its line: MAC in one spelling, address, port, and why it ended', () => {
    const stop = routerOs({ status: 'stop', mac: 'aa-bb-cc-dd-ee-0f', ip: '10.1.2.3', cause: 5 });
    expect(of(stop)).toMatchObject({
      mac: 'AA:BB:CC:DD:EE:0F',
      framedIp: '10.1.2.3',
      nasPortId: 'ether1',
      cause: 'Session-Timeout',
    });
    expect(of(routerOs({ status: 'stop', cause: 99 })).cause).toBe('cause 99');
  });

  test('C03: attributes that have no place in accounting change nothing', () => {
    const forbidden: Attribute[] = [
      [2, Buffer.alloc(16)],
      [3, Buffer.alloc(17)],
      [18, 'hello'],
      [24, 'state'],
    ];
    expect(of(routerOs({ more: forbidden }))).toEqual(of(routerOs({})));
  });

  test('C04: without Acct-Session-Id it cannot be used', () => {
    expect(reason(routerOs({}).filter(([type]) => type !== 44))).toEqual({
      status: 'unusable',
      reason: 'Acct-Session-Id is missing',
    });
  });

  test('C05: Acct-Delay-Time is taken off the time of arrival, nonsense is not', () => {
    expect(of(routerOs({ more: [[41, 5]] })).at).toBe(NOW - 5000);
    expect(of(routerOs({ more: [[41, 2 ** 31]] })).at).toBe(NOW);
  });

  test.each([
    ['a little behind', seconds - 90, NOW - 90_000],
    ['an hour ahead', seconds + 3600, NOW],
    ['an hour behind', seconds - 3600, NOW],
    ['1970', 1, NOW],
    ['2106', 2 ** 32 - 1, NOW],
  ])('C06: Event-Timestamp is believed when it is sane: %s', (_, stamp, at) => {
    expect(of(routerOs({ more: [[55, stamp]] })).at).toBe(at);
  });

  test('C07: counters are 64 bits wide', () => {
    expect(of(routerOs({ up: 2 ** 32 - 1 })).octets?.up).toBe(2 ** 32 - 1);
    expect(of(routerOs({ up: 2 ** 32 })).octets?.up).toBe(2 ** 32);
    const beyond = [...routerOs({}).filter(([type]) => type !== 52), [52, 2 ** 32 - 1] as const];
    expect(reason(beyond)).toMatchObject({ status: 'unusable' });
  });

  test('C08: our Class is found among three, and another server’s is nobody’s', () => {
    const foreign: Attribute[] = [
      [25, 'theirs'],
      [25, Buffer.from([0, 255, 1])],
    ];
    const [status, ...rest] = routerOs({ token });
    expect(of([status!, ...foreign, ...rest]).token).toBe(token.toString('hex'));
    expect(of([status!, ...foreign, ...rest]).told).toEqual({ live: 'rate list=l', fixed: 'fixed' });
    expect(of([...routerOs({}), ...foreign]).token).toBeNull();
  });

  test.each([0, 4, 9, 10, 11, 12, 13, 14, 15, 2 ** 32 - 1])('C09: Acct-Status-Type %d is put aside', (status) => {
    const [, ...rest] = routerOs({});
    expect(reason([[40, status], ...rest])).toEqual({ status: 'unusable', reason: `Acct-Status-Type is ${status}` });
  });

  test('Accounting-On and -Off need no session', () => {
    expect(reason([[40, 7]])).toEqual({ status: 'on', nasId: 1, nasAddress: '10.0.0.1', at: NOW, receivedAt: NOW });
    expect(
      reason([
        [40, 8],
        [41, 3],
      ]),
    ).toMatchObject({ status: 'off', at: NOW - 3000 });
  });

  test('P06: a value of the wrong size is as if it were absent, and the rest still counts', () => {
    const attributes = routerOs({ seconds: 9, up: 5 }).map((a): Attribute => (a[0] === 43 ? [43, Buffer.alloc(2)] : a));
    expect(of(attributes)).toMatchObject({ sessionSeconds: 9, octets: { up: 5, down: 0 } });
  });

  test('P12: NUL in a text is put aside, for the database could not hold it', () => {
    for (const said of [{ user: 'a\0b' }, { id: '8100\0' }]) {
      expect(reason(routerOs(said))).toEqual({ status: 'unusable', reason: 'a text holds NUL' });
    }
  });

  test('a session of more than ten years is nonsense', () => {
    expect(reason(routerOs({ seconds: 2 ** 32 - 1 }))).toMatchObject({ status: 'unusable' });
  });
});
