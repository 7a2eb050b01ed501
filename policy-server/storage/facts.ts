import { randomBytes } from 'node:crypto';
import { assert } from '#domain/assert';
import type { Facts, Grant } from '#domain/facts';
import type { Burst, Plan } from '#domain/plan';
import { LONGEST_GRACE_DAYS, type NasVendor } from '#domain/policy';
import type { Instant } from '#domain/time';
import type { Metered } from '#domain/usage-period';
import { type Database, type Queryable, timestamp } from '#storage/database';
import type { Sealer } from '#storage/secrets';
import { nasSecretAad, SecretsFault, SecretText, subscriberPasswordAad } from '#storage/secrets';

/**
 * One subscriber as the directories hold them. `password` is plain text in a plain string (a million of them are held,
 * and sent to worker threads): an entry must never be printed.
 */
export type LoadedEntry = {
  /** `nas` is null: who dials adds theirs. */
  readonly facts: Facts;
  /** Something that nobody knows, when `fault` says why the stored one cannot be opened. */
  readonly password: string;
  readonly fault?: string | null;
  readonly line: {
    readonly mac: string | null;
    readonly sessionLimit: number;
    readonly staticIp: string | null;
    readonly framedIpv6Prefix: string | null;
    readonly delegatedIpv6Prefix: string | null;
  };
};

/** One router with its secret opened. `address` is an address or a CIDR. */
export type LoadedNas = {
  readonly id: number;
  readonly name: string;
  readonly address: string;
  /** Something that nobody knows, when `fault` says why the stored one cannot be opened. */
  readonly secret: SecretText;
  readonly fault?: string | null;
  readonly coaPort: number;
  readonly coaPerSecond: number;
  readonly messageAuthenticator: 'required' | 'auto' | 'off';
  readonly messageAuthenticatorSeen: boolean;
  readonly swapOctets: boolean;
  readonly tags: readonly string[];
  readonly vendor: NasVendor;
  readonly proxy: boolean;
  /** The proxy that passes CoA on to it; null = CoA goes to itself. */
  readonly coaViaId: number | null;
};

/** Subscribers a read of everything takes at a time. */
const CHUNK = 5_000;

/**
 * The entries of those of `ids` that exist, in the order of their ids. Three statements for any number. Throws
 * `SecretsFault` when there are some and not one password opens.
 */
export async function loadEntries(q: Queryable, sealer: Sealer, ids: readonly number[]): Promise<LoadedEntry[]> {
  if (ids.length === 0) return [];
  const subscribers = await q.query<SubscriberRow>(SUBSCRIBERS_BY_ID, [ids], 'facts-subscribers');
  return assemble(q, sealer, subscribers, new Map());
}

/**
 * Every subscriber, in chunks of up to 5,000 in the order of their ids; the next chunk is read while `onChunk` works.
 * Not one snapshot: take `currentCursor` before, and what changes meanwhile comes through the feed. Returns how many.
 */
export async function loadAllEntries(
  q: Database,
  sealer: Sealer,
  onChunk: (entries: LoadedEntry[]) => void | Promise<void>,
): Promise<number> {
  const plans = new Map<number, Plan>();
  const read = (after: number) => q.query<SubscriberRow>(SUBSCRIBERS_AFTER, [after, CHUNK], 'facts-all');
  let count = 0;
  let next = read(0);
  for (;;) {
    const subscribers = await next;
    const last = subscribers.at(-1);
    if (last === undefined) return count;
    next = read(last.id);
    next.catch(() => undefined); // seen when it is awaited; until then it must not count as unhandled
    await onChunk(await assemble(q, sealer, subscribers, plans));
    count += subscribers.length;
  }
}

/**
 * The facts of every subscriber for decisions at `at` and later, for who needs no passwords: in chunks of up to 5,000 in
 * the order of their ids, the next of which is read while `onChunk` works. Of the grants that ended before `at` only the
 * last is there, and only where none is in force: no later decision can ask for more. `nas` is null.
 */
export async function loadAllFacts(
  q: Queryable,
  at: Instant,
  onChunk: (facts: readonly Facts[]) => void | Promise<void>,
): Promise<void> {
  const plans = new Map<number, Plan>();
  const read = async (after: number): Promise<Facts[]> => {
    const rows = await q.query<AheadRow>(FACTS_AFTER, [after, CHUNK], 'facts-ahead');
    const span = [after, rows.at(-1)?.id ?? after, timestamp(at)];
    const bought = await readBought(q, await q.query<GrantRow>(GRANTS_AHEAD, span, 'facts-grants-ahead'), plans);
    return rows.map(({ id, tags, openings, ...row }) =>
      factsOf({ id, tags: tags ?? [], openings: openings ?? [], ...row }, bought.get(id)),
    );
  };
  for (let next = read(0); ; ) {
    const facts = await next;
    const last = facts.at(-1);
    if (last === undefined) return;
    next = read(last.subscriberId);
    next.catch(() => undefined); // seen when it is awaited; until then it must not count as unhandled
    await onChunk(facts);
  }
}

/** Every router. Throws `SecretsFault` when there are some and not one secret opens. */
export async function loadNases(q: Queryable, sealer: Sealer): Promise<LoadedNas[]> {
  const rows = await q.query<Omit<LoadedNas, 'secret' | 'fault'> & { sealed: Buffer }>(
    `select id, name, address::text as address, secret_sealed as sealed, coa_port as "coaPort",
            coa_per_second as "coaPerSecond", message_authenticator as "messageAuthenticator",
            message_authenticator_seen as "messageAuthenticatorSeen", swap_octets as "swapOctets", tags, vendor,
            proxy, coa_via_id as "coaViaId"
       from nas order by id`,
  );
  const nases = rows.map(({ sealed, ...nas }) => {
    const { text, fault } = openOrSubstitute(sealer, sealed, nasSecretAad(nas.id));
    return { ...nas, secret: new SecretText(text), fault };
  });
  refuseWrongKey(nases);
  return nases;
}

type FactsRow = Omit<Facts, 'subscriberId' | 'grants' | 'chargedBytes' | 'nas'> & { readonly id: number };

/** Most have no tags and no openings, and the driver reads null quicker than an empty array. */
type AheadRow = Omit<FactsRow, 'tags' | 'openings'> & {
  readonly tags: string[] | null;
  readonly openings: Instant[] | null;
};

type SubscriberRow = FactsRow & {
  readonly sealed: Buffer;
  readonly mac: string | null;
  readonly sessionLimit: number;
  readonly staticIp: string | null;
  readonly framedIpv6Prefix: string | null;
  readonly delegatedIpv6Prefix: string | null;
};

/** What of the invoices a postpaid line owes; an index knows this expression. */
const OWED = `settled_at is null and voided_at is null and kind = 'period'`;

const OWES_SINCE = `(select min(due_at) from invoice where subscriber_id = subscriber.id and ${OWED})`;
const OPENINGS = `array(select opened_at from payment_opening where subscriber_id = subscriber.id and opened_at >
              (select max(opened_at) from payment_opening where subscriber_id = subscriber.id) - interval '2 days'
             order by opened_at)`;
const SUBSCRIBER = `
select id, username, password_sealed as sealed, billing, tags, suspended_at as "suspendedSince", version, mac,
       session_limit as "sessionLimit", host(static_ip) as "staticIp", framed_ipv6_prefix as "framedIpv6Prefix",
       delegated_ipv6_prefix as "delegatedIpv6Prefix", ${OWES_SINCE} as "owesSince", ${OPENINGS} as openings
  from subscriber`;
const FACTS_AFTER = `
select id, username, billing, nullif(tags, '{}') as tags, suspended_at as "suspendedSince", version,
       ${OWES_SINCE} as "owesSince", nullif(${OPENINGS}, '{}') as openings
  from subscriber where id > $1 order by id limit $2`;
const SUBSCRIBERS_BY_ID = `${SUBSCRIBER} where id = any($1::bigint[]) order by id`;
const SUBSCRIBERS_AFTER = `${SUBSCRIBER} where id > $1 order by id limit $2`;

const GRANT = `g.id, g.plan_revision_id as "revisionId", g.starts_at as "from", least(g.ends_at, g.revoked_at) as until,
       g.used_bytes as "usedBytes", g.metered_at as "meteredAt", array_to_string(g.metered_bases, ',') as "meteredBases"`;

/**
 * What was charged counts over all grants ever; the grants themselves are kept while the longest grace a policy may
 * give can ask for them, and the one that ended last always, so that "expired since" can be said of an old customer too.
 * One statement, so that all are of one moment. A grant revoked before it began never was in force.
 */
const GRANTS = `
select total.subscriber_id as "subscriberId", total.charged, ${GRANT}
  from (select subscriber_id, sum(used_bytes)::bigint as charged,
               max(least(ends_at, revoked_at)) filter (where least(ends_at, revoked_at) > starts_at) as last_end
          from grants where subscriber_id = any($1::bigint[]) group by subscriber_id) total
  left join grants g on g.subscriber_id = total.subscriber_id and least(g.ends_at, g.revoked_at) > g.starts_at
       and least(g.ends_at, g.revoked_at) >= least(now() - interval '${LONGEST_GRACE_DAYS} days', total.last_end)`;

/** Of a span of subscribers, what `loadAllFacts` says. The join names the span again: else it would read all grants. */
const GRANTS_AHEAD = `
select total.subscriber_id as "subscriberId", total.charged, ${GRANT}
  from (select subscriber_id, sum(used_bytes)::bigint as charged,
               max(until) filter (where starts_at < until and until <= $3::timestamptz) as last_end,
               bool_or(starts_at <= $3::timestamptz and until > $3::timestamptz) as covered
          from grants cross join lateral (select least(ends_at, revoked_at) as until) ends
         where subscriber_id > $1 and subscriber_id <= $2 group by subscriber_id) total
  left join grants g on g.subscriber_id = total.subscriber_id and g.subscriber_id > $1 and g.subscriber_id <= $2
       and least(g.ends_at, g.revoked_at) > g.starts_at
       and (least(g.ends_at, g.revoked_at) > $3::timestamptz or
            not total.covered and least(g.ends_at, g.revoked_at) = total.last_end)`;

/** The bases as text, joined by commas: the driver reads that quicker than an array. */
export type MeteredRow = { readonly meteredAt: Instant | null; readonly meteredBases: string | null };

export function meteredOf({ meteredAt, meteredBases }: MeteredRow): Metered | null {
  return meteredAt === null || meteredBases === null
    ? null
    : { lastAt: meteredAt, bases: meteredBases.split(',').map(Number) };
}

type GrantRow = { readonly subscriberId: number; readonly charged: number } & (
  | (Omit<Grant, 'plan' | 'metered'> & MeteredRow & { readonly revisionId: number })
  | { readonly id: null }
);

/**
 * The subscribers were read first and their grants now: the facts may be newer than their `version`, in which case the
 * next version brings the same again, but never older.
 */
async function assemble(
  q: Queryable,
  sealer: Sealer,
  subscribers: readonly SubscriberRow[],
  plans: Map<number, Plan>,
): Promise<LoadedEntry[]> {
  const ids = subscribers.map((subscriber) => subscriber.id);
  const bought = await readBought(q, await grantRows(q, ids), plans);
  const entries = subscribers.map((row) => entry(row, bought.get(row.id), sealer));
  refuseWrongKey(entries);
  return entries;
}

/** The facts of those of `ids` that exist, for who needs no passwords; `nas` is null. Three statements for any number. */
export async function loadFacts(q: Queryable, ids: readonly number[]): Promise<Map<number, Facts>> {
  const [rows, bought] = [
    await q.query<SubscriberRow>(SUBSCRIBERS_BY_ID, [ids], 'facts-subscribers'),
    await readBought(q, await grantRows(q, ids), new Map()),
  ];
  return new Map(rows.map((row) => [row.id, factsOf(row, bought.get(row.id))]));
}

/** The grants of `Facts` of each of `ids` that has any: for who needs no passwords. Two statements for any number. */
export async function loadGrants(q: Queryable, ids: readonly number[]): Promise<Map<number, readonly Grant[]>> {
  const bought = await readBought(q, await grantRows(q, ids), new Map());
  return new Map([...bought].map(([id, { grants }]) => [id, grants]));
}

const grantRows = (q: Queryable, ids: readonly number[]): Promise<GrantRow[]> =>
  q.query<GrantRow>(GRANTS, [ids], 'facts-grants');

/** What each subscriber was charged, and the grants of the rows. */
async function readBought(
  q: Queryable,
  rows: readonly GrantRow[],
  plans: Map<number, Plan>,
): Promise<Map<number, { charged: number; grants: Grant[] }>> {
  await addPlans(q, plans, rows);
  const bought = new Map<number, { charged: number; grants: Grant[] }>();
  for (const row of rows) {
    let one = bought.get(row.subscriberId);
    if (one === undefined) {
      one = { charged: row.charged, grants: [] };
      bought.set(row.subscriberId, one);
    }
    if (row.id === null) continue;
    const plan = plans.get(row.revisionId);
    assert(plan !== undefined, 'a grant refers to a plan revision that exists');
    const { id, from, until, usedBytes } = row;
    one.grants.push({ id, plan, from, until, usedBytes, metered: meteredOf(row) });
  }
  return bought;
}

/** One row that was altered must not keep the others from being loaded … */
function openOrSubstitute(sealer: Sealer, sealed: Buffer, aad: string): { text: string; fault: string | null } {
  try {
    return { text: sealer.open(sealed, aad), fault: null };
  } catch (error) {
    if (!(error instanceof SecretsFault)) throw error;
    return { text: randomBytes(32).toString('hex'), fault: error.message };
  }
}

/** … but where none opens, it is the key file that is wrong. */
function refuseWrongKey(loaded: readonly { readonly fault?: string | null }[]): void {
  const [first] = loaded;
  if (first !== undefined && loaded.every(({ fault }) => typeof fault === 'string'))
    throw new SecretsFault(first.fault!);
}

const NO_GRANTS = { charged: 0, grants: [] };

function factsOf(row: FactsRow, { charged, grants }: { charged: number; grants: Grant[] } = NO_GRANTS): Facts {
  return {
    subscriberId: row.id,
    username: row.username,
    billing: row.billing,
    tags: row.tags,
    suspendedSince: row.suspendedSince,
    owesSince: row.owesSince,
    openings: row.openings,
    grants,
    chargedBytes: charged,
    nas: null,
    version: row.version,
  };
}

function entry(
  row: SubscriberRow,
  bought: { charged: number; grants: Grant[] } | undefined,
  sealer: Sealer,
): LoadedEntry {
  const { text, fault } = openOrSubstitute(sealer, row.sealed, subscriberPasswordAad(row.id));
  return {
    facts: factsOf(row, bought),
    password: text,
    fault,
    line: {
      mac: row.mac,
      sessionLimit: row.sessionLimit,
      staticIp: row.staticIp,
      framedIpv6Prefix: row.framedIpv6Prefix,
      delegatedIpv6Prefix: row.delegatedIpv6Prefix,
    },
  };
}

type PlanRow = {
  readonly revisionId: number;
  readonly name: string;
  readonly downloadBps: number;
  readonly uploadBps: number;
  readonly burst: Burst | null;
  readonly allowanceBytes: number | null;
  readonly periodDays: number | null;
  readonly periodMonths: number | null;
  readonly priceRupiah: number;
  readonly profile: string | null;
};

const PLANS = `
select r.id as "revisionId", plan.name, r.download_bps as "downloadBps", r.upload_bps as "uploadBps", r.burst,
       r.allowance_bytes as "allowanceBytes", r.period_days as "periodDays", r.period_months as "periodMonths",
       r.price_rupiah as "priceRupiah", r.profile
  from plan_revision r join plan on plan.id = r.plan_id where r.id = any($1::int[])`;

/** Plans are shared between the entries of a load: a million subscribers, some tens of plans. */
async function addPlans(q: Queryable, plans: Map<number, Plan>, rows: readonly GrantRow[]): Promise<void> {
  const missing = new Set<number>();
  for (const row of rows) if (row.id !== null && !plans.has(row.revisionId)) missing.add(row.revisionId);
  if (missing.size === 0) return;
  for (const row of await q.query<PlanRow>(PLANS, [[...missing]], 'facts-plans')) plans.set(row.revisionId, plan(row));
}

function plan({ downloadBps, uploadBps, burst, periodDays, periodMonths, ...row }: PlanRow): Plan {
  assert(periodDays !== null || periodMonths !== null, 'a plan revision has one period');
  const period = periodDays !== null ? { days: periodDays } : { months: periodMonths! };
  return { ...row, rate: { downloadBps, uploadBps, burst }, period };
}
