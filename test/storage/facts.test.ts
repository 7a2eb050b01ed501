import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Facts } from '#domain/facts';
import { LONGEST_GRACE_DAYS } from '#domain/policy';
import { DAY } from '#domain/time';
import type { Metered } from '#domain/usage-period';
import { json, timestamp } from '#storage/database';
import { loadAllEntries, loadEntries, loadFacts, loadNases } from '#storage/facts';
import { createMasterKey, loadMasterKey, nasSecretAad, subscriberPasswordAad } from '#storage/secrets';
import { testDatabase } from '#test/support/database';
import { temporaryFolder } from '#test/support/holder';

const db = await testDatabase();

function newSealer(): ReturnType<typeof loadMasterKey> {
  const file = join(temporaryFolder(), 'master.key');
  createMasterKey(file);
  return loadMasterKey(file);
}

const NOW = Date.now();
const instant = fc.integer({ min: -200, max: 200 }).map((days) => NOW + days * DAY + 3_600_000);
const grant = fc.record({
  from: instant,
  days: fc.integer({ min: 1, max: 120 }),
  revokedAt: fc.option(instant),
  usedBytes: fc.nat(10 ** 12),
  metered: fc.option(fc.record({ lastAt: instant, bases: fc.array(fc.nat(10 ** 12), { minLength: 6, maxLength: 6 }) })),
  revision: fc.integer({ min: 1, max: 3 }),
});
const invoice = fc.record({
  kind: fc.constantFrom('period' as const, 'other' as const),
  dueAt: instant,
  settled: fc.boolean(),
  voided: fc.boolean(),
});
/** Of a few days, so that some lie within two days of the last and some before. */
const opening = fc.integer({ min: 0, max: 5 * 24 }).map((hours) => NOW - 300 * DAY + hours * 3_600_000);
const subscriber = fc.record({
  billing: fc.constantFrom('prepaid' as const, 'postpaid' as const),
  tags: fc.array(fc.constantFrom('vip', 'north,side', 'a"b', 'NULL'), { maxLength: 3 }),
  suspendedSince: fc.option(instant),
  grants: fc.array(grant, { maxLength: 6 }),
  invoices: fc.array(invoice, { maxLength: 4 }),
  openings: fc.array(opening, { maxLength: 6 }),
});
type Made = {
  readonly billing: 'prepaid' | 'postpaid';
  readonly tags: string[];
  readonly suspendedSince: number | null;
  readonly invoices: readonly { kind: string; dueAt: number; settled: boolean; voided: boolean }[];
  readonly openings: readonly number[];
};

const BURST = {
  downloadBps: 40_000_000,
  uploadBps: 40_000_000,
  thresholdDownloadBps: 15_000_000,
  thresholdUploadBps: 15_000_000,
  seconds: 16,
};

await db.query("insert into plan (id, name) overriding system value values (1, 'Harian'), (2, 'Bulanan')");
await db.query(
  `insert into plan_revision (id, plan_id, revision, download_bps, upload_bps, burst, allowance_bytes, period_days, period_months, price_rupiah, profile)
   overriding system value values
   (1, 1, 1, 20000000, 10000000, null, 21474836480, 1, null, 5000, null),
   (2, 2, 1, 50000000, 50000000, $1::jsonb, null, null, 1, 150000, 'prepaid-50mbps'),
   (3, 2, 2, 60000000, 50000000, null, null, null, 1, 150000, null)`,
  [json(BURST)],
);
const PLANS: Record<number, Facts['grants'][number]['plan']> = {
  1: {
    revisionId: 1,
    name: 'Harian',
    rate: { downloadBps: 20_000_000, uploadBps: 10_000_000, burst: null },
    allowanceBytes: 21_474_836_480,
    period: { days: 1 },
    priceRupiah: 5_000,
    profile: null,
  },
  2: {
    revisionId: 2,
    name: 'Bulanan',
    rate: { downloadBps: 50_000_000, uploadBps: 50_000_000, burst: BURST },
    allowanceBytes: null,
    period: { months: 1 },
    priceRupiah: 150_000,
    profile: 'prepaid-50mbps',
  },
  3: {
    revisionId: 3,
    name: 'Bulanan',
    rate: { downloadBps: 60_000_000, uploadBps: 50_000_000, burst: null },
    allowanceBytes: null,
    period: { months: 1 },
    priceRupiah: 150_000,
    profile: null,
  },
};

let invoices = 0;
const byId = (a: { id: number }, b: { id: number }) => a.id - b.id;

test('what is loaded is what a naive reader makes of the rows one by one, singly, together and all at once', async () => {
  const sealer = newSealer();
  await fc.assert(
    fc.asyncProperty(fc.array(subscriber, { minLength: 1, maxLength: 12 }), async (made) => {
      await db.query('truncate grants, subscriber, due, session cascade');
      const expected: Facts[] = [];
      for (const [index, one] of made.entries()) expected.push(await insert(sealer, index + 1, one, one.grants));
      const ids = expected.map((facts) => facts.subscriberId);
      const loaded = await loadEntries(db, sealer, [...ids.toReversed(), 999_999]);
      expect(loaded.map((entry) => sorted(entry.facts))).toEqual(expected);
      expect(loaded.map((entry) => entry.password)).toEqual(ids.map((id) => `rahasia ${id}`));
      const all: Facts[] = [];
      const count = await loadAllEntries(db, sealer, (entries) => {
        all.push(...entries.map((entry) => sorted(entry.facts)));
      });
      expect([count, all]).toEqual([expected.length, expected]);
      const [alone] = await loadEntries(db, sealer, [ids[0]!]);
      expect(sorted(alone!.facts)).toEqual(expected[0]);
      const unsealed = await loadFacts(db, [...ids, 999_999]);
      expect([...unsealed].map(([id, facts]) => [id, sorted(facts)])).toEqual(
        expected.map((facts, at) => [ids[at], facts]),
      );
    }),
    { numRuns: 25 },
  );
});

/** Writes one subscriber row by row and says what its facts must be, in plain code. */
async function insert(
  sealer: ReturnType<typeof loadMasterKey>,
  id: number,
  made: Made,
  grants: readonly {
    from: number;
    days: number;
    revokedAt: number | null;
    usedBytes: number;
    metered: Metered | null;
    revision: number;
  }[],
): Promise<Facts> {
  await db.query(
    `insert into subscriber (id, username, password_sealed, billing, tags, suspended_at, version)
     overriding system value values ($1, $2, $3, $4, $5, $6, $7)`,
    [
      id,
      `user${id}`,
      sealer.seal(`rahasia ${id}`, subscriberPasswordAad(id)),
      made.billing,
      made.tags,
      timestamp(made.suspendedSince),
      id * 10,
    ],
  );
  const inForceOnce: Facts['grants'][number][] = [];
  let chargedBytes = 0;
  for (const { from, days, revokedAt, usedBytes, metered, revision } of grants) {
    const end = from + days * DAY;
    const [row] = await db.query<{ id: number }>(
      `insert into grants (subscriber_id, plan_revision_id, starts_at, ends_at, revoked_at, used_bytes,
                           metered_at, metered_bases)
       values ($1, $2, $3, $4, $5, $6, $7, $8) returning id`,
      [
        id,
        revision,
        timestamp(from),
        timestamp(end),
        timestamp(revokedAt),
        usedBytes,
        timestamp(metered?.lastAt ?? null),
        metered?.bases ?? null,
      ],
    );
    chargedBytes += usedBytes;
    const until = revokedAt === null ? end : Math.min(end, revokedAt);
    if (until > from) inForceOnce.push({ id: row!.id, plan: PLANS[revision]!, from, until, usedBytes, metered });
  }
  const owed: number[] = [];
  for (const { kind, dueAt, settled, voided } of made.invoices) {
    invoices += 1;
    // One that was settled is not void.
    const isVoid = voided && !settled;
    const done = (is: boolean) => timestamp(is ? NOW : null);
    await db.query(
      `with of as (
         insert into subscription (subscriber_id, plan_id, billing_day, next_on, started_at, started_by, ended_at, ended_by)
         values ($2, 1, 1, '2026-12-01', $4, 'test', $4, 'test') returning id)
       insert into invoice (public_id, number, subscriber_id, kind, subscription_id, issued_at, issued_by, due_on, due_at, total_rupiah,
                            settled_at, voided_at, voided_by)
       select $1, $1, $2, $3, of.id, $4, 'test', '2026-11-30', $5, 100000, $6, $7, $8 from of`,
      [
        `inv_${String(invoices).padStart(20, '0')}`,
        id,
        kind,
        timestamp(NOW),
        timestamp(dueAt),
        done(settled),
        done(isVoid),
        isVoid ? 'test' : null,
      ],
    );
    if (kind === 'period' && !settled && !isVoid) owed.push(dueAt);
  }
  for (const at of made.openings) {
    const [intent] = await db.query<{ id: number }>(
      `insert into payment_intent (order_id, gateway, subscriber_id, amount_rupiah, created_at, created_by, closed_at)
       values (gen_random_uuid()::text, 'midtrans', $1, 1, $2, 'test', $2) returning id`,
      [id, timestamp(NOW)],
    );
    await db.query(
      `insert into payment_opening (subscriber_id, intent_id, opened_at, opened_by) values ($1, $2, $3, 'test')`,
      [id, intent!.id, timestamp(at)],
    );
  }
  const lastOpening = Math.max(...made.openings);
  const lastEnd = Math.max(...inForceOnce.map((grant) => grant.until));
  const kept = inForceOnce.filter(({ until }) => until === lastEnd || until >= NOW - LONGEST_GRACE_DAYS * DAY);
  return {
    subscriberId: id,
    username: `user${id}`,
    billing: made.billing,
    tags: made.tags,
    suspendedSince: made.suspendedSince,
    owesSince: owed.length === 0 ? null : Math.min(...owed),
    openings: made.openings.filter((at) => at > lastOpening - 2 * DAY).toSorted((one, other) => one - other),
    grants: kept.toSorted(byId),
    chargedBytes,
    nas: null,
    version: id * 10,
  };
}

const sorted = (facts: Facts): Facts => ({ ...facts, grants: facts.grants.toSorted(byId) });

test('a load of everything goes through more than one chunk', async () => {
  const sealer = newSealer();
  await db.query('truncate grants, subscriber, due, session cascade');
  const ids = Array.from({ length: 10_001 }, (_, index) => (index + 1) * 3);
  await db.query(
    `insert into subscriber (id, username, password_sealed, static_ip, mac, framed_ipv6_prefix, session_limit) overriding system value
     select id, name, sealed, '10.0.0.0'::inet + id, 'AA:BB:CC:00:00:01', '2001:db8::/64', 2
       from unnest($1::bigint[], $2::text[], $3::bytea[]) as t (id, name, sealed)`,
    [ids, ids.map((id) => `user${id}`), ids.map((id) => sealer.seal(`pw${id}`, subscriberPasswordAad(id)))],
  );
  const seen: number[] = [];
  const sizes: number[] = [];
  const count = await loadAllEntries(db, sealer, async (entries) => {
    sizes.push(entries.length);
    seen.push(...entries.map((entry) => entry.facts.subscriberId));
  });
  expect([count, sizes]).toEqual([10_001, [5_000, 5_000, 1]]);
  expect(seen).toEqual(ids);
  const [entry] = await loadEntries(db, sealer, [3]);
  expect(entry!.line).toEqual({
    mac: 'AA:BB:CC:00:00:01',
    sessionLimit: 2,
    staticIp: '10.0.0.3',
    framedIpv6Prefix: '2001:db8::/64',
    delegatedIpv6Prefix: null,
  });
});

test('one altered password keeps nobody else out, and cannot be dialled with; with a wrong key file nothing is loaded', async () => {
  const sealer = newSealer();
  await db.query('truncate grants, subscriber, due, session cascade');
  for (const id of [1, 2]) {
    await db.query(
      'insert into subscriber (id, username, password_sealed) overriding system value values ($1, $2, $3)',
      [id, `user${id}`, sealer.seal(`pw${id}`, subscriberPasswordAad(1))],
    );
  }
  const [whole, altered] = await loadEntries(db, sealer, [1, 2]);
  expect(whole).toMatchObject({ password: 'pw1', fault: null });
  expect(altered!.fault).toBe('subscriber.password_sealed:2: the sealed bytes were altered or belong to another row');
  expect(altered!.password).toMatch(/^[0-9a-f]{64}$/);
  await expect(loadEntries(db, newSealer(), [1, 2])).rejects.toThrow(/not the master key file of this database/);
});

test('routers are loaded with their secrets, which do not print', async () => {
  const sealer = newSealer();
  await db.query(
    `insert into nas (id, name, address, secret_sealed, coa_port, tags) overriding system value values (9, 'tower', '10.1.0.0/24', $1, 1700, '{north}')`,
    [sealer.seal('canary-1182', nasSecretAad(9))],
  );
  const nases = await loadNases(db, sealer);
  expect(JSON.stringify(nases)).not.toContain('canary');
  expect(nases[0]!.secret.reveal()).toBe('canary-1182');
  expect(nases).toMatchObject([
    {
      id: 9,
      name: 'tower',
      address: '10.1.0.0/24',
      coaPort: 1700,
      coaPerSecond: 50,
      messageAuthenticator: 'auto',
      messageAuthenticatorSeen: false,
      swapOctets: false,
      tags: ['north'],
      fault: null,
    },
  ]);
  await expect(loadNases(db, newSealer())).rejects.toThrow(/not the master key file of this database/);
});
