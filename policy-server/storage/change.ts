import type { Database, Queryable, Transaction } from '#storage/database';
import { json } from '#storage/database';

/** Who changes facts, and why: the row that goes into the audit with the change itself. */
export type Why = {
  /** `cli:<os user>`, `staff:<name>`, `subscriber:<id>`, `system`. */
  readonly actor: string;
  /** The verb, for example `grant plan`. */
  readonly why: string;
  /** Whom it concerns; left out, it is the subscriber that was marked when it was exactly one. */
  readonly subscriberId?: number;
  /** What else one must know to understand it later. Never a secret. */
  readonly detail?: Readonly<Record<string, unknown>>;
  /** Set while it was being done: it changed nothing, and leaves no row. */
  readonly nothing?: boolean;
};

/** A transaction that changes facts: it says whose, so that directories and enforcement take notice at its commit. */
export type ChangeTransaction = Transaction & {
  mark(subscriberIds: readonly number[]): Promise<void>;
  markNas(nasId: number): Promise<void>;
  markPolicy(revisionId: number): Promise<void>;
};

/** The channel that wakes the readers of the feed. The payload says nothing: the table `change` is the message. */
export const CHANGE_CHANNEL = 'gerbang_change';

/**
 * The one way facts are changed: `work`, its marks and its audit row are one commit. It may be run again when another
 * transaction was in the way (`Database.transaction`), so it must not act outside of the database.
 */
export function change<Result>(
  db: Database,
  why: Why,
  work: (tx: ChangeTransaction) => Promise<Result>,
): Promise<Result> {
  return db.transaction((tx) => audited(tx, why, work));
}

/** A change of its own, to be committed together with others. */
export type Change<Result> = { readonly why: Why; readonly work: (tx: ChangeTransaction) => Promise<Result> };

/** Many changes, one after another, in one commit: as `change`, each with its own audit row. All of them are done, or none. */
export function changeTogether<Result>(db: Database, changes: readonly Change<Result>[]): Promise<Result[]> {
  return db.transaction(async (tx) => {
    const results: Result[] = [];
    for (const { why, work } of changes) results.push(await audited(tx, why, work));
    return results;
  });
}

async function audited<Result>(
  tx: Transaction,
  why: Why,
  work: (tx: ChangeTransaction) => Promise<Result>,
): Promise<Result> {
  const marked = new Set<number>();
  const result = await work({
    query: tx.query,
    execute: tx.execute,
    get em() {
      return tx.em;
    },
    mark: async (subscriberIds) => {
      const unmarked = subscriberIds.filter((id) => !marked.has(id));
      for (const id of unmarked) marked.add(id);
      await mark(tx, unmarked);
    },
    markNas: (nasId) => markTopic(tx, 'nas', nasId),
    markPolicy: (revisionId) => markPolicies(tx, revisionId),
  });
  if (why.nothing === true) return result;
  const [only] = marked.size === 1 ? marked : [];
  await tx.query(
    'insert into audit (actor, why, subscriber_id, detail) values ($1, $2, $3, $4)',
    [why.actor, why.why, why.subscriberId ?? only ?? null, json(why.detail ?? {})],
    'audit-insert',
  );
  return result;
}

/**
 * Says, inside the caller's transaction, that the facts of these subscribers changed: one row each in the feed, a new
 * `subscriber.version`, and enforcement is due now (a running visit loses its claim, so it cannot overwrite this). One
 * statement for any number of subscribers. Their rows are locked in the order of their ids, so that two marks never
 * deadlock and, for one subscriber, the order of versions is the order of commits.
 */
export async function mark(q: Queryable, subscriberIds: readonly number[]): Promise<void> {
  if (subscriberIds.length > 0) await q.query(MARK, [subscriberIds], 'change-mark');
}

const MARK = `
with locked as materialized (
  select id from subscriber where id = any($1::bigint[]) order by id for no key update
), fed as (
  insert into change (topic, key) select 'subscriber', id from locked returning seq, key
), versioned as (
  update subscriber set version = fed.seq from fed where subscriber.id = fed.key
), dued as (
  insert into due (subscriber_id, due_at) select id, now() from locked
  on conflict (subscriber_id) do update set due_at = excluded.due_at, claimed_until = null, attempts = 0
)
select pg_notify('${CHANGE_CHANNEL}', '')`;

/** Says, inside the caller's transaction, that lines are decided by other policies: every node reads them again. */
export const markPolicies = (q: Queryable, revisionId: number): Promise<void> => markTopic(q, 'policy', revisionId);

async function markTopic(q: Queryable, topic: 'nas' | 'policy', key: number): Promise<void> {
  await q.query(
    `with fed as (insert into change (topic, key) values ($1, $2)) select pg_notify('${CHANGE_CHANNEL}', '')`,
    [topic, key],
    'change-mark-topic',
  );
}
