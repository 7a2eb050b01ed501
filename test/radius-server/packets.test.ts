import { randomBytes } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { NasEntry } from '#radius/nas-table';
import {
  type Bench,
  entry,
  makeServer,
  NAS,
  SECRET,
  startServer,
  sureDial,
  type UdpBench,
  Wire,
} from '#test/radius-server/harness';
import {
  type Avp,
  accountingRequest,
  attributesOf,
  avp,
  faultOf,
  number,
  packet,
  pap,
  papDial,
  routerAttributes,
} from '#test/radius-server/requests';

const ACCEPT = 2;
const REJECT = 3;
const ACCOUNTING_RESPONSE = 5;

describe('packets on the wire', () => {
  let udp: UdpBench;
  beforeEach(async () => {
    udp = await startServer();
  });
  afterEach(() => udp.close());

  test('P01 a datagram shorter than its Length, or with an impossible Length, is met with silence', async () => {
    const client = await udp.client();
    const dial = papDial('demo', 'arctangent', SECRET);
    const withLength = (length: number, size = dial.length): Buffer => {
      const bytes = Buffer.concat([dial, Buffer.alloc(5000)]).subarray(0, size);
      bytes.writeUInt16BE(length, 2);
      return Buffer.from(bytes);
    };
    const broken = [
      ...[0, 1, 19].map((size) => dial.subarray(0, size)),
      Buffer.concat([dial, Buffer.alloc(4097 - dial.length)]).fill(0, 2, 4),
      withLength(19),
      withLength(100, 20),
      withLength(4097, 4097),
      withLength(dial.length + 1),
    ];
    for (const bytes of broken) expect(await client.askOrSilence(bytes, udp.authPort, sureDial())).toBeNull();
    expect(udp.server.counters.drops.malformed).toBe(broken.length);
  });

  test('P02 octets behind Length are padding', async () => {
    const client = await udp.client();
    const reply = await client.ask(
      Buffer.concat([papDial('demo', 'arctangent', SECRET), randomBytes(100)]),
      udp.authPort,
    );
    expect(reply[0]).toBe(ACCEPT);
  });

  test('P14 on a machine of two addresses a reply leaves from the one that was asked', async () => {
    const two = await startServer({
      hosts: ['127.0.0.1', '127.0.0.2'],
      nases: [{ ...NAS, address: '127.0.0.0/8' }],
    });
    const client = await two.client('127.0.0.9');
    for (const host of ['127.0.0.1', '127.0.0.2']) {
      await client.ask(sureDial(), two.authPort, host);
      await client.ask(accountingRequest(1, [avp(44, host)], SECRET), two.acctPort, host);
    }
    expect(client.heard.map(({ from }) => `${from.address} ${from.port === two.authPort ? 'auth' : 'acct'}`)).toEqual([
      '127.0.0.1 auth',
      '127.0.0.1 acct',
      '127.0.0.2 auth',
      '127.0.0.2 acct',
    ]);
    await two.close();
  });

  test('a NAS on IPv6 is answered', async () => {
    const six = await startServer({ hosts: ['::1'], nases: [{ ...NAS, address: '::1' }] });
    const client = await six.client('::1');
    expect((await client.ask(sureDial(), six.authPort, '::1'))[0]).toBe(ACCEPT);
    await six.close();
  });
});

describe('packets, one by one', () => {
  let bench: Bench;
  let wire: Wire;
  const serve = (entries = [entry('demo', 'arctangent')], nases: NasEntry[] = [NAS]): void => {
    bench = makeServer({ entries, nases });
    wire = new Wire(bench.server);
  };
  beforeEach(() => serve());

  const dialWith = (extra: readonly Avp[], signed: 'first' | 'no' = 'no'): Buffer =>
    papDial('demo', 'arctangent', SECRET, { extra, signed });

  test('P03 every code but those of the port is met with silence', () => {
    const authenticator = randomBytes(16);
    for (let code = 0; code < 256; code += 1) {
      const attributes = [...routerAttributes('demo'), pap('arctangent', authenticator, SECRET)];
      const bytes = packet(code, code, authenticator, attributes, SECRET);
      expect(wire.authenticate(bytes) !== null).toBe(code === 1 || code === 12);
      const accounting = accountingRequest(code, [avp(44, 'x')], SECRET);
      accounting[0] = code;
      if (code !== 12) expect(wire.account(accounting)).toBeNull();
    }
    expect(bench.server.counters.drops['unwanted-code']).toBe(254 + 254);
  });

  test.each([
    ['P04 an attribute of length 0', Buffer.of(1, 0)],
    ['P04 an attribute of length 1', Buffer.of(1, 1)],
    ['P04 an attribute that ends behind the packet', Buffer.of(1, 255, 65)],
    ['P05 a lone type octet at the end', Buffer.of(1)],
  ])('%s is met with silence on both ports', (_, broken) => {
    expect(wire.authenticate(dialWith([broken]))).toBeNull();
    expect(wire.account(accountingRequest(1, [avp(44, 'x'), broken], SECRET))).toBeNull();
    expect(bench.server.counters.drops.malformed).toBe(2);
  });

  test('P06 a value of a wrong size is no reason to drop the packet', () => {
    const attributes = routerAttributes('demo').filter((one) => one[0] !== 4);
    const authenticator = randomBytes(16);
    const odd = [avp(4, Buffer.of(0xab, 0xcd)), ...attributes, pap('arctangent', authenticator, SECRET)];
    expect(wire.authenticate(packet(1, 1, authenticator, odd, SECRET))?.[0]).toBe(ACCEPT);
  });

  test('P07 a source without a shared secret gets silence and leaves nothing behind', () => {
    const dial = papDial('demo', 'arctangent', SECRET);
    const before = process.memoryUsage().heapUsed;
    for (let i = 0; i < 200_000; i += 1) {
      const address = `10.${(i >> 16) & 255}.${(i >> 8) & 255}.${i & 255}`;
      expect(wire.authenticate(dial, 40_000, address) === null || i).toBe(true);
    }
    expect(bench.server.counters.drops['unknown-source']).toBe(200_000);
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(64 * 2 ** 20);
  });

  test('P08 the secret is that of the source address, whatever NAS-IP-Address and NAS-Identifier claim', () => {
    const other: NasEntry = {
      ...NAS,
      id: 2,
      name: 'pop-2',
      address: '127.0.0.2',
      secret: 'another secret of the other',
    };
    serve([entry('demo', 'arctangent')], [NAS, other]);
    const authenticator = randomBytes(16);
    const claims = [avp(32, 'pop-2'), avp(4, Buffer.of(127, 0, 0, 2)), avp(1, 'demo')];
    const as = (secret: string): Buffer =>
      packet(1, 1, authenticator, [...claims, pap('arctangent', authenticator, secret)], secret);
    expect(wire.authenticate(as(other.secret), 40_000, '127.0.0.1')).toBeNull();
    expect(wire.authenticate(as(SECRET), 40_000, '127.0.0.1')?.[0]).toBe(ACCEPT);
  });

  test('P09 an empty secret is refused', () => {
    expect(() => bench.server.setNases([{ ...NAS, secret: '' }])).toThrow(RangeError);
  });

  test('P10 the order of attributes does not matter', () => {
    for (let seed = 0; seed < 500; seed += 1) {
      const authenticator = randomBytes(16);
      const attributes = [...routerAttributes('demo'), pap('arctangent', authenticator, SECRET)];
      for (let i = attributes.length - 1; i > 0; i -= 1) {
        const j = (seed * 7919 + i * 104_729) % (i + 1);
        [attributes[i], attributes[j]] = [attributes[j]!, attributes[i]!];
      }
      expect(wire.authenticate(packet(1, seed & 255, authenticator, attributes, SECRET))?.[0]).toBe(ACCEPT);
    }
  });

  test('P11 attributes and vendors we do not know are ignored', () => {
    const strange = [
      avp(192 + 17, randomBytes(40)),
      avp(240, randomBytes(253)),
      avp(26, Buffer.concat([Buffer.of(0, 0, 255, 255), randomBytes(20)])),
      avp(26, Buffer.of(0, 0)),
    ];
    expect(wire.authenticate(dialWith(strange))?.[0]).toBe(ACCEPT);
  });

  test('P12 a NUL in the user name is a clean Reject, and accounting with one is kept', () => {
    expect(wire.authenticate(papDial('a\0b', 'x', SECRET))?.[0]).toBe(REJECT);
    wire.account(accountingRequest(1, [avp(1, 'a\0b'), avp(44, 'x')], SECRET));
    expect(bench.journal.records).toHaveLength(1);
  });

  test.each([0, 1, 5])('P13 %d Proxy-States come back unchanged and in order in every reply', (count) => {
    const states = Array.from({ length: count }, (_, i) => avp(33, randomBytes(i * 40 + 1)));
    const dials = [
      papDial('demo', 'arctangent', SECRET, { extra: states }),
      papDial('demo', 'wrong', SECRET, { extra: states, identifier: 1 }),
    ];
    const replies = dials.map((dial) => wire.authenticate(dial)!);
    wire.account(accountingRequest(1, [avp(44, 'x'), ...states], SECRET));
    bench.journal.flush();
    replies.push(wire.take()[0]!.bytes);
    expect(replies.map(([code]) => code)).toEqual([ACCEPT, REJECT, ACCOUNTING_RESPONSE]);
    for (const reply of replies) {
      const back = attributesOf(reply).filter(({ type }) => type === 33);
      expect(back.map(({ value }) => value)).toEqual(states.map((state) => state.subarray(2)));
    }
  });

  test('a request whose Proxy-States leave no room for the reply gets silence, not a cut packet', () => {
    const [grant] = entry('demo', '').facts.grants;
    const plan = { ...grant!.plan, profile: 'p'.repeat(200) };
    serve([entry('demo', 'arctangent', { grants: [{ ...grant!, plan }] })]);
    const states = Array.from({ length: 15 }, () => avp(33, randomBytes(253)));
    expect(wire.authenticate(dialWith(states, 'first'))).toBeNull();
    expect(bench.server.counters.drops['reply-too-long']).toBe(1);
    expect(bench.server.counters.accepts).toBe(0);
  });
});

describe('accounting at the door', () => {
  test('C01 an invalid or an all-zero Request Authenticator gets silence and is not recorded', () => {
    const bench = makeServer();
    const wire = new Wire(bench.server);
    const flipped = accountingRequest(1, [avp(44, 'x'), number(40, 1)], SECRET);
    flipped[10]! ^= 1;
    const zero = accountingRequest(2, [avp(44, 'x')], SECRET).fill(0, 4, 20);
    wire.account(flipped);
    wire.account(zero);
    expect(bench.journal.records).toEqual([]);
    expect(bench.server.counters.drops['request-authenticator-wrong']).toBe(2);
  });

  test('of a NAS that is a block, the record says which of its routers spoke; a mapped address is its IPv4 one', () => {
    const blocks = ['10.1.0.0/24', '2001:db8::/32'].map((address, i) => ({ ...NAS, id: i + 1, address }));
    const bench = makeServer({ nases: blocks });
    const wire = new Wire(bench.server);
    for (const [id, address] of ['10.1.0.5', '10.1.0.6', '::ffff:10.1.0.5', '2001:db8::6', '10.2.0.5'].entries()) {
      wire.account(accountingRequest(id, [avp(44, `s${id}`)], SECRET), 40_001, address);
    }
    const spoke = bench.journal.records.map(({ nasId, nasAddress }) => [
      nasId,
      Buffer.from(nasAddress).toString('hex'),
    ]);
    expect(spoke).toEqual([
      [1, '00000000000000000000ffff0a010005'],
      [1, '00000000000000000000ffff0a010006'],
      [1, '00000000000000000000ffff0a010005'],
      [2, '20010db8000000000000000000000006'],
    ]);
  });

  test('C02 the reply comes when the record is on disk, never before', () => {
    const bench = makeServer();
    bench.journal.immediate = false;
    const wire = new Wire(bench.server);
    const asked = [1, 2, 3].map((id) => accountingRequest(id, [avp(44, `s${id}`)], SECRET));
    for (const one of asked) expect(wire.account(one)).toBeNull();
    expect(bench.journal.records.map(({ nasId, packet: bytes }) => [nasId, bytes])).toEqual(
      asked.map((one) => [1, one]),
    );
    bench.server.durable(2);
    expect(wire.take().map(({ bytes }) => bytes[1])).toEqual([1, 2]);
    bench.server.durable(3);
    const [last] = wire.take();
    expect(faultOf(last!.bytes, asked[2]!, SECRET)).toBeNull();
    expect(bench.server.counters.accountingAnswered).toBe(3);
  });

  test('C02 where the journal refuses there is silence, and the same request is taken once it does not', () => {
    const bench = makeServer();
    bench.journal.refuses = true;
    const wire = new Wire(bench.server);
    const asked = accountingRequest(1, [avp(44, 'x')], SECRET);
    wire.account(asked);
    expect(bench.server.counters.drops['journal-refused']).toBe(1);
    bench.journal.refuses = false;
    wire.account(asked);
    bench.journal.flush();
    expect(wire.take()[0]?.bytes[0]).toBe(ACCOUNTING_RESPONSE);
  });

  test('a request with a wrong Message-Authenticator gets silence', () => {
    const bench = makeServer();
    const wire = new Wire(bench.server);
    const signed = accountingRequest(1, [avp(44, 'x')], SECRET, 'first');
    wire.account(signed);
    expect(bench.journal.records).toHaveLength(1);
    const forged = accountingRequest(2, [avp(80, randomBytes(16)), avp(44, 'x')], SECRET);
    wire.account(forged);
    expect(bench.journal.records).toHaveLength(1);
  });
});
