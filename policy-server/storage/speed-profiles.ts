import type { Rate } from '#domain/plan';
import { json, type Queryable } from '#storage/database';

/** Speeds to choose from when a plan is made; a plan keeps its own copy of them. */
export type SpeedProfile = {
  readonly id: number;
  readonly name: string;
  readonly rate: Rate;
  /** PPP profile on the router (Mikrotik-Group); null = the PPPoE server's default profile. */
  readonly profile: string | null;
};

export type ListedSpeedProfile = SpeedProfile & {
  /** Plans on sale whose newest revision took its speeds from here. */
  readonly plans: number;
};

type Row = Omit<SpeedProfile, 'rate'> & { downloadBps: number; uploadBps: number; burst: Rate['burst'] };

const COLUMNS = 'id, name, download_bps as "downloadBps", upload_bps as "uploadBps", burst, profile';

export async function listSpeedProfiles(q: Queryable): Promise<ListedSpeedProfile[]> {
  const rows = await q.query<Row & { plans: number }>(
    `select ${COLUMNS},
            (select count(*) from plan where retired_at is null and speed_profile.id =
               (select speed_profile_id from plan_revision where plan_id = plan.id order by revision desc limit 1)) as plans
       from speed_profile order by download_bps, upload_bps, name`,
  );
  return rows.map((row) => ({ ...profileOf(row), plans: row.plans }));
}

/** `lock` keeps every other transaction from changing it until ours ends. */
export async function findSpeedProfile(
  q: Queryable,
  id: number,
  lock: 'lock' | 'read' = 'read',
): Promise<SpeedProfile | null> {
  const [row] = await q.query<Row>(
    `select ${COLUMNS} from speed_profile where id = $1 ${lock === 'lock' ? 'for update' : ''}`,
    [id],
  );
  return row === undefined ? null : profileOf(row);
}

/** Writes a new one (`id` null) or over the one that is there. Returns its id. Throws a violation of `speed_profile_name_key`. */
export async function writeSpeedProfile(
  q: Queryable,
  id: number | null,
  { name, rate, profile }: Omit<SpeedProfile, 'id'>,
): Promise<number> {
  const burst = rate.burst === null ? null : json(rate.burst);
  const values = [name, rate.downloadBps, rate.uploadBps, burst, profile];
  const [row] =
    id === null
      ? await q.query<{ id: number }>(
          `insert into speed_profile (name, download_bps, upload_bps, burst, profile)
           values ($1, $2, $3, $4::jsonb, $5) returning id`,
          values,
        )
      : await q.query<{ id: number }>(
          `update speed_profile set name = $1, download_bps = $2, upload_bps = $3, burst = $4::jsonb, profile = $5
            where id = $6 returning id`,
          [...values, id],
        );
  return row!.id;
}

/** Plans keep their copy. Returns whether it was there. */
export async function deleteSpeedProfileRow(q: Queryable, id: number): Promise<boolean> {
  return (await q.execute('delete from speed_profile where id = $1', [id])) > 0;
}

function profileOf({ id, name, downloadBps, uploadBps, burst, profile }: Row): SpeedProfile {
  return { id, name, rate: { downloadBps, uploadBps, burst }, profile };
}
