import { type Bought, boughtAt } from '#domain/standing';
import { type Instant, NEVER } from '#domain/time';
import { type Queryable, timestamp } from '#storage/database';
import { loadGrants } from '#storage/facts';
import { MESSAGE_STATE } from '#storage/log-lists';
import { readSessionEvents, type SessionEvent } from '#storage/session-events';

/** What happened to a subscriber, in one order: everything that says why the line is as it is. */
export type TimelineItem = {
  readonly at: Instant;
  /** Unlike that of every other item of the subscriber; as `before` it asks for what is older. */
  readonly key: string;
} & TimelineDetail;

export const TIMELINE_KINDS = [
  'reject',
  'session',
  'enforcement',
  'purchase',
  'payment',
  'refund',
  'grant',
  'message',
  'edit',
] as const;
export type TimelineKind = (typeof TIMELINE_KINDS)[number];

export type TimelineDetail =
  /** A run of dials that were rejected for one reason; `at` is the last of them. */
  | {
      readonly kind: 'reject';
      readonly times: number;
      /** One of `RejectReason` in radius/worker-messages. */
      readonly reason: string;
      readonly firstAt: Instant;
      readonly mac: string | null;
      readonly nasName: string | null;
    }
  | SessionEvent
  /** A CoA or Disconnect and what came of it. */
  | {
      readonly kind: 'enforcement';
      readonly act: 'coa' | 'disconnect' | 'probe';
      readonly outcome: string;
      readonly reason: string;
      readonly tookMs: number;
      readonly nasName: string | null;
    }
  | {
      readonly kind: 'purchase';
      readonly what: 'ordered' | 'cancelled' | 'lapsed';
      readonly number: string;
      readonly plan: string;
      readonly priceRupiah: number;
      /** Who ordered or cancelled it; null: nobody did, its time ran out. */
      readonly by: string | null;
    }
  | {
      readonly kind: 'payment';
      /** Of the order or the invoice that was paid; '' where it became credit. */
      readonly number: string;
      readonly method: string;
      readonly amountRupiah: number;
      readonly by: string;
      readonly note: string;
    }
  | {
      readonly kind: 'refund';
      readonly what: 'refund' | 'reversal' | 'chargeback';
      readonly method: string;
      readonly amountRupiah: number;
      readonly by: string;
      readonly reason: string;
    }
  | {
      readonly kind: 'grant';
      readonly what: 'begun' | 'ended' | 'revoked';
      readonly plan: string;
      readonly from: Instant;
      readonly until: Instant;
      readonly usedBytes: number;
      readonly allowanceBytes: number | null;
    }
  /** Queued at `at`. */
  | {
      readonly kind: 'message';
      readonly messageId: number;
      readonly notice: string;
      readonly state: 'queued' | 'sent' | 'delivered' | 'read' | 'failed' | 'cancelled';
      /** Why it is not sent yet, or never will be. */
      readonly reason: string | null;
    }
  /** A row of the audit log. */
  | {
      readonly kind: 'edit';
      readonly actor: string;
      readonly why: string;
      readonly detail: Readonly<Record<string, unknown>>;
    };

export type TimelineOptions = {
  readonly now: Instant;
  /** The key of the last item of the page before. */
  readonly before?: string;
  /** Only these; left out or empty: all. */
  readonly kinds?: readonly TimelineKind[];
  readonly limit?: number;
};

/** Where in the order something stands: later first, then by branch, then the higher id. */
type Place = { readonly at: Instant; readonly branch: number; readonly id: number };
type Placed = Place & { readonly detail: TimelineDetail };

/** Equal instants that a page may have shown already, to be read past. */
const SLACK = 20;

/** The newest first, `limit` of them. No branch reads more than a page of its own. */
export async function timeline(
  q: Queryable,
  subscriberId: number,
  { now, before, kinds = [], limit = 50 }: TimelineOptions,
): Promise<{ items: TimelineItem[]; more: boolean }> {
  const after = before === undefined ? null : placeOf(before);
  const read: Read = { q, subscriberId, until: Math.min(now, after?.at ?? now) + 1, limit: limit + 1 + SLACK };
  const found: Placed[] = [];
  for (const [branch, { kind, rows }] of BRANCHES.entries()) {
    if (kinds.length > 0 && !kinds.includes(kind)) continue;
    for (const { at, id, detail } of await rows(read)) {
      const placed = { at, branch, id, detail };
      if (at < read.until && (after === null || order(after, placed) < 0)) found.push(placed);
    }
  }
  const page = found.sort(order).slice(0, limit);
  return {
    items: page.map(({ detail, ...place }) => ({ at: place.at, key: keyOf(place), ...detail })),
    more: found.length > limit,
  };
}

const order = (one: Place, other: Place): number => other.at - one.at || one.branch - other.branch || other.id - one.id;

const keyOf = ({ at, branch, id }: Place): string => `${at}-${branch}-${id}`;

/** Of a key that is none, the end of time: the page then begins with the newest. */
function placeOf(key: string): Place {
  const match = /^(\d{1,15})-(\d{1,2})-(\d{1,15})$/.exec(key);
  if (match === null) return { at: NEVER, branch: 0, id: 0 };
  return { at: Number(match[1]), branch: Number(match[2]), id: Number(match[3]) };
}

/** What a branch is asked for: what was before `until`, the newest first. */
export type Read = {
  readonly q: Queryable;
  readonly subscriberId: number;
  readonly until: Instant;
  readonly limit: number;
};

type Branch = {
  readonly kind: TimelineKind;
  readonly rows: (read: Read) => Promise<{ at: Instant; id: number; detail: TimelineDetail }[]>;
};

/** A branch that is one statement: `at`, `id`, then the detail's own columns; `$1` whose, `$2` before when, `$3` how many. */
function branch<Kind extends TimelineKind>(kind: Kind, name: string, text: string): Branch {
  return {
    kind,
    rows: async ({ q, subscriberId, until, limit }) => {
      type Row = { at: Instant; id: number } & Omit<Extract<TimelineDetail, { kind: Kind }>, 'kind'>;
      const rows = await q.query<Row>(text, [subscriberId, timestamp(until), limit], `timeline-${name}`);
      return rows.map(({ at, id, ...detail }) => ({
        at,
        id,
        detail: { kind, ...detail } as unknown as TimelineDetail,
      }));
    },
  };
}

const PURCHASE = (what: string, at: string, by: string, condition: string): string =>
  `select ${at} as at, p.id, '${what}' as what, p.number, plan.name as plan, p.price_rupiah as "priceRupiah", ${by} as by
     from purchase p join plan_revision r on r.id = p.plan_revision_id join plan on plan.id = r.plan_id
    where p.subscriber_id = $1 and ${at} < $2::timestamptz and ${condition} order by ${at} desc limit $3`;

const GRANT = (what: string, at: string, condition: string): string =>
  `select ${at} as at, g.id, ${what} as what, plan.name as plan, g.starts_at as "from", g.ends_at as until,
          g.used_bytes as "usedBytes", r.allowance_bytes as "allowanceBytes"
     from grants g join plan_revision r on r.id = g.plan_revision_id join plan on plan.id = r.plan_id
    where g.subscriber_id = $1 and ${at} < $2::timestamptz and ${condition} order by ${at} desc limit $3`;

/** Their order is that of things that happened at the same instant, the last of them first. */
const BRANCHES: readonly Branch[] = [
  branch(
    'enforcement',
    'acts',
    `select a.at, a.id, a.act, a.outcome, a.reason, a.took_ms as "tookMs", nas.name as "nasName"
       from enforcement_act a left join nas on nas.id = a.nas_id
      where a.subscriber_id = $1 and a.at < $2::timestamptz order by a.at desc limit $3`,
  ),
  { kind: 'session', rows: (read) => readSessionEvents(read, 'ended') },
  { kind: 'session', rows: (read) => readSessionEvents(read, 'began') },
  branch(
    'reject',
    'rejects',
    `select d.last_at as at, d.id, d.times, d.reason, d.first_at as "firstAt", d.mac, nas.name as "nasName"
       from rejected_dial d left join nas on nas.id = d.nas_id
      where d.subscriber_id = $1 and d.last_at < $2::timestamptz order by d.last_at desc limit $3`,
  ),
  branch(
    'message',
    'messages',
    `select m.queued_at as at, m.id, m.id as "messageId", m.notice, ${MESSAGE_STATE} as state, coalesce(m.failure, m.waiting_for) as reason
       from message m where m.subscriber_id = $1 and m.queued_at < $2::timestamptz order by m.queued_at desc limit $3`,
  ),
  branch(
    'grant',
    'grants-over',
    GRANT(
      "case when g.revoked_at < g.ends_at then 'revoked' else 'ended' end",
      'least(g.ends_at, g.revoked_at)',
      "least(g.ends_at, g.revoked_at) < 'infinity'",
    ),
  ),
  branch('grant', 'grants-begun', GRANT("'begun'", 'g.starts_at', 'least(g.ends_at, g.revoked_at) > g.starts_at')),
  branch(
    'payment',
    'payments',
    `select y.received_at as at, y.id, coalesce(p.number, i.number, '') as number, y.method, y.amount_rupiah as "amountRupiah",
            y.received_by as by, y.note
       from payment y left join purchase p on p.id = y.purchase_id left join invoice i on i.id = y.invoice_id
      where y.subscriber_id = $1 and y.received_at < $2::timestamptz order by y.received_at desc limit $3`,
  ),
  branch(
    'refund',
    'refunds',
    `select refund.at, refund.id, refund.kind as what, y.method, refund.amount_rupiah as "amountRupiah", refund.by, refund.reason
       from refund join payment y on y.id = refund.payment_id
      where y.subscriber_id = $1 and refund.at < $2::timestamptz order by refund.at desc limit $3`,
  ),
  branch(
    'purchase',
    'lapsed',
    PURCHASE('lapsed', 'p.expires_at', 'null', 'p.cancelled_at is null and p.grant_id is null'),
  ),
  branch(
    'purchase',
    'cancelled',
    PURCHASE('cancelled', 'p.cancelled_at', 'p.cancelled_by', 'p.cancelled_at is not null'),
  ),
  branch('purchase', 'ordered', PURCHASE('ordered', 'p.ordered_at', 'p.ordered_by', 'true')),
  branch(
    'edit',
    'edits',
    `select a.at, a.id, a.actor, a.why, a.detail from audit a
      where a.subscriber_id = $1 and a.at < $2::timestamptz order by a.at desc limit $3`,
  ),
];

/** Why the line is as it is, for the one sentence at the top of a subscriber's page. */
export type WhyOffline = { readonly bought: Bought; readonly line: LineState };

export type LineState =
  | {
      readonly is: 'online';
      readonly since: Instant;
      readonly address: string | null;
      readonly nasName: string;
      /** As its router acknowledged; null when that is not known. */
      readonly rate: { readonly downloadBps: number; readonly uploadBps: number } | null;
      readonly list: string | null;
    }
  | { readonly is: 'suspended'; readonly since: Instant }
  /** A static line dials nobody: it is as the address-lists of its router are. */
  | { readonly is: 'static'; readonly addresses: readonly StaticLine[] }
  /** Every dial since the last session was refused, the last ones for this reason. */
  | {
      readonly is: 'rejected';
      readonly times: number;
      readonly reason: string;
      readonly since: Instant;
      readonly last: Instant;
    }
  | { readonly is: 'ended'; readonly cause: string | null; readonly at: Instant }
  | { readonly is: 'never-seen' };

export type StaticLine = {
  readonly address: string;
  readonly nasName: string;
  /** The list its router acknowledged, and the one it was last seen in; null = none of ours. */
  readonly toldList: string | null;
  readonly seenList: string | null;
  readonly seenAt: Instant | null;
  readonly error: string | null;
};

/** Null when there is no such subscriber. */
export async function whyOffline(q: Queryable, subscriberId: number, now: Instant): Promise<WhyOffline | null> {
  const [row] = await q.query<LineRow>(LINE, [subscriberId], 'timeline-line');
  if (row === undefined) return null;
  const grants = (await loadGrants(q, [subscriberId])).get(subscriberId) ?? [];
  return { bought: boughtAt({ grants, suspendedSince: row.suspendedAt }, now), line: await lineState(q, row, now) };
}

type LineRow = {
  readonly id: number;
  readonly access: 'pppoe' | 'static';
  readonly suspendedAt: Instant | null;
  readonly since: Instant | null;
  readonly address: string | null;
  readonly nasName: string | null;
  readonly told: string | null;
  readonly endedAt: Instant | null;
  readonly cause: string | null;
};

const LINE = `
select s.id, s.access, s.suspended_at as "suspendedAt", live.started_at as since, host(live.framed_ip) as address, nas.name as "nasName",
       live.told_live as told, past.ended_at as "endedAt", past.cause
  from subscriber s
  left join lateral (select * from session where subscriber_id = s.id and ended_at is null order by started_at desc limit 1) live on true
  left join nas on nas.id = live.nas_id
  left join lateral (
    select ended_at, cause from (
      (select ended_at, cause from session where username = s.username and subscriber_id = s.id and ended_at is not null)
      union all
      (select ended_at, cause from session_history where subscriber_id = s.id order by ended_at desc limit 1)) both_tables
     order by ended_at desc limit 1) past on true
 where s.id = $1`;

async function lineState(q: Queryable, row: LineRow, now: Instant): Promise<LineState> {
  if (row.since !== null) {
    const { since, address, nasName, told } = row;
    return { is: 'online', since, address, nasName: nasName!, ...toldOfLine(told) };
  }
  if (row.suspendedAt !== null && row.suspendedAt <= now) return { is: 'suspended', since: row.suspendedAt };
  if (row.access === 'static') return { is: 'static', addresses: await q.query<StaticLine>(STATIC_LINES, [row.id]) };
  const [rejects] = await q.query<Omit<Extract<LineState, { is: 'rejected' }>, 'is'>>(
    `select sum(times)::int as times, reason, min(first_at) as since, max(last_at) as last from rejected_dial
      where subscriber_id = $1 and last_at > $2::timestamptz group by reason order by max(last_at) desc limit 1`,
    [row.id, timestamp(row.endedAt ?? -NEVER)],
  );
  if (rejects !== undefined) return { is: 'rejected', ...rejects };
  return row.endedAt === null ? { is: 'never-seen' } : { is: 'ended', cause: row.cause, at: row.endedAt };
}

const STATIC_LINES = `
select case when masklen(a.address) in (32, 128) then host(a.address) else text(a.address) end as address, nas.name as "nasName",
       a.told_list as "toldList", a.seen_list as "seenList", a.seen_at as "seenAt", a.last_error as error
  from static_address a join nas on nas.id = a.nas_id where a.subscriber_id = $1 and a.removed_at is null order by a.address`;

/** What `Told.live` of domain/reconcile says: `20000000/10000000 list=prepaid-active`, download first; a long one is a hash. */
export function toldOfLine(told: string | null): Pick<Extract<LineState, { is: 'online' }>, 'rate' | 'list'> {
  const match = /^(\d+)\/(\d+)(?: |$)/.exec(told ?? '');
  return {
    rate: match === null ? null : { downloadBps: Number(match[1]), uploadBps: Number(match[2]) },
    list: / list=(\S+)/.exec(told ?? '')?.[1] ?? null,
  };
}
