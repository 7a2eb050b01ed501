import { type Instant, MINUTE } from '#domain/time';
import { type Queryable, timestamp } from '#storage/database';

/** Equal dials that were rejected, one after the other. */
export type RejectedRun = {
  readonly username: string;
  readonly nasId: number;
  readonly mac: string | null;
  readonly reason: string;
  readonly times: number;
  readonly firstAt: Instant;
  readonly lastAt: Instant;
};

/** A run goes on while less than this is between one reject and the next. */
export const RUN_GAP_MS = 10 * MINUTE;

const COLUMNS = 'username, nas_id, mac, reason, times, first_at, last_at';

/**
 * Adds each run to the one in the table that it continues, or as a new one; whose it is, is looked up by the user name. No
 * two of `runs` may be of the same user name, NAS, MAC and reason. Two nodes at once may leave two rows where one would do.
 */
const RECORD = `
with given as (
  select *, row_number() over () as n
    from unnest($1::text[], $2::int[], $3::text[], $4::text[], $5::int[], $6::timestamptz[], $7::timestamptz[]) as g (${COLUMNS})
), continued as (
  update rejected_dial r set times = r.times + g.times, first_at = least(r.first_at, g.first_at), last_at = greatest(r.last_at, g.last_at)
    from given g where r.id = (
      select o.id from rejected_dial o
       where o.username = g.username and o.nas_id = g.nas_id and o.mac is not distinct from g.mac and o.reason = g.reason
         and o.last_at > g.first_at - $8 * interval '1 millisecond' and o.first_at < g.last_at + $8 * interval '1 millisecond'
       order by o.last_at desc limit 1)
  returning g.n
)
insert into rejected_dial (subscriber_id, ${COLUMNS})
select (select id from subscriber s where s.username = given.username), ${COLUMNS} from given where n not in (select n from continued)`;

export async function recordRejects(q: Queryable, runs: readonly RejectedRun[]): Promise<void> {
  if (runs.length === 0) return;
  await q.execute(
    RECORD,
    [
      runs.map((run) => storable(run.username)),
      runs.map((run) => run.nasId),
      runs.map((run) => (run.mac === null ? null : storable(run.mac))),
      runs.map((run) => run.reason),
      runs.map((run) => run.times),
      runs.map((run) => timestamp(run.firstAt)),
      runs.map((run) => timestamp(run.lastAt)),
      RUN_GAP_MS,
    ],
    'rejects-record',
  );
}

/** What comes over the air may hold the one character that PostgreSQL has no place for. */
const storable = (text: string): string => text.replaceAll('\0', '\ufffd');
