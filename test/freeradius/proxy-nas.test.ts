import { describe, expect, test } from 'vitest';
import type { AcceptedOutcome, Policy } from '#domain/policy';
import type { NasEntry } from '#radius/nas-table';
import { entry, makeServer, NAS, Wire } from '#test/radius-server/harness';
import { accountingRequest, avp, faultOf, number, packet, pap, vendorTextOf } from '#test/radius-server/requests';

/** A NAS that speaks for routers behind it: what it says of them is taken, and from nobody else. */

const PROXY = 'the secret of FreeRADIUS';
const ROUTER: NasEntry = { ...NAS, id: 1, name: 'tower', address: '10.1.0.1' };
const OTHER: NasEntry = { ...NAS, id: 2, name: 'hill', address: '10.1.0.2' };
const SIX: NasEntry = { ...NAS, id: 3, name: 'six', address: '2001:db8::/64' };
const FREERADIUS: NasEntry = { ...NAS, id: 9, name: 'freeradius', address: '10.0.0.5', secret: PROXY, proxy: true };

const give = (addressList: string): AcceptedOutcome => ({
  access: 'full',
  rate: { is: 'plan' },
  addressList,
  profile: null,
  pool: null,
  idleSeconds: null,
  interimSeconds: 300,
  attributes: [],
});
/** Who dials is told by its router. */
const POLICY: Policy = {
  zone: 'Asia/Jakarta',
  rules: ['tower', 'hill', 'six', 'freeradius'].map((name) => ({ name, when: { is: 'nas', name }, give: give(name) })),
};

const IPV4 = (last: number) => avp(4, Buffer.of(10, 1, 0, last));
const IPV6 = avp(95, Buffer.from('20010db8000000000000000000000007', 'hex'));

function bench(rejectDelayMs = { least: 0, most: 0 }) {
  const made = makeServer({
    entries: [entry('demo', 'arctangent')],
    nases: [ROUTER, OTHER, SIX, FREERADIUS],
    policy: POLICY,
    settings: { rejectDelayMs },
  });
  return { ...made, wire: new Wire(made.server) };
}

let identifier = 0;
function dial(secret: string, named: readonly Buffer[], password = 'arctangent'): Buffer {
  identifier = (identifier + 1) & 255;
  const authenticator = Buffer.alloc(16, identifier);
  return packet(
    1,
    identifier,
    authenticator,
    [avp(1, 'demo'), avp(32, 'x'), ...named, pap(password, authenticator, secret)],
    secret,
  );
}

const listOf = (reply: Buffer | null): string | null => (reply === null ? null : vendorTextOf(reply, 14988, 19));

describe('a proxy', () => {
  test('is answered for the router it names, and the answer is signed for itself', () => {
    const { wire } = bench();
    const request = dial(PROXY, [IPV4(1)]);
    const reply = wire.authenticate(request, 40_000, FREERADIUS.address)!;
    expect(listOf(reply)).toBe('tower');
    expect(faultOf(reply, request, PROXY)).toBeNull();
    expect(listOf(wire.authenticate(dial(PROXY, [IPV4(2)]), 40_000, FREERADIUS.address))).toBe('hill');
    expect(listOf(wire.authenticate(dial(PROXY, [IPV6]), 40_000, FREERADIUS.address))).toBe('six');
  });

  test('is met with silence for a router that is in no table, or when it names none', () => {
    const { wire, server, events } = bench();
    for (const named of [[IPV4(77)], [], [avp(4, Buffer.of(1, 2))], [avp(95, Buffer.of(1))]])
      expect(wire.authenticate(dial(PROXY, named), 40_000, FREERADIUS.address)).toBeNull();
    expect(server.counters.drops['unknown-router']).toBe(4);
    expect(events.unprovenDrops[0]).toBe('freeradius: unknown-router');
  });

  test('hears a Reject at once, for it would take us for dead; a router waits', () => {
    const { wire, events } = bench({ least: 500, most: 600 });
    expect(wire.authenticate(dial(PROXY, [IPV4(1)], 'wrong'), 40_000, FREERADIUS.address)?.[0]).toBe(3);
    expect(wire.authenticate(dial(ROUTER.secret, [], 'wrong'), 40_000, ROUTER.address)).toBeNull();
    expect(events.refused.map(({ nasId }) => nasId)).toEqual([1, 1]);
  });

  test('accounts for the router it names, by its address', () => {
    const { wire, journal } = bench();
    const said = [number(40, 1), avp(44, 's1')];
    journal.immediate = false;
    wire.account(accountingRequest(1, [...said, IPV4(2)], PROXY), 40_001, FREERADIUS.address);
    wire.account(accountingRequest(2, [...said, IPV6], PROXY), 40_001, FREERADIUS.address);
    wire.account(accountingRequest(3, [...said, IPV4(77)], PROXY), 40_001, FREERADIUS.address);
    expect(journal.records.map(({ nasId, nasAddress }) => [nasId, Buffer.from(nasAddress).toString('hex')])).toEqual([
      [2, `${'0'.repeat(20)}ffff0a010002`],
      [3, '20010db8000000000000000000000007'],
    ]);
  });
});

test('a router that names another is itself: its address says who it is', () => {
  const { wire, journal } = bench();
  expect(listOf(wire.authenticate(dial(ROUTER.secret, [IPV4(2)]), 40_000, ROUTER.address))).toBe('tower');
  wire.account(accountingRequest(1, [number(40, 1), avp(44, 's1'), IPV4(2)], ROUTER.secret), 40_001, ROUTER.address);
  expect(journal.records.map(({ nasId }) => nasId)).toEqual([1]);
});
