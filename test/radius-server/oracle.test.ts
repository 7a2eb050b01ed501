import { expect, test } from 'vitest';
import { DAY, MINUTE } from '#domain/time';
import type { DirectoryEntry } from '#radius/directory';
import type { NasEntry } from '#radius/nas-table';
import { entry, HOME_20, makeServer, NAS, NOON, Wire } from '#test/radius-server/harness';
import { Random } from '#test/radius-server/random';
import { type Avp, avp, chap, number, packet, pap, vendor, vendorTextOf } from '#test/radius-server/requests';
import { ntResponse, ntResponse2 } from '#test/world/chap';

/**
 * A06: the server against a model a child could check. Every dial is drawn at random: who, in what standing, on what line,
 * with which kind of credential, right or wrong, from which NAS, signed or not. The model says what must come of it.
 */

const DIALS = Number(process.env.ORACLE_DIALS ?? 100_000);
const MICROSOFT = 311;
const MAC = (n: number): string => `AA:BB:CC:00:00:${n.toString(16).padStart(2, '0').toUpperCase()}`;

type Standing = 'covered' | 'never' | 'expired' | 'later' | 'spent' | 'suspended';
type User = {
  readonly name: string;
  readonly password: string;
  readonly standing: Standing;
  readonly lockedTo: number | null;
  readonly limit: number;
  /** Devices online: which, and for how many minutes nothing was heard of it (an interim is due every five). */
  readonly online: readonly { readonly mac: number; readonly silentMinutes: number }[];
};

type Dial = {
  readonly user: User | null;
  readonly name: string;
  readonly password: string;
  readonly credential: 'pap' | 'chap' | 'chap-attribute' | 'mschap' | 'mschap2' | 'none' | 'pap+chap' | 'eap';
  readonly mac: number | null;
  readonly nas: NasEntry;
  readonly signed: boolean;
  readonly badSignature: boolean;
  readonly authorizeOnly: boolean;
  readonly identity: boolean;
  readonly proxyState: boolean;
};

type Verdict = 'full' | 'walled' | 'reject' | 'silence';

/** The model: no caching, no octets, one rule a line. */
function expected(dial: Dial): Verdict {
  if (dial.signed && dial.badSignature) return 'silence';
  if (!dial.signed && (dial.nas.messageAuthenticator === 'required' || dial.credential === 'eap')) return 'silence';
  if (!dial.signed && dial.proxyState) return 'silence';
  if (!dial.identity || dial.authorizeOnly) return 'reject';
  if (dial.credential === 'none' || dial.credential === 'pap+chap' || dial.credential === 'eap') return 'reject';
  const user = dial.user;
  if (user === null || dial.password !== user.password) return 'reject';
  if (user.lockedTo !== null && dial.mac !== user.lockedTo) return 'reject';
  if (user.standing === 'suspended') return 'reject';
  const others = user.online.filter(({ mac, silentMinutes }) => mac !== dial.mac && silentMinutes <= 12.5);
  if (others.length >= user.limit) return 'reject';
  return user.standing === 'covered' ? 'full' : 'walled';
}

function someUser(random: Random, i: number): User {
  return {
    name: `user${i}@isp`,
    password: random.chance(0.1) ? `a long pass phrase of user ${i}, longer than sixteen` : `pw${i}`,
    standing: random.of(['covered', 'covered', 'never', 'expired', 'later', 'spent', 'suspended']),
    lockedTo: random.chance(0.25) ? random.below(3) : null,
    limit: 1 + random.below(2),
    online: Array.from({ length: random.below(4) }, () => ({ mac: random.below(3), silentMinutes: random.below(20) })),
  };
}

function entryOf(user: User): DirectoryEntry {
  const grant = (from: number, until: number, usedBytes = 0, allowanceBytes: number | null = null) => [
    { id: 1, plan: { ...HOME_20, allowanceBytes }, from, until, usedBytes, metered: null },
  ];
  const grants = {
    covered: grant(NOON - DAY, NOON + DAY),
    suspended: grant(NOON - DAY, NOON + DAY),
    never: [],
    expired: grant(NOON - 2 * DAY, NOON),
    later: grant(NOON + 1, NOON + DAY),
    spent: grant(NOON - DAY, NOON + DAY, 1000, 1000),
  }[user.standing];
  return entry(
    user.name,
    user.password,
    {
      grants,
      chargedBytes: user.standing === 'spent' ? 1000 : 0,
      suspendedSince: user.standing === 'suspended' ? NOON - 1 : null,
    },
    { mac: user.lockedTo === null ? null : MAC(user.lockedTo), sessionLimit: user.limit },
  );
}

const NASES: readonly NasEntry[] = [
  { ...NAS, id: 1, name: 'old', address: '10.0.0.1' },
  { ...NAS, id: 2, name: 'new', address: '10.0.0.2', secret: 'the other secret', messageAuthenticator: 'required' },
];

function someDial(random: Random, users: readonly User[]): Dial {
  const user = random.chance(0.05) ? null : random.of(users);
  const wrong = random.chance(0.3);
  const right = user?.password ?? 'whatever';
  return {
    user,
    name: user?.name ?? `nobody${random.below(100)}`,
    password: wrong
      ? random.of(['', right.slice(0, -1), `${right} `, right.toUpperCase(), random.of(users).password])
      : right,
    credential: random.of([
      'pap',
      'pap',
      'chap',
      'chap-attribute',
      'mschap',
      'mschap2',
      'mschap2',
      'none',
      'pap+chap',
      'eap',
    ]),
    mac: random.chance(0.1) ? null : random.below(4),
    nas: random.of(NASES),
    signed: random.chance(0.7),
    badSignature: random.chance(0.05),
    authorizeOnly: random.chance(0.02),
    identity: !random.chance(0.02),
    proxyState: random.chance(0.05),
  };
}

function credentialOf(dial: Dial, random: Random, authenticator: Buffer): Avp[] {
  const { name, password, nas } = dial;
  const challenge = random.bytes(16);
  switch (dial.credential) {
    case 'pap':
      return [pap(password, authenticator, nas.secret)];
    case 'chap':
      return [chap(password, authenticator)];
    case 'chap-attribute':
      return [avp(60, challenge), chap(password, challenge)];
    case 'pap+chap':
      return [pap(password, authenticator, nas.secret), chap(password, authenticator)];
    case 'mschap': {
      const short = challenge.subarray(0, 8);
      const value = Buffer.concat([Buffer.of(1, 1), Buffer.alloc(24), ntResponse(short, password)]);
      return [vendor(MICROSOFT, 11, short), vendor(MICROSOFT, 1, value)];
    }
    case 'mschap2': {
      const peer = random.bytes(16);
      const response = ntResponse2(challenge, peer, name, password);
      return [
        vendor(MICROSOFT, 11, challenge),
        vendor(MICROSOFT, 25, Buffer.concat([Buffer.of(1, 0), peer, Buffer.alloc(8), response])),
      ];
    }
    case 'eap':
      return [avp(79, Buffer.of(2, 0, 0, 9, 1, 0x64, 0x65, 0x6d, 0x6f))];
    case 'none':
      return [];
  }
}

function datagramOf(dial: Dial, random: Random): Buffer {
  const authenticator = random.bytes(16);
  const attributes = [
    avp(1, dial.name),
    number(6, dial.authorizeOnly ? 17 : 2),
    ...(dial.mac === null ? [] : [avp(31, random.of([MAC(dial.mac), MAC(dial.mac).toLowerCase()]))]),
    ...(dial.identity ? [avp(32, dial.nas.name)] : []),
    ...(dial.proxyState ? [avp(33, random.bytes(5))] : []),
    ...credentialOf(dial, random, authenticator),
  ];
  const signed = dial.signed ? random.of(['first', 'last'] as const) : 'no';
  const bytes = packet(1, random.below(256), authenticator, attributes, dial.nas.secret, signed);
  if (dial.signed && dial.badSignature) bytes[signed === 'first' ? 22 : bytes.length - 1]! ^= 1;
  return bytes;
}

function verdictOf(reply: Buffer | null): Verdict {
  if (reply === null) return 'silence';
  if (reply[0] === 3) return 'reject';
  return vendorTextOf(reply, 14988, 19) === 'prepaid-active' ? 'full' : 'walled';
}

test(`A06 of ${DIALS} random dials not one is answered otherwise than the model says`, { timeout: 120_000 }, () => {
  const seed = Number(process.env.ORACLE_SEED ?? 20261121);
  const random = new Random(seed);
  const users = Array.from({ length: 400 }, (_, i) => someUser(random, i));
  const bench = makeServer({ entries: users.map(entryOf), nases: NASES });
  bench.directory.setSessions(
    users.map((user) => ({
      subscriberId: entryOf(user).facts.subscriberId,
      sessions: user.online.map(({ mac, silentMinutes }) => ({
        mac: MAC(mac),
        heardAt: NOON - silentMinutes * MINUTE,
        interimSeconds: 300,
      })),
    })),
  );
  const wire = new Wire(bench.server);
  const seen: Record<Verdict, number> = { full: 0, walled: 0, reject: 0, silence: 0 };
  for (let i = 0; i < DIALS; i += 1) {
    const dial = someDial(random, users);
    const said = verdictOf(wire.authenticate(datagramOf(dial, random), 1024 + (i & 0x7fff), dial.nas.address));
    if (said !== expected(dial)) expect({ seed, i, dial, said }).toEqual({ seed, i, dial, said: expected(dial) });
    seen[said] += 1;
  }
  for (const verdict of Object.values(seen)) expect(verdict).toBeGreaterThan(DIALS / 50);
  expect(bench.errors).toEqual([]);
});
