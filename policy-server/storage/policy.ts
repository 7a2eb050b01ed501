import { defaultPolicy, type Policy, parsePolicy } from '#domain/policy';
import type { Policies } from '#domain/rollout';
import type { Instant } from '#domain/time';
import type { Queryable, Transaction } from '#storage/database';
import { json, timestamp } from '#storage/database';

/** A revision as a list shows it. */
export type RevisionRow = {
  readonly id: number;
  readonly note: string;
  readonly createdBy: string;
  readonly createdAt: Instant;
  /** When it last came in force; null: it never was. */
  readonly publishedAt: Instant | null;
  readonly inForce: boolean;
  /** The newest revision when it was saved. */
  readonly baseId: number | null;
};

/** With its document, and its text where a person wrote one. */
export type StoredRevision = RevisionRow & { readonly document: unknown; readonly source: string | null };

export type NewRevision = {
  readonly document: object;
  readonly source: string | null;
  readonly baseId: number | null;
  readonly note: string;
  readonly createdBy: string;
  readonly at: Instant;
  /** It is in force from `at` on, for everybody: only for what needs no rollout. */
  readonly inForce: boolean;
};

/** Writes a revision; its document is one that `parsePolicy` took. Returns its number. */
export async function insertRevision(q: Queryable, revision: NewRevision): Promise<number> {
  const [row] = await q.query<{ id: number }>(
    `insert into policy_revision (document, source, base_id, note, created_by, created_at, published_at)
     values ($1::jsonb, $2, $3, $4, $5, $6::timestamptz, case when $7 then $6::timestamptz end) returning id`,
    [
      json(revision.document),
      revision.source,
      revision.baseId,
      revision.note,
      revision.createdBy,
      timestamp(revision.at),
      revision.inForce,
    ],
  );
  return row!.id;
}

/** Writes a policy document as the revision in force, without a rollout. */
export function publishPolicy(
  tx: Transaction,
  { document, note, createdBy, at }: { document: object; note: string; createdBy: string; at: Date },
): Promise<number> {
  return insertRevision(tx, { document, note, createdBy, source: null, baseId: null, at: at.getTime(), inForce: true });
}

/** A revision comes in force, for everybody who is not in a rollout's share. */
export async function putInForce(q: Queryable, revision: number, at: Instant): Promise<void> {
  // Never older than what was in force, whatever the clock of this node says.
  await q.execute(
    `update policy_revision set published_at = greatest($2::timestamptz,
       (select max(published_at) + interval '1 millisecond' from policy_revision)) where id = $1`,
    [revision, timestamp(at)],
  );
}

/** Nobody else saves or publishes a policy until the transaction ends; they are read all the while. */
export async function lockPolicies(tx: Queryable): Promise<void> {
  await tx.execute('lock table policy_revision in share row exclusive mode');
}

const IN_FORCE = `select id from policy_revision where published_at is not null
  order by published_at desc, id desc limit 1`;

/** The document in force and the number of its revision; null before the first start has written the default. */
export async function policyInForce(q: Queryable): Promise<{ id: number; document: unknown } | null> {
  const [row] = await q.query<{ id: number; document: unknown }>(
    `select id, document from policy_revision where id = (${IN_FORCE})`,
  );
  return row ?? null;
}

const COLUMNS = `id, note, created_by as "createdBy", created_at as "createdAt", published_at as "publishedAt",
  base_id as "baseId", id = (${IN_FORCE}) as "inForce"`;

/** Revisions, newest first; those before the revision `before`. */
export function revisionRows(q: Queryable, limit: number, before: number | null): Promise<RevisionRow[]> {
  return q.query<RevisionRow>(
    `select ${COLUMNS} from policy_revision where $2::int is null or id < $2 order by id desc limit $1`,
    [limit, before],
  );
}

/** One revision; null when there is none of this number. */
export async function storedRevision(q: Queryable, id: number): Promise<StoredRevision | null> {
  const [row] = await q.query<StoredRevision>(
    `select ${COLUMNS}, document, source from policy_revision where id = $1`,
    [id],
  );
  return row ?? null;
}

/** The revision that was saved last, in force or not. */
export async function newestRevision(q: Queryable): Promise<StoredRevision | null> {
  const [row] = await q.query<StoredRevision>(
    `select ${COLUMNS}, document, source from policy_revision order by id desc limit 1`,
  );
  return row ?? null;
}

/** What was in force before this revision came; null when nothing was. */
export async function revisionBefore(q: Queryable, id: number): Promise<number | null> {
  const [row] = await q.query<{ before: number | null }>(
    `select coalesce(
       (select from_id from policy_rollout where to_id = $1 and stage = 'done' order by id desc limit 1),
       (select id from policy_revision where id < $1 and published_at is not null order by published_at desc, id desc limit 1)
     ) as before`,
    [id],
  );
  return row!.before;
}

type Version = {
  readonly current: number | null;
  readonly next: number | null;
  readonly share: number | null;
  readonly salt: number | null;
};

/** The policies lines are decided by now, and a name for exactly these: another name, other policies. */
export type ReadPolicies = { readonly version: string; readonly policies: Policies };

/**
 * Reads the policies that lines are decided by, meant in `zone`. Documents are taken apart once for each revision, for a
 * revision never changes; while nothing changes, one small statement is all it takes. `known`: what was read before.
 */
export function policyReader(zone: string): (q: Queryable, known?: ReadPolicies | null) => Promise<ReadPolicies> {
  const parsed = new Map<number, Policy>();
  const take = async (q: Queryable, ids: readonly number[]): Promise<void> => {
    const unknown = ids.filter((id) => !parsed.has(id));
    if (unknown.length > 0) for (const [id, policy] of await load(q, unknown, zone)) parsed.set(id, policy);
    for (const id of parsed.keys()) if (!ids.includes(id)) parsed.delete(id);
  };
  return async (q, known = null) => {
    const [now] = await q.query<Version>(VERSION, [], 'policies-version');
    const { current, next, share, salt } = now!;
    const version = `${current} ${next} ${share} ${salt}`;
    if (known?.version === version) return known;
    await take(
      q,
      [current, next].filter((id) => id !== null),
    );
    const rollout = next === null ? null : { policy: parsed.get(next)!, share: share ?? 0, salt: salt ?? 0 };
    return { version, policies: { current: current === null ? defaultPolicy(zone) : parsed.get(current)!, rollout } };
  };
}

/** One statement, so that it is one state: a rollout that ends and what is in force after it change in one commit. */
const VERSION = `select (${IN_FORCE}) as current, r.to_id as next, r.share, r.salt
from (select) here left join policy_rollout r on r.ended_at is null and r.stage <> 'rolling-back'`;

async function load(q: Queryable, ids: readonly number[], zone: string): Promise<(readonly [number, Policy])[]> {
  const rows = await q.query<{ id: number; document: unknown }>(
    'select id, document from policy_revision where id = any($1::int[])',
    [ids],
  );
  return rows.map(({ id, document }) => [id, parsePolicy(document, zone)]);
}

/** The policies by which lines are decided now, meant in the company's zone. */
export async function currentPolicies(q: Queryable, zone: string): Promise<Policies> {
  return (await policyReader(zone)(q)).policies;
}
