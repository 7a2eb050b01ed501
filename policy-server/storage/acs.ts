import type { FoundOnt, OntReading } from '#domain/acs';
import type { Instant } from '#domain/time';
import { json, type Queryable, timestamp } from '#storage/database';
import { acsTaskAad, type Sealer } from '#storage/secrets';

/** What was last learned of a subscriber's ONT. */
export type KnownOnt = {
  readonly username: string;
  /** Null: there is none, or nobody asked yet (`readAt` null). */
  readonly deviceId: string | null;
  readonly others: number;
  readonly reading: OntReading | null;
  readonly readAt: Instant | null;
  readonly askedAt: Instant | null;
  /** Why it could not be read since. */
  readonly error: string | null;
};

/** Null when there is no subscriber of that number. */
export async function knownOnt(q: Queryable, subscriberId: number): Promise<KnownOnt | null> {
  const [row] = await q.query<KnownOnt>(
    `select username, device_id as "deviceId", coalesce(others, 0) as others, reading, read_at as "readAt",
            asked_at as "askedAt", error
       from subscriber left join acs_device on acs_device.subscriber_id = subscriber.id where subscriber.id = $1`,
    [subscriberId],
    'acs-known',
  );
  return row ?? null;
}

/** False when somebody, perhaps another node, asked the ACS after `since`: then it is not asked again. */
export async function claimOntReading(
  q: Queryable,
  subscriberId: number,
  now: Instant,
  since: Instant,
): Promise<boolean> {
  const claimed = await q.execute(
    `insert into acs_device (subscriber_id, asked_at) values ($1, $2::timestamptz)
     on conflict (subscriber_id) do update set asked_at = excluded.asked_at where acs_device.asked_at <= $3::timestamptz`,
    [subscriberId, timestamp(now), timestamp(since)],
    'acs-claim-reading',
  );
  return claimed > 0;
}

/** `found` null: the ACS has none. */
export async function writeOntReading(
  q: Queryable,
  subscriberId: number,
  found: FoundOnt | null,
  at: Instant,
): Promise<void> {
  await q.execute(
    `insert into acs_device (subscriber_id, device_id, others, reading, read_at, asked_at)
     values ($1, $2, coalesce($3::int, 0), $4::jsonb, $5::timestamptz, $5::timestamptz)
     on conflict (subscriber_id) do update
        set device_id = excluded.device_id, others = coalesce($3::int, acs_device.others), reading = excluded.reading,
            read_at = excluded.read_at, asked_at = excluded.asked_at, error = null`,
    [
      subscriberId,
      found?.deviceId ?? null,
      found === null ? 0 : found.others,
      found === null ? null : json(found.reading),
      timestamp(at),
    ],
    'acs-write-reading',
  );
}

export async function writeOntError(q: Queryable, subscriberId: number, error: string): Promise<void> {
  await q.execute('update acs_device set error = $2 where subscriber_id = $1', [subscriberId, error]);
}

export type OntTaskKind = 'wifi' | 'reboot' | 'refresh';
/** queued: not handed over yet; sent: handed over, or being so; waiting: the ACS keeps it until the device is heard of. */
export type OntTaskState = 'queued' | 'sent' | 'waiting' | 'done' | 'failed';

/** What a `wifi` task changes; what is left out stays. The password is a secret. */
export type WifiChange = { readonly ssid?: string; readonly password?: string };

export async function insertOntTask(
  q: Queryable,
  sealer: Sealer,
  task: {
    readonly subscriberId: number;
    readonly deviceId: string;
    readonly kind: OntTaskKind;
    readonly body: WifiChange;
    readonly at: Instant;
    readonly by: string;
  },
): Promise<number> {
  const [taken] = await q.query<{ id: number }>(`select nextval(pg_get_serial_sequence('acs_task', 'id')) as id`);
  const { id } = taken!;
  await q.execute(
    `insert into acs_task (id, subscriber_id, device_id, kind, body_sealed, created_at, created_by, due_at)
     overriding system value values ($1, $2, $3, $4, $5, $6::timestamptz, $7, $6::timestamptz)`,
    [
      id,
      task.subscriberId,
      task.deviceId,
      task.kind,
      sealer.seal(JSON.stringify(task.body), acsTaskAad(id)),
      timestamp(task.at),
      task.by,
    ],
  );
  return id;
}

/** Throws `SecretsFault` like every opening. */
export const openOntTask = (sealer: Sealer, { id, bodySealed }: Pick<ClaimedOntTask, 'id' | 'bodySealed'>) =>
  JSON.parse(sealer.open(bodySealed, acsTaskAad(id))) as WifiChange;

export type ClaimedOntTask = {
  readonly id: number;
  readonly subscriberId: number;
  readonly username: string;
  readonly deviceId: string;
  readonly kind: OntTaskKind;
  readonly bodySealed: Buffer;
  readonly state: OntTaskState;
  readonly acsId: string | null;
  readonly createdAt: Instant;
  /** This try included; with it the claim is told from a later one. */
  readonly attempts: number;
};

/**
 * Takes a due task; null = there is none. Of one subscriber they are handed over in the order they were asked for: a
 * later one waits for an earlier one that is on its way.
 */
export async function claimOntTask(q: Queryable, now: Instant, until: Instant): Promise<ClaimedOntTask | null> {
  const [row] = await q.query<ClaimedOntTask>(CLAIM, [timestamp(now), timestamp(until)], 'acs-claim-task');
  return row ?? null;
}

const CLAIM = `
with next as (
  select task.id, subscriber.username
    from acs_task task join subscriber on subscriber.id = task.subscriber_id
   where task.ended_at is null and task.due_at <= $1::timestamptz
     and (task.claimed_until is null or task.claimed_until <= $1::timestamptz)
     and not exists (select from acs_task earlier
                      where earlier.subscriber_id = task.subscriber_id and earlier.id < task.id
                        and earlier.ended_at is null and earlier.state in ('queued', 'sent'))
   order by task.due_at, task.id limit 1 for update of task skip locked
)
update acs_task task set claimed_until = $2::timestamptz, attempts = attempts + 1
  from next where task.id = next.id
returning task.id, subscriber_id as "subscriberId", next.username, device_id as "deviceId", kind,
          body_sealed as "bodySealed", state, acs_id as "acsId", created_at as "createdAt", attempts`;

type Claim = Pick<ClaimedOntTask, 'id' | 'attempts'>;
const STILL_OURS = 'id = $1 and attempts = $2 and ended_at is null';

/** On record before anything goes out: after a kill nobody knows whether it did. False when the claim was lost. */
export async function markOntTaskSent(q: Queryable, { id, attempts }: Claim, deviceId: string): Promise<boolean> {
  const marked = await q.execute(`update acs_task set state = 'sent', device_id = $3 where ${STILL_OURS}`, [
    id,
    attempts,
    deviceId,
  ]);
  return marked > 0;
}

/** The ACS keeps it (`acsId`), or it is tried again; `error` says why it was not done yet. */
export async function settleOntTaskLater(
  q: Queryable,
  { id, attempts }: Claim,
  later: { readonly acsId: string | null; readonly dueAt: Instant; readonly error: string | null },
): Promise<void> {
  await q.execute(
    `update acs_task set state = case when $3::text is null then state else 'waiting' end, acs_id = $3,
            due_at = $4::timestamptz, error = $5, claimed_until = null
      where ${STILL_OURS}`,
    [id, attempts, later.acsId, timestamp(later.dueAt), later.error],
  );
}

/** It is over; `error` null = done. What it said is not kept. */
export async function endOntTask(
  q: Queryable,
  { id, attempts }: Claim,
  error: string | null,
  at: Instant,
): Promise<void> {
  await q.execute(
    `update acs_task set state = case when $3::text is null then 'done' else 'failed' end, error = $3,
            ended_at = $4::timestamptz, claimed_until = null, body_sealed = ''
      where ${STILL_OURS}`,
    [id, attempts, error, timestamp(at)],
  );
}

export type OntTask = {
  readonly id: number;
  readonly kind: OntTaskKind;
  readonly state: OntTaskState;
  readonly createdAt: Instant;
  readonly endedAt: Instant | null;
  readonly error: string | null;
};

/** The newest tasks of a subscriber, the newest first. */
export async function ontTasksOf(q: Queryable, subscriberId: number, limit: number): Promise<OntTask[]> {
  return q.query<OntTask>(
    `select id, kind, state, created_at as "createdAt", ended_at as "endedAt", error
       from acs_task where subscriber_id = $1 order by id desc limit $2`,
    [subscriberId, limit],
    'acs-tasks-of',
  );
}

/** Of what was asked for since: how often, when first, and whether one of it is not over yet. */
export async function ontTasksSince(
  q: Queryable,
  subscriberId: number,
  kind: OntTaskKind,
  since: Instant,
): Promise<{ readonly count: number; readonly first: Instant | null; readonly open: boolean }> {
  const [row] = await q.query<{ count: number; first: Instant | null; open: boolean }>(
    `select count(*)::int as count, min(created_at) as first, coalesce(bool_or(ended_at is null), false) as open
       from acs_task where subscriber_id = $1 and kind = $2 and created_at > $3::timestamptz`,
    [subscriberId, kind, timestamp(since)],
  );
  return row!;
}
