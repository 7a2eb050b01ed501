import type { Instant } from '#domain/time';
import { type Queryable, timestamp } from '#storage/database';
import { Bound, conditions, countUpTo, type Listed, type Page, STREAM_CHUNK, slice } from '#storage/paging';
import { chunks, subscriberCondition } from '#storage/sales-lists';

/** A message as the list shows it: never its text. */
export type ListedMessage = {
  readonly id: number;
  readonly subscriberId: number | null;
  readonly username: string | null;
  readonly name: string | null;
  readonly phone: string;
  readonly notice: string;
  readonly state: ListedMessageState;
  readonly secret: boolean;
  readonly transport: string | null;
  readonly attempts: number;
  readonly queuedAt: Instant;
  readonly dueAt: Instant;
  readonly sentAt: Instant | null;
  readonly deliveredAt: Instant | null;
  readonly readAt: Instant | null;
  readonly failedAt: Instant | null;
  readonly cancelledAt: Instant | null;
  /** Why it is not sent yet, or never will be. */
  readonly reason: string | null;
};

export const MESSAGE_STATES = ['queued', 'sent', 'delivered', 'read', 'failed', 'cancelled'] as const;
export type ListedMessageState = (typeof MESSAGE_STATES)[number];

export type MessageFilter = {
  /** What finds the subscriber, his phone number too (`searchCondition`). */
  readonly search?: string;
  readonly state?: ListedMessageState;
  readonly notice?: string;
  readonly subscriberId?: number;
  /** Queued from … until just before … */
  readonly from?: Instant;
  readonly to?: Instant;
};

export const MESSAGE_STATE = `case when m.cancelled_at is not null then 'cancelled' when m.failed_at is not null then 'failed'
  when m.read_at is not null then 'read' when m.delivered_at is not null then 'delivered'
  when m.sent_at is not null then 'sent' else 'queued' end`;

/** The same as conditions an index may know. */
const MESSAGE_IS: Readonly<Record<ListedMessageState, string>> = {
  queued: 'm.sent_at is null and m.failed_at is null and m.cancelled_at is null',
  sent: `${MESSAGE_STATE} = 'sent'`,
  delivered: `${MESSAGE_STATE} = 'delivered'`,
  read: `${MESSAGE_STATE} = 'read'`,
  failed: 'm.failed_at is not null and m.cancelled_at is null',
  cancelled: 'm.cancelled_at is not null',
};

/** The newest first. */
export async function listMessages(q: Queryable, options: MessageFilter & Page): Promise<Listed<ListedMessage>> {
  const bound = new Bound();
  const from = messages(bound, options);
  const counted = await countUpTo(q, from, bound.values);
  const page = `select m.id from ${from} order by m.id desc ${slice(options)}`;
  return { rows: await q.query<ListedMessage>(messageRows(page, 'm.id desc'), bound.values), ...counted };
}

export async function* streamMessages(
  q: Queryable,
  filter: MessageFilter,
): AsyncGenerator<ListedMessage[], void, void> {
  yield* chunks((after) => {
    const bound = new Bound();
    const page = `select m.id from ${messages(bound, filter, after)} order by m.id limit ${STREAM_CHUNK}`;
    return q.query<ListedMessage>(messageRows(page, 'm.id'), bound.values);
  });
}

function messages(bound: Bound, filter: MessageFilter, after?: number): string {
  const where: string[] = [];
  if (after !== undefined) where.push(`m.id > ${bound.add(after)}`);
  if (filter.state !== undefined) where.push(`(${MESSAGE_IS[filter.state]})`);
  if (filter.notice !== undefined) where.push(`m.notice = ${bound.add(filter.notice)}`);
  if (filter.subscriberId !== undefined) where.push(`m.subscriber_id = ${bound.add(filter.subscriberId)}`);
  if (filter.from !== undefined) where.push(`m.queued_at >= ${bound.add(timestamp(filter.from))}::timestamptz`);
  if (filter.to !== undefined) where.push(`m.queued_at < ${bound.add(timestamp(filter.to))}::timestamptz`);
  const whose = subscriberCondition(bound, filter.search, 'm.subscriber_id');
  if (whose !== null) where.push(whose);
  return `message m ${conditions(where)}`;
}

const messageRows = (page: string, order: string): string =>
  `select m.id, m.subscriber_id as "subscriberId", s.username, s.name, m.phone, m.notice, ${MESSAGE_STATE} as state, m.secret,
          m.transport, m.attempts, m.queued_at as "queuedAt", m.due_at as "dueAt", m.sent_at as "sentAt",
          m.delivered_at as "deliveredAt", m.read_at as "readAt", m.failed_at as "failedAt", m.cancelled_at as "cancelledAt",
          coalesce(m.failure, m.waiting_for) as reason
     from (${page}) page join message m on m.id = page.id left join subscriber s on s.id = m.subscriber_id
    order by ${order}`;

/** One row of the audit log. */
export type AuditRow = {
  readonly id: number;
  readonly at: Instant;
  readonly actor: string;
  readonly why: string;
  readonly subscriberId: number | null;
  readonly username: string | null;
  readonly detail: Readonly<Record<string, unknown>>;
};

export type AuditFilter = {
  readonly actor?: string;
  readonly why?: string;
  readonly subscriberId?: number;
  /** From … until just before … */
  readonly from?: Instant;
  readonly to?: Instant;
};

/** The newest first, `limit` of them; `before` is the id of the last row of the page before. */
export async function listAudit(
  q: Queryable,
  options: AuditFilter & { readonly before?: number; readonly limit: number },
): Promise<AuditRow[]> {
  const bound = new Bound();
  const where = auditConditions(bound, options);
  if (options.before !== undefined)
    where.push(`(a.at, a.id) < (select at, id from audit where id = ${bound.add(options.before)})`);
  const page = `select a.id from audit a ${conditions(where)} order by a.at desc, a.id desc limit ${bound.add(options.limit)}`;
  return q.query<AuditRow>(auditRows(page, 'a.at desc, a.id desc'), bound.values);
}

export async function* streamAudit(q: Queryable, filter: AuditFilter): AsyncGenerator<AuditRow[], void, void> {
  yield* chunks((after) => {
    const bound = new Bound();
    const where = [`a.id > ${bound.add(after)}`, ...auditConditions(bound, filter)];
    const page = `select a.id from audit a ${conditions(where)} order by a.id limit ${STREAM_CHUNK}`;
    return q.query<AuditRow>(auditRows(page, 'a.id'), bound.values);
  });
}

/** Every actor and every verb of the log, for the filters: each is a jump in an index, not a look at all rows. */
export async function auditWords(q: Queryable): Promise<{ actors: string[]; verbs: string[] }> {
  const words = (column: 'actor' | 'why') =>
    q.query<{ word: string }>(
      `with recursive words as (
         (select ${column} as word from audit order by ${column} limit 1)
         union all
         select (select ${column} from audit where ${column} > words.word order by ${column} limit 1) from words where words.word is not null)
       select word from words where word is not null limit 500`,
    );
  const [actors, verbs] = [await words('actor'), await words('why')];
  return { actors: actors.map(({ word }) => word), verbs: verbs.map(({ word }) => word) };
}

function auditConditions(bound: Bound, filter: AuditFilter): string[] {
  const where: string[] = [];
  if (filter.actor !== undefined) where.push(`a.actor = ${bound.add(filter.actor)}`);
  if (filter.why !== undefined) where.push(`a.why = ${bound.add(filter.why)}`);
  if (filter.subscriberId !== undefined) where.push(`a.subscriber_id = ${bound.add(filter.subscriberId)}`);
  if (filter.from !== undefined) where.push(`a.at >= ${bound.add(timestamp(filter.from))}::timestamptz`);
  if (filter.to !== undefined) where.push(`a.at < ${bound.add(timestamp(filter.to))}::timestamptz`);
  return where;
}

const auditRows = (page: string, order: string): string =>
  `select a.id, a.at, a.actor, a.why, a.subscriber_id as "subscriberId", s.username, a.detail
     from (${page}) page join audit a on a.id = page.id left join subscriber s on s.id = a.subscriber_id
    order by ${order}`;
